"""Which commands are running, in any process: what they store or find must outlive a sweep (rule 39).

Each process has a file that is locked while commands run in it; its time is when the oldest of them began. Whatever a
running command stores, or finds and renews, is younger than that. Who is killed loses the lock with its life.
"""

from __future__ import annotations

import math
import os
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout


class Leases:
    """The files in `directory`. Usable from several threads."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(exist_ok=True)
        self._directory = directory
        self._file = FileLock(directory / secrets.token_hex(8), thread_local=False)
        self._mutex = threading.Lock()
        self._running: list[float] = []

    @contextmanager
    def hold(self) -> Iterator[None]:
        """While a command runs."""
        began = time.time()
        try:  # all of it: an interrupt may come at any moment
            with self._mutex:
                if not self._running:
                    self._file.acquire()
                self._running.append(began)
                self._date()
            yield
        finally:
            with self._mutex:
                if began in self._running:
                    self._running.remove(began)
                self._date()
                if not self._running and self._file.is_locked:
                    with suppress(OSError):  # a system that minds leaves it to the next sweep
                        os.unlink(self._file.lock_file)
                    self._file.release()

    def oldest(self) -> float:
        """When the oldest running command began, in seconds since the epoch; infinity where none runs."""
        return min((self._began(path) for path in self._directory.iterdir()), default=math.inf)

    def _date(self) -> None:
        if self._running:
            os.utime(self._file.lock_file, (self._running[0], self._running[0]))

    def _began(self, path: Path) -> float:
        """When the oldest command behind `path` began; a file that nobody has locked goes."""
        with suppress(FileNotFoundError):
            try:
                with FileLock(path, timeout=0):
                    path.unlink()
            except Timeout:
                return path.stat().st_mtime
        return math.inf
