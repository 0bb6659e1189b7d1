"""Images made on the spot, for tests: what a layer holds as a dict, layers as a list, images as an OCI layout.

    dough = {"bin/sh": file(BUSYBOX, 0o755), "etc": directory(), "etc/motd": b"hot\\n", "etc/issue": symlink("motd")}
    edits = {"etc/motd": WHITEOUT, "var/cache": OPAQUE, "etc/copy": hardlink("etc/new"), "etc/new": b"new"}
    layout(tmp_path / "menu", {"test/oddities": Recipe([dough, edits])})

The blobs are written by the engine's own `LayerWriter`; parents that a layer does not name stay implicit. A layer may
also be the path of a tar, gzipped, taken as it is.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

import msgspec

from engine import digest as digests
from engine import spec
from engine.blobs import BlobStore, DirectoryBlobs
from engine.layer import Entry, Written
from engine.layerwriter import LayerWriter

WHEN: Final = 1_700_000_000 * 10**9
"""The mtime of everything that is given no other, in nanoseconds."""
CREATED: Final = "2026-01-02T03:04:05Z"


@dataclass(frozen=True)
class Item:
    """What stands at a path of a layer: an entry with its content, or one more name of the file at `link`."""

    entry: Entry | None = None
    content: bytes = b""
    link: str = ""
    opaque: bool = False


Layer: TypeAlias = Mapping[str, Item | bytes]
"""Items by path; bytes are a plain file of them."""

WHITEOUT: Final = Item()


def file(content: bytes = b"", mode: int = 0o644, uid: int = 0, gid: int = 0, mtime: int = WHEN) -> Item:
    """A regular file."""
    return Item(Entry("file", mode, uid, gid, mtime, size=len(content)), content)


def directory(mode: int = 0o755, uid: int = 0, gid: int = 0, mtime: int = WHEN, *, opaque: bool = False) -> Item:
    """A directory; `opaque` hides what is below it."""
    return Item(Entry("dir", mode, uid, gid, mtime), opaque=opaque)


def symlink(target: str) -> Item:
    """A symlink."""
    return Item(Entry("symlink", 0o777, 0, 0, WHEN, target=target.encode()))


def special(kind: str, mode: int = 0o644, major: int = 0, minor: int = 0) -> Item:
    """A ``fifo``, ``char`` or ``block`` device."""
    return Item(Entry(kind, mode, 0, 0, WHEN, major=major, minor=minor))


def hardlink(path: str) -> Item:
    """One more name of the file at `path` of the same layer."""
    return Item(link=path)


OPAQUE: Final = directory(opaque=True)


@dataclass(frozen=True)
class Recipe:
    """An image: its layers, bottom first, and how it runs."""

    layers: Sequence[Layer | Path]
    run: spec.RunConfig = field(default_factory=lambda: spec.RunConfig(Cmd=("/bin/sh",)))


def write(blobs: BlobStore, items: Layer) -> Written:
    """One layer, stored."""
    writer = LayerWriter()
    links: list[tuple[str, str]] = []
    for path, given in items.items():
        item = file(given) if isinstance(given, bytes) else given
        if item.link:
            links.append((path, item.link))
        elif item.entry is None:
            writer.whiteout(path.encode())
        else:
            writer.add(path.encode(), item.entry, item.content)
            if item.opaque:
                writer.opaque(path.encode())
    for path, target in links:
        writer.hardlink(path.encode(), target.encode())
    return writer.write(blobs)


def take(blobs: BlobStore, tar: Path) -> Written:
    """A gzipped tar as a layer, stored; its unpacked size is left at 0."""

    def pieces(stream: object) -> Iterator[bytes]:
        return iter(partial(stream.read, 1 << 20), b"")  # type: ignore[attr-defined]

    with tar.open("rb") as stream:
        digest = blobs.put(pieces(stream))
    with gzip.open(tar) as inflated:
        diff_id = digests.of_chunks(pieces(inflated))
    return Written(digest, diff_id, blobs.size(digest), 0)


def store(blobs: BlobStore, recipe: Recipe) -> spec.Descriptor:
    """An image, stored, and the descriptor of its manifest; one history row a layer, ``layer 0`` the lowest."""
    layers = [take(blobs, layer) if isinstance(layer, Path) else write(blobs, layer) for layer in recipe.layers]
    config = spec.ImageConfig(
        architecture="amd64",
        os="linux",
        created=CREATED,
        config=recipe.run,
        rootfs=spec.RootFS(type="layers", diff_ids=tuple(layer.diff_id for layer in layers)),
        history=tuple(spec.History(created=CREATED, created_by=f"layer {n}") for n in range(len(layers))),
    )
    manifest = spec.Manifest(
        schema_version=2,
        config=_put(blobs, msgspec.json.encode(config), spec.OCI_CONFIG),
        layers=tuple(
            spec.Descriptor(media_type=spec.OCI_LAYER_GZIP, digest=layer.digest, size=layer.size) for layer in layers
        ),
    )
    document = msgspec.to_builtins(manifest) | {"mediaType": spec.OCI_MANIFEST}
    return _put(blobs, msgspec.json.encode(document), spec.OCI_MANIFEST)


def layout(path: Path, recipes: Mapping[str, Recipe]) -> Path:
    """An OCI layout of images by repository, each tagged ``latest``: for a menu, or to load."""
    blobs = DirectoryBlobs(path / "blobs")
    entries = tuple(
        msgspec.structs.replace(store(blobs, recipe), annotations={spec.REF_NAME: f"{name}:latest"})
        for name, recipe in recipes.items()
    )
    document = msgspec.to_builtins(spec.Index(schema_version=2, manifests=entries)) | {"mediaType": spec.OCI_INDEX}
    (path / "index.json").write_bytes(msgspec.json.encode(document))
    (path / "oci-layout").write_bytes(msgspec.json.encode(spec.Layout("1.0.0")))
    return path


def _put(blobs: BlobStore, data: bytes, media_type: str) -> spec.Descriptor:
    return spec.Descriptor(media_type=media_type, digest=blobs.put(data), size=len(data))
