"""``/v2/``: Flask's requests for the engine's registry, and its answers; bodies stream both ways.

Nothing of the distribution API is decided here but who asks (see `web.tokens`) and what a browser may not: pages of
other origins change nothing here either (see `web.guard`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

from flask import Blueprint, Response, current_app, jsonify, request
from werkzeug.exceptions import HTTPException
from werkzeug.routing import BaseConverter
from werkzeug.wrappers import Response as AnyResponse

from engine.blobs import CHUNK
from engine.registry import NOBODY, Registry, Request, refusal, unauthorized
from engine.registry import Response as Answer
from web.tokens import BadCredentials, Tokens

blueprint = Blueprint("registry", __name__)

_METHODS: Final = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_CODES: Final = {403: "DENIED", 413: "SIZE_INVALID", 429: "TOOMANYREQUESTS"}
_UNREAD_MAX: Final = 1 << 20
"""Bytes of a refused body that are still read, so that the client gets to see the refusal."""
_OF_THE_BODY: Final = frozenset({400, 413, 416})
"""Refusals that a client may get while it is still sending."""
_FIELDS_MAX: Final = 64
_ANY_LENGTH: Final = 1 << 62


@dataclass(frozen=True)
class Desk:
    """What the routes work with, in ``app.extensions["registry"]``."""

    registry: Registry
    tokens: Tokens


class Anything(BaseConverter):
    """The rest of a path as it is, with whatever slashes it has: names are for the registry to judge."""

    regex = r"[\s\S]*?"
    part_isolating = False


@blueprint.record_once
def _use_converter(state: Any) -> None:
    state.app.url_map.converters["anything"] = Anything


def _desk() -> Desk:
    desk: Desk = current_app.extensions["registry"]
    return desk


@blueprint.get("/v2/token")
def token() -> AnyResponse:
    """A token for who sends Basic, or for nobody; ``scope`` may come repeatedly, or several in one."""
    asked = _asked()
    try:
        caller = _desk().tokens.caller(request.headers.get("Authorization", ""))
    except BadCredentials as error:
        return _flask(unauthorized(asked, str(error)))
    try:
        fields = parse_qsl(asked.query, max_num_fields=_FIELDS_MAX)
    except ValueError:
        return _flask(refusal(400, "UNSUPPORTED", f"a query of more than {_FIELDS_MAX} fields"))
    scopes = (scope for name, value in fields if name == "scope" for scope in value.split())
    return jsonify(_desk().tokens.grant(caller, scopes))


@blueprint.route("/v2", methods=_METHODS, provide_automatic_options=False)
@blueprint.route("/v2/<anything:rest>", methods=_METHODS, provide_automatic_options=False)
def handle(rest: str = "") -> AnyResponse:
    """Everything else: the distribution API."""
    request.max_content_length = _ANY_LENGTH
    asked = _asked(f"/v2/{rest}")
    try:
        caller = _desk().tokens.caller(request.headers.get("Authorization", ""))
    except BadCredentials as error:
        return _flask(unauthorized(asked, str(error)))
    answer = _desk().registry.handle(asked, caller)
    if answer.status in _OF_THE_BODY:
        _drain()
    return _flask(answer)


@blueprint.errorhandler(HTTPException)
def refuse(error: HTTPException) -> AnyResponse:
    """What the guard says, in the specification's form."""
    status = error.code or 500
    return _flask(refusal(status, _CODES.get(status, "UNSUPPORTED"), error.description or error.name))


def who(tokens: Tokens) -> Callable[[MutableMapping[str, Any]], str]:
    """A function from a request's ASGI scope to whom it counts against: a kitchen, or an address."""

    def key(scope: MutableMapping[str, Any]) -> str:
        sent = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        try:
            caller = tokens.caller(sent.decode("latin-1"))
        except BadCredentials:
            caller = NOBODY
        return caller.namespace or str((scope.get("client") or ("",))[0])

    return key


def _asked(path: str = "") -> Request:
    headers = {name.lower(): value for name, value in request.headers.items()}
    query = request.query_string.decode("ascii")
    return Request(request.method, path, query, headers, _body(), request.scheme)


def _body() -> Iterator[bytes]:
    """The request's body; `ClientDisconnected` where it is cut."""
    while chunk := request.stream.read(CHUNK):
        yield chunk


def _drain() -> None:
    """Reads on a little where a body was refused: who is cut off while sending does not see why."""
    left = _UNREAD_MAX
    while left > 0 and (chunk := request.stream.read(min(left, CHUNK))):
        left -= len(chunk)


def _flask(answer: Answer) -> AnyResponse:
    response = Response(_Chunks(answer), status=answer.status, headers=dict(answer.headers), direct_passthrough=True)
    if "content-type" not in answer.headers:
        del response.headers["Content-Type"]
    return response


class _Chunks(Iterator[bytes]):
    """An answer's bytes; closed by the server, whatever becomes of the client."""

    def __init__(self, answer: Answer) -> None:
        self._answer, self._chunks = answer, iter(answer.chunks)

    def __next__(self) -> bytes:
        return next(self._chunks)

    def close(self) -> None:
        self._answer.close()
