"""Who one is to which registry: a file in the format of docker's ``config.json``, for its owner's eyes alone.

Credentials are no part of a host's value, so no state, share or undo ever carries them. The file has mode 0600 from its
first byte and is replaced whole. A story:

    credentials = Credentials(data / "credentials.json")
    credentials.keep("localhost:5000", Account("ada", "secret"))
    credentials.find("localhost:5000"), credentials.forget("localhost:5000")
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
from filelock import FileLock

from engine.errors import Corrupt
from engine.reference import DEFAULT_REGISTRY

DOCKER_HUB: Final = "https://index.docker.io/v1/"
"""The name under which docker's client keeps the login of docker.io."""


@dataclass(frozen=True, slots=True)
class Account:
    """A user and the password, or token, that proves it."""

    user: str
    password: str = field(repr=False)

    @property
    def basic(self) -> str:
        """The two as one word (RFC 7617)."""
        return base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


class _Auth(msgspec.Struct, omit_defaults=True):
    auth: str = ""


class _File(msgspec.Struct):
    auths: dict[str, _Auth] = {}


class Credentials:
    """The accounts kept in one file; safe among threads and processes. `Corrupt` where the file is no such file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = FileLock(path.with_name(path.name + ".lock"))

    @property
    def path(self) -> Path:
        """Where they are kept."""
        return self._path

    def find(self, registry: str) -> Account | None:
        """The account at a registry, by its host."""
        kept = self._read().auths.get(_key(registry))
        if not kept or not kept.auth:
            return None
        try:
            user, _, password = base64.b64decode(kept.auth, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise self._corrupt(f"the entry of {registry} is no user and password") from error
        return Account(user, password)

    def keep(self, registry: str, account: Account) -> None:
        """From now on this is the account at the registry."""
        with self._lock:
            file = self._read()
            file.auths[_key(registry)] = _Auth(account.basic)
            self._write(file)

    def forget(self, registry: str) -> bool:
        """Whether there was an account, which is gone now."""
        with self._lock:
            file = self._read()
            if file.auths.pop(_key(registry), None) is None:
                return False
            self._write(file)
            return True

    def _read(self) -> _File:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_File)
        except FileNotFoundError:
            return _File()
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise self._corrupt(str(error)) from error

    def _write(self, file: _File) -> None:
        temporary = self._path.with_name(f".{self._path.name}.{secrets.token_hex(8)}")
        try:
            with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
                stream.write(msgspec.json.format(msgspec.json.encode(file)) + b"\n")
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, self._path)
        finally:
            temporary.unlink(missing_ok=True)

    def _corrupt(self, why: str) -> Corrupt:
        return Corrupt(f"{self._path} cannot be read as credentials ({why}): log in again once it is removed")


def _key(registry: str) -> str:
    return DOCKER_HUB if registry == DEFAULT_REGISTRY else registry
