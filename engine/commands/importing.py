"""`docker import`: the tar of a root file system becomes an image of one layer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

import msgspec

from engine import archive, spec, terminal
from engine import events as facts
from engine import image as imaging
from engine.blobs import CHUNK
from engine.commands import pulling
from engine.commands.changes import changed
from engine.commands.imaging import named
from engine.commands.verb import Brought, Moved, Verb, daemon_error
from engine.compression import recognise
from engine.context import Context, Outcome
from engine.digest import Digest
from engine.errors import Cancelled, CommandError, EngineError, LimitExceeded, NoRoom
from engine.events import Event
from engine.host import Host, ImageRecord
from engine.layer import Layer
from engine.options import Flag, Options, Usage
from engine.spec import Descriptor, History, ImageConfig, Platform, RootFS, RunConfig

_MEDIA_TYPES = {"": spec.OCI_LAYER, "gzip": spec.OCI_LAYER_GZIP, "zstd": spec.OCI_LAYER_ZSTD}
_MAGIC = 8
BYTES_MAX = 8 << 30
"""Bytes of an archive where no quota bounds them."""


def _prepare(context: Context, _host: Host, options: Options) -> Brought:
    source, *names = options.words
    if len(names) > 1:
        raise CommandError(f"{names[1][:100]!r} is one word too many: a source, and one name for the image")
    name = named(names[0]).familiar if names else ""
    platform = pulling.platform(options.value("platform"))
    run = RunConfig()
    for change in options.all("change"):
        run = changed(run, change)
    if "://" in source:
        raise CommandError(f"{source[:200]}: only files are imported; fetch it first, and import it from - or a file")
    with context.local.reader(source) as stream:
        head = stream.read(_MAGIC)
        compression = recognise(head)
        if compression not in _MEDIA_TYPES:
            raise daemon_error(f"compressed with {compression}; gzip, zstd or none are read")
        blob = context.blobs.put(_bounded(context, _chain(head, iter(partial(stream.read, CHUNK), b""))))
    try:
        layer = context.layers.unpack(blob, None, partial(_go_on, context))
    except Cancelled:
        raise
    except EngineError as error:
        raise daemon_error(f"import {source[:200]}: {error}") from error
    made = _image(context, blob, layer, _MEDIA_TYPES[compression], run, platform, options)
    imported = facts.ImageImported(
        image=made.id,
        digest=blob,
        diff_id=layer.diff_id,
        size=made.layers[0].size,
        unpacked=layer.unpacked,
        reference=name,
    )
    return Brought((archive.Loaded(made, (name,) if name else ()),), imported)


def _run(_context: Context, host: Host, _options: Options, brought: Moved | None) -> Outcome:
    assert isinstance(brought, Brought)
    assert brought.imported
    made, names = brought.loaded[0].image, brought.loaded[0].references
    host = host.with_image(ImageRecord(id=made.id, manifest=made.digest))
    events: list[Event] = [brought.imported]
    for name in names:
        events.append(facts.ImageTagged(reference=name, image=made.id, moved_from=host.references.get(name)))
        host = host.tagged(name, made.id)
    return Outcome(host, tuple(events))


def _chain(head: bytes, pieces: Iterable[bytes]) -> Iterator[bytes]:
    yield head
    yield from pieces


def _bounded(context: Context, pieces: Iterable[bytes]) -> Iterator[bytes]:
    limit, count = BYTES_MAX if context.room is None else context.room, 0
    for piece in pieces:
        _go_on(context, count)
        count += len(piece)
        if count > limit:
            raise LimitExceeded("bytes of the archive", limit) if context.room is None else NoRoom(count, limit)
        yield piece


def _go_on(context: Context, _done: int) -> None:
    if context.cancelled():
        raise Cancelled


def _image(
    context: Context,
    blob: Digest,
    layer: Layer,
    media_type: str,
    run: RunConfig,
    platform: Platform,
    options: Options,
) -> imaging.Image:
    """The image, stored: one layer and one row of history."""
    now = terminal.show_time(context.clock())
    config = msgspec.json.encode(
        ImageConfig(
            architecture=platform.architecture,
            os=platform.os,
            created=now,
            config=run,
            rootfs=RootFS(type="layers", diff_ids=(layer.diff_id,)),
            history=(History(created=now, comment=options.value("message", "Imported from -")),),
        )
    )
    fields = {
        "schemaVersion": 2,
        "mediaType": spec.OCI_MANIFEST,
        "config": Descriptor(media_type=spec.OCI_CONFIG, digest=context.blobs.put(config), size=len(config)),
        "layers": [Descriptor(media_type=media_type, digest=blob, size=context.blobs.size(blob))],
    }
    return imaging.load(context.blobs, context.blobs.put(msgspec.json.encode(fields)))


IMPORT = Verb(
    Usage(
        "import",
        "file|URL|- [REPOSITORY[:TAG]]",
        "Import the contents from a tarball to create a filesystem image",
        1,
        None,
        (
            Flag("change", "c", "list", "Apply Dockerfile instruction to the created image", many=True),
            Flag("message", "m", "string", "Set commit message for imported image"),
            pulling.PLATFORM,
        ),
    ),
    _run,
    _prepare,
)
