"""`docker rm` and `docker rmi`; the latter by moby's rules (daemon/images/image_delete.go).

The names of an image are its tags and the digests under which registries know it. A name that is not the last goes
alone; with the last goes the image, and with it its parents, as long as nothing else wants them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from engine import digest as digests
from engine import events as facts
from engine import reference as references
from engine.commands.verb import Moved, Verb, container, daemon_error, invalid, over_each
from engine.context import Context, Outcome
from engine.digest import Digest
from engine.errors import CommandError
from engine.events import Event
from engine.host import Container, Host, ImageRecord
from engine.options import Flag, Options, Usage

# Containers


def container_gone(context: Context, host: Host, found: Container) -> tuple[Host, Event]:
    """The host without a container, and what to tell of it."""
    gone = facts.ContainerRemoved(container=found.id, name=found.name, unpacked=context.upper(found).unpacked)
    return host.without_container(found.id), gone


def _do_rm(context: Context, host: Host, options: Options, _fetched: Moved | None) -> Outcome:
    def remove(host: Host, word: str) -> tuple[Host, list[Event]]:
        found = container(host, word)
        if found.status == "running" and not options.on("force"):
            raise daemon_error(
                f"You cannot remove a running container {found.id}. "
                "Stop the container before attempting removal or force remove"
            )
        host, gone = container_gone(context, host, found)
        return host, [gone, facts.Wrote(text=f"{word}\n")]

    return over_each(host, options.words, remove)


# Images


def _do_rmi(context: Context, host: Host, options: Options, _fetched: Moved | None) -> Outcome:
    def remove(host: Host, word: str) -> tuple[Host, list[Event]]:
        record = host.find_image(word)
        if not record:
            raise invalid(word) or CommandError(f"Error: No such image: {word}")
        return _remove(context, host, record, word, force=options.on("force"))

    return over_each(host, options.words, remove)


def _remove(context: Context, host: Host, record: ImageRecord, word: str, *, force: bool) -> tuple[Host, list[Event]]:
    names = host.names(record.id)
    if record.id.startswith(word) or digests.encoded(record.id).startswith(word):
        going = names if _one_repository(names) else []
        if going and (error := _obstacle(host, record, force=force, named=False)):
            raise error
        host, events = _untag(host, going)
        return _delete(context, host, record, events, force=force)
    users = host.users(record.id)
    if users and _one_repository(names) and not force:
        raise daemon_error(
            f'conflict: unable to remove repository reference "{word}" (must force) - '
            f"container {users[0].id[:12]} is using its referenced image {digests.short(record.id)}"
        )
    reference = references.parse(word).tagged()
    going = [reference.familiar]
    others = [name for name in names if _repository(name) == reference.familiar_name and name not in going]
    if not reference.digest and all("@" in name for name in others):
        going += others  # a repository without a tag does not keep its digests
    host, events = _untag(host, going)
    if host.names(record.id):
        return host, events
    return _delete(context, host, record, events, force=force, quiet=True)


def _one_repository(names: Sequence[str]) -> bool:
    """Whether an image has a name, and all its names are of one repository and at most one of them is a tag."""
    tags = sum("@" not in name for name in names)
    return len(set(map(_repository, names))) == 1 and tags <= 1


def _repository(name: str) -> str:
    return references.parse(name).familiar_name


def _obstacle(host: Host, record: ImageRecord, *, force: bool, named: bool = True) -> CommandError | None:
    """What forbids to delete an image: what cannot be forced first; names only where they count (`named`)."""
    users = host.users(record.id)
    running = [user for user in users if user.status == "running"]
    hard = True
    if host.children(record.id):
        why = "image has dependent child images"
    elif running:
        why = f"image is being used by running container {running[0].id[:12]}"
    elif force:
        return None
    elif named and host.names(record.id):
        hard, why = False, "image is referenced in multiple repositories"
    elif users:
        hard, why = False, f"image is being used by stopped container {users[0].id[:12]}"
    else:
        return None
    how = "cannot be forced" if hard else "must be forced"
    return daemon_error(f"conflict: unable to delete {digests.short(record.id)} ({how}) - {why}")


def _untag(host: Host, names: Iterable[str]) -> tuple[Host, list[Event]]:
    events: list[Event] = []
    for name in names:
        host = host.untagged(name)
        events.append(facts.ImageUntagged(reference=name))
    return host, events


def _delete(
    context: Context, host: Host, record: ImageRecord, events: list[Event], *, force: bool, quiet: bool = False
) -> tuple[Host, list[Event]]:
    """The image gone with what names it has left, and then its parents; `quiet` where an obstacle just ends it."""
    if error := _obstacle(host, record, force=force):
        if quiet:
            return host, events
        raise error
    host, untagged = _untag(host, host.names(record.id))
    host = host.without_image(record.id)
    kept = {layer.chain_id for manifest in _stacks(host) for layer in context.images[manifest].layers}
    gone = [layer.chain_id for layer in reversed(context.images[record.manifest].layers) if layer.chain_id not in kept]
    events = [*events, *untagged, facts.ImageDeleted(image=record.id, layers=tuple(gone))]
    parent = host.images.get(record.parent) if record.parent else None
    return _delete(context, host, parent, events, force=False, quiet=True) if parent else (host, events)


def _stacks(host: Host) -> Iterable[Digest]:
    yield from (record.manifest for record in host.images.values())
    yield from (user.manifest for user in host.containers.values())


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
RM = Verb(
    Usage(
        "rm",
        "CONTAINER [CONTAINER...]",
        "Remove one or more containers",
        1,
        None,
        (Flag("force", "f", help="Force the removal of a running container"),),
    ),
    _do_rm,
)
