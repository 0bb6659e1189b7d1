"""How a registry is told who asks: Basic, or a Bearer token from the realm that its 401 names.

A token is kept for as long as it lives and for what it was given: a repository, and reading or writing. A realm is
https, or this machine's own where the registry is; it alone of all other hosts is shown the password, since the
registry that the password is for has named it. All that comes from the other side is bounded and read by grammar.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

import msgspec

from engine.addresses import is_loopback
from engine.credentials import Account
from engine.errors import Unauthorized, Unreachable

_CHALLENGE_MAX: Final = 4096
_SCHEME: Final = re.compile(r"(?:^|,)\s*(bearer|basic)(?=\s|$)", re.IGNORECASE)
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_PARAMETER: Final = re.compile(r'([a-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))', re.IGNORECASE)
_REPOSITORY: Final = re.compile(r"/v2/(.+)/(?:manifests|blobs|tags|referrers)/")
_TOKEN: Final = re.compile(r"[!-~]{1,16384}")
_LEAST, _MOST = 60.0, 3600.0
"""Seconds that a token is believed to live, whatever is said of it; at least 60 by the specification."""
_EARLY: Final = 0.9


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a 401 asks for: ``bearer`` with a `realm`, or ``basic``."""

    scheme: str
    realm: str = ""
    service: str = ""
    scope: str = ""


def challenge(header: str) -> Challenge | None:
    """A ``WWW-Authenticate`` header's Bearer challenge, else its Basic one; None where it has neither."""
    header = header[:_CHALLENGE_MAX]
    found: dict[str, Challenge] = {}
    bare = _QUOTED.sub(lambda quoted: "_" * len(quoted[0]), header)
    starts = list(_SCHEME.finditer(bare))
    ends = [match.start() for match in starts[1:]] + [len(header)]
    for match, end in zip(starts, ends, strict=False):
        part = header[match.end() : end]
        said = {key.lower(): quoted or plain for key, quoted, plain in _PARAMETER.findall(part)}
        scheme = match[1].lower()
        found.setdefault(
            scheme, Challenge(scheme, said.get("realm", ""), said.get("service", ""), said.get("scope", ""))
        )
    return found.get("bearer") or found.get("basic")


class _Answer(msgspec.Struct):
    """What a realm answers."""

    token: str = ""
    access_token: str = ""
    expires_in: float = _LEAST


@dataclass(frozen=True, slots=True)
class _Token:
    header: str
    until: float


class Authorization:
    """What one registry has been shown, and what it wants to be shown; safe among threads.

    `ask` fetches a realm's answer: from an address and headers to a status and a bounded body.
    """

    def __init__(
        self, base: str, account: Account | None, ask: Callable[[str, Mapping[str, str]], tuple[int, bytes]]
    ) -> None:
        self._base, self._account, self._ask = base, account, ask
        self._lock = threading.Lock()
        self._basic = ""
        self._tokens: dict[str, _Token] = {}
        self._asked: dict[str, Challenge] = {}

    def header(self, method: str, path: str) -> str:
        """What to send along with a request; empty for nothing. A token about to expire is renewed by then."""
        purpose = _purpose(method, path)
        with self._lock:
            token = self._tokens.get(purpose)
            if token and token.until < time.monotonic():
                token = self._tokens[purpose] = self._fetch(self._asked[purpose])
            return token.header if token else self._basic

    def answer(self, method: str, path: str, shown: str, header: str) -> bool:
        """Whether there is something better to show than what was `shown`, now that the 401's `header` came.

        `Unauthorized` where the realm refuses, `Unreachable` where it gives no answer or may not be asked.
        """
        asked, purpose = challenge(header), _purpose(method, path)
        if asked is None:
            return False
        with self._lock:
            if asked.scheme == "basic":
                self._basic = f"Basic {self._account.basic}" if self._account else ""
                return self._basic not in ("", shown)
            known = self._tokens.get(purpose)
            if not known or known.header == shown:  # else another thread has just fetched one
                self._asked[purpose] = asked
                self._tokens[purpose] = self._fetch(asked)
            return True

    def _fetch(self, asked: Challenge) -> _Token:
        self._check(asked.realm)
        query = [("service", asked.service)] if asked.service else []
        query += [("scope", scope) for scope in asked.scope.split()]
        headers = {}
        if self._account:
            query.append(("account", self._account.user))
            headers["authorization"] = f"Basic {self._account.basic}"
        status, body = self._ask(f"{asked.realm}{'&' if '?' in asked.realm else '?'}{urlencode(query)}", headers)
        if status in (401, 403):
            raise Unauthorized("incorrect username or password" if self._account else "")
        try:
            answer = msgspec.json.decode(body, type=_Answer) if status == 200 else _Answer()
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            answer = _Answer()
        token = answer.token or answer.access_token
        if not _TOKEN.fullmatch(token):
            raise Unreachable(f'Get "{asked.realm[:300]}"', f"the answer ({status}) has no token in it")
        return _Token(f"Bearer {token}", time.monotonic() + _EARLY * min(max(answer.expires_in, _LEAST), _MOST))

    def _check(self, realm: str) -> None:
        try:
            parts = urlsplit(realm)
            sound = bool(parts.hostname) and parts.username is None and not parts.fragment
        except ValueError:
            sound = False
        if not sound or parts.scheme not in ("http", "https"):
            raise Unreachable(self._base, f"its login server {realm[:200]!r} is no address")
        at_home = is_loopback(urlsplit(self._base).hostname or "") and is_loopback(parts.hostname or "")
        if parts.scheme == "http" and not at_home:
            raise Unreachable(self._base, f"its login server {realm[:200]} is not https; no password goes there")


def _purpose(method: str, path: str) -> str:
    """What a token is for: requests of the same purpose share one."""
    path, _, query = path.partition("?")
    found = _REPOSITORY.match(path)
    kind = "read" if method in ("GET", "HEAD") else "write"
    source = parse_qs(query).get("from", [""])[0] if "from=" in query else ""
    return f"{kind} {unquote(found[1]) if found else ''} {source}"
