"""Registries over HTTP: the transport's contract, whom it may connect to, logins, and peers that mean it ill."""

from __future__ import annotations

import base64
import gzip
import io
import json
import os
import socket
import ssl
import subprocess
import tarfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from engine import digest as digests
from engine import reference as references
from engine.addresses import Addresses, anywhere, is_loopback, public
from engine.authorization import challenge
from engine.blobs import DirectoryBlobs
from engine.credentials import Account, Credentials
from engine.errors import (
    BlobUnknown,
    Cancelled,
    Corrupt,
    Denied,
    DigestMismatch,
    EngineError,
    Interrupted,
    LimitExceeded,
    MalformedDocument,
    MalformedLayer,
    SizeMismatch,
    Unauthorized,
    Unreachable,
)
from engine.layerstore import LayerStore
from engine.network import REDIRECTS_MAX, Http, Network, Patience
from engine.ocilayout import Layout
from engine.pull import Pulled, pull
from engine.registry import Registry
from engine.remote import BREAKS_MAX, RegistryFailed, Remote, Transport
from tests import peers
from tests.engine.oci import Builder, Json, body, tarball
from tests.engine.servers import PASSWORD, USER, Server, Talk, distribution, of_registry, serving
from tests.engine.transports import TransportContract

QUICK = Patience(silence=0.5, attempts=3, pause=0.01, longest=0.3)
NETWORK = Network(patience=QUICK)
LAYER = tarball({"pizza/crust": bytes(range(256)) * 8192})  # two megabytes, so it is read while it comes


class TestHttp(TransportContract):
    """The transport over HTTP keeps the contract."""

    def carry(self, registry: Registry) -> AbstractContextManager[Transport]:
        @contextmanager
        def carried() -> Iterator[Transport]:
            with serving(of_registry(registry)) as server:
                yield Network().transport(server.name)

        return carried()


# Whom it may connect to


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1"),
        *("0.0.0.0", "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "192.0.0.8"),
        *("::1", "::", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "::ffff:8.8.8.8"),
        *("::ffff:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::808:808", "2002:7f00:1::", "2001:0:1::1", "::7f00:1"),
    ],
)
def test_visitors_reach_nothing_but_the_open_internet(address: str) -> None:
    assert not public(ip_address(address))
    assert anywhere(ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "2a00:1450::1"])
def test_visitors_reach_the_open_internet(address: str) -> None:
    assert public(ip_address(address))


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        *(("localhost", True), ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("[::1]", True)),
        *(("localhost.example", False), ("10.0.0.1", False), ("example", False), ("127.0.0.1.example", False)),
    ],
)
def test_plain_http_is_for_this_machine_alone(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


class Names:
    """A resolver whose answers are given, one after the other, the last for ever."""

    def __init__(self, *answers: str) -> None:
        self.answers, self.asked = list(answers), 0

    def __call__(self, _host: str, port: int) -> list[tuple[Any, ...]]:
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        family = socket.AF_INET6 if ":" in answer else socket.AF_INET
        return [(family, socket.SOCK_STREAM, 6, "", (answer, port))]


def test_a_name_is_asked_for_once_and_its_judged_address_is_the_one_connected_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connected: list[Any] = []
    monkeypatch.setattr(socket.socket, "connect", lambda _self, address: connected.append(address))
    names = Names("93.184.216.34", "127.0.0.1")
    Addresses(public, names).connect("rebinding.example", 80, 1).close()
    assert (names.asked, connected) == (1, [("93.184.216.34", 80)])
    with pytest.raises(Unreachable, match=r"dial tcp 127\.0\.0\.1:80: this address is not open to visitors"):
        Addresses(public, names).connect("rebinding.example", 80, 1)
    assert len(connected) == 1


def test_of_several_addresses_a_refused_one_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    connected: list[Any] = []
    monkeypatch.setattr(socket.socket, "connect", lambda _self, address: connected.append(address))
    both = [*Names("10.0.0.1")("", 80), *Names("1.1.1.1")("", 80)]
    Addresses(public, lambda *_: both).connect("both.example", 80, 1).close()
    assert connected == [("1.1.1.1", 80)]


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "127.1", "2130706433"])
def test_a_visitor_is_kept_from_this_machine_by_whatever_name(name: str) -> None:
    with serving(lambda talk: talk.say(200, b"{}")) as server:
        http = Network(Addresses(public), patience=QUICK).transport(f"{name}:{server.port}")
        with pytest.raises(Unreachable, match="not open to visitors"):
            http.request("GET", "/v2/", {})
        assert server.asked == []


