"""A transfer as a drawing: each layer a parcel, on the road if its bytes moved, at both ends if it was there already.

Made of the events of one pull or push and nothing else; the figures are content bytes, and add up to what the events
say. Papers are what goes along with the layers: manifest, config, index.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final

from engine import events as facts
from engine.digest import Digest
from engine.events import Event

TRANSFER: Final = (
    facts.PullStarted,
    facts.DocumentPulled,
    facts.LayerReused,
    facts.LayerPulled,
    facts.ImagePulled,
    facts.PushStarted,
    facts.LayerPushed,
    facts.LayerExists,
    facts.LayerMounted,
    facts.ImagePushed,
)
"""The events that a drawing is made of."""
WIDE: Final = 150.0
"""How wide the largest row is drawn; the others in proportion to their bytes."""
ROWS: Final = 9
"""Layers that each have a row of their own; of more, neighbours that went alike share one."""
_SLIVER: Final = 6.0
_THIN: Final = 0.8
_MOVED: Final = (facts.LayerPulled, facts.LayerPushed)
LAYER: Final = (facts.LayerPulled, facts.LayerPushed, facts.LayerReused, facts.LayerExists, facts.LayerMounted)


@dataclass(frozen=True, slots=True)
class Parcel:
    """One layer of the image: `why` says in words what became of it. `x` and `width` are where it lies in its row."""

    digest: Digest
    name: str
    tint: str
    size: int
    moved: bool
    why: str
    x: float = 0.0
    width: float = 0.0


@dataclass(frozen=True, slots=True)
class Row:
    """Layers that went alike, mostly one; or none: what goes along with them, as manifest, config and index do."""

    parcels: tuple[Parcel, ...]
    name: str
    size: int
    moved: bool
    why: str


@dataclass(frozen=True, slots=True)
class Trip:
    """One transfer: `outward` to a registry, or from one. Rows stand as in the stack, the top one first."""

    outward: bool
    reference: str
    far: str
    """The registry, in words."""
    rows: tuple[Row, ...]
    sent: int
    avoided: int


def trip(
    events: Sequence[Event],
    is_own: Callable[[str], bool],
    name: Callable[[Digest], str],
    tint: Callable[[Digest], str],
) -> Trip | None:
    """The transfer that `events` tell of; None where they tell of none. `is_own` tells this server's names as a
    registry, `name` and `tint` how a layer is called and coloured."""
    done = next((e for e in reversed(events) if isinstance(e, facts.ImagePulled | facts.ImagePushed)), None)
    if done is None:
        return None
    outward = isinstance(done, facts.ImagePushed)
    told = {e.digest: e for e in events if isinstance(e, LAYER)}
    order = told.values() if outward else reversed(told.values())  # a push tells the top layer first, a pull the bottom
    parcels = [Parcel(e.digest, name(e.digest), tint(e.digest), e.size, isinstance(e, _MOVED), _why(e)) for e in order]
    rows = (*_rows(parcels), *_rest(events, done, parcels))
    return Trip(outward, done.reference, _far(events, is_own), rows, done.sent, done.avoided)


def _rest(
    events: Sequence[Event], done: facts.ImagePulled | facts.ImagePushed, parcels: Sequence[Parcel]
) -> Iterator[Row]:
    """What the figures of a transfer hold beside the layers that it tells of."""
    stayed = sum(parcel.size for parcel in parcels if not parcel.moved)
    if done.avoided > stayed:  # docker says nothing of the layers of an image that it has
        yield Row((), "its layers", done.avoided - stayed, False, "not even asked for")
    rest = done.sent - sum(parcel.size for parcel in parcels if parcel.moved)
    papers = rest
    if isinstance(done, facts.ImagePulled):
        papers = min(rest, sum(e.size for e in events if isinstance(e, facts.DocumentPulled) and not e.held))
    if papers:
        yield Row((), "papers", papers, True, "sent")
    if rest > papers:
        yield Row((), "what broke off", rest - papers, True, "sent again")


def _rows(parcels: Sequence[Parcel]) -> list[Row]:
    groups = [[parcel] for parcel in parcels]
    if len(parcels) > ROWS:
        groups = [list(alike) for _, alike in groupby(parcels, lambda parcel: (parcel.moved, parcel.why))]
    scale = WIDE / max([*(sum(parcel.size for parcel in group) for group in groups), 1])
    return [_row(group, scale) for group in groups]


def _row(group: Sequence[Parcel], scale: float) -> Row:
    placed, x = [], 0.0
    for parcel in group:
        width = max(parcel.size * scale, _SLIVER if len(group) == 1 else _THIN)
        placed.append(replace(parcel, x=round(x, 2), width=round(width, 2)))
        x += width
    first = group[0]
    name = first.name if len(group) == 1 else f"{len(group)} layers"
    return Row(tuple(placed), name, sum(parcel.size for parcel in group), first.moved, first.why)


def _why(event: Event) -> str:
    match event:
        case facts.LayerMounted(source=source):
            return f"mounted from {source}"
        case facts.LayerExists():
            return "already there"
        case facts.LayerReused():
            return "already here"
    return "sent"


def _far(events: Sequence[Event], is_own: Callable[[str], bool]) -> str:
    canonical = next((e.canonical for e in events if isinstance(e, facts.ImagePulled | facts.PushStarted)), "")
    host = canonical.partition("/")[0]
    return "The menu" if host == "docker.io" else "The class’s shelf" if is_own(host) else host
