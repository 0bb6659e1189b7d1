"""Peak memory of writing and reading a layer of 1 GB, against one of 64 MB: flat, whatever the layer holds.

Each is measured in a process of its own, as the kernel's high-water mark (Linux). Content is made on the fly, random
and zero bytes by turns.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from engine.blobs import DirectoryBlobs
from engine.layer import Entry
from engine.layerstore import LayerStore
from engine.layerwriter import LayerWriter

AT_MOST = 1.5
_FILE = 32 << 20
_PIECE = 1 << 20


def main() -> int:
    """Print both peaks and their ratio."""
    small, large = _measured(64 << 20), _measured(1 << 30)
    print(f"peak memory: 64 MB layer {small / 1e6:.0f} MB, 1 GB layer {large / 1e6:.0f} MB")
    print(f"16 times the layer: {large / small:.2f}x the memory (at most {AT_MOST}x)")
    return int(large > AT_MOST * small)


def _measured(size: int) -> int:
    """The peak of a fresh process that writes and reads a layer of `size` bytes."""
    done = subprocess.run([sys.executable, "-m", __spec__.name, str(size)], capture_output=True, check=True, text=True)
    return int(done.stdout)


def _write_and_read(size: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        blobs = DirectoryBlobs(Path(directory) / "blobs")
        writer = LayerWriter()
        for number in range(size // _FILE):
            writer.add(b"%d" % number, Entry("file", 0o644, 0, 0, 0, size=_FILE), _content())
        written = writer.write(blobs)
        layer = LayerStore(blobs, Path(directory) / "cache").unpack(written.digest, written.diff_id)
        assert sum(len(chunk) for entry in layer.entries.values() for chunk in layer.chunks(entry)) == size


def _content() -> Iterator[bytes]:
    for _ in range(_FILE // _PIECE // 2):
        yield os.urandom(_PIECE)
        yield bytes(_PIECE)


def _peak() -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) << 10


if __name__ == "__main__":
    if len(sys.argv) > 1:
        _write_and_read(int(sys.argv[1]))
        print(_peak())
    else:
        sys.exit(main())
