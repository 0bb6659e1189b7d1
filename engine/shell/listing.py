"""ls, stat and du: what is there, in busybox's words and columns. Times are UTC."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from engine.errors import FileError
from engine.merged import Stat
from engine.shell.call import Call, Options, utility, why
from engine.shell.owners import Owners
from engine.shell.paths import join

_BLOCK: Final = 512
_PAGE: Final = 4096
_LETTERS: Final = {"file": "-", "dir": "d", "symlink": "l", "fifo": "p", "char": "c", "block": "b"}
_BITS: Final = {
    "file": 0o100000,
    "dir": 0o040000,
    "symlink": 0o120000,
    "fifo": 0o010000,
    "char": 0o020000,
    "block": 0o060000,
}
_WORDS: Final = {
    "file": "regular file",
    "dir": "directory",
    "symlink": "symbolic link",
    "fifo": "fifo",
    "char": "character special file",
    "block": "block special file",
}
_RECENT: Final = timedelta(days=365) / 2
_AHEAD: Final = timedelta(minutes=15)
_LAST: Final = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FAST_LINK: Final = 60
"""A symlink shorter than this takes no block of its own (ext4)."""


def blocks(found: Stat) -> int:
    """The blocks of 512 bytes that it would take on a disk with pages of 4 KiB."""
    if found.kind == "dir" or (found.kind == "symlink" and found.size >= _FAST_LINK):
        return _PAGE // _BLOCK
    return -(-found.size // _PAGE) * (_PAGE // _BLOCK) if found.kind == "file" else 0


def human(size: int, *, fraction: bool = True) -> str:
    """Bytes as ``4.0K``, or without the fraction as ``4K``."""
    unit, rest = 0, 0
    while size >= 1024:
        size, remainder = divmod(size, 1024)
        rest = (remainder * 10 + 512) // 1024
        unit += 1
    if rest >= 10:
        size, rest = size + 1, 0
    if unit == 0:
        return str(size)
    return f"{size}.{rest}{' KMGTPE'[unit]}" if fraction else f"{size + (rest >= 5)}{' KMGTPE'[unit]}"


def permissions(found: Stat) -> str:
    """``-rwxr-xr-x``."""
    text = ""
    for shift, special, letters in ((6, 0o4000, "sS"), (3, 0o2000, "sS"), (0, 0o1000, "tT")):
        bits = found.mode >> shift & 7
        text += ("r" if bits & 4 else "-") + ("w" if bits & 2 else "-")
        execute = bits & 1
        text += letters[not execute] if found.mode & special else "x" if execute else "-"
    return _LETTERS[found.kind] + text


def time_of(mtime: int) -> datetime:
    """Nanoseconds since the epoch as a time, as far as the calendar goes."""
    try:
        return _EPOCH + timedelta(seconds=mtime // 1_000_000_000)
    except OverflowError:
        return _LAST if mtime > 0 else _EPOCH


# ls


class _Row(NamedTuple):
    name: str
    path: str
    stat: Stat


@utility("ls", "ls [-l] [-a] [-A] [-1] [-d] [-R] [-h] [-i] [-n] [-s] [-r] [-t] [-S] [-F] [FILE]...: list directories")
def ls(call: Call) -> int:
    return _Lister(call, call.options("laA1dRhinsrtSFpHLgo")).run()


class _Lister:
    """One run of ls."""

    def __init__(self, call: Call, options: Options) -> None:
        self.call, self.operands = call, options.operands or ["."]
        self.flags = options.flags + ("l" if "n" in options.flags else "")
        self.owners = Owners(call.paths)
        self.status = 0

    def run(self) -> int:
        """Lists the named files, then the directories."""
        follow = not set("lisF") & set(self.flags) or "H" in self.flags
        rows = self._sorted([row for name in self.operands for row in self._row(name, name, follow=follow)])
        apart = "d" in self.flags
        files = [row for row in rows if apart or row.stat.kind != "dir"]
        self._print(files)
        first = not files
        for row in rows:
            if not apart and row.stat.kind == "dir":
                self._directory(row.path, first=first)
                first = False
        return self.status

    def _row(self, name: str, path: str, *, follow: bool = False) -> Iterator[_Row]:
        try:
            look = self.call.paths.stat if follow or "L" in self.flags else self.call.paths.lstat
            yield _Row(name, path, look(path))
        except FileError as error:
            self.status = self.call.complain(f"{path}: {why(error)}")

    def _sorted(self, rows: list[_Row]) -> list[_Row]:
        rows.sort(key=lambda row: row.name)
        if "t" in self.flags:
            rows.sort(key=lambda row: -(row.stat.mtime // 1_000_000_000))
        elif "S" in self.flags:
            rows.sort(key=lambda row: -row.stat.size)
        return rows[::-1] if "r" in self.flags else rows

    def _directory(self, path: str, *, first: bool) -> None:
        """One directory, and with -R those in it. A stack of those to come keeps deep trees off Python's."""
        todo = [path]
        while todo:
            at = todo.pop()
            if len(self.operands) > 1 or "R" in self.flags:
                self.call.out(f"{'' if first else chr(10)}{at}:\n")
            first = False
            rows = self._inside(at)
            if "l" in self.flags or "s" in self.flags:
                total = sum(blocks(row.stat) for row in rows) + 1 >> 1
                shown = human(total * 1024, fraction=False).ljust(7) if "h" in self.flags else str(total)
                self.call.out(f"total {shown}\n")
            self._print(rows)
            if "R" in self.flags:
                dirs = [row.path for row in rows if row.stat.kind == "dir" and row.name not in (".", "..")]
                todo += reversed(dirs)

    def _inside(self, path: str) -> list[_Row]:
        try:
            names = self.call.paths.names(path)
        except FileError as error:
            self.status = self.call.complain(f"can't open '{path}': {why(error)}")
            return []
        if "a" in self.flags:
            names = [".", "..", *names]
        elif "A" not in self.flags:
            names = [name for name in names if not name.startswith(".")]
        return self._sorted([row for name in names for row in self._row(name, join(path, name))])

    def _print(self, rows: list[_Row]) -> None:
        for row in rows:
            found = row.stat
            text = f"{found.inode:7} " if "i" in self.flags else ""
            if "s" in self.flags:
                text += f"{human(blocks(found) * _BLOCK):>7} " if "h" in self.flags else f"{blocks(found) >> 1:6} "
            text += self._long(found) if "l" in self.flags else ""
            text += row.name
            if "l" in self.flags and found.kind == "symlink":
                text += f" -> {found.target.decode('latin-1')}"
            self.call.out(f"{text}{self._mark(found)}\n")

    def _mark(self, found: Stat) -> str:
        if found.kind == "dir":
            return "/" if "F" in self.flags or "p" in self.flags else ""
        if "F" not in self.flags:
            return ""
        return "*" if found.kind == "file" and found.mode & 0o111 else {"symlink": "@", "fifo": "|"}.get(found.kind, "")

    def _long(self, found: Stat) -> str:
        user, group = str(found.uid), str(found.gid)
        if "n" not in self.flags:
            user, group = self.owners.user(found.uid) or user, self.owners.group(found.gid) or group
        if found.kind in ("char", "block"):
            size = f"{found.major:4}, {found.minor:3}"
        else:
            size = f"{human(found.size):>7}" if "h" in self.flags else f"{found.size:9}"
        when, now = time_of(found.mtime), time_of(self.call.paths.now())
        recent = -_AHEAD < now - when < _RECENT
        date = f"{when:%b} {when.day:2} " + (f"{when:%H:%M}" if recent else f" {when.year}")
        return f"{permissions(found)} {found.nlink:4} {user:<8} {group:<8} {size} {date} "


