"""A blob store keeps bytes under their digest (OCI image-layout, ``blobs/<algorithm>/<encoded>``).

Invariants: what stands under a digest hashes to it; a blob is there whole or not at all, also after a crash; nothing
is ever changed in place. `put` is idempotent: it says that the content is held, not that this call stored it, which is
all that sharing needs. A story:

    blobs = DirectoryBlobs(path)
    digest = blobs.put(b"content")      # stored, durable
    digest == blobs.put(b"content")     # held already; its age starts anew
    digest in blobs, blobs.read(digest)

`sweep` forgets what nobody reaches, but never a blob younger than an hour: a transfer that has stored a blob has that
long to make it reachable (rule 39). What a command stored before it was refused need not wait for that: `tentative`.
"""

from __future__ import annotations

import copy
import hashlib
import os
import secrets
import time
from collections.abc import Callable, Container, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from filelock import FileLock

from engine import digest as digests
from engine.digest import Digest
from engine.errors import BlobUnknown, DigestMismatch, EngineError, LimitExceeded, SizeMismatch
from engine.spec import DOCUMENT_MAX

CHUNK: Final = 256 << 10
"""Bytes read or written at a time."""
GRACE: Final = 3600.0
"""Seconds for which an unreached blob is kept (rule 39)."""
_TICK: Final = 1000
"""Nanoseconds by which the times of two renewals differ at least."""
OURS: Final = 500
"""From here on an error's HTTP status says that the fault is ours."""
_POLL: Final = 0.002
"""Seconds between two looks at the lock, which nobody holds for longer than a system call or two."""


class BlobStore(Protocol):
    """Bytes by digest. All methods may be called from several threads."""

    def __contains__(self, digest: object) -> bool:
        """Whether the blob is held."""

    def __iter__(self) -> Iterator[Digest]:
        """Every digest held, in no order."""

    def size(self, digest: Digest) -> int:
        """Its length in bytes; `BlobUnknown`."""

    def open(self, digest: Digest) -> BinaryIO:
        """Its bytes as a seekable file that the caller closes; `BlobUnknown`."""

    def put(self, content: bytes | Iterable[bytes], *, digest: Digest | None = None, size: int | None = None) -> Digest:
        """Hold `content`, durably, and return its digest.

        Where `size` or `digest` is given the bytes must have them: `SizeMismatch` (checked first, and as soon as the
        stream is too long), `DigestMismatch`. On any error nothing is kept. A blob held already has its age renewed.
        """

    def adopt(self, file: Path, digest: Digest) -> None:
        """Hold a file's bytes, which its caller has checked to be `digest` and synced; the file is gone afterwards.

        No second copy is made: the file lies on the store's own file system.
        """

    def renew(self, digest: Digest) -> bool:
        """Whether the blob is held; if it is, its age starts anew, and no sweep takes it for an hour."""

    def tentative(self) -> AbstractContextManager[BlobStore]:
        """The same store, for one undertaking: what was first stored through it is gone again where the block ends by a
        refusal, but for what anybody else has put or renewed meanwhile. What broke for reasons of ours is left to the
        sweep, since nobody knows how far it came."""

    def sweep(self, keep: Container[Digest], *, grace: float = GRACE) -> dict[Digest, int]:
        """Forget every blob that is not in `keep` and older than `grace` seconds; returns them with their sizes."""

    def read(self, digest: Digest, limit: int = DOCUMENT_MAX) -> bytes:
        """The whole blob; `BlobUnknown`, or `LimitExceeded` beyond `limit` bytes."""
        length = self.size(digest)
        if length > limit:
            raise LimitExceeded(f"blob {digest} has {length:,} bytes", limit)
        with self.open(digest) as stream:
            return stream.read()

    def chunks(self, digest: Digest) -> Iterator[bytes]:
        """The blob, a piece at a time; `BlobUnknown` at the first."""
        with self.open(digest) as stream:
            while chunk := stream.read(CHUNK):
                yield chunk


class Checker:
    """Counts and hashes what passes, and refuses what is not `digest` of `size`."""

    def __init__(self, digest: Digest | None, size: int | None) -> None:
        self.digest, self.size, self.count = digest, size, 0
        self._hash = hashlib.new(digests.algorithm(digest) if digest else "sha256")

    def update(self, chunk: bytes) -> None:
        """The next piece; `SizeMismatch` as soon as it is one too many."""
        self.count += len(chunk)
        if self.size is not None and self.count > self.size:
            raise SizeMismatch(self.size, self.count)
        self._hash.update(chunk)

    def finish(self) -> Digest:
        """There is no more: its digest; `SizeMismatch`, `DigestMismatch`."""
        if self.size is not None and self.count != self.size:
            raise SizeMismatch(self.size, self.count)
        actual = digests.seal(self._hash)
        if self.digest is not None and actual != self.digest:
            raise DigestMismatch(self.digest, actual)
        return actual


@contextmanager
def refusals(then: Callable[[], None]) -> Iterator[None]:
    """Runs `then` where the block ends by a refusal, and not where something of ours broke."""
    try:
        yield
    except EngineError as error:
        if error.status < OURS:
            then()
        raise


