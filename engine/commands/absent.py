"""What is typed and not in the verb table: docker's own verbs that are not here, and what to type instead.

A word that is no docker command is refused in docker's words; a word of a container's shell gets a hint beside them.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from engine import shell
from engine.errors import UsageError

DOCKER: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        group: frozenset(verbs.split())
        for group, verbs in {
            "": "attach build builder buildx compose config context events import info init kill login logout manifest "
            "network node pause plugin port push rename restart scout search secret service stack stats swarm top "
            "trust unpause update version volume wait",
            "container": "attach kill pause port prune rename restart stats top unpause update wait",
            "image": "build import prune push",
            "system": "dial-stdio events info prune",
        }.items()
    }
)
"""docker's verbs, by group, as its client 20.10 lists them, and the plugins that come with it. Some may be here: who
looks a word up here has not found it in the verb table."""


def unknown(argv: Sequence[str]) -> UsageError:
    """The refusal of a line whose first word is no verb of ours."""
    refused = f"docker: '{argv[0]}' is not a docker command.\nSee 'docker --help'{_hint(argv)}"
    return lacking("", argv[0]) or UsageError(refused)


def lacking(group: str, name: str) -> UsageError | None:
    """The refusal of one of docker's own verbs, of a group or of none; None where docker has no such verb either."""
    if name not in DOCKER[group]:
        return None
    called = f"{group} {name}".strip()
    return UsageError(
        f"docker: '{called}' is a docker command, but this kitchen does not have it; `docker --help` lists what it has"
    )


def _hint(argv: Sequence[str]) -> str:
    """How a word of the shell is typed for a container; empty for other words."""
    if argv[0] not in shell.WORDS:
        return ""
    words = shlex.join(argv)
    if argv[0] not in shell.COMMANDS:
        words = f"sh -c {shlex.quote(words)}"
    return f"\nIn a container: docker exec CONTAINER {words}"
