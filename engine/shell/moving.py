"""cp and mv.

cp opens a file that is there with O_TRUNC, which copies nothing up (rule 28) and keeps its owner, mode and other names.
mv renames; where the kernel answers EXDEV, as it does for a directory of the layers (rule 33), it copies all that is in
it with its attributes and then removes it, so the learner sees what such a move costs.
"""

from __future__ import annotations

import errno
from typing import Final

from engine.errors import FileError
from engine.merged import Stat
from engine.shell.call import Call, utility, why
from engine.shell.making import remove
from engine.shell.meter import Stopped
from engine.shell.paths import basename, join
from engine.snapshot import UMASK

_DEPTH_MAX: Final = 100


@utility("cp", "cp [-r] [-a] [-p] [-d] [-L] [-f] [-T] SOURCE... DESTINATION: copy files, and with -r directories")
def cp(call: Call) -> int:
    options = call.options("raRpdPLHfTnuv", least=2)
    flags = options.flags
    recursive = bool(set("raR") & set(flags))
    # As in coreutils, -r keeps symlinks as they are, as -d does; -L follows them all.
    follow = "L" in flags or not (recursive or set("dP") & set(flags))
    copier = _Copier(call, recursive=recursive, follow=follow, keep=bool(set("ap") & set(flags)), new="n" in flags)
    *sources, last = options.operands
    status = 0
    for source in sources:
        target = last if "T" in flags else _target(call, source, last, many=len(sources) > 1)
        if not copier.copy(source, target, follow=follow or "H" in flags):
            status = 1
    return status


def _target(call: Call, source: str, last: str, *, many: bool) -> str:
    """Where a source goes: into `last` where that is a directory."""
    return join(last, basename(source)) if many or call.paths.is_dir(last) else last


@utility("mv", "mv [-f] [-n] [-T] SOURCE... DESTINATION: rename, or move into a directory")
def mv(call: Call) -> int:
    options = call.options("fiTnv", least=2)
    *sources, last = options.operands
    status = 0
    for source in sources:
        target = last if "T" in options.flags else _target(call, source, last, many=len(sources) > 1)
        if "n" in options.flags and call.paths.find(target, follow=False):
            continue
        if not _move(call, source, target):
            status = 1
    return status


def _move(call: Call, source: str, target: str) -> bool:
    try:
        _rename(call, source, target)
    except FileError as error:
        if error.errno != errno.EXDEV:
            call.complain(f"can't rename '{source}': {why(error)}")
            return False
        return _carry(call, source, target)
    return True


def _rename(call: Call, source: str, target: str) -> None:
    for name in (basename(source), basename(target)):
        if name in (".", ".."):
            raise FileError(errno.EBUSY, source)
    call.shell.files.rename(call.paths.at(source), call.paths.at(target))


def _carry(call: Call, source: str, target: str) -> bool:
    """Moves a directory that the kernel does not rename: copies it, then removes it."""
    found = call.paths.find(target)
    if found is not None:
        if found.kind != "dir":
            call.complain("can't overwrite non-directory with directory")
            return False
        try:
            call.shell.files.unlink(call.paths.at(target))
        except FileError as error:
            call.complain(f"can't remove '{target}': {why(error)}")
            return False
    copier = _Copier(call, recursive=True, follow=False, keep=True)
    return copier.copy(source, target, follow=False) and remove(call, source, recursive=True, force=True)


