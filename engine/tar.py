"""The tar format, one 512-byte header at a time: POSIX ustar and pax, GNU long names and base-256 numbers (rule 16).

`Reader` is pushed the bytes of a stream in pieces of any size and yields a `Member` for each entry. File content is
stepped over, never copied: a member says where its content stands. Invariants: every header moves the reader forward,
no size is negative, no checksum goes unread, and names are bytes as they came, for other modules to judge. A story:

    reader = Reader()
    for piece in pieces:
        for member in reader.feed(piece):
            print(member.name, member.offset, member.size)
    reader.close()                      # the stream did not end in the middle of anything

`header` is the way back: what it writes is ustar where that suffices, pax where not, with numeric ids only.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from typing import Any, Final, NoReturn

import msgspec
from msgspec.structs import replace

from engine import pax, ustar
from engine.errors import LimitExceeded, MalformedLayer, Unsupported
from engine.events import display
from engine.pax import Xattrs

BLOCK: Final = 512
"""Bytes of a header; content is padded to a multiple of it."""
EXTENSION_MAX: Final = 1 << 20
"""Bytes of one extended header or long name, unless the caller allows another number."""
END: Final = bytes(2 * BLOCK)
"""What ends an archive."""

_ZERO: Final = bytes(BLOCK)
_KINDS: Final = {
    b"0": "file",
    b"\0": "file",  # V7
    b"7": "file",  # contiguous: to be read as 0 (POSIX pax, typeflag)
    b"1": "link",
    b"2": "symlink",
    b"3": "char",
    b"4": "block",
    b"5": "dir",
    b"6": "fifo",
}
_FLAGS: Final = {kind: flag for flag, kind in _KINDS.items()} | {"file": b"0"}
_LINKS: Final = frozenset({"link", "symlink"})
_DEVICES: Final = frozenset({"char", "block"})
_PAX, _PAX_GLOBAL, _SPARSE = b"x", b"g", b"S"
_LONG: Final = {b"L": "name", b"K": "target"}
_EXTENSIONS: Final = frozenset({_PAX, _PAX_GLOBAL, *_LONG})
_AMENDMENTS: Final[Mapping[bytes, tuple[str, Callable[[bytes], Any]]]] = {
    b"path": ("name", pax.text),
    b"linkpath": ("target", pax.text),
    b"size": ("size", pax.number),
    b"uid": ("uid", pax.number),
    b"gid": ("gid", pax.number),
    b"mtime": ("mtime", pax.nanoseconds),
}

_INT64_MAX: Final = (1 << 63) - 1
_ID_MAX: Final = (1 << 32) - 1
_MAJOR_MAX: Final = (1 << 12) - 1
_MINOR_MAX: Final = (1 << 20) - 1
_NANO: Final = 1_000_000_000


class Member(msgspec.Struct, frozen=True, gc=False):
    """One entry as its headers tell it. `kind` is that of a layer's entry, or ``link`` for a hardlink to `target`.

    `mode` has permission bits only, `mtime` is nanoseconds since the epoch, `offset` where the `size` bytes of a file's
    content begin in the stream. Nothing but a file has content, whatever its size field says (as in Go and Python).
    """

    kind: str
    name: bytes
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    mtime: int = 0
    size: int = 0
    target: bytes = b""
    offset: int = 0
    major: int = 0
    minor: int = 0
    xattrs: Xattrs = ()


def padding(size: int) -> int:
    """How many zero bytes follow `size` bytes of content."""
    return -size % BLOCK


class Reader:
    """Takes a tar stream in pieces; see the module. `limit` bounds an extended header or long name, in bytes."""

    def __init__(self, limit: int = EXTENSION_MAX) -> None:
        self._limit = limit
        self._tail = b""  # what is left of the last piece: the beginning of a header and of its extension
        self._base = 0  # where in the stream the tail, or else the next piece, begins
        self._next = 0  # where in the stream the next header begins
        self._whole = 0  # where the content of the last entry ends
        self._zeros = 0
        self._globals: dict[bytes, bytes] = {}
        self._records: dict[bytes, bytes] = {}
        self._long: dict[str, bytes] = {}

    def feed(self, piece: bytes) -> Iterator[Member]:
        """The members whose headers end within `piece`; to be exhausted before the next piece is fed.

        `MalformedLayer`; `Unsupported` for what tar may say and we do not read; `LimitExceeded` for an extended header
        that is too large. What follows the end of the archive is passed over (rule 17).
        """
        if self._tail:
            piece = self._tail + piece
        base, here, whole = self._base, self._next, self._whole
        end = base + len(piece)
        while here + BLOCK <= end and self._zeros < 2:
            block = piece[here - base : here - base + BLOCK]
            flag = block[156:157]
            if block == _ZERO:
                self._zeros += 1
                here += BLOCK
                continue
            if self._zeros:
                _fail(here, "an entry follows a zero block, so readers would disagree on where the archive ends")
            begin = here + BLOCK
            try:
                if flag not in _EXTENSIONS:
                    member = self._member(block, flag, begin)
                    whole = begin + member.size
                    here = whole + padding(member.size)
                else:
                    size = self._extension_size(block)
                    if begin + size + padding(size) > end:
                        break
                    self._extend(flag, piece[begin - base : begin - base + size])
                    here = begin + size + padding(size)
                    continue
            except ValueError as error:
                _fail(here, str(error))
            yield member
        self._next, self._whole = here, whole
        self._tail = piece[here - base :] if self._zeros < 2 else b""
        self._base = end - len(self._tail)

    def close(self) -> None:
        """The stream has ended; `MalformedLayer` where it should not have.

        The zeros that fill up and end an archive may be missing: `umoci insert` (0.4.7) leaves them out, Go minds not.
        """
        if self._records or self._long:
            _fail(self._next, "an extended header describes no entry")
        if self._zeros < 2 and (self._tail or self._whole > self._base):
            _fail(self._base, "the tar ends in the middle of an entry")

    def _member(self, block: bytes, flag: bytes, offset: int) -> Member:
        member = _decode(block, flag, offset)
        if self._records or self._globals or self._long:
            member = self._amended(member)
        if flag == b"\0" and member.name.endswith(b"/"):
            member = replace(member, kind="dir")  # V7 had no other way to say so
        if member.kind != "file" and member.size:
            member = replace(member, size=0)
        if not (0 <= member.uid <= _ID_MAX and 0 <= member.gid <= _ID_MAX):
            raise ValueError(f"{display(member.name)} has the impossible owner {member.uid}:{member.gid}")
        if not 0 <= member.size <= _INT64_MAX:
            raise ValueError(f"{display(member.name)} has the impossible size {member.size}")
        if not -_INT64_MAX <= member.mtime <= _INT64_MAX:  # as far as 64 bits go: the years 1677 to 2262
            member = replace(member, mtime=max(-_INT64_MAX, min(member.mtime, _INT64_MAX)))
        return member

    def _amended(self, member: Member) -> Member:
        """`member` with what the extended headers before it say; those of its own are thereby used up."""
        records = self._globals | self._records
        said: dict[str, Any] = {"xattrs": pax.xattrs(records)}
        for key, value in records.items():
            if key in _AMENDMENTS and value:
                field, convert = _AMENDMENTS[key]
                said[field] = convert(value)
            elif key.startswith(pax.SPARSE):
                raise _sparse(records.get(b"GNU.sparse.name", member.name))
        said |= self._long
        if member.kind not in _LINKS:
            said.pop("target", None)
        self._records, self._long = {}, {}
        return replace(member, **said)

    def _extension_size(self, block: bytes) -> int:
        size = ustar.size(block)
        if size < 0:
            raise ValueError(f"an extended header has the impossible size {size}")
        if size > self._limit:
            raise LimitExceeded(f"an extended tar header of {size:,} bytes", self._limit)
        return size

    def _extend(self, flag: bytes, data: bytes) -> None:
        """Keep what an extended header says of the next entry, or a global one of all that follow."""
        if flag in _LONG:
            self._long[_LONG[flag]] = data.partition(b"\0")[0]
        elif flag == _PAX:
            self._records |= pax.parse(data)
        else:
            self._globals |= pax.parse(data)
            held = sum(len(key) + len(value) for key, value in self._globals.items())
            if held > self._limit:
                raise LimitExceeded(f"global tar headers of {held:,} bytes", self._limit)


def _decode(block: bytes, flag: bytes, offset: int) -> Member:
    """What one header block says by itself."""
    mode, uid, gid, size, seconds = ustar.numbers(block)
    name = block[:100].partition(b"\0")[0]
    kind = _KINDS.get(flag)
    if flag == _SPARSE:
        raise _sparse(name)
    if kind is None:
        raise ValueError(f"{display(name)} has the unknown type {flag!r}")
    if block[345] and block[257:263] == b"ustar\0":
        name = block[345:500].partition(b"\0")[0] + b"/" + name
    target = block[157:257].partition(b"\0")[0] if kind in _LINKS else b""
    major, minor = ustar.device(block) if kind in _DEVICES else (0, 0)
    if not (0 <= major <= _MAJOR_MAX and 0 <= minor <= _MINOR_MAX):
        raise ValueError(f"{display(name)} has the impossible device number {major}:{minor}")
    return Member(kind, name, mode & 0o7777, uid, gid, seconds * _NANO, size, target, offset, major, minor)


def _sparse(name: bytes) -> Unsupported:
    return Unsupported(f"the sparse file {display(name)} in a layer")


def _fail(here: int, why: str) -> NoReturn:
    raise MalformedLayer(f"byte {here:,} of the tar", why)


# Writing


def header(member: Member) -> bytes:
    """The blocks that stand before the content of `member`: a ustar header, led by a pax header where it needs one.

    Times are whole seconds; what is below a second is dropped. The same member always gives the same bytes.
    `Unsupported` for a name or attribute that tar cannot carry.
    """
    seconds = member.mtime // _NANO
    candidates = (
        (b"path", member.name, len(member.name) <= 100),
        (b"linkpath", member.target, len(member.target) <= 100),
        (b"size", b"%d" % member.size, member.size < 8**11),
        (b"uid", b"%d" % member.uid, member.uid < 8**7),
        (b"gid", b"%d" % member.gid, member.gid < 8**7),
        (b"mtime", b"%d" % seconds, 0 <= seconds < 8**11),
    )
    records = {key: value for key, value, fits in candidates if not fits}
    for key, value in member.xattrs:
        if not key or b"=" in key or b"\0" in key:
            raise Unsupported(f"the extended attribute {key!r} of {display(member.name)} in a tar")
        records[pax.XATTR + key] = value
    if b"\0" in member.name + member.target:
        raise Unsupported(f"the NUL in the name {display(member.name)} in a tar")
    block = _ustar(member, _FLAGS[member.kind], seconds, records)
    if not records:
        return block
    data = pax.encode(records)
    extended = Member("file", b"././@PaxHeader", size=len(data))
    return _ustar(extended, _PAX, 0, ()) + data + bytes(padding(len(data))) + block


def _ustar(member: Member, flag: bytes, seconds: int, told: Container[bytes]) -> bytes:
    """One header block. A number that a pax record has `told` stands as 0, a name as its first hundred bytes."""
    device = member.kind in _DEVICES
    parts = (
        member.name[:100].ljust(100, b"\0"),
        ustar.octal(member.mode, 8),
        ustar.octal(0 if b"uid" in told else member.uid, 8),
        ustar.octal(0 if b"gid" in told else member.gid, 8),
        ustar.octal(0 if b"size" in told else member.size, 12),
        ustar.octal(0 if b"mtime" in told else seconds, 12),
        b" " * 8,
        flag,
        member.target[:100].ljust(100, b"\0"),
        b"ustar\x0000".ljust(72, b"\0"),
        ustar.octal(member.major, 8) + ustar.octal(member.minor, 8) if device else b"",
    )
    return ustar.sealed(b"".join(parts).ljust(BLOCK, b"\0"))
