"""How a container is made of an image: `create`, and the first half of `run`. Nothing is copied for it."""

from __future__ import annotations

import re
from collections.abc import Callable

from msgspec.structs import replace

from engine import events as facts
from engine import reference as references
from engine import terminal
from engine.commands import pulling
from engine.commands.verb import Fetched, Moved, Verb, daemon_error, image, reference
from engine.context import Context, Outcome
from engine.errors import CommandError, EngineError
from engine.events import Event
from engine.host import Container, Host, ImageRecord
from engine.options import Flag, Options, Usage
from engine.reference import Reference
from engine.spec import Platform

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")


def _prepare(context: Context, host: Host, options: Options) -> Moved | None:
    return fetch(context, host, options)


def fetch(
    context: Context,
    host: Host,
    options: Options,
    refused: Callable[[CommandError], CommandError] = lambda error: error,
) -> Moved | None:
    """The image, fetched where the host has none of that name and platform, as docker does. `refused` words a
    refusal."""
    wanted = options.words[0]
    try:
        platform = pulling.platform(options.value("platform"))
        if _found(context, host, wanted, platform if options.value("platform") else None):
            return None
        asked = reference(wanted)
    except CommandError as error:
        raise refused(error) from error
    try:
        return pulling.fetch(context, host, wanted, platform)
    except CommandError as error:
        why = refused(error)
        raise CommandError(f"{_unable(asked)}{why}", why.exit_code) from error


def _found(context: Context, host: Host, wanted: str, platform: Platform | None) -> bool:
    """Whether the host has the image, for this platform where one was asked for."""
    record = host.find_image(wanted)
    if not record or not platform:
        return bool(record)
    config = context.images[record.manifest].config
    return (config.os, config.architecture) == (platform.os, platform.architecture)


def _unable(asked: Reference) -> str:
    return f"Unable to find image '{asked}' locally\n"


def create(
    context: Context, host: Host, options: Options, fetched: Moved | None
) -> tuple[Host, list[Event], Container]:
    """The host with a new container of the image that the first word names, what happened, and the container."""
    wanted, *command = options.words
    events: list[Event] = []
    had = host.find_image(wanted)
    if isinstance(fetched, Fetched) and (not had or had.id != fetched.pulled.image.id):
        events.append(facts.Wrote(text=_unable(fetched.reference), stream="stderr"))
        pulled = pulling.adopt(host, fetched, typed=wanted)
        host = pulled.host
        events += (replace(e, quiet=True) if isinstance(e, facts.PullStarted) else e for e in pulled.events)
        events.append(facts.Wrote(text=terminal.render(pulled.events), stream="stderr"))
    record = image(host, wanted)
    run = context.images[record.manifest].config.run
    made = Container(
        id=context.ids(),
        name=_name(host, options.value("name"), wanted, record),
        image=record.id,
        manifest=record.manifest,
        requested=wanted,
        command=(*(run.Entrypoint or ()), *(command or run.Cmd or ())),
        custom_command=bool(command),
        created=terminal.show_time(context.clock()),
        env=environment(options.all("env"), run.Env or ()),
        workdir=options.value("workdir", run.WorkingDir),
    )
    if not made.command:
        raise daemon_error("No command specified")
    events.append(facts.ContainerCreated(container=made.id, name=made.name, image=record.id))
    return host.with_container(made), events, made


def _name(host: Host, asked: str, wanted: str, record: ImageRecord) -> str:
    """The asked name, checked; or the repository's last part, as typed, and the lowest free number: ``web-1``."""
    taken = {other.name: other for other in host.containers.values()}
    if asked:
        asked = asked.removeprefix("/")
        if not _NAME.fullmatch(asked):
            raise daemon_error(f"Invalid container name ({asked}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")
        if asked in taken:
            raise daemon_error(
                f'Conflict. The container name "/{asked}" is already in use by container "{taken[asked].id}". '
                "You have to remove (or rename) that container to be able to reuse that name."
            )
        return asked
    typed = wanted if _is_name(host, wanted) else next(iter(host.called(record.id)), wanted)
    title = typed.partition("@")[0].rpartition("/")[2].partition(":")[0]
    title = re.sub(r"[^a-zA-Z0-9_.-]", "-", title).strip("-._") or "container"
    return next(name for n in range(1, len(taken) + 2) if (name := f"{title}-{n}") not in taken)


def _is_name(host: Host, wanted: str) -> bool:
    """Whether an image was asked for by one of its names, rather than by its id."""
    try:
        asked = references.parse(wanted).tagged()
    except EngineError:
        return False
    return bool(asked.digest) or asked.familiar in host.references


def environment(own: tuple[str, ...], lower: tuple[str, ...]) -> tuple[str, ...]:
    """`own` settings, then those of `lower` that they do not replace. A name alone means the value that it has where
    docker is called, which is none here: that of `lower` goes too."""
    named = {pair.partition("=")[0]: pair for pair in own}
    return (
        *(pair for pair in named.values() if "=" in pair),
        *(pair for pair in lower if pair.partition("=")[0] not in named),
    )


def _do_create(context: Context, host: Host, options: Options, fetched: Moved | None) -> Outcome:
    host, events, made = create(context, host, options, fetched)
    return Outcome(host, (*events, facts.Wrote(text=f"{made.id}\n")))


ENV = Flag("env", "e", "list", "Set environment variables", many=True)
WORKDIR = Flag("workdir", "w", "string", "Working directory inside the container")
TERMINAL = (
    Flag("interactive", "i", help="Keep STDIN open even if not attached (there is none here)"),
    Flag("tty", "t", help="Allocate a pseudo-TTY (there is none here)"),
)
NAMED = Flag("name", "", "string", "Assign a name to the container")

CREATE = Verb(
    Usage(
        "create",
        "IMAGE [COMMAND] [ARG...]",
        "Create a new container",
        1,
        None,
        (ENV, NAMED, pulling.PLATFORM, *TERMINAL, WORKDIR),
        True,
    ),
    _do_create,
    _prepare,
)
