"""Which drawing a file name gets, and where its pieces lie on a slice.

Three names are surfaces that cover their slice (dough, sauce, cheese); other known names are symbols; unknown files are
dots by size. Pieces are placed name by name in the order in which layers bring them, each in the room that is left, so
that adding or removing a topping moves no other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from web.picture.geometry import Spot, dice, scatter
from web.picture.words import ingredient

SURFACES: Final = {"crust": "dough", "dough": "dough", "sauce": "sauce", "cheese": "cheese"}
_SYMBOLS: Final = {
    "pepperoni": 3, "basil": 2, "tomato": 1, "mozzarella": 1, "pineapple": 2, "ham": 2, "mushroom": 2, "olive": 2, "onion": 1,
    "pepper": 1, "anchovy": 1, "jalapeno": 2, "chilli": 1, "salt": 1, "guacamole": 1, "sour-cream": 1, "salsa": 1,
    "cheddar": 1, "beans": 1, "scallion": 1, "corn": 1, "coriander": 1,
}
_SAME: Final = {"anchovies": "anchovy", "chili": "chilli", "chile": "chilli", "guac": "guacamole"}
_PIECES: Final = (3, 3, 3, 2, 2, 2, 1)
_SIZES: Final = (15.5, 13.0, 12.0, 11.0, 10.0, 9.0, 8.0)
"""Radii of pieces: the first topping of a slice has room, later ones less."""


@dataclass(frozen=True, slots=True)
class Topping:
    """How a name lies on a slice: a surface, or a symbol at some spots with a radius."""

    name: bytes
    surface: str = ""
    symbols: tuple[str, ...] = ()
    tint: str = ""
    spots: tuple[Spot, ...] = ()
    radius: float = 0


def known(name: bytes) -> str:
    """The ingredient that a file name means, or nothing."""
    plain = ingredient(name.decode("utf-8", "replace"))
    plain = _SAME.get(plain, plain)
    for word in (plain, plain.removesuffix("s"), plain.removesuffix("es")):
        if word in _SYMBOLS or word in SURFACES:
            return word
    return ""


def symbols(word: str) -> tuple[str, ...]:
    """The symbols of an ingredient."""
    return tuple(f"i-{word}{variant}" for variant in ("", "-b", "-c")[: _SYMBOLS.get(word, 0)])


def arrange(number: int, names: Mapping[bytes, int]) -> dict[bytes, Topping]:
    """The toppings of slice `number`: names in order, with their bytes (the size of what is unknown)."""
    return dict(_arrange(number, tuple(names.items())))


@lru_cache(maxsize=512)
def _arrange(number: int, names: tuple[tuple[bytes, int], ...]) -> dict[bytes, Topping]:
    out: dict[bytes, Topping] = {}
    taken: list[tuple[Spot, float]] = []
    turn = 0
    for name, size in names:
        word = known(name)
        surface = SURFACES.get(word, "")
        if surface:
            out[name] = Topping(name, surface, tint=surface)
            continue
        step = min(turn, len(_PIECES) - 1)
        turn += 1
        chance = dice(number, name)
        radius, count = _SIZES[step], _PIECES[step]
        if not word:
            radius, count = max(3.0, min(_SIZES[step] * 0.8, 3 + size**0.25 / 3)), 1
        spots = []
        for _ in range(count):
            spot = scatter(taken, radius, chance, near=38, far=97)
            taken.append((spot, radius))
            spots.append(spot)
        out[name] = Topping(name, "", symbols(word), word, tuple(spots), radius)
    return out
