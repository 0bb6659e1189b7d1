"""Verbs over files: diff and cp of a container, export of its root, save and load of images as archives."""

from __future__ import annotations

import posixpath
import tarfile
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from engine import archive, terminal
from engine import events as facts
from engine.commands.verb import DAEMON, Fetched, Verb, container, daemon_error, invalid
from engine.context import Context, Outcome
from engine.diff import diff, export
from engine.errors import CommandError, FileError
from engine.events import Event, display
from engine.host import Host, ImageRecord
from engine.options import Flag, Options, Usage
from engine.snapshot import Snapshot

_COPY_MAX: Final = 1 << 30
"""Bytes that one `cp` may bring."""
_NANO: Final = 1_000_000_000


# diff, export


def _do_diff(context: Context, host: Host, options: Options, _fetched: Fetched | None) -> Outcome:
    found = container(host, options.words[0], lead=DAEMON)
    changes = diff(context.images.stack(found.manifest), context.upper(found))
    return Outcome(host, (facts.Wrote(text="".join(f"{c.kind} {display(c.path)}\n" for c in changes)),))


def _do_export(context: Context, host: Host, options: Options, _fetched: Fetched | None) -> Outcome:
    found = container(host, options.words[0], lead=DAEMON)
    with context.local.writer(options.value("output", "-")) as out:
        export(context.images.stack(found.manifest), context.upper(found), context.blobs, out)
    return Outcome(host)


# save, load


def _do_save(context: Context, host: Host, options: Options, _fetched: Fetched | None) -> Outcome:
    wanted: dict[str, tuple[ImageRecord, list[str]]] = {}
    for word in options.words:
        record = host.find_image(word)
        if not record:
            unknown = "reference does not exist" if ":" in word.rpartition("/")[2] else f"No such image: {word}"
            raise invalid(word) or daemon_error(unknown)
        _, names = wanted.setdefault(record.id, (record, []))
        names += [name for name in host.tags(record.id) if name not in names and _asks_for(word, name)]
    with context.local.writer(options.value("output", "-")) as out:
        chosen = [(context.images[record.manifest], tuple(names)) for record, names in wanted.values()]
        size = archive.save(chosen, context.blobs, out)
    named = tuple(name for _, names in wanted.values() for name in names)
    return Outcome(host, (facts.ImageSaved(references=named, size=size),))


def _asks_for(word: str, name: str) -> bool:
    """Whether an image asked for as `word` goes into the archive under the tag `name`: not where an ID was typed."""
    return name in (word, f"{word}:latest") or word.endswith(f"/{name}")


def _do_load(context: Context, host: Host, options: Options, _fetched: Fetched | None) -> Outcome:
    events: list[Event] = []
    source = options.value("input", "-")
    directory = context.local.path(source) if source != "-" else None
    if directory and directory.is_dir():
        loaded = archive.load(directory, context.blobs, context.layers, room=context.room)
    else:
        with context.local.reader(source) as stream:
            loaded = archive.load(stream, context.blobs, context.layers, room=context.room)
    for found in loaded:
        host = host.with_image(ImageRecord(id=found.image.id, manifest=found.image.digest))
        for name in found.references:
            host = host.tagged(name, found.image.id)
            events.append(facts.ImageLoaded(reference=name, image=found.image.id))
        if not found.references:
            events.append(facts.ImageLoaded(reference="", image=found.image.id))
    if options.on("quiet"):
        return Outcome(host, tuple(events))
    return Outcome(host, tuple(events))


# cp


def _do_cp(context: Context, host: Host, options: Options, _fetched: Fetched | None) -> Outcome:
    source, target = options.words
    from_name, from_path = _side(source)
    to_name, to_path = _side(target)
    if bool(from_name) == bool(to_name):
        raise CommandError(
            "copying between containers is not supported" if from_name else "must specify at least one container source"
        )
    if from_name:
        found = container(host, from_name)
        _copy_out(context, context.edit(found, lambda _: None), from_name, from_path, target)
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
    return posixpath.normpath("/" + path).lstrip("/").encode("utf-8", "surrogateescape")


def _copy_out(context: Context, files: Snapshot, name: str, path: str, target: str) -> None:
    """A file to a local file, or anything to standard output as tar. A tree is never laid out on the local disk: no
    local path is ever built of names that an image holds."""
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


