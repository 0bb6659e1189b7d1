"""The counter: what goes out of a kitchen and comes into it, on a page of its own.

The last transfer drawn parcel by parcel; the shelf of the class, to pull from; the kitchen's images, to push; archives,
to bring and to take; and the lines that bring an image into a docker of the learner's own. Every button is a docker
command, sent as the kitchen's own page sends it.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine import digest as digests
from engine import events as facts
from engine.context import Context
from engine.digest import Digest
from engine.events import Event
from engine.host import Host
from engine.journal import Journal, State
from engine.registry import Registry, Request
from web import scene
from web.deliveries import Delivery
from web.headline import headline
from web.parcels import Trip, trip
from web.picture.parts import tinting, write
from web.pizza import link
from web.sentence import Piece, Sentence
from web.shelf import Offer, offers
from web.takeaway import Server, Takeaway, repository, takeaways
from web.terminals import Line


@dataclass(frozen=True, slots=True)
class Sendable:
    """An image of the kitchen, and what has to be typed next to have it on the shelf: first a tag that names this
    registry and the kitchen's place in it, then the push."""

    name: str
    label: str
    command: str


@dataclass(frozen=True, slots=True)
class CounterView:
    """What `counter.html` is drawn from."""

    kitchen: str
    writable: bool
    server: Server
    headline: Sentence
    refused: str
    """What docker said where the last command was refused."""
    trip: Trip | None
    offers: tuple[Offer, ...]
    sendables: tuple[Sendable, ...]
    images: tuple[str, ...]
    chosen: str
    """The image that the lines take home."""
    takeaways: tuple[Takeaway, ...]
    password: str
    """What docker login asks for; empty for who may not push."""
    delivery: Delivery | None


def sendables(host: Host, own: str, kitchen: str) -> tuple[Sendable, ...]:
    """The kitchen's images by their names, what is not the kitchen's own to push left out."""
    mine = f"{own}/{kitchen}/"
    found = []
    for name in sorted(host.references):
        short = name.removesuffix(":latest")
        if name.startswith(mine):
            found.append(Sendable(short, "Push it", f"docker push {shlex.quote(short)}"))
        elif not any(tag.startswith(mine) for tag in host.tags(host.references[name])):
            last = short.rpartition("/")[2]
            command = f"docker tag {shlex.quote(short)} {shlex.quote(mine + last)}"
            found.append(Sendable(short, "Address it", command))
    return tuple(found)


def transfer(context: Context, host: Host, events: Sequence[Event], own: str) -> Trip | None:
    """The transfer that `events` tell of, its layers named and coloured as in the picture of its image."""
    found = trip(events, own=own, name=digests.short, tint=tinting({}))
    if found is None:
        return None
    name, tint = _looks(context, host, found.reference)
    return trip(events, own=own, name=name, tint=tint)


def _looks(context: Context, host: Host, reference: str) -> tuple[Callable[[Digest], str], Callable[[Digest], str]]:
    """Names and colours for the layers of an image that the host has; by digest where it has not."""
    subject = scene.subject_of(context, host, reference)
    if subject is None:
        return digests.short, tinting({})
    writer = write(subject, 3, None, {}, link(reference), lambda digest: digest)
    names = dict(zip((layer.digest for layer in subject.layers), writer.titles(), strict=True))
    return lambda digest: names.get(digest) or digests.short(digest), tinting({}, writer)


def home(server: Server, kitchen: str, name: str, registry: Registry, manifest: Digest) -> tuple[Takeaway, ...]:
    """The lines for an image; by the registry where that has this very manifest under the image's name."""
    place = repository(name, server.host)
    if place:
        repository_, _, tag = place.rpartition(":")
        answer = registry.handle(Request("HEAD", f"/v2/{repository_}/manifests/{tag}"))
        if answer.headers.get("docker-content-digest") != manifest:
            place = ""
    return takeaways(server, kitchen, name, place.removesuffix(":latest"))


def view(
    journal: Journal,
    head: State,
    registry: Registry,
    *,
    server: Server,
    lines: Sequence[Line],
    password: str,
    chosen: str,
    delivery: Delivery | None,
) -> CounterView:
    """The counter of the kitchen that stands on `head`, whose terminal said `lines`; with `password` for its owner."""
    context, host, kitchen = journal.context, head.host, head.kitchen
    last = lines[-1] if lines else None
    transfers = [line.transfer for line in lines if _transfers(line.transfer)]
    events = transfers[-1] if transfers else head.events
    images = tuple(sorted(host.references))
    image = chosen if chosen in host.references else _newest(host)
    return CounterView(
        kitchen=kitchen,
        writable=bool(password),
        server=server,
        headline=_headline(events, delivery),
        refused=last.err.strip() if last and last.status else "",
        trip=transfer(context, host, events, server.host),
        offers=offers(journal.registry, server.host, kitchen, host, context.images),
        sendables=sendables(host, server.host, kitchen),
        images=images,
        chosen=image,
        takeaways=home(server, kitchen, image, registry, host.images[host.references[image]].manifest) if image else (),
        password=password,
        delivery=delivery,
    )


def _transfers(events: Sequence[Event]) -> bool:
    return any(isinstance(event, facts.ImagePulled | facts.ImagePushed) for event in events)


def _newest(host: Host) -> str:
    """The name that was given last."""
    return next(iter(reversed([*host.references])), "")


def _headline(events: Sequence[Event], delivery: Delivery | None) -> Sentence:
    if delivery:
        return (Piece("On its way: "), Piece(delivery.typed, "did"), Piece("."))
    return (
        headline(events)
        if _transfers(events)
        else (Piece("Layers travel one by one, and only where they are missing."),)
    )
