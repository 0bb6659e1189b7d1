"""Deliveries: what moves blobs goes on beside the pages, shows how far it has come, and can be stopped."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask

from engine import digest as digests
from engine import scratch
from engine.events import Progress
from engine.journal import Done, Journal
from tests.web.given import Visitor
from web.deliveries import EACH, Busy, Deliveries

BLOB = digests.of(b"a layer")


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    opened = threading.Event()
    yield opened
    opened.set()


@pytest.fixture
def slow(make_app: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch, gate: threading.Event) -> Visitor:
    """A visitor of a server whose pulls stop half way, until the gate opens or they are cancelled."""
    app = make_app()
    app.extensions["shop"].deliveries.patience = 0.05
    do = Journal.do

    def halting(self: Journal, kitchen: str, argv: list[str], **given: Callable[..., object]) -> Done:
        if argv[0] == "pull" and given.get("progress"):
            given["progress"](Progress(digest=BLOB, phase="downloading", done=500, total=1000))
            while not gate.wait(0.01) and not given["cancelled"]():
                pass
        return do(self, kitchen, argv, **given)  # type: ignore[arg-type]

    monkeypatch.setattr(Journal, "do", halting)
    return opened(app)


def opened(app: Flask) -> Visitor:
    """A visitor with a kitchen."""
    visitor = Visitor(app)
    visitor.open()
    return visitor


def deliveries(visitor: Visitor) -> Deliveries:
    found: Deliveries = visitor.client.application.extensions["shop"].deliveries
    return found


def images(visitor: Visitor) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(visitor.state())["images"]
    return found


def test_a_long_pull_shows_how_far_it_has_come_and_then_what_it_brought(slow: Visitor, gate: threading.Event) -> None:
    slow.type("docker pull pizza/cheese")
    page = slow.look()
    assert 'data-done="500" data-total="1000"' in page
    assert f"{digests.short(BLOB)}: Downloading" in page
    assert "On its way" in page
    poll = slow.fragment("/delivery")
    assert 'id="underway"' in poll.text
    assert 'id="kitchen"' not in poll.text
    under_way = deliveries(slow).of(slow.kitchen)
    gate.set()
    assert under_way
    assert under_way.ended.wait(30)
    poll = slow.fragment("/delivery")
    assert poll.headers["HX-Retarget"] == "#kitchen"
    assert "Cheese arrived" in poll.text
    assert "underway" not in slow.look()


def test_a_stopped_pull_leaves_the_kitchen_as_it_was(slow: Visitor) -> None:
    before = slow.state()
    slow.type("docker pull pizza/cheese")
    under_way = deliveries(slow).of(slow.kitchen)
    slow.press("cancel")
    assert under_way
    assert under_way.ended.wait(30)
    assert deliveries(slow).of(slow.kitchen) is None
    assert slow.state() == before
    assert "cancelled" in slow.said().text


def test_a_kitchen_has_one_delivery_at_a_time(slow: Visitor) -> None:
    slow.type("docker pull pizza/cheese")
    slow.type("docker pull pizza/pepperoni")
    assert "another delivery is under way" in slow.said().text


def test_a_stranger_sees_a_delivery_and_cannot_stop_it(slow: Visitor) -> None:
    slow.type("docker pull pizza/cheese")
    stranger = Visitor(slow.client.application)
    page = stranger.get(f"/k/{slow.kitchen}").text
    assert 'id="underway"' in page
    assert "Stop it" not in page
    assert stranger.post(f"/k/{slow.kitchen}/cancel").status_code == 403


@pytest.mark.parametrize("surprise", [OSError(28, "No space left on device"), RuntimeError("a bug")])
def test_a_surprise_is_told_and_logged(
    make_app: Callable[..., Flask],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    surprise: Exception,
) -> None:
    def broken(*_: object, **__: object) -> Done:
        raise surprise

    visitor = opened(make_app())
    monkeypatch.setattr(Journal, "do", broken)
    visitor.type("docker pull pizza/cheese")
    assert "something of ours broke" in visitor.said().text
    assert visitor.said().status == 1
    assert deliveries(visitor).of(visitor.kitchen) is None
    assert str(surprise) in caplog.text


def test_one_address_leaves_room_for_others() -> None:
    under_way, gate = Deliveries(threading.Event()), threading.Event()
    begun = [under_way.begin(f"k{n}", "a", "docker pull x", lambda _: gate.wait(30)) for n in range(EACH)]
    with pytest.raises(Busy, match="your address"):
        under_way.begin("more", "a", "docker pull x", lambda _: None)
    other = under_way.begin("other", "b", "docker pull x", lambda _: None)
    assert other.ended.wait(30)
    gate.set()
    assert all(delivery.ended.wait(30) for delivery in begun)


def test_deliveries_end_when_the_server_stops() -> None:
    stopping, ended = threading.Event(), threading.Event()
    under_way = Deliveries(stopping)

    def work(delivery: object) -> None:
        while not delivery.cancelled():  # type: ignore[attr-defined]
            ended.wait(0.01)

    delivery = under_way.begin("k", "a", "docker pull x", work)
    stopping.set()
    assert delivery.ended.wait(30)
    assert under_way.of("k") is None


def test_an_archive_is_downloaded_and_loaded_into_another_kitchen(make_app: Callable[..., Flask]) -> None:
    app = make_app()
    giver, taker = opened(app), opened(app)
    giver.type("docker pull pizza/cheese")
    answer = giver.get(f"/k/{giver.kitchen}/save/pizza/cheese.tar")
    assert answer.content_length == len(answer.data)
    with tarfile.open(fileobj=io.BytesIO(answer.data)) as tar:
        assert "oci-layout" in tar.getnames()
    loaded = taker.send("/load", {"archive": (io.BytesIO(answer.data), "cheese.tar")})
    assert loaded.status_code == 303, loaded.text
    assert taker.said().status == 0
    assert [image["references"] for image in images(taker)] == [["pizza/cheese:latest"]]
    assert images(taker)[0]["manifest"] == images(giver)[0]["manifest"]
    layers = sum(layer["size"] for layer in images(taker)[0]["layers"])  # type: ignore[attr-defined]
    step = re.search(r'data-bytes="(\d+)" class="named" aria-current="step">.*?<b>load cheese', taker.look(), re.DOTALL)
    assert step
    assert 0 < int(step[1]) - layers < 5_000


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b\x08\0"], ids=["empty", "text", "cut"])
def test_what_is_no_archive_is_refused_and_nothing_is_kept(make_app: Callable[..., Flask], content: bytes) -> None:
    visitor = opened(make_app())
    before = visitor.state()
    visitor.send("/load", {"archive": (io.BytesIO(content), "x.tar")})
    assert visitor.said().status == 1
    assert "load" in visitor.said().text
    assert visitor.state() == before


def test_a_file_that_is_sent_lies_beside_the_kitchens_and_not_elsewhere(
    make_app: Callable[..., Flask], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = opened(make_app())
    made, begin = [], scratch.file
    monkeypatch.setattr(scratch, "file", lambda directory=None: made.append(directory) or begin(directory))
    for content in (b"x" * 10, gzip.compress(os.urandom(1_000_000))):
        visitor.send("/load", {"archive": (io.BytesIO(content), "x.tar")})
    assert set(made) == {tmp_path / "data-0"}
    assert len(made) == 3, "two that came, and one unpacked"


def test_a_file_for_which_the_disk_has_no_room_is_refused(
    make_app: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = opened(make_app())
    before = visitor.state()
    monkeypatch.setattr(scratch, "free", lambda *_: 1_000)
    answer = visitor.send("/load", {"archive": (io.BytesIO(bytes(1001)), "x.tar")})
    assert answer.status_code == 507
    assert "disk is full but for 268,435,456 bytes; try later" in answer.text
    assert visitor.state() == before


def test_a_file_beyond_the_quota_is_refused_in_a_sentence(make_app: Callable[..., Flask]) -> None:
    visitor = opened(make_app(quota=1000))
    answer = visitor.send("/load", {"archive": (io.BytesIO(bytes(5 << 20)), "x.tar")})
    assert answer.status_code == 413
    assert "What was sent is too large: at most 4,195,304 bytes are taken" in answer.text


def test_a_form_without_a_file_is_told_what_to_do(make_app: Callable[..., Flask]) -> None:
    visitor = opened(make_app())
    answer = visitor.send("/load", {})
    assert answer.status_code == 400
    assert "docker save" in answer.text


def test_nobody_loads_into_another_kitchen(make_app: Callable[..., Flask]) -> None:
    app = make_app()
    owner = opened(app)
    stranger = opened(app)
    stranger.kitchen = owner.kitchen
    assert stranger.send("/load", {"archive": (io.BytesIO(b"x"), "x.tar")}).status_code == 403


def test_an_image_that_is_not_there_is_not_saved(make_app: Callable[..., Flask]) -> None:
    visitor = opened(make_app())
    assert visitor.get(f"/k/{visitor.kitchen}/save/pizza/cheese.tar").status_code == 404
