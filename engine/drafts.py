"""Content that waits: what an edit writes is a draft until all is frozen, and may take only the room that there is.

A draft is a node whose content is pieces of what exists and of what was written. The latter waits in memory or, where
it is much, in a spool; blobs are made of it once, when the edit ends. `engine.writable` builds on this.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from msgspec.structs import asdict, astuple, replace

from engine.blobs import BlobStore
from engine.content import Content, Span, chunks
from engine.errors import FileError
from engine.merged import Draft, Merged
from engine.spool import Spool
from engine.union import Union
from engine.upper import INLINE, Node, Upper

_HELD: Final = 16 << 20
"""Bytes of written content that are kept in memory before they are spooled."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How far one upper may grow; beyond it is ENOSPC, as on a full disk."""

    nodes: int = 200_000
    unpacked: int = 7 << 28
    """Bytes, by rule 27; a layer of so many is still read back (`engine.layer.Limits`)."""


class Drafts(Merged):
    """See the module. `limits` say how far the upper may grow, `scratch` where a spool may lie."""

    def __init__(self, union: Union, upper: Upper, blobs: BlobStore, limits: Limits, scratch: Path | None) -> None:
        super().__init__(union, upper, blobs)
        self._upper, self._limits = upper, limits
        self._unpacked = -1  # counted when somebody asks first
        self._held = 0
        self._spool = Spool(scratch)

    def freeze(self) -> Upper:
        """The upper as it stands. Contents of more than 4 KiB are stored as blobs, a piece at a time."""
        if self._nodes.changed or self._root is not self._upper.root:
            self._store()
            self._spool.cut(0)
            self._upper = Upper(dict(sorted(self._nodes.items())), self._root)
        return self._upper

    def _take(self, path: bytes, data: bytes | Iterable[bytes], *, freed: int = 0) -> tuple[Content, int]:
        """Data to be written to `path`, as content, with its size. What comes in pieces is spooled, as long as there is
        room for it beside the `freed` bytes that it takes the place of."""
        if isinstance(data, bytes):
            if self._held > _HELD:
                self._spool_all()
            self._held += len(data)
            return ((data,) if data else ()), len(data)
        start = self._spool.end
        try:
            for piece in data:
                self._check_room(path, self._spool.end - start + len(piece) - freed)
                self._spool.add(piece)
        except BaseException:
            self._spool.cut(start)
            raise
        size = self._spool.end - start
        return ((Span(self._spool, start, size),) if size else ()), size

    def _spool_all(self) -> None:
        """Hold in memory no content that a draft has."""
        for path, node in self._drafts():
            pieces = tuple(self._spooled(piece) if isinstance(piece, bytes) else piece for piece in node.pieces)
            self._nodes.put(path, replace(node, pieces=pieces))
        self._held = 0

    def _spooled(self, data: bytes) -> Span:
        start = self._spool.end
        self._spool.add(data)
        return Span(self._spool, start, len(data))

    def _store(self) -> None:
        """Store the content of every draft."""
        for path, node in self._drafts():
            self._nodes.put(path, self._stored(node))
        self._held = 0

    def _drafts(self) -> Iterator[tuple[bytes, Draft]]:
        """Every file whose content is not stored yet, by one of its names."""
        seen: set[int] = set()
        for path, node in list(self._nodes.items()):
            if isinstance(node, Draft) and node.inode not in seen:
                seen.add(node.inode)
                yield path, node

    def _stored(self, draft: Draft) -> Node:
        pieces = chunks(draft.pieces, self.union, self.blobs)
        if draft.size <= INLINE:
            return replace(_plain(draft), data=b"".join(pieces))
        return replace(_plain(draft), content=self.blobs.put(pieces, size=draft.size))

    def _check_room(self, path: bytes, size: int, nodes: int = 0) -> None:
        """ENOSPC where `size` more bytes, or so many more nodes, are more than the limits allow."""
        if self._unpacked < 0:
            self._unpacked = self._upper.unpacked  # nothing grows before it asks here
        full = self._unpacked + size > self._limits.unpacked
        if (full and size > 0) or (len(self._nodes) + nodes > self._limits.nodes and nodes > 0):
            raise FileError(errno.ENOSPC, path)

    def _reserve(self, path: bytes, size: int, *, nodes: int = 0) -> None:
        """Take room for `size` more bytes (or fewer, where negative); ENOSPC where there is none."""
        self._check_room(path, size, nodes)
        self._unpacked += size


def filled(node: Node, pieces: Content, size: int) -> Node:
    """`node` with a content of `size` bytes, not stored yet unless it is short and at hand."""
    first = pieces[0] if len(pieces) == 1 and size <= INLINE else None
    data = first if isinstance(first, bytes) else b""
    node = replace(_plain(node), size=size, data=data, content=None)
    return node if len(data) == size else Draft(**asdict(node), pieces=pieces)


def _plain(node: Node) -> Node:
    """A draft without its pieces, any other node as it is."""
    return Node(*astuple(node)[:-1]) if isinstance(node, Draft) else node
