"""Random stacks of layers and random file operations over them, for comparing what different programs make of them.

Everything comes from a seeded `random.Random`, so that a seed names a case.
"""

from __future__ import annotations

import random
from contextlib import suppress
from typing import Any

from engine.blobs import BlobStore
from engine.errors import FileError
from engine.layer import Entry
from engine.layerstore import LayerStore
from engine.layerwriter import LayerWriter
from engine.memoryblobs import MemoryBlobs
from engine.merged import Merged, Place
from engine.snapshot import Snapshot
from engine.union import Union
from engine.upper import EMPTY, Node
from tests.engine.kernel_overlay import NOW, Specification

Operation = tuple[Any, ...]
Tree = dict[bytes, tuple[Any, ...]]

NAMES = (b"a", b"b", b"c", b"d", b"e", "é".encode(), b"\xff\xfe", b"x y", b"-n", b"a.wh.b", b"n\nl", b"z" * 251)
MODES = (0o644, 0o755, 0o600, 0o4755, 0o2755, 0o6711, 0o2644, 0o777, 0o444, 0o000)
TARGETS = (b"a", b"../a", b"/a/b", b"b", b"/", b"../../../c", b"d/e", b".", b"nowhere", b"/c/../a")
XATTRS = (b"user.one", b"user.two", b"trusted.three", b"security.capability")
CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")
OLD = 1_000_000_000 * 1_000_000_000
"""Nanoseconds: 2001. What was made before the test has times about it."""


# Layers


def make_node(rng: random.Random, kind: str, **more: Any) -> dict[str, Any]:
    """What may stand at a path of a layer."""
    node = {
        "kind": kind,
        "mode": 0o777 if kind == "symlink" else rng.choice(MODES),
        "uid": rng.choice((0, 0, 1000)),
        "gid": rng.choice((0, 0, 50)),
        "mtime": OLD + rng.randrange(1000) * 1_000_000_000,
    }
    if kind in ("file", "dir") and rng.random() < 0.3:
        node["xattrs"] = {rng.choice(XATTRS[:3]): rng.randbytes(3)}
    if kind == "file":
        node["data"] = rng.randbytes(rng.choice((0, 1, 5, 100, 4096, 5000)))
        if rng.random() < 0.1:
            node["xattrs"] = {b"security.capability": CAPABILITY}
    return node | more


def make_stack(rng: random.Random) -> list[Specification]:
    """One to three layers that add, replace, merge, hide and make opaque."""
    layers: list[Specification] = []
    below: dict[bytes, str] = {}
    for _ in range(rng.choice((1, 2, 3, 3))):
        layer: Specification = {b"": make_node(rng, "dir", mode=0o755)}
        for _ in range(rng.randrange(3, 18)):
            _add(rng, layer, below)
        layer = dict(sorted(layer.items()))
        layers.append(layer)
        _apply(below, layer)
    return layers


def _add(rng: random.Random, layer: Specification, below: dict[bytes, str]) -> None:
    directories = [path for path, node in layer.items() if node["kind"] == "dir" and path.count(b"/") < 3]
    known = [path for path, kind in below.items() if kind == "dir"]
    parent = rng.choice(known) if known and rng.random() < 0.6 else rng.choice(directories)
    steps = parent.split(b"/") if parent else []
    for depth in range(1, len(steps) + 1):
        at = b"/".join(steps[:depth])
        if at not in layer:
            layer[at] = make_node(rng, "dir", opaque=below.get(at) == "dir" and rng.random() < 0.1)
        if layer[at]["kind"] != "dir":
            return
    lower = [path for path in below if path.rpartition(b"/")[0] == parent and path]
    path = rng.choice(lower) if lower and rng.random() < 0.5 else _join(parent, rng.choice(NAMES))
    if path in layer:
        return
    kind = rng.choices(
        ("file", "dir", "symlink", "fifo", "char", "block", "link", "whiteout"), (8, 6, 3, 1, 1, 1, 3, 4)
    )[0]
    if kind == "whiteout":
        # The kernel lists a whiteout within an opaque lower directory, as a name that is not there.
        if path in below and not any(node.get("opaque") and path.startswith(at) for at, node in layer.items()):
            layer[path] = {"kind": "whiteout"}
    elif kind == "link":
        files = [node for node in layer.values() if node["kind"] not in ("dir", "whiteout")]
        if files:
            file = rng.choice(files)
            file.setdefault("link", rng.getrandbits(60))
            layer[path] = file
    elif kind == "symlink":
        layer[path] = make_node(rng, kind, target=rng.choice(TARGETS))
    elif kind in ("char", "block"):
        layer[path] = make_node(rng, kind, major=1, minor=rng.choice((3, 5)))
    elif kind == "dir":
        layer[path] = make_node(rng, kind, opaque=below.get(path) == "dir" and rng.random() < 0.3)
    else:
        layer[path] = make_node(rng, kind)


