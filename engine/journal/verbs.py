"""The journal's own verbs, beside docker's: undo, redo, log, jump, fork, fsck, gc."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from engine import terminal
from engine.errors import CommandError
from engine.journal.values import Done, State

if TYPE_CHECKING:
    from engine.journal.journal import Journal


@dataclass(frozen=True, slots=True)
class JournalVerb:
    """One verb of the journal's own table."""

    arguments: str
    summary: str
    run: Callable[[Journal, str, list[str]], Done]


def _moved(state: State, words: str) -> Done:
    shown = f"{words} state {state.number}" + (f": {shlex.join(state.argv)}" if state.argv else "")
    return Done(state, 0, f"{shown}\n", "", (), True)


def _said(journal: Journal, kitchen: str, out: str, status: int = 0) -> Done:
    return Done(journal.head(kitchen), status, out, "", (), False)


def _log(journal: Journal, kitchen: str, _words: list[str]) -> Done:
    """The states, oldest first: the head is starred, a state off the line of its predecessor names its parent."""
    head, lines, before = journal.kitchen(kitchen).head, [], None
    numbers = {entry.id: entry.number for entry in journal.entries(kitchen)}
    for entry in journal.entries(kitchen):
        star = "*" if entry.id == head else " "
        branch = f"  (from {numbers.get(entry.parent or '', '?')})" if entry.parent != before else ""
        lines.append(f"{star} {entry.number:>4}  {entry.id}  {shlex.join(entry.argv) or 'empty'}{branch}\n")
        before = entry.id
    return _said(journal, kitchen, "".join(lines))


def _jump(journal: Journal, kitchen: str, words: list[str]) -> Done:
    if len(words) != 1:
        raise CommandError("jump takes one state: its number or its id, as `log` shows them")
    return _moved(journal.jump(kitchen, words[0]), "now at")


def _fork(journal: Journal, kitchen: str, words: list[str]) -> Done:
    """A new kitchen from a state of this one, by default the head."""
    if len(words) > 1:
        raise CommandError("fork takes at most one name for the new kitchen")
    made = journal.fork(journal.kitchen(kitchen).head, words[0] if words else "")
    return _said(journal, kitchen, f"{made.id}\n")


def _fsck(journal: Journal, kitchen: str, _words: list[str]) -> Done:
    faults = journal.check()
    return _said(journal, kitchen, "".join(f"{fault}\n" for fault in faults) or "no fault found\n", 1 if faults else 0)


def _gc(journal: Journal, kitchen: str, _words: list[str]) -> Done:
    gone = journal.sweep()
    return _said(journal, kitchen, f"freed {terminal.size(sum(gone.values()))} in {len(gone)} blobs\n")


JOURNAL_VERBS: Final[Mapping[str, JournalVerb]] = {
    "undo": JournalVerb("", "Go back to the state before", lambda j, k, _: _moved(j.undo(k), "back at")),
    "redo": JournalVerb("", "Go on to the newest state after this one", lambda j, k, _: _moved(j.redo(k), "again at")),
    "log": JournalVerb("", "Show every kept state, and which one is the head", _log),
    "jump": JournalVerb("STATE", "Go to any kept state", _jump),
    "fork": JournalVerb("[NAME]", "Begin another kitchen from this state", _fork),
    "fsck": JournalVerb("", "Check everything that is stored", _fsck),
    "gc": JournalVerb("", "Give back the space of what no kept state reaches", _gc),
}
