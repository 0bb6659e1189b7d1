"""Shell patterns (POSIX XCU 2.13): ``*``, ``?``, ``[a-z]``, ``[!a-z]``, ``[[:alpha:]]``; a backslash quotes.

Matching walks the text once and goes back to the last ``*`` only, so its time is bounded by pattern times text.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

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
    items = _compiled(pattern)
    at = item = 0
    star, mark = -1, 0
    while at < len(text):
        if item < len(items) and _one(items[item], text[at]):
            item, at = item + 1, at + 1
        elif item < len(items) and isinstance(items[item], Any):
            star, mark = item, at
            item += 1
        elif star >= 0:
            mark += 1
            item, at = star + 1, mark
        else:
            return False
    return all(isinstance(rest, Any) and rest.many for rest in items[item:])


def trim(pattern: str, text: str, operator: str, spend: Callable[[int], None]) -> str:
    """``${x#p}``, ``##``, ``%`` and ``%%``: `text` less its shortest or longest match at the start or the end."""
    if not is_magic(pattern):
        plain = unquote(pattern)
        return text.removeprefix(plain) if operator[0] == "#" else text.removesuffix(plain)
    spend(len(text) * len(text) // 400)
    ends = range(len(text) + 1) if operator in ("#", "%%") else range(len(text), -1, -1)
    for at in ends:
        if matches(pattern, text[:at] if operator[0] == "#" else text[at:]):
            return text[at:] if operator[0] == "#" else text[:at]
    return text


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
            items.append(Any(char == "*"))
        else:
            items.append(char)
        at += 1
    return tuple(items)
