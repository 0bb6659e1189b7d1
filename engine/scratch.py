"""Temporary files without a name, which grow only while some of their disk stays free.

A name of anybody's never becomes a path, and whatever ends the process, nothing is left behind. A story:

    with scratch.file(data) as file:
        file.write(piece)       # `DiskFull` rather than the last bytes that the disk has
"""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, Final

from engine.errors import DiskFull

RESERVE: Final = 256 << 20
"""Bytes of a disk that stay free, whatever quotas say."""
_LOOK: Final = 1 << 20
"""Bytes after which it is looked again: several may write at a time, and none by more than that too much."""


def free(directory: Path, reserve: int = RESERVE) -> int:
    """Bytes that may still come to the disk of `directory`; less than none where it is fuller than it should be."""
    return shutil.disk_usage(directory).free - reserve


def file(directory: Path | None = None) -> Scratch:
    """A new one in `directory`, or where the system keeps such. It is gone when it is closed."""
    where = directory or Path(tempfile.gettempdir())
    with tempfile.TemporaryFile(dir=where) as made:
        return Scratch(os.dup(made.fileno()), where)


class Scratch(io.BufferedRandom):
    """See the module; made by `file`."""

    def __init__(self, descriptor: int, directory: Path) -> None:
        super().__init__(io.FileIO(descriptor, "rb+"))
        self._directory, self._look = directory, 0

    def write(self, data: Any, /) -> int:
        """Write all of `data`; `DiskFull`."""
        self._look -= len(data)
        if self._look < 0:
            if free(self._directory) < len(data):
                self.close()
                raise DiskFull(RESERVE)
            self._look = _LOOK
        return super().write(data)

    def __del__(self) -> None:
        self.close()  # whoever was to read it has gone in the middle of sending
