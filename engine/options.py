"""Words of a command line, read as docker's client reads them (pflag), with its sentences when they make no sense.

`-q`, `--quiet`, `--name=x`, `--name x`, joined short flags (`-am text`), `--` to end the flags. A verb that takes a
command of its own (`run`, `exec`, `create`) stops at its first word that is no flag.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from engine.errors import UsageError

_Give: TypeAlias = "Callable[[Flag, str, str | None], None]"

FLAG_ERROR: Final = 125
"""Exit code of docker's client for a flag it does not know."""


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag. `value` names what it takes (``string``), empty for a switch; `many` where it may be repeated."""

    name: str
    short: str = ""
    value: str = ""
    help: str = ""
    many: bool = False

    @property
    def shown(self) -> str:
        """``-a, --all``."""
        return f"-{self.short}, --{self.name}" if self.short else f"--{self.name}"


@dataclass(frozen=True)
class Options:
    """What was typed: switches and values by flag name, and the other words in order."""

    words: tuple[str, ...] = ()
    switches: frozenset[str] = frozenset()
    values: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def on(self, name: str) -> bool:
        """Whether the switch was given."""
        return name in self.switches

    def value(self, name: str, default: str = "") -> str:
        """The last value given."""
        return self.values[name][-1] if name in self.values else default

    def all(self, name: str) -> tuple[str, ...]:
        """Every value given, in order."""
        return self.values.get(name, ())


@dataclass(frozen=True, slots=True)
class Usage:
    """How a verb is called: its `name` (``image history``), the words it takes, how many, and its flags."""

    name: str
    arguments: str
    summary: str
    least: int = 0
    most: int | None = None
    flags: tuple[Flag, ...] = ()
    stops: bool = False
    """Whether flags end at the first word."""
    client: str = "docker"
    """The program whose verb it is; empty for one that docker does not have."""

    @property
    def typed(self) -> str:
        """``docker image history``."""
        return f"{self.client} {self.name}".strip()

    @property
    def line(self) -> str:
        """``docker pull [OPTIONS] NAME[:TAG|@DIGEST]``."""
        return " ".join(filter(None, (self.typed, "[OPTIONS]" if self.flags else "", self.arguments)))

    def help(self) -> str:
        """What ``--help`` prints."""
        rows = [
            (f"  {f'-{f.short}, ' if f.short else '    '}--{f.name}{f' {f.value}' if f.value else ''}", f.help)
            for f in self.flags
        ]
        width = max((len(left) for left, _ in rows), default=0) + 3
        options = "".join(f"{left:<{width}}{text}\n" for left, text in rows)
        return f"\nUsage:  {self.line}\n\n{self.summary}\n" + (f"\nOptions:\n{options}" if rows else "")

    def called(self, name: str) -> Usage:
        """The same under another name."""
        return replace(self, name=name)

    def fail(self, message: str) -> UsageError:
        """A flag that cannot be read."""
        return UsageError(f"{message}\nSee '{self.typed} --help'.", FLAG_ERROR)


def split(line: str) -> list[str]:
    """A typed line as words, by a POSIX shell's rules of quoting. `UsageError` for a quote that does not close."""
    try:
        return shlex.split(line)
    except ValueError as error:
        raise UsageError(f"cannot read the line: {error}", 2) from error


def parse(usage: Usage, argv: Sequence[str]) -> Options:
    """`argv` (without the verb) against `usage`."""
    by_name = {flag.name: flag for flag in usage.flags}
    by_short = {flag.short: flag for flag in usage.flags if flag.short}
    words: list[str] = []
    switches: set[str] = set()
    values: dict[str, tuple[str, ...]] = {}
    rest = list(argv)

    def give(flag: Flag, shown: str, attached: str | None) -> None:
        if not flag.value:
            if attached is not None and attached not in ("true", "false"):
                raise usage.fail(f'invalid argument "{attached}" for "{flag.shown}" flag: expected true or false')
            (switches.discard if attached == "false" else switches.add)(flag.name)
            return
        if attached is None:
            if not rest:
                raise usage.fail(f"flag needs an argument: {shown}")
            attached = rest.pop(0)
        if flag.value == "int" and not attached.removeprefix("-").isdecimal():
            raise usage.fail(f'invalid argument "{attached}" for "{flag.shown}" flag: expected a whole number')
        values[flag.name] = (*values.get(flag.name, ()), attached) if flag.many else (attached,)

    while rest:
        word = rest.pop(0)
        if word == "--":
            words += rest
            break
        if word.startswith("--"):
            _long(usage, by_name, word, give)
        elif word.startswith("-") and word != "-":
            _short(usage, by_short, word, give)
        else:
            words.append(word)
            if usage.stops:
                words += rest
                break
    _count(usage, len(words))
    return Options(tuple(words), frozenset(switches), values)


def _long(usage: Usage, by_name: dict[str, Flag], word: str, give: _Give) -> None:
    """A flag by its name, with ``=`` its value."""
    name, equals, attached = word[2:].partition("=")
    if name not in by_name:
        raise usage.fail(f"unknown flag: --{name}")
    give(by_name[name], f"--{name}", attached if equals else None)


def _short(usage: Usage, by_short: dict[str, Flag], word: str, give: _Give) -> None:
    """Short flags joined in one word: switches, the last of which may take the rest as its value."""
    for at, letter in enumerate(word[1:], 2):
        flag = by_short.get(letter)
        if not flag:
            raise usage.fail(f"unknown shorthand flag: {letter!r} in -{word[at - 1 :]}")
        if word.startswith("=", at) or (flag.value and word[at:]):
            give(flag, "", word[at:].removeprefix("="))
            return
        give(flag, f"{letter!r} in -{letter}", None)


def _count(usage: Usage, count: int) -> None:
    """Whether there are as many words as the verb takes, in docker's sentence."""
    least, most = usage.least, usage.most
    if count >= least and (most is None or count <= most):
        return
    if most == 0:
        wants = "accepts no arguments"
    elif least == most:
        wants = f"requires exactly {least} argument{'s' * (least != 1)}"
    elif most is not None and least == 0:
        wants = f"requires at most {most} argument{'s' * (most != 1)}"
    elif most is None:
        wants = f"requires at least {least} argument{'s' * (least != 1)}"
    else:
        wants = f"requires at least {least} and at most {most} arguments"
    see = f"See '{usage.typed} --help'."
    raise UsageError(f'"{usage.typed}" {wants}.\n{see}\n\nUsage:  {usage.line}\n\n{usage.summary}')
