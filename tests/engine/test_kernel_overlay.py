"""The snapshot against the kernel: random file operations, applied to both, must leave no difference to see.

Both start from the same layers, ours from their tars, the kernel's laid out as directories; every operation must give
the same result or errno, the merged trees must be equal (kinds, modes, owners, sizes, contents, times, attributes, hard
links), and so must the kinds of the upper's nodes. ``OVERLAY_SEQUENCES`` sets how many sequences are tried however long
that takes, ``OVERLAY_SEED`` the first seed; a failure prints the fewest operations that still differ.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from engine.errors import FileError
from engine.memoryblobs import MemoryBlobs
from engine.merged import Merged
from engine.snapshot import Snapshot
from engine.union import Union
from engine.upper import EMPTY, Upper
from tests import peers
from tests.engine import kernel_overlay
from tests.engine.kernel_overlay import NOW
from tests.engine.operations import Operation, kind_of, load, make_node, make_operations, make_stack, perform, tree

SEQUENCES = int(os.environ.get("OVERLAY_SEQUENCES", "0"))
ENOUGH = 1500
"""Sequences where none are asked for; on a busy machine, those of `SECONDS`."""
SECONDS = 20.0
SEED = int(os.environ.get("OVERLAY_SEED", "0"))
PER_STACK = 25
"""Sequences that share a stack of layers."""


class Kernel:
    """The process of `kernel_overlay`."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, kernel_overlay.__file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def ask(self, *request: Any) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        kernel_overlay.send(self._process.stdin, request)
        answer = kernel_overlay.receive(self._process.stdout)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    peers.need_root()
    process = Kernel()
    try:
        process.ask("stack", [{b"": make_node(random.Random(0), "dir")}])
        process.ask("run", [])
    except (OSError, EOFError, BrokenPipeError) as error:
        process.close()
        peers.missing(f"needs a kernel overlay mount: {error}")
    yield process
    process.close()


def ours(union: Union, operations: list[Operation]) -> tuple[Any, ...]:
    """What the snapshot makes of the operations, in the words of `kernel_overlay`."""
    blobs = MemoryBlobs()
    files = Snapshot(union, EMPTY, blobs, now=lambda: NOW)
    results: list[Any] = []
    for name, *arguments in operations:
        try:
            results.append(perform(files, name, arguments))
        except FileError as error:
            results.append(error.name)
    upper = Upper.decode(files.freeze().encode())
    return results, tree(Merged(union, upper, blobs)), {p: kind_of(node) for p, node in upper.nodes.items()}


def differences(kernel: Kernel, union: Union, operations: list[Operation]) -> list[str]:
    """What the kernel (first) and the snapshot (second) do not agree on."""
    theirs, mine = kernel.ask("run", operations), ours(union, operations)
    found = [f"{op}: {a!r} {b!r}" for op, a, b in zip(operations, theirs[0], mine[0], strict=True) if a != b]
    for a, b in zip(theirs[1:], mine[1:], strict=True):
        found += [f"{p!r}: {a.get(p)!r} {b.get(p)!r}" for p in sorted({*a, *b}) if a.get(p) != b.get(p)]
    return found


def fewest(kernel: Kernel, union: Union, operations: list[Operation]) -> list[Operation]:
    """Operations without which the difference would be gone, in their order."""
    at = 0
    while at < len(operations):
        fewer = operations[:at] + operations[at + 1 :]
        if differences(kernel, union, fewer):
            operations = fewer
        else:
            at += 1
    return operations


@pytest.mark.peer("kernel overlayfs")
def test_random_file_operations_leave_what_they_leave_on_a_kernel_overlay(kernel: Kernel) -> None:
    # rules 4, 12, 13, 28 to 35
    until = time.monotonic() + SECONDS
    for seed in range(SEED, SEED + -(-(SEQUENCES or ENOUGH) // PER_STACK)):
        if not SEQUENCES and time.monotonic() > until:
            break
        rng = random.Random(seed)
        layers = make_stack(rng)
        union = load(layers)
        kernel.ask("stack", layers)
        for _ in range(PER_STACK):
            operations = make_operations(rng, union)
            if differences(kernel, union, operations):
                least = fewest(kernel, union, operations)
                told = "\n".join([*map(repr, least), "", *differences(kernel, union, least)])
                pytest.fail(f"seed {seed}: the kernel, then ours, after\n{told}", pytrace=False)
