"""The journal itself; see the package."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from engine import commands, registries, terminal
from engine import events as facts
from engine import host as hosts
from engine.blobs import BlobStore, DirectoryBlobs
from engine.context import Context, Local, Nowhere, Outcome
from engine.digest import Digest
from engine.digest import of as digest_of
from engine.errors import CommandError, Corrupt, EngineError, LimitExceeded
from engine.events import Event
from engine.host import Host
from engine.image import Images, Recent
from engine.journal import schema
from engine.journal.schema import HOLDINGS, HOSTS, KITCHENS, STATES
from engine.journal.values import Done, Entry, HeadMoved, Kitchen, KitchenUnknown, State, StateUnknown
from engine.journal.verbs import JOURNAL_VERBS
from engine.layerstore import LayerStore

QUOTA: Final = 64 << 20
"""Bytes of blobs that all kept states of one kitchen may reach."""
KEEP: Final = 200
"""States of one kitchen that are kept."""


class Journal:
    """All kitchens of one data directory. Its methods may be called from several threads and processes."""

    def __init__(
        self,
        data: Path,
        *,
        menu: Path | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        ids: Callable[[], str] = lambda: secrets.token_hex(32),
        quota: int | None = QUOTA,
        keep: int = KEEP,
    ) -> None:
        data.mkdir(parents=True, exist_ok=True)
        self.blobs: BlobStore = DirectoryBlobs(data / "blobs")
        layers = LayerStore(self.blobs, data / "cache")
        self.context = Context(
            blobs=self.blobs,
            layers=layers,
            images=Images(self.blobs, layers),
            registry=registries.directory(menu),
            clock=clock,
            ids=ids,
        )
        self.quota, self.keep = quota, keep
        self._engine = schema.connect(data / "journal.db")
        self._locks: dict[str, threading.Lock] = {}
        self._locks_lock = threading.Lock()
        self._hosts: Recent[Digest, Host] = Recent(1024)
        self._reach: Recent[Digest, Mapping[Digest, int]] = Recent(1024)
        self._entries: Recent[str, Entry] = Recent(4096)

    def close(self) -> None:
        """Close every connection; the journal is not used again."""
        self._engine.dispose()

    # Kitchens

    def create(self, name: str = "", host: Host = hosts.EMPTY, argv: Sequence[str] = ()) -> Kitchen:
        """A new kitchen whose first state is `host`, reached by `argv`; named `name`, or by a fresh id."""
        secret = secrets.token_urlsafe(24)
        kitchen = name or self.context.ids()[:16]
        now = self._now()
        with self._engine.begin() as db:
            row = self._row(db, kitchen, None, host, argv, ())
            db.execute(insert(KITCHENS).values(id=kitchen, secret=_hashed(secret), head=row["id"], created=now))
            self._append(db, row, host)
        return Kitchen(kitchen, str(row["id"]), now, secret)

    def kitchen(self, kitchen: str) -> Kitchen:
        """The kitchen of this id; `KitchenUnknown`."""
        with self._engine.connect() as db:
            return _kitchen(db, kitchen)

    def kitchens(self) -> list[str]:
        """The ids of all kitchens."""
        with self._engine.connect() as db:
            return [row.id for row in db.execute(select(KITCHENS.c.id).order_by(KITCHENS.c.created))]

    def owner(self, secret: str) -> str | None:
        """The kitchen that this secret opens."""
        with self._engine.connect() as db:
            found = db.execute(select(KITCHENS.c.id).where(KITCHENS.c.secret == _hashed(secret))).first()
        return found.id if found else None

    def owns(self, kitchen: str, secret: str) -> bool:
        """Whether `secret` opens this kitchen for writing."""
        with self._engine.connect() as db:
            found = db.execute(select(KITCHENS.c.secret).where(KITCHENS.c.id == kitchen)).first()
        return found is not None and hmac.compare_digest(found.secret, _hashed(secret))

    # States

    def head(self, kitchen: str) -> State:
        """The state that a kitchen stands on."""
        with self._engine.connect() as db:
            return self._state(db, _kitchen(db, kitchen).head)

    def state(self, state: str) -> State:
        """Any kept state, of any kitchen; `StateUnknown`."""
        with self._engine.connect() as db:
            return self._state(db, state)

    def entries(self, kitchen: str) -> list[Entry]:
        """Every kept state of a kitchen, oldest first."""
        with self._engine.connect() as db:
            ids = select(STATES.c.id).where(STATES.c.kitchen == kitchen).order_by(STATES.c.number)
            return [self._entry(db, state) for state in db.execute(ids).scalars().all()]

    def used(self, kitchen: str) -> int:
        """Bytes of blobs that all kept states of a kitchen reach: what its quota counts."""
        with self._engine.connect() as db:
            return _used(db, kitchen)

    # Commands

    def do(
        self,
        kitchen: str,
        argv: Sequence[str],
        *,
        progress: Callable[[Event], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
        local: Local | None = None,
    ) -> Done:
        """Run one command: a verb of docker's, or of the journal's own (`JOURNAL_VERBS`).

        The head moves only if the host changed. `EngineError` where the command was refused; the head is then where
        it was. What a verb must fetch it fetches before it waits for the kitchen.
        """
        if argv and argv[0] in JOURNAL_VERBS:
            return JOURNAL_VERBS[argv[0]].run(self, kitchen, list(argv[1:]))
        context = replace(
            self.context,
            progress=progress or self.context.progress,
            cancelled=cancelled or self.context.cancelled,
            local=local or Nowhere(),
            room=None if self.quota is None else max(0, self.quota - self.used(kitchen)),
        )
        fetched = commands.prepare(context, self.head(kitchen).host, argv)
        with self._alone(kitchen):
            head = self.head(kitchen)
            outcome = commands.run(context, head.host, argv, fetched)
            state = head if outcome.host == head.host else self._advance(kitchen, head, outcome, argv)
        return _done(state, outcome, changed=state is not head)

    def undo(self, kitchen: str) -> State:
        """The head moved to its parent; `CommandError` at the first state."""
        with self._alone(kitchen), self._engine.begin() as db:
            head = self._state(db, _kitchen(db, kitchen).head)
            if head.parent is None or not _exists(db, head.parent):
                raise CommandError("nothing to undo: this is the first state that is kept")
            return self._move(db, kitchen, head.id, head.parent)

    def redo(self, kitchen: str) -> State:
        """The head moved to its newest child; `CommandError` where it has none."""
        with self._alone(kitchen), self._engine.begin() as db:
            head = _kitchen(db, kitchen).head
            newest = select(STATES.c.id).where(STATES.c.parent == head, STATES.c.kitchen == kitchen)
            child = db.execute(newest.order_by(STATES.c.number.desc())).first()
            if not child:
                raise CommandError("nothing to redo: this is the newest state of its branch")
            return self._move(db, kitchen, head, child.id)

    def jump(self, kitchen: str, state: str) -> State:
        """The head moved to any kept state of the kitchen, named by its id, a prefix of it, or its number."""
        with self._alone(kitchen), self._engine.begin() as db:
            mine = select(STATES.c.id).where(STATES.c.kitchen == kitchen)
            if state.isdigit() and len(state) < 10:
                found = db.execute(mine.where(STATES.c.number == int(state))).all()
            else:
                found = db.execute(mine.where(STATES.c.id.startswith(state, autoescape=True))).all()
            if not state or len(found) != 1:
                raise StateUnknown(state)
            return self._move(db, kitchen, _kitchen(db, kitchen).head, found[0].id)

    def fork(self, state: str, name: str = "") -> Kitchen:
        """A new kitchen that begins at any kept state: one pointer, and everything is shared."""
        begin = self.state(state)
        return self.create(name, begin.host, ("fork", begin.id))

    # Keeping house

    def sweep(self, *, grace: float | None = None) -> dict[Digest, int]:
        """Forget the host values and blobs that no kept state of any kitchen reaches; the blobs gone, with sizes."""
        with self._engine.begin() as db:
            db.execute(delete(HOSTS).where(HOSTS.c.digest.not_in(select(STATES.c.host))))
            kept = {Digest(row.digest) for row in db.execute(select(HOLDINGS.c.digest).distinct())}
        return self.blobs.sweep(kept) if grace is None else self.blobs.sweep(kept, grace=grace)

    def check(self) -> list[str]:
        """Every fault of the data directory, in words; none where all is well (`fsck`).

        Each blob hashes to its name; each kept state decodes, its parent chain holds, and the blobs that it reaches
        are there and counted; each head is a state of its kitchen.
        """
        faults = [f"blob {digest} does not hash to its name" for digest in self.blobs if not _sound(self.blobs, digest)]
        with self._engine.connect() as db:
            for kitchen in db.execute(select(KITCHENS)):
                faults += self._check_kitchen(db, kitchen.id, kitchen.head)
        return faults

    def _check_kitchen(self, db: Connection, kitchen: str, head: str) -> Iterator[str]:
        wanted: dict[Digest, int] = {}
        rows = db.execute(select(STATES).where(STATES.c.kitchen == kitchen)).all()
        if head not in {row.id for row in rows}:
            yield f"kitchen {kitchen}: its head {head} is not one of its states"
        for row in rows:
            try:
                _entry(row)
                body = db.execute(select(HOSTS.c.body).where(HOSTS.c.digest == row.host)).scalar_one()
                if digest_of(body) != row.host:
                    yield f"state {row.id}: its host does not hash to {row.host}"
                wanted |= self._reached(hosts.decode(body))
            except (EngineError, msgspec.MsgspecError, LookupError) as error:
                yield f"state {row.id}: {error}"
        counted = {row.digest for row in db.execute(select(HOLDINGS).where(HOLDINGS.c.kitchen == kitchen))}
        for digest in wanted:
            if digest not in self.blobs:
                yield f"kitchen {kitchen}: blob {digest} is missing"
            if digest not in counted:
                yield f"kitchen {kitchen}: blob {digest} is reached but not counted"

    # Within

    @contextmanager
    def _alone(self, kitchen: str) -> Iterator[None]:
        """While no other command of this kitchen runs in this process."""
        with self._locks_lock:
            lock = self._locks.setdefault(kitchen, threading.Lock())
        with lock:
            yield

    def _now(self) -> str:
        return terminal.show_time(self.context.clock())

    def _row(
        self,
        db: Connection,
        kitchen: str,
        parent: str | None,
        host: Host,
        argv: Sequence[str],
        events: tuple[Event, ...],
    ) -> dict[str, object]:
        """A state, not yet stored."""
        highest = db.execute(select(func.max(STATES.c.number)).where(STATES.c.kitchen == kitchen)).scalar()
        return {
            "id": self.context.ids()[:16],
            "kitchen": kitchen,
            "parent": parent,
            "number": 0 if highest is None else highest + 1,
            "host": digest_of(hosts.encode(host)),
            "argv": msgspec.json.encode(tuple(argv)),
            "events": facts.encode(events),
            "at": self._now(),
        }

    def _append(self, db: Connection, row: dict[str, object], host: Host) -> None:
        """Store a state, its host value if it is new, and what it reaches; refuse what is beyond the quota."""
        body = hosts.encode(host)
        db.execute(insert(HOSTS).prefix_with("OR IGNORE").values(digest=row["host"], body=body))
        db.execute(insert(STATES).values(**row))
        kitchen = str(row["kitchen"])
        self._hold(db, kitchen, self._reached(host))
        if self.quota is not None and _used(db, kitchen) > self.quota:
            raise LimitExceeded("this kitchen's blobs, over all its states,", self.quota)

    def _hold(self, db: Connection, kitchen: str, blobs: Mapping[Digest, int]) -> None:
        if blobs:
            rows = [{"kitchen": kitchen, "digest": digest, "size": size} for digest, size in blobs.items()]
            db.execute(insert(HOLDINGS).prefix_with("OR IGNORE"), rows)

    def _reached(self, host: Host) -> Mapping[Digest, int]:
        """Every blob that a host reaches, with its size."""
        context = self.context
        return self._reach.get(
            digest_of(hosts.encode(host)), lambda: hosts.reach(host, context.blobs, context.images, context.upper)
        )

    def _advance(self, kitchen: str, head: State, outcome: Outcome, argv: Sequence[str]) -> State:
        """A child of `head`, which becomes the head unless another process has moved it meanwhile."""
        with self._engine.begin() as db:
            row = self._row(db, kitchen, head.id, outcome.host, argv, outcome.events)
            self._append(db, row, outcome.host)
            self._swap(db, kitchen, head.id, str(row["id"]))
            self._expire(db, kitchen, str(row["id"]))
            return self._state(db, str(row["id"]))

    def _move(self, db: Connection, kitchen: str, old: str, new: str) -> State:
        self._swap(db, kitchen, old, new)
        return self._state(db, new)

    def _swap(self, db: Connection, kitchen: str, old: str, new: str) -> None:
        moved = db.execute(update(KITCHENS).where(KITCHENS.c.id == kitchen, KITCHENS.c.head == old).values(head=new))
        if moved.rowcount != 1:
            raise HeadMoved(kitchen)

    def _expire(self, db: Connection, kitchen: str, head: str) -> None:
        """Let the states beyond the last `keep` go, and with them what only they reached."""
        numbers = select(STATES.c.number).where(STATES.c.kitchen == kitchen).order_by(STATES.c.number.desc())
        last = db.execute(numbers.offset(self.keep - 1).limit(1)).scalar()
        old = (STATES.c.kitchen == kitchen, STATES.c.number < (last or 0), STATES.c.id != head)
        if last is None or not db.execute(delete(STATES).where(*old)).rowcount:
            return
        db.execute(delete(HOLDINGS).where(HOLDINGS.c.kitchen == kitchen))
        for (digest,) in db.execute(select(STATES.c.host).where(STATES.c.kitchen == kitchen).distinct()).all():
            self._hold(db, kitchen, self._reached(self._host(db, Digest(digest))))

    def _entry(self, db: Connection, state: str) -> Entry:
        """A state that is known to be kept. It never changes, so it is read once."""
        return self._entries.get(state, lambda: _entry(db.execute(select(STATES).where(STATES.c.id == state)).one()))

    def _state(self, db: Connection, state: str) -> State:
        row = db.execute(select(STATES).where(STATES.c.id == state)).first()
        if not row:
            raise StateUnknown(state)
        found = _entry(row)
        fields = {name: getattr(found, name) for name in Entry.__slots__}
        return State(**fields, host=self._host(db, found.host_digest))

    def _host(self, db: Connection, digest: Digest) -> Host:
        def read() -> Host:
            body = db.execute(select(HOSTS.c.body).where(HOSTS.c.digest == digest)).scalar_one()
            if digest_of(body) != digest:
                raise Corrupt(f"host {digest} of the journal does not read back as it was written; run fsck")
            return hosts.decode(body)

        return self._hosts.get(digest, read)


def _hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _kitchen(db: Connection, kitchen: str) -> Kitchen:
    row = db.execute(select(KITCHENS).where(KITCHENS.c.id == kitchen)).first()
    if not row:
        raise KitchenUnknown(kitchen)
    return Kitchen(row.id, row.head, row.created)


def _exists(db: Connection, state: str) -> bool:
    return db.execute(select(STATES.c.id).where(STATES.c.id == state)).first() is not None


def _used(db: Connection, kitchen: str) -> int:
    total = select(func.coalesce(func.sum(HOLDINGS.c.size), 0)).where(HOLDINGS.c.kitchen == kitchen)
    return int(db.execute(total).scalar_one())


def _entry(row: Row[tuple[object, ...]]) -> Entry:
    argv = msgspec.json.decode(row.argv, type=tuple[str, ...])
    return Entry(row.id, row.kitchen, row.parent, row.number, row.host, argv, facts.decode(row.events), row.at)


def _sound(blobs: BlobStore, digest: Digest) -> bool:
    state = hashlib.new(digest.partition(":")[0])
    for chunk in blobs.chunks(digest):
        state.update(chunk)
    return state.hexdigest() == digest.partition(":")[2]


def _done(state: State, outcome: Outcome, *, changed: bool) -> Done:
    out, err = terminal.render(outcome.events), terminal.render(outcome.events, "stderr")
    return Done(state, outcome.status, out, err, outcome.events, changed)
