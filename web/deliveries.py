"""Deliveries: commands that move blobs, and so may take their time, run beside the pages.

A kitchen's pull, push or load begins in a thread of this pool. A page waits for it a moment, since most end at once;
after that the page shows how far it has come, and can stop it. What it did is told by whoever began it, in the same
thread, before `ended` is set: who finds a delivery ended finds its outcome in place.

    delivery = deliveries.begin("k1", "docker pull debian", work)
    delivery.ended.wait(0.8)
    deliveries.of("k1")              # the delivery while it is under way, else None
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from engine import terminal
from engine.digest import Digest
from engine.events import Event, Progress

AT_ONCE: Final = 64
"""Deliveries of all kitchens that are under way at once."""
EACH: Final = 24
"""Those of one address; a class behind one shares it."""
PATIENCE: Final = 0.7
"""Seconds that an answer waits for a delivery before it shows how far that has come."""
LINES: Final = 12
"""Blobs whose progress is shown."""
_HELD: Final = frozenset({"exists", "present", "mounted"})
"""Phases of blobs that the other side has: none of their bytes move."""
_SETTLED: Final = frozenset({"done", "pushed"}) | _HELD
_COLUMNS: Final = 80
"""Of a terminal that is too narrow for bars: the page draws one of its own."""


class Delivery:
    """One command under way: what was typed, how far its blobs have come, and whether it is to end."""

    def __init__(self, typed: str, stopping: threading.Event) -> None:
        self.typed = typed
        self.ended = threading.Event()
        self._cancelled, self._stopping = threading.Event(), stopping
        self._blobs: dict[Digest, Progress] = {}

    def tell(self, event: Event) -> None:
        """Hears of progress."""
        if isinstance(event, Progress):
            self._blobs[event.digest] = event

    def cancel(self) -> None:
        """Have it end. The kitchen is then as it was; what a registry was given meanwhile, it forgets in its time."""
        self._cancelled.set()

    def cancelled(self) -> bool:
        """Whether it is to end: somebody wants that, or the server stops."""
        return self._cancelled.is_set() or self._stopping.is_set()

    @property
    def lines(self) -> tuple[str, ...]:
        """What docker's client would show of it: those that move first, at most `LINES`."""
        blobs = sorted(self._blobs.copy().values(), key=lambda event: event.phase in _SETTLED)
        return tuple(terminal.bar(event, _COLUMNS) for event in blobs[:LINES])

    @property
    def done(self) -> int:
        """Bytes that have come."""
        return sum(_come(event) for event in self._blobs.copy().values() if event.phase not in _HELD)

    @property
    def total(self) -> int:
        """Bytes that are to come, as far as that is known."""
        return sum(event.total for event in self._blobs.copy().values() if event.phase not in _HELD)


def _come(event: Progress) -> int:
    if event.phase in ("waiting", "preparing"):
        return 0
    return min(event.done, event.total) if event.phase in ("downloading", "pushing") else event.total


class Busy(Exception):
    """A delivery that cannot begin now, and why."""


class Deliveries:
    """The deliveries of all kitchens, one of each at a time, none waiting for another. `stopping` ends all."""

    patience = PATIENCE

    def __init__(self, stopping: threading.Event) -> None:
        self._stopping = stopping
        self._pool = ThreadPoolExecutor(AT_ONCE, "delivery")
        self._under_way: dict[str, tuple[Delivery, str]] = {}
        self._lock = threading.Lock()

    def begin(self, kitchen: str, address: str, typed: str, work: Callable[[Delivery], None]) -> Delivery:
        """`work` begun in a thread of its own, for a visitor at `address`; `Busy`. It must not raise."""
        delivery = Delivery(typed, self._stopping)
        with self._lock:
            if kitchen in self._under_way:
                raise Busy("another delivery is under way: wait for it, or stop it")
            if sum(address == other for _, other in self._under_way.values()) >= EACH:
                raise Busy("too many deliveries from your address are under way: wait a little")
            if len(self._under_way) >= AT_ONCE:
                raise Busy("the server moves as much as it can: wait a little")
            self._under_way[kitchen] = delivery, address

        def run() -> None:
            try:
                work(delivery)
            finally:
                with self._lock:
                    del self._under_way[kitchen]
                delivery.ended.set()

        self._pool.submit(run)
        return delivery

    def of(self, kitchen: str) -> Delivery | None:
        """What is under way to or from a kitchen."""
        return self._under_way.get(kitchen, (None, ""))[0]
