"""Pulling: what is asked for, what is checked, what is kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import digest as digests
from engine import events as facts
from engine import reference as references
from engine.blobs import DirectoryBlobs
from engine.digest import Digest
from engine.errors import (
    BlobUnknown,
    Cancelled,
    DigestMismatch,
    EngineError,
    LimitExceeded,
    MalformedDocument,
    MalformedLayer,
    ManifestUnknown,
    SizeMismatch,
    Unsupported,
)
from engine.events import Event
from engine.layerstore import LayerStore
from engine.memoryblobs import MemoryBlobs
from engine.ocilayout import Layout
from engine.platforms import NESTED_MAX, PlatformUnknown, choose
from engine.pull import Pulled, pull
from engine.registry import NOBODY, Caller, Registry, Request, Response
from engine.remote import InProcess, RegistryFailed, Remote, Transport
from engine.spec import Descriptor, Index, Platform
from tests.engine.oci import TYPES, Builder, Json, Watched, body, digest_of, get, tarball, zipped
from tests.engine.transports import TransportContract

DOUGH = tarball({"pizza/crust": b"crust " * 5000})
SAUCE = tarball({"pizza/sauce": b"sauce " * 2000})
CHEESE = tarball({"pizza/cheese": b"cheese " * 1000})
EMPTY_HISTORY: Mapping[str, Any] = {"history": []}


class TestInProcess(TransportContract):
    """The transport to a registry of this process keeps the contract."""

    def carry(self, registry: Registry) -> AbstractContextManager[Transport]:
        return nullcontext(InProcess(registry))


class Kitchen:
    """A layout behind a watched registry, and a pool to pull into."""

    def __init__(self, path: Path) -> None:
        self.layout = Builder(path / "layout")
        self.blobs = DirectoryBlobs(path / "pool")
        self.layers = LayerStore(self.blobs, path / "cache")
        self.registry: Watched
        self.remote: Remote

    def pull(self, name: str = "pizza/cheese", **options: Any) -> Pulled:
        self.registry = Watched(Layout(self.layout.path))
        self.remote = Remote(InProcess(self.registry))
        held = options.pop("held", ())
        reference = references.parse(name).tagged()
        pulled = pull(reference, self.remote, held, self.blobs, self.layers, **options)
        assert pulled.sent == self.registry.yielded
        return pulled

    def fails(self, error: type[EngineError], match: str | None = None, **options: Any) -> EngineError:
        """The error that a pull ends with, no image being in the pool and no blob in it damaged."""
        before = set(self.blobs)
        with pytest.raises(error, match=match) as caught:
            self.pull(**options)
        assert self.remote.sent == self.registry.yielded
        assert self.registry.closed == len(self.registry.asked)
        new = set(self.blobs) - before
        manifests = {d["digest"] for d in self.layout.index["manifests"]}
        assert not new & manifests
        for digest in self.blobs:
            assert digests.of(self.blobs.read(digest, 1 << 30)) == digest
        assert list((self.layout.path.parent / "pool" / "tmp").iterdir()) == []
        return caught.value


@pytest.fixture
def kitchen(tmp_path: Path) -> Kitchen:
    return Kitchen(tmp_path)


@pytest.fixture
def cheese(kitchen: Kitchen) -> Json:
    """The manifest of pizza/cheese, three layers."""
    return kitchen.layout.tag("pizza/cheese:latest", kitchen.layout.image(DOUGH, SAUCE, CHEESE))


def kinds(events: tuple[Event, ...]) -> list[str]:
    return [type(event).__name__ for event in events]


# What is sent


def test_a_pull_brings_manifest_config_and_layers_as_they_are_stored(kitchen: Kitchen, cheese: Json) -> None:
    # rule 21
    pulled = kitchen.pull()
    named = kitchen.layout.index["manifests"][0]["digest"]
    assert pulled.digest == pulled.image.digest == named
    assert pulled.image.id == cheese["config"]["digest"]
    for digest in (named, pulled.image.id, *(layer["digest"] for layer in cheese["layers"])):
        assert kitchen.blobs.read(digest) == kitchen.layout.file(digest).read_bytes()
    assert pulled.sent == sum(kitchen.blobs.size(digest) for digest in kitchen.blobs)
    assert pulled.avoided == 0


def test_the_events_tell_it_in_order(kitchen: Kitchen, cheese: Json) -> None:
    pulled = kitchen.pull()
    manifest, config, *layers = pulled.events
    assert manifest == facts.DocumentPulled(
        kind="manifest", digest=pulled.digest, size=len(kitchen.blobs.read(pulled.digest))
    )
    assert config == facts.DocumentPulled(kind="config", digest=pulled.image.id, size=cheese["config"]["size"])
    assert layers == [
        facts.LayerPulled(digest=d["digest"], diff_id=Digest(digest_of(tar)), size=d["size"], unpacked=size)
        for d, tar, size in zip(cheese["layers"], (DOUGH, SAUCE, CHEESE), (30_000, 12_000, 7_000), strict=True)
    ]


def test_what_the_host_holds_is_not_asked_for(kitchen: Kitchen, cheese: Json) -> None:
    held = kitchen.pull().image.content
    kitchen.layout.tag("pizza/four:latest", kitchen.layout.image(DOUGH, SAUCE, CHEESE, tarball({"x": b"x"})))
    pulled = kitchen.pull("pizza/four", held=held)
    shared = [layer["digest"] for layer in cheese["layers"]]
    assert kinds(pulled.events) == ["DocumentPulled"] * 2 + ["LayerReused"] * 3 + ["LayerPulled"]
    assert [e.digest for e in pulled.events if isinstance(e, facts.LayerReused)] == shared
    assert pulled.avoided == sum(layer["size"] for layer in cheese["layers"])
    assert not [path for path in kitchen.registry.asked if any(digest in path for digest in shared)]


def test_a_layer_that_is_held_is_not_sent_again_whatever_it_lies_on(kitchen: Kitchen, cheese: Json) -> None:
    """Sharing is by digest; classic dockerd, which shares equal prefixes alone, fetches it again."""  # rule 27a
    held = kitchen.pull().image.content
    shared = cheese["layers"][1]["digest"]
    kitchen.layout.tag("pizza/white:latest", kitchen.layout.image(tarball({"pizza/crust": b"white"}), SAUCE))
    pulled = kitchen.pull("pizza/white", held=held)
    assert kinds(pulled.events) == ["DocumentPulled"] * 2 + ["LayerPulled", "LayerReused"]
    assert pulled.image.layers[1].digest == shared
    assert not [path for path in kitchen.registry.asked if shared in path]


def test_an_image_that_is_held_costs_its_manifest_alone(kitchen: Kitchen, cheese: Json) -> None:
    first = kitchen.pull()
    again = kitchen.pull(held={*first.image.content, first.digest})
    assert again.image == first.image
    assert again.sent == len(kitchen.blobs.read(first.digest))
    assert kinds(again.events) == ["DocumentPulled"] + ["LayerReused"] * 3
    assert again.events[0] == facts.DocumentPulled(kind="manifest", digest=first.digest, size=again.sent, held=True)


def test_what_only_the_pool_has_is_sent_all_the_same(kitchen: Kitchen, cheese: Json) -> None:
    first = kitchen.pull()
    again = kitchen.pull()
    assert again.sent == first.sent
    assert again.events == first.events


def test_what_the_host_should_hold_and_the_pool_has_lost_is_fetched_again(kitchen: Kitchen, cheese: Json) -> None:
    held = kitchen.pull().image.content
    kitchen.blobs.sweep((), grace=-1)
    assert kinds(kitchen.pull(held=held).events) == ["DocumentPulled"] * 2 + ["LayerPulled"] * 3


def test_a_layer_that_stands_twice_is_fetched_once_and_stays_two_layers(kitchen: Kitchen) -> None:
    # rule 26
    manifest = kitchen.layout.tag("pizza/cheese:latest", kitchen.layout.image(DOUGH, SAUCE, DOUGH))
    pulled = kitchen.pull()
    asked = [path for path in kitchen.registry.asked if manifest["layers"][0]["digest"] in path]
    assert len(asked) == 1
    assert kinds(pulled.events) == ["DocumentPulled"] * 2 + ["LayerPulled"] * 2
    assert [layer.diff_id for layer in pulled.image.layers] == [digest_of(tar) for tar in (DOUGH, SAUCE, DOUGH)]
    assert len({layer.chain_id for layer in pulled.image.layers}) == 3
    again = kitchen.pull(held=pulled.image.content)
    assert again.avoided == sum(layer["size"] for layer in manifest["layers"][:2])


def test_two_blobs_of_one_diff_id_are_both_fetched(kitchen: Kitchen) -> None:
    # rule 26
    plain = kitchen.layout.blob(DOUGH, TYPES["oci"][2])
    image = kitchen.layout.image(DOUGH, diff_ids=[digest_of(DOUGH)] * 2, change=lambda m: m["layers"].append(plain))
    kitchen.layout.tag("pizza/cheese:latest", image)
    assert kinds(kitchen.pull().events)[2:] == ["LayerPulled"] * 2


def test_a_digest_is_pulled_as_such(kitchen: Kitchen, cheese: Json) -> None:
    named = kitchen.layout.index["manifests"][0]["digest"]
    assert kitchen.pull(f"pizza/cheese:nosuchtag@{named}").digest == named


@pytest.mark.parametrize("pack", [bytes, zipped], ids=["plain", "gzip"])
def test_docker_images_are_accepted_and_kept(kitchen: Kitchen, pack: Callable[[bytes], bytes]) -> None:
    # rule 24
    descriptor = kitchen.layout.image(DOUGH, SAUCE, style="docker", pack=pack)
    kitchen.layout.tag("pizza/cheese:latest", kitchen.layout.list(descriptor, style="docker"))
    pulled = kitchen.pull()
    assert kitchen.blobs.read(pulled.image.digest) == kitchen.layout.file(descriptor["digest"]).read_bytes()
    assert pulled.image.manifest.media_type == TYPES["docker"][0]
    assert pulled.digest != pulled.image.digest


def test_the_urls_of_a_descriptor_are_never_followed(kitchen: Kitchen) -> None:
    def elsewhere(manifest: Json) -> None:
        manifest["layers"][0]["urls"] = ["http://127.0.0.1:1/layer"]
        manifest["layers"][0]["mediaType"] = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"

    manifest = kitchen.layout.tag("pizza/cheese:latest", kitchen.layout.image(DOUGH, change=elsewhere))
    assert kitchen.pull().image.layers
    kitchen.layout.file(manifest["layers"][0]["digest"]).unlink()
    kitchen.fails(BlobUnknown)
    assert all(path.startswith("/v2/pizza/cheese/") for path in kitchen.registry.asked)


def test_progress_tells_of_each_blob_to_its_end(kitchen: Kitchen, cheese: Json) -> None:
    heard: list[Event] = []
    kitchen.pull(progress=heard.append)
    for layer in cheese["layers"]:
        mine = [e for e in heard if isinstance(e, facts.Progress) and e.digest == layer["digest"]]
        phases = [event.phase for event in mine]
        assert list(dict.fromkeys(phases)) == [
            "waiting",
            "downloading",
            "verifying",
            "downloaded",
            "extracting",
            "done",
        ]
        assert [e.done for e in mine if e.phase == "downloading"][-1] == layer["size"]
        assert {e.total for e in mine} == {layer["size"]}
    held = [layer["digest"] for layer in cheese["layers"]]
    heard.clear()
    kitchen.pull(progress=heard.append, held=held)
    assert [e.phase for e in heard if isinstance(e, facts.Progress)] == ["exists"] * 3


# Damage


def grown(data: bytes) -> bytes:
    return data + b"!"


def cut(data: bytes) -> bytes:
    return data[:-1]


def changed(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


def emptied(_data: bytes) -> bytes:
    return b""


PARTS: Mapping[str, Callable[[Kitchen, Json], str]] = {
    "config": lambda kitchen, manifest: manifest["config"]["digest"],
    "first layer": lambda kitchen, manifest: manifest["layers"][0]["digest"],
    "last layer": lambda kitchen, manifest: manifest["layers"][2]["digest"],
}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(
    ("damage", "error"),
    [(grown, SizeMismatch), (cut, SizeMismatch), (emptied, SizeMismatch), (changed, DigestMismatch)],
)
def test_a_damaged_blob_makes_the_pull_fail_with_nothing_kept(
    kitchen: Kitchen, cheese: Json, part: str, damage: Callable[[bytes], bytes], error: type[EngineError]
) -> None:
    # rule 19
    file = kitchen.layout.file(PARTS[part](kitchen, cheese))
    file.write_bytes(damage(file.read_bytes()))
    kitchen.fails(error, "pull pizza/cheese:latest")
    file.write_bytes(b"")
    file.unlink()
    kitchen.fails(BlobUnknown, "pull pizza/cheese:latest")


@pytest.mark.parametrize(
    ("damage", "error"), [(changed, DigestMismatch), (cut, DigestMismatch), (emptied, DigestMismatch)]
)
def test_a_damaged_manifest_makes_the_pull_fail_with_nothing_kept(
    kitchen: Kitchen, cheese: Json, damage: Callable[[bytes], bytes], error: type[EngineError]
) -> None:
    file = kitchen.layout.file(kitchen.layout.index["manifests"][0]["digest"])
    file.write_bytes(damage(file.read_bytes()))
    kitchen.fails(error)
    assert set(kitchen.blobs) == set()
    file.unlink()
    kitchen.fails(ManifestUnknown)


class Silent(Watched):
    """A registry that announces no length."""

    def handle(self, request: Request, caller: Caller = NOBODY) -> Response:
        response = super().handle(request, caller)
        headers = {key: value for key, value in response.headers.items() if key != "content-length"}
        return Response(response.status, headers, response.chunks)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("content", [b"", b"short", bytes(1 << 20)], ids=["empty", "short", "long"])
def test_sizes_are_checked_before_digests(kitchen: Kitchen, cheese: Json, part: str, content: bytes) -> None:
    # rule 19
    digest = PARTS[part](kitchen, cheese)
    kitchen.layout.file(digest).write_bytes(content)
    registry = Silent(Layout(kitchen.layout.path))
    with pytest.raises(SizeMismatch) as caught:
        pull(references.parse("pizza/cheese").tagged(), Remote(InProcess(registry)), (), kitchen.blobs, kitchen.layers)
    [expected] = {d["size"] for d in (cheese["config"], *cheese["layers"]) if d["digest"] == digest}
    assert caught.value.expected == expected
    assert registry.yielded < 1 << 20  # nobody waited for the rest
    assert registry.closed == len(registry.asked)


def test_a_length_that_is_announced_wrong_is_enough(kitchen: Kitchen, cheese: Json) -> None:
    # rule 19
    registry = Watched(Layout(kitchen.layout.path))
    remote = Remote(InProcess(registry))
    layer = cheese["layers"][0]
    with pytest.raises(SizeMismatch):
        next(remote.blob("pizza/cheese", Descriptor(media_type="", digest=layer["digest"], size=layer["size"] - 1)))
    assert (remote.sent, registry.closed) == (0, 1)


def test_a_held_blob_has_the_size_that_the_manifest_says(kitchen: Kitchen, cheese: Json) -> None:
    # rule 19
    held = kitchen.pull().image.content

    def shrink(manifest: Json) -> None:
        manifest["layers"][0]["size"] -= 1

    kitchen.layout.tag("pizza/false:latest", kitchen.layout.image(DOUGH, change=shrink))
    kitchen.fails(SizeMismatch, name="pizza/false", held=held)


def test_a_layer_of_another_diff_id_is_refused(kitchen: Kitchen) -> None:
    # rule 19
    kitchen.layout.tag("pizza/cheese:latest", kitchen.layout.image(DOUGH, SAUCE, diff_ids=[digest_of(DOUGH)] * 2))
    error = kitchen.fails(DigestMismatch, "pull pizza/cheese:latest: layer 2 of 2: ")
    assert isinstance(error, DigestMismatch)
    assert (error.expected, error.actual) == (digest_of(DOUGH), digest_of(SAUCE))


def test_one_blob_cannot_be_two_diff_ids(kitchen: Kitchen) -> None:
    # rule 26
    image = kitchen.layout.image(DOUGH, DOUGH, diff_ids=[digest_of(DOUGH), digest_of(SAUCE)])
    kitchen.layout.tag("pizza/cheese:latest", image)
    kitchen.fails(DigestMismatch, "layer 2 of 2")


def test_a_held_blob_is_not_taken_for_another_layer_that_is_at_hand(kitchen: Kitchen, cheese: Json) -> None:
    held = kitchen.pull().image.content
    kitchen.layout.tag("pizza/false:latest", kitchen.layout.image(DOUGH, diff_ids=[digest_of(SAUCE)]))
    kitchen.fails(DigestMismatch, name="pizza/false", held=held)


def test_a_blob_that_is_no_layer_is_refused(kitchen: Kitchen) -> None:
    kitchen.layout.tag("pizza/cheese:latest", kitchen.layout.image(b"no tar" * 1000))
    kitchen.fails(MalformedLayer, "pull pizza/cheese:latest: layer 1 of 1: ")


# Documents


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"history": [{"created_by": "a"}] * 4}, "history has 4 layers"),
        ({"rootfs": {"type": "tree", "diff_ids": []}}, "rootfs.type"),
        ({"rootfs": {"type": "layers", "diff_ids": ["sha256:0"]}}, "diff_ids"),
        ({"rootfs": {"type": "layers", "diff_ids": [], "more": 1}, "history": []}, "3 layers, the config 0"),
        ({"os": 1}, "os"),
    ],
)
def test_a_config_that_breaks_a_rule_is_refused(kitchen: Kitchen, fields: Json, word: str) -> None:
    # rule 20
    kitchen.layout.tag("pizza/cheese:latest", kitchen.layout.image(DOUGH, SAUCE, CHEESE, **fields))
    kitchen.fails(MalformedDocument, word)
    assert set(kitchen.blobs) == set()


@pytest.mark.parametrize(
    "history",
    [None, [], [{"created_by": "a"}], [{"empty_layer": True}] * 9 + [{"created_by": "a"}, {"created_by": "b"}]],
)
def test_history_may_be_absent_or_short(kitchen: Kitchen, history: Any) -> None:
    # rule 20
    kitchen.layout.tag("pizza/cheese:latest", kitchen.layout.image(DOUGH, SAUCE, history=history))
    image = kitchen.pull().image
    assert [step.layer for step in image.steps if step.layer is not None] == [0, 1]


def test_125_layers_are_possible_and_126_are_not(kitchen: Kitchen) -> None:
    # rule 20
    tars = [tarball({f"n{n}": b""}) for n in range(126)]
    kitchen.layout.tag("many:125", kitchen.layout.image(*tars[:125]))
    kitchen.layout.tag("many:126", kitchen.layout.image(*tars))
    assert len(kitchen.pull("many:125").image.layers) == 125
    kitchen.fails(MalformedDocument, "126 layers", name="many:126")


def both(manifest: Json) -> None:
    manifest["manifests"] = []


def negative(manifest: Json) -> None:
    manifest["layers"][0]["size"] = -1


def chart(manifest: Json) -> None:
    manifest["config"]["mediaType"] = "application/vnd.cncf.helm.config.v1+json"


def two_sizes(manifest: Json) -> None:
    manifest["layers"].append({**manifest["layers"][0], "size": 1})


def ancient(manifest: Json) -> None:
    manifest["mediaType"] = "application/vnd.docker.distribution.manifest.v1+json"


def unsure(manifest: Json) -> None:
    manifest["mediaType"] = TYPES["docker"][0]


def huge_config(manifest: Json) -> None:
    manifest["config"]["size"] = (4 << 20) + 1


@pytest.mark.parametrize(
    ("change", "error", "word"),
    [
        (both, MalformedDocument, "together"),
        (negative, MalformedDocument, "negative"),
        (chart, Unsupported, "helm"),
        (two_sizes, MalformedDocument, "1 there"),
        (ancient, MalformedDocument, "manifest.v1"),
        (unsure, MalformedDocument, "calls itself"),
        (huge_config, LimitExceeded, "document"),
    ],
)
def test_a_manifest_that_breaks_a_rule_is_refused(
    kitchen: Kitchen, change: Callable[[Json], None], error: type[EngineError], word: str
) -> None:
    kitchen.layout.tag("pizza/cheese:latest", kitchen.layout.image(DOUGH, change=change))
    kitchen.fails(error, word)
    assert set(kitchen.blobs) == set()


def test_a_manifest_beyond_bounds_is_not_read_to_its_end(kitchen: Kitchen) -> None:
    descriptor = kitchen.layout.blob(b"{}" + b" " * (8 << 20), TYPES["oci"][0])
    kitchen.layout.tag("pizza/cheese:latest", descriptor)
    kitchen.fails(LimitExceeded)
    assert kitchen.registry.yielded < 5 << 20


def test_an_unknown_image_is_refused_in_dockers_words(kitchen: Kitchen, cheese: Json) -> None:
    for name in ("pizza/none", "pizza/cheese:none"):
        said = kitchen.fails(ManifestUnknown, name=name)
        full = name if ":" in name else f"{name}:latest"
        assert str(said) == f"manifest for {full} not found: manifest unknown: manifest unknown"


# Indexes


def for_(platform: str) -> Json:
    os, architecture, *variant = platform.split("/")
    found = {"os": os, "architecture": architecture}
    return {"platform": found | {"variant": variant[0]} if variant else found}


@pytest.mark.parametrize(
    ("offered", "wanted", "expected"),
    [
        (["linux/amd64", "linux/arm64"], "linux/amd64", 0),
        (["linux/arm64", "linux/amd64"], "linux/amd64", 1),
        (["linux/amd64", "linux/amd64"], "linux/amd64", 0),
        (["windows/amd64", "linux/amd64"], "linux/amd64", 1),
        (["linux/amd64/v2", "linux/amd64"], "linux/amd64", 0),
        (["linux/arm/v6", "linux/arm/v7"], "linux/arm/v7", 1),
        (["linux/arm/v6", "linux/arm/v7"], "linux/arm", 0),
        (["", "linux/amd64"], "linux/amd64", 1),
        (["linux/arm64", "", ""], "linux/amd64", 1),
        (["unknown/unknown", "linux/amd64"], "linux/amd64", 1),
        (["linux/arm64"], "linux/amd64", None),
        (["linux/arm"], "linux/arm/v7", None),
        (["unknown/unknown"], "linux/amd64", None),
        ([], "linux/amd64", None),
    ],
)
@pytest.mark.parametrize("depth", [0, 1, 3])
def test_an_index_gives_the_first_manifest_of_the_platform(
    kitchen: Kitchen, offered: list[str], wanted: str, expected: int | None, depth: int
) -> None:
    # rule 22
    layout = kitchen.layout
    images = [
        layout.image(tarball({f"n{n}": b""}), descriptor=for_(platform) if platform else {})
        for n, platform in enumerate(offered)
    ]
    top = layout.list(*images)
    for _ in range(depth):
        top = layout.list(top)
    layout.tag("pizza/cheese:latest", top)
    platform = Platform(**for_(wanted)["platform"])
    if expected is None:
        said = kitchen.fails(PlatformUnknown, platform=platform)
        assert str(said).startswith(f"no matching manifest for {wanted} in the manifest list entries; it has ")
        assert "unknown" not in str(said)
        return
    pulled = kitchen.pull(platform=platform)
    assert pulled.image.digest == images[expected]["digest"]
    assert pulled.digest == top["digest"]
    documents = [e.kind for e in pulled.events if isinstance(e, facts.DocumentPulled)]
    assert documents == ["index"] * (depth + 1) + ["manifest", "config"]


def test_nested_indexes_are_searched_in_the_order_in_which_they_are_written(kitchen: Kitchen) -> None:
    # rule 22
    layout = kitchen.layout
    one, two, three = (layout.image(tarball({name: b""}), descriptor=for_("linux/amd64")) for name in "abc")
    arm = layout.image(DOUGH, descriptor=for_("linux/arm64"))
    layout.tag("pizza/cheese:latest", layout.list(layout.list(arm), layout.list(layout.list(one), two), three))
    assert kitchen.pull().image.digest == one["digest"]


def test_an_index_is_not_searched_for_ever(kitchen: Kitchen) -> None:
    top = kitchen.layout.list()
    for _ in range(NESTED_MAX + 1):
        top = kitchen.layout.list(top)
    kitchen.layout.tag("pizza/cheese:latest", top)
    kitchen.fails(LimitExceeded, "indexes within an index")


@given(st.lists(st.sampled_from(["linux/amd64", "linux/arm64", "windows/amd64"]), max_size=6), st.data())
def test_whatever_is_usable_and_first_is_chosen(offered: list[str], data: st.DataObject) -> None:
    # rule 22
    descriptors = tuple(
        Descriptor(
            media_type=TYPES["oci"][0],
            digest=digests.of(b"%d" % n),
            size=n,
            platform=Platform(**for_(platform)["platform"]),
        )
        for n, platform in enumerate(offered)
    )
    there = data.draw(st.sets(st.integers(0, 5)))
    fits = [n for n, platform in enumerate(offered) if platform == "linux/arm64" and n in there]
    index, wanted = Index(schema_version=2, manifests=descriptors), Platform(os="linux", architecture="arm64")

    def chosen() -> int:
        return choose(index, wanted, lambda d: pytest.fail(f"{d}"), lambda d: d.size in there).size

    if fits:
        assert chosen() == fits[0]
    else:
        with pytest.raises(PlatformUnknown):
            chosen()


def test_a_platforms_manifest_is_what_the_index_says(kitchen: Kitchen) -> None:
    # rule 19
    image = kitchen.layout.image(DOUGH, descriptor=for_("linux/amd64"))
    kitchen.layout.tag("size:latest", kitchen.layout.list({**image, "size": image["size"] + 1}))
    kitchen.fails(SizeMismatch, name="size")
    kitchen.layout.tag("type:latest", kitchen.layout.list({**image, "mediaType": TYPES["docker"][0]}))
    kitchen.fails(MalformedDocument, "calls itself", name="type")


# Bounds


def test_room_is_asked_for_before_any_blob(kitchen: Kitchen, cheese: Json) -> None:
    first = kitchen.pull()
    needed = first.sent
    kitchen.fails(LimitExceeded, "new blobs", room=needed - 1)
    assert not [path for path in kitchen.registry.asked if "/blobs/" in path]
    assert kitchen.pull(room=needed).image == first.image
    manifest = len(kitchen.blobs.read(first.digest))
    assert kitchen.pull(room=manifest, held=first.image.content).image == first.image


@pytest.mark.parametrize("after", [0, 1, 2, 5, 9, 13])
def test_a_pull_that_is_cancelled_ends_at_once(kitchen: Kitchen, cheese: Json, after: int) -> None:
    asked = 0

    def cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked > after

    kitchen.fails(Cancelled, cancelled=cancelled)
    assert asked == after + 1


def test_a_cancelled_pull_can_be_taken_up_again(kitchen: Kitchen, cheese: Json) -> None:
    heard: list[Event] = []
    kitchen.fails(Cancelled, progress=heard.append, cancelled=lambda: len(heard) > 8)
    assert kinds(kitchen.pull().events)[2:] == ["LayerPulled"] * 3


def test_an_observer_that_fails_ends_the_pull(kitchen: Kitchen, cheese: Json) -> None:
    def broken(_event: Event) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        kitchen.pull(progress=broken)
    assert set(kitchen.blobs) == set()


# Registries that misbehave


class Saying(Transport):
    """Answers everything alike."""

    def __init__(self, status: int, content: bytes, headers: Mapping[str, str] = {}) -> None:
        self.answer, self.closed = (status, headers), 0
        self._content = content

    def request(self, method: str, path: str, headers: Mapping[str, str]) -> Response:
        return Response(*self.answer, self._chunks())

    def _chunks(self) -> Iterator[bytes]:
        try:
            while True:
                yield self._content
                if len(self._content) < 1000:
                    return
        finally:
            self.closed += 1


def pull_from(transport: Transport) -> Pulled:
    blobs = MemoryBlobs()
    return pull(references.parse("a:b"), Remote(transport), (), blobs, LayerStore(blobs))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}', ": TOOMANYREQUESTS: slow down"),
        (b'{"errors":[]}', ""),
        (b"<html>", ""),
        (b"[" * 900, ""),
        (b"\xff", ""),
    ],
)
def test_a_registry_that_fails_is_quoted(content: bytes, words: str) -> None:
    with pytest.raises(RegistryFailed) as caught:
        pull_from(Saying(503, content))
    assert str(caught.value) == f"pull a:b: the registry answered 503 to GET /v2/library/a/manifests/b{words}"


@pytest.mark.parametrize("status", [200, 500])
def test_a_registry_that_never_ends_is_left(status: int) -> None:
    transport = Saying(status, bytes(100_000))
    with pytest.raises(EngineError):
        pull_from(transport)
    assert transport.closed == 1


def test_a_manifest_is_what_the_registry_calls_it() -> None:
    with pytest.raises(DigestMismatch):
        pull_from(Saying(200, b"{}", {"docker-content-digest": digest_of(b"other")}))
    with pytest.raises(EngineError, match="invalid digest"):
        pull_from(Saying(200, b"{}", {"docker-content-digest": "latest"}))


def test_a_registry_that_gives_no_digest_and_no_type_is_understood(kitchen: Kitchen, cheese: Json) -> None:
    class Plain(Watched):
        def handle(self, request: Request, caller: Caller = NOBODY) -> Response:
            response = super().handle(request, caller)
            return Response(response.status, {"content-type": "text/plain; charset=utf-8"}, response.chunks)

    registry = Plain(Layout(kitchen.layout.path))
    reference = references.parse("pizza/cheese").tagged()
    pulled = pull(reference, Remote(InProcess(registry)), (), kitchen.blobs, kitchen.layers)
    assert pulled.digest == kitchen.layout.index["manifests"][0]["digest"]


def test_sha512_names_manifests_too(kitchen: Kitchen) -> None:
    # rule 23
    image = kitchen.layout.image(DOUGH)
    content = kitchen.layout.file(image["digest"]).read_bytes()
    digest = "sha512:" + hashlib.sha512(content).hexdigest()
    (kitchen.layout.path / "blobs" / "sha512").mkdir()
    kitchen.layout.file(digest).write_bytes(content)
    kitchen.layout.tag("pizza/cheese:latest", {**image, "digest": digest})
    pulled = kitchen.pull()
    assert pulled.digest == digest
    assert kitchen.blobs.read(pulled.digest) == content
    assert json.loads(body(get(kitchen.registry, f"/v2/pizza/cheese/manifests/{digest}")))
