"""Verbs over images: images, history, tag, rmi, commit, inspect."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import msgspec

from engine import digest as digests
from engine import events as facts
from engine import image as imaging
from engine import reference as references
from engine import terminal
from engine.commands.verb import DAEMON, Fetched, Verb, container, daemon_error, image, over_each
from engine.context import Context, Outcome
from engine.diff import commit_layer
from engine.digest import Digest
from engine.errors import CommandError, EngineError
from engine.events import Event
from engine.host import Container, Host, ImageRecord
from engine.options import Flag, Options, Usage
from engine.reference import Reference
from engine.spec import History

_FORMAT = Flag("format", "", "string", "Pretty-print using a Go template")
_NO_TRUNC = Flag("no-trunc", help="Don't truncate output")
_QUIET = Flag("quiet", "q", help="Only show image IDs")
_NONE = "<none>"


# images

_IMAGES = {"Repository": "REPOSITORY", "Tag": "TAG", "ID": "IMAGE ID", "CreatedSince": "CREATED", "Size": "SIZE"}


def _do_images(context: Context, host: Host, options: Options, _fetched: Fetched | None) -> Outcome:
    wanted = options.words[0] if options.words else ""
    records = sorted(host.images.values(), key=lambda r: context.images[r.manifest].config.created or "", reverse=True)
    shown = [
        _image_row(context, record, repository, tag, whole=options.on("no-trunc"))
        for record in records
        if options.on("all") or host.tags(record.id) or not host.children(record.id)
        for repository, tag in _names(host, record)
        if _matches(wanted, repository, tag)
    ]
    if options.on("quiet"):
        return Outcome(host, (facts.Wrote(text="".join(f"{row['ID']}\n" for row in shown)),))
    return Outcome(host, (facts.Wrote(text=terminal.rows(shown, _IMAGES, options.value("format"))),))


def _names(host: Host, record: ImageRecord) -> list[tuple[str, str]]:
    """Repository and tag of each name of an image; by digest only, or none at all, where it has no tag."""
    tagged = [(r.familiar_name, r.tag or _NONE) for r in map(references.parse, host.tags(record.id))]
    if tagged:
        return tagged
    return [(name.partition("@")[0], _NONE) for name in record.repo_digests] or [(_NONE, _NONE)]


def _matches(wanted: str, repository: str, tag: str) -> bool:
    if not wanted:
        return True
    asked = references.parse(wanted)
    return asked.familiar_name == repository and asked.tag in (None, tag)


def _image_row(context: Context, record: ImageRecord, repository: str, tag: str, *, whole: bool) -> dict[str, Any]:
    loaded = context.images[record.manifest]
    return {
        "Repository": repository,
        "Tag": tag,
        "ID": record.id if whole else digests.short(record.id),
        "Digest": next((d.partition("@")[2] for d in record.repo_digests), _NONE),
        "CreatedAt": loaded.config.created or "",
        "CreatedSince": terminal.age(loaded.config.created, context.clock()),
        "Size": terminal.size(loaded.unpacked(context.layers)),
    }


# history

_HISTORY = {"ID": "IMAGE", "CreatedSince": "CREATED", "CreatedBy": "CREATED BY", "Size": "SIZE", "Comment": "COMMENT"}


def _do_history(context: Context, host: Host, options: Options, _fetched: Fetched | None) -> Outcome:
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
    try:
        reference = references.parse(text).tagged()
    except EngineError as error:
        raise CommandError(f'Error parsing reference: "{text}" is not a valid repository/tag: {error}') from error
    if reference.digest:
        raise daemon_error("refusing to create a tag with a digest reference")
    return reference


def _do_tag(_context: Context, host: Host, options: Options, _fetched: Fetched | None) -> Outcome:
    record, name = image(host, options.words[0]), named(options.words[1]).familiar
    had = host.references.get(name)
    if had == record.id:
        return Outcome(host)
    return Outcome(host.tagged(name, record.id), (facts.ImageTagged(reference=name, image=record.id, moved_from=had),))


def _do_commit(context: Context, host: Host, options: Options, _fetched: Fetched | None) -> Outcome:
    found = container(host, options.words[0], lead=DAEMON)
    name = named(options.words[1]).familiar if len(options.words) > 1 else ""
    parent, upper = context.images[found.manifest], context.upper(found)
    events: list[Event] = []
    layer = None
    if upper.nodes:
        layer = commit_layer(upper, context.blobs)
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
        created_by=" ".join(found.command),
        author=options.value("author"),
        comment=options.value("message"),
    )
    run = msgspec.structs.replace(
        parent.config.run, Cmd=found.command, Entrypoint=None, Env=found.env or None, WorkingDir=found.workdir
    )
    entry = parent.config.run.Entrypoint or ()
    if entry and found.command[: len(entry)] == entry:
        run = msgspec.structs.replace(run, Entrypoint=entry, Cmd=found.command[len(entry) :] or None)
    made = imaging.derive(context.blobs, parent, step, run, layer)
    host = host.with_image(ImageRecord(id=made.id, manifest=made.digest, parent=found.image))
    events.append(facts.ImageCommitted(container=found.id, image=made.id, reference=name, empty=layer is None))
    if name:
        events.append(facts.ImageTagged(reference=name, image=made.id, moved_from=host.references.get(name)))
        host = host.tagged(name, made.id)
    return Outcome(host, (*events, facts.Wrote(text=f"{made.id}\n")))


# rmi


def _do_rmi(context: Context, host: Host, options: Options, _fetched: Fetched | None) -> Outcome:
    def remove(host: Host, word: str) -> tuple[Host, list[Event]]:
        record = host.find_image(word)
        if not record:
            raise CommandError(f"Error: No such image: {word}")
        return _remove(context, host, record, word, force=options.on("force"))

    return over_each(host, options.words, remove)


def _remove(context: Context, host: Host, record: ImageRecord, word: str, *, force: bool) -> tuple[Host, list[Event]]:
    """One name, or one image, by moby's rules: a name that is not the last only goes itself."""
    tags, users = host.tags(record.id), host.users(record.id)
    by_name = not digests.encoded(record.id).startswith(word.removeprefix("sha256:"))
    short = digests.short(record.id)
    if not by_name:
        if len({references.parse(tag).familiar_name for tag in tags}) > 1 and not force:
            raise _conflict(short, "must be forced", "image is referenced in multiple repositories")
        _check(host, record, force=force)
        return _delete(context, host, record)
    name = references.parse(word).tagged().familiar
    if name in tags:
        if len(tags) == 1 and users and not force:
            raise daemon_error(
                f'conflict: unable to remove repository reference "{word}" (must force) - '
                f"container {users[0].id[:12]} is using its referenced image {short}"
            )
        if len(tags) > 1:
            return host.untagged(name), [facts.ImageUntagged(reference=name)]
    if host.children(record.id) or any(user.status == "running" for user in users):
        return host.untagged(name), [facts.ImageUntagged(reference=name)]
    _check(host, record, force=force)
    return _delete(context, host, record)


