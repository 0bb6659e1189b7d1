"""Engine state to picture: a pure function from one image or container, and the blobs of its host, to a `PizzaView`.

It decides what is drawn and where; `_picture.html` decides how it looks. Nothing here is remembered that could change:
a survey of a stack of layers is kept, since layers never change. One small story:

    view = picture(subject, blobs, chosen=3, layer=None, link=link, page=page)
    render_template("_picture.html", picture=view)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, Literal
from urllib.parse import urlencode

from engine.digest import Digest
from engine.events import display
from web.picture import pair as pairs
from web.picture import stack as planner
from web.picture.calls import TOP, calls
from web.picture.fridge import fridge, ledger
from web.picture.geometry import PIN, TILT
from web.picture.labels import Need, spread
from web.picture.plan import Table
from web.picture.rows import Writer, tints
from web.picture.subject import Above, Blob, Change, Subject, differing
from web.picture.view import (
    Barcode,
    Bead,
    Bracket,
    Heading,
    Here,
    Ledger,
    Lying,
    Note,
    PizzaView,
    Place,
    Row,
    Slip,
    Tick,
    Tub,
)
from web.picture.words import counted, cut, listed, size, width, wrap

__all__ = ["FILTERS", "Above", "Blob", "Change", "Ledger", "PizzaView", "Subject", "differing", "link", "picture"]

FILTERS: Final[Mapping[str, Callable[..., object]]] = {
    "weight": size,
    "wide": lambda text, font, points: round(width(text, font, points), 1),
    "clip": lambda text, room: cut(text, room, "bold", 13),
}
"""What the picture's templates need of Jinja beside the application's ``short``: ``app.jinja_env.filters.update(FILTERS)``."""

BOTTOM: Final = 589.0
_TUB: Final = (322.0, 366.0, 385.0)
"""The Tupperware: heights of its rim, its floor, its label's line."""
_TOP, _TOP_TUB = 334.0, 429.0
_GLASS, _GLASS_TUB = 270.0, 418.0


def link(subject: str = "", beside: str = "") -> Callable[[int | None, int | None], str]:
    """Addresses within the page that show a slice and a layer of a subject."""

    def address(chosen: int | None, layer: int | None) -> str:
        query = {"subject": subject, "beside": beside, "slice": chosen or "", "layer": "" if layer is None else layer}
        return "?" + urlencode({key: value for key, value in query.items() if value != ""})

    return address


def picture(
    subject: Subject | None,
    blobs: Sequence[Blob],
    *,
    chosen: int | None = None,
    layer: int | None = None,
    address: Callable[[int | None, int | None], str] | None = None,
    page: Callable[[Digest], str] = lambda digest: f"?blob={digest}",
    account: Ledger | None = None,
    beside: Subject | None = None,
) -> PizzaView:
    """The picture of `subject`, or of an empty plate; with `beside`, of both side by side.

    `chosen` is the slice in front, 1 to 8 (None: where the container changed something, else 3); `layer` the position of the layer that keeps its row however many there are,
    and around which the lens of a tall stack opens. `address` makes the links of slices and layers, `page` those of blobs.
    """
    held = {blob.digest: blob for blob in blobs}
    account = account or ledger(blobs)
    chosen = chosen if chosen is not None and 1 <= chosen <= 8 else _front(subject)
    if subject is None:
        return _empty(held, account, page, chosen)
    if layer is not None and not 0 <= layer < len(subject.layers):
        layer = None
    address = address or link(subject.key)
    colours: list[str] = []
    table = Table(
        subject, chosen, lambda position: "new" if position is None else colours[position] if colours else "c1"
    )
    colours += tints(subject, table)
    writer = Writer(subject, table, held, colours, layer, lambda n: address(chosen, n), page)
    steps = [step.layer for step in subject.steps]
    tall = len(subject.layers) > planner.MANY
    lens = None
    if tall:
        each, opens = (35.0, 5) if subject.upper is None else (28.0, 3)
        top = _GLASS_TUB if subject.upper is not None else _GLASS
        plan, lens = planner.glass(steps, len(subject.layers), layer, top, 600.0, each, opens)
    else:
        top, each = (_TOP if subject.upper is None else _TOP_TUB), 0.0
        sizes = [writer.unpacked(n) for n in range(len(subject.layers))]
        plan = planner.gather(planner.rows(steps, len(steps) and len(subject.layers)), sizes, BOTTOM - top, layer)
        plan = planner.place(plan, top, BOTTOM)
    titles = writer.titles()
    rows = writer.write(plan, titles, each=each, dense=tall, lens=tall)
    if lens:
        rows = _apart(rows, 402.0 if subject.upper is not None else 60.0)
    called, more = calls(subject, table, 172.0 if tall else TOP) if subject.upper is not None else ((), "")
    rest, front = table.pie()
    kind = _kind(writer)
    places = table.places(lambda number: address(number, layer))
    tub = _tub(subject, table) if subject.upper is not None else None
    brackets = _brackets(rows, subject, held) if not tall else ()
    return PizzaView(
        heading=_heading(subject),
        says=_says(subject, kind, rows, chosen),
        kind=kind,
        chosen=chosen,
        layer=layer,
        places=places,
        rest=rest,
        front=front,
        rows=tuple(rows),
        tub=tub,
        calls=called,
        more=more,
        heads=_heads(table, places),
        notes=_notes(subject, table, rows, brackets, lens),
        brackets=brackets,
        fridge=fridge(rows, held, account, page, _tinting(subject, colours)),
        lens=lens,
        barcode=_barcode(subject, table, lens, colours, lambda n: address(chosen, n)) if lens else None,
        key=_key(rows) if kind == "plain" else (),
        bowl=_bowl(colours) if kind == "dip" else (),
        plate=_plate(subject, chosen) if subject.upper is not None else None,
        slip=None if called or lens else _slip(table, titles, colours),
        query=address(chosen, layer),
    )


