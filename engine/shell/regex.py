"""POSIX regular expressions, basic and extended (XBD 9), for grep and sed, in time bounded by pattern times text.

A pattern becomes a small program; a search walks all that it could do, each pair of instruction and place once, so no
pattern takes more than its length times the text's, and what it walks is paid for on the way. The leftmost match is
taken, and of those the longest.

    Regex("a*b").search("caab", spend)          # (1, 4), …
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from engine.shell.meter import Stopped
from engine.shell.pattern import CLASSES, OneOf, bracket

LINE_MAX: Final = 128 << 10
"""Bytes of text that a pattern is tried on."""
_SIZE_MAX: Final = 4000
STATES_MAX: Final = 1 << 20
"""Pairs of instruction and place that one search may come by; each takes some 100 bytes."""
_PAID: Final = 1024
"""Pairs walked before they are paid for; eight are a step."""
_REPEAT_MAX: Final = 255
_STACKED_MAX: Final = 8
"""Repeats of a repeat, as in ``a**``."""
_DEPTH_MAX: Final = 30
_WORD: Final = frozenset(CLASSES["alnum"] + "_")
_SETS: Final = {
    "w": OneOf(_WORD, False),
    "W": OneOf(_WORD, True),
    "s": OneOf(frozenset(CLASSES["space"]), False),
    "S": OneOf(frozenset(CLASSES["space"]), True),
}


class BadPattern(Exception):
    """No such regular expression, or one that asks for what is not offered."""


class _Step(NamedTuple):
    """An instruction: ``char`` takes one that is in `chars`, ``split`` goes `x` instructions on and else `y`, ``jump``
    `x`, ``save`` notes the place in slot `x`, ``start`` and ``end`` hold at the text's, ``match`` ends."""

    kind: str
    x: int = 0
    y: int = 0
    chars: OneOf | None = None


_ANY: Final = OneOf(frozenset(), True)


