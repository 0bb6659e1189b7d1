"""A snapshot is a private builder: a container's upper, edited by the file operations of one command, then frozen.

Every operation does what the kernel's overlayfs does with ``redirect_dir=off,metacopy=off,index=off`` (Linux,
Documentation/filesystems/overlayfs.rst; rules 28 to 35), for a process of root with umask 022: layers never change, a
file is copied up whole before anything of it is written, what is removed leaves a whiteout where the layers have it. An
operation that fails raises `FileError` with the kernel's errno and leaves the merged tree as it was; what one made, it
tells by events. A story:

    files = Snapshot(union, upper, blobs, now=time.time_ns, container=id, emit=events.append)
    files.write(b"etc/motd", b"hot\\n", append=True)     # FileCopiedUp (the whole of it), then FileWritten
    files.unlink(b"etc/issue")                          # PathWhitedOut
    upper = files.freeze()                              # contents are stored now, not before

Beyond the kernel, what an OCI layer cannot express is refused with EINVAL: a name that begins ``.wh.`` (rule 35), an
extended attribute whose name has ``=``; and attributes of overlayfs itself with EPERM.

Reading (`stat`, `listdir`, `read`, `walk`, …) is `engine.merged`'s.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from typing import Final

from msgspec.structs import replace

from engine import events as facts
from engine import whiteout
from engine.content import resize
from engine.drafts import Limits, filled
from engine.errors import FileError
from engine.events import display
from engine.merged import PATH_MAX, Place
from engine.upper import Node
from engine.writable import Writable, unprivileged

__all__ = ["Limits", "Snapshot"]

UMASK: Final = 0o022
DEPTH_MAX: Final = 255
"""Components of a path; a deeper one could be committed to a layer that nobody reads again (rule 18)."""
SETUID: Final = 0o4000
SETGID: Final = 0o2000

_GROUP_EXECUTE: Final = 0o010
_NAMESPACES: Final = (b"user.", b"trusted.", b"security.")
_XATTR_NAME_MAX: Final = 255
_XATTRS_MAX: Final = 64 << 10
_MAJOR_MAX: Final = (1 << 12) - 1
_MINOR_MAX: Final = (1 << 20) - 1
_ID_MAX: Final = (1 << 32) - 2
_TIME_MAX: Final = (1 << 63) - 1


class Snapshot(Writable):
    """See the module. `now` gives nanoseconds since the epoch; `container` is the id that events carry, `limits` how
    far the upper may grow, `emit` who hears the events, `scratch` where a spool may lie; `union` and `blobs` stay
    readable."""

    # Content

    def write(self, path: bytes, data: bytes | Iterable[bytes], *, append: bool = False, mode: int = 0o666) -> None:
        """What ``> path`` does, or with `append` ``>> path``: open, made with `mode` where nothing is, and write all.

        Truncating on open copies no content up, appending copies all (rule 28). `data` in pieces is spooled
        while it comes. EISDIR; ENXIO for what is neither file nor directory.
        """
        place = self.resolve(path)
        if place.node is None:
            self._check_name(place.path, path)
            content, size = self._take(path, data)
            self._create(place, filled(self._new(place.path, "file", mode & 0o7777), content, size))
            if size:
                self._tell(facts.FileWritten, place.path, written=size, size=size)
            return
        self._check_writable(place, path)
        emptied = place.node.size if isinstance(place.node, Node) and not append else 0
        content, size = self._take(path, data, freed=emptied)
        node = self._open(place, "append" if append else "truncate", size - emptied, content=append)
        self._rewrite(place.path, node, node.size if append else 0, content, size, truncated=not append)

    def open_rw(self, path: bytes) -> None:
        """Opens for reading and writing, and writes nothing: the whole file is copied up nevertheless (rule 28)."""
        place = self.there(path)
        self._check_writable(place, path)
        self._copy_up(place, "open")

    def pwrite(self, path: bytes, offset: int, data: bytes) -> None:
        """Writes `data` at `offset` of a file that is there; a gap before it reads as zeros."""
        place = self.there(path)
        self._check_writable(place, path)
        if offset < 0:
            raise FileError(errno.EINVAL, path)
        assert place.node
        node = self._open(place, "write", max(0, offset + len(data) - place.node.size) if data else 0)
        self._rewrite(place.path, node, offset, *self._take(path, data))

    def truncate(self, path: bytes, size: int) -> None:
        """``truncate(2)``: copies the whole file up, then cuts or extends it to `size` bytes. EISDIR, EINVAL."""
        place = self.there(path)
        if place.kind != "file" or size < 0:
            raise FileError(errno.EISDIR if place.kind == "dir" else errno.EINVAL, path)
        assert place.node
        node = self._open(place, "truncate", size - place.node.size)
        node = replace(node, xattrs=unprivileged(node.xattrs))
        if size != node.size:
            pieces = resize(self.content(self.at(place.path)), node.size, size)
            node = filled(replace(node, mtime=self._now()), pieces, size)
            self._tell(facts.FileWritten, place.path, written=0, size=size, truncated=not size)
        self._put(place.path, node)

    # Names

    def mkdir(self, path: bytes, mode: int = 0o777) -> None:
        """A new directory; over a whiteout an opaque one (rule 32). EEXIST."""
        place = self._vacant(path)
        node = self._new(place.path, "dir", mode & 0o1777)
        self._create(place, replace(node, opaque=place.path in self._nodes))

    def symlink(self, target: bytes, path: bytes) -> None:
        """A new symlink to `target`, which is not looked at. EEXIST, ENAMETOOLONG, ENOENT for an empty target."""
        if not target or len(target) >= PATH_MAX:
            raise FileError(errno.ENAMETOOLONG if target else errno.ENOENT, path)
        place = self._vacant(path)
        self._create(place, replace(self._new(place.path, "symlink", 0o777, umask=0), target=target))

    def mknod(self, path: bytes, kind: str, mode: int = 0o666, major: int = 0, minor: int = 0) -> None:
        """A new ``fifo``, ``char``, ``block`` or empty ``file``. EEXIST; EPERM for the character device 0/0, which
        would be overlayfs's whiteout (rule 35)."""
        place = self._vacant(path)
        if kind not in ("fifo", "char", "block", "file") or not (0 <= major <= _MAJOR_MAX and 0 <= minor <= _MINOR_MAX):
            raise FileError(errno.EINVAL, path)
        if kind == "char" and major == minor == 0:
            raise FileError(errno.EPERM, path)
        if kind not in ("char", "block"):
            major = minor = 0
        self._create(place, replace(self._new(place.path, kind, mode & 0o7777), major=major, minor=minor))

    def link(self, old: bytes, new: bytes) -> None:
        """`new` as one more name of the file at `old`, which is copied up (rule 30). EEXIST; EPERM for a directory."""
        source, place = self.there(old, follow=False), self._vacant(new)
        if source.kind == "dir":
            raise FileError(errno.EPERM, old)
        self._link(source, place)

    def unlink(self, path: bytes) -> None:
        """Removes a name; what the layers have there is hidden by a whiteout (rule 31). EISDIR."""
        place = self.there(path, follow=False)
        if place.kind == "dir":
            raise FileError(errno.EISDIR, path)
        self._remove(place, "unlink")

    def rmdir(self, path: bytes) -> None:
        """Removes a directory that looks empty (rule 32). ENOTEMPTY, ENOTDIR; EBUSY for the root, EINVAL for ``.``."""
        place = self.there(path, follow=False)
        if _last(path) in (b".", b".."):
            raise FileError(errno.EINVAL if _last(path) == b"." else errno.ENOTEMPTY, path)
        if not place.path:
            raise FileError(errno.EBUSY, path)
        if place.kind != "dir":
            raise FileError(errno.ENOTDIR, path)
        if self._names(place.path):
            raise FileError(errno.ENOTEMPTY, path)
        self._remove(place, "rmdir")

    def rename(self, old: bytes, new: bytes) -> None:
        """``rename(2)``: `new` is replaced where it is there.

        EXDEV for a directory that is the layers' or merged with theirs (rule 33), EISDIR, ENOTDIR, ENOTEMPTY, EINVAL
        for a directory into itself, EBUSY for the root and for ``.`` and ``..``.
        """
        source, target = self.resolve(old, follow=False), self.resolve(new, follow=False)
        for place, path in ((source, old), (target, new)):
            if not place.path or _last(path) in (b".", b".."):
                raise FileError(errno.EBUSY, path)
        if source.node is None:
            raise FileError(errno.ENOENT, old)
        if target.path.startswith(source.path + b"/"):
            raise FileError(errno.EINVAL, new)
        if source.path.startswith(target.path + b"/"):
            raise FileError(errno.ENOTEMPTY, new)
        if _same(source, target):
            return
        self._check_replaceable(source, target, old, new)
        for path in (b"", *(self._nodes.below(source.path) if source.kind == "dir" else ())):
            self._check_name(target.path + path[len(source.path) :], new)
        self._move(source, target)

    # Attributes

    def chmod(self, path: bytes, mode: int) -> None:
        """Sets the permission bits. Copies the whole file up (rule 28), as all that follow do."""
        self._change(self.there(path), "chmod", "mode", mode=mode & 0o7777)

    def chown(self, path: bytes, uid: int, gid: int, *, follow: bool = True) -> None:
        """Sets owner and group, -1 leaving one as it is. Clears the set-id bits of what is no directory (rule 29)."""
        place = self.there(path, follow=follow)
        assert place.node
        if not (-1 <= uid <= _ID_MAX and -1 <= gid <= _ID_MAX):
            raise FileError(errno.EINVAL, path)
        node, mode, xattrs = place.node, place.node.mode, place.node.xattrs
        if node.kind != "dir":
            # A set-group-ID bit without group execution is not one (inode(7): it meant mandatory locking).
            mode &= ~(SETUID | SETGID) if mode & _GROUP_EXECUTE else ~SETUID
            xattrs = unprivileged(xattrs)
        owner, group = node.uid if uid < 0 else uid, node.gid if gid < 0 else gid
        self._change(place, "chown", "owner", uid=owner, gid=group, mode=mode, xattrs=xattrs)

    def utime(self, path: bytes, mtime: int | None = None, *, follow: bool = True) -> None:
        """Sets the modification time, in nanoseconds since the epoch; now where none is given."""
        place = self.there(path, follow=follow)
        mtime = self._now() if mtime is None else max(-_TIME_MAX, min(mtime, _TIME_MAX))
        self._change(place, "utime", "mtime", mtime=mtime)

    def setxattr(self, path: bytes, name: bytes, value: bytes, *, follow: bool = True) -> None:
        """Sets an extended attribute. EPERM for user attributes of what is neither file nor directory; ERANGE, E2BIG,
        ENOSPC for too much. EOPNOTSUPP for a namespace other than user, trusted and security, and EINVAL for no name:
        these two, as in the kernel, once the file is copied up."""
        if not name or len(name) > _XATTR_NAME_MAX:
            raise FileError(errno.ERANGE, path)
        if len(value) > _XATTRS_MAX:
            raise FileError(errno.E2BIG, path)
        place = self.there(path, follow=follow)
        try:
            _check_xattr(place, name, path)
        except FileError as refusal:
            if refusal.errno != errno.EPERM:  # it was the upper's file system that refused
                self._copy_up(place, "setxattr")
            raise
        assert place.node
        xattrs = dict(place.node.xattrs) | {name: value}
        if sum(len(key) + len(held) for key, held in xattrs.items()) > _XATTRS_MAX:
            raise FileError(errno.ENOSPC, path)
        self._change(place, "setxattr", f"xattr {display(name)[1:]}", xattrs=tuple(sorted(xattrs.items())))

    def removexattr(self, path: bytes, name: bytes, *, follow: bool = True) -> None:
        """Removes an extended attribute; ENODATA where it is not set, and then nothing is copied up."""
        place = self.there(path, follow=follow)
        _check_xattr(place, name, path)
        assert place.node
        left = tuple(pair for pair in place.node.xattrs if pair[0] != name)
        if len(left) == len(place.node.xattrs):
            raise FileError(errno.ENODATA, path)
        self._change(place, "removexattr", f"xattr {display(name)[1:]}", xattrs=left)

    # Checks

    def _new(self, path: bytes, kind: str, mode: int, *, umask: int = UMASK) -> Node:
        """A node of root's for a new file; a setgid directory passes on its group, to directories the bit (rule 29)."""
        parent = self.at(path.rpartition(b"/")[0]).node
        assert parent
        mode &= ~umask
        inherits = bool(parent.mode & SETGID)
        if inherits and kind == "dir":
            mode |= SETGID
        return Node(kind, mode, 0, parent.gid if inherits else 0, self._now(), inode=self._nodes.new_inode())

    def _vacant(self, path: bytes) -> Place:
        """Where something new may stand; EEXIST where something does."""
        place = self.resolve(path, follow=False)
        if place.node is not None:
            raise FileError(errno.EEXIST, path)
        self._check_name(place.path, path)
        return place

    def _check_name(self, place: bytes, path: bytes) -> None:
        if whiteout.reserved(place.rpartition(b"/")[2]):
            raise FileError(errno.EINVAL, path)
        if len(place) >= PATH_MAX or place.count(b"/") >= DEPTH_MAX:
            raise FileError(errno.ENAMETOOLONG, path)

    def _check_writable(self, place: Place, path: bytes) -> None:
        if place.kind != "file":
            raise FileError(errno.EISDIR if place.kind == "dir" else errno.ENXIO, path)

    def _check_replaceable(self, source: Place, target: Place, old: bytes, new: bytes) -> None:
        directory = source.kind == "dir"
        if target.node is not None and directory != (target.kind == "dir"):
            raise FileError(errno.ENOTDIR if directory else errno.EISDIR, new)
        if directory and self.merges(source.path):
            raise FileError(errno.EXDEV, old)
        if target.kind == "dir" and self._names(target.path):
            if not self.merges(target.path):  # only the upper's file system refuses, when the kernel has marked it
                self._mark_opaque(source.path, target.path)
            raise FileError(errno.ENOTEMPTY, new)


def _last(path: bytes) -> bytes:
    """The last name of a path as it was given."""
    return path.rstrip(b"/").rpartition(b"/")[2]


def _same(source: Place, target: Place) -> bool:
    """Whether two places are one file of the upper. Names of a file of a layer are not: copying one up parts them
    (rule 30), as with ``index=off``."""
    if source.path == target.path:
        return True
    a, b = source.node, target.node
    return isinstance(a, Node) and isinstance(b, Node) and a.inode == b.inode


def _check_xattr(place: Place, name: bytes, path: bytes) -> None:
    namespace = next((prefix for prefix in _NAMESPACES if name.startswith(prefix)), None)
    if namespace is None:
        raise FileError(errno.EOPNOTSUPP, path)
    if namespace == b"user." and place.kind not in ("file", "dir"):
        raise FileError(errno.EPERM, path)
    if name.startswith(b"trusted.overlay."):
        raise FileError(errno.EPERM, path)
    if name == namespace or b"=" in name or b"\0" in name:
        raise FileError(errno.EINVAL, path)
