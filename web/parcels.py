"""A transfer as a drawing: each layer a parcel, on the road if its bytes moved, at both ends if it was there already.

Made of the events of one pull or push and nothing else; the figures are content bytes, and add up to what the events
say. Papers are what goes along with the layers: manifest, config, index.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from engine import events as facts
from engine.digest import Digest
from engine.events import Event

TRANSFER: Final = (
    facts.PullStarted,
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
"""How wide the largest parcel is drawn; the others in proportion to their bytes."""
_SLIVER: Final = 5.0
_LAYER: Final = (facts.LayerPulled, facts.LayerPushed, facts.LayerReused, facts.LayerExists, facts.LayerMounted)


@dataclass(frozen=True, slots=True)
class Parcel:
    """One layer of the image, or (without a digest) its papers together.

    `moved` tells whether its bytes were sent, `why` the reason in words.
    """

    digest: Digest | None
    name: str
    tint: str
    size: int
    moved: bool
    why: str
    width: float


@dataclass(frozen=True, slots=True)
class Trip:
    """One transfer: `outward` to a registry, or from one. Parcels stand as in the stack, the top one first."""

    outward: bool
    reference: str
    far: str
    """The registry, in words."""
    parcels: tuple[Parcel, ...]
    sent: int
    avoided: int


def trip(
    events: Sequence[Event], *, own: str, name: Callable[[Digest], str], tint: Callable[[Digest], str]
) -> Trip | None:
    """The transfer that `events` tell of; None where they tell of none. `own` is this server's name as a registry."""
    done = next((e for e in reversed(events) if isinstance(e, facts.ImagePulled | facts.ImagePushed)), None)
    if done is None:
        return None
    outward = isinstance(done, facts.ImagePushed)
    moved = {e.digest: e.size for e in events if isinstance(e, facts.LayerPulled | facts.LayerPushed)}
    stayed = [e for e in events if isinstance(e, facts.LayerReused | facts.LayerExists | facts.LayerMounted)]
    why = {e.digest: _why(e) for e in stayed}
    sizes = moved | {e.digest: e.size for e in stayed}
    told = [e.digest for e in events if isinstance(e, _LAYER) and e.digest in sizes]
    order = dict.fromkeys(told if outward else reversed(told))  # a push tells the top layer first, a pull the bottom
    papers = max(0, done.sent - sum(moved.values()))
    scale = WIDE / max([*sizes.values(), papers, 1])
    parcels = [
        Parcel(
            digest=digest,
            name=name(digest),
            tint=tint(digest),
            size=sizes[digest],
            moved=digest in moved,
            why=why.get(digest, "sent"),
            width=round(max(sizes[digest] * scale, _SLIVER), 1),
        )
        for digest in order
    ]
    parcels.append(
        Parcel(
            None,
            "papers",
            "papers",
            papers,
            papers > 0,
            "sent" if papers else "none",
            max(round(papers * scale, 1), _SLIVER),
        )
    )
    return Trip(
        outward=outward,
        reference=done.reference,
        far=_far(events, own),
        parcels=tuple(parcels),
        sent=done.sent,
        avoided=sum(e.size for e in stayed),
    )


def _why(event: Event) -> str:
    match event:
        case facts.LayerMounted(source=source):
            return f"mounted from {source}"
        case facts.LayerExists():
            return "already there"
    return "already here"


def _far(events: Sequence[Event], own: str) -> str:
    canonical = next((e.canonical for e in events if isinstance(e, facts.ImagePulled | facts.PushStarted)), "")
    host = canonical.partition("/")[0]
    return "The menu" if host == "docker.io" else "The class’s shelf" if host == own else host