def _join(directory: bytes, name: bytes) -> bytes:
    return b"%b/%b" % (directory, name) if directory else name


def _apply(below: dict[bytes, str], layer: Specification) -> None:
    """What is seen once `layer` is on top."""
    for path, node in layer.items():
        if node["kind"] != "dir" or node.get("opaque"):
            for gone in [at for at in below if at.startswith(path + b"/")]:
                del below[gone]
        below.pop(path, None)
    below.update({path: node["kind"] for path, node in layer.items() if node["kind"] != "whiteout"})


def load(layers: list[Specification], blobs: BlobStore | None = None) -> Union:
    """The layers as tars, read back by the engine."""
    blobs = blobs or MemoryBlobs()
    store = LayerStore(blobs)
    loaded = []
    for layer in layers:
        writer, links = LayerWriter(), dict[int, bytes]()
        for path, node in layer.items():
            if node["kind"] == "whiteout":
                writer.whiteout(path)
            elif node.get("link") in links:
                writer.hardlink(path, links[node["link"]])
            else:
                links[node.get("link", -1)] = path
                data = node.get("data", b"")
                entry = Entry(
                    node["kind"],
                    node["mode"],
                    node["uid"],
                    node["gid"],
                    node["mtime"],
                    len(data),
                    node.get("target", b""),
                    major=node.get("major", 0),
                    minor=node.get("minor", 0),
                    xattrs=tuple(sorted(node.get("xattrs", {}).items())),
                )
                writer.add(path, entry, data)
                if node.get("opaque"):
                    writer.opaque(path)
        written = writer.write(blobs)
        loaded.append(store.get(written.digest, written.diff_id))
    return Union(loaded)


# Operations


def make_operations(rng: random.Random, union: Union) -> list[Operation]:
    """A random sequence, each operation chosen with an eye on what the ones before it have left."""
    files = Snapshot(union, EMPTY, MemoryBlobs(), now=lambda: NOW)
    operations: list[Operation] = []
    for _ in range(rng.choice((1, 2, 3, 4, 5, 8, 13, 21))):
        there = list(files.walk())
        for operation in _next(rng, files, there):
            operations.append(operation)
            with suppress(FileError):
                perform(files, operation[0], list(operation[1:]))
    return operations


def _next(rng: random.Random, files: Snapshot, there: list[Place]) -> list[Operation]:
    """One operation, or all that remove a tree and put something in its place."""
    directories = [place.path for place in there if place.kind == "dir"]
    if not directories or rng.random() > 0.15:
        return [_operation(rng, there)]
    top = rng.choice(directories)
    gone = [(place.kind, place.path) for place in reversed(list(files.walk(top)))]
    removed: list[Operation] = [("rmdir" if kind == "dir" else "unlink", path) for kind, path in gone]
    after: list[list[Operation]] = [
        [],
        [("rmdir", top)],
        [("rmdir", top), ("mkdir", top, 0o755)],
        [("rmdir", top), ("mkdir", top, 0o755), ("rename", top, _path(rng, there))],
        [("rmdir", top), ("write", top, b"file", 0o644)],
        [("rmdir", top), ("rename", _path(rng, there), top)],
        [("rename", _path(rng, there, "dir"), top)],
        [("rename", top, _path(rng, there))],
    ]
    return removed + rng.choice(after)


