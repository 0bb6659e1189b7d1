"""Temporary files that leave a reserve of the disk."""

from __future__ import annotations

import gc
import io
import os
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from engine import scratch
from engine.archive.tarsource import opened
from engine.errors import DiskFull
from tests.engine.oci import tarball, zipped

Usage = namedtuple("Usage", "total used free")


def left(monkeypatch: pytest.MonkeyPatch, free: int, seen: list[Path] | None = None) -> None:
    def usage(path: Path) -> Usage:
        if seen is not None:
            seen.append(path)
        return Usage(0, 0, free)

    monkeypatch.setattr(shutil, "disk_usage", usage)


def test_a_file_keeps_what_is_written_and_has_no_name(tmp_path: Path) -> None:
    with scratch.file(tmp_path) as file:
        for number in range(100):
            assert file.write(bytes([number]) * 50_000) == 50_000
        file.seek(0)
        assert file.read() == b"".join(bytes([number]) * 50_000 for number in range(100))
        assert os.fstat(file.fileno()).st_dev == tmp_path.stat().st_dev
        assert list(tmp_path.iterdir()) == []


def test_a_file_that_would_fill_the_disk_is_refused_and_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Path] = []
    file = scratch.file(tmp_path)
    left(monkeypatch, scratch.RESERVE + 100, seen)
    file.write(bytes(100))
    with pytest.raises(DiskFull, match="268,435,456 bytes; try later"):
        file.write(bytes(2 << 20))
    assert file.closed
    assert set(seen) == {tmp_path}


def test_the_reserve_is_looked_at_often_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with scratch.file(tmp_path) as file:
        file.write(bytes(1))
        left(monkeypatch, scratch.RESERVE)
        written: list[int] = []
        with pytest.raises(DiskFull):
            written.extend(file.write(bytes(1 << 16)) for _ in range(64))
    assert sum(written) <= 1 << 20


def test_a_file_that_nobody_closes_is_closed_without_a_word(tmp_path: Path) -> None:
    file = scratch.file(tmp_path)
    descriptor = file.fileno()
    file.write(b"x")
    del file
    gc.collect()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_a_packed_archive_is_unpacked_within_the_reserve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Path] = []
    left(monkeypatch, scratch.RESERVE, seen)
    with pytest.raises(DiskFull), opened(io.BytesIO(zipped(tarball({"a": b"a"}))), directory=tmp_path):
        pass
    assert set(seen) == {tmp_path}
