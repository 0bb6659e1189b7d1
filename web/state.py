"""A kitchen's state as one documented value: what ``/k/<id>/state.json`` answers and what pages are drawn from.

`describe` reads the journal and adds nothing to it: the same state always gives the same bytes. Sizes are bytes, and
their word is in their name (rule 27): `size` is content, the stored and usually compressed blob; `unpacked` is
regular-file bytes. The two are never added to each other. Every figure of the ledger lists what it adds up from.
Times are RFC 3339, paths absolute text, digests whole, stacks bottom first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Literal, TypeVar

import msgspec

from engine import events as facts
from engine import host as hosts
from engine.context import Context
from engine.diff import diff
from engine.digest import Digest
from engine.events import AnyEvent, display
from engine.host import Container, Host, ImageRecord
from engine.image import Image
from engine.journal import Entry, Journal, State
from engine.upper import Upper

LISTED: Final = 500
"""Changes and upper nodes of one container, and events of one command, that are listed; a figure counts them all."""
LISTED_BYTES: Final = 128 << 10
"""Bytes of each such list as JSON; names can be long, and there can be many containers."""


_S = TypeVar("_S", bound=msgspec.Struct)


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all: frozen, fields in the order of their definition."""


# Images


class LayerState(Value, frozen=True, kw_only=True):
    """One layer in its place. `chain_id` names the stack up to it; `shared`: another place needs the same blob."""

    position: int
    digest: Digest
    diff_id: Digest
    chain_id: Digest
    size: int
    unpacked: int
    shared: bool


class StepState(Value, frozen=True, kw_only=True):
    """One history row; `layer` is the position of the layer that it made, None for one of 0 B."""

    created: str | None
    created_by: str
    comment: str
    layer: int | None
    unpacked: int


class ImageState(Value, frozen=True, kw_only=True):
    """One image. `id` is its config's digest; `size` is the content of manifest, config and layers, each blob once."""

    id: Digest
    manifest: Digest
    parent: Digest | None
    references: tuple[str, ...]
    repo_digests: tuple[str, ...]
    created: str | None
    size: int
    unpacked: int
    layers: tuple[LayerState, ...]
    history: tuple[StepState, ...]
    containers: tuple[str, ...]
    """Names of the containers made from it."""


# Containers


class ChangeState(Value, frozen=True, kw_only=True):
    """One line of ``docker diff``: A added, C changed, D deleted."""

    kind: str
    path: str


class NodeState(Value, frozen=True, kw_only=True):
    """One node of a container's upper: a whole file, however little of it changed. `kind` may be ``whiteout``."""

    path: str
    kind: str
    size: int
    opaque: bool


class ContainerState(Value, frozen=True, kw_only=True):
    """One container. `unpacked` is its upper alone, `virtual` adds its image's unpacked size (``ps -s``)."""

    id: str
    name: str
    image: Digest
    manifest: Digest
    requested: str
    command: tuple[str, ...]
    status: Literal["created", "running", "exited"]
    exit_code: int
    created: str
    started: str
    finished: str
    upper: Digest | None
    unpacked: int
    virtual: int
    changed: int
    changes: tuple[ChangeState, ...]
    nodes: tuple[NodeState, ...]


# Blobs and the ledger


class BlobState(Value, frozen=True, kw_only=True):
    """One stored blob, once. `places` counts how often the images need it, a stack that has it twice counting twice."""

    digest: Digest
    kind: Literal["manifest", "config", "layer"]
    size: int
    places: int
    images: tuple[Digest, ...]
    """IDs of the images that use it, present or (below a container) removed."""


class Term(Value, frozen=True, kw_only=True):
    """`times` times the `size` of one blob."""

    digest: Digest
    kind: str
    size: int
    times: int


class Figure(Value, frozen=True, kw_only=True):
    """A sum of content sizes and what it adds up from."""

    size: int
    terms: tuple[Term, ...]


class Transfer(Value, frozen=True, kw_only=True):
    """The last pull on the way to this state: what the registry sent, and what was held already."""

    state: str
    reference: str
    sent: Figure
    avoided: Figure


class Ledger(Value, frozen=True, kw_only=True):
    """What the images would take if each had its own copies, what they take, and the difference; all content."""

    naive: Figure
    stored: Figure
    saved: Figure
    transfer: Transfer | None


# Time


class StateRow(Value, frozen=True, kw_only=True):
    """One kept state in the tree. `on_line` tells whether it lies on the way from the first state to the head."""

    id: str
    number: int
    parent: str | None
    command: tuple[str, ...]
    at: str
    on_line: bool


