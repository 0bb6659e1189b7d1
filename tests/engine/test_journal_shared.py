"""One data directory and many who use it at once: turns, transactions, sweeps under running commands; and what a
command costs in a kitchen with a long past."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import event

from engine import database
from engine import events as facts
from engine import host as hosts
from engine.digest import Digest
from engine.errors import CommandError, LimitExceeded
from engine.events import Event, Progress
from engine.journal import (
    Done,
    HeadMoved,
    InvalidKitchen,
    Journal,
    JournalFailed,
    KitchenTaken,
    StateUnknown,
)
from menu import LAYOUT

Open = Callable[..., Journal]
PAST = 50
"""States that a kitchen with a long past keeps."""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def open_(data: Path) -> Iterator[Open]:
    """One more journal on the same directory, as another process would have it."""
    opened: list[Journal] = []

    def open_(**settings: object) -> Journal:
        opened.append(Journal(data, menu=LAYOUT, **settings))  # type: ignore[arg-type]
        return opened[-1]

    yield open_
    for journal in opened:
        journal.close()


@pytest.fixture
def journal(open_: Open) -> Journal:
    made = open_()
    made.create("k")
    return made


def do(journal: Journal, line: str, kitchen: str = "k") -> Done:
    return journal.do(kitchen, line.split())


def together(*jobs: Callable[[], object]) -> list[BaseException]:
    """What the jobs, run at once, fail with."""
    failed: list[BaseException] = []

    def run(job: Callable[[], object]) -> None:
        try:
            job()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failed


# Names


@pytest.mark.parametrize("name", ["../k", "a/b", ".", "-k", "a b", "k" * 64, "ü", "k\n", "%"])
def test_a_kitchen_has_a_name_that_can_stand_anywhere(journal: Journal, name: str) -> None:
    with pytest.raises(InvalidKitchen) as caught:
        journal.create(name)
    assert caught.value.text == name
    with pytest.raises(InvalidKitchen):
        journal.fork(journal.head("k").id, name)
    assert journal.kitchens() == ["k"]


def test_a_name_that_is_taken_is_told_and_nothing_made(journal: Journal) -> None:
    for make in (lambda: journal.create("k"), lambda: do(journal, "fork k")):
        with pytest.raises(KitchenTaken) as caught:
            make()
        assert caught.value.kitchen == "k"
    assert [entry.number for entry in journal.entries("k")] == [0]
    assert journal.enter("k").id == "k"
    assert journal.enter("l").id == "l"
    assert journal.check() == []


def test_who_opens_a_kitchen_at_once_opens_the_same(open_: Open) -> None:
    journals = [open_() for _ in range(4)]
    assert together(*(lambda j=j: j.enter("k") for j in journals)) == []
    assert journals[0].kitchens() == ["k"]
    assert journals[0].check() == []


def test_a_directory_may_be_opened_for_the_first_time_by_many(data: Path) -> None:
    opened: list[Journal] = []
    assert together(*(lambda: opened.append(Journal(data)) for _ in range(8))) == []
    for journal in opened:
        assert journal.kitchens() == []
        journal.close()


# Turns


def test_commands_of_one_kitchen_wait_for_those_of_another_process(journal: Journal, open_: Open) -> None:
    do(journal, "run -d --name box pizza/dough")
    other = open_()

    def touch(journal: Journal, who: str) -> None:
        for n in range(5):
            do(journal, f"exec box touch /{who}{n}")

    assert together(lambda: touch(journal, "a"), lambda: touch(other, "b"), lambda: touch(journal, "c")) == []
    assert {line.split()[1] for line in do(journal, "diff box").out.splitlines()} == {
        f"/{who}{n}" for who in "abc" for n in range(5)
    }
    assert [entry.number for entry in journal.entries("k")] == list(range(17))


def test_a_command_that_another_overtook_keeps_nothing(
    journal: Journal, open_: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Turns prevent it; where they do not work, as on some network's disk, compare-and-swap does."""
    do(journal, "pull pizza/dough")
    other = open_()
    for one in (journal, other):
        monkeypatch.setattr(one, "_alone", lambda _kitchen: nullcontext())
    rest = [lambda: do(other, "tag pizza/dough first")]

    def clock() -> datetime:
        while rest:
            rest.pop()()
        return datetime.now(UTC)

    late = open_(clock=clock)
    monkeypatch.setattr(late, "_alone", lambda _kitchen: nullcontext())
    with pytest.raises(HeadMoved):
        do(late, "run -d --name box pizza/dough")
    assert [entry.argv[0] for entry in journal.entries("k")[1:]] == ["pull", "tag"]
    assert journal.head("k").host.containers == {}
    assert journal.check() == []


