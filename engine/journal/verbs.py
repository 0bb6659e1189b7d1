"""The journal's own verbs, beside docker's: undo, redo, log, jump, fork, fsck, gc. Typed by the same rules."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from engine import events as facts
from engine import options, terminal
from engine.errors import CommandError
from engine.journal.values import Done, State
from engine.options import Usage

if TYPE_CHECKING:
    from engine.journal.journal import Journal


@dataclass(frozen=True, slots=True)
class JournalVerb:
    """One verb of the journal's own table. `run` gets journal, kitchen and the words that `usage` lets through."""

    usage: Usage
    run: Callable[[Journal, str, Sequence[str]], Done]

    @property
    def summary(self) -> str:
        """What it does, in a few words."""
        return self.usage.summary

    def do(self, journal: Journal, kitchen: str, argv: Sequence[str]) -> Done:
        """Run it on what was typed after its name; `UsageError`."""
        if "--help" in argv:
            return _said(journal, kitchen, self.usage.help())
        return self.run(journal, kitchen, options.parse(self.usage, argv).words)


def _moved(state: State, words: str) -> Done:
    shown = f"{words} state {state.number}" + (f": {shlex.join(state.argv)}" if state.argv else "")
    return Done(state, 0, f"{shown}\n", "", (), True)


def _said(journal: Journal, kitchen: str, out: str) -> Done:
    return Done(journal.head(kitchen), 0, out, "", (facts.Wrote(text=out),), False)


def _log(journal: Journal, kitchen: str, _words: Sequence[str]) -> Done:
    """The states, oldest first: the head is starred, a state off the line of its predecessor names its parent."""
    head, entries = journal.kitchen(kitchen).head, journal.entries(kitchen)
    numbers = {entry.id: entry.number for entry in entries}
    lines, before = [], None
    for entry in entries:
        star = "*" if entry.id == head else " "
        branch = f"  (from {numbers.get(entry.parent or '', '?')})" if entry.parent != before else ""
        lines.append(f"{star} {entry.number:>4}  {entry.id}  {shlex.join(entry.argv) or 'empty'}{branch}\n")
        before = entry.id
    return _said(journal, kitchen, "".join(lines))


def _undo(journal: Journal, kitchen: str, _words: Sequence[str]) -> Done:
    left = journal.kitchen(kitchen).head
    done = _moved(journal.undo(kitchen), "back at")
    if any(isinstance(event, facts.OUTSIDE) for event in journal.events(left)):
        done = replace(done, out=f"{done.out}the registry keeps what it was given: a push is outside time\n")
    return done


def _redo(journal: Journal, kitchen: str, _words: Sequence[str]) -> Done:
    return _moved(journal.redo(kitchen), "again at")


def _jump(journal: Journal, kitchen: str, words: Sequence[str]) -> Done:
    return _moved(journal.jump(kitchen, words[0]), "now at")


def _fork(journal: Journal, kitchen: str, words: Sequence[str]) -> Done:
    """A new kitchen from a state of this one, by default the head."""
    made = journal.fork(journal.kitchen(kitchen).head, *words)
    return _said(journal, kitchen, f"{made.id}\n")


def _fsck(journal: Journal, kitchen: str, _words: Sequence[str]) -> Done:
    faults = journal.check()
    if faults:
        raise CommandError("\n".join([*faults, f"{len(faults)} fault{'s' * (len(faults) > 1)} found"]))
    return _said(journal, kitchen, "no fault found\n")


def _gc(journal: Journal, kitchen: str, _words: Sequence[str]) -> Done:
    gone = journal.sweep()
    return _said(journal, kitchen, f"freed {terminal.size(sum(gone.values()))} in {len(gone)} blobs\n")


def _verb(
    name: str, arguments: str, summary: str, least: int, most: int, run: Callable[[Journal, str, Sequence[str]], Done]
) -> JournalVerb:
    return JournalVerb(Usage(name, arguments, summary, least, most, client=""), run)


JOURNAL_VERBS: Final[Mapping[str, JournalVerb]] = {
    verb.usage.name: verb
    for verb in (
        _verb("undo", "", "Go back to the state before", 0, 0, _undo),
        _verb("redo", "", "Go on to the newest state after this one", 0, 0, _redo),
        _verb("log", "", "Show every kept state, and which one is the head", 0, 0, _log),
        _verb("jump", "STATE", "Go to any kept state: its number or its id, as log shows them", 1, 1, _jump),
        _verb("fork", "[NAME]", "Begin another kitchen from this state", 0, 1, _fork),
        _verb("fsck", "", "Check everything that is stored", 0, 0, _fsck),
        _verb("gc", "", "Give back the space of what no kept state reaches", 0, 0, _gc),
    )
}


def help_text(names: Iterable[str] = JOURNAL_VERBS) -> str:
    """A row for each of these verbs, to stand below docker's."""
    return "Journal:\n" + "".join(f"  {name:<10}  {JOURNAL_VERBS[name].summary}\n" for name in names)


def typed(argv: Sequence[str]) -> str:
    """A command as it is typed after a prompt: docker's verbs after its name, the journal's bare."""
    return shlex.join(argv if argv and argv[0] in JOURNAL_VERBS else ["docker", *argv])
