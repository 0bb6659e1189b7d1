"""Header parsing alone, every checksum verified, against Python's tarfile on the same uncompressed tar."""

from __future__ import annotations

import gzip
import mmap
import shutil
import sys
import tarfile
import tempfile
import time
from typing import cast

from engine.tar import Reader
from tests.bench import _debian

AT_LEAST = 3.0


def main() -> int:
    """Print how many times as fast as ``tarfile.getmembers()`` our reader is: the best of three runs each."""
    layer = _debian.layer()
    with tempfile.NamedTemporaryFile() as file:
        with gzip.open(layer) as stream:
            shutil.copyfileobj(stream, file, 1 << 20)
        file.flush()
        runs = [(_ours(file.fileno()), _theirs(file.name)) for _ in range(3)]
    (ours, count), (theirs, expected) = min(run[0] for run in runs), min(run[1] for run in runs)
    assert count == expected, f"we found {count} members, tarfile {expected}"
    print(f"{layer.name}: {count:,} members; tarfile {theirs * 1000:.0f} ms, ours {ours * 1000:.0f} ms")
    print(f"header parsing: {theirs / ours:.1f}x tarfile (at least {AT_LEAST}x)")
    return int(theirs / ours < AT_LEAST)


def _ours(descriptor: int) -> tuple[float, int]:
    with mmap.mmap(descriptor, 0, prot=mmap.PROT_READ) as view:
        begin, reader = time.perf_counter(), Reader()
        count = sum(1 for _ in reader.feed(cast(bytes, view)))
        reader.close()
        return time.perf_counter() - begin, count


def _theirs(path: str) -> tuple[float, int]:
    begin = time.perf_counter()
    with tarfile.open(path, "r:") as archive:
        count = len(archive.getmembers())
        return time.perf_counter() - begin, count


if __name__ == "__main__":
    sys.exit(main())
