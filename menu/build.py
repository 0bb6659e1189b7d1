"""Builds the menu: every Pizzafile, with its context, becomes an image of one OCI layout.

    python -m menu.build                         # writes menu/layout
    python -m menu.build --contexts build/menu   # writes each image's context instead, for a real `docker build`

An image has the history that docker's classic builder would give it, and a layer for each row that changes files. All
times are fixed, so the same sources give the same diff_ids on every machine. Nothing is run: of RUN, ``rm`` is
understood, and what any other would leave behind lies in the context, in ``packages/``.
"""

from __future__ import annotations

import argparse
import io
import os
import shlex
import tarfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec

from engine import digest as digests
from engine import spec
from engine.blobs import BlobStore
from engine.layer import Entry, Written
from engine.layerwriter import LayerWriter
from engine.memoryblobs import MemoryBlobs
from menu import LAYOUT, ingredients, pizzafile
from menu.ingredients import Files
from menu.pizzafile import Pizzafile, Run

IMAGES: Final = (
    "pizza/cheese",
    "pizza/pepperoni",
    "pizza/margherita",
    "pizza/hawaiian",
    "pizza/dough",
    "library/registry",
    "library/100-layer-dip",
)
"""In the order of the menu card."""
BAKED: Final = datetime(2026, 11, 1, 9, tzinfo=UTC)
"""The time of every file, and of each image's first row of history; each row took a minute."""


@dataclass(frozen=True)
class Image:
    """One image: its run configuration, its history and its layers, bottom first."""

    run: Run = field(default_factory=lambda: {"Env": [pizzafile.PATH]})
    history: tuple[spec.History, ...] = ()
    layers: tuple[Written, ...] = ()

    def add(self, row: str, layer: Written | None = None) -> Image:
        """The image with one row of history more, and the layer that it made."""
        when = (BAKED + timedelta(minutes=len(self.history))).strftime("%Y-%m-%dT%H:%M:%SZ")
        step = spec.History(created=when, created_by=row, empty_layer=layer is None)
        return replace(self, history=(*self.history, step), layers=(*self.layers, *([layer] if layer else [])))


def recipe(name: str) -> Pizzafile:
    """The Pizzafile of an image."""
    return Pizzafile.parse((_directory(name) / "Pizzafile").read_text("utf-8"))


def context(name: str) -> Files:
    """The build context of an image: the files in its directory, and those that are grown for it."""
    files = {path.name: path.read_bytes() for path in _directory(name).iterdir()}
    if name == "library/registry":
        files |= ingredients.stand_in("program") | _below("packages", ingredients.stand_in("packages"))
        return files | {"rootfs.tar": _archive(ingredients.stand_in("rootfs"))}
    for word, rest in recipe(name).steps:
        if word == "COPY":
            source = rest.split("/")[0]
            files |= _below(source, ingredients.grow(source))
    return files


def build(blobs: BlobStore) -> spec.Index:
    """Builds every image into `blobs`; the layout's index, with tag and menu card as annotations."""
    images: dict[str, Image] = {}
    return spec.Index(schema_version=2, manifests=tuple(_serve(name, images, blobs) for name in IMAGES))


def write_layout(directory: Path) -> None:
    """Makes `directory` the menu's OCI layout: blobs that it lacks are written, those that are no longer of it go."""
    blobs = MemoryBlobs()
    index = msgspec.json.format(_json(build(blobs), spec.OCI_INDEX)) + b"\n"
    files = {f"blobs/sha256/{digests.encoded(digest)}": blobs.read(digest, 1 << 30) for digest in blobs}
    for path in directory.glob("blobs/sha256/*"):
        if path.relative_to(directory).as_posix() not in files:
            path.unlink()
    write_files(
        directory,
        files | {"index.json": index, "oci-layout": msgspec.json.encode(spec.Layout(image_layout_version="1.0.0"))},
    )


def write_files(directory: Path, files: Files) -> None:
    """Writes `files` below `directory`, with the modes and times that a layer gives them."""
    for path, content in files.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_bytes(content)
    for path in (*files, *pizzafile.parents(files)):
        (directory / path).chmod(pizzafile.mode(files.get(path)))
        os.utime(directory / path, (BAKED.timestamp(), BAKED.timestamp()))


def _directory(name: str) -> Path:
    return Path(__file__).parent / name.rpartition("/")[2]


