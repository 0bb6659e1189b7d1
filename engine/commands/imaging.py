"""Verbs over images: images, history, tag, commit."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

import msgspec

from engine import digest as digests
from engine import events as facts
from engine import image as imaging
from engine import reference as references
from engine import terminal
from engine.commands.verb import (
    DAEMON,
    Moved,
    Verb,
    after_entrypoint,
    container,
    daemon_error,
    image,
    reference,
)
from engine.context import Context, Outcome
from engine.diff import commit_layer
from engine.digest import Digest
from engine.errors import CommandError, EngineError
from engine.events import Event
from engine.host import Host, ImageRecord
from engine.options import Flag, Options, Usage
from engine.reference import Reference
from engine.spec import LAYERS_MAX, History

_FORMAT = Flag("format", "", "string", "Pretty-print using a Go template")
_NO_TRUNC = Flag("no-trunc", help="Don't truncate output")
_QUIET = Flag("quiet", "q", help="Only show image IDs")
_NONE = "<none>"


# images

_IMAGES = {"Repository": "REPOSITORY", "Tag": "TAG", "ID": "IMAGE ID", "CreatedSince": "CREATED", "Size": "SIZE"}


def _do_images(context: Context, host: Host, options: Options, _fetched: Moved | None) -> Outcome:
    wanted = options.words[0] if options.words else ""
    shown = [
        image_row(context, record, repository, tag, whole=options.on("no-trunc"))
        for record in listed(context, host, every=options.on("all"))
        for repository, tag in names(host, record)
        if _matches(wanted, repository, tag)
    ]
    if options.on("quiet"):
        return Outcome(host, (facts.Wrote(text="".join(f"{row['ID']}\n" for row in shown)),))
    return Outcome(host, (facts.Wrote(text=terminal.rows(shown, _IMAGES, options.value("format"))),))


def listed(context: Context, host: Host, *, every: bool = False) -> list[ImageRecord]:
    """The images newest first, without those that are only a step on the way to another, unless `every` is asked."""
    records = sorted(host.images.values(), key=lambda r: context.images[r.manifest].config.created or "", reverse=True)
    return [record for record in records if every or host.tags(record.id) or not host.children(record.id)]


def names(host: Host, record: ImageRecord) -> list[tuple[str, str]]:
    """Repository and tag of each name of an image; by digest only, or none at all, where it has no tag."""
    tagged = [(r.familiar_name, r.tag or _NONE) for r in map(references.parse, host.tags(record.id))]
    if tagged:
        return tagged
    return [(name.partition("@")[0], _NONE) for name in record.repo_digests] or [(_NONE, _NONE)]


def _matches(wanted: str, repository: str, tag: str) -> bool:
    """Whether `wanted`, perhaps with ``*`` and ``?`` within a component, is the repository or the whole name."""
    asked = wanted.split("/")
    return not wanted or any(
        len(asked) == len(parts) and all(map(fnmatchcase, parts, asked))
        for parts in (repository.split("/"), f"{repository}:{tag}".split("/"))
    )


def image_row(context: Context, record: ImageRecord, repository: str, tag: str, *, whole: bool) -> dict[str, Any]:
    """What the tables of images tell of one under one of its names; its ID cut short unless `whole` is asked."""
    loaded = context.images[record.manifest]
    return {
        "Repository": repository,
        "Tag": tag,
        "ID": record.id if whole else digests.short(record.id),
        "Digest": next((d.partition("@")[2] for d in record.repo_digests), _NONE),
        "CreatedAt": terminal.local_time(loaded.config.created),
        "CreatedSince": terminal.age(loaded.config.created, context.clock()),
        "Size": terminal.size(loaded.unpacked(context.layers)),
    }


# history

_HISTORY = {"ID": "IMAGE", "CreatedSince": "CREATED", "CreatedBy": "CREATED BY", "Size": "SIZE", "Comment": "COMMENT"}


def _do_history(context: Context, host: Host, options: Options, _fetched: Moved | None) -> Outcome:
    record = image(host, options.words[0])
    loaded = context.images[record.manifest]
    ids = lineage(context, host, record)
    whole = options.on("no-trunc")
    shown = []
    for row in reversed(range(len(loaded.steps))):
        step, made = loaded.steps[row], ids.get(row)
        layer = loaded.layers[step.layer] if step.layer is not None else None
        size = context.layers.get(layer.digest, layer.diff_id).unpacked if layer else 0
        created_by = step.created_by.replace("\t", " ")
        shown.append(
            {
                "ID": (made if whole else digests.short(made)) if made else "<missing>",
                "CreatedSince": terminal.age(step.created, context.clock()),
                "CreatedAt": step.created or "",
                "CreatedBy": created_by if whole else terminal.ellipsis(created_by, 45),
                "Size": terminal.size(size),
                "Comment": step.comment,
            }
        )
    if options.on("quiet"):
        return Outcome(host, (facts.Wrote(text="".join(f"{row['ID']}\n" for row in shown)),))
    return Outcome(host, (facts.Wrote(text=terminal.rows(shown, _HISTORY, options.value("format"))),))


def lineage(context: Context, host: Host, record: ImageRecord) -> dict[int, Digest]:
    """The image that stands at each history row (counted from the bottom, 0): its own at the top, below it the
    images that it was made of here. Rows that a pull brought stand for no image: ``<missing>`` (rule 38)."""
    ids: dict[int, Digest] = {}
    at: ImageRecord | None = record
    while at:
        ids.setdefault(len(context.images[at.manifest].steps) - 1, at.id)
        at = host.images.get(at.parent) if at.parent else None
    return ids


# tag, commit


def named(text: str) -> Reference:
    """A name to give to an image: a reference without digest, ``latest`` filled in."""
    found = reference(text)
    if found.digest:
        raise CommandError("refusing to create a tag with a digest reference")
    return found


def _do_tag(_context: Context, host: Host, options: Options, _fetched: Moved | None) -> Outcome:
    for word in options.words:
        try:
            references.parse(word)
        except EngineError as error:
            raise CommandError(f'Error parsing reference: "{word}" is not a valid repository/tag: {error}') from error
    name = named(options.words[1]).familiar
    record = image(host, options.words[0])
    had = host.references.get(name)
    if had == record.id:
        return Outcome(host)
    return Outcome(host.tagged(name, record.id), (facts.ImageTagged(reference=name, image=record.id, moved_from=had),))


def _do_commit(context: Context, host: Host, options: Options, _fetched: Moved | None) -> Outcome:
    name = named(options.words[1]).familiar if len(options.words) > 1 else ""
    found = container(host, options.words[0], lead=DAEMON)
    parent, upper = context.images[found.manifest], context.upper(found)
    command = after_entrypoint(parent.config.run, found)
    events: list[Event] = []
    layer = None
    if upper.nodes:
        if len(parent.layers) >= LAYERS_MAX:
            raise daemon_error("max depth exceeded")
        layer = commit_layer(upper, context.blobs, source_date_epoch=context.epoch)
        events.append(
            facts.LayerCommitted(
                container=found.id,
                digest=layer.digest,
                diff_id=layer.diff_id,
                size=layer.size,
                unpacked=layer.unpacked,
            )
        )
    step = History(
        created=terminal.show_time(context.clock()),
        created_by=" ".join(command),
        author=options.value("author"),
        comment=options.value("message"),
    )
    run = msgspec.structs.replace(
        parent.config.run, Cmd=command or None, Env=found.env or None, WorkingDir=found.workdir
    )
    made = imaging.derive(context.blobs, parent, step, run, layer)
    host = host.with_image(ImageRecord(id=made.id, manifest=made.digest, parent=found.image))
    events.append(facts.ImageCommitted(container=found.id, image=made.id, reference=name, empty=layer is None))
    if name:
        events.append(facts.ImageTagged(reference=name, image=made.id, moved_from=host.references.get(name)))
        host = host.tagged(name, made.id)
    return Outcome(host, (*events, facts.Wrote(text=f"{made.id}\n")))


IMAGES = Verb(
    Usage(
        "images",
        "[REPOSITORY[:TAG]]",
        "List images",
        0,
        1,
        (Flag("all", "a", help="Show all images (default hides intermediate images)"), _FORMAT, _NO_TRUNC, _QUIET),
    ),
    _do_images,
)
HISTORY = Verb(
    Usage("history", "IMAGE", "Show the history of an image", 1, 1, (_FORMAT, _NO_TRUNC, _QUIET)),
    _do_history,
)
TAG = Verb(
    Usage(
        "tag",
        "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
        "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE",
        2,
        2,
    ),
    _do_tag,
)
COMMIT = Verb(
    Usage(
        "commit",
        "CONTAINER [REPOSITORY[:TAG]]",
        "Create a new image from a container's changes",
        1,
        2,
        (
            Flag("author", "a", "string", "Author of the image"),
            Flag("message", "m", "string", "Commit message"),
        ),
    ),
    _do_commit,
)
