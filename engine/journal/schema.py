"""The journal's tables, and transactions on them that lose nothing and wait for one another."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from filelock import FileLock
from sqlalchemy import (
    URL,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    create_engine,
    event,
    exc,
)

from engine.journal.values import JournalFailed

PATIENCE: Final = 30.0
"""Seconds that a transaction waits for one of another process."""
_VERSION: Final = 2
"""Of the tables; another number for another shape."""

METADATA = MetaData()
HOSTS = Table(
    "hosts", METADATA, Column("digest", String, primary_key=True), Column("body", LargeBinary, nullable=False)
)
KITCHENS = Table(
    "kitchens",
    METADATA,
    Column("id", String, primary_key=True),
    Column("secret", String, nullable=False, index=True),
    Column("head", String, nullable=False),
    Column("created", String, nullable=False),
)
STATES = Table(
    "states",
    METADATA,
    Column("id", String, primary_key=True),
    Column("kitchen", String, ForeignKey("kitchens.id"), nullable=False),
    Column("parent", String),
    Column("number", Integer, nullable=False),
    Column("host", String, ForeignKey("hosts.digest"), nullable=False, index=True),
    Column("argv", LargeBinary, nullable=False),
    Column("gist", LargeBinary, nullable=False),
    Column("at", String, nullable=False),
    Column("events", LargeBinary, nullable=False),
    Index("states_of_kitchen", "kitchen", "number", unique=True),
)
HOLDINGS = Table(
    "holdings",
    METADATA,
    Column("kitchen", String, ForeignKey("kitchens.id"), primary_key=True),
    Column("digest", String, primary_key=True),
    Column("size", Integer, nullable=False),
    Column("states", Integer, nullable=False),
)
"""Each blob that kept states of a kitchen reach, and how many of them: what the quota counts and a sweep keeps."""


class Database:
    """The tables in a file. What fails is a `JournalFailed`, but for `IntegrityError`, which its causer understands."""

    def __init__(self, file: Path) -> None:
        self._file = file
        with self._told():
            self._engine = create_engine(URL.create("sqlite", database=str(file)), connect_args={"timeout": PATIENCE})
            event.listen(self._engine, "connect", _durable)
            event.listen(self._engine, "begin", _begin)
            self._writer = self._engine.execution_options(writes=True)
            self._make()

    def close(self) -> None:
        """Close every connection that is not in use."""
        self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one moment, beside whoever writes."""
        with self._told(), self._engine.connect() as db:
            yield db

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """The only writing transaction from its beginning on, so what it reads is still so when it writes; on disk when
        it ends, or undone where it ends by an error."""
        with self._told(), self._writer.begin() as db:
            yield db

    def faults(self) -> list[str]:
        """What is wrong with the file itself."""
        with self.reading() as db:
            found = db.exec_driver_sql("PRAGMA integrity_check").scalars().all()
        return [f"the database: {line}" for line in found if line != "ok"]

    def _make(self) -> None:
        """The tables, where they are not there yet; two processes may come at once."""
        if self._version():
            return
        with FileLock(self._file.with_suffix(".lock")):
            if self._version():
                return
            with closing(self._engine.raw_connection()) as connection:  # outside of any transaction
                connection.cursor().execute("PRAGMA journal_mode=WAL")  # readers beside one writer; the file keeps it
            with self.writing() as db:
                METADATA.create_all(db)
                db.exec_driver_sql(f"PRAGMA user_version={_VERSION}")

    def _version(self) -> bool:
        """Whether the tables are there; `JournalFailed` where they are another program's."""
        with self.reading() as db:
            version = db.exec_driver_sql("PRAGMA user_version").scalar_one()
            empty = not db.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar_one()
        if version != _VERSION and not empty:
            why = f"another version of this program wrote it ({version}, this one knows {_VERSION}); name another"
            raise JournalFailed(str(self._file), why + " data directory")
        return not empty

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except exc.IntegrityError:
            raise
        except (exc.DBAPIError, exc.TimeoutError, sqlite3.Error) as error:
            why = str(error.orig if isinstance(error, exc.DBAPIError) else error)
            if "locked" in why or isinstance(error, exc.TimeoutError):
                why = f"others have kept it busy for {PATIENCE:.0f} seconds; try again"
            raise JournalFailed(str(self._file), why) from error


def _durable(connection: object, _record: object) -> None:
    """Each connection: transactions begin where we say, and one that has committed is on disk."""
    connection.isolation_level = None  # type: ignore[attr-defined]
    connection.execute("PRAGMA synchronous=FULL").close()  # type: ignore[attr-defined]


def _begin(db: Connection) -> None:
    """A writing transaction waits for others at its first step, not in its middle, where SQLite would refuse it."""
    db.exec_driver_sql("BEGIN IMMEDIATE" if db.get_execution_options().get("writes") else "BEGIN")
