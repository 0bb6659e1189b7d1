"""A union shows a stack of layers, bottom first, as one read-only tree (OCI layer.md, changesets; rules 4 to 14).

Invariants: a union never changes; a lookup asks each layer's index and nothing is unpacked or flattened for it; every
answer names the layer that won. Whiteouts and opaques act on the layers below their own only. Directories merge, the
highest that is listed giving the attributes; anything else replaces the whole subtree below it. Paths are lexical: a
symlink on the way is not followed (rule 14), which is the business of whoever walks the merged tree. A story:

    union = Union([base, tools, patch])
    union.lookup(b"etc/motd").layer         # 1: the file of tools is the one that is seen
    union.lookup(b"etc/motd").hides         # (0,): and base's is not
    union.bead(b"etc/issue")                # ["hidden", "absent", "whiteout"]

What a directory is made of is remembered; `walk` is worked out once.
"""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Final, Literal, NamedTuple

from engine.errors import FileError
from engine.layer import Entry, Layer
from engine.paths import ancestors

Bead = Literal["absent", "seen", "hidden", "whiteout"]

_ROOT: Final = Entry("dir", 0o755, 0, 0, 0, implicit=True)


class Found(NamedTuple):
    """What is seen at a path: `entry`, won by the layer at position `layer` (bottom 0; -1 for the root of no layer).

    `hides` are the positions below it whose entry of that path nothing shows. A directory hides those that it does not
    merge with. Where the directory that won is one that its layer does not list, entry and layer are those of the
    directory whose attributes it keeps (rule 10).
    """

    entry: Entry
    layer: int
    hides: tuple[int, ...] = ()


class _Seen(NamedTuple):
    """A path judged: the answer, the layers that show there (one, or all that merge), and the layers, top first, that
    may say something of what is below it."""

    found: Found
    shown: tuple[int, ...]
    below: tuple[int, ...]


