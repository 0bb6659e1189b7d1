"""A bounded directory of files that can be made again: whole or absent to readers, the least recently used gone first.

Nothing here is synced: what a crash of the machine leaves under a name may be torn, and its reader must check it. A
crash of the process leaves at most a draft, removed an hour later.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

_DRAFT: Final = ".draft"
_ABANDONED: Final = 3600.0
"""Seconds without a write after which a draft is nobody's."""


class Files:
    """Files by name in `directory`, of `capacity` bytes together; usable from several threads and processes."""

    def __init__(self, directory: Path, capacity: int) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory, self._capacity = directory, capacity
        self._room = 0  # what may be written before the directory is looked through again

    @contextmanager
    def draft(self) -> Iterator[BinaryIO]:
        """A new file without a name, gone at the end unless `keep` gave it one."""
        path = self._directory / f"{secrets.token_hex(16)}{_DRAFT}"
        try:
            with path.open("x+b") as file:
                yield file
        finally:
            path.unlink(missing_ok=True)

    def keep(self, draft: BinaryIO, name: str) -> None:
        """Close a draft and have it as `name`, in place of what had that name; others may be removed to make room."""
        self._room -= draft.seek(0, os.SEEK_END)
        draft.close()
        os.replace(draft.name, self._directory / name)
        if self._room < 0:
            self._room = self._make_room(name.partition(".")[0])

    def write(self, name: str, data: bytes) -> None:
        """Have `data` as `name`."""
        with self.draft() as draft:
            draft.write(data)
            self.keep(draft, name)

    def read(self, name: str, offset: int = 0, size: int = -1) -> bytes:
        """Up to `size` bytes from `offset` on, none where there is no such file. The file counts as used now."""
        path = self._directory / name
        try:
            with path.open("rb") as file:
                file.seek(offset)
                data = file.read(size)
            os.utime(path)
        except FileNotFoundError:
            return b""
        return data

    def _make_room(self, stem: str) -> int:
        """Remove abandoned drafts, and the files unused for longest, none named ``stem.…``; returns the bytes free."""
        total, found = 0, []
        for entry in os.scandir(self._directory):
            with suppress(FileNotFoundError):
                about = entry.stat()
                total += about.st_size
                draft = entry.name.endswith(_DRAFT)
                if draft and about.st_mtime < time.time() - _ABANDONED:
                    os.unlink(entry.path)
                elif not draft and entry.name.partition(".")[0] != stem:
                    found.append((about.st_mtime_ns, about.st_size, entry.path))
        for _, size, path in sorted(found):
            if total <= self._capacity:
                break
            with suppress(OSError):  # gone already, or open on a system that minds
                os.unlink(path)
                total -= size
        return max(0, self._capacity - total)
