"""States as rows of tables: read, appended, let go; each within a transaction that the caller has begun.

A host value is one row however many states have it. For each kitchen it is counted how many of its states reach each
blob, so a state comes and goes at the cost of what it reaches itself, whatever else is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Connection, Row, bindparam, delete, func, select, update
from sqlalchemy.dialects.sqlite import insert

from engine import events as facts
from engine import host as hosts
from engine.digest import Digest
from engine.digest import of as digest_of
from engine.errors import Corrupt, EngineError, LimitExceeded
from engine.events import AnyEvent, Event
from engine.host import Host
from engine.image import Recent
from engine.journal.schema import HOLDINGS, HOSTS, KITCHENS, STATES
from engine.journal.values import Entry, Gist, HeadMoved, Kitchen, KitchenUnknown, State, StateUnknown, gist

_ENTRY: Final = (
    STATES.c.id,
    STATES.c.kitchen,
    STATES.c.parent,
    STATES.c.number,
    STATES.c.host,
    STATES.c.argv,
    STATES.c.gist,
    STATES.c.at,
)
_WORDS: Final = msgspec.json.Decoder(tuple[str, ...])
_GIST: Final = msgspec.json.Decoder(Gist)
_LARGE: Final = 64 << 10
"""Bytes of a state's events from which on those of all its kitchen are added up against the quota."""


_ROOM: Final = 32 << 20
"""Bytes of memory, about, that each of the caches may take: visitors decide how large a state is."""


def _weight_of_events(events: tuple[AnyEvent, ...]) -> int:
    return 3 * len(facts.encode(events))


def _weight_of_entries(entries: list[Entry]) -> int:
    return sum(2_000 + sum(map(len, one.argv)) + len(getattr(one.gist.what, "path", "")) for one in entries)


# The statements that every command needs are built once: SQLAlchemy takes longer to build one than to run it.
_KITCHEN: Final = select(KITCHENS).where(KITCHENS.c.id == bindparam("kitchen"))
_STATE: Final = select(*_ENTRY, STATES.c.events).where(STATES.c.id == bindparam("state"))
_USED: Final = select(func.coalesce(func.sum(HOLDINGS.c.size), 0)).where(HOLDINGS.c.kitchen == bindparam("kitchen"))
_HIGHEST: Final = select(func.max(STATES.c.number)).where(STATES.c.kitchen == bindparam("kitchen"))
_LOWEST: Final = select(func.min(STATES.c.number)).where(STATES.c.kitchen == bindparam("kitchen"))
_SINCE: Final = (
    select(*_ENTRY)
    .where(STATES.c.kitchen == bindparam("kitchen"), STATES.c.number > bindparam("last"))
    .order_by(STATES.c.number)
)
_ADD_HOST: Final = insert(HOSTS).on_conflict_do_nothing()
_ADD_STATE: Final = insert(STATES)
_HOLD: Final = insert(HOLDINGS).on_conflict_do_update(
    index_elements=("kitchen", "digest"), set_={"states": HOLDINGS.c.states + 1}
)
_SWAP: Final = (
    update(KITCHENS)
    .where(KITCHENS.c.id == bindparam("kitchen"), KITCHENS.c.head == bindparam("old"))
    .values(head=bindparam("new"))
)
_OLD: Final = (STATES.c.kitchen == bindparam("kitchen"), STATES.c.number <= bindparam("last"))
_EXPIRED: Final = select(STATES.c.host).where(*_OLD)
_EXPIRE: Final = delete(STATES).where(*_OLD)


class New(NamedTuple):
    """A state that is not stored yet; its number comes with that."""

    id: str
    kitchen: str
    parent: str | None
    argv: tuple[str, ...]
    at: str
    events: tuple[Event, ...]
    host: Host


