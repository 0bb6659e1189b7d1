"""What the picture's tests are given: subjects from the menu and made-up ones, and a picture's markup to look into."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from xml.etree import ElementTree

import jinja2

import menu
from engine import image as images
from engine.blobs import DirectoryBlobs
from engine.digest import Digest
from engine.digest import short as shortened
from engine.image import Image, ImageLayer, Step
from engine.layer import Entry, Layer
from engine.layerstore import LayerStore
from engine.union import Union
from web.pizza import FILTERS, Above, Blob, Change, PizzaView, Subject, picture


@cache
def _menu() -> tuple[dict[str, Image], LayerStore]:
    blobs = DirectoryBlobs(_copied())
    index = json.loads((menu.LAYOUT / "index.json").read_text())
    names = {d["annotations"]["org.opencontainers.image.ref.name"]: Digest(d["digest"]) for d in index["manifests"]}
    return {name: images.load(blobs, digest) for name, digest in names.items()}, LayerStore(blobs)


def _copied() -> Path:
    """The menu's blobs where a store may keep its lock beside them."""
    place = Path(mkdtemp(prefix="menu-"))
    for algorithm in (menu.LAYOUT / "blobs").iterdir():
        (place / algorithm.name).symlink_to(algorithm)
    return place


def names() -> list[str]:
    """What is on the menu."""
    return list(_menu()[0])


@cache
def stack(name: str) -> Union:
    """The layers of an image of the menu."""
    loaded, layers = _menu()
    return Union(layers.get(one.digest, one.diff_id) for one in loaded[name].layers)


def image(name: str) -> Subject:
    """An image of the menu."""
    loaded = _menu()[0][name]
    return Subject("image", name, name, "", loaded.steps, loaded.layers, stack(name), own=(name,))


def container(
    name: str, upper: Mapping[bytes, Above], changes: Sequence[Change], changed: Mapping[bytes, int] | None = None
) -> Subject:
    """A container of an image of the menu."""
    loaded, known = _menu()[0][name], changed or {}
    size = sum(node.size for node in upper.values())
    return Subject(
        "container", "pizza-1", "pizza-1", f"running, from {name}", loaded.steps, loaded.layers, stack(name), upper,
        (name,), size, changes, known.get,
    )  # fmt: skip


def held(*wanted: str) -> list[Blob]:
    """The blobs of images of the menu, each once with its users."""
    users: dict[Digest, list[str]] = {}
    sizes: dict[Digest, tuple[int, int]] = {}
    for name in wanted:
        for one, layer in zip(_menu()[0][name].layers, stack(name).layers, strict=True):
            users.setdefault(one.digest, []).append(name)
            sizes[one.digest] = (one.size, layer.unpacked)
    return [Blob(digest, *sizes[digest], tuple(dict.fromkeys(who))) for digest, who in users.items()]


EDITED = b"pizza/slice-3/crust"


def dipped() -> Subject:
    """The container of the post: pepperoni off slice 1, jalapeños on slice 3, its crust dipped in hot sauce."""
    upper = {
        b"pizza": Above("dir"),
        b"pizza/slice-1": Above("dir"),
        b"pizza/slice-1/pepperoni": Above("whiteout"),
        b"pizza/slice-3": Above("dir"),
        EDITED: Above("file", 65547),
        b"pizza/slice-3/jalapenos": Above("file", 52),
    }
    changes = [
        Change("C", b"pizza"),
        Change("C", b"pizza/slice-1"),
        Change("D", b"pizza/slice-1/pepperoni"),
        Change("C", b"pizza/slice-3"),
        Change("C", EDITED),
        Change("A", b"pizza/slice-3/jalapenos"),
    ]
    return container("pizza/pepperoni:latest", upper, changes, {EDITED: 11})


# Made up


class _Nothing:
    def read(self, offset: int, size: int) -> bytes:
        return b"x" * size


def digest(*words: object) -> Digest:
    """Some digest, the same for the same words."""
    return Digest("sha256:" + hashlib.sha256(repr(words).encode()).hexdigest())


def layer(
    name: object, files: Mapping[bytes, int], whiteouts: Sequence[bytes] = (), opaques: Sequence[bytes] = ()
) -> Layer:
    """A layer of these files, by path their bytes, with the directories that they need."""
    entries: dict[bytes, Entry] = {}
    for path, size in files.items():
        parts = path.split(b"/")
        for depth in range(1, len(parts)):
            entries.setdefault(b"/".join(parts[:depth]), Entry("dir", 0o755, 0, 0, 0))
        entries[path] = Entry("file", 0o644, 0, 0, 0, size)
    hides = frozenset(whiteouts), frozenset(opaques)
    return Layer(digest("diff", name), sum(files.values()), entries, *hides, _Nothing())


def made(
    layers: Sequence[Layer],
    commands: Sequence[str | None] = (),
    cards: Mapping[int, Sequence[str]] | None = None,
    **more: object,
) -> Subject:
    """An image of these layers, bottom first; `cards` stand over the layer of their number."""
    steps, rows = [], []
    for n, one in enumerate(layers):
        command = (commands[n] if n < len(commands) else None) or f"COPY layer-{n} /"
        steps.append(Step(None, command, "", n))
        steps += [Step(None, words, "", None) for words in (cards or {}).get(n, ())]
        rows.append(ImageLayer(n, digest("blob", one.diff_id), one.diff_id, one.diff_id, 10 + one.unpacked // 3))
    kind = "container" if "upper" in more else "image"
    return Subject(kind, "made", "made", "of nothing", steps, rows, Union(layers), **more)  # type: ignore[arg-type]


def blobs_of(subject: Subject) -> list[Blob]:
    """The blobs that a made-up image needs."""
    found = {
        one.digest: Blob(one.digest, one.size, layer.unpacked, (subject.key,))
        for one, layer in zip(subject.layers, subject.union.layers, strict=True)
    }
    return list(found.values())


# Markup


@cache
def _templates() -> jinja2.Environment:
    root = Path(__file__).parents[2] / "templates"
    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(root),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    env.filters |= {**FILTERS, "short": shortened}
    return env


def markup(view: PizzaView) -> str:
    """The picture as the page has it."""
    return _templates().get_template("_picture.html").render(picture=view)


def tree(view: PizzaView) -> ElementTree.Element:
    """The picture's elements; it parses as XML, so that a slide can be made of it."""
    return ElementTree.fromstring(markup(view))


def shown(subject: Subject, blobs: Sequence[Blob] | None = None, **more: object) -> ElementTree.Element:
    """The elements of the picture of a subject."""
    return tree(picture(subject, blobs if blobs is not None else blobs_of(subject), **more))  # type: ignore[arg-type]


def facts(root: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    """The elements that have a fact, ``data-digest`` and the like."""
    return [element for element in root.iter() if name in element.attrib]


def classed(root: ElementTree.Element, word: str) -> list[ElementTree.Element]:
    """The elements of a class."""
    return [element for element in root.iter() if word in element.get("class", "").split()]


def text(element: ElementTree.Element) -> str:
    """All words of an element."""
    return " ".join(" ".join(element.itertext()).split())
