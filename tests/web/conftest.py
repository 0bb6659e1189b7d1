"""Fixtures of the web's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser, sync_playwright

import app as application
from tests.web.given import Clock, Visitor, ids

QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""Chromium as a tool: no display, nothing that calls home."""


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make_app(tmp_path: Path, clock: Clock) -> Iterator[Callable[..., Flask]]:
    """Applications over data directories of their own, with a clock and ids that are told."""
    made: list[Flask] = []

    def make(**more: Any) -> Flask:
        given = {"data": tmp_path / f"data-{len(made)}", "clock": clock, "ids": ids(), **more}
        made.append(application.create_app(**given))
        return made[-1]

    yield make
    for one in made:
        one.extensions["shop"].journal.close()


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Flask:
    return make_app()


@pytest.fixture
def visitor(app: Flask) -> Visitor:
    """Somebody who has just opened a kitchen."""
    visitor = Visitor(app)
    visitor.open()
    return visitor


@pytest.fixture(scope="session")
def browser(chromium: Path) -> Iterator[Browser]:
    """The system's Chromium, driven; one for the whole run."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        yield browser
        browser.close()
