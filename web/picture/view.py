"""What the picture shows, as values: numbers, words and places, no markup. Templates see these, never the engine.

Coordinates are those of `geometry`: in the plan relative to the axis; heights (`y`, `level`) are the picture's.
A `tint` names a colour by what has it (``dough``, ``pepperoni``), or is one of ``c1`` to ``c8``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engine.digest import Digest
from web.picture import stack as planner
from web.picture.stack import Lens

State = Literal["seen", "hidden", "whiteout"]
Kind = Literal["pizza", "dip", "plain", "empty"]


@dataclass(frozen=True, slots=True)
class Piece:
    """A symbol in the plan, of visible radius `r`, turned by `turn` degrees; without one a ball of its colour."""

    symbol: str
    x: float
    y: float
    r: float
    turn: int
    path: str
    tint: str = ""


@dataclass(frozen=True, slots=True)
class Dot:
    """A file of no known kind: a ball of its layer's colour, its area the file's size."""

    x: float
    y: float
    r: float
    tint: str
    changed: bool = False
    """Whether it is the container's own: such a one is ringed, and never too small to find."""


@dataclass(frozen=True, slots=True)
class Napkin:
    """A whiteout over dashed outlines: circles, or a whole slice of surface."""

    x: float
    y: float
    size: float
    turn: int
    path: str
    circles: tuple[tuple[float, float, float], ...] = ()
    outline: str = ""


@dataclass(frozen=True, slots=True)
class Surface:
    """Dough, sauce or cheese; `clip` is its slices as path data, empty where it is whole."""

    kind: str
    clip: str = ""
    walls: str = ""
    """Seen aslant: the sides of slices that stand alone, as path data."""


@dataclass(frozen=True, slots=True)
class Lying:
    """What lies on one part of the plan or on one disc, from below to above."""

    surfaces: tuple[Surface, ...] = ()
    pieces: tuple[Piece, ...] = ()
    dots: tuple[Dot, ...] = ()
    napkins: tuple[Napkin, ...] = ()
    dipped: tuple[int, ...] = ()
    """Slots whose crust is no longer the first one."""


@dataclass(frozen=True, slots=True)
class Place:
    """One slice of the pie: number, slot, directory, where its number stands, what chooses it."""

    number: int
    slot: int
    directory: str
    label: str
    x: float
    y: float
    outline: str
    href: str
    chosen: bool
    files: int
    says: str


@dataclass(frozen=True, slots=True)
class Bead:
    """The union's answer for one path in one layer."""

    name: str
    path: str
    state: State
    layer: int | None
    """None: the container's upper."""


@dataclass(frozen=True, slots=True)
class Disc:
    """What stands in the stack at one row: a layer's disc, or several gathered."""

    kind: str
    """``dough``, ``sauce``, ``cheese``: a full disc; ``toppings``: a clear plate; ``plain``; ``dip``; ``bundle``."""
    level: float
    tint: str
    lying: Lying
    radius: float = 128
    thick: float = 0
    face: str = ""
    """Of a bundle: the kind of its topmost layer's disc, whose surface one sees."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A small bead on the pin, where it passes one layer of a strip."""

    y: float
    state: State
    layer: int


@dataclass(frozen=True, slots=True)
class Here:
    """One thing that lies on the chosen slice, as seen from above: its drawing, name, bytes, and whose it is."""

    symbol: str
    tint: str
    name: str
    path: str
    size: int
    whose: str


@dataclass(frozen=True, slots=True)
class Slip:
    """What one sees on the chosen slice, where there is room to say it."""

    title: str
    directory: str
    things: tuple[Here, ...]
    more: str


@dataclass(frozen=True, slots=True)
class Part:
    """One layer within a row."""

    position: int
    digest: Digest
    content: int
    unpacked: int
    tint: str
    href: str
    page: str
    """Where the blob's own page is."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the label column, with what it labels."""

    kind: planner.Kind
    y: float
    at: float
    """Where the leader leaves the pin; it bends to `y`."""
    title: str
    short: str
    """The title for large type."""
    trail: float
    """In large type: where the bead stands behind the title, 0 for none."""
    begins: float
    """Where the title stands in its column."""
    after: float
    """Where the file's bead begins: in its column, or behind the title."""
    command: str
    size: int
    says: str
    """The row as a sentence."""
    href: str
    chosen: bool
    parts: tuple[Part, ...] = ()
    cards: tuple[str, ...] = ()
    beads: tuple[Bead, ...] = ()
    files: str = ""
    """In place of names, where there are many."""
    bead: Bead | None = None
    """The one on the pin."""
    disc: Disc | None = None
    number: int | None = None
    """The layer's number from 1, where a lens makes it worth saying."""
    dense: bool = False
    """No room for a second line."""
    marks: tuple[Mark, ...] = ()
    """On the pin, for each layer of a strip."""
    low: float = 0
    high: float = 0
    """Of a strip: where it ends and begins."""
    ours: bool = False
    """Whether it was a container of this host: `command` then says what changed."""


@dataclass(frozen=True, slots=True)
class Copied:
    """The square of a copied file and the dot of what changed in it; `zoom` is the loupe's, 1 for none."""

    size: int
    changed: int
    side: float
    dot: float
    zoom: int


