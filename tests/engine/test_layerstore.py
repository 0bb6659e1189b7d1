"""A layer is read once, kept where it can be made again, and never believed where it might be torn."""

from __future__ import annotations

import gc
import gzip
import io
import os
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from engine import digest as digests
from engine import layerstore
from engine.digest import Digest
from engine.errors import BlobUnknown, Cancelled, DigestMismatch, EngineError, LimitExceeded, MalformedLayer
from engine.layer import Entry, Layer, Limits
from engine.layerstore import LayerStore
from engine.layerwriter import LayerWriter
from engine.memoryblobs import MemoryBlobs
from tests.engine.tars import item, patient, tar

BIG = random.Random(1).randbytes(3_000_000)
TAR = tar(
    "etc/", item("etc/motd", content=b"hello"), item("big", content=BIG), "h = big", ".wh.gone", "var/.wh..wh..opq"
)
DIFF_ID = digests.of(TAR)
OTHER = digests.of(b"other")
PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "two gzip members": lambda data: gzip.compress(data[:9999]) + gzip.compress(data[9999:]),
    "zstd": zstandard.ZstdCompressor().compress,
    "two zstd frames": lambda data: b"".join(map(zstandard.ZstdCompressor().compress, (data[:9999], data[9999:]))),
}


class Counted(MemoryBlobs):
    """Blobs that count how often one is opened."""

    opened = 0

    def open(self, digest: Digest) -> BinaryIO:
        self.opened += 1
        return super().open(digest)


@pytest.fixture
def blobs() -> Counted:
    return Counted()


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def as_expected(layer: Layer) -> bool:
    motd, big = layer.entries[b"etc/motd"], layer.entries[b"big"]
    return (
        layer.diff_id == DIFF_ID
        and (layer.read(motd), layer.read(big)) == (b"hello", BIG)
        and list(layer.entries) == [b"big", b"etc", b"etc/motd", b"h"]
        and (layer.whiteouts, layer.opaques) == ({b"gone"}, {b"var"})
        and layer.unpacked == 5 + len(BIG)
    )


@pytest.mark.parametrize("pack", PACKINGS.values(), ids=PACKINGS)
def test_a_layer_is_the_same_however_it_is_packed(pack: Callable[[bytes], bytes], blobs: Counted) -> None:
    # rule 18, rule 24: no media type has a say
    store = LayerStore(blobs)
    blob = blobs.put(pack(TAR))
    assert as_expected(store.unpack(blob, DIFF_ID))
    assert as_expected(store.unpack(blob))
    assert as_expected(LayerStore(blobs).get(blob, DIFF_ID))


def test_a_diff_id_may_be_sha512(blobs: Counted) -> None:  # rule 23
    diff_id = digests.of(TAR, "sha512")
    blob = blobs.put(TAR)
    store = LayerStore(blobs)
    assert store.unpack(blob, diff_id).diff_id == store.get(blob, diff_id).diff_id == diff_id


def test_the_blob_is_read_once_and_its_layer_kept(blobs: Counted, cache: Path) -> None:
    blob = blobs.put(gzip.compress(TAR))
    store = LayerStore(blobs, cache)
    layer = store.unpack(blob, DIFF_ID)
    assert blobs.opened == 1
    assert store.get(blob, DIFF_ID) is layer
    assert as_expected(LayerStore(blobs, cache).get(blob, DIFF_ID))
    assert as_expected(layer)
    assert blobs.opened == 1


def test_trailing_bytes_count_in_the_diff_id(blobs: Counted) -> None:  # rule 17
    data = TAR + b"trailing" * 100_000
    store = LayerStore(blobs)
    assert store.unpack(blobs.put(gzip.compress(data))).diff_id == digests.of(data) != DIFF_ID
    with pytest.raises(DigestMismatch):
        store.unpack(blobs.put(gzip.compress(data)), DIFF_ID)


# Nothing is kept of what is wrong

