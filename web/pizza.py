"""Engine state to picture: a pure function from one image or container, and the blobs of its host, to a `PizzaView`.

It decides what is drawn and where; `_picture.html` decides how it looks. Nothing here is remembered that could change:
a survey of a stack of layers is kept, since layers never change. One small story:

    view = picture(subject, blobs, chosen=3, layer=None, link=link, page=page)
    render_template("_picture.html", picture=view)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final
from urllib.parse import urlencode

from engine.digest import Digest
from web.picture import stack as planner
from web.picture.calls import TOP, calls
from web.picture.fridge import fridge, ledger
from web.picture.labels import Need, spread
from web.picture.margin import barcode, brackets, key, notes, slip
from web.picture.pair import both
from web.picture.parts import Address, Page, bowl, heading, heads, kind_of, plate, sparse, tinting, tub, write
from web.picture.plan import Table
from web.picture.rows import Writer
from web.picture.stack import BOTTOM, Lens
from web.picture.subject import Above, Blob, Change, Subject, differing
from web.picture.view import Kind, Ledger, Lying, Note, PizzaView, Row
from web.picture.words import counted, cut, size, width

__all__ = ["FILTERS", "Above", "Blob", "Change", "Ledger", "PizzaView", "Subject", "differing", "link", "picture"]

FILTERS: Final[Mapping[str, Callable[..., object]]] = {
    "weight": size,
    "wide": lambda text, font, points: round(width(text, font, points), 1),
    "clip": lambda text, room: cut(text, room, "bold", 13),
}
"""What the picture's templates need of Jinja, beside the application's ``short``."""

_TOP, _TOP_TUB = 334.0, 429.0
_GLASS, _GLASS_TUB = 268.0, 418.0


def link(subject: str = "", beside: str = "") -> Address:
    """Addresses within the page that show a slice and a layer of a subject."""
    named = [urlencode({key: name}) for key, name in (("subject", subject), ("beside", beside)) if name]

    def address(chosen: int | None, layer: int | None) -> str:
        numbers = (("slice", chosen or None), ("layer", layer))
        return "?" + "&".join([*named, *(f"{key}={number}" for key, number in numbers if number is not None)])

    return address


def picture(
    subject: Subject | None,
    blobs: Sequence[Blob],
    *,
    chosen: int | None = None,
    layer: int | None = None,
    address: Address | None = None,
    page: Page = lambda digest: f"?blob={digest}",
    account: Ledger | None = None,
    beside: Subject | None = None,
) -> PizzaView:
    """The picture of `subject`, or of an empty plate; with `beside`, of both side by side.

    `chosen` is the slice in front, 1 to 8 (None: where the container changed something, else 3); `layer` the position
    of the layer that keeps its row however many there are, and around which the lens of a tall stack opens. `address`
    makes the links of slices and layers, `page` those of blobs.
    """
    held = {blob.digest: blob for blob in blobs}
    account = account or ledger(blobs)
    chosen = chosen if chosen is not None and 1 <= chosen <= 8 else _front(subject)
    if subject is None:
        return _empty(held, account, page, chosen)
    if layer is not None and not 0 <= layer < len(subject.layers):
        layer = None
    address = address or link(subject.key)
    writer = write(subject, chosen, layer, held, address, page)
    if beside is not None:
        other = write(beside, chosen, None, held, address, page)
        return both(writer, other, held, account, address, page, chosen, layer)
    return _single(writer, held, account, address, page, chosen, layer)


def _single(
    writer: Writer,
    held: Mapping[Digest, Blob],
    account: Ledger,
    address: Address,
    page: Page,
    chosen: int,
    layer: int | None,
) -> PizzaView:
    """One subject with all that is told of it."""
    subject, table = writer.subject, writer.table
    rows, lens = _stack(writer, layer)
    is_container = subject.upper is not None
    called, more = calls(subject, table, 182.0 if lens else TOP) if is_container else ((), None)
    rest, front = table.pie()
    kind = kind_of(writer)
    if kind == "dip":
        rest, front = sparse(rest), sparse(front)
    places = table.places(lambda number: address(number, layer))
    shared = brackets(rows, subject, held) if not lens else ()
    return PizzaView(
        heading=heading(subject),
        says=_says(subject, kind, chosen),
        kind=kind,
        chosen=chosen,
        layer=layer,
        places=places,
        rest=rest,
        front=front,
        rows=tuple(rows),
        tub=tub(subject, table) if is_container else None,
        calls=called,
        more=more,
        heads=heads(table, places),
        notes=notes(subject, table, rows, shared, lens),
        brackets=shared,
        fridge=fridge(rows, held, account, page, tinting(held, writer)),
        lens=lens,
        barcode=barcode(subject, table, lens, writer.tints, lambda n: address(chosen, n)) if lens else None,
        key=key(rows) if kind == "plain" else (),
        slip=None if called or lens else slip(table, writer.titles(), writer.tints),
        bowl=bowl(writer.tints) if kind == "dip" else (),
        plate=plate(subject, chosen) if is_container else None,
        query=address(chosen, layer),
    )


def _stack(writer: Writer, layer: int | None) -> tuple[list[Row], Lens | None]:
    """The rows of the stack at their heights, top first, and the lens of a tall one."""
    is_container, count = writer.subject.upper is not None, writer.count
    steps = [step.layer for step in writer.subject.steps]
    if count > planner.MANY:
        each, opens, top = (28.0, 3, _GLASS_TUB) if is_container else (35.0, 5, _GLASS)
        plan, lens = planner.glass(steps, count, layer, top, 588.0, each, opens)
        rows = writer.write(plan, writer.titles(), each=each, dense=True, lens=True)
        return _apart(rows, 402.0 if is_container else 60.0), lens
    top = _TOP_TUB if is_container else _TOP
    plan = planner.gather(planner.rows(steps, count), [writer.unpacked(n) for n in range(count)], BOTTOM - top, layer)
    return writer.write(planner.place(plan, top, BOTTOM), writer.titles(), each=0, dense=False, lens=False), None


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


def _empty(held: Mapping[Digest, Blob], account: Ledger, page: Page, chosen: int) -> PizzaView:
    return PizzaView(
        heading=None,
        says="An empty plate: no image is here yet.",
        kind="empty",
        chosen=chosen,
        layer=None,
        places=(),
        rest=Lying(),
        front=Lying(),
        rows=(),
        tub=None,
        calls=(),
        more=None,
        heads="",
        notes=(Note(6, "An empty plate", ("pull an image", "to begin")),),
        brackets=(),
        fridge=fridge((), held, account, page, tinting(held)),
    )


def _says(subject: Subject, kind: Kind, chosen: int) -> str:
    what = f"{subject.kind.capitalize()} {subject.name}"
    shape = (
        "as a pie seen from above" if kind == "pizza" else "as a dip seen from above" if kind == "dip" else "from above"
    )
    return (
        f"{what} {shape}, and below it the same pulled apart into {counted(len(subject.layers), 'layer')}. "
        f"A pin through slice {chosen} meets every layer."
    )
