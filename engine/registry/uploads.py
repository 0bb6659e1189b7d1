"""Blobs on their way in: a file and a row each, until it is finished, cancelled or too old.

What the file has is the truth of how far an upload is, so it goes on after a restart; the hash that runs along while
bytes come in is only a shortcut, and is begun anew where it cannot be relied on. A finished file is checked, then moved
into the blob store under its digest as it is: a server that is killed leaves an upload or a blob, never anything else.
"""

from __future__ import annotations

import hashlib
import os
import threading
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, delete, func, insert, select

from engine import digest as digests
from engine import scratch
from engine.blobs import CHUNK
from engine.digest import Digest
from engine.errors import DigestMismatch
from engine.image import Recent
from engine.registry.access import space
from engine.registry.schema import UPLOADS
from engine.registry.store import Store
from engine.registry.values import BadChunk, OutOfOrder, QuotaExceeded, TooMany, UploadBusy, UploadUnknown

if TYPE_CHECKING:
    from hashlib import _Hash

_LOOK: Final = 16 << 20
"""Bytes after which it is looked again whether there is still room."""


@dataclass(frozen=True)
class Span:
    """Where a chunk says that it lies: its first byte and the one after its last."""

    begin: int
    stop: int


@dataclass(frozen=True)
class Ticket:
    """An upload as who opened it names it; in another repository, or for anybody else, it is unknown."""

    upload: str
    repository: str
    owner: str


