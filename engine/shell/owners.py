"""Names of users and groups, by the container's own /etc/passwd and /etc/group."""

from __future__ import annotations

from functools import cached_property
from typing import Final

from engine.errors import FileError
from engine.shell.paths import Paths

_SIZE_MAX: Final = 1 << 20
_ID_MAX: Final = (1 << 32) - 2


class Owners:
    """Both tables, read when they are first asked for."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths

    @cached_property
    def _users(self) -> dict[str, tuple[int, int]]:
        return self._table("/etc/passwd")

    @cached_property
    def _groups(self) -> dict[str, tuple[int, int]]:
        return self._table("/etc/group")

    def _table(self, path: str) -> dict[str, tuple[int, int]]:
        """By name, the number, and of a user that of the group."""
        data = b""
        try:
            for chunk in self._paths.chunks(path):
                data += chunk
                if len(data) > _SIZE_MAX:
                    break
        except FileError:
            return {}
        table: dict[str, tuple[int, int]] = {}
        for line in data.decode("latin-1").splitlines():
            fields = line.split(":")
            number = _number(fields[2]) if len(fields) > 3 else None
            if number is not None:
                table.setdefault(fields[0], (number, _number(fields[3]) or 0))
        return table

    def user(self, uid: int) -> str:
        """A user's name; empty for none."""
        return next((name for name, (number, _) in self._users.items() if number == uid), "")

    def group(self, gid: int) -> str:
        """A group's name; empty for none."""
        return next((name for name, (number, _) in self._groups.items() if number == gid), "")

    def uid(self, name: str) -> tuple[int, int] | None:
        """A user's number and that of its group, by name or number; root is 0 everywhere. None for an unknown one."""
        if name in self._users:
            return self._users[name]
        number = _number(name) if name != "root" else 0
        if number is None:
            return None
        return number, next((gid for uid, gid in self._users.values() if uid == number), number)

    def gid(self, name: str) -> int | None:
        """A group's number, by name or number."""
        if name in self._groups:
            return self._groups[name][0]
        return _number(name) if name != "root" else 0


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 11 and int(text) <= _ID_MAX else None
