"""A process that runs commands in children which die when they are told to: at a chosen durable step, or by chance.

    with Crasher() as crasher:
        fate = crasher.run(data, ["pull", "pizza/cheese"], step=7, lost=True, seed=1)
        fate.acknowledged, fate.steps, fate.killed

A durable step is what makes bytes or names outlive the process: fsync, rename, a commit of the database. Death comes
just before the step of that number, so each step's before is hit and its after is the next one's before. With `lost`
the machine dies too, as disks allow: renames are undone that no sync of their directory has followed, and files torn
that were not synced themselves. A new interpreter for each would take a second; a fork takes milliseconds.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from engine.__main__ import KITCHEN, Files
from engine.journal import Journal
from menu import LAYOUT

ROOT = Path(__file__).parents[2]


def open_journal(data: Path) -> Journal:
    """With one time for everything, so that equal commands come to equal images."""
    return Journal(data, menu=LAYOUT, clock=lambda: datetime(2026, 5, 1, tzinfo=UTC), quota=None)


@dataclass(frozen=True)
class Fate:
    """How a child ended: the state that it acknowledged, empty for none; how many durable steps it did."""

    acknowledged: str
    steps: int
    killed: bool
    seconds: float
    said: str


class Crasher:
    """The tests' end of it."""

    def __enter__(self) -> Crasher:
        self._server = subprocess.Popen(
            [sys.executable, "-m", __name__], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(self, _k: type[BaseException] | None, _e: BaseException | None, _t: TracebackType | None) -> None:
        for pipe in (self._server.stdin, self._server.stdout):
            assert pipe
            pipe.close()
        self._server.wait(60)

    def run(
        self,
        data: Path,
        argv: Sequence[str],
        *,
        step: int | None = None,
        after: float | None = None,
        lost: bool = False,
        seed: int = 0,
    ) -> Fate:
        """Run a command, to its end or to its death before the durable `step` or `after` so many seconds."""
        asked = {"data": str(data), "argv": list(argv), "step": step, "after": after, "lost": lost, "seed": seed}
        assert self._server.stdin
        assert self._server.stdout
        print(json.dumps(asked), file=self._server.stdin, flush=True)
        return Fate(**json.loads(self._server.stdout.readline()))


class Disk:
    """Counts durable steps and remembers what a power cut could still undo."""

    def __init__(self, journal: Journal, die_before: int | None, lost: bool, seed: int) -> None:
        self.steps = 0
        self._die_before, self._lost, self._random = die_before, lost, random.Random(seed)
        self._synced: set[int] = set()
        self._renamed: list[tuple[Path, bool]] = []
        self._fsync, self._replace = os.fsync, os.replace
        os.fsync, os.replace = self.fsync, self.replace
        for database in (journal._db, *([journal.registry.db] if journal.registry.exists else [])):
            dialect: Any = database._engine.dialect
            dialect.do_commit = self._counting(dialect.do_commit)

    def fsync(self, descriptor: int) -> None:
        self._step()
        self._fsync(descriptor)
        about = os.fstat(descriptor)
        self._synced.add(about.st_ino)
        if stat.S_ISDIR(about.st_mode):
            self._renamed = [(p, whole) for p, whole in self._renamed if p.parent.stat().st_ino != about.st_ino]

    def replace(self, source: Any, target: Any) -> None:
        self._step()
        inode = os.stat(source).st_ino
        self._replace(source, target)
        self._renamed.append((Path(target), inode in self._synced))

    def die(self) -> None:
        if self._lost:
            self._lose()
        os.kill(os.getpid(), signal.SIGKILL)

    def _counting(self, commit: Callable[[Any], None]) -> Callable[[Any], None]:
        def counting(connection: Any) -> None:
            self._step()
            commit(connection)

        return counting

    def _step(self) -> None:
        if self.steps == self._die_before:
            self.die()
        self.steps += 1

    def _lose(self) -> None:
        """What a disk may do to names and bytes that nobody has synced: keep them, lose them, tear them."""
        for path, whole in self._renamed:
            chance = self._random.random()
            if not path.exists() or chance < 0.2:
                continue
            if whole or chance < 0.4:
                path.unlink()
            else:
                size = path.stat().st_size
                os.truncate(path, self._random.randrange(size + 1))
                if chance > 0.8:
                    os.truncate(path, size)  # full length, its end all zeros


def _do(journal: Journal, argv: list[str]) -> str:
    """Runs a command, or ``@module:function`` on the journal; what that acknowledges, of sixteen letters."""
    if argv[0].startswith("@"):
        module, _, name = argv[0][1:].partition(":")
        said: str = getattr(importlib.import_module(module), name)(journal)
        return said
    return journal.do(KITCHEN, argv, local=Files()).state.id


def _child(asked: dict[str, Any], out: int) -> None:
    journal = open_journal(Path(asked["data"]))
    disk = Disk(journal, asked["step"], asked["lost"], asked["seed"])
    os.write(out, b"ready\n")
    try:
        os.write(out, f"{_do(journal, asked['argv'])}\n".encode())
        if disk.steps == asked["step"]:
            disk.die()
    except Exception as error:
        os.write(out, f"!{error}\n".encode())
    os.write(out, f"{disk.steps}\n".encode())
    os._exit(0)


def _run(asked: dict[str, Any]) -> Fate:
    out, into = os.pipe()
    child = os.fork()
    if not child:
        _child(asked, into)
    os.close(into)
    with os.fdopen(out) as pipe:
        pipe.readline()
        began = time.monotonic()
        if asked["after"] is not None:
            time.sleep(asked["after"])
            os.kill(child, signal.SIGKILL)
        said = pipe.read().split("\n")
    _, status = os.waitpid(child, 0)
    whole = [line for line in said[:-1] if line]
    refusal = next((line[1:] for line in whole if line.startswith("!")), "")
    return Fate(
        acknowledged=next((line for line in whole if len(line) == 16), ""),
        steps=next((int(line) for line in whole if line.isdigit() and len(line) < 16), -1),
        killed=os.WIFSIGNALED(status),
        seconds=time.monotonic() - began,
        said=refusal,
    )


def main() -> None:
    """Carry out what is asked for, a line each, until there is no more."""
    for line in sys.stdin:
        print(json.dumps(_run(json.loads(line)).__dict__), flush=True)


if __name__ == "__main__":
    main()
