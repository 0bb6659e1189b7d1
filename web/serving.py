"""Flask under uvicorn: WSGI through a2wsgi, and the care that the two leave to us.

- A page's request body is read whole, within a size and a time, before a thread is given to it: a client that stalls
  holds a socket, never a thread. Bodies below ``/v2/`` are streamed to a thread pool of their own, so that slow
  uploads cannot stop the pages.
- A client that goes away in the middle of a body raises in the reader; a2wsgi alone would let it look like the end.
- A connection that does not finish its request's head in time is closed.
- `serve` returns within `GRACE_SECONDS` of SIGTERM or SIGINT plus a moment: answers under way are finished, commands
  that take longer are cancelled; what was acknowledged is durable already.
"""

from __future__ import annotations

import asyncio
import logging
import re
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import TYPE_CHECKING, Any

import h11
import uvicorn
from a2wsgi import WSGIMiddleware
from uvicorn.protocols.http.h11_impl import H11Protocol
from werkzeug.exceptions import (
    BadRequest,
    ClientDisconnected,
    HTTPException,
    RequestEntityTooLarge,
    RequestHeaderFieldsTooLarge,
    RequestTimeout,
)

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

PAGE_BODY_MAX = 64 << 10
"""The largest body of a page's request, in bytes."""
BODY_SECONDS = 10.0
"""How long a page's body may take; below ``/v2/``, how long a client may send nothing."""
HEAD_SECONDS = 10.0
"""How long a request's head may take, from the connection's opening or the head's first byte."""
HEAD_MAX = 32 << 10
"""The largest head of a request, in bytes; a browser sends the cookies of many kitchens in it."""
GRACE_SECONDS = 3
"""How long answers under way may still take once the server was told to stop."""

_TRANSFERS = re.compile(r"/v2/|/k/[^/]+/(?:load$|save/)")
"""Paths whose bodies are streamed, either way."""
_CHUNKS_KEPT = 1024
"""Chunks of one answer that may wait for a slow reader, so that a page's thread never does."""

log = logging.getLogger(__name__)


class Bridge:
    """An ASGI application around a WSGI one, with `pages` threads, and `transfers` more for what lies below /v2/."""

    def __init__(self, app: WSGIApplication, *, pages: int = 8, transfers: int = 8) -> None:
        terminated: Any = _input_terminated(app)
        self._pages: Any = WSGIMiddleware(terminated, workers=pages, send_queue_size=_CHUNKS_KEPT)
        self._transfers: Any = WSGIMiddleware(terminated, workers=transfers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            _check(scope)
            if _TRANSFERS.match(scope["path"]):
                await self._transfers(scope, _attentive(receive), send)
            else:
                await self._pages(scope, _replay(await _whole(receive)), send)
        except ClientDisconnected:
            pass
        except HTTPException as error:
            await _refuse(error, send)


def _input_terminated(app: WSGIApplication) -> WSGIApplication:
    """Tells Werkzeug that reading to the end is safe; without, it reads a chunked body as empty."""

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ["wsgi.input_terminated"] = True
        return app(environ, start_response)

    return application


def _check(scope: Scope) -> None:
    """Refuses a head that WSGI would misread: its header names fold ``_`` into ``-`` and join what comes twice."""
    if sum(len(name) + len(value) for name, value in scope["headers"]) + len(scope["raw_path"]) > HEAD_MAX:
        raise RequestHeaderFieldsTooLarge(f"the request's head is larger than {HEAD_MAX:,} bytes")
    names = [name for name, _ in scope["headers"]]
    if any(b"_" in name for name in names):
        raise BadRequest("a header's name has an underscore")
    if any(names.count(name) > 1 for name in (b"host", b"origin", b"sec-fetch-site", b"content-length")):
        raise BadRequest("a header that may stand once stands twice")
    if not scope["query_string"].isascii():
        raise BadRequest("the query is not percent-encoded")


async def _whole(receive: Receive) -> bytes:
    """A request's body, read to its end; raises what `_refuse` answers where it is too large, too slow or cut."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            more = True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnected
                body += message.get("body", b"")
                more = message.get("more_body", False)
                if len(body) > PAGE_BODY_MAX:
                    raise RequestEntityTooLarge(f"the request's body is larger than {PAGE_BODY_MAX:,} bytes")
    except TimeoutError as error:
        raise RequestTimeout(f"the request's body took longer than {BODY_SECONDS:.0f} s") from error
    return bytes(body)


def _replay(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _attentive(receive: Receive) -> Receive:
    """`receive` that raises where the client went away or fell silent."""

    async def attentive() -> Message:
        try:
            async with asyncio.timeout(BODY_SECONDS):
                message = await receive()
        except TimeoutError as error:
            raise ClientDisconnected from error
        if message["type"] == "http.disconnect":
            raise ClientDisconnected
        return message

    return attentive


async def _refuse(error: HTTPException, send: Send) -> None:
    """Answers before any application ran, and closes: what remains of the body is not wanted."""
    text = f"{error.description}\n".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(text)).encode()),
        (b"connection", b"close"),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send({"type": "http.response.start", "status": error.code or 400, "headers": headers})
    await send({"type": "http.response.body", "body": text})


class Patient(H11Protocol):
    """uvicorn's HTTP/1.1, patient for `HEAD_SECONDS` only: it bounds an idle connection, but not a slow head."""

    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._forget_head()
        elif self._head_timer is None:
            self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_head()
        super().connection_lost(exc)

    def _watch_head(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def _forget_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


def serve(app: WSGIApplication, listening: socket.socket, stopping: threading.Event) -> None:
    """Answers on `listening` until SIGTERM or SIGINT."""
    # uvicorn raises the signal again once it has stopped; by then that is nobody's business.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    Server(app, stopping).run(sockets=[listening])


class Server(uvicorn.Server):
    """uvicorn around a `Bridge`; `stopping` is set when it was told to stop, before answers under way are awaited."""

    def __init__(self, app: WSGIApplication, stopping: threading.Event) -> None:
        self._stopping = stopping
        super().__init__(
            uvicorn.Config(
                Bridge(app),
                http=Patient,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                h11_max_incomplete_event_size=HEAD_MAX,
                limit_concurrency=2000,
                timeout_keep_alive=15,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._stopping.set()
        await super().shutdown(sockets)
