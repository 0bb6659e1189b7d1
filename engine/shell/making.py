"""mkdir, rmdir, ln and rm."""

from __future__ import annotations

import errno
import re
from contextlib import suppress

from engine.errors import FileError
from engine.shell.call import Call, Failed, utility, why
from engine.shell.changing import parse_mode
from engine.shell.paths import basename, join


@utility("mkdir", "[-p] [-m MODE] DIRECTORY...", "make directories")
def mkdir(call: Call) -> int:
    options = call.options("pm:v", least=1)
    mode, shape = None, options.value("m")
    if shape is not None:
        mode = parse_mode(shape, 0o777, directory=True)
        if mode is None:
            raise Failed(f"invalid mode '{shape}'")
    status = 0
    for name in options.operands:
        if name in (".", "/"):
            continue  # busybox leaves them alone
        for step in _steps(name) if "p" in options.flags else [name]:
            try:
                call.shell.files.mkdir(call.paths.named(step))
                if mode is not None and step == name:
                    call.shell.files.chmod(call.paths.named(step), mode)
            except FileError as error:
                if "p" in options.flags and error.errno == errno.EEXIST:
                    try:
                        if call.paths.stat(step).kind == "dir":
                            continue
                    except FileError as other:
                        error = other
                status = call.complain(f"can't create directory '{step}': {why(error)}")
                break
    return status


def _steps(path: str) -> list[str]:
    """A path and all above it, the highest first, each with the slashes that follow it."""
    ends = [found.end() for found in re.finditer(r"[^/]/+", path)]
    return [path[:end] for end in ends] + ([] if ends[-1:] == [len(path)] else [path])


@utility("rmdir", "[-p] DIRECTORY...", "remove empty directories")
def rmdir(call: Call) -> int:
    options = call.options("p", least=1)
    status = 0
    for name in options.operands:
        path = name
        try:
            _remove_directory(call, path)
            while "p" in options.flags and "/" in path.strip("/"):
                path = path.rstrip("/").rpartition("/")[0]
                _remove_directory(call, path)
        except FileError as error:
            status = call.complain(f"'{path}': {why(error)}")
    return status


def _remove_directory(call: Call, path: str) -> None:
    """rmdir(2), which takes no name that is ``.`` or ``..``."""
    last = basename(path)
    if last in (".", ".."):
        raise FileError(errno.EINVAL if last == "." else errno.ENOTEMPTY, path)
    stripped = path.rstrip("/") or "/"
    if stripped != path and call.paths.lstat(stripped).kind == "symlink":
        raise FileError(errno.ENOTDIR, path)
    call.shell.files.rmdir(call.paths.at(stripped))


@utility("rm", "[-r] [-f] FILE...", "remove files, and with -r directories with all in them")
def rm(call: Call) -> int:
    options = call.options("rRfv")
    if not options.operands and "f" not in options.flags:
        raise call.usage()
    status = 0
    for name in options.operands:
        if basename(name) in (".", ".."):
            status = call.complain("can't remove '.' or '..'")
        elif not remove(
            call, name.rstrip("/") or name, recursive="r" in options.flags.lower(), force="f" in options.flags
        ):
            status = 1
    return status


def remove(call: Call, top: str, *, recursive: bool, force: bool) -> bool:
    """Removes a file, or a directory with all in it; whether all went well. Complains where not."""
    todo = [(top, False)]
    stays: set[str] = set()
    while todo:
        path, emptied = todo.pop()
        try:
            if emptied:
                if path not in stays:
                    call.shell.files.rmdir(call.paths.at(path))
                else:
                    stays.add(path.rpartition("/")[0])
            elif call.paths.lstat(path).kind != "dir":
                call.shell.files.unlink(call.paths.at(path))
            elif not recursive:
                call.complain(f"'{path}' is a directory")
                return False
            else:
                todo.append((path, True))
                todo += [(join(path, name), False) for name in reversed(call.paths.names(path))]
        except FileError as error:
            if error.errno != errno.ENOENT or not force or emptied:
                call.complain(f"can't remove '{path}': {why(error)}")
                stays |= {path.rstrip("/").rpartition("/")[0], top}
    return top not in stays


@utility("ln", "[-s] [-f] [-n] [-T] TARGET... LINK | DIRECTORY", "make links, with -s symbolic ones")
def ln(call: Call) -> int:
    options = call.options("sfnTv", least=1)
    *targets, last = options.operands
    if not targets:
        targets, last = [last], basename(last)
    if len(targets) > 1 and "T" in options.flags:
        raise Failed("-T accepts 2 args max")
    status = 0
    for target in targets:
        status |= _link(call, target, last, options.flags)
    return status


def _link(call: Call, target: str, last: str, flags: str) -> int:
    files, paths = call.shell.files, call.paths
    place = last
    try:
        if paths.is_dir(last, follow=not {"n", "T"} & set(flags)):
            if "T" in flags:
                return call.complain(f"'{last}' is a directory")
            place = join(last, basename(target))
        if "s" not in flags:
            _check_target(call, target)
    except FileError as error:
        return call.complain(f"{target}: {why(error)}")
    try:
        if "f" in flags and not place.endswith("/"):
            with suppress(FileError):  # what cannot be removed is told of when the link is made
                files.unlink(paths.at(place))
        if "s" in flags:
            files.symlink(target.encode("latin-1"), paths.to_make(place))
        else:
            files.link(paths.at(target), paths.to_make(place))
    except FileError as error:
        return call.complain(f"{place}: {why(error)}")
    return 0


def _check_target(call: Call, target: str) -> None:
    """What is linked must be there; a symlink may lead nowhere."""
    if call.paths.lstat(target).kind != "symlink":
        call.paths.stat(target)
