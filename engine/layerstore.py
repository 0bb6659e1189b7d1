"""Layers by diff_id: read once from their blob, then from a cache that can always be made again.

The cache holds a layer's uncompressed tar and its index, as two files. Both are written without sync, so a crash may
tear them; neither is believed: the index is checked whole when it is loaded, the tar block by block as it is read, and
what fails is made again from the blob. So is what was evicted, the least recently used file first, when the directory
outgrows its bound: a layer in use goes on reading and never notices. Decoded indices stay in memory, bounded by
entries. A story:

    store = LayerStore(blobs, data / "cache")
    layer = store.unpack(blob, diff_id)     # decompressed, hashed and parsed in one pass
    layer = store.get(blob, diff_id)        # from memory, from the cache, or by unpacking again
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import threading
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
from isal.isal_zlib import crc32

from engine import digest as digests
from engine import tar
from engine.blobs import BlobStore
from engine.compression import CHUNK, decompress
from engine.digest import Digest
from engine.errors import DigestMismatch
from engine.files import Files
from engine.layer import Entry, Layer, Limits
from engine.layerindex import Index, Indexer

BYTES: Final = 8 << 30
"""Bytes of the cache directory, unless the caller allows another number."""
ENTRIES: Final = 400_000
"""Entries of all indices kept in memory; one takes some 300 bytes."""

_BLOCK: Final = 64 << 10
"""Bytes of the tar that one checksum covers; divides a decompressed chunk."""
_MAGIC: Final = b"layer index 1\n"  # another number for another shape
_AHEAD: Final = 4
"""Chunks that wait between the threads; fewer, and they wait for each other."""
_LOCKS: Final = 64


class _Saved(msgspec.Struct, frozen=True, array_like=True):
    """An index file. `sums` are the CRC-32 of each block of the tar, four bytes each, the last block maybe short."""

    diff_id: Digest
    sums: bytes
    unpacked: int
    entries: dict[bytes, Entry]
    whiteouts: frozenset[bytes]
    opaques: frozenset[bytes]


_SAVED: Final = msgspec.msgpack.Decoder(_Saved)


class LayerStore:
    """See the module. Its methods may be called from several threads, its directory shared by several processes.

    Without a `directory` it uses a temporary one that goes with it. `capacity` bounds the directory in bytes (the layer
    just read stays whatever its size), `entries` the indices kept in memory.
    """

    def __init__(
        self,
        blobs: BlobStore,
        directory: Path | None = None,
        *,
        limits: Limits | None = None,
        capacity: int = BYTES,
        entries: int = ENTRIES,
    ) -> None:
        if directory is None:
            directory = Path(tempfile.mkdtemp(prefix="layers-"))
            weakref.finalize(self, shutil.rmtree, directory, ignore_errors=True)
        self._blobs, self._limits = blobs, limits or Limits()
        self._files = Files(directory, capacity)
        self._layers = _Recent(entries)
        self._locks = [threading.Lock() for _ in range(_LOCKS)]

    def get(self, blob: Digest, diff_id: Digest) -> Layer:
        """The layer `diff_id`, read from `blob` where it is not at hand. Errors are those of `unpack`.

        That the two belong together is the caller's word, except where the blob is read; see `proved`.
        """
        layer = self._layers.get(diff_id)
        if layer is None:
            with self._lock(diff_id):  # a crowd that asks for it reads it once
                layer = self._layers.get(diff_id) or self._load(blob, diff_id) or self.unpack(blob, diff_id)
        return layer

    def unpack(
        self,
        blob: Digest,
        diff_id: Digest | None = None,
        progress: Callable[[int], None] | None = None,
        pieces: Iterable[bytes] | None = None,
    ) -> Layer:
        """Read `blob` to its end as the layer `diff_id`; without one, learn the layer's own as sha256.

        `progress` hears how many bytes of the blob were read so far, and may raise to stop. `pieces` are the blob's
        bytes where it is only just coming: they must raise, at their end at the latest, unless they were `blob`. On any
        error nothing is kept: `BlobUnknown`, `MalformedLayer`, `LimitExceeded`, `Unsupported`, or `DigestMismatch`
        where the uncompressed tar is not `diff_id`.
        """
        return self._make(blob, diff_id, progress, pieces=pieces)[0]

    def proved(self, blob: Digest, diff_id: Digest) -> bool:
        """Whether `blob` was read here and was the layer `diff_id`; what a stranger's config says is no proof."""
        return self._files.read(_proof_name(blob)) == diff_id.encode()

    def _lock(self, diff_id: Digest) -> threading.Lock:
        """What to hold while a layer is made, so that it is not made twice at a time."""
        return self._locks[hash(diff_id) % _LOCKS]

    def _reread(self, blob: Digest, diff_id: Digest, offset: int, size: int) -> bytes:
        """Read the layer again, and of its tar `size` bytes from `offset` on: before anybody can evict them."""
        return self._make(blob, diff_id, None, offset, size)[1]

    def _make(
        self,
        blob: Digest,
        diff_id: Digest | None,
        progress: Callable[[int], None] | None,
        offset: int = 0,
        size: int = 0,
        pieces: Iterable[bytes] | None = None,
    ) -> tuple[Layer, bytes]:
        tar_hash = hashlib.new(digests.algorithm(diff_id) if diff_id else "sha256")
        sums = bytearray()
        with self._files.draft() as draft:
            write = partial(_append, draft, sums)
            if pieces is not None:
                index = self._parse(pieces, tar_hash.update, write, progress, ahead=True)
            else:
                with self._blobs.open(blob) as stream:
                    ahead = self._blobs.size(blob) > CHUNK
                    index = self._parse(iter(partial(stream.read, CHUNK), b""), tar_hash.update, write, progress, ahead)
            actual = digests.seal(tar_hash)
            if diff_id is not None and actual != diff_id:
                raise DigestMismatch(diff_id, actual)
            draft.seek(offset)
            wanted = draft.read(size)
            self._files.keep(draft, _tar_name(actual))
        saved = _Saved(actual, bytes(sums), *index)
        self._files.write(_index_name(actual), _seal(msgspec.msgpack.encode(saved)))
        self._files.write(_proof_name(blob), actual.encode())
        return self._remember(blob, saved), wanted

    def _parse(
        self,
        pieces: Iterable[bytes],
        update: Callable[[bytes], None],
        write: Callable[[bytes], None],
        progress: Callable[[int], None] | None,
        ahead: bool,
    ) -> Index:
        """One pass over a blob. Inflating, half of the work, runs `ahead` in a thread of its own where it is long."""
        limits = self._limits
        reader, indexer, source = tar.Reader(limits.extension), Indexer(limits), _Counted(pieces)
        with ThreadPoolExecutor(1) as thread:
            chunks = decompress(source, limit=limits.unpacked, ratio=limits.ratio)
            for chunk in _ahead(chunks, thread) if ahead else chunks:
                update(chunk)
                for member in reader.feed(chunk):
                    indexer.add(member)
                write(chunk)
                if progress is not None:
                    progress(source.count)
        deque(source, 0)  # to the very end, where whoever gives them says whether they were good
        reader.close()
        return indexer.finish()

    def _load(self, blob: Digest, diff_id: Digest) -> Layer | None:
        """The layer as the cache has it, or None where its index is missing, torn or of another version."""
        data = self._files.read(_index_name(diff_id))
        payload = data[len(_MAGIC) + 4 :]
        if not data or _seal(payload) != data:
            return None
        with suppress(msgspec.MsgspecError):
            saved = _SAVED.decode(payload)
            if saved.diff_id == diff_id:
                return self._remember(blob, saved)
        return None

    def _remember(self, blob: Digest, saved: _Saved) -> Layer:
        content = _Tar(self, self._files, blob, saved.diff_id, saved.sums)
        layer = Layer(saved.diff_id, saved.unpacked, saved.entries, saved.whiteouts, saved.opaques, content)
        self._layers.put(layer)
        return layer


