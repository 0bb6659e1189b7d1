"""An upper is the writable layer of a container: what it has made, copied up and hidden, over layers that never change.

It is a value: a mapping from path to `Node`, sorted by path, stored as one blob; a command makes a new one. Content of
up to 4 KiB stands in the node, more is a blob of its own. Invariants: every parent of a node is a node and a directory
(`Snapshot` copies parents up first); below an opaque directory, and below one that the layers do not have, nothing is
a whiteout; the names of one file have equal nodes. A story:

    upper = Upper.decode(blobs.read(digest))
    upper.nodes[b"etc/motd"].kind               # "file", or "whiteout" where the layers' file is hidden
    upper.digests(), upper.unpacked             # the blobs that it needs, and its size by rule 27

`root` holds the attributes of the root directory once they differ; it is no node, since no layer and no diff tells it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import msgspec

from engine.digest import Digest
from engine.errors import Corrupt, LimitExceeded
from engine.layer import unpacked

INLINE: Final = 4096
"""Bytes of content that a node carries itself."""
ENCODED_MAX: Final = 64 << 20
"""Bytes of an encoded upper; larger contents are not in it."""
_VERSION: Final = 1


class Node(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What the upper has at a path. `kind` is that of a layer's entry, or ``whiteout``; `mode` permission bits; `mtime`
    nanoseconds since the epoch; `size` a file's bytes; `target` a symlink's.

    `inode` numbers the files of one upper; the `names` that a file has share it. `opaque` marks a directory that hides
    what the layers have below its name. A file's content is `data`, or the blob `content` where that is named.
    """

    kind: str
    mode: int
    uid: int
    gid: int
    mtime: int
    size: int = 0
    target: bytes = b""
    inode: int = 0
    names: int = 1
    major: int = 0
    minor: int = 0
    xattrs: tuple[tuple[bytes, bytes], ...] = ()
    opaque: bool = False
    data: bytes = b""
    content: Digest | None = None


WHITEOUT: Final = Node("whiteout", 0, 0, 0, 0)


class _Saved(msgspec.Struct, frozen=True, array_like=True):
    version: int
    root: Node | None
    nodes: dict[bytes, Node]


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(_Saved)


@dataclass(frozen=True)
class Upper:
    """See the module."""

    nodes: Mapping[bytes, Node] = field(default_factory=dict)
    root: Node | None = None

    def encode(self) -> bytes:
        """As msgpack; equal uppers give equal bytes. `LimitExceeded` for one that could not be read back."""
        data = _ENCODER.encode(_Saved(_VERSION, self.root, dict(sorted(self.nodes.items()))))
        if len(data) > ENCODED_MAX:
            raise LimitExceeded("bytes of the names and small files that one container changed", ENCODED_MAX)
        return data

    @classmethod
    def decode(cls, data: bytes) -> Upper:
        """Back from `encode`; `Corrupt` where that did not write it."""
        try:
            saved = _DECODER.decode(data)
        except msgspec.MsgspecError as error:
            raise Corrupt(f"a container's upper does not read back: {error}") from error
        if saved.version != _VERSION:
            raise Corrupt(f"a container's upper has version {saved.version}; this program knows {_VERSION}")
        return cls(saved.nodes, saved.root)

    def digests(self) -> set[Digest]:
        """The blobs that hold its files' contents."""
        return {node.content for node in self.nodes.values() if node.content}

    @cached_property
    def unpacked(self) -> int:
        """Rule 27's size: file bytes once an inode, plus the lengths of symlink targets. What `ps -s` shows."""
        return unpacked(self.nodes.values())


EMPTY: Final = Upper()
