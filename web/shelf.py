"""What the registry of this server has that kitchens pushed: the class's shelf.

Each tag of each repository with its size, and how much of it a host would still have to be sent. A manifest is read
once: it never changes.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Final

from engine import host as hosts
from engine import spec
from engine.digest import Digest
from engine.errors import EngineError, NameUnknown
from engine.host import Host
from engine.image import Images, Recent
from engine.registry import Catalogue
from engine.spec import Manifest
from engine.transfer import CONFIGS
from web.menu import symbol

SHOWN: Final = 60
"""Tags that are looked at for one page; `Shelf.more` tells that there are others."""
EACH: Final = 8
"""Of them, those of one namespace that is neither the kitchen's own nor shared."""
_read: Recent[Digest, dict[Digest, int] | None] = Recent(512)


@dataclass(frozen=True, slots=True)
class Offer:
    """One tag: its name as docker types it, whose namespace it is in, the layers and bytes of its content."""

    name: str
    namespace: str
    mine: bool
    layers: int
    size: int
    missing: int
    held: bool
    """Whether the host has it under this very name."""

    @property
    def symbol(self) -> str:
        """The thumbnail beside it."""
        return symbol(self.name)

    @property
    def command(self) -> str:
        """The command that brings it."""
        return f"docker pull {self.name}"


@dataclass(frozen=True, slots=True)
class Shelf:
    """What is offered, the kitchen's own first; `more` where not all of it was looked at."""

    offers: tuple[Offer, ...]
    more: bool


def shelf(catalogue: Catalogue, shared: Collection[str], own: str, kitchen: str, host: Host, images: Images) -> Shelf:
    """The tags that can be pulled as images, as they would come to `host`."""
    held = hosts.held(host, images)
    tags = [*islice(_tags(catalogue, kitchen, shared), SHOWN + 1)]
    found = (_offer(catalogue, f"{own}/{repository}", tag, kitchen, host, held) for repository, tag in tags[:SHOWN])
    return Shelf(tuple(offer for offer in found if offer), len(tags) > SHOWN)


def _tags(catalogue: Catalogue, kitchen: str, shared: Collection[str]) -> Iterator[tuple[str, str]]:
    """Repositories with their tags: the kitchen's own, then those of the shared namespaces, then some of each other."""
    first = (kitchen, *sorted(shared))
    for space in first:
        yield from _of(catalogue, space, SHOWN)
    space, last = "", ""
    while following := catalogue.repositories(last, 1):
        space = following[0].partition("/")[0]
        if space not in first:
            yield from _of(catalogue, space, EACH)
        last = f"{space}0"  # what comes right after all that begins with the namespace and a slash


def _of(catalogue: Catalogue, space: str, count: int) -> Iterator[tuple[str, str]]:
    for repository in catalogue.repositories(f"{space}/", count):
        if not repository.startswith(f"{space}/") or count <= 0:
            return
        with suppress(NameUnknown):  # gone meanwhile
            for tag in catalogue.tags(repository, count=count):
                count -= 1
                yield repository, tag


def _offer(
    catalogue: Catalogue, name: str, tag: str, kitchen: str, host: Host, held: Container[Digest]
) -> Offer | None:
    repository = name.partition("/")[2]
    try:
        content = catalogue.manifest(repository, tag)
    except EngineError:  # gone meanwhile
        return None
    blobs = _read.get(content.digest, lambda: _blobs(b"".join(content.read(0, content.size)), content.media_type))
    if blobs is None:
        return None
    namespace, image = repository.partition("/")[0], host.references.get(f"{name}:{tag}")
    return Offer(
        name=name if tag == "latest" else f"{name}:{tag}",
        namespace=namespace,
        mine=namespace == kitchen,
        layers=len(blobs) - 1,
        size=content.size + sum(blobs.values()),
        missing=content.size + sum(size for digest, size in blobs.items() if digest not in held),
        held=image is not None and host.images[image].manifest == content.digest,
    )


def _blobs(content: bytes, media_type: str) -> dict[Digest, int] | None:
    """The config and the layers of an image with their sizes; None for what is none that could be pulled."""
    try:
        document = spec.manifest_or_index(content, media_type)
    except EngineError:
        return None
    if not isinstance(document, Manifest) or document.config.media_type not in CONFIGS:
        return None
    return {part.digest: part.size for part in (document.config, *document.layers)}
