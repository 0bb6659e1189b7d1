"""The server: bodies read whole or refused, cut uploads noticed, slow clients bounded, a stop that loses nothing."""

from __future__ import annotations

import asyncio
import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest
from werkzeug.exceptions import ClientDisconnected

from web import paging, serving, streaming


class Echo:
    """A WSGI application that answers with the body it read, and tells of bodies that broke off."""

    def __init__(self) -> None:
        self.read: list[bytes] = []
        self.cut = threading.Event()
        self.hold = threading.Event()
        self.held = threading.Semaphore(0)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        assert environ["wsgi.input_terminated"]
        if environ["PATH_INFO"] in ("/hold", "/hang"):
            self.held.release()
            self.hold.wait(20)
        if environ["PATH_INFO"] == "/hang":
            raise ClientDisconnected
        try:
            body = environ["wsgi.input"].read()
        except ClientDisconnected:
            self.cut.set()
            raise
        self.read.append(body)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [body or b"nothing"]


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
def port(echo: Echo) -> Iterator[int]:
    with running(echo) as (port, _):
        yield port
        echo.hold.set()


@contextmanager
def running(echo: Echo) -> Iterator[tuple[int, Callable[[], float]]]:
    """A server of `echo` in a thread: its port, and a call that stops it and tells how long that took."""
    listening = socket.create_server(("127.0.0.1", 0))
    stopping = threading.Event()
    server = serving.Server(echo, stopping)
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()

    def stop() -> float:
        begun = time.monotonic()
        server.should_exit = True
        thread.join(15)
        assert not thread.is_alive()
        assert stopping.is_set()
        return time.monotonic() - begun

    try:
        yield listening.getsockname()[1], stop
    finally:
        stop()
        listening.close()


def ask(
    port: int,
    method: str,
    path: str,
    body: object = None,
    headers: dict[str, str] | None = None,
    timeout: float = 10,
) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path, body, headers or {}, encode_chunked=isinstance(body, list))  # type: ignore[arg-type]
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def raw(port: int, data: bytes, source: str = "127.0.0.1") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=10, source_address=(source, 0))
    connection.sendall(data)
    return connection


@pytest.mark.parametrize("path", ["/", "/v2/pizza/blobs/uploads/1"])
def test_a_chunked_body_is_read_whole(port: int, path: str) -> None:
    chunked = {"Transfer-Encoding": "chunked"}
    assert ask(port, "POST", path, [b"dough,", b"sauce,", b"cheese"], chunked) == (200, "dough,sauce,cheese")


def test_a_body_larger_than_a_page_needs_is_refused(echo: Echo, port: int) -> None:
    status, text = ask(port, "POST", "/", b"x" * (paging.PAGE_BODY_MAX + 1))
    assert (status, "larger than 65,536 bytes" in text) == (413, True)
    assert echo.read == []


def test_a_large_body_streams_below_v2(port: int) -> None:
    status, text = ask(port, "PATCH", "/v2/x", b"x" * (4 << 20))
    assert (status, len(text)) == (200, 4 << 20)