# stat


@utility(
    "stat", "stat [-c FORMAT] [-L] FILE...: print attributes; FORMAT has %n %N %s %a %A %u %U %g %G %F %h %i %y %Y …"
)
def stat(call: Call) -> int:
    options = call.options("c:L", least=1)
    status, shape = 0, options.value("c")
    owners = Owners(call.paths)
    for name in options.operands:
        try:
            found = (call.paths.stat if "L" in options.flags else call.paths.lstat)(name)
        except FileError as error:
            status = call.complain(f"can't stat '{name}': {why(error)}")
            continue
        letters = _letters(name, found, owners)
        if shape is None:
            call.out(_described(letters, found))
        else:
            call.out(_formatted(shape, letters) + "\n")
    return status


def _letters(name: str, found: Stat, owners: Owners) -> dict[str, str]:
    seconds, fraction = divmod(found.mtime, 1_000_000_000)
    time = f"{time_of(found.mtime):%Y-%m-%d %H:%M:%S}.{fraction:09} +0000"
    kind = "regular empty file" if found.kind == "file" and not found.size else _WORDS[found.kind]
    values: dict[str, object] = {"n": name, "N": name, "F": kind, "A": permissions(found)}
    if found.kind == "symlink":
        values["N"] = f"'{name}' -> '{found.target.decode('latin-1')}'"
    values |= {"a": f"{found.mode:o}", "f": f"{found.mode | _BITS[found.kind]:x}", "d": 0, "D": 0}
    values |= {"t": f"{found.major:x}", "T": f"{found.minor:x}"}
    values |= {"s": found.size, "b": blocks(found), "B": _BLOCK, "o": _PAGE, "h": found.nlink, "i": found.inode}
    values |= {"u": found.uid, "U": owners.user(found.uid) or "UNKNOWN"}
    values |= {"g": found.gid, "G": owners.group(found.gid) or "UNKNOWN"}
    values |= dict.fromkeys("xyz", time) | dict.fromkeys("XYZ", seconds)
    return {letter: str(value) for letter, value in values.items()}


