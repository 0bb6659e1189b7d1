"""The registry's side of the distribution API: a request in, a response out, and no web framework (distribution-spec).

A `Catalogue` says what there is: repositories, their tags, and the manifests and blobs that each may show. The
registry turns it into `/v2/`: stored bytes are served as they are, under their own content type (rules 21, 24). Names
and digests are parsed before anything is looked up by them. Reading only: any other method is refused. A story:

    registry = Registry(Layout(path))
    answer = registry.handle(Request("GET", "/v2/pizza/cheese/manifests/latest"))
    answer.status, answer.headers["docker-content-digest"], b"".join(answer.chunks)

Header names are lower case on both sides, as ASGI and HTTP/2 have them.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl, urlencode

import msgspec

from engine import digest as digests
from engine import reference as references
from engine.digest import Digest
from engine.errors import EngineError, InvalidReference, ManifestUnknown

PAGE_MAX: Final = 1000
"""Names in one page of a list, whatever `n` asks for."""

_ROUTE: Final = re.compile(r"/v2/(?P<name>.+)/(?:(?P<kind>manifests|blobs)/(?P<target>[^/]+)|tags/list)")
_RANGE: Final = re.compile(r"bytes=(?:(\d{1,19})-(\d{0,19})|-(\d{1,19}))")
_FIELDS_MAX: Final = 16
_MESSAGES: Final = {
    "BLOB_UNKNOWN": "blob unknown to registry",
    "DIGEST_INVALID": "provided digest did not match uploaded content",
    "MANIFEST_INVALID": "manifest invalid",
    "MANIFEST_UNKNOWN": "manifest unknown",
    "NAME_INVALID": "invalid repository name",
    "NAME_UNKNOWN": "repository name not known to registry",
    "PAGINATION_NUMBER_INVALID": "invalid number of results requested",
    "SIZE_INVALID": "provided length did not match content length",
    "UNSUPPORTED": "the operation is unsupported",
    "UNKNOWN": "unknown error",
}
"""The codes that a client may see, in the words that docker prints after them."""


@dataclass(frozen=True)
class Request:
    """One request. `path` is percent-decoded, `query` is not; a header that came repeatedly is joined by commas."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Iterable[bytes] = ()


@dataclass(frozen=True)
class Response:
    """One answer. Whoever does not read `chunks` to their end calls `close`."""

    status: int
    headers: Mapping[str, str]
    chunks: Iterable[bytes] = ()

    def close(self) -> None:
        """Let go of what the answer is read from."""
        close = getattr(self.chunks, "close", None)
        if close:
            close()


@dataclass(frozen=True)
class Content:
    """Stored bytes that can be served: `read` gives those from a start to a stop."""

    digest: Digest
    media_type: str
    size: int
    read: Callable[[int, int], Iterator[bytes]]


class Catalogue(Protocol):
    """What a registry has. A blob is visible only in the repositories that it belongs to."""

    def repositories(self) -> Sequence[str]:
        """Names of all repositories, sorted."""

    def tags(self, repository: str) -> Sequence[str]:
        """Its tags, sorted; `NameUnknown`."""

    def manifest(self, repository: str, target: Digest | str) -> Content:
        """A manifest or index by tag or digest; `NameUnknown`, `ManifestUnknown`."""

    def blob(self, repository: str, digest: Digest) -> Content:
        """A config or layer; `NameUnknown`, `BlobUnknown`."""


