"""mv: renames; where the kernel answers EXDEV, as for a directory of the layers (rule 33), it copies and removes.

It copies all that is in the directory, with its attributes, so the learner sees what such a move costs.
"""

from __future__ import annotations

import errno

from engine.errors import FileError
from engine.shell.call import Call, Failed, utility, why
from engine.shell.copying import Copier, can_stat, inside_of
from engine.shell.making import remove
from engine.shell.paths import basename


@utility("mv", "[-f] [-n] [-T] SOURCE... DESTINATION", "rename, or move into a directory")
def mv(call: Call) -> int:
    options = call.options("fiTnv", least=2)
    *sources, last = options.operands
    directory = call.paths.is_dir(last)
    if "T" in options.flags and directory and call.paths.leads(sources[0]) and not call.paths.is_dir(sources[0]):
        raise Failed(f"'{last}' is a directory")
    inside = len(sources) > 1 or (directory and "T" not in options.flags)
    status = 0
    for named_source in sources:
        source, target = inside_of(named_source, last) if inside else (named_source, last)
        if not (can_stat(call, target) and _move(call, source, target, spare="n" in options.flags)):
            status = 1
    return status


def _move(call: Call, source: str, target: str, *, spare: bool) -> bool:
    if spare and call.paths.find(target) is not None:
        return True
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
    old, new = call.paths.named(source), call.paths.named(target)
    if (source.endswith("/") or target.endswith("/")) and call.shell.files.lstat(old).kind != "dir":
        raise FileError(errno.ENOTDIR, source)
    call.shell.files.rename(old, new)


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
    copier = Copier(call, recursive=True, follow=False, keep=True)
    return copier.copy(source, target, follow=False) and remove(call, source, recursive=True, force=True)
