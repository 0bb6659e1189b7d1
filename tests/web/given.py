"""What the web's tests are given: time and ids that are told, a kitchen served, forms as a browser sends them."""

from __future__ import annotations

import hashlib
import html
import re
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
from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse, encode_multipart

from web import registry, serving

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
def served(app: Flask, *, behind_proxy: bool = False) -> Iterator[str]:
    """`app` behind the real server, in a thread: its address."""
    listening = socket.create_server(("127.0.0.1", 0))
    who = registry.who(app.extensions["registry"].tokens)
    server = serving.Server(app, threading.Event(), who, behind_proxy=behind_proxy)
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
    """A form of a page: where it goes, what it sends, its button's words, and the code that stands in it."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    label: str = ""
    shown: str = ""
    buttons: int = 0
    disabled: bool = False
    owner: Form | None = None
    """Of a button that sends a value of its own: the form that it belongs to, whose fields it sends as well."""

    @property
    def words(self) -> str:
        """The words that come to the same, typed into the command line; empty for a form that is no command."""
        verb = self.action.rpartition("/")[2]
        if verb == "do":
            return self.fields.get("command", "")
        return {
            "undo": "undo",
            "redo": "redo",
            "reset": "jump 0",
            "jump": f"jump {self.fields.get('state')}",
            "cancel": "cancel",
        }.get(verb, "")


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._form: Form | None = None
        self._within: list[str] = []
        self._ids: dict[str, Form] = {}

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        if tag == "form":
            self._form = Form(given.get("action", ""), given.get("method", "get"))
            self._ids[given.get("id", "")] = self._form
            self.forms.append(self._form)
        elif tag == "button" and "name" in given:
            owner = self._ids[given["form"]] if "form" in given else self._form
            assert owner
            own = {given["name"]: given.get("value", "")}
            one = Form(owner.action, owner.method, own, buttons=1, disabled="disabled" in given, owner=owner)
            self.forms.append(one)
            self._form, self._within = one, ["button"]
        elif self._form and tag in ("input", "textarea") and "name" in given:
            self._form.fields[given["name"]] = given.get("value", "")
        elif self._form and tag in ("button", "code"):
            self._within.append(tag)
            if tag == "button":
                self._form.buttons += 1
                self._form.disabled |= "disabled" in given

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form, self._within = None, []
        elif tag == "button" and self._form and self._form.owner:
            self._form, self._within = self._form.owner, []
        elif tag in self._within:
            self._within.remove(tag)

    def handle_data(self, data: str) -> None:
        if self._form and "code" in self._within:
            self._form.shown += data
        elif self._form and "button" in self._within:
            self._form.label += data


def forms(page: str) -> list[Form]:
    """Every form of a page, in its order."""
    parser = _Forms()
    parser.feed(page)
    for form in parser.forms:
        if form.owner:
            form.fields = {**form.owner.fields, **form.fields}
    return parser.forms


def find(page: str, words: str) -> int:
    """Which form of a page has a button that comes to `words`, a pattern that matches from begin to end."""
    found = forms(page)
    for number, form in enumerate(found):
        if form.buttons and not form.disabled and re.fullmatch(words, form.words):
            return number
    raise AssertionError(f"no button for {words!r} among {[form.words for form in found if form.words]}")


@dataclass(frozen=True)
class Said:
    """The last command of a page's terminal: as it was typed, what it printed, its exit code."""

    command: str
    text: str
    status: int


def said(page: str) -> Said:
    """The last command that a page's terminal shows."""
    status, inside = re.findall(r'<pre data-status="(\d+)">(.*?)</pre>', page, re.DOTALL)[-1]
    command, _, text = re.sub(r"<[^>]*>", "", inside).partition("\n")
    return Said(html.unescape(command).removeprefix("$ "), html.unescape(text), int(status))


class Visitor:
    """A browser without JavaScript: it has cookies, presses buttons, types into the command line, follows redirects."""

    def __init__(self, app: Flask) -> None:
        self.client: FlaskClient = app.test_client()
        self.kitchen = ""
        self.here = "/"

    def get(self, path: str, **more: str) -> TestResponse:
        return self.client.get(path, headers={"Host": "localhost", **more})

    def post(self, path: str, fields: dict[str, str] | None = None, **more: str) -> TestResponse:
        headers = {"Host": "localhost", "Origin": "http://localhost", "Sec-Fetch-Site": "same-origin", **more}
        return self.client.post(path, data=fields or {}, headers=headers)

    def open(self) -> str:
        """Opens a kitchen; its id."""
        answer = self.post("/")
        self.here = answer.headers["Location"]
        self.kitchen = self.here.removeprefix("/k/")
        return self.kitchen

    def look(self) -> str:
        return self.get(self.here).get_data(as_text=True)

    def said(self) -> Said:
        return said(self.look())

    def press(self, words: str) -> str:
        """Sends the form of the button that comes to `words`, as a browser would; what was typed the same."""
        page = self.look()
        form = forms(page)[find(page, words)]
        self._follow(self.post(form.action, form.fields))
        return form.words

    def type(self, command: str) -> None:
        """Types a command into the page's command line."""
        self._follow(self.post(f"/k/{self.kitchen}/do", {"command": command}))

    def _follow(self, answer: TestResponse) -> None:
        assert answer.status_code == 303, re.findall(r'role="alert">([^<]*)', answer.text)
        self.here = answer.headers["Location"]

    def send(self, path: str, fields: dict[str, object]) -> TestResponse:
        """Posts a form with a file to a path of the kitchen."""
        files = {name: FileStorage(*value) if isinstance(value, tuple) else value for name, value in fields.items()}
        boundary, body = encode_multipart(files)
        headers = {"Host": "localhost", "Origin": "http://localhost"}
        sent = f'multipart/form-data; boundary="{boundary}"'
        return self.client.post(f"/k/{self.kitchen}{path}", data=body, content_type=sent, headers=headers)

    def fragment(self, path: str) -> TestResponse:
        """What htmx gets of a path of the kitchen."""
        return self.get(f"/k/{self.kitchen}{path}", **{"HX-Request": "true", "HX-Request-Type": "partial"})

    def state(self) -> bytes:
        return self.get(f"/k/{self.kitchen}/state.json").data
