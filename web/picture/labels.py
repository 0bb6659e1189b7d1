"""Labels that never collide: rows of a column, each at or near the height it wants.

A row has an anchor line (the leader that underlines it) and needs so much above the line and so much below. `spread`
moves lines as little as it can, in the least-squares sense (pool adjacent violators), and keeps their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Need:
    """What one label asks for: its line at `wanted`, `above` and `below` free of others."""

    wanted: float
    above: float
    below: float


def spread(needs: Sequence[Need], top: float, bottom: float) -> list[float]:
    """The lines' heights, in the given order, none overlapping, within `top` and `bottom` while there is room; where
    there is not, all are squeezed alike, so that the order still shows."""
    if not needs:
        return []
    offsets = [needs[0].above]
    for upper, lower in pairwise(needs):
        offsets.append(offsets[-1] + upper.below + lower.above)
    total = offsets[-1] + needs[-1].below
    if total > bottom - top:
        scale = (bottom - top) / total
        return [top + offset * scale for offset in offsets]
    # Each line less its offset must not decrease: isotonic regression by pooling.
    pools: list[tuple[float, int]] = []
    for need, offset in zip(needs, offsets, strict=True):
        value, count = need.wanted - offset, 1
        while pools and pools[-1][0] > value:
            other, size = pools.pop()
            value, count = (value * count + other * size) / (count + size), count + size
        pools.append((value, count))
    low, high = top, bottom - total
    out: list[float] = []
    for value, count in pools:
        clamped = min(max(value, low), high)
        out += [clamped + offsets[len(out) + i] for i in range(count)]
    return out