class KitchenState(Value, frozen=True, kw_only=True):
    """All of it. `events` are those of the head's own command, the first of the `happened` many that there were;
    `undo` and `redo` the states that these would go to."""

    kitchen: str
    state: str
    number: int
    at: str
    command: tuple[str, ...]
    events: tuple[AnyEvent, ...]
    happened: int
    images: tuple[ImageState, ...]
    containers: tuple[ContainerState, ...]
    blobs: tuple[BlobState, ...]
    ledger: Ledger
    undo: str | None
    redo: str | None
    states: tuple[StateRow, ...]
    used: int
    """Bytes of blobs, uppers included, that all kept states of the kitchen reach: what its quota counts."""
    quota: int | None


def describe(journal: Journal, kitchen: str, state: str = "") -> KitchenState:
    """A kitchen at its head, or at any kept `state` of its own. `KitchenUnknown`, `StateUnknown`."""
    return describe_state(journal, journal.state(state) if state else journal.head(kitchen))


def describe_state(journal: Journal, head: State) -> KitchenState:
    """The kitchen of a state that is in hand already, as it is, or was, there."""
    entries = journal.entries(head.kitchen)
    context, host = journal.context, head.host
    places = _places(context, host)
    return KitchenState(
        kitchen=head.kitchen,
        state=head.id,
        number=head.number,
        at=head.at,
        command=head.argv,
        events=_listed(head.events),  # type: ignore[arg-type]
        happened=len(head.events),
        images=tuple(_image(context, host, record, places) for record in _in_order(host, context)),
        containers=tuple(_container(context, container) for container in _by_age(host.containers.values())),
        blobs=_blobs(places),
        ledger=_ledger(places, _transfer(journal, entries, head.id)),
        undo=head.parent if any(entry.id == head.parent for entry in entries) else None,
        redo=next((entry.id for entry in reversed(entries) if entry.parent == head.id), None),
        states=_tree(entries, head.id),
        used=journal.used(head.kitchen),
        quota=journal.quota,
    )


def account(journal: Journal, head: State) -> Ledger:
    """The byte ledger of a state, as it stands in `describe_state`."""
    places = _places(journal.context, head.host)
    return _ledger(places, _transfer(journal, journal.entries(head.kitchen), head.id))


def encode(state: KitchenState) -> bytes:
    """The JSON of a state: the same bytes for the same value."""
    return msgspec.json.encode(state)


def _listed(found: Sequence[_S]) -> tuple[_S, ...]:
    """The first of what was found, as far as a list goes."""
    shown, room = 0, LISTED_BYTES
    for one in found[:LISTED]:
        room -= len(msgspec.json.encode(one))
        if room < 0:
            break
        shown += 1
    return tuple(found[:shown])


# Images and containers


def _in_order(host: Host, context: Context) -> list[ImageRecord]:
    """Oldest first, by what their configs say; the same order wherever they were pulled."""
    return sorted(host.images.values(), key=lambda r: (context.images[r.manifest].config.created or "", r.id))


def _by_age(containers: Iterable[Container]) -> list[Container]:
    return sorted(containers, key=lambda container: (container.created, container.id))


def _image(context: Context, host: Host, record: ImageRecord, places: dict[Digest, _Places]) -> ImageState:
    image = context.images[record.manifest]
    layers = tuple(
        LayerState(
            position=layer.position,
            digest=layer.digest,
            diff_id=layer.diff_id,
            chain_id=layer.chain_id,
            size=layer.size,
            unpacked=context.layers.get(layer.digest, layer.diff_id).unpacked,
            shared=places[layer.digest].count > 1,
        )
        for layer in image.layers
    )
    steps = tuple(
        StepState(
            created=step.created,
            created_by=step.created_by,
            comment=step.comment,
            layer=step.layer,
            unpacked=0 if step.layer is None else layers[step.layer].unpacked,
        )
        for step in image.steps
    )
    return ImageState(
        id=record.id,
        manifest=record.manifest,
        parent=record.parent,
        references=tuple(host.tags(record.id)),
        repo_digests=record.repo_digests,
        created=image.config.created,
        size=sum({blob: size for blob, _, size in _blobs_of(context, image)}.values()),
        unpacked=sum(layer.unpacked for layer in layers),
        layers=layers,
        history=steps,
        containers=tuple(container.name for container in _by_age(host.users(record.id))),
    )


