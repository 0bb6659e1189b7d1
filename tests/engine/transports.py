"""What every transport to a registry does: one suite, to be run for each (see `engine.remote.Transport`).

A test module makes a subclass whose `carry` gives a transport to a registry of this process, by whatever road.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from engine import reference as references
from engine.layerstore import LayerStore
from engine.memoryblobs import MemoryBlobs
from engine.ocilayout import Layout
from engine.pull import pull
from engine.registry import Registry
from engine.remote import Remote, Transport
from tests.engine.oci import Builder, Watched, body, digest_of, error, tarball

LARGE = 64 << 20


class TransportContract:
    """See the module."""

    def carry(self, registry: Registry) -> AbstractContextManager[Transport]:
        """A transport whose requests `registry` answers."""
        raise NotImplementedError

    @pytest.fixture
    def layout(self, tmp_path: Path) -> Builder:
        layout = Builder(tmp_path / "layout")
        layout.tag("pizza/cheese:latest", layout.image(tarball({"pizza/cheese": b"c" * 100_000}), pack=bytes))
        layout.tag("pizza/cheese:old", layout.image(tarball({"pizza/cheese": b"old"})))
        return layout

    @pytest.fixture
    def registry(self, layout: Builder) -> Watched:
        return Watched(Layout(layout.path))

    def test_it_brings_status_headers_and_bytes(self, registry: Watched, layout: Builder) -> None:
        with self.carry(registry) as transport:
            response = transport.request("GET", "/v2/pizza/cheese/manifests/latest", {})
            content = body(response)
        stored = layout.index["manifests"][0]
        assert response.status == 200
        assert digest_of(content) == response.headers["docker-content-digest"] == stored["digest"]
        assert response.headers["content-type"] == stored["mediaType"]

    def test_header_names_are_lower_case(self, registry: Watched) -> None:
        with self.carry(registry) as transport:
            headers = transport.request("GET", "/v2/", {}).headers
        assert all(name == name.lower() for name in headers)

    def test_an_answer_of_any_status_is_an_answer(self, registry: Watched) -> None:
        with self.carry(registry) as transport:
            response = transport.request("GET", "/v2/pizza/none/manifests/latest", {})
            assert response.status == 404
            assert error(response)["code"] == "NAME_UNKNOWN"

    def test_the_query_is_carried(self, registry: Watched) -> None:
        with self.carry(registry) as transport:
            response = transport.request("GET", "/v2/pizza/cheese/tags/list?n=1&last=a%20b", {})
            assert body(response) == b'{"name":"pizza/cheese","tags":["latest"]}'

    def test_an_encoded_path_is_decoded_once(self, registry: Watched) -> None:
        with self.carry(registry) as transport:
            assert transport.request("GET", "/v2/pizza/cheese/manifests/sha256%3A00", {}).status == 400
            assert transport.request("GET", "/v2/pizza/cheese/manifests/%256c", {}).status == 404
        assert registry.asked == ["/v2/pizza/cheese/manifests/sha256:00", "/v2/pizza/cheese/manifests/%6c"]

    def test_request_headers_are_carried(self, registry: Watched, layout: Builder) -> None:
        blob = layout.read(layout.index["manifests"][0])["layers"][0]
        with self.carry(registry) as transport:
            response = transport.request("GET", f"/v2/pizza/cheese/blobs/{blob['digest']}", {"range": "bytes=1-5"})
            assert response.status == 206
            assert body(response) == layout.file(blob["digest"]).read_bytes()[1:6]

    def test_a_head_has_no_body(self, registry: Watched) -> None:
        with self.carry(registry) as transport:
            response = transport.request("HEAD", "/v2/pizza/cheese/manifests/latest", {})
            assert body(response) == b""
        assert int(response.headers["content-length"]) > 0

    def test_answers_may_be_read_side_by_side(self, registry: Watched, layout: Builder) -> None:
        blob = layout.read(layout.index["manifests"][0])["layers"][0]
        with self.carry(registry) as transport:
            first, second = (transport.request("GET", f"/v2/pizza/cheese/blobs/{blob['digest']}", {}) for _ in range(2))
            ones, others = iter(first.chunks), iter(second.chunks)
            head = next(ones)
            assert digest_of(b"".join(others)) == blob["digest"]
            assert digest_of(head + b"".join(ones)) == blob["digest"]

    def test_a_body_that_nobody_reads_on_is_not_made(self, layout: Builder) -> None:
        digest = digest_of(bytes(LARGE))
        layout.blob(bytes(LARGE))
        layout.tag("large:latest", layout.image(change=lambda m: m["layers"].append({**m["config"], "digest": digest})))
        registry = Watched(Layout(layout.path))
        with self.carry(registry) as transport:
            response = transport.request("GET", f"/v2/library/large/blobs/{digest}", {})
            next(iter(response.chunks))
            response.close()
        assert 0 < registry.yielded < LARGE // 2
        assert registry.closed == 1

    def test_sent_is_what_the_registrys_handler_yielded(self, registry: Watched) -> None:
        blobs = MemoryBlobs()
        with self.carry(registry) as transport:
            remote = Remote(transport)
            pulled = pull(references.parse("pizza/cheese").tagged(), remote, (), blobs, LayerStore(blobs))
        assert pulled.sent == remote.sent == registry.yielded == sum(blobs.size(digest) for digest in blobs)