def _check(host: Host, record: ImageRecord, *, force: bool) -> None:
    """Whether the image may go: never below a running container or a child image, below a stopped one if forced."""
    short = digests.short(record.id)
    users = sorted(host.users(record.id), key=lambda user: user.status != "running")
    if users and users[0].status == "running":
        why = f"image is being used by running container {users[0].id[:12]}"
        raise _conflict(short, "cannot be forced", why)
    if host.children(record.id):
        raise _conflict(short, "cannot be forced", "image has dependent child images")
    if users and not force:
        raise _conflict(short, "must be forced", f"image is being used by stopped container {users[0].id[:12]}")


def _conflict(short: str, how: str, why: str) -> CommandError:
    return daemon_error(f"conflict: unable to delete {short} ({how}) - {why}")


def _delete(context: Context, host: Host, record: ImageRecord) -> tuple[Host, list[Event]]:
    """The image gone with all its names, and then its parents as long as nothing else wants them."""
    events: list[Event] = [facts.ImageUntagged(reference=name) for name in host.tags(record.id)]
    events += [facts.ImageUntagged(reference=name) for name in record.repo_digests]
    after = host.without_image(record.id)
    kept = {layer.chain_id for manifest in _stacks(after) for layer in context.images[manifest].layers}
    gone = [layer.chain_id for layer in reversed(context.images[record.manifest].layers) if layer.chain_id not in kept]
    events.append(facts.ImageDeleted(image=record.id, layers=tuple(gone)))
    parent = after.images.get(record.parent) if record.parent else None
    if parent and not (
        after.tags(parent.id) or parent.repo_digests or after.children(parent.id) or after.users(parent.id)
    ):
        after, more = _delete(context, after, parent)
        events += more
    return after, events


