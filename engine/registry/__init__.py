"""The registry's side of the distribution API: a request in, a response out, and no web framework (distribution-spec).

A `Catalogue` says what can be read: repositories, their tags, and the manifests and blobs that each shows. A layout is
one that is only read; the `Store` is one that is written too. The `Registry` turns them into `/v2/`: stored bytes are
served as they came, under their own content type (rules 21, 24). Names and digests are parsed before anything is
looked up by them. A story:

    registry = Registry(Layout(path), Store(data, blobs))
    answer = registry.handle(Request("GET", "/v2/team/web/manifests/latest"))
    answer.status, answer.headers["docker-content-digest"], b"".join(answer.chunks)
    registry.handle(Request("POST", "/v2/0123456789abcdef/mine/blobs/uploads/"), Caller("0123456789abcdef"))

Reading is open to everybody. Writing is for a `Caller`, below its own namespace or a shared one. Header names are lower
case on both sides, as ASGI and HTTP/2 have them.
"""

from engine.registry.access import NOBODY, Caller
from engine.registry.catalogue import Catalogue, Content, Referrer
from engine.registry.messages import MANIFEST_MAX, PAGE_MAX, Request, Response, refusal, unauthorized
from engine.registry.registry import Registry
from engine.registry.store import Store
from engine.registry.values import Limits, RegistryFault

__all__ = [
    "MANIFEST_MAX",
    "NOBODY",
    "PAGE_MAX",
    "Caller",
    "Catalogue",
    "Content",
    "Limits",
    "Referrer",
    "Registry",
    "RegistryFault",
    "Request",
    "Response",
    "Store",
    "refusal",
    "unauthorized",
]