class Uploads:
    """The open uploads of a store, their files in ``uploads`` beside its database; one process at a time writes."""

    def __init__(self, store: Store) -> None:
        self._store, self._directory = store, store.data / "uploads"
        self._hashes: Recent[str, tuple[int, _Hash]] = Recent(1024)
        self._busy: set[str] = set()
        self._mutex = threading.Lock()

    def begin(self, repository: str, owner: str) -> Ticket:
        """A new upload; `TooMany`, `QuotaExceeded`."""
        limits, upload = self._store.limits, str(uuid.uuid4())
        self._directory.mkdir(exist_ok=True)
        with self._store.db.writing() as db:
            count = select(func.count()).select_from(UPLOADS).where(UPLOADS.c.owner == owner)
            if db.execute(count).scalar_one() >= limits.uploads:
                raise TooMany(f"{limits.uploads} uploads of yours are open; finish or cancel one")
            if self._room(db, space(repository)) <= 0:
                raise QuotaExceeded(f"bytes stored below {space(repository)}", limits.quota)
            row = {"id": upload, "repository": repository, "namespace": space(repository), "owner": owner}
            db.execute(insert(UPLOADS).values(row))
            self._file(upload).touch(exist_ok=False)
        return Ticket(upload, repository, owner)

    def offset(self, ticket: Ticket) -> int:
        """How many bytes have come; `UploadUnknown`."""
        with self._store.db.reading() as db:
            here = (UPLOADS.c.repository == ticket.repository, UPLOADS.c.owner == ticket.owner)
            if db.execute(select(UPLOADS.c.id).where(UPLOADS.c.id == ticket.upload, *here)).first() is None:
                raise UploadUnknown(ticket.upload)
        try:
            return self._file(ticket.upload).stat().st_size
        except FileNotFoundError:
            raise UploadUnknown(ticket.upload) from None

    def append(self, ticket: Ticket, chunks: Iterable[bytes], span: Span | None = None) -> int:
        """Add bytes; how many there are now. `UploadUnknown`, `UploadBusy`, `OutOfOrder`, `BadChunk`, `QuotaExceeded`.

        Where `chunks` breaks off, what had come stays and can be gone on with; where it is not as long as its `span`
        says, or too long for the quota, nothing of it stays.
        """
        upload = ticket.upload
        with self._alone(upload):
            begin = self.offset(ticket)
            if span and span.begin != begin:
                raise OutOfOrder(span.begin, begin)
            with self._file(upload).open("r+b", buffering=0) as stream:
                stream.seek(begin)
                try:
                    end = self._write(stream, upload, begin, chunks, span)
                    if span and end != span.stop:
                        raise BadChunk(f"the chunk has {end - begin:,} bytes, its headers say {span.stop - begin:,}")
                except (BadChunk, QuotaExceeded):
                    stream.truncate(begin)
                    self._hashes.drop(upload)
                    raise
        return end

    def finish(self, ticket: Ticket, digest: Digest) -> None:
        """Show the upload's bytes in its repository, if they are `digest`; `DigestMismatch`, `QuotaExceeded`: and
        nothing is kept."""
        store, upload, file = self._store, ticket.upload, self._file(ticket.upload)
        with self._alone(upload):
            size = self.offset(ticket)
            actual = self._digest(upload, size, digests.algorithm(digest))
            if actual != digest:
                self._drop(upload)
                raise DigestMismatch(digest, actual)
            with file.open("r+b") as stream:
                os.fsync(stream.fileno())  # the slow part, before others must wait
            try:
                with store.lease(), store.db.writing() as db:
                    db.execute(delete(UPLOADS).where(UPLOADS.c.id == upload))
                    store.add_link(db, ticket.repository, digest, size)
                    store.blobs.adopt(file, digest)
            except QuotaExceeded:
                self._drop(upload)
                raise
            self._hashes.drop(upload)

    def cancel(self, ticket: Ticket) -> None:
        """Forget an upload; `UploadUnknown`, `UploadBusy`."""
        with self._alone(ticket.upload):
            self.offset(ticket)
            self._drop(ticket.upload)

    def expire(self, db: Connection) -> None:
        """Within a writing transaction: forget uploads that nobody has gone on with for long, rows without a file and
        files without a row."""
        rows = set(db.execute(select(UPLOADS.c.id)).scalars())
        files = {path.name: path for path in self._directory.iterdir()} if self._directory.is_dir() else {}
        limit = self._store.clock() - self._store.limits.seconds
        old = {name for name, path in files.items() if _time(path) < limit}
        for name in old | (files.keys() - rows):
            files[name].unlink(missing_ok=True)
        for upload in (rows - files.keys()) | (old & rows):
            db.execute(delete(UPLOADS).where(UPLOADS.c.id == upload))

    # Within

    def _write(self, stream: object, upload: str, begin: int, chunks: Iterable[bytes], span: Span | None) -> int:
        end = look = begin
        known, running = self._hashes.get(upload, lambda: (0, hashlib.sha256()))
        follow = known == begin
        most = span.stop if span else None
        try:
            for chunk in chunks:
                if most is not None and end + len(chunk) > most:
                    raise BadChunk("the chunk is longer than its headers say")
                if end + len(chunk) > look:
                    look = end + len(chunk) + min(_LOOK, self._allow(upload, end, len(chunk)))
                end += _all(stream, chunk)
                if follow:
                    running.update(chunk)
        finally:
            if follow:
                self._hashes.put(upload, (end, running))
        return end

    def _allow(self, upload: str, end: int, more: int) -> int:
        """How many bytes beyond `more` there is room for; `QuotaExceeded` where not even for these."""
        limits = self._store.limits
        with self._store.db.reading() as db:
            namespace = db.execute(select(UPLOADS.c.namespace).where(UPLOADS.c.id == upload)).scalar()
            if namespace is None:
                raise UploadUnknown(upload)
            room = self._room(db, namespace)
        if end + more > limits.upload:
            raise QuotaExceeded("bytes of one upload", limits.upload)
        if more > room:
            raise QuotaExceeded(f"bytes stored below {namespace}", limits.quota)
        return min(room - more, limits.upload - end - more)

    def _room(self, db: Connection, namespace: str) -> int:
        """Bytes that may still come below a namespace: of its quota, and of the disk."""
        open_ = db.execute(select(UPLOADS.c.id).where(UPLOADS.c.namespace == namespace)).scalars()
        taken = self._store.used(db, namespace) + sum(_size(self._file(upload)) for upload in open_)
        return min(self._store.limits.quota - taken, scratch.free(self._store.data, self._store.limits.reserve))

    def _digest(self, upload: str, size: int, algorithm: str) -> Digest:
        """Of an upload's bytes: the one that ran along, where it is of this algorithm and has seen all of them."""
        known, running = self._hashes.get(upload, lambda: (0, hashlib.sha256()))
        if algorithm == "sha256" and known == size:
            return digests.seal(running)
        with self._file(upload).open("rb") as stream:
            return digests.of_chunks(iter(lambda: stream.read(CHUNK), b""), algorithm)

    def _drop(self, upload: str) -> None:
        with self._store.db.writing() as db:
            db.execute(delete(UPLOADS).where(UPLOADS.c.id == upload))
            self._file(upload).unlink(missing_ok=True)
        self._hashes.drop(upload)

    @contextmanager
    def _alone(self, upload: str) -> Iterator[None]:
        with self._mutex:
            if upload in self._busy:
                raise UploadBusy(upload)
            self._busy.add(upload)
        try:
            yield
        finally:
            with self._mutex:
                self._busy.remove(upload)

    def _file(self, upload: str) -> Path:
        return self._directory / upload


def _all(stream: object, chunk: bytes) -> int:
    """Write all of it: an unbuffered write may be a part."""
    left = memoryview(chunk)
    while left:
        left = left[stream.write(left) :]  # type: ignore[attr-defined]
    return len(chunk)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _time(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
