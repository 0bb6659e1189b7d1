"""Fixtures that several test files share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from engine import database
from tests import peers

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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests run last: Playwright's loop, once started, stays running in the main thread, and `asyncio.run` of
    another test would refuse to start beside it."""
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)


@pytest.fixture(scope="session")
def dockerd() -> Iterator[peers.Dockerd]:
    """A private docker daemon, one for the whole run."""
    with peers.dockerd() as daemon:
        yield daemon


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing waits for the disk: for tests of what is stored, not of whether it outlives a power cut."""

    def forget(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA synchronous=OFF").close()

    monkeypatch.setattr(os, "fsync", lambda _: None)
    monkeypatch.setattr(database, "_durable", forget)


@pytest.fixture(scope="session")
def chromium() -> Path:
    """The system's Chromium."""
    return peers.need("chromium")


@pytest.fixture(scope="session")
def browser(chromium: Path) -> Iterator[Browser]:
    """The system's Chromium, driven; one for the whole run."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        yield browser
        browser.close()
