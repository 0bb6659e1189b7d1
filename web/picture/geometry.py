"""Where things are: one axis, one radius, one oblique projection.

The picture is 938 by 624 units: the kitchen's middle (634), a gutter (24), the fridge (280). The pie is a plan of
radius 128; a disc of the stack is the same plan through one matrix (x, 0.3 y), so a point of a slice stands above
itself in every layer. Eight slots of 45 degrees stand around the axis, slot 8 up, clockwise; the pie turns so that
the chosen slice lies in slot 3, in front and beside its labels, and moves out by 13.
"""

from __future__ import annotations

import math
import random
import zlib
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

WIDTH: Final = 938
HEIGHT: Final = 624
RADIUS: Final = 128
TILT: Final = 0.3
SLOTS: Final = 8
FRONT: Final = 3
"""The slot of the chosen slice."""
OUT: Final = 13
BOXES: Final = 678.0
"""Where the fridge's boxes begin."""


class Point(NamedTuple):
    """A place in the picture or, relative to the axis, in the plan."""

    x: float
    y: float


AXIS: Final = Point(228, 140)


def polar(angle: float, radius: float) -> Point:
    """A point of the plan: degrees clockwise from the top, distance from the axis."""
    turn = math.radians(angle)
    return Point(round(radius * math.sin(turn), 1), round(-radius * math.cos(turn), 1))


MOVED: Final = polar(45 * FRONT, OUT)
PIN: Final = polar(45 * FRONT, 76.7 + OUT)
"""The pin's place in the plan."""


def slot_of(number: int, chosen: int) -> int:
    """The slot, 1 to 8, in which slice `number` stands while `chosen` is in front."""
    return (number - chosen + FRONT - 1) % SLOTS + 1


def wedge(slot: int, radius: float = RADIUS) -> str:
    """A slice's outline in the plan, as path data."""
    a, b = polar(45 * slot - 22.5, radius), polar(45 * slot + 22.5, radius)
    return f"M0 0L{a.x:g} {a.y:g}A{radius:g} {radius:g} 0 0 1 {b.x:g} {b.y:g}Z"


def wedges(slots: Iterable[int], radius: float = RADIUS) -> str:
    """Several slices as one path."""
    return "".join(wedge(slot, radius) for slot in slots)


def slab(slots: Iterable[int], radius: float, height: float) -> str:
    """The sides of slices that lie in the projection, `height` tall, as path data: what their tops leave to see.

    All parts run clockwise, so that where they overlap they add up and leave no hole."""
    out = []
    for slot in sorted(slots):
        a, b = (
            Point(p.x, round(p.y * TILT, 1)) for p in (polar(45 * slot - 22.5, radius), polar(45 * slot + 22.5, radius))
        )
        arc = f"A{radius:g} {radius * TILT:g} 0 0"
        out.append(f"M0 {height:g}L{a.x:g} {a.y + height:g}{arc} 1 {b.x:g} {b.y + height:g}Z")
        for p in (a, b):
            edge = f"M0 0L{p.x:g} {p.y:g}v{height:g}L0 {height:g}Z"
            back = f"M0 0v{height:g}L{p.x:g} {p.y + height:g}v{-height:g}Z"
            out.append(edge if p.x > 0 else back)
        if a.x > b.x:  # the rim is in front
            out.append(f"M{b.x:g} {b.y:g}{arc} 0 {a.x:g} {a.y:g}v{height:g}{arc} 1 {b.x:g} {b.y + height:g}Z")
        elif max(a.y, b.y) > 0:  # it stands at the side
            out.append(f"M{a.x:g} {a.y:g}{arc} 1 {b.x:g} {b.y:g}v{height:g}{arc} 0 {a.x:g} {a.y + height:g}Z")
    return "".join(out)


class Spot(NamedTuple):
    """A place within a slice, independent of the slot: degrees from its middle line, distance from the axis."""

    angle: float
    radius: float

    def at(self, slot: int) -> Point:
        """The place in the plan while the slice stands in `slot`."""
        return polar(45 * slot + self.angle, self.radius)


def dice(*words: bytes | str | int) -> random.Random:
    """Chance that falls the same way for the same words on every machine."""
    text = "\0".join(word.decode("latin-1") if isinstance(word, bytes) else str(word) for word in words)
    return random.Random(zlib.crc32(text.encode()))  # noqa: S311 (scatters toppings)


def scatter(
    taken: Sequence[tuple[Spot, float]], size: float, chance: random.Random, *, near: float = 30, far: float = 102
) -> Spot:
    """A free place in a slice for something of radius `size`: the best of some random ones, away from the slice's edges
    and from what is `taken` (places and radii)."""
    best, room = Spot(0, (near + far) / 2), -math.inf
    others = [(spot.at(0), radius) for spot, radius in taken]
    for _ in range(26):
        radius = math.sqrt(chance.uniform(near * near, far * far))
        spot = Spot(chance.uniform(-21, 21), radius)
        edge = radius * math.sin(math.radians(22.5 - abs(spot.angle))) - size * 0.9
        place = spot.at(0)
        gaps = [math.dist(place, other) - size - r for other, r in others]
        free = min([min(edge, 6), *gaps])
        if free > room:
            best, room = spot, free
    return best
