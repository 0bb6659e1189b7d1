"""An OCI image layout, read: ``oci-layout``, ``index.json`` and ``blobs/<algorithm>/<hex>`` (image-layout.md; rule 25).

The files may lie in a directory or in an archive; names are asked for, never listed, and each is either fixed or made
of a parsed digest. As a catalogue for a registry, a descriptor of ``index.json`` whose reference name annotation is a
whole reference, ``team/web:latest``, is a tag of a repository; a repository shows what its tags reach. What a
layout says is not believed here: whoever reads a blob checks it. A story:

    layout = Layout(Path("menu/layout"))
    layout.index.manifests, layout.read(digest), layout.tags("team/web")
"""

from __future__ import annotations

import os
import stat
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from engine import digest as digests
from engine import reference as references
from engine import spec
from engine.blobs import pieces
from engine.digest import Digest
from engine.errors import (
    BlobUnknown,
    Corrupt,
    EngineError,
    LimitExceeded,
    MalformedDocument,
    ManifestUnknown,
    NameUnknown,
)
from engine.registry import Content, Referrer
from engine.registry.documents import facts
from engine.spec import Descriptor, Index

_DOCUMENTS: Final = spec.MANIFESTS | spec.INDEXES


class Source(Protocol):
    """Named bytes that are only read."""

    def size(self, name: str) -> int | None:
        """Length of a regular file in bytes; None where there is none of that name."""

    def chunks(self, name: str, start: int = 0, stop: int | None = None) -> Generator[bytes, None, None]:
        """Its bytes from `start` to `stop`; fewer where the file turns out to be shorter, `Corrupt` where it cannot be
        read."""


class Directory:
    """The files below a directory. Names are trusted; what stands there is not: only regular files are opened."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def size(self, name: str) -> int | None:
        try:
            found = (self._path / name).stat()
        except OSError:
            return None
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def chunks(self, name: str, start: int = 0, stop: int | None = None) -> Generator[bytes, None, None]:
        try:
            with (self._path / name).open("rb") as stream:
                size = os.fstat(stream.fileno()).st_size
                yield from pieces(stream, start, size if stop is None else stop)
        except OSError as error:
            raise Corrupt(f"{name} cannot be read: {error.strerror}") from error


class _Reach(NamedTuple):
    """What a repository's tags reach: `manifests` and indexes, the `blobs` that they need, referrers by subject."""

    manifests: dict[Digest, Descriptor]
    blobs: set[Digest]
    subjects: dict[Digest, list[Referrer]]


