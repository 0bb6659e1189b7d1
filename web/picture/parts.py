"""What one subject's picture is made with: its table and writer, its heading, its Tupperware, its bowl."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from engine.digest import Digest
from engine.events import display
from engine.image import Recent
from web.picture.geometry import PIN, TILT
from web.picture.plan import Table
from web.picture.rows import STRENGTH, Writer, tints
from web.picture.stack import MANY
from web.picture.subject import Blob, Subject
from web.picture.view import Bead, Heading, Kind, Lying, Place, State, Tub
from web.picture.words import counted, cut, listed, size, width

Address = Callable[[int | None, int | None], str]
"""The address within the page that shows a slice and a layer."""
Page = Callable[[Digest], str]
"""Where a blob's own page is."""
_TUB: Final = (322.0, 366.0, 385.0)
"""The Tupperware: heights of its rim, its floor, its label's line."""
_plates: Final[Recent[tuple[tuple[Digest, ...], int], Lying]] = Recent(64)
_MEANS: Final = {"seen": "a file of its own", "hidden": "hidden", "whiteout": "a napkin over the one below"}


def write(
    subject: Subject,
    chosen: int,
    layer: int | None,
    held: Mapping[Digest, Blob],
    address: Address,
    page: Page,
) -> Writer:
    """What a subject's rows are written with."""
    colours: list[str] = []
    table = Table(
        subject, chosen, lambda position: "new" if position is None else colours[position] if colours else "c1"
    )
    colours += tints(subject, table)
    return Writer(subject, table, held, colours, layer, lambda n: address(chosen, n), page)


def kind_of(writer: Writer) -> Kind:
    if not writer.table.survey.pizza:
        return "plain"
    return "dip" if writer.count > MANY else "pizza"


def heading(subject: Subject) -> Heading:
    """Whom the picture shows, and how much of that fits over the label column."""
    room = 238 - width(subject.kind, "sans", 13)
    large = 112.0 if subject.upper is not None else 240 - width(subject.kind, "sans", 19)
    return Heading(
        subject.kind,
        subject.name,
        cut(subject.sub, 246, "sans", 13),
        subject.key,
        cut(subject.name, room, "serif", 20),
        cut(subject.name, large, "serif", 23 if subject.upper is not None else 28),
    )


def heads(table: Table, places: Sequence[Place]) -> str:
    place = next(place for place in places if place.number == table.chosen)
    return f"in slice {place.number}:" if table.survey.pizza else f"in {place.directory or 'this place'}:"


def tub(subject: Subject, table: Table) -> Tub:
    """The container's upper: what was copied, created, hidden."""
    rim, floor, y = _TUB
    _, lying = table.disc(None)
    part = table.slices[table.chosen - 1]
    beads = table.sweepers(part) or (table.beads(part, None) if table.named(part) else _upper_beads(table))
    bead = min(beads, key=lambda b: STRENGTH.index(b.state), default=None)
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


def _upper_beads(table: Table) -> list[Bead]:
    """What the upper has in a big slice."""
    part = table.slices[table.chosen - 1]
    out = []
    for path, node in table.above[part.number].items():
        state: State = "whiteout" if node.kind == "whiteout" else "seen"
        out.append(Bead(path.rsplit(b"/", 1)[-1].decode("utf-8", "replace"), display(path), state, None))
    return out


def plate(subject: Subject, chosen: int) -> Lying:
    """The container's image, which no change touches."""
    stack = tuple(layer.diff_id for layer in subject.layers)

    def lay() -> Lying:
        colours: list[str] = []
        table = Table(
            replace(subject, upper=None, changes=()),
            chosen,
            lambda n: colours[n] if n is not None and colours else "c1",
        )
        colours += tints(table.subject, table)
        return table.whole()

    return _plates.get((stack, chosen), lay)


def bowl(colours: Sequence[str]) -> tuple[str, ...]:
    """What a dip is of, from its rim inward: its three uppermost spoonfuls that differ."""
    found = list(dict.fromkeys(colour for colour in reversed(colours)))
    return tuple((found * 3)[:3])


def sparse(lying: Lying) -> Lying:
    """What lies on a dip: one smaller piece a file, since so many lie there."""
    first = {piece.path: piece for piece in reversed(lying.pieces)}
    return replace(lying, pieces=tuple(replace(p, r=round(p.r * 0.8, 1)) for p in reversed(first.values())))


def tinting(held: Mapping[Digest, Blob], *drawn: Writer) -> Callable[[Digest], str]:
    """A blob's colour: its layer's where it is in the picture, else its taste's, else one of eight by its digest."""
    known = {digest: blob.taste for digest, blob in held.items()}
    for writer in drawn:
        known |= dict(zip((layer.digest for layer in writer.subject.layers), writer.tints, strict=True))
    return lambda digest: known.get(digest) or f"c{int(digest.rsplit(':', 1)[-1][:4], 16) % 8 + 1}"
