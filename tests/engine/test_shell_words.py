"""The page that lists what the kitchen shell knows says neither more nor less than the shell does."""

from __future__ import annotations

import re
from pathlib import Path

from engine.commands import WORDS

PAGE = (Path(__file__).parent.parent.parent / "docs" / "shell.md").read_text()


def test_the_page_lists_every_word_and_no_other() -> None:
    assert re.findall(r"^\| `([^`]+)` \|", PAGE, re.MULTILINE) == list(WORDS)
