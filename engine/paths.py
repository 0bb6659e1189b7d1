"""Paths inside a tree: bytes, relative to its root, without leading slash or dots, ``b""`` being the root itself."""

from __future__ import annotations

from collections.abc import Iterator


def join(directory: bytes, name: bytes) -> bytes:
    """The path of `name` in a directory."""
    return b"%b/%b" % (directory, name) if directory else name


def ancestors(path: bytes) -> Iterator[bytes]:
    """The directories above `path`, nearest first, the root excepted."""
    while path := path.rpartition(b"/")[0]:
        yield path
