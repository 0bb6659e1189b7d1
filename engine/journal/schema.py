"""The journal's tables, and connections to them that lose nothing."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import (
    Column,
    Engine,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    create_engine,
    event,
)

METADATA = MetaData()
HOSTS = Table(
    "hosts", METADATA, Column("digest", String, primary_key=True), Column("body", LargeBinary, nullable=False)
)
KITCHENS = Table(
    "kitchens",
    METADATA,
    Column("id", String, primary_key=True),
    Column("secret", String, nullable=False),
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
    Column("host", String, ForeignKey("hosts.digest"), nullable=False),
    Column("argv", LargeBinary, nullable=False),
    Column("events", LargeBinary, nullable=False),
    Column("at", String, nullable=False),
    Index("states_of_kitchen", "kitchen", "number", unique=True),
)
HOLDINGS = Table(
    "holdings",
    METADATA,
    Column("kitchen", String, ForeignKey("kitchens.id"), primary_key=True),
    Column("digest", String, primary_key=True),
    Column("size", Integer, nullable=False),
)
"""Each blob that a kept state of a kitchen reaches: what the quota counts and a sweep keeps."""


def connect(file: Path) -> Engine:
    """The database in `file`, its tables made where they are not there."""
    engine = create_engine(f"sqlite:///{file}", connect_args={"timeout": 30})
    event.listen(engine, "connect", _durable)
    METADATA.create_all(engine)
    return engine


def _durable(connection: object, _record: object) -> None:
    """Each connection: readers beside one writer, and a commit that is on disk when it returns."""
    cursor = connection.cursor()  # type: ignore[attr-defined]
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=OFF", "busy_timeout=30000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
