"""Which registry answers for a reference: the menu, this very server's own, or one over the network.

The menu, an OCI layout reached in process through the distribution API, acts as a mirror of docker.io for the names it
has, for pulls alone. A reference that names its registry means that one: this server's own where the name is one of
its, without a detour over a socket, else the network, where there is a way.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeAlias

from engine.errors import CommandError, ManifestUnknown
from engine.network import Network
from engine.ocilayout import Layout
from engine.reference import Reference
from engine.registry import Registry
from engine.remote import InProcess, Remote, Transport

Own: TypeAlias = Callable[[str, str], Transport | None]
"""From a registry's host and who calls (a kitchen) to the transport, None where the host is not this server's."""


class Registries(Protocol):
    """How a command reaches a registry; bound to its caller."""

    def __call__(self, reference: Reference, *, push: bool = False) -> Remote:
        """The registry that answers for a reference, or is to be given what it names.

        `ManifestUnknown` for a name that only an unreachable docker.io could know, `CommandError` for a registry that
        cannot be reached from here.
        """


class Directory:
    """See the module. The layout is opened at the first reference that may mean it."""

    def __init__(self, menu: Path | None, network: Network | None = None, own: Own | None = None) -> None:
        self._menu, self._network, self._own = menu, network, own
        self._opened: list[tuple[Layout, Registry]] = []

    def find(self, caller: str, reference: Reference, *, push: bool = False) -> Remote:
        """See `Registries`; `caller` is who asks this server's own registry."""
        if not reference.explicit and not push and (menu := self._on_menu(reference)):
            return menu
        if self._own and (transport := self._own(reference.registry, caller)):
            return Remote(transport)
        if self._network:
            return Remote(self._network.transport(reference.registry))
        if not reference.explicit and not push:
            raise ManifestUnknown(str(reference))
        raise CommandError(
            f"{reference.registry} cannot be reached from here: only the menu and this server's own registry can; "
            "`python -m engine` on your machine reaches what you reach"
        )

    def _on_menu(self, reference: Reference) -> Remote | None:
        if self._menu is None:
            return None
        if not self._opened:
            layout = Layout(self._menu)
            self._opened.append((layout, Registry(layout)))
        layout, registry = self._opened[0]
        return Remote(InProcess(registry)) if reference.repository in layout.repositories() else None


def directory(menu: Path | None, network: Network | None = None, own: Own | None = None) -> Directory:
    """The registries that there are: a menu, the way to others, and this server's own."""
    return Directory(menu, network, own)
