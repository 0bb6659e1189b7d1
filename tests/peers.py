"""Outside programs that judge the engine: where they are, and what to say where they are not.

A test asks for a peer by name. Where it is missing the test is skipped by name and says which Debian package brings
it; where the environment has ``PEERS_REQUIRED`` (as ``.ci/run`` sets) it fails instead: no proof is lost in silence.

    skopeo = peers.need("skopeo")
    subprocess.run([skopeo, "inspect", f"oci-archive:{archive}"], check=True)
"""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

PACKAGES = {
    "buildah": "buildah",
    "busybox": "busybox-static",
    "chromium": "chromium",
    "debootstrap": "debootstrap",
    "docker": "docker.io",
    "docker-registry": "docker-registry",
    "dockerd": "docker.io",
    "podman": "podman",
    "setpriv": "util-linux",
    "skopeo": "skopeo",
    "umoci": "umoci",
}
"""The Debian package of each peer."""

_SYSTEM = "/usr/bin:/usr/sbin:/bin:/sbin"
"""Looked in before PATH, so that docker's client and daemon come from the same package."""

_READY_SECONDS = 30.0


def need(name: str) -> Path:
    """The program `name`; skips (or fails, see above) where it is missing."""
    package = PACKAGES[name]
    found = shutil.which(name, path=_SYSTEM) or shutil.which(name)
    if found is None:
        missing(f"needs {name}: install the Debian package {package}")
    return Path(found)


def need_root() -> None:
    """Goes on only as root: kernel mounts and dockerd need it."""
    if os.geteuid() != 0:
        missing("needs root")


def missing(why: str) -> NoReturn:
    """Skips the test, or fails it where peers are required."""
    if os.environ.get("PEERS_REQUIRED"):
        pytest.fail(f"PEERS_REQUIRED is set, and this test {why}", pytrace=False)
    pytest.skip(why)


@dataclass(frozen=True)
class Dockerd:
    """A running daemon of our own; `driver` is its storage driver."""

    socket: Path
    root: Path
    driver: str
    client: Path

    def docker(
        self, *arguments: str | Path, stdin: bytes | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[bytes]:
        """Runs ``docker ARGUMENTS`` against it. With `check`, a failure fails the test with what docker said."""
        done = subprocess.run(
            [self.client, "--host", f"unix://{self.socket}", *arguments],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            timeout=120,
            env={**os.environ, "DOCKER_CONFIG": str(self.root / "client")},
        )
        if check and done.returncode:
            words = " ".join(map(str, arguments))
            pytest.fail(f"docker {words}: exit {done.returncode}: {done.stderr.decode(errors='replace')}")
        return done

    def text(self, *arguments: str | Path) -> str:
        """What ``docker ARGUMENTS`` printed to stdout, a success being demanded."""
        return self.docker(*arguments).stdout.decode()

    def connect(self) -> http.client.HTTPConnection:
        """An HTTP connection to its API, for timing without a client process between."""
        return _UnixConnection(self.socket)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("docker", timeout=120)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


@contextmanager
def dockerd() -> Iterator[Dockerd]:
    """A dockerd with a private socket, data and run directory, no bridge and no iptables; gone afterwards.

    Storage driver overlay2, or vfs where the kernel or the file system has no overlay for us.
    """
    need_root()
    program, client = need("dockerd"), need("docker")
    # A Unix socket's path holds 107 bytes: a short directory, not pytest's own.
    with tempfile.TemporaryDirectory(prefix="whale-", ignore_cleanup_errors=True) as directory:
        said = ""
        for driver in ("overlay2", "vfs"):
            root = Path(directory) / driver
            root.mkdir()
            log = root / "log"
            process = _start(program, root, driver, log)
            try:
                if _ready(process, root / "sock"):
                    yield Dockerd(root / "sock", root, driver, client)
                    return
                said = log.read_text(errors="replace").strip()[-600:]
            finally:
                _end(process)
        missing(f"needs a dockerd that starts here; it said: {said}")


def _start(program: Path, root: Path, driver: str, log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        return subprocess.Popen(
            [
                need("setpriv"),  # a test run that is killed takes the daemon along
                "--pdeathsig=TERM",
                program,
                f"--host=unix://{root}/sock",
                f"--data-root={root}/data",
                f"--exec-root={root}/run",
                f"--pidfile={root}/pid",
                f"--storage-driver={driver}",
                "--bridge=none",
                "--iptables=false",
                "--ip6tables=false",
                f"--config-file={_no_settings(root)}",
            ],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )


def _no_settings(root: Path) -> Path:
    """An empty configuration, so that the machine's own daemon.json has no say."""
    settings = root / "daemon.json"
    settings.write_text("{}")
    return settings


def _ready(process: subprocess.Popen[bytes], path: Path) -> bool:
    """Waits until the daemon answers; false where it ended or stayed silent."""
    until = time.monotonic() + _READY_SECONDS
    while time.monotonic() < until and process.poll() is None:
        connection = _UnixConnection(path)
        try:
            connection.request("GET", "/_ping")
            if connection.getresponse().status == 200:
                return True
        except OSError:
            time.sleep(0.1)
        finally:
            connection.close()
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
