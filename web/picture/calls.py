"""What a container changed, called out beside the pie: the letter, the file, its size, a sentence, the square."""

from __future__ import annotations

import math
from collections.abc import Sequence

from engine.events import display
from web.picture.geometry import AXIS, MOVED, Point, polar
from web.picture.labels import Need, spread
from web.picture.plan import Table
from web.picture.subject import Change, Subject
from web.picture.view import Call, Copied, More
from web.picture.words import counted, cut, size, width

TOP, BOTTOM = 62.0, 318.0
SQUARE = 77.0
_MOST = 4


def calls(subject: Subject, table: Table, top: float = TOP) -> tuple[tuple[Call, ...], More | None]:
    """The changes worth a label, from above to below and none above `top`, and a word on the rest."""
    told = _worth(subject)
    chosen = _choose(told, table)
    square = next((change for change in chosen if change.kind == "C" and _copied(subject, change)), None)
    drafts = sorted(((_anchor(table, change), change) for change in chosen), key=lambda item: (item[0].y, item[0].x))

    def needs() -> list[Need]:
        return [Need(anchor.y, 22, 96 if change is square else 36) for anchor, change in drafts]

    def room() -> float:
        return BOTTOM - top - (18 if len(told) > len(drafts) else 0)

    while len(drafts) > 1 and sum(need.above + need.below for need in needs()) > room():
        drafts.pop(next((i for i in range(len(drafts) - 1, -1, -1) if drafts[i][1] is not square), 0))
    lines = spread(needs(), top, top + room())
    out = [
        _call(subject, table, change, anchor, line, change is square)
        for (anchor, change), line in zip(drafts, lines, strict=True)
    ]
    left = len(told) - len(out)
    if not left or not out:
        return tuple(out), None
    return tuple(out), More(f"and {counted(left, 'more change')}", round(lines[-1] + needs()[-1].below + 12, 1))


def _worth(subject: Subject) -> list[Change]:
    """Without directories that are there only because something in them changed."""
    upper = subject.upper or {}
    paths = [change.path for change in subject.changes]
    out = []
    for change in subject.changes:
        node = upper.get(change.path)
        if node is not None and node.kind == "dir":
            inside = any(path.startswith(change.path + b"/") for path in paths)
            if inside:
                continue
        out.append(change)
    return out


def _choose(told: Sequence[Change], table: Table) -> list[Change]:
    def rank(change: Change) -> tuple[bool, int, bytes]:
        part = table.survey.slice_of(change.path)
        here = part is not None and part.number == table.chosen
        return (not here, "CAD".index(change.kind), change.path)

    ranked = sorted(told, key=rank)
    # One of each kind first, so that a crowd of one kind does not hide the others.
    first = [next(c for c in ranked if c.kind == kind) for kind in "CAD" if any(c.kind == kind for c in ranked)]
    return (first + [c for c in ranked if c not in first])[:_MOST]


def _anchor(table: Table, change: Change) -> Point:
    """Where on the pie the change lies, in the picture; beside the pie where it lies in no slice."""
    part = table.survey.slice_of(change.path)
    if part is None:
        return Point(0, 300)
    slot, front = table.slot(part.number), part.number == table.chosen
    name = part.name_of(change.path)
    topping = table.toppings.get(part.number, {}).get(name)
    if topping is None or not table.named(part):
        spot = table.spot_of(change.path)
        at = spot.at(slot) if spot else polar(45 * slot, 80)
    elif topping.surface == "dough" and change.kind != "D":
        at = polar(45 * slot + (-5 if front else 0), 121)
    elif topping.surface:
        at = polar(45 * slot - 8, 66)
    elif change.kind == "D":
        spots = [spot.at(slot) for spot in topping.spots]
        at = Point(max(p.x for p in spots) + 6, sum(p.y for p in spots) / len(spots))
    else:
        at = max((spot.at(slot) for spot in topping.spots), key=lambda p: p.x - abs(p.y) * 0.2)
        at = Point(at.x + 5, at.y)
    moved = MOVED if front else Point(0, 0)
    return Point(round(AXIS.x + at.x + moved.x, 1), round(AXIS.y + at.y + moved.y, 1))


def _copied(subject: Subject, change: Change) -> Copied | None:
    node = (subject.upper or {}).get(change.path)
    if node is None or node.kind != "file" or not node.size:
        return None
    changed = subject.changed(change.path)
    if changed is None:
        return None
    dot = SQUARE * math.sqrt(min(1.0, changed / node.size))
    zoom = (
        1
        if dot >= 2.2 or not changed
        else next((z for z in (2, 4, 8, 16, 32, 64, 128, 256, 1024) if dot * z >= 4), 4096)
    )
    return Copied(node.size, changed, SQUARE, round(dot, 2), zoom)


def _call(subject: Subject, table: Table, change: Change, anchor: Point, line: float, square: bool) -> Call:
    node = (subject.upper or {}).get(change.path)
    amount = 0 if change.kind == "D" or node is None else node.size
    copied = _copied(subject, change) if square else None
    part = table.survey.slice_of(change.path)
    name = change.path.rsplit(b"/", 1)[-1].decode("utf-8", "replace")
    if table.survey.pizza and part is not None:
        verb = {"A": "on", "C": "of", "D": "off"}[change.kind]
        place = f"{verb} slice {part.number}"
    else:
        place = "in " + display(change.path.rpartition(b"/")[0])
    room = 246 - 28 - width(size(amount), "bold", 15) - 12
    shown = cut(name, min(room, 150), "serif", 16)
    place = (
        cut(place, room - width(shown, "serif", 16) - 6, "sans", 13.5) if room - width(shown, "serif", 16) > 34 else ""
    )
    large = cut(name, 246 - 30 - width(size(amount), "bold", 21) - 8, "serif", 22)
    notes: tuple[str, ...]
    if change.kind == "A":
        notes = ("New here; nothing was copied.",)
    elif change.kind == "D":
        notes = ("A napkin hides it; its bytes stay.",)
    elif copied is None:
        notes = ("Copied up whole, then changed.",) if node and node.kind == "file" else ("Its mode or owner changed.",)
    elif copied.changed:
        notes = (f"The square: {size(copied.size)}.", "The dot in the ring:", f"the {size(copied.changed)} changed.")
    else:
        notes = ("The whole file was", "copied, although no", "byte of it changed.")
    return Call(
        change.kind,
        anchor.x,
        anchor.y,
        round(line, 1),
        shown,
        place,
        display(change.path),
        amount,
        notes,
        large,
        copied,
    )
