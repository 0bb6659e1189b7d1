"""What the picture is drawn of, taken from the engine: one image or container, and the blobs of its host."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from engine.digest import Digest
from engine.image import ImageLayer, Step
from engine.union import Union


@dataclass(frozen=True, slots=True)
class Above:
    """One node of a container's upper: its kind, bytes, and whether a directory hides what is below it."""

    kind: str
    """``file``, ``dir``, ``whiteout``, or another kind of entry."""
    size: int = 0
    opaque: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """A line of ``docker diff``."""

    kind: Literal["A", "C", "D"]
    path: bytes


@dataclass(frozen=True)
class Subject:
    """An image, or a container with its upper (None for an image)."""

    kind: Literal["image", "container"]
    key: str
    """What chooses it in an address: a reference, or a container's name."""
    name: str
    sub: str
    """A line about it: ``running, from pizza/pepperoni``."""
    steps: Sequence[Step]
    layers: Sequence[ImageLayer]
    union: Union
    upper: Mapping[bytes, Above] | None = None
    own: Sequence[str] = ()
    """References of the image itself, which are not others that share its layers."""
    size: int = 0
    """Unpacked bytes of the upper."""
    changes: Sequence[Change] = ()
    changed: Callable[[bytes], int | None] = field(default=lambda _path: None)
    """How many bytes of a copied file differ from the one below it; None where that is too big to compare."""
    committed: frozenset[int] = frozenset()
    """Positions of the layers that were containers of this host."""


@dataclass(frozen=True, slots=True)
class Blob:
    """A layer's blob that the host holds, and the references of the images that use it."""

    digest: Digest
    content: int
    unpacked: int
    users: tuple[str, ...]
    taste: str = ""
    """The ingredient that it brings most of (`toppings.taste`), for its box where no picture of it is drawn."""


def brief(reference: str) -> str:
    """A reference as a label has room for it: ``pizza/cheese:latest`` is ``cheese``."""
    short = reference.removesuffix(":latest").removeprefix("pizza/").removeprefix("library/")
    first, _, rest = short.partition("/")
    return short.rpartition("/")[2] if rest and set(first) & set(".:") else short  # a registry's host is no name


def differing(below: bytes, above: bytes) -> int:
    """How many bytes of `above` are not those of `below`: what lies between their common start and common end."""
    short = min(len(below), len(above))
    start = _common(below[:short], above[:short])
    end = _common(below[len(below) - short + start :][::-1], above[len(above) - short + start :][::-1])
    return max(len(above) - start - end, 0 if len(above) >= len(below) else 1)


def _common(a: bytes, b: bytes) -> int:
    """Length of the common start of two equally long strings, by halving."""
    if a == b:
        return len(a)
    low, high = 0, len(a)
    while low < high:
        middle = (low + high + 1) // 2
        if a[:middle] == b[:middle]:
            low = middle
        else:
            high = middle - 1
    return low
