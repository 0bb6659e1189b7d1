"""Pushing and pulling over a network: against Debian's registry, skopeo, and a real dockerd's own words."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine import __main__ as command_line
from engine import events as facts
from engine import network
from engine.__main__ import Files
from engine.addresses import Addresses, public
from engine.blobs import DirectoryBlobs
from engine.credentials import Account, Credentials
from engine.digest import of as digest_of
from engine.errors import BlobUnknown, Cancelled, CommandError, EngineError
from engine.events import OUTSIDE, Event
from engine.journal import Done, Journal
from engine.network import Network, Patience
from engine.ocilayout import Layout
from engine.registry import NOBODY, Caller, Limits, Registry, Request, Response, Store
from engine.remote import InProcess, Remote, Transport
from engine.spec import Descriptor
from menu import LAYOUT
from tests import peers
from tests.engine import images
from tests.engine.oci import Builder, tarball
from tests.engine.servers import PASSWORD, USER, Distribution, Talk, distribution, of_registry, serving
from tests.engine.twins import IMAGE, Twins, recipes

QUICK = Patience(silence=2, attempts=2, pause=0.01, longest=0.1)
TABLE = re.compile(r"^[0-9a-f]{12}: ")


@pytest.fixture(scope="module")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Distribution]:
    """Debian's registry, open to all."""
    with distribution(tmp_path_factory.mktemp("registry")) as registry:
        yield registry


class Host:
    """A journal with one kitchen and a way out."""

    def __init__(self, path: Path, network: Network | None = None, **options: Any) -> None:
        self.journal = Journal(path, menu=LAYOUT, quota=None, network=network or Network(patience=QUICK), **options)
        self.journal.enter("k")

    def __call__(self, *argv: str, **options: Any) -> Done:
        done = self.journal.do("k", argv, local=Files(), **options)
        assert done.status == 0, done
        return done

    def fails(self, *argv: str) -> str:
        """What is said of a command that must fail."""
        try:
            done = self.journal.do("k", argv, local=Files())
        except EngineError as error:
            return str(error)
        assert done.status == 1
        return done.err

    def manifest(self, name: str) -> bytes:
        """The manifest that is stored of an image."""
        found = self.journal.head("k").host.find_image(name)
        assert found
        return self.journal.blobs.read(found.manifest)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    made = Host(tmp_path / "host")
    yield made
    assert made.journal.check() == []
    made.journal.close()


def fresh(name: str) -> str:
    """A repository that no other test has."""
    return f"{name}-{os.urandom(4).hex()}"


# To and from Debian's registry


def test_what_is_pushed_is_byte_for_byte_what_is_stored(host: Host, debian: Distribution) -> None:
    # rule 21
    name = f"{debian.name}/{fresh('pizza')}:1"
    host("pull", "pizza/pepperoni")
    host("tag", "pizza/pepperoni", name)
    done = host("push", name)
    stored = host.manifest(name)
    skopeo = [peers.need("skopeo"), "inspect", "--tls-verify=false", "--raw", f"docker://{name}"]
    assert subprocess.run(skopeo, check=True, capture_output=True).stdout == stored
    [pushed] = [event for event in done.events if isinstance(event, facts.ImagePushed)]
    layers = [event for event in done.events if isinstance(event, facts.LayerPushed)]
    image = host.journal.context.images[pushed.digest]
    assert done.out.endswith(f"\n1: digest: {pushed.digest} size: {len(stored)}\n")
    assert (pushed.sent, pushed.avoided) == (sum(image.content.values()) + len(stored), 0)
    assert {layer.digest: layer.size for layer in layers} == {layer.digest: layer.size for layer in image.layers}


