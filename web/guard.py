"""What every request must pass: whose page it was sent from, how much, how often, and who may write.

- **Host**: only names that are this server's own (an IP address, ``localhost``, the machine's name, those it was told),
  so that a page elsewhere cannot point its own name at us and read along (DNS rebinding).
- **Origin**: what changes something comes from our own pages: `Sec-Fetch-Site` and `Origin`, where the client sends
  them, say so. Cookies are SameSite beside that.
- **Ownership**: a kitchen is written by who has its cookie; anybody may read and fork it.
- **Rates**: kitchens created by one address, commands of one kitchen, commands of one kitchen at once.
- **Headers** of every answer: no script or style but our own files, no frames, no sniffing, no referrer to others.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from flask import Flask, Response, request
from werkzeug.exceptions import Forbidden, MisdirectedRequest, TooManyRequests
from werkzeug.wrappers import Response as AnyResponse

from engine.image import Recent

CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    # Not `no-referrer`: under it a browser sends `Origin: null` with our own forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
"""On every answer."""

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
COOKIE_SECONDS: Final = 400 * 24 * 3600
"""How long a browser keeps the way into its kitchen: the most that browsers allow."""
_HOST: Final = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a visitor may take. Rates are allowances that refill steadily."""

    body: int = 64 << 10
    """Bytes of a request's body."""
    command: int = 16 << 10
    """Characters of one command."""
    seconds: float = 20.0
    """How long one command may run that moves no blobs."""
    delivery_seconds: float = 1800.0
    """How long one that moves blobs may take."""
    kitchens_a_minute: int = 120
    """Kitchens that one address may create or fork; a class behind one address shares it."""
    commands_a_second: int = 20
    burst: int = 80
    """Commands that one kitchen may send at once before the rate holds."""
    at_once: int = 4
    """Commands of one kitchen that may wait for each other; more would keep threads from other kitchens."""


class Allowance:
    """A token bucket for each key: `capacity` at once, `a_second` more each second; the least used keys are forgotten.

    >>> allowance = Allowance(2, a_second=1.0, clock=lambda: 0.0)
    >>> [allowance.take("a") for _ in range(3)]
    [0.0, 0.0, 1.0]
    """

    def __init__(
        self, capacity: int, *, a_second: float, clock: Callable[[], float] = time.monotonic, keys: int = 10_000
    ) -> None:
        self._capacity, self._rate, self._clock, self._keys = capacity, a_second, clock, keys
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, key: str) -> float:
        """Takes one; 0 where there was one, else the seconds until there is."""
        now = self._clock()
        with self._lock:
            level, since = self._levels.pop(key, (float(self._capacity), now))
            level = min(self._capacity, level + (now - since) * self._rate)
            granted = level >= 1
            level -= granted
            self._levels[key] = (level, now)
            if len(self._levels) > self._keys:
                self._levels.popitem(last=False)
        return 0.0 if granted else (1 - level) / self._rate


