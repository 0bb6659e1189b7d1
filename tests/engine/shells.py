"""The same script to our shell and to a real busybox on a real overlay, over the same layers.

ran = ours("echo hot >> f; ls -l f")        # status, out, err, and the tree that it leaves
Busybox(layers).run("…")                    # the same of busybox's; peers.need_root, a kernel with overlayfs
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

from engine import shell
from engine.errors import never
from engine.events import Event
from engine.layerstore import LayerStore
from engine.memoryblobs import MemoryBlobs
from engine.shell.meter import Limits
from engine.snapshot import Snapshot
from engine.union import Union
from engine.upper import EMPTY
from tests import peers
from tests.engine import busybox_overlay, images, kernel_overlay, operations
from tests.engine.images import Layer, directory, file, symlink
from tests.engine.kernel_overlay import NOW
from tests.engine.shell_scripts import LAYERS

PLACE = ".bin"
"""Where busybox stands in both roots, hidden from most patterns."""
NAMES = sorted({*shell.WORDS} - {"for", "while", "until", "if", ":", "cd", "export", "unset", "set", "shift", "exit",
                                 "break", "continue", "read", "help"})  # fmt: skip
ENVIRONMENT = {"PATH": f"/{PLACE}"}


class Ran(NamedTuple):
    """What a script did."""

    status: int
    out: str
    err: str
    tree: dict[bytes, tuple[Any, ...]]


def with_busybox(layers: Sequence[Layer], program: bytes) -> list[Layer]:
    """`layers` with busybox, by all names that we know, in the lowest."""
    links = {f"{PLACE}/{name}": symlink("busybox") for name in NAMES}
    return [{**layers[0], PLACE: directory(), f"{PLACE}/busybox": file(program, 0o755), **links}, *layers[1:]]


@cache
def _union() -> Union:
    return load(with_busybox(LAYERS, b"busybox"))


def load(layers: Sequence[Layer]) -> Union:
    """Layers as the engine reads them."""
    blobs = MemoryBlobs()
    written = [images.write(blobs, layer) for layer in layers]
    store = LayerStore(blobs)
    return Union([store.get(one.digest, one.diff_id) for one in written])


def ours(
    command: str | Sequence[str],
    *,
    stdin: bytes = b"",
    limits: Limits | None = None,
    cancelled: Callable[[], bool] = never,
    events: list[Event] | None = None,
    cwd: str = "/",
    now: int = 0,
) -> Ran:
    """Runs a script or a command over `LAYERS`."""
    start = now or time.time_ns()
    emit = [].append if events is None else events.append
    files = Snapshot(_union(), EMPTY, MemoryBlobs(), now=lambda: start, container="c", emit=emit)
    words = ["sh", "-c", command] if isinstance(command, str) else command
    ran = shell.run(words, files, env=ENVIRONMENT, cwd=cwd, stdin=stdin, limits=limits, cancelled=cancelled)
    out, err = ("".join(_text(data) for stream, data in ran.out if stream == name) for name in ("stdout", "stderr"))
    return Ran(ran.status, out, err, _tree(operations.tree(files), start))


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _tree(found: dict[bytes, tuple[Any, ...]], start: int) -> dict[bytes, tuple[Any, ...]]:
    """A tree without busybox itself, whose times of the last minute are told as `NOW`."""
    recent = start - 60 * 10**9
    kept = {path: node for path, node in found.items() if not path.startswith(PLACE.encode())}
    return {path: (*node[:4], NOW if node[4] >= recent else node[4], *node[5:]) for path, node in kept.items()}


class Busybox:
    """A process that runs scripts by busybox, each over `layers` as they were."""

    def __init__(self, layers: Sequence[Layer] = LAYERS) -> None:
        peers.need_root()
        program = peers.need("busybox").read_bytes()
        self._process = subprocess.Popen(
            [sys.executable, busybox_overlay.__file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        try:
            self._ask("stack", [_specification(layer) for layer in with_busybox(layers, program)])
            self.run("true")
        except (OSError, EOFError) as error:
            self.close()
            peers.missing(f"needs a kernel overlay mount: {error}")

    def run(self, script: str) -> Ran:
        """What busybox made of a script."""
        words = [f"/{PLACE}/sh".encode(), b"-c", script.encode("utf-8", "surrogateescape")]
        environment = {name.encode(): value.encode() for name, value in ENVIRONMENT.items()}
        start = time.time_ns()
        status, out, err, tree = self._ask("sh", words, environment)
        return Ran(status, _text(out), _text(err), _tree(tree, start))

    def _ask(self, *request: Any) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        kernel_overlay.send(self._process.stdin, request)
        answer = kernel_overlay.receive(self._process.stdout)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        """Ends the process."""
        self._process.communicate()


def _specification(layer: Layer) -> kernel_overlay.Specification:
    """A layer as `kernel_overlay` lays it out, its directories all named."""
    made: kernel_overlay.Specification = {b"": _node(directory())}
    for path in sorted(layer):
        given = layer[path]
        item = file(given) if isinstance(given, bytes) else given
        steps = path.split("/")
        for count in range(1, len(steps)):
            made.setdefault("/".join(steps[:count]).encode(), _node(directory()))
        if item.link:
            made[path.encode()] = made[item.link.encode()]
            made[path.encode()].setdefault("link", len(made))
        else:
            made[path.encode()] = _node(item)
    return made


def _node(item: images.Item) -> dict[str, Any]:
    entry = item.entry
    if entry is None:
        return {"kind": "whiteout"}
    return {
        "kind": entry.kind,
        "mode": entry.mode,
        "uid": entry.uid,
        "gid": entry.gid,
        "mtime": entry.mtime,
        "data": item.content,
        "target": entry.target,
        "major": entry.major,
        "minor": entry.minor,
        "opaque": item.opaque,
    }


# Comparing

_ALIKE = (
    (rf"/{PLACE}/sh\b", "sh"),
    (r"(?m)^((?:\s*\d+ )?d[-rwxsStT]{9} +)\d+", r"\1N"),  # the links of a directory, which overlayfs counts by chance
    (r"(?m)^total \d+.*", "total"),  # the blocks of a directory, which have room for the overlay's own attributes
    (r" line \d+:", ""),  # where a builtin stands, which ours does not tell
    (r"sh: \d+:\d+: ", "sh: "),  # where a syntax error is, which busybox does not tell
    (r' \(expecting "?\w+"?\)', ""),
    (
        r"divide by zero|malformed \?: operator|arithmetic syntax error|expression recursion loop detected",
        "bad arithmetic",
    ),
    (r"Input/output error|I/O error", "Is a directory"),
    (r"sed: can't move '.*' to", "sed: can't move to"),
    (r"Path does not exist", "No such file or directory"),
)


def alike(text: str) -> str:
    """What two systems, or two shells, word differently, made the same."""
    for shape, same in _ALIKE:
        text = re.sub(shape, same, text)
    return text


def differences(busybox: Busybox, script: str, *, errors: bool = True) -> list[str]:
    """What busybox (first) and our shell (second) do not agree on."""
    theirs, mine = busybox.run(script), ours(script)
    found = [f"status: {theirs.status} {mine.status}"] if theirs.status != mine.status else []
    if alike(theirs.out) != alike(mine.out):
        found.append(f"output:\n{theirs.out!r}\n{mine.out!r}")
    said = [alike(ran.err) for ran in (theirs, mine)]
    if errors and said[0] != said[1] and "multi-call binary" not in said[0]:
        found.append(f"errors:\n{said[0]!r}\n{said[1]!r}")
    paths = sorted({*theirs.tree, *mine.tree})
    nodes = [(path, theirs.tree.get(path), mine.tree.get(path)) for path in paths]
    return found + [f"{path!r}: {a!r} {b!r}" for path, a, b in nodes if a != b and not _alike_nodes(a, b)]


def _alike_nodes(a: tuple[Any, ...] | None, b: tuple[Any, ...] | None) -> bool:
    """Whether two nodes are files that differ in words alone that a script redirected into them."""
    if a is None or b is None or a[0] != "file" or a[:5] != b[:5] or a[5][1:] != b[5][1:]:
        return False
    return alike(_text(a[6])) == alike(_text(b[6]))


def fewest(busybox: Busybox, lines: list[str], *, errors: bool = True) -> list[str]:
    """Lines without which the difference would be gone."""
    at = 0
    while at < len(lines):
        fewer = lines[:at] + lines[at + 1 :]
        if fewer and differences(busybox, "\n".join(fewer), errors=errors):
            lines = fewer
        else:
            at += 1
    return lines
