"""An image comes in: from a registry or an archive, checked piece by piece, into the pool.

Several layers may come at a time, and a large one is read into its index while it is still on its way: one thread takes
and hashes what comes and writes it, one inflates, one hashes and reads the tar. They wait for each other after a few
pieces, so memory stays flat. The first that fails ends all.

`receive` is all that pulling and loading have in common. Sizes are checked before digests (rule 19), and before a byte
is asked for: what would not fit is refused at once. A layer that two positions share comes once. A blob that was stored
is whole and is what its digest says, whatever fails after it; config and manifest are stored last, so an image is there
with all its parts or not at all, and parts without an image are swept.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from queue import Full, Queue
from typing import Final, TypeAlias

from engine import digest as digests
from engine import events as facts
from engine import image as imaging
from engine import spec
from engine.blobs import BlobStore
from engine.digest import Digest
from engine.errors import (
    Cancelled,
    DigestMismatch,
    EngineError,
    LimitExceeded,
    MalformedDocument,
    NoRoom,
    SizeMismatch,
    Unsupported,
    never,
)
from engine.events import Event, ignore
from engine.image import Image, ImageLayer
from engine.layer import Layer
from engine.layerstore import LayerStore
from engine.spec import DOCUMENT_MAX, Descriptor, Manifest
from engine.together import Together

Fetch: TypeAlias = Callable[[Descriptor], Generator[bytes, None, None]]
"""Where the bytes of a descriptor come from. They are counted and hashed by whoever takes them."""
AT_ONCE: Final = 1 << 20
"""Bytes of a layer above which it is read while it comes; below it the threads would cost more than they save."""
_AHEAD: Final = 8
"""Pieces that wait between taking and reading."""
_POLL: Final = 0.1
"""Seconds after which a thread that waits looks whether it still should."""

CONFIGS: Final = frozenset({spec.OCI_CONFIG, spec.DOCKER_CONFIG})


def nothing() -> None:
    """There is nothing to end."""


@dataclass(frozen=True)
class Pool:
    """Where images go, and on what terms.

    `held` are the blobs that the host has: they are not fetched. `room` is how many bytes of others may be stored, None
    for no bound. `progress` hears of `Progress`; `cancelled` is asked before each piece, and ends all by `Cancelled`.
    `abreast` layers come at a time, where `fetch` can be called so; `abort` ends a fetch that waits for its peer.
    """

    blobs: BlobStore
    layers: LayerStore
    held: Collection[Digest] = frozenset()
    room: int | None = None
    progress: Callable[[Event], None] = ignore
    cancelled: Callable[[], bool] = never
    abreast: int = 1
    abort: Callable[[], None] = nothing

    def after(self, received: Received) -> Pool:
        """The terms for another image of the same host, once this one has come."""
        held = frozenset((*self.held, received.image.digest, *received.image.content))
        return replace(self, held=held, room=None if self.room is None else self.room - received.new)

    def of(self, wanted: Iterable[Digest]) -> Pool:
        """The terms for one image: of the blobs `wanted` those that the host holds and the pool has, as it then must.
        Their age starts anew, so that they are still there when the image is (rule 39)."""
        return replace(
            self, held=frozenset(digest for digest in wanted if digest in self.held and self.blobs.renew(digest))
        )

    def watched(self, pieces: Iterable[bytes], descriptor: Descriptor) -> Iterator[bytes]:
        """`pieces`, told of as they pass."""
        done = 0
        for piece in pieces:
            done += len(piece)
            self.tell(descriptor, "downloading", done)
            yield piece
        self.tell(descriptor, "verifying", done)

    def tell(self, descriptor: Descriptor, phase: facts.Phase, done: int = 0) -> None:
        """Say how far a blob has come, unless nobody wants it any more."""
        if self.cancelled():
            raise Cancelled
        self.progress(facts.Progress(digest=descriptor.digest, phase=phase, done=done, total=descriptor.size))


@dataclass(frozen=True, slots=True)
class Received:
    """An image that came. `events` tell of its config and of each distinct layer, bottom first; `new` are the bytes of
    the blobs that the host did not hold, manifest included, `avoided` those of the layers that it held."""

    image: Image
    events: tuple[Event, ...]
    new: int
    avoided: int


def receive(manifest: Manifest, content: bytes, digest: Digest, fetch: Fetch, pool: Pool) -> Received:
    """Bring the image whose manifest is `content` into the pool.

    `SizeMismatch`, `DigestMismatch`, `MalformedDocument`, `MalformedLayer`, `LimitExceeded`, `Unsupported`,
    `Cancelled`, and whatever `fetch` raises.
    """
    sizes = _sizes(manifest)
    pool = pool.of((digest, *sizes))
    new = sum(size for blob, size in (sizes | {digest: len(content)}).items() if blob not in pool.held)
    if pool.room is not None and new > pool.room:
        raise NoRoom(new, pool.room)
    config, events = _config(manifest.config, fetch, pool)
    image = imaging.assemble(digest, len(content), manifest, spec.image_config(config))
    events += _layers(image, fetch, pool)
    pool.blobs.put(config, digest=manifest.config.digest)
    pool.blobs.put(content, digest=digest)
    return Received(image, tuple(events), new, sum(e.size for e in events if isinstance(e, facts.LayerReused)))


def document(pieces: Iterable[bytes], descriptor: Descriptor) -> bytes:
    """A whole document, of the size and digest that its descriptor says."""
    if descriptor.size > DOCUMENT_MAX:
        raise LimitExceeded(f"document {descriptor.digest} has {descriptor.size:,} bytes", DOCUMENT_MAX)
    content = gather(pieces, descriptor.size)
    if len(content) != descriptor.size:
        raise SizeMismatch(descriptor.size, len(content))
    actual = digests.of(content, digests.algorithm(descriptor.digest))
    if actual != descriptor.digest:
        raise DigestMismatch(descriptor.digest, actual)
    return content


def gather(pieces: Iterable[bytes], limit: int) -> bytes:
    """`pieces` together, no further than the one that passes `limit` bytes."""
    content = bytearray()
    for piece in pieces:
        content += piece
        if len(content) > limit:
            break
    return bytes(content)


def _sizes(manifest: Manifest) -> dict[Digest, int]:
    """The blobs that an image needs; the same one cannot have two sizes."""
    if manifest.config.media_type not in CONFIGS:
        raise Unsupported(f"this is no container image: its config is of type {manifest.config.media_type!r}")
    sizes: dict[Digest, int] = {}
    for descriptor in (manifest.config, *manifest.layers):
        if sizes.setdefault(descriptor.digest, descriptor.size) != descriptor.size:
            why = f"{descriptor.digest} has {sizes[descriptor.digest]} bytes here and {descriptor.size} there"
            raise MalformedDocument("manifest", why)
    return sizes


def _config(descriptor: Descriptor, fetch: Fetch, pool: Pool) -> tuple[bytes, list[Event]]:
    if descriptor.digest in pool.held:
        return document(pool.blobs.chunks(descriptor.digest), descriptor), []
    if pool.cancelled():
        raise Cancelled
    with closing(fetch(descriptor)) as pieces:
        content = document(pieces, descriptor)
    return content, [facts.DocumentPulled(kind="config", digest=descriptor.digest, size=descriptor.size)]


def _layers(image: Image, fetch: Fetch, pool: Pool) -> list[Event]:
    """Each distinct blob once; its diff_id is checked in every place that it has in the stack (rule 26)."""
    count, firsts = len(image.layers), {}
    for layer, descriptor in zip(image.layers, image.manifest.layers, strict=True):
        if layer.digest not in firsts:
            firsts[layer.digest] = (layer, descriptor)
            pool.tell(descriptor, "exists" if layer.digest in pool.held else "waiting")
    together = Together(pool.progress, pool.cancelled, pool.abort)
    shared = replace(pool, progress=together.progress, cancelled=together.cancelled)

    def bring(layer: ImageLayer, descriptor: Descriptor) -> Event:
        with together.failing(f"layer {layer.position + 1} of {count}"):
            return _layer(layer.diff_id, descriptor, fetch, shared)

    events: list[Event] = []
    with ThreadPoolExecutor(pool.abreast) as threads:
        coming = [threads.submit(bring, *first) for first in firsts.values()]
        with together.failing():
            for (_, descriptor), event in zip(firsts.values(), coming, strict=True):
                events.append(event.result())
                if descriptor.digest not in pool.held:
                    shared.tell(descriptor, "done", descriptor.size)
    for layer in image.layers:
        if (actual := firsts[layer.digest][0].diff_id) != layer.diff_id:
            raise DigestMismatch(layer.diff_id, actual).while_(f"layer {layer.position + 1} of {count}")
    return events


def _layer(diff_id: Digest, descriptor: Descriptor, fetch: Fetch, pool: Pool) -> Event:
    held, proved = descriptor.digest in pool.held, pool.layers.proved(descriptor.digest, diff_id)
    if held and (actual := pool.blobs.size(descriptor.digest)) != descriptor.size:
        raise SizeMismatch(descriptor.size, actual)
    layer = None
    if not held:
        if pool.cancelled():
            raise Cancelled
        with closing(fetch(descriptor)) as pieces:
            if proved or descriptor.size <= AT_ONCE:
                pool.blobs.put(pool.watched(pieces, descriptor), digest=descriptor.digest, size=descriptor.size)
                pool.tell(descriptor, "downloaded", descriptor.size)
            else:
                layer = _Arrival(descriptor, pool).read(pieces, diff_id)
    if layer is None and proved:
        layer = pool.layers.get(descriptor.digest, diff_id)
    elif layer is None:
        layer = pool.layers.unpack(descriptor.digest, diff_id, lambda done: pool.tell(descriptor, "extracting", done))
    kind = facts.LayerReused if held else facts.LayerPulled
    return kind(digest=descriptor.digest, diff_id=diff_id, size=descriptor.size, unpacked=layer.unpacked)


class _Arrival:
    """A large layer on its way: stored by one thread, and read by another from what has just passed."""

    def __init__(self, descriptor: Descriptor, pool: Pool) -> None:
        self._descriptor, self._pool = descriptor, pool
        self._passed: Queue[bytes | None] = Queue(_AHEAD)
        self._unread = threading.Event()
        self._stored: Future[Digest]

    def read(self, pieces: Iterable[bytes], diff_id: Digest) -> Layer:
        """The layer, its blob stored. What is wrong with the blob itself is told before what is wrong within."""
        wanted = self._descriptor
        with ThreadPoolExecutor(1) as thread:
            self._stored = thread.submit(self._store, pieces)
            try:
                return self._pool.layers.unpack(wanted.digest, diff_id, self._tell, self._copies())
            except EngineError:
                self._unread.set()
                self._stored.result()
                raise
            finally:
                self._unread.set()

    def _store(self, pieces: Iterable[bytes]) -> Digest:
        wanted = self._descriptor
        try:
            return self._pool.blobs.put(
                self._passing(self._pool.watched(pieces, wanted)), digest=wanted.digest, size=wanted.size
            )
        finally:
            self._pass(None)

    def _passing(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self._pass(piece)
            yield piece

    def _pass(self, piece: bytes | None) -> None:
        while not self._unread.is_set():
            with suppress(Full):
                self._passed.put(piece, timeout=_POLL)
                return

    def _copies(self) -> Iterator[bytes]:
        while (piece := self._passed.get()) is not None:
            yield piece
        self._stored.result()  # raises where the blob was not what it should be
        self._pool.tell(self._descriptor, "downloaded", self._descriptor.size)
        self._pool.tell(self._descriptor, "extracting", self._descriptor.size)

    def _tell(self, _done: int) -> None:
        if self._pool.cancelled():
            raise Cancelled
