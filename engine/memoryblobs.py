"""A blob store that lasts as long as the process: for what is built in one go, and for tests.

It keeps the same contract as the one in a directory (see `engine.blobs`), and every byte in memory.
"""

from __future__ import annotations

import copy
import io
import threading
import time
from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from engine.blobs import GRACE, BlobStore, Checker, refusals
from engine.digest import Digest
from engine.errors import BlobUnknown


class MemoryBlobs(BlobStore):
    """A blob store that lasts as long as the process."""

    def __init__(self) -> None:
        self._blobs: dict[Digest, tuple[bytes, float]] = {}
        self._made: dict[Digest, tuple[bytes, float]] | None = None
        self._lock = threading.Lock()

    def __contains__(self, digest: object) -> bool:
        return digest in self._blobs

    def __iter__(self) -> Iterator[Digest]:
        return iter(tuple(self._blobs))

    def size(self, digest: Digest) -> int:
        return len(self._get(digest))

    def open(self, digest: Digest) -> BinaryIO:
        return io.BytesIO(self._get(digest))

    def put(self, content: bytes | Iterable[bytes], *, digest: Digest | None = None, size: int | None = None) -> Digest:
        checker, kept = Checker(digest, size), io.BytesIO()
        for chunk in (content,) if isinstance(content, bytes) else content:
            checker.update(chunk)
            kept.write(chunk)
        actual = checker.finish()
        with self._lock:
            self._hold(actual, kept.getvalue())
        return actual

    def adopt(self, file: Path, digest: Digest) -> None:
        with self._lock:
            self._hold(digest, file.read_bytes())
        file.unlink()

    def renew(self, digest: Digest) -> bool:
        with self._lock:
            if digest in self._blobs:
                self._hold(digest, self._blobs[digest][0])
            return digest in self._blobs

    @contextmanager
    def tentative(self) -> Iterator[BlobStore]:
        within = copy.copy(self)
        made = within._made = {}

        def take_back() -> None:
            with self._lock:
                for digest, entry in made.items():
                    if self._blobs.get(digest) is entry:
                        del self._blobs[digest]

        with refusals(take_back):
            yield within

    def _hold(self, digest: Digest, content: bytes) -> None:
        before, entry = self._blobs.get(digest), (content, time.time())
        self._blobs[digest] = entry
        if self._made is not None and (before is None or self._made.get(digest) is before):
            self._made[digest] = entry

    def sweep(self, keep: Container[Digest], *, grace: float = GRACE) -> dict[Digest, int]:
        with self._lock:
            limit = time.time() - grace
            gone = {d: len(b) for d, (b, born) in self._blobs.items() if d not in keep and born <= limit}
            for digest in gone:
                del self._blobs[digest]
        return gone

    def _get(self, digest: Digest) -> bytes:
        try:
            return self._blobs[digest][0]
        except KeyError:
            raise BlobUnknown(digest) from None
