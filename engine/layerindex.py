"""From the members of a tar to the index of a layer: what the names mean (OCI layer.md; rules 1 to 15).

Members are added as they come, then `finish` judges the whole: whiteouts say something of the layers below, wherever
in the tar they stand; symlinks of the layer bend the paths that lead through them; directories that nobody listed
are added. What contradicts itself is refused, since no two programs would read it alike.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Final, NamedTuple

from msgspec.structs import replace

from engine import whiteout
from engine.errors import LimitExceeded, MalformedLayer
from engine.events import display
from engine.layer import Entry, Limits, unpacked
from engine.paths import join
from engine.tar import Member

_PATH_MAX: Final = 4096
_NAME_MAX: Final = 255
_HOPS_MAX: Final = 40
"""Linux's limits: of a path and of a name in bytes, of symlinks on the way along a path."""
_STEPS_MAX: Final = 1_000_000
"""Path components walked for all symlinks of a layer together."""
_DOTS: Final = frozenset({b"", b".", b".."})


class Index(NamedTuple):
    """What a layer says, apart from its content; see `engine.layer.Layer`."""

    unpacked: int
    entries: dict[bytes, Entry]
    whiteouts: frozenset[bytes]
    opaques: frozenset[bytes]


class _Parent(NamedTuple):
    """A directory part of a name: normalised, and whether it is an AUFS leftover (rule 7)."""

    path: bytes
    leftover: bool


class _Hardlink(NamedTuple):
    path: bytes
    target: bytes
    ordinal: int