class Rows:
    """See the module. `reach` tells the blobs that a host reaches, with sizes. `quota` bounds these for all states of a
    kitchen together, `keep` the number of its states."""

    def __init__(self, reach: Callable[[Host], Mapping[Digest, int]], quota: int | None, keep: int) -> None:
        self._reach, self._quota, self._keep = reach, quota, keep
        self._hosts: Recent[Digest, Host] = Recent(1024, room=_ROOM, weigh=lambda host: 5 * len(hosts.encode(host)))
        self._reached: Recent[Digest, Mapping[Digest, int]] = Recent(1024, room=_ROOM, weigh=lambda it: 250 * len(it))
        self._events: Recent[str, tuple[AnyEvent, ...]] = Recent(256, room=_ROOM, weigh=_weight_of_events)
        self._entries: Recent[str, list[Entry]] = Recent(1024, room=_ROOM, weigh=_weight_of_entries)

    # Reading

    def kitchen(self, db: Connection, kitchen: str) -> Kitchen:
        """A kitchen; `KitchenUnknown`."""
        row = db.execute(_KITCHEN, {"kitchen": kitchen}).first()
        if not row:
            raise KitchenUnknown(kitchen)
        return Kitchen(row.id, row.head, row.created)

    def state(self, db: Connection, state: str) -> State:
        """A state, all of it; `StateUnknown`."""
        row = db.execute(_STATE, {"state": state}).first()
        if not row:
            raise StateUnknown(state)
        known = entry(row)
        fields = {name: getattr(known, name) for name in Entry.__slots__}
        return State(**fields, events=facts.decode(row.events), host=self._host(db, known.host_digest))

    def entries(self, db: Connection, kitchen: str) -> list[Entry]:
        """Every kept state of a kitchen, oldest first. A stored state never changes: only those since are read."""
        known = self._entries.get(kitchen, list)
        last = known[-1].number if known else -1
        fresh = [entry(row) for row in db.execute(_SINCE, {"kitchen": kitchen, "last": last})]
        if fresh:
            if known:  # only with a new one do old ones go
                first = db.execute(_LOWEST, {"kitchen": kitchen}).scalar_one()
                known = [one for one in known if one.number >= first]
            known = [*known, *fresh]
            self._entries.put(kitchen, known)
        return [*known]

    def events(self, db: Connection, state: str) -> tuple[AnyEvent, ...]:
        """What happened on the way to a state; `StateUnknown`."""

        def read() -> tuple[AnyEvent, ...]:
            found = db.execute(select(STATES.c.events).where(STATES.c.id == state)).scalar()
            if found is None:
                raise StateUnknown(state)
            return facts.decode(found)

        return self._events.get(state, read)

    def used(self, db: Connection, kitchen: str) -> int:
        """Bytes of the blobs that the states of a kitchen reach."""
        return int(db.execute(_USED, {"kitchen": kitchen}).scalar_one())

    # Writing

    def append(self, db: Connection, new: New) -> State:
        """A state stored under the next number of its kitchen, the oldest ones let go; `LimitExceeded`."""
        body, events = hosts.encode(new.host), facts.encode(new.events)
        digest, told = digest_of(body), gist(new.events)
        highest = db.execute(_HIGHEST, {"kitchen": new.kitchen}).scalar()
        number = 0 if highest is None else highest + 1
        db.execute(_ADD_HOST, {"digest": digest, "body": body})
        row = {
            "id": new.id,
            "kitchen": new.kitchen,
            "parent": new.parent,
            "number": number,
            "host": digest,
            "argv": msgspec.json.encode(new.argv),
            "gist": msgspec.json.encode(told),
            "at": new.at,
            "events": events,
        }
        db.execute(_ADD_STATE, row)
        self._hold(db, new.kitchen, self._reached.get(digest, partial(self._reach, new.host)))
        self._expire(db, new.kitchen, number - self._keep)
        self._check_quota(db, new.kitchen, len(events))
        return State(new.id, new.kitchen, new.parent, number, digest, new.argv, told, new.at, new.events, new.host)

    def swap(self, db: Connection, kitchen: str, old: str, new: str) -> None:
        """The head moved from `old` to `new`; `HeadMoved` where it did not stand there any more."""
        moved = db.execute(_SWAP, {"kitchen": kitchen, "old": old, "new": new})
        if moved.rowcount != 1:
            raise HeadMoved(kitchen)

    def _hold(self, db: Connection, kitchen: str, blobs: Mapping[Digest, int]) -> None:
        if blobs:
            rows = [{"kitchen": kitchen, "digest": blob, "size": size, "states": 1} for blob, size in blobs.items()]
            db.execute(_HOLD, rows)

    def _expire(self, db: Connection, kitchen: str, last: int) -> None:
        """Let the states up to the number `last` go, and with them what only they reached."""
        if last < 0:
            return
        old = {"kitchen": kitchen, "last": last}
        for digest in db.execute(_EXPIRED, old).scalars().all():
            with suppress(EngineError):  # what was damaged since cannot be told any more: it stays counted
                host = self._host(db, digest)
                self._release(db, kitchen, self._reached.get(digest, partial(self._reach, host)))
        db.execute(_EXPIRE, old)

    def _release(self, db: Connection, kitchen: str, blobs: Iterable[Digest]) -> None:
        here = HOLDINGS.c.kitchen == kitchen
        less = update(HOLDINGS).where(here, HOLDINGS.c.digest == bindparam("blob")).values(states=HOLDINGS.c.states - 1)
        if rows := [{"blob": blob} for blob in blobs]:
            db.execute(less, rows)
            db.execute(delete(HOLDINGS).where(here, HOLDINGS.c.states <= 0))

    def _check_quota(self, db: Connection, kitchen: str, told: int) -> None:
        """Blobs are what the quota is about; events, which a script can make many of, may take as much again."""
        if self._quota is None:
            return
        if self.used(db, kitchen) > self._quota:
            raise LimitExceeded("bytes of this kitchen's blobs, over all its states", self._quota)
        if told > _LARGE:
            lengths = select(func.sum(func.length(STATES.c.events))).where(STATES.c.kitchen == kitchen)
            if db.execute(lengths).scalar_one() > self._quota:
                raise LimitExceeded("bytes of this kitchen's events, over all its states", self._quota)

    def _host(self, db: Connection, digest: Digest) -> Host:
        def read() -> Host:
            body = db.execute(select(HOSTS.c.body).where(HOSTS.c.digest == digest)).scalar()
            if body is None or digest_of(body) != digest:
                raise Corrupt(f"host {digest} of the journal does not read back as it was written; run fsck")
            return hosts.decode(body)

        return self._hosts.get(digest, read)


def entry(row: Row[*tuple[Any, ...]]) -> Entry:
    """A row of states, its columns as the table has them, as a value."""
    id_, kitchen, parent, number, host, argv, told, at = row[:8]
    return Entry(id_, kitchen, parent, number, host, _WORDS.decode(argv), _GIST.decode(told), at)