def test_what_was_pushed_can_be_pulled_by_another_host(host: Host, debian: Distribution, tmp_path: Path) -> None:
    name = f"{debian.name}/{fresh('pizza')}:1"
    host("pull", "pizza/pepperoni")
    host("run", "--name", "box", "pizza/pepperoni", "sh", "-c", "echo hot > /pizza/slice-1/sauce")
    host("commit", "-m", "hot", "box", name)
    host("push", name)
    other = Host(tmp_path / "other")
    done = other("pull", name)
    assert other.manifest(name) == host.manifest(name)
    assert other("run", name, "cat", "/pizza/slice-1/sauce").out == "hot\n"
    [pulled] = [event for event in done.events if isinstance(event, facts.ImagePulled)]
    assert pulled.sent == sum(host.journal.context.images[pulled.digest].content.values()) + len(host.manifest(name))
    assert other("pull", name).out.splitlines()[1:] == [
        f"Digest: {pulled.digest}",
        f"Status: Image is up to date for {name}",
        name,
    ]
    assert other.journal.check() == []
    other.journal.close()


def test_what_skopeo_pushed_is_pulled(host: Host, debian: Distribution, tmp_path: Path) -> None:
    name = f"{debian.name}/{fresh('pizza')}:1"
    layout = images.layout(tmp_path / "layout", {"x": images.Recipe([{"etc/motd": b"hot\n"}, {"etc/issue": b"x"}])})
    for style in ("oci", "v2s2"):
        copy = [peers.need("skopeo"), "copy", "-q", "--insecure-policy", "--dest-tls-verify=false", f"--format={style}"]
        subprocess.run([*copy, f"oci:{layout}:x:latest", f"docker://{name}"], check=True, capture_output=True)
        host("pull", name)
        assert host("run", name, "cat", "/etc/motd").out == "hot\n"


def test_layers_that_a_registry_has_are_not_sent(host: Host, debian: Distribution) -> None:
    one, two = (f"{debian.name}/{fresh('pizza')}" for _ in range(2))
    host("pull", "pizza/pepperoni")
    for name in (f"{one}:1", f"{one}:2", two):
        host("tag", "pizza/pepperoni", name)
    host("push", f"{one}:1")
    again, mounted = host("push", f"{one}:2"), host("push", two)
    image = host.journal.context.images[host.journal.head("k").host.find_image(two).manifest]  # type: ignore[union-attr]
    content, size = sum(layer.size for layer in image.layers), image.size
    for done, kind in ((again, facts.LayerExists), (mounted, facts.LayerMounted)):
        assert {type(e) for e in done.events if hasattr(e, "diff_id")} == {kind}
        [pushed] = [event for event in done.events if isinstance(event, facts.ImagePushed)]
        assert pushed.avoided == content
    [first, second] = [e for d in (again, mounted) for e in d.events if isinstance(e, facts.ImagePushed)]
    assert first.sent == size, "the manifest alone"
    assert second.sent == size + image.manifest.config.size, "a mount is of layers, as docker does it"
    assert f": Mounted from {one.partition('/')[2]}\n" in mounted.out


def test_a_push_changes_nothing_of_the_host_but_what_it_knows_of_registries(host: Host, debian: Distribution) -> None:
    name = f"{debian.name}/{fresh('pizza')}"
    host("pull", "pizza/dough")
    host("tag", "pizza/dough", name)
    before = host.journal.head("k")
    done = host("push", name)
    after = host.journal.head("k")
    assert done.changed
    [record], [was] = after.host.images.values(), before.host.images.values()
    assert set(record.repo_digests) == {*was.repo_digests, f"{name}@{record.manifest}"}
    assert (after.host.references, after.host.containers) == (before.host.references, before.host.containers)
    assert any(isinstance(event, OUTSIDE) for event in host.journal.events(after.id))
    assert not host("push", name).changed, "the same again is nothing new"
    host.journal.undo("k")
    held = debian.get(f"/v2/{name.partition('/')[2]}/manifests/latest", "application/vnd.oci.image.manifest.v1+json")
    assert held == host.journal.blobs.read(record.manifest), "what was given stays given"


def test_all_tags_of_a_repository_are_pushed(host: Host, debian: Distribution) -> None:
    name = f"{debian.name}/{fresh('pizza')}"
    for dish in ("dough", "cheese"):
        host("pull", f"pizza/{dish}")
        host("tag", f"pizza/{dish}", f"{name}:{dish}")
    host("push", "-a", name)
    tags = json.loads(debian.get(f"/v2/{name.partition('/')[2]}/tags/list"))["tags"]
    assert sorted(tags) == ["cheese", "dough"]


