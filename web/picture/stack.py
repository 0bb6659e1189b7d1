"""The exploded stack: which layers get a disc and a row of their own, and how high each stands.

History is read bottom first. Rows of 0 B become recipe cards between discs. Where there is no room for all, neighbours
are gathered: recipe cards beside each other first, then the smallest layers; the chosen layer always keeps its row. A
stack of more than `MANY` layers stands in a glass: a lens opens five around the chosen layer, the rest is a compressed
strip above and below.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final, Literal

Kind = Literal["layer", "bundle", "cards"]
BOTTOM: Final = 589.0
"""The lowest label's line."""
MANY: Final = 12
OPENED: Final = 5
LAYER_ABOVE: Final = 20.0
LAYER_BELOW: Final = 18.0
CARD_ABOVE: Final = 17.0
CARD_BELOW: Final = 6.0


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its layers and cards (positions and steps, bottom first) and its line's height."""

    layers: tuple[int, ...]
    cards: tuple[int, ...] = ()
    y: float = 0
    low: float = 0
    high: float = 0
    """Of a strip in the glass: its bottom and its top."""

    @property
    def kind(self) -> Kind:
        """``layer``, ``bundle`` of several, or ``cards``."""
        return "cards" if not self.layers else "layer" if len(self.layers) == 1 else "bundle"


@dataclass(frozen=True, slots=True)
class Lens:
    """The glass: its top and bottom, the opened part between, the opened layers and the heights of the strips."""

    top: float
    bottom: float
    opened: tuple[int, ...]
    above: tuple[int, ...]
    below: tuple[int, ...]
    upper: tuple[float, float]
    lower: tuple[float, float]
    frame: tuple[float, float]


def rows(steps: Sequence[int | None], count: int) -> list[Row]:
    """History as rows, bottom first: a layer, or a run of cards. `steps` gives each row's layer; None is a card."""
    out: list[Row] = []
    for index, layer in enumerate(steps):
        if layer is not None:
            out.append(Row((layer,)))
        elif out and not out[-1].layers:
            out[-1] = Row((), (*out[-1].cards, index))
        else:
            out.append(Row((), (index,)))
    known = {layer for row in out for layer in row.layers}
    return out + [Row((n,)) for n in range(count) if n not in known]


def pitch(lower: Row, upper: Row) -> float:
    """The least distance of two neighbours' lines."""
    below = CARD_BELOW if upper.kind == "cards" else LAYER_BELOW
    above = CARD_ABOVE if lower.kind == "cards" else LAYER_ABOVE
    return below + above


def gather(stack: list[Row], sizes: Sequence[int], room: float, chosen: int | None) -> list[Row]:
    """Fewer rows, until their pitches fit in `room`: cards join a neighbour, small layers each other."""
    total = sum(sizes) or 1

    def cost(a: Row, b: Row) -> float:
        if not b.layers:
            # A card is what came after the layer below it.
            return 0.05 if a.kind == "layer" else 0.0
        if not a.layers:
            return 0.4
        if chosen is not None and (chosen in a.layers or chosen in b.layers):
            return 9
        big = max(sum(sizes[n] for n in row.layers) for row in (a, b))
        return 0.1 + big / total + 0.01 * (len(a.layers) + len(b.layers))

    def crowded() -> bool:
        return len(stack) > 1 and sum(map(pitch, stack, stack[1:])) > room

    stack = list(stack)
    if crowded():
        stack = _small(stack, sizes, total / 100, chosen)
    while crowded():
        best = min(range(len(stack) - 1), key=lambda i: cost(stack[i], stack[i + 1]))
        a, b = stack[best], stack[best + 1]
        stack[best : best + 2] = [Row(a.layers + b.layers, a.cards + b.cards)]
    return stack


def _small(stack: list[Row], sizes: Sequence[int], small: float, chosen: int | None) -> list[Row]:
    """Each run of three or more neighbouring layers below `small` bytes as one row, the cards between them too."""
    out: list[Row] = []
    run: list[Row] = []

    def close() -> None:
        tail = run.pop() if run and not run[-1].layers else None
        if sum(bool(row.layers) for row in run) >= 3:
            out.append(Row(tuple(n for row in run for n in row.layers), tuple(i for row in run for i in row.cards)))
        else:
            out.extend(run)
        run.clear()
        if tail:
            out.append(tail)

    for row in stack:
        fits = not row.layers or (sizes[row.layers[0]] < small and row.layers[0] != chosen)
        if fits and (row.layers or run):
            run.append(row)
        else:
            close()
            out.append(row)
    close()
    return out


def place(stack: list[Row], top: float, bottom: float) -> list[Row]:
    """The rows with their heights, bottom first, spread over the room but at most 64 apart."""
    if not stack:
        return []
    gaps = [pitch(lower, upper) for lower, upper in pairwise(stack)]
    spare = max(0.0, bottom - top - sum(gaps))
    each = spare / len(gaps) if gaps else 0
    y, out = bottom, [replace(stack[0], y=bottom)]
    for row, gap in zip(stack[1:], gaps, strict=True):
        y -= min(gap + each, max(gap, 64))
        out.append(replace(row, y=round(y)))
    return out


def opened(count: int, chosen: int | None, opens: int = OPENED) -> tuple[int, ...]:
    """The positions that the lens opens, bottom first: `opens` around the chosen one, within the stack."""
    middle = count // 2 if chosen is None else chosen
    first = max(0, min(middle - opens // 2, count - opens))
    return tuple(range(first, min(first + opens, count)))


def glass(
    steps: Sequence[int | None],
    count: int,
    chosen: int | None,
    top: float,
    bottom: float,
    each: float,
    opens: int = OPENED,
) -> tuple[list[Row], Lens]:
    """The rows of a stack in a glass, bottom first, and its lens; `each` is the pitch of the `opens` opened layers.

    The strips share what the lens leaves, in proportion to their layers, so the lens shows where in the stack it is.
    """
    middle = opened(count, chosen, opens)
    below = tuple(range(middle[0]))
    above = tuple(range(middle[-1] + 1, count))
    cards = {n: index for index, n in enumerate(steps) if n is not None}
    lens = each * len(middle) + 22
    left = bottom - top - lens
    least = 14.0
    high = left * len(above) / max(1, len(above) + len(below))
    if above:
        high = max(least, min(left - (least if below else 0), high))
    low = left - high
    frame = (top + high, top + high + lens)
    out: list[Row] = []
    tops = max((cards.get(n, 0) for n in middle), default=0)
    bottoms = min((cards.get(n, 0) for n in middle), default=0)
    none = [index for index, n in enumerate(steps) if n is None]
    if below:
        out.append(
            Row(below, tuple(i for i in none if i < bottoms), round(frame[1] + low * 0.6), bottom - 6, frame[1] + 10)
        )
    first = frame[1] - 13
    out += [
        Row(
            (n,),
            tuple(i for i in none if cards.get(n, 0) < i < cards.get(n + 1, len(steps)) and n != middle[-1]),
            first - each * i,
        )
        for i, n in enumerate(middle)
    ]
    tail = tuple(i for i in none if i > tops)
    if above:
        out.append(Row(above, tail, round(frame[0] - high * 0.45), frame[0] - 2, top + 34))
    elif tail:
        out[-1] = replace(out[-1], cards=tail)
    return out, Lens(top, bottom, middle, above, below, (top, frame[0]), (frame[1], bottom), frame)
