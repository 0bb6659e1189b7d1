"""A file that a visitor sends along with a command: the command finds it at its standard input.

It is kept in an unnamed file beside the kitchens (see `engine.scratch`), so no name of the visitor's ever becomes a
path, the disk is not filled by what nobody has believed yet, and it may outlive the request that brought it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO, Any, BinaryIO, Final, cast

from flask import Request
from werkzeug.exceptions import RequestEntityTooLarge

from engine import scratch
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
        return os.fdopen(os.dup(sent.fileno()), "rb")


def request_class(directory: Path) -> type[Request]:
    """Requests whose files go to `directory`; `DiskFull` where it has no room for them."""

    class Sent(Request):
        def _get_file_stream(self, *_: Any, **_more: Any) -> IO[bytes]:
            return cast(IO[bytes], scratch.file(directory))

        def _load_form_data(self) -> None:
            try:
                super()._load_form_data()
            except RequestEntityTooLarge as error:
                most, field = self.max_content_length or 0, self.max_form_memory_size or 0
                why = f"what was sent is too large: at most {most:,} bytes are taken, and {field:,} of what is no file"
                raise RequestEntityTooLarge(why) from error

    return Sent