def _stacks(host: Host) -> Iterable[Digest]:
    yield from (record.manifest for record in host.images.values())
    yield from (user.manifest for user in host.containers.values())


# inspect


def _do_inspect(context: Context, host: Host, options: Options, _fetched: Fetched | None) -> Outcome:
    return _inspect(context, host, options, options.value("type"))


def _inspect(context: Context, host: Host, options: Options, only: str) -> Outcome:
    documents, missing = [], []
    for word in options.words:
        found = host.find_container(word) if only != "image" else None
        record = host.find_image(word) if only != "container" and not found else None
        if found:
            documents.append(container_document(context, found))
        elif record:
            documents.append(image_document(context, host, record))
        else:
            missing.append(f"Error: No such {only or 'object'}: {word}\n")
    template = options.value("format")
    if template and template != "json":
        text = "".join(terminal.fill(template, document) + "\n" for document in documents)
    elif template:
        text = json.dumps(documents, separators=(",", ":")) + "\n"
    else:
        text = json.dumps(documents, indent=4) + "\n"
    complaints = (facts.Wrote(text=line, stream="stderr") for line in missing)
    return Outcome(host, (facts.Wrote(text=text), *complaints), 1 if missing else 0)


def image_document(context: Context, host: Host, record: ImageRecord) -> dict[str, Any]:
    """What ``docker image inspect`` tells of an image, as far as there is something true to tell."""
    loaded = context.images[record.manifest]
    last = loaded.steps[-1] if loaded.steps else None
    return {
        "Id": record.id,
        "RepoTags": host.tags(record.id),
        "RepoDigests": list(record.repo_digests),
        "Parent": record.parent or "",
        "Comment": last.comment if last else "",
        "Created": loaded.config.created,
        "Author": loaded.config.author,
        "Config": msgspec.to_builtins(loaded.config.run),
        "Architecture": loaded.config.architecture,
        "Os": loaded.config.os,
        "Size": loaded.unpacked(context.layers),
        "Manifest": record.manifest,
        "RootFS": {"Type": "layers", "Layers": list(loaded.config.rootfs.diff_ids)},
    }


def container_document(context: Context, found: Container) -> dict[str, Any]:
    """What ``docker container inspect`` tells of a container."""
    upper = context.upper(found).unpacked
    return {
        "Id": found.id,
        "Created": found.created,
        "Path": found.command[0],
        "Args": list(found.command[1:]),
        "State": {
            "Status": found.status,
            "Running": found.status == "running",
            "ExitCode": found.exit_code,
            "StartedAt": found.started,
            "FinishedAt": found.finished,
        },
        "Image": found.image,
        "Name": f"/{found.name}",
        "Config": {
            "Image": found.requested,
            "Cmd": list(found.command),
            "Env": list(found.env),
            "WorkingDir": found.workdir,
        },
        "SizeRw": upper,
        "SizeRootFs": upper + context.images[found.manifest].unpacked(context.layers),
    }


def inspecting(only: str) -> Verb:
    """``docker inspect``, or its form for one kind of object."""
    flags: tuple[Flag, ...] = (Flag("format", "f", "string", "Format output using a Go template, or json"),)
    if not only:
        flags += (Flag("type", "", "string", "Return JSON for this type: container or image"),)
    usage = Usage(
        f"{only} inspect".strip(),
        "NAME|ID [NAME|ID...]",
        "Return low-level information on Docker objects",
        1,
        None,
        flags,
    )
    return Verb(usage, lambda c, h, o, _: _inspect(c, h, o, only) if only else _do_inspect(c, h, o, _))


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
RMI = Verb(
    Usage(
        "rmi",
        "IMAGE [IMAGE...]",
        "Remove one or more images",
        1,
        None,
        (Flag("force", "f", help="Force removal of the image"),),
    ),
    _do_rmi,
)
INSPECT = inspecting("")
