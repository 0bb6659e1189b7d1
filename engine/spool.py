"""A spool holds what one edit wrote and memory need not: bytes in a file without a name, appended until the edit ends.

They become blobs once, when the edit is frozen; what is never frozen is in no store, and gone with the spool. A story:

    spool = Spool()
    start = spool.end
    spool.add(b"hot")
    b"".join(spool.read(start, 3))      # b"hot"
"""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, cast

_PIECE: Final = 1 << 20


class Spool:
    """See the module. The file is made with the first byte, in `directory` or where the system keeps such."""

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory
        self._file: BinaryIO | None = None
        self.end = 0
        """Bytes held."""

    def add(self, data: bytes) -> None:
        """Append `data`."""
        if self._file is None:
            self._file = cast(BinaryIO, tempfile.TemporaryFile(dir=self._directory))  # noqa: SIM115
            weakref.finalize(self, self._file.close)
        self._file.seek(self.end)
        self._file.write(data)
        self.end += len(data)

    def cut(self, end: int) -> None:
        """Forget all bytes from `end` on."""
        if self._file is not None and end < self.end:
            self._file.truncate(end)
            self.end = end

    def read(self, offset: int, size: int) -> Iterator[bytes]:
        """`size` bytes from `offset` on, a piece at a time."""
        assert self._file
        for at in range(offset, offset + size, _PIECE):
            self._file.seek(at)
            yield self._file.read(min(_PIECE, offset + size - at))