def test_the_index_of_a_tag_is_kept_and_the_platform_chosen(host: Host, tmp_path: Path) -> None:
    # rule 22
    layout = Builder(tmp_path / "layout")
    entries = [
        layout.image(
            tarball({"arch": arch.encode()}),
            architecture=arch,
            descriptor={"platform": {"os": "linux", "architecture": arch}},
        )
        for arch in ("amd64", "arm64")
    ]
    index = layout.list(*entries)
    layout.tag("many:1", index)
    with serving(of_registry(Registry(Layout(layout.path)))) as server:
        name = f"localhost:{server.port}/library/many:1"
        host("pull", "--platform", "linux/aarch64", name)
        assert host.manifest(name) == layout.file(entries[1]["digest"]).read_bytes()
        assert host.journal.blobs.read(index["digest"]) == layout.file(index["digest"]).read_bytes()
        host.journal.sweep(grace=0)
        assert index["digest"] in host.journal.blobs, "the repo digest names it"
        assert index["digest"] in host("inspect", "-f", "{{json .RepoDigests}}", name).out
        assert host("run", name, "cat", "/arch").out == "arm64"
        assert host("run", "--platform", "linux/amd64", name, "cat", "/arch").out == "amd64"
        said = host.fails("pull", "--platform", "linux/s390x", name)
        assert "no matching manifest for linux/s390x in the manifest list entries" in said
        assert "cannot parse platform specifier" in host.fails("pull", "--platform", "linux", name)


# Logins


def test_login_keeps_what_the_registry_lets_in_and_logout_forgets_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with distribution(tmp_path / "registry", login=True) as registry:
        data = tmp_path / "data"

        def run(*words: str, stdin: str = "") -> tuple[int, str, str]:
            (tmp_path / "stdin").write_text(stdin)
            with (tmp_path / "stdin").open() as stream:
                monkeypatch.setattr("sys.stdin", stream)
                status = command_line.main(["--data", str(data), *words])
            return (status, *capfd.readouterr())

        name = f"{registry.name}/pizza/dough"
        run("pull", "pizza/dough")
        run("tag", "pizza/dough", name)
        status, _, err = run("push", name)
        assert (status, err) == (1, "unauthorized: authentication required\n")
        status, _, err = run("login", "-u", USER, "-p", "wrong", registry.name)
        assert (status, err) == (
            1,
            f"Error response from daemon: login attempt to http://{registry.name}/v2/ failed with status: "
            "401 Unauthorized\n",
        )
        assert not (data / "credentials.json").exists()
        status, out, _ = run("login", "-u", USER, "--password-stdin", registry.name, stdin=f"{PASSWORD}\n")
        assert (status, out) == (0, "Login Succeeded\n")
        assert Credentials(data / "credentials.json").find(registry.name) == Account(USER, PASSWORD)
        assert run("push", name)[0] == 0
        assert run("pull", name)[0] == 0
        for path in data.rglob("*"):
            if path.is_file() and path.name != "credentials.json":
                assert PASSWORD.encode() not in path.read_bytes(), path
        assert run("logout", registry.name)[1] == f"Removing login credentials for {registry.name}\n"
        assert run("logout", registry.name)[1] == f"Not logged in to {registry.name}\n"
        status, _, err = run("pull", name)
        assert (status, err) == (1, "Error response from daemon: unauthorized: authentication required\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["login"], "Error: Cannot perform an interactive login from a non TTY device"),
        (["login", "-u", "a", "-p", "b", "--password-stdin", "x:1"], "--password and --password-stdin are mutually ex"),
        (["login", "--password-stdin", "x:1"], "Must provide --username with --password-stdin"),
        (["login", "-u", "a:b", "-p", "c", "x:1"], "a user name has no colon in it"),
        (["login", "-u", "a", "-p", "b", "no registry"], "'no registry' names no registry"),
        (
            ["login", "-u", "a", "-p", "b", "localhost:1"],
            'Error response from daemon: Get "http://localhost:1/v2/": dial',
        ),
    ],
)
def test_a_login_that_makes_no_sense_is_refused(tmp_path: Path, words: list[str], said: str) -> None:
    host = Host(tmp_path, Network(credentials=Credentials(tmp_path / "credentials.json"), patience=QUICK))
    assert host.fails(*words).startswith(said)
    assert not (tmp_path / "credentials.json").exists()
    host.journal.close()


