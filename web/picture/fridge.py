"""The fridge: one box for one digest, its width the content size, each at the end of its layer's leader.

All boxes of a fridge are drawn to one scale, so width and, since boxes of one shelf are equally tall, area are
proportional to bytes; a box too small to see is drawn as a sliver. Blobs that the picture's subject does not use stand
together on shelves above.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from engine.digest import Digest, short
from web.picture.geometry import BOXES, HEIGHT
from web.picture.subject import Blob, brief
from web.picture.view import Box, Door, Fridge, Ledger, Row, Shelf
from web.picture.words import counted, cut, listed, size, width

ROOM: Final = 228.0
"""The widest box."""
SLIVER: Final = 1.6
GAP: Final = 1.5
_DOOR: Final = 186.0
"""The lowest door's height: its lines stand as tight as they can."""
_RIGHT: Final = 924.0
_LOOSE: Final = 58.0
"""How far below the door a shelf of other boxes stands, the words over them included."""
_OVER: Final = 31.0
"""What words over a shelf's boxes need, beside the boxes' height, from the board above."""


def ledger(blobs: Sequence[Blob]) -> Ledger:
    """Naive and stored content of a host's layers: each blob once for each image, and once."""
    return Ledger(sum(b.content * max(1, len(b.users)) for b in blobs), sum(b.content for b in blobs))


def fridge(
    rows: Sequence[Row],
    blobs: Mapping[Digest, Blob],
    account: Ledger,
    page: Callable[[Digest], str],
    tint: Callable[[Digest], str],
) -> Fridge:
    """The fridge beside `rows` (top first), holding `blobs`."""
    dense = any(row.dense for row in rows)
    tall = 13.0 if dense else 26.0
    led: list[tuple[float, list[Blob]]] = []
    drawn: set[Digest] = set()
    for row in rows:
        digests = dict.fromkeys(part.digest for part in row.parts if part.digest in blobs and part.digest not in drawn)
        drawn.update(digests)
        if digests:
            led.append((row.y, [blobs[digest] for digest in digests]))
    others = sorted((b for d, b in blobs.items() if d not in drawn), key=lambda b: -b.content)
    scale = min((_scale(some) for _, some in [*led, (0, others)] if some), default=1.0)
    papers = _papers(account, blobs)
    below = 20 if papers else 0
    shelves, above = [], _DOOR + below + (_LOOSE if others else 0)
    for y, some in led:
        shelves.append(_shelf(y, tall, some, scale, page, tint, led=True, high=y - above >= tall + _OVER))
        above = y
    top = min((shelf.y for shelf in shelves), default=HEIGHT - 60.0)
    divider = max(_DOOR + below, top - (62 if shelves and shelves[0].over else 48) - (64 if others else 0))
    divider = min(divider, 330.0 if others else 380.0)
    if others:
        shelves.insert(
            0, _shelf(divider + (46 if dense else _LOOSE), tall, others, scale, page, tint, led=False, high=True)
        )
    key = f"{account.saved} %" if account.saved else size(account.stored)
    return Fridge(account, _door(divider - below, key), divider, tuple(shelves), len(blobs), papers)


def _scale(blobs: Sequence[Blob]) -> float:
    """Units a byte, at which the boxes of one shelf just fit, those that are but slivers included."""
    least, sizes = _least(blobs), sorted(blob.content for blob in blobs)
    room, content = ROOM - _gap(blobs) * (len(blobs) - 1), sum(sizes)
    for size_ in sizes:
        if not content or size_ * room / content >= least:
            break
        room, content = room - least, content - size_
    return room / max(1, content)


def _gap(blobs: Sequence[Blob]) -> float:
    return GAP if len(blobs) < 20 else min(GAP / 3, ROOM / len(blobs) / 4)


def _least(blobs: Sequence[Blob]) -> float:
    """How wide the smallest box is drawn."""
    return min(SLIVER, ROOM / len(blobs) / 2)