class Union:
    """See the module. `layers` may repeat a diff_id: in a stack, identity is position (rule 26)."""

    def __init__(self, layers: Iterable[Layer]) -> None:
        self.layers: Final[tuple[Layer, ...]] = tuple(layers)
        self._directories: dict[bytes, _Seen] = {}  # found ones only, so the stack bounds it
        self._names: dict[int, dict[int, int]] = {}

    def lookup(self, path: bytes) -> Found | None:
        """What is seen at `path`; None where nothing is. The root is always there."""
        seen = self._see(path)
        return seen and seen.found

    def listdir(self, path: bytes) -> dict[bytes, Found]:
        """What is seen directly below a directory, by name, sorted. `FileError`: ENOENT, ENOTDIR."""
        directory = self._directory(path)
        if directory is None:
            raise FileError(self._why_not(path), path)
        names = {name for position in directory.below for name in self.layers[position].children(path)}
        prefix = path + b"/" if path else b""
        judged = ((name, self._judge(directory.below, prefix + name)) for name in sorted(names))
        return {name: seen.found for name, seen in judged if seen}

    def walk(self) -> Iterator[tuple[bytes, Found]]:
        """Every path that is seen, the root excepted, sorted (so parents come first)."""
        return iter(self._flat)

    def read(self, found: Found, offset: int = 0, size: int = -1) -> bytes:
        """Up to `size` bytes of a file's content from `offset` on, all that follow where `size` is negative."""
        return self.layers[found.layer].read(found.entry, offset, size)

    def chunks(self, found: Found) -> Iterator[bytes]:
        """A file's content, a piece at a time."""
        return self.layers[found.layer].chunks(found.entry)

    def names(self, found: Found) -> int:
        """How many names the file has in its layer, hidden ones included, as `st_nlink` counts."""
        if found.entry.kind == "dir":
            return 1
        names = self._names.get(found.layer)
        if names is None:
            counted = Counter(entry.inode for entry in self.layers[found.layer].entries.values())
            names = self._names[found.layer] = {inode: n for inode, n in counted.items() if n > 1}
        return names.get(found.entry.inode, 1)

    def bead(self, path: bytes) -> list[Bead]:
        """What each layer, bottom first, has to do with `path`.

        ``seen``: its entry is the one that shows, or one of the directories that merge; ``hidden``: it has an entry and
        nothing shows it; ``whiteout``: it has none and hides one below it, by a whiteout of the path or of a directory
        above it, or by an opaque directory; ``absent``: it has nothing to do with it.
        """
        seen = self._see(path)
        shown = seen.shown if seen else ()
        beads: list[Bead] = []
        for position, layer in enumerate(self.layers):
            if path in layer.entries:
                beads.append("seen" if position in shown else "hidden")
            elif {"seen", "hidden"}.intersection(beads) and _conceals(layer, path):
                beads.append("whiteout")
            else:
                beads.append("absent")
        return beads

    # How a path is judged

    def _see(self, path: bytes) -> _Seen | None:
        known = self._directories.get(path) if path else self._root
        if known:
            return known
        directory = self._directory(path.rpartition(b"/")[0])
        return self._judge(directory.below, path) if directory else None

    def _directory(self, path: bytes) -> _Seen | None:
        """The directory at `path`, its parents judged before it; None where there is none."""
        known, missing = None, []
        while path and (known := self._directories.get(path)) is None:
            missing.append(path)
            path = path.rpartition(b"/")[0]
        known = known or self._root
        for path in reversed(missing):
            known = self._judge(known.below, path)
            if known is None or known.found.entry.kind != "dir":
                return None
            self._directories[path] = known
        return known

    def _judge(self, above: Sequence[int], path: bytes) -> _Seen | None:
        """`path` as the layers `above`, top first, have it: those that its parent directory is made of."""
        won: Entry | None = None
        by = -1
        shown: list[int] = []
        below: list[int] = []
        opaque = False
        for position in above:
            layer = self.layers[position]
            entry = layer.entries.get(path)
            if entry is None:
                if path in layer.whiteouts:
                    break
            elif entry.kind != "dir":
                if won is None:
                    return _Seen(Found(entry, position, self._others(path, position, ())), (position,), ())
                break  # rule 13: a directory above replaced it
            else:
                if won is None or won.implicit:
                    won, by = entry, position
                if not opaque:
                    shown.append(position)
            if not opaque and (entry is not None or path in self._marked[position]):
                below.append(position)
            opaque = opaque or path in layer.opaques
            if opaque and won and not won.implicit:
                break
        if won is None:
            return None
        top = shown[0] if shown else by
        return _Seen(Found(won, by, self._others(path, top, shown)), tuple(shown) or (top,), tuple(below))

    def _others(self, path: bytes, below: int, shown: Sequence[int]) -> tuple[int, ...]:
        """The positions lower than `below` that have an entry of `path` and are not among those `shown`."""
        return tuple([n for n in range(below) if n not in shown and path in self.layers[n].entries]) if below else ()

    @cached_property
    def _root(self) -> _Seen:
        """The root is in every layer, listed or not, down to the highest that is opaque."""
        positions = range(len(self.layers) - 1, -1, -1)
        opaque = next((n for n in positions if b"" in self.layers[n].opaques), 0)
        won = next((Found(self.layers[n].entries[b""], n) for n in positions if b"" in self.layers[n].entries), None)
        below = tuple(n for n in positions if n >= opaque)
        return _Seen(won or Found(_ROOT, len(self.layers) - 1), below, below)

    @cached_property
    def _marked(self) -> tuple[frozenset[bytes], ...]:
        """For each layer the directories below which it hides something, which need not be entries of it."""
        return tuple(frozenset(_above(layer.whiteouts | layer.opaques)) for layer in self.layers)

    @cached_property
    def _flat(self) -> list[tuple[bytes, Found]]:
        flat: list[tuple[bytes, Found]] = []
        todo = [b""]
        while todo:
            directory = todo.pop()
            prefix = directory + b"/" if directory else b""
            for name, found in self.listdir(directory).items():
                flat.append((prefix + name, found))
                if found.entry.kind == "dir":
                    todo.append(prefix + name)
        flat.sort(key=lambda item: item[0])
        return flat

    def _why_not(self, path: bytes) -> int:
        """The errno for a path that is no directory: ENOTDIR where it, or what it leads through, is something else."""
        while path:
            if self._see(path):
                return errno.ENOTDIR
            path = path.rpartition(b"/")[0]
            if self._directory(path):
                return errno.ENOENT
        return errno.ENOENT


def _above(paths: Iterable[bytes]) -> Iterator[bytes]:
    """Every directory that is at or above one of `paths`."""
    known: set[bytes] = set()
    for path in paths:
        if path not in known:
            known.add(path)
            yield path
        for directory in ancestors(path):
            if directory in known:
                break
            known.add(directory)
            yield directory


def _conceals(layer: Layer, path: bytes) -> bool:
    """Whether a layer without an entry of `path` hides those below it."""
    if path in layer.whiteouts or b"" in layer.opaques:
        return True
    return any(at in layer.whiteouts or at in layer.opaques for at in ancestors(path))
