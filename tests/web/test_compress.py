"""Text goes out gzipped to whoever takes it, and is the same text."""

from __future__ import annotations

import gzip

import pytest
from flask import Flask, Response

from web.compress import LEAST, compress


@pytest.fixture
def app() -> Flask:
    app = Flask(__name__, static_folder=None)
    app.after_request(compress)
    app.add_url_rule("/long", "long", lambda: "dough " * LEAST)
    app.add_url_rule("/short", "short", lambda: "dough")
    app.add_url_rule("/bytes", "bytes", lambda: Response(b"\0" * 9000, mimetype="application/octet-stream"))
    return app


@pytest.mark.parametrize("accepted", ["gzip", "gzip, deflate, br", "*"])
def test_long_text_is_gzipped_for_who_takes_it(app: Flask, accepted: str) -> None:
    answer = app.test_client().get("/long", headers={"Accept-Encoding": accepted})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(answer.data).decode() == "dough " * LEAST
    assert int(answer.headers["Content-Length"]) == len(answer.data) < 1000
    assert "Accept-Encoding" in answer.headers["Vary"]


@pytest.mark.parametrize(
    ("path", "accepted"), [("/long", "identity"), ("/long", "gzip;q=0"), ("/short", "gzip"), ("/bytes", "gzip")]
)
def test_what_is_short_or_no_text_or_not_wanted_so_stays_as_it_is(app: Flask, path: str, accepted: str) -> None:
    answer = app.test_client().get(path, headers={"Accept-Encoding": accepted})
    assert "Content-Encoding" not in answer.headers


def test_head_says_what_get_would_say_without_a_body(app: Flask) -> None:
    answer = app.test_client().head("/long", headers={"Accept-Encoding": "gzip"})
    assert (answer.status_code, answer.data) == (200, b"")
