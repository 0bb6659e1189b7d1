"""What is on the menu: the names and descriptions in the index of the OCI layout that pulls come from (rule 25)."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

from engine import reference as references
from engine import spec
from engine.digest import Digest
from engine.errors import MalformedDocument
from engine.host import Host

_THUMBNAILS: Final = frozenset({"cheese", "pepperoni", "margherita", "hawaiian", "dough", "registry"})


@dataclass(frozen=True, slots=True)
class Dish:
    """One reference of the menu, as docker would print it, what its index entry says of it, and what it is made of."""

    name: str
    title: str = ""
    description: str = ""
    manifest: Digest | None = None
    size: int = 0
    """Bytes of the manifest, which every pull sends."""
    content: Mapping[Digest, int] = field(default_factory=lambda: MappingProxyType({}))
    """Config and layers, with their sizes."""

    @property
    def command(self) -> str:
        """The command that brings it."""
        return f"docker pull {self.name}"

    @property
    def symbol(self) -> str:
        """The thumbnail on the menu card."""
        return symbol(self.name)

    def missing(self, held: Container[Digest]) -> int:
        """Bytes that a pull would send to a host that holds these blobs."""
        return self.size + sum(size for digest, size in self.content.items() if digest not in held)

    def held(self, host: Host) -> bool:
        """Whether the name means this very image on `host` already."""
        image = host.references.get(references.parse(self.name).tagged().familiar)
        return image is not None and host.images[image].manifest == self.manifest


def symbol(name: str) -> str:
    """The thumbnail of an image, by its name."""
    last = name.rpartition("/")[2].partition(":")[0]
    return f"m-{last}" if last in _THUMBNAILS else "m-dip" if last.endswith("dip") else "m-other"


def read(layout: Path) -> tuple[Dish, ...]:
    """The dishes in the order of ``index.json``. `MalformedDocument` where `layout` is no OCI layout."""
    try:
        spec.decode((layout / "oci-layout").read_bytes(), spec.Layout, "oci-layout")
        index = spec.manifest_or_index((layout / "index.json").read_bytes())
    except OSError as error:
        raise MalformedDocument("menu", f"{layout} is no OCI layout: {error.strerror}: {error.filename}") from error
    if not isinstance(index, spec.Index):
        raise MalformedDocument("menu", f"{layout}/index.json is not an index")
    return tuple(_dish(layout, one) for one in index.manifests if spec.REF_NAME in (one.annotations or {}))


def _dish(layout: Path, descriptor: spec.Descriptor) -> Dish:
    notes = descriptor.annotations or {}
    reference = references.parse(notes[spec.REF_NAME])
    name = reference.familiar_name if reference.tag == references.DEFAULT_TAG else reference.familiar
    file = layout / "blobs" / descriptor.digest.replace(":", "/")
    try:
        manifest = spec.manifest_or_index(file.read_bytes(), descriptor.media_type)
    except OSError as error:
        raise MalformedDocument("menu", f"{name}: its manifest cannot be read: {error.strerror}: {file}") from error
    parts = (manifest.config, *manifest.layers) if isinstance(manifest, spec.Manifest) else ()
    return Dish(
        name=name,
        title=notes.get(spec.TITLE, name),
        description=notes.get(spec.DESCRIPTION, ""),
        manifest=descriptor.digest,
        size=descriptor.size,
        content=MappingProxyType({part.digest: part.size for part in parts}),
    )
