"""test and [ (POSIX XCU, with -a, -o and parentheses, -nt, -ot and -ef)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from engine.errors import FileError
from engine.merged import Stat
from engine.shell.call import Call, Failed, utility

_KINDS: Final = {"f": "file", "d": "dir", "L": "symlink", "h": "symlink", "p": "fifo", "b": "block", "c": "char"}
_BITS: Final = {"u": 0o4000, "g": 0o2000, "k": 0o1000}
_WORD: Final = "zn"
_FILE: Final = "efdLhpbcugkrwxsSOG"
_WRONG: Final = 2
_DEPTH: Final = 50
_NUMBERS: Final[dict[str, Callable[[int, int], bool]]] = {
    "-eq": lambda a, b: a == b,
    "-ne": lambda a, b: a != b,
    "-lt": lambda a, b: a < b,
    "-le": lambda a, b: a <= b,
    "-gt": lambda a, b: a > b,
    "-ge": lambda a, b: a >= b,
}
_WORDS: Final[dict[str, Callable[[str, str], bool]]] = {
    "=": lambda a, b: a == b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
}
_FILES: Final = ("-nt", "-ot", "-ef")


@utility("test", "EXPRESSION", "succeed where it holds, such as -f FILE, -d FILE, WORD = WORD, N -lt N", inner=True)
def test(call: Call) -> int:
    return _evaluate(call, call.arguments)


@utility("[", "EXPRESSION ]", "test", inner=True)
def bracket(call: Call) -> int:
    if call.arguments[-1:] != ["]"]:
        raise Failed("missing ]", _WRONG)
    return _evaluate(call, call.arguments[:-1])


def _evaluate(call: Call, words: list[str]) -> int:
    negated = False
    while words:
        if len(words) == 1:
            return int((words[0] != "") == negated)
        test = _Test(call, words)
        if len(words) == 3 and test.is_binary(words[1]):
            return int(test.compare(*words) == negated)
        if len(words) == 4 and words[0] == "(" and words[3] == ")":
            words = words[1:3]
        if words[0] != "!":
            break
        words, negated = words[1:], not negated
    if not words:
        return int(not negated)
    test = _Test(call, words)
    value = test.any(0)
    if test.at < len(words):
        raise Failed(f"{words[test.at]}: unknown operand", _WRONG)
    return int(value == negated)


class _Test:
    """Recursive descent over the words."""

    def __init__(self, call: Call, words: list[str]) -> None:
        self.call, self.words = call, words
        self.at = 0

    def _peek(self, ahead: int = 0) -> str | None:
        return self.words[self.at + ahead] if self.at + ahead < len(self.words) else None

    def any(self, depth: int) -> bool:
        value = self._all(depth)
        while self._peek() == "-o":
            self.at += 1
            value = self._all(depth) or value
        return value

    def _all(self, depth: int) -> bool:
        value = self._not(depth)
        while self._peek() == "-a":
            self.at += 1
            value = self._not(depth) and value
        return value

    def _not(self, depth: int) -> bool:
        if depth > _DEPTH:
            raise Failed("too many parentheses", _WRONG)
        if self._peek() == "!" and self._peek(1) is not None:
            self.at += 1
            return not self._not(depth + 1)
        return self._primary(depth)

    def is_binary(self, word: str | None) -> bool:
        """Whether `word` is an operator between two words."""
        return word in _NUMBERS or word in _WORDS or word in _FILES

    def _primary(self, depth: int) -> bool:
        word = self._peek()
        if word is None:
            raise Failed("argument expected", _WRONG)
        if self.is_binary(self._peek(1)) and self._peek(2) is not None:
            left, operator, right = self.words[self.at : self.at + 3]
            self.at += 3
            return self.compare(left, operator, right)
        if word == "(" and self._peek(1) is not None:
            self.at += 1
            value = self.any(depth + 1)
            if self._peek() != ")":
                raise Failed("closing paren expected", _WRONG)
            self.at += 1
            return value
        following = self._peek(1)
        if len(word) == 2 and word[0] == "-" and word[1] in _WORD + _FILE + "t" and following is not None:
            self.at += 2
            return self._unary(word[1], following)
        if self.is_binary(following):
            raise Failed(f"{following}: argument expected", _WRONG)
        self.at += 1
        return word != ""

    def compare(self, left: str, operator: str, right: str) -> bool:
        """What a binary operator says."""
        if operator in _NUMBERS:
            return _NUMBERS[operator](_number(left), _number(right))
        if operator in _WORDS:
            return _WORDS[operator](left, right)
        a, b = self._stat(left), self._stat(right)
        if a is None or b is None:
            return False
        if operator == "-ef":
            return a.inode == b.inode
        return a.mtime > b.mtime if operator == "-nt" else a.mtime < b.mtime

    def _stat(self, path: str, *, follow: bool = True) -> Stat | None:
        try:
            return self.call.paths.stat(path) if follow else self.call.paths.lstat(path)
        except FileError:
            return None

    def _unary(self, letter: str, word: str) -> bool:
        if letter in _WORD:
            return (word == "") == (letter == "z")
        found = self._stat(word, follow=letter not in "Lh") if letter != "t" else None
        if found is None:
            return False
        if letter in _KINDS:
            return found.kind == _KINDS[letter]
        if letter in _BITS:
            return bool(found.mode & _BITS[letter])
        if letter == "x":
            return found.kind == "dir" or bool(found.mode & 0o111)
        if letter in "sOG":
            return found.size > 0 if letter == "s" else not (found.uid if letter == "O" else found.gid)
        return letter in "erw"


def _number(word: str) -> int:
    try:
        if len(word) > 20:
            raise ValueError
        return int(word.strip())
    except ValueError:
        raise Failed(f"{word}: bad number" if word else "bad number", _WRONG) from None
