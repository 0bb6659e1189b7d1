"""What was pushed: who shows which manifests, tags and blobs. Bytes lie in the blob store, which others use too.

Invariants: a manifest's blobs are linked to its repository as long as it is there, and what is linked is in the blob
store; a blob is shown only by repositories that it was pushed or mounted to; a namespace stays within its quota. Each
change is one transaction, made under a lease: while one is held, no sweep takes what the change is about (rule 39).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, exists, func, select, update
from sqlalchemy.dialects.sqlite import insert

from engine.blobs import BlobStore, pieces
from engine.digest import Digest
from engine.errors import BlobUnknown, ManifestUnknown, NameUnknown
from engine.registry import queries
from engine.registry.access import space
from engine.registry.catalogue import Content, Referrer
from engine.registry.documents import Facts
from engine.registry.schema import LINKS, MANIFESTS, NEEDS, REPOSITORIES, TAGS, Database
from engine.registry.values import Limits, ManifestBlobUnknown, QuotaExceeded

Lease = Callable[[], AbstractContextManager[None]]
_ANNOTATIONS = msgspec.json.Decoder(dict[str, str])


class Store:
    """See the module: ``registry.db`` in `data`, over `blobs`. A catalogue. Safe to use from several threads.

    `lease` is held while something is changed. The database is made with the first change.
    """

    def __init__(
        self,
        data: Path,
        blobs: BlobStore,
        *,
        lease: Lease = nullcontext,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.data, self.blobs, self.lease, self.limits, self.clock = data, blobs, lease, limits or Limits(), clock
        self._file = data / "registry.db"
        self._made: Database | None = None
        self._mutex = threading.Lock()

    @property
    def db(self) -> Database:
        """The database, made where there is none."""
        with self._mutex:
            if self._made is None:
                self._made = Database(self._file)
            return self._made

    @property
    def exists(self) -> bool:
        """Whether anything was ever pushed here."""
        return self._file.exists()

    def close(self) -> None:
        """Close every connection; the store is not used again."""
        with self._mutex:
            if self._made is not None:
                self._made.close()

    # A catalogue

    def repositories(self, last: str = "", count: int | None = None) -> Sequence[str]:
        """Names of repositories."""
        with self.db.reading() as db:
            asked = select(REPOSITORIES.c.name).where(REPOSITORIES.c.name > last).order_by(REPOSITORIES.c.name)
            return list(db.execute(asked.limit(count)).scalars())

    def tags(self, repository: str, last: str = "", count: int | None = None) -> Sequence[str]:
        """Its tags; `NameUnknown`."""
        with self.db.reading() as db:
            _known(db, repository)
            mine = select(TAGS.c.tag).where(TAGS.c.repository == repository, TAGS.c.tag > last).order_by(TAGS.c.tag)
            return list(db.execute(mine.limit(count)).scalars())

    def manifest(self, repository: str, target: Digest | str) -> Content:
        """A manifest or index by tag or digest; `NameUnknown`, `ManifestUnknown`."""
        by = queries.BY_DIGEST if ":" in target else queries.BY_TAG
        with self.db.reading() as db:
            row = db.execute(by, {"repository": repository, "target": target}).first()
            if row is None:
                _known(db, repository)
                raise ManifestUnknown(f"{repository}{'@' if ':' in target else ':'}{target}")
        return self._content(row.digest, row.media_type, row.size)

    def blob(self, repository: str, digest: Digest) -> Content:
        """A config or layer; `NameUnknown`, `BlobUnknown`."""
        with self.db.reading() as db:
            size = db.execute(queries.SHOWN, {"repository": repository, "digest": digest}).scalar()
            if size is None:
                _known(db, repository)
                raise BlobUnknown(digest)
        return self._content(digest, "application/octet-stream", size)

    def find(self, digest: Digest) -> Content | None:
        """A blob that any repository shows."""
        with self.db.reading() as db:
            size = db.execute(select(LINKS.c.size).where(LINKS.c.digest == digest, LINKS.c.shown).limit(1)).scalar()
        return None if size is None else self._content(digest, "application/octet-stream", size)

    def referrers(
        self, repository: str, subject: Digest, artifact_type: str = "", last: str = ""
    ) -> Iterable[Referrer]:
        """Manifests whose subject this is, by digest, those after `last`; of one artifact type where it is given."""
        here = (MANIFESTS.c.repository == repository, MANIFESTS.c.subject == subject, MANIFESTS.c.digest > last)
        asked = select(MANIFESTS).where(*here).order_by(MANIFESTS.c.digest)
        if artifact_type:
            asked = asked.where(MANIFESTS.c.artifact_type == artifact_type)
        with self.db.reading() as db:
            for row in db.execute(asked.execution_options(yield_per=16)):
                notes = _ANNOTATIONS.decode(row.annotations)
                yield Referrer(row.digest, row.media_type, row.size, row.artifact_type, notes)

    def _content(self, digest: Digest, media_type: str, size: int) -> Content:
        def read(start: int, stop: int) -> Iterator[bytes]:
            with self.blobs.open(digest) as stream:
                yield from pieces(stream, start, stop)

        return Content(digest, media_type, size, read)

    # Changes

    def bring(self, content: Content) -> None:
        """Copy a blob of another catalogue into the blob store, for a link that follows at once."""
        self.blobs.put(content.read(0, content.size), digest=content.digest, size=content.size)

    def link(self, repository: str, digest: Digest) -> bool:
        """Show a blob that is in the blob store in a repository too; False where it is not there. `QuotaExceeded`."""
        with self.lease():
            if not self.blobs.renew(digest):
                return False
            with self.db.writing() as db:
                self.add_link(db, repository, digest, self.blobs.size(digest))
        return True

    def add_link(self, db: Connection, repository: str, digest: Digest, size: int) -> None:
        """The row of a link, its age beginning now; `QuotaExceeded`. The caller sees to the bytes."""
        self._open(db, repository)
        row = {"repository": repository, "digest": digest, "size": size, "since": self.clock(), "shown": True}
        fresh = {"since": row["since"], "shown": True}
        db.execute(insert(LINKS).values(row).on_conflict_do_update(index_elements=LINKS.primary_key, set_=fresh))
        self._check_quota(db, repository)

    def renew(self, repository: str, digest: Digest) -> None:
        """Whoever pushes has asked for a blob, and will not push it again: let its link be young, if it is not."""
        mine = (LINKS.c.repository == repository, LINKS.c.digest == digest)
        with self.db.reading() as db:
            since = db.execute(select(LINKS.c.since).where(*mine)).scalar()
        if since is not None and since < self.clock() - 600:
            with self.lease(), self.db.writing() as db:
                db.execute(update(LINKS).where(*mine).values(since=self.clock()))

    def put_manifest(
        self, repository: str, tag: str | None, digest: Digest, media_type: str, data: bytes, facts: Facts
    ) -> None:
        """Hold a manifest, under a tag where one is given; `ManifestBlobUnknown`, `BadChunk`, `QuotaExceeded`."""
        with self.lease(), self.db.writing() as db:
            self._check_references(db, repository, facts)
            self._open(db, repository)
            row = {
                "repository": repository,
                "digest": digest,
                "media_type": media_type,
                "size": len(data),
                "subject": facts.subject,
                "artifact_type": facts.artifact_type,
                "annotations": msgspec.json.encode(facts.annotations),
            }
            again = insert(MANIFESTS).on_conflict_do_update(index_elements=MANIFESTS.primary_key, set_=row)
            db.execute(again.values(row))
            db.execute(delete(NEEDS).where(NEEDS.c.repository == repository, NEEDS.c.manifest == digest))
            if facts.blobs:
                db.execute(
                    insert(NEEDS), [{"repository": repository, "manifest": digest, "digest": d} for d in facts.blobs]
                )
            if tag:
                named = {"repository": repository, "tag": tag, "digest": digest}
                again = insert(TAGS).on_conflict_do_update(index_elements=TAGS.primary_key, set_={"digest": digest})
                db.execute(again.values(named))
            self._check_quota(db, repository)
            self.blobs.put(data, digest=digest)

    def delete_tag(self, repository: str, tag: str) -> None:
        """Forget a tag, and nothing else; `NameUnknown`, `ManifestUnknown`."""
        with self.db.writing() as db:
            gone = db.execute(delete(TAGS).where(TAGS.c.repository == repository, TAGS.c.tag == tag))
            if not gone.rowcount:
                _known(db, repository)
                raise ManifestUnknown(f"{repository}:{tag}")

    def delete_manifest(self, repository: str, digest: Digest) -> None:
        """Forget a manifest and its tags; its blobs stay shown until a sweep. `NameUnknown`, `ManifestUnknown`."""
        with self.db.writing() as db:
            mine = (MANIFESTS.c.repository == repository, MANIFESTS.c.digest == digest)
            if not db.execute(delete(MANIFESTS).where(*mine)).rowcount:
                _known(db, repository)
                raise ManifestUnknown(f"{repository}@{digest}")
            db.execute(delete(TAGS).where(TAGS.c.repository == repository, TAGS.c.digest == digest))
            db.execute(delete(NEEDS).where(NEEDS.c.repository == repository, NEEDS.c.manifest == digest))

    def delete_blob(self, repository: str, digest: Digest) -> None:
        """Show a blob no more; it is held on while manifests need it. `NameUnknown`, `BlobUnknown`."""
        mine = (LINKS.c.repository == repository, LINKS.c.digest == digest)
        with self.db.writing() as db:
            if not db.execute(update(LINKS).where(*mine, LINKS.c.shown).values(shown=False)).rowcount:
                _known(db, repository)
                raise BlobUnknown(digest)
            needed = exists().where(NEEDS.c.repository == repository, NEEDS.c.digest == digest)
            db.execute(delete(LINKS).where(*mine, ~needed))

    # Within

    def used(self, db: Connection, namespace: str) -> int:
        """Bytes that a namespace takes, open uploads apart."""
        return int(db.execute(queries.USED, {"namespace": namespace}).scalar_one())

    def _open(self, db: Connection, repository: str) -> None:
        row = {"name": repository, "namespace": space(repository)}
        db.execute(insert(REPOSITORIES).values(row).on_conflict_do_nothing())

    def _check_quota(self, db: Connection, repository: str) -> None:
        if self.used(db, space(repository)) > self.limits.quota:
            raise QuotaExceeded(f"bytes stored below {space(repository)}", self.limits.quota)

    def _check_references(self, db: Connection, repository: str, facts: Facts) -> None:
        blobs = (LINKS, "blob", facts.blobs, (LINKS.c.repository == repository, LINKS.c.shown))
        manifests = (MANIFESTS, "manifest", facts.manifests, (MANIFESTS.c.repository == repository,))
        for table, kind, wanted, here in (blobs, manifests):
            held = _sizes(db, table, here, wanted)
            for digest, size in wanted.items():
                if digest not in held:
                    raise ManifestBlobUnknown(digest, kind)
                if held[digest] != size:
                    raise ManifestBlobUnknown(digest, f"{kind} of {size:,} bytes, but one of {held[digest]:,},")


def _sizes(db: Connection, table: Any, here: Any, wanted: Mapping[Digest, int]) -> dict[Digest, int]:
    """Sizes of those digests that rows of a table have."""
    found: dict[Digest, int] = {}
    digests = list(wanted)
    for start in range(0, len(digests), 500):  # SQLite bounds the variables of one statement
        part = digests[start : start + 500]
        found |= {row.digest: row.size for row in db.execute(select(table).where(*here, table.c.digest.in_(part)))}
    return found


def _known(db: Connection, repository: str) -> None:
    """`NameUnknown` where there is no such repository."""
    if not db.execute(select(func.count()).select_from(REPOSITORIES).where(REPOSITORIES.c.name == repository)).scalar():
        raise NameUnknown(repository)
