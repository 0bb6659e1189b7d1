"""echo and printf (POSIX XCU; escapes and numbers as busybox reads them)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from engine.shell.call import Call, utility

_ESCAPE: Final = re.compile(r"\\(?:([abefnrtv\\\"'])|x([0-9A-Fa-f]{1,2})|(0[0-7]{0,3}|[1-7][0-7]{0,2})|(c))")
_LETTERS: Final = {"a": "\a", "b": "\b", "e": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_CONVERSION: Final = re.compile(r"%(?:(%)|([-+ #0]*)(\*|\d*)(?:\.(\*|\d*))?(?:hh|h|ll|l|j|z|t)?([a-zA-Z])?)")
_WIDTH_MAX: Final = 4096


def escapes(text: str, *, octal: bool) -> tuple[str, bool]:
    """`text` with its backslash escapes read, up to a ``\\c``, and whether there was one. With `octal`, as in a format
    of printf, an octal number has at most three digits; else, as in echo, one may begin with a further 0."""
    out: list[str] = []
    at = 0
    while True:
        found = _ESCAPE.search(text, at)
        if found is None:
            return "".join([*out, text[at:]]), False
        out.append(text[at : found.start()])
        at = found.end()
        letter, hexadecimal, digits, stop = found.groups()
        if stop:
            return "".join(out), True
        if letter:
            out.append(_LETTERS.get(letter, letter) if letter not in "\"'" or octal else found[0])
        elif hexadecimal:
            out.append(chr(int(hexadecimal, 16)))
        else:
            while (octal and len(digits) > 3) or int(digits, 8) > 0xFF:
                digits, at = digits[:-1], at - 1
            out.append(chr(int(digits, 8)))


@utility("echo", "[-n] [-e] [WORD]...", "print words", prints=True, inner=True)
def echo(call: Call) -> int:
    words, flags = list(call.arguments), set[str]()
    while words and re.fullmatch(r"-[neE]+", words[0]):
        for flag in words.pop(0)[1:]:
            flags = flags - {"e"} if flag == "E" else flags | {flag}
    text, ended = " ".join(words), False
    if "e" in flags:
        text, ended = escapes(text, octal=False)
    call.out(text + ("" if "n" in flags or ended else "\n"))
    return 0


@utility("printf", "FORMAT [WORD]...", "print words by a format: %s %d %u %x %o %c %b %%", prints=True, inner=True)
def printf(call: Call) -> int:
    words = call.arguments[1:] if call.arguments[:1] == ["--"] else call.arguments
    if not words:
        raise call.usage()
    printer = _Printer(call, words[1:])
    while printer.print(words[0]):
        call.meter.spend()
    return printer.status


class _Printer:
    """Prints a format as often as there are words for it."""

    def __init__(self, call: Call, words: list[str]) -> None:
        self.call, self.words = call, words
        self.status = 0
        self._taken = 0

    def _take(self) -> str:
        self._taken += 1
        return self.words[self._taken - 1] if self._taken <= len(self.words) else ""

    def print(self, shape: str) -> bool:
        """Prints once; whether there is more to print."""
        before = self._taken
        for piece, ended in self._pieces(shape):
            self.call.out(piece)
            if ended:
                return False
        return before < self._taken < len(self.words)

    def _pieces(self, shape: str) -> Iterator[tuple[str, bool]]:
        """What the format makes, piece by piece, and with the last whether printing ends with it."""
        at = 0
        for found in _CONVERSION.finditer(shape):
            text, stop = escapes(shape[at : found.start()], octal=True)
            yield text, stop
            at = found.end()
            if found[1]:
                yield "%", False
            elif found[5] is None or found[5] not in "sdiuxXocb":
                self.status = self.call.complain(f"{found[0]}: invalid format")
                yield "", True
            else:
                yield self._convert(found[2], found[3], found[4], found[5])
        text, stop = escapes(shape[at:], octal=True)
        yield text, stop

    def _convert(self, flags: str, width: str, precision: str | None, letter: str) -> tuple[str, bool]:
        wide = self._number(self._take()) if width == "*" else int(width[:5] or 0)
        if wide < 0:
            flags, wide = flags + "-", -wide
        exact = (
            None if precision is None else self._number(self._take()) if precision == "*" else int(precision[:5] or 0)
        )
        word, ended = self._take(), False
        if letter == "b":
            word, ended = escapes(word, octal=False)
        if letter in "sbc":
            text = word[:1] if letter == "c" else word[: exact if exact is not None and exact >= 0 else None]
        else:
            text = _digits(self._number(word), flags, exact, letter)
            if "0" in flags and "-" not in flags and exact is None:
                sign = text[:1] if text[:1] in ("-", "+", " ") else ""
                text = sign + text[len(sign) :].rjust(min(wide, _WIDTH_MAX) - len(sign), "0")
        wide = min(wide, _WIDTH_MAX)
        return (text.ljust(wide) if "-" in flags else text.rjust(wide)), ended

    def _number(self, word: str) -> int:
        if word[:1] in ("'", '"'):
            return ord(word[1]) if len(word) > 1 else 0
        found = re.fullmatch(r"\s*([-+]?)(0[xX][0-9a-fA-F]{1,16}|0[0-7]{0,22}|[1-9]\d{0,19})", word)
        if not found:
            self.status = self.call.complain(f"invalid number '{word}'") if word else self.status
            return 0
        digits = found[2].lower()
        value = int(digits, 16 if digits.startswith("0x") else 8 if digits.startswith("0") else 10)
        return -value if found[1] == "-" else value


def _digits(value: int, flags: str, exact: int | None, letter: str) -> str:
    if letter in "di":
        sign = "-" if value < 0 else "+" if "+" in flags else " " if " " in flags else ""
        digits, prefix = str(abs(value)), ""
    else:
        sign = ""
        digits = format(value % (1 << 64), {"u": "d"}.get(letter, letter))
        prefix = {"x": "0x", "X": "0X", "o": "0"}.get(letter, "") if "#" in flags and value else ""
    return sign + prefix + digits.rjust(min(max(exact or 0, 0), _WIDTH_MAX), "0")
