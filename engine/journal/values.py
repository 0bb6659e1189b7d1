"""What the journal hands out: kitchens, states, what a command came to; and its errors."""

from __future__ import annotations

from dataclasses import dataclass

from engine.digest import Digest
from engine.errors import EngineError
from engine.events import Event
from engine.host import Host


class KitchenUnknown(EngineError):
    """No kitchen has this id."""

    code, status = "KITCHEN_UNKNOWN", 404

    def __init__(self, kitchen: str) -> None:
        self.kitchen = kitchen
        super().__init__(f"there is no kitchen {kitchen[:80]!r}; open a new one")


class StateUnknown(EngineError):
    """No kept state has this id."""

    code, status = "STATE_UNKNOWN", 404

    def __init__(self, state: str) -> None:
        self.state = state
        super().__init__(f"there is no state {state[:80]!r}; the oldest states of a kitchen are not kept")


class HeadMoved(EngineError):
    """Another process changed the kitchen while this command ran; nothing of this one was kept."""

    code, status = "HEAD_MOVED", 409

    def __init__(self, kitchen: str) -> None:
        super().__init__(f"kitchen {kitchen} changed while the command ran; try again")


@dataclass(frozen=True, slots=True)
class Kitchen:
    """One host's journal. `secret` is known only to the answer of `create`; only its hash is stored."""

    id: str
    head: str
    created: str
    secret: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One state without its host: its place in the tree, and what made it. `number` counts a kitchen's states."""

    id: str
    kitchen: str
    parent: str | None
    number: int
    host_digest: Digest
    argv: tuple[str, ...]
    events: tuple[Event, ...]
    at: str


@dataclass(frozen=True, slots=True)
class State(Entry):
    """One state and its host."""

    host: Host


@dataclass(frozen=True, slots=True)
class Done:
    """What a command came to: the state that the head stands on now, docker's exit code, what the terminal shows."""

    state: State
    status: int
    out: str
    err: str
    events: tuple[Event, ...]
    changed: bool
