"""The kernel's side of the overlay comparison: a process of its own that mounts real overlays and obeys over a pipe.

Run by `python tests/engine/kernel_overlay.py`, as root. It lives in a private mount namespace on a tmpfs of its own, so
that nothing outlasts it; it imports nothing of the engine. Each request is a pickled tuple: ``("stack", layers)`` lays
layers out as directories; ``("run", operations)`` applies operations to a fresh upper over the last stack, inside a
chroot, and answers what each returned, the merged tree, and the kinds of the upper's nodes.
"""

from __future__ import annotations

import ctypes
import errno
import os
import pickle
import shutil
import stat
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

OPTIONS = "redirect_dir=off,metacopy=off,index=off,volatile"
"""As the engine has it; volatile only leaves syncs out."""
NOW = 1 << 60
"""What any mtime since the start is told as."""

Specification = dict[bytes, dict[str, Any]]
"""A layer: path to what stands there (see `lay_out`), parents first."""

_CLONE_NEWNS = 0x20000
_MS_PRIVATE_RECURSIVE = 0x44000
_MNT_DETACH = 2
_WHITEOUT = os.makedev(0, 0)
_KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "dir",
    stat.S_IFLNK: "symlink",
    stat.S_IFIFO: "fifo",
    stat.S_IFCHR: "char",
    stat.S_IFBLK: "block",
}
_LIBC = ctypes.CDLL(None, use_errno=True)


def _call(function: str, *arguments: Any) -> None:
    if getattr(_LIBC, function)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{function}: {os.strerror(number)}")


def lay_out(layer: Specification, root: bytes) -> None:
    """A layer as a directory that overlayfs takes for a lower one."""
    os.mkdir(root)
    names: dict[int, bytes] = {}
    for path, node in layer.items():
        place = os.path.join(root, path) if path else root
        kind = node["kind"]
        if kind == "whiteout":
            os.mknod(place, stat.S_IFCHR, _WHITEOUT)
            continue
        if node.get("link") in names:
            os.link(names[node["link"]], place, follow_symlinks=False)
            continue
        names[node.get("link", -1)] = place
        if kind == "dir" and path:
            os.mkdir(place)
        elif kind == "file":
            Path(os.fsdecode(place)).write_bytes(node["data"])
        elif kind == "symlink":
            os.symlink(node["target"], place)
        elif kind != "dir":
            number = {"fifo": stat.S_IFIFO, "char": stat.S_IFCHR, "block": stat.S_IFBLK}[kind]
            os.mknod(place, number | 0o600, os.makedev(node.get("major", 0), node.get("minor", 0)))
        if node.get("opaque"):
            os.setxattr(place, b"trusted.overlay.opaque", b"y")
    for path, node in reversed(layer.items()):
        if node["kind"] != "whiteout":
            _dress(os.path.join(root, path) if path else root, node)


def _dress(place: bytes, node: dict[str, Any]) -> None:
    os.lchown(place, node["uid"], node["gid"])
    if node["kind"] != "symlink":
        os.chmod(place, node["mode"])
    for name, value in node.get("xattrs", {}).items():
        os.setxattr(place, name, value, follow_symlinks=False)
    os.utime(place, ns=(node["mtime"], node["mtime"]), follow_symlinks=False)


# Operations, by the names that the test gives them


