"""What the journal hands out: kitchens, states, what a command came to; and its errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from engine import events as facts
from engine.digest import Digest
from engine.errors import EngineError
from engine.events import AnyEvent, Event
from engine.host import Host


class KitchenUnknown(EngineError):
    """No kitchen has this id."""

    code, status = "KITCHEN_UNKNOWN", 404

    def __init__(self, kitchen: str) -> None:
        self.kitchen = kitchen
        super().__init__(f"there is no kitchen {kitchen[:80]!r}; open a new one")


class KitchenTaken(EngineError):
    """There is a kitchen of this name."""

    code, status = "KITCHEN_TAKEN", 409

    def __init__(self, kitchen: str) -> None:
        self.kitchen = kitchen
        super().__init__(f"there is a kitchen {kitchen!r} already; choose another name")


class InvalidKitchen(EngineError):
    """`text` cannot name a kitchen."""

    code = "KITCHEN_INVALID"

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(
            f"{text[:80]!r} cannot name a kitchen: use at most 63 letters, digits, '.', '_' and '-', "
            "a letter or digit first"
        )


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


class JournalFailed(EngineError):
    """The database of the journal in `file` cannot be used now, or at all; `why` tells."""

    code, status = "JOURNAL_FAILED", 503

    def __init__(self, file: str, why: str) -> None:
        self.file, self.why = file, why
        super().__init__(f"the journal {file} cannot be used: {why}")


@dataclass(frozen=True, slots=True)
class Kitchen:
    """One host's journal. `secret` is known only to the answer of `create`; only its hash is stored."""

    id: str
    head: str
    created: str
    secret: str = ""


class Gist(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the events of a command come to, small enough to be read of all states at once.

    `what` is the first event that brought or changed an image, a container or a file; of a tree that was removed, the
    removal of its root; else the first that took something away or only named, started or stopped it. Bytes: `sent`
    by registries, `given` to them, `loaded` from files, `stored` in new layers, `copied` up and `written` to files.
    """

    what: AnyEvent | None = None
    sent: int = 0
    given: int = 0
    loaded: int = 0
    stored: int = 0
    copied: int = 0
    written: int = 0


_TELLING: Final = (
    facts.ImagePulled,
    facts.ImagePushed,
    facts.ImageImported,
    facts.ImageLoaded,
    facts.ImageCommitted,
    facts.ContainerCreated,
    facts.FileCopiedUp,
    facts.PathWhitedOut,
    facts.PathRemoved,
    facts.FileCreated,
)


_ELSE: Final = (
    (facts.ContainerRemoved,),
    (
        facts.ImageLoaded,
        facts.ImageTagged,
        facts.ImageUntagged,
        facts.ImageDeleted,
        facts.ContainerStarted,
        facts.ContainerStopped,
    ),
)
"""What tells of a command that did nothing of that, in the order of what matters: `rm -f` stops what it removes."""


def gist(events: Sequence[Event]) -> Gist:
    """The gist of a command's events."""
    return Gist(
        what=_what(events),
        sent=sum(event.sent for event in events if isinstance(event, facts.ImagePulled)),
        given=sum(event.sent for event in events if isinstance(event, facts.ImagePushed)),
        loaded=sum(event.size for event in events if isinstance(event, facts.ImageLoaded | facts.ImageImported)),
        stored=sum(event.size for event in events if isinstance(event, facts.LayerCommitted)),
        copied=sum(event.size for event in events if isinstance(event, facts.FileCopiedUp)),
        written=sum(event.written for event in events if isinstance(event, facts.FileWritten)),
    )


def _what(events: Sequence[Event]) -> AnyEvent | None:
    """A directory that is copied up comes along with something else, what lay in a removed one along with that."""
    telling = (event for event in events if isinstance(event, _TELLING))
    first = next((e for e in telling if not (isinstance(e, facts.FileCopiedUp) and e.kind == "dir")), None)
    if isinstance(first, facts.PathWhitedOut | facts.PathRemoved):
        for event in events:
            if isinstance(event, facts.PathWhitedOut | facts.PathRemoved) and first.path.startswith(f"{event.path}/"):
                first = event
    return first or next((event for kinds in _ELSE for event in events if isinstance(event, kinds)), None)


@dataclass(frozen=True, slots=True)
class Entry:
    """One state without its host and events: its place in the tree, what made it, and what that came to. `number`
    counts a kitchen's states."""

    id: str
    kitchen: str
    parent: str | None
    number: int
    host_digest: Digest
    argv: tuple[str, ...]
    gist: Gist
    at: str


@dataclass(frozen=True, slots=True)
class State(Entry):
    """One state, all of it."""

    events: tuple[Event, ...]
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
