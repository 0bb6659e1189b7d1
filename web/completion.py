"""What could stand where the cursor is: verbs, flags, images, containers, paths inside a container, words of its shell.

Read from the verb table and the host alone; nothing is run. Long lists are cut.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from engine import commands
from engine.context import Context
from engine.errors import EngineError
from engine.host import Container, Host
from engine.options import Usage
from web.typed import CLEAR, JOURNAL

OFFERED: Final = 60
"""Completions of one word that are offered."""

_WORD = re.compile(r"[^\s'\";|&<>()]*$")


def complete(context: Context, host: Host, menu: Iterable[str], line: str) -> tuple[int, list[str]]:
    """Where in `line` the word to complete begins, and what it could be, sorted; the cursor stands at the end."""
    line = line.lstrip("\n")
    found = _WORD.search(line)
    start = found.start() if found else len(line)
    words, begun = line[:start].split(), line[start:]
    for lead in (["sudo", "docker"], ["docker"]):
        words = words[len(lead) :] if words[: len(lead)] == lead else words
    offered = {word for word in _candidates(context, host, menu, words, begun) if word.startswith(begun)}
    return start, sorted(offered)[:OFFERED]


def _candidates(context: Context, host: Host, menu: Iterable[str], words: list[str], begun: str) -> Iterable[str]:
    if not words:
        return [*commands.VERBS, *commands.GROUPS, *JOURNAL, *CLEAR, "docker"]
    if len(words) == 1 and words[0] in commands.GROUPS:
        return commands.GROUPS[words[0]]
    verb = words[1] if words[0] in commands.GROUPS and len(words) > 1 else words[0]
    try:
        usage = commands.find(words)[0].usage
    except EngineError:
        return ()
    if begun.startswith("-"):
        return _flags(usage)
    typed = next((host.find_container(word) for word in words if _named(host, word)), None)
    if "/" in begun and ":" in begun:
        name, _, path = begun.partition(":")
        container = _named(host, name)
        return [f"{name}:{one}" for one in _paths(context, container, path)] if container else ()
    if verb == "exec" and typed:
        return _paths(context, typed, begun) if "/" in begun else commands.WORDS
    return _names(host, menu, verb)


def _flags(usage: Usage) -> list[str]:
    return [f"--{flag.name}" for flag in usage.flags]


def _names(host: Host, menu: Iterable[str], verb: str) -> list[str]:
    """Names of what the verb works on."""
    images = [name.removesuffix(":latest") for name in host.references]
    containers = [container.name for container in host.containers.values()]
    by_verb: Mapping[str, list[str]] = {
        "pull": list(menu),
        "run": [*images, *menu],
        "create": [*images, *menu],
        "cp": [f"{name}:" for name in containers],
    }
    if verb in by_verb:
        return by_verb[verb]
    if verb in ("history", "tag", "rmi", "save", "images"):
        return images
    return [*images, *containers] if verb == "inspect" else containers


def _named(host: Host, word: str) -> Container | None:
    return next((container for container in host.containers.values() if container.name == word), None)


def _paths(context: Context, container: Container, begun: str) -> list[str]:
    """Paths of a container that begin so; a directory ends in a slash, to go on from."""
    directory = begun.rpartition("/")[0]
    files = context.edit(container, lambda _event: None)
    inside = directory.strip("/").encode("utf-8", "surrogateescape")
    try:
        names = files.listdir(inside)
        prefix = inside + b"/" if inside else b""
        kinds = {name: files.lstat(prefix + name).kind for name in names[: OFFERED * 20]}
    except EngineError:
        return []
    shown = ((name.decode("utf-8", "replace"), kind) for name, kind in kinds.items())
    return [f"{directory}/{name}{'/' if kind == 'dir' else ''}" for name, kind in shown]
