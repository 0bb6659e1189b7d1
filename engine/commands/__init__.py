"""The verb table: one entry a docker command, used by buttons, terminal, lessons, tests and `python -m engine` alike.

    fetched = commands.prepare(context, host, argv)          # transfers, if the verb has any; under no lock
    outcome = commands.run(context, host, argv, fetched)     # a new host, what happened, an exit code

`argv` is what follows the word ``docker``. Words that docker's client would refuse raise `UsageError`, what its daemon
would refuse `CommandError`; the host is then as it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import MappingProxyType

from engine import events as facts
from engine import options, shell
from engine.commands import (
    absent,
    copying,
    entering,
    filing,
    imaging,
    importing,
    inspecting,
    listing,
    making,
    pulling,
    pushing,
    removing,
    running,
    usage,
)
from engine.commands.verb import Moved, Verb
from engine.context import Context, Outcome
from engine.errors import CommandError, EngineError, UsageError
from engine.host import Host

VERBS = MappingProxyType(
    {
        "commit": imaging.COMMIT,
        "cp": copying.CP,
        "create": making.CREATE,
        "diff": filing.DIFF,
        "exec": running.EXEC,
        "export": filing.EXPORT,
        "history": imaging.HISTORY,
        "images": imaging.IMAGES,
        "import": importing.IMPORT,
        "inspect": inspecting.INSPECT,
        "load": filing.LOAD,
        "login": entering.LOGIN,
        "logout": entering.LOGOUT,
        "logs": running.LOGS,
        "ps": listing.PS,
        "pull": pulling.PULL,
        "push": pushing.PUSH,
        "rm": removing.RM,
        "rmi": removing.RMI,
        "run": running.RUN,
        "save": filing.SAVE,
        "start": running.START,
        "stop": running.STOP,
        "tag": imaging.TAG,
    }
)
"""docker's verbs, each by the name that is typed most."""

_ALIASES = {
    "image": {"list": "ls", "remove": "rm"},
    "container": {"list": "ls", "ps": "ls", "remove": "rm"},
    "system": dict[str, str](),
}
_ABOUT = {"image": "Manage images", "container": "Manage containers", "system": "Manage Docker"}


def _group(group: str, same: Sequence[str], others: dict[str, Verb]) -> dict[str, Verb]:
    """Verbs under their names within a group. An alias calls itself by the name that it is short for."""
    verbs = {name: VERBS[name] for name in same} | others
    names = {name: name for name in verbs} | _ALIASES[group]
    return {
        typed: replace(verbs[name], usage=verbs[name].usage.called(f"{group} {name}")) for typed, name in names.items()
    }


GROUPS = MappingProxyType(
    {
        "image": _group(
            "image",
            ("history", "import", "load", "pull", "push", "save", "tag"),
            {"inspect": inspecting.inspecting("image"), "ls": VERBS["images"], "rm": VERBS["rmi"]},
        ),
        "container": _group(
            "container",
            ("commit", "cp", "create", "diff", "exec", "export", "logs", "rm", "run", "start", "stop"),
            {"inspect": inspecting.inspecting("container"), "ls": VERBS["ps"]},
        ),
        "system": _group("system", (), {"df": usage.DF}),
    }
)
"""The same verbs as ``docker image …`` and ``docker container …``, and those that docker has in a group alone."""


WORDS = shell.WORDS
"""What `exec` and `run` know, each word with its usage."""


def find(argv: Sequence[str]) -> tuple[Verb, list[str]]:
    """The verb that `argv` begins with, and the words after it. `UsageError` in docker's words where there is none."""
    if not argv:
        raise UsageError(help_text(), 0)
    name, *rest = argv
    if name in VERBS:
        return VERBS[name], rest
    if name not in GROUPS:
        if name.startswith("-"):
            what = "flag: " if name.startswith("--") else f"shorthand flag: {name[1:2]!r} in "
            raise UsageError(f"unknown {what}{name}\nSee 'docker --help'.", options.FLAG_ERROR)
        raise absent.unknown(argv)
    if not rest or rest[0] not in GROUPS[name]:
        lacking = absent.lacking(name, rest[0]) if rest else None
        raise lacking or UsageError(help_text(name).removesuffix("\n"), int(bool(rest)))
    return GROUPS[name][rest[0]], rest[1:]


def moves_blobs(argv: Sequence[str]) -> bool:
    """Whether the command may bring or send blobs, and so take its time."""
    try:
        verb, _ = find(argv)
    except UsageError:
        return False
    return verb.prepare is not None


def prepare(context: Context, host: Host, argv: Sequence[str]) -> Moved | None:
    """What the verb must fetch before it runs; None for nothing."""
    if _asks_help(argv):
        return None
    verb, words = find(argv)
    parsed = options.parse(verb.usage, words)
    with _daemon_speaks():
        return verb.prepare(context, host, parsed) if verb.prepare else None


def run(context: Context, host: Host, argv: Sequence[str], fetched: Moved | None = None) -> Outcome:
    """The host after the command, what happened, and docker's exit code."""
    if _asks_help(argv):
        return Outcome(host, (facts.Wrote(text=_help_for(argv)),))
    verb, words = find(argv)
    parsed = options.parse(verb.usage, words)
    with _daemon_speaks():
        return verb.run(context, host, parsed, fetched)


@contextmanager
def _daemon_speaks() -> Iterator[None]:
    """What the engine refuses is the daemon's refusal."""
    try:
        yield
    except CommandError:
        raise
    except EngineError as error:
        raise CommandError(f"Error response from daemon: {error}") from error


def _asks_help(argv: Sequence[str]) -> bool:
    """Whether help is asked for: of everything, or of a verb before any word that might be a command of its own."""
    if not argv or argv[0] in ("help", "--help", "-h"):
        return bool(argv)
    return "--help" in argv[1:2] or (argv[0] in GROUPS and "--help" in argv[2:3])


def _help_for(argv: Sequence[str]) -> str:
    words = [word for word in argv if word not in ("--help", "help", "-h")]
    if len(words) > 1 or (words and words[0] not in GROUPS):
        return find(words)[0].usage.help()
    return help_text(*words)


def help_text(group: str = "") -> str:
    """What ``docker --help`` prints, or ``docker image --help``."""
    verbs = {n: verb for n, verb in sorted(GROUPS[group].items()) if n not in _ALIASES[group]} if group else VERBS
    summaries = {name: verb.usage.summary for name, verb in verbs.items()} | ({} if group else _ABOUT)
    rows = "".join(f"  {name:<10}  {summary}\n" for name, summary in sorted(summaries.items()))
    command = f"docker {group} COMMAND" if group else "docker COMMAND"
    about = f"{_ABOUT[group]}\n\n" if group else ""
    more = f"Run '{command} --help' for more information on a command."
    return f"\nUsage:  {command}\n\n{about}Commands:\n{rows}\n{more}\n"
