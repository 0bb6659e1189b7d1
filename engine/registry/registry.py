"""From a request to whoever answers it; see the package."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from engine import digest as digests
from engine import reference as references
from engine.digest import Digest
from engine.errors import EngineError, InvalidReference, ManifestUnknown, NameUnknown
from engine.registry import manifests
from engine.registry.access import NOBODY, Caller
from engine.registry.catalogue import Catalogue
from engine.registry.messages import Request, Response, document, empty, names, page, refusal, refused, unauthorized
from engine.registry.pushing import Opened, Pushing
from engine.registry.reads import serve
from engine.registry.store import Store
from engine.registry.values import Denied

_ROUTE: Final = re.compile(
    r"/v2/(?P<name>.+)/"
    r"(?:(?P<kind>manifests|blobs|referrers|(?P<uploads>blobs/uploads))/(?P<target>[^/]*)|(?P<list>tags/list))"
)
_READING: Final = ("GET", "HEAD")
_ALLOWED: Final = {
    "manifests": (*_READING, "PUT", "DELETE"),
    "blobs": (*_READING, "DELETE"),
    "uploads": ("GET", "PATCH", "PUT", "DELETE"),
    "begin": ("POST",),
    "referrers": _READING,
    "tags": _READING,
}
"""Methods by what a path names; of a registry that is only read, the reading ones."""


class Registry:
    """A catalogue that is only read, a store that is written too, or both: what the first has, comes first and is never
    written. Safe to call from several threads where its catalogues are."""

    def __init__(self, catalogue: Catalogue | None = None, store: Store | None = None) -> None:
        self._menu, self._store = catalogue, store
        self._catalogues: list[Catalogue] = [one for one in (catalogue, store) if one is not None]
        self._pushing = Pushing(store, catalogue) if store else None

    def handle(self, request: Request, caller: Caller = NOBODY) -> Response:
        """The answer to `request`. An error of the engine becomes one of the specification's; nothing else is raised
        but what reading the request's body raises."""
        try:
            response = self._answer(request, caller)
        except EngineError as error:
            response = refused(request, error)
        if request.method == "HEAD":
            response.close()
            response = replace(response, chunks=())
        return response.plus(docker_distribution_api_version="registry/2.0")

    def _answer(self, request: Request, caller: Caller) -> Response:
        if request.path in ("/v2/", "/v2"):
            return self._ping(request, caller)
        if request.path == "/v2/_catalog":
            return self._named(request) if request.method in _READING else self._not_allowed(request, _READING)
        route = _ROUTE.fullmatch(request.path)
        if route is None:
            return refusal(404, "UNSUPPORTED", f"{request.path} is no path of the distribution API")
        name, kind, target = route["name"], "tags" if route["list"] else route["kind"], route["target"]
        if route["uploads"]:
            kind = "uploads" if target else "begin"
        allowed = _ALLOWED[kind] if self._store else _READING
        if request.method not in allowed:
            return self._not_allowed(request, allowed)
        if route["uploads"] and not self._store:
            return refusal(404, "UNSUPPORTED", "this registry is read-only: it has no uploads")
        if not references.is_repository(name):
            raise InvalidReference(name, f"invalid repository {name[:100]!r}")
        if kind in ("uploads", "begin") or request.method not in _READING:
            return self._write(request, caller, name, kind, target)
        return self._read(request, caller, name, kind, target)

    def _ping(self, request: Request, caller: Caller) -> Response:
        if request.method not in _READING:
            return self._not_allowed(request, _READING)
        if self._store and not caller.known:  # docker learns only from this how to log in
            return unauthorized(request, "log in, or ask for a token as nobody: reading needs no more")
        return document({})

    def _not_allowed(self, request: Request, allowed: Sequence[str]) -> Response:
        why = "this registry is read-only" if not self._store else f"use {', '.join(allowed)}"
        refused = refusal(405, "UNSUPPORTED", f"{request.method} {request.path}: {why}")
        return refused.plus(allow=", ".join(allowed))

    # Reading

    def _read(self, request: Request, caller: Caller, name: str, kind: str, target: str) -> Response:
        if kind == "referrers":
            return self._referrers(request, name, digests.parse(target))
        if kind == "tags":
            asked = page(request)
            if isinstance(asked, Response):
                return asked
            found = self._of(name).tags(name, asked.last, asked.count + 1)
            return names(request, "tags", found, asked, {"name": name})
        if kind == "blobs":
            digest = digests.parse(target)
            response = serve(request, self._of(name).blob(name, digest), ranges=True)
            if self._store and request.method == "HEAD" and caller.may(name, "push"):
                self._store.renew(name, digest)
            return response
        known = digests.parse(target) if ":" in target else target
        if not (":" in target or references.is_tag(target)):
            raise ManifestUnknown(f"{name}:{target}")
        return serve(request, self._of(name).manifest(name, known), ranges=False)

    def _named(self, request: Request) -> Response:
        asked = page(request)
        if isinstance(asked, Response):
            return asked
        each = [catalogue.repositories(asked.last, asked.count + 1) for catalogue in self._catalogues]
        merged = sorted({name for some in each for name in some})[: asked.count + 1]
        return names(request, "repositories", merged, asked, {})

    def _referrers(self, request: Request, name: str, subject: Digest) -> Response:
        asked = request.asked
        artifact_type = asked.get("artifactType", "")
        try:
            found = self._of(name).referrers(name, subject, artifact_type, asked.get("last", ""))
            return manifests.referrers(request, found, artifact_type)
        except NameUnknown:
            return manifests.referrers(request, (), artifact_type)

    def _of(self, name: str) -> Catalogue:
        """The catalogue that has the repository, or the one that would say that nobody has it."""
        if self._menu is not None and (self._store is None or self._is_menus(name)):
            return self._menu
        assert self._store is not None
        return self._store

    def _is_menus(self, name: str) -> bool:
        if self._menu is None:
            return False
        try:
            self._menu.tags(name, count=0)
        except NameUnknown:
            return False
        return True

    # Writing

    def _write(self, request: Request, caller: Caller, name: str, kind: str, target: str) -> Response:
        assert self._store
        assert self._pushing
        deletes = request.method == "DELETE" and kind != "uploads"
        if caller.namespace and self._is_menus(name):
            raise Denied(name, "it is only read")
        caller.check(name, "delete" if deletes else "push")
        if kind == "begin":
            return self._pushing.begin(request, name, caller)
        if kind == "uploads":
            return self._upload(request, caller, name, target)
        if kind == "blobs":
            self._store.delete_blob(name, digests.parse(target))
            return empty(202)
        if request.method == "PUT":
            return manifests.put(request, self._store, name, target)
        return manifests.delete(self._store, name, target)

    def _upload(self, request: Request, caller: Caller, name: str, target: str) -> Response:
        assert self._pushing
        opened = Opened.parse(target, name, caller)
        if request.method == "GET":
            return self._pushing.status(request, opened)
        if request.method == "PATCH":
            return self._pushing.add(request, opened)
        if request.method == "PUT":
            return self._pushing.finish(request, opened)
        return self._pushing.cancel(opened)
