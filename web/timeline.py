"""The time scrubber: the line of states through the head, and where other branches leave it.

The line runs from the oldest kept state to the head and on along what redo would bring. Each step has a short name and
the bytes that its command moved or made, by its events; a step is a place to jump to.
"""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, NamedTuple

from engine import events as facts
from engine import terminal
from engine.journal import Entry, Gist

Word = Literal["", "sent", "given", "loaded", "copied", "written", "stored"]
"""What the bytes of a step were."""
NAMED = 9
"""Steps that carry their names when there are more than fit; those around the head."""
LABEL_MAX: Final = 80
COMMAND_MAX: Final = 400
"""Characters of a step's label and command; a command may have thousands, and there are two hundred steps."""


@dataclass(frozen=True, slots=True)
class Branch:
    """A state that another way leads to."""

    id: str
    number: int
    label: str
    amount: str


@dataclass(frozen=True, slots=True)
class Step:
    """One state on the line. `bytes` is 0 for a step that moved none; `word` says what they were."""

    id: str
    number: int
    label: str
    command: str
    bytes: int
    word: Word
    when: Literal["past", "now", "undone"]
    named: bool
    branches: tuple[Branch, ...]
    """Where other ways lead from here."""
    outside: bool = False
    """Whether it changed what is not the kitchen's, and so stays done when it is undone."""

    @property
    def amount(self) -> str:
        """``65.5 kB copied``, or ``0 B`` (rule 27: every figure has its word)."""
        return _amount(self.bytes, self.word)


@dataclass(frozen=True, slots=True)
class Timeline:
    """The scrubber: its steps, and the index of the one that the head stands on."""

    steps: tuple[Step, ...]
    now: int


@lru_cache(maxsize=1024)
def _amount(count: int, word: Word) -> str:
    if not count:
        return "0 B"
    text = terminal.size(count)
    unit = text.lstrip("0123456789.e+")
    return f"{text[: -len(unit)]} {unit} {word}"


def timeline(entries: Sequence[Entry], head: str, *, onward: bool = True) -> Timeline:
    """The line through `head` among the kept states of one kitchen; unless `onward`, it ends there."""
    by_id = {entry.id: entry for entry in entries}
    children: dict[str | None, list[Entry]] = {}
    for entry in entries:
        children.setdefault(entry.parent if entry.parent in by_id else None, []).append(entry)
    line = _line(by_id, children if onward else {}, head)
    now = next(n for n, entry in enumerate(line) if entry.id == head)
    first = max(0, min(now - NAMED // 2, len(line) - NAMED))
    steps = []
    for n, entry in enumerate(line):
        following = line[n + 1] if n + 1 < len(line) else None
        others = [one for one in children.get(entry.id, ()) if one is not following]
        if not n:  # those whose parent is no longer kept begin where the line does
            others += [one for one in children[None] if one is not entry]
        told = _told(entry)
        steps.append(
            Step(
                id=entry.id,
                number=entry.number,
                label=told.label,
                command=told.command,
                bytes=told.bytes,
                word=told.word,
                when="past" if n < now else "now" if n == now else "undone",
                named=first <= n < first + NAMED,
                branches=tuple(
                    Branch(one.id, one.number, _told(one).label, _amount(_told(one).bytes, _told(one).word))
                    for one in others
                ),
                outside=isinstance(entry.gist.what, facts.OUTSIDE),
            )
        )
    return Timeline(tuple(steps), now)


class _Told(NamedTuple):
    """What a step says of its state, wherever the head stands."""

    label: str
    command: str
    bytes: int
    word: Word


@lru_cache(maxsize=16_384)
def _told(entry: Entry) -> _Told:
    count, word = moved(entry.gist)
    words = terminal.ellipsis(label(entry.argv, entry.gist), LABEL_MAX)
    return _Told(words, terminal.ellipsis(shlex.join(entry.argv), COMMAND_MAX), count, word)


def _line(by_id: dict[str, Entry], children: dict[str | None, list[Entry]], head: str) -> list[Entry]:
    line: list[Entry] = []
    at: Entry | None = by_id[head]
    while at:
        line.append(at)
        at = by_id.get(at.parent or "")
    line.reverse()
    while following := children.get(line[-1].id):
        line.append(following[-1])
    return line


def moved(gist: Gist) -> tuple[int, Word]:
    """The bytes of a step, and their word: content sent by a registry, given to one, loaded or stored; files copied up
    or written."""
    if gist.sent:
        return gist.sent, "sent"
    if gist.given:
        return gist.given, "given"
    if gist.loaded:
        return gist.loaded, "loaded"
    if gist.stored:
        return gist.stored, "stored"
    if gist.copied:
        return gist.copied, "copied"
    return gist.written, "written" if gist.written else ""


def label(argv: Sequence[str], gist: Gist) -> str:
    """A few words for a step, from what happened rather than from what was typed."""
    match gist.what:
        case facts.ImagePulled(reference=reference):
            return f"pull {_short(reference)}"
        case facts.ImagePushed(reference=reference):
            return f"push {_short(reference)}"
        case facts.ImageImported(reference=reference):
            return f"import {_short(reference)}".rstrip()
        case facts.ImageLoaded(reference=reference):
            return f"load {_short(reference)}".rstrip()
        case facts.ImageCommitted(reference=reference):
            return f"commit {_short(reference)}" if reference else "commit"
        case facts.ContainerCreated(name=name):
            return f"run {name}" if argv[:1] != ("create",) else f"create {name}"
        case facts.FileCopiedUp(path=path):
            return f"change {posixpath.basename(path)}"
        case facts.PathWhitedOut(path=path) | facts.PathRemoved(path=path):
            return f"remove {posixpath.basename(path)}"
        case facts.FileCreated(path=path):
            return f"add {posixpath.basename(path)}"
        case facts.ContainerRemoved(name=name):
            return f"rm {name}"
        case facts.ImageUntagged(reference=reference):
            return f"rmi {_short(reference)}"
        case facts.ImageTagged(reference=reference):
            return f"tag {_short(reference)}"
        case facts.ContainerStarted(name=name):
            return f"start {name}"
        case facts.ContainerStopped(name=name):
            return f"stop {name}"
    if not argv:
        return "empty"
    return argv[0] if len(argv) == 1 else f"{argv[0]} {_short(argv[-1])}"[:24]


def _short(reference: str) -> str:
    return reference.rpartition("/")[2].removesuffix(":latest")
