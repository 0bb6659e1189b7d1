"""Starting a container: the same time for an image of 6 files and one of 100,000.

Each start finds nothing in memory: the journal is opened anew. No index of a layer is read for it; it takes what the
journal takes to store two states.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from engine.__main__ import Files
from engine.journal import Journal
from tests.engine import images

AT_MOST: Final = 1.3
FEW, MANY = 6, 100_000
ROUNDS: Final = 30


def main() -> int:
    """Prints the figures; exit code 1 where the bound does not hold."""
    with tempfile.TemporaryDirectory() as directory:
        data = Path(directory) / "data"
        menu = images.layout(
            Path(directory) / "menu", {f"bench/{count}": images.Recipe([_files(count)]) for count in (FEW, MANY)}
        )
        journal = Journal(data, quota=None)
        journal.create("k")
        journal.do("k", ["load", "-i", str(menu)], local=Files())
        journal.close()
        rounds = [(_start(data, FEW), _start(data, MANY)) for _ in range(ROUNDS)]
    few, many = (min(times) * 1000 for times in zip(*rounds, strict=True))
    print(f"create and start, the best of {ROUNDS}: {FEW} files {few:.1f} ms, {MANY:,} files {many:.1f} ms")
    print(f"{MANY:,} files: {many / few:.2f}x the time of {FEW} (at most {AT_MOST}x)")
    return int(many / few > AT_MOST)


def _files(count: int) -> images.Layer:
    """Short files, a hundred to a directory."""
    return {f"data/{n // 100}/{n}": b"%d\n" % n for n in range(count)}


def _start(data: Path, count: int) -> float:
    """Seconds to create and start a container of the image of `count` files."""
    journal = Journal(data, quota=None)
    begin = time.perf_counter()
    for argv in (["create", "--name", "box", f"bench/{count}"], ["start", "box"]):
        assert journal.do("k", argv).status == 0
    lasted = time.perf_counter() - begin
    journal.do("k", ["rm", "-f", "box"])
    journal.close()
    return lasted


if __name__ == "__main__":
    sys.exit(main())