def _path(rng: random.Random, there: list[Place], *kinds: str) -> bytes:
    """A path: often of one of `kinds`, or one that could be new; rarely a strange one."""
    fitting = [place.path for place in there if not kinds or place.kind in kinds]
    parent = rng.choice([b"", *(place.path for place in there if place.kind == "dir")])
    path = rng.choice(fitting) if fitting and rng.random() < 0.7 else _join(parent, rng.choice(NAMES))
    if rng.random() < 0.1:
        path += b"/" + rng.choice((*NAMES, b"..", b"../a", b"a/b", b"b/..", b"y" * 255, b"y" * 256))
    if rng.random() < 0.02:
        path = rng.choice((b"", b"/", b"..", b"a/../..", b"/" + path))
    return path


def _operation(rng: random.Random, there: list[Place]) -> Operation:
    data = rng.randbytes(rng.choice((0, 1, 7, 5000)))
    path, file, mode, follow = _path(rng, there), _path(rng, there, "file"), rng.choice(MODES), rng.random() < 0.5
    number = rng.choice((0, 1, 3, 100, 4097, 10000))
    name = rng.choice((*XATTRS[:3], b"user.", b"nonsense.x"))
    new = _path(rng, there, "nothing")
    return rng.choices(
        (
            ("write", file, data, mode),
            ("append", file, data, mode),
            ("open_rw", file),
            ("pwrite", file, number, data),
            ("truncate", file, number),
            ("unlink", _path(rng, there, "file", "symlink", "fifo", "char")),
            ("mkdir", new, mode),
            ("rmdir", _path(rng, there, "dir")),
            ("rename", *(p.replace(b"y" * 256, b"y") for p in (path, rng.choice((new, _path(rng, there)))))),
            ("link", file, new),
            ("symlink", rng.choice(TARGETS), new),
            ("mknod", new, rng.choice(("fifo", "char", "block", "file")), mode, rng.choice((0, 1)), rng.choice((0, 3))),
            ("chmod", path, mode),
            ("chown", path, rng.choice((-1, 0, 7)), rng.choice((-1, 0, 8)), follow),
            ("utime", path, rng.choice((None, OLD // 2, OLD // 3 + 1)), follow),
            ("setxattr", path, name, rng.randbytes(2), follow),
            ("removexattr", path, name, follow),
            ("read", file),
            ("listdir", _path(rng, there, "dir")),
            ("readlink", _path(rng, there, "symlink")),
        ),
        (6, 4, 3, 4, 3, 14, 8, 5, 18, 6, 3, 3, 3, 3, 3, 3, 2, 2, 2, 1),
    )[0]


# What came of it


def perform(files: Snapshot, name: str, arguments: list[Any]) -> Any:
    """What an operation of `kernel_overlay` returns; `FileError`."""
    if name in ("write", "append"):
        path, data, mode = arguments
        return files.write(path, data, append=name == "append", mode=mode)
    if name in ("chown", "utime", "setxattr", "removexattr"):
        return getattr(files, name)(*arguments[:-1], follow=arguments[-1])
    return getattr(files, name)(*arguments)


def kind_of(node: Node) -> str:
    """As `kernel_overlay.upper_kinds` tells it."""
    return "opaque dir" if node.opaque else node.kind


def xattrs(files: Merged, path: bytes) -> dict[bytes, bytes]:
    """The extended attributes of what stands at `path`, by name."""
    node = files.there(path, follow=False).node
    assert node
    return dict(node.xattrs)


def tree(files: Merged) -> Tree:
    """Everything below the root, as `kernel_overlay.tree` tells it."""
    found: Tree = {}
    first: dict[int, bytes] = {}
    for path in [b"", *(place.path for place in files.walk())]:
        about = files.lstat(path)
        content: Any = None
        if about.kind == "file":
            content = files.read(path)
        elif about.kind == "symlink":
            content = about.target
        elif about.kind in ("char", "block"):
            content = (about.major, about.minor)
        links = (about.size, about.nlink, first.setdefault(about.inode, path))
        found[path] = (
            about.kind,
            about.mode,
            about.uid,
            about.gid,
            about.mtime,
            None if about.kind == "dir" else links,
            content,
            xattrs(files, path),
        )
    return found