# Visitors


def test_visitors_reach_no_registry_unless_they_may(tmp_path: Path) -> None:
    journal = Journal(tmp_path, menu=LAYOUT)
    journal.enter("k")
    journal.do("k", ["pull", "pizza/dough"])
    for argv, said in (
        (["pull", "docker.io/pizza/dough"], "docker.io cannot be reached"),
        (["pull", "localhost:5000/x"], "localhost:5000 cannot be reached"),
        (["pull", "pizza/nothing"], "manifest for pizza/nothing:latest not found: manifest unknown: manifest unknown"),
        (["login", "-u", "a", "-p", "b"], "no registry outside can be reached from here"),
        (["import", "/etc/passwd"], "there are no files of yours here"),
    ):
        with pytest.raises(CommandError, match=said):
            journal.do("k", argv)
    assert "docker.io cannot be reached" in journal.do("k", ["push", "pizza/dough"]).err
    journal.close()


def test_visitors_who_may_reach_others_do_not_reach_inside_nor_log_in(tmp_path: Path) -> None:
    with serving(lambda talk: talk.say(200, b"{}")) as server:
        host = Host(tmp_path, Network(Addresses(public), patience=QUICK))
        for name in (server.name, f"localhost:{server.port}"):
            assert "this address is not open to visitors" in host.fails("pull", f"{name}/a/b")
        assert "could be read by all who look" in host.fails("login", "-u", "a", "-p", "b", server.name)
        assert server.asked == []
        host.journal.close()


def test_a_servers_own_registry_is_reached_without_a_socket_and_knows_its_caller(tmp_path: Path) -> None:
    called: list[tuple[str, str]] = []
    layout = Builder(tmp_path / "layout")
    layout.tag("mine/dough:latest", layout.image(tarball({"a": b"own"})))

    def own(registry: str, caller: str) -> Transport | None:
        called.append((registry, caller))
        return InProcess(Registry(Layout(layout.path))) if registry == "kitchen.example:8000" else None

    journal = Journal(tmp_path / "data", menu=LAYOUT, own=own)
    journal.enter("k")
    assert journal.do("k", ["pull", "kitchen.example:8000/mine/dough"]).status == 0
    with pytest.raises(CommandError, match=r"other\.example cannot be reached"):
        journal.do("k", ["pull", "other.example/mine/dough"])
    journal.do("k", ["pull", "pizza/dough"])
    assert called == [("kitchen.example:8000", "k"), ("other.example", "k")]
    journal.close()


# What goes wrong


class Refusing(Registry):
    """A registry that answers some requests as it is told, and others by an upload that takes all."""

    def __init__(self, *, upload: Callable[[Request], Response | None] = lambda _: None) -> None:
        self.said, self.took = upload, 0

    def handle(self, request: Request, caller: Caller = NOBODY) -> Response:
        if (said := self.said(request)) is not None:
            return said
        match request.method:
            case "HEAD":
                return Response(404, {})
            case "POST":
                return Response(202, {"location": "/v2/up/1?state=a"})
            case "PATCH":
                self.took += sum(len(piece) for piece in request.body)
                return Response(202, {"location": "/v2/up/2?state=b"})
        return Response(201, {})


def refusal(status: int, code: str = "", message: str = "") -> Response:
    body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
    return Response(status, {"content-type": "application/json"}, (body,))


