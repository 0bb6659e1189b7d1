"""Text as markup: terminal output with docker's meanings in colour, everything else escaped."""

from __future__ import annotations

import re
from typing import Final

from markupsafe import Markup, escape

_LINES: Final = (
    (re.compile(r"^([ACD]) (/.*)$"), lambda m: Markup('<span class="{0}">{0}</span> {1}').format(m[1], m[2])),
    (
        re.compile(r"^([0-9a-f]{12}): Already exists$"),
        lambda m: Markup('{}: <span class="ae">Already exists</span>').format(m[1]),
    ),
    (
        re.compile(r"^([0-9a-f]{12}): Pull complete$"),
        lambda m: Markup('{}: <span class="pc">Pull complete</span>').format(m[1]),
    ),
)


def colours(text: str) -> Markup:
    """Terminal output, its A, C and D, its "Already exists" and "Pull complete" marked; all else as it is."""
    return Markup("\n").join(_line(line) for line in text.rstrip("\n").split("\n")) + (Markup("\n") if text else "")


def _line(line: str) -> Markup:
    for pattern, mark in _LINES:
        if found := pattern.match(line):
            return mark(found)
    return escape(line)


def without_docker(command: str) -> str:
    """A command without its first word, for where there is no room for it."""
    return command.removeprefix("docker ")


FILTERS: Final = {"colours": colours, "trim_docker": without_docker}
"""What templates use of this."""