class Registry:
    """See the module. Safe to call from several threads where its catalogue is."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def handle(self, request: Request) -> Response:
        """The answer to `request`. An error of the engine becomes one of the specification's; nothing is raised until
        the chunks are read."""
        if request.method not in ("GET", "HEAD"):
            refusal = _refusal(405, "UNSUPPORTED", f"{request.method} {request.path}: this registry is read-only")
            response = _with(refusal, {"allow": "GET, HEAD"})
        else:
            try:
                response = self._answer(request)
            except EngineError as error:
                response = _refusal(error.status, error.code, str(error), values=vars(error))
        if request.method == "HEAD":
            response.close()
            response = replace(response, chunks=())
        return _with(response, {"docker-distribution-api-version": "registry/2.0"})

    def _answer(self, request: Request) -> Response:
        if request.path in ("/v2/", "/v2"):
            return _json({})
        if request.path == "/v2/_catalog":
            return _page(request, "repositories", self._catalogue.repositories(), {})
        route = _ROUTE.fullmatch(request.path)
        if route is None:
            return _refusal(404, "UNSUPPORTED", f"{request.path} is no path of the distribution API")
        name, kind, target = route["name"], route["kind"], route["target"]
        if not references.is_repository(name):
            raise InvalidReference(name, f"invalid repository {name[:100]!r}")
        if kind == "blobs":
            return _bytes(request, self._catalogue.blob(name, digests.parse(target)), ranges=True)
        if kind == "manifests":
            known = digests.parse(target) if ":" in target else target
            if not (":" in target or references.is_tag(target)):
                raise ManifestUnknown(f"{name}:{target}")
            return _bytes(request, self._catalogue.manifest(name, known), ranges=False)
        return _page(request, "tags", self._catalogue.tags(name), {"name": name})


def _bytes(request: Request, content: Content, *, ranges: bool) -> Response:
    """Stored bytes, or a range of them; neither where the client has them already (RFC 9110, sections 13 and 14)."""
    etag = f'"{content.digest}"'
    headers = {"docker-content-digest": content.digest, "etag": etag}
    if _matches(request.headers.get("if-none-match", ""), etag):
        return Response(304, headers)
    headers |= {"content-type": content.media_type, "content-length": str(content.size)}
    wanted = None
    if ranges:
        headers["accept-ranges"] = "bytes"
        if request.method == "GET" and request.headers.get("if-range", etag) == etag:
            wanted = _RANGE.fullmatch(request.headers.get("range", "").replace(" ", ""))
    if wanted is None:  # several ranges at once, or another unit, get the whole
        return Response(200, headers, content.read(0, content.size))
    start, stop = _bounds(wanted, content.size)
    if start >= stop:
        refusal = _refusal(416, "SIZE_INVALID", f"no byte of {wanted[0]} is within the blob's {content.size:,}")
        return _with(refusal, {"content-range": f"bytes */{content.size}"})
    headers |= {"content-length": str(stop - start), "content-range": f"bytes {start}-{stop - 1}/{content.size}"}
    return Response(206, headers, content.read(start, stop))


def _bounds(wanted: re.Match[str], size: int) -> tuple[int, int]:
    """The first byte of a range and the one after its last; empty or reversed where no byte is in it."""
    first, last, suffix = wanted.groups()
    if suffix:
        return max(size - int(suffix), 0), size
    return int(first), min(int(last) + 1, size) if last else size


def _matches(header: str, etag: str) -> bool:
    tags = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return etag in tags or "*" in tags


def _page(request: Request, key: str, names: Sequence[str], about: dict[str, str]) -> Response:
    """At most `n` of the sorted `names`, those after `last`, with a Link to the next page where there are more."""
    try:
        asked = dict(parse_qsl(request.query, keep_blank_values=True, max_num_fields=_FIELDS_MAX))
    except ValueError:
        asked = {"n": "?"}
    number = asked.get("n", str(PAGE_MAX))
    if not (number.isascii() and number.isdigit()):
        return _refusal(400, "PAGINATION_NUMBER_INVALID", f"n={number[:20]} is not a number of names")
    count = PAGE_MAX if len(number) > 9 else min(int(number), PAGE_MAX)
    start = bisect_right(names, asked["last"]) if "last" in asked else 0
    page = list(names[start : start + count])
    response = _json({**about, key: page})
    if page and start + count < len(names):
        following = f"{request.path}?{urlencode({'n': count, 'last': page[-1]})}"
        response = _with(response, {"link": f'<{following}>; rel="next"'})
    return response


def _refusal(status: int, code: str, why: str, values: Mapping[str, object] | None = None) -> Response:
    """An error document. Its detail says in a sentence what is wrong, and carries the error's plain values."""
    if code not in _MESSAGES:
        code = "UNKNOWN"
    plain = {key: value for key, value in (values or {}).items() if isinstance(value, str | int)}
    error = {"code": code, "message": _MESSAGES[code], "detail": {**plain, "why": why}}
    return _json({"errors": [error]}, status)


def _json(document: dict[str, Any], status: int = 200) -> Response:
    data = msgspec.json.encode(document)
    return Response(status, {"content-type": "application/json", "content-length": str(len(data))}, (data,))


def _with(response: Response, headers: Mapping[str, str]) -> Response:
    return replace(response, headers={**response.headers, **headers})