def test_writers_wait_for_one_another_from_their_first_step_on(data: Path, journal: Journal) -> None:
    """SQLite refuses at once a transaction that has read and then, another having written, wants to write."""
    with closing(sqlite3.connect(data / "journal.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        waiting = threading.Thread(target=lambda: do(journal, "pull pizza/dough"))
        waiting.start()
        time.sleep(0.3)
        other.execute("UPDATE kitchens SET created = created")
        other.execute("COMMIT")
        waiting.join()
    assert journal.head("k").number == 1


def test_a_journal_that_stays_busy_says_so_and_pages_are_read_meanwhile(
    data: Path, journal: Journal, open_: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "PATIENCE", 0.1)
    hasty = open_()
    with closing(sqlite3.connect(data / "journal.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalFailed, match=r"journal\.db cannot be used: others have kept it busy.*try again"):
            do(hasty, "pull pizza/dough")
        assert hasty.head("k").number == 0
        assert hasty.entries("k")
    assert do(hasty, "pull pizza/dough").state.number == 1


def test_a_directory_of_another_version_is_left_alone(data: Path, journal: Journal) -> None:
    journal.close()
    with closing(sqlite3.connect(data / "journal.db", isolation_level=None)) as db:
        db.execute("PRAGMA user_version=1")
    with pytest.raises(JournalFailed, match=r"another version of this program wrote it \(1, this one knows 2\)"):
        Journal(data)


# Sweeps


def age(data: Path, hours: float, *parts: str) -> None:
    """All files below a part of the directory last touched so long ago."""
    then = time.time() - 3600 * hours
    for file in data.joinpath(*parts).rglob("*"):
        if file.is_file():
            os.utime(file, (then, then))


def test_a_sweep_spares_what_a_transfer_of_hours_has_stored(data: Path, journal: Journal, open_: Open) -> None:
    # rule 39: a running transfer is a root, however long it takes
    other = open_()
    swept: list[dict[Digest, int]] = []

    def hours_later(event: Event) -> None:
        if isinstance(event, Progress) and event.phase == "done":
            age(data, 3, "leases")
            age(data, 2, "blobs", "sha256")
            swept.append(other.sweep())

    journal.do("k", ["pull", "pizza/cheese"], progress=hours_later)
    assert swept == [{}, {}, {}]
    assert journal.check() == []
    assert other.sweep(grace=0) == {}
    assert not any((data / "leases").iterdir())


def test_a_sweep_spares_what_a_transfer_has_found(data: Path, open_: Open) -> None:
    # rule 39: what was held when the transfer began, and by nobody else any more
    journal, other = open_(keep=1), open_(keep=1)
    journal.create("k")
    do(journal, "pull pizza/cheese")
    age(data, 2, "blobs", "sha256")
    shared = set(journal.blobs)
    done = []

    def let_go(event: Event) -> None:
        if isinstance(event, Progress) and event.phase == "done" and not done:
            do(other, "rmi pizza/cheese")
            done.append(other.sweep(grace=0))

    pulled = journal.do("k", ["pull", "pizza/pepperoni"], progress=let_go)
    assert sum(isinstance(event, facts.LayerReused) for event in pulled.events) == 3
    assert len(done) == 1
    assert done[0].keys() < shared, "the manifest and config of cheese, which nobody wants any more"
    assert journal.check() == []


def test_a_sweep_does_not_wait_for_who_was_killed(data: Path, journal: Journal) -> None:
    left = data / "leases" / "of-a-process-that-is-no-more"
    left.write_bytes(b"")
    os.utime(left, (0, 0))
    blob = journal.blobs.put(b"of nobody")
    age(data, 2, "blobs", "sha256")
    assert journal.sweep() == {blob: 9}
    assert not left.exists()


def test_sweeps_at_once_do_not_trip_over_each_other(data: Path, journal: Journal, open_: Open) -> None:
    for n in range(200):
        journal.blobs.put(b"%d" % n)
    age(data, 2, "blobs")
    journals = [open_() for _ in range(4)]
    gone: list[Digest] = []
    assert together(*(lambda j=j: gone.extend(j.sweep()) for j in journals)) == []
    assert len(gone) == len(set(gone)) == 200


def test_a_fork_of_a_state_that_expires_meanwhile_is_refused_or_whole(open_: Open) -> None:
    journal = open_(keep=1)
    journal.create("k")
    first = do(journal, "pull pizza/dough").state
    do(journal, "rmi pizza/dough")
    journal.sweep(grace=0)
    with pytest.raises(StateUnknown):
        journal.fork(first.id)
    assert journal.check() == []


# What a long past costs


@pytest.fixture(scope="module")
def long_past(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A kitchen with as many states as are kept, each with a host and some events of its own."""
    data = tmp_path_factory.mktemp("long") / "data"
    journal = Journal(data, menu=LAYOUT, keep=PAST)
    journal.create("k")
    do(journal, "run -d --name box pizza/cheese")
    for n in range(PAST + 5):
        do(journal, f"exec box touch /{n}")
    assert len(journal.entries("k")) == PAST
    assert journal.check() == []
    journal.close()
    return data


class Cost:
    """What was decoded and asked of the database."""

    def __init__(self, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
        self.counted: Counter[str] = Counter()
        for module, name in ((hosts, "decode"), (facts, "decode"), (hosts, "reach")):
            monkeypatch.setattr(module, name, self._counting(f"{module.__name__}.{name}", getattr(module, name)))
        event.listen(journal._db._engine, "before_cursor_execute", lambda *_: self.counted.update(["sql"]))

    def _counting(self, name: str, function: Callable[..., object]) -> Callable[..., object]:
        def counting(*arguments: object) -> object:
            self.counted[name] += 1
            return function(*arguments)

        return counting


@pytest.fixture
def aged(long_past: Path, data: Path, open_: Open, monkeypatch: pytest.MonkeyPatch) -> tuple[Journal, Cost]:
    shutil.copytree(long_past, data)
    journal = open_(keep=PAST)
    return journal, Cost(journal, monkeypatch)


def test_a_command_decodes_its_own_state_and_the_one_that_goes(aged: tuple[Journal, Cost]) -> None:
    journal, cost = aged
    do(journal, "tag pizza/cheese again")
    assert cost.counted["engine.host.decode"] <= 2, "the head's, and that of the state that expires"
    assert cost.counted["engine.events.decode"] <= 2
    assert cost.counted["engine.host.reach"] <= 2
    assert cost.counted["sql"] <= 24
    assert len(journal.entries("k")) == PAST
    cost.counted.clear()
    do(journal, "images")
    assert cost.counted["sql"] <= 8
    assert cost.counted["engine.host.reach"] == 0


def test_the_list_of_all_states_is_one_question_and_no_events(aged: tuple[Journal, Cost]) -> None:
    journal, cost = aged
    entries = journal.entries("k")
    assert len(entries) == PAST
    assert cost.counted == {"sql": 2}, "BEGIN and one SELECT"
    assert all(isinstance(entry.gist.what, facts.FileCreated) for entry in entries)


@pytest.mark.parametrize("verb", ["undo", "log", "jump 30"])
def test_moving_in_time_decodes_no_other_states(aged: tuple[Journal, Cost], verb: str) -> None:
    journal, cost = aged
    do(journal, verb)
    assert cost.counted["engine.host.decode"] <= 2
    assert cost.counted["sql"] <= 20


def test_a_state_that_was_damaged_long_ago_does_not_stop_the_kitchen(aged: tuple[Journal, Cost], data: Path) -> None:
    journal, _ = aged
    oldest = journal.entries("k")[0]
    with closing(sqlite3.connect(data / "journal.db", isolation_level=None)) as db:
        db.execute("UPDATE hosts SET body = X'7B7D' WHERE digest = ?", (oldest.host_digest,))
    with pytest.raises(CommandError, match=f"state {oldest.id}: its host {oldest.host_digest} is missing or damaged"):
        do(journal, "fsck")
    do(journal, "tag pizza/cheese again")
    assert oldest.id not in {entry.id for entry in journal.entries("k")}
    with pytest.raises(CommandError, match="is counted as"):
        do(journal, "fsck")


@pytest.mark.parametrize(
    ("harm", "fault"),
    [
        ("UPDATE holdings SET states = states + 1", r"is counted as \d+ bytes of 3 states; it is \d+ of 2"),
        ("UPDATE holdings SET size = 1", r"is counted as 1 bytes of 2 states; it is \d\d+ of 2"),
        ("DELETE FROM holdings", "is counted as 0 bytes of 0 states"),
        ("DELETE FROM hosts", "is missing or damaged"),
        ("UPDATE states SET events = X'5B' WHERE number = 1", "state .*: "),
        ("UPDATE states SET parent = 'nobody' WHERE number = 1", "its parent nobody does not stand before it"),
        ("UPDATE kitchens SET head = 'gone'", "its head gone is not one of its states"),
    ],
)
def test_fsck_sees_what_the_tables_should_not_say(journal: Journal, data: Path, harm: str, fault: str) -> None:
    do(journal, "pull pizza/dough")
    do(journal, "tag pizza/dough again")
    with closing(sqlite3.connect(data / "journal.db", isolation_level=None)) as db:
        db.execute(harm)
    with pytest.raises(CommandError, match=fault):
        do(journal, "fsck")


def test_events_without_end_have_an_end_too(open_: Open) -> None:
    journal = open_(quota=250_000)
    journal.create("k")
    do(journal, "run -d --name box pizza/dough")
    script = "for i in {1..700}; do touch /a-name-that-is-long-enough-to-be-worth-counting; rm /a-name*; done"
    assert journal.do("k", ["exec", "box", "sh", "-c", script]).state.number == 2
    with pytest.raises(LimitExceeded, match="events, over all its states"):
        journal.do("k", ["exec", "box", "sh", "-c", script])
    assert journal.head("k").number == 2
    assert journal.check() == []
