"""Which registry answers for a reference: the menu, an OCI layout reached in process through the distribution API.

The menu acts as a mirror of docker.io for the names it has. A reference that names its registry always means the
network, and this host has no road there.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from engine.errors import CommandError, ManifestUnknown
from engine.ocilayout import Layout
from engine.reference import Reference
from engine.registry import Registry
from engine.remote import InProcess, Remote


def directory(menu: Path | None) -> Callable[[Reference], Remote]:
    """A function from references to the registry that answers for them. The layout is opened at the first one."""
    opened: list[Registry] = []

    def find(reference: Reference) -> Remote:
        if reference.explicit:
            raise CommandError(
                f"{reference.registry} cannot be reached: only the menu answers here; leave the registry out"
            )
        if menu is None:
            raise ManifestUnknown(str(reference))
        if not opened:
            opened.append(Registry(Layout(menu)))
        return Remote(InProcess(opened[0]))

    return find
