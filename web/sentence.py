"""One sentence about what happened: a sequence of pieces, each with what its figure means.

A piece's role is ``did`` for what the learner changed, ``cost`` for what that took, ``kept`` for what was there already
and so was saved; plain text has none. Sizes carry docker's units.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engine import terminal

Role = Literal["", "did", "cost", "kept"]


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of the sentence, and what its figure means."""

    text: str
    role: Role = ""


Sentence = tuple[Piece, ...]


def plain(sentence: Sentence) -> str:
    """The sentence as text alone."""
    return "".join(piece.text for piece in sentence)


def size(number: int) -> str:
    """Bytes in words that a sentence can hold: ``11 bytes``, ``65.5 kB``."""
    if number < 1000:
        return f"{number} byte{'' if number == 1 else 's'}"
    text = terminal.size(number)
    unit = text.lstrip("0123456789.e+")
    return f"{text[: -len(unit)]} {unit}"


_NUMBERS = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten", "Eleven", "Twelve")


def count(number: int, noun: str, *, lower: bool = False) -> str:
    """``Three layers``; digits beyond twelve, but for a round hundred."""
    word = "One hundred" if number == 100 else _NUMBERS[number] if number < len(_NUMBERS) else str(number)
    return f"{word.lower() if lower else word} {noun}{'' if number == 1 else 's'}"


def listed(names: list[str]) -> str:
    """``one``, ``one and two``, ``one, two and three``, and of more how many they are."""
    if len(names) < 2:
        return "".join(names)
    shown, rest = names[:3], len(names) - 3
    if rest > 0:
        return f"{', '.join(names[:2])} and {rest + 1} more"
    return f"{', '.join(shown[:-1])} and {shown[-1]}"
