"""A registry seen from the client's side: what it has and what it is given, request by request (distribution-spec).

A `Transport` carries requests: `InProcess` to a registry of this process, others over a network, all under one
contract. Invariants: nothing that a registry says is believed before its size and digest are checked; a descriptor's
`urls` are never followed; what is consumed of any answer's body is counted in `sent`, errors included. A story:

    remote = Remote(InProcess(Registry(Layout(path))))
    remote.manifest("team/web", "latest").digest
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import quote, unquote, urljoin, urlsplit

import msgspec

from engine import digest as digests
from engine import spec
from engine.digest import Digest
from engine.errors import (
    BlobUnknown,
    Denied,
    DigestMismatch,
    EngineError,
    Interrupted,
    LimitExceeded,
    ManifestUnknown,
    SizeMismatch,
    Unauthorized,
)
from engine.registry import NOBODY, Caller, Registry, Request, Response
from engine.spec import DOCUMENT_MAX, Descriptor
from engine.transfer import document, gather

_ACCEPT: Final = ", ".join((spec.OCI_MANIFEST, spec.DOCKER_MANIFEST, spec.OCI_INDEX, spec.DOCKER_LIST))
_ERROR_MAX: Final = 64 << 10
_LOCATION: Final = re.compile(r"[!-~]{1,8192}")
_POLL: Final = 0.1

BREAKS_MAX: Final = 5
"""How often one blob's connection may break before its transfer is given up."""
ABREAST: Final = 3
"""Layers that come or go at a time, as docker's are."""


class RegistryFailed(EngineError):
    """A registry gave an answer that is none: `answered` is its HTTP status, `said` its own words if any."""

    code = "UNKNOWN"
    status = 502

    def __init__(self, path: str, answered: int, said: str, method: str = "GET") -> None:
        self.path, self.answered, self.said = path, answered, said
        super().__init__(f"the registry answered {answered} to {method} {path}" + (f": {said}" if said else ""))


class Transport(Protocol):
    """Carries a request to one registry and its answer back. Its methods may be called from several threads.

    `path` is what follows scheme and host, percent-encoded, query included; `body` is what goes along, streamed.
    Answers of any status return; header names are lower case. The body comes as it is asked for, and whoever does not
    read it to its end closes the response.
    """

    def request(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | Iterable[bytes] | None = None
    ) -> Response:
        """The answer; `EngineError` where there is none."""

    def abort(self) -> None:
        """End all requests under way, and any to come, with an error; nobody waits for a peer any more."""

    def forget(self, path: str) -> None:
        """Have the registry drop the upload at `path`, after an abort too: it takes seconds at most, and whether it
        came to anything is not told."""


class InProcess:
    """The transport to a registry of this process, which takes `caller` for who asks."""

    def __init__(self, registry: Registry, caller: Caller = NOBODY) -> None:
        self._registry, self._caller = registry, caller

    def request(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | Iterable[bytes] | None = None
    ) -> Response:
        """See `Transport`."""
        path, _, query = path.partition("?")
        pieces = (body,) if isinstance(body, bytes) else body or ()
        return self._registry.handle(Request(method, unquote(path), query, headers, pieces), self._caller)

    def abort(self) -> None:
        """Nobody waits here."""

    def forget(self, path: str) -> None:
        """See `Transport`."""
        with suppress(EngineError), closing(self.request("DELETE", path, {})):
            pass


@dataclass(frozen=True, slots=True)
class Document:
    """A manifest or index as it was sent, its digest checked. `media_type` is empty where the registry gave none."""

    digest: Digest
    media_type: str
    content: bytes


