"""Fixtures of the browser's tests: one server and one browser for the whole run, a kitchen of its own for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser, BrowserContext

import app as application
from tests.browser import systems
from tests.browser.kitchens import DESK, Shown, begin, enter, watched
from tests.web.given import Clock, served
from web.guard import Limits

Open = Callable[..., Shown]


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """The application, over a data directory of its own; its clock stands still, so that equal commits are equal."""
    data = tmp_path_factory.mktemp("data")
    app = application.create_app(data, limits=Limits(kitchens_a_minute=1000), clock=Clock())
    app.extensions["shop"].deliveries.patience = 60.0  # however busy the machine is
    yield app
    app.extensions["shop"].journal.close()


@pytest.fixture(scope="session")
def address(shop: Flask) -> Iterator[str]:
    """Where it is served."""
    with served(shop) as address:
        yield address


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The command that loads an image like Debian's: a root file system, and packages over it."""
    directory = tmp_path_factory.mktemp("system")
    return f"docker load -i {systems.archive(directory)}"


@pytest.fixture(scope="session")
def windows(browser: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """Browser contexts, one for each way to browse: what the server sent once is not asked for again."""
    made: dict[str, BrowserContext] = {}

    def window(**given: Any) -> BrowserContext:
        key = repr(sorted(given.items()))
        if key not in made:
            made[key] = browser.new_context(**given)
            made[key].set_default_timeout(8_000)
        return made[key]

    yield window
    for context in made.values():
        context.close()


@pytest.fixture
def visit(windows: Callable[..., BrowserContext], shop: Flask, address: str) -> Iterator[Open]:
    """Opens kitchens: ``visit(*commands, size=PHONE)`` shows one in which these commands were run.

    Motion is reduced unless asked for. At the end nothing may have gone wrong in any of their pages, and whatever a
    page has kept is forgotten.
    """
    opened: list[Shown] = []

    def visit(*commands: str, size: tuple[int, int] = DESK, query: str = "", **given: Any) -> Shown:
        context = windows(**{"reduced_motion": "reduce", "has_touch": size[0] < 600, **given})
        kitchen, secret = begin(shop, commands)
        enter(context, address, kitchen, secret)
        trouble: list[str] = []
        page = watched(context.new_page(), address, trouble)
        page.set_viewport_size({"width": size[0], "height": size[1]})
        opened.append(Shown(page, shop.extensions["shop"].journal, address, kitchen, trouble))
        page.goto(f"{address}/k/{kitchen}{query}")
        return opened[-1]

    yield visit
    trouble = []
    for shown in opened:
        trouble += shown.page.evaluate("localStorage.clear(), window.blocked || []") + shown.trouble
    for context in {shown.page.context for shown in opened}:
        context.clear_cookies()
        for page in context.pages:
            page.close()
    assert trouble == []
