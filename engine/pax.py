"""The records of a pax extended header: ``length key=value``, with which tar says what its header cannot (POSIX pax).

Keys and values are bytes; a value may hold any byte, newline included. An empty value takes a record back, except for
an extended attribute, which may well be empty. What breaks the grammar is a `ValueError` with a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
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


def text(value: bytes) -> bytes:
    """A name."""
    if b"\0" in value:
        raise ValueError(f"a pax record has the name {value[:40]!r}, with a NUL in it")
    return value


def number(value: bytes) -> int:
    """A whole number."""
    if not value.isdigit() or len(value) > _LENGTH_DIGITS:
        raise ValueError(f"a pax record has {value[:40]!r} for a whole number")
    return int(value)


def nanoseconds(value: bytes) -> int:
    """A decimal number of seconds, as nanoseconds; what is below one is dropped."""
    found = _SECONDS.fullmatch(value)
    if not found:
        raise ValueError(f"a pax record has {value[:40]!r} for a time in seconds")
    count = int(found[2]) * _NANO + int((found[3] or b"")[:9].ljust(9, b"0"))
    return -count if found[1] else count


def xattrs(records: Mapping[bytes, bytes]) -> Xattrs:
    """The extended attributes among `records`, sorted by name."""
    names = [key for key in records if key.startswith(XATTR)]
    return tuple((key[len(XATTR) :], records[key]) for key in sorted(names)) if names else NONE
