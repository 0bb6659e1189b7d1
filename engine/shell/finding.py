"""find: walks trees and tests every file by an expression."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from engine.errors import FileError
from engine.merged import Stat
from engine.shell import pattern
from engine.shell.call import Call, Failed, utility, why
from engine.shell.paths import basename, join

_KINDS: Final = {"f": "file", "d": "dir", "l": "symlink", "p": "fifo", "c": "char", "b": "block"}
_UNITS: Final = {"c": 1, "w": 2, "b": 512, "k": 1024, "M": 1 << 20}
_DEPTH_MAX: Final = 40


class _Seen(NamedTuple):
    """A file that the walk has come to."""

    path: str
    stat: Stat


_Test = Callable[[_Seen], bool]


@utility(
    "find",
    "[DIRECTORY]... [-name PATTERN] [-type f|d|l] [-size N[ckM]] [-empty] [-maxdepth N] [! TEST] [-o TEST] "
    "[-print] [-delete] [-exec COMMAND {} ;]",
    "walk trees",
)
def find(call: Call) -> int:
    words = call.arguments
    split = next((n for n, word in enumerate(words) if word[:1] in ("-", "!", "(")), len(words))
    finder = _Finder(call, words[split:])
    for top in words[:split] or ["."]:
        finder.walk(top)
    return finder.status


class _Finder:
    """One run of find: its expression, read by recursive descent, and its walk."""

    def __init__(self, call: Call, words: list[str]) -> None:
        self.call, self.words = call, words
        self.status, self.at = 0, 0
        self.least, self.most, self.inside_first = 0, 1 << 30, False
        self._acts = False
        test = self._any(0) if words else None
        if self.at < len(words):
            raise Failed(f"unexpected {words[self.at]}")
        found = test or (lambda _seen: True)
        self.test = found if self._acts else lambda seen: found(seen) and self._print(seen)

    # The walk

    def walk(self, top: str) -> None:
        """Everything from `top` on; no symlink is followed."""
        todo: list[tuple[str, int, _Seen | None]] = [(top, 0, None)]
        while todo:
            path, depth, seen = todo.pop()
            if seen is not None:
                self.test(seen)
                continue
            try:
                seen = _Seen(path, self.call.paths.lstat(path))
                directory = seen.stat.kind == "dir" and depth < self.most
                tested = depth >= self.least
                if tested and not self.inside_first:
                    self.test(seen)
                names = self.call.paths.names(path) if directory else []
            except FileError as error:
                self.status = self.call.complain(f"{path}: {why(error)}")
                continue
            if tested and self.inside_first:
                todo.append((path, depth, seen))
            todo += [(join(path, name), depth + 1, None) for name in reversed(names)]

    def _print(self, seen: _Seen) -> bool:
        self.call.out(f"{seen.path}\n")
        return True

    def _delete(self, seen: _Seen) -> bool:
        if basename(seen.path) == ".":
            return True
        try:
            place = self.call.paths.at(seen.path)
            (self.call.shell.files.rmdir if seen.stat.kind == "dir" else self.call.shell.files.unlink)(place)
        except FileError as error:
            self.status = self.call.complain(f"{seen.path}: {why(error)}")
            return False
        return True

    # The expression

    def _peek(self) -> str:
        return self.words[self.at] if self.at < len(self.words) else ""

    def _take(self, after: str) -> str:
        if self.at >= len(self.words):
            raise Failed(f"{after} requires an argument")
        self.at += 1
        return self.words[self.at - 1]

    def _any(self, depth: int) -> _Test:
        if depth > _DEPTH_MAX:
            raise Failed("too many parentheses")
        tests = [self._all(depth)]
        while self._peek() in ("-o", "-or"):
            self.at += 1
            tests.append(self._all(depth))
        return tests[0] if len(tests) == 1 else lambda seen: any(test(seen) for test in tests)

    def _all(self, depth: int) -> _Test:
        tests = [self._one(depth)]
        while self._peek() not in ("", "-o", "-or", ")"):
            self.at += self._peek() in ("-a", "-and")
            tests.append(self._one(depth))
        return tests[0] if len(tests) == 1 else lambda seen: all(test(seen) for test in tests)

    def _one(self, depth: int) -> _Test:
        word = self._take("an operator")
        if word in ("!", "-not"):
            if depth > _DEPTH_MAX:
                raise Failed("too many parentheses")
            test = self._one(depth + 1)
            return lambda seen: not test(seen)
        if word == "(":
            test = self._any(depth + 1)
            if self._take("(") != ")":
                raise Failed("unpaired '('")
            return test
        build = _PRIMARIES.get(word)
        if build is None:
            raise Failed(f"unrecognized: {word}")
        return build(self, word)

    def _name(self, word: str) -> _Test:
        shape, whole, fold = self._take(word), "path" in word, word.startswith("-i")
        shape = shape.lower() if fold else shape

        def test(seen: _Seen) -> bool:
            text = seen.path if whole else basename(seen.path)
            return pattern.matches(shape, text.lower() if fold else text)

        return test

    def _type(self, word: str) -> _Test:
        letter = self._take(word)
        if letter not in _KINDS:
            raise Failed(f"invalid argument '{letter}' to '{word}'")
        return lambda seen: seen.stat.kind == _KINDS[letter]

    def _size(self, word: str) -> _Test:
        text = self._take(word)
        digits = text.lstrip("+-")
        unit = _UNITS.get(digits[-1:], 0)
        digits = digits[:-1] if unit else digits
        if not digits.isdecimal() or len(digits) > 15:
            raise Failed(f"invalid number '{text}'")
        wanted, unit = int(digits), unit or 512

        def test(seen: _Seen) -> bool:
            size = -(-seen.stat.size // unit)
            return size > wanted if text[0] == "+" else size < wanted if text[0] == "-" else size == wanted

        return test

    def _empty(self, _word: str) -> _Test:
        def test(seen: _Seen) -> bool:
            if seen.stat.kind == "dir":
                return not self.call.paths.names(seen.path)
            return seen.stat.kind == "file" and not seen.stat.size

        return test

    def _depth(self, word: str) -> _Test:
        digits = self._take(word)
        if not digits.isdecimal() or len(digits) > 8:
            raise Failed(f"invalid number '{digits}'")
        if word == "-maxdepth":
            self.most = int(digits)
        else:
            self.least = int(digits)
        return lambda _seen: True

    def _inside(self, _word: str) -> _Test:
        self.inside_first = True
        return lambda _seen: True

    def _act(self, word: str) -> _Test:
        self._acts = True
        if word == "-print":
            return self._print
        if word == "-delete":
            self.inside_first = True
            return self._delete
        words: list[str] = []
        while (one := self._take(word)) != ";":
            if one == "+" and words[-1:] == ["{}"]:
                raise Failed(f"{word} COMMAND {{}} + is not offered; end it with ;")
            words.append(one)
        if not words:
            raise Failed(f"{word} requires an argument")
        return lambda seen: self._run([one.replace("{}", seen.path) for one in words])

    def _run(self, words: list[str]) -> bool:
        return self.call.shell.call(words, self.call.streams, builtins=False) == 0


_PRIMARIES: Final[dict[str, Callable[[_Finder, str], _Test]]] = {
    **dict.fromkeys(("-name", "-iname", "-path"), _Finder._name),
    **dict.fromkeys(("-maxdepth", "-mindepth"), _Finder._depth),
    **dict.fromkeys(("-print", "-delete", "-exec"), _Finder._act),
    "-type": _Finder._type,
    "-size": _Finder._size,
    "-empty": _Finder._empty,
    "-depth": _Finder._inside,
}
