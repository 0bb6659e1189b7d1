"""One sweep over kitchens and registry: nothing reachable goes, everything else does (rule 39)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import update

from engine.digest import Digest
from engine.journal import Journal
from engine.registry.schema import LINKS
from tests.engine.oci import Builder, body, digest_of, tarball
from tests.engine.pushing import CONFIG, LAYER, MINE, Client

HOURS = 7200
DOUGH = b"dough" * 100
NAME = Digest(digest_of(DOUGH))


class Kitchen:
    """A journal with a registry, and time that passes when it is told to."""

    def __init__(self, path: Path) -> None:
        self.menu = Builder(path / "menu")
        self.menu.tag("pizza/cheese:latest", self.menu.image(tarball({"etc/motd": b"hello\n"})))
        self.journal = Journal(path / "data", menu=self.menu.path, keep=2)
        self.client = Client(path / "data", menu=self.menu.path, store=self.journal.registry)
        self.id = self.journal.create().id

    def age(self, seconds: float = HOURS) -> None:
        """All that is stored becomes so much older."""
        for file in [*self.files("blobs/sha256"), *self.files("uploads")]:
            then = file.stat().st_mtime - seconds
            os.utime(file, (then, then))
        with self.journal.registry.db.writing() as db:
            db.execute(update(LINKS).values(since=LINKS.c.since - seconds))

    def files(self, name: str) -> list[Path]:
        directory = self.client.data / name
        return list(directory.iterdir()) if directory.is_dir() else []

    def sweep(self) -> set[str]:
        gone = set(self.journal.sweep())
        assert self.journal.check() == []
        return gone


@pytest.fixture
def kitchen(tmp_path: Path, hasty: None) -> Iterator[Kitchen]:
    kitchen = Kitchen(tmp_path)
    yield kitchen
    kitchen.journal.close()


def test_what_manifests_and_tags_reach_is_kept(kitchen: Kitchen) -> None:
    digest = kitchen.client.image("v1")
    data = body(kitchen.client.ask("GET", f"manifests/{digest}"))
    kitchen.client.status("DELETE", "manifests/v1")
    kitchen.age()
    assert kitchen.sweep() == set(), "an untagged manifest too"
    assert body(kitchen.client.ask("GET", f"manifests/{digest}")) == data
    assert kitchen.client.status("GET", f"blobs/{digest_of(LAYER)}") == 200


def test_a_deleted_manifest_lets_its_blobs_go(kitchen: Kitchen) -> None:
    first = kitchen.client.image("v1")
    kitchen.client.image("v2", layers=(LAYER, DOUGH))
    second = kitchen.client.ask("GET", "manifests/v2").headers["docker-content-digest"]
    kitchen.client.status("DELETE", f"manifests/{second}")
    assert kitchen.sweep() == set(), "still young"
    kitchen.age()
    assert kitchen.sweep() == {second, NAME}
    assert kitchen.client.status("GET", f"blobs/{NAME}") == 404
    kitchen.client.status("DELETE", f"manifests/{first}")
    kitchen.age()
    assert kitchen.sweep() == {first, digest_of(CONFIG), digest_of(LAYER)}
    assert kitchen.client.status("GET", "tags/list") == 404, "nothing is left of the repository"


def test_what_another_repository_or_a_kitchen_has_is_kept(kitchen: Kitchen) -> None:
    kitchen.journal.do(kitchen.id, ["pull", "pizza/cheese"])
    layer = kitchen.menu.read(kitchen.menu.index["manifests"][0])["layers"][0]["digest"]
    for name in ("a", "b"):
        kitchen.client.name = f"{MINE}/{name}"
        assert kitchen.client.status("POST", f"blobs/uploads/?mount={layer}&from=pizza/cheese") == 201
        digest = kitchen.client.image("latest", layers=(kitchen.client.blobs.read(layer),))
        kitchen.age()
    kitchen.client.status("DELETE", f"manifests/{digest}")
    kitchen.age()
    assert layer not in kitchen.sweep()
    kitchen.client.name = f"{MINE}/a"
    kitchen.client.status("DELETE", f"manifests/{digest}")
    assert layer not in kitchen.sweep()
    for line in ("rmi pizza/cheese", "pull pizza/cheese", "rmi pizza/cheese", "undo", "redo", "run pizza/cheese true"):
        kitchen.journal.do(kitchen.id, line.split())
        kitchen.age()
        assert layer not in kitchen.sweep(), line


def test_a_link_that_no_manifest_needs_goes_after_an_hour(kitchen: Kitchen) -> None:
    kitchen.client.blob(DOUGH)
    kitchen.age(3000)
    assert kitchen.sweep() == set()
    kitchen.age(700)
    assert kitchen.sweep() == {NAME}
    assert kitchen.client.status("GET", f"blobs/{NAME}") == 404


@pytest.mark.parametrize(
    "again",
    [
        lambda client: client.status("HEAD", f"blobs/{NAME}"),
        lambda client: client.blob(DOUGH),
        lambda client: client.status("POST", f"blobs/uploads/?mount={NAME}"),
    ],
    ids=["asked", "pushed", "mounted"],
)
def test_whoever_finds_a_blob_while_pushing_finds_it_still_when_the_manifest_comes(
    kitchen: Kitchen, again: Callable[[Client], Any]
) -> None:
    document = kitchen.client.manifest(layers=(DOUGH,))
    kitchen.age(3000)
    again(kitchen.client)
    kitchen.age(3000)
    kitchen.client.blob(CONFIG)
    kitchen.sweep()
    assert kitchen.client.put(document, "v1").status == 201


def test_a_reader_who_asks_renews_nothing(kitchen: Kitchen) -> None:
    kitchen.client.blob(DOUGH)
    kitchen.age(3000)
    from engine.registry import NOBODY

    assert kitchen.client.ask("HEAD", f"blobs/{NAME}", caller=NOBODY).status == 200
    kitchen.age(3000)
    assert kitchen.sweep() == {NAME}


def test_an_open_upload_is_kept_for_a_day(kitchen: Kitchen) -> None:
    path = kitchen.client.begin()
    kitchen.client.status("PATCH", path, DOUGH)
    kitchen.age(23 * 3600)
    kitchen.sweep()
    assert kitchen.client.status("GET", path) == 204
    kitchen.age(25 * 3600)
    kitchen.sweep()
    assert kitchen.client.status("GET", path) == 404
    assert kitchen.files("uploads") == []


def test_files_without_an_upload_and_uploads_without_a_file_go(kitchen: Kitchen) -> None:
    path = kitchen.client.begin()
    kitchen.files("uploads")[0].unlink()
    (kitchen.client.data / "uploads" / "stray").write_bytes(b"x")
    assert kitchen.client.status("GET", path) == 404
    kitchen.sweep()
    assert kitchen.files("uploads") == []


def test_a_blob_that_is_being_mounted_survives_a_sweep_at_any_step(kitchen: Kitchen, monkeypatch: Any) -> None:
    """Between the look at the pool and the link's row, even one that gives no grace."""
    kitchen.client.blob(DOUGH)
    kitchen.age(3000)
    renew = kitchen.client.blobs.renew

    def then(digest: Digest) -> bool:
        held = renew(digest)
        kitchen.journal.sweep(grace=0)
        return held

    monkeypatch.setattr(kitchen.client.blobs, "renew", then)
    kitchen.client.name = f"{MINE}/b"
    assert kitchen.client.status("POST", f"blobs/uploads/?mount={NAME}") == 201
    assert body(kitchen.client.ask("GET", f"blobs/{NAME}")) == DOUGH
    assert kitchen.journal.check() == []


