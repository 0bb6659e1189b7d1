"""A registry seen from the client's side, and pulling an image from it (distribution-spec, pull).

A `Transport` carries requests: `InProcess` to a registry of this process, others over a network, all under one
contract. Invariants: nothing that a registry says is believed before its size and digest are checked; a descriptor's
`urls` are never followed; what is consumed of any answer's body is counted in `sent`, errors included. A story:

    remote = Remote(InProcess(Registry(Layout(path))))
    pulled = pull(references.parse("pizza/cheese").tagged(), remote, held=(), blobs=blobs, layers=layers)
    pulled.image, pulled.sent, pulled.avoided, pulled.events
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol
from urllib.parse import unquote

import msgspec

from engine import digest as digests
from engine import events as facts
from engine import platforms, spec
from engine.blobs import BlobStore
from engine.digest import Digest
from engine.errors import (
    BlobUnknown,
    Cancelled,
    DigestMismatch,
    EngineError,
    LimitExceeded,
    MalformedDocument,
    ManifestUnknown,
    SizeMismatch,
)
from engine.events import Event
from engine.image import Image
from engine.layerstore import LayerStore
from engine.reference import Reference
from engine.registry import Registry, Request, Response
from engine.spec import DOCUMENT_MAX, Descriptor, Index, Manifest, Platform
from engine.transfer import Pool, document, gather, ignore, never, receive

_ACCEPT: Final = ", ".join((spec.OCI_MANIFEST, spec.DOCKER_MANIFEST, spec.OCI_INDEX, spec.DOCKER_LIST))
_ERROR_MAX: Final = 64 << 10


class RegistryFailed(EngineError):
    """A registry gave an answer that is none: `answered` is its HTTP status, `said` its own words if any."""

    code = "UNKNOWN"
    status = 502

    def __init__(self, path: str, answered: int, said: str) -> None:
        self.path, self.answered, self.said = path, answered, said
        super().__init__(f"the registry answered {answered} to GET {path}" + (f": {said}" if said else ""))


class Transport(Protocol):
    """Carries a request to one registry and its answer back.

    `path` is what follows scheme and host, percent-encoded, query included. Answers of any status return; header names
    are lower case. The body comes as it is asked for, and whoever does not read it to its end closes the response.
    """

    def request(self, method: str, path: str, headers: Mapping[str, str]) -> Response:
        """The answer; `EngineError` where there is none."""


class InProcess:
    """The transport to a registry of this process."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def request(self, method: str, path: str, headers: Mapping[str, str]) -> Response:
        """See `Transport`."""
        path, _, query = path.partition("?")
        return self._registry.handle(Request(method, unquote(path), query, headers))


@dataclass(frozen=True, slots=True)
class Document:
    """A manifest or index as it was sent, its digest checked. `media_type` is empty where the registry gave none."""

    digest: Digest
    media_type: str
    content: bytes


class Remote:
    """One registry, for one transfer at a time. `sent` counts the bytes that were consumed of its answers."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.sent = 0

    def manifest(self, repository: str, target: str, descriptor: Descriptor | None = None) -> Document:
        """A manifest or index by tag or digest; where a `descriptor` led here it must be what that says.

        `ManifestUnknown`, `SizeMismatch`, `DigestMismatch`, `LimitExceeded`, `RegistryFailed`.
        """
        path = f"/v2/{repository}/manifests/{target}"
        response = self._get(path, ManifestUnknown(f"{repository}{'@' if ':' in target else ':'}{target}"))
        with closing(response):
            pieces = self._count(response)
            content = document(pieces, descriptor) if descriptor else gather(pieces, DOCUMENT_MAX)
        if len(content) > DOCUMENT_MAX:
            raise LimitExceeded(f"the manifest at {path} is too large: bytes", DOCUMENT_MAX)
        said = response.headers.get("docker-content-digest", "")
        digest = digests.parse(target if ":" in target else said) if ":" in target or said else digests.of(content)
        actual = digests.of(content, digests.algorithm(digest))
        if actual != digest:
            raise DigestMismatch(digest, actual)
        media_type = response.headers.get("content-type", "").partition(";")[0].strip()
        return Document(digest, media_type if media_type.startswith("application/vnd.") else "", content)

    def blob(self, repository: str, descriptor: Descriptor) -> Generator[bytes, None, None]:
        """A blob's bytes, unchecked but for the length that the registry announces; asked for with the first.

        `BlobUnknown`, `SizeMismatch`, `RegistryFailed`.
        """
        response = self._get(f"/v2/{repository}/blobs/{descriptor.digest}", BlobUnknown(descriptor.digest))
        with closing(response):
            length = response.headers.get("content-length", "")
            if length.isdigit() and int(length) != descriptor.size:
                raise SizeMismatch(descriptor.size, int(length))
            yield from self._count(response)

    def _get(self, path: str, missing: EngineError) -> Response:
        """A 200 answer; `missing` is raised for a 404."""
        response = self._transport.request("GET", path, {"accept": _ACCEPT} if "/manifests/" in path else {})
        if response.status == 200:
            return response
        with closing(response):
            body = gather(self._count(response), _ERROR_MAX)
        if response.status == 404:
            raise missing
        raise RegistryFailed(path, response.status, _words(body))

    def _count(self, response: Response) -> Generator[bytes, None, None]:
        for chunk in response.chunks:
            self.sent += len(chunk)
            yield chunk


class _Error(msgspec.Struct):
    code: str = ""
    message: str = ""


class _Errors(msgspec.Struct):
    errors: list[_Error] = []


def _words(body: bytes) -> str:
    """What the first error of an error document says."""

    try:
        found = msgspec.json.decode(body, type=_Errors).errors
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
    return f"{found[0].code}: {found[0].message}"[:300] if found else ""


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
    pool = Pool(blobs, layers, held, room, progress, cancelled)
    try:
        named, chosen, manifest = _find(reference, remote, platform, pool, events)
        received = receive(manifest, chosen.content, chosen.digest, partial(remote.blob, reference.repository), pool)
    except ManifestUnknown as error:
        raise ManifestUnknown(str(reference)) from error  # in docker's words, which name what was typed
    except platforms.PlatformUnknown:
        raise
    except EngineError as error:
        raise error.while_(f"pull {reference}") from error
    events += received.events
    return Pulled(received.image, named, tuple(events), remote.sent - before, received.avoided)


def _find(
    reference: Reference, remote: Remote, platform: Platform, pool: Pool, events: list[Event]
) -> tuple[Digest, Document, Manifest]:
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
    return named.digest, chosen, parsed
