"""Archives of images: what is read, from whom, what is refused, and who reads what is written."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import os
import subprocess
import tarfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import archive
from engine import digest as digests
from engine import reference as references
from engine.archive import Loaded, tarsource
from engine.blobs import BlobStore, DirectoryBlobs
from engine.digest import Digest
from engine.errors import (
    BlobUnknown,
    Cancelled,
    Corrupt,
    DigestMismatch,
    EngineError,
    InvalidReference,
    LimitExceeded,
    MalformedDocument,
    MalformedLayer,
    SizeMismatch,
    Unsupported,
)
from engine.image import Image
from engine.layerstore import LayerStore
from engine.memoryblobs import MemoryBlobs
from engine.ocilayout import Layout
from engine.pull import pull
from engine.registry import Registry
from engine.remote import InProcess, Remote
from tests import peers
from tests.engine.oci import TYPES, Builder, Json, config, digest_of, tarball, zipped

DOUGH = tarball({"pizza/crust": b"crust " * 5000})
SAUCE = tarball({"pizza/sauce": b"sauce " * 2000})
CHEESE = tarball({"pizza/cheese": b"cheese " * 1000})
SMALL = tarball({"a": b"b"})
IMAGE_NAME = "io.containerd.image.name"


@pytest.fixture
def layout(tmp_path: Path) -> Builder:
    return Builder(tmp_path / "layout")


@pytest.fixture
def blobs() -> BlobStore:
    return MemoryBlobs()


@pytest.fixture
def layers(blobs: BlobStore) -> LayerStore:
    return LayerStore(blobs)


def packed(directory: Path) -> bytes:
    """A directory's files as a tar, named ``./…`` as tar itself names them."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        tar.add(directory, ".")
    return out.getvalue()


def saved(*images: tuple[bytes, Sequence[str], Sequence[str]], **others: Any) -> dict[str, Any]:
    """The files of an archive in docker's older form: configs with paths of their layers, and tags."""
    rows, files = [], dict(others)
    for content, paths, tags in images:
        name = f"{digest_of(content).partition(':')[2]}.json"
        files[name] = content
        rows.append({"Config": name, "RepoTags": list(tags) or None, "Layers": list(paths)})
    return files | {"manifest.json": json.dumps(rows).encode()}


def three() -> dict[str, Any]:
    content = config([digest_of(tar) for tar in (DOUGH, SAUCE, CHEESE)])
    files = {"a/layer.tar": DOUGH, "b/layer.tar": SAUCE, "c/layer.tar": CHEESE, "a/VERSION": b"1.0"}
    return saved((content, ["a/layer.tar", "b/layer.tar", "c/layer.tar"], ["pizza/cheese:latest"]), **files)


def whole(blobs: BlobStore, image: Image) -> None:
    """Every blob of an image is held and is what its digest says."""
    for digest, size in {**image.content, image.digest: blobs.size(image.digest)}.items():
        content = blobs.read(digest, 1 << 30)
        assert (digests.of(content), len(content)) == (digest, size)


# OCI


@pytest.mark.parametrize("style", TYPES)
@pytest.mark.parametrize("form", ["directory", "path", "stream", "pipe", "gzip", "zstd"])
def test_a_layout_is_read_in_whatever_form_it_comes(
    layout: Builder, blobs: BlobStore, layers: LayerStore, tmp_path: Path, form: str, style: str
) -> None:
    # rule 25, rule 24, rule 21
    descriptor = layout.image(DOUGH, SAUCE, style=style)
    layout.tag("pizza/cheese:latest", descriptor)
    data = packed(layout.path)
    if form in ("gzip", "zstd"):
        data = zipped(data) if form == "gzip" else zstandard.compress(data)
    file = tmp_path / "archive"
    file.write_bytes(data)
    source: Path | BinaryIO = {"directory": layout.path, "stream": io.BytesIO(data), "pipe": Pipe(data)}.get(form, file)
    [loaded] = archive.load(source, blobs, layers)
    assert loaded.references == ("pizza/cheese:latest",)
    assert loaded.image.digest == descriptor["digest"]
    assert blobs.read(loaded.image.digest) == layout.file(descriptor["digest"]).read_bytes()
    whole(blobs, loaded.image)


