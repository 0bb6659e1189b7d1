"""The journal itself; see the package."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from filelock import FileLock
from sqlalchemy import Connection, delete, exc, insert, select

from engine import archive, commands, registries, terminal
from engine import host as hosts
from engine.archive import Archive
from engine.blobs import GRACE, BlobStore, DirectoryBlobs
from engine.context import Context, Local, Nowhere, Outcome
from engine.digest import Digest
from engine.errors import CommandError, ManifestUnknown
from engine.events import AnyEvent, Event
from engine.host import Host
from engine.image import Images, Recent
from engine.journal import check
from engine.journal.leases import Leases
from engine.journal.rows import New, Rows
from engine.journal.schema import HOLDINGS, HOSTS, KITCHENS, STATES, Database
from engine.journal.values import (
    Done,
    Entry,
    InvalidKitchen,
    Kitchen,
    KitchenTaken,
    KitchenUnknown,
    State,
    StateUnknown,
)
from engine.journal.verbs import JOURNAL_VERBS
from engine.layerstore import LayerStore
from engine.network import Network
from engine.registries import Own
from engine.registry import Limits, Store, keeping

QUOTA: Final = 64 << 20
"""Bytes of blobs that all kept states of one kitchen may reach."""
KEEP: Final = 200
"""States of one kitchen that are kept."""

_FILE: Final = "journal.db"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_POLL: Final = 0.01
"""Seconds between two looks at a lock that somebody else holds."""


def is_kept(data: Path) -> bool:
    """Whether a journal is kept in this directory; to open one makes it."""
    return (data / _FILE).is_file()


class Journal:
    """All kitchens of one data directory. Its methods may be called from several threads and processes."""

    def __init__(
        self,
        data: Path,
        *,
        menu: Path | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        ids: Callable[[], str] = lambda: secrets.token_hex(32),
        epoch: int | None = None,
        quota: int | None = QUOTA,
        keep: int = KEEP,
        pushing: Limits | None = None,
        network: Network | None = None,
        own: Own | None = None,
    ) -> None:
        data.mkdir(parents=True, exist_ok=True)
        self.blobs: BlobStore = DirectoryBlobs(data / "blobs")
        layers = LayerStore(self.blobs, data / "cache")
        self._registries = registries.directory(menu, network, own)
        self.context = Context(
            blobs=self.blobs,
            layers=layers,
            images=Images(self.blobs, layers),
            registry=partial(self._registries.find, ""),
            network=network,
            scratch=data,
            epoch=epoch,
            clock=clock,
            ids=ids,
        )
        self.quota, self.keep = quota, keep
        self._db = Database(data / _FILE)
        self._rows = Rows(self._reach, quota, keep)
        self._leases = Leases(data / "leases")
        self.registry = Store(data, self.blobs, lease=self._leases.hold, limits=pushing)
        self._turns = data / "turns"
        self._turns.mkdir(exist_ok=True)
        self._locks: Recent[str, FileLock] = Recent(256)
        self._secrets: Recent[str, str] = Recent(1024)

    def close(self) -> None:
        """Close every connection; the journal is not used again."""
        self.registry.close()
        self._db.close()

    # Kitchens

    def create(self, name: str = "", host: Host = hosts.EMPTY, argv: Sequence[str] = ()) -> Kitchen:
        """A new kitchen whose first state is `host`, reached by `argv`; named `name`, or by a fresh id.

        `InvalidKitchen`, `KitchenTaken`; `LimitExceeded` where the host is beyond the quota.
        """
        with self._db.writing() as db:
            return self._create(db, name, host, argv)

    def fork(self, state: str, name: str = "") -> Kitchen:
        """A new kitchen that begins at any kept state: one pointer, and everything is shared. Errors of `create`."""
        with self._db.writing() as db:
            begin = self._rows.state(db, state)
            return self._create(db, name, begin.host, ("fork", begin.id))

    def enter(self, name: str) -> Kitchen:
        """The kitchen of this name, opened now where there was none."""
        try:
            return self.kitchen(name)
        except KitchenUnknown:
            pass
        try:
            return self.create(name)
        except KitchenTaken:
            return self.kitchen(name)

    def kitchen(self, kitchen: str) -> Kitchen:
        """The kitchen of this id; `KitchenUnknown`."""
        with self._db.reading() as db:
            return self._rows.kitchen(db, kitchen)

    def kitchens(self) -> list[str]:
        """The ids of all kitchens."""
        with self._db.reading() as db:
            return list(db.execute(select(KITCHENS.c.id).order_by(KITCHENS.c.created)).scalars())

    def owner(self, secret: str) -> str | None:
        """The kitchen that this secret opens."""
        with self._db.reading() as db:
            return db.execute(select(KITCHENS.c.id).where(KITCHENS.c.secret == _hashed(secret))).scalar()

    def owns(self, kitchen: str, secret: str) -> bool:
        """Whether `secret` opens this kitchen for writing."""
        with suppress(KitchenUnknown):
            return hmac.compare_digest(self._secrets.get(kitchen, lambda: self._secret(kitchen)), _hashed(secret))
        return False

    def _secret(self, kitchen: str) -> str:
        """The hash of a kitchen's secret, which never changes; `KitchenUnknown`, which may."""
        with self._db.reading() as db:
            found: str | None = db.execute(select(KITCHENS.c.secret).where(KITCHENS.c.id == kitchen)).scalar()
        if found is None:
            raise KitchenUnknown(kitchen)
        return found

    # States

    def head(self, kitchen: str) -> State:
        """The state that a kitchen stands on."""
        with self._db.reading() as db:
            return self._rows.state(db, self._rows.kitchen(db, kitchen).head)

    def state(self, state: str) -> State:
        """Any kept state, of any kitchen; `StateUnknown`."""
        with self._db.reading() as db:
            return self._rows.state(db, state)

    def events(self, state: str) -> tuple[AnyEvent, ...]:
        """What happened on the way to any kept state; `StateUnknown`."""
        with self._db.reading() as db:
            return self._rows.events(db, state)

    def entries(self, kitchen: str) -> list[Entry]:
        """Every kept state of a kitchen, oldest first."""
        with self._db.reading() as db:
            return self._rows.entries(db, kitchen)

    def used(self, kitchen: str) -> int:
        """Bytes of blobs that all kept states of a kitchen reach: what its quota counts."""
        with self._db.reading() as db:
            return self._rows.used(db, kitchen)

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
        it was, and what the command stored is gone. What a verb must fetch it fetches before it waits for the kitchen.
        """
        argv = [_text(word) for word in argv]
        if argv and argv[0] in JOURNAL_VERBS:
            return JOURNAL_VERBS[argv[0]].do(self, kitchen, argv[1:])
        with self._leases.hold(), self.blobs.tentative() as blobs:
            with self._db.reading() as db:
                head = self._rows.state(db, self._rows.kitchen(db, kitchen).head)
                used = self._rows.used(db, kitchen)
            context = replace(
                self.context,
                blobs=blobs,
                registry=partial(self._registries.find, kitchen),
                progress=progress or self.context.progress,
                cancelled=cancelled or self.context.cancelled,
                local=local or Nowhere(),
                room=None if self.quota is None else max(0, self.quota - used),
            )
            fetched = commands.prepare(context, head.host, argv)
            with self._alone(kitchen):
                if self.kitchen(kitchen).head != head.id:
                    head = self.head(kitchen)
                outcome = commands.run(context, head.host, argv, fetched)
                state = head if outcome.host == head.host else self._advance(head, outcome, argv)
        return _done(state, outcome, changed=state is not head)

    def undo(self, kitchen: str) -> State:
        """The head moved to its parent; `CommandError` at the first state."""
        with self._moving(kitchen) as (db, head):
            parent = self._rows.state(db, head).parent
            if parent is None or not db.execute(select(STATES.c.id).where(STATES.c.id == parent)).first():
                raise CommandError("nothing to undo: this is the first state that is kept")
            return self._move(db, kitchen, head, parent)

    def redo(self, kitchen: str) -> State:
        """The head moved to its newest child; `CommandError` where it has none."""
        with self._moving(kitchen) as (db, head):
            children = select(STATES.c.id).where(STATES.c.parent == head, STATES.c.kitchen == kitchen)
            newest = db.execute(children.order_by(STATES.c.number.desc())).scalar()
            if newest is None:
                raise CommandError("nothing to redo: this is the newest state of its branch")
            return self._move(db, kitchen, head, newest)

    def jump(self, kitchen: str, state: str) -> State:
        """The head moved to any kept state of the kitchen, named by its id, a prefix of it, or its number."""
        with self._moving(kitchen) as (db, head):
            mine = select(STATES.c.id).where(STATES.c.kitchen == kitchen)
            if state.isascii() and state.isdecimal() and len(state) < 10:
                mine = mine.where(STATES.c.number == int(state))
            else:
                mine = mine.where(STATES.c.id.startswith(state, autoescape=True))
            found = db.execute(mine.limit(2)).scalars().all()
            if not state or len(found) != 1:
                raise StateUnknown(state)
            return self._move(db, kitchen, head, found[0])

    def archive(self, kitchen: str, name: str) -> Archive:
        """An image of the kitchen, with all its tags, as `docker save` writes it; `ManifestUnknown`."""
        host = self.head(kitchen).host
        record = host.find_image(name)
        if not record:
            raise ManifestUnknown(name)
        return archive.save([(self.context.images[record.manifest], host.tags(record.id))], self.blobs)

    # Keeping house

    def sweep(self, *, grace: float = GRACE) -> dict[Digest, int]:
        """Forget the host values and blobs that neither a kept state of any kitchen nor the registry reaches; the blobs
        gone, with sizes.

        None that is younger than `grace` seconds, or than the oldest running command, which may yet want it. Who runs
        is asked first and what is kept after that: a command that ends in between is found among these.
        """
        grace = max(grace, time.time() - self._leases.oldest() + 1)
        with self._db.writing() as db:
            db.execute(delete(HOSTS).where(HOSTS.c.digest.not_in(select(STATES.c.host))))
            kept = frozenset(db.execute(select(HOLDINGS.c.digest).distinct()).scalars())
        return self.blobs.sweep(kept | keeping.sweep(self.registry, grace), grace=grace)

    def check(self) -> list[str]:
        """Every fault of the data directory, in words; none where all is well (`fsck`)."""
        return [*check.faults(self._db, self.blobs, self._reach), *keeping.faults(self.registry)]

    # Within

    def _create(self, db: Connection, name: str, host: Host, argv: Sequence[str]) -> Kitchen:
        kitchen = name or self.context.ids()[:16]
        if not _NAME.fullmatch(kitchen):
            raise InvalidKitchen(kitchen)
        secret, new = secrets.token_urlsafe(24), self._new(kitchen, None, argv, (), host)
        row = {"id": kitchen, "secret": _hashed(secret), "head": new.id, "created": new.at}
        try:
            db.execute(insert(KITCHENS).values(**row))
        except exc.IntegrityError as error:
            raise KitchenTaken(kitchen) from error
        self._rows.append(db, new)
        return Kitchen(kitchen, new.id, new.at, secret)

    def _new(self, kitchen: str, parent: str | None, argv: Sequence[str], events: tuple[Event, ...], host: Host) -> New:
        now = terminal.show_time(self.context.clock())
        return New(self.context.ids()[:16], kitchen, parent, tuple(argv), now, events, host)

    def _advance(self, head: State, outcome: Outcome, argv: Sequence[str]) -> State:
        """A child of `head`, which becomes the head unless another process has moved it meanwhile."""
        with self._db.writing() as db:
            made = self._rows.append(db, self._new(head.kitchen, head.id, argv, outcome.events, outcome.host))
            self._rows.swap(db, head.kitchen, head.id, made.id)
        return made

    @contextmanager
    def _alone(self, kitchen: str) -> Iterator[None]:
        """While no other command of this kitchen, which there is, runs in any thread or process."""
        lock = self._locks.get(kitchen, lambda: FileLock(self._turns / kitchen))
        with lock.acquire(poll_interval=_POLL):
            yield

    @contextmanager
    def _moving(self, kitchen: str) -> Iterator[tuple[Connection, str]]:
        """Alone with a kitchen, within a transaction: and the id of its head."""
        self.kitchen(kitchen)
        with self._alone(kitchen), self._db.writing() as db:
            yield db, self._rows.kitchen(db, kitchen).head

    def _move(self, db: Connection, kitchen: str, old: str, new: str) -> State:
        self._rows.swap(db, kitchen, old, new)
        return self._rows.state(db, new)

    def _reach(self, host: Host) -> Mapping[Digest, int]:
        """Every blob that a host reaches, with its size."""
        return hosts.reach(host, self.context.blobs, self.context.images, self.context.upper)


def _text(word: str) -> str:
    """A word as docker's daemon would get it, through JSON: bytes that are no UTF-8 become U+FFFD."""
    return word.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _done(state: State, outcome: Outcome, *, changed: bool) -> Done:
    out, err = terminal.render(outcome.events), terminal.render(outcome.events, "stderr")
    return Done(state, outcome.status, out, err, outcome.events, changed)
