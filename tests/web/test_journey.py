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
from tests.web.given import Clock, Visitor, find, forms, ids, served
from web import state


@dataclass(frozen=True)
class Step:
    """One step of the visit: the words that a button comes to, as a pattern. Where the page has no button for it, since
    it would do nothing, it is `typed`."""

    words: str
    typed: bool = False


COMMAND = r"docker exec pizza-\d "
JOURNEY = (
    Step(r"docker pull pizza/cheese"),
    Step(r"docker pull pizza/pepperoni"),
    Step(r"docker pull pizza/pepperoni", typed=True),
    Step(r"docker run .* pizza/pepperoni(:latest)?"),
    Step(r"docker run .* pizza/pepperoni(:latest)?"),
    Step(COMMAND + r"sh -c .* >> /pizza/slice-3/crust."),
    Step(COMMAND + r"rm /pizza/slice-3/pepperoni"),
    Step(r"docker commit .*"),
    Step("undo"),
    Step("undo"),
    Step("undo"),
    Step("redo"),
    Step(COMMAND + r"sh -c .* > /pizza/slice-3/jalapenos."),
    Step("jump 6"),
    Step("redo"),
    Step("jump 0"),
    Step("jump 8"),
)


class Way(Protocol):
    """A way to take the journey. `words` is what the way before, that presses buttons, came to."""

    def take(self, step: Step, words: str) -> str: ...
    def state(self) -> bytes: ...


class Pressing:
    """By the page's buttons, without JavaScript."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor = visitor

    def take(self, step: Step, words: str = "") -> str:
        if not step.typed:
            return self.visitor.press(step.words)
        self.visitor.type(step.words)
        return step.words

    def state(self) -> bytes:
        return self.visitor.state()


class Typing(Pressing):
    """By the page's command line."""

    def take(self, step: Step, words: str = "") -> str:
        self.visitor.type(words)
        return words


