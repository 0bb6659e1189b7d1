"""cp: opens a file that is there with O_TRUNC, which copies nothing up (rule 28) and keeps owner, mode and names."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable
from functools import partial

from engine.errors import FileError
from engine.merged import Stat
from engine.shell.call import Call, Failed, utility, why
from engine.shell.paths import basename, join
from engine.snapshot import UMASK


@utility("cp", "[-r] [-a] [-p] [-d] [-L] [-f] [-T] SOURCE... DESTINATION", "copy files, and with -r directories")
def cp(call: Call) -> int:
    options = call.options("raRpdPLHfTnuv", least=2)
    flags = options.flags
    recursive = bool(set("raR") & set(flags))
    # As in coreutils, -r keeps symlinks as they are, as -d does; -L follows them all.
    follow = "L" in flags or not (recursive or set("dP") & set(flags))
    copier = Copier(call, recursive=recursive, follow=follow, keep=bool(set("ap") & set(flags)))
    copier.new, copier.force = "n" in flags, "f" in flags
    *sources, last = options.operands
    inside = len(sources) > 1
    if not inside:
        named = [(sources[0], follow), (last, True)]
        if not all(can_stat(call, path, follow=followed) for path, followed in named):
            return 1
        if "T" in flags and call.paths.is_dir(last) and not call.paths.is_dir(sources[0], follow=follow):
            raise Failed(f"'{last}' is a directory")
        inside = "T" not in flags and _goes_inside(call, sources[0], last, follow=follow, recursive=recursive)
    status = 0
    for named_source in sources:
        source, target = inside_of(named_source, last) if inside else (named_source, last)
        if not copier.copy(source, target, follow=follow or "H" in flags):
            status = 1
    return status


def can_stat(call: Call, path: str, *, follow: bool = True) -> bool:
    """Whether it can be known if something is there; complains where not."""
    try:
        call.paths.find(path, follow=follow)
    except FileError as error:
        words = "Path has non-directory component" if error.errno == errno.ENOTDIR else why(error)
        call.complain(f"can't stat '{path}': {words}")
        return False
    return True


def _goes_inside(call: Call, source: str, last: str, *, follow: bool, recursive: bool) -> bool:
    """Whether `last` is where a copy goes into, and not what it will be: it is a directory, or the source is one, and
    what is there cannot become one."""
    there = call.paths.find(last)
    if there is not None and there.kind == "dir":
        return True
    return call.paths.is_dir(source, follow=follow) and not (recursive and there is None)


def inside_of(source: str, directory: str) -> tuple[str, str]:
    """A source without slashes at its end, and its place in a directory."""
    return source.rstrip("/") or "/", join(directory, basename(source))


class Copier:
    """One run of copying. `follow` copies what symlinks lead to, `keep` takes attributes along, `new` leaves alone what
    is there, `force` removes what is in the way. Names of one file are names of one copy where links are not followed.
    """

    def __init__(self, call: Call, *, recursive: bool, follow: bool, keep: bool) -> None:
        self.call, self.files, self.paths = call, call.shell.files, call.paths
        self.recursive, self.follow, self.keep = recursive, follow, keep
        self.new = self.force = False
        self._copied: dict[int, str] = {}
        self._made: set[bytes] = set()
        self._todo: list[Callable[[], bool]] = []

    def copy(self, source: str, target: str, *, follow: bool) -> bool:
        """Copies one file or tree, `follow` saying whether what a symlink at `source` leads to; whether all went well.
        Complains where not."""
        self._todo = [lambda: self._copy(source, target, follow=follow)]
        good = True
        while self._todo:
            good &= self._todo.pop()()
        return good

    def _copy(self, source: str, target: str, *, follow: bool) -> bool:
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
            return self._directory(source, target, found, there)
        if found.kind == "file" or (not self.recursive and found.kind != "symlink"):
            return self._file(source, target, found, follow=follow)
        return self._special(target, found)

    def _complain(self, message: str) -> bool:
        self.call.complain(message)
        return False

    def _directory(self, source: str, target: str, found: Stat, there: Stat | None) -> bool:
        if not self.recursive:
            return self._complain(f"omitting directory '{source}'")
        if self.paths.real(source) in self._made:
            return self._complain(f"recursion detected, omitting directory '{source}'")
        if there is not None and there.kind != "dir":
            return self._complain(f"target '{target}' is not a directory")
        mode = found.mode if self.keep else found.mode & ~UMASK
        if there is None:
            try:
                self.files.mkdir(self.paths.named(target), mode | 0o700)
            except FileError as error:
                return self._complain(f"can't create directory '{target}': {why(error)}")
        else:
            mode = -1
        self._made.add(self.paths.real(target))
        self._todo.append(partial(self._finish, target, found, mode))
        pairs = [(join(source, name), join(target, name)) for name in reversed(self.paths.names(source))]
        self._todo += [partial(self._copy, inner, copied, follow=self.follow) for inner, copied in pairs]
        return True

    def _finish(self, target: str, found: Stat, mode: int) -> bool:
        """What is left to do for a directory once all in it is copied."""
        if mode >= 0:
            self.files.chmod(self.paths.at(target), mode)
        self._preserve(target, found)
        return True

    def _file(self, source: str, target: str, found: Stat, *, follow: bool) -> bool:
        if not follow:
            first = self._copied.setdefault(found.inode, target)
            if first != target:
                return self._made_room(
                    target, lambda: self.files.link(self.paths.at(first), self.paths.to_make(target))
                )
        try:
            pieces: Iterable[bytes] = self.paths.chunks(source)
            there = self.paths.find(target)
        except FileError as error:
            return self._complain(f"can't open '{source}': {why(error)}")
        if there is not None and there.inode == found.inode:
            pieces = ()  # by a symlink onto itself: O_TRUNC comes before the first read
        mode = found.mode if found.kind == "file" else 0o666
        good = self._made_room(target, lambda: self.paths.write(target, pieces, mode))
        if good and found.kind == "file":
            self._preserve(target, found)
        return good

    def _made_room(self, target: str, make: Callable[[], None], shown: str = "") -> bool:
        """Makes `target`; with -f, where it cannot be made, once more after what is there was removed."""
        try:
            try:
                make()
            except FileError as error:
                if not self.force:
                    raise
                try:
                    self.files.unlink(self.paths.at(target))
                except FileError:
                    raise error from None
                make()
        except FileError as error:
            words = shown if shown and error.errno != errno.EEXIST else f"'{target}'"
            return self._complain(f"can't create {words}: {why(error)}")
        return True

    def _special(self, target: str, found: Stat) -> bool:
        def make() -> None:
            if found.kind == "symlink":
                self.files.symlink(found.target, self.paths.to_make(target))
            else:
                self.files.mknod(self.paths.to_make(target), found.kind, found.mode, found.major, found.minor)

        link = f"symlink '{target}' to '{found.target.decode('latin-1')}'" if found.kind == "symlink" else ""
        if not self._made_room(target, make, link):
            return False
        if self.keep and found.kind == "symlink":
            self.files.chown(self.paths.at(target), found.uid, found.gid, follow=False)
        elif self.keep:
            self._preserve(target, found)
        return True

    def _preserve(self, target: str, found: Stat) -> None:
        """Times (whole seconds), owner and mode, in this order, as busybox sets them."""
        if self.keep:
            place = self.paths.at(target)
            self.files.utime(place, found.mtime // 1_000_000_000 * 1_000_000_000)
            self.files.chown(place, found.uid, found.gid)
            self.files.chmod(place, found.mode)
