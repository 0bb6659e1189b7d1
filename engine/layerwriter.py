"""Writing a layer: the same changes at the same clock give the same tar, and so the same diff_id, everywhere (rule 37).

Entries go out sorted by path, parents first, whatever the order in which they were added; of several names of one
file the first carries the content. Content may be an iterable of pieces, taken only when its turn comes, so memory
stays flat. A story:

    writer = LayerWriter()
    writer.add(b"etc", Entry("dir", 0o755, 0, 0, now))
    writer.add(b"etc/motd", Entry("file", 0o644, 0, 0, now, size=6), b"hello\n")
    writer.whiteout(b"etc/issue")
    written = writer.write(blobs)       # compressed and stored
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from engine import digest as digests
from engine import tar, whiteout
from engine.blobs import BlobStore
from engine.compression import CHUNK, compress
from engine.errors import MalformedLayer
from engine.events import display
from engine.layer import Entry, Written, weight
from engine.paths import join
from engine.tar import Member

_WHITEOUT: Final = Entry("file", 0o600, 0, 0, 0)
_NANO: Final = 1_000_000_000


@dataclass
class _File:
    """What one inode holds, and the names it has."""

    entry: Entry
    content: bytes | Iterable[bytes]
    names: list[bytes] = field(default_factory=list)


class LayerWriter:
    """Collects the changes of one layer. Times are whole seconds, none later than `source_date_epoch` (seconds)."""

    def __init__(self, *, source_date_epoch: int | None = None) -> None:
        self._epoch = source_date_epoch
        self._files: dict[bytes, _File] = {}
        self._whiteouts: set[bytes] = set()
        self._opaques: set[bytes] = set()

    def add(self, path: bytes, entry: Entry, content: bytes | Iterable[bytes] = b"") -> None:
        """Have `entry` at `path`, a file with `content` of exactly `entry.size` bytes.

        Of `entry` its offset, inode and implicit say nothing here. `MalformedLayer` where the path was added before,
        or has a name that OCI reads as a whiteout (rule 35).
        """
        self._name(path, _File(entry, content))

    def hardlink(self, path: bytes, target: bytes) -> None:
        """Have `path` as one more name of what was added at `target`, which is no directory."""
        file = self._files.get(target)
        if file is None or file.entry.kind == "dir":
            raise MalformedLayer(display(path), f"a hardlink to {display(target)}, which is no file of the layer")
        self._name(path, file)

    def whiteout(self, path: bytes) -> None:
        """Hide `path` of the layers below. Together with a directory of that name it makes an opaque one (rule 8)."""
        if not path:
            raise MalformedLayer("/", "a whiteout of the root")
        self._whiteouts.add(path)

    def opaque(self, path: bytes) -> None:
        """Hide every child that the layers below have in the directory `path`."""
        self._opaques.add(path)

    def write(self, blobs: BlobStore) -> Written:
        """Store the layer, as gzip. `MalformedLayer` where a content has not the size that its entry says."""
        tar_hash = hashlib.sha256()
        digest = blobs.put(compress(_hashed(_gathered(self.tar()), tar_hash.update)))
        return Written(digest, digests.seal(tar_hash), blobs.size(digest), self.unpacked)

    @property
    def unpacked(self) -> int:
        """Rule 27's size of what was added so far."""
        files = {id(file): file.entry for file in self._files.values()}
        return sum(map(weight, files.values()))

    def tar(self) -> Iterator[bytes]:
        """The layer's uncompressed tar, in pieces. To be asked for once, where a content can be read only once."""
        for name, path in sorted(self._names()):
            file = self._files.get(path) if name == path else None
            if file is None:
                yield self._header(_WHITEOUT, name)
            elif path != min(file.names):
                yield self._header(file.entry, name, link=min(file.names))
            else:
                yield self._header(file.entry, name)
                if file.entry.kind == "file":
                    yield from _exactly(file.entry.size, file.content, path)
        yield tar.END

    def _names(self) -> Iterator[tuple[bytes, bytes]]:
        """The names that the tar lists, each with the path that it speaks of."""
        yield from ((path, path) for path in self._files)
        opaques = set(self._opaques)
        for path in self._whiteouts:
            if path not in self._files:
                directory, _, name = path.rpartition(b"/")
                yield join(directory, whiteout.name(name)), path
            elif self._files[path].entry.kind == "dir":
                opaques.add(path)
        yield from ((join(path, whiteout.OPAQUE), path) for path in opaques)

    def _name(self, path: bytes, file: _File) -> None:
        if path in self._files:
            raise MalformedLayer(display(path), "is added twice")
        if whiteout.reserved(path.rpartition(b"/")[2]):
            raise MalformedLayer(display(path), "has a name that layers keep for whiteouts")
        self._files[path] = file
        file.names.append(path)

    def _header(self, entry: Entry, name: bytes, link: bytes = b"") -> bytes:
        return header(entry, name, entry.mtime if self._epoch is None else min(entry.mtime, self._epoch * _NANO), link)


def header(entry: Entry, name: bytes, mtime: int, link: bytes = b"") -> bytes:
    """How a tar announces `entry` by `name`; with `link` as one more name of what stands there under that one."""
    return tar.header(
        Member(
            "link" if link else entry.kind,
            (name or b".") + b"/" if entry.kind == "dir" else name,
            entry.mode,
            entry.uid,
            entry.gid,
            mtime,
            size=0 if link else entry.size,
            target=link or entry.target,
            major=entry.major,
            minor=entry.minor,
            xattrs=() if link else entry.xattrs,
        )
    )


def _exactly(size: int, content: bytes | Iterable[bytes], path: bytes) -> Iterator[bytes]:
    """A content of `size` bytes and its padding."""
    count = 0
    for piece in (content,) if isinstance(content, bytes) else content:
        count += len(piece)
        yield piece
    if count != size:
        raise MalformedLayer(display(path), f"has {count:,} bytes where its entry says {size:,}")
    yield bytes(tar.padding(size))


def _gathered(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in chunks of one size, so that they do not depend on how they came."""
    held = bytearray()
    for piece in pieces:
        held += piece
        while len(held) >= CHUNK:
            yield bytes(held[:CHUNK])
            del held[:CHUNK]
    yield bytes(held)


def _hashed(chunks: Iterable[bytes], update: Callable[[bytes], None]) -> Iterator[bytes]:
    for chunk in chunks:
        update(chunk)
        yield chunk
