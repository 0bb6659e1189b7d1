"""A whole Debian layer, from the bytes of its blob to a usable index, against the least that anybody must do.

The floor is one thread that inflates (isal), hashes the blob and the tar, and walks the headers. Ours does all that
and keeps the blob, durably, and the tar and its index besides.
"""

from __future__ import annotations

import gzip
import hashlib
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from isal import igzip

from engine import digest as digests
from engine.blobs import DirectoryBlobs
from engine.digest import Digest
from engine.layerstore import LayerStore
from engine.tar import Reader
from tests.bench import _debian

AT_MOST = 1.5


def main() -> int:
    """Print our time as a multiple of the floor: the best of three runs of each, by turns."""
    layer = _debian.layer()
    blob = digests.of_chunks(_pieces(layer))
    with gzip.open(layer) as stream:
        diff_id = digests.of_chunks(iter(partial(stream.read, 1 << 20), b""))
    runs = [(_floor(layer), _ours(layer, blob, diff_id)) for _ in range(3)]
    floor, (stored, unpacked) = min(run[0] for run in runs), min((run[1] for run in runs), key=sum)
    print(f"{layer.name}: {layer.stat().st_size / 1e6:.1f} MB compressed; floor {floor:.2f} s")
    print(f"store the blob {stored:.2f} s, read it as a layer {unpacked:.2f} s")
    print(f"whole read: {(stored + unpacked) / floor:.2f}x the floor (at most {AT_MOST}x)")
    return int(stored + unpacked > AT_MOST * floor)


def _pieces(layer: Path) -> Iterator[bytes]:
    with layer.open("rb") as stream:
        yield from iter(partial(stream.read, 256 << 10), b"")


def _floor(layer: Path) -> float:
    begin, blob_hash, tar_hash, reader = time.perf_counter(), hashlib.sha256(), hashlib.sha256(), Reader()
    for piece in _pieces(layer):
        blob_hash.update(piece)
    with igzip.open(layer) as stream:
        for chunk in iter(partial(stream.read, 1 << 20), b""):
            tar_hash.update(chunk)
            for _ in reader.feed(chunk):
                pass
    reader.close()
    return time.perf_counter() - begin


def _ours(layer: Path, blob: Digest, diff_id: Digest) -> tuple[float, float]:
    with tempfile.TemporaryDirectory(dir=layer.parent) as directory:
        blobs = DirectoryBlobs(Path(directory) / "blobs")
        layers = LayerStore(blobs, Path(directory) / "cache")
        begin = time.perf_counter()
        blobs.put(_pieces(layer), digest=blob, size=layer.stat().st_size)
        stored = time.perf_counter()
        layers.unpack(blob, diff_id)
        return stored - begin, time.perf_counter() - stored


if __name__ == "__main__":
    sys.exit(main())
