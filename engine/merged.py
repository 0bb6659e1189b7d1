"""A container's files as its processes see them: the union of its layers with its upper on top, read only.

Rule 34: directories merge, with the upper's attributes, and no name is told twice. Paths are resolved as the kernel
does: symlinks are followed, at most 40 of them, an absolute one and ``..`` never lead above the root. All paths are
bytes relative to the root; a `FileError` carries the kernel's errno. A story:

    files = Merged(union, upper, blobs)
    files.stat(b"bin/sh").layer             # of the layer that won; None where the upper has it
    for place in files.walk():              # the whole tree, parents first, siblings sorted
        place.path, place.node, files.content(place)
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from engine.blobs import BlobStore
from engine.content import Content, Span, chunks, cut
from engine.errors import FileError, LimitExceeded
from engine.layer import Entry
from engine.nodes import Nodes
from engine.paths import ancestors, join
from engine.union import Found, Union
from engine.upper import Node, Upper

PATH_MAX: Final = 4096
"""Bytes of a path with its closing NUL (Linux, limits.h)."""
NAME_MAX: Final = 255
LINKS_MAX: Final = 40
"""Symlinks followed for one path (Linux, path_resolution(7))."""
READ_MAX: Final = 64 << 20
"""Bytes that `read` returns at most, unless the caller allows another number."""
_DIRECTORY_SIZE: Final = 4096


class Draft(Node, frozen=True, array_like=True, gc=False):
    """A node of an edit that is not yet frozen; its content is `pieces`, not `data` or `content`."""

    pieces: Content = ()


class Stat(msgspec.Struct, frozen=True, gc=False):
    """What `stat(2)` tells. `size` of a symlink is its target's length; equal `inode` means the same file. `upper`: it
    comes from the upper; else `layer` is the position of the layer that won."""

    kind: str
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    target: bytes
    inode: int
    nlink: int
    major: int
    minor: int
    upper: bool
    layer: int | None


class Place(NamedTuple):
    """A path without symlinks on its way, and what is there: a `Node` of the upper, the entry `found` in the layers, or
    nothing (`node` is None; the directory above it exists)."""

    path: bytes
    node: Node | Entry | None
    found: Found | None = None

    @property
    def kind(self) -> str:
        """The kind of what is there; empty where nothing is."""
        return self.node.kind if self.node else ""


class Merged:
    """See the module."""

    def __init__(self, union: Union, upper: Upper, blobs: BlobStore) -> None:
        self.union, self.blobs = union, blobs
        self._nodes = Nodes(upper.nodes)
        self._root = upper.root

    # Reading

    def stat(self, path: bytes) -> Stat:
        """Of what `path` leads to."""
        return self._stat(self.there(path))

    def lstat(self, path: bytes) -> Stat:
        """Of what stands at `path`, be it a symlink."""
        return self._stat(self.there(path, follow=False))

    def exists(self, path: bytes) -> bool:
        """Whether `path` leads to anything."""
        return self._leads(path, follow=True)

    def lexists(self, path: bytes) -> bool:
        """Whether anything stands at `path`, be it a symlink to nothing."""
        return self._leads(path, follow=False)

    def listdir(self, path: bytes) -> list[bytes]:
        """The names in a directory, sorted."""
        place = self.there(path)
        if place.kind != "dir":
            raise FileError(errno.ENOTDIR, path)
        return self._names(place.path)

    def readlink(self, path: bytes) -> bytes:
        """The target of a symlink; EINVAL where it is none."""
        place = self.there(path, follow=False)
        if place.node is None or place.kind != "symlink":
            raise FileError(errno.EINVAL, path)
        return place.node.target

    def read(self, path: bytes, offset: int = 0, size: int = -1, *, limit: int = READ_MAX) -> bytes:
        """Up to `size` bytes of a file from `offset` on, all that follow where `size` is negative; rule 28: copies
        nothing. EISDIR, ENXIO for what is neither file nor directory, `LimitExceeded` beyond `limit` bytes."""
        content = self.content(self._file(path))
        if offset or size >= 0:
            content = cut(content, offset, offset + size if size >= 0 else _size(content))
        if _size(content) > limit:
            raise LimitExceeded(f"bytes of /{path.decode('utf-8', 'backslashreplace')} read at once", limit)
        return b"".join(chunks(content, self.union, self.blobs))

    def chunks(self, path: bytes) -> Iterator[bytes]:
        """A file's content, a piece at a time. Errors as for `read`, at once."""
        return chunks(self.content(self._file(path)), self.union, self.blobs)

    def walk(self, below: bytes = b"") -> Iterator[Place]:
        """Everything below a directory, itself excepted, parents first and siblings sorted; no symlink is followed."""
        todo = [below]
        while todo:
            place = self.at(todo.pop())
            if place.path != below:
                yield place
            if place.kind == "dir":
                todo += [join(place.path, name) for name in reversed(self._names(place.path))]

    # Places

    def at(self, path: bytes) -> Place:
        """What is seen at `path`, taken lexically."""
        node = self._nodes.get(path) if path else self._root
        if node is not None:
            return Place(path, node if node.kind != "whiteout" else None)
        found = self.lower(path)
        return Place(path, found and found.entry, found)

    def lower(self, path: bytes) -> Found | None:
        """What the layers have at `path` and the upper's directories above it let through, whatever the upper has at
        the path itself: what an unlink there must hide (rule 31)."""
        for directory in ancestors(path):
            node = self._nodes.get(directory)
            if node is not None and (node.opaque or node.kind != "dir"):
                return None
        return self.union.lookup(path)

    def merges(self, directory: bytes) -> bool:
        """Whether a directory that is there shows what the layers have in it: it is theirs, or a copy of it."""
        node = self._nodes.get(directory)
        found = None if node is not None and node.opaque else self.lower(directory)
        return found is not None and found.entry.kind == "dir"

    def there(self, path: bytes, *, follow: bool = True) -> Place:
        """Where `path` leads, something being there; else ENOENT."""
        place = self.resolve(path, follow=follow)
        if place.node is None:
            raise FileError(errno.ENOENT, path)
        return place

    def resolve(self, path: bytes, *, follow: bool = True) -> Place:
        """Where `path` leads, the last name of it perhaps to nothing. With `follow` a symlink at its end is followed.

        ENOENT, ENOTDIR for what should be a directory on the way, ELOOP, ENAMETOOLONG, EINVAL for a NUL.
        """
        if len(path) >= PATH_MAX:
            raise FileError(errno.ENAMETOOLONG, path)
        if b"\0" in path:
            raise FileError(errno.EINVAL, path)
        todo = _components(path)
        place, hops = self.at(b""), 0
        while todo:
            name = todo.pop()
            if place.kind != "dir":
                raise FileError(errno.ENOTDIR if place.node else errno.ENOENT, path)
            if name == b"..":
                place = self.at(place.path.rpartition(b"/")[0])
                continue
            if len(name) > NAME_MAX:
                raise FileError(errno.ENAMETOOLONG, path)
            next_ = self.at(join(place.path, name))
            if next_.node and next_.kind == "symlink" and (todo or follow):
                hops += 1
                if hops > LINKS_MAX:
                    raise FileError(errno.ELOOP, path)
                todo += _components(next_.node.target)
                place = self.at(b"") if next_.node.target.startswith(b"/") else place
            else:
                place = next_
        return place

    def content(self, place: Place) -> Content:
        """The content of the file at `place`, not yet read; empty for anything else."""
        node = place.node
        if node is None or not node.size:
            return ()
        if isinstance(node, Draft):
            return node.pieces
        if isinstance(node, Node):
            return (Span(node.content, 0, node.size),) if node.content else (node.data,)
        return (Span(place.found, 0, node.size),) if node.kind == "file" else ()

    # Helpers

    def _file(self, path: bytes) -> Place:
        place = self.there(path)
        if place.kind != "file":
            raise FileError(errno.EISDIR if place.kind == "dir" else errno.ENXIO, path)
        return place

    def _leads(self, path: bytes, *, follow: bool) -> bool:
        try:
            return self.resolve(path, follow=follow).node is not None
        except FileError:
            return False

    def _stat(self, place: Place) -> Stat:
        node, found = place.node, place.found
        assert node is not None
        upper = isinstance(node, Node)
        return Stat(
            node.kind,
            node.mode,
            node.uid,
            node.gid,
            len(node.target) if node.kind == "symlink" else _DIRECTORY_SIZE if node.kind == "dir" else node.size,
            node.mtime,
            node.target,
            node.inode << 8 | (0xFF if found is None else found.layer & 0xFF),
            node.names if isinstance(node, Node) else self.union.names(found) if found else 1,
            node.major,
            node.minor,
            upper,
            found.layer if found else None,
        )

    def _names(self, directory: bytes) -> list[bytes]:
        """The names in a directory that is there, sorted (rule 34)."""
        own = self._nodes.names(directory)
        lower = self.union.listdir(directory) if self.merges(directory) else {}
        if not own:
            return list(lower)
        return sorted(name for name in lower.keys() | own if self.at(join(directory, name)).node)


def _components(path: bytes) -> list[bytes]:
    """The names of a path, last first, those that stay where they are left out."""
    return [name for name in reversed(path.split(b"/")) if name not in (b"", b".")]


def _size(content: Content) -> int:
    return sum(piece.size if isinstance(piece, Span) else len(piece) for piece in content)
