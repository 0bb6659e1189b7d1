"""`fsck`: everything that a data directory should be, held against what it is. Nothing is changed."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, select

from engine import events as facts
from engine import host as hosts
from engine.blobs import BlobStore
from engine.digest import Digest
from engine.digest import of as digest_of
from engine.errors import BlobUnknown, Corrupt, EngineError
from engine.host import Host
from engine.journal.rows import entry
from engine.journal.schema import HOLDINGS, HOSTS, KITCHENS, STATES, Database

Reach = Callable[[Host], Mapping[Digest, int]]


def faults(database: Database, blobs: BlobStore, reach: Reach) -> Iterator[str]:
    """Every fault, in words.

    The database is whole. Each blob hashes to its name. Of each kitchen: its head is one of its states; each state
    decodes, stands after its parent, and has a host that hashes to its name; what the hosts reach is there, and is
    counted as often as it is reached.
    """
    yield from database.faults()
    for digest in blobs:
        if not _sound(blobs, digest):
            yield f"blob {digest} does not hash to its name"
    with database.reading() as db:
        for kitchen in db.execute(select(KITCHENS)).all():
            for fault in _of_kitchen(db, kitchen.id, kitchen.head, blobs, reach):
                yield f"kitchen {kitchen.id}: {fault}"


def _sound(blobs: BlobStore, digest: Digest) -> bool:
    algorithm, _, encoded = digest.partition(":")
    state = hashlib.new(algorithm)
    try:
        for chunk in blobs.chunks(digest):
            state.update(chunk)
    except BlobUnknown:
        return True  # swept meanwhile; whether somebody wants it is another question
    return state.hexdigest() == encoded


def _of_kitchen(db: Connection, kitchen: str, head: str, blobs: BlobStore, reach: Reach) -> Iterator[str]:
    numbers: dict[str, int] = {}
    reached: Counter[Digest] = Counter()
    sizes: dict[Digest, int] = {}
    for row in db.execute(select(STATES).where(STATES.c.kitchen == kitchen).order_by(STATES.c.number)):
        if row.parent and row.parent not in numbers and 0 in numbers.values():  # no state is gone yet
            yield f"state {row.id}: its parent {row.parent} does not stand before it"
        numbers[row.id] = row.number
        try:
            here = reach(_host(db, row))
        except (EngineError, msgspec.MsgspecError) as error:
            yield f"state {row.id}: {error}"
            continue
        reached.update(here.keys())
        sizes |= here
    if head not in numbers:
        yield f"its head {head} is not one of its states"
    yield from (f"blob {digest} is missing" for digest in sizes if digest not in blobs)
    counted = {r.digest: (r.states, r.size) for r in db.execute(select(HOLDINGS).where(HOLDINGS.c.kitchen == kitchen))}
    for digest in reached.keys() | counted.keys():
        wanted = (reached[digest], sizes.get(digest, 0))
        found = counted.get(digest, (0, 0))
        if found != wanted:
            yield f"blob {digest} is counted as {found[1]} bytes of {found[0]} states; it is {wanted[1]} of {wanted[0]}"


def _host(db: Connection, row: Row[Any]) -> Host:
    """The host of a state, everything else of which decodes too."""
    digest = entry(row).host_digest
    facts.decode(row.events)
    body = db.execute(select(HOSTS.c.body).where(HOSTS.c.digest == digest)).scalar()
    if body is None or digest_of(body) != digest:
        raise Corrupt(f"its host {digest} is missing or damaged")
    return hosts.decode(body)
