"""The registry over HTTP: who may, bodies both ways, hostile clients, and many of them."""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import os
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from engine.digest import of as digest_of
from engine.registry import NOBODY, Caller
from engine.registry import Limits as Pushing
from tests.engine.oci import TYPES, config
from tests.web.given import served
from web import serving, streaming
from web import tokens as tokens_module
from web.tokens import BadCredentials, Tokens, key

DOUGH = b"dough" * 1000
NAME = digest_of(DOUGH)
NONE = f"sha256:{'0' * 64}"


class Peer:
    """A client of a served application that knows a kitchen's password."""

    def __init__(self, url: str, app: Flask) -> None:
        self.host = urlsplit(url).netloc
        self.port = int(self.host.rpartition(":")[2])
        self.app = app
        self.kitchen = app.extensions["shop"].journal.create().id
        self.tokens: Tokens = app.extensions["registry"].tokens
        self.basic = basic(self.kitchen, self.tokens.password(self.kitchen))
        self.name = f"{self.kitchen}/a"

    def ask(
        self, method: str, path: str, content: Any = None, authorization: str | None = None, **headers: str
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """One request on a connection of its own; a path without a slash before it is below the repository."""
        connection = http.client.HTTPConnection(self.host, timeout=10)
        path = path.removeprefix(f"http://{self.host}")
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if authorization is None:
            authorization = self.basic
        if authorization:
            given["Authorization"] = authorization
        try:
            where = path if path.startswith("/") else f"/v2/{self.name}/{path}"
            connection.request(method, where, content, given, encode_chunked="Transfer-Encoding" in given)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def status(self, method: str, path: str, content: Any = None, authorization: str | None = None, **more: str) -> int:
        return self.ask(method, path, content, authorization, **more)[0]

    def begin(self) -> str:
        status, headers, _ = self.ask("POST", "blobs/uploads/")
        assert status == 202
        return headers["Location"]

    def token(self, scope: str, authorization: str | None = None) -> str:
        status, _, data = self.ask("GET", f"/v2/token?service={self.host}&scope={scope}", None, authorization)
        assert status == 200
        return f"Bearer {json.loads(data)['token']}"

    def raw(self, data: bytes) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        connection.sendall(data)
        return connection

    def head(self, method: str, path: str, *more: str) -> bytes:
        lines = [
            f"{method} /v2/{self.name}/{path} HTTP/1.1",
            f"Host: {self.host}",
            f"Authorization: {self.basic}",
            *more,
        ]
        return "\r\n".join([*lines, "", ""]).encode()


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.fixture
def peer(app: Flask, hasty: None) -> Iterator[Peer]:
    with served(app) as url:
        yield Peer(url, app)


# Who may


def test_the_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "registry.key"
    made = key(file)
    assert key(file) == made
    assert len(made) == 32
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["registry.key"]


def test_many_processes_agree_on_the_key(tmp_path: Path) -> None:
    found: list[bytes] = []
    threads = [threading.Thread(target=lambda: found.append(key(tmp_path / "key"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_a_password_is_of_one_kitchen_and_one_server() -> None:
    one, other = Tokens(b"a" * 32), Tokens(b"b" * 32)
    assert len({one.password("a"), one.password("b"), other.password("a")}) == 3


KITCHEN, OTHER = "0123456789abcdef", "fedcba9876543210"
TOKENS = Tokens(b"k" * 32, frozenset({"class"}))


@pytest.mark.parametrize(
    "sent",
    [
        basic(KITCHEN, "wrong"),
        basic(KITCHEN, ""),
        basic(OTHER, TOKENS.password(KITCHEN)),
        basic("", TOKENS.password("")),
        basic("class", TOKENS.password("class")),
        basic("pizza", TOKENS.password("pizza")),
        basic(KITCHEN, "é"),
        "Basic",
        "Basic !!!",
        "Basic /w==",
        "Bearer",
        "Bearer x.y.z",
        "Digest a=b",
        f"Bearer {Tokens(b'other' * 8).grant(Caller(KITCHEN), [])['token']}",
        f"Bearer {TOKENS.grant(Caller(KITCHEN), [])['token'][:-1]}",
    ],
)
def test_bad_credentials_name_nobody(sent: str) -> None:
    with pytest.raises(BadCredentials):
        TOKENS.caller(sent)


def test_a_password_names_its_kitchen() -> None:
    assert TOKENS.caller(basic(KITCHEN, TOKENS.password(KITCHEN))) == Caller(KITCHEN, frozenset({"class"}))
    assert TOKENS.caller("") == NOBODY


@pytest.mark.parametrize(
    ("scopes", "grants"),
    [
        ([f"repository:{KITCHEN}/a:pull,push"], {f"{KITCHEN}/a": {"pull", "push"}}),
        ([f"repository:{KITCHEN}/a:*"], {f"{KITCHEN}/a": {"pull", "push", "delete"}}),
        ([f"repository:{KITCHEN}/a:pull", f"repository:{KITCHEN}/a:push"], {f"{KITCHEN}/a": {"pull", "push"}}),
        (["repository:class/a:push"], {"class/a": {"push"}}),
        (["repository:class/a:*"], {"class/a": {"pull", "push"}}),
        ([f"repository:{OTHER}/a:pull,push,delete"], {f"{OTHER}/a": {"pull"}}),
        (["repository:pizza/cheese:pull,push"], {"pizza/cheese": {"pull"}}),
        (["registry:catalog:*", "repository:../a:push", "repository:a", "x"], {}),
    ],
)
def test_a_token_grants_what_its_bearer_may(scopes: list[str], grants: dict[str, set[str]]) -> None:
    found = TOKENS.caller("Bearer " + TOKENS.grant(Caller(KITCHEN, TOKENS.shared), scopes)["token"])
    assert found == Caller(KITCHEN, TOKENS.shared, {name: frozenset(actions) for name, actions in grants.items()})
    nobody = TOKENS.caller("Bearer " + TOKENS.grant(NOBODY, scopes)["token"])
    assert nobody.namespace == ""
    assert all(actions <= {"pull"} for actions in (nobody.grants or {}).values())


def test_a_token_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = "Bearer " + TOKENS.grant(Caller(KITCHEN), [])["token"]
    monkeypatch.setattr(tokens_module, "TOKEN_SECONDS", -1)
    with pytest.raises(BadCredentials, match="has ended"):
        TOKENS.caller(sent)


def test_the_ping_tells_docker_how_to_log_in(peer: Peer) -> None:  # section E, token login
    status, headers, data = peer.ask("GET", "/v2/", authorization="")
    assert (status, json.loads(data)["errors"][0]["code"]) == (401, "UNAUTHORIZED")
    assert headers["WWW-Authenticate"] == f'Bearer realm="http://{peer.host}/v2/token",service="{peer.host}"'
    assert headers["Docker-Distribution-Api-Version"] == "registry/2.0"
    status, headers, data = peer.ask("GET", "/v2/token?scope=repository:a:pull")
    found = json.loads(data)
    assert found["token"] == found["access_token"]
    assert (found["expires_in"], found["issued_at"][-1]) == (300, "Z")
    for sent in (peer.basic, f"Bearer {found['token']}", peer.token("", authorization="")):
        assert peer.ask("GET", "/v2/", authorization=sent)[::2] == (200, b"{}")


@pytest.mark.parametrize("path", ["/v2/", "/v2/token", "/v2/_catalog", "/v2/pizza/cheese/tags/list"])
def test_a_wrong_password_is_401_everywhere(peer: Peer, path: str) -> None:
    for sent in (basic(peer.kitchen, "wrong"), "Bearer x"):
        status, headers, data = peer.ask("GET", path, authorization=sent)
        assert (status, json.loads(data)["errors"][0]["code"]) == (401, "UNAUTHORIZED")
        assert headers["WWW-Authenticate"].startswith("Bearer realm=")


def test_who_may_push_with_what(peer: Peer) -> None:
    mine, other = peer.name, f"{OTHER}/a"
    for sent, name, expected in (
        ("", mine, 401),
        (peer.basic, mine, 202),
        (peer.basic, "class/a", 202),
        (peer.basic, other, 403),
        (peer.basic, "pizza/cheese", 403),
        (peer.token(f"repository:{mine}:pull,push"), mine, 202),
        (peer.token(f"repository:{mine}:pull"), mine, 401),
        (peer.token(f"repository:{other}:pull,push"), other, 403),
        (peer.token(f"repository:{mine}:pull,push", authorization=""), mine, 401),
    ):
        status, headers, _ = peer.ask("POST", f"/v2/{name}/blobs/uploads/", None, sent)
        assert status == expected, (sent, name)
        if status == 401:
            assert headers["WWW-Authenticate"].endswith(f'scope="repository:{name}:pull,push"')


def test_a_page_of_another_origin_changes_nothing(peer: Peer) -> None:
    for more in ({"Sec_Fetch_Site": "cross-site"}, {"Origin": "http://elsewhere.example"}):
        headers = {name.replace("_", "-"): value for name, value in more.items()}
        status, _, data = peer.ask("POST", "blobs/uploads/", **headers)
        assert (status, json.loads(data)["errors"][0]["code"]) == (403, "DENIED")


def test_another_servers_name_is_refused(peer: Peer) -> None:
    connection = peer.raw(b"GET /v2/_catalog HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
    assert connection.recv(100).startswith(b"HTTP/1.1 421")
    connection.close()


# Bodies


def test_a_location_names_the_host_that_was_used(peer: Peer) -> None:  # section E
    _, headers, _ = peer.ask("POST", "blobs/uploads/", Host=f"localhost:{peer.port}")
    assert headers["Location"].startswith(f"http://localhost:{peer.port}/v2/{peer.name}/blobs/uploads/")
    assert headers["Docker-Upload-UUID"] == headers["Location"].rpartition("/")[2]


@pytest.mark.parametrize("size", [0, 1, 5_000_000])
def test_a_stream_without_a_length_is_a_blob(peer: Peer, size: int) -> None:  # section E, PATCH
    data = os.urandom(size)
    pieces = [data[start : start + 70_000] for start in range(0, size, 70_000)]
    where = peer.begin()
    status, headers, _ = peer.ask("PATCH", where, iter(pieces), Transfer_Encoding="chunked")
    assert (status, headers["Range"]) == (202, f"0-{max(size - 1, 0)}")
    assert peer.status("PUT", f"{where}?digest={digest_of(data)}") == 201
    status, headers, found = peer.ask("GET", f"blobs/{digest_of(data)}", authorization="")
    assert (status, found == data) == (200, True)
    assert headers["Content-Length"] == str(size)
    assert not size or peer.ask("GET", f"blobs/{digest_of(data)}", Range="bytes=-1")[2] == data[-1:]


def test_a_head_has_a_length_and_no_body(peer: Peer) -> None:
    assert peer.status("POST", f"blobs/uploads/?digest={NAME}", DOUGH) == 201
    status, headers, data = peer.ask("HEAD", f"blobs/{NAME}")
    assert (status, headers["Content-Length"], data) == (200, "5000", b"")
    assert headers["Docker-Content-Digest"] == NAME


def test_a_manifest_larger_than_a_page_may_be_is_kept_as_it_came(peer: Peer) -> None:
    settings = config([])
    assert peer.status("POST", f"blobs/uploads/?digest={digest_of(settings)}", settings) == 201
    document = {
        "schemaVersion": 2,
        "config": {"mediaType": TYPES["oci"][1], "digest": digest_of(settings), "size": len(settings)},
        "layers": [],
        "annotations": {"a": "x" * (3 << 20)},
    }
    data = json.dumps(document, indent=1).encode()
    assert peer.status("PUT", "manifests/v1", data, Content_Type=TYPES["oci"][0]) == 201
    status, headers, found = peer.ask("GET", "manifests/v1", Accept_Encoding="gzip", authorization="")
    assert (status, found == data, headers["Content-Type"]) == (200, True, TYPES["oci"][0])
    status, _, said = peer.ask("PUT", "manifests/v1", data + b" " * (2 << 20), Content_Type=TYPES["oci"][0])
    assert (status, json.loads(said)["errors"][0]["code"]) == (413, "MANIFEST_INVALID")


def test_repeated_accept_headers_are_legal(peer: Peer) -> None:  # section E, clients
    accept = "".join(f"Accept: {TYPES[style][0]}\r\n" for style in TYPES)
    head = f"GET /v2/pizza/cheese/manifests/latest HTTP/1.1\r\nHost: {peer.host}\r\n{accept}Connection: close\r\n\r\n"
    connection = peer.raw(head.encode())
    assert connection.recv(100).startswith(b"HTTP/1.1 200")
    connection.close()


def test_a_quoted_source_is_mounted(peer: Peer) -> None:  # section E, from=whale%2Fdemo
    assert peer.status("POST", f"blobs/uploads/?digest={NAME}", DOUGH) == 201
    where = f"/v2/{peer.kitchen}/b/blobs/uploads/?mount={NAME.replace(':', '%3A')}&from={peer.kitchen}%2Fa"
    assert peer.status("POST", where) == 201


# Behind a proxy


@pytest.mark.parametrize(("behind_proxy", "scheme"), [(True, "https"), (False, "http")])
def test_addresses_have_the_scheme_that_a_trusted_proxy_tells(
    app: Flask, hasty: None, behind_proxy: bool, scheme: str
) -> None:  # section E, clients: Location
    with served(app, behind_proxy=behind_proxy) as url:
        peer = Peer(url, app)
        told = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.7"}
        _, headers, _ = peer.ask("POST", "blobs/uploads/", None, None, **told)
        assert headers["Location"].startswith(f"{scheme}://{peer.host}/v2/")
        _, headers, _ = peer.ask("GET", "/v2/", None, "", **told)
        assert f'realm="{scheme}://{peer.host}/v2/token"' in headers["WWW-Authenticate"]
        connection = http.client.HTTPConnection(peer.host, timeout=10)
        connection.request("POST", "/", None, {**told, "Content-Length": "0"})
        [kitchen] = [value for name, value in connection.getresponse().getheaders() if name.lower() == "set-cookie"]
        connection.close()
        assert ("Secure" in kitchen) == (scheme == "https")


@pytest.mark.parametrize(("behind_proxy", "own"), [(True, True), (False, False)])
def test_the_name_of_a_proxy_without_a_port_is_this_very_registry(
    make_app: Callable[..., Flask], hasty: None, behind_proxy: bool, own: bool
) -> None:
    app = make_app(names=("whale.example",))
    with served(app, behind_proxy=behind_proxy) as url:
        assert Peer(url, app).status("GET", "/", Host="whale.example", X_Forwarded_Proto="https") == 200
    assert app.extensions["shop"].guard.own("whale.example") == own


def test_a_proxy_on_another_machine_is_not_believed() -> None:
    asked: list[serving.Scope] = []

    async def application(scope: serving.Scope, *_: Any) -> None:
        asked.append(scope)

    server = serving.Server(lambda *_: [], threading.Event(), behind_proxy=True)
    trusted = ProxyHeadersMiddleware(application, server.config.forwarded_allow_ips)  # type: ignore[arg-type]
    headers = [(b"x-forwarded-proto", b"https"), (b"x-forwarded-for", b"198.51.100.1")]
    for address in ("192.0.2.9", "127.0.0.1", "::1"):
        scope = {"type": "http", "scheme": "http", "client": (address, 5), "headers": headers}
        asyncio.run(trusted(scope, None, None))  # type: ignore[arg-type]
    assert [(scope["scheme"], scope["client"][0]) for scope in asked] == [
        ("http", "192.0.2.9"),
        ("https", "198.51.100.1"),
        ("https", "198.51.100.1"),
    ]


# Hostile clients


@pytest.mark.parametrize(
    "path",
    [
        "/v2/../etc/tags/list",
        "/v2/pizza/../../etc/tags/list",
        "/v2/pizza%2F..%2F..%2Fetc/tags/list",
        "/v2/pizza/%2e%2e/cheese/tags/list",
        "/v2//pizza/cheese/tags/list",
        "/v2/pizza//cheese/tags/list",
        "/v2/pizza%2F%2Fcheese/tags/list",
        "/v2/pizza/cheese/manifests/..%2f..%2fx",
        "/v2/pizza/cheese/manifests/%00",
        "/v2/pizza/cheese/manifests/%ff",
        "/v2/pizza/cheese/manifests/a%0d%0aX: y",
        "/v2/pizza/cheese/blobs/sha256:..%2f..",
        "/v2/pizza/cheese/blobs/" + "a" * 9000,
        "/v2/pizza/cheese/",
        "/v2/pizza",
        "/v2/%2e%2e/%2e%2e/registry.key",
    ],
)
def test_a_path_that_is_none_is_refused_as_json(peer: Peer, path: str) -> None:
    for method in ("GET", "PUT", "DELETE"):
        connection = peer.raw(
            f"{method} {path.replace(' ', '%20')} HTTP/1.1\r\nHost: {peer.host}\r\nAuthorization: {peer.basic}\r\n"
            "Content-Length: 0\r\nConnection: close\r\n\r\n".encode()
        )
        answer = read(connection)
        status = int(answer.split(b" ", 2)[1])
        assert status in (400, 403, 404, 405), answer
        assert b"\r\nx: y" not in answer.lower()
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["errors"]


def read(connection: socket.socket) -> bytes:
    answer = b""
    with connection:
        while part := connection.recv(1 << 16):
            answer += part
    return answer


def test_an_encoded_slash_is_a_slash(peer: Peer) -> None:
    assert peer.status("GET", "/v2/pizza%2Fcheese/tags/list") == 200


def test_tls_on_the_plain_port_fails_at_once(peer: Peer) -> None:  # section E, clients
    hello = bytes.fromhex("16030100f1010000ed0303") + os.urandom(238)
    begun = time.monotonic()
    assert b"TLS" not in read(peer.raw(hello))[:3]
    assert time.monotonic() - begun < 5


def soon(fact: Callable[[], bool]) -> bool:
    until = time.monotonic() + 5
    while time.monotonic() < until:
        if fact():
            return True
        time.sleep(0.02)
    return False


def test_a_cut_upload_keeps_what_came_and_is_no_blob(peer: Peer) -> None:
    where = peer.begin()
    path = urlsplit(where).path.removeprefix(f"/v2/{peer.name}/")
    connection = peer.raw(peer.head("PATCH", path, "Content-Length: 5000") + DOUGH[:1000])
    assert soon(lambda: peer.ask("GET", where)[1]["Range"] == "0-999")
    connection.close()
    assert soon(lambda: peer.status("PATCH", where, DOUGH[1000:]) == 202)
    assert peer.status("PUT", f"{where}?digest={NAME}") == 201


def test_a_cut_push_of_a_whole_blob_leaves_nothing(peer: Peer) -> None:
    peer.raw(peer.head("POST", f"blobs/uploads/?digest={NAME}", "Content-Length: 6000") + DOUGH).close()
    uploads = peer.app.extensions["shop"].journal.registry.data / "uploads"
    assert soon(lambda: uploads.is_dir() and not list(uploads.iterdir()))
    assert peer.status("GET", f"blobs/{NAME}") == 404


@pytest.mark.parametrize("length", ["x", "-1", "1e3", "99999999999999999999999999", "5, 6"])
def test_a_length_that_is_none_is_refused(peer: Peer, length: str) -> None:
    connection = peer.raw(peer.head("POST", f"blobs/uploads/?digest={NAME}", f"Content-Length: {length}") + DOUGH)
    connection.settimeout(2)
    try:
        answer = connection.recv(100)
    except (TimeoutError, ConnectionResetError):
        answer = b""
    connection.close()
    assert not answer.startswith(b"HTTP/1.1 2")
    assert peer.status("GET", f"blobs/{NAME}") == 404


def test_bytes_beyond_the_length_are_not_of_the_blob(peer: Peer) -> None:
    connection = peer.raw(peer.head("POST", f"blobs/uploads/?digest={NAME}", "Content-Length: 5000") + DOUGH + b"more")
    assert connection.recv(100).startswith(b"HTTP/1.1 201")
    connection.close()
    assert peer.ask("GET", f"blobs/{NAME}")[2] == DOUGH


def test_who_sends_too_much_sees_why(make_app: Callable[..., Flask], hasty: None) -> None:
    app = make_app(pushing=Pushing(upload=100_000, reserve=0))
    with served(app) as url:
        peer = Peer(url, app)
        status, _, said = peer.ask("POST", f"blobs/uploads/?digest={NONE}", os.urandom(600_000))
        assert (status, json.loads(said)["errors"][0]["code"]) == (413, "DENIED")


# Many clients, slow clients


def test_a_silent_upload_ends_and_holds_nothing(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "SILENCE_SECONDS", 0.3)
    where = peer.begin()
    path = urlsplit(where).path.removeprefix(f"/v2/{peer.name}/")
    connection = peer.raw(peer.head("PATCH", path, "Content-Length: 5000") + DOUGH[:10])
    begun = time.monotonic()
    assert not read(connection).startswith(b"HTTP/1.1 2")
    assert time.monotonic() - begun < 5
    assert peer.ask("GET", where)[1]["Range"] == "0-9"


def large(peer: Peer) -> str:
    """A blob that no socket's buffers hold: its path."""
    data = os.urandom(1 << 20) * 24
    assert peer.status("POST", f"blobs/uploads/?digest={digest_of(data)}", data) == 201
    return f"blobs/{digest_of(data)}"


def threads() -> int:
    return sum("WSGI" in thread.name for thread in threading.enumerate())


def test_a_reader_that_takes_nothing_is_ended(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    path = large(peer)
    monkeypatch.setattr(streaming, "SILENCE_SECONDS", 0.3)
    desk = peer.app.extensions["registry"]
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", peer.port))
    connection.sendall(peer.head("GET", path))
    time.sleep(1.5)
    connection.settimeout(5)
    got = 0
    with connection:
        try:
            while part := connection.recv(1 << 16):
                got += len(part)
        except ConnectionResetError:
            pass
    assert 0 < got < 24 << 20
    assert desk.registry


def test_a_slow_reader_that_takes_something_is_not(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    path = large(peer)
    monkeypatch.setattr(streaming, "SILENCE_SECONDS", 0.5)
    connection = peer.raw(peer.head("GET", path, "Connection: close"))
    got = 0
    with connection:
        while part := connection.recv(1 << 20):
            got += len(part)
            if got < 20 << 20:
                time.sleep(0.05)
    assert got > 24 << 20


def test_an_answer_that_nobody_reads_any_more_is_not_read_on(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    path = large(peer)
    closed = threading.Event()
    handle = peer.app.extensions["registry"].registry.handle
    read_bytes = []

    def watched(request: Any, caller: Caller) -> Any:
        answer = handle(request, caller)

        def chunks() -> Iterator[bytes]:
            try:
                for chunk in answer.chunks:
                    read_bytes.append(len(chunk))
                    yield chunk
            finally:
                answer.close()
                closed.set()

        return type(answer)(answer.status, answer.headers, chunks())

    monkeypatch.setattr(peer.app.extensions["registry"].registry, "handle", watched)
    connection = peer.raw(peer.head("GET", path))
    got = 0
    while got < 1 << 20:
        got += len(connection.recv(1 << 16))
    connection.close()
    assert closed.wait(5)
    assert sum(read_bytes) < 20 << 20


def test_stalled_clients_stop_neither_other_clients_nor_the_pages(peer: Peer) -> None:
    others = [Peer(f"http://{peer.host}", peer.app) for _ in range(3)]
    stalled = []
    for one in others:
        for _ in range(streaming.AT_ONCE + 2):
            path = urlsplit(one.begin()).path if len(stalled) < streaming.AT_ONCE else "/x"
            head = f"PATCH {path} HTTP/1.1\r\nHost: {peer.host}\r\nAuthorization: {one.basic}\r\n"
            stalled.append(peer.raw(head.encode() + b"Content-Length: 50\r\n\r\nx")) if path != "/x" else None
    begun = time.monotonic()
    assert peer.status("POST", f"blobs/uploads/?digest={NAME}", DOUGH) == 201
    assert peer.status("GET", "/v2/pizza/cheese/tags/list", authorization="") == 200
    assert peer.status("GET", "/", authorization="") == 200
    assert time.monotonic() - begun < 5
    for connection in stalled:
        connection.close()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Whose turn was asked for, as often as it was."""
    keys: list[str] = []
    take = streaming.Turns.take

    def taking(self: streaming.Turns, key: str, *bounds: int) -> Any:
        keys.append(key)
        return take(self, key, *bounds)

    monkeypatch.setattr(streaming.Turns, "take", taking)
    return keys


def test_a_callers_requests_beyond_a_few_wait_for_their_turn(
    peer: Peer, monkeypatch: pytest.MonkeyPatch, asked: list[str]
) -> None:
    monkeypatch.setattr(streaming, "WAITING_MAX", 1)
    paths = [urlsplit(peer.begin()).path.removeprefix(f"/v2/{peer.name}/") for _ in range(streaming.AT_ONCE)]
    begun = len(asked)
    busy = [peer.raw(peer.head("PATCH", path, "Content-Length: 2") + b"x") for path in paths]
    assert soon(lambda: asked[begun:].count(peer.name.partition("/")[0]) == streaming.AT_ONCE)
    time.sleep(0.1)  # from asking to having it
    waited: list[int] = []
    waiting = threading.Thread(target=lambda: waited.append(peer.status("GET", "/v2/")))
    waiting.start()
    assert soon(lambda: asked[begun:].count(peer.name.partition("/")[0]) == streaming.AT_ONCE + 1)
    time.sleep(0.1)
    assert waited == []
    status, headers, said = peer.ask("GET", "/v2/")
    assert (status, json.loads(said)["errors"][0]["code"]) == (429, "TOOMANYREQUESTS")
    assert int(headers["Retry-After"]) > 0
    assert peer.status("GET", "/v2/_catalog", authorization="") == 200, "somebody else"
    busy[0].sendall(b"x")
    assert busy[0].recv(100).startswith(b"HTTP/1.1 202")
    waiting.join(5)
    assert waited == [200]
    for connection in busy:
        connection.close()


def test_who_waits_too_long_is_refused(peer: Peer, monkeypatch: pytest.MonkeyPatch, asked: list[str]) -> None:
    monkeypatch.setattr(streaming, "TURN_SECONDS", 0.2)
    paths = [urlsplit(peer.begin()).path.removeprefix(f"/v2/{peer.name}/") for _ in range(streaming.AT_ONCE)]
    begun = len(asked)
    busy = [peer.raw(peer.head("PATCH", path, "Content-Length: 2") + b"x") for path in paths]
    assert soon(lambda: asked[begun:].count(peer.name.partition("/")[0]) == streaming.AT_ONCE)
    time.sleep(0.1)  # from asking to having it
    assert peer.status("GET", "/v2/") == 429
    for connection in busy:
        connection.close()
    assert soon(lambda: peer.status("GET", "/v2/") == 200)


def test_nothing_is_kept_of_callers_that_have_gone(peer: Peer) -> None:
    turns = streaming.Turns()

    async def visit() -> None:
        async with turns.take("a", 1, 1):
            assert set(turns._turns) == {"a"}

    asyncio.run(visit())
    assert (turns._turns, dict(turns._present)) == ({}, {})
