"""What a registry can be asked for, whoever keeps it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from engine.digest import Digest


@dataclass(frozen=True)
class Content:
    """Stored bytes that can be served: `read` gives those from a start to a stop."""

    digest: Digest
    media_type: str
    size: int
    read: Callable[[int, int], Iterator[bytes]]


@dataclass(frozen=True)
class Referrer:
    """A manifest with a subject, as the list of referrers shows it."""

    digest: Digest
    media_type: str
    size: int
    artifact_type: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)

    def descriptor(self) -> dict[str, Any]:
        """Its descriptor in an index (distribution-spec, listing referrers)."""
        told: dict[str, Any] = {"mediaType": self.media_type, "digest": self.digest, "size": self.size}
        if self.artifact_type:
            told["artifactType"] = self.artifact_type
        if self.annotations:
            told["annotations"] = dict(self.annotations)
        return told


class Catalogue(Protocol):
    """What a registry has. A blob is visible only in the repositories that it belongs to.

    Lists are sorted. `last` and `count` choose a page: at most so many, of those that come after `last`.
    """

    def repositories(self, last: str = "", count: int | None = None) -> Sequence[str]:
        """Names of repositories."""

    def tags(self, repository: str, last: str = "", count: int | None = None) -> Sequence[str]:
        """Its tags; `NameUnknown`."""

    def manifest(self, repository: str, target: Digest | str) -> Content:
        """A manifest or index by tag or digest; `NameUnknown`, `ManifestUnknown`."""

    def blob(self, repository: str, digest: Digest) -> Content:
        """A config or layer; `NameUnknown`, `BlobUnknown`."""

    def referrers(
        self, repository: str, subject: Digest, artifact_type: str = "", last: str = ""
    ) -> Iterable[Referrer]:
        """Manifests whose subject this is, by digest, those after `last`; of one artifact type where it is given."""

    def find(self, digest: Digest) -> Content | None:
        """A blob that any repository shows."""
