"""One whole visit, taken three ways: by the page's buttons, by its command line, by `python -m engine`.

With clock and ids told, `state.json` is equal all three ways, after every step.
"""

from __future__ import annotations

import functools
import json
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page

from engine import __main__ as command_line
from engine.journal import Journal
from tests.web.given import Clock, Visitor, ids, served
from web import state


@dataclass(frozen=True)
class Step:
    """One step of the visit: the button to press, and the words that come to the same."""

    button: str
    words: str


DIP = "docker exec pizza-1 sh -c \"echo 'a dip of hot sauce' >> /pizza/slice-3/crust\""
JALAPENOS = "docker exec pizza-1 sh -c \"echo 'jalapeños, freshly cut' > /pizza/slice-3/jalapenos\""
JOURNEY = (
    Step("Pull pizza/cheese", "docker pull pizza/cheese"),
    Step("Pull pizza/pepperoni", "docker pull pizza/pepperoni"),
    Step("Pull pizza/pepperoni", "docker pull pizza/pepperoni"),
    Step("Run pizza/pepperoni:latest", "docker run --detach --name pizza-1 pizza/pepperoni:latest"),
    Step("Run pizza/pepperoni:latest", "docker run --detach --name pizza-2 pizza/pepperoni:latest"),
    Step("Dip its crust", DIP),
    Step("Pick pepperoni off slice 3", "docker exec pizza-1 rm /pizza/slice-3/pepperoni"),
    Step("Keep it: commit", "docker commit --message 'Kept from pizza-1' pizza-1 my-pizza-1"),
    Step("Undo", "undo"),
    Step("Undo", "undo"),
    Step("Undo", "undo"),
    Step("Redo", "redo"),
    Step("Add jalapeños", JALAPENOS),
    Step("Jump to state 7", "jump 7"),
    Step("Start over", "jump 0"),
    Step("Jump to state 8", "jump 8"),
)


class Way(Protocol):
    """A way to take the journey."""

    def take(self, step: Step) -> None: ...
    def state(self) -> bytes: ...


class Pressing:
    """By the page's buttons, without JavaScript."""

    def __init__(self, app: Flask) -> None:
        self.visitor = Visitor(app)
        self.visitor.open()

    def take(self, step: Step) -> None:
        self.visitor.press(step.button)

    def state(self) -> bytes:
        return self.visitor.state()


class Typing(Pressing):
    """By the page's command line."""

    def take(self, step: Step) -> None:
        self.visitor.type(step.words)