@dataclass(frozen=True, slots=True)
class _Tar:
    """The content of one layer: the cached tar, made again from the blob whenever a block is not what it was."""

    store: LayerStore
    files: Files
    blob: Digest
    diff_id: Digest
    sums: bytes

    def read(self, offset: int, size: int) -> bytes:
        data = self._cached(offset, size)
        if data is None:
            with self.store._lock(self.diff_id):  # a crowd that misses it makes it once
                data = self._cached(offset, size)
                if data is None:
                    data = self.store._reread(self.blob, self.diff_id, offset, size)
        return data

    def _cached(self, offset: int, size: int) -> bytes | None:
        first, last = offset // _BLOCK, (offset + size - 1) // _BLOCK
        data = self.files.read(_tar_name(self.diff_id), first * _BLOCK, (last + 1 - first) * _BLOCK)
        sound = _checksums(data) == self.sums[4 * first : 4 * last + 4]
        return data[offset - first * _BLOCK :][:size] if sound else None


class _Counted:
    """An iterator of bytes that counts them."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces, self.count = iter(pieces), 0

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        piece = next(self._pieces)
        self.count += len(piece)
        return piece


class _Recent:
    """The layers used last, as many as have `capacity` entries together."""

    def __init__(self, capacity: int) -> None:
        self._room, self._lock = capacity, threading.Lock()
        self._layers: OrderedDict[Digest, Layer] = OrderedDict()

    def get(self, diff_id: Digest) -> Layer | None:
        with self._lock:
            layer = self._layers.get(diff_id)
            if layer is not None:
                self._layers.move_to_end(diff_id)
            return layer

    def put(self, layer: Layer) -> None:
        with self._lock:
            self._forget(self._layers.pop(layer.diff_id, None))
            self._layers[layer.diff_id] = layer
            self._room -= _weight(layer)
            while self._room < 0 and len(self._layers) > 1:
                self._forget(self._layers.popitem(last=False)[1])

    def _forget(self, layer: Layer | None) -> None:
        if layer is not None:
            self._room += _weight(layer)


def _weight(layer: Layer) -> int:
    return 1 + len(layer.entries) + len(layer.whiteouts) + len(layer.opaques)


def _ahead(chunks: Iterator[bytes], thread: Executor) -> Iterator[bytes]:
    """`chunks`, the next few being made in `thread` while the caller is busy with one. An error comes in its turn."""
    coming = deque(thread.submit(next, chunks, b"") for _ in range(_AHEAD))
    while chunk := coming.popleft().result():
        coming.append(thread.submit(next, chunks, b""))
        yield chunk


def _append(file: BinaryIO, sums: bytearray, chunk: bytes) -> None:
    file.write(chunk)
    sums += _checksums(chunk)


def _checksums(data: bytes) -> bytes:
    view = memoryview(data)
    return b"".join(crc32(view[at : at + _BLOCK]).to_bytes(4, "little") for at in range(0, len(data), _BLOCK))


def _seal(payload: bytes) -> bytes:
    return _MAGIC + crc32(payload).to_bytes(4, "little") + payload


def _tar_name(diff_id: Digest) -> str:
    return f"{digests.encoded(diff_id)}.tar"


def _index_name(diff_id: Digest) -> str:
    return f"{digests.encoded(diff_id)}.idx"


def _proof_name(blob: Digest) -> str:
    return f"{digests.encoded(blob)}.is"