@pytest.mark.parametrize(
    ("when", "answer", "said"),
    [
        ("POST", refusal(403, "DENIED", ""), "denied: requested access to the resource is denied"),
        ("HEAD", Response(401, {}), "unauthorized: authentication required"),
        (
            "PATCH",
            refusal(507, "UNKNOWN", "full"),
            "layer 1 of 1: the registry answered 507 to PATCH /v2/up/1: UNK",
        ),
        (
            "PUT",
            refusal(400, "DIGEST_INVALID", "no"),
            "layer 1 of 1: the registry answered 400 to PUT /v2/up/2: DIG",
        ),
        ("POST", Response(202, {}), "layer 1 of 1: the registry answered 202 to POST .*: no location to go on with"),
        ("POST", Response(202, {"location": "http://x/\x7f"}), "no location to go on with"),
    ],
)
def test_a_push_that_is_refused_says_why_and_by_what(tmp_path: Path, when: str, answer: Response, said: str) -> None:
    registry = Refusing(upload=lambda request: answer if request.method == when else None)
    host = Host(tmp_path, own=lambda *_: InProcess(registry))
    host("pull", "pizza/dough")
    host("tag", "pizza/dough", "shop.example/dough")
    assert re.search(said, host.fails("push", "shop.example/dough"))
    assert host.journal.head("k").host.find_image("shop.example/dough").repo_digests == (  # type: ignore[union-attr]
        f"pizza/dough@{host.journal.head('k').host.find_image('pizza/dough').manifest}",  # type: ignore[union-attr]
    )
    host.journal.close()


def test_an_upload_keeps_to_the_host_and_to_the_query_it_was_given(tmp_path: Path) -> None:
    asked: list[str] = []

    def note(request: Request) -> Response | None:
        asked.append(f"{request.method} {request.path}?{request.query}")
        if request.method == "POST":
            return Response(202, {"location": "https://evil.example/v2/up/1?state=a"})
        return None

    host = Host(tmp_path, own=lambda *_: InProcess(Refusing(upload=note)))
    host("pull", "pizza/dough")
    host("tag", "pizza/dough", "shop.example/dough")
    host("push", "shop.example/dough")
    assert "PATCH /v2/up/1?state=a" in asked
    digests = [path for path in asked if path.startswith("PUT /v2/up/2?state=b&digest=sha256%3A")]
    assert len(digests) == 2, "the layer, and the config"
    assert not [path for path in asked if "mount=" in path], "what another registry has is none of its"
    assert asked[-1] == "PUT /v2/dough/manifests/latest?"
    host.journal.close()


def test_a_push_can_be_cancelled(tmp_path: Path) -> None:
    heard: list[Event] = []
    host = Host(tmp_path, own=lambda *_: InProcess(Refusing()))
    host("pull", "pizza/pepperoni")
    host("tag", "pizza/pepperoni", "shop.example/x")
    with pytest.raises(EngineError, match="cancelled"):
        host("push", "shop.example/x", progress=heard.append, cancelled=lambda: len(heard) > 6)
    host.journal.close()


class Shelf:
    """A registry that is pushed to, as a kitchen of this process or over HTTP, and its open uploads."""

    def __init__(self, path: Path, limits: Limits | None = None) -> None:
        path.mkdir()
        self.registry = Registry(None, Store(path, DirectoryBlobs(path / "blobs"), limits=limits))
        self.me = Caller("me")
        self.opened, self._directory = 0, path / "uploads"

    def handle(self, request: Request, caller: Caller = NOBODY) -> Response:
        answer = self.registry.handle(request, self.me)
        self.opened += answer.status == 202 and request.method == "POST"
        return answer

    def uploads(self) -> list[str]:
        return [path.name for path in self._directory.iterdir()]


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "shelf")


def test_a_push_that_is_stopped_leaves_no_upload_open(tmp_path: Path, shelf: Shelf) -> None:
    host = Host(tmp_path / "host", own=lambda *_: InProcess(shelf))  # type: ignore[arg-type]
    (tmp_path / "large.tar").write_bytes(tarball({"large": os.urandom(1 << 20)}))
    host("import", str(tmp_path / "large.tar"), "shop.example/me/x")
    for _ in range(20):
        sent: list[int] = []

        def hear(event: Event, sent: list[int] = sent) -> None:
            if isinstance(event, facts.Progress) and event.phase == "pushing":
                sent.append(event.done)

        with pytest.raises(EngineError, match="cancelled"):
            host("push", "shop.example/me/x", progress=hear, cancelled=lambda sent=sent: len(sent) > 1)
        assert sent[-1] > 0
        assert shelf.uploads() == []
    assert shelf.opened == 20
    host("push", "shop.example/me/x")
    host.journal.close()


