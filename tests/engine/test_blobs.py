"""One contract for every blob store."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from engine import digest as digests
from engine.blobs import BlobStore, DirectoryBlobs
from engine.digest import Digest
from engine.errors import BlobUnknown, Corrupt, DigestMismatch, LimitExceeded, SizeMismatch
from engine.memoryblobs import MemoryBlobs

PIZZA = b"pizza" * 1000
NAME = digests.of(PIZZA)
OTHER = digests.of(b"other")


@pytest.fixture(params=["memory", "directory"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    return MemoryBlobs() if request.param == "memory" else DirectoryBlobs(tmp_path / "blobs")


def test_what_is_put_is_held_under_its_digest(blobs: BlobStore) -> None:
    assert blobs.put(PIZZA) == NAME
    assert NAME in blobs
    assert list(blobs) == [NAME]
    assert blobs.size(NAME) == len(PIZZA)
    assert blobs.read(NAME) == b"".join(blobs.chunks(NAME)) == PIZZA
    with blobs.open(NAME) as stream:
        stream.seek(5)
        assert stream.read(5) == b"pizza"


def test_a_stream_is_held_like_bytes(blobs: BlobStore) -> None:
    assert blobs.put(iter([PIZZA[:7], b"", PIZZA[7:]]), digest=NAME, size=len(PIZZA)) == NAME
    assert blobs.read(NAME) == PIZZA


def test_sha512_is_a_name_too(blobs: BlobStore) -> None:  # rule 23
    name = digests.of(PIZZA, "sha512")
    assert blobs.put([PIZZA], digest=name) == name
    assert blobs.read(name) == PIZZA
    assert list(blobs) == [name]


def test_putting_twice_holds_once(blobs: BlobStore) -> None:  # rule 26
    assert blobs.put(PIZZA) == blobs.put([PIZZA])
    assert len(list(blobs)) == 1


@pytest.mark.parametrize("stream", [False, True])
def test_other_bytes_than_promised_leave_nothing(blobs: BlobStore, stream: bool, tmp_path: Path) -> None:
    content: Callable[[], bytes | Iterator[bytes]] = (lambda: iter([PIZZA])) if stream else (lambda: PIZZA)
    with pytest.raises(DigestMismatch) as wrong:
        blobs.put(content(), digest=OTHER)
    assert (wrong.value.expected, wrong.value.actual) == (OTHER, NAME)
    assert list(blobs) == []
    assert [f for f in tmp_path.rglob("*") if f.is_file() and f.name != "lock"] == []


@pytest.mark.parametrize("promised", [len(PIZZA) - 1, len(PIZZA) + 1, 0])
def test_size_is_checked_before_digest(blobs: BlobStore, promised: int) -> None:  # rule 19
    with pytest.raises(SizeMismatch) as wrong:
        blobs.put([PIZZA], digest=OTHER, size=promised)
    assert wrong.value.expected == promised
    assert list(blobs) == []


def test_a_stream_that_is_too_long_is_not_read_to_its_end(blobs: BlobStore) -> None:  # rule 17
    taken = []

    def endless() -> Iterator[bytes]:
        while True:
            taken.append(1)
            yield b"x" * 100

    with pytest.raises(SizeMismatch):
        blobs.put(endless(), size=250)
    assert len(taken) == 3


def test_a_stream_that_breaks_leaves_nothing(blobs: BlobStore, tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield PIZZA
        raise ConnectionError("cut")

    with pytest.raises(ConnectionError):
        blobs.put(broken())
    assert list(blobs) == []
    assert [f for f in tmp_path.rglob("*") if f.is_file() and f.name != "lock"] == []


def test_what_is_not_held_is_unknown_by_name(blobs: BlobStore) -> None:
    assert OTHER not in blobs
    for ask in (blobs.size, blobs.open, blobs.read):
        with pytest.raises(BlobUnknown) as caught:
            ask(OTHER)
        assert caught.value.digest == OTHER


def test_reading_whole_is_bounded(blobs: BlobStore) -> None:
    blobs.put(PIZZA)
    with pytest.raises(LimitExceeded):
        blobs.read(NAME, limit=10)


def test_a_sweep_keeps_what_is_reached_and_what_is_young(blobs: BlobStore) -> None:  # rule 39
    kept, gone = blobs.put(b"kept"), blobs.put(b"gone")
    assert blobs.sweep({kept}) == {}, "younger than an hour"
    assert blobs.sweep({kept}, grace=0) == {gone: 4}
    assert set(blobs) == {kept}


def test_renewing_tells_whether_a_blob_is_held(blobs: BlobStore) -> None:
    assert not blobs.renew(NAME)
    blobs.put(PIZZA)
    assert blobs.renew(NAME)
    assert list(blobs) == [NAME]


def test_putting_or_renewing_a_held_blob_makes_it_young_again(tmp_path: Path) -> None:  # rule 39
    blobs = DirectoryBlobs(tmp_path)
    for again in (lambda: blobs.put(PIZZA), lambda: blobs.put([PIZZA]), lambda: blobs.renew(NAME)):
        blobs.put(PIZZA)
        old = time.time() - 7200
        os.utime(tmp_path / "sha256" / digests.encoded(NAME), (old, old))
        again()
        assert blobs.sweep(set()) == {}
    os.utime(tmp_path / "sha256" / digests.encoded(NAME), (old, old))
    assert blobs.sweep(set()) == {NAME: len(PIZZA)}


def test_what_a_crash_left_half_written_is_swept(tmp_path: Path) -> None:  # rule 39
    blobs = DirectoryBlobs(tmp_path)
    left = tmp_path / "tmp" / "half"
    left.write_bytes(b"half")
    blobs.sweep(set())
    assert left.exists(), "another process may be writing it"
    os.utime(left, (0, 0))
    blobs.sweep(set())
    assert not left.exists()


def test_many_writers_of_one_blob_agree(tmp_path: Path) -> None:
    stores = [DirectoryBlobs(tmp_path) for _ in range(4)]
    found: list[Digest] = []
    threads = [threading.Thread(target=lambda s=s: found.append(s.put([PIZZA]))) for s in stores * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [NAME] * 16
    assert stores[0].read(NAME) == PIZZA


def test_a_file_is_adopted_as_it_is(blobs: BlobStore, tmp_path: Path) -> None:
    for number in range(2):  # new, then held already
        file = tmp_path / "upload"
        file.write_bytes(PIZZA)
        inode = file.stat().st_ino
        blobs.adopt(file, NAME)
        assert not file.exists()
        assert blobs.read(NAME) == PIZZA
        if isinstance(blobs, DirectoryBlobs) and not number:
            assert (tmp_path / "blobs" / "sha256" / digests.encoded(NAME)).stat().st_ino == inode, "no second copy"


def test_adopting_a_held_blob_makes_it_young_again(tmp_path: Path) -> None:  # rule 39
    blobs = DirectoryBlobs(tmp_path / "blobs")
    blobs.put(PIZZA)
    held = tmp_path / "blobs" / "sha256" / digests.encoded(NAME)
    os.utime(held, (0, 0))
    (tmp_path / "upload").write_bytes(PIZZA)
    blobs.adopt(tmp_path / "upload", NAME)
    assert blobs.sweep(set()) == {}


# Tentatively


@contextmanager
def refused(blobs: BlobStore, error: Exception | None = None) -> Iterator[BlobStore]:
    """A store for an undertaking that fails once the block is done."""
    error = error or LimitExceeded("bytes", 1)
    with suppress(type(error)), blobs.tentative() as within:
        yield within
        raise error


def test_what_was_stored_before_a_refusal_is_gone(blobs: BlobStore) -> None:
    blobs.put(b"kept")
    with refused(blobs) as within:
        within.put(PIZZA)
        within.put([b"streamed"])
        assert within.put(PIZZA) == NAME  # renewed by whom it belongs to
        assert within.renew(NAME)
        within.put(b"kept")
        assert NAME in blobs
        assert within.read(NAME) == PIZZA
    assert list(blobs) == [digests.of(b"kept")]


def test_what_somebody_else_has_claimed_stays(blobs: BlobStore) -> None:  # rule 39
    with refused(blobs) as within:
        for content in (b"put by another", b"renewed by another", b"put by another, then again"):
            within.put(content)
        blobs.put(b"put by another")
        assert blobs.renew(digests.of(b"renewed by another"))
        blobs.put(b"put by another, then again")
        within.put(b"put by another, then again")
    assert len(list(blobs)) == 3


def test_what_is_put_tentatively_stays_where_nothing_fails(blobs: BlobStore) -> None:
    with blobs.tentative() as within:
        within.put(PIZZA)
    assert blobs.read(NAME) == PIZZA


@pytest.mark.parametrize("failure", [Corrupt("a file of ours"), RuntimeError("a fault of ours")])
def test_what_breaks_for_reasons_of_ours_is_left_to_the_sweep(blobs: BlobStore, failure: Exception) -> None:  # rule 39
    with refused(blobs, failure) as within:
        within.put(PIZZA)
    assert NAME in blobs


def test_every_renewal_of_a_blob_can_be_told_from_the_one_before(tmp_path: Path) -> None:
    blobs = DirectoryBlobs(tmp_path)
    blobs.put(PIZZA)
    file, times = tmp_path / "sha256" / digests.encoded(NAME), list[int]()
    for _ in range(100):
        times.append(file.stat().st_mtime_ns)
        blobs.renew(NAME)
    assert len(set(times)) == 100
