"""The counter: what goes out of a kitchen and comes into it, on a page of its own.

The last transfer drawn parcel by parcel; the shelf of the class, to pull from; the kitchen's images, to push; archives,
to bring and to take; and the lines that bring an image into a docker of the learner's own. Every button is a docker
command, sent as the kitchen's own page sends it.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

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
from web.parcels import LAYER, Trip, trip
from web.picture.parts import tinting, write
from web.pizza import link
from web.sentence import Piece, Sentence
from web.shelf import Shelf, shelf
from web.takeaway import Server, Takeaway, repository, takeaways
from web.terminals import Line

_LOOKED: Final = 6
"""Images that are looked into for the names of layers."""


@dataclass(frozen=True, slots=True)
class Sendable:
    """An image of the kitchen, and what has to be typed next to have it on the shelf: first a tag that names this
    registry and the kitchen's place in it, then the push."""

    name: str
    label: str
    command: str
    done: bool = False
    """Whether it stands on the shelf as it is."""


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
    before: bool
    """Whether the trip was before the last command, which was none."""
    shelf: Shelf
    sendables: tuple[Sendable, ...]
    images: tuple[str, ...]
    chosen: str
    """The image that the lines take home."""
    takeaways: tuple[Takeaway, ...]
    password: str
    """What docker login asks for; empty for who may not push."""
    delivery: Delivery | None


def sendables(host: Host, registry: Registry, own: str, kitchen: str, shared: Collection[str]) -> tuple[Sendable, ...]:
    """The kitchen's images by their names: those with an address that it may push to, then those without any here."""
    spaces = [f"{own}/{space}/" for space in (kitchen, *sorted(shared))]
    addressed, found = [], []
    for name in sorted(host.references):
        short, record = name.removesuffix(":latest"), host.images[host.references[name]]
        if name.startswith(tuple(spaces)):
            done = _has(registry, name.partition("/")[2], record.manifest)
            command = f"docker push {shlex.quote(short)}"
            addressed.append(Sendable(short, "Push again" if done else "Push it", command, done))
        elif not any(tag.startswith(f"{own}/") for tag in host.tags(record.id)):
            last = short.rpartition("/")[2]
            command = f"docker tag {shlex.quote(short)} {shlex.quote(spaces[0] + last)}"
            found.append(Sendable(short, "Address it", command))
    return (*addressed, *found)


def _has(registry: Registry, place: str, manifest: Digest) -> bool:
    """Whether the registry has this very manifest under ``repository:tag``."""
    repository_, _, tag = place.rpartition(":")
    answer = registry.handle(Request("HEAD", f"/v2/{repository_}/manifests/{tag}"))
    return answer.headers.get("docker-content-digest") == manifest


def transfer(context: Context, host: Host, events: Sequence[Event], is_own: Callable[[str], bool]) -> Trip | None:
    """The transfer that `events` tell of, its layers named and coloured as in the pictures of the host's images."""
    wanted = {event.digest for event in events if isinstance(event, LAYER)}
    names: dict[Digest, str] = {}
    tints: dict[Digest, str] = {}
    done = [e.reference for e in events if isinstance(e, facts.ImagePulled | facts.ImagePushed)]
    for reference in [*done, *host.references][:_LOOKED]:
        subject = scene.subject_of(context, host, reference) if wanted - set(names) else None
        if subject:
            writer = write(subject, 3, None, {}, link(reference), lambda digest: digest)
            digests_ = [layer.digest for layer in subject.layers]
            names = dict(zip(digests_, writer.titles(), strict=True)) | names
            tints = dict(zip(digests_, writer.tints, strict=True)) | tints
    plain = tinting({})
    return trip(events, is_own, lambda d: names.get(d) or digests.short(d), lambda d: tints.get(d) or plain(d))


def home(server: Server, kitchen: str, name: str, registry: Registry, manifest: Digest) -> tuple[Takeaway, ...]:
    """The lines for an image; by the registry where that has this very manifest under the image's name."""
    place = repository(name, server.host)
    if place and not _has(registry, place, manifest):
        place = ""
    return takeaways(server, kitchen, name, place.removesuffix(":latest"))


def view(
    journal: Journal,
    head: State,
    registry: Registry,
    *,
    shared: Collection[str],
    server: Server,
    is_own: Callable[[str], bool],
    lines: Sequence[Line],
    password: str,
    chosen: str,
    delivery: Delivery | None,
) -> CounterView:
    """The counter of the kitchen that stands on `head`, whose terminal said `lines`; with `password` for its owner.
    `is_own` tells this server's names as a registry."""
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
        headline=_headline(last, events, delivery),
        refused=last.err.strip() if last and last.status and not delivery else "",
        trip=transfer(context, host, events, is_own),
        before=bool(last and not _transfers(last.transfer)),
        shelf=shelf(journal.registry, shared, server.host, kitchen, host, context.images),
        sendables=sendables(host, registry, server.host, kitchen, shared),
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


def _headline(last: Line | None, events: Sequence[Event], delivery: Delivery | None) -> Sentence:
    """What goes on, or came of the last command; else of the last transfer."""
    if delivery:
        return (Piece("On its way: "), Piece(delivery.typed, "did"), Piece("."))
    if last and last.status:
        return (Piece("Not done", "cost"), Piece(". Your kitchen is as it was."))
    if last and last.told:
        return last.told
    if _transfers(events):
        return headline(events)
    return (Piece("Layers travel one by one, and only where they are missing."),)
