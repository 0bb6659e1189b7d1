"""What a committed layer did to those below it: files copied and changed, new ones, and whiteouts, by its own index."""

from __future__ import annotations

from collections import Counter
from typing import Final

from engine.union import Union
from web.picture.words import width

TITLE: Final = "Your layer"
MOST: Final = 2000
"""Entries that are looked up below; a layer of more says how many it has."""


def changes(union: Union, layer: int) -> dict[str, int]:
    """How many entries of a layer are copies of what was there, are new, or hide something: by word, 0 left out."""
    index = union.layers[layer]
    paths = [path for path, entry in index.entries.items() if entry.kind != "dir"]
    if len(paths) > MOST:
        return {"files": len(paths)}
    below = Union(union.layers[:layer])
    count = Counter("copied" if below.lookup(path) else "new" for path in paths)
    count["hidden"] = len(index.whiteouts)
    return {word: count[word] for word in ("copied", "new", "hidden") if count[word]}


def line(union: Union, layer: int) -> str:
    """``commit: 1 copied, 1 hidden``."""
    counted = (f"{count:,} {word}" for word, count in changes(union, layer).items())
    return f"commit: {', '.join(counted) or 'nothing but directories'}"


def fitted(line: str, room: float) -> str:
    """A line without its first word, where there is no `room` for that."""
    return line if width(line, "sans", 12) <= room else line.removeprefix("commit: ")