def test_an_upload_that_a_refused_mount_has_opened_is_not_left_open(shelf: Shelf) -> None:
    remote, wanted = Remote(InProcess(shelf)), Descriptor(media_type="x", digest=digest_of(b"abc"), size=3)  # type: ignore[arg-type]
    opened = remote.mount("me/x", wanted.digest, "me/y")
    assert opened
    with pytest.raises(EngineError):
        remote.upload("me/x", wanted, [b"abd"], opened)

    def lost() -> Iterator[bytes]:
        yield b"a"
        raise BlobUnknown(wanted.digest)

    with pytest.raises(EngineError):
        remote.upload("me/x", wanted, lost(), remote.mount("me/x", wanted.digest, "me/y"))
    assert shelf.uploads() == []
    assert shelf.opened == 2


def test_an_upload_over_http_that_was_aborted_is_deleted_on_another_connection(shelf: Shelf) -> None:
    wanted = Descriptor(media_type="x", digest=digest_of(bytes(4 << 20)), size=4 << 20)
    with serving(of_registry(shelf)) as server:  # type: ignore[arg-type]
        remote = Remote(Network(patience=QUICK).transport(server.name))

        def stopped() -> Iterator[bytes]:
            yield bytes(1 << 20)
            remote.abort()
            yield bytes(3 << 20)

        with pytest.raises(Cancelled):
            remote.upload("me/x", wanted, stopped())
        assert shelf.opened == 1
        assert shelf.uploads() == []


@pytest.mark.parametrize("busy", [True, False])
def test_a_registry_that_does_not_let_go_holds_nobody_up(monkeypatch: pytest.MonkeyPatch, busy: bool) -> None:
    monkeypatch.setattr(network, "FORGET_SECONDS", 0.5)
    wanted = Descriptor(media_type="x", digest=digest_of(b"abc"), size=3)
    ended = threading.Event()

    def answer(talk: Talk) -> None:
        b"".join(talk.body())
        if talk.method == "DELETE" and not busy:
            ended.wait(10)
        status = {"POST": 202, "DELETE": 409}.get(talk.method, 500)
        return talk.say(status, b"", {"location": "/v2/up/1"})

    with serving(answer) as server:
        begun = time.monotonic()
        with pytest.raises(EngineError, match="500 to PATCH"):
            Remote(Network(patience=QUICK).transport(server.name)).upload("me/x", wanted, [b"abc"])
        assert 0.4 < time.monotonic() - begun < 3
        assert ("DELETE", "/v2/up/1") in {(asked.method, asked.path) for asked in server.asked}
        ended.set()


def test_an_upload_over_http_is_streamed_with_its_length(tmp_path: Path) -> None:
    def answer(talk: Talk) -> None:
        if talk.method == "HEAD":
            return talk.say(404)
        taken = sum(len(piece) for piece in talk.body())
        if talk.method == "PATCH":
            assert taken == int(talk.headers["content-length"])
        return talk.say({"POST": 202, "PATCH": 202, "PUT": 201}[talk.method], b"", {"location": "/v2/up/1"})

    host = Host(tmp_path)
    host("pull", "pizza/dough")
    with serving(answer) as server:
        host("tag", "pizza/dough", f"{server.name}/dough")
        host("push", f"{server.name}/dough")
        patches = [asked for asked in server.asked if asked.method == "PATCH"]
    assert patches
    assert all("transfer-encoding" not in asked.headers for asked in patches)
    host.journal.close()


# dockerd's own words


@pytest.fixture(scope="module")
def twins(dockerd: peers.Dockerd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twins]:
    made = Twins(dockerd, tmp_path_factory.mktemp("pushing"), Network(patience=QUICK))
    made.bring(recipes())
    yield made
    made.close()


