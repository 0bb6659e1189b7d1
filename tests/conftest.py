"""Fixtures that several test files share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import peers


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests run last: Playwright's loop, once started, stays running in the main thread, and `asyncio.run` of
    another test would refuse to start beside it."""
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)


@pytest.fixture(scope="session")
def dockerd() -> Iterator[peers.Dockerd]:
    """A private docker daemon, one for the whole run."""
    with peers.dockerd() as daemon:
        yield daemon


@pytest.fixture(scope="session")
def chromium() -> Path:
    """The system's Chromium."""
    return peers.need("chromium")
