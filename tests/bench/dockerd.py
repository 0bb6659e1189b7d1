"""Create, edit a file, diff, commit, remove: ours in process against a real dockerd over its socket.

Both are warm, durable on disk and take turns; of each step the best round counts, which a busy machine disturbs
least. Ours is the journal on a directory, every state synced; dockerd is spoken to through its HTTP API, without a
client process between; the edit is `docker cp` of a whole file on both sides. What a round leaves behind (the committed
image) is removed before the next one, untimed.
"""

from __future__ import annotations

import http.client
import io
import json
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import pytest

from engine.__main__ import Files
from engine.journal import Journal
from menu import LAYOUT
from tests import peers
from tests.bench import _debian
from tests.engine import images

ROUNDS: Final = 20
Rounds: TypeAlias = list[list[float]]
"""Seconds of each step, for each round."""
STEPS: Final = ("create", "cp", "diff", "commit", "rm")


@dataclass(frozen=True)
class Case:
    """An image, the file of it that is edited, and the share of dockerd's time that ours may take."""

    image: str
    path: str
    bound: float


CASES: Final = (
    Case("bench/debian", "/etc/bash.bashrc", 0.1),
    Case("pizza/pepperoni", "/pizza/slice-3/crust", 0.3),
)


def main() -> int:
    """Prints the figures; exit code 1 where a bound does not hold."""
    try:
        with peers.dockerd() as daemon, tempfile.TemporaryDirectory() as directory:
            return _compare(daemon, Path(directory))
    except pytest.skip.Exception as reason:
        print(f"left out: {reason}")
        return 0


def _compare(daemon: peers.Dockerd, directory: Path) -> int:
    menu = images.layout(directory / "menu", {"bench/debian": images.Recipe([_debian.layer()])})
    journal = Journal(directory / "data", quota=None)
    kitchen = journal.create().id
    for source in (menu, LAYOUT):
        journal.do(kitchen, ["load", "-i", str(source)], local=Files())
    archive = directory / "images.tar"
    journal.do(kitchen, ["save", "-o", str(archive), *(case.image for case in CASES)], local=Files())
    daemon.docker("load", "-i", archive)
    over = False
    for case in CASES:
        edited = directory / "edited"
        journal.do(kitchen, ["create", "--name", "first", case.image])
        journal.do(kitchen, ["cp", f"first:{case.path}", str(edited)], local=Files())
        journal.do(kitchen, ["rm", "first"])
        edited.write_bytes(edited.read_bytes() + b"hot\n")
        ours, theirs = _Ours(journal, kitchen, case, edited), _Theirs(daemon.connect(), case, edited)
        rounds = [(ours.round(), theirs.round()) for _ in range(ROUNDS + 1)][1:]
        assert ours.changes == theirs.changes, (ours.changes, theirs.changes)
        over |= _report(case, [mine for mine, _ in rounds], [other for _, other in rounds])
    journal.close()
    return int(over)


def _report(case: Case, mine: Rounds, other: Rounds) -> bool:
    print(f"{case.image}: each step's best of {ROUNDS} rounds, ms")
    ours, theirs = ([min(times) for times in zip(*rounds, strict=True)] for rounds in (mine, other))
    for step, a, b in zip(STEPS, ours, theirs, strict=True):
        print(f"  {step:<8}{a * 1000:8.1f}  dockerd {b * 1000:8.1f}  {a / b:5.2f}x")
    a, b = sum(ours), sum(theirs)
    print(f"  {'all':<8}{a * 1000:8.1f}  dockerd {b * 1000:8.1f}  {a / b:5.2f}x (at most {case.bound}x)")
    return a / b > case.bound


def _timed(steps: list[Callable[[], object]]) -> list[float]:
    """Seconds that each step took."""
    times = []
    for step in steps:
        begin = time.perf_counter()
        step()
        times.append(time.perf_counter() - begin)
    return times


class _Ours:
    """A round of ours."""

    def __init__(self, journal: Journal, kitchen: str, case: Case, edited: Path) -> None:
        self._journal, self._kitchen, self._case, self._edited = journal, kitchen, case, edited
        self.changes: set[tuple[str, str]] = set()

    def _do(self, *argv: str) -> str:
        done = self._journal.do(self._kitchen, argv, local=Files())
        assert done.status == 0, done.err
        return done.out

    def _diff(self) -> None:
        lines = self._do("diff", "box").splitlines()
        self.changes = {(line[0], line[2:]) for line in lines}

    def round(self) -> list[float]:
        case = self._case
        times = _timed(
            [
                lambda: self._do("create", "--name", "box", case.image),
                lambda: self._do("cp", str(self._edited), f"box:{case.path}"),
                self._diff,
                lambda: self._do("commit", "box", "bench/edited"),
                lambda: self._do("rm", "box"),
            ]
        )
        self._do("rmi", "bench/edited")
        return times


class _Theirs:
    """A round of dockerd's."""

    def __init__(self, connection: http.client.HTTPConnection, case: Case, edited: Path) -> None:
        self._connection, self._case = connection, case
        self._directory, _, name = case.path.rpartition("/")
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as tar:
            tar.add(edited, name)
        self._tar = out.getvalue()
        self.changes: set[tuple[str, str]] = set()

    def _ask(self, method: str, path: str, body: bytes = b"", kind: str = "application/json") -> bytes:
        self._connection.request(method, path, body, {"Content-Type": kind})
        answer = self._connection.getresponse()
        said = answer.read()
        assert answer.status < 300, (path, said)
        return said

    def _diff(self) -> None:
        rows = json.loads(self._ask("GET", "/containers/box/changes"))
        self.changes = {("CAD"[row["Kind"]], row["Path"]) for row in rows}

    def round(self) -> list[float]:
        asked = {"Image": self._case.image, "Cmd": ["true"], "HostConfig": {"NetworkMode": "none"}}
        times = _timed(
            [
                lambda: self._ask("POST", "/containers/create?name=box", json.dumps(asked).encode()),
                lambda: self._ask(
                    "PUT", f"/containers/box/archive?path={self._directory}", self._tar, "application/x-tar"
                ),
                self._diff,
                lambda: self._ask("POST", "/commit?container=box&repo=bench%2Fedited", b"{}"),
                lambda: self._ask("DELETE", "/containers/box"),
            ]
        )
        self._ask("DELETE", "/images/bench%2Fedited")
        return times


if __name__ == "__main__":
    sys.exit(main())
