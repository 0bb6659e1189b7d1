"""Keeping house: what a sweep of the blob store must leave, and whether all that should be there is (rule 39)."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import delete, exists, select, union

from engine.digest import Digest
from engine.registry.schema import LINKS, MANIFESTS, NEEDS, REPOSITORIES, TAGS, UPLOADS
from engine.registry.store import Store
from engine.registry.uploads import Uploads


def sweep(store: Store, grace: float) -> frozenset[Digest]:
    """Forget links older than `grace` seconds that no manifest needs, uploads that are too old, and repositories in
    which nothing is left; every blob that is still reached."""
    if not store.exists:
        return frozenset()
    with store.db.writing() as db:
        Uploads(store).expire(db)
        needed = exists().where(NEEDS.c.repository == LINKS.c.repository, NEEDS.c.digest == LINKS.c.digest)
        db.execute(delete(LINKS).where(LINKS.c.since <= store.clock() - grace, ~needed))
        left = [~exists().where(table.c.repository == REPOSITORIES.c.name) for table in (LINKS, MANIFESTS, UPLOADS)]
        db.execute(delete(REPOSITORIES).where(*left))
        return frozenset(db.execute(union(select(LINKS.c.digest), select(MANIFESTS.c.digest))).scalars())


def faults(store: Store) -> Iterator[str]:
    """Every fault, in words: each tag names a manifest that is there, each manifest and link a blob that is held in
    that size, each blob that a manifest needs is linked."""
    if not store.exists:
        return
    yield from (f"registry: {fault}" for fault in store.db.faults())
    with store.db.reading() as db:
        here = exists().where(MANIFESTS.c.repository == TAGS.c.repository, MANIFESTS.c.digest == TAGS.c.digest)
        for row in db.execute(select(TAGS).where(~here)):
            yield f"repository {row.repository}: tag {row.tag} names manifest {row.digest}, which is missing"
        here = exists().where(LINKS.c.repository == NEEDS.c.repository, LINKS.c.digest == NEEDS.c.digest)
        for row in db.execute(select(NEEDS).where(~here)):
            yield f"repository {row.repository}: manifest {row.manifest} needs blob {row.digest}, which is not linked"
        for table, kind in ((MANIFESTS, "manifest"), (LINKS, "blob")):
            for row in db.execute(select(table)):
                if row.digest not in store.blobs:
                    yield f"repository {row.repository}: {kind} {row.digest} is missing"
                elif store.blobs.size(row.digest) != row.size:
                    yield f"repository {row.repository}: {kind} {row.digest} is not of {row.size} bytes"
