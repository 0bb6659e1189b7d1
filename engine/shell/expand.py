"""A word's expansion (POSIX XCU 2.6): braces, tilde, parameters, commands, arithmetic, then fields, then file names.

What comes of an unquoted expansion is split at IFS, and like unquoted text read as a pattern; what is quoted is not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from engine.shell import braces, pattern
from engine.shell.arithmetic import BadArithmetic, evaluate
from engine.shell.meter import Meter
from engine.shell.syntax import Arithmetic, Parameter, Part, Sequence, Substitution, Text, Word

_SPACE: Final = frozenset(" \t\n")


class BadExpansion(Exception):
    """A word that cannot be expanded; it ends the shell with status 2."""


@dataclass
class Scope:
    """What parameters mean: variables, positional parameters, ``$0`` and ``$?``."""

    variables: dict[str, str]
    arguments: list[str] = field(default_factory=list)
    name: str = "sh"
    status: int = 0
    strict: bool = False
    """``set -u``: an unset parameter is an error."""


class _Fields:
    """Fields under construction: each piece is text and the pattern that it is."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self.done: list[tuple[str, str]] = []
        self._text: list[str] = []
        self._pattern: list[str] = []
        self._open = False
        self._size = 0

    def add(self, text: str, *, quoted: bool) -> None:
        """Text of the field that is open, or of a new one; quoted text opens one even if empty."""
        if text or quoted:
            self._open = True
            self._size += len(text)
            self._meter.check_word(self._size)
            self._text.append(text)
            self._pattern.append(pattern.quote(text) if quoted else text.replace("\\", "\\\\"))

    def close(self) -> None:
        """The field ends here."""
        if self._open:
            self.done.append((self._meter.word("".join(self._text)), "".join(self._pattern)))
            self._meter.check_words(len(self.done))
        self._text, self._pattern, self._open, self._size = [], [], False, 0

    def split(self, text: str, ifs: str) -> None:
        """An expansion's text, split at `ifs` (XCU 2.6.5): a run of blanks parts fields, any other mark ends one."""
        space = _SPACE & set(ifs)
        at, length = 0, len(text)
        while at < length:
            start = at
            while at < length and text[at] not in ifs:
                at += 1
            self.add(text[start:at], quoted=False)
            if at == length:
                return
            while at < length and text[at] in space:
                at += 1
            if at < length and text[at] in ifs:
                self._open = True
                at += 1
                while at < length and text[at] in space:
                    at += 1
            self.close()