class Guard:
    """The rules above for one application; `names` are further host names under which it may be reached."""

    def __init__(self, limits: Limits, names: tuple[str, ...] = ()) -> None:
        self.limits = limits
        own = socket.gethostname().lower()
        self._names = frozenset({"localhost", own, f"{own.partition('.')[0]}.local", *map(str.lower, names)})
        self._kitchens = Allowance(limits.kitchens_a_minute, a_second=limits.kitchens_a_minute / 60)
        self._commands = Allowance(limits.burst, a_second=limits.commands_a_second)
        self._running: Counter[str] = Counter()
        self._reached: set[tuple[str, str]] = set()
        self._hosts: Recent[str, str] = Recent(10_000)
        self._lock = threading.Lock()

    def watch(self, app: Flask) -> None:
        """Puts the guard before and after every request of `app`."""
        app.config["MAX_CONTENT_LENGTH"] = app.config["MAX_FORM_MEMORY_SIZE"] = self.limits.body
        app.config["MAX_FORM_PARTS"] = 100
        app.before_request(self.check_host)
        app.before_request(self.check_origin)
        app.after_request(harden)

    def check_host(self) -> None:
        """Refuses a Host that is not ours."""
        host = request.headers.get("Host", "")
        name = request.environ["SERVER_NAME"]
        self._reached.add((name, request.environ["SERVER_PORT"]))
        if request.is_secure:  # through a proxy, whose port is the one in its visitors' address
            self._reached.add((name, _port(host)))
        if not self.knows(host):
            raise MisdirectedRequest(
                f"this server is not known as {host[:100]!r}; start it with --name to have it answer to that"
            )

    def knows(self, host: str) -> bool:
        """Whether ``name[:port]`` names this server. An IP address always does: nobody else's page has one for name."""
        match = _HOST.fullmatch(host)
        if not match:
            return False
        name = match[1].lower().rstrip(".")
        try:
            ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return name in self._names or name.endswith(".localhost")
        return True

    def reached(self, kitchen: str, host: str) -> None:
        """Remember the name under which the owner of a kitchen looks at it, behind whatever forwards ports."""
        self._hosts.put(kitchen, host.lower())

    def own(self, host: str, kitchen: str = "") -> bool:
        """Whether ``name[:port]`` is this very server: the name under which the owner of `kitchen` looks at it, one of
        its names, or an address of this machine by which it was reached before, with a port by which it was. What
        `knows` lets pass may be another's address."""
        if kitchen and self._hosts.get(kitchen, str) == host.lower():
            return True
        match = _HOST.fullmatch(host)
        if not match or not self.knows(host):
            return False
        name, port = match[1].lower().rstrip(".").strip("[]"), _port(host)
        reached = self._reached.copy()
        if port not in {port for _, port in reached}:
            return False
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return True
        return address.is_loopback or name in {address for address, _ in reached}

    def check_origin(self) -> None:
        """Refuses a change that a page of another origin asks for."""
        if request.method in SAFE:
            return
        site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
        foreign = site not in (None, "same-origin", "none")
        if foreign or (origin is not None and urlsplit(origin).netloc.lower() != request.host.lower()):
            raise Forbidden("only the pages of this server may ask it to change something")

    def new_kitchen(self) -> None:
        """Counts a kitchen against the visitor's address; refuses beyond the rate."""
        wait = self._kitchens.take(request.remote_addr or "")
        if wait:
            raise TooManyRequests("too many new kitchens from your address; wait a little", retry_after=int(wait) + 1)

    @contextmanager
    def command(self, kitchen: str) -> Iterator[None]:
        """Around one command of a kitchen: within its rate, and few at once."""
        wait = self._commands.take(kitchen)
        if wait:
            raise TooManyRequests("too many commands; wait a second", retry_after=int(wait) + 1)
        with self._lock:
            if self._running[kitchen] >= self.limits.at_once:
                raise TooManyRequests("this kitchen is still busy with earlier commands", retry_after=1)
            self._running[kitchen] += 1
        try:
            yield
        finally:
            with self._lock:
                self._running[kitchen] -= 1
                if not self._running[kitchen]:
                    del self._running[kitchen]


def _port(host: str) -> str:
    """The port in ``name[:port]``; where it has none, the one that a reference without one means to us."""
    match = _HOST.fullmatch(host)
    return (host[match.end(1) + 1 :] if match else "") or "80"


def harden(response: Response) -> Response:
    """Sets `HEADERS`, and keeps pages that differ by visitor out of shared caches."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if request.endpoint != "static":
        response.headers.setdefault("Cache-Control", "private, no-cache")
    return response


def cookie_name(kitchen: str) -> str:
    """The cookie that opens a kitchen for writing."""
    return f"kitchen-{kitchen}"


def give_key(response: AnyResponse, kitchen: str, secret: str) -> None:
    """Lets the visitor's browser write to a kitchen: out of scripts' reach, and not sent along from other sites."""
    response.set_cookie(
        cookie_name(kitchen),
        secret,
        max_age=COOKIE_SECONDS,
        httponly=True,
        samesite="Lax",
        secure=request.is_secure,
    )
