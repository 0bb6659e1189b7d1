"""What lies where: the eight slices of an image, and which layer's files each of them shows or hides.

A slice is a directory: ``slice-1`` to ``slice-8`` where the image has such directories, else its eight largest. The
survey asks the union once (who won each path) and the layers' indices once (who has it), and keeps only counts, the few
names of a small slice and the largest files of a big one; it is kept for as long as its stack is in use, since a layer
never changes.
"""

from __future__ import annotations

import heapq
import re
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from engine.union import Bead as Answer
from engine.union import Union

NUMBERED = re.compile(rb"^(.*/)?slice-([1-8])$")
FEW: Final = 40
"""A slice of at most so many names is told by name, a bigger one by numbers and its largest files."""
DOTS: Final = 22
_KEPT: Final = 24
_DEPTH: Final = 3


@dataclass(frozen=True, slots=True)
class File:
    """A file of the union: what it is, how big, the position of its layer."""

    path: bytes
    size: int
    layer: int


@dataclass(slots=True)
class Tally:
    """What one layer has in one slice: files that are seen, files that are hidden, whiteouts."""

    seen: int = 0
    hidden: int = 0
    whiteouts: int = 0

    @property
    def state(self) -> Answer:
        """The bead of it all: seen if any is."""
        return "seen" if self.seen else "hidden" if self.hidden else "whiteout" if self.whiteouts else "absent"


@dataclass(slots=True)
class Slice:
    """One slice: its number from 1, its directory (None: an empty place), by layer what it has of it."""

    number: int
    directory: bytes | None
    tallies: dict[int, Tally] = field(default_factory=lambda: defaultdict(Tally))
    names: dict[bytes, dict[int, int]] = field(default_factory=dict)
    """Of a small slice: names right below the directory, in order of the layer that first has them; by layer their
    bytes (a whiteout: -1)."""
    largest: list[File] = field(default_factory=list)
    """Of the union, largest first."""
    files: int = 0
    """In the union."""
    size: int = 0

    def name_of(self, path: bytes) -> bytes:
        """The name right below the directory that `path` lies under."""
        assert self.directory is not None
        start = len(self.directory) + 1 if self.directory else 0
        return path[start:].split(b"/", 1)[0]


@dataclass(frozen=True, slots=True)
class Survey:
    """The slices of one stack, by number from 1."""

    slices: tuple[Slice, ...]
    pizza: bool
    """Whether the slices are numbered directories, rather than the eight largest."""
    largest: int
    """Size of the largest file that a slice shows, for the scale of the dots."""
    files: int
    """Of the union."""
    outside: int
    """Files that lie in none of the slices."""
    home: dict[bytes, int] = field(repr=False)

    def slice_of(self, path: bytes) -> Slice | None:
        """The slice that `path` lies in (a slice's own directory lies in none)."""
        number = _locate(path, self.home)
        return self.slices[number - 1] if number else None


_surveys: OrderedDict[tuple[str | bytes, ...], Survey] = OrderedDict()


def survey(union: Union, also: Iterable[bytes] = ()) -> Survey:
    """The survey of a stack. `also`: paths that a container changed, whose directories are then among the eight."""
    found = _kept_survey(union, ())
    if found.pizza:
        return found
    wanted = {b"/".join(path.split(b"/")[:-1][:_DEPTH]) for path in also}
    missing = tuple(sorted(path for path in wanted if not _locate(path + b"/" if path else b"", found.home)))
    return _kept_survey(union, missing) if missing else found


def _kept_survey(union: Union, wanted: tuple[bytes, ...]) -> Survey:
    key: tuple[str | bytes, ...] = (*(str(layer.diff_id) for layer in union.layers), *wanted)
    kept = _surveys.get(key)
    if kept is None:
        kept = _survey(union, wanted)
    _surveys[key] = kept
    _surveys.move_to_end(key)
    while len(_surveys) > _KEPT:
        _surveys.popitem(last=False)
    return kept


def _survey(union: Union, wanted: tuple[bytes, ...]) -> Survey:
    everything = list(_files(union))
    directories = _numbered(union)
    pizza = bool(directories)
    if not pizza:
        below, direct = _sizes(everything)
        directories = _eight(below, direct, wanted)
    slices = tuple(Slice(n, directories.get(n)) for n in range(1, 9))
    home = {directory: n for n, directory in directories.items()}
    places: dict[bytes, int] = {}  # of directories, so that a file costs one look-up
    seen_files: dict[int, list[tuple[int, bytes, int]]] = {n: [] for n in range(1, 9)}
    for path, size, position, shows in everything:
        at = path.rfind(b"/")
        directory = path[:at] if at > 0 else b""
        number = places.get(directory)
        if number is None:
            number = places[directory] = _locate(directory + b"/" if directory else b"", home)
        if not number:
            continue
        part = slices[number - 1]
        tally = part.tallies[position]
        if shows:
            tally.seen += 1
            seen_files[number].append((size, path, position))
        else:
            tally.hidden += 1
        if pizza and len(part.names) <= FEW:
            sizes_of = part.names.setdefault(part.name_of(path), {})
            sizes_of[position] = sizes_of.get(position, 0) + size
    for position, layer in enumerate(union.layers):
        for path in layer.whiteouts:
            number = _locate(path, home)
            if number:
                part = slices[number - 1]
                part.tallies[position].whiteouts += 1
                if pizza and len(part.names) <= FEW:
                    part.names.setdefault(part.name_of(path), {}).setdefault(position, -1)
            else:
                _sweep(slices, path, position)
        for path in layer.opaques:
            _sweep(slices, path, position)
    for part in slices:
        found = seen_files[part.number]
        part.files = len(found)
        part.size = sum(size for size, _, _ in found)
        part.largest = [File(path, size, layer) for size, path, layer in heapq.nlargest(DOTS, found)]
    largest = max((part.largest[0].size for part in slices if part.largest), default=1) or 1
    files = sum(shows for _, _, _, shows in everything)
    return Survey(slices, pizza, largest, files, files - sum(part.files for part in slices), home)