class Pipe(io.RawIOBase, BinaryIO):
    """A stream that nobody can seek, and that gives little at a time."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def readinto(self, buffer: Any) -> int:
        piece = self._data.read(min(len(buffer), 1000))
        buffer[: len(piece)] = piece
        return len(piece)


def test_a_stream_is_read_from_where_it_stands(layout: Builder, blobs: BlobStore, layers: LayerStore) -> None:
    layout.tag("a:latest", layout.image(DOUGH))
    for data in (packed(layout.path), zipped(packed(layout.path))):
        stream = io.BytesIO(b"before" + data)
        stream.seek(6)
        assert archive.load(stream, blobs, layers)[0].references == ("a:latest",)
        assert not stream.closed


@pytest.mark.parametrize(
    ("name", "notes", "expected"),
    [
        ("pizza/cheese:latest", {}, ["pizza/cheese:latest"]),
        ("docker.io/library/registry:2", {}, ["registry:2"]),
        ("localhost/mine:1", {}, ["localhost/mine:1"]),
        ("pizza/cheese", {}, ["pizza/cheese:latest"]),
        ("latest", {}, []),  # a tag of nobody knows what
        ("latest", {IMAGE_NAME: "docker.io/pizza/cheese:latest"}, ["pizza/cheese:latest"]),
        ("Not/A:Name", {}, []),
        ("", {}, []),
        (f"a/b@sha256:{'0' * 64}", {}, []),
    ],
)
def test_names_are_those_of_the_annotations(
    layout: Builder, blobs: BlobStore, layers: LayerStore, name: str, notes: Json, expected: list[str]
) -> None:
    # rule 25
    layout.tag(name, layout.image(DOUGH), **notes)
    [loaded] = archive.load(layout.path, blobs, layers)
    assert list(loaded.references) == expected


def test_several_names_of_one_image_are_one_image(layout: Builder, blobs: BlobStore, layers: LayerStore) -> None:
    one, two = layout.image(DOUGH), layout.image(DOUGH, SAUCE)
    for name, image in (("a:1", one), ("b:1", two), ("a:2", one), ("a:1", one)):
        layout.tag(name, image)
    loaded = archive.load(layout.path, blobs, layers)
    assert [(x.references, x.image.digest) for x in loaded] == [
        (("a:1", "a:2"), one["digest"]),
        (("b:1",), two["digest"]),
    ]


def test_of_many_platforms_ours_is_taken_or_else_one_that_is_there(
    layout: Builder, blobs: BlobStore, layers: LayerStore
) -> None:
    # rule 22
    names = ("windows", "amd64"), ("linux", "arm64"), ("linux", "amd64"), ("unknown", "unknown")
    images = [
        layout.image(tarball({f"n{n}": b""}), descriptor={"platform": {"os": system, "architecture": machine}})
        for n, (system, machine) in enumerate(names)
    ]
    layout.tag("a:latest", layout.list(layout.list(*images)))

    def found() -> str:
        return archive.load(layout.path, blobs, layers)[0].image.digest

    assert found() == images[2]["digest"]
    layout.file(images[2]["digest"]).unlink()
    layout.file(images[0]["digest"]).unlink()
    assert found() == images[1]["digest"]
    layout.file(images[1]["digest"]).unlink()
    with pytest.raises(EngineError, match="no matching manifest for linux/amd64"):
        found()


def test_what_is_no_image_is_passed_over(layout: Builder, blobs: BlobStore, layers: LayerStore) -> None:
    # rule 21
    def chart(manifest: Json) -> None:
        manifest["config"]["mediaType"] = "application/vnd.cncf.helm.config.v1+json"

    layout.tag("notes:1", layout.document({}, "application/vnd.example+json"))
    layout.tag("chart:1", layout.image(b"not a tar", change=chart))
    with pytest.raises(MalformedDocument, match="no container image"):
        archive.load(layout.path, blobs, layers)
    layout.tag("pizza:1", layout.image(DOUGH))
    assert [x.references for x in archive.load(layout.path, blobs, layers)] == [("pizza:1",)]


def test_an_archive_without_images_is_refused(layout: Builder, blobs: BlobStore, layers: LayerStore) -> None:
    # rule 22
    with pytest.raises(MalformedDocument, match="no container image"):
        archive.load(layout.path, blobs, layers)
    with pytest.raises(MalformedDocument, match="no container image"):
        archive.load(io.BytesIO(tarball({"manifest.json": b"[]"})), blobs, layers)


# docker save


def test_an_older_docker_archive_is_read(blobs: BlobStore, layers: LayerStore) -> None:
    [loaded] = archive.load(io.BytesIO(tarball(three())), blobs, layers)
    image = loaded.image
    assert loaded.references == ("pizza/cheese:latest",)
    assert image.id == digest_of(config([digest_of(tar) for tar in (DOUGH, SAUCE, CHEESE)]))  # rule 19
    assert [layer.digest for layer in image.layers] == [digest_of(tar) for tar in (DOUGH, SAUCE, CHEESE)]
    assert image.manifest.layers[0].media_type == "application/vnd.oci.image.layer.v1.tar"
    whole(blobs, image)


def test_the_manifest_that_an_older_archive_gets_is_the_same_everywhere(tmp_path: Path) -> None:
    digest = set()
    for n in range(2):
        blobs = DirectoryBlobs(tmp_path / str(n))
        digest.add(archive.load(io.BytesIO(tarball(three())), blobs, LayerStore(blobs))[0].image.digest)
    assert len(digest) == 1


@pytest.mark.parametrize(
    "link",
    [
        (tarfile.SYMTYPE, "../a/layer.tar"),
        (tarfile.SYMTYPE, "/a/layer.tar"),
        (tarfile.SYMTYPE, "../../../../a/./x/../layer.tar"),
        (tarfile.SYMTYPE, "../d/layer.tar"),
        (tarfile.LNKTYPE, "a/layer.tar"),
    ],
)
def test_links_between_layers_are_followed_within_the_archive(
    blobs: BlobStore, layers: LayerStore, link: tuple[bytes, str]
) -> None:
    # rule 26
    content = config([digest_of(DOUGH), digest_of(DOUGH)])
    files: dict[str, Any] = {
        "b/layer.tar": link,
        "d/layer.tar": (tarfile.SYMTYPE, "../a/layer.tar"),
        "a/layer.tar": DOUGH,
    }
    files = saved((content, ["a/layer.tar", "b/layer.tar"], []), **files)
    [loaded] = archive.load(io.BytesIO(tarball(files)), blobs, layers)
    assert [layer.digest for layer in loaded.image.layers] == [digest_of(DOUGH)] * 2
    assert loaded.references == ()


@pytest.mark.parametrize("pack", [zipped, zstandard.compress])
def test_compressed_layers_of_an_older_archive_stay_as_they_are(
    blobs: BlobStore, layers: LayerStore, pack: Callable[[bytes], bytes]
) -> None:
    # rule 18
    files = saved((config([digest_of(DOUGH)]), ["a.tar"], ["a:1"]), **{"a.tar": pack(DOUGH)})
    [loaded] = archive.load(io.BytesIO(tarball(files)), blobs, layers)
    [layer] = loaded.image.layers
    assert (layer.digest, layer.diff_id) == (digest_of(pack(DOUGH)), digest_of(DOUGH))
    kind = loaded.image.manifest.layers[0].media_type
    assert kind.endswith("+gzip" if pack is zipped else "+zstd")


def test_layers_that_two_images_share_come_once(blobs: BlobStore, layers: LayerStore) -> None:
    one, two = config([digest_of(DOUGH)]), config([digest_of(DOUGH), digest_of(SAUCE)])
    files = saved((one, ["a"], ["a:1"]), (two, ["a", "b"], ["b:1"]), a=DOUGH, b=SAUCE)
    loaded = archive.load(io.BytesIO(tarball(files)), blobs, layers)
    assert [x.references for x in loaded] == [("a:1",), ("b:1",)]
    room = sum(blobs.size(digest) for digest in blobs)
    assert archive.load(io.BytesIO(tarball(files)), blobs, layers, room=room) == loaded
    with pytest.raises(LimitExceeded, match="new blobs"):
        archive.load(io.BytesIO(tarball(files)), blobs, layers, room=room - 1)
    manifests = sum(blobs.size(x.image.digest) for x in loaded)
    held = {*loaded[0].image.content, *loaded[1].image.content}
    assert archive.load(io.BytesIO(tarball(files)), blobs, layers, room=manifests, held=held) == loaded


def test_of_members_of_one_name_the_last_counts(blobs: BlobStore, layers: LayerStore) -> None:
    first, second = tarball({"manifest.json": b"[", "x": b""}), tarball(three())
    data = first[: first.index(b"ustar", 600) - 257] + second  # the first member, and then all others
    assert archive.load(io.BytesIO(data), blobs, layers)[0].references == ("pizza/cheese:latest",)


def test_a_layer_without_the_zeros_at_its_end_is_read(layout: Builder, blobs: BlobStore, layers: LayerStore) -> None:
    # rule 16, as Go reads it and `umoci insert` writes it
    bare = tarball({"pizza/crust": b"crust"}).rstrip(b"\0")
    layout.tag("a:1", layout.image(bare))
    [loaded] = archive.load(layout.path, blobs, layers)
    [layer] = loaded.image.layers
    found = layers.get(layer.digest, layer.diff_id)
    assert found.read(found.entries[b"pizza/crust"]) == b"crust"
    layout.tag("a:2", layout.image(bare[:-1]))
    with pytest.raises(MalformedLayer, match="in the middle"):
        archive.load(layout.path, blobs, layers)


# Refusals


def change(files: dict[str, Any], **others: Any) -> dict[str, Any]:
    return {**files, **others}


def row(**fields: Any) -> bytes:
    return json.dumps([{"Config": "c.json", "RepoTags": None, "Layers": ["a/layer.tar"], **fields}]).encode()


CONFIG = config([digest_of(DOUGH)])
ONE = {"c.json": CONFIG, "a/layer.tar": DOUGH, "manifest.json": row()}
BROKEN: Mapping[str, tuple[dict[str, Any], type[EngineError], str]] = {
    "no manifest": ({"c.json": CONFIG}, MalformedDocument, "it has no manifest.json"),
    "no config": (change(ONE, **{"manifest.json": row(Config="d.json")}), MalformedDocument, "d.json"),
    "no layer": (change(ONE, **{"manifest.json": row(Layers=["b"])}), MalformedDocument, "'b', which is not"),
    "few layers": (change(ONE, **{"manifest.json": row(Layers=[])}), MalformedDocument, "1 diff_ids, and 0 layers"),
    "null layers": (change(ONE, **{"manifest.json": row(Layers=None)}), MalformedDocument, "1 diff_ids, and 0 layers"),
    "no JSON": (change(ONE, **{"manifest.json": b"{"}), MalformedDocument, "manifest.json"),
    "an object": (change(ONE, **{"manifest.json": b"{}"}), MalformedDocument, "manifest.json"),
    "bad name": (change(ONE, **{"manifest.json": row(RepoTags=["A:1"])}), InvalidReference, "lowercase"),
    "bad config": (change(ONE, **{"c.json": b"{}"}), MalformedDocument, "image config"),
    "history": (change(ONE, **{"c.json": config([digest_of(DOUGH)], history=[{}, {}])}), MalformedDocument, "history"),
    "other layer": (change(ONE, **{"a/layer.tar": SAUCE}), DigestMismatch, "layer 1 of 1"),
    "zipped other": (change(ONE, **{"a/layer.tar": zipped(SAUCE)}), DigestMismatch, "layer 1 of 1"),
    "no tar": (
        {"c.json": config([digest_of(b"x" * 600)]), "a/layer.tar": b"x" * 600, "manifest.json": row()},
        MalformedLayer,
        "layer 1 of 1",
    ),
    "loop": (
        change(ONE, **{"a/layer.tar": (tarfile.SYMTYPE, "../b"), "b": (tarfile.SYMTYPE, "a/layer.tar")}),
        MalformedDocument,
        "not in the archive",
    ),
    "device": (change(ONE, **{"a/layer.tar": (tarfile.FIFOTYPE, "")}), MalformedDocument, "not in the archive"),
    "huge config": (change(ONE, **{"c.json": b" " * ((4 << 20) + 1)}), LimitExceeded, "c.json"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_archive_is_refused_with_nothing_kept(tmp_path: Path, case: str) -> None:
    # rule 19, rule 20
    files, error, words = BROKEN[case]
    blobs = DirectoryBlobs(tmp_path / "pool")
    with pytest.raises(error, match=words) as caught:
        archive.load(io.BytesIO(tarball(files)), blobs, LayerStore(blobs))
    assert str(caught.value).startswith("load: ")
    for digest in blobs:  # a blob that came whole may stay; no document does
        assert digests.of(blobs.read(digest)) == digest
        assert digest in (digest_of(SAUCE), digest_of(zipped(SAUCE)), digest_of(b"x" * 600))
    assert list((tmp_path / "pool" / "tmp").iterdir()) == []


@pytest.mark.parametrize("name", ["/etc/hostname", "../../../../../../etc/hostname", "etc/../../etc/hostname", "c\0d"])
def test_a_name_in_an_archive_is_never_a_path_of_this_machine(
    blobs: BlobStore, layers: LayerStore, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    for fields in ({"Config": name}, {"Layers": [name]}):
        data = tarball(change(ONE, **{"manifest.json": row(**fields)}))
        with pytest.raises(MalformedDocument):
            archive.load(io.BytesIO(data), blobs, layers)
    link = change(ONE, **{"a/layer.tar": (tarfile.SYMTYPE, name.replace("\0", ""))})
    with pytest.raises(MalformedDocument):
        archive.load(io.BytesIO(tarball(link)), blobs, layers)


def test_a_layout_of_a_directory_is_read_by_digests_alone(
    layout: Builder, blobs: BlobStore, layers: LayerStore
) -> None:
    evil = {**layout.image(DOUGH), "digest": "sha256:../../../../../../../../etc/hostname"}
    (layout.path / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [evil]}))
    with pytest.raises(MalformedDocument, match="digest"):
        archive.load(layout.path, blobs, layers)


@pytest.mark.parametrize(("damage", "error"), [(b"", SizeMismatch), (None, BlobUnknown), ("flip", DigestMismatch)])
@pytest.mark.parametrize("which", ["manifest", "config", "layer"])
def test_a_damaged_layout_is_refused_with_no_image_kept(
    layout: Builder, tmp_path: Path, which: str, damage: Any, error: type[EngineError]
) -> None:
    # rule 19
    image = layout.image(DOUGH, SAUCE)
    manifest = layout.tag("a:1", image)
    part = {"manifest": image, "config": manifest["config"], "layer": manifest["layers"][1]}[which]
    file = layout.file(part["digest"])
    content = file.read_bytes()
    if damage is None:
        file.unlink()
    else:
        file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]) if damage == "flip" else damage)
    for source in (layout.path, io.BytesIO(packed(layout.path))):
        blobs = DirectoryBlobs(tmp_path / f"pool {type(source).__name__}")
        with pytest.raises(error):
            archive.load(source, blobs, LayerStore(blobs))
        assert set(blobs) <= {manifest["layers"][0]["digest"]}


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (b"", MalformedDocument, "it has no manifest.json"),
        (b"hello", MalformedDocument, "archive"),
        (b"hello" * 1000, MalformedDocument, "numeric field"),
        (b"0" * 1024, MalformedDocument, "checksum"),
        (tarball(three())[:9000], MalformedDocument, "in the middle"),
        (zipped(tarball(three()))[:-30], MalformedDocument, "compressed"),
        (b"\x28\xb5\x2f\xfd" + bytes(100), MalformedDocument, "archive"),
        (bz2.compress(tarball(three())), Unsupported, "bzip2"),
        (tarball({"oci-layout": b"{}", "index.json": b"{}"}), MalformedDocument, "imageLayoutVersion"),
    ],
)
def test_what_is_no_archive_is_refused(
    blobs: BlobStore, layers: LayerStore, data: bytes, error: type[EngineError], words: str
) -> None:
    for stream in (io.BytesIO(data), Pipe(data)):
        with pytest.raises(error, match=words):
            archive.load(stream, blobs, layers)
    assert not set(blobs)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_whatever_is_damaged_is_refused_or_makes_no_difference(data: st.DataObject) -> None:
    # rule 19
    content = config([digest_of(SMALL)])
    files = saved((content, ["a.tar"], ["a:1"]), **{"a.tar": SMALL})
    whole_archive = tarball(files)
    at = data.draw(st.integers(0, len(whole_archive) - 1))
    damaged = bytearray(whole_archive)
    if data.draw(st.booleans()):
        del damaged[at:]
    else:
        damaged[at] = data.draw(st.integers(0, 255))
    blobs = MemoryBlobs()
    try:
        [loaded] = archive.load(io.BytesIO(damaged), blobs, LayerStore(blobs))
    except EngineError:
        assert set(blobs) <= {digest_of(SMALL)}
    else:
        assert loaded.image.layers[0].diff_id == digest_of(SMALL)
        whole(blobs, loaded.image)


def test_a_temporary_file_is_bounded(blobs: BlobStore, layers: LayerStore) -> None:
    data = tarball(three())
    with pytest.raises(LimitExceeded):
        archive.load(Pipe(data), blobs, layers, limit=len(data) - 1)
    with pytest.raises(LimitExceeded):
        archive.load(io.BytesIO(gzip.compress(data)), blobs, layers, limit=len(data) - 1)
    assert archive.load(Pipe(data), blobs, layers, limit=len(data))
    with pytest.raises(LimitExceeded):  # a bomb
        archive.load(io.BytesIO(gzip.compress(bytes(200 << 20))), blobs, layers)


def test_members_are_bounded(blobs: BlobStore, layers: LayerStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tarsource, "ENTRIES_MAX", len(three()))
    assert archive.load(io.BytesIO(tarball(three())), blobs, layers)
    monkeypatch.setattr(tarsource, "ENTRIES_MAX", len(three()) - 1)
    with pytest.raises(LimitExceeded, match="members"):
        archive.load(io.BytesIO(tarball(three())), blobs, layers)


def test_loading_can_be_cancelled(tmp_path: Path) -> None:
    blobs = DirectoryBlobs(tmp_path)
    with pytest.raises(Cancelled):
        archive.load(io.BytesIO(tarball(three())), blobs, LayerStore(blobs), cancelled=lambda: len(set(blobs)) == 1)
    assert len(set(blobs)) == 1


# Saving


@pytest.fixture
def pizzas(layout: Builder, blobs: BlobStore, layers: LayerStore) -> list[Loaded]:
    """Two images, of which the second has a layer twice."""
    layout.tag("pizza/cheese:latest", layout.image(DOUGH, SAUCE, CHEESE))
    layout.tag("pizza/double:1", layout.image(DOUGH, CHEESE, CHEESE))
    layout.tag("pizza/double:latest", layout.index["manifests"][1])
    return archive.load(layout.path, blobs, layers)


def save(pizzas: Sequence[Loaded], blobs: BlobStore) -> bytes:
    made = archive.save([(pizza.image, pizza.references) for pizza in pizzas], blobs)
    content = b"".join(made.pieces)
    assert made.size == len(content)
    return content


def test_what_was_saved_is_loaded_as_it_was(pizzas: list[Loaded], blobs: BlobStore) -> None:
    # rule 21, rule 26
    other = MemoryBlobs()
    assert archive.load(io.BytesIO(save(pizzas, blobs)), other, LayerStore(other)) == pizzas
    for pizza in pizzas:
        whole(other, pizza.image)


def test_the_same_images_give_the_same_bytes(pizzas: list[Loaded], blobs: BlobStore) -> None:
    assert save(pizzas, blobs) == save(pizzas, blobs)


def test_a_saved_archive_is_a_layout_and_dockers_form_at_once(
    pizzas: list[Loaded], blobs: BlobStore, tmp_path: Path
) -> None:
    # rule 25
    with tarfile.open(fileobj=io.BytesIO(save(pizzas, blobs))) as tar:
        names = tar.getnames()
        assert {(m.mtime, m.uid, m.gid, m.uname) for m in tar} == {(0, 0, 0, "")}
        tar.extractall(tmp_path, filter="data")
    stored = [name for name in names if name.count("/") == 2]
    assert stored == sorted(set(stored))
    assert Layout(tmp_path).repositories() == ["pizza/cheese", "pizza/double"]
    rows = json.loads((tmp_path / "manifest.json").read_bytes())
    assert [row["RepoTags"] for row in rows] == [["pizza/cheese:latest"], ["pizza/double:1", "pizza/double:latest"]]
    for row, pizza in zip(rows, pizzas, strict=True):
        assert digest_of((tmp_path / row["Config"]).read_bytes()) == pizza.image.id
        tars = [gzip.decompress((tmp_path / name).read_bytes()) for name in row["Layers"]]
        assert [digest_of(tar) for tar in tars] == list(pizza.image.config.rootfs.diff_ids)
    found = pull(
        references.parse("pizza/double:1"),
        Remote(InProcess(Registry(Layout(tmp_path)))),
        (),
        blobs,
        LayerStore(blobs),
    )
    assert found.image == pizzas[1].image


def test_either_half_of_a_saved_archive_suffices(pizzas: list[Loaded], blobs: BlobStore) -> None:
    with tarfile.open(fileobj=io.BytesIO(save(pizzas, blobs))) as tar:
        files = {m.name: tar.extractfile(m).read() for m in tar if m.isfile()}  # type: ignore[union-attr]
    halves = {key: value for key, value in files.items() if key != "index.json"}, files | {"manifest.json": b""}
    for half in halves:
        other = MemoryBlobs()
        loaded = archive.load(io.BytesIO(tarball(half)), other, LayerStore(other))
        assert [(x.references, x.image.id, x.image.layers) for x in loaded] == [
            (x.references, x.image.id, x.image.layers) for x in pizzas
        ]


def test_an_image_without_a_name_is_saved_without_one(pizzas: list[Loaded], blobs: BlobStore) -> None:
    other = MemoryBlobs()
    data = save([Loaded(pizzas[0].image, ())], blobs)
    [loaded] = archive.load(io.BytesIO(data), other, LayerStore(other))
    assert loaded == Loaded(pizzas[0].image, ())


@pytest.mark.parametrize("damage", ["", "x", "flip"])
def test_a_blob_that_rotted_is_not_saved(layout: Builder, tmp_path: Path, damage: str) -> None:
    layout.tag("a:1", layout.image(DOUGH))
    blobs = DirectoryBlobs(tmp_path / "pool")
    loaded = archive.load(layout.path, blobs, LayerStore(blobs))
    digest = loaded[0].image.layers[0].digest
    [file] = [path for path in (tmp_path / "pool").rglob("*") if path.name == digests.encoded(digest)]
    content = file.read_bytes()
    rotten = content[:-1] + bytes([content[-1] ^ 1])
    file.chmod(0o644)
    file.write_bytes({"": content[:-1], "x": content + b"x", "flip": rotten}[damage])
    with pytest.raises(Corrupt, match=digest):
        b"".join(archive.save([(loaded[0].image, ["a:1"])], blobs).pieces)


# Peers


def run(*argv: str | Path, stdin: bytes | None = None) -> bytes:
    done = subprocess.run(argv, input=stdin, capture_output=True, timeout=120)
    assert done.returncode == 0, f"{argv}: {done.stderr.decode(errors='replace')}"
    return done.stdout


@pytest.fixture
def file(pizzas: list[Loaded], blobs: BlobStore, tmp_path: Path) -> Path:
    path = tmp_path / "saved.tar"
    path.write_bytes(save(pizzas, blobs))
    return path


@pytest.mark.parametrize("transport", ["oci-archive", "docker-archive"])
def test_skopeo_copies_what_was_saved(file: Path, pizzas: list[Loaded], tmp_path: Path, transport: str) -> None:
    skopeo = peers.need("skopeo")
    policy = tmp_path / "policy.json"
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    for pizza in pizzas:
        target = tmp_path / pizza.image.id
        run(skopeo, "--policy", policy, "copy", f"{transport}:{file}:{pizza.references[0]}", f"dir:{target}")
        manifest = json.loads((target / "manifest.json").read_bytes())
        assert manifest["config"]["digest"] == pizza.image.id
        if transport == "oci-archive":
            assert digest_of((target / "manifest.json").read_bytes()) == pizza.image.digest


def test_umoci_unpacks_what_was_saved(file: Path, pizzas: list[Loaded], tmp_path: Path) -> None:
    umoci = peers.need("umoci")
    with tarfile.open(file) as tar:
        tar.extractall(tmp_path / "out", filter="data")
    for pizza in pizzas:
        bundle = tmp_path / digests.short(pizza.image.id)
        run(umoci, "unpack", "--rootless", "--image", f"{tmp_path}/out:{pizza.references[0]}", bundle)
        assert (bundle / "rootfs/pizza/cheese").read_bytes() == b"cheese " * 1000


def podman(root: Path) -> list[str | Path]:
    program = peers.need("podman")
    return [program, f"--root={root}/root", f"--runroot={root}/run", "--storage-driver=vfs", "--events-backend=none"]


@pytest.mark.parametrize("count", [1, 2])
def test_podman_loads_what_was_saved(
    pizzas: list[Loaded], blobs: BlobStore, tmp_path: Path, count: int, short: Path
) -> None:
    here = podman(short)
    (tmp_path / "some.tar").write_bytes(save(pizzas[:count], blobs))
    run(*here, "load", "--input", tmp_path / "some.tar")
    ids = run(*here, "images", "--no-trunc", "--quiet").decode().split()
    assert set(ids) == {pizza.image.id for pizza in pizzas[:count]}


@pytest.fixture
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a name short enough for sockets."""
    return tmp_path_factory.mktemp("p")


