"""Verbs over containers' lives: create, run, start, stop, exec, logs, ps, rm.

No process exists. A container is running between `run` or `start` and `stop`. A command that was typed is read by the
kitchen shell over the container's files (engine.shell), and the container ends with it; the image's own command is
recorded and never interpreted, so such a container stays open until it is stopped.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec.structs import replace

from engine import digest as digests
from engine import events as facts
from engine import shell, terminal
from engine.commands import pulling
from engine.commands.verb import DAEMON, Fetched, Verb, container, daemon_error, image, over_each, reference
from engine.context import Context, Outcome
from engine.errors import CommandError, EngineError
from engine.events import Event
from engine.host import Container, Host
from engine.options import Flag, Options, Usage
from engine.reference import Reference
from engine.snapshot import Snapshot

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")
_RUN_ERROR = 125
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where docker looks commands up, unless an image says."""
_PASSWD_MAX = 1 << 20
Stream: TypeAlias = Literal["stdout", "stderr"]


# create, run


def _prepare(context: Context, host: Host, options: Options) -> Fetched | None:
    """The image, fetched where the host has none of that name, as docker does."""
    return _fetch(context, host, options.words[0])


def _prepare_run(context: Context, host: Host, options: Options) -> Fetched | None:
    return _fetch(context, host, options.words[0], _refused)


def _fetch(
    context: Context, host: Host, wanted: str, refused: Callable[[CommandError], CommandError] = lambda error: error
) -> Fetched | None:
    if host.find_image(wanted):
        return None
    try:
        asked = reference(wanted)
    except CommandError as error:
        raise refused(error) from error
    try:
        return pulling.fetch(context, host, wanted)
    except CommandError as error:
        why = refused(error)
        raise CommandError(f"{_unable(asked)}{why}", why.exit_code) from error


def _unable(asked: Reference) -> str:
    return f"Unable to find image '{asked}' locally\n"


def _refused(error: CommandError) -> CommandError:
    """A refusal as ``docker run`` tells it."""
    why = str(error).removesuffix(".")
    return CommandError(f"docker: {why}.\nSee 'docker run --help'.", _RUN_ERROR)


def _create(
    context: Context, host: Host, options: Options, fetched: Fetched | None
) -> tuple[Host, list[Event], Container]:
    wanted, *command = options.words
    events: list[Event] = []
    if fetched and not host.find_image(wanted):
        events.append(facts.Wrote(text=_unable(fetched.reference), stream="stderr"))
        pulled = pulling.adopt(host, fetched, typed=wanted)
        host = pulled.host
        events += (replace(e, quiet=True) if isinstance(e, facts.PullStarted) else e for e in pulled.events)
        events.append(facts.Wrote(text=terminal.render(pulled.events), stream="stderr"))
    record = image(host, wanted)
    run = context.images[record.manifest].config.run
    made = Container(
        id=context.ids(),
        name=_name(host, options.value("name"), wanted, host.tags(record.id)),
        image=record.id,
        manifest=record.manifest,
        requested=wanted,
        command=(*(run.Entrypoint or ()), *(command or run.Cmd or ())),
        custom_command=bool(command),
        created=terminal.show_time(context.clock()),
        env=_environment(options.all("env"), run.Env or ()),
        workdir=options.value("workdir", run.WorkingDir),
    )
    if not made.command:
        raise daemon_error("No command specified")
    events.append(facts.ContainerCreated(container=made.id, name=made.name, image=record.id))
    return host.with_container(made), events, made


def _name(host: Host, asked: str, wanted: str, tags: list[str]) -> str:
    """The asked name, checked; or the repository's last part and the lowest free number: ``pepperoni-1``."""
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
    title = (tags[0] if tags else wanted).partition("@")[0].rpartition("/")[2].partition(":")[0]
    title = re.sub(r"[^a-zA-Z0-9_.-]", "-", title).strip("-._") or "container"
    return next(name for n in range(1, len(taken) + 2) if (name := f"{title}-{n}") not in taken)