def test_a_blob_that_was_swept_before_it_is_mounted_is_uploaded(kitchen: Kitchen, monkeypatch: Any) -> None:
    kitchen.client.blob(DOUGH)
    kitchen.age()
    link = kitchen.client.store.link

    def after(repository: str, digest: Digest) -> bool:
        assert kitchen.sweep() == {NAME}
        return link(repository, digest)

    monkeypatch.setattr(kitchen.client.store, "link", after)
    assert kitchen.client.status("POST", f"blobs/uploads/?mount={NAME}&from={MINE}/a") == 202


def test_a_sweep_between_any_two_requests_of_a_push_takes_nothing_of_it(kitchen: Kitchen) -> None:
    for order in ("upload", "patch", "put", "config", "manifest"):
        path = kitchen.client.begin()
        steps: dict[str, Callable[[], Any]] = {
            "upload": lambda: None,
            "patch": lambda path=path: kitchen.client.status("PATCH", path, DOUGH),  # type: ignore[misc]
            "put": lambda path=path: kitchen.client.status("PUT", f"{path}?digest={NAME}"),  # type: ignore[misc]
            "config": lambda: kitchen.client.blob(CONFIG),
            "manifest": lambda order=order: kitchen.client.image(order, layers=(DOUGH,)),  # type: ignore[misc]
        }
        for name, step in steps.items():
            step()
            if name == order:
                kitchen.sweep()
        digest = kitchen.client.ask("GET", f"manifests/{order}").headers["docker-content-digest"]
        kitchen.client.status("DELETE", f"manifests/{digest}")
        kitchen.age()
        assert NAME in kitchen.sweep()


