"""The server is killed while somebody pushes: at every durable step, and with it the machine. Nothing is half there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from engine.journal import Journal
from tests.engine.crashing import Crasher, open_journal
from tests.engine.oci import digest_of
from tests.engine.pushing import CONFIG, LAYER, MINE, Client

SEED: Final = int(os.environ.get("CRASH_SEED", "0"))
DOUGH: Final = os.urandom(300_000)
PUSHED: Final = "pushed".ljust(16, ".")


def client_of(journal: Journal, data: Path) -> Client:
    return Client(data, store=journal.registry)


def push(journal: Journal) -> str:
    """A push in chunks of what is new, its tag moved, the old manifest deleted."""
    client = client_of(journal, journal.registry.data)
    old = client.ask("GET", "manifests/latest").headers.get("docker-content-digest")
    layer = (journal.registry.data / "layer").read_bytes()
    path = client.begin()
    for start in range(0, len(layer), 100_000):
        assert client.status("PATCH", path, layer[start : start + 100_000]) == 202
    assert client.status("PUT", f"{path}?digest={digest_of(layer)}") == 201
    client.image(layers=(LAYER, layer))
    if old:
        assert client.status("DELETE", f"manifests/{old}") == 202
    return PUSHED


@pytest.fixture(scope="module")
def crasher() -> Iterator[Crasher]:
    with Crasher() as crasher:
        yield crasher


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory in which an image was pushed, and an upload is open."""
    data = tmp_path_factory.mktemp("before") / "data"
    journal = open_journal(data)
    client = client_of(journal, data)
    client.image()
    assert client.status("PATCH", client.begin(), DOUGH[:1000]) == 202
    (data / "layer").write_bytes(DOUGH)
    journal.close()
    return data


def survives(data: Path, acknowledged: str, old: str) -> None:
    """The tag names the old image or the new one, whole; the new one where that was acknowledged; what is left of the
    push is swept, and the push can be made again."""
    journal = open_journal(data)
    client = client_of(journal, data)
    assert journal.check() == []
    found = client.ask("GET", "manifests/latest").headers["docker-content-digest"]
    assert found != old or not acknowledged
    layers = {digest_of(CONFIG), digest_of(LAYER)} | ({digest_of(DOUGH)} if found != old else set())
    assert {layer for layer in layers if client.status("GET", f"blobs/{layer}") != 200} == set()
    journal.sweep(grace=0)
    assert journal.check() == []
    assert {layer for layer in layers if client.status("GET", f"blobs/{layer}") != 200} == set()
    assert push(journal) == PUSHED
    assert client.status("GET", f"blobs/{digest_of(DOUGH)}") == 200
    assert journal.check() == []
    journal.close()


@pytest.mark.parametrize("lost", [False, True], ids=["process", "machine"])
def test_a_death_before_or_after_any_durable_step_of_a_push_loses_nothing(
    before: Path, crasher: Crasher, tmp_path: Path, lost: bool
) -> None:
    journal = open_journal(before)
    old = client_of(journal, before).ask("GET", "manifests/latest").headers["docker-content-digest"]
    journal.close()
    words = ["@tests.engine.test_registry_crash:push"]
    whole = crasher.run(shutil.copytree(before, tmp_path / "whole"), words)
    assert whole.acknowledged == PUSHED, whole
    assert whole.steps > 10
    for step in range(0, whole.steps + 1, 1 if lost else 3):
        data = shutil.copytree(before, tmp_path / f"data-{step}")
        fate = crasher.run(data, words, step=step, lost=lost, seed=SEED + step)
        assert fate.killed, (step, fate)
        assert bool(fate.acknowledged) == (step == whole.steps)
        survives(data, fate.acknowledged, old)
        shutil.rmtree(data)


def test_what_a_restarted_server_finds_of_an_upload_goes_on(before: Path, tmp_path: Path) -> None:
    data = shutil.copytree(before, tmp_path / "data")
    journal = open_journal(data)
    client = client_of(journal, data)
    upload = next((data / "uploads").iterdir()).name
    path = f"/v2/{MINE}/a/blobs/uploads/{upload}"
    assert client.ask("GET", path).headers["range"] == "0-999"
    assert client.status("PATCH", path, DOUGH[1000:]) == 202
    assert client.status("PUT", f"{path}?digest={digest_of(DOUGH)}") == 201
    journal.close()