class Shell:
    """By ``python -m engine``: its `main`, with the journal's clock and ids told."""

    def __init__(self, data: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
        self.data, given = data, functools.partial(Journal, clock=clock, ids=ids())
        self.journal = given(data)
        self.journal.create(command_line.KITCHEN)
        # Like the page's kitchens it has a quota; else state.json tells the two apart, rightly.
        monkeypatch.setattr(command_line, "Journal", lambda data, menu, **_: given(data, menu=menu))

    def take(self, step: Step, words: str) -> str:
        argv = shlex.split(words.removeprefix("docker "))
        assert command_line.main(["--data", str(self.data), *argv]) == 0
        return words

    def state(self) -> bytes:
        return state.encode(state.describe(self.journal, command_line.KITCHEN))


@pytest.fixture
def three_ways(
    make_app: Callable[..., Flask], tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> tuple[Way, ...]:
    pressing, typing = (Visitor(make_app(ids=ids(command_line.KITCHEN))) for _ in range(2))
    pressing.open()
    typing.open()
    return Pressing(pressing), Typing(typing), Shell(tmp_path / "shell", clock, monkeypatch)


def test_three_ways_come_to_the_same_state_after_every_step(three_ways: tuple[Way, ...], clock: Clock) -> None:
    for step in JOURNEY:
        clock.tick()
        words = ""
        for way in three_ways:
            words = way.take(step, words)
        pressed, typed, shell = (way.state() for way in three_ways)
        assert pressed == typed, step
        assert typed == shell, step


def images(found: dict[str, Any]) -> dict[str, Any]:
    return {name: image for image in found["images"] for name in image["references"]}


def test_a_visit_shows_what_sharing_and_copy_on_write_mean(visitor: Visitor, clock: Clock) -> None:
    def go(number: int) -> dict[str, Any]:
        clock.tick()
        way.take(JOURNEY[number])
        return found_now()

    def found_now() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(visitor.state())
        return found

    way = Pressing(visitor)

    go(0)
    assert visitor.said().text.count("Pull complete") == 3

    found = go(1)
    assert visitor.said().text.count("Already exists") == 3
    assert visitor.said().text.count("Pull complete") == 1
    assert [layer["shared"] for layer in images(found)["pizza/pepperoni:latest"]["layers"]] == [True] * 3 + [False]

    before = found
    found = go(2)
    assert "Image is up to date for pizza/pepperoni:latest" in visitor.said().text
    assert found == before

    go(3)
    before = go(4)

    found = go(5)
    event = next(event for event in found["events"] if event["event"] == "FileCopiedUp" and event["kind"] == "file")
    assert (event["path"], event["size"], event["layer"]) == ("/pizza/slice-3/crust", 65536, 0)
    written = next(event for event in found["events"] if event["event"] == "FileWritten")
    assert 0 < written["written"] < 40
    assert written["size"] == 65536 + written["written"]

    found = go(6)
    changed = next(container for container in found["containers"] if container["changes"])
    assert {"kind": "D", "path": "/pizza/slice-3/pepperoni"} in changed["changes"]
    assert any(event["event"] == "PathWhitedOut" for event in found["events"])
    assert found["images"] == before["images"]
    others = [container for container in found["containers"] if container["id"] != changed["id"]]
    assert len(others) == 1
    assert others[0] in before["containers"]

    last = found = go(7)
    (name,) = set(images(found)) - set(images(before))
    assert len(images(found)[name]["layers"]) == 5
    assert changed["name"] in images(found)[name]["history"][-1]["comment"]
    visitor.type(f"docker image history {name}")
    assert images(found)[name]["history"][-1]["comment"] in visitor.said().text

    for number in (8, 9, 10):
        found = go(number)
    assert found["containers"] == before["containers"]
    found = go(11)
    assert [len(container["changes"]) for container in found["containers"] if container["changes"]] == [3]
    branch = go(12)
    assert {"kind": "A", "path": "/pizza/slice-3/jalapenos"} in next(
        container["changes"] for container in branch["containers"] if container["changes"]
    )
    assert name not in images(branch)
    go(13)
    again = go(14)
    assert (again["state"], again["images"], again["containers"]) == (last["state"], last["images"], last["containers"])
    assert len(again["states"]) == len(last["states"]) + 1


# In a browser


class Browsing:
    """By the page's buttons in Chromium."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        page.goto(address)
        page.get_by_role("button", name="Open").first.click()
        page.wait_for_url("**/k/*")

    def take(self, step: Step, words: str = "") -> str:
        """Presses the button, opening first what it stands behind; waits until the terminal shows the command."""
        lines = self.page.locator("pre[data-status]").count()
        if step.typed:
            words = step.words
            self.page.locator("#command").fill(words)
            self.page.get_by_role("button", name="Run", exact=True).click()
        else:
            number = find(self.page.content(), step.words)
            words = forms(self.page.content())[number].words
            found = self.page.locator("form, button[name]").nth(number)
            behind = found.locator("xpath=ancestor::details[not(@open)]/summary")
            for summary in behind.all():
                summary.click()
            found.locator("xpath=descendant-or-self::button").click()
        self.page.locator("pre[data-status]").nth(lines).wait_for(state="attached")
        return words

    def state(self) -> bytes:
        return self.page.request.get(f"{self.page.url.partition('?')[0]}/state.json").body()


@pytest.mark.browser
@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without"])
def test_a_browser_comes_to_the_same_state(
    browser: Browser, make_app: Callable[..., Flask], clock: Clock, javascript: bool
) -> None:
    visitor = Visitor(make_app(ids=ids(command_line.KITCHEN)))
    visitor.open()
    typing = Typing(visitor)
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
            typing.take(step, browsing.take(step))
            assert browsing.state() == typing.state(), step
        assert re.fullmatch(rf"{address}/k/\w+(\?.*)?", page.url)
        context.close()
    assert errors == []
    assert (len(navigations) > 10) is not javascript
