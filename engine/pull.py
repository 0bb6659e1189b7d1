"""An image comes from a registry into the pool (distribution-spec, pull).

remote = Remote(InProcess(Registry(Layout(path))))
pulled = pull(references.parse("team/web").tagged(), remote, held=(), blobs=blobs, layers=layers)
pulled.image, pulled.sent, pulled.avoided, pulled.events
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial

from engine import events as facts
from engine import platforms, spec
from engine.blobs import BlobStore
from engine.digest import Digest
from engine.errors import (
    Cancelled,
    Denied,
    EngineError,
    MalformedDocument,
    ManifestUnknown,
    Unauthorized,
    Unreachable,
    never,
)
from engine.events import Event, ignore
from engine.image import Image
from engine.layerstore import LayerStore
from engine.reference import Reference
from engine.remote import ABREAST, Document, Remote, interruptible
from engine.spec import Descriptor, Index, Manifest, Platform
from engine.together import Latch
from engine.transfer import Pool, receive


@dataclass(frozen=True, slots=True)
class Pulled:
    """An image that is now in the pool, for a host to adopt.

    `digest` is what the reference named, a manifest's or an index's; the chosen manifest's is `image.digest`. `events`
    are `DocumentPulled`, `LayerReused` and `LayerPulled`, in the order in which it went. `sent` are the bytes consumed
    of the registry's answers, `avoided` the content of the layers that the host held.
    """

    image: Image
    digest: Digest
    events: tuple[Event, ...]
    sent: int
    avoided: int


def pull(
    reference: Reference,
    remote: Remote,
    held: Collection[Digest],
    blobs: BlobStore,
    layers: LayerStore,
    *,
    progress: Callable[[Event], None] = ignore,
    cancelled: Callable[[], bool] = never,
    room: int | None = None,
    platform: Platform = platforms.LINUX_AMD64,
) -> Pulled:
    """Bring the image that `reference` names into the pool.

    Every blob that is not `held` by the host is streamed from the registry and verified, also where the pool has it.
    `room` is how many bytes of blobs not held may be stored. On any error what was stored so far is whole and waits for
    a sweep: `ManifestUnknown`, `PlatformUnknown`, `BlobUnknown`, `RegistryFailed`, and all that `receive` raises.
    """
    before = remote.sent
    events: list[Event] = []
    latch = Latch(cancelled)
    pool = Pool(blobs, layers, held, room, progress, latch, ABREAST, remote.abort)
    try:
        with interruptible(remote, latch):
            named, chosen, manifest = _find(reference, remote, platform, pool, events)
            fetch = partial(remote.blob, reference.repository)
            received = receive(manifest, chosen.content, chosen.digest, fetch, pool)
            if named.digest != chosen.digest:
                blobs.put(named.content, digest=named.digest)
    except ManifestUnknown as error:
        raise ManifestUnknown(str(reference)) from error  # in docker's words, which name what was typed
    except platforms.PlatformUnknown:
        raise
    except EngineError as error:
        if latch.closed:
            raise Cancelled from error
        if isinstance(error, Denied | Unauthorized | Unreachable):  # in docker's words too
            raise
        raise error.while_(f"pull {reference}") from error
    events += received.events
    return Pulled(received.image, named.digest, tuple(events), remote.sent - before, received.avoided)


def _find(
    reference: Reference, remote: Remote, platform: Platform, pool: Pool, events: list[Event]
) -> tuple[Document, Document, Manifest]:
    """What the reference names, and the manifest that it means here: itself, or the one of an index for `platform`."""

    def read(target: str, descriptor: Descriptor | None = None) -> tuple[Document, Manifest | Index]:
        if pool.cancelled():
            raise Cancelled
        found = remote.manifest(reference.repository, target, descriptor)
        said = found.media_type or (descriptor.media_type if descriptor else "")
        parsed = spec.manifest_or_index(found.content, said)
        events.append(
            facts.DocumentPulled(
                kind="index" if isinstance(parsed, Index) else "manifest",
                digest=found.digest,
                size=len(found.content),
                held=found.digest in pool.held,
            )
        )
        return found, parsed

    def nested(descriptor: Descriptor) -> Index:
        _, parsed = read(descriptor.digest, descriptor)
        if isinstance(parsed, Manifest):
            raise MalformedDocument("index", f"{descriptor.digest} is called an index and is a manifest")
        return parsed

    named, parsed = read(reference.target)
    chosen = named
    if isinstance(parsed, Index):
        descriptor = platforms.choose(parsed, platform, nested)
        chosen, parsed = read(descriptor.digest, descriptor)
    if isinstance(parsed, Index):
        raise MalformedDocument("index", f"{chosen.digest} is called a manifest and is an index")
    return named, chosen, parsed
