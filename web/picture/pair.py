"""Two subjects side by side: two pies over two stacks, and the layers that both have as one slab through both.

The stacks are aligned by the longest common run of digests, so a shared layer lies at one height, is labelled once and
leads to one box. What only one of them has stands on its own side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from engine.digest import Digest
from web.picture.fridge import fridge
from web.picture.geometry import PIN, TILT
from web.picture.parts import Address, Page, bowl, heading, heads, kind_of, sparse, tinting, tub
from web.picture.rows import Writer
from web.picture.stack import LAYER_ABOVE, LAYER_BELOW, MANY
from web.picture.stack import Row as Planned
from web.picture.subject import Blob
from web.picture.view import Half, Joined, Ledger, Pair, PizzaView, Row
from web.picture.words import counted

SCALE: Final = 0.66
LEFT, RIGHT = 96.0, 285.0
"""The two axes."""
_TOP, _TOP_OTHERS, _TOP_TUB, _BOTTOM = 282.0, 312.0, 362.0, 592.0
_GAP: Final = 62.0
_LIFT: Final = 40.0
"""How far a short stack is lifted towards its pies at most."""


@dataclass(frozen=True, slots=True)
class _Pair:
    """Layers at one height: positions in the left and in the right stack, bottom first."""

    left: tuple[int, ...]
    right: tuple[int, ...]

    @property
    def side(self) -> str:
        return "both" if self.left and self.right else "left" if self.left else "right"


def aligned(left: Sequence[Digest], right: Sequence[Digest]) -> list[tuple[int | None, int | None]]:
    """Two stacks as one sequence, bottom first, in which each keeps its order and equal digests meet where they can."""
    n, m = len(left), len(right)
    best = [[0] * (m + 1) for _ in range(n + 1)]
    for i in range(n - 1, -1, -1):
        for k in range(m - 1, -1, -1):
            best[i][k] = best[i + 1][k + 1] + 1 if left[i] == right[k] else max(best[i + 1][k], best[i][k + 1])
    out: list[tuple[int | None, int | None]] = []
    i = k = 0
    while i < n or k < m:
        if i < n and k < m and left[i] == right[k]:
            out.append((i, k))
            i, k = i + 1, k + 1
        elif k >= m or (i < n and best[i + 1][k] >= best[i][k + 1]):
            out.append((i, None))
            i += 1
        else:
            out.append((None, k))
            k += 1
    return out


def plan(left: Writer, right: Writer, room: float) -> list[_Pair]:
    """The aligned stacks as rows, bottom first, neighbours of one side gathered until they fit."""
    rows = [
        _Pair(() if a is None else (a,), () if b is None else (b,))
        for a, b in aligned([one.digest for one in left.subject.layers], [one.digest for one in right.subject.layers])
    ]
    each = LAYER_ABOVE + LAYER_BELOW

    def size(row: _Pair) -> int:
        return sum(left.unpacked(n) for n in row.left) or sum(right.unpacked(n) for n in row.right)

    def long(row: _Pair) -> bool:
        return (left if row.left else right).count > MANY

    while len(rows) > 1 and each * (len(rows) - 1) > room:
        same = [n for n in range(len(rows) - 1) if rows[n].side == rows[n + 1].side]
        if not same:
            break
        n = min(same, key=lambda n: (not long(rows[n]), size(rows[n]) + size(rows[n + 1])))
        rows[n : n + 2] = [_Pair(rows[n].left + rows[n + 1].left, rows[n].right + rows[n + 1].right)]
    return rows


def join(left: Writer, right: Writer, halves: tuple[Half, Half], *, others: bool) -> tuple[list[Row], list[Joined]]:
    """The label rows, top first, and what is drawn at each. `others`: the fridge has a shelf of other boxes above."""
    tub = halves[0].tub or halves[1].tub
    top = _TOP_TUB if tub else _TOP_OTHERS if others else _TOP
    pairs = plan(left, right, _BOTTOM - top)
    gap = min(_GAP, (_BOTTOM - top) / max(1, len(pairs) - 1))
    bottom = _BOTTOM - min(_LIFT, (_BOTTOM - top - gap * (len(pairs) - 1)) / 2)
    titles = left.titles(), right.titles()
    rows: list[Row] = []
    drawn: list[Joined] = []
    for index, pair in enumerate(pairs):
        y = float(round(bottom - gap * index))
        ours = _row(left, pair.left, y, titles[0]) if pair.left else None
        theirs = _row(right, pair.right, y, titles[1]) if pair.right else None
        row = ours or theirs
        assert row is not None
        words = {
            "both": "in both, stored once",
            "left": f"only in {left.subject.name}",
            "right": f"only in {right.subject.name}",
        }
        level = round(y - PIN.y * TILT * SCALE, 1)
        rows.append(replace(row, command=words[pair.side], says=f"{row.says} {words[pair.side].capitalize()}."))
        drawn.append(Joined(pair.side, level, y, ours, theirs))
    return rows[::-1], drawn[::-1]


def _row(writer: Writer, layers: tuple[int, ...], y: float, titles: Sequence[str]) -> Row:
    return writer.write([Planned(layers, (), y)], titles, each=0, dense=False, lens=False)[0]


def half(writer: Writer, x: float, address: Address, layer: int | None) -> Half:
    rest, front = writer.table.pie()
    kind = kind_of(writer)
    if kind == "dip":
        rest, front = sparse(rest), sparse(front)
    lid = tub(writer.subject, writer.table) if writer.subject.upper is not None else None
    places = writer.table.places(lambda number: address(number, layer))
    return Half(heading(writer.subject), kind, x, places, rest, front, lid, bowl(writer.tints) if kind == "dip" else ())


def both(
    left: Writer,
    right: Writer,
    held: Mapping[Digest, Blob],
    account: Ledger,
    address: Address,
    page: Page,
    chosen: int,
    layer: int | None,
) -> PizzaView:
    """Two subjects side by side."""
    halves = half(left, LEFT, address, layer), half(right, RIGHT, address, layer)
    sides = [{one.digest for one in writer.subject.layers} for writer in (left, right)]
    rows, joined = join(left, right, halves, others=bool(held.keys() - sides[0] - sides[1]))
    common = sides[0] & sides[1]
    sizes = tuple(
        sum(held[digest].content for digest in some if digest in held)
        for some in (sides[0] - common, common, sides[1] - common)
    )
    says = (
        f"{left.subject.name} and {right.subject.name} side by side, from above and pulled apart; "
        f"{counted(len(common), 'layer')} in both, stored once."
    )
    first = halves[0]
    return PizzaView(
        heading=first.heading,
        says=says,
        kind=first.kind,
        chosen=chosen,
        layer=layer,
        places=first.places,
        rest=first.rest,
        front=first.front,
        rows=tuple(rows),
        tub=None,
        calls=(),
        more=None,
        heads=heads(left.table, first.places),
        notes=(),
        brackets=(),
        fridge=fridge(rows, held, account, page, tinting(held, right, left)),
        pair=Pair(*halves, tuple(joined), len(common), (sizes[0], sizes[1], sizes[2])),
        query=address(chosen, layer),
    )
