"""Tars for tests, made by Python's tarfile (an outsider to the engine), and what the engine reads of them."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from typing import Any

from hypothesis import HealthCheck, settings

from engine import digest as digests
from engine.layer import Layer, Limits
from engine.layerstore import LayerStore
from engine.memoryblobs import MemoryBlobs
from engine.tar import Member, Reader

KINDS = {
    "file": tarfile.REGTYPE,
    "dir": tarfile.DIRTYPE,
    "symlink": tarfile.SYMTYPE,
    "link": tarfile.LNKTYPE,
    "char": tarfile.CHRTYPE,
    "block": tarfile.BLKTYPE,
    "fifo": tarfile.FIFOTYPE,
}

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""For property tests: a busy machine is no failure."""

Item = tuple[tarfile.TarInfo, bytes]


def item(name: str, kind: str = "file", content: bytes = b"", target: str = "", **fields: Any) -> Item:
    """An entry: `kind` is a word of the engine or a tar type flag; `fields` are those of `tarfile.TarInfo`."""
    info = tarfile.TarInfo(name)
    info.type = KINDS.get(kind) or kind.encode("latin-1")
    info.linkname, info.size, info.mode = target, len(content), 0o755 if kind == "dir" else 0o644
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def entry(line: str) -> Item:
    """An entry from a line: ``usr/`` a directory, ``a -> b`` a symlink, ``a = b`` a hardlink, anything else a file."""
    for sign, kind in ((" -> ", "symlink"), (" = ", "link")):
        name, found, target = line.partition(sign)
        if found:
            return item(name, kind, target=target)
    return item(line, "dir") if line.endswith("/") else item(line, content=line.encode())


def tar(*items: Item | str, form: int = tarfile.PAX_FORMAT, **options: Any) -> bytes:
    """A tar of `items`, each an `item` or a line for `entry`."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form, errors="surrogateescape", **options) as archive:
        for one in items:
            info, content = entry(one) if isinstance(one, str) else one
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def raw(name: bytes, flag: bytes = b"0", content: bytes = b"", size: bytes | None = None, **fields: bytes) -> bytes:
    """A header block and content, byte by byte as given, with a right checksum; `fields` are ``mode``, ``uid``, …"""
    block = bytearray(512)
    places = {
        "mode": 100,
        "uid": 108,
        "gid": 116,
        "size": 124,
        "mtime": 136,
        "target": 157,
        "magic": 257,
        "prefix": 345,
    }
    block[: len(name)] = name
    block[156:157] = flag
    values = {"mode": b"0000644\0", "uid": b"0000000\0", "gid": b"0000000\0", "mtime": b"00000000000\0"}
    values |= {"magic": b"ustar\x0000", "size": b"%011o\0" % len(content) if size is None else size, **fields}
    for field, value in values.items():
        block[places[field] : places[field] + len(value)] = value
    return sealed(block) + content + bytes(-len(content) % 512)


def sealed(block: bytes) -> bytes:
    """`block` with its checksum."""
    total = sum(block[:148]) + 8 * 32 + sum(block[156:512])
    return bytes(block[:148]) + b"%06o\0 " % total + bytes(block[156:])


def pax(*records: bytes, flag: bytes = b"x") -> bytes:
    """An extended header of `records`, each as it stands."""
    return raw(b"PaxHeader", flag, b"".join(records))


def record(key: bytes, value: bytes) -> bytes:
    """One record of an extended header, with its length."""
    length = len(key) + len(value) + 3
    while len(b"%d" % length) + len(key) + len(value) + 3 != length:
        length = len(b"%d" % length) + len(key) + len(value) + 3
    return b"%d %b=%b\n" % (length, key, value)


def members(data: bytes, pieces: Iterable[int] = (), limit: int = 1 << 20) -> list[Member]:
    """What the reader makes of `data`, fed whole or cut at the offsets `pieces`."""
    reader, found, start = Reader(limit), list[Member](), 0
    for stop in (*sorted(pieces), len(data)):
        found += reader.feed(data[start:stop])
        start = stop
    reader.close()
    return found


def layer(*items: Item | str | bytes, limits: Limits | None = None) -> Layer:
    """The layer that `items` make; bytes stand for a whole tar."""
    data = items[0] if items and isinstance(items[0], bytes) else tar(*items)  # type: ignore[arg-type]
    blobs = MemoryBlobs()
    return LayerStore(blobs, limits=limits).unpack(blobs.put(data), digests.of(data))
