"""A digest names bytes by their hash: ``sha256:`` and 64 lowercase hex digits (OCI image-spec, descriptor.md; rule 23).

`Digest` is text that has been parsed; a function that takes one need not check it again. `short` is the twelve-digit
form that docker prints.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, NewType

import msgspec

from engine.errors import InvalidDigest

if TYPE_CHECKING:
    from hashlib import _Hash

Digest = NewType("Digest", str)

GRAMMAR = r"(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})"
_DIGEST = re.compile(GRAMMAR)

DigestField = Annotated[Digest, msgspec.Meta(pattern=rf"^{GRAMMAR}\Z")]
"""A digest inside a document: checked while the document is decoded."""


def parse(text: str) -> Digest:
    """`text` as a digest; `InvalidDigest` where it is none."""
    if not _DIGEST.fullmatch(text):
        raise InvalidDigest(text)
    return Digest(text)


def of(data: bytes, algorithm: str = "sha256") -> Digest:
    """The digest of `data`."""
    return seal(hashlib.new(algorithm, data))


def of_chunks(chunks: Iterable[bytes], algorithm: str = "sha256") -> Digest:
    """The digest of the concatenation of `chunks`."""
    state = hashlib.new(algorithm)
    for chunk in chunks:
        state.update(chunk)
    return seal(state)


def seal(state: _Hash) -> Digest:
    """The digest that a running hash stands at."""
    return Digest(f"{state.name}:{state.hexdigest()}")


def algorithm(digest: Digest) -> str:
    """``sha256`` or ``sha512``."""
    return digest.partition(":")[0]


def encoded(digest: Digest) -> str:
    """The hex digits."""
    return digest.partition(":")[2]


def short(digest: Digest) -> str:
    """The first twelve hex digits, as docker prints ids."""
    return encoded(digest)[:12]


def chain(diff_ids: Iterable[Digest]) -> list[Digest]:
    """The chain_id of each layer of a stack, bottom first (rule 19; OCI config.md, layer ChainID)."""
    chain_ids: list[Digest] = []
    for diff_id in diff_ids:
        chain_ids.append(of(f"{chain_ids[-1]} {diff_id}".encode()) if chain_ids else diff_id)
    return chain_ids
