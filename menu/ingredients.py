"""What lies in the boxes of the menu: the files of each ingredient, drawn from `ingredients.toml` and a seed.

The same name gives the same bytes on every machine and version: the only dice are `random.Random(str).random`, whose
sequence Python promises, and arithmetic that IEEE 754 rounds in one way only (no roots, no sines). A file is a page of
the kitchen's book above a picture of the stuff itself, both plain ASCII; the glyphs of the picture are drawn with dice
cell by cell, so that stored and unpacked sizes stay within about 1 to 3 and tell one story.
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap

WIDTH = 78
"""Characters of a line, its newline not counted."""
SLICES = 8

Files = dict[str, bytes]
"""Content by path, relative to the context's directory."""
Dice = Callable[[], float]

_BOOK = tomllib.loads((Path(__file__).parent / "ingredients.toml").read_text("ascii"))
_ASLEEP = b"zzz\n"


@dataclass(frozen=True, kw_only=True)
class Ingredient:
    """One table of `ingredients.toml`, where each field is explained."""

    size: int
    body: str
    rings: str
    radius: tuple[float, float]
    share: float
    gauges: list[tuple[str, float, float]]
    pages: list[str]
    file: str = ""
    slices: list[int] | None = None


def grow(source: str) -> Files:
    """What the context directory `source` of a pizza or a dip holds; `KeyError` where no ingredient has that name.

    ``pepperoni`` is the ingredient of that name on the slices that it says. ``037-salsa`` is a spoonful of salsa: its
    number seeds the choice of one to three slices side by side, and how much there is.
    """
    number, _, name = source.partition("-") if source[:1].isdigit() else ("", "", source)
    what = Ingredient(**_BOOK[name])
    slices, size = what.slices or list(range(1, SLICES + 1)), what.size
    if number:
        dice = _dice(source)
        first, reach = _pick(dice, SLICES), 1 + _pick(dice, 2) * _pick(dice, 3)
        slices = sorted(1 + (first + step) % SLICES for step in range(reach))
        size = int(size * (0.5 + dice() / 2))
    file = what.file or name
    return {f"pizza/slice-{n}/{file}": page(what, n, size, f"{source}, slice {n}") for n in slices}


def stand_in(part: str) -> Files:
    """The registry's ``rootfs``, ``packages`` or ``program``: files like real ones in path and size alone."""
    return {path: _asleep(path, size) for path, size in _BOOK["registry"][part].items()}


def page(what: Ingredient, number: int, size: int, seed: str) -> bytes:
    """One file of exactly `size` bytes: the page for slice `number`, a piece of picture after each of its paragraphs.

    `ValueError` where `size` has no room for that.
    """
    title, *paragraphs = what.pages[(number - 1) % len(what.pages)].strip().split("\n\n")
    texts = ["\n".join(wrap(text, WIDTH)) + "\n" for text in paragraphs]
    head = f"{title:<{WIDTH - len(seed)}}{seed}\n{'=' * WIDTH}\n\n"
    drawn = size - len(head) - sum(len(text) + 2 for text in texts)
    rows, rest = divmod(drawn, WIDTH + 1)
    if rows < len(texts):
        raise ValueError(f"{seed}: {size} bytes have no room for the page and a picture")
    picture = [f"{row}\n" for row in _rows(what, rows, _dice(seed))]
    out = [head]
    for place, text in enumerate(texts):
        out += [text, "\n", *picture[rows * place // len(texts) : rows * (place + 1) // len(texts)], "\n"]
    return "".join(out).encode("ascii") + (b"." * (rest - 1) + b"\n" if rest else b"")


def _dice(seed: str) -> Dice:
    return random.Random(seed).random  # noqa: S311 (nothing is kept secret)


def _rows(what: Ingredient, rows: int, dice: Dice) -> Iterator[str]:
    """Each line of the picture: the time, what the gauges show, and one row of the stuff."""
    width = WIDTH - len(_gauges(what, 0.0, 0, dice))
    for number, row in enumerate(_texture(what, rows, width, dice)):
        yield _gauges(what, number / rows, number, dice) + row


def _gauges(what: Ingredient, progress: float, minute: int, dice: Dice) -> str:
    readings = [
        f"{first + (last - first) * progress + 0.4 * dice() - 0.2:5.1f} {unit} " for unit, first, last in what.gauges
    ]
    return f"{minute // 60:02}:{minute % 60:02} {''.join(readings)} "


def _texture(what: Ingredient, rows: int, width: int, dice: Dice) -> list[str]:
    """A `width` by `rows` picture: glyphs of the body, and blobs that grow from the first radius to the last.

    A cell is twice as high as wide. Rings of a blob have equal areas, so that a cell's squared distance from the heart
    picks its glyph; dice fray the edges.
    """
    body = what.body
    grid = [[body[int(dice() * dice() * dice() * len(body))] for _ in range(width)] for _ in range(rows)]
    covered = 0.0
    while covered < what.share * rows * width:
        x, y = dice() * width, dice() * rows
        small, large = what.radius
        radius = (small + (large - small) * y / rows) * (0.6 + 0.6 * dice())
        covered += 6 * radius * radius
        for row in range(max(0, int(y - radius)), min(rows, int(y + radius) + 1)):
            for cell in range(max(0, int(x - 2 * radius)), min(width, int(x + 2 * radius) + 1)):
                across, down = (cell - x) / 2, row - y
                distance = (across * across + down * down) / (radius * radius) * (0.85 + 0.3 * dice())
                if distance < 1:
                    grid[row][cell] = what.rings[int(distance * len(what.rings))]
    return ["".join(row).rstrip().ljust(width) for row in grid]


def _pick(dice: Dice, sides: int) -> int:
    return int(dice() * sides)


def _asleep(path: str, size: int) -> bytes:
    """`size` bytes that say whom they stand in for, and sleep."""
    program = "#!/bin/sh\n" if "bin" in path.split("/") or path == "registry" else ""
    word = f"{program}# A stand-in for /{path}: {size} bytes, and nothing in them runs.\n".encode()
    return (word + _ASLEEP * (size // len(_ASLEEP)))[: size - 1] + b"\n"
