"""The registry against Debian's docker-registry, in one run: blobs up and down, manifests, and what memory blobs take.

    python -m tests.bench.registry

Both are processes of their own, reached over loopback by the same client. Throughput is of a 64 MB blob, the best of
some rounds; manifests are asked for by tag on one connection. Memory is the peak of the server's process, new for each
size. The exit code is 1 where a large blob takes more memory than a small one.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests import peers
from web.tokens import Tokens, key

ROOT = Path(__file__).parents[2]
SMALL, LARGE = 64 << 20, 1 << 30
ROUNDS = 5
MANIFESTS = 300
SLACK = 24 << 20
"""Bytes by which the peak may differ between sizes: what a process takes differs a little by itself."""
KIND = "application/vnd.oci.image.manifest.v1+json"
CONFIG = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}).encode()


class Peer:
    """A client of one registry."""

    def __init__(self, host: str, name: str, authorization: str = "") -> None:
        self.connection = http.client.HTTPConnection(host, timeout=120)
        self.name, self._headers = name, {"Authorization": authorization} if authorization else {}

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> http.client.HTTPResponse:
        given = self._headers | {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request(method, path, body, given)  # type: ignore[arg-type]
        return self.connection.getresponse()

    def push(self, size: int, seed: int) -> str:
        """A blob of noise, sent as it is made: its digest."""
        digest = f"sha256:{_digest(size, seed)}"
        answer = self.ask("POST", f"/v2/{self.name}/blobs/uploads/")
        answer.read()
        assert answer.status == 202, answer.status
        where = urlsplit(answer.headers["Location"])
        path = f"{where.path}?{where.query}{'&' if where.query else ''}digest={digest}"
        answer = self.ask("PUT", path, _noise(size, seed), Content_Length=str(size))
        said = answer.read()
        assert answer.status == 201, said
        return digest

    def pull(self, digest: str) -> None:
        """A blob, read and forgotten."""
        answer = self.ask("GET", f"/v2/{self.name}/blobs/{digest}")
        assert answer.status == 200
        while answer.read(1 << 20):
            pass

    def manifest(self) -> None:
        """An image without layers, tagged."""
        digest = f"sha256:{hashlib.sha256(CONFIG).hexdigest()}"
        answer = self.ask("POST", f"/v2/{self.name}/blobs/uploads/")
        answer.read()
        where = urlsplit(answer.headers["Location"])
        path = f"{where.path}?{where.query}{'&' if where.query else ''}digest={digest}"
        self.ask("PUT", path, CONFIG).read()
        settings = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest, "size": len(CONFIG)}
        document = {"schemaVersion": 2, "mediaType": KIND, "config": settings, "layers": []}
        answer = self.ask("PUT", f"/v2/{self.name}/manifests/latest", json.dumps(document), Content_Type=KIND)
        said = answer.read()
        assert answer.status == 201, said

    def look(self) -> None:
        """The manifest, read."""
        answer = self.ask("GET", f"/v2/{self.name}/manifests/latest", Accept=KIND)
        answer.read()
        assert answer.status == 200


_BLOCK = os.urandom(1 << 20)


def _noise(size: int, seed: int) -> Iterator[bytes]:
    head = seed.to_bytes(8, "big")
    for _ in range(size >> 20):
        yield head + _BLOCK[8:]


def _digest(size: int, seed: int) -> str:
    state = hashlib.sha256()
    for chunk in _noise(size, seed):
        state.update(chunk)
    return state.hexdigest()


@contextmanager
def ours() -> Iterator[tuple[int, Peer]]:
    """Our server: its pid, and a kitchen's client."""
    with tempfile.TemporaryDirectory() as data:
        words = [sys.executable, "app.py", "--port", "0", "--data", data]
        with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            found = re.search(r"http://(\S+)", process.stdout.readline())
            assert found
            kitchen = "0123456789abcdef"
            password = Tokens(key(Path(data) / "registry.key")).password(kitchen)
            basic = base64.b64encode(f"{kitchen}:{password}".encode()).decode()
            try:
                yield process.pid, Peer(found[1], f"{kitchen}/bench", f"Basic {basic}")
            finally:
                process.terminate()


@contextmanager
def theirs() -> Iterator[tuple[int, Peer]]:
    """Debian's docker-registry, on a directory of its own."""
    program = peers.need("docker-registry")
    with tempfile.TemporaryDirectory() as data:
        port = _free_port()
        settings = Path(data) / "config.yml"
        settings.write_text(
            f"version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n"
            f"storage: {{filesystem: {{rootdirectory: {data}/store}}}}\nhttp: {{addr: '127.0.0.1:{port}'}}\n"
        )
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        with subprocess.Popen([program, "serve", str(settings)], **quiet) as process:  # type: ignore[call-overload]
            try:
                peer = Peer(f"127.0.0.1:{port}", "bench")
                _await(peer)
                yield process.pid, peer
            finally:
                process.terminate()


def _free_port() -> int:
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _await(peer: Peer) -> None:
    until = time.monotonic() + 20
    while True:
        try:
            peer.ask("GET", "/v2/").read()
            return
        except OSError:
            peer.connection.close()
            assert time.monotonic() < until, "docker-registry does not answer"
            time.sleep(0.1)


def peak(pid: int) -> int:
    """Bytes that a process had in memory at most."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) << 10


def best(what: Callable[[int], object], rounds: int = ROUNDS) -> float:
    """Seconds that it takes at best."""
    times = []
    for number in range(rounds):
        begun = time.perf_counter()
        what(number)
        times.append(time.perf_counter() - begun)
    return min(times)


def rates(peer: Peer) -> dict[str, float]:
    """MB a second up and down, manifests a second. What makes the noise and its digest is timed apart and taken off."""
    made = best(lambda seed: _digest(SMALL, seed), 2)
    up = best(lambda seed: peer.push(SMALL, seed)) - made
    digest = peer.push(SMALL, 0)
    down = best(lambda _: peer.pull(digest))
    peer.manifest()
    looks = best(lambda _: [peer.look() for _ in range(MANIFESTS)], 3)
    return {
        "push, MB/s": SMALL / 1e6 / up,
        "blob GET, MB/s": SMALL / 1e6 / down,
        "manifest GET, 1/s": MANIFESTS / looks,
    }


def memory() -> bool:
    """Whether a large blob, up and down, takes no more memory than a small one."""
    peaks = []
    for size in (SMALL, LARGE - (1 << 20)):
        with ours() as (pid, peer):
            peer.pull(peer.push(size, 0))
            peaks.append(peak(pid))
        print(f"peak RSS of the server, {size / 1e6:.0f} MB up and down: {peaks[-1] / 1e6:.0f} MB", flush=True)
    return peaks[1] - peaks[0] < SLACK


def main() -> int:
    """Prints the figures."""
    flat = memory()
    with ours() as (_, peer):
        mine = rates(peer)
    try:
        with theirs() as (_, other):
            yardstick = rates(other)
    except pytest.skip.Exception as reason:
        print(f"docker-registry left out: {reason}")
        yardstick = {}
    for what, rate in mine.items():
        beside = f", docker-registry {yardstick[what]:.0f}, ratio {rate / yardstick[what]:.2f}" if yardstick else ""
        print(f"{what}: {rate:.0f}{beside}")
    return 0 if flat else 1


if __name__ == "__main__":
    sys.exit(main())
