"""Fixtures of the browser's tests: one server and one browser for the whole run, a kitchen of its own for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser

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


@pytest.fixture
def visit(browser: Browser, shop: Flask, address: str) -> Iterator[Open]:
    """Opens kitchens: ``visit(*commands, size=PHONE)`` shows one in which these commands were run.

    Motion is reduced unless asked for. At the end nothing may have gone wrong in any of their pages.
    """
    opened: list[Shown] = []

    def visit(*commands: str, size: tuple[int, int] = DESK, query: str = "", **given: Any) -> Shown:
        width, height = size
        context = browser.new_context(
            viewport={"width": width, "height": height},
            **{"reduced_motion": "reduce", "has_touch": width < 600, **given},
        )
        context.set_default_timeout(8_000)
        kitchen, secret = begin(shop, commands)
        enter(context, address, kitchen, secret)
        trouble: list[str] = []
        page = watched(context.new_page(), address, trouble)
        opened.append(Shown(page, shop.extensions["shop"].journal, address, kitchen, trouble))
        page.goto(f"{address}/k/{kitchen}{query}")
        return opened[-1]

    yield visit
    trouble = []
    for shown in opened:
        if shown.page.context.browser and not shown.page.is_closed():
            trouble += shown.page.evaluate("window.blocked || []")
        trouble += shown.trouble
        shown.page.context.close()
    assert trouble == []