def _formatted(shape: str, letters: dict[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        flags, width, letter = found.groups()
        text = letters.get(letter, letter)
        wide = min(int(width[:4] or 0), 1000)
        return text.ljust(wide) if "-" in flags else text.rjust(wide, "0" if "0" in flags else " ")

    return re.sub(r"%([-#0+ ]*)(\d*)(.)", value, shape, flags=re.DOTALL)


def _described(letters: dict[str, str], found: Stat) -> str:
    shape = (
        "  File: %N\n  Size: %-10s\tBlocks: %-10b IO Block: %-6o %F\n"
        + (
            "Device: 0h/0d\tInode: %-10i  Links: %-5h"
            if found.kind not in ("char", "block")
            else "Device: 0h/0d\tInode: %-10i  Links: %-5h Device type: %t,%T"
        )
        + "\nAccess: (%04a/%10A)  Uid: (%5u/%8U)   Gid: (%5g/%8G)\nAccess: %x\nModify: %y\nChange: %z\n"
    )
    return re.sub(r"(?m) +$", "", _formatted(shape, letters)) if "Links" not in shape else _formatted(shape, letters)


# du


@utility("du", "du [-s] [-a] [-h] [-k] [-c] [-d DEPTH] [FILE]...: add up the blocks that files take, in KiB")
def du(call: Call) -> int:
    options = call.options("sahkcd:bm")
    counter = _Counter(call, options)
    total = sum(counter.add(name) for name in options.operands or ["."])
    if "c" in options.flags:
        counter.print(total, "total")
    return counter.status


class _Counter:
    """One run of du. A file with several names counts once."""

    def __init__(self, call: Call, options: Options) -> None:
        self.call, self.flags = call, options.flags
        depth = options.value("d") or ""
        self.depth = 0 if "s" in self.flags else int(depth) if depth.isdecimal() and len(depth) < 6 else 1 << 30
        self.status = 0
        self._seen: set[int] = set()

    def add(self, top: str) -> int:
        """The blocks of everything at and below `top`; prints on the way, what is inside before what holds it."""
        todo: list[tuple[str, int, bool]] = [(top, 0, False)]
        sums = [0] * 2
        while todo:
            path, depth, done = todo.pop()
            if done:
                total = sums.pop()
                sums[-1] += total
                self._told(path, total, depth, directory=True)
                continue
            found = self._look(path)
            if found is None:
                continue
            size = found.size if "b" in self.flags else blocks(found)
            names = self.call.paths.names(path) if found.kind == "dir" else []
            if found.kind == "dir":
                sums.append(size)
                todo.append((path, depth, True))
                todo += [(join(path, name), depth + 1, False) for name in reversed(names)]
            else:
                sums[-1] += size
                self._told(path, size, depth, directory=False)
        return sums[1]

    def _look(self, path: str) -> Stat | None:
        try:
            found = self.call.paths.lstat(path)
        except FileError as error:
            self.status = self.call.complain(f"{path}: {why(error)}")
            return None
        if found.kind != "dir" and found.nlink > 1:
            if found.inode in self._seen:
                return None
            self._seen.add(found.inode)
        return found

    def _told(self, path: str, size: int, depth: int, *, directory: bool) -> None:
        if depth <= self.depth and (directory or "a" in self.flags or not depth):
            self.print(size, path)

    def print(self, size: int, path: str) -> None:
        """One line."""
        if "b" in self.flags:
            shown = str(size)
        elif "h" in self.flags:
            shown = human(size * _BLOCK)
        elif "m" in self.flags:
            shown = str(-(-size * _BLOCK // (1 << 20)))
        else:
            shown = str((size + 1) // 2)
        self.call.out(f"{shown}\t{path}\n")
