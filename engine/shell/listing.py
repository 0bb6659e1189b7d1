"""ls, in busybox's columns."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final, NamedTuple

from engine.errors import FileError
from engine.merged import Stat
from engine.shell.call import Call, Options, utility, why
from engine.shell.looks import BLOCK, blocks, human, permissions, time_of
from engine.shell.owners import Owners
from engine.shell.paths import join

_RECENT: Final = timedelta(days=365) / 2
_AHEAD: Final = timedelta(minutes=15)


class _Row(NamedTuple):
    name: str
    path: str
    stat: Stat


@utility("ls", "[-l] [-a] [-A] [-1] [-d] [-R] [-h] [-i] [-n] [-s] [-r] [-t] [-S] [-F] [FILE]...", "list directories")
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
                text += f"{human(blocks(found) * BLOCK):>7} " if "h" in self.flags else f"{blocks(found) >> 1:6} "
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
