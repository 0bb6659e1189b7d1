"""What a container changed, told three ways: `diff` for eyes, `commit_layer` for a layer, `export` for a whole root.

`diff` and the upper may differ, and where they do, `commit_layer` goes by the upper (rule 36):

- a file that was copied up and then left as it was (opened for reading and writing, or given the attributes it had)
  is in the upper, and in the layer with all its bytes, but in no diff, which compares size, mtime, mode and owner;
- so is a directory of which only the mtime changed, as ``touch`` does: a diff looks at a directory's mode and owner;
- a change of extended attributes, other than file capabilities, shows in no diff;
- an opaque directory is one node of the upper and, in the diff, a ``C`` and a ``D`` for each child that it hides;
- a directory that is replaced by something else is ``C``, whatever was below it: its children show as nothing;
- the root's own attributes are in neither.
"""

from __future__ import annotations

import itertools
from typing import BinaryIO, Final, Literal, NamedTuple

from engine import tar
from engine.blobs import BlobStore
from engine.content import chunks
from engine.layer import Entry, Written
from engine.layerwriter import LayerWriter, header
from engine.merged import Merged, Place
from engine.paths import ancestors
from engine.union import Union
from engine.upper import Node, Upper

_SECOND: Final = 1_000_000_000
_CAPABILITY: Final = b"security.capability"


class Change(NamedTuple):
    """A path and what became of it: ``A`` added, ``C`` changed (or something below it did), ``D`` deleted."""

    kind: Literal["A", "C", "D"]
    path: bytes


def diff(union: Union, upper: Upper) -> list[Change]:
    """The merged tree compared with the layers, as ``docker diff`` does, sorted by path (rule 36).

    Only what the upper names is looked at, so the cost does not depend on the layers. Where the result differs from
    the upper, see the module.
    """
    kinds: dict[bytes, Literal["A", "C", "D"]] = {}

    def tell(kind: Literal["A", "C", "D"], path: bytes) -> None:
        kinds.setdefault(path, kind)
        for directory in ancestors(path):
            kinds.setdefault(directory, "C")

    hiding: set[bytes] = set()  # directories in which nothing of the layers shows: opaque ones, and those within them
    for path, node in sorted(upper.nodes.items()):
        found = union.lookup(path)
        if node.opaque or path.rpartition(b"/")[0] in hiding:
            hiding.add(path)
        if node.kind == "whiteout":
            if found:
                tell("D", path)
        elif found is None:
            tell("A", path)
        else:
            if _differs(node, found.entry):
                tell("C", path)
            if path in hiding and node.kind == found.entry.kind == "dir":
                for child in (path + b"/" + name for name in union.listdir(path)):
                    if child not in upper.nodes:
                        tell("D", child)
    return [Change(kind, path) for path, kind in sorted(kinds.items())]


def _differs(node: Node, entry: Entry) -> bool:
    """Whether docker would say that a path changed (moby, pkg/archive: statDifferent and file capabilities)."""
    if (node.kind, node.mode, node.uid, node.gid) != (entry.kind, entry.mode, entry.uid, entry.gid):
        return True
    if (node.major, node.minor) != (entry.major, entry.minor) or _capability(node) != _capability(entry):
        return True
    if node.kind in ("dir", "block"):  # docker tests one bit for a directory, which block devices have too
        return False
    return _size(node) != _size(entry) or not _same_time(node.mtime, entry.mtime)


def _size(node: Node | Entry) -> int:
    return len(node.target) if node.kind == "symlink" else node.size


def _capability(node: Node | Entry) -> bytes:
    return dict(node.xattrs).get(_CAPABILITY, b"") if node.xattrs else b""


def _same_time(a: int, b: int) -> bool:
    """Equal seconds; fractions count only where both have one (moby, sameFsTimeSpec)."""
    return a // _SECOND == b // _SECOND and (a == b or not a % _SECOND or not b % _SECOND)


def commit_layer(upper: Upper, blobs: BlobStore, *, source_date_epoch: int | None = None) -> Written:
    """The upper as a layer, stored (rule 37): its nodes, parents of changes among them, its whiteouts and opaques."""
    writer = LayerWriter(source_date_epoch=source_date_epoch)
    first: dict[int, bytes] = {}
    for path, node in sorted(upper.nodes.items()):
        if node.kind == "whiteout":
            writer.whiteout(path)
        elif node.names > 1 and node.inode in first:
            writer.hardlink(path, first[node.inode])
        else:
            first[node.inode] = path
            writer.add(path, _entry(node), blobs.chunks(node.content) if node.content else node.data)
            if node.opaque:
                writer.opaque(path)
    return writer.write(blobs)


def _entry(node: Node) -> Entry:
    return Entry(
        node.kind,
        node.mode,
        node.uid,
        node.gid,
        node.mtime,
        node.size,
        node.target,
        major=node.major,
        minor=node.minor,
        xattrs=node.xattrs,
    )


def export(union: Union, upper: Upper, blobs: BlobStore, out: BinaryIO, below: bytes = b"") -> None:
    """Writes the merged tree to `out` as tar, numeric ids, whole seconds, without the root itself.

    With `below` only what stands there, named by its last component, as ``docker cp`` does. `FileError`.
    """
    files = Merged(union, upper, blobs)
    names: dict[tuple[int | None, int], bytes] = {}
    top = files.there(below, follow=False)
    prefix = len(top.path) - len(top.path.rpartition(b"/")[2])
    for place in itertools.chain([top] if top.path else (), files.walk(top.path)):
        name = place.path[prefix:]
        key = _linked(files, place)
        target = names.setdefault(key, name) if key else name
        node = place.node
        assert node
        entry = _entry(node) if isinstance(node, Node) else node
        out.write(header(entry, name, entry.mtime, target if target != name else b""))
        if target == name:
            written = 0
            for piece in chunks(files.content(place), union, blobs):
                written += len(piece)
                out.write(piece)
            out.write(bytes(tar.padding(written)))
    out.write(tar.END)


def _linked(files: Merged, place: Place) -> tuple[int | None, int] | None:
    """What tells the file at `place` from others, where it may have other names."""
    node, found = place.node, place.found
    assert node
    if isinstance(node, Node):
        return (None, node.inode) if node.names > 1 else None
    return (found.layer, node.inode) if found and files.union.names(found) > 1 else None
