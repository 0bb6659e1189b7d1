"""What the registry of this server has that kitchens pushed: the class's shelf.

Each tag of each repository with its size, and how much of it a host would still have to be sent. A manifest is read
once: it never changes.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import Final

from engine import host as hosts
from engine import spec
from engine.digest import Digest
from engine.errors import EngineError
from engine.host import Host
from engine.image import Images, Recent
from engine.registry import Catalogue
from engine.spec import Manifest

SHOWN: Final = 60
"""Tags that are shown; the rest are counted by whoever looks into the registry itself."""
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
    def command(self) -> str:
        """The command that brings it."""
        return f"docker pull {self.name}"


def offers(catalogue: Catalogue, own: str, kitchen: str, host: Host, images: Images) -> tuple[Offer, ...]:
    """The tags that can be pulled as images, those of `kitchen` first, as they would come to `host`."""
    held = hosts.held(host, images)
    found: list[Offer] = []
    for repository, tag in _tags(catalogue):
        if len(found) == SHOWN:
            break
        if (offer := _offer(catalogue, f"{own}/{repository}", tag, kitchen, host, held)) is not None:
            found.append(offer)
    return tuple(sorted(found, key=lambda offer: (not offer.mine, offer.name)))


def _tags(catalogue: Catalogue) -> Iterator[tuple[str, str]]:
    for repository in catalogue.repositories(count=SHOWN):
        yield from ((repository, tag) for tag in catalogue.tags(repository, count=SHOWN))


def _offer(
    catalogue: Catalogue, name: str, tag: str, kitchen: str, host: Host, held: Container[Digest]
) -> Offer | None:
    repository = name.partition("/")[2]
    try:
        content = catalogue.manifest(repository, tag)
        blobs = _read.get(content.digest, lambda: _blobs(b"".join(content.read(0, content.size)), content.media_type))
    except EngineError:  # gone meanwhile, or no manifest that we know
        return None
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
    """The config and the layers of an image with their sizes; None for what is no image."""
    document = spec.manifest_or_index(content, media_type)
    if not isinstance(document, Manifest):
        return None
    return {part.digest: part.size for part in (document.config, *document.layers)}
