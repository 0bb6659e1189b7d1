"""Where the bytes of a stack are, and which of them nothing shows (rules 27, 40). All sizes are unpacked bytes.

A file that a later layer replaced or hid is still in its own layer: it is stored, sent and never seen. A path held in
N layers wastes the N-1 copies that nothing shows, or all N where a whiteout hides the last. Bytes are counted once an
inode, as rule 27 does, so a file of which one name is seen is not waste. A story:

    usage = survey(union)
    usage.efficiency                # 0.75: a quarter of the bytes is never seen
    usage.waste[0].path             # the path that wastes most, in which layer it lies, and which layer hid it how
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engine.layer import Layer, weight
from engine.paths import ancestors
from engine.union import Union

Cause = Literal["replaced", "whiteout", "opaque"]


@dataclass(frozen=True, slots=True)
class Waste:
    """`size` bytes of `path` in the layer at position `layer`, which nothing shows since the layer at `by`: it has
    another file or directory there (or something else in place of a directory above: ``replaced``), a ``whiteout`` of
    the path or of a directory above, or an ``opaque`` directory above."""

    path: bytes
    layer: int
    size: int
    by: int
    cause: Cause


@dataclass(frozen=True, slots=True)
class Usage:
    """The bytes of a stack: `total` in all layers, of which `wasted` show nowhere; `waste` says why, largest first."""

    total: int
    waste: tuple[Waste, ...]

    @property
    def wasted(self) -> int:
        """The sum of all waste."""
        return sum(waste.size for waste in self.waste)

    @property
    def efficiency(self) -> float:
        """The part of the bytes that is seen, 0 to 1; 1 for an image without any (rule 40)."""
        return (self.total - self.wasted) / self.total if self.total else 1.0


def survey(union: Union) -> Usage:
    """What `union` wastes."""
    seen: dict[int, set[bytes]] = {}
    for path, found in union.walk():
        seen.setdefault(found.layer, set()).add(path)
    waste: list[Waste] = []
    for position, layer in enumerate(union.layers):
        shown = seen.get(position, set())
        inodes = {layer.entries[path].inode for path in shown}
        for path, entry in layer.entries.items():
            if entry.kind != "dir" and path not in shown and entry.inode not in inodes:
                inodes.add(entry.inode)
                if size := weight(entry):
                    waste.append(Waste(path, position, size, *_hidden(union.layers, path, position)))
    waste.sort(key=lambda one: (-one.size, one.path, one.layer))
    return Usage(sum(layer.unpacked for layer in union.layers), tuple(waste))


def _hidden(layers: tuple[Layer, ...], path: bytes, position: int) -> tuple[int, Cause]:
    """The lowest layer above `position` that hides `path` of it, and how."""
    above = (*ancestors(path), b"")
    for by in range(position + 1, len(layers)):
        layer = layers[by]
        if path in layer.entries:
            return by, "replaced"
        if path in layer.whiteouts or not layer.whiteouts.isdisjoint(above):
            return by, "whiteout"
        if not layer.opaques.isdisjoint(above):
            return by, "opaque"
        if any(at in layer.entries and layer.entries[at].kind != "dir" for at in above):
            return by, "replaced"
    raise AssertionError(f"nothing hides {path!r} of layer {position}")