def test_nobody_there_is_told_in_dockers_words() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(Unreachable) as caught:
            NETWORK.transport(f"localhost:{port}").request("GET", "/v2/a/manifests/latest", {})
    assert str(caught.value) == (
        f'Get "http://localhost:{port}/v2/": dial tcp 127.0.0.1:{port}: connect: connection refused'
    )
    with pytest.raises(
        Unreachable, match=r'Get "https://nowhere\.invalid/v2/": dial tcp: lookup nowhere.invalid: no s'
    ):
        NETWORK.transport("nowhere.invalid").request("GET", "/v2/", {})


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for registry.example, with its key."""
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=registry.example"
    command += f" -addext subjectAltName=DNS:registry.example -keyout {path} -out {path}.crt"
    subprocess.run(command.split(), check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + Path(f"{path}.crt").read_bytes())
    return path


@contextmanager
def secure(certificate: Path, answer: Callable[[Talk], None]) -> Iterator[tuple[Server, Network]]:
    """An HTTPS server, and a network that trusts it and finds every name there."""
    mine = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    mine.load_cert_chain(certificate)
    trusting = ssl.create_default_context(cafile=str(certificate))
    with serving(answer, tls=mine) as server:
        yield server, Network(Addresses(anywhere, Names("127.0.0.1")), patience=QUICK, tls=trusting)


def test_other_machines_are_spoken_to_over_tls(certificate: Path) -> None:
    with secure(certificate, lambda talk: talk.say(200, b"{}")) as (server, network):
        assert body(network.transport(f"registry.example:{server.port}").request("GET", "/v2/", {})) == b"{}"
        for host, trusted in (("other.example", network), ("registry.example", NETWORK)):
            strict = Network(network.addresses, patience=QUICK, tls=trusted.tls)
            with pytest.raises(Unreachable, match=r'Get "https://.*/v2/": x509: '):
                strict.transport(f"{host}:{server.port}").request("GET", "/v2/", {})


def test_a_redirect_leads_from_tls_to_tls_only(certificate: Path) -> None:
    with serving(lambda talk: talk.say(200, b"plain")) as plain:
        away = {"location": f"http://localhost:{plain.port}/"}
        with (
            secure(certificate, lambda talk: talk.say(307, headers=away)) as (server, network),
            pytest.raises(Unreachable, match="not https"),
        ):
            network.transport(f"registry.example:{server.port}").request("GET", "/v2/", {})
        assert plain.asked == []


# Logins


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('Bearer realm="https://a/t",service="s",scope="repository:x:pull,push"', "bearer repository:x:pull,push"),
        ('Basic realm="x"', "basic "),
        ('Basic realm="x, Bearer y", Bearer realm="https://a/t",scope="s"', "bearer s"),
        ("bearer realm=https://a/t", "bearer "),
        ("Negotiate", None),
        ("", None),
        ("Bearer" * 4000, None),
    ],
)
def test_a_challenge_is_read_by_its_grammar(header: str, expected: str | None) -> None:
    found = challenge(header)
    assert (f"{found.scheme} {found.scope}" if found else None) == expected


@dataclass
class Guarded:
    """A registry behind Bearer tokens, with its login server at ``/token``; `lets` says who gets a token."""

    lets: Callable[[str], bool] = lambda _: True
    lives: float = 300
    token: str = "t0ken"
    granted: int = 0
    good: bool = True
    realm: str = ""
    seen: list[str] = field(default_factory=list)

    def __call__(self, talk: Talk) -> None:
        shown = talk.headers.get("authorization", "")
        if talk.path.startswith("/token"):
            if not self.lets(shown):
                return talk.say(401, b"{}")
            self.granted += 1
            said = {"token": f"{self.token}{self.granted}", "expires_in": self.lives}
            return talk.say(200, json.dumps(said).encode())
        self.seen.append(shown)
        if self.good and shown == f"Bearer {self.token}{self.granted}":
            return talk.say(200, b"{}")
        realm = self.realm or f"http://{talk.headers['host']}/token"
        wanted = f'Bearer realm="{realm}",service="test",scope="repository:a/b:pull"'
        return talk.say(401, b"{}", {"www-authenticate": wanted})


def test_a_token_is_fetched_once_and_shown_from_then_on() -> None:
    guarded = Guarded()
    with serving(guarded) as server:
        http = NETWORK.transport(server.name)
        for target in ("latest", "old"):
            assert http.request("GET", f"/v2/a/b/manifests/{target}", {}).status == 200
        assert [asked.path for asked in server.asked] == [
            "/v2/a/b/manifests/latest",
            "/token?service=test&scope=repository%3Aa%2Fb%3Apull",
            "/v2/a/b/manifests/latest",
            "/v2/a/b/manifests/old",
        ]
        assert http.request("GET", "/v2/a/other/manifests/latest", {}).status == 200
        assert guarded.granted == 2, "another repository, another token"


def test_a_token_past_its_life_is_renewed_before_it_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    guarded, now = Guarded(), [1000.0]
    monkeypatch.setattr("engine.authorization.time.monotonic", lambda: now[0])
    with serving(guarded) as server:
        http = NETWORK.transport(server.name)
        http.request("GET", "/v2/a/b/manifests/latest", {}).close()
        now[0] += 200
        http.request("GET", "/v2/a/b/manifests/latest", {}).close()
        assert guarded.granted == 1
        now[0] += 100
        http.request("GET", "/v2/a/b/manifests/latest", {}).close()
    assert guarded.seen == ["", "Bearer t0ken1", "Bearer t0ken1", "Bearer t0ken2"]


def test_a_token_that_is_no_good_is_replaced_once_and_no_more() -> None:
    guarded = Guarded(good=False)
    with serving(guarded) as server:
        http = NETWORK.transport(server.name)
        assert http.request("GET", "/v2/a/b/manifests/latest", {}).status == 401
        assert (len(guarded.seen), guarded.granted) == (2, 1)
        with pytest.raises(Unauthorized, match="unauthorized: authentication required"):
            Remote(http).manifest("a/b", "latest")
        assert guarded.granted == 2


def test_the_login_server_is_shown_the_password_and_the_registry_is_not() -> None:
    wanted = "Basic " + base64.b64encode(b"ada:s3cret").decode()
    guarded = Guarded(lets=lambda shown: shown == wanted)
    with serving(guarded) as server:
        NETWORK.login(server.name, Account(USER, PASSWORD))
        assert guarded.seen == ["", "Bearer t0ken1"]
        with pytest.raises(Unauthorized, match="incorrect username or password"):
            NETWORK.login(server.name, Account(USER, "wrong"))


@pytest.mark.parametrize(
    ("realm", "words"),
    [
        ("http://login.example/token", "is not https; no password goes there"),
        ("ftp://localhost/token", "is no address"),
        ("http://ada:s3cret@localhost/token", "is no address"),
        ("http://[::1/token", "is no address"),
        ("nonsense", "is no address"),
    ],
)
def test_a_password_goes_only_where_it_is_safe(realm: str, words: str) -> None:
    with serving(Guarded(realm=realm)) as server, pytest.raises(Unreachable, match=words):
        NETWORK.login(server.name, Account(USER, PASSWORD))


def test_a_login_server_is_an_address_like_any_other(certificate: Path) -> None:
    with serving(Guarded()) as inside:
        guarded = Guarded(realm=f"https://localhost:{inside.port}/token")
        with secure(certificate, guarded) as (server, network):
            only = Addresses(lambda address: str(address) != "127.0.0.9", network.addresses.resolve)
            http = Network(only, patience=QUICK, tls=network.tls).transport(f"registry.example:{server.port}")
            network.addresses.resolve.answers = ["127.0.0.1", "127.0.0.9"]  # type: ignore[attr-defined]
            with pytest.raises(Unreachable, match=r"127\.0\.0\.9:\d+: this address is not open"):
                http.request("GET", "/v2/a/b/manifests/latest", {})
        assert inside.asked == []


@pytest.mark.parametrize("token", ["", "two words", "line\r\nx-evil: 1", "x" * 20000])
@pytest.mark.parametrize("form", ['{"token": %s}', '{"access_token": %s, "token": ""}', "[%s]"])
def test_a_token_that_is_none_is_refused(token: str, form: str) -> None:
    def answer(talk: Talk) -> None:
        if talk.path.startswith("/token"):
            return talk.say(200, (form % json.dumps(token)).encode())
        return talk.say(401, b"", {"www-authenticate": f'Bearer realm="http://{talk.headers["host"]}/token"'})

    with serving(answer) as server, pytest.raises(Unreachable, match="no token in it"):
        NETWORK.transport(server.name).request("GET", "/v2/", {})


def basic(talk: Talk) -> None:
    """A registry that wants Basic."""
    if talk.headers.get("authorization") != "Basic " + base64.b64encode(b"ada:s3cret").decode():
        return talk.say(401, b"{}", {"www-authenticate": 'Basic realm="x"'})
    return talk.say(200, b"{}")


def test_basic_is_shown_after_it_was_asked_for() -> None:
    with serving(basic) as server:
        http = NETWORK.transport(server.name, Account(USER, PASSWORD))
        for _ in range(2):
            assert http.request("GET", "/v2/", {}).status == 200
        assert ["authorization" in asked.headers for asked in server.asked] == [False, True, True]
        with pytest.raises(Unauthorized, match=r"login attempt to http://.*/v2/ failed with status: 401 Unauthorized"):
            NETWORK.login(server.name, Account(USER, "wrong"))
        assert NETWORK.transport(server.name).request("GET", "/v2/", {}).status == 401


# Credentials


def test_credentials_are_kept_in_dockers_format_for_their_owner_alone(tmp_path: Path) -> None:
    credentials = Credentials(tmp_path / "credentials.json")
    assert credentials.find("localhost:5000") is None
    credentials.keep("localhost:5000", Account(USER, "a:b"))
    credentials.keep("docker.io", Account("bob", "x"))
    assert credentials.path.stat().st_mode & 0o777 == 0o600
    kept = json.loads(credentials.path.read_bytes())
    assert kept["auths"]["localhost:5000"] == {"auth": base64.b64encode(b"ada:a:b").decode()}
    assert set(kept["auths"]) == {"localhost:5000", "https://index.docker.io/v1/"}
    assert credentials.find("localhost:5000") == Account(USER, "a:b")
    assert "a:b" not in repr(credentials.find("localhost:5000"))
    assert credentials.forget("localhost:5000")
    assert not credentials.forget("localhost:5000")
    assert credentials.find("localhost:5000") is None
    assert credentials.find("docker.io") == Account("bob", "x")
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("content", ["{", '{"auths": {"a": {"auth": "???"}}}', '{"auths": 1}'])
def test_a_damaged_file_of_credentials_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "credentials.json").write_text(content)
    with pytest.raises(Corrupt, match=r"credentials\.json cannot be read as credentials"):
        Credentials(tmp_path / "credentials.json").find("a")


# Redirects, repetition, silence


def test_a_redirect_to_another_host_takes_no_authorization_along() -> None:
    with serving(lambda talk: talk.say(200, b"blob")) as storage:

        def answer(talk: Talk) -> None:
            if talk.headers.get("authorization"):
                return talk.say(307, headers={"location": f"http://{storage.name}/bucket?signature=secret"})
            return basic(talk)

        with serving(answer) as server:
            http = NETWORK.transport(server.name, Account(USER, PASSWORD))
            assert body(http.request("GET", "/v2/a/blobs/x", {"range": "bytes=1-"})) == b"blob"
    [asked] = storage.asked
    assert "authorization" not in asked.headers
    assert asked.headers["range"] == "bytes=1-"


def test_a_redirect_within_the_host_keeps_it() -> None:
    def answer(talk: Talk) -> None:
        if talk.path == "/v2/" and talk.headers.get("authorization"):
            return talk.say(301, headers={"location": "elsewhere"})
        return basic(talk)

    with serving(answer) as server:
        assert NETWORK.transport(server.name, Account(USER, PASSWORD)).request("GET", "/v2/", {}).status == 200
        assert server.asked[-1].path == "/v2/elsewhere"


def test_redirects_end() -> None:
    with serving(lambda talk: talk.say(302, headers={"location": talk.path + "x"})) as server:
        with pytest.raises(Unreachable, match=f"redirected more than {REDIRECTS_MAX} times"):
            NETWORK.transport(server.name).request("GET", "/v2/", {})
        assert len(server.asked) == REDIRECTS_MAX + 1


@pytest.mark.parametrize("location", ["file:///etc/passwd", "http://u:p@localhost/", "http://[::1"])
def test_a_redirect_to_no_address_is_refused(location: str) -> None:
    with serving(lambda talk: talk.say(302, headers={"location": location})) as server:
        with pytest.raises(EngineError):
            NETWORK.transport(server.name).request("GET", "/v2/", {})
        assert len(server.asked) == 1


def test_a_redirect_leads_visitors_nowhere_inside(certificate: Path) -> None:
    with serving(lambda talk: talk.say(200, b"inside")) as inside:
        away = {"location": f"https://inside.example:{inside.port}/"}
        with secure(certificate, lambda talk: talk.say(307, headers=away)) as (server, network):
            names = Names("127.0.0.1", "127.0.0.9")
            only = Addresses(lambda address: str(address) != "127.0.0.9", names)
            http = Network(only, patience=QUICK, tls=network.tls).transport(f"registry.example:{server.port}")
            with pytest.raises(Unreachable, match="this address is not open to visitors"):
                http.request("GET", "/v2/", {})
        assert inside.asked == []


def failing(times: int, status: int, headers: Mapping[str, str] = {}) -> Callable[[Talk], None]:
    """Answers with a failure so many times, then well."""
    left = [times]

    def answer(talk: Talk) -> None:
        left[0] -= 1
        if left[0] < 0:
            return talk.say(200, b"{}")
        return talk.say(status, b"", headers) if status else talk.cut()

    return answer


@pytest.mark.parametrize("status", [0, 429, 502, 503, 504])
def test_what_passes_is_waited_for(status: int) -> None:
    with serving(failing(2, status)) as server:
        assert NETWORK.transport(server.name).request("GET", "/v2/", {}).status == 200
        assert len(server.asked) == 3
    with serving(failing(9, status)) as server:
        http = NETWORK.transport(server.name)
        if status:
            assert http.request("GET", "/v2/", {}).status == status
        else:
            with pytest.raises(Interrupted, match="broke the connection off"):
                http.request("GET", "/v2/", {})
        assert len(server.asked) == QUICK.attempts


@pytest.mark.parametrize(("status", "method"), [(500, "GET"), (404, "GET"), (503, "POST"), (429, "PUT")])
def test_what_would_not_help_is_not_repeated(status: int, method: str) -> None:
    with serving(failing(9, status)) as server:
        assert NETWORK.transport(server.name).request(method, "/v2/", {}, None).status == status
        assert len(server.asked) == 1


@pytest.mark.parametrize(("said", "least", "most"), [("0", 0.0, 0.2), ("99999", 0.3, 1.0), ("soon", 0.0, 0.2)])
def test_retry_after_is_honoured_within_bounds(said: str, least: float, most: float) -> None:
    with serving(failing(1, 429, {"retry-after": said})) as server:
        began = time.monotonic()
        assert NETWORK.transport(server.name).request("GET", "/v2/", {}).status == 200
        assert least <= time.monotonic() - began < most


def test_silence_before_an_answer_ends_it() -> None:
    ended = threading.Event()
    with serving(lambda _: ended.wait(5) and None) as server:
        began = time.monotonic()
        with pytest.raises(Unreachable, match=r'Get "http://.*/v2/": nothing came for 0\.5 seconds'):
            NETWORK.transport(server.name).request("GET", "/v2/", {})
        assert time.monotonic() - began < 2
        ended.set()


def test_headers_are_bounded() -> None:
    for headers in ({"x": "y" * 70_000}, {f"x-{n}": "y" for n in range(200)}):
        with serving(lambda talk, said=headers: talk.say(200, b"", said)) as server, pytest.raises(Unreachable):
            Network(patience=Patience(attempts=1)).transport(server.name).request("GET", "/v2/", {})


# Pulling from peers that mean it ill


@dataclass
class Shop:
    """An image behind a server that may change what it says of one path, and a pool to pull into."""

    layout: Builder
    path: Path
    manifest: Json = field(default_factory=dict)
    twist: Callable[[Talk, bytes, int], bool] = lambda *_: False

    def answer(self, registry: Registry) -> Callable[[Talk], None]:
        honest, seen = of_registry(registry), [0]
        target = f"/blobs/{self.manifest['layers'][0]['digest']}"

        def answer(talk: Talk) -> None:
            if talk.path.endswith(target):
                seen[0] += 1
                whole = self.layout.file(self.manifest["layers"][0]["digest"]).read_bytes()
                if self.twist(talk, whole, seen[0]):
                    return
            honest(talk)

        return answer

    def pull(self, **options: Any) -> tuple[Pulled, Server]:
        blobs = DirectoryBlobs(self.path / "pool")
        layers = LayerStore(blobs, self.path / "cache")
        with serving(self.answer(Registry(Layout(self.layout.path)))) as server:
            remote = Remote(NETWORK.transport(server.name))
            return pull(references.parse("pizza/cheese").tagged(), remote, (), blobs, layers, **options), server

    def fails(self, error: type[EngineError], match: str | None = None, **options: Any) -> None:
        with pytest.raises(error, match=match):
            self.pull(**options)
        blobs = DirectoryBlobs(self.path / "pool")
        assert self.layout.index["manifests"][0]["digest"] not in blobs
        assert self.manifest["layers"][0]["digest"] not in blobs
        assert list((self.path / "pool" / "tmp").iterdir()) == []
        assert not [path for path in (self.path / "cache").iterdir() if path.suffix == ".draft"]
        assert threading.active_count() < 3


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    layout = Builder(tmp_path / "layout")
    manifest = layout.tag("pizza/cheese:latest", layout.image(LAYER, pack=bytes))
    return Shop(layout, tmp_path, manifest)


def test_a_large_layer_comes_whole_and_in_flight(shop: Shop) -> None:
    pulled, server = shop.pull()
    assert pulled.image.layers[0].diff_id == digests.of(LAYER)
    assert len(server.paths("/blobs/")) == 2


def half(talk: Talk, whole: bytes, _nth: int) -> bool:
    talk.say(200, whole[: len(whole) // 2], length=len(whole))
    return True


def changed(talk: Talk, whole: bytes, _nth: int) -> bool:
    talk.say(200, b"\x01" + whole[1:])
    return True


def longer(talk: Talk, whole: bytes, _nth: int) -> bool:
    talk.say(200, whole + b"!")
    return True


def endless(talk: Talk, whole: bytes, _nth: int) -> bool:
    talk.begin(200, {"connection": "close"})
    while True:
        talk.write(whole)


def gone(talk: Talk, _whole: bytes, _nth: int) -> bool:
    talk.say(404, b"{}")
    return True


def stalled(talk: Talk, whole: bytes, _nth: int) -> bool:
    talk.begin(200, {"content-length": str(len(whole))})
    talk.write(whole[:1000])
    time.sleep(1.2)
    talk.cut()
    return True


def broken(talk: Talk, _whole: bytes, _nth: int) -> bool:
    talk.say(500, b'{"errors":[{"code":"UNKNOWN","message":"disk full"}]}')
    return True


def hidden(talk: Talk, _whole: bytes, _nth: int) -> bool:
    talk.say(403, b'{"errors":[{"code":"DENIED","message":"not for you"}]}')
    return True


@pytest.mark.parametrize(
    ("twist", "error", "words"),
    [
        (half, Interrupted, r'^Get "http://.*/blobs/.*": the registry broke the connection off'),
        (changed, DigestMismatch, "layer 1 of 1: digest mismatch"),
        (longer, SizeMismatch, "layer 1 of 1: size mismatch"),
        (endless, SizeMismatch, "layer 1 of 1: size mismatch"),
        (gone, BlobUnknown, "is unknown"),
        (stalled, Unreachable, "nothing came for 0.5 seconds"),
        (broken, RegistryFailed, "answered 500 to GET .*: UNKNOWN: disk full"),
        (hidden, Denied, "denied: not for you"),
    ],
)
def test_a_peer_that_lies_or_fails_gives_one_clear_error_and_leaves_nothing(
    shop: Shop, twist: Callable[[Talk, bytes, int], bool], error: type[EngineError], words: str
) -> None:
    # rule 19
    shop.twist = twist
    shop.fails(error, words)


def test_a_cut_download_goes_on_where_it_stopped(shop: Shop) -> None:
    def cut(talk: Talk, whole: bytes, nth: int) -> bool:
        if nth == 1:
            talk.say(200, whole[:700_000], length=len(whole))
        return nth == 1

    shop.twist = cut
    pulled, server = shop.pull()
    ranges = [asked.headers.get("range") for asked in server.asked if "/blobs/" in asked.path][1:]
    assert ranges[0] is None
    assert ranges[1:] == ["bytes=700000-"]
    assert pulled.sent == sum(
        DirectoryBlobs(shop.path / "pool").size(digest) for digest in DirectoryBlobs(shop.path / "pool")
    ), "no byte is counted twice"


def test_a_registry_without_ranges_sends_all_again_and_that_is_counted(shop: Shop) -> None:
    def cut(talk: Talk, whole: bytes, nth: int) -> bool:
        talk.say(200, whole[:700_000], length=len(whole)) if nth == 1 else talk.say(200, whole)
        return True

    shop.twist = cut
    pulled, _ = shop.pull()
    kept = DirectoryBlobs(shop.path / "pool")
    assert pulled.sent == sum(kept.size(digest) for digest in kept) + 700_000


def test_a_wrong_range_is_refused(shop: Shop) -> None:
    def cut(talk: Talk, whole: bytes, nth: int) -> bool:
        if nth == 1:
            talk.say(200, whole[:700_000], length=len(whole))
        else:
            talk.say(206, whole[:-700_000], {"content-range": f"bytes 0-{len(whole) - 700_001}/{len(whole)}"})
        return True

    shop.twist = cut
    shop.fails(RegistryFailed, "not the range from 700000 on")


def test_a_connection_that_breaks_again_and_again_is_given_up(shop: Shop) -> None:
    asked: list[str] = []

    def drip(talk: Talk, whole: bytes, nth: int) -> bool:
        start = int(talk.headers.get("range", "bytes=0-")[6:-1])
        asked.append(talk.headers.get("range", ""))
        span = {"content-range": f"bytes {start}-{len(whole) - 1}/{len(whole)}"} if start else {}
        talk.say(206 if start else 200, whole[start : start + 10], span, length=len(whole) - start)
        return True

    shop.twist = drip
    shop.fails(Interrupted)
    assert len(asked) == BREAKS_MAX + 1


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    # rule 18
    layout = Builder(tmp_path / "layout")
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        member = tarfile.TarInfo("big")
        member.size = 200 << 20
        archive.addfile(member, io.BytesIO(bytes(member.size)))
    packed = gzip.compress(out.getvalue(), 9, mtime=0) + gzip.compress(bytes(1))
    image = layout.image(LAYER, pack=lambda _: packed)
    shop = Shop(layout, tmp_path, layout.tag("pizza/cheese:latest", image))
    with pytest.raises(LimitExceeded, match="one byte of the compressed layer"):
        shop.pull()
    assert image["digest"] not in DirectoryBlobs(tmp_path / "pool")


def test_a_layer_that_is_none_is_refused_though_its_digest_is_right(tmp_path: Path) -> None:
    layout = Builder(tmp_path / "layout")
    image = layout.image(b"no tar" * 400_000, pack=bytes)
    manifest = layout.tag("pizza/cheese:latest", image)
    with pytest.raises(MalformedLayer, match="layer 1 of 1"):
        Shop(layout, tmp_path, manifest).pull()
    assert image["digest"] not in DirectoryBlobs(tmp_path / "pool")


def test_the_right_tar_in_another_blob_is_refused_and_proves_nothing(tmp_path: Path) -> None:
    # rule 19
    layout = Builder(tmp_path / "layout")
    noise = tarball({"noise": os.urandom(2_000_000)})
    shop = Shop(layout, tmp_path, layout.tag("pizza/cheese:latest", layout.image(noise)))

    def dated(talk: Talk, whole: bytes, _nth: int) -> bool:
        talk.say(200, whole[:4] + b"\x01" + whole[5:])  # gzip's own time: the same tar comes out of it
        return True

    shop.twist = dated
    shop.fails(DigestMismatch, "layer 1 of 1: digest mismatch")
    assert not list((tmp_path / "cache").glob("*.is"))


def test_a_document_that_is_manifest_and_index_is_refused(shop: Shop) -> None:
    both = json.dumps({"schemaVersion": 2, "manifests": [], "config": {}, "layers": []}).encode()
    blobs = DirectoryBlobs(shop.path / "pool")
    with serving(lambda talk: talk.say(200, both)) as server, pytest.raises(MalformedDocument, match="together"):
        pull(
            references.parse("a:b"),
            Remote(NETWORK.transport(server.name)),
            (),
            blobs,
            LayerStore(blobs, shop.path / "cache"),
        )


def test_a_cancelled_pull_does_not_wait_for_its_peer(tmp_path: Path) -> None:
    arrived, ended = threading.Event(), threading.Event()

    def answer(talk: Talk) -> None:
        arrived.set()
        ended.wait(20)

    patient = Network(patience=Patience(silence=20))
    blobs = DirectoryBlobs(tmp_path)
    with serving(answer) as server:
        began = time.monotonic()
        with pytest.raises(Cancelled):
            pull(
                references.parse("a:b"),
                Remote(patient.transport(server.name)),
                (),
                blobs,
                LayerStore(blobs),
                cancelled=arrived.is_set,
            )
        assert time.monotonic() - began < 3
        ended.set()


def test_one_layer_that_fails_ends_the_others_at_once(tmp_path: Path) -> None:
    layout = Builder(tmp_path / "layout")
    tars = [tarball({f"n{n}": bytes([n]) * 2_000_000}) for n in range(3)]
    manifest = layout.tag("pizza/cheese:latest", layout.image(*tars, pack=bytes))
    ended, waiting = threading.Event(), threading.Barrier(3, timeout=10)
    honest = of_registry(Registry(Layout(layout.path)))
    patient = Network(patience=Patience(silence=20))

    def answer(talk: Talk) -> None:
        positions = [n for n, layer in enumerate(manifest["layers"]) if talk.path.endswith(layer["digest"])]
        if not positions:
            return honest(talk)
        waiting.wait()
        if positions == [2]:
            return talk.say(404, b"{}")
        ended.wait(20)
        return None

    blobs = DirectoryBlobs(tmp_path / "pool")
    with serving(answer) as server:
        began = time.monotonic()
        with pytest.raises(BlobUnknown, match="layer 3 of 3"):
            pull(
                references.parse("pizza/cheese").tagged(),
                Remote(patient.transport(server.name)),
                (),
                blobs,
                LayerStore(blobs),
            )
        assert time.monotonic() - began < 3
        ended.set()
    assert not set(blobs) & {layer["digest"] for layer in manifest["layers"]}


# Debian's registry


def test_its_login_is_basic(tmp_path: Path) -> None:
    peers.need("docker-registry")
    with distribution(tmp_path, login=True) as registry:
        NETWORK.login(registry.name, Account(USER, PASSWORD))
        with pytest.raises(Unauthorized):
            NETWORK.login(registry.name, Account(USER, "wrong"))
        assert isinstance(NETWORK.transport(registry.name), Http)
        with pytest.raises(Unauthorized, match="authentication required"):
            Remote(NETWORK.transport(registry.name)).manifest("a/b", "latest")
