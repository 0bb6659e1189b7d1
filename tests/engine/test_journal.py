"""States over time: a tree that only grows, a head that moves, and blobs that stay as long as a state wants them."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

from engine import digest as digests
from engine.errors import CommandError, Corrupt, LimitExceeded
from engine.journal import Done, Journal, KitchenUnknown, StateUnknown
from menu import LAYOUT

Make = Callable[..., Journal]


def ticking() -> Callable[[], datetime]:
    seconds = count()
    return lambda: datetime(2026, 5, 1, tzinfo=UTC) + timedelta(seconds=next(seconds))


def counting() -> Callable[[], str]:
    numbers = count(1)
    return lambda: f"{next(numbers):064x}"[::-1]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    opened: list[Journal] = []

    def make(**settings: object) -> Journal:
        opened.append(Journal(tmp_path / "data", menu=LAYOUT, **{"clock": ticking(), "ids": counting()} | settings))  # type: ignore[arg-type]
        return opened[-1]

    yield make
    for journal in opened:
        journal.close()


@pytest.fixture
def journal(make: Make) -> Journal:
    made = make()
    made.create("k")
    return made


def do(journal: Journal, line: str, kitchen: str = "k") -> Done:
    return journal.do(kitchen, line.split())


def test_a_command_that_changes_the_host_makes_a_state_and_one_that_reads_makes_none(journal: Journal) -> None:
    first = journal.head("k")
    assert do(journal, "images").changed is False
    assert journal.head("k") == first
    done = do(journal, "pull pizza/cheese")
    assert done.changed
    assert done.state.parent == first.id
    assert done.state.argv == ("pull", "pizza/cheese")
    assert done.state.events == done.events
    assert do(journal, "pull pizza/cheese").changed is False, "up to date"


def test_undo_goes_to_the_parent_and_redo_to_the_newest_child(journal: Journal) -> None:
    for line in ("pull pizza/cheese", "run -d --name a1 pizza/cheese", "exec a1 rm /pizza/slice-1/cheese"):
        do(journal, line)
    third = journal.head("k")
    for _ in range(3):
        do(journal, "undo")
    assert journal.head("k").number == 0
    with pytest.raises(CommandError, match="nothing to undo"):
        do(journal, "undo")
    for _ in range(3):
        do(journal, "redo")
    assert journal.head("k") == third
    with pytest.raises(CommandError, match="nothing to redo"):
        do(journal, "redo")


def test_a_command_after_an_undo_starts_a_branch_and_loses_nothing(journal: Journal) -> None:
    left = do(journal, "pull pizza/cheese").state
    do(journal, "undo")
    right = do(journal, "pull pizza/margherita").state
    assert left.parent == right.parent
    assert [entry.number for entry in journal.entries("k")] == [0, 1, 2]
    assert do(journal, f"jump {left.number}").state.host == left.host
    assert do(journal, f"jump {right.id}").state.host == right.host
    assert do(journal, "undo").state.number == 0
    assert do(journal, "redo").state.id == right.id, "the newest child"


@pytest.mark.parametrize("state", ["99", "nope", "", "%"])
def test_a_jump_to_no_state_is_refused_by_name(journal: Journal, state: str) -> None:
    with pytest.raises(StateUnknown):
        journal.jump("k", state)


def test_the_log_stars_the_head_and_names_branches(journal: Journal) -> None:
    do(journal, "pull pizza/cheese")
    do(journal, "undo")
    do(journal, "pull pizza/dough")
    lines = do(journal, "log").out.splitlines()
    assert [line[0] for line in lines] == [" ", " ", "*"]
    assert lines[0].endswith("empty")
    assert lines[2].endswith("pull pizza/dough  (from 0)")


def test_a_fork_shares_everything_and_is_its_own(journal: Journal) -> None:
    here = do(journal, "pull pizza/cheese").state
    before = set(journal.blobs)
    fork = journal.fork(here.id)
    assert set(journal.blobs) == before, "one pointer, no byte"
    assert journal.head(fork.id).host == here.host
    do(journal, "run -d pizza/cheese", fork.id)
    assert journal.head("k") == here


def test_only_the_secret_of_a_kitchen_opens_it(journal: Journal) -> None:
    one, two = journal.create(), journal.create()
    assert journal.owns(one.id, one.secret)
    assert not journal.owns(one.id, two.secret)
    assert not journal.owns(one.id, "")
    assert journal.owner(two.secret) == two.id
    assert journal.owner("nope") is None
    assert journal.kitchen(one.id).secret == "", "only its hash is stored"


def test_whoever_asked_before_a_kitchen_was_there_does_not_shut_its_owner_out(journal: Journal) -> None:
    assert not journal.owns("later", "guess")
    made = journal.create("later")
    assert journal.owns("later", made.secret)
    assert not journal.owns("later", "guess")


def test_an_unknown_kitchen_is_named(journal: Journal) -> None:
    with pytest.raises(KitchenUnknown) as caught:
        do(journal, "images", "nope")
    assert caught.value.kitchen == "nope"


def test_everything_is_there_again_after_a_restart(journal: Journal, make: Make) -> None:
    do(journal, "pull pizza/cheese")
    head = do(journal, "run -d --name a1 pizza/cheese").state
    journal.close()
    again = make()
    assert again.head("k") == head
    assert [entry.argv for entry in again.entries("k")] == [(), *(e.argv for e in again.entries("k")[1:])]
    assert again.check() == []


def test_the_oldest_states_expire_but_never_the_head(make: Make) -> None:  # rule 39
    journal = make(keep=3)
    journal.create("k")
    do(journal, "pull pizza/cheese")
    for n in range(5):
        do(journal, f"tag pizza/cheese t{n}")
    assert [entry.number for entry in journal.entries("k")] == [4, 5, 6]
    assert do(journal, "undo").state.number == 5
    assert do(journal, "undo").state.number == 4
    with pytest.raises(CommandError, match="first state that is kept"):
        do(journal, "undo")
    assert journal.check() == []


def test_blobs_go_when_the_last_state_that_wants_them_expires(make: Make) -> None:  # rule 39
    journal = make(keep=2)
    journal.create("k")
    do(journal, "pull pizza/cheese")
    do(journal, "rmi pizza/cheese")
    held = set(journal.blobs)
    journal.sweep(grace=0)
    assert set(journal.blobs) == held, "undo may want them"
    do(journal, "undo")
    do(journal, "tag pizza/cheese again")
    do(journal, "rmi pizza/cheese again")
    do(journal, "pull pizza/dough")
    do(journal, "tag pizza/dough other")
    journal.sweep(grace=0)
    wanted = {d for entry in journal.entries("k") for d in journal._reach(journal.state(entry.id).host)}
    assert set(journal.blobs) == wanted
    assert len(wanted) < len(held)
    assert journal.check() == []


def test_a_kitchen_stays_within_its_quota(make: Make) -> None:
    journal = make(quota=250_000)
    journal.create("k")
    do(journal, "pull pizza/dough")
    used = journal.used("k")
    assert used == sum(journal.blobs.size(d) for d in journal.blobs)
    head = journal.head("k")
    with pytest.raises((CommandError, LimitExceeded)):
        do(journal, "pull pizza/hawaiian")
    do(journal, "run -d --name a1 pizza/dough")
    with pytest.raises(LimitExceeded, match="250,000"):
        do(journal, "exec a1 chmod 600 /pizza/slice-1/crust")
    assert journal.head("k").parent == head.id
    assert journal.used("k") <= 250_000


def test_one_command_cannot_fill_the_disk_before_the_quota_looks(make: Make) -> None:
    journal = make(quota=1_000_000)
    journal.create("k")
    do(journal, "pull pizza/dough")
    do(journal, "run -d --name a1 pizza/dough")
    script = "for n in {1..200}; do cat /pizza/slice-1/crust >> /big; done"
    with pytest.raises(LimitExceeded):
        journal.do("k", ["exec", "a1", "sh", "-c", script])
    assert sum(journal.blobs.size(digest) for digest in journal.blobs) < 8_000_000
    assert do(journal, "diff a1").out == ""


def test_undo_does_not_make_room_since_redo_may_come(make: Make) -> None:
    journal = make(quota=300_000)
    journal.create("k")
    do(journal, "pull pizza/dough")
    used = journal.used("k")
    do(journal, "undo")
    assert journal.used("k") == used


def test_commands_of_one_kitchen_wait_for_each_other(journal: Journal) -> None:
    do(journal, "pull pizza/cheese")
    do(journal, "run -d --name a1 pizza/cheese")
    failed: list[Exception] = []

    def write(n: int) -> None:
        try:
            for m in range(4):
                do(journal, f"exec a1 touch /t{n}-{m}")
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    added = do(journal, "diff a1").out.splitlines()
    assert sorted(added) == sorted(f"A /t{n}-{m}" for n in range(4) for m in range(4))


@pytest.mark.parametrize("harm", ["flip", "remove", "head", "host"])
def test_fsck_finds_what_is_damaged(journal: Journal, tmp_path: Path, harm: str) -> None:
    do(journal, "pull pizza/dough")
    assert do(journal, "fsck").status == 0
    layer = max(journal.blobs, key=journal.blobs.size)
    file = tmp_path / "data" / "blobs" / "sha256" / digests.encoded(layer)
    if harm == "flip":
        file.write_bytes(file.read_bytes()[:-1] + b"!")
    elif harm == "remove":
        file.unlink()
    else:
        with sqlite3.connect(tmp_path / "data" / "journal.db") as db:
            db.execute("UPDATE kitchens SET head='gone'" if harm == "head" else "UPDATE hosts SET body=X'7B7D'")
        db.close()
    with pytest.raises(CommandError, match=r"1 fault found|faults found"):
        do(journal, "fsck")


def test_a_damaged_host_is_not_taken_for_one(journal: Journal, make: Make, tmp_path: Path) -> None:
    do(journal, "pull pizza/dough")
    journal.close()
    with sqlite3.connect(tmp_path / "data" / "journal.db") as db:
        db.execute("UPDATE hosts SET body=?", (b'{"images":{},"references":{},"containers":{}}',))
    db.close()
    with pytest.raises(Corrupt):
        make().head("k")
