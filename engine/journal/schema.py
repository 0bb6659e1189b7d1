"""The journal's tables."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import Column, ForeignKey, Index, Integer, LargeBinary, MetaData, String, Table

from engine import database
from engine.journal.values import JournalFailed

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


class Database(database.Database):
    """The journal's tables in a file; what fails is a `JournalFailed`."""

    def __init__(self, file: Path) -> None:
        super().__init__(file, METADATA, version=_VERSION, failed=JournalFailed)
