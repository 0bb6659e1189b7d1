"""Verbs over files: diff of a container, export of its root, save and load of images as archives."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from engine import archive
from engine import events as facts
from engine import host as hosts
from engine.commands.verb import DAEMON, Brought, Moved, Verb, container, daemon_error, invalid
from engine.context import Context, Outcome
from engine.diff import diff, export
from engine.events import Event, display
from engine.host import Host, ImageRecord
from engine.options import Flag, Options, Usage

# diff, export


def _do_diff(context: Context, host: Host, options: Options, _fetched: Moved | None) -> Outcome:
    found = container(host, options.words[0], lead=DAEMON)
    changes = diff(context.images.stack(found.manifest), context.upper(found))
    return Outcome(host, (facts.Wrote(text="".join(f"{c.kind} {display(c.path)}\n" for c in changes)),))


def _do_export(context: Context, host: Host, options: Options, _fetched: Moved | None) -> Outcome:
    found = container(host, options.words[0], lead=DAEMON)
    with context.local.writer(options.value("output", "-")) as out:
        export(context.images.stack(found.manifest), context.upper(found), context.blobs, out)
    return Outcome(host)


# save, load


def _do_save(context: Context, host: Host, options: Options, _fetched: Moved | None) -> Outcome:
    wanted: dict[str, tuple[ImageRecord, list[str]]] = {}
    for word in options.words:
        record = host.find_image(word)
        if not record:
            unknown = "reference does not exist" if ":" in word.rpartition("/")[2] else f"No such image: {word}"
            raise invalid(word) or daemon_error(unknown)
        _, names = wanted.setdefault(record.id, (record, []))
        names += [name for name in host.tags(record.id) if name not in names and _asks_for(word, name)]
    chosen = [(context.images[record.manifest], tuple(names)) for record, names in wanted.values()]
    with context.local.writer(options.value("output", "-")) as out:
        made = archive.save(chosen, context.blobs)
        out.writelines(made.pieces)
    named = tuple(name for _, names in wanted.values() for name in names)
    return Outcome(host, (facts.ImageSaved(references=named, size=made.size),))


def _asks_for(word: str, name: str) -> bool:
    """Whether an image asked for as `word` goes into the archive under the tag `name`: not where an ID was typed."""
    return name in (word, f"{word}:latest") or word.endswith(f"/{name}")


def _prepare_load(context: Context, host: Host, options: Options) -> Brought:
    source = options.value("input", "-")
    directory = context.local.path(source) if source != "-" else None
    if directory and directory.is_dir():
        return Brought(tuple(_load(context, host, directory)))
    with context.local.reader(source) as stream:
        return Brought(tuple(_load(context, host, stream)))


def _load(context: Context, host: Host, source: Path | BinaryIO) -> list[archive.Loaded]:
    return archive.load(
        source,
        context.blobs,
        context.layers,
        held=hosts.held(host, context.images),
        room=context.room,
        progress=context.progress,
        cancelled=context.cancelled,
        scratch=context.scratch,
    )


def _do_load(_context: Context, host: Host, _options: Options, brought: Moved | None) -> Outcome:
    """The host with the images of an archive, and with their names."""
    assert isinstance(brought, Brought)
    events: list[Event] = []
    for found in brought.loaded:
        host = host.with_image(ImageRecord(id=found.image.id, manifest=found.image.digest))
        for name in found.references:
            host = host.tagged(name, found.image.id)
        size = sum(found.image.content.values())
        for name in found.references or ("",):
            events.append(facts.ImageLoaded(reference=name, image=found.image.id, size=size))
            size = 0
    return Outcome(host, tuple(events))


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
    _prepare_load,
)