class Regex:
    """A pattern, ready to search. `extended` as for grep -E, `fold` ignores the case. `BadPattern`."""

    def __init__(self, pattern: str, *, extended: bool = False, fold: bool = False) -> None:
        parser = _Parser(pattern, extended=extended, fold=fold)
        self._program = parser.program()
        self.groups = parser.groups

    def search(
        self, text: str, spend: Callable[[int], None], start: int = 0, *, captures: bool = False
    ) -> list[int] | None:
        """The match's start and end; with `captures` the groups' too, -1 for one that took no part; None for none."""
        if len(text) > LINE_MAX:
            raise Stopped("bytes in a line to be matched", LINE_MAX)
        seen: set[int] = set()
        for at in range(start, len(text) + 1):
            end = self._longest(text, at, seen, spend)
            if end is not None:
                spend(len(seen) % _PAID // 8)
                return self._capture(text, at, end, spend) if captures else [at, end]
        spend(len(seen) % _PAID // 8)
        return None

    def _longest(self, text: str, start: int, seen: set[int], spend: Callable[[int], None]) -> int | None:
        """The furthest end of a match from `start`. What `seen` holds has led to nothing."""
        program, length = self._program, len(text)
        todo = [(0, start)]
        best: int | None = None
        while todo:
            at, place = todo.pop()
            state = at * (length + 1) + place
            if state in seen:
                continue
            seen.add(state)
            if not len(seen) % _PAID:
                _pay(len(seen), spend)
            kind, x, y, chars = program[at]
            if kind == "char":
                if place < length and chars is not None and (text[place] in chars.chars) != chars.negated:
                    todo.append((at + 1, place + 1))
            elif kind == "split":
                todo += ((at + y, place), (at + x, place))
            elif kind == "match":
                best = place if best is None else max(best, place)
            elif kind == "jump":
                todo.append((at + x, place))
            elif kind == "save" or (kind == "start" and place == 0) or (kind == "end" and place == length):
                todo.append((at + 1, place))
        return best

    def _capture(self, text: str, start: int, end: int, spend: Callable[[int], None]) -> list[int]:
        """The groups of the match that ends at `end`, taking as much as they can, from left to right."""
        slots = [-1] * (2 * self.groups + 2)
        todo: list[tuple[int, int, int]] = [(0, start, 0)]
        seen: set[tuple[int, int]] = set()
        while todo:
            at, place, undo = todo.pop()
            if at < 0:
                slots[place] = undo
                continue
            if (at, place) in seen:
                continue
            seen.add((at, place))
            if not len(seen) % _PAID:
                _pay(len(seen), spend)
            kind, x, y, chars = self._program[at]
            if kind == "char":
                if place < end and chars is not None and text[place] in chars:
                    todo.append((at + 1, place + 1, 0))
            elif kind == "split":
                todo += ((at + y, place, 0), (at + x, place, 0))
            elif kind == "match":
                if place == end:
                    break
            elif kind == "jump":
                todo.append((at + x, place, 0))
            elif kind == "save":
                todo += ((-1, x, slots[x]), (at + 1, place, 0))
                slots[x] = place
            elif (kind == "start" and place == 0) or (kind == "end" and place == len(text)):
                todo.append((at + 1, place, 0))
        return [start, end, *slots[2:]]


class _Parser:
    """Recursive descent; every method returns a piece of program, which reads the same wherever it stands."""

    def __init__(self, pattern: str, *, extended: bool, fold: bool) -> None:
        self.pattern, self.extended, self.fold = pattern, extended, fold
        self.at = 0
        self.groups = 0

    def program(self) -> list[_Step]:
        steps = [*self._alternatives(0), _Step("match")]
        if self.at < len(self.pattern):
            raise BadPattern("Unmatched ) or \\)")
        return steps

    def _token(self) -> str:
        """An operator by its extended spelling, or ``\\x`` for the plain character x; empty at the end."""
        if self.at >= len(self.pattern):
            return ""
        char = self.pattern[self.at]
        if char == "\\":
            following = self.pattern[self.at + 1 : self.at + 2]
            if not following:
                raise BadPattern("Trailing backslash")
            return following if not self.extended and following in "(){}|+?" else "\\" + following
        if char in ".[*^$" or (self.extended and char in "(){|+?"):
            return char
        return "\\" + char

    def _skip(self) -> None:
        self.at += 2 if self.pattern[self.at] == "\\" else 1

    def _alternatives(self, depth: int) -> list[_Step]:
        if depth > _DEPTH_MAX:
            raise BadPattern("Regular expression too big")
        branches = [self._branch(depth)]
        size = len(branches[0])
        while self._token() == "|":
            self._skip()
            branches.append(self._branch(depth))
            size += 2 + len(branches[-1])
            _check(size)
        steps = branches.pop()
        for branch in reversed(branches):
            steps = [_Step("split", 1, len(branch) + 2), *branch, _Step("jump", len(steps) + 1), *steps]
        return steps

    def _branch(self, depth: int) -> list[_Step]:
        steps: list[_Step] = []
        first = True
        while (sign := self._token()) and sign != "|" and not (sign == ")" and (depth or self.extended)):
            start = self.at
            piece = self._atom(sign, depth, first=first)
            stacked = 0
            while self._repeats(first=first and self.at == start):
                stacked += 1
                if stacked > _STACKED_MAX:
                    raise BadPattern("Regular expression too big")
                piece = self._repeat(piece)
            first = first and self.pattern[start] == "^" and not self.extended
            steps += piece
            _check(len(steps))
        return steps

    def _atom(self, sign: str, depth: int, *, first: bool) -> list[_Step]:
        if sign == "[":
            found = bracket(self.pattern, self.at, quoting=False)
            if found is None:
                raise BadPattern("Unmatched [, [^, [:, [., or [=")
            self.at = found[1]
            return [_Step("char", chars=self._folded(found[0]))]
        before = self.at
        self._skip()
        if sign == "(":
            return self._group(depth)
        if sign == ".":
            return [_Step("char", chars=_ANY)]
        if sign == "^" and (self.extended or first):
            return [_Step("start")]
        if sign == "$" and (self.extended or self._token() in ("", ")", "|")):
            return [_Step("end")]
        if sign in "*+?{" and (self.extended or sign != "*") and not first:
            raise BadPattern("Invalid preceding regular expression")
        char = sign[-1]
        if sign[0] == "\\" and self.pattern[before] == "\\":
            if char in _SETS:
                return [_Step("char", chars=_SETS[char])]
            if (char.isalnum() and char != "n") or char in "<>`'":
                raise BadPattern(f"\\{char} is not offered")
            char = "\n" if char == "n" else char
        return [_Step("char", chars=self._folded(OneOf(frozenset(char), False)))]

    def _group(self, depth: int) -> list[_Step]:
        self.groups += 1
        slot = 2 * self.groups
        inside = self._alternatives(depth + 1)
        if self._token() != ")":
            raise BadPattern("Unmatched ( or \\(")
        self._skip()
        return [_Step("save", slot), *inside, _Step("save", slot + 1)]

    def _folded(self, chars: OneOf) -> OneOf:
        if not self.fold:
            return chars
        return OneOf(frozenset(case for char in chars.chars for case in (char.lower(), char.upper())), chars.negated)

    def _repeats(self, *, first: bool) -> bool:
        return not first and self._token() in ("*", "+", "?", "{")

    def _repeat(self, piece: list[_Step]) -> list[_Step]:
        sign = self._token()
        self._skip()
        least, most = {"*": (0, -1), "+": (1, -1), "?": (0, 1)}.get(sign) or self._counts()
        maybe = [_Step("split", 1, len(piece) + 1), *piece]
        _check(len(maybe) * max(least, most, 1))
        if most < 0:
            again = [_Step("split", 1, len(piece) + 2), *piece, _Step("jump", -len(maybe))]
            return piece * least + again
        return piece * least + maybe * (most - least)

    def _counts(self) -> tuple[int, int]:
        close = "}" if self.extended else "\\}"
        end = self.pattern.find(close, self.at)
        low, comma, high = self.pattern[self.at : max(end, self.at)].partition(",")
        if end < 0 or not (low + high + "0").isdecimal() or not (low or comma):
            raise BadPattern("Invalid content of \\{\\}")
        self.at = end + len(close)
        least = int(low[:4] or 0)
        most = int(high[:4]) if high else -1 if comma else least
        if max(least, most) > _REPEAT_MAX or (high and most < least):
            raise BadPattern("Invalid content of \\{\\}")
        return least, most


def _pay(states: int, spend: Callable[[int], None]) -> None:
    if states > STATES_MAX:
        raise Stopped("ways to match one line", STATES_MAX)
    spend(_PAID // 8)


def _check(size: int) -> None:
    if size > _SIZE_MAX:
        raise BadPattern("Regular expression too big")