def _sweep(slices: tuple[Slice, ...], path: bytes, position: int) -> None:
    """A layer hides `path` with all below it: so it does the names of the slices that lie there."""
    for part in slices:
        if part.directory is not None and covers(path, part.directory):
            part.tallies[position].whiteouts += 1
            for by in part.names.values():
                by.setdefault(position, -1)


def covers(path: bytes, directory: bytes) -> bool:
    """Whether `path` is `directory` or lies above it."""
    return not path or directory == path or directory.startswith(path + b"/")


def _locate(path: bytes, home: dict[bytes, int]) -> int:
    """The number of the slice that `path` lies below, 0 for none."""
    best, at = home.get(b"", 0) if b"/" not in path else 0, path.find(b"/")
    depth = 0
    while at > 0 and depth <= _DEPTH:
        best = home.get(path[:at], best)
        at = path.find(b"/", at + 1)
        depth += 1
    return best


def _numbered(union: Union) -> dict[int, bytes]:
    """Slices by number, where an image has directories that are called so; those beside most others."""
    found: dict[bytes, dict[int, bytes]] = defaultdict(dict)
    for layer in union.layers:
        for path, entry in layer.entries.items():
            if entry.kind == "dir" and path[-8:-1] == b"/slice-" and (match := NUMBERED.match(path)):
                found[match[1]][int(match[2])] = path
    return max(found.values(), key=len, default={})


def _files(union: Union) -> Iterator[tuple[bytes, int, int, bool]]:
    """Every layer's files: path, bytes, position, and whether the union shows it.

    The same answer as `Union.bead`, for all files at once: a file is hidden by anything that a higher layer says of its
    path, or by a higher layer that hides a directory it lies in (a whiteout, an opaque, something else in its place).
    """
    last: dict[bytes, int] = {}
    for position, layer in enumerate(union.layers):
        for path in layer.entries:
            last[path] = position
        for path in layer.whiteouts:
            last[path] = position
    open_above: dict[bytes, int] = {
        b"": max((n for n, layer in enumerate(union.layers) if b"" in layer.opaques), default=0)
    }

    def lowest(directory: bytes) -> int:
        """The position from which on files of a directory show."""
        known = open_above.get(directory)
        if known is None:
            known = lowest(directory.rpartition(b"/")[0])
            for position in range(len(union.layers) - 1, known, -1):
                layer = union.layers[position]
                entry = layer.entries.get(directory)
                if entry is not None and entry.kind != "dir":
                    known = position + 1
                elif directory in layer.opaques or directory in layer.whiteouts:
                    known = position
                else:
                    continue
                break
            open_above[directory] = known
        return known

    for position, layer in enumerate(union.layers):
        for path, entry in layer.entries.items():
            if entry.kind != "dir":
                at = path.rfind(b"/")
                yield (
                    path,
                    entry.size,
                    position,
                    last[path] == position and lowest(path[:at] if at > 0 else b"") <= position,
                )


def _sizes(everything: Iterable[tuple[bytes, int, int, bool]]) -> tuple[Counter[bytes], Counter[bytes]]:
    """Bytes below each directory down to three levels, and bytes of the files right in it."""
    right_in: Counter[bytes] = Counter()
    for path, size, _, shows in everything:
        if shows:
            at = path.rfind(b"/")
            # A file of no bytes is still something to see.
            right_in[path[:at] if at > 0 else b""] += size + 1
    below: Counter[bytes] = Counter()
    direct: Counter[bytes] = Counter()
    for directory, amount in right_in.items():
        parts = directory.split(b"/")[:_DEPTH] if directory else []
        for depth in range(1, len(parts) + 1):
            below[b"/".join(parts[:depth])] += amount
        direct[b"/".join(parts)] += amount
    return below, direct


def _eight(below: Counter[bytes], direct: Counter[bytes], wanted: tuple[bytes, ...]) -> dict[int, bytes]:
    """Eight directories, none within another: the largest, opened while one outweighs the rest; `wanted` among them."""
    total = sum(size for path, size in below.items() if b"/" not in path) + direct[b""]
    children: dict[bytes, list[bytes]] = defaultdict(list)
    for path in below:
        if path.count(b"/"):
            children[path.rsplit(b"/", 1)[0]].append(path)
    chosen = {path: size for path, size in below.items() if b"/" not in path}
    for _ in range(6):
        if not chosen:
            break
        big = max(chosen, key=lambda path: (chosen[path], path))
        inner = children.get(big, [])
        if len(inner) < 2 or direct[big] > chosen[big] / 2:
            break
        if len(chosen) >= 8 and chosen[big] < total * 0.3:
            break
        chosen.pop(big)
        chosen.update({path: below[path] for path in inner})
        if direct[big]:
            chosen.setdefault(big, direct[big])
            children[big] = []
    if direct[b""]:
        chosen[b""] = direct[b""]
    best = heapq.nlargest(8, chosen, key=lambda path: (chosen[path], path))
    for path in wanted[:4]:
        inside = [d for d in chosen if path == d or path.startswith(d + b"/")]
        home = max(inside, key=len, default=b"" if not path else path.split(b"/", 1)[0])
        if home not in best:
            best = [*best[:7], home]
    return dict(enumerate(sorted(best), 1))
