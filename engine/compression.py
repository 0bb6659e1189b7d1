"""Compressed layers: gzip, zstd or none, told apart by their first bytes and never by a media type (rule 18).

Reading is a chain of iterators, each piece made when it is asked for, so memory stays flat. Members of a multi-member
gzip and frames of a multi-frame zstd follow each other seamlessly. A stream is bounded in bytes out and, once it has
become large, in how many bytes out it makes of one byte in. A story:

    for chunk in decompress(blobs.chunks(digest), limit=1 << 30, ratio=200):
        ...                             # every chunk but the last has CHUNK bytes
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, BinaryIO, Final, Protocol, cast

from isal import igzip, isal_zlib
from zstandard import ZstdDecompressor, ZstdError

from engine.errors import LimitExceeded, MalformedLayer, Unsupported

CHUNK: Final = 1 << 20
"""Bytes of each decompressed chunk but the last."""
LEVEL: Final = 2
"""isal's level for layers that we write: levels above it differ between processors (rule 37)."""
RATIO_FROM: Final = 64 << 20
"""Bytes out below which no ratio is too high: plain repeated text reaches 400:1."""

_IsalError = cast("type[Exception]", isal_zlib.IsalError)  # its stub takes it for a value
_WINDOW_MAX: Final = 128 << 20
"""The most memory that a zstd stream may ask for, in bytes; what `zstd` itself allows by default."""
_AFTER: Final = b"\x5f\x2a\x4d\x18" + (256 << 10).to_bytes(4, "little") + b"\xff" * (256 << 10)
"""A zstd frame to be skipped (RFC 8878, 3.1.2), to stand behind the last one. Where that is cut short, which the
decoder does not mind, these bytes fill up its block, of 128 KiB at most, and are no block and no header themselves."""
_OTHERS: Final = {b"\xfd7zXZ\0": "xz", b"BZh": "bzip2", b"\x04\x22\x4d\x18": "lz4", b"\x5d\0\0": "lzma"}


class _Readable(Protocol):
    def read(self, size: int = ..., /) -> bytes: ...


def decompress(pieces: Iterable[bytes], *, limit: int, ratio: int) -> Iterator[bytes]:
    """The uncompressed bytes of a blob that comes in `pieces`, to its very end (rule 17).

    `LimitExceeded` beyond `limit` bytes, or beyond `ratio` bytes out for each byte in once `RATIO_FROM` is passed;
    `MalformedLayer` where the compression is damaged or cut short; `Unsupported` for one that OCI does not know.
    """
    source = _Source(pieces)
    stream, count = _open(source), 0
    while chunk := _read(stream, source):
        count += len(chunk)
        if count > limit:
            raise LimitExceeded("bytes of the uncompressed layer", limit)
        if count > max(RATIO_FROM, ratio * source.count):
            raise LimitExceeded("bytes that one byte of the compressed layer becomes", ratio)
        yield chunk


def compress(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """`chunks` as one gzip member: no name, mtime 0, a fixed level, so that the same bytes give the same bytes."""
    deflate = isal_zlib.compressobj(LEVEL, isal_zlib.DEFLATED, 16 + isal_zlib.MAX_WBITS)
    for chunk in chunks:
        if out := deflate.compress(chunk):
            yield out
    yield deflate.flush()


class _Source(io.RawIOBase):
    """An iterable of bytes as a file to read from. `head` is how it begins, `count` the bytes that were taken."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces: Iterator[bytes] = iter(pieces)
        self._left = memoryview(b"")
        self.count = 0
        head = b""
        while len(head) < 6 and (piece := next(self._pieces, None)) is not None:
            head += piece
        self.head, self._left = head[:6], memoryview(head)

    def follow(self, piece: bytes) -> None:
        """Have one more piece behind all others."""
        self._pieces = chain(self._pieces, (piece,))

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer`, unless it is the end: zstd's decoder is at ease where what belongs together comes together."""
        into = memoryview(buffer).cast("B")
        filled = 0
        while filled < len(into) and self._more():
            size = min(len(into) - filled, len(self._left))
            into[filled : filled + size], self._left = self._left[:size], self._left[size:]
            filled += size
        self.count += filled
        return filled

    def _more(self) -> bool:
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None:
                return False
            self._left = memoryview(piece)
        return True


def recognise(head: bytes) -> str:
    """The compression of what begins with `head`, six bytes or more: ``gzip``, ``zstd``, the name of one that OCI does
    not know, or nothing where there is none."""
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    if head.startswith(b"\x28\xb5\x2f\xfd") or (head[1:4] == b"\x2a\x4d\x18" and head[0] >> 4 == 5):
        return "zstd"
    return next((name for magic, name in _OTHERS.items() if head.startswith(magic)), "")


def _open(source: _Source) -> _Readable:
    name = recognise(source.head)
    if name == "gzip":
        return igzip.IGzipFile(fileobj=source, mode="rb")  # type: ignore[no-untyped-call]
    if name == "zstd":
        file = cast(BinaryIO, source)
        source.follow(_AFTER)
        return ZstdDecompressor(max_window_size=_WINDOW_MAX).stream_reader(file, CHUNK, read_across_frames=True)
    if name:
        raise Unsupported(f"compressed with {name}; gzip, zstd or none are read")
    return io.BufferedReader(source)


def _read(stream: _Readable, source: _Source) -> bytes:
    try:
        return stream.read(CHUNK)
    except (EOFError, gzip.BadGzipFile, _IsalError, ZstdError) as error:
        raise MalformedLayer(f"near byte {source.count:,} of the compressed blob", str(error)) from error