class Indexer:
    """Collects one layer. A broken rule is a `MalformedLayer` that names the entry."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._count = self._held = self._steps = 0
        self._entries: dict[bytes, Entry] = {}
        self._leftovers: dict[bytes, Entry] = {}
        self._whiteouts: set[bytes] = set()
        self._opaques: set[bytes] = set()
        self._unresolved: list[_Hardlink] = []
        self._parents: dict[bytes, _Parent] = {}
        self._symlinks: dict[bytes, Entry] = {}
        self._resolved: dict[bytes, bytes] = {}
        self._linked_at: dict[bytes, int] = {}  # ordinals of hardlinks; any other entry's is its inode

    def add(self, member: Member) -> None:
        """Take the next member of the tar."""
        parent, name = self._split(member.name)
        path = join(parent.path, name)
        self._grow(member.name, member.target, *(part for pair in member.xattrs for part in pair))
        if parent.leftover or (name.startswith(whiteout.META) and name != whiteout.OPAQUE):
            self._leftovers[path] = self._entry(member)
        elif name.startswith(whiteout.PREFIX):
            self._mark(parent.path, name, member)
        elif not path and member.kind != "dir":
            raise MalformedLayer("/", f"the root of a layer is a directory, not a {member.kind}")  # rule 2
        elif member.kind == "link":
            self._link(path, member)
        else:
            if member.kind == "symlink" and not 0 < len(member.target) < _PATH_MAX:
                raise MalformedLayer(display(path), f"a symlink to a path of {len(member.target)} bytes")
            self._place(path, self._entry(member))

    def finish(self) -> Index:
        """The index of all that was added."""
        self._follow_symlinks()
        for link in self._unresolved:
            self._place_link(link._replace(path=self._bend(link.path), target=self._bend(link.target)))
        self._add_parents()
        self._check_marks()
        renewed = {path for path in self._whiteouts if path in self._entries and self._entries[path].kind == "dir"}
        for path in renewed:  # hidden below and made anew: opaque, and nothing to merge with (rule 8)
            self._entries[path] = replace(self._entries[path], implicit=False)
        return Index(
            unpacked(self._entries.values()),
            dict(sorted(self._entries.items())),
            frozenset(self._whiteouts - self._entries.keys()),
            frozenset(self._opaques | renewed),
        )

    # Names

    def _split(self, name: bytes) -> tuple[_Parent, bytes]:
        """The directory of a name and its last component, both normalised (rule 1); ``b""`` twice for the root."""
        if len(name) >= _PATH_MAX:
            raise LimitExceeded(f"bytes of the path {display(name[:100])}…", _PATH_MAX - 1)
        head, _, last = name.rstrip(b"/").rpartition(b"/")
        if last in _DOTS:
            head, _, last = b"/".join(_normalise(name)).rpartition(b"/")
        _measured(last)
        parent = self._parents.get(head)
        if parent is None:
            parts = _normalise(head)
            if len(parts) >= self._limits.depth:
                raise LimitExceeded(f"components of the path {display(name[:100])}…", self._limits.depth)
            parent = self._parents[head] = _Parent(b"/".join(parts), _leftover(parts))
        return parent, last

    def _grow(self, *held: bytes) -> None:
        """Count one more entry, and what it makes us remember."""
        self._count += 1
        self._held += sum(map(len, held))
        if self._count > self._limits.entries:
            raise LimitExceeded("entries of the layer", self._limits.entries)
        if self._held > self._limits.index:
            raise LimitExceeded("bytes of the names and attributes of the layer", self._limits.index)

    # Entries

    def _entry(self, member: Member) -> Entry:
        return Entry(
            member.kind,
            member.mode,
            member.uid,
            member.gid,
            member.mtime,
            member.size,
            member.target,
            self._count,
            member.offset,
            member.major,
            member.minor,
            member.xattrs,
        )

    def _place(self, path: bytes, entry: Entry) -> None:
        if path in self._entries:
            raise MalformedLayer(display(path), "is in the layer twice")  # rule 11
        self._entries[path] = entry

    def _mark(self, directory: bytes, name: bytes, member: Member) -> None:
        """Take a whiteout, of whatever type its entry is (rules 3, 5, 6)."""
        if name == whiteout.OPAQUE:
            marks, path = self._opaques, directory
        else:
            try:
                hidden = whiteout.hidden(name)
            except ValueError as error:
                raise MalformedLayer(display(member.name), str(error)) from error
            assert hidden is not None
            marks, path = self._whiteouts, join(directory, hidden)
        if path in marks:
            raise MalformedLayer(display(member.name), "is in the layer twice")
        marks.add(path)

    def _link(self, path: bytes, member: Member) -> None:
        """A hardlink becomes its target's entry; one that symlinks may yet lead to waits for the end (rules 7, 15)."""
        parent, name = self._split(member.target)
        link = _Hardlink(path, join(parent.path, name), self._count)
        if link.target in self._entries or link.target in self._leftovers:
            self._place_link(link)
        else:
            self._unresolved.append(link)

    def _place_link(self, link: _Hardlink) -> None:
        found = self._entries.get(link.target) or self._leftovers.get(link.target)
        what = f"is a hardlink to {display(link.target)}"
        if found is None or self._linked_at.get(link.target, found.inode) >= link.ordinal:
            raise MalformedLayer(display(link.path), f"{what}, which does not stand before it in the layer")
        if found.kind in ("dir", "link"):
            raise MalformedLayer(display(link.path), f"{what}, a {found.kind}")
        self._place(link.path, found)
        self._linked_at[link.path] = link.ordinal

    def _add_parents(self) -> None:
        """List the directories that the layer needs and does not list (rule 10)."""
        known = {b""}
        for path in tuple(self._entries):
            while (path := path.rpartition(b"/")[0]) not in known:
                known.add(path)
                entry = self._entries.get(path)
                if entry is None:
                    self._grow(path)
                    self._entries[path] = Entry("dir", 0o755, 0, 0, 0, inode=self._count, implicit=True)
                else:
                    _check_directory(path, entry)

    def _check_marks(self) -> None:
        """What is marked stands below directories, too; those that are not there need not be made (rule 9)."""
        known = {b""}
        for path in itertools.chain((path.rpartition(b"/")[0] for path in self._whiteouts), self._opaques):
            while path not in known:
                known.add(path)
                if path in self._entries:  # what is above an entry was looked at
                    _check_directory(path, self._entries[path])
                    break
                self._grow(path)
                path = path.rpartition(b"/")[0]  # noqa: PLW2901

    # Symlinks on the way (rule 14)

    def _follow_symlinks(self) -> None:
        """Move what is named through a symlink of this layer to where that leads."""
        links = {path: entry for path, entry in self._entries.items() if entry.kind == "symlink"}
        if not links or not any(path in links for path in self._directories()):
            return
        for path, entry in links.items():
            directory, _, name = path.rpartition(b"/")
            self._symlinks[join(self._resolve(directory), name)] = entry
        entries, self._entries = self._entries, {}
        for path, entry in entries.items():
            self._place(self._bend(path), entry)
        self._linked_at = {self._bend(path): ordinal for path, ordinal in self._linked_at.items()}
        self._whiteouts = {self._bend(path) for path in self._whiteouts}
        self._opaques = {self._resolve(path) for path in self._opaques}

    def _directories(self) -> Iterator[bytes]:
        """Every directory that a name of the layer leads through, once."""
        seen = {b""}
        for path in {parent.path for parent in self._parents.values()}:
            while path not in seen:
                self._grow(path)
                seen.add(path)
                yield path
                path = path.rpartition(b"/")[0]  # noqa: PLW2901

    def _bend(self, path: bytes) -> bytes:
        """Where `path` really is: its directory resolved, its last component as it stands."""
        if not self._symlinks:
            return path
        directory, _, name = path.rpartition(b"/")
        resolved = self._resolved.get(directory)
        if resolved is None:
            resolved = self._resolved[directory] = self._resolve(directory)
        if len(resolved) + len(name) + 1 >= _PATH_MAX:
            raise LimitExceeded(f"bytes of the path that {display(path[:100])}… leads to", _PATH_MAX - 1)
        return join(resolved, name)

    def _resolve(self, directory: bytes) -> bytes:
        """`directory` with the layer's own symlinks followed; dots never lead above the root."""
        todo, done, hops = directory.split(b"/")[::-1], [b""], 0
        while todo:
            name = todo.pop()
            if name == b"..":
                done = done[:-1] or [b""]
            if name in _DOTS:
                continue
            path = join(done[-1], name)
            link = self._symlinks.get(path)
            hops, self._steps = hops + (link is not None), self._steps + 1
            if hops > _HOPS_MAX or self._steps > _STEPS_MAX or len(done) >= self._limits.depth:
                raise MalformedLayer(display(directory), "leads through too many symlinks or directories")
            if link is None:
                done.append(path)
                continue
            if link.target.startswith(b"/"):
                done = [b""]
            names = link.target.split(b"/")
            for name in map(_measured, names):
                if whiteout.reserved(name):
                    raise MalformedLayer(display(directory), f"leads to {display(name)}, a whiteout's name")
            todo.extend(reversed(names))
        return done[-1]


