"""What a registry must know of a manifest that it is given: what it refers to, and how referrers' lists show it.

Any manifest is taken that has a media type of its own and says of what it is made in the fields that all have in common
(manifest.md, image-index.md); an image's or an index's are checked whole. Its bytes are kept as they came (rule 21).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec

from engine import spec
from engine.digest import Digest, DigestField
from engine.errors import MalformedDocument

REFERENCES_MAX: Final = 4096
"""Manifests and blobs that one manifest may refer to."""

_TYPE: Final = re.compile(r"application/(?:vnd\.[a-z0-9.+-]*json|json|[a-z0-9.-]+\+json)", re.IGNORECASE)
"""What a browser would never take for a page or a script, though it is served from the pages' own address."""
_FOREIGN: Final = (
    "application/vnd.docker.image.rootfs.foreign.",
    "application/vnd.oci.image.layer.nondistributable.",
)
"""Beginnings of the media types of layers that no registry need have (layer.md, non-distributable layers)."""


@dataclass(frozen=True)
class Facts:
    """What a manifest says: sizes of the `blobs` and `manifests` that it needs, and what referrers' lists show."""

    blobs: Mapping[Digest, int] = field(default_factory=dict)
    manifests: Mapping[Digest, int] = field(default_factory=dict)
    subject: Digest | None = None
    artifact_type: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)


class _Descriptor(msgspec.Struct, rename="camel"):
    media_type: str
    digest: DigestField
    size: int


class _Manifest(msgspec.Struct, rename="camel"):
    """The fields that manifests of all kinds have in common."""

    schema_version: int = 0
    media_type: str = ""
    artifact_type: str = ""
    config: _Descriptor | None = None
    layers: tuple[_Descriptor, ...] | None = None
    blobs: tuple[_Descriptor, ...] | None = None
    manifests: tuple[_Descriptor, ...] | None = None
    subject: _Descriptor | None = None
    annotations: dict[str, str] | None = None


def facts(data: bytes, media_type: str) -> Facts:
    """What a manifest that is sent under `media_type` says; `MalformedDocument`."""
    if not _TYPE.fullmatch(media_type):
        raise MalformedDocument("manifest", f"is sent as {media_type[:100]!r}, no media type of a JSON document")
    found = spec.decode(data, _Manifest, "manifest")
    if found.media_type and found.media_type != media_type:
        raise MalformedDocument("manifest", f"is sent as {media_type!r} and calls itself {found.media_type!r}")
    if found.manifests is not None and (found.config is not None or found.layers is not None):
        raise MalformedDocument("manifest", "has `manifests` together with `config` or `layers`")  # CVE-2021-41190
    _check_kind(found, media_type)
    needed = [one for one in (found.config, *(found.layers or ()), *(found.blobs or ())) if one]
    children = found.manifests or ()
    if len(needed) + len(children) > REFERENCES_MAX:
        raise MalformedDocument("manifest", f"refers to more than {REFERENCES_MAX:,} others")
    if any(one.size < 0 for one in (*needed, *children)):
        raise MalformedDocument("manifest", "a descriptor has a negative size")
    return Facts(
        blobs={one.digest: one.size for one in needed if not one.media_type.startswith(_FOREIGN)},
        manifests={one.digest: one.size for one in children},
        subject=found.subject.digest if found.subject else None,
        artifact_type=found.artifact_type or (found.config.media_type if found.config else ""),
        annotations=found.annotations or {},
    )


def _check_kind(found: _Manifest, media_type: str) -> None:
    if found.schema_version != 2 and media_type in spec.MANIFESTS | spec.INDEXES:
        raise MalformedDocument("manifest", f"has schemaVersion {found.schema_version}; 2 is wanted")
    if media_type in spec.MANIFESTS and (found.config is None or found.layers is None):
        raise MalformedDocument("manifest", "has no `config` or no `layers`")
    if media_type in spec.INDEXES and found.manifests is None:
        raise MalformedDocument("index", "has no `manifests`")
    known = (found.config, found.layers, found.blobs, found.manifests, found.subject)
    if all(one is None for one in known):
        raise MalformedDocument("manifest", f"of type {media_type!r} refers to nothing that is known here")
