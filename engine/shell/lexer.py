"""A script's characters as tokens: operators, newlines, and words already taken apart into their quoted pieces.

Read on demand, since ``$(`` inside a word holds commands: `nested` (the parser) is then called on this same lexer, and
leaves it behind the closing parenthesis.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from engine.shell.meter import Limits
from engine.shell.syntax import Arithmetic, Parameter, Part, Sequence, Substitution, Text, Word

OPERATORS: Final = ("<<", "<>", "<&", ">>", ">&", ">|", "&&", "||", ";;", "<", ">", "&", "|", ";", "(", ")")
"""Longest first."""
_BREAKS: Final = frozenset(" \t\n<>&|;()")
_MARKS: Final = _BREAKS | frozenset("\\'\"$`}") | {""}
"""What may end plain text, in one place or another."""
_NAME_FIRST: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_")
_NAME: Final = _NAME_FIRST | frozenset("0123456789")
_SPECIAL: Final = frozenset("?#@*$!-0123456789")
_PARAMETER_OPERATORS: Final = (":-", ":=", ":?", ":+", "##", "%%", "-", "=", "?", "+", "#", "%")


class BadSyntax(Exception):
    """A script that cannot be read: `line` and `column` (from 1) say where, the sentence what."""

    def __init__(self, text: str, offset: int, why: str) -> None:
        self.line = text.count("\n", 0, offset) + 1
        self.column = offset - (text.rfind("\n", 0, offset) + 1) + 1
        self.why = why
        super().__init__(f"{self.line}:{self.column}: {why}")


@dataclass(frozen=True, slots=True)
class Token:
    """`kind` is ``word``, ``operator``, ``newline`` or ``end``. `text` is the operator, or a word's text where nothing
    in it is quoted or expanded (only such a word can be reserved); `fd` the number that stands before an operator."""

    kind: str
    offset: int
    text: str = ""
    word: Word = ()
    fd: int = -1


class Lexer:
    """See the module."""

    def __init__(self, text: str, limits: Limits, nested: Callable[[Lexer, str], Sequence], depth: int = 0) -> None:
        self.text, self.limits, self.nested, self.depth = text, limits, nested, depth
        self.offset = 0
        self._tokens = 0
        if len(text) > limits.script:
            raise BadSyntax(text, limits.script, f"the script is longer than {limits.script:,} bytes")

    def fail(self, why: str, offset: int | None = None) -> BadSyntax:
        """The error to raise at `offset`, else here."""
        return BadSyntax(self.text, self.offset if offset is None else offset, why)

    def refuse(self, what: str, offset: int) -> BadSyntax:
        """The error to raise for what a bigger shell would understand."""
        return self.fail(f"not offered by this shell: {what}", offset)

    def enter(self) -> None:
        """One level deeper; the caller leaves by ``depth -= 1``."""
        self.depth += 1
        if self.depth > self.limits.depth:
            raise self.fail(f"nested more than {self.limits.depth} deep")

    def next(self) -> Token:
        """The next token."""
        self._skip_blanks()
        self._tokens += 1
        if self._tokens > self.limits.tokens:
            raise self.fail(f"more than {self.limits.tokens:,} words and operators")
        start = self.offset
        if start >= len(self.text):
            return Token("end", start)
        if self.text[start] == "\n":
            self.offset += 1
            return Token("newline", start)
        return self._operator(start) or self._word(start)

    def _skip_blanks(self) -> None:
        text = self.text
        while self.offset < len(text):
            if text[self.offset] in " \t":
                self.offset += 1
            elif text.startswith("\\\n", self.offset):
                self.offset += 2
            elif text[self.offset] == "#":
                end = text.find("\n", self.offset)
                self.offset = len(text) if end < 0 else end
            else:
                return

    def _operator(self, start: int) -> Token | None:
        at = start
        while at < len(self.text) and self.text[at].isdecimal() and at < start + 3:
            at += 1
        if at > start and self.text[at : at + 1] not in ("<", ">"):
            return None
        found = next((operator for operator in OPERATORS if self.text.startswith(operator, at)), None)
        if found is None:
            return None
        self.offset = at + len(found)
        return Token("operator", start, found, fd=int(self.text[start:at]) if at > start else -1)

    def _word(self, start: int) -> Token:
        parts = self._parts("word", quoted=False)
        plain = parts[0].value if len(parts) == 1 and isinstance(parts[0], Text) and not parts[0].quoted else ""
        return Token("word", start, plain, parts)

    # Inside a word. `mode` says what ends the parts: "word" a blank or operator, '"' and "}" themselves, "))" as well.

    def _parts(self, mode: str, *, quoted: bool) -> Word:
        self.enter()
        opened = self.offset
        parts: list[Part] = []
        parentheses = 0
        while True:
            char = self.text[self.offset : self.offset + 1]
            if not char:
                if mode == "word":
                    break
                raise self.fail(_UNCLOSED[mode], opened)
            if (mode == "word" and char in _BREAKS) or mode == char:
                break
            if mode == "))":
                if char == ")" and not parentheses:
                    break
                parentheses += (char == "(") - (char == ")")
            parts += self._piece(char, mode, quoted=quoted)
        self.depth -= 1
        return _joined(parts)

    def _piece(self, char: str, mode: str, *, quoted: bool) -> Word:
        """What begins here, with `char`: something quoted or expanded, or plain text as far as it surely goes."""
        if char == "\\":
            return self._escaped(mode, quoted=quoted)
        if char == "'" and not quoted:
            return (Text(self._to_single_quote(), True),)
        if char == '"' and mode != "))":
            self.offset += 1
            inside = self._parts('"', quoted=True) or (Text("", True),)
            self.offset += 1
            return inside
        if char in "$`":
            return (self._dollar(quoted=quoted) if char == "$" else self._backquotes(quoted=quoted),)
        start = self.offset
        self.offset += 1
        while self.text[self.offset : self.offset + 1] not in _MARKS:
            self.offset += 1
        return (Text(self.text[start : self.offset], quoted),)

    def _escaped(self, mode: str, *, quoted: bool) -> Word:
        following = self.text[self.offset + 1 : self.offset + 2]
        self.offset += 2 if following else 1
        if following == "\n":
            return ()
        if quoted and following not in (*'$`"\\', *mode):
            return (Text("\\" + following, True),)
        return (Text(following or "\\", True),)

    def _to_single_quote(self) -> str:
        end = self.text.find("'", self.offset + 1)
        if end < 0:
            raise self.fail(_UNCLOSED["'"])
        value = self.text[self.offset + 1 : end]
        self.offset = end + 1
        return value

    def _dollar(self, *, quoted: bool) -> Part:
        start = self.offset
        following = self.text[start + 1 : start + 2]
        if self.text.startswith("((", start + 1):
            self.offset += 3
            word = self._parts("))", quoted=True)
            if not self.text.startswith("))", self.offset):
                raise self.fail("syntax error: missing '))'", start)
            self.offset += 2
            return Arithmetic(word, quoted)
        if following == "(":
            self.offset += 2
            return Substitution(self.nested(self, ")"), quoted)
        if following == "{":
            return self._braced(quoted=quoted)
        if following in _NAME_FIRST:
            return Parameter(self._name(start + 1), quoted=quoted)
        if following and following in _SPECIAL:
            self.offset += 2
            return Parameter(following, quoted=quoted)
        if following == "'" and not quoted:
            raise self.refuse("$'...'; printf writes such characters", start)
        self.offset += 1
        return Text("$", quoted)

    def _name(self, start: int) -> str:
        end = start
        while end < len(self.text) and self.text[end] in _NAME:
            end += 1
        self.offset = end
        return self.text[start:end]

    def _braced(self, *, quoted: bool) -> Part:
        start, at = self.offset, self.offset + 2
        length = self.text.startswith("#", at) and self.text[at + 1 : at + 2] not in ("}", "")
        at += length
        first = self.text[at : at + 1]
        if first in _NAME_FIRST or first.isdecimal():
            name = self._name(at)
        elif first and first in _SPECIAL:
            name = first
            self.offset = at + 1
        else:
            raise self.fail("syntax error: bad substitution", start)
        if self.text.startswith("}", self.offset):
            self.offset += 1
            return Parameter(name, "length" if length else "", quoted=quoted)
        found = next((one for one in _PARAMETER_OPERATORS if self.text.startswith(one, self.offset)), None)
        if length or found is None:
            if self.offset >= len(self.text):
                raise self.fail(_UNCLOSED["}"], start)
            raise self.refuse(f"${{{name}{self.text[self.offset]}...}}", start)
        self.offset += len(found)
        word = self._parts("}", quoted=quoted and found[0] not in "#%")
        self.offset += 1
        return Parameter(name, found, word, quoted)

    def _backquotes(self, *, quoted: bool) -> Part:
        start = self.offset
        body: list[str] = []
        self.offset += 1
        while not self.text.startswith("`", self.offset):
            if self.offset >= len(self.text):
                raise self.fail(_UNCLOSED["`"], start)
            if self.text[self.offset] == "\\" and self.text[self.offset + 1 : self.offset + 2] in tuple(
                '$`\\"'[: 3 + quoted]
            ):
                self.offset += 1
            body.append(self.text[self.offset])
            self.offset += 1
        self.offset += 1
        inner = Lexer("".join(body), self.limits, self.nested, self.depth)
        inner._tokens = self._tokens
        try:
            parsed = self.nested(inner, "")
        except BadSyntax as error:
            raise self.fail(error.why, start) from error
        self._tokens = inner._tokens
        return Substitution(parsed, quoted)


_UNCLOSED: Final = {
    '"': "syntax error: unterminated quoted string",
    "'": "syntax error: unterminated quoted string",
    "`": "syntax error: EOF in backquote substitution",
    "}": "syntax error: missing '}'",
    "))": "syntax error: missing '))'",
}


def _joined(parts: list[Part]) -> Word:
    """Neighbouring texts of one kind as one."""
    joined: list[Part] = []
    for part in parts:
        last = joined[-1] if joined else None
        if isinstance(part, Text) and isinstance(last, Text) and part.quoted == last.quoted:
            joined[-1] = Text(last.value + part.value, part.quoted)
        else:
            joined.append(part)
    return tuple(joined)
