"""Transfers: bodies that are streamed, either way, each caller having a few at once.

A client that goes away in the middle of a body raises in the reader; a2wsgi alone would let it look like the end. One
that goes away in the middle of an answer ends it; a2wsgi alone would read all of it, for nobody.
"""

from __future__ import annotations

import asyncio
import io
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from a2wsgi import WSGIMiddleware
from werkzeug.exceptions import ClientDisconnected, TooManyRequests

from web.asgi import Message, Receive, Scope, Send

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

SILENCE_SECONDS = 30.0
"""How long a client may send nothing of a body below ``/v2/``, and take nothing of any answer."""
SLOW_SECONDS, SLOWEST = 30.0, 1024
"""A client that is waited for may take so long in all, and a second more for each so many bytes: one that sends a byte
now and then would hold a thread for days."""
AT_ONCE, WAITING_MAX = 4, 64
"""Transfers of one caller that are worked on at once, and that may wait for their turn: docker fetches three layers at
a time, pushes five, podman six, and a class may be behind one address."""
ADDRESS_AT_ONCE, ADDRESS_WAITING_MAX = 16, 512
"""The same of one address, whoever it says that it is: a visitor has as many kitchens as they like. Others are left
most of the threads, and a class behind it, each with a transfer or ten, waits for a while rather than being refused."""
TURN_SECONDS = 60.0
"""How long they wait."""


class Transfers:
    """An ASGI application of a WSGI one, for transfers, with so many `threads`."""

    def __init__(self, app: WSGIApplication, threads: int) -> None:
        ending: Any = _ending(app)
        self._app: Any = WSGIMiddleware(ending, workers=threads, send_queue_size=2)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = Client(receive)
        if not {b"content-length", b"transfer-encoding"} & {name for name, _ in scope["headers"]}:
            await client.expect_nothing()
        scope["client.state"] = client
        watching = asyncio.create_task(client.watch())
        try:
            await self._app(scope, client.receive, send)
        finally:
            watching.cancel()


class Turns:
    """So many at once of each key; more of them wait, some, and for a while."""

    def __init__(self) -> None:
        self._turns: dict[str, asyncio.Semaphore] = {}
        self._present: Counter[str] = Counter()

    @asynccontextmanager
    async def take(self, key: str, at_once: int, waiting: int) -> AsyncIterator[None]:
        """While it is the key's turn, which is one of `at_once`; `TooManyRequests` where `waiting` wait already, or
        after `TURN_SECONDS`."""
        busy = TooManyRequests("too many requests of yours are under way; wait for their end", retry_after=5)
        if self._present[key] >= at_once + waiting:
            raise busy
        turn = self._turns.setdefault(key, asyncio.Semaphore(at_once))
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


class Client:
    """The other end of a transfer: `receive` raises where it went away, fell silent or is too slow; `gone` tells of it
    while an answer is sent."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._first: Message | None = None
        self._whole = asyncio.Event()
        self._waited, self._received = 0.0, 0
        self.loop = asyncio.get_running_loop()
        self.gone = False

    async def expect_nothing(self) -> None:
        """Its request has no body: what comes next can only be that it goes away."""
        self._first = await self.receive()

    async def receive(self) -> Message:
        """The next piece of its body; `ClientDisconnected`."""
        if self._first is not None:
            return self._first
        patience = min(SILENCE_SECONDS, SLOW_SECONDS + self._received / SLOWEST - self._waited)
        begun = self.loop.time()
        try:
            async with asyncio.timeout(patience):
                message = await self._receive()
        except TimeoutError as error:
            self.gone = True
            raise ClientDisconnected from error
        self._waited += self.loop.time() - begun  # what the work on it takes is not the client's time
        self._received += len(message.get("body", b""))
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
        environ["wsgi.input"], environ["wsgi.input_terminated"] = Body(client), True
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
