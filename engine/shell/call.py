"""One utility being called, and the table of all: what `machine` looks names up in.

A utility is a function from `Call` to its exit status, registered with its operands and its purpose:

    @utility("pwd", "", "print the working directory")
    def pwd(call: Call) -> int: ...

It raises `Failed` to end with a message, and lets `FileError` pass only where it has no better words for it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from engine.errors import FileError
from engine.shell.meter import Meter
from engine.shell.paths import Paths
from engine.shell.streams import Source, Streams

if TYPE_CHECKING:
    from engine.shell.machine import Shell


class Failed(Exception):
    """The utility ends with `status` and, led by its name, the message."""

    def __init__(self, message: str, status: int = 1) -> None:
        self.status = status
        super().__init__(message)


class Utility(NamedTuple):
    """An entry of the table: what does it, how it is called and what it is for, a line each.

    A `builtin` changes the shell itself and has no path; a `special` one (XCU 2.14) ends the shell where it fails. What
    `prints` touches no file. An `inner` one is part of the shell when it is called by its name, and complains in the
    shell's.
    """

    run: Callable[[Call], int]
    usage: str
    about: str
    builtin: bool
    special: bool
    prints: bool
    inner: bool

    def lead(self, shell: str, name: str) -> str:
        """What its complaints begin with, when called by its name within a shell that is called `shell`."""
        return f"{shell}: {name}" if self.builtin else shell if self.inner else name


TABLE: Final[dict[str, Utility]] = {}


def utility(
    name: str,
    operands: str,
    about: str,
    *,
    builtin: bool = False,
    special: bool = False,
    prints: bool = False,
    inner: bool = False,
) -> Callable[[Callable[[Call], int]], Callable[[Call], int]]:
    """Registers a function as the utility `name`."""

    def register(run: Callable[[Call], int]) -> Callable[[Call], int]:
        TABLE[name] = Utility(run, f"{name} {operands}".strip(), about, builtin or special, special, prints, inner)
        return run

    return register


class Options(NamedTuple):
    """Options given, in order, values of those that take one, and what is no option."""

    flags: str
    values: dict[str, list[str]]
    operands: list[str]

    def value(self, flag: str) -> str | None:
        """The last value given for a flag."""
        return self.values[flag][-1] if flag in self.values else None


@dataclass(frozen=True)
class Call:
    """What a utility is given: its name and arguments, files, streams and, for a few, the shell around it."""

    name: str
    arguments: list[str]
    streams: Streams
    shell: Shell
    lead: str = ""
    """What complaints begin with, where it is not the name."""

    @property
    def paths(self) -> Paths:
        """The files, from the working directory."""
        return self.shell.paths

    @property
    def meter(self) -> Meter:
        """What it may do."""
        return self.shell.meter

    def out(self, text: str | bytes) -> None:
        """Prints."""
        self.streams.stdout.write(text if isinstance(text, bytes) else text.encode("latin-1"))

    def complain(self, message: str) -> int:
        """Says what is wrong, led by the name; 1, the status of most complaints."""
        self.streams.stderr.write(f"{self.lead or self.name}: {message}\n".encode("latin-1"))
        return 1

    def usage(self) -> Failed:
        """To raise where the arguments make no sense."""
        return Failed(f"usage: {TABLE[self.name].usage}")

    def options(self, letters: str, *, least: int = 0, most: int | None = None) -> Options:
        """Arguments by getopt's rules: ``ab:`` takes -a, and -b with a value; options may stand anywhere before ``--``.

        `Failed` for another option, fewer operands than `least` or more than `most`.
        """
        flags, values, operands = "", dict[str, list[str]](), list[str]()
        rest = list(self.arguments)
        while rest:
            argument = rest.pop(0)
            if argument == "--":
                operands += rest
                break
            if len(argument) < 2 or argument[0] != "-":
                operands.append(argument)
                continue
            for at, flag in enumerate(argument[1:], 2):
                place = letters.find(flag)
                if place < 0 or flag in ":-":
                    raise Failed(f"invalid option -- '{flag}'\nusage: {TABLE[self.name].usage}")
                flags += flag
                if letters[place + 1 : place + 2] == ":":
                    if not argument[at:] and not rest:
                        raise Failed(f"option requires an argument -- '{flag}'")
                    values.setdefault(flag, []).append(argument[at:] or rest.pop(0))
                    break
        if len(operands) < least or (most is not None and len(operands) > most):
            raise self.usage()
        return Options(flags, values, operands)

    def inputs(self, names: Iterable[str], words: str = "{name}: {why}") -> Iterator[tuple[str, Source | None]]:
        """Each named file opened, ``-`` being the standard input; None after a complaint in `words`."""
        for name in names:
            if name == "-":
                yield name, self.streams.stdin
                continue
            try:
                yield name, Source(self.paths.chunks(name))
            except FileError as error:
                self.complain(words.format(name=name, why=why(error)))
                yield name, None


def why(error: FileError) -> str:
    """The errno's words, as strerror has them."""
    return os.strerror(error.errno)
