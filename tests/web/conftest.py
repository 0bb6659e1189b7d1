"""Fixtures of the web's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

import app as application
from tests.web.given import Clock, Visitor, ids


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
        made[-1].extensions["shop"].deliveries.patience = 60.0  # however busy the machine is
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
