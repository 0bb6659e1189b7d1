"""`docker cp`: files into a container as docker brings them, and out of it as far as that is safe.

Inward, a local file or tree, or a tar on standard input, is unpacked over what stands there as moby does it
(pkg/archive): owner, mode, links and whole seconds of the mtime are kept; what is replaced is unlinked, not written
into, so nothing of it is copied up. Outward, a file goes to a local file and a tree to a tar on standard output: no
local path is ever built of names that an image holds.
"""

from __future__ import annotations

import errno
import math
import os
import posixpath
import tarfile
from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import IO, Final

import msgspec

from engine import terminal
from engine.commands.verb import Moved, Verb, container, daemon_error
from engine.context import Context, Outcome
from engine.diff import export
from engine.errors import CommandError, FileError
from engine.events import Event, display, ignore
from engine.host import Host
from engine.options import Flag, Options, Usage
from engine.snapshot import Snapshot

_COPY_MAX: Final = 1 << 30
"""Bytes that one `cp` may bring."""
_PIECE: Final = 1 << 20
_NANO: Final = 1_000_000_000
_KINDS: Final = {tarfile.FIFOTYPE: "fifo", tarfile.CHRTYPE: "char", tarfile.BLKTYPE: "block"}


def _do_cp(context: Context, host: Host, options: Options, _fetched: Moved | None) -> Outcome:
    source, target = options.words
    from_name, from_path = _side(source)
    to_name, to_path = _side(target)
    if bool(from_name) == bool(to_name):
        raise CommandError(
            "copying between containers is not supported" if from_name else "must specify at least one container source"
        )
    if from_name:
        found = host.find_container(from_name)
        if not found:
            raise CommandError(f"Error: No such container:path: {source}")
        _copy_out(context, context.edit(found, ignore), from_name, from_path, target)
        return Outcome(host)
    found = container(host, to_name)
    events: list[Event] = []
    files = context.edit(found, events.append)
    _copy_in(context, files, source, to_name, to_path)
    upper = context.store(files.freeze())
    return Outcome(host.with_container(msgspec.structs.replace(found, upper=upper)), tuple(events))


def _side(text: str) -> tuple[str, str]:
    """``name:/path`` as its two parts; no name where `text` is a local path (which may hold a colon after a slash)."""
    name, colon, path = text.partition(":")
    return (name, path) if colon and "/" not in name and not name.startswith(".") else ("", text)


def _inside(path: str) -> bytes:
    """A container's path, absolute whether or not a slash was typed, as the snapshot takes it."""
    return os.fsencode(posixpath.normpath("/" + path).lstrip("/"))


# Out


def _copy_out(context: Context, files: Snapshot, name: str, path: str, target: str) -> None:
    inside = _inside(path)
    try:
        found = files.stat(inside)
    except FileError as error:
        raise CommandError(f"Error: No such container:path: {name}:{path}") from error
    if target == "-":
        with context.local.writer("-") as out:
            export(files.union, files.freeze(), files.blobs, out, below=inside)
        return
    if found.kind != "file":
        raise CommandError(f"{path}: a {found.kind} is copied as a tar stream: docker cp {name}:{path} - | tar -x")
    place = context.local.path(target)
    if place.is_dir():
        place = place / (posixpath.basename(path.rstrip("/")) or "file")
    with context.local.writer(str(place)) as out:
        for chunk in files.chunks(inside):
            out.write(chunk)
    place.chmod(found.mode & 0o777)
    os.utime(place, ns=(found.mtime, found.mtime))


# In


def _copy_in(context: Context, files: Snapshot, source: str, name: str, path: str) -> None:
    """What stands at `path` decides under which name the source comes (moby, archive.PrepareArchiveCopy)."""
    try:
        place = files.resolve(_inside(path))
    except FileError as error:
        if error.errno == errno.ENOTDIR:
            raise daemon_error("extraction point is not a directory") from error
        raise CommandError(f"Error: No such container:path: {name}:{posixpath.dirname(path.rstrip('/'))}") from error
    if source == "-":
        if place.kind != "dir":
            raise CommandError(f'destination "{name}:{path}" must be a directory')
        with context.local.reader("-") as stream:
            _unpack(files, place.path, _listed(stream))
        return
    local = _local(context, source)
    tree = local.is_dir() and not local.is_symlink()
    directory, _, title = place.path.rpartition(b"/")
    if place.kind == "dir":
        directory, title = place.path, b"" if source.endswith("/.") else os.fsencode(local.name)
    elif place.node and tree:
        raise CommandError("cannot copy directory")
    elif not place.node and not tree and path.endswith("/"):
        raise CommandError("no such directory")
    _unpack(files, directory, _walked(local, os.fsdecode(title)))


