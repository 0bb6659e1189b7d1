"""gzip, zstd or none: recognised by their first bytes, read to the end, and bounded."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import random
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from engine.compression import CHUNK, RATIO_FROM, compress, decompress
from engine.errors import EngineError, LimitExceeded, MalformedLayer, Unsupported
from tests.engine.tars import patient

TEXT = b"".join(b"line %d\n" % n for n in range(50_000)) + os.urandom(CHUNK)
HALF = len(TEXT) // 2
SKIPPABLE = b"\x5a\x2a\x4d\x18" + (6).to_bytes(4, "little") + b"ignore"


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_content_size=False).compress(data)


def whole(data: bytes, size: int = 64 << 10, limit: int = 1 << 30, ratio: int = 200) -> bytes:
    pieces = (data[at : at + size] for at in range(0, len(data), size))
    return b"".join(decompress(pieces, limit=limit, ratio=ratio))


STREAMS = {
    "plain": TEXT,
    "gzip": gzip.compress(TEXT),
    "gzip with a name and a comment": b"\x1f\x8b\x08\x18" + bytes(6) + b"name\0comment\0" + gzip.compress(TEXT)[10:],
    "two gzip members": gzip.compress(TEXT[:HALF]) + gzip.compress(TEXT[HALF:]),
    "an empty gzip member first": gzip.compress(b"") + gzip.compress(TEXT),
    "a gzip member for every part": b"".join(gzip.compress(TEXT[at : at + 9999]) for at in range(0, len(TEXT), 9999)),
    "gzip and padding": gzip.compress(TEXT) + bytes(512),
    "zstd": zstd(TEXT),
    "two zstd frames": zstd(TEXT[:HALF]) + zstd(TEXT[HALF:]),
    "a skippable zstd frame first": SKIPPABLE + zstd(TEXT),
    "a skippable zstd frame last": zstd(TEXT) + SKIPPABLE,
}


@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)
def test_the_same_bytes_come_out_of_every_packing(stream: bytes) -> None:  # rule 18
    assert whole(stream) == TEXT


@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)
def test_every_chunk_but_the_last_is_whole(stream: bytes) -> None:
    sizes = [len(chunk) for chunk in decompress([stream], limit=1 << 30, ratio=200)]
    assert sizes == [CHUNK] * (len(TEXT) // CHUNK) + [len(TEXT) % CHUNK]


@pytest.mark.parametrize("name", ["plain", "two gzip members", "two zstd frames"])
@pytest.mark.parametrize("size", [1, 5, 1000])
def test_pieces_may_be_of_any_size(name: str, size: int) -> None:
    short = {"plain": b"abc", "two gzip members": gzip.compress(b"a") + gzip.compress(b"bc")}
    assert whole(short.get(name, zstd(b"ab") + zstd(b"c")), size) == b"abc"


def test_nothing_becomes_nothing() -> None:
    assert whole(b"") == b""
    assert list(decompress([b"", b""], limit=1, ratio=1)) == []


@pytest.mark.parametrize(
    ("data", "name"),
    [(lzma.compress(b"x"), "xz"), (bz2.compress(b"x"), "bzip2"), (b"\x04\x22\x4d\x18" + bytes(9), "lz4")],
)
def test_other_compressions_are_refused_by_name(data: bytes, name: str) -> None:  # rule 18
    with pytest.raises(Unsupported, match=name):
        whole(data)


@pytest.mark.parametrize("pack", [gzip.compress, zstd, bytes], ids=["gzip", "zstd", "plain"])
def test_bytes_out_are_bounded(pack: object) -> None:  # rule 18
    data = pack(bytes(3 * CHUNK))  # type: ignore[operator]
    assert len(whole(data, limit=3 * CHUNK)) == 3 * CHUNK
    with pytest.raises(LimitExceeded) as error:
        whole(data, limit=3 * CHUNK - 1)
    assert error.value.limit == 3 * CHUNK - 1


@pytest.mark.parametrize("pack", [gzip.compress, zstd], ids=["gzip", "zstd"])
def test_the_ratio_is_judged_only_of_a_large_stream(pack: object) -> None:  # rule 18
    assert len(whole(pack(bytes(RATIO_FROM)), ratio=2)) == RATIO_FROM  # type: ignore[operator]
    with pytest.raises(LimitExceeded) as error:
        whole(pack(bytes(RATIO_FROM + CHUNK)), ratio=200)  # type: ignore[operator]
    assert error.value.limit == 200


def test_a_bomb_takes_no_memory() -> None:  # rule 18
    bomb = zstandard.ZstdCompressor(level=19).compress(bytes(256 << 20))
    assert len(bomb) < 32 << 10
    tracemalloc.start()
    with pytest.raises(LimitExceeded):
        sum(len(chunk) for chunk in decompress([bomb], limit=1 << 30, ratio=200))
    assert tracemalloc.get_traced_memory()[1] < 16 << 20
    tracemalloc.stop()


@pytest.mark.parametrize("stream", ["gzip", "two gzip members"])
@pytest.mark.parametrize("cut", [1, 4, 8, 9, 1000, HALF])
def test_gzip_cut_short_is_refused(stream: str, cut: int) -> None:
    with pytest.raises(MalformedLayer):
        whole(STREAMS[stream][:-cut])


@pytest.mark.parametrize("pack", [zstd, zstandard.ZstdCompressor(write_checksum=True).compress])
@pytest.mark.parametrize("data", [b"pizza", bytes(10_240), random.Random(1).randbytes(300_000) + bytes(300_000)])
def test_zstd_cut_short_anywhere_is_refused(pack: Callable[[bytes], bytes], data: bytes) -> None:
    stream = pack(data)
    places = {
        *range(4, min(len(stream), 600)),
        *range(600, len(stream), 997),
        *range(max(4, len(stream) - 20), len(stream)),
    }
    for at in places - {len(stream)}:
        with pytest.raises(MalformedLayer):
            whole(stream[:at])
        with pytest.raises(MalformedLayer):
            whole(stream + stream[:at])
    assert whole(stream + stream) == data + data


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_what_follows_the_compressed_stream_must_be_one_too(name: str) -> None:
    with pytest.raises(MalformedLayer):
        whole(STREAMS[name] + b"something else, and more of it")


@patient
@given(st.sampled_from(["gzip", "zstd", "two gzip members"]), st.integers(0, 2**20), st.integers(1, 255))
def test_damage_is_an_error_of_the_engine_or_harmless(name: str, at: int, change: int) -> None:
    stream = bytearray(STREAMS[name])
    stream[at % len(stream)] ^= change
    with suppress(EngineError):
        whole(bytes(stream))


def test_an_error_of_the_source_passes_as_it_is() -> None:
    def source() -> Iterator[bytes]:
        yield STREAMS["gzip"][:1000]
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        list(decompress(source(), limit=1 << 30, ratio=200))


def test_what_we_compress_everybody_reads_and_it_bears_no_date() -> None:  # rule 37
    packed = b"".join(compress([TEXT[:HALF], TEXT[HALF:]]))
    assert gzip.decompress(packed) == zlib.decompress(packed, 31) == whole(packed) == TEXT
    assert packed[3] == 0, "no name, no comment"
    assert packed[4:8] == bytes(4), "mtime 0"
    assert len(packed) < 0.8 * len(TEXT)


def test_the_same_bytes_compress_to_the_same_bytes() -> None:  # rule 37
    assert b"".join(compress([TEXT])) == b"".join(compress([TEXT]))
    assert io.BytesIO(b"".join(compress([]))).read(2) == b"\x1f\x8b"