class Layout:
    """See the module. ``oci-layout`` and ``index.json`` are read once, here; `MalformedDocument` where they are not as
    they must be."""

    def __init__(self, source: Path | Source) -> None:
        self._files: Source = Directory(source) if isinstance(source, Path) else source
        spec.decode(self._document("oci-layout"), spec.Layout, "oci-layout")
        index = spec.manifest_or_index(self._document("index.json"))
        if not isinstance(index, Index):
            raise MalformedDocument("index.json", "is not an index")
        self.index = index
        self._tagged: dict[str, dict[str, Descriptor]] = {}
        for descriptor in index.manifests:
            name = (descriptor.annotations or {}).get(spec.REF_NAME, "")
            try:
                reference = references.parse(name).tagged()
            except EngineError:
                continue  # a name of another kind is legal, and no tag of ours
            if reference.tag:
                self._tagged.setdefault(reference.repository, {}).setdefault(reference.tag, descriptor)
        self._reached: dict[str, _Reach] = {}

    # Blobs

    def __contains__(self, digest: Digest) -> bool:
        return self._files.size(_name(digest)) is not None

    def size(self, digest: Digest) -> int:
        """Length of a blob in bytes; `BlobUnknown`."""
        size = self._files.size(_name(digest))
        if size is None:
            raise BlobUnknown(digest)
        return size

    def chunks(self, digest: Digest) -> Generator[bytes, None, None]:
        """A blob's bytes, unchecked; `BlobUnknown`."""
        self.size(digest)
        return self._files.chunks(_name(digest))

    def read(self, digest: Digest) -> bytes:
        """A document's bytes, unchecked; `BlobUnknown`, or `LimitExceeded` where it is larger than documents may be."""
        size = self.size(digest)
        if size > spec.DOCUMENT_MAX:
            raise LimitExceeded(f"document {digest} has {size:,} bytes", spec.DOCUMENT_MAX)
        return b"".join(self._files.chunks(_name(digest), 0, spec.DOCUMENT_MAX))

    # A catalogue

    def repositories(self, last: str = "", count: int | None = None) -> list[str]:
        """Names of repositories."""
        return sorted(name for name in self._tagged if name > last)[:count]

    def tags(self, repository: str, last: str = "", count: int | None = None) -> list[str]:
        """Its tags; `NameUnknown`."""
        return sorted(tag for tag in self._tags(repository) if tag > last)[:count]

    def manifest(self, repository: str, target: Digest | str) -> Content:
        """A manifest or index, by tag or digest, under the media type that its descriptor gives it."""
        descriptor = self._tags(repository).get(target) or self._reach(repository).manifests.get(Digest(target))
        if descriptor is None or self._files.size(_name(descriptor.digest)) is None:
            raise ManifestUnknown(f"{repository}{'@' if ':' in target else ':'}{target}")
        return self._content(descriptor.digest, descriptor.media_type)

    def blob(self, repository: str, digest: Digest) -> Content:
        """A config or layer of one of the repository's manifests."""
        if digest not in self._reach(repository).blobs:
            raise BlobUnknown(digest)
        return self._content(digest, "application/octet-stream")

    def find(self, digest: Digest) -> Content | None:
        """A blob that any repository shows."""
        for repository in self._tagged:
            if digest in self._reach(repository).blobs and digest in self:
                return self.blob(repository, digest)
        return None

    def referrers(
        self, repository: str, subject: Digest, artifact_type: str = "", last: str = ""
    ) -> Iterator[Referrer]:
        """Those of the repository's manifests whose subject this is."""
        found = self._reach(repository).subjects.get(subject, ())
        for referrer in sorted(found, key=lambda one: one.digest):
            if referrer.digest > last and artifact_type in ("", referrer.artifact_type):
                yield referrer

    def _content(self, digest: Digest, media_type: str) -> Content:
        name = _name(digest)
        return Content(digest, media_type, self.size(digest), lambda start, stop: self._files.chunks(name, start, stop))

    def _tags(self, repository: str) -> dict[str, Descriptor]:
        if repository not in self._tagged:
            raise NameUnknown(repository)
        return self._tagged[repository]

    def _reach(self, repository: str) -> _Reach:
        found = self._reached.get(repository)
        if found is None:
            found, damaged = self._survey(self._tags(repository).values())
            if not damaged:
                self._reached[repository] = found
        return found

    def _survey(self, roots: Iterable[Descriptor]) -> tuple[_Reach, bool]:
        """What the tags reach, and whether a document on the way could not be read: its reader will be told."""
        found, damaged = _Reach({}, set(), {}), False
        waiting = list(roots)
        while waiting:
            descriptor = waiting.pop()
            if descriptor.digest in found.manifests:
                continue
            found.manifests[descriptor.digest] = descriptor
            if descriptor.media_type not in _DOCUMENTS:
                continue
            try:
                content = self.read(descriptor.digest)
                document = spec.manifest_or_index(content, descriptor.media_type)
                said = facts(content, descriptor.media_type)
            except EngineError:
                damaged = True
                continue
            if said.subject:
                told = (descriptor.digest, descriptor.media_type, len(content), said.artifact_type, said.annotations)
                found.subjects.setdefault(said.subject, []).append(Referrer(*told))
            if isinstance(document, Index):
                waiting.extend(document.manifests)
            else:
                found.blobs.update((document.config.digest, *(layer.digest for layer in document.layers)))
        return found, damaged

    def _document(self, name: str) -> bytes:
        size = self._files.size(name)
        if size is None:
            raise MalformedDocument("OCI layout", f"it has no file {name}")
        if size > spec.DOCUMENT_MAX:
            raise LimitExceeded(f"{name} has {size:,} bytes", spec.DOCUMENT_MAX)
        return b"".join(self._files.chunks(name, 0, spec.DOCUMENT_MAX))


def _name(digest: Digest) -> str:
    return f"blobs/{digests.algorithm(digest)}/{digests.encoded(digest)}"
