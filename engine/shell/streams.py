"""Where a utility reads from and writes to: what came before it in a pipe, a file, or the terminal.

Utilities of a pipeline run one after the other, each to its end, and a pipe holds all that one printed: a stricter
order than a real shell's, and always the same.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from engine.errors import FileError
from engine.shell.meter import PIECE, Meter, Stopped
from engine.snapshot import Snapshot

_READ: Final = 256 << 10
"""Bytes that are read from a pipe at a time."""
Stream = Literal["stdout", "stderr"]


class Source:
    """What a utility reads: pieces, each taken once."""

    def __init__(self, pieces: Iterable[bytes] = ()) -> None:
        self._pieces = iter(pieces)
        self._rest = b""

    def chunks(self) -> Iterator[bytes]:
        """All that is left, a piece at a time."""
        if self._rest:
            rest, self._rest = self._rest, b""
            yield rest
        yield from self._pieces

    def line(self, most: int) -> bytes:
        """The next line with its newline, cut at about `most` bytes; empty at the end."""
        begun: list[bytes] = []
        size = 0
        while b"\n" not in self._rest and size < most:
            begun.append(self._rest)
            size += len(self._rest)
            piece = next(self._pieces, None)
            if piece is None:
                self._rest = b""
                return b"".join(begun)
            self._rest = piece
        end = self._rest.find(b"\n") + 1 or len(self._rest)
        line, self._rest = self._rest[:end], self._rest[end:]
        return b"".join([*begun, line])


class Sink(Protocol):
    """What a utility writes to."""

    def write(self, data: bytes) -> None:
        """Takes `data`."""

    def flush(self) -> None:
        """Lets everything written so far be seen."""


class Null:
    """``/dev/null``."""

    def write(self, data: bytes) -> None:
        """Forgets it."""

    def flush(self) -> None:
        """Nothing to do."""


class Pipe:
    """Holds what one utility prints for the next, or for the word that it becomes part of."""

    def __init__(self, meter: Meter) -> None:
        self.data = bytearray()
        self._meter = meter

    def write(self, data: bytes) -> None:
        """Holds it."""
        self.data += data
        self._meter.spend(len(data) // PIECE)
        self._meter.check_held(len(self.data))

    def source(self) -> Source:
        """What the next utility reads."""
        return Source(bytes(self.data[at : at + _READ]) for at in range(0, len(self.data), _READ))

    def flush(self) -> None:
        """Nothing to do."""


class Transcript:
    """What the terminal shows: pieces of output and errors, in order, up to a bound."""

    def __init__(self, limit: int) -> None:
        self.pieces: list[tuple[Stream, bytearray]] = []
        self._limit = self._left = limit

    def add(self, stream: Stream, data: bytes) -> None:
        """Appends; `Stopped` beyond the bound, what fits being kept."""
        kept = data[: self._left]
        self._left -= len(kept)
        if kept:
            if not self.pieces or self.pieces[-1][0] != stream:
                self.pieces.append((stream, bytearray()))
            self.pieces[-1][1].extend(kept)
        if len(kept) < len(data):
            raise Stopped("bytes of output", self._limit)

    def note(self, text: str) -> None:
        """A last word, beyond any bound."""
        self.pieces.append(("stderr", bytearray(text.encode("latin-1", "replace"))))


@dataclass(frozen=True)
class Terminal:
    """One of the two streams of a transcript."""

    transcript: Transcript
    stream: Stream

    def write(self, data: bytes) -> None:
        """Shows it."""
        self.transcript.add(self.stream, data)

    def flush(self) -> None:
        """Nothing to do."""


class CannotWrite(Exception):
    """A file could not be opened for writing, or not be written."""


class File:
    """An open file: written where the last write ended, or with `append` always at its end, as the kernel does it.

    It is opened at once, or where `lazy` with the first flush, so that ``echo x > f`` is one write, not an empty file
    first; that fits what prints and looks at no file. `shown` is its path as it was typed.
    """

    def __init__(self, files: Snapshot, meter: Meter, place: bytes, shown: str, *, append: bool, lazy: bool) -> None:
        self._files, self._meter, self._place, self._shown, self._append = files, meter, place, shown, append
        self._held = bytearray()
        self._offset = 0
        self._open = False
        if not lazy:
            self._begin(b"")

    def _begin(self, data: bytes) -> None:
        try:
            if self._append and not data and self._files.exists(self._place):
                self._files.open_rw(self._place)
            else:
                self._files.write(self._place, data, append=self._append)
        except FileError as error:
            none = error.errno in (errno.ENOENT, errno.ENOTDIR)
            why = "nonexistent directory" if none else os.strerror(error.errno)
            raise CannotWrite(f"can't create {self._shown}: {why}") from error
        self._offset, self._open = len(data), True

    def write(self, data: bytes) -> None:
        """Takes `data`; it is in the file after `flush`."""
        self._held += data
        self._meter.spend_on(data)
        if len(self._held) > 1 << 20 and self._open:
            self.flush()
        self._meter.check_held(len(self._held))

    def flush(self) -> None:
        """Writes what is held. A file that was removed meanwhile takes it along."""
        data = bytes(self._held)
        self._held.clear()
        if not self._open:
            self._begin(data)
        elif data:
            try:
                offset = self._files.stat(self._place).size if self._append else self._offset
                self._files.pwrite(self._place, offset, data)
            except FileError as error:
                if error.errno not in (errno.ENOENT, errno.ENOTDIR):
                    raise CannotWrite(f"write error: {os.strerror(error.errno)}") from error
            self._offset += len(data)


@dataclass(frozen=True)
class Streams:
    """The three that every utility has."""

    stdin: Source
    stdout: Sink
    stderr: Sink
