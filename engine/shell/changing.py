"""chmod, chown and touch: what changes attributes, and so copies whole files up (rule 28)."""

from __future__ import annotations

import re
from calendar import timegm
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Final

from engine.errors import FileError
from engine.merged import Stat
from engine.shell.call import Call, Failed, utility, why
from engine.shell.looks import time_of
from engine.shell.owners import Owners
from engine.shell.paths import join
from engine.snapshot import UMASK

_WHO: Final = {"a": 0o7777, "u": 0o4700, "g": 0o2070, "o": 0o0007}
_PERMISSIONS: Final = {"r": 0o444, "w": 0o222, "x": 0o111, "s": 0o6000, "t": 0o1000}
_CLAUSE: Final = re.compile(r"([augo]*)((?:[-+=](?:[ugo]|[rwxXst]*))+)")
_ACTION: Final = re.compile(r"([-+=])([ugo]|[rwxXst]*)")


def parse_mode(text: str, mode: int, *, directory: bool) -> int | None:
    """The permission bits that an octal or symbolic mode makes of `mode` (POSIX chmod); None where it is none."""
    if re.fullmatch(r"[0-7]{1,8}", text):
        return int(text, 8) if int(text, 8) <= 0o7777 else None
    for clause in text.split(","):
        found = _CLAUSE.fullmatch(clause)
        if clause and not found:
            return None
        if not found:
            continue
        who = 0
        for letter in found[1]:
            who |= _WHO[letter]
        for operator, letters in _ACTION.findall(found[2]):
            mode = _acted(mode, who, operator, letters, directory=directory)
    return mode


def _acted(mode: int, who: int, operator: str, letters: str, *, directory: bool) -> int:
    if operator == "=":
        mode &= ~(who or 0o7777)
    bits = 0
    if letters in ("u", "g", "o"):
        copied = mode >> {"u": 6, "g": 3, "o": 0}[letters] & 7
        bits = copied << 6 | copied << 3 | copied
    else:
        for letter in letters:
            if letter != "X":
                bits |= _PERMISSIONS[letter]
            elif directory or mode & 0o111:
                bits |= 0o111
    bits &= who or ~UMASK & 0o7777
    return mode & ~bits if operator == "-" else mode | bits


def _tree(call: Call, top: str, *, recursive: bool) -> Iterator[tuple[str, Stat, int]]:
    """`top` and, where `recursive`, all below it, with stat and depth; no symlink is followed."""
    todo = [(top, 0)]
    while todo:
        path, depth = todo.pop()
        found = call.paths.lstat(path)
        yield path, found, depth
        if recursive and found.kind == "dir":
            todo += [(join(path, name), depth + 1) for name in reversed(call.paths.names(path))]


def _over(call: Call, names: list[str], recursive: bool, change: Callable[[str, Stat, int], None]) -> int:
    """Changes every file named and below; 1 where something went wrong."""
    status = 0
    for name in names:
        path = name
        try:
            for path, found, depth in _tree(call, name, recursive=recursive):
                change(path, found, depth)
        except FileError as error:
            status = call.complain(f"{path}: {why(error)}")
    return status


@utility("chmod", "[-R] MODE FILE...", "change permissions; MODE is octal or such as u+x,go-w")
def chmod(call: Call) -> int:
    words = call.arguments
    place = next((n for n, word in enumerate(words) if not re.fullmatch(r"-[Rvcf]+", word)), len(words))
    recursive = any("R" in word for word in words[:place])
    rest = words[place + (words[place : place + 1] == ["--"]) :]
    if len(rest) < 2:
        raise call.usage()
    shape = rest[0]
    if parse_mode(shape, 0, directory=False) is None:
        raise Failed(f"invalid mode '{shape}'")

    def change(path: str, found: Stat, depth: int) -> None:
        if found.kind == "symlink" and depth:
            return
        found = call.paths.stat(path)
        mode = parse_mode(shape, found.mode, directory=found.kind == "dir")
        assert mode is not None
        call.shell.files.chmod(call.paths.at(path), mode)

    return _over(call, rest[1:], recursive, change)


