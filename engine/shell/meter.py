"""How much one command may do: every loop, word and piece of data spends steps, and they end.

What a visitor types runs inside the server, so nothing here may run, grow or nest without end. `Meter.spend` is called
wherever work is done; it is also where the caller's wish to stop is noticed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from engine.errors import Cancelled, never

KILLED: Final = 137
"""The exit code of a shell that was stopped, as of a process that was killed (128 + SIGKILL)."""
PIECE: Final = 2048
"""Bytes of data that cost one step."""
_PATIENCE: Final = 256


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one command."""

    script: int = 64 << 10
    """Bytes of a script."""
    tokens: int = 20_000
    """Words and operators of a script."""
    depth: int = 25
    """Commands within commands."""
    steps: int = 100_000
    """Commands run, words expanded, files touched and pieces of 2 KiB handled, together."""
    word: int = 1 << 20
    """Bytes that one word or variable may expand to."""
    words: int = 20_000
    """Fields that one command's words may expand to."""
    output: int = 1 << 20
    """Bytes printed."""
    held: int = 32 << 20
    """Bytes in one pipe or sorted file."""


class Stopped(Exception):
    """The shell was stopped at a bound; the sentence says at which."""

    def __init__(self, what: str, limit: int) -> None:
        super().__init__(f"stopped: more than {limit:,} {what}")


class Meter:
    """Counts against `limits`; asks `cancelled` every few steps."""

    def __init__(self, limits: Limits, cancelled: Callable[[], bool] = never) -> None:
        self.limits = limits
        self._cancelled = cancelled
        self._left = limits.steps
        self._ask_at = self._left

    def spend(self, steps: int = 1) -> None:
        """Some steps were taken. `Stopped` at the bound, `Cancelled` where the caller wants to stop."""
        self._left -= steps
        if self._left <= self._ask_at:
            self._ask_at = self._left - _PATIENCE
            if self._cancelled():
                raise Cancelled
            if self._left < 0:
                raise Stopped("steps", self.limits.steps)

    def spend_on(self, data: bytes | str) -> None:
        """A piece of data was handled."""
        self.spend(1 + len(data) // PIECE)

    def word(self, text: str) -> str:
        """`text`, which a word or a part of it has become."""
        self.check_word(len(text))
        self.spend_on(text)
        return text

    def check_word(self, size: int) -> None:
        """A word has become so long."""
        if size > self.limits.word:
            raise Stopped("bytes in one word", self.limits.word)

    def check_held(self, size: int) -> None:
        """So many bytes are held at once."""
        if size > self.limits.held:
            raise Stopped("bytes held at once", self.limits.held)

    def check_words(self, count: int) -> None:
        """A command's words have become so many."""
        if count > self.limits.words:
            raise Stopped("words in one command", self.limits.words)
