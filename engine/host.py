"""A Docker host as one immutable value: its images, what references mean, and its containers.

A command takes a host and returns another; nothing else changes state, and keeping the old value is all that undo
needs. The value is small, since everything big is a blob: which blobs a host holds is derived from it (`reach`).
Images are keyed by ID (config digest), references by their familiar form (``team/web:latest``), containers by id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Literal, TypeVar

import msgspec

from engine import reference as references
from engine.blobs import BlobStore
from engine.digest import Digest
from engine.errors import CommandError, EngineError
from engine.image import Images
from engine.upper import Upper

Status = Literal["created", "running", "exited"]


class ImageRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An image that the host has. `parent` is the image it was made of here; a pull brings none (rule 38).
    `repo_digests` are the manifest digests under which registries know it (``team/web@sha256:…``), `indexes` the
    documents for several platforms, kept, that some of these name."""

    id: Digest
    manifest: Digest
    parent: Digest | None = None
    repo_digests: tuple[str, ...] = ()
    indexes: tuple[Digest, ...] = ()


class Container(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A writable upper over an image's layers. `image` is the ID it was made from, `manifest` keeps those layers even
    if the image goes. `upper` and `log` are blobs, None while empty. Times are RFC 3339."""

    id: str
    name: str
    image: Digest
    manifest: Digest
    requested: str
    """The image as the user typed it."""
    command: tuple[str, ...]
    created: str
    custom_command: bool = False
    """Whether the command was given, rather than the image's own."""
    status: Status = "created"
    exit_code: int = 0
    started: str = ""
    finished: str = ""
    upper: Digest | None = None
    log: Digest | None = None
    env: tuple[str, ...] = ()
    workdir: str = ""


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """One state of a host. The mappings are never changed in place."""

    images: Mapping[Digest, ImageRecord] = {}
    references: Mapping[str, Digest] = {}
    containers: Mapping[str, Container] = {}

    def tags(self, image: Digest) -> list[str]:
        """The references that mean `image`, sorted."""
        return sorted(name for name, target in self.references.items() if target == image)

    def called(self, image: Digest) -> list[str]:
        """The same, the one that it had first first: by that one people know it."""
        return [name for name, target in self.references.items() if target == image]

    def names(self, image: Digest) -> list[str]:
        """Every name of `image`: its tags, and the digests under which registries know it, sorted."""
        record = self.images.get(image)
        return sorted([*self.tags(image), *(record.repo_digests if record else ())])

    def users(self, image: Digest) -> list[Container]:
        """The containers made from `image`."""
        return [container for container in self.containers.values() if container.image == image]

    def children(self, image: Digest) -> list[ImageRecord]:
        """The images that were made here directly from `image`."""
        return [record for record in self.images.values() if record.parent == image]

    # Transitions

    def with_image(self, record: ImageRecord) -> Host:
        """With `record` added; where the image is there already, its repo digests are joined and its parent stays."""
        held = self.images.get(record.id)
        if held:
            record = msgspec.structs.replace(
                held,
                repo_digests=tuple(sorted({*held.repo_digests, *record.repo_digests})),
                indexes=tuple(sorted({*held.indexes, *record.indexes})),
            )
        return self._replace(images={**self.images, record.id: record})

    def without_image(self, image: Digest) -> Host:
        """With the image gone, and every reference to it."""
        return self._replace(
            images={k: v for k, v in self.images.items() if k != image},
            references={k: v for k, v in self.references.items() if v != image},
        )

    def tagged(self, reference: str, image: Digest) -> Host:
        """With the familiar `reference` meaning `image`, whatever it meant before."""
        return self._replace(references={**self.references, reference: image})

    def untagged(self, reference: str) -> Host:
        """With the familiar `reference` gone, be it a tag or a repository's digest."""
        images = {
            id_: msgspec.structs.replace(record, repo_digests=tuple(d for d in record.repo_digests if d != reference))
            for id_, record in self.images.items()
        }
        return self._replace(images=images, references={k: v for k, v in self.references.items() if k != reference})

    def with_container(self, container: Container) -> Host:
        """With the container added, or replacing the one of its id."""
        return self._replace(containers={**self.containers, container.id: container})

    def without_container(self, container: str) -> Host:
        """With the container gone."""
        return self._replace(containers={k: v for k, v in self.containers.items() if k != container})

    def _replace(self, **fields: object) -> Host:
        return msgspec.structs.replace(self, **fields)

    # Names

    def find_image(self, text: str) -> ImageRecord | None:
        """The image that `text` means: a reference, a repo digest, or a prefix of an ID. `CommandError` if several."""
        try:
            reference = references.parse(text).tagged()
        except EngineError:
            reference = None
        if reference and reference.digest:
            wanted = f"{reference.familiar_name}@{reference.digest}"
            return next((record for record in self.images.values() if wanted in record.repo_digests), None)
        if reference and (image := self.references.get(reference.familiar)):
            return self.images.get(image)
        bare = text.removeprefix("sha256:")
        return _by_prefix(self.images, bare, surely=bare != text)

    def find_container(self, text: str) -> Container | None:
        """The container of this name, id, or prefix of an id. `CommandError` where several ids begin so."""
        for container in self.containers.values():
            if container.name == text.removeprefix("/"):
                return container
        return _by_prefix(self.containers, text, surely=True)


V = TypeVar("V")
K = TypeVar("K", bound=str)


def _by_prefix(values: Mapping[K, V], prefix: str, *, surely: bool) -> V | None:
    """The one value whose hex key begins with `prefix`; `surely` tells that the prefix can be nothing but an id."""
    if not prefix or set(prefix) - set("0123456789abcdef"):
        return None
    found = [value for key, value in values.items() if key.removeprefix("sha256:").startswith(prefix)]
    if len(found) > 1 and surely:
        raise CommandError(f"Error response from daemon: multiple IDs found with provided prefix: {prefix}")
    return found[0] if len(found) == 1 else None


EMPTY = Host()


def encode(host: Host) -> bytes:
    """A host as JSON. Mappings keep their order, which is that of making."""
    return msgspec.json.encode(host)


def decode(data: bytes) -> Host:
    """A host back from its JSON."""
    return msgspec.json.decode(data, type=Host)


def held(host: Host, images: Images) -> dict[Digest, int]:
    """The blobs of the host's images, containers' included, with sizes: what a pull need not fetch again."""
    blobs: dict[Digest, int] = {}
    for manifest in manifests(host):
        blobs |= images[manifest].content
        blobs[manifest] = images[manifest].size
    return blobs


def indexes(host: Host) -> frozenset[Digest]:
    """The indexes that are kept of the host's images."""
    return frozenset(digest for record in host.images.values() for digest in record.indexes)


def manifests(host: Host) -> Iterable[Digest]:
    """The manifests of everything on the host, each once."""
    records = (record.manifest for record in host.images.values())
    return dict.fromkeys([*records, *(container.manifest for container in host.containers.values())])


def reach(host: Host, blobs: BlobStore, images: Images, upper: Callable[[Container], Upper]) -> dict[Digest, int]:
    """Every blob that the host reaches, with its size: images whole, uppers with their files' contents, logs."""
    found = held(host, images)
    others: set[Digest] = set(indexes(host))
    for container in host.containers.values():
        others |= {digest for digest in (container.upper, container.log) if digest}
        others |= upper(container).digests()
    return found | {digest: blobs.size(digest) for digest in others}
