"""The events of a state that its page plays as motion: of each what ``static/motion.js`` reads, of many the first.

A script can make a hundred thousand events, of paths as long as the system allows; who only looks on gets them as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from markupsafe import Markup

from engine import events as facts
from engine.events import Event
from web.markup import legible

PLAYED: Final[dict[type[Event], tuple[str, ...]]] = {
    facts.LayerReused: ("digest",),
    facts.LayerPulled: ("digest",),
    facts.FileCopiedUp: ("kind", "layer"),
    facts.FileCreated: ("path",),
    facts.PathWhitedOut: ("path",),
    facts.LayerCommitted: ("digest",),
    facts.ContainerCreated: (),
}
"""What of each kind is sent; the motions of ``static/motion.js`` are of these kinds."""
COUNT: Final = 100
"""Events that are played; more at once would be a blur."""
BYTES: Final = 32 << 10
"""Bytes of them as JSON."""


@dataclass(frozen=True, slots=True)
class Motion:
    """`events` as JSON, safe within a script element, and how many more there are that would be played."""

    events: Markup
    rest: int


def motion(events: Sequence[Event]) -> Motion:
    """The first events that are played, in their order, as far as they have room."""
    playable = [event for event in events if type(event) in PLAYED and not _comes_along(event)]
    sent = [*_fitting(playable)]
    text = "[" + ",".join(sent) + "]"
    return Motion(Markup(text.replace("<", "\\u003c").replace("&", "\\u0026")), len(playable) - len(sent))  # noqa: S704


def _comes_along(event: Event) -> bool:
    """Whether it is a directory that was copied up because of what is in it."""
    return isinstance(event, facts.FileCopiedUp) and event.kind == "dir"


def _written(value: object) -> object:
    """A value as the page writes it, so that what it stands by is found there."""
    return legible(value) if isinstance(value, str) else value


def _fitting(events: Iterable[Event]) -> Iterable[str]:
    room = BYTES
    for event, _ in zip(events, range(COUNT), strict=False):
        told: dict[str, Any] = {"event": type(event).__name__}
        told |= {field: _written(getattr(event, field)) for field in PLAYED[type(event)]}
        text = msgspec.json.encode(told).decode()
        room -= len(text)
        if room < 0:
            return
        yield text
