"""Small HTTP servers on loopback: a registry of ours behind one, scripted and hostile ones, and Debian's own."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from urllib.parse import unquote

from engine.registry import Registry, Request
from tests import peers

USER, PASSWORD = "ada", "s3cret"
HTPASSWD = "ada:$2b$05$abcdefghijklmnopqrstuuLK7U1u6pVRmL7L1BBM2aS35PSZnDXlK\n"


@dataclass
class Asked:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""


class Talk:
    """One request to a server under test, and the way to answer it."""

    def __init__(self, handler: BaseHTTPRequestHandler) -> None:
        self._handler = handler
        self.method, self.path = handler.command, handler.path
        self.headers = {name.lower(): value for name, value in handler.headers.items()}

    def body(self) -> Iterator[bytes]:
        """What came along."""
        left = int(self.headers.get("content-length") or 0)
        while left and (piece := self._handler.rfile.read(min(left, 1 << 16))):
            left -= len(piece)
            yield piece

    def say(self, status: int, body: bytes = b"", headers: Mapping[str, str] = {}, length: int | None = None) -> None:
        """A whole answer; `length` is announced in place of the true one. Fewer bytes than announced cut it off."""
        self.begin(status, {"content-length": str(len(body) if length is None else length), **headers})
        if self.method != "HEAD":
            self.write(body)
        if length is not None and length > len(body):
            self.cut()

    def begin(self, status: int, headers: Mapping[str, str] = {}) -> None:
        """Status and headers alone."""
        self._handler.send_response(status)
        for name, value in headers.items():
            self._handler.send_header(name, value)
        self._handler.end_headers()

    def write(self, data: bytes) -> None:
        """Some of the body."""
        self._handler.wfile.write(data)

    def cut(self) -> None:
        """End the connection here."""
        self._handler.close_connection = True
        with suppress(OSError):
            self._handler.connection.shutdown(socket.SHUT_RDWR)


class _Threads(ThreadingMixIn, HTTPServer):
    daemon_threads = False
    request_queue_size = 32


@dataclass
class Server:
    """A running server: where it is, and what it was asked."""

    port: int
    host: str = "127.0.0.1"
    asked: list[Asked] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Its name as a registry."""
        return f"{self.host}:{self.port}"

    def paths(self, part: str = "") -> list[str]:
        """The paths asked for that contain `part`."""
        return [asked.path for asked in self.asked if part in asked.path]


@contextmanager
def serving(answer: Callable[[Talk], None], host: str = "127.0.0.1", tls: Any = None) -> Iterator[Server]:
    """A server that has `answer` speak to every request, in a thread of its own."""
    made = Server(0, host)
    connections: set[socket.socket] = set()
    ended = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            connections.add(self.connection)

        def _do(self) -> None:
            made.asked.append(Asked(self.command, self.path, {n.lower(): v for n, v in self.headers.items()}))
            try:
                answer(Talk(self))
            except OSError:  # the client has gone
                self.close_connection = True

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _do

        def log_message(self, *_: Any) -> None:
            pass

    class Quiet(_Threads):
        def handle_error(self, *_: Any) -> None:
            pass

    server = Quiet((host, 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    made.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield made
    finally:
        ended.set()
        server.shutdown()
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RD)
        server.server_close()
        thread.join()


def of_registry(registry: Registry) -> Callable[[Talk], None]:
    """Answers as a registry of this process does."""

    def answer(talk: Talk) -> None:
        path, _, query = talk.path.partition("?")
        response = registry.handle(Request(talk.method, unquote(path), query, talk.headers, talk.body()))
        try:
            talk.begin(response.status, response.headers)
            for chunk in response.chunks:
                talk.write(chunk)
        finally:
            response.close()

    return answer


# Debian's


@dataclass(frozen=True)
class Distribution:
    """A running docker-registry; `name` is its host and port."""

    name: str
    root: Path

    def get(self, path: str, accept: str = "*/*") -> bytes:
        """What it has at a path."""
        connection = http.client.HTTPConnection(self.name, timeout=20)
        connection.request("GET", path, headers={"Accept": accept})
        said = connection.getresponse()
        data = said.read()
        connection.close()
        assert said.status == 200, (path, said.status, data)
        return data


@contextmanager
def distribution(root: Path, *, login: bool = False) -> Iterator[Distribution]:
    """Debian's docker-registry on loopback, its data under `root`; with `login`, for USER alone."""
    program = peers.need("docker-registry")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    config: dict[str, Any] = {
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(root / "registry")}},
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    root.mkdir(parents=True, exist_ok=True)
    if login:
        (root / "htpasswd").write_text(HTPASSWD)
        config["auth"] = {"htpasswd": {"realm": "test", "path": str(root / "htpasswd")}}
    (root / "config.yml").write_text(json.dumps(config))
    with (root / "log").open("wb") as log:
        command = [peers.need("setpriv"), "--pdeathsig=TERM", program, "serve", root / "config.yml"]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        if not _answers(process, port):
            peers.missing(f"needs a docker-registry that starts here; it said: {(root / 'log').read_text()[-400:]}")
        yield Distribution(f"localhost:{port}", root)
    finally:
        process.terminate()
        process.wait(20)


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    until = time.monotonic() + 20
    while time.monotonic() < until and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        time.sleep(0.05)
    return False
