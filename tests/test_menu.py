"""The menu's images are what their Pizzafiles say, as docker would make them, and the committed layout has them."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import subprocess
import tarfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from engine import digest as digests
from engine import spec
from engine.memoryblobs import MemoryBlobs
from engine.terminal import size
from menu import LAYOUT, build, ingredients
from menu.pizzafile import Pizzafile, copied
from tests import peers

PIZZAS = [name for name in build.IMAGES if name.startswith("pizza/")]
DIP, REGISTRY = "library/100-layer-dip", "library/registry"


def blob(digest: str) -> bytes:
    return (LAYOUT / "blobs" / digest.replace(":", "/")).read_bytes()


@cache
def index() -> dict[str, dict[str, Any]]:
    """The committed layout's descriptors by tag."""
    document = json.loads((LAYOUT / "index.json").read_bytes())
    return {descriptor["annotations"][spec.REF_NAME]: descriptor for descriptor in document["manifests"]}


def manifest(name: str) -> dict[str, Any]:
    return json.loads(blob(index()[f"{name}:latest"]["digest"]))


def config(name: str) -> dict[str, Any]:
    return json.loads(blob(manifest(name)["config"]["digest"]))


def layers(name: str) -> list[str]:
    return [descriptor["digest"] for descriptor in manifest(name)["layers"]]


@cache
def tar(digest: str) -> bytes:
    return gzip.decompress(blob(digest))


@cache
def members(digest: str) -> list[tarfile.TarInfo]:
    """A layer's entries, as Python's own reader sees them."""
    with tarfile.open(fileobj=io.BytesIO(tar(digest))) as archive:
        return archive.getmembers()


def unpacked(digest: str) -> int:
    return sum(member.size for member in members(digest))


def content(digest: str, path: str) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(tar(digest))) as archive:
        file = archive.extractfile(path)
        assert file
        return file.read()


def rows(name: str) -> list[tuple[str, str]]:
    """History as docker prints it, newest first: the whole created_by, and the size."""
    sizes = iter(layers(name))
    found = [
        (row["created_by"], "0B" if row.get("empty_layer") else size(unpacked(next(sizes))))
        for row in config(name)["history"]
    ]
    return found[::-1]


# the layout


def test_the_sources_build_the_committed_images() -> None:
    blobs = MemoryBlobs()
    built = build.build(blobs)
    assert [descriptor.annotations for descriptor in built.manifests] == [
        one["annotations"] for one in index().values()
    ]
    for name, descriptor in zip(build.IMAGES, built.manifests, strict=True):
        image = spec.image_config(blobs.read(spec.manifest_or_index(blobs.read(descriptor.digest)).config.digest))  # type: ignore[union-attr]
        assert list(image.rootfs.diff_ids) == config(name)["rootfs"]["diff_ids"], name  # rule 37
        assert image == spec.image_config(blob(manifest(name)["config"]["digest"])), name


def test_every_blob_has_its_digest_and_every_layer_its_diff_id() -> None:
    reached = set()
    for name in build.IMAGES:
        assert spec.manifest_or_index(blob(index()[f"{name}:latest"]["digest"]), spec.OCI_MANIFEST)
        for descriptor in [index()[f"{name}:latest"], manifest(name)["config"], *manifest(name)["layers"]]:
            data = blob(descriptor["digest"])
            assert digests.of(data) == descriptor["digest"]
            assert len(data) == descriptor["size"]
            reached.add(descriptor["digest"])
        diff_ids = [digests.of(tar(digest)) for digest in layers(name)]
        assert diff_ids == config(name)["rootfs"]["diff_ids"]
    assert {f"sha256:{path.name}" for path in (LAYOUT / "blobs" / "sha256").iterdir()} == reached


def test_the_layout_says_that_it_is_one() -> None:
    assert json.loads((LAYOUT / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}  # rule 25
    assert json.loads((LAYOUT / "index.json").read_bytes())["mediaType"] == spec.OCI_INDEX


def test_a_layout_is_written_anew_over_an_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "IMAGES", ("pizza/dough",))
    (tmp_path / "blobs" / "sha256").mkdir(parents=True)
    (tmp_path / "blobs" / "sha256" / ("0" * 64)).write_bytes(b"of an older menu")
    build.write_layout(tmp_path)
    assert len(list((tmp_path / "blobs" / "sha256").iterdir())) == 3