def _serve(name: str, images: dict[str, Image], blobs: BlobStore) -> spec.Descriptor:
    """Bakes and stores an image; how the layout's index describes it.

    The menu card's line is in the config's labels too, without a row of history, as from ``docker build --label``.
    """
    image, said = _bake(name, images, blobs), recipe(name)
    card = {spec.TITLE: said.title, spec.DESCRIPTION: said.description}
    config = spec.ImageConfig(
        architecture="amd64",
        os="linux",
        created=image.history[-1].created,
        config=msgspec.convert(image.run | {"Labels": image.run.get("Labels", {}) | card}, spec.RunConfig),
        rootfs=spec.RootFS(type="layers", diff_ids=tuple(layer.diff_id for layer in image.layers)),
        history=image.history,
    )
    layers = tuple(
        spec.Descriptor(media_type=spec.OCI_LAYER_GZIP, digest=one.digest, size=one.size) for one in image.layers
    )
    manifest = spec.Manifest(schema_version=2, config=_put(config, spec.OCI_CONFIG, blobs), layers=layers)
    return msgspec.structs.replace(
        _put(manifest, spec.OCI_MANIFEST, blobs),
        platform=spec.Platform(architecture="amd64", os="linux"),
        annotations={spec.REF_NAME: f"{name}:latest", **card},
    )


def _bake(name: str, images: dict[str, Image], blobs: BlobStore) -> Image:
    """Carries out the steps of a Pizzafile, its base's first; each image is baked once."""
    if name in images:
        return images[name]
    files, image = context(name), Image()
    for word, rest in recipe(name).steps:
        if word == "FROM":
            image = Image() if rest == "scratch" else _bake(rest, images, blobs)
        elif word in ("COPY", "ADD"):
            source, target = rest.split()
            source = source.rstrip("/")
            made = _unpacked(files[source]) if word == "ADD" else _picked(files, source, target.strip("/"))
            image = image.add(pizzafile.copied(word, source, target, files), _layer(blobs, made))
        elif word == "RUN":
            gone = [path.strip("/") for path in shlex.split(rest) if path.startswith("/")] if rest[:3] == "rm " else []
            made = {} if gone else _picked(files, "packages", "")
            image = image.add(f"/bin/sh -c {rest}", _layer(blobs, made, gone))
        else:
            run, row = pizzafile.settle(image.run, word, rest)
            image = replace(image, run=run).add(row)
    images[name] = image
    return image


def _layer(blobs: BlobStore, made: Files, gone: Collection[str] = ()) -> Written:
    """Stores the layer in which the files of `made` and their parents stand, and the paths `gone` are hidden."""
    writer, when = LayerWriter(), int(BAKED.timestamp()) * 10**9
    for path in pizzafile.parents([*made, *gone]):
        writer.add(path.encode(), Entry("dir", pizzafile.mode(None), 0, 0, when))
    for path, content in made.items():
        writer.add(path.encode(), Entry("file", pizzafile.mode(content), 0, 0, when, len(content)), content)
    for path in gone:
        writer.whiteout(path.encode())
    return writer.write(blobs)


def _picked(files: Files, source: str, target: str) -> Files:
    """What COPY brings to `target`: one file, or all that a directory holds."""
    if source in files:
        return {target: files[source]}
    inside = {
        path.removeprefix(f"{source}/"): content for path, content in files.items() if path.startswith(f"{source}/")
    }
    return _below(target, inside) if target else inside


def _below(directory: str, files: Mapping[str, bytes]) -> Files:
    return {f"{directory}/{path}": content for path, content in files.items()}


def _archive(files: Files) -> bytes:
    """`files` as a plain tar, as it might have come from elsewhere for ADD."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size, member.mode, member.mtime = len(content), pizzafile.mode(content), int(BAKED.timestamp())
            tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


def _unpacked(archive: bytes) -> Files:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {member.name: file.read() for member in tar if (file := tar.extractfile(member))}


def _put(document: msgspec.Struct, media_type: str, blobs: BlobStore) -> spec.Descriptor:
    data = _json(document, media_type)
    return spec.Descriptor(media_type=media_type, digest=blobs.put(data), size=len(data))


def _json(document: msgspec.Struct, media_type: str) -> bytes:
    """A document as it is stored; manifests and indexes say what they are."""
    fields = msgspec.to_builtins(document)
    if media_type != spec.OCI_CONFIG:
        fields |= {"mediaType": media_type}
    return msgspec.json.encode(fields, order="sorted")


def main() -> None:
    """The command line: see the module."""
    parser = argparse.ArgumentParser(prog="python -m menu.build", description="Builds the menu's OCI layout.")
    parser.add_argument("--layout", type=Path, default=LAYOUT, help="where the layout goes (default: menu/layout)")
    parser.add_argument("--contexts", type=Path, help="write every image's build context here instead")
    arguments = parser.parse_args()
    if arguments.contexts is None:
        write_layout(arguments.layout)
    else:
        for name in IMAGES:
            write_files(arguments.contexts / name.rpartition("/")[2], context(name))


if __name__ == "__main__":
    main()