@dataclass(frozen=True, slots=True)
class Call:
    """A change, called out beside the pie."""

    kind: Literal["A", "C", "D"]
    x: float
    y: float
    line: float
    name: str
    place: str
    path: str
    size: int
    notes: tuple[str, ...]
    short: str
    """The name for large type."""
    copied: Copied | None = None


@dataclass(frozen=True, slots=True)
class More:
    """How many changes have no label."""

    words: str
    y: float


@dataclass(frozen=True, slots=True)
class Tub:
    """A container's upper in its Tupperware."""

    name: str
    rim: float
    floor: float
    y: float
    at: float
    size: int
    lying: Lying
    beads: tuple[Bead, ...]
    files: str
    bead: Bead | None
    says: str
    empty: bool


@dataclass(frozen=True, slots=True)
class Bracket:
    """Neighbouring rows whose layers the same other images have too."""

    top: float
    bottom: float
    lines: tuple[str, ...]
    says: str


@dataclass(frozen=True, slots=True)
class Box:
    """A blob in the fridge."""

    digest: Digest
    x: float
    width: float
    content: int
    unpacked: int
    tint: str
    users: tuple[str, ...]
    page: str
    says: str


@dataclass(frozen=True, slots=True)
class Shelf:
    """One row of the fridge: a box, or several side by side, and their words."""

    y: float
    tall: float
    boxes: tuple[Box, ...]
    x: float
    """Where the words begin."""
    inside: bool
    """Whether they stand on the box."""
    first: str
    digest: str
    users: str
    led: bool
    """Whether a leader arrives."""
    over: bool = False
    """Whether the words stand above the boxes."""
    wide: float = 0
    """How wide a sticker the words need on the box."""
    short: str = ""
    """Its users, for large type."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """What a host would store without sharing, what it does, and its last transfer. Content bytes."""

    naive: int
    stored: int
    sent: int | None = None
    avoided: int = 0

    @property
    def saved(self) -> int:
        """Per cent."""
        return round(100 * (1 - self.stored / self.naive)) if self.naive else 0


@dataclass(frozen=True, slots=True)
class Door:
    """The fridge's door: the ledger's lines, as far apart as there is room."""

    height: float
    big: float
    naive: float
    stored: float
    last: float
    bar: float
    type: float
    """Size of the key figure's type: 58, 46 or 36."""
    beside: float
    """Where the words beside it begin."""


@dataclass(frozen=True, slots=True)
class Fridge:
    """The blob store."""

    ledger: Ledger
    door: Door
    divider: float
    shelves: tuple[Shelf, ...]
    blobs: int
    papers: int
    """Content bytes of manifests and configs: what the ledger counts beside the boxes."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A layer in the barcode; with a bead where the chosen slice meets it."""

    x: float
    tint: str
    position: int
    state: State | None


@dataclass(frozen=True, slots=True)
class Barcode:
    """All layers from first to last, and which the lens opens."""

    ticks: tuple[Tick, ...]
    pitch: float
    window: tuple[float, float]
    span: str
    seen: int
    hidden: int
    up: str
    down: str


@dataclass(frozen=True, slots=True)
class Heading:
    """Whom the picture shows."""

    kind: Literal["image", "container"]
    name: str
    sub: str
    key: str
    title: str
    """The name as far as there is room for it."""
    short: str
    """The same in large type."""


@dataclass(frozen=True, slots=True)
class Note:
    """Words in the left margin: a bold word and lines under it."""

    y: float
    title: str
    lines: tuple[str, ...]
    about: str = ""
    """Which part of the page it names, for who asks what that is."""


@dataclass(frozen=True, slots=True)
class Half:
    """One of two subjects side by side."""

    heading: Heading
    kind: Kind
    x: float
    """Its axis."""
    places: tuple[Place, ...]
    rest: Lying
    front: Lying
    tub: Tub | None
    bowl: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Joined:
    """What stands at one height of two stacks: a disc on the left, on the right, or one slab through both."""

    side: str
    level: float
    y: float
    left: Row | None
    right: Row | None


@dataclass(frozen=True, slots=True)
class Pair:
    """Two subjects side by side; `joined` is top first."""

    left: Half
    right: Half
    joined: tuple[Joined, ...]
    shared: int
    """Layers that both have."""
    sizes: tuple[int, int, int]
    """Content bytes of the layers only the left has, of both, only the right."""


@dataclass(frozen=True, slots=True)
class PizzaView:
    """The whole picture of one subject."""

    heading: Heading | None
    says: str
    kind: Kind
    chosen: int
    layer: int | None
    places: tuple[Place, ...]
    rest: Lying
    front: Lying
    rows: tuple[Row, ...]
    """Top first."""
    tub: Tub | None
    calls: tuple[Call, ...]
    more: More | None
    heads: str
    notes: tuple[Note, ...]
    brackets: tuple[Bracket, ...]
    fridge: Fridge
    lens: Lens | None = None
    barcode: Barcode | None = None
    key: tuple[tuple[str, str], ...] = ()
    """Of dots: tint and layer."""
    slip: Slip | None = None
    pair: Pair | None = None
    """Where two subjects stand side by side; the pie's own fields are then the left one's."""
    bowl: tuple[str, ...] = ()
    """Colours of a dip, from its rim inward."""
    plate: Lying | None = None
    """A container's image as it was, for the little plate."""
    query: str = ""
