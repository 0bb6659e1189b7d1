"""The journal: every state a kitchen was in, the command and the events that made it, and where its head stands now.

A state is a host value with its parent; states form a tree and are only ever added. A command appends a child of the
head and moves the head to it. `undo` moves the head to the parent, `redo` to the newest child, `jump` anywhere; a
command after an undo starts a sibling, so nothing is lost. A host value is stored once however many states have it
(undo, redo, jump and fork cost one pointer). A story:

    journal = Journal(Path("data"), menu=Path("menu/layout"))
    kitchen = journal.create().id
    journal.do(kitchen, ["pull", "team/web"]).out
    journal.do(kitchen, ["undo"])

Invariants: a state is there with all blobs that its host reaches, or not at all; commands of one kitchen wait for each
other, in one process or several, and the head moves by compare-and-swap; a kitchen's blobs, over all its kept states,
stay within its quota; what a running command stores or finds is not swept (rule 39). The last `keep` states of a
kitchen are kept: a new one lets the oldest go.
"""

from engine.commands import moves_blobs
from engine.journal.journal import KEEP, QUOTA, Journal, is_kept
from engine.journal.values import (
    Done,
    Entry,
    Gist,
    HeadMoved,
    InvalidKitchen,
    JournalFailed,
    Kitchen,
    KitchenTaken,
    KitchenUnknown,
    State,
    StateUnknown,
)
from engine.journal.verbs import JOURNAL_VERBS, JournalVerb, help_text, typed

__all__ = [
    "JOURNAL_VERBS",
    "KEEP",
    "QUOTA",
    "Done",
    "Entry",
    "Gist",
    "HeadMoved",
    "InvalidKitchen",
    "Journal",
    "JournalFailed",
    "JournalVerb",
    "Kitchen",
    "KitchenTaken",
    "KitchenUnknown",
    "State",
    "StateUnknown",
    "help_text",
    "is_kept",
    "moves_blobs",
    "typed",
]