def _papers(account: Ledger, blobs: Mapping[Digest, Blob]) -> int:
    return max(0, account.stored - sum(blob.content for blob in blobs.values()))


def _door(height: float, key: str) -> Door:
    """The ledger's lines on a door of that height: from tight (186) to loose (336)."""
    loose = max(0.0, min(1.0, (height - _DOOR) / 150))

    def at(tight: float, wide: float) -> float:
        return round(tight + (wide - tight) * loose, 1)

    kind = 58 if loose > 0.6 else 46 if loose > 0.25 else 36
    while kind > 36 and width(key, "serif", kind) > 150:
        kind -= 12 if kind == 58 else 10
    return Door(
        height,
        at(70, 100),
        at(97, 146),
        at(131, 206),
        at(165, 280),
        at(9, 16),
        kind,
        round(width(key, "serif", kind) + 8),
    )


def _boxes(
    blobs: Sequence[Blob], scale: float, page: Callable[[Digest], str], tint: Callable[[Digest], str]
) -> tuple[tuple[Box, ...], float]:
    """The boxes of one shelf, side by side, and how wide they are in all."""
    widths = [max(_least(blobs), b.content * scale) for b in blobs]
    gap = _gap(blobs)
    x, boxes = BOXES, []
    for blob, wide in zip(blobs, widths, strict=True):
        says = (
            f"Layer {short(blob.digest)}: {size(blob.content)} content, {size(blob.unpacked)} unpacked, "
            f"used by {listed(list(blob.users)) or 'no image'}"
        )
        boxes.append(
            Box(
                blob.digest,
                round(x, 1),
                round(wide, 2),
                blob.content,
                blob.unpacked,
                tint(blob.digest),
                blob.users,
                page(blob.digest),
                says,
            )
        )
        x += wide + gap
    return tuple(boxes), x - gap - BOXES


def _shelf(
    y: float,
    tall: float,
    blobs: Sequence[Blob],
    scale: float,
    page: Callable[[Digest], str],
    tint: Callable[[Digest], str],
    *,
    led: bool,
    high: bool,
) -> Shelf:
    """One shelf with its boxes; all are drawn to `scale`, in units a byte. `high`: there is room for words above."""
    boxes, taken = _boxes(blobs, scale, page, tint)
    content = sum(b.content for b in blobs)
    many = "" if len(blobs) == 1 else counted(len(blobs), "box", "boxes")
    users = list(dict.fromkeys(brief(user) for b in blobs for user in b.users))
    if not led:
        first = f"{counted(len(blobs), 'other box', 'other boxes')}, {size(content)} content"
        return Shelf(round(y, 1), tall, boxes, BOXES, False, first, "", "", led)
    first = f"{size(content)} content"
    if many and taken > 110 and high:
        first = f"{many}, {first}"
        return Shelf(round(y, 1), tall, boxes, BOXES, False, first, "", "", led, over=True)
    names = ", ".join(users) if len(users) <= 2 else f"{users[0]}, {users[1]} and {len(users) - 2} more"
    least = max(width(size(content), "bold", 16.5), width(names, "sans", 16.5)) if many else ROOM
    beside = _RIGHT - BOXES - taken - 9
    inside = taken - 14 > max(beside - 1, width(first, "bold", 15)) and beside < least
    begin = BOXES + 8 if inside else BOXES + taken + 9
    room = (taken - 14) if inside else beside
    if many:
        ways = (f"{first} in {many}", first)
        first = next((way for way in ways if width(way, "bold", 16.5) <= room), size(content))
    first, second = cut(first, room, "bold", 15), cut(names, room * 0.93, "sans", 14) if names else "no image"
    return Shelf(
        round(y, 1),
        tall,
        boxes,
        round(begin, 1),
        inside,
        first,
        short(blobs[0].digest) if len(blobs) == 1 else "",
        second,
        led,
        wide=round(max(width(first, "bold", 15), width(second, "sans", 14)) + 8, 1) if inside else 0,
        short=cut(names, room * 0.97, "sans", 18) if names else "no image",
    )
