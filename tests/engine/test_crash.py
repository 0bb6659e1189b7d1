"""Killed at any moment, the data directory opens again with all that was acknowledged, and the same command works.

`CRASHES=300 make test ARGS="-k crash"` tries that many moments of each kind by chance, beside every durable step;
`CRASH_SEED=1` others.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.__main__ import KITCHEN, Files
from engine.digest import Digest
from engine.host import Host
from engine.journal import Journal
from engine.layer import Layer
from engine.layerstore import LayerStore
from tests.engine.crashing import ROOT, Crasher, Fate, open_journal

FEW = 6
CRASHES = int(os.environ.get("CRASHES", FEW))
"""Moments by chance for each command."""
SEED = int(os.environ.get("CRASH_SEED", "2026"))

EDITS = "rm /pizza/slice-1/cheese; echo hot >> /pizza/slice-3/crust; chmod 600 /pizza/slice-5/sauce; mkdir /box"
READ: dict[Digest, Layer] = {}
"""Layers as they are read without any cache."""


@dataclass(frozen=True)
class Scene:
    """A data directory before a command, and what the command brings when nothing happens to it."""

    data: Path
    argv: tuple[str, ...]
    after: Host
    fate: Fate


@pytest.fixture(scope="module")
def crasher() -> Iterator[Crasher]:
    with Crasher() as made:
        yield made


@pytest.fixture(scope="module")
def kitchen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A kitchen with dough, and an edited container of cheese; beside it an archive of margherita."""
    base = tmp_path_factory.mktemp("crash")
    journal = open_journal(base / "data")
    journal.create(KITCHEN)
    for words in (
        ["pull", "pizza/margherita"],
        ["save", "-o", str(base / "margherita.tar"), "pizza/margherita"],
        ["undo"],
        ["pull", "pizza/dough"],
        ["run", "-d", "--name", "box", "pizza/cheese"],
        ["exec", "box", "sh", "-c", EDITS],
    ):
        journal.do(KITCHEN, words, local=Files())
    journal.close()
    shutil.rmtree(base / "data" / "cache")
    return base


@pytest.fixture(scope="module", params=["pull", "commit", "load"] + ["exec"] * (CRASHES > FEW))
def scene(request: pytest.FixtureRequest, kitchen: Path, crasher: Crasher) -> Scene:
    argv = {
        "pull": ("pull", "pizza/hawaiian"),
        "commit": ("commit", "-m", "mine", "box", "pizza/mine"),
        "load": ("load", "-i", str(kitchen / "margherita.tar")),
        "exec": ("exec", "box", "sh", "-c", "cat /pizza/slice-2/crust >> /pizza/slice-2/sauce"),
    }[request.param]
    data = shutil.copytree(kitchen / "data", kitchen / f"after-{request.param}")
    fate = crasher.run(data, argv)
    assert fate.acknowledged, fate.said
    journal = open_journal(data)
    after = journal.head(KITCHEN).host
    journal.close()
    return Scene(kitchen / "data", argv, after, fate)


def survives(scene: Scene, data: Path, acknowledged: str | None, *, alike: bool = True) -> None:
    """All that must be so after a death. `acknowledged` is the state that was, or None if only its being there counts;
    `alike`: the command ran, or runs again, under the same clock."""
    before, journal = open_journal(scene.data), open_journal(data)
    known, entries = before.entries(KITCHEN), journal.entries(KITCHEN)
    head, first = journal.head(KITCHEN), before.head(KITCHEN)
    assert entries[: len(known)] == known, "states that were there before"
    assert len(entries) - len(known) <= 1
    if acknowledged is not None:
        assert head.id == (acknowledged or head.id)
        assert not acknowledged or head.id == entries[-1].id
    if len(entries) == len(known):
        assert head == first
        assert not acknowledged
    sound(journal)
    assert journal.do(KITCHEN, ["gc"]).status == 0
    journal.sweep(grace=0)
    assert journal.check() == []
    assert list((data / "blobs" / "tmp").iterdir()) == []
    assert list((data / "leases").iterdir()) == []
    if head.host != first.host:
        assert not alike or gist(head.host) == gist(scene.after)
        journal.undo(KITCHEN)
    again = journal.do(KITCHEN, scene.argv, local=Files())
    assert again.status == 0
    assert again.changed
    assert not alike or gist(again.state.host) == gist(scene.after)
    sound(journal)
    before.close()
    journal.close()