def test_the_whole_menu_is_under_one_megabyte() -> None:
    files = [path for path in LAYOUT.parent.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert sum(path.stat().st_size for path in files) < 1_000_000


@pytest.mark.parametrize("name", build.IMAGES)
def test_every_image_can_be_picked_and_says_what_it_is(name: str) -> None:
    annotations, document = index()[f"{name}:latest"]["annotations"], config(name)
    assert (document["architecture"], document["os"]) == ("amd64", "linux")
    assert index()[f"{name}:latest"]["platform"]["architecture"] == "amd64"
    assert annotations[spec.TITLE]
    assert annotations[spec.DESCRIPTION].endswith(".")
    assert (
        document["config"]["Labels"].items()
        >= {key: annotations[key] for key in (spec.TITLE, spec.DESCRIPTION)}.items()
    )
    assert document["config"]["Cmd"]
    assert document["created"] == document["history"][-1]["created"]


@pytest.mark.parametrize("name", build.IMAGES)
def test_entries_are_of_root_and_of_one_whole_second(name: str) -> None:
    for digest in layers(name):
        for member in members(digest):
            assert (member.uid, member.gid) == (0, 0)
            if "/.wh." in member.name:
                assert (member.mode, member.mtime, member.size) == (0o600, 0, 0)  # rule 37
            else:
                assert member.mtime == build.BAKED.timestamp()
                script = member.isfile() and content(digest, member.name).startswith(b"#!")
                assert member.mode == (0o755 if member.isdir() or script else 0o644)


# pizzas


def test_a_cheese_pizza_is_three_layers_and_rows_of_nothing() -> None:
    sizes = [row[1] for row in rows("pizza/cheese")]
    assert [one for one in sizes if one != "0B"] == ["131kB", "65.5kB", "524kB"]
    assert sizes.count("0B") == 7


@pytest.mark.parametrize(("file", "layer", "count"), [("crust", 0, 65_536), ("sauce", 1, 8_192), ("cheese", 2, 16_384)])
def test_each_slice_has_one_file_of_a_known_size(file: str, layer: int, count: int) -> None:
    found = {member.name: member.size for member in members(layers("pizza/cheese")[layer]) if member.isfile()}
    assert found == {f"pizza/slice-{n}/{file}": count for n in range(1, 9)}


def test_pepperoni_is_cheese_and_one_layer_on_four_slices() -> None:
    *base, top = layers("pizza/pepperoni")
    assert base == layers("pizza/cheese")
    assert [member.name for member in members(top) if member.isfile()] == [
        f"pizza/slice-{n}/pepperoni" for n in range(1, 5)
    ]


def test_two_pizzafiles_that_copy_the_same_sauce_make_the_same_layer() -> None:
    assert layers("pizza/margherita")[:2] == layers("pizza/cheese")[:2]
    assert not set(layers("pizza/margherita")[2:]) & set(layers("pizza/cheese"))
    assert len(layers("pizza/margherita")) == 5
    assert layers("pizza/hawaiian")[:3] == layers("pizza/cheese")
    assert layers("pizza/dough") == layers("pizza/cheese")[:1]


@pytest.mark.parametrize("name", [*PIZZAS, DIP])
def test_stored_and_unpacked_sizes_tell_one_story(name: str) -> None:
    for descriptor in manifest(name)["layers"]:
        ratio = unpacked(descriptor["digest"]) / descriptor["size"]
        assert ratio == 0 or 1 <= ratio <= 3, [member.name for member in members(descriptor["digest"])]


@pytest.mark.parametrize("name", [*PIZZAS, DIP])
def test_every_file_is_plain_text_of_lines_that_fit_a_terminal(name: str) -> None:
    for digest in layers(name):
        for member in members(digest):
            if member.size:
                text = content(digest, member.name).decode("ascii")
                assert text.endswith("\n")
                assert text.replace("\n", " ").isprintable()
                assert max(map(len, text.splitlines())) <= ingredients.WIDTH
                assert text.splitlines()[1] == "=" * ingredients.WIDTH


def test_no_two_slices_have_the_same_crust() -> None:
    crusts = {content(layers("pizza/dough")[0], f"pizza/slice-{n}/crust") for n in range(1, 9)}
    assert len(crusts) == 8
    assert len({crust.splitlines()[0].split(b"  ")[0] for crust in crusts}) == 8  # eight pages, too


# the registry that stands in

ROWS_OF_THE_POST = [
    (r'/bin/sh -c #\(nop\)  CMD \["/etc/docker/registry/config.yml"\]', "0B"),
    (r'/bin/sh -c #\(nop\)  ENTRYPOINT \["/entrypoint.sh"\]', "0B"),
    (r"/bin/sh -c #\(nop\) COPY file:[0-9a-f]{64} in /entrypoint.sh ", "155B"),
    (r"/bin/sh -c #\(nop\)  EXPOSE 5000/tcp", "0B"),
    (r"/bin/sh -c #\(nop\)  VOLUME \[/var/lib/registry\]", "0B"),
    (r"/bin/sh -c #\(nop\) COPY file:[0-9a-f]{64} in /etc/docker/registry/config.yml ", "295B"),
    (r"/bin/sh -c #\(nop\) COPY file:[0-9a-f]{64} in /bin/registry ", "22.8MB"),
    (r"/bin/sh -c set -ex && apk add --no-cac.*", "5.61MB"),
    (r'/bin/sh -c #\(nop\)  CMD \["/bin/sh"\]', "0B"),
    (r"/bin/sh -c #\(nop\) ADD file:[0-9a-f]{64} in / ", "4.81MB"),
]
"""The table of the post that this project makes true, as docker prints it, newest first."""


def test_the_stand_in_has_the_ten_rows_and_five_sizes_of_the_post() -> None:
    found = rows(REGISTRY)
    assert len(found) == len(ROWS_OF_THE_POST)
    for (text, shown), (pattern, expected) in zip(found, ROWS_OF_THE_POST, strict=True):
        assert re.fullmatch(pattern, text)
        assert shown == expected


def test_the_stand_in_says_so() -> None:
    assert "stand-in" in index()[f"{REGISTRY}:latest"]["annotations"][spec.TITLE]
    assert "stand-in" in config(REGISTRY)["config"]["Labels"][spec.TITLE]
    for digest in layers(REGISTRY):
        for member in members(digest):
            if member.isfile():
                assert b"stand-in" in content(digest, member.name).lower(), member.name


# the dip


def test_the_dip_has_a_hundred_layers_that_hide_one_another() -> None:
    assert len(layers(DIP)) == 100
    assert len(set(layers(DIP))) == 100
    seen: dict[str, set[str]] = {f"pizza/slice-{n}": set() for n in range(1, 9)}
    met, covered, removed = dict.fromkeys(seen, 0), dict.fromkeys(seen, 0), 0
    for digest in layers(DIP):
        paths = [member.name for member in members(digest) if member.isfile()]
        for directory, name in (path.rsplit("/", 1) for path in paths):
            gone = name.removeprefix(".wh.")
            if gone == name:
                covered[directory] += name in seen[directory]
                seen[directory].add(name)
            elif directory == "pizza":
                assert seen[f"pizza/{gone}"], "a whole slice is taken that has nothing on it"
                seen[f"pizza/{gone}"].clear()
                removed += 1
            else:
                seen[directory].remove(gone)  # what is removed was there
                removed += 1
        for directory in {path.rsplit("/", 1)[0] for path in paths} & met.keys():
            met[directory] += 1
    assert removed >= 8
    assert all(count >= 9 for count in met.values()), met
    assert sum(count > 0 for count in covered.values()) >= 7
    assert all(seen.values())


# the sources


def test_a_pizzafile_begins_with_its_line_of_the_menu_card() -> None:
    read = Pizzafile.parse("# Soup: Hot.\n# more\nARG BASE=scratch\nFROM ${BASE}\nENV A=1 \\\n  B='2 3'\n")
    assert (read.title, read.description) == ("Soup", "Hot.")
    assert read.steps == (("FROM", "scratch"), ("ENV", "A=1   B='2 3'"))
    with pytest.raises(ValueError, match="begins with its line"):
        Pizzafile.parse("FROM scratch\n")


def test_an_instruction_that_nobody_reads_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "recipe", lambda name: Pizzafile("", "", (("FROM", "scratch"), ("STOPSIGNAL", "9"))))
    monkeypatch.setattr(build, "IMAGES", ("pizza/dough",))
    with pytest.raises(ValueError, match="STOPSIGNAL 9"):
        build.build(MemoryBlobs())


