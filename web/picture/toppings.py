"""Which drawing a file name gets, and where its pieces lie on a slice.

Three names are surfaces that cover their slice (dough, sauce, cheese); what else is eaten lies in pieces, any other
file as one symbol of its kind, by its size. Pieces are placed name by name in the order in which layers bring them,
each in the room that is left, so that adding or removing a topping moves no other.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from engine.digest import Digest
from engine.image import Recent
from engine.layer import Layer
from web.ingredients import Drawing, drawn
from web.picture.geometry import Spot, dice, scatter

_ON_SLICE: Final = re.compile(rb"(^|/)slice-[1-8]/[^/]+$")
_PIECES: Final = (3, 3, 3, 2, 2, 2, 1)
_SIZES: Final = (15.5, 13.0, 12.0, 11.0, 10.0, 9.0, 8.0)
"""Radii of pieces: the first topping of a slice has room, later ones less."""


_tastes: Final[Recent[Digest, str]] = Recent(4096)


@dataclass(frozen=True, slots=True)
class Topping:
    """How a name lies on a slice: a surface, or a symbol at some spots with a radius."""

    name: bytes
    drawing: Drawing
    spots: tuple[Spot, ...] = ()
    radius: float = 0

    @property
    def surface(self) -> str:
        return self.drawing.surface

    @property
    def tint(self) -> str:
        """The class of its colour."""
        return self.drawing.word


def drawing(name: bytes, size: int = 0) -> Drawing:
    """How a file of this name is drawn."""
    return drawn(name.decode("utf-8", "replace"), "file", size)


def arrange(number: int, names: Mapping[bytes, int]) -> dict[bytes, Topping]:
    """The toppings of slice `number`: names in order, with their bytes."""
    return dict(_arrange(number, tuple(names.items())))


@lru_cache(maxsize=512)
def _arrange(number: int, names: tuple[tuple[bytes, int], ...]) -> dict[bytes, Topping]:
    out: dict[bytes, Topping] = {}
    taken: list[tuple[Spot, float]] = []
    turn = 0
    for name, size in names:
        look = drawing(name, size)
        if look.surface:
            out[name] = Topping(name, look)
            continue
        step = min(turn, len(_PIECES) - 1)
        turn += 1
        chance = dice(number, name)
        radius, count = _SIZES[step], _PIECES[step]
        if not look.edible:
            radius, count = max(7.0, min(13.0, 5 + size**0.25 / 2)), 1
        spots = []
        for _ in range(count):
            spot = scatter(taken, radius, chance, near=38, far=97)
            taken.append((spot, radius))
            spots.append(spot)
        out[name] = Topping(name, look, tuple(spots), radius)
    return out


def taste(layer: Layer) -> str:
    """The ingredient that a layer brings most bytes of to numbered slices, or nothing: the class of its colour."""
    return _tastes.get(layer.diff_id, lambda: _taste(layer))


def _taste(layer: Layer) -> str:
    best: Counter[str] = Counter()
    for path, entry in layer.entries.items():
        if entry.kind == "file" and _ON_SLICE.search(path):
            look = drawing(path.rsplit(b"/", 1)[-1], entry.size)
            if look.edible:
                best[look.word] += entry.size + 1
        if len(best) > 12:
            break
    return best.most_common(1)[0][0] if best else ""