class Remote:
    """One registry, for one transfer at a time, by several threads. `sent` counts the bytes that were consumed of its
    answers, `given` those that it was sent."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._lock = threading.Lock()
        self.sent = self.given = 0

    def abort(self) -> None:
        """See `Transport`."""
        self._transport.abort()

    # What a registry has

    def manifest(self, repository: str, target: str, descriptor: Descriptor | None = None) -> Document:
        """A manifest or index by tag or digest; where a `descriptor` led here it must be what that says.

        `ManifestUnknown`, `SizeMismatch`, `DigestMismatch`, `LimitExceeded`, and what every request may raise:
        `Unauthorized`, `Denied`, `RegistryFailed`, `Unreachable`.
        """
        path = f"/v2/{repository}/manifests/{target}"
        response = self._transport.request("GET", path, {"accept": _ACCEPT})
        with closing(response):
            self._expect(
                response, (200,), path, ManifestUnknown(f"{repository}{'@' if ':' in target else ':'}{target}")
            )
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

        Where the connection breaks it goes on from there, a few times. `BlobUnknown`, `SizeMismatch`.
        """
        done, breaks = 0, 0
        while True:
            try:
                for piece in self._from(repository, descriptor, done):
                    done += len(piece)
                    yield piece
                return
            except Interrupted:
                breaks += 1
                if breaks > BREAKS_MAX or done >= descriptor.size:
                    raise

    def _from(self, repository: str, descriptor: Descriptor, start: int) -> Iterator[bytes]:
        """A blob's bytes from `start` on: a range, or the whole without its beginning where the registry has none."""
        path = f"/v2/{repository}/blobs/{descriptor.digest}"
        response = self._transport.request("GET", path, {"range": f"bytes={start}-"} if start else {})
        with closing(response):
            self._expect(response, (200, 206) if start else (200,), path, BlobUnknown(descriptor.digest))
            part = response.status == 206
            if part and not response.headers.get("content-range", "").startswith(f"bytes {start}-"):
                raise RegistryFailed(path, 206, f"not the range from {start} on")
            length, wanted = response.headers.get("content-length", ""), descriptor.size - (start if part else 0)
            if length.isascii() and length.isdigit() and int(length[:19]) != wanted:
                raise SizeMismatch(descriptor.size, int(length[:19]) + (start if part else 0))
            skip = 0 if part else start
            for piece in self._count(response):
                if len(piece) > skip:
                    yield piece[skip:]
                skip = max(0, skip - len(piece))

    # What a registry is given

    def holds(self, repository: str, digest: Digest) -> bool:
        """Whether a repository has the blob."""
        path = f"/v2/{repository}/blobs/{digest}"
        with closing(self._transport.request("HEAD", path, {})) as response:
            if response.status in (404, 405):
                return False
            self._expect(response, (200,), path, method="HEAD")
            return True

    def mount(self, repository: str, digest: Digest, source: str) -> str | None:
        """Have a blob of the repository `source` in another one: None where that is done; where the registry does not,
        the upload that it has opened instead (distribution-spec, cross-mount)."""
        return self._open(repository, f"?mount={quote(digest, safe='')}&from={quote(source, safe='')}")

    def upload(
        self, repository: str, descriptor: Descriptor, pieces: Iterable[bytes], opened: str | None = None
    ) -> None:
        """Bring a blob into a repository, streamed, in an upload that was `opened` or a new one. Where that fails, or
        is cancelled, the upload is dropped: registries bound how many one may have open."""
        location = opened or self._open(repository, "")
        assert location
        try:
            location = self._patch(location, descriptor, pieces)
            path = f"{location}{'&' if '?' in location else '?'}digest={quote(descriptor.digest, safe='')}"
            with closing(self._transport.request("PUT", path, {"content-length": "0"}, b"")) as response:
                self._expect(response, (201, 204), path, method="PUT")
        except BaseException:
            self._transport.forget(location)
            raise

    def _patch(self, location: str, descriptor: Descriptor, pieces: Iterable[bytes]) -> str:
        """Send an upload's bytes; where it goes on."""
        headers = {"content-type": "application/octet-stream", "content-length": str(descriptor.size)}
        with closing(self._transport.request("PATCH", location, headers, self._give(pieces))) as response:
            self._expect(response, (202, 204), location, method="PATCH")
            return _location(location, response)

    def put_manifest(self, repository: str, target: str, digest: Digest, media_type: str, content: bytes) -> None:
        """Have a manifest, byte for byte, under a tag or its digest."""
        path = f"/v2/{repository}/manifests/{target}"
        headers = {"content-type": media_type, "content-length": str(len(content))}
        with closing(self._transport.request("PUT", path, headers, content)) as response:
            self._expect(response, (201, 202), path, method="PUT")
            said = response.headers.get("docker-content-digest", digest)
        with self._lock:
            self.given += len(content)
        if said != digest:
            raise DigestMismatch(digest, said[:200])

    def _open(self, repository: str, query: str) -> str | None:
        """Open an upload; its location, or None where the blob is there already."""
        path = f"/v2/{repository}/blobs/uploads/{query}"
        with closing(self._transport.request("POST", path, {"content-length": "0"}, b"")) as response:
            self._expect(response, (201, 202) if query else (202,), path, method="POST")
            return None if response.status == 201 else _location(path, response)

    # Within

    def _expect(
        self,
        response: Response,
        statuses: Collection[int],
        path: str,
        missing: EngineError | None = None,
        method: str = "GET",
    ) -> None:
        """Go on with an answer of one of `statuses`; `missing` is raised for a 404."""
        if response.status in statuses:
            return
        said = _words(gather(self._count(response), _ERROR_MAX))
        if response.status == 404 and missing:
            raise missing
        if response.status == 401:
            raise Unauthorized(said.partition(": ")[2])
        if response.status == 403:
            raise Denied(said.partition(": ")[2])
        raise RegistryFailed(path.partition("?")[0], response.status, said, method)

    def _count(self, response: Response) -> Generator[bytes, None, None]:
        for chunk in response.chunks:
            with self._lock:
                self.sent += len(chunk)
            yield chunk

    def _give(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            with self._lock:
                self.given += len(piece)
            yield piece


def _location(asked: str, response: Response) -> str:
    """Where an upload goes on. Whatever host it names we stay with the one that we speak to: nothing of ours is sent
    where only an answer's header points."""
    parts = urlsplit(urljoin(asked, response.headers.get("location", "")))
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    if not response.headers.get("location") or not path.startswith("/") or not _LOCATION.fullmatch(path):
        raise RegistryFailed(asked.partition("?")[0], response.status, "no location to go on with", "POST")
    return path


@contextmanager
def interruptible(remote: Remote, cancelled: Callable[[], bool]) -> Iterator[None]:
    """Within it, a peer that is waited for is let go when `cancelled` says so."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(_POLL):
            if cancelled():
                remote.abort()
                return

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


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
