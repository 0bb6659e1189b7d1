"""Flask under uvicorn: WSGI through a2wsgi, and the care that the two leave to us.

- A page's request body is read whole, within a size and a time, before a thread is given to it: a client that stalls
  holds a socket, never a thread. Bodies below ``/v2/`` are streamed to a thread pool of their own, so that slow
  uploads cannot stop the pages; each caller has a few of its threads at once, and waits for more.
- A client that goes away in the middle of a body raises in the reader; a2wsgi alone would let it look like the end.
  One that goes away in the middle of an answer ends it; a2wsgi alone would read all of it, for nobody.
- A connection that does not finish its request's head in time is closed, as is one that takes nothing of its answer.
- `serve` returns within `GRACE_SECONDS` of SIGTERM or SIGINT plus a moment: answers under way are finished, commands
  that take longer are cancelled; what was acknowledged is durable already.
"""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
import signal
import socket
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, MutableMapping
from contextlib import asynccontextmanager
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
    TooManyRequests,
)

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Who = Callable[[Scope], str]

PAGE_BODY_MAX = 64 << 10
"""The largest body of a page's request, in bytes."""
BODY_SECONDS = 10.0
"""How long a page's body may take."""
SILENCE_SECONDS = 30.0
"""How long a client may send nothing of a body below ``/v2/``, and take nothing of any answer."""
AT_ONCE = 4
"""Requests below ``/v2/`` of one caller that are worked on at once; docker fetches three layers at a time."""
WAITING_MAX = 64
"""Requests below ``/v2/`` of one caller that may wait for their turn: docker pushes five layers at a time, podman six,
and a class may be behind one address."""
TURN_SECONDS = 60.0
"""How long they wait."""
HEAD_SECONDS = 10.0
"""How long a request's head may take, from the connection's opening or the head's first byte."""
HEAD_MAX = 32 << 10
"""The largest head of a request, in bytes; a browser sends the cookies of many kitchens in it."""
GRACE_SECONDS = 3
"""How long answers under way may still take once the server was told to stop."""

_TRANSFERS = re.compile(r"/v2(?:/|$)|(/k/[^/]+)/(?:(?:load|import)$|save/)")
"""Paths whose bodies are streamed, either way; for those of a kitchen, whom they count against."""
_CHUNKS_KEPT = 1024
"""Chunks of one answer that may wait for a slow reader, so that a page's thread never does."""

log = logging.getLogger(__name__)


def by_address(scope: Scope) -> str:
    """Whom a request counts against, where nothing better is known."""
    return str((scope.get("client") or ("",))[0])


