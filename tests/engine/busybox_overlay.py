"""A real busybox on a real overlay: a process of its own, like `kernel_overlay`, that runs commands over layers.

Run by `python tests/engine/busybox_overlay.py`, as root. ``("stack", layers)`` lays layers out as directories, one of
them with a busybox in it; ``("sh", argv, environment)`` runs a command in a fresh upper over them, chrooted, and tells
its exit code, output, errors and the merged tree. OVERLAY_DIRECTORY names a directory that can hold an upper.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.engine import kernel_overlay
from tests.engine.kernel_overlay import OPTIONS, Machine

SECONDS = 20


class Box(Machine):
    """See the module."""

    def sh(self, argv: list[bytes], environment: dict[bytes, bytes]) -> tuple[Any, ...]:
        """Run a command; see the module."""
        upper, work, merged = (b"%b/%b" % (self.base, name) for name in (b"upper", b"work", b"merged"))
        for directory in (upper, work, merged):
            os.mkdir(directory)
        kernel_overlay._dress(upper, self.root)
        lowers = b":".join(reversed(self.lowers))
        data = b"lowerdir=%b,upperdir=%b,workdir=%b,%b" % (lowers, upper, work, OPTIONS.encode())
        start = time.time_ns() - 50_000_000  # the kernel's clock for files is coarse
        kernel_overlay._call("mount", b"overlay", merged, b"overlay", 0, data)
        try:
            done = subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                preexec_fn=lambda: (os.chroot(merged), os.chdir("/")),
                env=environment,
                timeout=SECONDS,
            )
            os.chroot(merged)
            try:
                found = kernel_overlay.tree(start)
            finally:
                os.fchdir(self.outside)
                os.chroot(".")
            return done.returncode, done.stdout, done.stderr, found
        finally:
            kernel_overlay._call("umount2", merged, kernel_overlay._MNT_DETACH)
            for directory in (upper, work, merged):
                shutil.rmtree(directory)


def main() -> None:
    """Obey until the pipe closes."""
    os.umask(0o022)
    machine = Box(os.environ.get("OVERLAY_DIRECTORY") or tempfile.gettempdir())
    with suppress(EOFError):
        while True:
            request = kernel_overlay.receive(sys.stdin.buffer)
            answer: Any
            try:
                answer = getattr(machine, request[0])(*request[1:])
            except Exception as error:
                answer = error
            kernel_overlay.send(sys.stdout.buffer, answer)
    machine.close()


if __name__ == "__main__":
    main()
