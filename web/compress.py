"""Answers that are text go out gzipped to whoever takes that: pages and drawings shrink to a fifth or less."""

from __future__ import annotations

from typing import Final

from flask import Response, request
from isal import igzip

LEAST: Final = 1024
"""Bytes below which it is not worth it."""
_TEXT: Final = frozenset(
    {"text/html", "text/css", "text/javascript", "application/javascript", "application/json", "image/svg+xml"}
)
_LEVEL: Final = 1


def compress(response: Response) -> Response:
    """The same answer, gzipped where the client takes gzip and it is text of some length."""
    if response.mimetype not in _TEXT:
        return response
    response.vary.add("Accept-Encoding")
    if (
        response.status_code in (204, 206, 304)
        or request.method == "HEAD"
        or "Content-Encoding" in response.headers
        or not request.accept_encodings["gzip"]
    ):
        return response
    response.direct_passthrough = False
    body = response.get_data()
    if len(body) < LEAST:
        return response
    response.set_data(igzip.compress(body, compresslevel=_LEVEL, mtime=0))
    response.headers["Content-Encoding"] = "gzip"
    if tag := response.get_etag()[0]:
        response.set_etag(tag, weak=True)  # not the same bytes as plain
    return response