@utility("chown", "[-R] [-h] OWNER[:GROUP] FILE...", "change owners; names as in /etc/passwd, or numbers")
def chown(call: Call) -> int:
    options = call.options("RhvcfP", least=2)
    shape, *names = options.operands
    uid, gid = _owner(call, shape)
    recursive = "R" in options.flags
    follow = not recursive and "h" not in options.flags

    def change(path: str, found: Stat, _depth: int) -> None:
        if follow:
            call.paths.stat(path)
        # What is not given is taken from the name itself, so from a symlink, not from what it leads to: busybox's way.
        owner, group = found.uid if uid < 0 else uid, found.gid if gid < 0 else gid
        call.shell.files.chown(call.paths.at(path), owner, group, follow=follow)

    return _over(call, names, recursive, change)


def _owner(call: Call, shape: str) -> tuple[int, int]:
    """``user``, ``user:group``, ``user:`` (its own group) or ``:group`` as numbers, -1 for what stays."""
    owners = Owners(call.paths)
    user, mark, group = shape.partition(":") if ":" in shape else shape.partition(".")
    known = owners.uid(user) if user else (-1, -1)
    if known is None:
        raise Failed(f"unknown user {user}")
    gid = owners.gid(group) if group else (known[1] if mark else -1)
    if gid is None:
        raise Failed(f"unknown group {group}")
    return known[0], gid


@utility("touch", "[-c] [-h] [-d TIME | -t TIME | -r FILE] FILE...", "set times, make what is not there")
def touch(call: Call) -> int:
    options = call.options("chr:d:t:amf", least=1)
    time = None
    reference = options.value("r")
    if reference is not None:
        try:
            time = call.paths.stat(reference).mtime
        except FileError as error:
            raise Failed(f"can't stat '{reference}': {why(error)}") from error
    text = options.value("d") or options.value("t")
    if text is not None:
        time = parse_time(text, time_of(call.paths.now()))
    only_access = "a" in options.flags and "m" not in options.flags
    status = 0
    for name in options.operands:
        try:
            _touch(call, name, time, options.flags, only_access=only_access)
        except FileError as error:
            status = call.complain(f"{name}: {why(error)}")
    return status


def _touch(call: Call, name: str, time: int | None, flags: str, *, only_access: bool) -> None:
    files, follow = call.shell.files, "h" not in flags
    found = call.paths.find(name, follow=follow)
    place = call.paths.at(name)
    if found is not None:
        files.utime(place, found.mtime if only_access else time, follow=follow)
    elif "c" not in flags:
        files.write(call.paths.to_open(name), b"")
        if time is not None:
            files.utime(place, time)


_TIMES: Final = (
    (r"(\d\d?):(\d\d)(?::(\d\d))?", "HMS"),
    (r"(\d\d?)\.(\d\d?)-(\d\d?):(\d\d)(?::(\d\d))?", "mdHMS"),
    (r"(\d{4})\.(\d\d?)\.(\d\d?)-(\d\d?):(\d\d)(?::(\d\d))?", "YmdHMS"),
    (r"(\d{4})-(\d\d?)-(\d\d?)(?: (\d\d?)(?::(\d\d)(?::(\d\d))?)?)?", "YmdHMS"),
    (r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)Z?", "YmdHMS"),
    (r"(\d\d)(\d\d)(\d\d)(\d\d)(?:\.(\d\d))?", "mdHMS"),
    (r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(?:\.(\d\d))?", "YmdHMS"),
)
"""The forms that a time may have, and what their groups are."""


def parse_time(text: str, now: datetime) -> int:
    """A time as busybox's touch and date read it, in UTC, as nanoseconds; what is left out is as now. `Failed`."""
    if re.fullmatch(r"@-?\d{1,11}", text):
        return int(text[1:]) * 1_000_000_000
    for shape, letters in _TIMES:
        found = re.fullmatch(shape, text)
        if found:
            given = {letter: int(value) for letter, value in zip(letters, found.groups(), strict=True) if value}
            try:
                return _time(given, letters, now)
            except ValueError:
                break
    raise Failed(f"invalid date '{text}'")


def _time(given: dict[str, int], letters: str, now: datetime) -> int:
    fields = {"Y": now.year, "m": now.month, "d": now.day, "H": now.hour, "M": now.minute, "S": now.second} | given
    if "H" in given and "M" not in given:
        fields["M"] = fields["M"]
    if letters.endswith("MS") and "M" in given and "S" not in given:
        fields["S"] = 0
    when = datetime(fields["Y"], fields["m"], fields["d"], fields["H"], fields["M"], tzinfo=now.tzinfo)
    return timegm((when + timedelta(seconds=fields["S"])).utctimetuple()) * 1_000_000_000
