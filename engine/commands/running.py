"""Verbs over containers' lives: run, start, stop, exec, logs.

No process exists. A container is running between `run` or `start` and `stop`. A command that was typed is read by the
kitchen shell over the container's files (engine.shell), and the container ends with it; the image's own command is
recorded and never interpreted, so such a container stays open until it is stopped.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Literal, TypeAlias

import msgspec
from msgspec.structs import replace

from engine import events as facts
from engine import shell, terminal
from engine.commands import making, pulling, removing
from engine.commands.verb import DAEMON, Moved, Verb, container, daemon_error, over_each
from engine.context import Context, Outcome
from engine.errors import CommandError, EngineError
from engine.events import Event
from engine.host import Container, Host
from engine.options import Flag, Options, Usage
from engine.snapshot import Snapshot

_RUN_ERROR = 125
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where docker looks commands up, unless an image says."""
_PASSWD_MAX = 1 << 20
_DIGITS_MAX = 10
Stream: TypeAlias = Literal["stdout", "stderr"]


# run


def _prepare(context: Context, host: Host, options: Options) -> Moved | None:
    return making.fetch(context, host, options, _refused)


def _refused(error: CommandError) -> CommandError:
    """A refusal as ``docker run`` tells it."""
    why = str(error).removesuffix(".")
    return CommandError(f"docker: {why}.\nSee 'docker run --help'.", _RUN_ERROR)


def _do_run(context: Context, host: Host, options: Options, fetched: Moved | None) -> Outcome:
    try:
        host, events, made = making.create(context, host, options, fetched)
    except CommandError as error:
        raise _refused(error) from error
    if options.on("detach"):
        events.append(facts.Wrote(text=f"{made.id}\n"))
    host, begun, status = _begin(context, host, made, attached=not options.on("detach"))
    events += begun
    ended = host.containers[made.id]
    if options.on("rm") and ended.status == "exited":
        host, gone = removing.container_gone(context, host, ended)
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


def _do_start(context: Context, host: Host, options: Options, _fetched: Moved | None) -> Outcome:
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


def _do_stop(context: Context, host: Host, options: Options, _fetched: Moved | None) -> Outcome:
    def stop(host: Host, word: str) -> tuple[Host, list[Event]]:
        found = container(host, word, lead=DAEMON)
        events: list[Event] = []
        if found.status == "running":
            now = terminal.show_time(context.clock())
            host = host.with_container(replace(found, status="exited", finished=now, exit_code=0))
            events.append(facts.ContainerStopped(container=found.id, name=found.name, exit_code=0))
        return host, [*events, facts.Wrote(text=f"{word}\n")]

    return over_each(host, options.words, stop)


def _do_exec(context: Context, host: Host, options: Options, _fetched: Moved | None) -> Outcome:
    word, *command = options.words
    found = container(host, word)
    if found.status != "running":
        raise daemon_error(f"Container {found.id} is not running")
    events: list[Event] = []
    env = making.environment(options.all("env"), found.env)
    workdir = options.value("workdir", found.workdir)
    after, ran = _interpret(context, found, tuple(command), events, env=env, workdir=workdir)
    return Outcome(host.with_container(after), (*events, *_words(ran.out)), ran.status)


def _do_logs(context: Context, host: Host, options: Options, _fetched: Moved | None) -> Outcome:
    found = container(host, options.words[0])
    said = [(stream, line) for stream, text in _log(context, found) for line in text.splitlines(keepends=True)]
    tail = options.value("tail", "all")
    if tail.isdecimal() and len(tail) < _DIGITS_MAX:  # beyond, it is more than there can be: all
        said = said[max(0, len(said) - int(tail)) :]
    return Outcome(host, tuple(_words(said)))


def _log(context: Context, found: Container) -> list[tuple[Stream, bytes]]:
    """What a container's typed command printed, every time that it ran."""
    return msgspec.msgpack.decode(context.blobs.read(found.log), type=list[tuple[Stream, bytes]]) if found.log else []


RUN = Verb(
    Usage(
        "run",
        "IMAGE [COMMAND] [ARG...]",
        "Run a command in a new container",
        1,
        None,
        (
            Flag("detach", "d", help="Run container in background and print container ID"),
            making.ENV,
            *making.TERMINAL,
            making.NAMED,
            pulling.PLATFORM,
            Flag("rm", help="Automatically remove the container when it exits"),
            making.WORKDIR,
        ),
        True,
    ),
    _do_run,
    _prepare,
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
        (making.ENV, *making.TERMINAL, making.WORKDIR),
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