def _check_directory(path: bytes, entry: Entry) -> None:
    if entry.kind != "dir":
        raise MalformedLayer(display(path), f"is a {entry.kind}, and the layer has entries below it")


def _measured(name: bytes) -> bytes:
    """`name`, unless it is too long; a whiteout is as long as what it hides, which no file system need hold itself."""
    if len(name.removeprefix(whiteout.PREFIX)) > _NAME_MAX:
        raise LimitExceeded(f"bytes of the name {display(name[:40])}…", _NAME_MAX)
    return name


def _normalise(name: bytes) -> list[bytes]:
    """The components of a name, dots worked out as text (rule 1)."""
    parts: list[bytes] = []
    for part in name.split(b"/"):
        if part not in _DOTS:
            parts.append(_measured(part))
        elif part == b"..":
            if not parts:
                raise MalformedLayer(display(name), "climbs above the root")
            parts.pop()
    return parts


def _leftover(parts: list[bytes]) -> bool:
    """Whether a directory is AUFS's own (rule 7). Below a plain whiteout there can be nothing."""
    for part in parts:
        if part.startswith(whiteout.META):
            return True
        if part.startswith(whiteout.PREFIX):
            raise MalformedLayer(display(b"/".join(parts)), "is a whiteout, and the layer has entries below it")
    return False
