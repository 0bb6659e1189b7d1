"""What the web's tests are given: time and ids that are told, a kitchen served, forms as a browser sends them."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from itertools import count

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from web import serving

BEGIN = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = BEGIN

    def __call__(self) -> datetime:
        return self.now

    def tick(self, seconds: float = 60) -> None:
        self.now += timedelta(seconds=seconds)


def ids(*first: str) -> Callable[[], str]:
    """Ids that look like chance and are always the same; `first` come before them."""
    numbers, waiting = count(), list(first)
    return lambda: waiting.pop(0) if waiting else hashlib.sha256(b"%d" % next(numbers)).hexdigest()


@contextmanager
def served(app: Flask) -> Iterator[str]:
    """`app` behind the real server, in a thread: its address."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = serving.Server(app, threading.Event())
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listening.close()


@dataclass
class Form:
    """A form of a page: what its button says, where it goes, what it sends, and the code that stands beside."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    label: str = ""
    shown: str = ""
    disabled: bool = False


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._form: Form | None = None
        self._within = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        if tag == "form":
            self._form = Form(given.get("action", ""), given.get("method", "get"))
            self.forms.append(self._form)
        elif self._form and tag == "input" and "name" in given:
            self._form.fields[given["name"]] = given.get("value", "")
        elif self._form and tag in ("button", "code"):
            self._within = tag
            self._form.disabled |= tag == "button" and "disabled" in given

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        if tag == self._within:
            self._within = ""

    def handle_data(self, data: str) -> None:
        if self._form and self._within == "button":
            self._form.label += data
        elif self._form and self._within == "code":
            self._form.shown += data


def forms(html: str) -> list[Form]:
    """Every form of a page."""
    parser = _Forms()
    parser.feed(html)
    return parser.forms


class Visitor:
    """A browser without JavaScript: it has cookies, presses buttons by their labels, follows redirects."""

    def __init__(self, app: Flask) -> None:
        self.client: FlaskClient = app.test_client()
        self.kitchen = ""

    def get(self, path: str, **more: str) -> TestResponse:
        return self.client.get(path, headers={"Host": "localhost", **more})

    def post(self, path: str, fields: dict[str, str] | None = None, **more: str) -> TestResponse:
        headers = {"Host": "localhost", "Origin": "http://localhost", "Sec-Fetch-Site": "same-origin", **more}
        return self.client.post(path, data=fields or {}, headers=headers)

    def open(self) -> str:
        """Opens a kitchen by the button on the first page; its id."""
        self.kitchen = ""
        answer = self.press("Open a kitchen")
        self.kitchen = answer.headers["Location"].rsplit("/", 1)[1]
        return self.kitchen

    @property
    def here(self) -> str:
        return f"/k/{self.kitchen}" if self.kitchen else "/"

    def look(self) -> str:
        return self.get(self.here).get_data(as_text=True)

    def press(self, label: str) -> TestResponse:
        """Sends the form whose button begins with `label`, as a browser would."""
        found = [form for form in forms(self.look()) if form.label.strip().startswith(label) and not form.disabled]
        assert found, f"no button {label!r} among {[form.label.strip() for form in forms(self.look())]}"
        answer = self.post(found[0].action, found[0].fields)
        assert answer.status_code == 303, answer.get_data(as_text=True)
        return answer

    def type(self, command: str) -> TestResponse:
        """Types a command into the page's command line."""
        answer = self.post(f"{self.here}/do", {"command": command})
        assert answer.status_code == 303, answer.get_data(as_text=True)
        return answer

    def state(self) -> bytes:
        return self.get(f"{self.here}/state.json").data
