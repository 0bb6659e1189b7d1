"""What image archives say beside OCI: docker's ``manifest.json`` and the annotation that names an image in full."""

from __future__ import annotations

from typing import Final

import msgspec

IMAGE_NAME: Final = "io.containerd.image.name"
"""The annotation by which docker (25 and later) and containerd give the whole reference; then they leave only the
tag to ``org.opencontainers.image.ref.name``."""


class Row(msgspec.Struct):
    """An image in ``manifest.json`` (moby, image/spec/v1.2.md): paths within the archive, layers bottom first."""

    Config: str
    RepoTags: list[str] | None = None
    Layers: list[str] | None = None