def test_docker_loads_what_was_saved_and_what_docker_saves_is_loaded(
    file: Path, pizzas: list[Loaded], tmp_path: Path, dockerd: peers.Dockerd
) -> None:
    dockerd.docker("load", "--input", file)
    try:
        for pizza in pizzas:
            for name in pizza.references:
                assert dockerd.text("image", "inspect", "--format", "{{.Id}}", name).strip() == pizza.image.id
        names = [name for pizza in pizzas for name in pizza.references]
        data = dockerd.docker("save", *names).stdout
    finally:
        dockerd.docker("rmi", *(name for pizza in pizzas for name in pizza.references))
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert any(member.issym() for member in tar)  # of the layer that stands twice
    other = MemoryBlobs()
    loaded = archive.load(Pipe(zipped(data)), other, LayerStore(other))
    assert {(x.image.id, frozenset(x.references)) for x in loaded} == {
        (x.image.id, frozenset(x.references)) for x in pizzas
    }


@pytest.mark.parametrize("form", ["oci", "oci-archive", "docker-archive"])
def test_what_skopeo_wrote_is_loaded(
    file: Path, pizzas: list[Loaded], tmp_path: Path, form: str, blobs: BlobStore
) -> None:
    skopeo = peers.need("skopeo")
    policy = tmp_path / "policy.json"
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    double, target = pizzas[1], tmp_path / "copied"
    run(skopeo, "--policy", policy, "copy", f"oci-archive:{file}:pizza/double:1", f"{form}:{target}:pizza/double:1")
    other = MemoryBlobs()
    [loaded] = archive.load(target, other, LayerStore(other))
    assert loaded.references == ("pizza/double:1",)
    assert loaded.image.id == double.image.id
    if form != "docker-archive":
        assert loaded.image.digest == double.image.digest


