"""Images into an archive: `docker save`.

What is written is an OCI layout and docker's own form at once, so docker, podman, skopeo and umoci read it. Tags of the
layout are whole references, as a catalogue needs them. Stored bytes go in as they are, each blob once, and the same
images give the same bytes. A story:

    with open("images.tar", "wb") as out:
        out.writelines(save([(image, ["team/web:latest"])], blobs).pieces)
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import msgspec
from msgspec.structs import replace

from engine import digest as digests
from engine import reference as references
from engine import spec, tar
from engine.archive.manifestjson import IMAGE_NAME, Row
from engine.blobs import BlobStore
from engine.digest import Digest
from engine.errors import Corrupt
from engine.image import Image
from engine.spec import Descriptor, Index
from engine.tar import Member


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive that is not written yet: how many bytes it will have, and those bytes, once, a piece at a time.

    While it is read: `Corrupt` where a stored blob is not what its digest says; what came until then is no archive.
    """

    size: int
    pieces: Iterator[bytes]


def save(images: Iterable[tuple[Image, Sequence[str]]], blobs: BlobStore) -> Archive:
    """Images, each with the references by which it goes in, as one archive."""
    stored: dict[Digest, int] = {}
    entries: list[Descriptor] = []
    rows: list[Row] = []
    for image, names in images:
        size = blobs.size(image.digest)
        stored |= image.content | {image.digest: size}
        entry = Descriptor(media_type=image.manifest.media_type, digest=image.digest, size=size)
        entries += [replace(entry, annotations=_annotations(name)) for name in names] or [entry]
        rows.append(Row(_path(image.id), list(names) or None, [_path(layer.digest) for layer in image.layers]))
    lead = b"".join(_lead(stored, entries, rows))
    size = len(lead) + sum(len(_header(blob, n)) + n + tar.padding(n) for blob, n in stored.items()) + len(tar.END)
    return Archive(size, _pieces(lead, stored, blobs))


def _annotations(name: str) -> dict[str, str]:
    reference = references.parse(name)
    canonical = f"{reference.registry}/{reference.repository}:{reference.tag}"
    return {IMAGE_NAME: canonical, spec.REF_NAME: reference.familiar}


def _path(digest: Digest) -> str:
    return f"blobs/{digests.algorithm(digest)}/{digests.encoded(digest)}"


def _lead(stored: dict[Digest, int], entries: list[Descriptor], rows: list[Row]) -> Iterator[bytes]:
    """What describes the blobs, and the directories that they stand in."""
    index = Index(schema_version=2, manifests=tuple(entries))
    yield from _file("oci-layout", msgspec.json.encode(spec.Layout("1.0.0")))
    yield from _file("index.json", msgspec.json.encode(index))
    yield from _file("manifest.json", msgspec.json.encode(rows))
    for directory in ("blobs", *sorted({f"blobs/{digests.algorithm(digest)}" for digest in stored})):
        yield tar.header(Member(kind="dir", name=f"{directory}/".encode(), mode=0o755))


def _pieces(lead: bytes, stored: dict[Digest, int], blobs: BlobStore) -> Iterator[bytes]:
    """The archive: what describes it first, then the blobs by digest."""
    yield lead
    for digest in sorted(stored):
        yield _header(digest, stored[digest])
        yield from _checked(digest, stored[digest], blobs)
        yield bytes(tar.padding(stored[digest]))
    yield tar.END


def _header(digest: Digest, size: int) -> bytes:
    return tar.header(Member(kind="file", name=_path(digest).encode(), size=size))


def _file(name: str, content: bytes) -> Iterable[bytes]:
    yield tar.header(Member(kind="file", name=name.encode(), size=len(content)))
    yield content + bytes(tar.padding(len(content)))


def _checked(digest: Digest, size: int, blobs: BlobStore) -> Iterable[bytes]:
    """A blob's bytes, and no more of them than the archive's header has announced."""
    state, count = hashlib.new(digests.algorithm(digest)), 0
    for piece in blobs.chunks(digest):
        count += len(piece)
        if count > size:
            break
        state.update(piece)
        yield piece
    if count != size or digests.seal(state) != digest:
        raise Corrupt(f"blob {digest} does not read back as it was stored")
