"""A line as it was typed into a kitchen's terminal: its words, and what the terminal itself answers."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Final

from engine import journal

JOURNAL: Final = ("undo", "redo", "jump", "log", "fork")
"""The journal's verbs that a kitchen's terminal takes; the others go over everybody's data."""
CLEAR: Final = ["clear"]
"""Empties the page's terminal."""
_HELP: Final = frozenset({(), ("help",), ("--help",), ("-h",)})
_LEADS: Final = (["$"], ["sudo", "docker"], ["docker"])


def words(line: str) -> list[str]:
    """The words as a shell would part them, without a prompt and without what leads to docker's verb.

    `ValueError` where a quote is left open.
    """
    parted = shlex.split(line)
    for lead in _LEADS:
        if parted[: len(lead)] == lead:
            parted = parted[len(lead) :]
    return parted


def more_help(argv: Sequence[str]) -> str:
    """What stands below docker's own help, where that is what was asked for: the verbs of this place."""
    if tuple(argv) not in _HELP:
        return ""
    return f"\n{journal.help_text(JOURNAL)}\nTerminal:\n  {CLEAR[0]:<10}  Empty this terminal; nothing else changes\n"