def _environment(own: tuple[str, ...], lower: tuple[str, ...]) -> tuple[str, ...]:
    """`own` settings, then those of `lower` that they do not replace. A name alone means the value that it has where
    docker is called, which is none here: that of `lower` goes too."""
    named = {pair.partition("=")[0]: pair for pair in own}
    return (
        *(pair for pair in named.values() if "=" in pair),
        *(pair for pair in lower if pair.partition("=")[0] not in named),
    )


def _do_create(context: Context, host: Host, options: Options, fetched: Fetched | None) -> Outcome:
    host, events, made = _create(context, host, options, fetched)
    return Outcome(host, (*events, facts.Wrote(text=f"{made.id}\n")))


def _do_run(context: Context, host: Host, options: Options, fetched: Fetched | None) -> Outcome:
    try:
        host, events, made = _create(context, host, options, fetched)
    except CommandError as error:
        raise _refused(error) from error
    if options.on("detach"):
        events.append(facts.Wrote(text=f"{made.id}\n"))
    host, begun, status = _begin(context, host, made, attached=not options.on("detach"))
    events += begun
    ended = host.containers[made.id]
    if options.on("rm") and ended.status == "exited":
        host, gone = _remove(context, host, ended)
        events.append(gone)
    return Outcome(host, tuple(events), status if not options.on("detach") else 0)


def _begin(context: Context, host: Host, made: Container, *, attached: bool) -> tuple[Host, tuple[Event, ...], int]:
    """Start a container; a typed command runs to its end. Returns its exit code, 0 where it stays open."""
    now = terminal.show_time(context.clock())
    events: list[Event] = [facts.ContainerStarted(container=made.id, name=made.name)]
    made = replace(made, status="running", started=now, finished="", exit_code=0)
    if not made.custom_command:
        if attached:
            words = (
                f"{made.name} is open until `docker stop {made.name}`; its command is not run: no process exists here\n"
            )
            events.append(facts.Wrote(text=words, stream="stderr"))
        return host.with_container(made), (*events,), 0
    made, ran = _interpret(context, made, made.command, events, env=made.env, workdir=made.workdir)
    if attached:
        events += _words(ran.out)
    log = [*_log(context, made), *ran.out]
    made = replace(
        made,
        status="exited",
        exit_code=ran.status,
        finished=terminal.show_time(context.clock()),
        log=context.blobs.put(msgspec.msgpack.encode(log)) if log else None,
    )
    events.append(facts.ContainerStopped(container=made.id, name=made.name, exit_code=ran.status))
    return host.with_container(made), (*events,), ran.status


def _interpret(
    context: Context,
    made: Container,
    command: tuple[str, ...],
    events: list[Event],
    *,
    env: tuple[str, ...],
    workdir: str,
) -> tuple[Container, shell.Ran]:
    """Run a command by the kitchen shell; the container with its new upper, and what was printed."""
    with_files = context.edit(made, events.append)
    variables = {"PATH": _PATH, "HOSTNAME": made.id[:12], "HOME": _home(with_files)}
    variables |= dict(pair.partition("=")[::2] for pair in env)
    ran = shell.run(command, with_files, env=variables, cwd=workdir or "/", cancelled=context.cancelled)
    return replace(made, upper=context.store(with_files.freeze())), ran


def _home(files: Snapshot) -> str:
    """The home directory of root by the container's own /etc/passwd, the root directory without one."""
    try:
        users = [line.split(b":") for line in files.read(b"etc/passwd", limit=_PASSWD_MAX).splitlines()]
    except EngineError:
        return "/"
    return next((os.fsdecode(user[5]) for user in users if len(user) > 5 and user[2] == b"0"), "/")


def _words(out: Iterable[tuple[Stream, bytes]]) -> list[Event]:
    """What a command printed, as events."""
    return [facts.Wrote(text=text.decode("utf-8", "replace"), stream=stream) for stream, text in out]


# start, stop, exec, logs


