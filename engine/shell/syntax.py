"""What a script is made of, once parsed: a tree of frozen values.

Text is `str` with one character for each byte (Latin-1), so any bytes pass unharmed, as in a shell of the C locale.
Names follow POSIX (XCU 2, Shell Command Language).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Text:
    """Characters as they stand; `quoted` ones are neither split nor read as a pattern."""

    value: str
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Parameter:
    """``$name`` or ``${name…}``. `operator` is one of ``:- - := = :? ? :+ + # ## % %%``, ``length``, or empty."""

    name: str
    operator: str = ""
    word: Word = ()
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Substitution:
    """``$(…)`` or backquotes: what the commands print."""

    body: Sequence
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """``$((…))``; parameters in `word` are expanded before it is evaluated."""

    word: Word
    quoted: bool = False


Part = Text | Parameter | Substitution | Arithmetic
Word = tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Redirection:
    """``fd operator target``; the operator is ``<``, ``>``, ``>>``, ``<&`` or ``>&``."""

    fd: int
    operator: str
    target: Word


@dataclass(frozen=True, slots=True)
class Assignment:
    """``name=value``."""

    name: str
    value: Word


@dataclass(frozen=True, slots=True)
class Simple:
    """A utility with its words, or assignments alone."""

    assignments: tuple[Assignment, ...]
    words: tuple[Word, ...]
    redirections: tuple[Redirection, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """``{ …; }``, or in a `subshell` ``( … )``."""

    body: Sequence
    subshell: bool


@dataclass(frozen=True, slots=True)
class For:
    """``for name in words``; without `in` (None) over the positional parameters."""

    name: str
    words: tuple[Word, ...] | None
    body: Sequence


@dataclass(frozen=True, slots=True)
class While:
    """``while`` or ``until``."""

    condition: Sequence
    body: Sequence
    until: bool


@dataclass(frozen=True, slots=True)
class If:
    """``if … then … elif … then … else … fi``."""

    branches: tuple[tuple[Sequence, Sequence], ...]
    otherwise: Sequence | None


@dataclass(frozen=True, slots=True)
class Redirected:
    """A compound command with redirections."""

    command: Group | For | While | If
    redirections: tuple[Redirection, ...]


Command = Simple | Group | For | While | If | Redirected


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Commands joined by ``|``; `negated` by ``!``."""

    commands: tuple[Command, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class AndOr:
    """Pipelines joined by ``&&`` and ``||``: each with the operator before it, the first with none."""

    pipelines: tuple[tuple[str, Pipeline], ...]


@dataclass(frozen=True, slots=True)
class Sequence:
    """Lists, one after the other."""

    items: tuple[AndOr, ...]
