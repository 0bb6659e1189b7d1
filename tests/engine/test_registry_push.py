"""Pushing to the registry: each row and bullet of section E, as requests and what they are answered."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.registry import MANIFEST_MAX, NOBODY, Caller, Limits, Store
from engine.registry.documents import REFERENCES_MAX
from tests.engine.oci import TYPES, Builder, Json, body, digest_of, error, tarball
from tests.engine.pushing import CONFIG, HOST, LAYER, ME, MINE, OTHER, Client

DOUGH = b"dough" * 1000
NAME = digest_of(DOUGH)
NONE = f"sha256:{'0' * 64}"
EMPTY = "application/vnd.oci.empty.v1+json"


@pytest.fixture(autouse=True)
def _hasty(hasty: None) -> None:
    """What is durable is held to tests elsewhere."""


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    client = Client(tmp_path / "data")
    yield client
    client.store.close()


@pytest.fixture
def menu(tmp_path: Path) -> Builder:
    builder = Builder(tmp_path / "menu")
    builder.tag("pizza/cheese:latest", builder.image(tarball({"etc/motd": b"hello\n"})))
    return builder


@pytest.fixture
def both(tmp_path: Path, menu: Builder) -> Iterator[Client]:
    """Over the menu too."""
    client = Client(tmp_path / "data", menu=menu.path)
    yield client
    client.store.close()


# Uploads


def test_an_upload_in_one_piece_is_a_blob(client: Client) -> None:  # section E, POST with ?digest=
    answer = client.ask("POST", f"blobs/uploads/?digest={NAME}", DOUGH)
    assert answer.status == 201
    assert answer.headers["location"] == f"http://{HOST}/v2/{client.name}/blobs/{NAME}"
    assert answer.headers["docker-content-digest"] == NAME
    assert body(client.ask("GET", f"blobs/{NAME}")) == DOUGH
    assert client.files() == {NAME}


def test_a_new_upload_says_where_it_goes_on(client: Client) -> None:  # section E, POST
    answer = client.ask("POST", "blobs/uploads/")
    upload = answer.headers["docker-upload-uuid"]
    assert (answer.status, answer.headers["range"]) == (202, "0-0")
    assert answer.headers["location"] == f"http://{HOST}/v2/{client.name}/blobs/uploads/{upload}"
    assert "?" not in answer.headers["location"]


def test_without_a_host_a_location_is_a_path(client: Client) -> None:
    assert client.ask("POST", "blobs/uploads/", host="").headers["location"].startswith("/v2/")


@pytest.mark.parametrize("last", [b"", DOUGH[3000:]], ids=["all before", "last with PUT"])
@pytest.mark.parametrize("spans", [True, False], ids=["Content-Range", "stream"])
def test_an_upload_in_chunks_is_a_blob(client: Client, last: bytes, spans: bool) -> None:  # section E, PATCH and PUT
    path, sent = client.begin(), 0
    for chunk in [DOUGH[:1000], DOUGH[1000:1001], DOUGH[1001:3000], *([] if last else [DOUGH[3000:]])]:
        headers = {"content_range": f"{sent}-{sent + len(chunk) - 1}", "content_length": str(len(chunk))}
        answer = client.ask("PATCH", path, iter([chunk[:7], chunk[7:]]), **(headers if spans else {}))
        sent += len(chunk)
        assert (answer.status, answer.headers["range"]) == (202, f"0-{sent - 1}")
        status = client.ask("GET", path)
        assert (status.status, status.headers["range"]) == (204, f"0-{sent - 1}")
        assert status.headers["location"] == f"http://{HOST}{path}"
    answer = client.ask("PUT", f"{path}?digest={NAME}", last)
    assert (answer.status, answer.headers["location"]) == (201, f"http://{HOST}/v2/{client.name}/blobs/{NAME}")
    assert body(client.ask("GET", f"blobs/{NAME}")) == DOUGH
    assert client.status("GET", path) == 404


@pytest.mark.parametrize("digest", [NAME, NAME.replace(":", "%3A")])
def test_a_digest_may_be_appended_with_either_sign(client: Client, digest: str) -> None:  # section E, clients
    for sign in "?&":
        path = client.begin()
        client.ask("PATCH", path, DOUGH)
        assert client.status("PUT", f"{path}{sign}digest={digest if sign == '?' else NAME}") == 201


def test_an_empty_blob_is_one(client: Client) -> None:
    assert client.status("PUT", f"{client.begin()}?digest={digest_of(b'')}") == 201
    answer = client.ask("GET", f"blobs/{digest_of(b'')}")
    assert (answer.status, answer.headers["content-length"], body(answer)) == (200, "0", b"")


@pytest.mark.parametrize("whole", [True, False])
def test_sha512_is_rehashed_where_it_is_first_said(client: Client, whole: bool) -> None:  # section E, rule 23
    name = "sha512:" + hashlib.sha512(DOUGH).hexdigest()
    if whole:
        assert client.status("POST", f"blobs/uploads/?digest={name}", DOUGH) == 201
    else:
        path = client.begin()
        client.ask("PATCH", path, DOUGH)
        assert client.status("PUT", f"{path}?digest={name}") == 201
    assert body(client.ask("GET", f"blobs/{name}")) == DOUGH
    assert client.status("GET", f"blobs/{NAME}") == 404


@pytest.mark.parametrize(
    ("begin", "stop", "length", "status", "code"),
    [
        (5, 9, 5, 416, "BLOB_UPLOAD_INVALID"),
        (3, 7, 5, 416, "BLOB_UPLOAD_INVALID"),
        (0, 4, 5, 416, "BLOB_UPLOAD_INVALID"),
        (4, 7, 5, 400, "SIZE_INVALID"),
        (4, 9, 5, 400, "SIZE_INVALID"),
        (4, 3, 0, 400, "SIZE_INVALID"),
        (4, 7, None, 400, "SIZE_INVALID"),
        (4, 9, None, 400, "SIZE_INVALID"),
    ],
)
@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_a_chunk_out_of_order_or_of_another_length_changes_nothing(
    client: Client, method: str, begin: int, stop: int, length: int | None, status: int, code: str
) -> None:  # section E: 416, lying lengths
    path = client.begin()
    client.ask("PATCH", path, b"0123")
    headers = {"content_range": f"{begin}-{stop}"} | ({} if length is None else {"content_length": str(length)})
    answer = client.ask(method, f"{path}?digest={digest_of(b'012345678')}", iter([b"45", b"678"]), **headers)
    assert (answer.status, error(answer)["code"]) == (status, code)
    if status == 416:
        assert (answer.headers["range"], answer.headers["location"]) == ("0-3", f"http://{HOST}{path}")
    assert client.ask("GET", path).headers["range"] == "0-3"
    assert client.status("PATCH", path, b"45678", content_range="4-8", content_length="5") == 202
    assert client.status("PUT", f"{path}?digest={digest_of(b'012345678')}") == 201


@pytest.mark.parametrize("said", ["x", "1", "-5", "5-", "0-4,7-9", f"0-{'9' * 30}"])
def test_a_content_range_that_says_nothing_is_refused(client: Client, said: str) -> None:
    assert client.status("PATCH", client.begin(), b"01234", content_range=said) == 400


@pytest.mark.parametrize("how", ["POST", "PUT"])
@pytest.mark.parametrize("digest", [NONE, "sha512:" + "0" * 128])
def test_another_digest_than_promised_is_refused_and_nothing_is_kept(client: Client, how: str, digest: str) -> None:
    # section E, PUT
    path = f"blobs/uploads/?digest={digest}"
    if how == "PUT":
        path = client.begin() + f"?digest={digest}"
    answer = client.ask(how, path, DOUGH)
    assert (answer.status, error(answer)["code"]) == (400, "DIGEST_INVALID")
    assert client.files() == set()
    assert client.status("GET", f"blobs/{digest}") == 404


@pytest.mark.parametrize("digest", ["", "sha256:0", f"md5:{'0' * 32}", f"sha256:{'A' * 64}", "../../etc"])
def test_a_digest_that_is_none_is_refused_before_anything_is_read(client: Client, digest: str) -> None:
    def never() -> Iterator[bytes]:
        raise AssertionError
        yield b""

    path = client.begin()
    for method, where in (("POST", "blobs/uploads/"), ("PUT", path)):
        answer = client.ask(method, f"{where}?digest={digest}", never())
        assert (answer.status, error(answer)["code"]) == (400, "DIGEST_INVALID")
    assert client.status("PUT", path) == 400
    assert client.status("GET", path) == 204


def cut(*pieces: bytes) -> Iterator[bytes]:
    yield from pieces
    raise ConnectionResetError


def test_a_cut_upload_can_be_gone_on_with(client: Client) -> None:
    path = client.begin()
    with pytest.raises(ConnectionResetError):
        client.ask("PATCH", path, cut(DOUGH[:100], DOUGH[100:150]))
    assert client.ask("GET", path).headers["range"] == "0-149"
    client.ask("PATCH", path, DOUGH[150:], content_range=f"150-{len(DOUGH) - 1}")
    assert client.status("PUT", f"{path}?digest={NAME}") == 201


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_blob_that_is_cut_is_never_one(client: Client, method: str) -> None:
    path = "blobs/uploads/" if method == "POST" else client.begin()
    with pytest.raises(ConnectionResetError):
        client.ask(method, f"{path}?digest={digest_of(DOUGH[:150])}", cut(DOUGH[:100], DOUGH[100:150]))
    assert list(client.blobs) == []
    assert (client.files() == set()) == (method == "POST")


def test_an_upload_goes_on_after_a_restart_of_the_server(client: Client, tmp_path: Path) -> None:
    path = client.begin()
    client.ask("PATCH", path, DOUGH[:1234])
    client.store.close()
    again = Client(tmp_path / "data")
    assert again.ask("GET", path).headers["range"] == "0-1233"
    again.ask("PATCH", path, DOUGH[1234:])
    assert again.status("PUT", f"{path}?digest={NAME}") == 201
    assert body(again.ask("GET", f"blobs/{NAME}")) == DOUGH
    again.store.close()


def test_what_the_file_has_is_the_truth(client: Client) -> None:
    path = client.begin()
    client.ask("PATCH", path, DOUGH)
    file = client.data / "uploads" / path.rpartition("/")[2]
    os.truncate(file, 100)  # the disk has lost what the running hash has seen
    assert client.ask("GET", path).headers["range"] == "0-99"
    answer = client.ask("PUT", f"{path}?digest={NAME}")
    assert (answer.status, error(answer)["code"]) == (400, "DIGEST_INVALID")


def test_a_cancelled_upload_is_gone(client: Client) -> None:  # section E, DELETE
    path = client.begin()
    client.ask("PATCH", path, DOUGH)
    assert client.status("DELETE", path) == 204
    for method in ("GET", "PATCH", "PUT", "DELETE"):
        answer = client.ask(method, f"{path}?digest={NAME}")
        assert (answer.status, error(answer)["code"]) == (404, "BLOB_UPLOAD_UNKNOWN")
    assert client.files() == set()


@pytest.mark.parametrize("upload", ["x", "..", "0" * 36, "00000000-0000-4000-8000-000000000000", "%2e%2e"])
def test_an_upload_that_is_none_is_unknown(client: Client, upload: str) -> None:
    client.begin()
    for method in ("GET", "PATCH", "PUT", "DELETE"):
        answer = client.ask(method, f"blobs/uploads/{upload}?digest={NAME}")
        assert (answer.status, error(answer)["code"]) == (404, "BLOB_UPLOAD_UNKNOWN")


def test_an_upload_belongs_to_its_repository(client: Client) -> None:
    path = client.begin()
    other = path.replace("/a/", "/b/")
    assert [client.status(method, other) for method in ("GET", "PATCH", "DELETE")] == [404, 404, 404]
    assert client.status("GET", path) == 204


def test_an_upload_on_a_shared_shelf_belongs_to_whoever_opened_it(client: Client) -> None:
    client.name = "class/a"
    path, other = client.begin(), Caller(OTHER, frozenset({"class"}))
    for method in ("GET", "PATCH", "PUT", "DELETE"):
        answer = client.ask(method, f"{path}?digest={NAME}", DOUGH, other)
        assert (answer.status, error(answer)["code"]) == (404, "BLOB_UPLOAD_UNKNOWN")
    assert client.ask("GET", path).headers["range"] == "0-0"
    assert client.status("PUT", f"{path}?digest={NAME}", DOUGH) == 201


def test_two_requests_cannot_write_to_one_upload(client: Client) -> None:
    path, seen = client.begin(), []

    def chunks() -> Iterator[bytes]:
        yield b"01"
        for method in ("PATCH", "PUT", "DELETE"):
            answer = client.ask(method, f"{path}?digest={NAME}", b"xx")
            seen.append((answer.status, error(answer)["code"]))
        yield b"23"

    assert client.ask("PATCH", path, chunks()).headers["range"] == "0-3"
    assert seen == [(409, "BLOB_UPLOAD_INVALID")] * 3
    assert client.status("PUT", f"{path}?digest={digest_of(b'0123')}") == 201


def test_a_blob_that_is_pushed_twice_is_there_once(client: Client) -> None:
    for _ in range(2):
        client.blob(DOUGH)
    assert client.files() == {NAME}
    client.name = f"{MINE}/b"
    assert client.status("GET", f"blobs/{NAME}") == 404, "not pushed here yet"
    client.blob(DOUGH)
    assert client.files() == {NAME}
    assert client.status("GET", f"blobs/{NAME}") == 200


# Bounds


def limited(tmp_path: Path, **limits: int) -> Client:
    return Client(tmp_path / "limited", limits=Limits(reserve=0, **limits))


@pytest.mark.parametrize("limits", [{"quota": 100_000}, {"upload": 100_000}])
@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT"])
def test_an_upload_beyond_bounds_is_refused_before_it_is_stored(
    tmp_path: Path, limits: dict[str, int], method: str
) -> None:
    client, taken = limited(tmp_path, **limits), []

    def endless() -> Iterator[bytes]:
        while True:
            taken.append(1)
            yield b"x" * 10_000

    path = "blobs/uploads/" if method == "POST" else client.begin()
    answer = client.ask(method, path + ("" if method == "PATCH" else f"?digest={NAME}"), endless())
    found = error(answer)
    assert (answer.status, found["code"]) == (413, "DENIED"), "a code after which docker does not try again"
    assert "100,000 bytes" in found["message"]
    assert len(taken) == 11
    assert sum(file.stat().st_size for file in (client.data / "uploads").iterdir()) == 0
    client.store.close()


def test_a_quota_counts_blobs_once_and_open_uploads_and_manifests(tmp_path: Path) -> None:
    client = limited(tmp_path, quota=100_000)
    client.blob(b"a" * 60_000)
    client.name = f"{MINE}/b"
    assert client.status("POST", f"blobs/uploads/?mount={digest_of(b'a' * 60_000)}") == 201
    path = client.begin()
    assert client.status("PATCH", path, b"b" * 41_000) == 413
    assert client.status("PATCH", path, b"b" * 30_000) == 202
    assert client.status("PATCH", client.begin(), b"b" * 11_000) == 413
    assert client.status("PUT", f"{path}?digest={digest_of(b'b' * 30_000)}") == 201
    document = {"schemaVersion": 2, "mediaType": TYPES["oci"][3], "manifests": [], "annotations": {"a": "x" * 11_000}}
    assert client.put(document, "a").status == 413
    client.name = "class/b"
    assert client.status("PATCH", client.begin(), b"b" * 50_000) == 202, "another namespace, another quota"
    client.store.close()


def test_many_small_things_count_too(tmp_path: Path) -> None:
    client = limited(tmp_path, quota=100_000)
    document = {"schemaVersion": 2, "mediaType": TYPES["oci"][3], "manifests": []}
    statuses = [client.put(document, f"t{n}").status for n in range(40)]
    assert statuses[:20] == [201] * 20
    assert statuses[-1] == 413
    client.store.close()


def test_a_manifest_beyond_the_quota_leaves_nothing(tmp_path: Path) -> None:
    client = limited(tmp_path, quota=20_000)
    document = {"schemaVersion": 2, "mediaType": TYPES["oci"][3], "manifests": [], "annotations": {"a": "x" * 30_000}}
    assert client.put(document, "a").status == 413
    assert client.files() == set()
    assert client.status("GET", "manifests/a") == 404
    client.store.close()


def test_uploads_that_are_open_are_few(tmp_path: Path) -> None:
    client = limited(tmp_path, uploads=3)
    paths = [client.begin() for _ in range(3)]
    answer = client.ask("POST", "blobs/uploads/")
    assert (answer.status, error(answer)["code"]) == (429, "TOOMANYREQUESTS")
    assert int(answer.headers["retry-after"]) > 0
    assert client.ask("POST", "/v2/class/a/blobs/uploads/", caller=Caller(OTHER, frozenset({"class"}))).status == 202
    client.status("DELETE", paths[0])
    client.begin()
    client.store.close()


def test_a_disk_that_is_nearly_full_takes_nothing(tmp_path: Path) -> None:
    client = Client(tmp_path / "full", limits=Limits(reserve=1 << 60))
    assert client.status("POST", f"blobs/uploads/?digest={NAME}", DOUGH) == 413
    client.store.close()


# Mounts


@pytest.mark.parametrize("source", ["&from={name}", "&from={quoted}", ""], ids=["from", "quoted", "anonymous"])
def test_a_blob_can_be_mounted_from_where_it_is_shown(client: Client, source: str) -> None:  # section E, mount
    client.blob(DOUGH)
    origin, client.name = client.name, f"{MINE}/b"
    where = source.format(name=origin, quoted=origin.replace("/", "%2F"))
    answer = client.ask("POST", f"blobs/uploads/?mount={NAME}{where}")
    assert answer.status == 201
    assert answer.headers["location"] == f"http://{HOST}/v2/{MINE}/b/blobs/{NAME}"
    assert body(client.ask("GET", f"blobs/{NAME}")) == DOUGH
    assert client.files() == {NAME}


@pytest.mark.parametrize(
    "source",
    [f"&from={MINE}/none", f"&from={MINE}/empty", "&from=..%2F..", "&from=", "&from=UP"],
)
def test_an_unknown_source_opens_an_upload(client: Client, source: str) -> None:  # section E, mount
    client.blob(DOUGH)
    client.name = f"{MINE}/empty"
    client.image()
    client.name = f"{MINE}/b"
    answer = client.ask("POST", f"blobs/uploads/?mount={NAME}{source}")
    assert answer.status == 202
    assert client.status("GET", f"blobs/{NAME}") == 404
    path = answer.headers["location"]
    assert client.status("PUT", f"{path}?digest={NAME}", DOUGH) == 201


def test_a_blob_that_nobody_shows_cannot_be_mounted(client: Client) -> None:
    client.blobs.put(DOUGH)  # of somebody's kitchen
    assert client.status("POST", f"blobs/uploads/?mount={NAME}") == 202
    assert client.status("GET", f"blobs/{NAME}") == 404


@pytest.mark.parametrize("source", ["&from=pizza/cheese", "&from=pizza%2Fcheese", ""])
def test_a_blob_of_the_menu_can_be_mounted(both: Client, menu: Builder, source: str) -> None:
    blob = menu.read(menu.index["manifests"][0])["layers"][0]["digest"]
    assert both.status("POST", f"blobs/uploads/?mount={blob}{source}") == 201
    assert digest_of(body(both.ask("GET", f"blobs/{blob}"))) == blob


# Manifests


@pytest.mark.parametrize("style", TYPES)
def test_a_manifest_is_kept_as_it_came_under_its_own_type(client: Client, style: str) -> None:  # rules 21, 24
    document = client.manifest(style, subtlety={"of": ["nobody", "reads"]})
    answer = client.put(document, "v1")
    data = json.dumps(document, indent=3).encode() + b"\n"
    digest = digest_of(data)
    assert (answer.status, answer.headers["docker-content-digest"]) == (201, digest)
    assert answer.headers["location"] == f"http://{HOST}/v2/{client.name}/manifests/{digest}"
    for target in ("v1", digest):
        found = client.ask("GET", f"manifests/{target}", accept="text/plain, application/json")
        assert (found.status, body(found)) == (200, data)
        assert found.headers["content-type"] == TYPES[style][0]
        assert found.headers["docker-content-digest"] == digest


def test_a_manifest_can_be_pushed_by_either_digest(client: Client) -> None:  # rule 23
    data = json.dumps(client.manifest()).encode()
    for digest in (digest_of(data), "sha512:" + hashlib.sha512(data).hexdigest()):
        answer = client.ask("PUT", f"manifests/{digest}", data, content_type=TYPES["oci"][0])
        assert (answer.status, answer.headers["docker-content-digest"]) == (201, digest)
        assert body(client.ask("GET", f"manifests/{digest}")) == data
    assert json.loads(body(client.ask("GET", "tags/list")))["tags"] == []


def test_a_tag_moves(client: Client) -> None:
    first, second = client.image(), client.image(subtlety=1)
    assert client.ask("GET", "manifests/latest").headers["docker-content-digest"] == second
    assert client.status("GET", f"manifests/{first}") == 200


def test_indexes_may_nest_and_need_their_manifests(client: Client) -> None:  # rule 22
    document = client.manifest()
    data = json.dumps(document, indent=3).encode() + b"\n"
    inner = {"schemaVersion": 2, "mediaType": TYPES["oci"][3], "manifests": [descriptor(data, TYPES["oci"][0])]}
    answer = client.put(inner, "many")
    assert (answer.status, error(answer)["code"]) == (400, "MANIFEST_BLOB_UNKNOWN")
    client.put(document)
    assert client.put(inner, "many").status == 201
    data = json.dumps(inner, indent=3).encode() + b"\n"
    outer = {"schemaVersion": 2, "mediaType": TYPES["docker"][3], "manifests": [descriptor(data, TYPES["oci"][3])]}
    assert client.put(outer, "more").status == 201
    client.name = f"{MINE}/b"
    assert error(client.put(outer, "more"))["code"] == "MANIFEST_BLOB_UNKNOWN", "in another repository"


def descriptor(data: bytes, media_type: str) -> Json:
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}


def test_an_empty_index_is_one(client: Client) -> None:  # rule 22
    assert client.put({"schemaVersion": 2, "mediaType": TYPES["oci"][3], "manifests": []}, "none").status == 201


@pytest.mark.parametrize("field", ["config", "layers"])
def test_a_manifests_blobs_must_be_in_its_repository(client: Client, field: str) -> None:  # section E
    document = client.manifest()
    missing = {"mediaType": "a/b", "digest": NONE, "size": 3}
    document[field] = missing if field == "config" else [missing]
    answer = client.put(document, "a")
    found = error(answer)
    assert (answer.status, found["code"], found["detail"]["digest"]) == (400, "MANIFEST_BLOB_UNKNOWN", NONE)
    assert client.status("GET", "manifests/a") == 404


def test_a_blob_of_another_repository_does_not_do(client: Client) -> None:  # section E
    document = client.manifest()
    client.name = f"{MINE}/b"
    assert error(client.put(document, "a"))["code"] == "MANIFEST_BLOB_UNKNOWN"


def test_a_blob_of_another_size_does_not_do(client: Client) -> None:
    document = client.manifest()
    document["layers"][0]["size"] += 1
    assert error(client.put(document, "a"))["code"] == "MANIFEST_BLOB_UNKNOWN"


@pytest.mark.parametrize(
    "kind",
    [
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    ],
)
def test_a_layer_that_may_not_be_distributed_may_be_missing(client: Client, kind: str) -> None:  # section E
    document = client.manifest()
    document["layers"].append({"mediaType": kind, "digest": NONE, "size": 3, "urls": ["http://127.0.0.1:1/"]})
    assert client.put(document, "a").status == 201


@pytest.mark.parametrize(
    ("change", "media_type", "word"),
    [
        ({}, TYPES["docker"][0], "calls itself"),
        ({"mediaType": TYPES["docker"][0]}, TYPES["oci"][0], "calls itself"),
        ({"manifests": []}, "", "together"),
        ({"schemaVersion": 1}, "", "schemaVersion"),
        ({"layers": None}, "", "no `layers`"),
        ({"config": None}, "", "no `layers`"),
        ({"layers": {}}, "", "layers"),
        ({"config": {"mediaType": "a/b", "digest": "sha256:0", "size": 1}}, "", "digest"),
        ({"config": {"mediaType": "a/b", "digest": NONE, "size": -1}}, "", "negative"),
        ({"subject": {"mediaType": "a/b", "digest": "x", "size": 1}}, "", "subject"),
        ({"annotations": {"a": 1}}, "", "annotations"),
        ({"mediaType": "text/html"}, "", "no media type"),
        ({"mediaType": "application/xhtml+xml"}, "", "no media type"),
        ({"mediaType": "application/javascript"}, "", "no media type"),
        ({"mediaType": "application/vnd.x+json\r\nx: y"}, "", "no media type"),
    ],
)
def test_a_manifest_that_breaks_the_rules_is_refused(
    client: Client, change: Json, media_type: str, word: str
) -> None:  # section E, CVE-2021-41190
    answer = client.put(client.manifest() | change, "a", media_type)
    found = error(answer)
    assert (answer.status, found["code"]) == (400, "MANIFEST_INVALID")
    assert word in found["detail"]["why"]
    assert client.status("GET", "manifests/a") == 404


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"schemaVersion":2}'])
def test_what_is_no_manifest_is_refused(client: Client, data: bytes) -> None:
    answer = client.put(data, "a", TYPES["oci"][0])
    assert (answer.status, error(answer)["code"]) == (400, "MANIFEST_INVALID")


def test_a_manifest_of_4_mib_is_taken_and_one_byte_more_is_not(client: Client) -> None:  # section E
    document = client.manifest(annotations={"a": ""})
    for extra, status in ((0, 201), (1, 413)):
        document["annotations"]["a"] = ""
        size = len(json.dumps(document).encode())
        document["annotations"]["a"] = "x" * (MANIFEST_MAX - size + extra)
        answer = client.put(json.dumps(document).encode(), f"t{extra}")
        assert answer.status == status
    assert error(answer)["code"] == "MANIFEST_INVALID"


def test_a_manifest_that_is_too_large_is_not_read_to_its_end(client: Client) -> None:
    taken = []

    def endless() -> Iterator[bytes]:
        while True:
            taken.append(1)
            yield b" " * (1 << 20)

    assert client.ask("PUT", "manifests/a", endless(), content_type=TYPES["oci"][0]).status == 413
    assert client.ask("PUT", "manifests/a", endless(), content_length=str(5 << 20)).status == 413
    assert len(taken) == 5


def test_a_manifest_of_very_many_parts_is_refused(client: Client) -> None:
    document = client.manifest()
    document["layers"] = document["layers"] * (REFERENCES_MAX + 1)
    assert error(client.put(document, "a"))["code"] == "MANIFEST_INVALID"


def test_a_manifest_under_another_digest_is_refused(client: Client) -> None:
    answer = client.ask(
        "PUT", f"manifests/{NONE}", json.dumps(client.manifest()).encode(), content_type=TYPES["oci"][0]
    )
    assert (answer.status, error(answer)["code"]) == (400, "DIGEST_INVALID")


@pytest.mark.parametrize("tag", ["-x", ".x", "t" * 129, "a b"])
def test_a_tag_that_is_none_is_refused(client: Client, tag: str) -> None:
    assert client.put(client.manifest(), tag).status == 400


def test_a_cut_manifest_is_none(client: Client) -> None:
    data = json.dumps(client.manifest()).encode()
    with pytest.raises(ConnectionResetError):
        client.ask("PUT", "manifests/a", cut(data), content_type=TYPES["oci"][0])
    assert client.status("GET", "manifests/a") == 404


# Referrers


def artifact(client: Client, subject: str, **fields: Any) -> Json:
    """An artifact that refers to `subject`, pushed: its descriptor as a list of referrers has it."""
    document = {
        "schemaVersion": 2,
        "mediaType": TYPES["oci"][0],
        "config": client.blob(b"{}", EMPTY),
        "layers": [client.blob(b"signed", "application/vnd.example.signature")],
        "subject": {"mediaType": TYPES["oci"][0], "digest": subject, "size": 10},
        **fields,
    }
    answer = client.put(document)
    assert (answer.status, answer.headers["oci-subject"]) == (201, subject), body(answer)
    data = json.dumps(document, indent=3).encode() + b"\n"
    told = descriptor(data, TYPES["oci"][0]) | {
        "artifactType": fields.get("artifactType", document["config"]["mediaType"])
    }
    return told | ({"annotations": fields["annotations"]} if "annotations" in fields else {})


def listed(client: Client, path: str) -> tuple[list[Json], dict[str, str]]:
    answer = client.ask("GET", path)
    assert (answer.status, answer.headers["content-type"]) == (200, TYPES["oci"][3])
    index = json.loads(body(answer))
    assert (index["schemaVersion"], index["mediaType"]) == (2, TYPES["oci"][3])
    return index["manifests"], dict(answer.headers)


def test_referrers_are_listed_with_type_and_annotations(client: Client) -> None:  # section E, referrers
    image = client.image()
    told = [
        artifact(client, image, artifactType="application/vnd.example.sbom", annotations={"a": "b"}),
        artifact(client, image),
        artifact(client, image, config=client.blob(CONFIG, "application/vnd.example.config")),
    ]
    told[2]["artifactType"] = "application/vnd.example.config"
    artifact(client, NONE)
    found, headers = listed(client, f"referrers/{image}")
    assert found == sorted(told, key=lambda one: one["digest"])
    assert "oci-filters-applied" not in headers
    found, headers = listed(client, f"referrers/{image}?artifactType=application/vnd.example.sbom")
    assert (found, headers["oci-filters-applied"]) == ([told[0]], "artifactType")
    assert listed(client, f"referrers/{NONE}")[0][0]["digest"] != told[0]["digest"], "a subject need not be there"


def test_an_index_may_refer_too(client: Client) -> None:
    image = client.image()
    subject = {"mediaType": TYPES["oci"][0], "digest": image, "size": 1}
    answer = client.put(
        {"schemaVersion": 2, "mediaType": TYPES["oci"][3], "manifests": [], "subject": subject, "artifactType": "a/b"}
    )
    assert answer.headers["oci-subject"] == image
    assert [one["artifactType"] for one in listed(client, f"referrers/{image}")[0]] == ["a/b"]


def test_nobody_refers_in_an_unknown_repository(client: Client) -> None:  # section E
    assert listed(client, f"/v2/{MINE}/none/referrers/{NONE}")[0] == []
    answer = client.ask("GET", "referrers/sha256:0")
    assert (answer.status, error(answer)["code"]) == (400, "DIGEST_INVALID")


def test_a_referrer_that_is_deleted_is_not_listed(client: Client) -> None:
    image = client.image()
    told = artifact(client, image)
    assert client.status("DELETE", f"manifests/{told['digest']}") == 202
    assert listed(client, f"referrers/{image}")[0] == []


def test_referrers_come_in_pages(client: Client) -> None:
    image = client.image()
    told = [artifact(client, image, annotations={"n": str(n), "long": "x" * (1 << 20)}) for n in range(4)]
    artifact(client, image, artifactType="application/other")
    path, seen, pages = f"/v2/{client.name}/referrers/{image}?artifactType={EMPTY.replace('+', '%2B')}", [], 0
    while path:
        found, headers = listed(client, path)
        seen += found
        path = headers.get("link", "").partition(">")[0].removeprefix("<")
        pages += 1
    assert [one["digest"] for one in seen] == sorted(one["digest"] for one in told)
    assert pages > 1


# Lists


def test_lists_come_in_pages_over_menu_and_store(both: Client) -> None:
    for name in ("b", "a"):
        both.name = f"{MINE}/{name}"
        for tag in ("v2", "v10", "latest"):
            both.image(tag)
    assert json.loads(body(both.ask("GET", "tags/list?n=2"))) == {"name": both.name, "tags": ["latest", "v10"]}
    path, seen = "/v2/_catalog?n=1", []
    while path:
        answer = both.ask("GET", path)
        seen.append(json.loads(body(answer))["repositories"])
        path = answer.headers.get("link", "").partition(">")[0].removeprefix("<")
    assert seen == [[f"{MINE}/a"], [f"{MINE}/b"], ["pizza/cheese"]]
    assert both.ask("GET", "tags/list?n=0").headers.get("link") is None


def test_a_repository_with_blobs_alone_has_no_tags(client: Client) -> None:
    client.blob(DOUGH)
    assert json.loads(body(client.ask("GET", "tags/list")))["tags"] == []


# Deletion


def test_deleting_a_tag_leaves_the_others_and_the_manifest(client: Client) -> None:  # section E, DELETE
    digest = client.image("a")
    client.image("b")
    assert client.status("DELETE", "manifests/a") == 202
    assert [client.status("GET", f"manifests/{target}") for target in ("a", "b", digest)] == [404, 200, 200]
    assert json.loads(body(client.ask("GET", "tags/list")))["tags"] == ["b"]
    answer = client.ask("DELETE", "manifests/a")
    assert (answer.status, error(answer)["code"]) == (404, "MANIFEST_UNKNOWN")


def test_deleting_a_manifest_takes_its_tags_along(client: Client) -> None:  # section E, DELETE
    digest, other = client.image("a"), client.image("c", subtlety=1)
    client.image("b")
    assert client.status("DELETE", f"manifests/{digest}") == 202
    assert [client.status("GET", f"manifests/{target}") for target in ("a", "b", digest, "c")] == [404, 404, 404, 200]
    assert client.status("DELETE", f"manifests/{digest}") == 404
    assert client.ask("GET", "manifests/c").headers["docker-content-digest"] == other


def test_a_deleted_blob_is_gone_at_once_and_held_while_it_is_needed(client: Client) -> None:  # section E, DELETE
    client.image()
    layer = digest_of(LAYER)
    assert client.status("DELETE", f"blobs/{layer}") == 202
    for method in ("GET", "HEAD", "DELETE"):
        assert client.status(method, f"blobs/{layer}") == 404
    assert client.store.find(layer) is None
    assert layer in client.blobs
    again = {"mediaType": TYPES["oci"][2], "digest": layer, "size": len(LAYER)}
    document = {"schemaVersion": 2, "config": again, "layers": [again]}
    assert client.put(document, "other", TYPES["oci"][0]).status == 400, "it must be pushed again"
    client.blob(LAYER)
    assert client.status("GET", f"blobs/{layer}") == 200


@pytest.mark.parametrize("path", ["manifests/a", f"manifests/{NONE}", f"blobs/{NONE}"])
def test_deleting_what_is_not_there_is_404(client: Client, path: str) -> None:
    answer = client.ask("DELETE", path)
    assert (answer.status, error(answer)["code"]) == (404, "NAME_UNKNOWN")
    client.blob(DOUGH)
    assert client.status("DELETE", path) == 404


# Who may


WRITES = [
    ("POST", "blobs/uploads/", "push"),
    ("POST", f"blobs/uploads/?digest={NAME}", "push"),
    ("POST", f"blobs/uploads/?mount={NAME}", "push"),
    ("GET", "blobs/uploads/00000000-0000-4000-8000-000000000000", "push"),
    ("PATCH", "blobs/uploads/00000000-0000-4000-8000-000000000000", "push"),
    ("PUT", "blobs/uploads/00000000-0000-4000-8000-000000000000", "push"),
    ("DELETE", "blobs/uploads/00000000-0000-4000-8000-000000000000", "push"),
    ("PUT", "manifests/a", "push"),
    ("DELETE", "manifests/a", "delete"),
    ("DELETE", f"manifests/{NONE}", "delete"),
    ("DELETE", f"blobs/{NAME}", "delete"),
]


READER = Caller(MINE, grants={f"{MINE}/a": frozenset({"pull"})})
ELSEWHERE = Caller(MINE, grants={f"{MINE}/b": frozenset({"push", "delete"})})
REFUSED = [
    (NOBODY, f"{MINE}/a", 401),
    (NOBODY, "class/a", 401),
    (NOBODY, "pizza/cheese", 401),
    (ME, f"{OTHER}/a", 403),
    (ME, "pizza/cheese", 403),
    (ME, "library/a", 403),
    (ME, f"{MINE}x/a", 403),
    (ME, "classes/a", 403),
    (ME, f"x/{MINE}", 403),
    (READER, f"{MINE}/a", 401),
    (ELSEWHERE, f"{MINE}/a", 401),
]


@pytest.mark.parametrize(("method", "path", "action"), WRITES)
def test_only_the_owner_writes(both: Client, method: str, path: str, action: str) -> None:
    for caller, both.name, expected in REFUSED:
        answer = both.ask(method, path, DOUGH, caller)
        code = {401: "UNAUTHORIZED", 403: "DENIED"}[expected]
        assert (answer.status, error(answer)["code"]) == (expected, code), both.name
        if expected == 401:
            scope = f"repository:{both.name}:{'pull,push' if action == 'push' else 'delete'}"
            wanted = f'Bearer realm="http://{HOST}/v2/token",service="{HOST}",scope="{scope}"'
            assert answer.headers["www-authenticate"] == wanted
    assert both.files() == set()


@pytest.mark.parametrize("name", [f"{MINE}/a", MINE, f"{MINE}/a/b/c"])
def test_the_owner_writes_and_deletes(client: Client, name: str) -> None:
    client.name = name
    client.caller = Caller(MINE, frozenset({"class"}), {name: frozenset({"push", "delete"})})
    digest = client.image()
    assert client.status("DELETE", f"manifests/{digest}") == 202


@pytest.mark.parametrize("path", ["manifests/latest", "manifests/{digest}", f"blobs/{digest_of(LAYER)}"])
def test_everybody_pushes_to_a_shared_shelf_and_nobody_deletes_there(client: Client, path: str) -> None:
    client.name = "class/a"
    digest = client.image()
    for caller in (ME, Caller(OTHER, ME.shared), Caller(OTHER, ME.shared, {client.name: frozenset({"delete"})})):
        answer = client.ask("DELETE", path.format(digest=digest), caller=caller)
        assert (answer.status, error(answer)["code"]) == (403, "DENIED")
        assert "all share 'class'" in error(answer)["message"]
    assert client.status("GET", f"manifests/{digest}") == 200
    client.caller = Caller(OTHER, ME.shared)
    assert client.image() == digest, "another may push there too"


def test_reading_is_open_to_everybody(client: Client) -> None:
    digest = client.image()
    client.caller = NOBODY
    for path in (
        "manifests/latest",
        f"manifests/{digest}",
        f"blobs/{digest_of(LAYER)}",
        "tags/list",
        f"referrers/{digest}",
    ):
        assert client.status("GET", path) == 200
    assert client.status("GET", "/v2/_catalog") == 200


def test_the_ping_asks_for_a_login(client: Client) -> None:  # section E, GET /v2/
    answer = client.ask("GET", "/v2/", caller=NOBODY)
    assert (answer.status, error(answer)["code"]) == (401, "UNAUTHORIZED")
    assert answer.headers["www-authenticate"] == f'Bearer realm="http://{HOST}/v2/token",service="{HOST}"'
    for caller in (ME, Caller(grants={})):
        assert client.ask("GET", "/v2/", caller=caller).status == 200


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "manifests/a", "GET, HEAD, PUT, DELETE"),
        ("PUT", f"blobs/{NAME}", "GET, HEAD, DELETE"),
        ("GET", "blobs/uploads/", "POST"),
        ("POST", "blobs/uploads/00000000-0000-4000-8000-000000000000", "GET, PATCH, PUT, DELETE"),
        ("DELETE", "tags/list", "GET, HEAD"),
        ("PUT", f"referrers/{NAME}", "GET, HEAD"),
        ("POST", "/v2/", "GET, HEAD"),
        ("DELETE", "/v2/_catalog", "GET, HEAD"),
        ("OPTIONS", "manifests/a", "GET, HEAD, PUT, DELETE"),
    ],
)
def test_another_method_is_405(client: Client, method: str, path: str, allowed: str) -> None:
    answer = client.ask(method, path)
    assert (answer.status, answer.headers["allow"], error(answer)["code"]) == (405, allowed, "UNSUPPORTED")


@pytest.mark.parametrize(("method", "path", "_action"), WRITES)
def test_names_are_parsed_before_anything_is_written(
    client: Client, tmp_path: Path, method: str, path: str, _action: str
) -> None:
    for name in ("..", "../a", f"{MINE}/..", f"{MINE}//a", f"{MINE}/A", f"{MINE}/a%00", f"{MINE}/a\n", "a" * 256):
        answer = client.ask(method, f"/v2/{name}/{path}", DOUGH)
        assert answer.status in (400, 404)
        assert error(answer)["code"] in ("NAME_INVALID", "UNSUPPORTED")
    assert not client.store.exists
    assert {path.name for path in tmp_path.iterdir()} == {"data"}


def test_a_query_of_very_many_fields_is_refused(client: Client) -> None:
    for method, path in (("POST", "blobs/uploads/"), ("GET", f"referrers/{NONE}")):
        assert client.status(method, f"{path}?{'&'.join(['a=1'] * 100)}") == 400


def test_a_database_of_another_version_is_refused_in_words(tmp_path: Path) -> None:
    import sqlite3
    from contextlib import closing

    client = Client(tmp_path / "data")
    with closing(sqlite3.connect(tmp_path / "data" / "registry.db")) as db:
        db.execute("CREATE TABLE x (y)")
        db.execute("PRAGMA user_version=99")
    answer = client.ask("POST", "blobs/uploads/")
    found = error(answer)
    assert (answer.status, found["code"]) == (503, "UNKNOWN")
    assert "another version" in found["detail"]["why"]


def test_opening_a_store_makes_nothing(tmp_path: Path) -> None:
    assert not Store(tmp_path, Client(tmp_path / "x").blobs).exists


@pytest.mark.parametrize("length", ["9" * 5000, "²", "-1", "1e9", ""])
def test_a_length_that_is_no_number_binds_nobody(client: Client, length: str) -> None:
    path = client.begin()
    assert client.ask("PATCH", path, DOUGH, content_length=length).status == 202
    answer = client.ask("PUT", f"{path}?digest={NAME}", b"", content_length=length)
    assert answer.status == 201
    assert client.ask("PUT", "manifests/x", b"{}", content_length=length, content_type="application/json").status == 400
