"""How a file's attributes are written: its permissions, size and time, as busybox shows them. Times are UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from engine.merged import Stat

BLOCK: Final = 512
PAGE: Final = 4096
_LETTERS: Final = {"file": "-", "dir": "d", "symlink": "l", "fifo": "p", "char": "c", "block": "b"}
_LAST: Final = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FAST_LINK: Final = 60
"""A symlink shorter than this takes no block of its own (ext4)."""


def blocks(found: Stat) -> int:
    """The blocks of 512 bytes that it would take on a disk with pages of 4 KiB."""
    if found.kind == "dir" or (found.kind == "symlink" and found.size >= _FAST_LINK):
        return PAGE // BLOCK
    return -(-found.size // PAGE) * (PAGE // BLOCK) if found.kind == "file" else 0


def human(size: int, *, fraction: bool = True) -> str:
    """Bytes as ``4.0K``, or without the fraction as ``4K``."""
    unit, rest = 0, 0
    while size >= 1024:
        size, remainder = divmod(size, 1024)
        rest = (remainder * 10 + 512) // 1024
        unit += 1
    if rest >= 10:
        size, rest = size + 1, 0
    if unit == 0:
        return str(size)
    return f"{size}.{rest}{' KMGTPE'[unit]}" if fraction else f"{size + (rest >= 5)}{' KMGTPE'[unit]}"


def permissions(found: Stat) -> str:
    """``-rwxr-xr-x``."""
    text = ""
    for shift, special, letters in ((6, 0o4000, "sS"), (3, 0o2000, "sS"), (0, 0o1000, "tT")):
        bits = found.mode >> shift & 7
        text += ("r" if bits & 4 else "-") + ("w" if bits & 2 else "-")
        execute = bits & 1
        text += letters[not execute] if found.mode & special else "x" if execute else "-"
    return _LETTERS[found.kind] + text


def time_of(mtime: int) -> datetime:
    """Nanoseconds since the epoch as a time, as far as the calendar goes."""
    try:
        return _EPOCH + timedelta(seconds=mtime // 1_000_000_000)
    except OverflowError:
        return _LAST if mtime > 0 else _EPOCH