def test_a_page_whose_body_was_cut_never_reaches_the_application(echo: Echo, port: int) -> None:
    raw(port, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf").close()
    assert ask(port, "GET", "/")[0] == 200
    assert echo.read == [b""]


def test_a_cut_upload_raises_in_its_reader(echo: Echo, port: int) -> None:
    raw(port, b"PATCH /v2/x HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf").close()
    assert echo.cut.wait(5)
    assert echo.read == []


def test_a_slow_body_is_answered_408_and_holds_no_thread(
    echo: Echo, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "BODY_SECONDS", 0.3)
    slow = [raw(port, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nh") for _ in range(20)]
    assert ask(port, "GET", "/") == (200, "nothing")
    assert [connection.recv(12) for connection in slow] == [b"HTTP/1.1 408"] * 20
    for connection in slow:
        connection.close()


def test_stalled_uploads_leave_the_pages_their_threads(echo: Echo, port: int) -> None:
    head = b"PATCH /v2/x HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nh"
    stalled = [raw(port, head) for _ in range(12)]
    time.sleep(0.2)
    assert ask(port, "GET", "/", timeout=paging.BODY_SECONDS / 2) == (200, "nothing")
    for connection in stalled:
        connection.close()


STALLED = [f"/k/{kitchen:016x}/load" for kitchen in range(16)] + ["/k/0/import", "/k/1/save/x", "/v2/x"]


def test_one_visitor_with_many_kitchens_leaves_others_their_transfers(port: int) -> None:
    head = "POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nh"
    stalled = [raw(port, head.format(path).encode()) for path in STALLED for _ in range(streaming.AT_ONCE)]
    assert len(stalled) > 64, "more than all of the server's threads"
    time.sleep(0.5)
    for path in ("/v2/", "/k/ffffffffffffffff/load"):
        other = raw(port, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode(), source="127.0.0.2")
        other.settimeout(3)
        assert other.recv(12) == b"HTTP/1.1 200"
        other.close()
    for connection in stalled:
        connection.close()


def test_who_shares_an_address_with_many_gets_a_turn(port: int) -> None:
    head = "POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nh"
    stalled = [raw(port, head.format(path).encode()) for path in STALLED for _ in range(streaming.AT_ONCE)]
    time.sleep(0.3)
    for connection in stalled:
        connection.sendall(b"i")
    assert [connection.recv(12) for connection in stalled] == [b"HTTP/1.1 200"] * len(stalled)
    for connection in stalled:
        connection.close()


@pytest.mark.parametrize("path", ["/v2/x", "/k/0/load"])
def test_an_upload_that_drips_is_ended(echo: Echo, port: int, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setattr(streaming, "SLOW_SECONDS", 0.5)
    connection = raw(port, f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n\r\n".encode())
    begun = time.monotonic()
    with suppress(OSError):
        while time.monotonic() - begun < 5 and not echo.cut.is_set():
            connection.sendall(b"x")
            time.sleep(0.05)
    assert echo.cut.is_set()
    assert echo.read == []
    connection.close()


def test_an_upload_that_is_slow_but_goes_on_is_not(echo: Echo, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "SLOW_SECONDS", 0.2)
    connection = raw(port, b"POST /v2/x HTTP/1.1\r\nHost: x\r\nContent-Length: 20480\r\n\r\n")
    for _ in range(20):
        connection.sendall(bytes(1024))
        time.sleep(0.05)
    assert connection.recv(12) == b"HTTP/1.1 200"
    assert echo.read == [bytes(20480)]
    connection.close()


@pytest.mark.parametrize(("each", "ended"), [(0, True), (40, True), (80, False)])
def test_a_reader_that_takes_too_little_is_ended(monkeypatch: pytest.MonkeyPatch, each: int, ended: bool) -> None:
    monkeypatch.setattr(streaming, "SILENCE_SECONDS", 0.05)  # in which 51 bytes are to be taken

    class Transport:
        left, aborted, asked = 1000, False, 0

        def get_write_buffer_size(self) -> int:
            self.asked += 1
            self.left -= each * (self.asked % 2 == 0)  # it is asked as a round begins, and as it ends
            return self.left

        def abort(self) -> None:
            self.aborted = True

    async def watch() -> Transport:
        patient, transport = serving.Patient.__new__(serving.Patient), Transport()
        patient.loop, patient.transport = asyncio.get_running_loop(), transport  # type: ignore[assignment]
        patient._watch_reader()
        await asyncio.sleep(0.3)
        patient._forget_reader()
        return transport

    transport = asyncio.run(watch())
    assert transport.asked > 1
    assert transport.aborted == ended


def test_a_head_that_does_not_end_is_cut_off(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "HEAD_SECONDS", 0.3)
    for begun in (b"", b"GET / HTTP/1.1\r\nHost: x\r\n"):
        connection = raw(port, begun)
        begin = time.monotonic()
        with suppress(ConnectionResetError):
            assert connection.recv(1) == b"", "answered, rather than cut off"
        assert time.monotonic() - begin < 5
        connection.close()


def test_the_patience_for_a_head_begins_anew_with_each_request(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "HEAD_SECONDS", 0.5)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    for _ in range(4):
        connection.request("GET", "/")
        assert connection.getresponse().read() == b"nothing"
        time.sleep(0.3)
    connection.close()


@pytest.mark.parametrize(
    ("head", "why"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nSec_Fetch_Site: same-origin\r\n\r\n", b"underscore"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nOrigin: http://a\r\nOrigin: http://b\r\n\r\n", b"twice"),
        (b"GET /?\xff HTTP/1.1\r\nHost: a\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 40_000 + b"\r\n\r\n", b"431"),
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 4"),
    ],
)
def test_a_head_that_wsgi_would_misread_is_refused(echo: Echo, port: int, head: bytes, why: bytes) -> None:
    connection = raw(port, head)
    answer = b""
    try:
        while part := connection.recv(4096):
            answer += part
    except ConnectionResetError:
        pass
    connection.close()
    assert answer.startswith(b"HTTP/1.1 4")
    assert why in answer
    assert echo.read == []


def test_stopping_finishes_what_is_under_way(echo: Echo) -> None:
    with running(echo) as (port, stop):
        answers: list[tuple[int, str]] = []
        asking = threading.Thread(target=lambda: answers.append(ask(port, "POST", "/hold", b"kept")))
        asking.start()
        assert echo.held.acquire(timeout=5)
        threading.Timer(0.5, echo.hold.set).start()
        assert stop() < serving.GRACE_SECONDS + 1
        asking.join(5)
    assert answers == [(200, "kept")]


def test_stopping_waits_for_nobody_longer_than_its_grace(echo: Echo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "GRACE_SECONDS", 1)
    with running(echo) as (port, stop):
        connection = raw(port, b"GET /hang HTTP/1.1\r\nHost: x\r\n\r\n")
        assert echo.held.acquire(timeout=5)
        # The thread of a request cannot be killed: the event loop ends, and the process ends by itself afterwards.
        threading.Timer(8, echo.hold.set).start()
        assert stop() < 6
        echo.hold.set()
        connection.close()
