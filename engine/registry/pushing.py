"""Uploads and mounts over HTTP (distribution-spec, pushing blobs)."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from engine import digest as digests
from engine import reference as references
from engine.digest import Digest
from engine.errors import EngineError
from engine.registry.access import Caller
from engine.registry.catalogue import Catalogue, Content
from engine.registry.messages import Request, Response, empty
from engine.registry.store import Store
from engine.registry.uploads import Span, Ticket, Uploads
from engine.registry.values import BadChunk, OutOfOrder, UploadUnknown

_SPAN: Final = re.compile(r"(?:bytes[ =])?(\d{1,19})-(\d{1,19})(?:/(?:\d{1,19}|\*))?")
_UPLOAD: Final = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:&digest=(\w+:\w+))?")
"""An upload's id. Some clients append ``&digest=`` to a Location that has no query."""


@dataclass(frozen=True)
class Opened:
    """The upload that a request's path names, and the digest that was appended to it, if any."""

    ticket: Ticket
    appended: str

    @classmethod
    def parse(cls, target: str, name: str, caller: Caller) -> Opened:
        """Of the path's last part; `UploadUnknown` where no upload can be called so."""
        found = _UPLOAD.fullmatch(target)
        if not found:
            raise UploadUnknown(target)
        return cls(Ticket(found[1], name, caller.namespace), found[2] or "")


class Pushing:
    """The uploads of a store. A blob may be mounted from the `menu` too, whose bytes are then copied into the store."""

    def __init__(self, store: Store, menu: Catalogue | None) -> None:
        self._store, self._menu, self._uploads = store, menu, Uploads(store)

    def begin(self, request: Request, name: str, caller: Caller) -> Response:
        """POST: mount a blob, take it whole, or open an upload."""
        asked = request.asked
        if "mount" in asked:
            digest = digests.parse(asked["mount"])
            if self._mount(name, digest, asked.get("from")):
                return _created(request, name, digest)
        wanted = digests.parse(asked["digest"]) if "digest" in asked and "mount" not in asked else None
        ticket = self._uploads.begin(name, caller.namespace)
        if wanted is None:
            return _accepted(request, 202, ticket, 0)
        try:
            self._uploads.append(ticket, request.body, _span(request, 0))
            self._uploads.finish(ticket, wanted)
        except BaseException:
            self._forget(ticket)
            raise
        return _created(request, name, wanted)

    def status(self, request: Request, opened: Opened) -> Response:
        """GET: how far an upload is."""
        return _accepted(request, 204, opened.ticket, self._uploads.offset(opened.ticket))

    def add(self, request: Request, opened: Opened) -> Response:
        """PATCH: a chunk, or a stream without a length."""
        return _accepted(request, 202, opened.ticket, self._append(request, opened.ticket))

    def finish(self, request: Request, opened: Opened) -> Response:
        """PUT: the last chunk, if any, and what the whole must be."""
        digest = digests.parse(request.asked.get("digest", opened.appended))
        self._append(request, opened.ticket)
        self._uploads.finish(opened.ticket, digest)
        return _created(request, opened.ticket.repository, digest)

    def cancel(self, opened: Opened) -> Response:
        """DELETE: an upload that nobody goes on with."""
        self._uploads.cancel(opened.ticket)
        return empty(204)

    # Within

    def _mount(self, name: str, digest: Digest, source: str | None) -> bool:
        """Whether `source`, or anybody where that is None, shows the blob, and now `name` does too."""
        if source is not None and not references.is_repository(source):
            return False
        if self._shown(self._menu, digest, source) is None and self._shown(self._store, digest, source) is None:
            return False
        if self._store.link(name, digest):
            return True
        content = self._shown(self._menu, digest, source)
        if content is None:
            return False
        self._store.bring(content)
        return self._store.link(name, digest)

    def _shown(self, catalogue: Catalogue | None, digest: Digest, source: str | None) -> Content | None:
        if catalogue is None:
            return None
        try:
            return catalogue.find(digest) if source is None else catalogue.blob(source, digest)
        except EngineError:
            return None

    def _append(self, request: Request, ticket: Ticket) -> int:
        """Add the request's bytes; a refusal to do so tells the place where the client may go on."""
        try:
            return self._uploads.append(ticket, request.body, _span(request))
        except OutOfOrder as error:
            error.headers = _place(request, ticket, error.offset)
            raise

    def _forget(self, ticket: Ticket) -> None:
        with suppress(UploadUnknown):  # what was wrong with its bytes has ended it already
            self._uploads.cancel(ticket)


def _span(request: Request, begin: int | None = None) -> Span | None:
    """What the headers say of where a chunk lies; `BadChunk` where they say two things. A length alone binds nobody:
    the server has held the client to it."""
    said = request.headers.get("content-range", "")
    length = request.length
    if not said:
        return None if begin is None or length is None else Span(begin, begin + length)
    found = _SPAN.fullmatch(said.strip())
    if not found:
        raise BadChunk(f"Content-Range {said[:60]!r} is no first-last")
    span = Span(int(found[1]), int(found[2]) + 1)
    if span.stop <= span.begin or (length is not None and length != span.stop - span.begin):
        raise BadChunk(f"Content-Range {said[:60]} and Content-Length {length} disagree")
    return span


def _accepted(request: Request, status: int, ticket: Ticket, offset: int) -> Response:
    return empty(status, **_place(request, ticket, offset))


def _place(request: Request, ticket: Ticket, offset: int) -> dict[str, str]:
    """Headers that say where an upload goes on; ``0-0`` for an empty one, which HTTP cannot say otherwise."""
    return {
        "location": request.address(f"/v2/{ticket.repository}/blobs/uploads/{ticket.upload}"),
        "range": f"0-{max(offset - 1, 0)}",
        "docker-upload-uuid": ticket.upload,
    }


def _created(request: Request, name: str, digest: Digest) -> Response:
    return empty(201, location=request.address(f"/v2/{name}/blobs/{digest}"), docker_content_digest=digest)
