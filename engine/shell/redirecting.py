"""Redirections: which files a command reads from and writes to, in the order that they are written (XCU 2.7)."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from engine.errors import FileError
from engine.shell.call import why
from engine.shell.paths import NULL, ZERO
from engine.shell.streams import CannotWrite, File, Null, Sink, Source, Streams
from engine.shell.syntax import Redirection, Word

if TYPE_CHECKING:
    from engine.shell.control import Control


class Refused(Exception):
    """A redirection that cannot be made."""


def redirect(
    shell: Control, redirections: tuple[Redirection, ...], text: Callable[[Word], str], *, lazy: bool = False
) -> Streams:
    """The streams of a command, `text` expanding the targets. A single file is opened with the first write where the
    command is such that this makes no difference (`lazy`, see `File`). `Refused`."""
    streams = shell.streams
    for one in redirections:
        target = text(one.target)
        if one.operator == "<":
            streams = replace(streams, stdin=_open(shell, target))
        elif one.operator != "<&":
            sink = {"1": streams.stdout, "2": streams.stderr}.get(target) if one.operator == ">&" else None
            if sink is None:
                lone = lazy and len(redirections) == 1 and one.fd == 1
                sink = _create(shell, target, streams, append=one.operator == ">>", lazy=lone)
            streams = replace(streams, stdout=sink) if one.fd == 1 else replace(streams, stderr=sink)
    return streams


def _open(shell: Control, path: str) -> Source:
    if path == "/dev/stdin":
        return shell.streams.stdin
    try:
        return Source(shell.paths.chunks(path))
    except FileError as error:
        none = error.errno in (errno.ENOENT, errno.ENOTDIR)
        raise Refused(f"can't open {path}: {'no such file' if none else why(error)}") from error


def _create(shell: Control, path: str, streams: Streams, *, append: bool, lazy: bool) -> Sink:
    devices = {NULL: Null(), ZERO: Null(), "/dev/stdout": streams.stdout, "/dev/stderr": streams.stderr}
    if path in devices:
        return devices[path]
    try:
        place = shell.paths.to_open(path)
        return File(shell.files, shell.meter, place, path, append=append, lazy=lazy)
    except CannotWrite as error:
        raise Refused(str(error)) from error
    except FileError as error:
        raise Refused(f"can't create {path}: {why(error)}") from error