def _container(context: Context, container: Container) -> ContainerState:
    upper: Upper = context.upper(container)
    changes = diff(context.images.stack(container.manifest), upper) if upper.nodes else []
    nodes = sorted(upper.nodes.items())[:LISTED]
    return ContainerState(
        id=container.id,
        name=container.name,
        image=container.image,
        manifest=container.manifest,
        requested=container.requested,
        command=container.command,
        status=container.status,
        exit_code=container.exit_code,
        created=container.created,
        started=container.started,
        finished=container.finished,
        upper=container.upper,
        unpacked=upper.unpacked,
        virtual=upper.unpacked + context.images[container.manifest].unpacked(context.layers),
        changed=len(changes),
        changes=_listed([ChangeState(kind=c.kind, path=display(c.path)) for c in changes[:LISTED]]),
        nodes=_listed(
            [NodeState(path=display(path), kind=node.kind, size=node.size, opaque=node.opaque) for path, node in nodes]
        ),
    )


# Blobs and the ledger


class _Places:
    """Where one blob is needed, while that is being counted."""

    def __init__(self, kind: Literal["manifest", "config", "layer"], size: int) -> None:
        self.kind, self.size, self.count = kind, size, 0
        self.images: dict[Digest, None] = {}

    def term(self, digest: Digest, times: int) -> Term:
        return Term(digest=digest, kind=self.kind, size=self.size, times=times)


def _blobs_of(context: Context, image: Image) -> Iterable[tuple[Digest, Literal["manifest", "config", "layer"], int]]:
    """Each blob that an image needs, once for each place that needs it."""
    yield image.digest, "manifest", context.blobs.size(image.digest)
    yield image.id, "config", image.manifest.config.size
    for layer in image.layers:
        yield layer.digest, "layer", layer.size


def _places(context: Context, host: Host) -> dict[Digest, _Places]:
    """Every blob of the host's images, and of images that only a container still stands on, by digest."""
    places: dict[Digest, _Places] = {}
    for manifest in sorted(hosts.manifests(host)):
        image = context.images[manifest]
        for digest, kind, size in _blobs_of(context, image):
            place = places.setdefault(digest, _Places(kind, size))
            place.count += 1
            place.images[image.id] = None
    return dict(sorted(places.items(), key=lambda item: (("layer", "config", "manifest").index(item[1].kind), item[0])))


def _blobs(places: dict[Digest, _Places]) -> tuple[BlobState, ...]:
    return tuple(
        BlobState(digest=digest, kind=place.kind, size=place.size, places=place.count, images=tuple(place.images))
        for digest, place in places.items()
    )


def _figure(terms: Iterable[Term]) -> Figure:
    counted = tuple(term for term in terms if term.times)
    return Figure(size=sum(term.size * term.times for term in counted), terms=counted)


def _ledger(places: dict[Digest, _Places], transfer: Transfer | None) -> Ledger:
    return Ledger(
        naive=_figure(place.term(digest, place.count) for digest, place in places.items()),
        stored=_figure(place.term(digest, 1) for digest, place in places.items()),
        saved=_figure(place.term(digest, place.count - 1) for digest, place in places.items()),
        transfer=transfer,
    )


def _transfer(journal: Journal, entries: Sequence[Entry], head: str) -> Transfer | None:
    for entry in _line(entries, head):
        if isinstance(pulled := entry.gist.what, facts.ImagePulled):
            events = journal.events(entry.id)
            return Transfer(
                state=entry.id,
                reference=pulled.reference,
                sent=_figure(_sent(events)),
                avoided=_figure(_avoided(events)),
            )
    return None


def _sent(events: Iterable[facts.Event]) -> Iterable[Term]:
    for event in events:
        if isinstance(event, facts.DocumentPulled):
            yield Term(digest=event.digest, kind=event.kind, size=event.size, times=1)
        elif isinstance(event, facts.LayerPulled):
            yield Term(digest=event.digest, kind="layer", size=event.size, times=1)


def _avoided(events: Iterable[facts.Event]) -> Iterable[Term]:
    for event in events:
        if isinstance(event, facts.LayerReused):
            yield Term(digest=event.digest, kind="layer", size=event.size, times=1)


# Time


def _line(entries: Sequence[Entry], head: str) -> Iterable[Entry]:
    """From the head back to the first state that is kept."""
    by_id = {entry.id: entry for entry in entries}
    entry = by_id.get(head)
    while entry:
        yield entry
        entry = by_id.get(entry.parent or "")


def _tree(entries: Sequence[Entry], head: str) -> tuple[StateRow, ...]:
    line = {entry.id for entry in _line(entries, head)}
    return tuple(
        StateRow(
            id=entry.id,
            number=entry.number,
            parent=entry.parent,
            command=entry.argv,
            at=entry.at,
            on_line=entry.id in line,
        )
        for entry in entries
    )
