"""OCI and docker documents as frozen structs, parsed and checked once (image-spec; docker schema 2; rules 20 to 25).

Only the fields that the engine acts on are named. A stored document is never written again from these: its bytes are
kept and served as they came, unknown fields and all (rule 21).
"""

from __future__ import annotations

from typing import Any, Final, Literal, TypeVar

import msgspec

from engine.digest import DigestField
from engine.errors import MalformedDocument

OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
OCI_LAYER: Final = "application/vnd.oci.image.layer.v1.tar"
OCI_LAYER_GZIP: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
OCI_LAYER_ZSTD: Final = "application/vnd.oci.image.layer.v1.tar+zstd"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG: Final = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER_GZIP: Final = "application/vnd.docker.image.rootfs.diff.tar.gzip"

MANIFESTS: Final = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
INDEXES: Final = frozenset({OCI_INDEX, DOCKER_LIST})

REF_NAME: Final = "org.opencontainers.image.ref.name"
TITLE: Final = "org.opencontainers.image.title"
DESCRIPTION: Final = "org.opencontainers.image.description"

DOCUMENT_MAX: Final = 4 << 20
"""The largest manifest, index or config, in bytes (distribution-spec: at least 4 MiB)."""
LAYERS_MAX: Final = 125
"""Layers of one image (rule 20)."""


class Platform(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where an image of an index runs."""

    architecture: str
    os: str
    variant: str = ""


class Descriptor(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A pointer to bytes: what they are, their digest and their size in bytes (descriptor.md)."""

    media_type: str
    digest: DigestField
    size: int
    platform: Platform | None = None
    annotations: dict[str, str] | None = None


class Manifest(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One image for one platform: a config and its layers, bottom first (manifest.md)."""

    schema_version: Literal[2]
    media_type: str = OCI_MANIFEST
    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: dict[str, str] | None = None


class Index(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Manifests to choose from by platform; may be empty, may nest (image-index.md; rule 22)."""

    schema_version: Literal[2]
    media_type: str = OCI_INDEX
    manifests: tuple[Descriptor, ...]
    annotations: dict[str, str] | None = None


class RootFS(msgspec.Struct, frozen=True, kw_only=True):
    """The stack: diff_ids, bottom first."""

    type: Literal["layers"]
    diff_ids: tuple[DigestField, ...]


class History(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step of how an image was made; `empty_layer` steps have no diff_id."""

    created: str | None = None
    created_by: str = ""
    author: str = ""
    comment: str = ""
    empty_layer: bool = False


class RunConfig(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a container of the image runs (config.md, `config`); names are docker's."""

    User: str = ""
    Env: tuple[str, ...] | None = None
    Entrypoint: tuple[str, ...] | None = None
    Cmd: tuple[str, ...] | None = None
    WorkingDir: str = ""
    ExposedPorts: dict[str, dict[str, Any]] | None = None
    Volumes: dict[str, dict[str, Any]] | None = None
    Labels: dict[str, str] | None = None


class ImageConfig(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The config document: platform, stack, history, run configuration (config.md)."""

    architecture: str
    os: str
    rootfs: RootFS
    created: str | None = None
    author: str = ""
    config: RunConfig | None = None
    history: tuple[History, ...] | None = None

    @property
    def run(self) -> RunConfig:
        """The run configuration, empty where the document has none."""
        return self.config or RunConfig()


class Layout(msgspec.Struct, frozen=True, rename="camel"):
    """The file ``oci-layout`` (image-layout.md; rule 25)."""

    image_layout_version: Literal["1.0.0"]


T = TypeVar("T")


def decode(data: bytes, type_: type[T], kind: str) -> T:
    """`data` as a document of `type_`; `MalformedDocument` names `kind` and the field that is wrong."""
    if len(data) > DOCUMENT_MAX:
        raise MalformedDocument(kind, f"larger than {DOCUMENT_MAX:,} bytes")
    try:
        return msgspec.json.decode(data, type=type_)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedDocument(kind, str(error)) from error


class _Shape(msgspec.Struct, rename="camel"):
    """What tells a manifest from an index."""

    media_type: str = ""
    manifests: Any = None
    config: Any = None
    layers: Any = None


def manifest_or_index(data: bytes, media_type: str = "") -> Manifest | Index:
    """`data` as a manifest or an index. `media_type` is what its carrier said; where both say, they must agree.

    A document that is both (``manifests`` beside ``config`` or ``layers``) is refused (CVE-2021-41190).
    """
    shape = decode(data, _Shape, "manifest")
    if shape.manifests is not None and (shape.config is not None or shape.layers is not None):
        raise MalformedDocument("manifest", "has `manifests` together with `config` or `layers`")
    if media_type and shape.media_type and media_type != shape.media_type:
        raise MalformedDocument("manifest", f"is sent as {media_type} and calls itself {shape.media_type}")
    said = media_type or shape.media_type
    if said in INDEXES or (not said and shape.manifests is not None):
        return decode(data, Index, "index")
    if said and said not in MANIFESTS:
        raise MalformedDocument("manifest", f"media type {said!r} is neither a manifest nor an index")
    manifest = decode(data, Manifest, "manifest")
    if len(manifest.layers) > LAYERS_MAX:
        raise MalformedDocument("manifest", f"{len(manifest.layers)} layers; at most {LAYERS_MAX} are possible")
    if any(descriptor.size < 0 for descriptor in (manifest.config, *manifest.layers)):
        raise MalformedDocument("manifest", "a descriptor has a negative size")
    return manifest


def image_config(data: bytes) -> ImageConfig:
    """`data` as an image config; non-empty history may not exceed the diff_ids (rule 20)."""
    config = decode(data, ImageConfig, "image config")
    steps = sum(not step.empty_layer for step in config.history or ())
    if steps > len(config.rootfs.diff_ids):
        raise MalformedDocument(
            "image config", f"history has {steps} layers, rootfs.diff_ids {len(config.rootfs.diff_ids)}"
        )
    if len(config.rootfs.diff_ids) > LAYERS_MAX:
        raise MalformedDocument(
            "image config", f"{len(config.rootfs.diff_ids)} diff_ids; at most {LAYERS_MAX} are possible"
        )
    return config