def _local(context: Context, source: str) -> Path:
    """The local path that `source` means, which is there; its symlinks before the last name resolved."""
    path = context.local.path(source)
    local = path.parent.resolve() / path.name if path.name not in ("", "..") else path.resolve()
    if not os.path.lexists(local):
        raise CommandError(f"lstat {local}: no such file or directory")
    if source.endswith(("/", "/.")):
        if not local.is_dir():
            raise CommandError("not a directory")
        local = local.resolve()
    return local


_Members = Iterable[tuple[tarfile.TarInfo, IO[bytes] | None]]


def _listed(stream: IO[bytes]) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
    """The members of a tar."""
    try:
        with tarfile.open(fileobj=stream, mode="r|*") as tar:
            for member in tar:
                yield member, tar.extractfile(member) if member.isreg() else None
    except tarfile.TarError as error:
        raise CommandError(f"cannot read the tar on standard input: {error}") from error


def _walked(local: Path, name: str) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
    """A local file or tree as the members that a tar of it, called `name`, would have; sockets left out."""
    with tarfile.open(fileobj=BytesIO(), mode="w") as tar:  # knows which files are hardlinks of one another
        todo = [(local, name)]
        while todo:
            path, title = todo.pop()
            member = tar.gettarinfo(path, title or ".")
            if member is None:
                continue
            if member.isreg():
                with path.open("rb") as stream:
                    yield member, stream
            else:
                yield member, None
            if member.isdir():
                todo += ((child, posixpath.join(title, child.name)) for child in sorted(path.iterdir(), reverse=True))


def _unpack(files: Snapshot, target: bytes, members: _Members) -> None:
    """Lay members out below `target`. A directory and what is none do not replace one another."""
    brought = 0
    directories: list[tuple[bytes, int]] = []
    for member, content in members:
        path = _below(target, member.name)
        brought += member.size
        if brought > _COPY_MAX:
            raise CommandError(f"more than the {terminal.size(_COPY_MAX)} that one cp may bring")
        if path == target:
            continue
        _make_way(files, path, member, target)
        _make(files, path, target, member, content)
        made = files.lstat(path)
        if (made.uid, made.gid) != (member.uid, member.gid):
            files.chown(path, member.uid, member.gid, follow=False)
        if not member.issym() and files.lstat(path).mode != member.mode & 0o7777:
            files.chmod(path, member.mode & 0o7777)
        mtime = int(member.mtime) * _NANO if math.isfinite(member.mtime) else 0
        if member.isdir():
            directories.append((path, mtime))
        else:
            files.utime(path, mtime, follow=False)
    for path, mtime in directories:
        files.utime(path, mtime)


def _below(target: bytes, name: str) -> bytes:
    inside = os.fsencode(posixpath.normpath("/" + name).lstrip("/"))
    return b"/".join(filter(None, (target, inside)))


def _make_way(files: Snapshot, path: bytes, member: tarfile.TarInfo, target: bytes) -> None:
    """Have every parent of `path`, and nothing at it, or a directory where one comes."""
    missing = []
    parent = path
    while (parent := parent.rpartition(b"/")[0]) and not files.lexists(parent):
        missing.append(parent)
    for directory in reversed(missing):
        files.mkdir(directory)
    if not files.lexists(path):
        return
    stands = files.lstat(path).kind == "dir"
    if stands != member.isdir():
        was, comes = ("directory", "non-directory") if stands else ("non-directory", "directory")
        raise daemon_error(f'cannot overwrite {was} "{display(path)}" with {comes} "{display(target)}"')
    if not stands:
        files.unlink(path)


def _make(files: Snapshot, path: bytes, target: bytes, member: tarfile.TarInfo, content: IO[bytes] | None) -> None:
    if member.isdir():
        if not files.lexists(path):
            files.mkdir(path)
    elif member.issym():
        files.symlink(os.fsencode(member.linkname), path)
    elif member.islnk():
        files.link(_below(target, member.linkname), path)
    elif member.type in _KINDS:
        files.mknod(path, _KINDS[member.type], member.mode & 0o7777, member.devmajor, member.devminor)
    elif content:
        short = member.size <= _PIECE
        files.write(path, content.read() if short else iter(lambda: content.read(_PIECE), b""))
    else:
        raise CommandError(f"{member.name}: a tar member of type {member.type!r} cannot be copied")


CP = Verb(
    Usage(
        "cp",
        "CONTAINER:SRC_PATH DEST_PATH|-\n\tdocker cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH",
        "Copy files/folders between a container and the local filesystem",
        2,
        2,
        (Flag("archive", "a", help="Archive mode (copy all uid/gid information; this is always so)"),),
    ),
    _do_cp,
)
