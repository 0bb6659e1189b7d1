"""The members of a tar archive, by name, without unpacking it: how an image archive is read.

An archive's names are keys of a dictionary and nothing else; no name ever becomes a path of this machine. They are
normalised as an unpacker would, links followed within the archive, ``..`` stopping at its root. An archive that is
compressed, or comes from where nobody can seek, goes through a temporary file without a name, bounded in size. A story:

    with opened(Path("images.tar.gz")) as archive:
        archive.size("manifest.json"), b"".join(archive.chunks("manifest.json"))
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

from engine import scratch, tar
from engine.blobs import CHUNK, pieces
from engine.compression import decompress, recognise
from engine.errors import LimitExceeded, MalformedDocument, MalformedLayer
from engine.tar import Member

UNPACKED_MAX: Final = 8 << 30
"""Bytes of an uncompressed archive, unless the caller allows another number."""
ENTRIES_MAX: Final = 1 << 16
"""Members of an archive."""

_RATIO: Final = 200
_NAME_MAX: Final = 1024  # longer names are nobody's that we look for
_EXTENSION_MAX: Final = 64 << 10
_HOPS_MAX: Final = 8
_MAGIC: Final = 8


class Tar:
    """The members of an uncompressed archive, which begins where `stream` stands. As in an unpacked one, of several
    members of a name the last counts."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._base = stream, stream.tell()
        self._members: dict[bytes, Member] = {}
        try:
            self._read()
        except MalformedLayer as error:
            raise MalformedDocument("archive", f"{error.where}: {error.why}") from error

    def size(self, name: str) -> int | None:
        """See `Source`."""
        member = self._find(name)
        return member.size if member else None

    def chunks(self, name: str, start: int = 0, stop: int | None = None) -> Generator[bytes, None, None]:
        """See `Source`."""
        member = self._find(name)
        if member:
            begin = self._base + member.offset
            end = member.size if stop is None else min(stop, member.size)
            yield from pieces(self._stream, begin + start, begin + end)

    def _read(self) -> None:
        reader, count = tar.Reader(_EXTENSION_MAX), 0
        for piece in iter(partial(self._stream.read, CHUNK), b""):
            for member in reader.feed(piece):
                count += 1
                if count > ENTRIES_MAX:
                    raise LimitExceeded("members of the archive", ENTRIES_MAX)
                if len(member.name) <= _NAME_MAX:
                    self._members[_normal(member.name)] = member
        reader.close()

    def _find(self, name: str) -> Member | None:
        """The file that a name leads to, through links if need be."""
        path = _normal(name.encode())
        for _ in range(_HOPS_MAX):
            member = self._members.get(path)
            if member is None or member.kind == "file":
                return member
            if member.kind == "link" or member.target.startswith(b"/"):
                path = _normal(member.target)
            elif member.kind == "symlink":
                path = _normal(path.rpartition(b"/")[0] + b"/" + member.target)
            else:
                return None
        return None


def _normal(name: bytes) -> bytes:
    parts: list[bytes] = []
    for part in name.split(b"/"):
        if part == b"..":
            del parts[-1:]
        elif part not in (b"", b"."):
            parts.append(part)
    return b"/".join(parts)


@contextmanager
def opened(source: Path | BinaryIO, limit: int = UNPACKED_MAX, directory: Path | None = None) -> Iterator[Tar]:
    """The archive in a file, or from where a stream stands on; gzip, zstd or plain, told by its first bytes.

    `limit` bounds a temporary file in `directory`, in bytes: `LimitExceeded`, `DiskFull`. `MalformedDocument` where it
    is no tar, `Unsupported` for another compression. The stream stays the caller's to close.
    """
    with ExitStack() as stack:
        stream = stack.enter_context(source.open("rb")) if isinstance(source, Path) else source
        if not _plain(stream):
            packed, stream = stream, stack.enter_context(scratch.file(directory))
            _unpack(packed, stream, limit)
        yield Tar(stream)


def _plain(stream: BinaryIO) -> bool:
    """Whether the archive can be read where it is."""
    if not stream.seekable():
        return False
    start = stream.tell()
    head = stream.read(_MAGIC)
    stream.seek(start)
    return not recognise(head)


def _unpack(packed: BinaryIO, into: BinaryIO, limit: int) -> None:
    try:
        for chunk in decompress(iter(partial(packed.read, CHUNK), b""), limit=limit, ratio=_RATIO):
            into.write(chunk)
    except MalformedLayer as error:
        raise MalformedDocument("archive", f"{error.where}: {error.why}") from error
    into.seek(0)
