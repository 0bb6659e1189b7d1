"""What each kitchen's terminal has shown lately.

It lives in memory alone: what a command changed is in the journal, what it printed is only to be read once or twice.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Final

from engine.events import Event, Wrote

LINES: Final = 20
"""Commands of one kitchen that are shown."""
TEXT_MAX: Final = 8_000
"""Characters of one command's output that are shown."""
KITCHENS: Final = 1_000
"""Kitchens whose terminals are remembered."""


@dataclass(frozen=True, slots=True)
class Line:
    """One command as typed, what it printed, its exit code, and what it did."""

    command: str
    out: str
    err: str
    status: int
    events: tuple[Event, ...] = ()


class Terminals:
    """The last lines of the kitchens used last; safe among threads."""

    def __init__(self) -> None:
        self._lines: OrderedDict[str, deque[Line]] = OrderedDict()
        self._lock = threading.Lock()

    def show(self, kitchen: str, command: str, out: str, err: str, status: int, events: tuple[Event, ...] = ()) -> None:
        """Adds one command and what it came to."""
        told = tuple(event for event in events if not isinstance(event, Wrote))
        line = Line(_cut(command), _cut(out), _cut(err), status, told)
        with self._lock:
            lines = self._lines.setdefault(kitchen, deque(maxlen=LINES))
            lines.append(line)
            self._lines.move_to_end(kitchen)
            if len(self._lines) > KITCHENS:
                self._lines.popitem(last=False)

    def lines(self, kitchen: str) -> tuple[Line, ...]:
        """Oldest first."""
        with self._lock:
            return tuple(self._lines.get(kitchen, ()))


def _cut(text: str) -> str:
    if len(text) <= TEXT_MAX:
        return text
    return f"{text[:TEXT_MAX]}\n… {len(text) - TEXT_MAX:,} more characters\n"