def test_what_umoci_wrote_is_loaded(tmp_path: Path, blobs: BlobStore, layers: LayerStore) -> None:
    umoci = peers.need("umoci")
    place = tmp_path / "umoci"
    run(umoci, "init", "--layout", place)
    run(umoci, "new", "--image", f"{place}:pizza/cheese:latest")
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "crust").write_bytes(b"crust")
    os.utime(tree / "crust", (0, 0))
    run(umoci, "insert", "--rootless", "--image", f"{place}:pizza/cheese:latest", tree, "/pizza")
    [loaded] = archive.load(place, blobs, layers)
    assert loaded.references == ("pizza/cheese:latest",)
    [layer] = loaded.image.layers
    found = layers.get(layer.digest, layer.diff_id)
    assert found.read(found.entries[b"pizza/crust"]) == b"crust"


@pytest.mark.parametrize("form", ["oci-archive", "docker-archive", "oci"])
def test_what_buildah_wrote_is_loaded(
    tmp_path: Path, short: Path, blobs: BlobStore, layers: LayerStore, form: str
) -> None:
    buildah = peers.need("buildah")
    here = [buildah, f"--root={short}/root", f"--runroot={short}/run", "--storage-driver=vfs"]
    if os.geteuid() != 0:
        here = [buildah, "unshare", *here]
    (tmp_path / "crust").write_bytes(b"crust " * 100)
    working = run(*here, "from", "scratch").decode().strip()
    run(*here, "copy", working, tmp_path / "crust", "/pizza/crust")
    run(*here, "config", "--cmd", "cat /pizza/crust", working)
    policy = tmp_path / "policy.json"
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    target = tmp_path / "built"
    run(*here, "commit", f"--signature-policy={policy}", working, f"{form}:{target}:pizza/crust:latest")
    [loaded] = archive.load(target, blobs, layers)
    assert loaded.references == ("pizza/crust:latest",)
    [layer] = loaded.image.layers
    found = layers.get(layer.digest, layer.diff_id)
    assert found.read(found.entries[b"pizza/crust"]) == b"crust " * 100


def test_blobs_of_the_pool_have_their_own_digest(pizzas: list[Loaded], blobs: BlobStore) -> None:
    assert all(digests.of(blobs.read(digest), digests.algorithm(digest)) == digest for digest in blobs)
    assert all(isinstance(digest, str) and Digest(digest) for digest in blobs)