def _plain(path: bytes) -> None:
    """What is neither file nor directory is not opened: a fifo would block, a device do something."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise OSError(errno.ENXIO, "special")


def _open(path: bytes, flags: int, mode: int = 0, data: bytes = b"", offset: int | None = None) -> None:
    _plain(path)
    descriptor = os.open(path, flags, mode)
    try:
        if offset is not None:
            os.pwrite(descriptor, data, offset)
        elif flags & os.O_ACCMODE != os.O_RDWR:
            os.write(descriptor, data)
    finally:
        os.close(descriptor)


def _read(path: bytes) -> bytes:
    _plain(path)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.read(descriptor, 1 << 20)
    finally:
        os.close(descriptor)


def _truncate(path: bytes, size: int) -> None:
    """Truncating to the size that a file has changes its mtime on tmpfs; not so on ext4 and xfs, which we follow."""
    before = os.stat(path)
    os.truncate(path, size)
    if before.st_size == size:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _mknod(path: bytes, kind: str, mode: int, major: int, minor: int) -> None:
    number = {"fifo": stat.S_IFIFO, "char": stat.S_IFCHR, "block": stat.S_IFBLK, "file": stat.S_IFREG}[kind]
    os.mknod(path, number | mode, os.makedev(major, minor))


def _utime(path: bytes, mtime: int | None, follow: bool) -> None:
    if mtime is None:
        os.utime(path, follow_symlinks=follow)
    else:
        os.utime(path, ns=(mtime, mtime), follow_symlinks=follow)


OPERATIONS: dict[str, Callable[..., Any]] = {
    "write": lambda path, data, mode: _open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode, data),
    "append": lambda path, data, mode: _open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, mode, data),
    "open_rw": lambda path: _open(path, os.O_RDWR),
    "pwrite": lambda path, offset, data: _open(path, os.O_WRONLY, 0, data, offset),
    "truncate": _truncate,
    "mkdir": os.mkdir,
    "rmdir": os.rmdir,
    "unlink": os.unlink,
    "rename": os.rename,
    "link": lambda old, new: os.link(old, new, follow_symlinks=False),
    "symlink": os.symlink,
    "mknod": _mknod,
    "chmod": os.chmod,
    "chown": lambda path, uid, gid, follow: os.chown(path, uid, gid, follow_symlinks=follow),
    "utime": _utime,
    "setxattr": lambda path, name, value, follow: os.setxattr(path, name, value, follow_symlinks=follow),
    "removexattr": lambda path, name, follow: os.removexattr(path, name, follow_symlinks=follow),
    "read": _read,
    "listdir": lambda path: sorted(os.listdir(path)),
    "readlink": os.readlink,
}


def perform(name: str, *arguments: Any) -> Any:
    """What an operation returned, or the name of its error."""
    try:
        return OPERATIONS[name](*[b"/" + a if n in _paths(name) else a for n, a in enumerate(arguments)])
    except OSError as error:
        return errno.errorcode[error.errno or 0]


def _paths(name: str) -> tuple[int, ...]:
    """Which arguments are paths of the container."""
    return {"rename": (0, 1), "link": (0, 1), "symlink": (1,)}.get(name, (0,))


# Telling what there is


def tree(start: int) -> dict[bytes, tuple[Any, ...]]:
    """Everything below the root, hardlinks told by the first name of their file."""
    found: dict[bytes, tuple[Any, ...]] = {}
    first: dict[int, bytes] = {}
    todo = [b"/"]
    while todo:
        path = todo.pop()
        about = os.lstat(path)
        kind = _KINDS[stat.S_IFMT(about.st_mode)]
        content: Any = None
        if kind == "dir":
            names = os.listdir(path)
            assert len(names) == len(set(names)), f"a name twice in {path!r}: {names}"  # rule 34
            todo += sorted((os.path.join(path, name) for name in names), reverse=True)
        elif kind == "file":
            content = _read(path)
        elif kind == "symlink":
            content = os.readlink(path)
        elif kind in ("char", "block"):
            content = (os.major(about.st_rdev), os.minor(about.st_rdev))
        found[path[1:]] = (
            kind,
            stat.S_IMODE(about.st_mode),
            about.st_uid,
            about.st_gid,
            NOW if about.st_mtime_ns >= start else about.st_mtime_ns,
            None if kind == "dir" else (about.st_size, about.st_nlink, first.setdefault(about.st_ino, path[1:])),
            content,
            {name: os.getxattr(path, name, follow_symlinks=False) for name in _xattrs(path)},
        )
    return found


def _xattrs(path: bytes) -> list[bytes]:
    names = (name.encode() for name in os.listxattr(path, follow_symlinks=False))
    return sorted(name for name in names if not name.startswith(b"trusted.overlay."))


def upper_kinds(root: bytes) -> dict[bytes, str]:
    """What the upper directory has, as overlayfs means it."""
    found: dict[bytes, str] = {}
    for directory, directories, files in os.walk(root):
        for name in directories + files:
            place = os.path.join(directory, name)
            about = os.lstat(place)
            kind = _KINDS[stat.S_IFMT(about.st_mode)]
            if kind == "char" and about.st_rdev == _WHITEOUT:
                kind = "whiteout"
            elif kind == "dir" and _opaque(place):
                kind = "opaque dir"
            found[os.path.relpath(place, root)] = kind
    return found


def _opaque(place: bytes) -> bool:
    try:
        return os.getxattr(place, b"trusted.overlay.opaque") == b"y"
    except OSError:
        return False


class Machine:
    """Directories on a private tmpfs, or else in `directory`, and the overlays over them."""

    def __init__(self, directory: str | None) -> None:
        _call("unshare", _CLONE_NEWNS)
        _call("mount", None, b"/", None, _MS_PRIVATE_RECURSIVE, None)
        self.base = os.fsencode(tempfile.mkdtemp(prefix="overlay-", dir=directory))
        if not directory:
            _call("mount", b"tmpfs", self.base, b"tmpfs", 0, b"mode=0755,size=512m")
        self.outside = os.open("/", os.O_RDONLY)
        self.lowers: list[bytes] = []
        self.count = 0

    def stack(self, layers: list[Specification]) -> None:
        """Lay out a stack, bottom first, in place of the last."""
        for lower in self.lowers:
            shutil.rmtree(lower)
        self.count += 1
        self.lowers = [b"%b/%d-%d" % (self.base, self.count, n) for n in range(len(layers))]
        for layer, lower in zip(layers, self.lowers, strict=True):
            lay_out(layer, lower)
        self.root = layers[-1][b""]

    def run(self, operations: list[tuple[Any, ...]]) -> tuple[Any, ...]:
        """Apply operations to a fresh upper over the stack; see the module."""
        upper, work, merged = (b"%b/%b" % (self.base, name) for name in (b"upper", b"work", b"merged"))
        for directory in (upper, work, merged):
            os.mkdir(directory)
        _dress(upper, self.root)
        lowers = b":".join(reversed(self.lowers))
        data = b"lowerdir=%b,upperdir=%b,workdir=%b,%b" % (lowers, upper, work, OPTIONS.encode())
        start = time.time_ns() - 50_000_000  # the kernel's clock for files is coarse
        _call("mount", b"overlay", merged, b"overlay", 0, data)
        try:
            os.chroot(merged)
            try:
                os.chdir("/")
                results = [perform(*operation) for operation in operations]
                found = tree(start)
            finally:
                os.fchdir(self.outside)
                os.chroot(".")
            return results, found, upper_kinds(upper)
        finally:
            _call("umount2", merged, _MNT_DETACH)
            for directory in (upper, work, merged):
                shutil.rmtree(directory)

    def close(self) -> None:
        """Leave nothing behind."""
        _LIBC.umount2(self.base, _MNT_DETACH)
        shutil.rmtree(self.base)


def receive(stream: IO[bytes]) -> Any:
    """The next message; `EOFError` where the other side is gone."""
    head = stream.read(8)
    if len(head) < 8:
        raise EOFError("the process ended")
    return pickle.loads(stream.read(struct.unpack("<q", head)[0]))


def send(stream: IO[bytes], message: Any) -> None:
    """One message."""
    data = pickle.dumps(message)
    stream.write(struct.pack("<q", len(data)) + data)
    stream.flush()


def main() -> None:
    """Obey until the pipe closes. OVERLAY_DIRECTORY names a directory to use, of a file system that can be an upper."""
    os.umask(0o022)
    machine = Machine(os.environ.get("OVERLAY_DIRECTORY"))
    with suppress(EOFError):
        while True:
            name, *arguments = receive(sys.stdin.buffer)
            try:
                answer = getattr(machine, name)(*arguments)
            except Exception as error:
                answer = error
            send(sys.stdout.buffer, answer)
    machine.close()


if __name__ == "__main__":
    main()