def _do_start(context: Context, host: Host, options: Options, _fetched: Fetched | None) -> Outcome:
    def start(host: Host, word: str) -> tuple[Host, list[Event]]:
        found = host.find_container(word)
        if not found:
            raise CommandError(f"{DAEMON}No such container: {word}\nError: failed to start containers: {word}")
        begun: tuple[Event, ...] = ()
        if found.status != "running":
            host, begun, _ = _begin(context, host, found, attached=False)
        return host, [*begun, facts.Wrote(text=f"{word}\n")]

    if not options.on("attach"):
        return over_each(host, options.words, start)
    if len(options.words) > 1:
        raise CommandError("you cannot start and attach multiple containers at once")
    found = container(host, options.words[0])
    if found.status == "running":
        return Outcome(host)
    return Outcome(*_begin(context, host, found, attached=True))


def _do_stop(context: Context, host: Host, options: Options, _fetched: Fetched | None) -> Outcome:
    def stop(host: Host, word: str) -> tuple[Host, list[Event]]:
        found = container(host, word, lead=DAEMON)
        events: list[Event] = []
        if found.status == "running":
            now = terminal.show_time(context.clock())
            host = host.with_container(replace(found, status="exited", finished=now, exit_code=0))
            events.append(facts.ContainerStopped(container=found.id, name=found.name, exit_code=0))
        return host, [*events, facts.Wrote(text=f"{word}\n")]

    return over_each(host, options.words, stop)


def _do_exec(context: Context, host: Host, options: Options, _fetched: Fetched | None) -> Outcome:
    word, *command = options.words
    found = container(host, word)
    if found.status != "running":
        raise daemon_error(f"Container {found.id} is not running")
    events: list[Event] = []
    env = _environment(options.all("env"), found.env)
    workdir = options.value("workdir", found.workdir)
    after, ran = _interpret(context, found, tuple(command), events, env=env, workdir=workdir)
    return Outcome(host.with_container(after), (*events, *_words(ran.out)), ran.status)


def _do_logs(context: Context, host: Host, options: Options, _fetched: Fetched | None) -> Outcome:
    found = container(host, options.words[0])
    said = [(stream, line) for stream, text in _log(context, found) for line in text.splitlines(keepends=True)]
    tail = options.value("tail", "all")
    return Outcome(host, tuple(_words(said[max(0, len(said) - int(tail)) :] if tail.isdecimal() else said)))


def _log(context: Context, found: Container) -> list[tuple[Stream, bytes]]:
    """What a container's typed command printed, every time that it ran."""
    return msgspec.msgpack.decode(context.blobs.read(found.log), type=list[tuple[Stream, bytes]]) if found.log else []


# ps, rm

_PS = {"ID": "CONTAINER ID", "Image": "IMAGE", "Command": "COMMAND", "RunningFor": "CREATED", "Status": "STATUS"}
_PS_END = {"Ports": "PORTS", "Names": "NAMES"}


def _do_ps(context: Context, host: Host, options: Options, _fetched: Fetched | None) -> Outcome:
    shown = [c for c in reversed([*host.containers.values()]) if options.on("all") or c.status == "running"]
    if options.on("quiet"):
        ids = (c.id if options.on("no-trunc") else c.id[:12] for c in shown)
        return Outcome(host, (facts.Wrote(text="".join(f"{text}\n" for text in ids)),))
    template = options.value("format")
    sized = options.on("size") or ".Size" in template or "json" in template
    records = [_ps_row(context, host, c, whole=options.on("no-trunc"), sized=sized) for c in shown]
    columns = _PS | _PS_END | ({"Size": "SIZE"} if sized else {})
    return Outcome(host, (facts.Wrote(text=terminal.rows(records, columns, template)),))


def _ps_row(context: Context, host: Host, c: Container, *, whole: bool, sized: bool) -> dict[str, Any]:
    first, *others = c.command
    command = " ".join((first, *(f"'{word}'" if " " in word else word for word in others)))
    row = {
        "ID": c.id if whole else c.id[:12],
        "Image": c.requested if host.find_image(c.requested) else digests.short(c.image),
        "Command": json.dumps(command if whole else terminal.ellipsis(command, 20), ensure_ascii=False),
        "CreatedAt": terminal.local_time(c.created),
        "RunningFor": terminal.age(c.created, context.clock()),
        "State": c.status,
        "Status": status(c, context),
        "Ports": "",
        "Names": c.name,
    }
    if sized:
        own = context.upper(c).unpacked
        below = context.images[c.manifest].unpacked(context.layers)
        row["Size"] = f"{terminal.size(own)} (virtual {terminal.size(own + below)})"
    return row