def _writer(
    subject: Subject,
    chosen: int,
    layer: int | None,
    held: Mapping[Digest, Blob],
    address: Callable[[int | None, int | None], str],
    page: Callable[[Digest], str],
) -> tuple[Writer, list[str]]:
    """What a subject's rows are written with, and the colours of its layers."""
    colours: list[str] = []
    table = Table(subject, chosen, lambda position: "new" if position is None else colours[position] if colours else "c1")
    colours += tints(subject, table)
    return Writer(subject, table, held, colours, layer, lambda n: address(chosen, n), page), colours


def _kind(writer: Writer) -> Literal["pizza", "dip", "plain"]:
    if not writer.table.survey.pizza:
        return "plain"
    return "dip" if writer.count > planner.MANY else "pizza"


def _half(writer: Writer, x: float, address: Callable[[int | None, int | None], str], layer: int | None) -> Half:
    rest, front = writer.table.pie()
    kind = _kind(writer)
    tub = _tub(writer.subject, writer.table) if writer.subject.upper is not None else None
    places = writer.table.places(lambda number: address(number, layer))
    return Half(_heading(writer.subject), kind, x, places, rest, front, tub, _bowl(writer.tints) if kind == "dip" else ())


def _both(
    left: Writer,
    right: Writer,
    held: Mapping[Digest, Blob],
    account: Ledger,
    address: Callable[[int | None, int | None], str],
    page: Callable[[Digest], str],
    chosen: int,
    layer: int | None,
) -> PizzaView:
    """Two subjects side by side."""
    halves = _half(left, pairs.LEFT, address, layer), _half(right, pairs.RIGHT, address, layer)
    rows, joined = pairs.join(left, right, halves)
    common = {one.digest for one in left.subject.layers} & {one.digest for one in right.subject.layers}
    shared = sum(held[digest].content for digest in common if digest in held)
    known = dict(zip((one.digest for one in right.subject.layers), right.tints, strict=True))
    known |= dict(zip((one.digest for one in left.subject.layers), left.tints, strict=True))
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
        more="",
        heads=_heads(left.table, first.places),
        notes=(),
        brackets=(),
        fridge=fridge(rows, held, account, page, lambda digest: known.get(digest) or _tinting(None, [])(digest)),
        pair=Pair(*halves, tuple(joined), shared),
        query=address(chosen, layer),
    )


def _front(subject: Subject | None) -> int:
    """The slice to show when nobody chose: the third, unless the container changed others only."""
    if subject is None or not subject.upper:
        return 3
    table = Table(subject, 3, lambda _: "")
    changed = [part.number for part in table.slices if table.above[part.number]]
    return 3 if (3 in changed and table.survey.pizza) or not changed else changed[0]


