"""stat and du."""

from __future__ import annotations

import re
from typing import Final

from engine.errors import FileError
from engine.merged import Stat
from engine.shell.call import Call, Options, utility, why
from engine.shell.looks import BLOCK, PAGE, blocks, human, permissions, time_of
from engine.shell.owners import Owners
from engine.shell.paths import join

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


@utility("stat", "[-c FORMAT] [-L] FILE...", "print attributes; FORMAT has %n %N %s %a %A %u %g %F %h %i %y %Y")
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
    values |= {"s": found.size, "b": blocks(found), "B": BLOCK, "o": PAGE, "h": found.nlink, "i": found.inode}
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


@utility("du", "[-s] [-a] [-h] [-k] [-c] [-d DEPTH] [FILE]...", "add up the blocks that files take, in KiB")
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
            shown = human(size * BLOCK)
        elif "m" in self.flags:
            shown = str(-(-size * BLOCK // (1 << 20)))
        else:
            shown = str((size + 1) // 2)
        self.call.out(f"{shown}\t{path}\n")