def test_a_copy_row_has_the_sum_that_docker_takes() -> None:
    """Both sums are what dockerd 20.10 printed for these files."""
    files = {"one.txt": b"x", "dough/empty": b"", "dough/pizza/slice-1/crust": b"hello"}
    assert "b6b7950540f56b0234cd408efec72ada67e16f9df9666c4871376e16535c058e" in copied(
        "COPY", "one.txt", "/one", files
    )
    assert "66beb0907ee3fc2702c4311dced6db831f0920a2126a3edd25493bf9b7d59438" in copied("COPY", "dough", "/", files)


def test_growing_twice_gives_the_same_and_another_name_gives_another() -> None:
    assert ingredients.grow("004-salsa") == ingredients.grow("004-salsa")
    assert ingredients.grow("004-salsa") != ingredients.grow("014-salsa")
    with pytest.raises(KeyError, match="anchovies"):
        ingredients.grow("anchovies")


def test_grown_bytes_are_the_same_on_every_machine() -> None:
    crust = ingredients.grow("dough")["pizza/slice-3/crust"]
    assert hashlib.sha256(crust).hexdigest() == "88ae815b46c27b300c89b3be9708a87df95db03334a881513f520b96e8b0447f"


# others


@pytest.mark.peer("skopeo")
@pytest.mark.parametrize("name", build.IMAGES)
def test_skopeo_copies_every_image(name: str, tmp_path: Path) -> None:
    skopeo = peers.need("skopeo")
    copy = [skopeo, "copy", "--insecure-policy", f"oci:{LAYOUT}:{name}:latest", f"dir:{tmp_path}"]
    subprocess.run(copy, check=True, capture_output=True)
    assert json.loads((tmp_path / "manifest.json").read_bytes())["layers"] == manifest(name)["layers"]