class _Copier:
    """One run of copying. `follow` copies what symlinks lead to, `keep` takes attributes along; files that are one in
    the source are one in the copy where links are kept."""

    def __init__(self, call: Call, *, recursive: bool, follow: bool, keep: bool, new: bool = False) -> None:
        self.call, self.files, self.paths = call, call.shell.files, call.paths
        self.recursive, self.follow, self.keep, self.new = recursive, follow, keep, new
        self._copied: dict[int, str] = {}
        self._made: set[int] = set()

    def copy(self, source: str, target: str, *, follow: bool, depth: int = 0) -> bool:
        """Copies one file or tree, `follow` saying whether what a symlink at `source` leads to; whether all went well.
        Complains where not."""
        if depth > _DEPTH_MAX:
            raise Stopped("directories within directories", _DEPTH_MAX)
        try:
            found = self.paths.stat(source) if follow else self.paths.lstat(source)
        except FileError as error:
            return self._complain(f"can't stat '{source}': {why(error)}")
        try:
            there = self.paths.find(target, follow=False)
        except FileError as error:
            return self._complain(f"can't stat '{target}': {why(error)}")
        if there is not None and there.inode == found.inode:
            return self._complain(f"'{source}' and '{target}' are the same file")
        if there is not None and self.new:
            return True
        if found.kind == "dir":
            return self._directory(source, target, found, there, depth)
        if found.kind == "file" or (not self.recursive and found.kind != "symlink"):
            return self._file(source, target, found, follow=follow)
        return self._special(target, found, there)

    def _complain(self, message: str) -> bool:
        self.call.complain(message)
        return False

    def _directory(self, source: str, target: str, found: Stat, there: Stat | None, depth: int) -> bool:
        if not self.recursive:
            return self._complain(f"omitting directory '{source}'")
        if found.inode in self._made:
            return self._complain(f"recursion detected, omitting directory '{source}'")
        if there is not None and there.kind != "dir":
            return self._complain(f"target '{target}' is not a directory")
        mode = found.mode if self.keep else found.mode & ~UMASK
        if there is None:
            try:
                self.files.mkdir(self.paths.at(target), mode | 0o700)
            except FileError as error:
                return self._complain(f"can't create directory '{target}': {why(error)}")
            there = self.paths.lstat(target)
        else:
            mode = -1
        self._made.add(there.inode)
        good = True
        for name in self.paths.names(source):
            good &= self.copy(join(source, name), join(target, name), follow=self.follow, depth=depth + 1)
        if mode >= 0:
            self.files.chmod(self.paths.at(target), mode)
        self._preserve(target, found)
        return good

    def _file(self, source: str, target: str, found: Stat, *, follow: bool) -> bool:
        if not follow:
            first = self._copied.setdefault(found.inode, target)
            if first != target:
                return self._link(first, target)
        try:
            pieces = self.paths.chunks(source)
        except FileError as error:
            return self._complain(f"can't open '{source}': {why(error)}")
        try:
            mode = found.mode if found.kind == "file" else 0o666
            self.files.write(self.paths.at(target), pieces, mode=mode)
        except FileError as error:
            return self._complain(f"can't create '{target}': {why(error)}")
        if found.kind == "file":
            self._preserve(target, found)
        return True

    def _link(self, first: str, target: str) -> bool:
        try:
            self.files.link(self.paths.at(first), self.paths.at(target))
        except FileError as error:
            return self._complain(f"can't create link '{target}': {why(error)}")
        return True

    def _special(self, target: str, found: Stat, there: Stat | None) -> bool:
        place = self.paths.at(target)
        if there is not None:
            return self._complain(f"can't create '{target}': File exists")
        try:
            if found.kind == "symlink":
                self.files.symlink(found.target, place)
            else:
                self.files.mknod(place, found.kind, found.mode, found.major, found.minor)
            if self.keep and found.kind == "symlink":
                self.files.chown(place, found.uid, found.gid, follow=False)
            elif self.keep:
                self._preserve(target, found)
        except FileError as error:
            return self._complain(f"can't create '{target}': {why(error)}")
        return True

    def _preserve(self, target: str, found: Stat) -> None:
        """Times (whole seconds), owner and mode, in this order, as busybox sets them."""
        if self.keep:
            place = self.paths.at(target)
            self.files.utime(place, found.mtime // 1_000_000_000 * 1_000_000_000)
            self.files.chown(place, found.uid, found.gid)
            self.files.chmod(place, found.mode)
