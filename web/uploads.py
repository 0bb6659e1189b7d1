"""A file that a visitor sends along with a command: the command finds it at its standard input.

It is kept in an unnamed temporary file of ours, so no name of the visitor's ever becomes a path, and it may outlive the
request that brought it.
"""

from __future__ import annotations

import io
import os
from typing import IO, BinaryIO, Final

from engine.context import Nowhere
from engine.errors import CommandError

ARCHIVE_MAX: Final = 8 << 30
"""Bytes of an archive where kitchens have no quota."""
ARCHIVE_SLACK: Final = 4 << 20
"""Bytes by which an archive may exceed the quota: its own headers and papers."""

FORM_MEMORY: Final = 1 << 20
"""Bytes of a form with a file that are in memory at once."""


class Nothing(Nowhere):
    """`engine.context.Local` of a visitor who sent nothing along."""

    def _refusal(self, path: str) -> CommandError:
        return CommandError(f"{path!r}: there are no files of yours here; 'Bring your own', under Deliver, takes one")


class Uploaded(Nothing):
    """`engine.context.Local` with the one file; close it when the command has ended."""

    def __init__(self, sent: IO[bytes]) -> None:
        self._file = _own(sent)

    def reader(self, path: str) -> BinaryIO:
        """The file, for ``-``."""
        if path != "-":
            raise self._refusal(path)
        return self._file

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def _own(sent: IO[bytes]) -> BinaryIO:
    """The same bytes in a file that stays open when the request's own are closed."""
    sent.seek(0)
    with sent:
        try:
            return os.fdopen(os.dup(sent.fileno()), "rb")
        except io.UnsupportedOperation:  # a small one is in memory
            return io.BytesIO(sent.read())