WRONG: list[tuple[str, bytes, type[EngineError]]] = [
    ("another tar", tar("other"), DigestMismatch),
    ("a tar cut short", TAR[:-20_000], MalformedLayer),
    ("gzip cut short", gzip.compress(TAR)[:-2000], MalformedLayer),
    ("zstd cut short", zstandard.ZstdCompressor().compress(TAR)[:-2000], MalformedLayer),
    ("zstd without its end", zstandard.ZstdCompressor().compress(TAR + bytes(10**6))[:-5], MalformedLayer),
    ("no tar", b"<html>" * 1000, MalformedLayer),
    ("no tar in gzip", gzip.compress(b"<html>" * 1000), MalformedLayer),
    ("a broken rule at the end", tar(item("big", content=BIG), "x", "x"), MalformedLayer),
    ("too much", gzip.compress(bytes(9_000_000)), LimitExceeded),
]


@pytest.mark.parametrize(("data", "error"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG])
def test_a_wrong_blob_is_refused_and_nothing_of_it_kept(
    data: bytes, error: type[EngineError], blobs: Counted, cache: Path
) -> None:
    blob = blobs.put(data)
    store = LayerStore(blobs, cache, limits=Limits(unpacked=8_000_000))
    for read in (store.unpack, store.get):
        with pytest.raises(error):
            read(blob, DIFF_ID)
        assert os.listdir(cache) == []


def test_an_unknown_blob_is_an_error_and_leaves_nothing(cache: Path) -> None:
    with pytest.raises(BlobUnknown):
        LayerStore(MemoryBlobs(), cache).get(OTHER, DIFF_ID)
    assert os.listdir(cache) == []


def test_progress_tells_the_bytes_of_the_blob_and_may_cancel(blobs: Counted, cache: Path) -> None:
    data = gzip.compress(TAR + os.urandom(20_000_000))
    blob, heard = blobs.put(data), list[int]()
    store = LayerStore(blobs, cache)
    store.unpack(blob, progress=heard.append)
    assert heard == sorted(heard)
    assert heard[-1] == len(data)
    assert len(heard) > 10

    def cancel(done: int) -> None:
        if done > len(data) // 2:
            raise Cancelled

    kept = sorted(os.listdir(cache))
    threads = threading.active_count()
    with pytest.raises(Cancelled):
        store.unpack(blob, progress=cancel)
    assert sorted(os.listdir(cache)) == kept
    assert threading.active_count() == threads


def test_an_error_of_the_disk_ends_the_threads_and_leaves_nothing(cache: Path) -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 2 << 20:
                raise OSError("the disk is gone")
            return super().read(size)

    class FailingBlobs(MemoryBlobs):
        def open(self, digest: Digest) -> BinaryIO:
            return Failing(super().open(digest).read())

    blobs = FailingBlobs()
    blob, threads = blobs.put(TAR), threading.active_count()
    with pytest.raises(OSError, match="the disk is gone"):
        LayerStore(blobs, cache).unpack(blob)
    assert os.listdir(cache) == []
    assert threading.active_count() == threads


SMALL = tar("d/", item("d/f", content=b"content" * 200), "l -> d", ".wh.x", item("n" * 150, content=b"y"))


@patient
@given(
    st.sampled_from(sorted(PACKINGS)),
    st.lists(
        st.tuples(st.sampled_from(["set", "cut", "drop", "insert"]), st.integers(0), st.binary(max_size=40)),
        min_size=1,
        max_size=4,
    ),
)
def test_random_damage_is_an_error_of_the_engine_or_harmless(
    packing: str, damage: list[tuple[str, int, bytes]]
) -> None:
    data = bytearray(PACKINGS[packing](SMALL))
    for how, where, junk in damage:
        at = where % (len(data) + 1)
        stop = {"set": at + len(junk), "cut": len(data), "drop": at + 7, "insert": at}[how]
        data[at:stop] = junk if how in ("set", "insert") else b""
    blobs = MemoryBlobs()
    blob, diff_id = blobs.put(bytes(data)), digests.of(SMALL)
    for expected in (diff_id, None):
        with tempfile.TemporaryDirectory() as cache:
            try:
                layer = LayerStore(blobs, Path(cache)).unpack(blob, expected)
            except EngineError:
                assert os.listdir(cache) == []
            else:
                assert expected is None or layer.diff_id == diff_id
                assert [len(layer.read(entry)) for entry in layer.entries.values()] == [
                    entry.size for entry in layer.entries.values()
                ]


