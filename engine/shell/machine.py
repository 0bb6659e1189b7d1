"""Carries a parsed script out: `control` for what holds commands together, and here each simple command, its words
expanded, its redirections opened, its assignments made, and its utility called."""

from __future__ import annotations

import re
from typing import Final

from engine.errors import FileError
from engine.shell.call import TABLE, Call, Failed, Utility, why
from engine.shell.control import MISUSED, Control, Exit
from engine.shell.expand import BadExpansion, Expander
from engine.shell.paths import basename
from engine.shell.redirecting import Refused, redirect
from engine.shell.streams import CannotWrite, Streams
from engine.shell.syntax import Simple, Word

NOT_FOUND: Final = 127
NOT_EXECUTABLE: Final = 126


class Shell(Control):
    """One shell."""

    def expand(self, words: tuple[Word, ...]) -> list[str]:
        """Words as arguments; ends the shell where one cannot be expanded."""
        try:
            return self._expander().words(words)
        except BadExpansion as error:
            self.complain(str(error))
            raise Exit(MISUSED) from error

    def _text(self, word: Word) -> str:
        try:
            return self._expander().text(word)
        except BadExpansion as error:
            self.complain(str(error))
            raise Exit(MISUSED) from error

    def _expander(self) -> Expander:
        self.scope.strict = "u" in self.options
        return Expander(self.scope, self.meter, self.capture, self.paths.glob)

    def _simple(self, command: Simple) -> int:
        self.captured = 0
        words = self.expand(command.words)
        found = TABLE.get(words[0]) if words else None
        try:
            streams = redirect(self, command.redirections, self._text, lazy=found is not None and found.prints)
        except Refused as error:
            self.complain(str(error))
            if found and found.special:
                raise Exit(1) from error
            return 1
        if not words:
            for one in command.assignments:
                self._assign(one.name, self._text(one.value))
            return self.captured
        saved: dict[str, str | None] = {}
        exported = set(self.exported)
        for one in command.assignments:
            value = self._text(one.value)  # it may change the very variable, for good
            saved.setdefault(one.name, self.scope.variables.get(one.name))
            self._assign(one.name, value)
            self.exported.add(one.name)
        self._trace(" ".join(map(_shown, words)))
        try:
            return self.call(words, streams)
        finally:
            if saved:
                self.exported = exported
            for name, before in saved.items():
                if before is None:
                    self.scope.variables.pop(name, None)
                else:
                    self.scope.variables[name] = before

    def _assign(self, name: str, value: str) -> None:
        self.scope.variables[name] = value
        self._trace(f"{name}={_shown(value) if value else ''}")

    def _trace(self, text: str) -> None:
        """What ``set -x`` shows of a command."""
        if "x" in self.options:
            self._say(f"+ {text}\n")

    def call(self, words: list[str], streams: Streams, *, builtins: bool = True) -> int:
        """Runs a utility by its name or path."""
        self.meter.spend(len(words))
        name = words[0]
        found = self._find(name)
        before, self.streams = self.streams, streams
        try:
            if isinstance(found, int) or (found.builtin and not builtins):
                return self._cannot_run(name, found if isinstance(found, int) else NOT_FOUND)
            lead = found.lead(self.scope.name, name) if builtins and "/" not in name else ""
            return self._call(found, Call(basename(name), words[1:], streams, self, lead))
        except CannotWrite as error:
            self.streams = before
            self.complain(str(error))
            if not isinstance(found, int) and found.special:
                raise Exit(1) from error
            return 1
        finally:
            self.streams = before

    def _find(self, name: str) -> Utility | int:
        if "/" not in name:
            return TABLE.get(name, NOT_FOUND)
        if self.paths.is_dir(name):
            return NOT_EXECUTABLE
        found = TABLE.get(basename(name))
        return found if found and not found.builtin else NOT_FOUND

    def _cannot_run(self, name: str, status: int) -> int:
        self.complain(f"{name}: {'not found' if status == NOT_FOUND else 'Permission denied'}")
        return status

    def _call(self, found: Utility, call: Call) -> int:
        try:
            status = found.run(call)
        except Failed as error:
            call.complain(str(error))
            status = error.status
            if found.special:
                raise Exit(status) from error
        except FileError as error:
            status = call.complain(f"{error.path}: {why(error)}")
        call.streams.stdout.flush()
        call.streams.stderr.flush()
        return status


def _shown(word: str) -> str:
    """A word as it would have to be typed."""
    return word if re.fullmatch(r"[A-Za-z0-9_@%+=:,./~^-]+", word) else "'" + word.replace("'", "'\"'\"'") + "'"