def test_a_blob_that_is_being_read_is_read_to_its_end(kitchen: Kitchen) -> None:
    large = os.urandom(1 << 20)
    kitchen.client.blob(large)
    chunks = iter(kitchen.client.ask("GET", f"blobs/{digest_of(large)}").chunks)
    first = next(chunks)
    kitchen.age()
    assert kitchen.sweep() == {digest_of(large)}
    assert first + b"".join(chunks) == large


def test_what_is_missing_is_told(kitchen: Kitchen) -> None:
    digest = kitchen.client.image("v1")
    file = kitchen.client.data / "blobs" / "sha256" / digest_of(LAYER).removeprefix("sha256:")
    file.rename(file.with_name("0" * 64))
    (kitchen.client.data / "blobs" / "sha256" / digest.removeprefix("sha256:")).unlink()
    faults = "\n".join(kitchen.journal.check())
    assert f"repository {MINE}/a: blob {digest_of(LAYER)} is missing" in faults
    assert f"repository {MINE}/a: manifest {digest} is missing" in faults
    with kitchen.journal.registry.db.writing() as db:
        for table in ("manifests", "links"):
            db.exec_driver_sql(f"DELETE FROM {table}")
    faults = "\n".join(kitchen.journal.check())
    assert f"repository {MINE}/a: tag v1 names manifest {digest}, which is missing" in faults
    assert f"manifest {digest} needs blob {digest_of(LAYER)}, which is not linked" in faults


def test_the_command_line_sweeps_what_the_registry_let_go_and_keeps_what_it_has(kitchen: Kitchen) -> None:
    digest = kitchen.client.image("v1")
    kitchen.client.name = f"{MINE}/b"
    kitchen.client.blob(DOUGH)
    kitchen.age()
    said = kitchen.journal.do(kitchen.id, ["gc"]).out
    assert said == "freed 500B in 1 blobs\n"
    assert digest in kitchen.client.blobs
    assert kitchen.journal.do(kitchen.id, ["fsck"]).out == "no fault found\n"


BLOBS = [b"dough", b"sauce" * 10, b"cheese" * 3, tarball({"etc/motd": b"hello\n"})]
REPOSITORIES = st.sampled_from([f"{MINE}/a", f"{MINE}/b", "class/a"])
NUMBERS = st.integers(0, len(BLOBS) - 1)