class DirectoryBlobs(BlobStore):
    """A blob store in a directory, shared safely by threads and processes.

    A blob is written to ``tmp/``, synced and renamed into place, so that a crash leaves at most a file in ``tmp/``,
    which the next sweep removes. A file's modification time is the blob's age.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._tmp = path, path / "tmp"
        self._tmp.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(path / "lock", poll_interval=_POLL)
        self._made: dict[Digest, int] | None = None

    def __contains__(self, digest: object) -> bool:
        return isinstance(digest, str) and self._file(Digest(digest)).exists()

    def __iter__(self) -> Iterator[Digest]:
        for algorithm in ("sha256", "sha512"):
            directory = self._path / algorithm
            for name in os.listdir(directory) if directory.is_dir() else ():
                yield Digest(f"{algorithm}:{name}")

    def size(self, digest: Digest) -> int:
        try:
            return self._file(digest).stat().st_size
        except FileNotFoundError:
            raise BlobUnknown(digest) from None

    def open(self, digest: Digest) -> BinaryIO:
        try:
            return self._file(digest).open("rb")
        except FileNotFoundError:
            raise BlobUnknown(digest) from None

    def put(self, content: bytes | Iterable[bytes], *, digest: Digest | None = None, size: int | None = None) -> Digest:
        checker = Checker(digest, size)
        if isinstance(content, bytes):
            checker.update(content)
            actual = checker.finish()
            if self.renew(actual):
                return actual
            content = (content,)
            checker = Checker(actual, None)
        temporary = self._tmp / secrets.token_hex(16)
        try:
            with temporary.open("xb") as stream:
                for chunk in content:
                    checker.update(chunk)
                    stream.write(chunk)
                actual = checker.finish()
                stream.flush()
                os.fsync(stream.fileno())
            self._adopt(temporary, actual)
        finally:
            temporary.unlink(missing_ok=True)
        return actual

    def adopt(self, file: Path, digest: Digest) -> None:
        self._adopt(file, digest)
        file.unlink(missing_ok=True)  # it is still there where the blob was held

    def renew(self, digest: Digest) -> bool:
        file = self._file(digest)
        if not file.exists():  # most are new, and a lock is dear
            return False
        with self._lock:
            return self._renew(file, digest)

    @contextmanager
    def tentative(self) -> Iterator[BlobStore]:
        within = copy.copy(self)
        made = within._made = {}

        def take_back() -> None:
            for digest, stamp in made.items():
                self._forget(self._file(digest), stamp)

        with refusals(take_back):
            yield within

    def sweep(self, keep: Container[Digest], *, grace: float = GRACE) -> dict[Digest, int]:
        gone: dict[Digest, int] = {}
        limit = time.time() - grace
        for digest in self:
            if digest in keep:
                continue
            file = self._file(digest)
            with self._lock, suppress(FileNotFoundError):  # another process sweeps too
                found = file.stat()
                if found.st_mtime <= limit:
                    file.unlink()
                    gone[digest] = found.st_size
        for left in self._tmp.iterdir():
            with suppress(FileNotFoundError):  # its writer is done with it
                if left.stat().st_mtime <= limit:
                    left.unlink()
        return gone

    def _file(self, digest: Digest) -> Path:
        algorithm, _, encoded = digest.partition(":")
        return self._path / algorithm / encoded

    def _adopt(self, temporary: Path, digest: Digest) -> None:
        file = self._file(digest)
        file.parent.mkdir(exist_ok=True)
        with self._lock:
            if self._renew(file, digest):
                return
            os.replace(temporary, file)
            stamp = _stamp(file)
            if self._made is not None and file.stat().st_mtime_ns == stamp:  # not every file system keeps it so finely
                self._made[digest] = stamp
        sync_directory(file.parent)

    def _renew(self, file: Path, digest: Digest) -> bool:
        """Whether the file is there; if it is, its time is now. For who has the lock."""
        try:
            before = file.stat().st_mtime_ns
        except FileNotFoundError:
            return False
        stamp = _stamp(file, before)
        if self._made is not None and self._made.get(digest) == before:
            self._made[digest] = stamp
        return True

    def _forget(self, file: Path, stamp: int) -> None:
        """Remove a file unless somebody has renewed it since `stamp`."""
        with self._lock, suppress(FileNotFoundError):
            if file.stat().st_mtime_ns == stamp:
                file.unlink()


def _stamp(file: Path, before: int = 0) -> int:
    """The file's time is now, and another than `before`, so that each renewal shows; in nanoseconds."""
    stamp = max(time.time_ns(), before + _TICK) // _TICK * _TICK
    os.utime(file, ns=(stamp, stamp))
    return stamp


def pieces(stream: BinaryIO, start: int, stop: int) -> Generator[bytes, None, None]:
    """The bytes of a seekable file from `start` to `stop`, a piece at a time; others may move it meanwhile."""
    while start < stop:
        stream.seek(start)
        chunk = stream.read(min(CHUNK, stop - start))
        if not chunk:
            return
        start += len(chunk)
        yield chunk


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable, where the system can (not on Windows)."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