class Shell:
    """By ``python -m engine``: its `main`, with the journal's clock and ids told."""

    def __init__(self, data: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
        self.data, given = data, functools.partial(Journal, clock=clock, ids=ids())
        self.journal = given(data)
        # Like the page's kitchens it has a quota; else state.json tells the two apart, rightly.
        monkeypatch.setattr(command_line, "Journal", lambda data, menu, **_: given(data, menu=menu))

    def take(self, step: Step) -> None:
        words = shlex.split(step.words.removeprefix("docker "))
        assert command_line.main(["--data", str(self.data), *words]) == 0

    def state(self) -> bytes:
        return state.encode(state.describe(self.journal, command_line.KITCHEN))


@pytest.fixture
def three_ways(
    make_app: Callable[..., Flask], tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> tuple[Way, ...]:
    pages = (make_app(ids=ids(command_line.KITCHEN)) for _ in range(2))
    return Pressing(next(pages)), Typing(next(pages)), Shell(tmp_path / "shell", clock, monkeypatch)


def test_three_ways_come_to_the_same_state_after_every_step(three_ways: tuple[Way, ...], clock: Clock) -> None:
    for step in JOURNEY:
        clock.tick()
        for way in three_ways:
            way.take(step)
        pressed, typed, shell = (way.state() for way in three_ways)
        assert pressed == typed, step
        assert typed == shell, step


@dataclass
class Visit:
    """The journey by buttons, told by what the page and its state say after a step."""

    visitor: Visitor

    def go(self, button: str) -> dict[str, Any]:
        self.visitor.press(button)
        return self.found()

    def found(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.visitor.state())
        return found

    def said(self) -> str:
        return self.visitor.look().split('id="terminal"')[1].rsplit("<pre", 1)[1].split("</pre>")[0]


@pytest.fixture
def visit(visitor: Visitor) -> Visit:
    return Visit(visitor)


def images(found: dict[str, Any]) -> dict[str, Any]:
    return {name: image for image in found["images"] for name in image["references"]}


def test_a_visit_shows_what_sharing_and_copy_on_write_mean(visit: Visit) -> None:
    found = visit.go("Pull pizza/cheese")
    assert visit.said().count("Pull complete") == 3

    found = visit.go("Pull pizza/pepperoni")
    assert visit.said().count("Already exists") == 3
    assert visit.said().count("Pull complete") == 1
    assert [layer["shared"] for layer in images(found)["pizza/pepperoni:latest"]["layers"]] == [True] * 3 + [False]

    before = found
    found = visit.go("Pull pizza/pepperoni")
    assert "Image is up to date for pizza/pepperoni:latest" in visit.said()
    assert found == before

    visit.go("Run pizza/pepperoni:latest")
    before = visit.go("Run pizza/pepperoni:latest")

    found = visit.go("Dip its crust")
    event = next(event for event in found["events"] if event["event"] == "FileCopiedUp" and event["kind"] == "file")
    assert (event["path"], event["size"], event["layer"]) == ("/pizza/slice-3/crust", 65536, 0)
    written = next(event for event in found["events"] if event["event"] == "FileWritten")
    assert written["written"] == len("a dip of hot sauce\n")

    found = visit.go("Pick pepperoni off slice 3")
    assert {"kind": "D", "path": "/pizza/slice-3/pepperoni"} in found["containers"][0]["changes"]
    assert any(event["event"] == "PathWhitedOut" for event in found["events"])
    assert found["images"] == [{**image} for image in before["images"]]
    assert found["containers"][1] == before["containers"][1]

    found = visit.go("Keep it: commit")
    kept = images(found)["my-pizza-1:latest"]
    assert len(kept["layers"]) == 5
    assert kept["history"][-1]["comment"] == "Kept from pizza-1"
    visit.visitor.type("docker image history my-pizza-1")
    assert "Kept from pizza-1" in visit.said()

    last = visit.found()
    for _ in range(3):
        found = visit.go("Undo")
    assert found["containers"] == before["containers"]
    found = visit.go("Redo")
    assert len(found["containers"][0]["changes"]) == 3
    branch = visit.go("Add jalapeños")
    assert {"kind": "A", "path": "/pizza/slice-3/jalapenos"} in branch["containers"][0]["changes"]
    assert "my-pizza-1:latest" not in images(branch)
    visit.visitor.type(f"jump {last['number']}")
    again = visit.found()
    assert (again["state"], again["images"], again["containers"]) == (last["state"], last["images"], last["containers"])
    assert len(again["states"]) == len(last["states"]) + 1


# In a browser


class Browsing:
    """By the page's buttons in Chromium."""

    def __init__(self, page: Page, address: str) -> None:
        self.page, self.address = page, address
        page.goto(address)
        page.get_by_role("button", name="Open a kitchen").click()
        page.wait_for_url("**/k/*")

    def take(self, step: Step) -> None:
        lines = self.page.locator("#terminal pre").count()
        self.page.get_by_role("button", name=step.button).first.click()
        self.page.wait_for_function("lines => document.querySelectorAll('#terminal pre').length > lines", arg=lines)

    def state(self) -> bytes:
        return self.page.request.get(f"{self.page.url}/state.json").body()


@pytest.mark.browser
@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without"])
def test_a_browser_comes_to_the_same_state(
    browser: Browser, make_app: Callable[..., Flask], clock: Clock, javascript: bool
) -> None:
    typing = Typing(make_app(ids=ids(command_line.KITCHEN)))
    errors: list[str] = []
    navigations: list[str] = []
    with served(make_app(ids=ids(command_line.KITCHEN))) as address:
        context = browser.new_context(java_script_enabled=javascript)
        page = context.new_page()
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: navigations.append(request.url) if request.is_navigation_request() else None)
        page.on("request", lambda request: errors.append(request.url) if not request.url.startswith(address) else None)
        browsing = Browsing(page, address)
        for step in JOURNEY:
            clock.tick()
            browsing.take(step)
            typing.take(step)
            assert browsing.state() == typing.state(), step
        assert re.fullmatch(rf"{address}/k/\w+", page.url)
        context.close()
    assert errors == []
    assert (len(navigations) > 10) is not javascript
