"""Stored bytes as answers: whole, in part, or not at all where the client has them (RFC 9110, sections 13 and 14)."""

from __future__ import annotations

import re
from typing import Final

from engine.registry.catalogue import Content
from engine.registry.messages import Request, Response, refusal

_RANGE: Final = re.compile(r"bytes=(?:(\d{1,19})-(\d{0,19})|-(\d{1,19}))")


def serve(request: Request, content: Content, *, ranges: bool) -> Response:
    """The bytes that are asked for; the caller drops them for a HEAD."""
    etag = f'"{content.digest}"'
    response = Response(200).plus(docker_content_digest=content.digest, etag=etag)
    if _matches(request.headers.get("if-none-match", ""), etag):
        return Response(304, response.headers)
    response = response.plus(content_type=content.media_type, content_length=str(content.size))
    wanted = None
    if ranges:
        response = response.plus(accept_ranges="bytes")
        if request.method == "GET" and request.headers.get("if-range", etag) == etag:
            wanted = _RANGE.fullmatch(request.headers.get("range", "").replace(" ", ""))
    if wanted is None:  # several ranges at once, or another unit, get the whole
        return Response(200, response.headers, content.read(0, content.size))
    start, stop = _bounds(wanted, content.size)
    if start >= stop:
        why = f"no byte of {wanted[0]} is within the blob's {content.size:,}"
        return refusal(416, "SIZE_INVALID", why).plus(content_range=f"bytes */{content.size}")
    response = response.plus(content_length=str(stop - start), content_range=f"bytes {start}-{stop - 1}/{content.size}")
    return Response(206, response.headers, content.read(start, stop))


def _bounds(wanted: re.Match[str], size: int) -> tuple[int, int]:
    """The first byte of a range and the one after its last; empty or reversed where no byte is in it."""
    first, last, suffix = wanted.groups()
    if suffix:
        return max(size - int(suffix), 0), size
    return int(first), min(int(last) + 1, size) if last else size


def _matches(header: str, etag: str) -> bool:
    tags = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return etag in tags or "*" in tags
