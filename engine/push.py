"""An image goes from the pool to a registry (distribution-spec, push).

Of each layer the registry is asked first whether the repository has it; then whether it can be had from another of its
repositories (a mount); only then its bytes are sent. The config follows, and the manifest comes last, byte for byte as
it is stored, so the registry never has an image without its parts. A story:

    pushed = push(references.parse("localhost:5000/team/web:1"), image, remote, blobs, sources={})
    pushed.events, pushed.sent, pushed.avoided
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from engine import events as facts
from engine.blobs import BlobStore
from engine.digest import Digest
from engine.errors import Cancelled, Denied, EngineError, Unauthorized, Unreachable, never
from engine.events import Event, ignore
from engine.image import Image, ImageLayer
from engine.reference import Reference
from engine.remote import ABREAST, Remote, interruptible
from engine.together import Latch, Together


@dataclass(frozen=True, slots=True)
class Pushed:
    """An image that a registry now has under `reference`: what happened, top layer first. `sent` are the bytes that
    the registry was given, `avoided` the content of the layers that it had."""

    reference: Reference
    image: Image
    events: tuple[Event, ...]
    sent: int
    avoided: int


def push(
    reference: Reference,
    image: Image,
    remote: Remote,
    blobs: BlobStore,
    sources: Mapping[Digest, Collection[str]],
    *,
    progress: Callable[[Event], None] = ignore,
    cancelled: Callable[[], bool] = never,
) -> Pushed:
    """Give the registry `image` as `reference` names it. `sources` are repositories of the same registry that should
    have a blob, to mount it from.

    What was sent before an error stays with the registry, which forgets it in its time. `Unauthorized`, `Denied`,
    `RegistryFailed`, `Unreachable`, `BlobUnknown` where the pool has lost a part, `Cancelled`.
    """
    before = remote.given
    latch = Latch(cancelled)
    together = Together(progress, latch, remote.abort)
    sending = _Sending(reference.repository, image, remote, blobs, sources, together)
    try:
        with interruptible(remote, latch):
            events = sending.layers()
            config = image.manifest.config
            if not remote.holds(reference.repository, config.digest):
                remote.upload(reference.repository, config, blobs.chunks(config.digest))
            content, media_type = blobs.read(image.digest), image.manifest.media_type
            target = reference.tag or image.digest
            remote.put_manifest(reference.repository, target, image.digest, media_type, content)
    except EngineError as error:
        if latch.closed:
            raise Cancelled from error
        if isinstance(error, Denied | Unauthorized | Unreachable):  # in docker's words
            raise
        raise error.while_(f"push {reference}") from error
    avoided = sum(e.size for e in events if isinstance(e, facts.LayerExists | facts.LayerMounted))
    return Pushed(reference, image, tuple(events), remote.given - before, avoided)


@dataclass(frozen=True)
class _Sending:
    repository: str
    image: Image
    remote: Remote
    blobs: BlobStore
    sources: Mapping[Digest, Collection[str]]
    together: Together

    def layers(self) -> list[Event]:
        """Each distinct layer, the top one first as docker tells them."""
        distinct = {layer.digest: layer for layer in reversed(self.image.layers)}
        for layer in distinct.values():
            self._tell(layer, "preparing")
        with ThreadPoolExecutor(ABREAST) as threads:
            going = [threads.submit(self._safely, layer) for layer in distinct.values()]
            with self.together.failing():
                return [event.result() for event in going]

    def _safely(self, layer: ImageLayer) -> Event:
        with self.together.failing(f"layer {layer.position + 1} of {len(self.image.layers)}"):
            return self._layer(layer)

    def _layer(self, layer: ImageLayer) -> Event:
        if self.together.cancelled():
            raise Cancelled
        if self.remote.holds(self.repository, layer.digest):
            self._tell(layer, "present", layer.size)
            return facts.LayerExists(digest=layer.digest, diff_id=layer.diff_id, size=layer.size)
        opened: str | None = None
        for source in self.sources.get(layer.digest, ()):
            if source != self.repository:
                opened = self.remote.mount(self.repository, layer.digest, source)
                if opened is None:
                    self._tell(layer, "mounted", layer.size)
                    return facts.LayerMounted(
                        digest=layer.digest, diff_id=layer.diff_id, size=layer.size, source=source
                    )
                break
        descriptor = self.image.manifest.layers[layer.position]
        self.remote.upload(self.repository, descriptor, self._watched(layer), opened)
        self._tell(layer, "pushed", layer.size)
        return facts.LayerPushed(digest=layer.digest, diff_id=layer.diff_id, size=layer.size)

    def _watched(self, layer: ImageLayer) -> Iterator[bytes]:
        done = 0
        for piece in self.blobs.chunks(layer.digest):
            self._tell(layer, "pushing", done)
            done += len(piece)
            yield piece

    def _tell(self, layer: ImageLayer, phase: facts.Phase, done: int = 0) -> None:
        if self.together.cancelled():
            raise Cancelled
        self.together.progress(facts.Progress(digest=layer.diff_id, phase=phase, done=done, total=layer.size))
