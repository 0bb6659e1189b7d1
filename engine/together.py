"""Several threads at one transfer: who watches hears of one thing at a time, and the first that fails ends all.

together = Together(progress, cancelled, remote.abort)
with ThreadPoolExecutor(3) as threads, together.failing():
    for done in [threads.submit(each, layer) for layer in layers]:      # each does its work in `together.failing`
        done.result()
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from engine.errors import Cancelled, Denied, EngineError, Unauthorized, Unreachable
from engine.events import Event

_SPEAKING: Final = (Cancelled, Denied, Unauthorized, Unreachable)
"""What says itself what it was about."""


class Latch:
    """A question that several threads ask, one at a time, and nobody any more once the answer was yes."""

    def __init__(self, question: Callable[[], bool]) -> None:
        self._question, self._lock = question, threading.Lock()
        self.closed = False

    def __call__(self) -> bool:
        with self._lock:
            self.closed = self.closed or self._question()
            return self.closed

    def close(self) -> None:
        """Have the answer be yes."""
        self.closed = True


class Together:
    """See the module. `cancelled` says yes as soon as one has failed; `abort` then ends what waits for a peer."""

    def __init__(
        self, progress: Callable[[Event], None], cancelled: Callable[[], bool], abort: Callable[[], None]
    ) -> None:
        self._lock = threading.RLock()
        self._progress, self._abort = progress, abort
        self.cancelled = Latch(cancelled)
        self._first: BaseException | None = None

    def progress(self, event: Event) -> None:
        """Tell who watches."""
        with self._lock:
            self._progress(event)

    @contextmanager
    def failing(self, doing: str = "") -> Iterator[None]:
        """Within it, what fails first, while `doing` that, ends all, and is what every other fails by then."""
        try:
            yield
        except BaseException as error:
            with self._lock:
                if self._first is None:
                    named = doing and isinstance(error, EngineError) and not isinstance(error, _SPEAKING)
                    self._first = error.while_(doing) if named else error  # type: ignore[attr-defined]
                    self.cancelled.close()
                    self._abort()
            raise self._first from (error if self._first is not error else None)