def gist(host: Host) -> tuple[object, ...]:
    """Images, names and files; ids of containers are drawn by lot."""
    return host.images, host.references, [(box.name, box.upper) for box in host.containers.values()]


def sound(journal: Journal) -> None:
    """No fault is found, and every file of every image reads, whatever became of the cache."""
    assert journal.check() == []
    for record in journal.head(KITCHEN).host.images.values():
        union = journal.context.images.stack(record.manifest)
        for path, found in union.walk():
            if found.entry.kind == "file":
                assert len(union.read(found)) == found.entry.size, path
        for layer, cached in zip(journal.context.images[record.manifest].layers, union.layers, strict=True):
            if layer.diff_id not in READ:
                READ[layer.diff_id] = LayerStore(journal.blobs).unpack(layer.digest, layer.diff_id)
            fresh = READ[layer.diff_id]
            assert (cached.entries, cached.whiteouts) == (fresh.entries, fresh.whiteouts)


def test_the_database_is_told_to_be_durable(tmp_path: Path) -> None:
    """No kill shows this: a system that stays up keeps what was written, synced or not."""
    journal = open_journal(tmp_path)
    with journal._db.writing() as db:
        assert db.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert db.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    journal.close()


@pytest.mark.parametrize("lost", [False, True], ids=["process", "machine"])
def test_a_death_before_or_after_any_durable_step_loses_nothing(
    scene: Scene, crasher: Crasher, tmp_path: Path, lost: bool
) -> None:
    steps = range(scene.fate.steps + 1)
    for step in steps if lost or CRASHES > FEW else steps[-1::-3]:  # the machine's death is the process's and worse
        data = shutil.copytree(scene.data, tmp_path / "data")
        fate = crasher.run(data, scene.argv, step=step, lost=lost, seed=SEED + step)
        assert fate.killed, (step, fate)
        assert bool(fate.acknowledged) == (step == scene.fate.steps)
        survives(scene, data, fate.acknowledged)
        shutil.rmtree(data)


def test_a_death_at_any_moment_loses_nothing(scene: Scene, crasher: Crasher, tmp_path: Path) -> None:
    chance = random.Random(SEED)
    for _ in range(CRASHES):
        data = shutil.copytree(scene.data, tmp_path / "data")
        fate = crasher.run(data, scene.argv, after=chance.uniform(0, scene.fate.seconds * 1.1))
        survives(scene, data, fate.acknowledged)
        shutil.rmtree(data)


def test_the_command_line_may_be_killed_too(scene: Scene, tmp_path: Path) -> None:
    chance = random.Random(SEED)
    for _ in range(max(1, CRASHES // 6)):
        data = shutil.copytree(scene.data, tmp_path / "data")
        words = [sys.executable, "-m", "engine", "--data", str(data), *scene.argv]
        with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE) as child:
            while child.poll() is None and not any((data / "leases").iterdir()):
                time.sleep(0.005)  # it has begun
            time.sleep(chance.uniform(0, scene.fate.seconds * 1.1))
            child.send_signal(signal.SIGKILL)
        survives(scene, data, "" if child.returncode else None, alike=False)
        shutil.rmtree(data)


@pytest.mark.parametrize("harm", ["cut", "zeros", "flip", "empty", "gone"])
def test_a_torn_cache_is_made_anew_and_never_believed(kitchen: Path, tmp_path: Path, harm: str) -> None:
    data = shutil.copytree(kitchen / "data", tmp_path / "data")
    chance = random.Random(SEED)
    journal = open_journal(data)
    sound(journal)
    wanted = journal.do(KITCHEN, ["exec", "box", "sh", "-c", "cat /pizza/*/*; ls -lR /"]).out
    journal.close()
    for _ in range(4):
        for file in sorted((data / "cache").iterdir()):
            if chance.random() < 0.6:
                tear(file, harm, chance)
        torn = open_journal(data)
        assert torn.do(KITCHEN, ["exec", "box", "sh", "-c", "cat /pizza/*/*; ls -lR /"]).out == wanted
        sound(torn)
        torn.close()


def tear(file: Path, harm: str, chance: random.Random) -> None:
    size = file.stat().st_size
    at = chance.randrange(size) if size else 0
    if harm == "gone":
        file.unlink()
    elif harm == "empty":
        file.write_bytes(b"")
    elif harm == "cut":
        os.truncate(file, at)
    elif harm == "zeros":
        os.truncate(file, at)
        os.truncate(file, size)
    elif size:
        content = bytearray(file.read_bytes())
        content[at] ^= 1 << chance.randrange(8)
        file.write_bytes(content)
