"""``$((…))``: C's integer expressions on 64 bits (POSIX XCU 2.6.4), with ``**``, ``++`` and ``--`` as busybox adds."""

from __future__ import annotations

import re
from collections.abc import Callable, MutableMapping
from typing import Final

_TOKEN: Final = re.compile(
    r"\s*(0[xX][0-9a-fA-F]+|\d+|[A-Za-z_]\w*|<<=|>>=|\*\*|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|[-+*/%&|^~!<>=?:(),])",
    re.ASCII,
)
_LEVELS: Final = (
    ("||",),
    ("&&",),
    ("|",),
    ("^",),
    ("&",),
    ("==", "!="),
    ("<", "<=", ">", ">="),
    ("<<", ">>"),
    ("+", "-"),
    ("*", "/", "%"),
)
"""Binary operators, the loosest first; those of one level group to the left."""
_ASSIGN: Final = frozenset(("=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>="))
_DEPTH: Final = 40


class BadArithmetic(Exception):
    """No such expression, or no such number."""


def evaluate(text: str, variables: MutableMapping[str, str], depth: int = 0) -> int:
    """The value of `text`; assignments change `variables`. An unset one is 0, and one that is no number an expression
    in turn. `BadArithmetic`."""
    reader = _Reader(text, variables, depth)
    if reader.token == "":
        return 0
    value = reader.comma()
    if reader.token != "":
        raise BadArithmetic("arithmetic syntax error")
    return value


def _wrap(value: int) -> int:
    """As a signed number of 64 bits."""
    return (value + (1 << 63)) % (1 << 64) - (1 << 63)


def number(text: str) -> int:
    """A decimal, ``0x`` hexadecimal or ``0`` octal constant."""
    try:
        if len(text) > 40:
            raise ValueError
        base = 16 if text[:2].lower() == "0x" else 8 if text[:1] == "0" and len(text) > 1 else 10
        return _wrap(int(text, base))
    except ValueError:
        raise BadArithmetic("arithmetic syntax error") from None


def _compute(operator: str, a: int, b: int) -> int:
    if operator in ("/", "%"):
        if b == 0:
            raise BadArithmetic("divide by zero")
        quotient = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
        return _wrap(quotient if operator == "/" else a - quotient * b)
    if operator == "**":
        if b < 0:
            raise BadArithmetic("exponent less than 0")
        return _wrap(pow(a, b, 1 << 64))
    return _wrap(_PLAIN[operator](a, b))


_PLAIN: Final[dict[str, Callable[[int, int], int]]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "&": lambda a, b: a & b,
    "|": lambda a, b: a | b,
    "^": lambda a, b: a ^ b,
    "<<": lambda a, b: a << (b & 63),
    ">>": lambda a, b: a >> (b & 63),
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}


class _Reader:
    """Recursive descent; where `live` is false (the branch not taken) nothing is assigned and nothing fails."""

    def __init__(self, text: str, variables: MutableMapping[str, str], depth: int) -> None:
        self.text, self.variables = text.rstrip(), variables
        self.at = 0
        self.token = ""
        self.live = True
        self.depth = depth
        self._advance()

    def _advance(self) -> str:
        taken = self.token
        if self.at >= len(self.text):
            self.token = ""
            return taken
        found = _TOKEN.match(self.text, self.at)
        if found is None:
            raise BadArithmetic("arithmetic syntax error")
        self.token, self.at = found[1], found.end()
        return taken

    def _take(self, *tokens: str) -> str:
        return self._advance() if self.token in tokens and self.token else ""

    def _expect(self, token: str) -> None:
        if not self._take(token):
            raise BadArithmetic("arithmetic syntax error")

    def comma(self) -> int:
        value = self._assignment()
        while self._take(","):
            value = self._assignment()
        return value

    def _assignment(self) -> int:
        self.depth += 1
        if self.depth > _DEPTH:
            raise BadArithmetic("expression recursion loop detected")
        name, start, token = self.token, self.at, self.token
        if _is_name(name):
            self._advance()
            operator = self._take(*_ASSIGN)
            if operator:
                value = self._assignment()
                if operator != "=":
                    value = self._apply(operator[:-1], self._value(name), value)
                self.depth -= 1
                return self._store(name, value)
            self.at, self.token = start, token
        value = self._conditional()
        self.depth -= 1
        return value

    def _conditional(self) -> int:
        value = self._binary(0)
        if not self._take("?"):
            return value
        live = self.live
        self.live = live and value != 0
        first = self._assignment()
        self._expect(":")
        self.live = live and value == 0
        second = self._assignment()
        self.live = live
        return first if value else second

    def _binary(self, level: int) -> int:
        if level == len(_LEVELS):
            return self._power()
        value = self._binary(level + 1)
        while operator := self._take(*_LEVELS[level]):
            if operator in ("&&", "||"):
                live = self.live
                self.live = live and (value != 0) == (operator == "&&")
                other = self._binary(level + 1)
                self.live = live
                value = int(value != 0 and other != 0 if operator == "&&" else value != 0 or other != 0)
            else:
                value = self._apply(operator, value, self._binary(level + 1))
        return value

    def _power(self) -> int:
        value = self._unary()
        return self._apply("**", value, self._power()) if self._take("**") else value

    def _unary(self) -> int:
        operator = self._take("+", "-", "!", "~", "++", "--")
        if not operator:
            return self._primary()
        if len(operator) == 2:
            name = self._advance()
            if not _is_name(name):
                raise BadArithmetic("arithmetic syntax error")
            return self._store(name, self._value(name) + (1 if operator == "++" else -1))
        self.depth += 1
        if self.depth > _DEPTH:
            raise BadArithmetic("expression recursion loop detected")
        value = self._unary()
        self.depth -= 1
        return {"+": value, "-": _wrap(-value), "!": int(not value), "~": ~value}[operator]

    def _primary(self) -> int:
        if self._take("("):
            value = self.comma()
            self._expect(")")
            return value
        token = self._advance()
        if _is_name(token):
            value = self._value(token)
            step = self._take("++", "--")
            if step:
                self._store(token, value + (1 if step == "++" else -1))
            return value
        return number(token)

    def _apply(self, operator: str, a: int, b: int) -> int:
        return _compute(operator, a, b) if self.live else 0

    def _value(self, name: str) -> int:
        text = self.variables.get(name, "")
        if text.isdecimal() or not text:
            return number(text or "0")
        if self.depth >= _DEPTH:
            raise BadArithmetic("expression recursion loop detected")
        return evaluate(text, self.variables, self.depth + 4)

    def _store(self, name: str, value: int) -> int:
        value = _wrap(value)
        if self.live:
            self.variables[name] = str(value)
        return value


def _is_name(token: str) -> bool:
    return token[:1].isalpha() or token[:1] == "_"
