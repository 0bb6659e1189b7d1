"""The registry's side of the distribution API, and the OCI layout behind it."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.digest import Digest
from engine.errors import BlobUnknown, Corrupt, EngineError, LimitExceeded, MalformedDocument, ManifestUnknown
from engine.ocilayout import Directory, Layout
from engine.registry import PAGE_MAX, Content, Referrer, Registry, Request
from tests.engine.oci import TYPES, Builder, body, digest_of, error, get, tarball

HEADERS = st.sampled_from(["range", "if-range", "if-none-match", "accept"])
LAYER = tarball({"etc/motd": b"hello\n"})


@pytest.fixture
def layout(tmp_path: Path) -> Builder:
    return Builder(tmp_path / "layout")


def serve(layout: Builder) -> Registry:
    return Registry(Layout(layout.path))


class Nothing:
    """A catalogue that must not be asked."""

    def repositories(self, last: str = "", count: int | None = None) -> Sequence[str]:
        raise AssertionError

    def tags(self, repository: str, last: str = "", count: int | None = None) -> Sequence[str]:
        raise AssertionError(repository)

    def referrers(
        self, repository: str, subject: Digest, artifact_type: str = "", last: str = ""
    ) -> Sequence[Referrer]:
        raise AssertionError(repository, subject)

    def find(self, digest: Digest) -> Content | None:
        raise AssertionError(digest)

    def manifest(self, repository: str, target: Digest | str) -> Content:
        raise AssertionError(repository, target)

    def blob(self, repository: str, digest: Digest) -> Content:
        raise AssertionError(repository, digest)


class Names(Nothing):
    """A catalogue of names alone."""

    def __init__(self, *names: str) -> None:
        self._names = names

    def repositories(self, last: str = "", count: int | None = None) -> Sequence[str]:
        return [name for name in self._names if name > last][:count]

    def tags(self, repository: str, last: str = "", count: int | None = None) -> Sequence[str]:
        return self.repositories(last, count)

    def manifest(self, repository: str, target: Digest | str) -> Content:
        raise ManifestUnknown(target)

    def blob(self, repository: str, digest: Digest) -> Content:
        raise BlobUnknown(digest)


# Documents and blobs


def test_the_root_says_that_this_is_a_registry() -> None:
    response = get(Registry(Nothing()), "/v2/")
    assert (response.status, body(response)) == (200, b"{}")
    assert response.headers["docker-distribution-api-version"] == "registry/2.0"


@pytest.mark.parametrize("style", TYPES)
def test_a_manifest_is_served_byte_for_byte_under_its_own_content_type(layout: Builder, style: str) -> None:
    # rule 21, rule 24
    descriptor = layout.image(LAYER, style=style)
    layout.tag("pizza/cheese:latest", descriptor)
    stored = layout.file(descriptor["digest"]).read_bytes()
    for target in ("latest", descriptor["digest"]):
        response = get(serve(layout), f"/v2/pizza/cheese/manifests/{target}")
        assert response.status == 200
        assert body(response) == stored
        assert response.headers["content-type"] == TYPES[style][0]
        assert response.headers["docker-content-digest"] == descriptor["digest"]
        assert response.headers["content-length"] == str(len(stored))
        assert response.headers["etag"] == f'"{descriptor["digest"]}"'


def test_a_document_of_an_unknown_type_is_served_as_it_is(layout: Builder) -> None:
    # rule 21
    descriptor = layout.document({"any": "thing"}, "application/vnd.example.thing+json")
    layout.tag("things/one:v1", descriptor)
    response = get(serve(layout), "/v2/things/one/manifests/v1")
    assert response.headers["content-type"] == "application/vnd.example.thing+json"
    assert digest_of(body(response)) == descriptor["digest"]


def test_manifests_within_indexes_and_their_blobs_are_visible(layout: Builder) -> None:
    # rule 22
    image = layout.image(LAYER)
    inner = layout.list(image)
    layout.tag("many:latest", layout.list(inner))
    registry = serve(layout)
    for descriptor in (inner, image):
        found = get(registry, f"/v2/library/many/manifests/{descriptor['digest']}")
        assert (found.status, found.headers["content-type"]) == (200, descriptor["mediaType"])
    for descriptor in (layout.read(image)["config"], *layout.read(image)["layers"]):
        found = get(registry, f"/v2/library/many/blobs/{descriptor['digest']}")
        assert (found.status, digest_of(body(found))) == (200, descriptor["digest"])


def test_a_blob_is_visible_only_in_its_repository(layout: Builder) -> None:
    cheese = layout.tag("pizza/cheese:latest", layout.image(LAYER))["layers"][0]["digest"]
    layout.tag("pizza/other:latest", layout.image(tarball({"other": b""})))
    registry = serve(layout)
    assert get(registry, f"/v2/pizza/cheese/blobs/{cheese}").status == 200
    assert error(get(registry, f"/v2/pizza/other/blobs/{cheese}"))["code"] == "BLOB_UNKNOWN"


def test_a_blob_that_no_tag_reaches_is_not_served(layout: Builder) -> None:
    layout.tag("a:latest", layout.image(LAYER))
    stray = layout.blob(b"stray")["digest"]
    assert get(serve(layout), f"/v2/library/a/blobs/{stray}").status == 404


def test_head_answers_like_get_without_a_body(layout: Builder) -> None:
    manifest = layout.tag("a:latest", layout.image(LAYER))
    registry = serve(layout)
    for path in ("manifests/latest", "manifests/none", f"blobs/{manifest['layers'][0]['digest']}", "tags/list"):
        got = get(registry, f"/v2/library/a/{path}")
        head = registry.handle(Request("HEAD", f"/v2/library/a/{path}"))
        assert (head.status, head.headers, body(head)) == (got.status, got.headers, b"")
        assert int(head.headers["content-length"]) == len(body(got))


@pytest.mark.parametrize(
    ("header", "status"),
    [("ETAG", 304), ("W/ETAG", 304), ('"x", ETAG', 304), ("*", 304), ('"x"', 200), ("", 200)],
)
def test_what_the_client_has_is_not_sent_again(layout: Builder, header: str, status: int) -> None:
    manifest = layout.tag("a:latest", descriptor := layout.image(LAYER))
    registry = serve(layout)
    for kind, digest in (("manifests", descriptor["digest"]), ("blobs", manifest["config"]["digest"])):
        asked = header.replace("ETAG", f'"{digest}"')
        response = get(registry, f"/v2/library/a/{kind}/{digest}", if_none_match=asked)
        assert response.status == status
        assert response.headers["etag"] == f'"{digest}"'
        assert bool(body(response)) == (status == 200)


@pytest.mark.parametrize(
    ("asked", "status", "expected"),
    [
        ("bytes=0-0", 206, b"0"),
        ("bytes=2-4", 206, b"234"),
        ("bytes=7-", 206, b"789"),
        ("bytes=-3", 206, b"789"),
        ("bytes=-30", 206, b"0123456789"),
        ("bytes=8-500", 206, b"89"),
        ("bytes=0-9", 206, b"0123456789"),
        ("bytes=10-", 416, b""),
        ("bytes=500-0", 416, b""),
        ("bytes=4-3", 416, b""),
        ("bytes=-0", 416, b""),
        ("bytes=0-1,3-4", 200, b"0123456789"),
        ("bytes=-", 200, b"0123456789"),
        ("bytes=a-b", 200, b"0123456789"),
        ("items=0-1", 200, b"0123456789"),
        ("", 200, b"0123456789"),
        (f"bytes={'9' * 40}-", 200, b"0123456789"),
    ],
)
def test_a_range_of_a_blob(layout: Builder, asked: str, status: int, expected: bytes) -> None:
    digest = layout.blob(b"0123456789")["digest"]
    layout.tag("a:latest", layout.image(change=lambda m: m["layers"].append({**m["config"], "digest": digest})))
    response = get(serve(layout), f"/v2/library/a/blobs/{digest}", range=asked)
    assert response.status == status
    if status == 416:
        assert response.headers["content-range"] == "bytes */10"
        assert error(response)["code"] == "SIZE_INVALID"
        return
    assert body(response) == expected
    assert response.headers["content-length"] == str(len(expected))
    assert response.headers["accept-ranges"] == "bytes"
    if status == 206:
        start = b"0123456789".index(expected)
        assert response.headers["content-range"] == f"bytes {start}-{start + len(expected) - 1}/10"


def test_a_range_of_another_version_gets_the_whole(layout: Builder) -> None:
    digest = layout.tag("a:latest", layout.image(LAYER))["config"]["digest"]
    registry, path = serve(layout), f"/v2/library/a/blobs/{digest}"
    assert get(registry, path, range="bytes=0-0", if_range='"sha256:other"').status == 200
    assert get(registry, path, range="bytes=0-0", if_range=f'"{digest}"').status == 206
    assert registry.handle(Request("HEAD", path, headers={"range": "bytes=0-0"})).status == 200


def test_a_large_blob_is_read_as_it_is_asked_for(layout: Builder) -> None:
    noise = os.urandom(1 << 20)
    digest = layout.blob(noise)["digest"]
    layout.tag("a:latest", layout.image(change=lambda m: m["layers"].append({**m["config"], "digest": digest})))
    chunks = list(get(serve(layout), f"/v2/library/a/blobs/{digest}").chunks)
    assert b"".join(chunks) == noise
    assert len(chunks) > 1


def test_sha512_names_blobs_too(layout: Builder) -> None:
    # rule 23
    import hashlib

    digest = "sha512:" + hashlib.sha512(b"longer").hexdigest()
    (layout.path / "blobs" / "sha512").mkdir()
    layout.file(digest).write_bytes(b"longer")
    layout.tag("a:latest", layout.image(change=lambda m: m["layers"].append({**m["config"], "digest": digest})))
    response = get(serve(layout), f"/v2/library/a/blobs/{digest}")
    assert (body(response), response.headers["docker-content-digest"]) == (b"longer", digest)


# Lists


@pytest.mark.parametrize(
    ("query", "expected", "more"),
    [
        ("", ["a", "b", "c"], ""),
        ("n=2", ["a", "b"], "n=2&last=b"),
        ("n=2&last=b", ["c"], ""),
        ("n=3", ["a", "b", "c"], ""),
        ("n=0", [], ""),
        ("last=a", ["b", "c"], ""),
        ("last=aa", ["b", "c"], ""),
        ("last=c", [], ""),
        ("last=", ["a", "b", "c"], ""),
        ("n=99999999999999999999", ["a", "b", "c"], ""),
        ("other=1", ["a", "b", "c"], ""),
    ],
)
def test_tags_come_in_pages(query: str, expected: list[str], more: str) -> None:
    response = get(Registry(Names("a", "b", "c")), f"/v2/pizza/cheese/tags/list?{query}")
    assert response.status == 200
    assert json.loads(body(response)) == {"name": "pizza/cheese", "tags": expected}
    assert response.headers.get("link", "") == (more and f'</v2/pizza/cheese/tags/list?{more}>; rel="next"')


@pytest.mark.parametrize("query", ["n=-1", "n=x", "n=", "n=1.5", "n=²", "&".join(["n=1"] * 100)])
def test_a_page_of_no_number_is_refused(query: str) -> None:
    response = get(Registry(Names("a")), f"/v2/a/tags/list?{query}")
    assert response.status == 400
    assert error(response)["code"] == "PAGINATION_NUMBER_INVALID"


def test_following_the_links_shows_every_repository_once() -> None:
    names = [f"pizza/n{n:04}" for n in range(2 * PAGE_MAX + 1)]
    registry, path, seen = Registry(Names(*names)), "/v2/_catalog", []
    while path:
        response = get(registry, path)
        page = json.loads(body(response))["repositories"]
        assert len(page) <= PAGE_MAX
        seen += page
        path = response.headers.get("link", "").partition(">")[0].removeprefix("<")
    assert seen == names


def test_the_catalogue_of_a_layout_is_sorted(layout: Builder) -> None:
    image = layout.image(LAYER)
    for name in ("pizza/b:2", "registry", "pizza/b:10", "pizza/a:latest", "docker.io/library/x:1"):
        layout.tag(name, image)
    registry = serve(layout)
    repositories = json.loads(body(get(registry, "/v2/_catalog")))["repositories"]
    assert repositories == ["library/registry", "library/x", "pizza/a", "pizza/b"]
    assert json.loads(body(get(registry, "/v2/pizza/b/tags/list")))["tags"] == ["10", "2"]
    assert json.loads(body(get(registry, "/v2/library/registry/tags/list")))["tags"] == ["latest"]


# Refusals


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v2/pizza/none/manifests/latest", 404, "NAME_UNKNOWN"),
        ("/v2/pizza/none/tags/list", 404, "NAME_UNKNOWN"),
        (f"/v2/pizza/none/blobs/sha256:{'0' * 64}", 404, "NAME_UNKNOWN"),
        ("/v2/pizza/cheese/manifests/none", 404, "MANIFEST_UNKNOWN"),
        (f"/v2/pizza/cheese/manifests/sha256:{'0' * 64}", 404, "MANIFEST_UNKNOWN"),
        ("/v2/pizza/cheese/manifests/.none", 404, "MANIFEST_UNKNOWN"),
        (f"/v2/pizza/cheese/blobs/sha256:{'0' * 64}", 404, "BLOB_UNKNOWN"),
        ("/v2/pizza/cheese/blobs/sha256:0", 400, "DIGEST_INVALID"),
        ("/v2/pizza/cheese/manifests/sha256:0", 400, "DIGEST_INVALID"),
        ("/v2/Pizza/manifests/latest", 400, "NAME_INVALID"),
        ("/v2/../etc/manifests/latest", 400, "NAME_INVALID"),
        ("/v2/pizza//cheese/tags/list", 400, "NAME_INVALID"),
        (f"/v2/{'a' * 256}/tags/list", 400, "NAME_INVALID"),
        ("/v2/pizza/cheese", 404, "UNSUPPORTED"),
        ("/v2/pizza/cheese/blobs/uploads/", 404, "UNSUPPORTED"),
        ("/elsewhere", 404, "UNSUPPORTED"),
    ],
)
def test_a_refusal_has_the_specifications_code_and_status(layout: Builder, path: str, status: int, code: str) -> None:
    layout.tag("pizza/cheese:latest", layout.image(LAYER))
    response = get(serve(layout), path)
    found = error(response)
    assert (response.status, found["code"]) == (status, code)
    assert found["detail"]["why"]


def test_an_unknown_manifest_is_worded_as_docker_repeats_it(layout: Builder) -> None:
    layout.tag("a:latest", layout.image(LAYER))
    assert error(get(serve(layout), "/v2/library/a/manifests/b"))["message"] == "manifest unknown"


@pytest.mark.parametrize(
    "path",
    [
        "/v2/UP/manifests/a",
        "/v2/a/manifests/..",
        "/v2/a/manifests/-x",
        f"/v2/a/manifests/{'t' * 129}",
        "/v2/a/blobs/x",
        f"/v2/a/blobs/sha256:{'A' * 64}",
        f"/v2/a/blobs/md5:{'0' * 32}",
        "/v2/a/../b/tags/list",
        "/v2/a\n/tags/list",
    ],
)
def test_names_and_digests_are_parsed_before_anything_is_looked_up(path: str) -> None:
    assert get(Registry(Nothing()), path).status in (400, 404)


def test_a_repository_may_be_called_like_a_route() -> None:
    response = get(Registry(Names("a")), "/v2/manifests/tags/list/blobs/tags/list")
    assert json.loads(body(response))["name"] == "manifests/tags/list/blobs"


PIECES = st.sampled_from(
    ["v2", "pizza", "cheese", "manifests", "blobs", "tags", "list", "latest", "uploads", "..", "", "_catalog"]
)
TEXT = st.text(max_size=40) | st.sampled_from(["bytes=0-", "bytes=-5", "n=1", "last=a", "*", f"sha256:{'0' * 64}"])


@given(st.lists(PIECES | st.text(max_size=9) | TEXT, max_size=7), TEXT, st.dictionaries(HEADERS, TEXT))
def test_whatever_is_asked_is_answered(parts: list[str], query: str, headers: dict[str, str]) -> None:
    registry = Registry(Names("latest", "list"))
    for method in ("GET", "HEAD"):
        response = registry.handle(Request(method, "/v2/" + "/".join(parts), query, headers))
        assert response.status in (200, 400, 404)
        assert len(body(response)) == (int(response.headers["content-length"]) if method == "GET" else 0)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "get"])
def test_a_registry_that_is_only_read_refuses_to_be_written(method: str) -> None:
    response = Registry(Nothing()).handle(Request(method, "/v2/a/blobs/uploads/"))
    assert (response.status, response.headers["allow"]) == (405, "GET, HEAD")
    assert error(response)["code"] == "UNSUPPORTED"


# The layout


def test_what_a_layout_adds_of_its_own_is_passed_over(layout: Builder) -> None:
    # rule 21, rule 25
    (layout.path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0", "more": 1}\n')
    (layout.path / "README").write_text("hello")
    layout.index["annotations"] = {"a": "b"}
    layout.tag("not a name at all!", layout.image(LAYER))
    assert Layout(layout.path).repositories() == []


@pytest.mark.parametrize(
    ("name", "text", "word"),
    [
        ("oci-layout", None, "oci-layout"),
        ("oci-layout", "", "oci-layout"),
        ("oci-layout", "{}", "imageLayoutVersion"),
        ("oci-layout", '{"imageLayoutVersion": "1.1.0"}', "imageLayoutVersion"),
        ("index.json", None, "index.json"),
        ("index.json", '{"schemaVersion": 2, "manifests": null}', "malformed"),
        ("index.json", '{"schemaVersion": 1, "manifests": []}', "schemaVersion"),
        ("index.json", '{"schemaVersion": 2, "manifests": [{"mediaType": "a", "digest": "b", "size": 1}]}', "digest"),
        ("index.json", '{"schemaVersion": 2, "manifests": [], "layers": []}', "together"),
    ],
)
def test_a_layout_that_is_none_is_refused(layout: Builder, name: str, text: str | None, word: str) -> None:
    # rule 25, rule 22
    if text is None:
        (layout.path / name).unlink()
    else:
        (layout.path / name).write_text(text)
    with pytest.raises(MalformedDocument, match=word):
        Layout(layout.path)


def test_an_empty_index_is_a_layout(layout: Builder) -> None:
    # rule 22
    assert Layout(layout.path).repositories() == []


def test_an_image_as_index_json_is_refused(layout: Builder) -> None:
    descriptor = layout.image(LAYER)
    (layout.path / "index.json").write_bytes(layout.file(descriptor["digest"]).read_bytes())
    with pytest.raises(MalformedDocument, match="not an index"):
        Layout(layout.path)


def test_an_index_beyond_bounds_is_not_read(layout: Builder) -> None:
    with (layout.path / "index.json").open("r+b") as file:
        file.truncate((4 << 20) + 1)
    with pytest.raises(LimitExceeded):
        Layout(layout.path)


def test_only_regular_files_are_opened(layout: Builder) -> None:
    manifest = layout.tag("a:latest", layout.image(LAYER))
    digest = manifest["layers"][0]["digest"]
    layout.file(digest).unlink()
    os.mkfifo(layout.file(digest))  # opening it would wait for ever
    assert get(serve(layout), f"/v2/library/a/blobs/{digest}").status == 404
    (layout.path / "index.json").unlink()
    os.mkfifo(layout.path / "index.json")
    with pytest.raises(MalformedDocument):
        Layout(layout.path)


def test_a_damaged_manifest_hides_its_blobs_and_nothing_else(layout: Builder) -> None:
    layout.tag("a:good", layout.image(LAYER))
    bad = layout.image(tarball({"x": b""}))
    layout.tag("a:bad", bad)
    blob = layout.read(bad)["layers"][0]["digest"]
    layout.file(bad["digest"]).write_text("{")
    registry = serve(layout)
    assert get(registry, f"/v2/library/a/blobs/{blob}").status == 404
    assert get(registry, "/v2/library/a/manifests/good").status == 200
    assert body(get(registry, "/v2/library/a/manifests/bad")) == b"{"
    layout.image(tarball({"x": b""}))  # mended
    assert get(registry, f"/v2/library/a/blobs/{blob}").status == 200


def test_of_two_entries_of_one_name_the_first_counts(layout: Builder) -> None:
    first, second = layout.image(LAYER), layout.image(tarball({"x": b""}))
    layout.tag("a:latest", first)
    layout.tag("a:latest", second)
    assert get(serve(layout), "/v2/library/a/manifests/latest").headers["docker-content-digest"] == first["digest"]


def test_a_file_that_cannot_be_read_is_an_error_of_the_engines(tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    for name in ("directory", "none"):
        with pytest.raises(Corrupt, match=f"{name} cannot be read"):
            next(Directory(tmp_path).chunks(name))


def test_every_error_is_one_of_the_engines(layout: Builder) -> None:
    with pytest.raises(EngineError):
        Layout(layout.path / "nowhere")
