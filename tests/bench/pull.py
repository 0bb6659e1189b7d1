"""A real image of some 90 MB from Debian's registry on loopback to a usable container: ours, dockerd, and the floor.

Ours is ``pull`` and ``create`` on a journal, durable; dockerd does the same by its own API. The floor is what anybody
must do with the layer: one thread that inflates, hashes blob and tar, and walks the headers, without any transfer.
All take turns in one run, and the best of each counts. Each has two goes in a row: the memory of a disk's cache is dear
to a virtual machine that has given it back to its host meanwhile, and says nothing of either.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import pytest
from isal import igzip

from engine.__main__ import Files
from engine.journal import Journal
from engine.network import Network
from engine.tar import Reader
from tests import peers
from tests.bench import _debian
from tests.engine import images
from tests.engine.servers import Distribution, distribution

ROUNDS: Final = 4
OF_DOCKER, OF_FLOOR = 0.25, 1.5


def main() -> int:
    """Prints the figures; exit code 1 where a bound does not hold."""
    try:
        with tempfile.TemporaryDirectory(dir=_debian.layer().parent) as directory:
            root = Path(directory)
            with distribution(root / "registry") as registry, peers.dockerd() as daemon:
                return _compare(registry, daemon, root)
    except pytest.skip.Exception as reason:
        print(f"left out: {reason}")
        return 0


def _compare(registry: Distribution, daemon: peers.Dockerd, root: Path) -> int:
    name = f"{registry.name}/bench/debian:1"
    layout = images.layout(root / "layout", {name.rpartition(":")[0]: images.Recipe([_debian.layer()])})
    _do(root / "pusher", ["load", "-i", str(layout)], ["tag", name.replace(":1", ":latest"), name], ["push", name])
    rounds = [
        (min(_ours(root / "host", name) for _ in "12"), min(_theirs(daemon, name) for _ in "12"), _timed(_floor))
        for _ in range(ROUNDS)
    ]
    ours, theirs, floor = (min(column) for column in zip(*rounds, strict=True))
    print(
        f"{_debian.layer().stat().st_size / 1e6:.1f} MB compressed, from registry to container, best of {2 * ROUNDS}:"
    )
    print(f"  ours {ours:.2f} s   dockerd {theirs:.2f} s   floor {floor:.2f} s")
    print(f"  {ours / theirs:.2f}x docker pull (at most {OF_DOCKER}x)")
    print(f"  {ours / floor:.2f}x the floor (at most {OF_FLOOR}x)")
    return int(ours > OF_DOCKER * theirs or ours > OF_FLOOR * floor)


def _ours(data: Path, name: str) -> float:
    """Seconds of ours, on an empty host that is gone afterwards, as dockerd's image is."""
    seconds = _timed(lambda: _do(data, ["pull", name], ["create", "--name", "box", name]))
    shutil.rmtree(data)
    return seconds


def _theirs(daemon: peers.Dockerd, name: str) -> float:
    """Seconds of dockerd, which has none of it before."""
    seconds = _timed(partial(_docker, daemon, name))
    daemon.docker("rm", "box")
    daemon.docker("rmi", name)
    return seconds


def _timed(step: Callable[[], object]) -> float:
    begin = time.perf_counter()
    step()
    return time.perf_counter() - begin


def _do(data: Path, *commands: list[str]) -> None:
    journal = Journal(data, quota=None, network=Network())
    journal.enter("k")
    for command in commands:
        done = journal.do("k", command, local=Files())
        assert done.status == 0, done.err
    journal.close()


def _docker(daemon: peers.Dockerd, name: str) -> None:
    daemon.docker("pull", name)
    daemon.docker("create", "--network", "none", "--name", "box", name)


def _floor() -> None:
    layer, blob_hash, tar_hash, reader = _debian.layer(), hashlib.sha256(), hashlib.sha256(), Reader()
    with layer.open("rb") as stream:
        for piece in iter(partial(stream.read, 256 << 10), b""):
            blob_hash.update(piece)
    with igzip.open(layer) as stream:
        for chunk in iter(partial(stream.read, 1 << 20), b""):
            tar_hash.update(chunk)
            for _ in reader.feed(chunk):
                pass
    reader.close()


if __name__ == "__main__":
    sys.exit(main())
