"""Brace expansion, as bash has it: ``{a,b}`` and ``{1..4}`` make several words of one, before anything else expands.

    [text(word) for word in expand(word, meter)]      # a{1..3}b -> a1b a2b a3b

Busybox's own shell does not know it; it is the one thing here that is bash's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from engine.shell.meter import Meter, Stopped
from engine.shell.syntax import Part, Text, Word

_Item = str | Part
"""An unquoted character, or a part that braces do not look into."""
_NUMBERS: Final = re.compile(r"(-?\d{1,18})\.\.(-?\d{1,18})(?:\.\.(-?\d{1,18}))?")
_RANGE_MAX: Final = 64
_LETTERS: Final = re.compile(r"([A-Za-z])\.\.([A-Za-z])(?:\.\.(-?\d{1,18}))?")


def expand(word: Word, meter: Meter) -> list[Word]:
    """The words that the braces of `word` make of it; itself where there are none."""
    if not any(isinstance(part, Text) and not part.quoted and "{" in part.value for part in word):
        return [word]
    items: list[_Item] = []
    for part in word:
        items += part.value if isinstance(part, Text) and not part.quoted else [part]
    return [_word(made) for made in _expand(items, meter)]


def _expand(items: list[_Item], meter: Meter, depth: int = 0) -> list[list[_Item]]:
    if depth > meter.limits.depth:
        raise Stopped("braces within and after braces", meter.limits.depth)
    for start, (end, commas) in sorted(_pairs(items).items()):
        made = list(_alternatives(items, start, end, commas, meter, depth + 1))
        if made:
            tails = _expand(items[end + 1 :], meter, depth + 1)
            meter.check_words(len(made) * len(tails))
            meter.spend(len(made) * len(tails))
            return [items[:start] + middle + tail for middle in made for tail in tails]
    return [items]


def _pairs(items: list[_Item]) -> dict[int, tuple[int, list[int]]]:
    """Where a brace opens, where it closes, and the commas directly inside."""
    pairs: dict[int, tuple[int, list[int]]] = {}
    opened: list[tuple[int, list[int]]] = []
    for at, item in enumerate(items):
        if item == "{":
            opened.append((at, []))
        elif item == "}" and opened:
            start, commas = opened.pop()
            pairs[start] = at, commas
        elif item == "," and opened:
            opened[-1][1].append(at)
    return pairs


def _alternatives(
    items: list[_Item], start: int, end: int, commas: list[int], meter: Meter, depth: int
) -> Iterator[list[_Item]]:
    if commas:
        for left, right in zip([start, *commas], [*commas, end], strict=True):
            yield from _expand(items[left + 1 : right], meter, depth)
    elif end - start < _RANGE_MAX:
        inside = [item for item in items[start + 1 : end] if isinstance(item, str)]
        if len(inside) == end - start - 1:
            yield from ([*text] for text in _range("".join(inside), meter))


def _range(text: str, meter: Meter) -> Iterator[str]:
    numbers, letters = _NUMBERS.fullmatch(text), _LETTERS.fullmatch(text)
    found = numbers or letters
    if found is None:
        return
    first, last = (int(found[n]) if numbers else ord(found[n]) for n in (1, 2))
    step = abs(int(found[3] or 1)) or 1
    meter.check_words(abs(last - first) // step + 1)
    padded = numbers and any(re.match(r"-?0\d", found[n]) for n in (1, 2))
    width = max(len(found[1]), len(found[2])) if padded else 0
    for value in range(first, last + (1 if first <= last else -1), step if first <= last else -step):
        yield f"{value:0{width}d}" if numbers else chr(value)


def _word(items: list[_Item]) -> Word:
    """Items as a word again, characters joined."""
    parts: list[Part] = []
    plain: list[str] = []
    for item in [*items, None]:
        if isinstance(item, str):
            plain.append(item)
            continue
        if plain:
            parts.append(Text("".join(plain)))
            plain = []
        if item is not None:
            parts.append(item)
    return tuple(parts)