class Everything(RuleBasedStateMachine):
    """Pushes, mounts, deletions, kitchens and sweeps in any order, beside a model of what must be there."""

    path: Path
    numbers = iter(range(1 << 30))

    @initialize()
    def open(self) -> None:
        path = self.path / str(next(self.numbers))
        path.mkdir()
        self.kitchen = Kitchen(path)
        self.kitchen.client.begin()
        self.links: dict[str, dict[str, bool]] = {}
        """By repository and digest: whether it is young."""
        self.manifests: dict[str, dict[str, tuple[set[str], bytes]]] = {}

    def teardown(self) -> None:
        if hasattr(self, "kitchen"):
            self.kitchen.journal.close()

    @rule(name=REPOSITORIES, number=NUMBERS)
    def push(self, name: str, number: int) -> None:
        self.kitchen.client.name = name
        digest = self.kitchen.client.blob(BLOBS[number])["digest"]
        self.links.setdefault(name, {})[digest] = True

    @rule(name=REPOSITORIES, number=NUMBERS)
    def mount(self, name: str, number: int) -> None:
        self.kitchen.client.name = name
        digest = digest_of(BLOBS[number])
        known = any(digest in links for links in self.links.values())
        answer = self.kitchen.client.ask("POST", f"blobs/uploads/?mount={digest}")
        assert answer.status == (201 if known else 202)
        if known:
            self.links.setdefault(name, {})[digest] = True
        else:
            self.kitchen.client.status("DELETE", answer.headers["location"])

    @rule(name=REPOSITORIES, number=NUMBERS, more=NUMBERS, tag=st.sampled_from(["v1", "v2"]))
    def tag(self, name: str, number: int, more: int, tag: str) -> None:
        self.kitchen.client.name = name
        document = self.kitchen.client.manifest(layers=(BLOBS[number], BLOBS[more]))
        answer = self.kitchen.client.put(document, tag)
        assert answer.status == 201
        needed = {document["config"]["digest"], *(layer["digest"] for layer in document["layers"])}
        self.links.setdefault(name, {}).update(dict.fromkeys(needed, True))
        digest = answer.headers["docker-content-digest"]
        data = body(self.kitchen.client.ask("GET", f"manifests/{digest}"))
        self.manifests.setdefault(name, {})[digest] = (needed, data)

    @precondition(lambda self: any(self.manifests.values()))
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(name for name, has in self.manifests.items() if has)))
        digest = data.draw(st.sampled_from(sorted(self.manifests[name])))
        self.kitchen.client.name = name
        shared = name.startswith("class/")  # where nobody takes away what others may want
        assert self.kitchen.client.status("DELETE", f"manifests/{digest}") == (403 if shared else 202)
        if not shared:
            del self.manifests[name][digest]

    @rule(line=st.sampled_from(["pull pizza/cheese", "rmi -f pizza/cheese", "undo", "redo", "run pizza/cheese true"]))
    def cook(self, line: str) -> None:
        from contextlib import suppress

        from engine.errors import EngineError

        with suppress(EngineError):
            self.kitchen.journal.do(self.kitchen.id, line.split())

    @rule()
    def wait(self) -> None:
        self.kitchen.age()
        self.links = {name: dict.fromkeys(links, False) for name, links in self.links.items()}

    @rule()
    def sweep(self) -> None:
        self.kitchen.sweep()
        for name, links in self.links.items():
            needed = {digest for needs, _ in self.manifests.get(name, {}).values() for digest in needs}
            self.links[name] = {digest: young for digest, young in links.items() if young or digest in needed}

    @invariant()
    def everything_is_there(self) -> None:
        if not hasattr(self, "kitchen"):
            return
        for name, links in self.links.items():
            self.kitchen.client.name = name
            for data in BLOBS:
                found = self.kitchen.client.ask("GET", f"blobs/{digest_of(data)}")
                assert (found.status == 200) == (digest_of(data) in links), (name, data)
                assert found.status != 200 or body(found) == data
            for digest, (_, data) in self.manifests.get(name, {}).items():
                assert body(self.kitchen.client.ask("GET", f"manifests/{digest}")) == data
        for record in self.kitchen.journal.head(self.kitchen.id).host.images.values():
            assert record.manifest in self.kitchen.client.blobs


def test_in_any_order_nothing_reachable_goes(tmp_path: Path, hasty: None) -> None:
    Everything.path = tmp_path
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(
        Everything,
        settings=settings(
            max_examples=int(os.environ.get("REGISTRY_ORDERS", "15")),
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
