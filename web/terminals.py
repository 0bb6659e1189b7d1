"""What each kitchen's terminal has shown lately.

It lives in memory alone: what a command changed is in the journal, what it printed is only to be read once or twice.
Of a command's events, which may be very many, only what is said of them is kept.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from engine.events import Event, Wrote
from engine.image import Recent
from web.headline import headline
from web.parcels import TRANSFER
from web.scene import made
from web.sentence import Sentence

LINES: Final = 20
"""Commands of one kitchen that are shown."""
TEXT_MAX: Final = 8_000
"""Characters of one command's output that are shown."""
ALL_MAX: Final = 60_000
"""Characters of a kitchen's whole terminal: it comes with every page."""
KITCHENS: Final = 1_000
"""Kitchens whose terminals are remembered."""
ROOM: Final = 64 << 20
"""Bytes, about, that all terminals together may take."""


@dataclass(frozen=True, slots=True)
class Line:
    """One command as typed, what it printed, and its exit code.

    `changed` tells whether anything happened, `told` says what, `made` names the images and containers that it brought,
    and `transfer` are the events of a pull or push.
    """

    command: str
    out: str
    err: str
    status: int
    changed: bool = False
    told: Sentence = ()
    made: tuple[str, ...] = ()
    transfer: tuple[Event, ...] = ()

    @property
    def length(self) -> int:
        """Characters of text."""
        return len(self.command) + len(self.out) + len(self.err)


def line(command: str, out: str, err: str, status: int, events: Sequence[Event] = ()) -> Line:
    """One command and what it came to, cut to what a terminal shows."""
    changed = any(not isinstance(event, Wrote) for event in events)
    transfer = tuple(event for event in events if isinstance(event, TRANSFER))
    return Line(_cut(command), _cut(out), _cut(err), status, changed, headline(events), tuple(made(events)), transfer)


class Terminals:
    """The last lines of the kitchens used last; safe among threads."""

    def __init__(self) -> None:
        self._lines: Recent[str, tuple[Line, ...] | None] = Recent(KITCHENS, room=ROOM, weigh=_weight)
        self._lock = threading.Lock()

    def show(self, kitchen: str, added: Line) -> None:
        """Adds one command."""
        with self._lock:
            self._lines.put(kitchen, _newest((*(self.lines(kitchen) or ()), added)))

    def clear(self, kitchen: str) -> None:
        """Forgets what was shown, and remembers that it was cleared."""
        with self._lock:
            self._lines.put(kitchen, ())

    def lines(self, kitchen: str) -> tuple[Line, ...] | None:
        """Oldest first; None for a kitchen of which nothing is remembered."""
        return self._lines.get(kitchen, lambda: None)


def _newest(lines: tuple[Line, ...]) -> tuple[Line, ...]:
    """The last of `lines`, as many as may be shown."""
    room, kept = ALL_MAX, 0
    for one in reversed(lines[-LINES:]):
        room -= one.length
        if room < 0:
            break
        kept += 1
    return lines[len(lines) - kept :]


def _weight(lines: tuple[Line, ...] | None) -> int:
    """At most four bytes a character; an event of a transfer is one layer's."""
    return sum(1_000 + 4 * one.length + 400 * len(one.transfer) for one in lines or ())


def _cut(text: str) -> str:
    if len(text) <= TEXT_MAX:
        return text
    return f"{text[:TEXT_MAX]}\n… {len(text) - TEXT_MAX:,} more characters\n"
