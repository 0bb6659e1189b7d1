"""A layer is a change set of files: a tar, read once into an index of path to entry (OCI image-spec, layer.md).

It is never unpacked to a file system. An entry says what the tar says of it and where its content stands in the
uncompressed tar; content is read from there by offset. Invariants: a layer is one value for each diff_id and never
changes; paths are bytes, relative to the root, without leading slash or dots, ``b""`` being the root; every parent of
an entry is an entry too, a directory; no path is both an entry and a whiteout. A story:

    layer = store.get(blob, diff_id)
    entry = layer.entries[b"etc/motd"]
    layer.read(entry), layer.children(b"etc"), b"etc/issue" in layer.whiteouts
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Protocol

import msgspec

from engine.digest import Digest
from engine.pax import NONE, Xattrs
from engine.tar import EXTENSION_MAX

PIECE: Final = 1 << 20
"""Bytes of a file's content handed out at a time."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one layer may ask of us (rule 18); the defaults suit a visitor's image. More is `LimitExceeded`."""

    unpacked: int = 2 << 30
    """Bytes of the uncompressed tar."""
    ratio: int = 200
    """Bytes that one compressed byte may become, judged beyond 64 MiB out."""
    entries: int = 500_000
    """Entries of the tar, whiteouts and AUFS leftovers included."""
    depth: int = 256
    """Components of a path."""
    extension: int = EXTENSION_MAX
    """Bytes of one extended header or long name."""
    index: int = 256 << 20
    """Bytes of all paths, link targets and extended attributes together."""


class Held(Protocol):
    """What rule 27 weighs: an entry of a layer, a node of an upper."""

    @property
    def inode(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def target(self) -> bytes: ...


def weight(held: Held) -> int:
    """The unpacked size of one file (rule 27): its bytes, or the length of a symlink's target."""
    return held.size + len(held.target)


def unpacked(held: Iterable[Held]) -> int:
    """The unpacked size of several (rule 27): a file with more than one name counts once."""
    return sum({one.inode: weight(one) for one in held}.values())


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What stands at a path: `kind` is ``file``, ``dir``, ``symlink``, ``fifo``, ``char`` or ``block``.

    `mode` has permission bits only; `mtime` is nanoseconds since the epoch; `size` the bytes of a file, which begin at
    `offset` of the uncompressed tar; `target` is a symlink's. Names that are hardlinks of one another share an `inode`,
    the ordinal of the first in its tar. `implicit` marks a directory that the layer needs but does not list: it has the
    attributes of the lower directory that it merges with, or where there is none these, 0755 root (rules 10, 13).
    """

    kind: str
    mode: int
    uid: int
    gid: int
    mtime: int
    size: int = 0
    target: bytes = b""
    inode: int = 0
    offset: int = 0
    major: int = 0
    minor: int = 0
    xattrs: Xattrs = NONE
    implicit: bool = False


class Content(Protocol):
    """The uncompressed tar of a layer, read by offset."""

    def read(self, offset: int, size: int) -> bytes:
        """Exactly `size` bytes from `offset` on."""


@dataclass(frozen=True, eq=False)
class Layer:
    """See the module. `unpacked` is rule 27's size: file bytes once an inode, plus the lengths of symlink targets.

    `whiteouts` are the paths that the layer hides in those below it, `opaques` the directories whose children below it
    are hidden (rules 4, 6, 8); an opaque directory need not be an entry.
    """

    diff_id: Digest
    unpacked: int
    entries: Mapping[bytes, Entry]
    whiteouts: frozenset[bytes]
    opaques: frozenset[bytes]
    content: Content

    def children(self, directory: bytes) -> Collection[bytes]:
        """The names of the entries directly below `directory`, sorted; none where it is no directory here."""
        return self._children.get(directory, ())

    def read(self, entry: Entry, offset: int = 0, size: int = -1) -> bytes:
        """Up to `size` bytes of a file's content from `offset` on, all that follow where `size` is negative."""
        start = min(max(offset, 0), entry.size)
        stop = entry.size if size < 0 else min(start + size, entry.size)
        return self.content.read(entry.offset + start, stop - start) if stop > start else b""

    def chunks(self, entry: Entry) -> Iterator[bytes]:
        """A file's content, a piece at a time."""
        for start in range(0, entry.size, PIECE):
            yield self.read(entry, start, PIECE)

    @cached_property
    def _children(self) -> Mapping[bytes, list[bytes]]:
        found: dict[bytes, list[bytes]] = {}
        for path in sorted(self.entries):
            if path:
                parent, _, name = path.rpartition(b"/")
                found.setdefault(parent, []).append(name)
        return found


@dataclass(frozen=True, slots=True)
class Written:
    """A layer that was made here and stored: its blob's digest and `size`, its diff_id, and its `unpacked` size."""

    digest: Digest
    diff_id: Digest
    size: int
    unpacked: int
