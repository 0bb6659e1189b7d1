"""The container's files as a utility names them: text relative to a working directory, over a `Snapshot`.

What the kernel decides by the spelling of a path is decided here: ``""`` leads nowhere, a slash at the end demands a
directory. ``/dev/null`` and ``/dev/zero``, which a container has from its runtime and not from its image, can be read.
Every call spends a step. All raise `FileError`.
"""

from __future__ import annotations

import errno
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from engine.errors import FileError
from engine.merged import Stat
from engine.shell import pattern
from engine.shell.meter import Meter
from engine.snapshot import Snapshot

NULL: Final = "/dev/null"
ZERO: Final = "/dev/zero"


def narrow(text: str) -> str:
    """Text of the outside as one character for each byte of its UTF-8."""
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


def join(directory: str, name: str) -> str:
    """A name in a directory, one slash between."""
    return f"{directory.rstrip('/')}/{name.lstrip('/')}" if directory else name


def basename(path: str) -> str:
    """The last name of a path, slashes at its end left out; ``/`` for the root."""
    return path.rstrip("/").rpartition("/")[2] or path[:1]


class Paths:
    """See the module. `cwd` is absolute."""

    def __init__(self, files: Snapshot, meter: Meter, cwd: str) -> None:
        self.files, self.meter, self.cwd = files, meter, cwd

    def at(self, path: str) -> bytes:
        """`path` as the snapshot wants it."""
        self.meter.spend(1 + path.count("/") // 8)
        if not path:
            raise FileError(errno.ENOENT, "")
        whole = path if path.startswith("/") else f"{self.cwd}/{path}"
        place = whole.strip("/").encode("latin-1")
        if place and (whole.endswith(("/", "/."))):
            found = self.files.resolve(place)
            if found.node is not None and found.kind != "dir":
                raise FileError(errno.ENOTDIR, place)
            return found.path
        return place

    def to_open(self, path: str) -> bytes:
        """Where a file is opened that may have to be made: EISDIR for a slash at its end (open(2) with O_CREAT)."""
        if path.endswith("/"):
            raise FileError(errno.EISDIR, path)
        return self.at(path)

    def to_make(self, path: str) -> bytes:
        """Where something new is made that is no directory; which a slash at its end forbids (path_resolution(7))."""
        if path.endswith("/"):
            there = self.files.lexists(self.named(path))
            raise FileError(errno.EEXIST if there else errno.ENOENT, path)
        return self.at(path)

    def named(self, path: str) -> bytes:
        """The name itself, slashes at its end left out: what is there is not followed."""
        return self.at(path.rstrip("/") or path[:1])

    # Looking

    def stat(self, path: str) -> Stat:
        """Of what `path` leads to."""
        return _DEVICES[path].stat if path in _DEVICES else self.files.stat(self.at(path))

    def lstat(self, path: str) -> Stat:
        """Of what stands at `path`."""
        return _DEVICES[path].stat if path in _DEVICES else self.files.lstat(self.at(path))

    def find(self, path: str, *, follow: bool = True) -> Stat | None:
        """Its stat, None where nothing is there. Errors other than ENOENT pass."""
        try:
            return self.stat(path) if follow else self.lstat(path)
        except FileError as error:
            if error.errno == errno.ENOENT:
                return None
            raise

    def leads(self, path: str) -> bool:
        """Whether `path` leads to anything."""
        try:
            return self.files.exists(self.at(path))
        except FileError:
            return False

    def is_dir(self, path: str, *, follow: bool = True) -> bool:
        """Whether `path` leads to a directory, or is one itself."""
        try:
            return (self.stat(path) if follow else self.lstat(path)).kind == "dir"
        except FileError:
            return False

    def names(self, path: str) -> list[str]:
        """The names in a directory, sorted."""
        names = self.files.listdir(self.at(path))
        self.meter.spend(len(names) // 64)
        return [name.decode("latin-1") for name in names]

    def real(self, path: str) -> bytes:
        """The one path of a directory, without symlinks: what tells it from all others, whatever changes in it."""
        return self.files.resolve(self.at(path)).path

    def now(self) -> int:
        """Nanoseconds since the epoch, by the clock that sets the times of files."""
        return self.files.now()

    def readlink(self, path: str) -> str:
        """A symlink's target."""
        return self.files.readlink(self.at(path)).decode("latin-1")

    def chunks(self, path: str) -> Iterator[bytes]:
        """A file's content, a piece at a time. An error comes at once, but EISDIR with the first piece: a directory can
        be opened."""
        if path in _DEVICES:
            return self._metered(_DEVICES[path].read())
        place = self.at(path)
        if self.files.stat(place).kind == "dir":
            return _unreadable(place)
        return self._metered(self.files.chunks(place))

    def _metered(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self.meter.spend_on(chunk)
            yield chunk

    def write(self, path: str, pieces: Iterable[bytes], mode: int) -> None:
        """A file opened with O_TRUNC, made with `mode` where it is not there; what goes to a device is gone."""
        if path in _DEVICES:
            deque(pieces, 0)
        else:
            self.files.write(self.to_open(path), pieces, mode=mode)

    def glob(self, shape: str) -> list[str]:
        """The paths that a pattern matches, sorted; hidden names by a dot of the pattern only."""
        found = [""]
        for part in re.findall(r"/+|[^/]+", shape):
            if part[0] == "/":
                found = [base + part for base in found if not base or self.is_dir(base)]
            else:
                found = [made for base in found for made in self._step(base, part)]
            self.meter.check_words(len(found))
        return sorted(found)

    def _step(self, base: str, part: str) -> list[str]:
        """What one name of a pattern matches in `base`, which is empty or ends in a slash."""
        if not pattern.is_magic(part):
            path = base + pattern.unquote(part)
            try:
                self.lstat(path)
            except FileError:
                return []
            return [path]
        try:
            names = self.names(base or ".")
        except FileError:
            return []
        hidden = pattern.unquote(part).startswith(".")
        if hidden:
            names = [".", "..", *names]
        self.meter.spend(len(names) // 4)
        return [base + name for name in names if (hidden or name[0] != ".") and pattern.matches(part, name)]


def _zeros() -> Iterator[bytes]:
    while True:
        yield bytes(4096)


def _unreadable(place: bytes) -> Iterator[bytes]:
    raise FileError(errno.EISDIR, place)
    yield b""


class _Device(NamedTuple):
    """What a container has below /dev from its runtime."""

    stat: Stat
    read: Callable[[], Iterator[bytes]]


def _device(minor: int, read: Callable[[], Iterator[bytes]]) -> _Device:
    about = Stat("char", 0o666, 0, 0, 0, 0, b"", -minor, 1, 1, minor, upper=False, layer=None)
    return _Device(about, read)


_DEVICES: Final = {NULL: _device(3, lambda: iter(())), ZERO: _device(5, _zeros)}
