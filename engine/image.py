"""An image: a manifest, its config and the descriptors of its layers, read from blobs and never changed.

A change returns a new image: `derive` adds one history step, and a layer where something changed (rule 38). An image is
known by two digests, its manifest's and its config's; the latter is docker's classic image ID (rule 19). In a stack a
layer's identity is position plus digest: the same layer may stand twice (rule 26).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import msgspec

from engine import digest as digests
from engine import spec
from engine.blobs import BlobStore
from engine.digest import Digest
from engine.errors import MalformedDocument
from engine.layer import Written
from engine.layerstore import LayerStore
from engine.spec import Descriptor, History, ImageConfig, Manifest, RunConfig
from engine.union import Union

_OCI_LAYERS: Final = {
    spec.DOCKER_LAYER_GZIP: spec.OCI_LAYER_GZIP,
    "application/vnd.docker.image.rootfs.diff.tar": spec.OCI_LAYER,
    "application/vnd.docker.image.rootfs.diff.tar.zstd": spec.OCI_LAYER_ZSTD,
}
_OF_ONE_BUILD: Final = ("container", "container_config", "docker_version", "id", "parent")
"""Keys of a classic config that speak of the container it was made from, and so not of what derives from it."""


@dataclass(frozen=True, slots=True)
class ImageLayer:
    """One layer in its place. `position` counts from the bottom, 0; `size` is content bytes."""

    position: int
    digest: Digest
    diff_id: Digest
    chain_id: Digest
    size: int


@dataclass(frozen=True, slots=True)
class Step:
    """One history row; `layer` is the position of the layer that it made, None for one of 0 B."""

    created: str | None
    created_by: str
    comment: str
    layer: int | None


@dataclass(frozen=True)
class Image:
    """One loaded image. `digest` names the manifest, which has `size` bytes, `id` the config."""

    digest: Digest
    size: int
    manifest: Manifest
    config: ImageConfig
    layers: tuple[ImageLayer, ...]
    steps: tuple[Step, ...]
    """Bottom first; every layer is in exactly one."""

    @property
    def id(self) -> Digest:
        """docker's image ID in the classic store: the config's digest."""
        return self.manifest.config.digest

    @property
    def content(self) -> dict[Digest, int]:
        """Every blob that the image needs beside its manifest, with its size."""
        config = self.manifest.config
        return {config.digest: config.size} | {layer.digest: layer.size for layer in self.layers}

    def unpacked(self, layers: LayerStore) -> int:
        """Sum of the layers' unpacked sizes, as docker's `images` counts."""
        return sum(layers.get(layer.digest, layer.diff_id).unpacked for layer in self.layers)


def load(blobs: BlobStore, digest: Digest) -> Image:
    """The image whose manifest is `digest`. `BlobUnknown`, or `MalformedDocument` where its parts do not fit."""
    document = blobs.read(digest)
    manifest = spec.manifest_or_index(document)
    if not isinstance(manifest, Manifest):
        raise MalformedDocument("manifest", f"{digests.short(digest)} is an index, not one image")
    config = spec.image_config(blobs.read(manifest.config.digest))
    return assemble(digest, len(document), manifest, config)


def assemble(digest: Digest, size: int, manifest: Manifest, config: ImageConfig) -> Image:
    """A manifest of `size` bytes and its config as one value; `MalformedDocument` where they count different layers."""
    diff_ids = config.rootfs.diff_ids
    if len(manifest.layers) != len(diff_ids):
        why = f"the manifest has {len(manifest.layers)} layers, the config {len(diff_ids)} diff_ids"
        raise MalformedDocument("image", why)
    rows = zip(manifest.layers, diff_ids, digests.chain(diff_ids), strict=True)
    layers = tuple(ImageLayer(n, d.digest, diff, chain, d.size) for n, (d, diff, chain) in enumerate(rows))
    return Image(digest, size, manifest, config, layers, _steps(config))


def _steps(config: ImageConfig) -> tuple[Step, ...]:
    """History rows joined to layers, bottom first; layers that history does not know come after it, unexplained."""
    count, position, steps = len(config.rootfs.diff_ids), 0, []
    for row in config.history or ():
        made = None
        if not row.empty_layer:
            made, position = position, position + 1
        steps.append(Step(row.created, row.created_by, row.comment, made))
    steps.extend(Step(config.created, "", "", n) for n in range(position, count))
    return tuple(steps)


def derive(blobs: BlobStore, parent: Image, step: History, run: RunConfig, layer: Written | None) -> Image:
    """`parent` with one more step, stored: the layer `layer`, or none where nothing changed (rule 38).

    The config is the parent's document with `created`, `history`, `rootfs` and `config` replaced; what else it says,
    known to us or not, carries over.
    """
    document: dict[str, Any] = msgspec.json.decode(blobs.read(parent.id))
    for key in _OF_ONE_BUILD:
        document.pop(key, None)
    rows = list(document.get("history") or ())
    explained = sum(not row.get("empty_layer") for row in rows)
    rows += [{"created_by": ""}] * (len(parent.layers) - explained)
    step = msgspec.structs.replace(step, empty_layer=layer is None)
    diff_ids = [*parent.config.rootfs.diff_ids, *([layer.diff_id] if layer else [])]
    document |= {
        "created": step.created,
        "author": step.author,
        "config": (document.get("config") or {}) | msgspec.to_builtins(run),
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": [*rows, msgspec.to_builtins(step)],
    }
    if not step.author:
        document.pop("author")
    config = msgspec.json.encode(document, order="sorted")
    config_digest = blobs.put(config)
    kept = (
        msgspec.structs.replace(d, media_type=_OCI_LAYERS.get(d.media_type, d.media_type))
        for d in parent.manifest.layers
    )
    added = [Descriptor(media_type=spec.OCI_LAYER_GZIP, digest=layer.digest, size=layer.size)] if layer else []
    fields = {
        "schemaVersion": 2,
        "mediaType": spec.OCI_MANIFEST,
        "config": Descriptor(media_type=spec.OCI_CONFIG, digest=config_digest, size=len(config)),
        "layers": [*kept, *added],
    }
    return load(blobs, blobs.put(msgspec.json.encode(fields)))


class Images:
    """Loaded images by manifest digest, and their stacks: read once, kept while recently used; safe among threads."""

    def __init__(self, blobs: BlobStore, layers: LayerStore, *, keep: int = 512, stacks: int = 16) -> None:
        self._blobs, self._layers = blobs, layers
        self._images: Recent[Digest, Image] = Recent(keep)
        self._stacks: Recent[tuple[ImageLayer, ...], Union] = Recent(stacks)

    def __getitem__(self, digest: Digest) -> Image:
        return self._images.get(digest, lambda: load(self._blobs, digest))

    def stack(self, digest: Digest) -> Union:
        """The layers of an image seen as one tree."""
        layers = self[digest].layers
        return self._stacks.get(
            layers, lambda: Union(tuple(self._layers.get(layer.digest, layer.diff_id) for layer in layers))
        )


K = TypeVar("K")
V = TypeVar("V")


class Recent(Generic[K, V]):
    """The `keep` values that were asked for last, each made once by its asker.

    Where visitors decide how large one is, `weigh` tells about how many bytes it takes, and all of them together take
    at most `room`: a value of more than that is made each time, and never kept.
    """

    def __init__(self, keep: int, *, room: int = 0, weigh: Callable[[V], int] | None = None) -> None:
        self._keep, self._room, self._weigh, self._lock = keep, room, weigh, threading.Lock()
        self._values: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._held = 0

    def get(self, key: K, make: Callable[[], V]) -> V:
        """The value of `key`, made by `make` where it is not kept."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key][0]
        value = make()
        self.put(key, value)
        return value

    def drop(self, key: K) -> None:
        """Keep the value of `key` no longer."""
        with self._lock:
            _, weight = self._values.pop(key, (None, 0))
            self._held -= weight

    def put(self, key: K, value: V) -> None:
        """Keep `value`, whatever was kept of `key`."""
        weight = self._weigh(value) if self._weigh else 0
        with self._lock:
            self._held -= self._values.pop(key, (value, 0))[1]
            if weight > self._room:
                return
            self._values[key] = value, weight
            self._held += weight
            while len(self._values) > self._keep or self._held > self._room:
                self._held -= self._values.popitem(last=False)[1][1]
