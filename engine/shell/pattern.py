"""Shell patterns (POSIX XCU 2.13): ``*``, ``?``, ``[a-z]``, ``[!a-z]``, ``[[:alpha:]]``; a backslash quotes.

Matching walks the text once, whatever the pattern.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from engine.shell.meter import Stopped

LENGTH_MAX: Final = 1024
"""Characters of a pattern; each costs something at each character of the text."""
_MAGIC: Final = re.compile(r"(?<!\\)(?:\\\\)*[*?\[]")
CLASSES: Final = {
    "alpha": string.ascii_letters,
    "digit": string.digits,
    "alnum": string.ascii_letters + string.digits,
    "upper": string.ascii_uppercase,
    "lower": string.ascii_lowercase,
    "space": " \t\n\r\v\f",
    "blank": " \t",
    "punct": string.punctuation,
    "xdigit": string.hexdigits,
    "print": "".join(map(chr, range(32, 127))),
    "graph": "".join(map(chr, range(33, 127))),
    "cntrl": "".join(map(chr, [*range(32), 127])),
}
"""Character classes of the C locale."""


@dataclass(frozen=True, slots=True)
class Any:
    """``*`` where `many`, else ``?``."""

    many: bool


@dataclass(frozen=True, slots=True)
class OneOf:
    """A bracket expression."""

    chars: frozenset[str]
    negated: bool

    def __contains__(self, char: str) -> bool:
        return (char in self.chars) != self.negated


_Item = str | Any | OneOf


def quote(text: str) -> str:
    """`text` as a pattern that matches it alone."""
    return re.sub(r"([\\*?\[\]!^-])", r"\\\1", text)


def unquote(pattern: str) -> str:
    """A pattern as the text that it stands for where nothing matches it."""
    return re.sub(r"(?s)\\(.)", r"\1", pattern)


def is_magic(pattern: str) -> bool:
    """Whether it may match other texts than one."""
    return _MAGIC.search(pattern) is not None


def matches(pattern: str, text: str) -> bool:
    """Whether the whole of `text` matches."""
    return len(text) in _ends(_items(pattern), text)


def trim(pattern: str, text: str, operator: str, spend: Callable[[int], None]) -> str:
    """``${x#p}``, ``##``, ``%`` and ``%%``: `text` less its shortest or longest match at the start or the end."""
    items, front = _items(pattern), operator[0] == "#"
    spend(len(text) // 64)
    ends = _ends(items if front else items[::-1], text if front else text[::-1])
    cut = next(ends, 0) if len(operator) == 1 else max(ends, default=0)
    return text[cut:] if front else text[: len(text) - cut]


def _ends(items: tuple[_Item, ...], text: str) -> Iterator[int]:
    """Where matches from the start of `text` on can end, in order. The items that may come next are the bits of a
    number, so that a step through the text is a few operations however many they are."""
    many = sum(1 << at for at, item in enumerate(items) if isinstance(item, Any) and item.many)
    taking: dict[str, int] = {}
    last, states = 1 << len(items), 1
    for at in range(len(text) + 1):
        states |= (states & many) << 1
        if states & last:
            yield at
        if at == len(text) or not states:
            return
        char = text[at]
        if char not in taking:
            taking[char] = sum(1 << number for number, item in enumerate(items) if _one(item, char))
        states = (states & taking[char]) << 1 | states & many


def bracket(text: str, start: int, *, quoting: bool = True) -> tuple[OneOf, int] | None:
    """The bracket expression that opens at `start`, and where what follows begins; None where it does not close. A
    backslash quotes in it, or else stands for itself."""
    at = start + 1
    negated = text[at : at + 1] in ("!", "^") and at < len(text)
    at += negated
    first, chars = at, set[str]()
    while at < len(text) and (text[at] != "]" or at == first):
        named = re.compile(r"\[:([a-z]+):\]").match(text, at)
        if named:
            chars |= set(CLASSES.get(named[1], ""))
            at = named.end()
            continue
        at += quoting and text[at] == "\\" and at + 1 < len(text)
        low = high = text[at]
        at += 1
        if text[at : at + 1] == "-" and text[at + 1 : at + 2] not in ("]", ""):
            at += 1 + (quoting and text[at + 1] == "\\" and at + 2 < len(text))
            high = text[at]
            at += 1
        chars |= set(map(chr, range(ord(low), ord(high) + 1)))
    return (OneOf(frozenset(chars), negated), at + 1) if at < len(text) else None


def _one(item: _Item, char: str) -> bool:
    """Whether an item takes exactly this character."""
    if isinstance(item, Any):
        return not item.many
    return char in item if isinstance(item, OneOf) else item == char


def _items(pattern: str) -> tuple[_Item, ...]:
    if len(pattern) > LENGTH_MAX:
        raise Stopped("bytes in a pattern", LENGTH_MAX)
    return _compiled(pattern)


@lru_cache(256)
def _compiled(pattern: str) -> tuple[_Item, ...]:
    items: list[_Item] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        found = bracket(pattern, at) if char == "[" else None
        if found:
            items.append(found[0])
            at = found[1]
            continue
        if char == "\\" and at + 1 < len(pattern):
            at += 1
            items.append(pattern[at])
        elif char in "*?":
            if char == "?" or items[-1:] != [Any(True)]:
                items.append(Any(char == "*"))
        else:
            items.append(char)
        at += 1
    return tuple(items)