def status(c: Container, context: Context) -> str:
    """``Up 5 minutes``, ``Exited (0) 8 days ago``, ``Created``."""
    now = context.clock()
    if c.status == "running":
        started = terminal.parse_time(c.started) or now
        return f"Up {terminal.duration((now - started).total_seconds())}"
    return f"Exited ({c.exit_code}) {terminal.age(c.finished, now)}" if c.status == "exited" else "Created"


def _remove(context: Context, host: Host, found: Container) -> tuple[Host, Event]:
    gone = facts.ContainerRemoved(container=found.id, name=found.name, unpacked=context.upper(found).unpacked)
    return host.without_container(found.id), gone


def _do_rm(context: Context, host: Host, options: Options, _fetched: Fetched | None) -> Outcome:
    def remove(host: Host, word: str) -> tuple[Host, list[Event]]:
        found = container(host, word)
        if found.status == "running" and not options.on("force"):
            raise daemon_error(
                f"You cannot remove a running container {found.id}. "
                "Stop the container before attempting removal or force remove"
            )
        host, gone = _remove(context, host, found)
        return host, [gone, facts.Wrote(text=f"{word}\n")]

    return over_each(host, options.words, remove)


_ENV = Flag("env", "e", "list", "Set environment variables", many=True)
_WORKDIR = Flag("workdir", "w", "string", "Working directory inside the container")
_TERMINAL = (
    Flag("interactive", "i", help="Keep STDIN open even if not attached (there is none here)"),
    Flag("tty", "t", help="Allocate a pseudo-TTY (there is none here)"),
)
_NAMED = Flag("name", "", "string", "Assign a name to the container")

CREATE = Verb(
    Usage(
        "create",
        "IMAGE [COMMAND] [ARG...]",
        "Create a new container",
        1,
        None,
        (_ENV, _NAMED, *_TERMINAL, _WORKDIR),
        True,
    ),
    _do_create,
    _prepare,
)
RUN = Verb(
    Usage(
        "run",
        "IMAGE [COMMAND] [ARG...]",
        "Run a command in a new container",
        1,
        None,
        (
            Flag("detach", "d", help="Run container in background and print container ID"),
            _ENV,
            *_TERMINAL,
            _NAMED,
            Flag("rm", help="Automatically remove the container when it exits"),
            _WORKDIR,
        ),
        True,
    ),
    _do_run,
    _prepare_run,
)
START = Verb(
    Usage(
        "start",
        "CONTAINER [CONTAINER...]",
        "Start one or more stopped containers",
        1,
        None,
        (Flag("attach", "a", help="Attach STDOUT/STDERR and forward signals"),),
    ),
    _do_start,
)
STOP = Verb(
    Usage(
        "stop",
        "CONTAINER [CONTAINER...]",
        "Stop one or more running containers",
        1,
        None,
        (Flag("time", "t", "int", "Seconds to wait for stop before killing it (there is nothing to wait for here)"),),
    ),
    _do_stop,
)
EXEC = Verb(
    Usage(
        "exec",
        "CONTAINER COMMAND [ARG...]",
        "Run a command in a running container",
        2,
        None,
        (_ENV, *_TERMINAL, _WORKDIR),
        True,
    ),
    _do_exec,
)
LOGS = Verb(
    Usage(
        "logs",
        "CONTAINER",
        "Fetch the logs of a container",
        1,
        1,
        (Flag("tail", "n", "string", 'Number of lines to show from the end of the logs (default "all")'),),
    ),
    _do_logs,
)
PS = Verb(
    Usage(
        "ps",
        "",
        "List containers",
        0,
        0,
        (
            Flag("all", "a", help="Show all containers (default shows just running)"),
            Flag("format", "", "string", "Pretty-print containers using a Go template"),
            Flag("no-trunc", help="Don't truncate output"),
            Flag("quiet", "q", help="Only display container IDs"),
            Flag("size", "s", help="Display total file sizes"),
        ),
    ),
    _do_ps,
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
