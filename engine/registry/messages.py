"""Requests and responses, refusals in the specification's form, lists in pages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import parse_qs, urlencode

import msgspec

from engine.errors import EngineError
from engine.registry.values import BadQuery
from engine.spec import DOCUMENT_MAX

PAGE_MAX: Final = 1000
"""Names in one page of a list, whatever `n` asks for."""
MANIFEST_MAX: Final = DOCUMENT_MAX
"""Bytes of the largest manifest that is taken."""

_FIELDS_MAX: Final = 16
_MESSAGES: Final = {
    "BLOB_UNKNOWN": "blob unknown to registry",
    "BLOB_UPLOAD_INVALID": "blob upload invalid",
    "BLOB_UPLOAD_UNKNOWN": "blob upload unknown to registry",
    "DENIED": "requested access to the resource is denied",
    "DIGEST_INVALID": "provided digest did not match uploaded content",
    "MANIFEST_BLOB_UNKNOWN": "manifest references a manifest or blob unknown to registry",
    "MANIFEST_INVALID": "manifest invalid",
    "MANIFEST_UNKNOWN": "manifest unknown",
    "NAME_INVALID": "invalid repository name",
    "NAME_UNKNOWN": "repository name not known to registry",
    "PAGINATION_NUMBER_INVALID": "invalid number of results requested",
    "SIZE_INVALID": "provided length did not match content length",
    "TOOMANYREQUESTS": "too many requests",
    "UNAUTHORIZED": "authentication required",
    "UNSUPPORTED": "the operation is unsupported",
    "UNKNOWN": "unknown error",
}
"""The codes that a client may see, in the words that docker prints after them."""


@dataclass(frozen=True)
class Request:
    """One request. `path` is percent-decoded, `query` is not; a header that came repeatedly is joined by commas.
    `body` raises where the client goes away before its end; `scheme` is what its URL began with."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Iterable[bytes] = ()
    scheme: str = "http"

    @property
    def asked(self) -> dict[str, str]:
        """The query's fields, the first of each name; `BadQuery` where there are too many."""
        try:
            found = parse_qs(self.query, keep_blank_values=True, max_num_fields=_FIELDS_MAX)
        except ValueError as error:
            raise BadQuery(f"a query of more than {_FIELDS_MAX} fields") from error
        return {name: values[0] for name, values in found.items()}

    @property
    def length(self) -> int | None:
        """How many bytes the body has, where the client says so in a number that can be one."""
        said = self.headers.get("content-length", "")
        return int(said) if said.isascii() and said.isdecimal() and len(said) < 20 else None

    def address(self, path: str) -> str:
        """`path` of this server under the name that the client knows it by, or alone where it told none."""
        host = self.headers.get("host", "")
        return f"{self.scheme}://{host}{path}" if host else path


@dataclass(frozen=True)
class Response:
    """One answer. Whoever does not read `chunks` to their end calls `close`."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    chunks: Iterable[bytes] = ()

    def close(self) -> None:
        """Let go of what the answer is read from."""
        close = getattr(self.chunks, "close", None)
        if close:
            close()

    def plus(self, **headers: str) -> Response:
        """With more headers; underscores stand for hyphens."""
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        return replace(self, headers={**self.headers, **more})


def document(value: dict[str, Any], status: int = 200, media_type: str = "application/json") -> Response:
    """JSON."""
    data = msgspec.json.encode(value)
    return Response(status, {"content-type": media_type, "content-length": str(len(data))}, (data,))


def empty(status: int, **headers: str) -> Response:
    """An answer that its headers tell."""
    return Response(status, {"content-length": "0"}).plus(**headers)


def refusal(status: int, code: str, why: str, values: Mapping[str, object] | None = None) -> Response:
    """An error document. Its detail says in a sentence what is wrong, and carries the error's plain values."""
    if code not in _MESSAGES:
        code = "UNKNOWN"
    plain = {key: value for key, value in (values or {}).items() if isinstance(value, str | int)}
    message = _MESSAGES[code] if code != "DENIED" else f"{_MESSAGES[code]}: {why}"  # docker shows no detail
    return document({"errors": [{"code": code, "message": message, "detail": {**plain, "why": why}}]}, status)


def refused(request: Request, error: EngineError) -> Response:
    """An error of the engine as one of the specification's."""
    response = refusal(error.status, error.code, str(error), values=vars(error))
    if error.code == "UNAUTHORIZED":
        return _challenged(request, response, getattr(error, "scope", ""))
    return response.plus(**getattr(error, "headers", {}))


def unauthorized(request: Request, why: str) -> Response:
    """Credentials are wanted, and where to get them (distribution's token specification)."""
    return _challenged(request, refusal(401, "UNAUTHORIZED", why), "")


def _challenged(request: Request, response: Response, scope: str) -> Response:
    host = request.headers.get("host", "")
    challenge = f'Bearer realm="{request.address("/v2/token")}",service="{host}"'
    return response.plus(www_authenticate=challenge + (f',scope="{scope}"' if scope else ""))


@dataclass(frozen=True)
class Page:
    """Which part of a list is asked for: at most `count` names after `last`."""

    count: int
    last: str


def page(request: Request) -> Page | Response:
    """What `n` and `last` ask for, or the refusal where that is no number."""
    try:
        asked = request.asked
    except BadQuery:
        asked = {"n": "?"}
    number = asked.get("n", str(PAGE_MAX))
    if not (number.isascii() and number.isdigit()):
        return refusal(400, "PAGINATION_NUMBER_INVALID", f"n={number[:20]} is not a number of names")
    return Page(PAGE_MAX if len(number) > 9 else min(int(number), PAGE_MAX), asked.get("last", ""))


def names(request: Request, key: str, found: Sequence[str], asked: Page, about: dict[str, str]) -> Response:
    """A page of a list, and a Link to the next where `found` has one name more than was asked for."""
    shown = list(found[: asked.count])
    response = document({**about, key: shown})
    if shown and len(found) > asked.count:
        return linked(response, request, {"n": str(asked.count), "last": shown[-1]})
    return response


def linked(response: Response, request: Request, query: Mapping[str, str]) -> Response:
    """With a Link to the next page."""
    return response.plus(link=f'<{request.path}?{urlencode(query)}>; rel="next"')
