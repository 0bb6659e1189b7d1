"""The registry's tables. Bytes lie in the blob store; here is who shows what."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import Boolean, Column, Float, Index, Integer, LargeBinary, MetaData, String, Table

from engine import database
from engine.registry.values import RegistryFault

_VERSION: Final = 1

METADATA = MetaData()
REPOSITORIES = Table(
    "repositories",
    METADATA,
    Column("name", String, primary_key=True),
    Column("namespace", String, nullable=False, index=True),
)
MANIFESTS = Table(
    "manifests",
    METADATA,
    Column("repository", String, primary_key=True),
    Column("digest", String, primary_key=True),
    Column("media_type", String, nullable=False),
    Column("size", Integer, nullable=False),
    Column("subject", String),
    Column("artifact_type", String, nullable=False),
    Column("annotations", LargeBinary, nullable=False),
    Index("manifests_of_subject", "repository", "subject"),
)
TAGS = Table(
    "tags",
    METADATA,
    Column("repository", String, primary_key=True),
    Column("tag", String, primary_key=True),
    Column("digest", String, nullable=False),
)
LINKS = Table(
    "links",
    METADATA,
    Column("repository", String, primary_key=True),
    Column("digest", String, primary_key=True),
    Column("size", Integer, nullable=False),
    Column("since", Float, nullable=False),
    Column("shown", Boolean, nullable=False),
    Index("links_of_blob", "digest"),
)
"""Each blob that a repository holds: pushed or mounted `since` then. One that was deleted while manifests need it is
held on, and not `shown`."""
NEEDS = Table(
    "needs",
    METADATA,
    Column("repository", String, primary_key=True),
    Column("manifest", String, primary_key=True),
    Column("digest", String, primary_key=True),
    Index("needs_of_blob", "repository", "digest"),
)
"""The blobs that each manifest is made of."""
UPLOADS = Table(
    "uploads",
    METADATA,
    Column("id", String, primary_key=True),
    Column("repository", String, nullable=False),
    Column("namespace", String, nullable=False, index=True),
    Column("owner", String, nullable=False, index=True),
)


class Database(database.Database):
    """The registry's tables in a file; what fails is a `RegistryFault`."""

    def __init__(self, file: Path) -> None:
        super().__init__(file, METADATA, version=_VERSION, failed=RegistryFault)
