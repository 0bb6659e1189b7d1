"""Pages: whole requests to whole answers.

A page's request body is read whole, within a size and a time, before a thread is given to it: a client that stalls
holds a socket, never a thread. The thread is taken once for each request, and given back with all of its answer.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from a2wsgi.wsgi import build_environ
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge, RequestTimeout

from web.asgi import Message, Receive, Scope, Send

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

PAGE_BODY_MAX = 64 << 10
"""The largest body of a page's request, in bytes."""
BODY_SECONDS = 10.0
"""How long a page's body may take."""


class Pages:
    """An ASGI application of a WSGI one, for pages, with so many `threads`."""

    def __init__(self, app: WSGIApplication, threads: int) -> None:
        self._app, self._threads = app, ThreadPoolExecutor(threads, "page")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        environ: Any = build_environ(scope, io.BytesIO(await _whole(receive)))  # type: ignore[arg-type]
        start, body = await asyncio.get_running_loop().run_in_executor(self._threads, self._answer, environ)
        await send(start)
        await send(body)

    def _answer(self, environ: Any) -> tuple[Message, Message]:
        """The application's answer, in the two messages that it takes."""
        environ["wsgi.input_terminated"] = True  # else Werkzeug reads a chunked body as empty
        start: Message = {"type": "http.response.start"}

        def begin(status: str, headers: Iterable[tuple[str, str]], _error: Any = None) -> Callable[[bytes], object]:
            start["status"] = int(status[:3])
            start["headers"] = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
            return written.append

        written: list[bytes] = []
        chunks = self._app(environ, begin)
        try:
            written.extend(chunks)
        finally:
            close = getattr(chunks, "close", None)
            if close:
                close()
        return start, {"type": "http.response.body", "body": b"".join(written)}


async def _whole(receive: Receive) -> bytes:
    """A request's body, read to its end; raises what is answered where it is too large, too slow or cut."""
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
