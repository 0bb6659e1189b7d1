"""What stands around the drawing: notes and brackets in the left margin, the slip of a slice, the barcode."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from engine.digest import Digest
from engine.events import display
from web.picture.plan import Table
from web.picture.rows import STRENGTH
from web.picture.stack import BOTTOM, Lens
from web.picture.subject import Blob, Subject, brief
from web.picture.view import Barcode, Bracket, Here, Note, Row, Slip, Tick
from web.picture.words import counted, cut, listed, size, width, wrap

_LOW: Final = 620.0
_FIGURES: Final = {1: "one", 2: "two", 3: "three", 4: "four", 5: "five"}


def notes(
    subject: Subject, table: Table, rows: Sequence[Row], brackets: Sequence[Bracket], lens: Lens | None
) -> tuple[Note, ...]:
    """The left margin: what the two halves of the picture are."""
    if table.survey.pizza:
        above = ("the union of", "all layers") if not lens else ("the union of", f"{len(subject.layers)} layers")
    else:
        above = ("eight largest", "directories")
    out = [Note(6, "From above", above, "pie")]
    if lens:
        high = lens.frame[0]
        if lens.above:
            out.append(Note((lens.upper[0] + lens.upper[1]) / 2 - 10, counted(len(lens.above), "layer"), ("above",)))
        out.append(
            Note(high + 50, "The lens", (f"opens {_FIGURES.get(len(lens.opened), len(lens.opened))};", "move it"))
        )
        if lens.below:
            out.append(
                Note(
                    max(high + 122, (lens.lower[0] + lens.lower[1]) / 2 - 10),
                    counted(len(lens.below), "layer"),
                    ("below",),
                )
            )
        return tuple(out)
    top = min((row.y for row in rows), default=BOTTOM)
    y = max(306.0, top - 40)
    first = min((bracket.top for bracket in brackets), default=_LOW)
    y = min(y, first - 58)
    if y >= 304:
        out.append(Note(y, "Pulled apart", ("layer by layer",), "layer"))
    return tuple(out)


def brackets(rows: Sequence[Row], subject: Subject, held: Mapping[Digest, Blob]) -> tuple[Bracket, ...]:
    """Runs of rows whose layers the same other images have."""
    runs: list[tuple[tuple[str, ...], list[Row]]] = []
    for row in rows:
        if row.kind == "cards":
            continue
        users = [set(held[part.digest].users) if part.digest in held else set() for part in row.parts]
        common = set.intersection(*users) if users else set()
        others = tuple(sorted(brief(user) for user in common - {subject.key, *subject.own}))
        if runs and runs[-1][0] == others:
            runs[-1][1].append(row)
        else:
            runs.append((others, [row]))
    out = []
    for others, members in runs:
        if not others:
            continue
        top, bottom = members[0].y - 26, members[-1].y + 14
        names = (
            others[0]
            if len(others) == 1
            else f"{others[0]}, {others[1]}"
            if len(others) == 2
            else f"{others[0]} and {len(others) - 1} more"
        )
        room = max(1, int((bottom - top) / 16))
        lines = (
            ["also in", *wrap(names + ",", 67, "sans", 13, 3), "stored", "once"]
            if room >= 4
            else ["also in", cut(others[0] if len(others) == 1 else f"{len(others)} others", 67, "sans", 13)]
        )
        says = f"These {counted(len(members), 'row')} are also in {listed(list(others))}, and stored once."
        out.append(Bracket(top, bottom, tuple(lines[:room]), says))
    return tuple(out)


def key(rows: Sequence[Row]) -> tuple[tuple[str, str], ...]:
    """Which colour is which layer, largest first."""
    layers = sorted((row for row in rows if row.kind == "layer"), key=lambda row: -row.size)[:5]
    return tuple((row.parts[0].tint, cut(row.title, 72, "sans", 13)) for row in layers)


def slip(table: Table, titles: Sequence[str], colours: Sequence[str]) -> Slip | None:
    """What one sees on the chosen slice, uppermost first."""
    part = table.slices[table.chosen - 1]
    if part.directory is None:
        return None
    directory = display(part.directory)
    room = 7 if table.survey.pizza else 5
    things = []
    if table.named(part):
        for name, topping in reversed(table.toppings[part.number].items()):
            found = table.subject.union.lookup(part.directory + b"/" + name)
            if found is None or name in table.hidden[part.number]:
                continue
            path, amount = display(part.directory + b"/" + name), found.entry.size
            shown = _fitting(path.rsplit("/", 1)[-1], amount)
            things.append(Here(topping.drawing.symbol, topping.tint, shown, path, amount, titles[found.layer]))
        title, count = f"Slice {part.number}", len(things)
    else:
        for file in part.largest[:room]:
            path = display(file.path)
            below = path[len(directory.rstrip("/")) + 1 :]
            shown = _fitting(below, file.size)
            things.append(Here("", colours[file.layer], shown, path, file.size, titles[file.layer]))
        title, count = cut(directory, 180, "serif", 16), part.files
        directory = ""
    more = f"and {counted(count - len(things[:room]), 'smaller file')}" if count > len(things[:room]) else ""
    return Slip(title, directory, tuple(things[:room]), more)


def _fitting(name: str, amount: int) -> str:
    """As much of a name as stands before its size, in large type too."""
    return cut(name, 246 - 24 - 8 - width(size(amount), "bold", 18), "sans", 16)


def barcode(subject: Subject, table: Table, lens: Lens, colours: Sequence[str], href: Callable[[int], str]) -> Barcode:
    """All layers as strips, and the beads of the chosen slice over them."""
    count = len(subject.layers)
    pitch = 246 / count
    part = table.slices[table.chosen - 1]
    ticks = []
    for n in range(count):
        if table.named(part):
            states = {table.state(part, name, n) for name, by in part.names.items() if n in by}
        else:
            states = {found} if n in part.tallies and (found := part.tallies[n].state) != "absent" else set()
        state = next((state for state in STRENGTH if state in states), None)
        ticks.append(Tick(round(pitch * (n + 0.5), 2), colours[n], n, state))
    low, high = lens.opened[0], lens.opened[-1]
    step = max(1, len(lens.opened))
    return Barcode(
        tuple(ticks),
        round(pitch, 2),
        (round(pitch * low - 2, 1), round(pitch * (high - low + 1) + 4, 1)),
        f"{low + 1} to {high + 1}",
        sum(tick.state == "seen" for tick in ticks),
        sum(tick.state == "hidden" for tick in ticks),
        href(min(count - 1, (low + high) // 2 + step)) if high < count - 1 else "",
        href(max(0, (low + high) // 2 - step)) if low > 0 else "",
    )