def _apart(rows: Sequence[Row], top: float) -> list[Row]:
    """The rows with lines that do not collide, however close the strips and the lens stand."""
    needs = [Need(row.y, 19, 19 if row.kind == "bundle" else 7) for row in rows]
    return [replace(row, y=round(y)) for row, y in zip(rows, spread(needs, top, 618), strict=True)]


def _empty(held: Mapping[Digest, Blob], account: Ledger, page: Callable[[Digest], str], chosen: int) -> PizzaView:
    cold = fridge((), held, account, page, _tinting(None, []))
    notes = (Note(6, "An empty plate", ("pull an image", "to begin")),)
    return PizzaView(
        None,
        "An empty plate: no image is here yet.",
        "empty",
        chosen,
        None,
        (),
        Lying(),
        Lying(),
        (),
        None,
        (),
        "",
        "",
        notes,
        (),
        cold,
    )


def _tinting(subject: Subject | None, colours: Sequence[str]) -> Callable[[Digest], str]:
    """A blob's colour: its layer's where it is in the picture, else one of eight by its digest."""
    known = {layer.digest: colour for layer, colour in zip(subject.layers if subject else (), colours, strict=True)}
    return lambda digest: known.get(digest) or f"c{int(digest.rsplit(':', 1)[-1][:4], 16) % 8 + 1}"


def _heading(subject: Subject) -> Heading:
    return Heading(subject.kind, subject.name, subject.sub, subject.key)


def _says(subject: Subject, kind: str, rows: Sequence[Row], chosen: int) -> str:
    what = f"{subject.kind.capitalize()} {subject.name}"
    shape = (
        "as a pie seen from above" if kind == "pizza" else "as a dip seen from above" if kind == "dip" else "from above"
    )
    return (
        f"{what} {shape}, and below it the same pulled apart into {counted(len(subject.layers), 'layer')}. "
        f"A pin through slice {chosen} meets every layer."
    )


def _heads(table: Table, places: Sequence[Place]) -> str:
    place = next(place for place in places if place.number == table.chosen)
    return f"in slice {place.number}:" if table.survey.pizza else f"in {place.directory or 'this place'}:"


def _tub(subject: Subject, table: Table) -> Tub:
    """The container's upper: what was copied, created, hidden."""
    rim, floor, y = _TUB
    _, lying = table.disc(None)
    part = table.slices[table.chosen - 1]
    beads = table.beads(part, None) if table.named(part) else _upper_beads(table)
    bead = min(beads, key=lambda b: ("seen", "hidden", "whiteout").index(b.state), default=None)
    files = "" if len(beads) <= 2 else counted(len(beads), "file")
    at = floor - 9 + PIN.y * TILT
    says = f"The container's own layer, in its Tupperware: {size(subject.size)} unpacked, writable, not in the fridge."
    if beads:
        says += f" Here: {listed([f'{b.name} ({_MEANS[b.state]})' for b in beads[:6]])}."
    return Tub(
        subject.name,
        rim,
        floor,
        y,
        round(at, 1),
        subject.size,
        lying,
        tuple(beads[:2]),
        files,
        bead,
        says,
        not subject.upper,
    )


_MEANS: Final = {"seen": "a file of its own", "hidden": "hidden", "whiteout": "a napkin over the one below"}


def _upper_beads(table: Table) -> list[Bead]:
    """What the upper has in a big slice."""
    part = table.slices[table.chosen - 1]
    out = []
    for path, node in table.above[part.number].items():
        state = "whiteout" if node.kind == "whiteout" else "seen"
        out.append(
            Bead(
                path.rsplit(b"/", 1)[-1].decode("utf-8", "replace"), "/" + path.decode("utf-8", "replace"), state, None
            )
        )  # type: ignore[arg-type]
    return out


def _brackets(rows: Sequence[Row], subject: Subject, held: Mapping[Digest, Blob]) -> tuple[Bracket, ...]:
    """Runs of rows whose layers the same other images have."""
    runs: list[tuple[tuple[str, ...], list[Row]]] = []
    for row in rows:
        if row.kind == "cards":
            continue
        users = [set(held[part.digest].users) if part.digest in held else set() for part in row.parts]
        common = set.intersection(*users) if users else set()
        mine = {user for user in common if user == subject.key or user == subject.sub.removeprefix("running, from ")}
        others = tuple(sorted(_brief(user) for user in common - mine - _own(subject)))
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
            else ["also in", *wrap(names, 67, "sans", 13, 1)]
        )
        says = f"These {counted(len(members), 'row')} are also in {listed(list(others))}, and stored once."
        out.append(Bracket(top, bottom, tuple(lines[:room]), says))
    return tuple(out)