def _copy_in(context: Context, files: Snapshot, source: str, name: str, path: str) -> None:
    """A local file or tree, or the tar on standard input, into a container; owner root, mode and mtime kept."""
    target = _inside(path)
    is_directory = files.exists(target) and files.stat(target).kind == "dir"
    if source == "-":
        if not is_directory:
            raise CommandError(f'destination "{name}:{path}" must be a directory')
        with context.local.reader("-") as stream:
            _unpack(files, target, stream)
        return
    local = context.local.path(source)
    if not local.exists():
        raise CommandError(f"lstat {source}: no such file or directory")
    if is_directory:
        target = _join(target, local.resolve().name.encode("utf-8", "surrogateescape"))
    elif path.endswith("/") and not local.is_dir():
        raise daemon_error(f"no such directory: {name}:{path}")
    parent = posixpath.dirname(target)
    if not files.exists(parent):
        raise CommandError(f"Error: No such container:path: {name}:{posixpath.dirname(path.rstrip('/')) or '/'}")
    _copy_tree(files, local, target)


def _copy_tree(files: Snapshot, local: Path, target: bytes) -> None:
    status = local.stat()
    if local.is_dir():
        if not files.exists(target):
            files.mkdir(target)
        for child in sorted(local.iterdir()):
            _copy_tree(files, child, _join(target, child.name.encode("utf-8", "surrogateescape")))
    else:
        with local.open("rb") as stream:
            _put(files, target, stream, status.st_size)
    files.chmod(target, status.st_mode & 0o7777)
    files.utime(target, status.st_mtime_ns)


def _put(files: Snapshot, target: bytes, stream: BinaryIO, size: int) -> None:
    """A new file in the place of whatever stands there, as an unpacked archive makes it: unlinked, not written into,
    so nothing is copied up."""
    if size > _COPY_MAX:
        raise CommandError(f"{display(target)}: {terminal.size(size)} is more than one cp may bring")
    if files.lexists(target):
        files.unlink(target)
    files.write(target, stream.read())


def _unpack(files: Snapshot, target: bytes, stream: BinaryIO) -> None:
    """The files and directories of a tar stream below `target`."""
    brought = 0
    try:
        with tarfile.open(fileobj=stream, mode="r|*") as tar:
            for member in tar:
                name = posixpath.normpath("/" + member.name).lstrip("/").encode("utf-8", "surrogateescape")
                place = _join(target, name) if name else target
                brought += member.size
                if brought > _COPY_MAX:
                    raise CommandError(f"the tar holds more than the {terminal.size(_COPY_MAX)} that one cp may bring")
                content = tar.extractfile(member) if member.isreg() else None
                if member.isdir():
                    if not files.exists(place):
                        files.mkdir(place)
                elif content:
                    if files.lexists(place):
                        files.unlink(place)
                    files.write(place, content.read())
                elif member.issym():
                    files.symlink(member.linkname.encode("utf-8", "surrogateescape"), place)
                    continue
                else:
                    raise CommandError(f"{member.name}: only files, directories and symlinks can be copied in")
                files.chmod(place, member.mode & 0o7777)
                files.utime(place, int(member.mtime) * _NANO)
    except tarfile.TarError as error:
        raise CommandError(f"cannot read the tar on standard input: {error}") from error


def _join(directory: bytes, name: bytes) -> bytes:
    return directory + b"/" + name if directory else name


_OUTPUT = Flag("output", "o", "string", "Write to a file, instead of STDOUT")

DIFF = Verb(
    Usage("diff", "CONTAINER", "Inspect changes to files or directories on a container's filesystem", 1, 1),
    _do_diff,
)
EXPORT = Verb(
    Usage("export", "CONTAINER", "Export a container's filesystem as a tar archive", 1, 1, (_OUTPUT,)),
    _do_export,
)
SAVE = Verb(
    Usage(
        "save",
        "IMAGE [IMAGE...]",
        "Save one or more images to a tar archive (streamed to STDOUT by default)",
        1,
        None,
        (_OUTPUT,),
    ),
    _do_save,
)
LOAD = Verb(
    Usage(
        "load",
        "",
        "Load an image from a tar archive, an OCI archive or an OCI layout directory",
        0,
        0,
        (
            Flag("input", "i", "string", "Read from a file or directory, instead of STDIN"),
            Flag("quiet", "q", help="Suppress the load output"),
        ),
    ),
    _do_load,
)
CP = Verb(
    Usage(
        "cp",
        "CONTAINER:SRC_PATH DEST_PATH|- | SRC_PATH|- CONTAINER:DEST_PATH",
        "Copy files between a container and the local filesystem",
        2,
        2,
    ),
    _do_cp,
)