def test_only_what_was_read_here_is_proved(blobs: Counted, cache: Path) -> None:
    blob = blobs.put(gzip.compress(TAR))
    store = LayerStore(blobs, cache)
    assert not store.proved(blob, DIFF_ID)
    with pytest.raises(DigestMismatch):
        store.unpack(blob, OTHER)
    assert not store.proved(blob, OTHER)
    store.unpack(blob, DIFF_ID)
    assert store.proved(blob, DIFF_ID)
    assert LayerStore(blobs, cache).proved(blob, DIFF_ID)
    assert not store.proved(blob, OTHER)
    assert not store.proved(OTHER, DIFF_ID)


# The cache may be torn


def torn(path: Path) -> Iterator[Callable[[], object]]:
    """Ways in which a crash may leave a file."""
    whole = path.read_bytes()
    yield lambda: path.write_bytes(b"")
    yield lambda: path.write_bytes(whole[: len(whole) // 2])
    yield lambda: path.write_bytes(bytes(len(whole)))
    yield lambda: path.write_bytes(whole[: len(whole) // 2] + bytes(len(whole) - len(whole) // 2))
    yield lambda: path.write_bytes(whole[:-100] + bytes(100))
    yield lambda: path.write_bytes(whole + b"more")
    yield lambda: path.write_bytes(whole[::-1])
    yield path.unlink


@pytest.mark.parametrize("suffix", [".tar", ".idx"])
@pytest.mark.parametrize("fresh", [True, False], ids=["in a new process", "in use"])
def test_a_torn_file_is_never_served(suffix: str, fresh: bool, blobs: Counted, cache: Path) -> None:
    blob = blobs.put(gzip.compress(TAR))
    store = LayerStore(blobs, cache)
    layer = store.unpack(blob, DIFF_ID)
    (path,) = cache.glob(f"*{suffix}")
    whole = path.read_bytes()
    for tear in torn(path):
        path.write_bytes(whole)
        tear()
        assert as_expected(LayerStore(blobs, cache).get(blob, DIFF_ID) if fresh else layer)
        if fresh or suffix == ".tar":
            assert as_expected(LayerStore(blobs, cache).get(blob, DIFF_ID))


def test_every_single_damaged_block_is_noticed(blobs: Counted, cache: Path) -> None:
    blob = blobs.put(TAR)
    layer = LayerStore(blobs, cache).unpack(blob, DIFF_ID)
    (path,) = cache.glob("*.tar")
    for at in range(512, len(BIG), 100_001):
        data = bytearray(TAR)
        data[at] ^= 1
        path.write_bytes(data)
        assert layer.read(layer.entries[b"big"]) == BIG


def test_an_index_of_another_version_is_made_again(
    blobs: Counted, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blob = blobs.put(TAR)
    with monkeypatch.context() as patch:
        patch.setattr(layerstore, "_MAGIC", b"layer index 0\n")
        LayerStore(blobs, cache).unpack(blob, DIFF_ID)
    assert as_expected(LayerStore(blobs, cache).get(blob, DIFF_ID))
    assert blobs.opened == 2


def test_an_index_under_the_name_of_another_layer_is_not_believed(blobs: Counted, cache: Path) -> None:
    store = LayerStore(blobs, cache)
    other = tar("other")
    store.unpack(blobs.put(other))
    (path,) = cache.glob("*.idx")
    path.rename(path.with_name(f"{digests.encoded(DIFF_ID)}.idx"))
    assert as_expected(LayerStore(blobs, cache).get(blobs.put(TAR), DIFF_ID))


def test_a_layer_whose_blob_is_gone_is_read_from_the_cache_alone(blobs: Counted, cache: Path) -> None:
    blob = blobs.put(TAR)
    LayerStore(blobs, cache).unpack(blob, DIFF_ID)
    assert as_expected(LayerStore(MemoryBlobs(), cache).get(blob, DIFF_ID))


# The cache is bounded


def test_the_files_unused_for_longest_go_first(blobs: Counted, cache: Path) -> None:
    tars = [tar(item(f"f{n}", content=os.urandom(1_000_000))) for n in range(4)]
    stored = [(blobs.put(data), digests.of(data)) for data in tars]
    store = LayerStore(blobs, cache, capacity=3_200_000)
    layers = [store.unpack(*one) for one in stored[:3]]
    for number, layer in enumerate(layers):
        os.utime(cache / f"{digests.encoded(layer.diff_id)}.tar", (number, number))
    layers[0].read(layers[0].entries[b"f0"], 0, 1)  # used just now
    store.unpack(*stored[3])
    kept = {path.stem for path in cache.glob("*.tar")}
    assert kept == {digests.encoded(diff_id) for n, (_, diff_id) in enumerate(stored) if n != 1}
    assert sum(path.stat().st_size for path in cache.iterdir()) <= 3_200_000


def test_a_layer_in_use_never_notices_that_it_was_evicted(blobs: Counted, cache: Path) -> None:
    one, two = tar(item("f", content=BIG)), tar(item("f", content=BIG[::-1]))
    store = LayerStore(blobs, cache, capacity=1)
    first, second = store.unpack(blobs.put(one)), store.unpack(blobs.put(two))
    for a, b in zip(first.chunks(first.entries[b"f"]), second.chunks(second.entries[b"f"]), strict=True):
        assert a in BIG
        assert b in BIG[::-1]
    assert len(list(cache.glob("*.tar"))) == 1


def test_other_files_in_use_are_left_and_abandoned_drafts_are_not(blobs: Counted, cache: Path) -> None:
    cache.mkdir()
    for name, age in (("old.draft", 7200), ("new.draft", 10)):
        (cache / name).write_bytes(b"x")
        os.utime(cache / name, (time.time() - age,) * 2)
    LayerStore(blobs, cache).unpack(blobs.put(TAR))
    assert sorted(path.name for path in cache.glob("*.draft")) == ["new.draft"]


def test_indices_in_memory_are_bounded_by_entries(blobs: Counted, cache: Path) -> None:
    stored = [(blobs.put(data), digests.of(data)) for data in (tar(*(f"{n}{m}" for m in range(9))) for n in range(5))]
    store = LayerStore(blobs, cache, entries=35)
    layers = [store.get(*one) for one in stored]
    assert [store.get(*one) is layer for one, layer in zip(stored[2:], layers[2:], strict=True)] == [True] * 3
    assert store.get(*stored[0]) is not layers[0]
    assert store.get(*stored[0]).entries == layers[0].entries
    assert blobs.opened == 5


def test_without_a_directory_the_cache_goes_with_the_store(
    blobs: Counted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    store = LayerStore(blobs)
    assert as_expected(store.unpack(blobs.put(TAR)))
    assert os.listdir(tmp_path) != []
    del store
    gc.collect()
    assert os.listdir(tmp_path) == []


# Many at once


def test_a_crowd_that_asks_for_a_layer_reads_it_once(blobs: Counted, cache: Path) -> None:
    blob = blobs.put(gzip.compress(TAR))
    store, found = LayerStore(blobs, cache), list[Layer]()
    crowd = [threading.Thread(target=lambda: found.append(store.get(blob, DIFF_ID))) for _ in range(16)]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join()
    assert blobs.opened == 1
    assert len(found) == 16
    assert len({id(layer) for layer in found}) == 1


def test_readers_and_evictions_at_once_see_nothing_but_the_truth(blobs: Counted, cache: Path) -> None:
    contents = [random.Random(n).randbytes(300_000) for n in range(4)]
    stored = [(blobs.put(data), digests.of(data)) for data in (tar(item("f", content=c)) for c in contents)]
    wrong = list[object]()

    def work(seed: int) -> None:
        choose = random.Random(seed)
        store = LayerStore(blobs, cache, capacity=700_000, entries=3)
        for _ in range(40):
            number = choose.randrange(4)
            try:
                layer = store.get(*stored[number])
                if layer.read(layer.entries[b"f"]) != contents[number]:
                    wrong.append(number)
            except BaseException as error:
                wrong.append(error)

    crowd = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join()
    assert wrong == []


def test_the_index_of_a_hundred_thousand_entries_loads_in_well_under_a_second(blobs: Counted, cache: Path) -> None:
    writer = LayerWriter()
    for number in range(100_000):
        if number % 100 == 0:
            writer.add(b"d%d" % (number // 100), Entry("dir", 0o755, 0, 0, 0))
        writer.add(b"d%d/file-%d" % (number // 100, number), Entry("file", 0o644, 0, 0, 0))
    written = writer.write(blobs)
    LayerStore(blobs, cache).unpack(written.digest, written.diff_id)
    times = []
    for _ in range(3):
        begin = time.process_time()
        layer = LayerStore(blobs, cache).get(written.digest, written.diff_id)
        times.append(time.process_time() - begin)
        assert len(layer.entries) == 101_000
    assert min(times) < 0.5
