"""References mean what docker means by them: ``[registry/]repository[:tag][@digest]`` (distribution, reference.go).

``registry`` is ``docker.io/library/registry:latest``; the first component is a registry only where it has a dot or a
port or is ``localhost``. What docker leaves out when it prints a name is left out by `familiar`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from engine import digest as digests
from engine.digest import Digest
from engine.errors import InvalidReference

DEFAULT_REGISTRY = "docker.io"
DEFAULT_TAG = "latest"
NAME_MAX = 255

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_REGISTRY = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]{{1,5}})?")


@dataclass(frozen=True, slots=True)
class Reference:
    """One image name. `explicit` tells whether a registry was typed; the menu answers only for names without."""

    registry: str
    repository: str
    tag: str | None = None
    digest: Digest | None = None
    explicit: bool = False

    @property
    def familiar_name(self) -> str:
        """Registry and repository as docker prints them: ``team/web``, ``localhost:8000/team/web``."""
        if self.registry != DEFAULT_REGISTRY:
            return f"{self.registry}/{self.repository}"
        return self.repository.removeprefix("library/") if self.repository.count("/") == 1 else self.repository

    @property
    def familiar(self) -> str:
        """The whole reference as docker prints it: ``registry:latest``."""
        tag = f":{self.tag}" if self.tag else ""
        return self.familiar_name + tag + (f"@{self.digest}" if self.digest else "")

    @property
    def target(self) -> str:
        """What a registry is asked for: the digest where there is one, else the tag."""
        return self.digest or self.tag or DEFAULT_TAG

    def tagged(self) -> Reference:
        """With the tag ``latest`` where neither tag nor digest was given."""
        return self if self.tag or self.digest else replace(self, tag=DEFAULT_TAG)

    def __str__(self) -> str:
        return self.familiar


def parse(text: str) -> Reference:
    """`text` as typed, no tag filled in. `InvalidReference` says which part is wrong."""
    rest, at, digest_text = text.partition("@")
    digest = digests.parse(digest_text) if at else None
    head, slash, tail = rest.rpartition("/")
    last, colon, tag = tail.partition(":")
    if colon and not _TAG.fullmatch(tag):
        raise InvalidReference(text, f"invalid tag {tag[:130]!r}")
    name = head + slash + last
    registry, explicit = DEFAULT_REGISTRY, False
    first, has_path, path = name.partition("/")
    if has_path and ("." in first or ":" in first or first == "localhost" or first != first.lower()):
        if not _REGISTRY.fullmatch(first):
            raise InvalidReference(text, f"invalid registry {first[:100]!r}")
        registry, name, explicit = first, path, True
    if registry == "index.docker.io":
        registry = DEFAULT_REGISTRY
    if not is_repository(name):
        why = "repository name must be lowercase" if name != name.lower() else f"invalid repository {name[:100]!r}"
        raise InvalidReference(text, why)
    if re.fullmatch(r"[0-9a-f]{64}", rest):
        raise InvalidReference(text, "a repository name may not be 64 hex digits, it reads as an id")
    if registry == DEFAULT_REGISTRY and "/" not in name:
        name = f"library/{name}"
    return Reference(registry, name, tag if colon else None, digest, explicit)


def is_repository(name: str) -> bool:
    """Whether `name` is a repository name (distribution-spec: the grammar of ``<name>``)."""
    return len(name) <= NAME_MAX and _REPOSITORY.fullmatch(name) is not None


def is_tag(text: str) -> bool:
    """Whether `text` is a tag."""
    return _TAG.fullmatch(text) is not None


def is_registry(text: str) -> bool:
    """Whether `text` names a registry: a host, perhaps with a port."""
    return len(text) <= NAME_MAX and _REGISTRY.fullmatch(text) is not None