def settled(out: str) -> list[str]:
    """A transcript without what only passes, its layers in one order; digests of manifests veiled, which dockerd makes
    anew."""
    passing = ("Preparing", "Waiting", "Pulling fs layer", "Verifying Checksum", "Download complete")
    lines = [line for line in out.splitlines() if not line.endswith(passing)]
    lines = [re.sub(r"sha256:[0-9a-f]{64}( size: \d+)?", "<digest>", line) for line in lines]
    places = [n for n, line in enumerate(lines) if TABLE.match(line)]
    for place, line in zip(places, sorted(lines[n] for n in places), strict=True):
        lines[place] = line
    return lines


def test_pushes_are_told_as_dockerd_tells_them(twins: Twins, debian: Distribution) -> None:
    # section F
    for side, who in ((twins.ours, "a"), (twins.theirs, "b")):
        base = f"{debian.name}/{fresh(who)}"
        said = []
        for name in (f"{base}/one", f"{base}/one:2", f"{base}/two:1"):
            assert side("tag", IMAGE, name).status == 0
        for words in (
            ("push", f"{base}/one"),
            ("push", f"{base}/one"),
            ("push", "-a", f"{base}/one"),
            ("push", f"{base}/two:1"),
            ("push", "-q", f"{base}/two:1"),
        ):
            done = side(*words)
            assert (done.status, done.err) == (0, ""), done
            said.append([line.replace(base.partition("/")[2], "X") for line in settled(done.out)])
        digests = json.loads(side("inspect", "-f", "{{json .RepoDigests}}", f"{base}/one").out)
        said.append(sorted(name.partition("@")[0].replace(base, "X") for name in digests if base in name))
        if who == "a":
            ours = said
    assert ours == said


def test_pulls_are_told_as_dockerd_tells_them(twins: Twins, debian: Distribution, tmp_path: Path) -> None:
    # section F, rule 27a
    base = f"{debian.name}/{fresh('shared')}"
    lower = {"etc/motd": b"hot\n" * 1000}
    layout = images.layout(
        tmp_path / "layout",
        {
            "one": images.Recipe([lower, {"etc/one": b"1"}]),
            "two": images.Recipe([lower, {"etc/one": b"1"}, {"etc/two": b"2"}]),
        },
    )
    skopeo = [peers.need("skopeo"), "copy", "-q", "--insecure-policy", "--dest-tls-verify=false"]
    for name in ("one", "two"):
        subprocess.run([*skopeo, f"oci:{layout}:{name}:latest", f"docker://{base}/{name}:1"], check=True)
    for words in (
        ("pull", f"{base}/one:1"),
        ("pull", f"{base}/two:1"),
        ("pull", f"{base}/two:1"),
        ("pull", "-q", f"{base}/two:1"),
        ("history", f"{base}/two:1"),
        ("history", "--no-trunc", "-q", f"{base}/one:1"),
        ("pull", f"{base}/two:none"),
        ("images", f"{base}/two"),
    ):
        ours, theirs = twins.both(*words)
        assert (settled(ours.out), ours.err, ours.status) == (settled(theirs.out), theirs.err, theirs.status), words


@pytest.mark.parametrize(
    "line",
    [
        "push",
        "push a b",
        "push UPPER",
        "push nope",
        "push nope:1",
        "push -a nope",
        "push -a nope:1",
        f"push a@sha256:{'0' * 64}",
        "push localhost:1/x",
        "pull localhost:1/x:1",
        "import",
        "import /nope/x.tar",
        "import /dev/null UPPER",
        "import -c FROM /dev/null",
        "image push nope",
        "logout --nope",
        "login -Z",
        "login a b",
        "logout a b",
    ],
)
def test_a_call_that_makes_no_sense_is_refused_in_dockers_words(twins: Twins, line: str) -> None:
    twins.both("tag", IMAGE, "localhost:1/x")
    ours, theirs = twins.both(*line.split())
    assert ours.veiled() == theirs.veiled()
