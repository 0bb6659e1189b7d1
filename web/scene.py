"""Who is in the picture: from an address's words to one image or container, and from the engine's state to a drawing.

``?subject=pizza-1&slice=3&layer=0&beside=pizza/cheese``: a container's name or an image's reference, the slice in
front, the layer that is asked about, and what stands beside it. Where the address names nobody, it is whoever the last
command made, or the newest container, or the newest image.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from engine import digest as digests
from engine import events as facts
from engine import host as hosts
from engine.context import Context
from engine.diff import diff
from engine.digest import Digest
from engine.events import Event
from engine.host import Container, Host, ImageRecord
from engine.merged import Merged
from engine.upper import Upper
from web.picture.toppings import taste
from web.pizza import Above, Blob, Change, Ledger, PizzaView, Subject, differing, link, picture
from web.state import Ledger as Account

COMPARED = 4 << 20
"""Bytes of a copied file up to which it is said how many of them differ."""


@dataclass(frozen=True, slots=True)
class Looking:
    """What the address asks to see."""

    subject: str = ""
    beside: str = ""
    slice: int | None = None
    layer: int | None = None

    @classmethod
    def read(cls, words: Mapping[str, str]) -> Looking:
        """From the words of an address or a form; what makes no sense is as if it were not there."""
        layer, number = words.get("layer", ""), words.get("slice", "")
        return cls(
            subject=words.get("subject", "")[:255],
            beside=words.get("beside", "")[:255],
            slice=int(number) if number in tuple("12345678") else None,
            layer=int(layer) if layer.isascii() and layer.isdigit() and len(layer) < 4 else None,
        )

    @property
    def words(self) -> dict[str, str]:
        """The same as an address's words, those left out that say nothing."""
        layer = "" if self.layer is None else str(self.layer)
        words = {"subject": self.subject, "beside": self.beside, "slice": str(self.slice or ""), "layer": layer}
        return {name: value for name, value in words.items() if value}

    @property
    def query(self) -> str:
        """`words` as they stand in an address."""
        return urlencode(self.words)


def settle(host: Host, looking: Looking, fresh: Sequence[str] = ()) -> Looking:
    """`looking` with a subject that is there: the last of `fresh`, else whom it names, else the newest, else ""."""
    wanted = [name for name in (*reversed(fresh), looking.subject) if name and find(host, name)]
    newest = [c.name for c in reversed([*host.containers.values()])] or [*reversed([*host.references])]
    subject = next(iter([*wanted, *newest]), "") or next((digests.short(image) for image in host.images), "")
    beside = looking.beside if find(host, looking.beside) and looking.beside != subject else ""
    return replace(looking, subject=subject, beside=beside, layer=looking.layer if subject == looking.subject else None)


def made(events: Iterable[Event]) -> Iterable[str]:
    """The names of what `events` brought or started, in their order."""
    for event in events:
        match event:
            case (
                facts.ImagePulled(reference=name)
                | facts.ImageCommitted(reference=name)
                | facts.ImageLoaded(reference=name)
            ):
                yield name
            case facts.ContainerCreated(name=name) | facts.ContainerStarted(name=name):
                yield name


def find(host: Host, name: str) -> Container | ImageRecord | None:
    """The container of this name, or the image that it means."""
    if not name:
        return None
    container = next((c for c in host.containers.values() if c.name == name), None)
    return container or host.find_image(name)


def draw(context: Context, host: Host, looking: Looking, account: Account) -> PizzaView:
    """The picture of whom `looking`, once settled, names."""
    subject = subject_of(context, host, looking.subject)
    transfer = account.transfer
    return picture(
        subject,
        blobs_of(context, host),
        beside=subject_of(context, host, looking.beside),
        page=lambda digest: f"#blob-{digests.short(digest)}",
        chosen=looking.slice,
        layer=looking.layer,
        address=link(looking.subject, looking.beside),
        account=Ledger(
            naive=account.naive.size,
            stored=account.stored.size,
            sent=transfer.sent.size if transfer else None,
            avoided=transfer.avoided.size if transfer else 0,
        ),
    )


def subject_of(context: Context, host: Host, name: str) -> Subject | None:
    """A container or an image as the picture wants it; None where there is none of that name."""
    found = find(host, name)
    if isinstance(found, Container):
        return _container(context, host, found)
    return _image(context, host, found, name) if found else None


def _image(context: Context, host: Host, record: ImageRecord, name: str) -> Subject:
    image = context.images[record.manifest]
    users = [container.name for container in host.users(record.id)]
    return Subject(
        kind="image",
        key=name,
        name=name.removesuffix(":latest").rpartition("/")[2],
        sub=f"{name.removesuffix(':latest')}, " + (f"open as {', '.join(users[:2])}" if users else "no container yet"),
        steps=image.steps,
        layers=image.layers,
        union=context.images.stack(record.manifest),
        own=tuple(host.tags(record.id)),
        committed=_committed(context, host, record),
    )


def _committed(context: Context, host: Host, record: ImageRecord | None) -> frozenset[int]:
    """The layers of an image that were containers of this host: those of the images that it was made of here."""
    out = set()
    while record and record.parent:
        steps = context.images[record.manifest].steps
        if steps and steps[-1].layer is not None:
            out.add(steps[-1].layer)
        record = host.images.get(record.parent)
    return frozenset(out)


def _container(context: Context, host: Host, container: Container) -> Subject:
    image, upper = context.images[container.manifest], context.upper(container)
    union = context.images.stack(container.manifest)
    files = Merged(union, upper, context.blobs)

    def changed(path: bytes) -> int | None:
        return _changed(files, upper, path)

    return Subject(
        kind="container",
        key=container.name,
        name=container.name,
        sub=f"{container.status}, from {container.requested}",
        steps=image.steps,
        layers=image.layers,
        union=union,
        upper={path: Above(node.kind, node.size, node.opaque) for path, node in upper.nodes.items()},
        own=tuple(host.tags(container.image)),
        committed=_committed(context, host, host.images.get(container.image)),
        size=upper.unpacked,
        changes=tuple(Change(change.kind, change.path) for change in diff(union, upper)) if upper.nodes else (),
        changed=changed,
    )


def _changed(files: Merged, upper: Upper, path: bytes) -> int | None:
    """How many bytes of the upper's file are not those of the file that it was copied from."""
    node, found = upper.nodes.get(path), files.union.lookup(path)
    if not node or not found or node.kind != "file" or found.entry.kind != "file":
        return None
    if max(node.size, found.entry.size) > COMPARED:
        return None
    return differing(files.union.read(found), files.read(path))


def blobs_of(context: Context, host: Host) -> list[Blob]:
    """Each layer's blob that the host holds, once, with the references of the images that use it."""
    users: dict[Digest, dict[str, None]] = {}
    sizes: dict[Digest, tuple[int, int, str]] = {}
    for manifest in hosts.manifests(host):
        image = context.images[manifest]
        for layer in image.layers:
            users.setdefault(layer.digest, {}).update(dict.fromkeys(host.called(image.id)))
            if layer.digest not in sizes:
                found = context.layers.get(layer.digest, layer.diff_id)
                sizes[layer.digest] = (layer.size, found.unpacked, taste(found))
    return [
        Blob(digest, content, unpacked, tuple(users[digest]), word)
        for digest, (content, unpacked, word) in sizes.items()
    ]