@pytest.mark.peer("dockerd")
def test_a_real_docker_builds_the_same_history_and_configuration(
    dockerd: peers.Dockerd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_BUILDKIT", "0")
    for name in sorted(PIZZAS, key=lambda name: name != "pizza/dough"):
        folder = tmp_path / name
        build.write_files(folder, build.context(name))
        dockerd.docker("build", "--tag", name, "--file", folder / "Pizzafile", folder)
        said = dockerd.text("history", "--no-trunc", "--format", "{{.CreatedBy}}|{{.Size}}", name)
        assert [tuple(line.rsplit("|", 1)) for line in said.splitlines()] == rows(name)
        theirs, ours = json.loads(dockerd.text("inspect", name))[0]["Config"], config(name)["config"]
        ours["Labels"] = {
            key: text for key, text in ours["Labels"].items() if key not in (spec.TITLE, spec.DESCRIPTION)
        }
        for key, value in ours.items():
            assert theirs[key] == value, (name, key)


@pytest.mark.peer("dockerd")
def test_a_real_docker_sums_the_registry_as_its_rows_say(
    dockerd: peers.Dockerd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_BUILDKIT", "0")
    files = build.context(REGISTRY)
    files["Pizzafile"] = re.sub(rb"RUN .*", b"COPY packages/ /", files["Pizzafile"])
    build.write_files(tmp_path, files)
    dockerd.docker("build", "--tag", "stand-in", "--file", tmp_path / "Pizzafile", tmp_path)
    said = dockerd.text("history", "--no-trunc", "--format", "{{.CreatedBy}}|{{.Size}}", "stand-in").splitlines()
    theirs, ours = [tuple(line.rsplit("|", 1)) for line in said], rows(REGISTRY)
    assert theirs[7][1] == ours[7][1]
    assert theirs[:7] + theirs[8:] == ours[:7] + ours[8:]