class Expander:
    """Expands words in a scope. `capture` runs commands and returns what they print, `glob` finds names by pattern."""

    def __init__(
        self,
        scope: Scope,
        meter: Meter,
        capture: Callable[[Sequence], str],
        glob: Callable[[str], list[str]],
    ) -> None:
        self.scope, self._meter, self._capture, self._glob = scope, meter, capture, glob

    def words(self, words: tuple[Word, ...]) -> list[str]:
        """A command's words as its arguments."""
        made: list[str] = []
        for word in words:
            for one in braces.expand(word, self._meter):
                made += self._names(one)
            self._meter.check_words(len(made))
        return made

    def text(self, word: Word) -> str:
        """A word as one text, unsplit: of an assignment or a redirection."""
        out: list[str] = []
        size = 0
        for part in self._with_home(word):
            if isinstance(part, Text):
                out.append(part.value)
            elif isinstance(part, Parameter) and part.name in "@*" and not part.operator:
                out.append(self._ifs()[:1].join(self.scope.arguments))
            else:
                out.append(self._value(part))
            size += len(out[-1])
            self._meter.check_word(size)
        return self._meter.word("".join(out))

    def _names(self, word: Word) -> list[str]:
        fields = _Fields(self._meter)
        self._fill(fields, self._with_home(word))
        fields.close()
        names: list[str] = []
        for text, shape in fields.done:
            names += (self._glob(shape) if _may_match(shape) else []) or [text]
        return names

    def _fill(self, fields: _Fields, word: Word, *, inner: bool = False) -> None:
        """Adds a word's fields; of one that is `inner`, in ``${x:-word}``, plain text is split too."""
        for part in word:
            if isinstance(part, Text):
                if inner and not part.quoted:
                    fields.split(part.value, self._ifs())
                else:
                    fields.add(part.value, quoted=part.quoted)
            elif isinstance(part, Parameter) and part.name in "@*" and not part.operator:
                self._positional(fields, part)
            elif isinstance(part, Parameter) and part.operator[-1:] in ("-", "+") and self._takes_word(part):
                self._fill(fields, part.word, inner=True)
            elif part.quoted:
                fields.add(self._value(part), quoted=True)
            else:
                fields.split(self._value(part), self._ifs())

    def _positional(self, fields: _Fields, part: Parameter) -> None:
        arguments = self.scope.arguments
        if part.quoted and part.name == "*":
            fields.add(self._ifs()[:1].join(arguments), quoted=True)
            return
        for count, argument in enumerate(arguments):
            if count:
                fields.close()
            self._meter.word(argument)
            if part.quoted:
                fields.add(argument, quoted=True)
            else:
                fields.split(argument, self._ifs())

    def _ifs(self) -> str:
        return self.scope.variables.get("IFS", " \t\n")

    def _with_home(self, word: Word) -> Word:
        """A leading unquoted ``~`` as the home directory."""
        first = word[0] if word else None
        home = self.scope.variables.get("HOME", "")
        if isinstance(first, Text) and not first.quoted and home and first.value.startswith("~"):
            rest = first.value[1:]
            if rest.startswith("/") or (not rest and len(word) == 1):
                return (Text(home, True), *((Text(rest),) if rest else ()), *word[1:])
        return word

    # Values

    def _value(self, part: Part) -> str:
        return self._meter.word(self._unmetered(part))

    def _unmetered(self, part: Part) -> str:
        if isinstance(part, Substitution):
            return self._capture(part.body)
        if isinstance(part, Arithmetic):
            try:
                return str(evaluate(self.text(part.word), self.scope.variables))
            except BadArithmetic as error:
                raise BadExpansion(str(error)) from error
        assert isinstance(part, Parameter)
        return self._parameter(part)

    def _parameter(self, part: Parameter) -> str:
        value = self._lookup(part.name)
        operator, plain = part.operator, part.operator.lstrip(":")
        if plain in ("-", "+") and operator != "length":
            return self.text(part.word) if self._takes_word(part) else (value or "" if plain == "-" else "")
        if plain == "=" and self._lacks(part):
            if not part.name.isidentifier():
                raise BadExpansion(f"{part.name}: bad variable name")
            value = self.scope.variables[part.name] = self.text(part.word)
        elif plain == "?" and self._lacks(part):
            unset = "parameter not set" if operator == "?" else "parameter not set or null"
            raise BadExpansion(f"{part.name}: {self.text(part.word) or unset}")
        if value is None:
            if self.scope.strict and part.name not in "@*":
                raise BadExpansion(f"{part.name}: parameter not set")
            value = ""
        if operator == "length":
            return str(len(value))
        if operator[:1] in ("#", "%") and operator:
            return pattern.trim(self._pattern(part.word), value, operator, self._meter.spend)
        return value

    def _lookup(self, name: str) -> str | None:
        scope = self.scope
        if name.isdecimal():
            number = int(name[:9])
            if number == 0:
                return scope.name
            return scope.arguments[number - 1] if number <= len(scope.arguments) else None
        if name in "@*":
            return " ".join(scope.arguments) if scope.arguments else None
        special = {"?": str(scope.status), "#": str(len(scope.arguments)), "$": "1", "-": "", "!": ""}
        return special.get(name, scope.variables.get(name))

    def _lacks(self, part: Parameter) -> bool:
        value = self._lookup(part.name)
        return value is None or (part.operator.startswith(":") and not value)

    def _takes_word(self, part: Parameter) -> bool:
        """Whether ``${x-word}`` or ``${x+word}`` is its word."""
        return self._lacks(part) == part.operator.endswith("-")

    def _pattern(self, word: Word) -> str:
        shape = []
        for part in word:
            text = part.value if isinstance(part, Text) else self._value(part)
            shape.append(pattern.quote(text) if part.quoted else text)
        return "".join(shape)


def _may_match(shape: str) -> bool:
    """Whether a pattern can be that of a file: no name is as long as a pattern may be."""
    return pattern.is_magic(shape) and max(map(len, shape.split("/"))) <= pattern.LENGTH_MAX
