"""The records of a pax extended header: ``length key=value``, with which tar says what its header cannot (POSIX pax).

Keys and values are bytes; a value may hold any byte, newline included. An empty value takes a record back, except for
an extended attribute, which may well be empty. What breaks the grammar is a `ValueError` with a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

XATTR: Final = b"SCHILY.xattr."
"""What the key of an extended attribute begins with, as star, GNU tar and Go write it."""
SPARSE: Final = b"GNU.sparse."

Xattrs = tuple[tuple[bytes, bytes], ...]
NONE: Final[Xattrs] = ()

_NANO: Final = 1_000_000_000
_LENGTH_DIGITS: Final = 20
_SECONDS: Final = re.compile(rb"(-?)([0-9]{1,20})(?:\.([0-9]*))?")


def parse(data: bytes) -> dict[bytes, bytes]:
    """The records of one header; of a key that is there twice, the last."""
    found: dict[bytes, bytes] = {}
    at = 0
    while at < len(data):
        space = data.find(b" ", at, at + _LENGTH_DIGITS)
        digits = data[at : max(space, at)]
        stop = at + int(digits) if digits.isdigit() else at
        key, equals, value = data[space + 1 : stop - 1].partition(b"=")
        # A record that does not end after its beginning would be read for ever (CVE-2019-20907).
        if not (space + 1 < stop <= len(data) and key and equals and data[stop - 1] == ord("\n")):
            raise ValueError("a record of the pax header is not `length key=value`")
        found[key] = value
        at = stop
    return found


def encode(records: Mapping[bytes, bytes]) -> bytes:
    """A header of `records`, sorted by key."""
    return b"".join(_record(key, records[key]) for key in sorted(records))


def _record(key: bytes, value: bytes) -> bytes:
    rest = b" %b=%b\n" % (key, value)
    length = len(rest)
    while length != len(rest) + len(b"%d" % length):  # the length counts its own digits
        length = len(rest) + len(b"%d" % length)
    return b"%d" % length + rest


def number(records: Mapping[bytes, bytes], key: bytes, otherwise: int) -> int:
    """The record `key` as a whole number, `otherwise` where there is none."""
    text = records.get(key)
    if not text:
        return otherwise
    if not text.isdigit() or len(text) > _LENGTH_DIGITS:
        raise ValueError(f"the pax record {key.decode()} is {text[:40]!r}, no whole number")
    return int(text)


def nanoseconds(records: Mapping[bytes, bytes], key: bytes, otherwise: int) -> int:
    """The record `key`, a decimal number of seconds, in nanoseconds; `otherwise` where there is none."""
    text = records.get(key)
    if not text:
        return otherwise
    found = _SECONDS.fullmatch(text)
    if not found:
        raise ValueError(f"the pax record {key.decode()} is {text[:40]!r}, no number of seconds")
    fraction = int((found[3] or b"")[:9].ljust(9, b"0"))
    value = int(found[2]) * _NANO + fraction
    return -value if found[1] else value


def xattrs(records: Iterable[tuple[bytes, bytes]]) -> Xattrs:
    """The extended attributes among `records`, sorted by name."""
    return tuple(sorted((key[len(XATTR) :], value) for key, value in records if key.startswith(XATTR)))
