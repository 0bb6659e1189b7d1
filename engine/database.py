"""Tables in an SQLite file, and transactions on them that lose nothing and wait for one another.

database = Database(file, METADATA, version=2, failed=JournalFailed)
with database.writing() as db:
    db.execute(…)
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from filelock import FileLock
from sqlalchemy import URL, Connection, MetaData, create_engine, event, exc

from engine.errors import EngineError

PATIENCE: Final = 30.0
"""Seconds that a transaction waits for one of another process."""


class Database:
    """The tables of `metadata` in `file`; another `version` stands for another shape of them. What fails is what
    `failed` makes of the file's name and a sentence, but for `IntegrityError`, which its causer understands."""

    def __init__(
        self, file: Path, metadata: MetaData, *, version: int, failed: Callable[[str, str], EngineError]
    ) -> None:
        self._file, self._metadata, self._wanted, self._failed = file, metadata, version, failed
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
                self._metadata.create_all(db, checkfirst=False)
                db.exec_driver_sql(f"PRAGMA user_version={self._wanted}")

    def _version(self) -> bool:
        """Whether the tables are there; an error where they are another program's."""
        with self.reading() as db:
            version = db.exec_driver_sql("PRAGMA user_version").scalar_one()
            empty = not db.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar_one()
        if version != self._wanted and not empty:
            why = f"another version of this program wrote it ({version}, this one knows {self._wanted}); name another"
            raise self._failed(str(self._file), why + " data directory")
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
            raise self._failed(str(self._file), why) from error


def _durable(connection: object, _record: object) -> None:
    """Each connection: transactions begin where we say, and one that has committed is on disk."""
    connection.isolation_level = None  # type: ignore[attr-defined]
    connection.execute("PRAGMA synchronous=FULL").close()  # type: ignore[attr-defined]


def _begin(db: Connection) -> None:
    """A writing transaction waits for others at its first step, not in its middle, where SQLite would refuse it."""
    db.exec_driver_sql("BEGIN IMMEDIATE" if db.get_execution_options().get("writes") else "BEGIN")
