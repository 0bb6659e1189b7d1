"""Statements that many requests need, built once: SQLAlchemy takes longer to build one than to run it."""

from __future__ import annotations

from typing import Final

from sqlalchemy import bindparam, func, select, union_all

from engine.registry.schema import LINKS, MANIFESTS, REPOSITORIES, TAGS

FLOOR: Final = 4096
"""Bytes that each blob, manifest and tag counts at least against a quota: about what one takes on a disk."""

_SHOW: Final = (MANIFESTS.c.digest, MANIFESTS.c.media_type, MANIFESTS.c.size)
BY_DIGEST: Final = select(*_SHOW).where(
    MANIFESTS.c.repository == bindparam("repository"), MANIFESTS.c.digest == bindparam("target")
)
BY_TAG: Final = (
    select(*_SHOW)
    .join(TAGS, (TAGS.c.repository == MANIFESTS.c.repository) & (TAGS.c.digest == MANIFESTS.c.digest))
    .where(TAGS.c.repository == bindparam("repository"), TAGS.c.tag == bindparam("target"))
)
SHOWN: Final = select(LINKS.c.size).where(
    LINKS.c.repository == bindparam("repository"), LINKS.c.digest == bindparam("digest"), LINKS.c.shown
)

_MINE: Final = REPOSITORIES.c.namespace == bindparam("namespace")
_BLOBS: Final = (
    select(LINKS.c.digest, LINKS.c.size)
    .join(REPOSITORIES, REPOSITORIES.c.name == LINKS.c.repository)
    .where(_MINE)
    .distinct()
    .subquery()
)
_COUNTED: Final = union_all(
    select(func.coalesce(func.sum(func.max(_BLOBS.c.size, FLOOR)), 0).label("bytes")),
    select(func.coalesce(func.sum(func.max(MANIFESTS.c.size, FLOOR)), 0))
    .join(REPOSITORIES, REPOSITORIES.c.name == MANIFESTS.c.repository)
    .where(_MINE),
    select(func.count() * FLOOR)
    .select_from(TAGS)
    .join(REPOSITORIES, REPOSITORIES.c.name == TAGS.c.repository)
    .where(_MINE),
).subquery()
USED: Final = select(func.sum(_COUNTED.c.bytes))
"""Bytes that a namespace takes: its blobs once each, its manifests and tags."""
