"""Flask under uvicorn: pages go whole (see `paging`), transfers are streamed (see `streaming`).

- Transfers have a thread pool of their own, so that slow uploads cannot stop the pages; each caller, and each address,
  has a few of its threads at once, and waits for more.
- A connection that does not finish its request's head in time is closed, as is one that sends its body, or takes its
  answer, too slowly.
- `serve` returns within `GRACE_SECONDS` of SIGTERM or SIGINT plus a moment: answers under way are finished, commands
  that take longer are cancelled; what was acknowledged is durable already.
"""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from werkzeug.exceptions import (
    BadRequest,
    ClientDisconnected,
    HTTPException,
    RequestHeaderFieldsTooLarge,
    TooManyRequests,
)

from web import streaming
from web.asgi import Receive, Scope, Send, Who
from web.paging import Pages
from web.streaming import Transfers, Turns

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

HEAD_SECONDS = 10.0
"""How long a request's head may take, from the connection's opening or the head's first byte."""
HEAD_MAX = 32 << 10
"""The largest head of a request, in bytes; a browser sends the cookies of many kitchens in it."""
GRACE_SECONDS = 3
"""How long answers under way may still take once the server was told to stop."""

_PROXIES = ("127.0.0.1", "::1")
"""Where a reverse proxy is believed."""
_TRANSFERS = re.compile(r"/v2(?:/|$)|(/k/[^/]+)/(?:(?:load|import)$|save/)")
"""Paths whose bodies are streamed, either way; for those of a kitchen, whom they count against."""


def by_address(scope: Scope) -> str:
    """Whom a request counts against, where nothing better is known."""
    return str((scope.get("client") or ("",))[0])


class Bridge:
    """An ASGI application around a WSGI one, with `pages` threads, and `transfers` more for what is streamed. `who`
    tells from a request's scope whom it counts against."""

    def __init__(self, app: WSGIApplication, *, pages: int = 8, transfers: int = 64, who: Who = by_address) -> None:
        self._pages, self._transfers = Pages(app, pages), Transfers(app, transfers)
        self._who, self._turns = who, Turns()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        transfer = _TRANSFERS.match(scope["path"])
        try:
            _check(scope)
            if transfer:
                async with self._turn(transfer[1] or self._who(scope), by_address(scope)):
                    await self._transfers(scope, receive, send)
            else:
                await self._pages(scope, receive, send)
        except ClientDisconnected:
            pass
        except HTTPException as error:
            await _refuse(error, send, as_json=scope["path"].startswith("/v2"))

    @asynccontextmanager
    async def _turn(self, caller: str, address: str) -> AsyncIterator[None]:
        """While it is the turn of both."""
        async with (
            self._turns.take(caller, streaming.AT_ONCE, streaming.WAITING_MAX),
            self._turns.take(f"from {address}", streaming.ADDRESS_AT_ONCE, streaming.ADDRESS_WAITING_MAX),
        ):
            yield


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


async def _refuse(error: HTTPException, send: Send, *, as_json: bool = False) -> None:
    """Answers before any application ran, and closes: what remains of the body is not wanted."""
    text = f"{error.description}\n".encode()
    kind = b"text/plain; charset=utf-8"
    if as_json:
        code = "TOOMANYREQUESTS" if error.code == TooManyRequests.code else "UNSUPPORTED"
        text = json.dumps({"errors": [{"code": code, "message": error.description, "detail": {}}]}).encode()
        kind = b"application/json"
    headers = [
        (b"content-type", kind),
        (b"content-length", str(len(text)).encode()),
        (b"connection", b"close"),
        (b"x-content-type-options", b"nosniff"),
        *((b"retry-after", value.encode()) for name, value in error.get_headers() if name == "Retry-After"),
    ]
    await send({"type": "http.response.start", "status": error.code or 400, "headers": headers})
    await send({"type": "http.response.body", "body": text})


class Patient(H11Protocol):
    """uvicorn's HTTP/1.1, patient for `HEAD_SECONDS` and `streaming.SILENCE_SECONDS` only: it bounds an idle
    connection, but neither a slow head nor a reader that takes nothing."""

    _head_timer: asyncio.TimerHandle | None = None
    _read_timer: asyncio.TimerHandle | None = None

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
        self._forget_reader()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_reader()

    def resume_writing(self) -> None:
        self._forget_reader()
        super().resume_writing()

    def _watch_reader(self) -> None:
        waiting = self.transport.get_write_buffer_size()

        def look() -> None:
            if self.transport.get_write_buffer_size() > waiting - streaming.SLOWEST * streaming.SILENCE_SECONDS:
                self.transport.abort()
            else:
                self._watch_reader()

        self._read_timer = self.loop.call_later(streaming.SILENCE_SECONDS, look)

    def _forget_reader(self) -> None:
        if self._read_timer is not None:
            self._read_timer.cancel()
            self._read_timer = None

    def _watch_head(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def _forget_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


def serve(
    app: WSGIApplication,
    listening: socket.socket,
    stopping: threading.Event,
    who: Who = by_address,
    *,
    behind_proxy: bool = False,
) -> None:
    """Answers on `listening` until SIGTERM or SIGINT; see `Server`."""
    # uvicorn raises the signal again once it has stopped; by then that is nobody's business.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    Server(app, stopping, who, behind_proxy=behind_proxy).run(sockets=[listening])


class Server(uvicorn.Server):
    """uvicorn around a `Bridge`; `stopping` is set when it was told to stop, before answers under way are awaited.

    `behind_proxy` believes X-Forwarded-For and -Proto, of peers on this machine only: anybody else would choose whom
    they count against.
    """

    def __init__(
        self, app: WSGIApplication, stopping: threading.Event, who: Who = by_address, *, behind_proxy: bool = False
    ) -> None:
        self._stopping = stopping
        super().__init__(
            uvicorn.Config(
                Bridge(app, who=who),
                http=Patient,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=behind_proxy,
                forwarded_allow_ips=list(_PROXIES),
                h11_max_incomplete_event_size=HEAD_MAX,
                limit_concurrency=2000,
                timeout_keep_alive=15,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._stopping.set()
        await super().shutdown(sockets)
