"""Dockerfile instructions that change how an image runs, as `--change` takes them (`import`).

changed(RunConfig(), 'CMD ["sh"]').Cmd, changed(RunConfig(), "ENV LEVEL=3").Env
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from engine.errors import CommandError
from engine.spec import RunConfig

_PORT: Final = re.compile(r"[0-9]{1,5}(?:/(?:tcp|udp|sctp))?")


def changed(run: RunConfig, instruction: str) -> RunConfig:
    """`run` after one instruction; `CommandError` in the daemon's words for one that there is not."""
    word, _, rest = instruction.strip().partition(" ")
    change = _CHANGES.get(word.upper())
    if change is None:
        raise CommandError(f"Error response from daemon: {word.lower()[:40]} is not a valid change command")
    try:
        return change(run, rest.strip())
    except ValueError as error:
        raise CommandError(f"Error response from daemon: {error}") from error


def _command(text: str) -> tuple[str, ...]:
    """The exec form, a JSON list; else the shell form."""
    try:
        return msgspec.json.decode(text, type=tuple[str, ...])
    except msgspec.MsgspecError:
        return ("/bin/sh", "-c", text)


def _pairs(text: str) -> dict[str, str]:
    """``A=1 B="x y"``, or the old ``A the rest``."""
    words = shlex.split(text)
    if words and "=" not in words[0]:
        name, _, value = text.partition(" ")
        if not value:
            raise ValueError("ENV and LABEL must have two arguments")
        return {name: value.strip()}
    if not words or any("=" not in word for word in words):
        raise ValueError("ENV and LABEL require at least one argument, each NAME=VALUE")
    return {name: value for name, _, value in (word.partition("=") for word in words)}


def _list(text: str) -> list[str]:
    try:
        return msgspec.json.decode(text, type=list[str])
    except msgspec.MsgspecError:
        return text.split()


def _env(run: RunConfig, text: str) -> RunConfig:
    settings = dict(pair.partition("=")[::2] for pair in run.Env or ()) | _pairs(text)
    return replace(run, Env=tuple(f"{name}={value}" for name, value in settings.items()))


def _expose(run: RunConfig, text: str) -> RunConfig:
    ports = text.split()
    wrong = next((port for port in ports if not _PORT.fullmatch(port)), None)
    if wrong or not ports:
        raise ValueError(f"Invalid containerPort: {wrong or ''}"[:80])
    named: dict[str, dict[str, Any]] = {port if "/" in port else f"{port}/tcp": {} for port in ports}
    return replace(run, ExposedPorts={**(run.ExposedPorts or {}), **named})


def _volume(run: RunConfig, text: str) -> RunConfig:
    return replace(run, Volumes={**(run.Volumes or {}), **{path: {} for path in _list(text)}})


_CHANGES: Final[dict[str, Callable[[RunConfig, str], RunConfig]]] = {
    "CMD": lambda run, text: replace(run, Cmd=_command(text)),
    "ENTRYPOINT": lambda run, text: replace(run, Entrypoint=_command(text)),
    "ENV": _env,
    "EXPOSE": _expose,
    "LABEL": lambda run, text: replace(run, Labels={**(run.Labels or {}), **_pairs(text)}),
    "USER": lambda run, text: replace(run, User=text),
    "VOLUME": _volume,
    "WORKDIR": lambda run, text: replace(run, WorkingDir=text if text.startswith("/") else f"/{text}"),
}
