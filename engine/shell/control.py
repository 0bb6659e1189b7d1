"""Lists, pipes, conditions, loops and subshells: how a shell gets from one simple command to the next.

A shell is a small mutable value over the shared files; a subshell is a copy of it, so what it sets is gone with it.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final, Self

from engine.shell.expand import Scope
from engine.shell.lexer import BadSyntax
from engine.shell.meter import Meter, Stopped
from engine.shell.parser import parse
from engine.shell.paths import Paths
from engine.shell.redirecting import Refused, redirect
from engine.shell.streams import Pipe, Streams
from engine.shell.syntax import (
    AndOr,
    Command,
    For,
    Group,
    If,
    Pipeline,
    Redirected,
    Sequence,
    Simple,
    Word,
)
from engine.snapshot import Snapshot

MISUSED: Final = 2
"""The status of a shell that cannot make sense of what it was given."""


class Exit(Exception):
    """The shell ends with a status."""

    def __init__(self, status: int) -> None:
        self.status = status & 0xFF


class Leave(Exception):
    """``break`` or, where `again`, ``continue``, of so many loops."""

    def __init__(self, loops: int, *, again: bool) -> None:
        self.loops, self.again = loops, again


class Control(ABC):
    """Where a shell is, what it has set, and where its words go. How it carries a simple command out is `machine`'s."""

    def __init__(self, files: Snapshot, meter: Meter, env: dict[str, str], cwd: str, streams: Streams) -> None:
        self.files, self.meter, self.streams = files, meter, streams
        self.paths = Paths(files, meter, cwd)
        self.scope = Scope({"PWD": cwd, **env})
        self.exported = {*env, "PWD"}
        self.options: set[str] = set()
        """Of ``set``: e, u and x."""
        self.captured = 0
        """The status of the last ``$(…)``, which is that of a command of assignments alone."""
        self.loops = 0
        self.depth = 0
        self.conditional = 0
        """How many conditions are being tested, where a failure does not end the shell under ``set -e``."""

    @abstractmethod
    def expand(self, words: tuple[Word, ...]) -> list[str]:
        """Words as arguments; ends the shell where one cannot be expanded."""

    @abstractmethod
    def _text(self, word: Word) -> str:
        """A word as one text; ends the shell where it cannot be expanded."""

    @abstractmethod
    def _simple(self, command: Simple) -> int:
        """A simple command's status."""

    # Scripts

    def run(self, text: str) -> int:
        """A whole script, parsed before any of it runs."""
        try:
            script = parse(text, self.meter.limits)
        except BadSyntax as error:
            self.complain(str(error))
            return MISUSED
        try:
            return self._sequence(script)
        except Exit as ended:
            return ended.status

    def complain(self, message: str) -> None:
        """A message of the shell itself."""
        self._say(f"{self.scope.name}: {message}\n")

    def _say(self, text: str) -> None:
        self.streams.stderr.write(text.encode("latin-1", "replace"))
        self.streams.stderr.flush()

    def child(self, streams: Streams | None = None) -> Self:
        """A subshell: a copy that shares files and bounds."""
        made = copy.copy(self)
        made.paths = Paths(self.files, self.meter, self.paths.cwd)
        made.scope = replace(self.scope, variables=dict(self.scope.variables), arguments=list(self.scope.arguments))
        made.exported, made.options = set(self.exported), set(self.options)
        made.streams = streams or self.streams
        made.deepen()
        return made

    def deepen(self) -> None:
        """One shell more within another."""
        self.depth += 1
        if self.depth > self.meter.limits.depth:
            raise Stopped("shells within shells", self.meter.limits.depth)

    def _in_child(self, body: Sequence, streams: Streams | None = None) -> int:
        child = self.child(streams)
        return child._ended(lambda: child._sequence(body))

    def _ended(self, run: Callable[[], int]) -> int:
        """The status that a subshell ends with. A ``break`` out of a loop around it ends it, too."""
        try:
            return run()
        except Exit as ended:
            return ended.status
        except Leave:
            return 0

    def capture(self, body: Sequence) -> str:
        """What commands print, less the newlines at its end."""
        pipe = Pipe(self.meter)
        self.captured = self._in_child(body, replace(self.streams, stdout=pipe))
        return pipe.data.replace(b"\0", b"").decode("latin-1").rstrip("\n")

    # Lists

    def _sequence(self, body: Sequence) -> int:
        status = 0
        for item in body.items:
            status = self.scope.status = self._and_or(item)
        return status

    def _and_or(self, item: AndOr) -> int:
        status = 0
        last = len(item.pipelines) - 1
        for count, (operator, pipeline) in enumerate(item.pipelines):
            if operator and (operator == "&&") == (status != 0):
                continue
            if count < last or pipeline.negated:
                with self._condition():
                    status = self._pipeline(pipeline)
            else:
                status = self._pipeline(pipeline)
                if status and "e" in self.options and not self.conditional and _ends_shell(pipeline):
                    raise Exit(status)
            self.scope.status = status
        return status

    @contextmanager
    def _condition(self) -> Iterator[None]:
        self.conditional += 1
        try:
            yield
        finally:
            self.conditional -= 1

    def _pipeline(self, pipeline: Pipeline) -> int:
        if len(pipeline.commands) == 1:
            status = self._command(pipeline.commands[0])
        else:
            status, source = 0, self.streams.stdin
            for command in pipeline.commands[:-1]:
                pipe = Pipe(self.meter)
                self._stage(command, replace(self.streams, stdin=source, stdout=pipe))
                source = pipe.source()
            status = self._stage(pipeline.commands[-1], replace(self.streams, stdin=source))
        return int(not status) if pipeline.negated else status

    def _stage(self, command: Command, streams: Streams) -> int:
        child = self.child(streams)
        return child._ended(lambda: child._command(command))

    def _command(self, command: Command) -> int:
        self.meter.spend()
        match command:
            case Simple():
                return self._simple(command)
            case Redirected():
                return self._redirected(command)
            case Group():
                return self._in_child(command.body) if command.subshell else self._sequence(command.body)
            case If():
                return self._if(command)
            case For():
                return self._for(command)
            case _:
                return self._loop(self._conditions(command.condition, until=command.until), command.body)

    # Compound commands

    def _redirected(self, command: Redirected) -> int:
        before = self.streams
        try:
            self.streams = redirect(self, command.redirections, self._text)
        except Refused as error:
            self.complain(str(error))
            return 1
        try:
            return self._command(command.command)
        finally:
            self.streams = before

    def _if(self, command: If) -> int:
        for condition, body in command.branches:
            with self._condition():
                status = self._sequence(condition)
            if status == 0:
                return self._sequence(body)
        return self._sequence(command.otherwise) if command.otherwise else 0

    def _for(self, command: For) -> int:
        words = list(self.scope.arguments) if command.words is None else self.expand(command.words)

        def turns() -> Iterator[None]:
            for word in words:
                self.scope.variables[command.name] = word
                yield

        return self._loop(turns(), command.body)

    def _conditions(self, condition: Sequence, *, until: bool) -> Iterator[None]:
        """A turn for as long as the condition holds."""
        while True:
            with self._condition():
                status = self._sequence(condition)
            if (status == 0) == until:
                return
            yield

    def _loop(self, turns: Iterator[None], body: Sequence) -> int:
        status = 0
        self.loops += 1
        try:
            while self._turn(turns):
                self.meter.spend()
                try:
                    status = self._sequence(body)
                except Leave as leave:
                    status = 0
                    if self._leaves(leave):
                        break
        finally:
            self.loops -= 1
        return status

    def _turn(self, turns: Iterator[None]) -> bool:
        """Whether there is one more turn; a ``break`` in the condition of a loop ends it as one in the body does."""
        try:
            next(turns)
        except StopIteration:
            return False
        except Leave as leave:
            return not self._leaves(leave)
        return True

    def _leaves(self, leave: Leave) -> bool:
        """Whether this loop ends; goes on to the loop around where more are to be left."""
        if leave.loops > 1 and self.loops > 1:
            raise Leave(leave.loops - 1, again=leave.again)
        return not leave.again


def _ends_shell(pipeline: Pipeline) -> bool:
    """Whether ``set -e`` looks at what failed: not at a compound command, whose own commands were looked at."""
    last = pipeline.commands[-1]
    inner = last.command if isinstance(last, Redirected) else last
    return len(pipeline.commands) > 1 or isinstance(last, Simple) or (isinstance(inner, Group) and inner.subshell)