class Bridge:
    """An ASGI application around a WSGI one, with `pages` threads, and `transfers` more for what lies below /v2/. `who`
    tells from a request's scope whom it counts against."""

    def __init__(self, app: WSGIApplication, *, pages: int = 8, transfers: int = 64, who: Who = by_address) -> None:
        terminated: Any = _input_terminated(app)
        self._pages: Any = WSGIMiddleware(terminated, workers=pages, send_queue_size=_CHUNKS_KEPT)
        ending: Any = _ending(terminated)
        self._transfers: Any = WSGIMiddleware(ending, workers=transfers, send_queue_size=2)
        self._who, self._turns = who, Turns()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        transfer = _TRANSFERS.match(scope["path"])
        try:
            _check(scope)
            if transfer:
                async with self._turns.take(transfer[1] or self._who(scope)):
                    await self._transfer(scope, receive, send)
            else:
                await self._pages(scope, _replay(await _whole(receive)), send)
        except ClientDisconnected:
            pass
        except HTTPException as error:
            await _refuse(error, send, as_json=scope["path"].startswith("/v2"))

    async def _transfer(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = Client(receive)
        if not {b"content-length", b"transfer-encoding"} & {name for name, _ in scope["headers"]}:
            await client.expect_nothing()
        scope["client.state"] = client
        watching = asyncio.create_task(client.watch())
        try:
            await self._transfers(scope, client.receive, send)
        finally:
            watching.cancel()


class Turns:
    """At most `AT_ONCE` at once of each key; more of them wait, some, and for a while."""

    def __init__(self) -> None:
        self._turns: dict[str, asyncio.Semaphore] = {}
        self._present: Counter[str] = Counter()

    @asynccontextmanager
    async def take(self, key: str) -> AsyncIterator[None]:
        """While it is the caller's turn; `TooManyRequests`."""
        busy = TooManyRequests("too many requests of yours are under way; wait for their end", retry_after=5)
        if self._present[key] >= AT_ONCE + WAITING_MAX:
            raise busy
        turn = self._turns.setdefault(key, asyncio.Semaphore(AT_ONCE))
        self._present[key] += 1
        try:
            try:
                async with asyncio.timeout(TURN_SECONDS):
                    await turn.acquire()
            except TimeoutError as error:
                raise busy from error
            try:
                yield
            finally:
                turn.release()
        finally:
            self._present[key] -= 1
            if not self._present[key]:
                del self._present[key], self._turns[key]


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


class Client:
    """The other end of a transfer: `receive` raises where it went away or fell silent; `gone` tells of it while an
    answer is sent."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._first: Message | None = None
        self._whole = asyncio.Event()
        self.loop = asyncio.get_running_loop()
        self.gone = False

    async def expect_nothing(self) -> None:
        """Its request has no body: what comes next can only be that it goes away."""
        self._first = await self.receive()

    async def receive(self) -> Message:
        """The next piece of its body; `ClientDisconnected`."""
        if self._first is not None:
            return self._first
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                message = await self._receive()
        except TimeoutError as error:
            self.gone = True
            raise ClientDisconnected from error
        if message["type"] == "http.disconnect":
            self.gone = True
            raise ClientDisconnected
        if not message.get("more_body"):
            self._whole.set()
        return message

    async def watch(self) -> None:
        """Once its body is whole, notice that it goes away."""
        await self._whole.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.gone = True


def _ending(app: WSGIApplication) -> WSGIApplication:
    """Gives each piece of a body to its reader as it comes, and ends an answer whose client has gone."""

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        client: Client = environ["asgi.scope"]["client.state"]
        environ["wsgi.input"] = Body(client)
        return _Ending(app(environ, start_response), client)

    return application


class Body(io.RawIOBase):
    """A transfer's body as a file. a2wsgi's own waits until it has as much as is asked for, and keeps it to itself
    where the client is cut meanwhile."""

    def __init__(self, client: Client) -> None:
        self._client, self._left, self._more = client, b"", True

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Some bytes, as soon as there are any; none at the end. `ClientDisconnected`."""
        while self._more and not self._left:
            coming = asyncio.run_coroutine_threadsafe(self._client.receive(), self._client.loop)
            try:
                message = coming.result(SILENCE_SECONDS + 5)
            except TimeoutError as error:  # the server has stopped, and nobody is there to answer
                raise ClientDisconnected from error
            self._left, self._more = message.get("body", b""), message.get("more_body", False)
        count = min(len(buffer), len(self._left))
        buffer[:count], self._left = self._left[:count], self._left[count:]
        return count


class _Ending(Iterator[bytes]):
    def __init__(self, chunks: Iterable[bytes], client: Client) -> None:
        self._chunks, self._each, self._client = chunks, iter(chunks), client

    def __next__(self) -> bytes:
        if self._client.gone:
            raise ClientDisconnected
        return next(self._each)

    def close(self) -> None:
        close = getattr(self._chunks, "close", None)
        if close:
            close()


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
    """uvicorn's HTTP/1.1, patient for `HEAD_SECONDS` and `SILENCE_SECONDS` only: it bounds an idle connection, but
    neither a slow head nor a reader that takes nothing."""

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
            if self.transport.get_write_buffer_size() >= waiting:
                self.transport.abort()
            else:
                self._watch_reader()

        self._read_timer = self.loop.call_later(SILENCE_SECONDS, look)

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


def serve(app: WSGIApplication, listening: socket.socket, stopping: threading.Event, who: Who = by_address) -> None:
    """Answers on `listening` until SIGTERM or SIGINT."""
    # uvicorn raises the signal again once it has stopped; by then that is nobody's business.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    Server(app, stopping, who).run(sockets=[listening])


class Server(uvicorn.Server):
    """uvicorn around a `Bridge`; `stopping` is set when it was told to stop, before answers under way are awaited."""

    def __init__(self, app: WSGIApplication, stopping: threading.Event, who: Who = by_address) -> None:
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
