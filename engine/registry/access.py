"""Who asks, and what that lets them do. Reading is open to everybody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from engine.registry.values import Denied, Unauthorized


@dataclass(frozen=True)
class Caller:
    """Whoever makes a request. `namespace` is their own: the first component of the repositories that they may write,
    empty for nobody; `shared` are namespaces that everybody who has one of their own may push to, and nobody delete in,
    since what lies there may be another's. `grants` is what a token allows, actions by repository; None where no token
    narrows what they may do."""

    namespace: str = ""
    shared: frozenset[str] = frozenset()
    grants: Mapping[str, frozenset[str]] | None = None

    @property
    def known(self) -> bool:
        """Whether they have logged in, be it as nobody."""
        return bool(self.namespace) or self.grants is not None

    def may(self, repository: str, action: str) -> bool:
        """Whether the repository is below a namespace where they may ``push`` or ``delete``, tokens apart."""
        if not self.namespace:
            return False
        mine = space(repository) == self.namespace
        return mine or (action == "push" and space(repository) in self.shared)

    def check(self, repository: str, action: str) -> None:
        """`action` is ``push`` or ``delete``. `Unauthorized` where logging in, or asking for another token, would help;
        `Denied` where nothing would."""
        if not self.namespace:
            raise Unauthorized(repository, action)
        if not self.may(repository, action):
            raise Denied(repository, self._why(repository))
        if self.grants is not None and action not in self.grants.get(repository, ()):
            raise Unauthorized(repository, action)

    def _why(self, repository: str) -> str:
        if space(repository) in self.shared:
            return f"all share {space(repository)!r}, so what was pushed there is deleted by nobody"
        return f"you may write below {' and '.join(sorted({self.namespace, *self.shared}))} only"


def space(repository: str) -> str:
    """The namespace of a repository: the first component of its name."""
    return repository.partition("/")[0]


NOBODY: Final = Caller()
