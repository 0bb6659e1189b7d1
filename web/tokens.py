"""How a client of the registry says who it is: a kitchen's name and password, or a token that was given for these.

A kitchen's password is made of a key that only this server has, so nothing need be stored. Whoever sees it can push and
delete below the kitchen's own name, push to the shelves that all share, and no more. A token is signed with the same
key; it says who its bearer is, what it lets them do, and ends soon.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from itsdangerous import BadData, URLSafeTimedSerializer

from engine import reference as references
from engine.registry import NOBODY, Caller

TOKEN_SECONDS: Final = 300
"""How long a token is good for. A client asks for another when it has ended."""

_ACTIONS: Final = frozenset({"pull", "push", "delete"})
_KITCHEN: Final = re.compile(r"[0-9a-f]{16}")
_SCOPES_MAX: Final = 32
_SCOPE: Final = re.compile(r"repository:([^:]+):([a-z,*]+)")


class BadCredentials(Exception):
    """What was sent names nobody: a wrong password, a token that is not ours or has ended."""


@dataclass(frozen=True)
class Tokens:
    """The key of a server, and the namespaces that all its kitchens share."""

    key: bytes
    shared: frozenset[str] = frozenset()

    def password(self, kitchen: str) -> str:
        """What `docker login -u KITCHEN` asks for."""
        return hmac.new(self.key, b"push " + kitchen.encode(), hashlib.sha256).hexdigest()[:32]

    def caller(self, authorization: str) -> Caller:
        """Who sends this header; nobody where it is empty. `BadCredentials`."""
        scheme, _, rest = authorization.strip().partition(" ")
        if not scheme:
            return NOBODY
        if scheme.lower() == "basic":
            return self._basic(rest.strip())
        if scheme.lower() == "bearer":
            return self._bearer(rest.strip())
        raise BadCredentials("Authorization is neither Basic nor Bearer")

    def grant(self, caller: Caller, scopes: Iterable[str]) -> dict[str, Any]:
        """A token for what is asked for, as far as it is allowed (distribution's token specification)."""
        granted: dict[str, list[str]] = {}
        for scope in list(scopes)[:_SCOPES_MAX]:
            found = _SCOPE.fullmatch(scope)
            if found and references.is_repository(found[1]):
                asked = frozenset(found[2].split(","))
                wanted = _ACTIONS if "*" in asked else asked & _ACTIONS
                allowed = {action for action in wanted if action == "pull" or caller.may(found[1], action)}
                granted[found[1]] = sorted({*granted.get(found[1], ()), *allowed})
        token = self._signer().dumps({"user": caller.namespace, "access": granted})
        now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        return {"token": token, "access_token": token, "expires_in": TOKEN_SECONDS, "issued_at": now}

    def _basic(self, encoded: str) -> Caller:
        try:
            user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise BadCredentials("Basic is not well formed") from error
        if not (_KITCHEN.fullmatch(user) and hmac.compare_digest(self.password(user).encode(), password.encode())):
            raise BadCredentials("no kitchen has this name and password; its page shows both")
        return Caller(user, self.shared)

    def _bearer(self, token: str) -> Caller:
        try:
            said: Mapping[str, Any] = self._signer().loads(token, max_age=TOKEN_SECONDS)
        except BadData as error:
            raise BadCredentials("the token is not of this server, or has ended") from error
        grants = {name: frozenset(actions) for name, actions in said["access"].items()}
        return Caller(said["user"], self.shared, grants)

    def _signer(self) -> URLSafeTimedSerializer:
        return URLSafeTimedSerializer(self.key, salt="registry token", signer_kwargs={"digest_method": hashlib.sha256})


def key(file: Path) -> bytes:
    """The server's key, made now where there is none; whole in its file or not there, and for its owner's eyes."""
    with suppress(FileNotFoundError):
        return file.read_bytes()
    made = secrets.token_bytes(32)
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "wb") as stream:
            stream.write(made)
            stream.flush()
            os.fsync(descriptor)
        with suppress(FileExistsError):  # another process was first: its key is the key
            os.link(temporary, file)
    finally:
        temporary.unlink()
    return file.read_bytes()
