"""How a container's files change: copying up, making, hiding and moving nodes of the upper (rules 28 to 33).

`Writable` is what `Snapshot` builds its operations of. Its steps check nothing but room, and keep the invariants that
`engine.upper` names. Each tells its fact by an event. Content is not touched until it is stored (`engine.drafts`):
copying up a file of any size makes one node that points at the layer's.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from engine import events as facts
from engine.blobs import BlobStore
from engine.content import Content, Span, overwrite
from engine.drafts import Drafts, Limits, filled
from engine.events import Event, display, ignore
from engine.layer import Entry, weight
from engine.merged import Place
from engine.paths import ancestors
from engine.union import Union
from engine.upper import WHITEOUT, Node, Upper

Xattrs = tuple[tuple[bytes, bytes], ...]

_CAPABILITY: Final = b"security.capability"


class Writable(Drafts):
    """See the module; `Snapshot` for the parameters."""

    def __init__(
        self,
        union: Union,
        upper: Upper,
        blobs: BlobStore,
        *,
        now: Callable[[], int],
        container: str = "",
        limits: Limits | None = None,
        emit: Callable[[Event], None] = ignore,
        scratch: Path | None = None,
    ) -> None:
        super().__init__(union, upper, blobs, limits or Limits(), scratch)
        self._now, self._container, self._emit = now, container, emit

    def now(self) -> int:
        """The time that a change would get, in nanoseconds since the epoch."""
        return self._now()

    # Copying up

    def _copy_up(self, place: Place, cause: str, *, content: bool = True) -> Node:
        """The upper's node of what is at `place`, copied up with its parents where it is still the layers' (rules 28,
        29); without `content` a file comes empty."""
        if isinstance(place.node, Node):
            return place.node
        found = place.found
        assert found
        entry = found.entry
        size = entry.size if content else 0
        if place.path:
            self._reserve(place.path, size + len(entry.target), nodes=1 + len(self._missing(place.path)))
            self._copy_up_parents(place.path, cause)
        node = Node(
            entry.kind,
            entry.mode,
            entry.uid,
            entry.gid,
            entry.mtime,
            0,
            entry.target,
            self._nodes.new_inode(),
            1,
            entry.major,
            entry.minor,
            entry.xattrs,
        )
        node = filled(node, (Span(found, 0, size),), size)
        self._put(place.path, node)
        if place.path:
            told = size + len(entry.target)
            self._tell(facts.FileCopiedUp, place.path, kind=entry.kind, size=told, layer=found.layer, cause=cause)
        return node

    def _open(self, place: Place, cause: str, grows: int, *, content: bool = True) -> Node:
        """Copies up what is at `place` where there is also room for the bytes that it `grows` by afterwards."""
        assert place.node
        copied = place.node.size if content and not isinstance(place.node, Node) else 0
        self._check_room(place.path, copied + max(0, grows))
        node = self._copy_up(place, cause, content=content)
        self._reserve(place.path, grows)
        return node

    def _copy_up_parents(self, path: bytes, cause: str) -> None:
        for directory in reversed(self._missing(path)):
            self._copy_up(self.at(directory), cause)

    def _missing(self, path: bytes) -> list[bytes]:
        """The directories above `path` that the upper does not have, nearest first."""
        return [directory for directory in ancestors(path) if directory not in self._nodes]

    # Making, removing, moving

    def _create(self, place: Place, node: Node) -> None:
        """Have `node`, a new file, where nothing is."""
        path = place.path
        covers, hidden = path in self._nodes, self.lower(path)
        self._reserve(path, weight(node), nodes=(not covers) + len(self._missing(path)))
        self._copy_up_parents(path, "mkdir" if node.kind == "dir" else "create")
        self._put(path, node)
        self._touch_parent(path)
        self._tell(facts.FileCreated, path, kind=node.kind, size=weight(node), over_whiteout=covers)
        if node.opaque and hidden and hidden.entry.kind == "dir":
            self._tell(facts.DirectoryMadeOpaque, path)

    def _link(self, source: Place, place: Place) -> None:
        """Have one more name, where nothing is, for what is at `source`, copied up (rule 30)."""
        path, copied = place.path, source.node if isinstance(source.node, Entry) else None
        missing = {*self._missing(source.path), *self._missing(path)}
        self._check_room(
            path,
            weight(copied) if copied else 0,
            len(missing) + (copied is not None) + (path not in self._nodes),
        )
        self._copy_up(source, "link")
        covers = path in self._nodes
        self._copy_up_parents(path, "link")
        node = self._nodes.link(source.path, path)
        self._touch_parent(path)
        link = display(source.path)
        self._tell(facts.FileCreated, path, kind=node.kind, over_whiteout=covers, link_to=link)

    def _remove(self, place: Place, cause: str) -> None:
        """Take away what is at `place`, a directory that shows nothing or anything else; hide the layers' (rule 31)."""
        path, node, hidden = place.path, place.node, self.lower(place.path)
        assert node
        self._check_room(path, 0, len(self._missing(path)) + (path not in self._nodes))
        self._copy_up_parents(path, cause)
        if path in self._nodes:
            self._drop(path)
        if hidden:
            self._put(path, WHITEOUT)
            entry = hidden.entry
            self._tell(facts.PathWhitedOut, path, kind=entry.kind, size=weight(entry), layer=hidden.layer)
        else:
            self._tell(facts.PathRemoved, path, kind=node.kind, size=weight(node))
        self._touch_parent(path)

    def _move(self, source: Place, target: Place) -> None:
        """Copied up at the new name, a whiteout at the old (rule 33). A directory is the upper's own; in a merged one
        it becomes opaque, whether or not it has anything to hide, as the kernel does."""
        old, new = source.path, target.path
        hidden, covered = self.lower(old), self.lower(new)
        parents = {*self._missing(old), *self._missing(new)}
        self._check_room(old, 0, len(parents) + (old not in self._nodes) + (hidden is not None))
        self._copy_up(source, "rename")
        self._copy_up_parents(new, "rename")
        over = "layer" if covered else ""
        if new in self._nodes:
            replaced = self._drop(new)
            if replaced.kind == "whiteout":
                over = "whiteout"
            else:
                self._tell(facts.PathRemoved, new, kind=replaced.kind, size=weight(replaced))
        self._nodes.move(old, new)
        node = self._mark_opaque(new, new)
        self._tell(facts.PathRenamed, old, to=display(new), over=over)
        if hidden:
            self._put(old, WHITEOUT)
            entry = hidden.entry
            self._tell(facts.PathWhitedOut, old, kind=entry.kind, size=weight(entry), layer=hidden.layer)
        if node.opaque and covered and covered.entry.kind == "dir":
            self._tell(facts.DirectoryMadeOpaque, new)
        self._touch_parent(old)
        self._touch_parent(new)

    def _mark_opaque(self, path: bytes, place: bytes) -> Node:
        """Make the upper's own directory at `path` opaque where its `place` is in a merged one."""
        node = self._nodes.get(path)
        assert node
        if node.kind == "dir" and self.merges(place.rpartition(b"/")[0]):
            node = replace(node, opaque=True)
            self._put(path, node)
        return node

    # Changing

    def _change(self, place: Place, cause: str, what: str, **attributes: object) -> None:
        """Set attributes of what is at `place`."""
        node = self._copy_up(place, cause)
        self._put(place.path, replace(node, **attributes))
        self._tell(facts.AttributesChanged, place.path, what=what)

    def _rewrite(
        self, path: bytes, node: Node, start: int, data: Content, size: int, *, truncated: bool = False
    ) -> None:
        """`size` bytes of `data` at `start` of an upper file, which `truncated` empties first. Nothing written and
        nothing emptied leaves the mtime."""
        if not size and not truncated:
            return
        before, held = ((), 0) if truncated else (self.content(self.at(path)), node.size)
        pieces, length = overwrite(before, held, start, data), max(held, start + size)
        node = replace(node, mtime=self._now(), xattrs=unprivileged(node.xattrs))
        self._put(path, filled(node, pieces, length))
        self._tell(facts.FileWritten, path, written=size, size=length, truncated=truncated)

    def _put(self, path: bytes, node: Node) -> None:
        """Have `node` at `path`, and at the other names of its file."""
        if path:
            self._nodes.put(path, node)
        else:
            self._root = node

    def _drop(self, path: bytes) -> Node:
        """Take what the upper has at `path` away, with the whiteouts below it."""
        node = self._nodes.drop(path)
        if node.names == 1:
            self._reserve(path, -weight(node))
        return node

    def _touch_parent(self, path: bytes) -> None:
        """The directory of `path`, by now the upper's, or the root, changes now."""
        parent = path.rpartition(b"/")[0]
        self._put(parent, replace(self._copy_up(self.at(parent), "touch"), mtime=self._now()))

    def _tell(self, fact: Callable[..., Event], path: bytes, **values: object) -> None:
        self._emit(fact(container=self._container, path=display(path), **values))


def unprivileged(xattrs: Xattrs) -> Xattrs:
    """Attributes without file capabilities, which every write and chown takes away (capabilities(7))."""
    return tuple(pair for pair in xattrs if pair[0] != _CAPABILITY)
