"""Manifests over HTTP: taking, forgetting, and listing those with a subject (distribution-spec, pushing manifests)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from engine import digest as digests
from engine import reference as references
from engine import spec
from engine.errors import DigestMismatch, InvalidReference
from engine.registry.catalogue import Referrer
from engine.registry.documents import facts
from engine.registry.messages import MANIFEST_MAX, PAGE_MAX, Request, Response, document, empty, linked
from engine.registry.store import Store
from engine.registry.values import ManifestTooLarge

_LIST_MAX: Final = 2 << 20
"""Bytes of one page of referrers, which may carry long annotations."""


def put(request: Request, store: Store, name: str, target: str) -> Response:
    """PUT: a manifest under a tag or its digest; its bytes are kept as they came."""
    tag = None if ":" in target else target
    if tag is not None and not references.is_tag(tag):
        raise InvalidReference(tag, f"invalid tag {tag[:130]!r}")
    wanted = None if tag is not None else digests.parse(target)
    data = _read(request)
    digest = digests.of(data, digests.algorithm(wanted) if wanted else "sha256")
    if wanted not in (None, digest):
        raise DigestMismatch(target, digest)
    media_type = request.headers.get("content-type", "").partition(";")[0].strip()
    found = facts(data, media_type)
    store.put_manifest(name, tag, digest, media_type, data, found)
    response = empty(201, location=request.address(f"/v2/{name}/manifests/{digest}"), docker_content_digest=digest)
    return response.plus(oci_subject=found.subject) if found.subject else response


def delete(store: Store, name: str, target: str) -> Response:
    """DELETE: a tag alone, or a manifest and its tags."""
    if ":" in target:
        store.delete_manifest(name, digests.parse(target))
    else:
        store.delete_tag(name, target)
    return empty(202)


def referrers(request: Request, found: Iterable[Referrer], artifact_type: str) -> Response:
    """GET: an index of the manifests with this subject, as many as a page bears, and a Link to the others."""
    shown: list[dict[str, Any]] = []
    size, more = 0, False
    for referrer in found:
        descriptor = referrer.descriptor()
        size += len(msgspec.json.encode(descriptor))
        more = bool(shown) and (size > _LIST_MAX or len(shown) == PAGE_MAX)
        if more:
            break
        shown.append(descriptor)
    index = {"schemaVersion": 2, "mediaType": spec.OCI_INDEX, "manifests": shown}
    response = document(index, media_type=spec.OCI_INDEX)
    if artifact_type:
        response = response.plus(oci_filters_applied="artifactType")
    if more:
        following = {"last": shown[-1]["digest"]}
        response = linked(
            response, request, {"artifactType": artifact_type} | following if artifact_type else following
        )
    return response


def _read(request: Request) -> bytes:
    """The request's body; `ManifestTooLarge`, as soon as that is known."""
    if (request.length or 0) > MANIFEST_MAX:
        raise ManifestTooLarge(MANIFEST_MAX)
    data = bytearray()
    for chunk in request.body:
        data += chunk
        if len(data) > MANIFEST_MAX:
            raise ManifestTooLarge(MANIFEST_MAX)
    return bytes(data)