def _own(subject: Subject) -> set[str]:
    """The references that are the subject's own image."""
    return {subject.key, *subject.own}


def _brief(reference: str) -> str:
    return reference.removesuffix(":latest").removeprefix("pizza/").removeprefix("library/")


def _notes(
    subject: Subject, table: Table, rows: Sequence[Row], brackets: Sequence[Bracket], lens: planner.Lens | None
) -> tuple[Note, ...]:
    """The left margin: what the two halves of the picture are."""
    if table.survey.pizza:
        above = ("the union of", "all layers") if not lens else ("the union of", f"{len(subject.layers)} layers")
    else:
        above = ("eight largest", "directories")
    out = [Note(6, "From above", above)]
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
    first = min((bracket.top for bracket in brackets), default=HEIGHT_OF_MARGIN)
    y = min(y, first - 58)
    if y >= 304:
        out.append(Note(y, "Pulled apart", ("layer by layer",)))
    return tuple(out)


HEIGHT_OF_MARGIN: Final = 620.0
_FIGURES: Final = {1: "one", 2: "two", 3: "three", 4: "four", 5: "five"}


def _key(rows: Sequence[Row]) -> tuple[tuple[str, str], ...]:
    """Which colour is which layer, largest first."""
    layers = sorted((row for row in rows if row.kind == "layer"), key=lambda row: -row.size)[:4]
    return tuple((row.parts[0].tint, row.short) for row in layers)


def _bowl(colours: Sequence[str]) -> tuple[str, ...]:
    """What a dip is of, from its rim inward: its three uppermost spoonfuls that differ."""
    found = list(dict.fromkeys(colour for colour in reversed(colours)))
    return tuple((found * 3)[:3])


def _plate(subject: Subject, chosen: int) -> Lying:
    """The container's image, which no change touches."""
    colours: list[str] = []
    table = Table(
        replace(subject, upper=None, changes=()), chosen, lambda n: colours[n] if n is not None and colours else "c1"
    )
    colours += tints(table.subject, table)
    return table.whole()


def _slip(table: Table, titles: Sequence[str], colours: Sequence[str]) -> Slip | None:
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
            symbol = topping.symbols[0] if topping.symbols else f"i-{topping.surface}" if topping.surface else ""
            tint = topping.tint or colours[found.layer]
            path = f"{directory}/{name.decode('utf-8', 'replace')}"
            things.append(Here(symbol, tint, path.rsplit("/", 1)[-1], path, found.entry.size, titles[found.layer]))
        title, count = f"Slice {part.number}", len(things)
    else:
        for file in part.largest[:room]:
            path = display(file.path)
            name = path[len(directory.rstrip("/")) + 1 :]
            things.append(
                Here("", colours[file.layer], cut(name, 128, "sans", 13.5), path, file.size, titles[file.layer])
            )
        title, count = cut(directory, 180, "serif", 16), part.files
        directory = ""
    more = f"and {counted(count - len(things[:room]), 'smaller file')}" if count > len(things[:room]) else ""
    return Slip(title, directory, tuple(things[:room]), more)


def _barcode(
    subject: Subject, table: Table, lens: planner.Lens, colours: Sequence[str], href: Callable[[int], str]
) -> Barcode:
    """All layers as strips, and the beads of the chosen slice over them."""
    count = len(subject.layers)
    pitch = 246 / count
    part = table.slices[table.chosen - 1]
    ticks = []
    for n in range(count):
        if table.named(part):
            states = [table.state(part, name, n) for name, by in part.names.items() if n in by]
            state = next((s for s in ("seen", "hidden", "whiteout") if s in states), None)
        else:
            found = part.tallies[n].state if n in part.tallies else "absent"
            state = None if found == "absent" else found  # type: ignore[assignment]
        ticks.append(Tick(round(pitch * (n + 0.5), 2), colours[n], n, state))  # type: ignore[arg-type]
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
