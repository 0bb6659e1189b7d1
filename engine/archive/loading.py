"""Images out of archives: `docker load`.

Read are OCI layouts, as a directory or in a tar, and what `docker save` has written over the years: ``manifest.json``
with ``<id>/layer.tar`` (links between equal layers included) or with blobs. Where both descriptions are there the OCI
one counts, since it has the manifest itself; to the older form a manifest is written, its layers stored as they came.
The archive's word is taken for nothing: all goes through `receive`, as if pulled. A story:

    for loaded in load(Path("images.tar"), blobs, layers):
        print(loaded.references, loaded.image.id)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from engine import digest as digests
from engine import platforms, spec
from engine import reference as references
from engine.archive.manifestjson import IMAGE_NAME, Row
from engine.archive.tarsource import UNPACKED_MAX, opened
from engine.blobs import BlobStore
from engine.compression import recognise
from engine.digest import Digest
from engine.errors import EngineError, LimitExceeded, MalformedDocument, never
from engine.events import Event, ignore
from engine.image import Image
from engine.layerstore import LayerStore
from engine.ocilayout import Directory, Layout, Source
from engine.spec import Descriptor, Index, Manifest, Platform
from engine.transfer import CONFIGS, Fetch, Pool, document, gather, receive

IMAGES_MAX: Final = 256
"""Images of one archive."""

_MEDIA_TYPES: Final = {"": spec.OCI_LAYER, "gzip": spec.OCI_LAYER_GZIP, "zstd": spec.OCI_LAYER_ZSTD}
_MAGIC: Final = 8


@dataclass(frozen=True, slots=True)
class Loaded:
    """An image that is now in the pool, and its familiar names in the archive, which may be none."""

    image: Image
    references: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Offer:
    """An image of an archive, not yet believed."""

    manifest: Manifest
    content: bytes
    digest: Digest
    references: tuple[str, ...]
    fetch: Fetch


def load(
    source: Path | BinaryIO,
    blobs: BlobStore,
    layers: LayerStore,
    *,
    held: Iterable[Digest] = (),
    room: int | None = None,
    progress: Callable[[Event], None] = ignore,
    cancelled: Callable[[], bool] = never,
    platform: Platform = platforms.LINUX_AMD64,
    limit: int = UNPACKED_MAX,
    scratch: Path | None = None,
) -> list[Loaded]:
    """The images of an archive, or of an OCI layout directory, brought into the pool in their order.

    Of an image for several platforms the one for `platform` is taken, or else the first that is there. `held`, `room`,
    `progress` and `cancelled` are those of `Pool`; `limit` bounds the temporary file of `opened`, in `scratch`.
    `MalformedDocument` where the archive is damaged or has no image, and all that `receive` raises; the images before
    that are in the pool.
    """
    pool = Pool(blobs, layers, frozenset(held), room, progress, cancelled)
    try:
        if isinstance(source, Path) and source.is_dir():
            return _receive(_of_layout(Layout(Directory(source)), platform), pool)
        with opened(source, limit, scratch) as archive:
            if archive.size("oci-layout") is not None and archive.size("index.json") is not None:
                return _receive(_of_layout(Layout(archive), platform), pool)
            return _receive(_of_docker(archive), pool)
    except EngineError as error:
        raise error.while_("load") from error


def _receive(offers: Iterable[_Offer], pool: Pool) -> list[Loaded]:
    loaded: list[Loaded] = []
    for offer in offers:
        if len(loaded) == IMAGES_MAX:
            raise LimitExceeded("images of the archive", IMAGES_MAX)
        received = receive(offer.manifest, offer.content, offer.digest, offer.fetch, pool)
        loaded.append(Loaded(received.image, offer.references))
        pool = pool.after(received)
    if not loaded:
        raise MalformedDocument("archive", "there is no container image in it")
    return loaded


# OCI layouts


def _of_layout(layout: Layout, platform: Platform) -> Iterator[_Offer]:
    """Each distinct manifest or index that ``index.json`` has, with all its names; what is no image is passed over."""
    names: dict[Digest, list[str]] = {}
    for descriptor in layout.index.manifests:
        names.setdefault(descriptor.digest, []).extend(_names(descriptor))
    for descriptor in {descriptor.digest: descriptor for descriptor in layout.index.manifests}.values():
        if descriptor.media_type not in spec.MANIFESTS | spec.INDEXES:
            continue
        chosen, content = _choose(layout, descriptor, platform)
        manifest = spec.manifest_or_index(content, chosen.media_type)
        if isinstance(manifest, Index):
            raise MalformedDocument("index", f"{chosen.digest} is called a manifest and is an index")
        if manifest.config.media_type in CONFIGS:
            found = tuple(dict.fromkeys(names[descriptor.digest]))
            yield _Offer(manifest, content, chosen.digest, found, lambda d: layout.chunks(d.digest))


def _names(descriptor: Descriptor) -> list[str]:
    """The familiar name that a descriptor gives; none where it gives a bare tag or a name of another kind."""
    notes = descriptor.annotations or {}
    name = notes.get(IMAGE_NAME) or notes.get(spec.REF_NAME, "")
    try:
        reference = references.parse(name).tagged() if ":" in name or "/" in name else None
    except EngineError:
        return []
    return [reference.familiar] if reference and reference.tag else []


def _choose(layout: Layout, descriptor: Descriptor, platform: Platform) -> tuple[Descriptor, bytes]:
    """The manifest that a descriptor leads to. An archive may lack what its index names for other platforms."""

    def nested(descriptor: Descriptor) -> Index:
        found = spec.manifest_or_index(document(layout.chunks(descriptor.digest), descriptor), descriptor.media_type)
        if isinstance(found, Manifest):
            raise MalformedDocument("index", f"{descriptor.digest} is called an index and is a manifest")
        return found

    def usable(descriptor: Descriptor) -> bool:
        return descriptor.digest in layout

    if descriptor.media_type in spec.INDEXES:
        index = nested(descriptor)
        try:
            descriptor = platforms.choose(index, platform, nested, usable)
        except platforms.PlatformUnknown as error:
            if not error.offered:
                raise
            descriptor = platforms.choose(index, error.offered[0], nested, usable)
    return descriptor, document(layout.chunks(descriptor.digest), descriptor)


# docker save


def _of_docker(archive: Source) -> Iterator[_Offer]:
    rows = spec.decode(_document(archive, "manifest.json"), list[Row], "manifest.json")
    for row in rows:
        config = _document(archive, row.Config)
        diff_ids, names = spec.image_config(config).rootfs.diff_ids, row.Layers or []
        if len(names) != len(diff_ids):
            why = f"{row.Config} has {len(diff_ids)} diff_ids, and {len(names)} layers stand beside it"
            raise MalformedDocument("manifest.json", why)
        layers = [_layer(archive, name, diff_id) for name, diff_id in zip(names, diff_ids, strict=True)]
        described = Descriptor(media_type=spec.OCI_CONFIG, digest=digests.of(config), size=len(config))
        fields = {"schemaVersion": 2, "mediaType": spec.OCI_MANIFEST, "config": described, "layers": layers}
        content = msgspec.json.encode(fields)
        manifest = Manifest(schema_version=2, config=described, layers=tuple(layers))
        where = {described.digest: row.Config} | {d.digest: name for d, name in zip(layers, names, strict=True)}
        tags = tuple(references.parse(name).tagged().familiar for name in row.RepoTags or ())
        yield _Offer(manifest, content, digests.of(content), tags, _fetching(archive, where))


def _fetching(archive: Source, where: Mapping[Digest, str]) -> Fetch:
    return lambda descriptor: archive.chunks(where[descriptor.digest])


def _layer(archive: Source, name: str, diff_id: Digest) -> Descriptor:
    """A layer as it stands there. One that is not compressed claims its diff_id for digest; `receive` will see."""
    size = archive.size(name)
    if size is None:
        raise MalformedDocument("manifest.json", f"names the layer {name[:200]!r}, which is not in the archive")
    compression = recognise(b"".join(archive.chunks(name, 0, _MAGIC)))
    digest = digests.of_chunks(archive.chunks(name)) if compression else diff_id
    return Descriptor(media_type=_MEDIA_TYPES.get(compression, spec.OCI_LAYER), digest=digest, size=size)


def _document(archive: Source, name: str) -> bytes:
    size = archive.size(name)
    if size is None:
        raise MalformedDocument("archive", f"it has no {name[:200]}: neither `docker save` nor OCI wrote it")
    if size > spec.DOCUMENT_MAX:
        raise LimitExceeded(f"{name} has {size:,} bytes", spec.DOCUMENT_MAX)
    return gather(archive.chunks(name), spec.DOCUMENT_MAX)
