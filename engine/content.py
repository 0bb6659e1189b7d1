"""A file's content while it is being edited: pieces of what exists already, and of what was written.

Copying a file up is one piece that points at the lower file, whatever its size; bytes are read only where somebody
asks, and stored, streaming, when the edit ends. Invariant: no piece is empty, so equal sizes mean equal extents. A
story:

    content = (Span(found, 0, 1 << 30),)                        # a copied-up file of 1 GiB: nothing is read
    content = overwrite(content, 1 << 30, 7, b"hot")            # three bytes in its midst: two spans and a literal
    blobs.put(chunks(content, union, blobs))                    # read a piece at a time
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from engine.blobs import BlobStore
from engine.digest import Digest
from engine.spool import Spool
from engine.union import Found, Union

CHUNK: Final = 1 << 20
"""Bytes read at a time."""
_JOINED: Final = 64 << 10
"""Literals that touch become one up to so many bytes, so that a loop of small writes makes no long list."""


class Span(NamedTuple):
    """`size` bytes, from `offset` on, of a blob, of a lower file, of what was spooled, or of endless zeros (None: a
    hole)."""

    source: Digest | Found | Spool | None
    offset: int
    size: int


Content = tuple[bytes | Span, ...]


def cut(content: Content, start: int, stop: int) -> Content:
    """The bytes from `start` up to `stop`, or to the end where that comes first."""
    kept: list[bytes | Span] = []
    at = 0
    for piece in content:
        size = piece.size if isinstance(piece, Span) else len(piece)
        low, high = max(start - at, 0), min(stop - at, size)
        if low < high:
            if isinstance(piece, Span):
                kept.append(Span(piece.source, piece.offset + low, high - low))
            else:
                kept.append(piece[low:high])
        at += size
    return tuple(kept)


def resize(content: Content, size: int, to: int) -> Content:
    """A content of `size` bytes as one of `to` bytes: cut off, or with a hole at its end."""
    return cut(content, 0, to) if to <= size else (*content, Span(None, 0, to - size))


def overwrite(content: Content, size: int, offset: int, data: Content) -> Content:
    """A content of `size` bytes with `data` in the place of what stands at `offset`; a gap before it is a hole."""
    length = sum(piece.size if isinstance(piece, Span) else len(piece) for piece in data)
    before = cut(content, 0, offset) if offset <= size else resize(content, size, offset)
    return _joined(before, data) + cut(content, offset + length, size)


def chunks(content: Content, union: Union, blobs: BlobStore) -> Iterator[bytes]:
    """The bytes, a piece at a time."""
    for piece in content:
        if not isinstance(piece, Span):
            yield piece
        elif piece.source is None:
            yield from (bytes(size) for _, size in _steps(piece))
        elif isinstance(piece.source, Spool):
            yield from piece.source.read(piece.offset, piece.size)
        elif isinstance(piece.source, Found):
            yield from (union.read(piece.source, offset, size) for offset, size in _steps(piece))
        else:
            with blobs.open(piece.source) as stream:
                stream.seek(piece.offset)
                yield from (stream.read(size) for _, size in _steps(piece))


def _steps(span: Span) -> Iterable[tuple[int, int]]:
    """The offsets and sizes in which a span is read."""
    stop = span.offset + span.size
    return ((at, min(CHUNK, stop - at)) for at in range(span.offset, stop, CHUNK))


def _joined(left: Content, right: Content) -> Content:
    """Two contents as one; literals that meet are joined."""
    if left and right and isinstance(a := left[-1], bytes) and isinstance(b := right[0], bytes):
        return (*left[:-1], a + b, *right[1:]) if len(a) + len(b) <= _JOINED else left + right
    return left + right
