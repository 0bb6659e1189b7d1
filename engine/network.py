"""Registries over HTTP: the transport that leaves this process, and on what terms it may.

Plain HTTP with this machine itself, as docker does, TLS with all others. Bodies come as they are asked for, never
inflated and never whole. Patience has bounds: silence ends an answer, at most so many redirects are followed, only what
can be asked twice is (GET and HEAD), a little later each time. A redirect to another host takes no Authorization along.
A story:

    network = Network(Addresses(public))
    remote = Remote(network.transport("registry.example"))
"""

from __future__ import annotations

import random
import socket
import ssl
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from functools import partial
from time import time
from typing import Any, Final, cast
from urllib.parse import SplitResult, urljoin, urlsplit
from weakref import WeakSet, finalize

import urllib3
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from engine.addresses import Addresses, is_loopback
from engine.authorization import Authorization
from engine.blobs import CHUNK
from engine.credentials import Account, Credentials
from engine.errors import Cancelled, EngineError, Interrupted, Unauthorized, Unreachable
from engine.reference import DEFAULT_REGISTRY
from engine.registry import Response
from engine.transfer import gather

REDIRECTS_MAX: Final = 5
"""Redirects of one request that are followed."""
FORGET_SECONDS: Final = 5.0
"""How long it is tried to have a registry drop an upload."""

_HUB: Final = "registry-1.docker.io"
_ANSWER_MAX: Final = 64 << 10
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_LATER: Final = frozenset({429, 502, 503, 504})
_BUSY: Final = _LATER | {409}
"""Statuses of a registry that has not noticed yet that the upload to be dropped is not gone on with."""
_REPEATABLE: Final = frozenset({"GET", "HEAD"})
_PORTS: Final = {"http": 80, "https": 443}


class LoginRefused(Unauthorized):
    """A registry, at its `base` address, does not know the account."""

    def __init__(self, base: str) -> None:
        super().__init__()
        self.base = base
        self.args = (f"login attempt to {base}/v2/ failed with status: 401 Unauthorized",)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a peer is waited for. Seconds: of `silence` until an answer is given up, the first `pause` before asking
    again (it doubles), the `longest` one, whatever Retry-After says. A request is sent at most `attempts` times."""

    silence: float = 30.0
    attempts: int = 4
    pause: float = 0.5
    longest: float = 10.0


_BRIEF: Final = Patience(silence=FORGET_SECONDS, attempts=1)
_PAUSES: Final = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2)


@dataclass(frozen=True)
class Network:
    """The way to all registries: which addresses may be reached, who one is there, and with what patience."""

    addresses: Addresses = field(default_factory=Addresses)
    credentials: Credentials | None = None
    patience: Patience = field(default_factory=Patience)
    tls: ssl.SSLContext = field(default_factory=ssl.create_default_context)

    def transport(self, registry: str, account: Account | None = None) -> Http:
        """The transport to a registry by its host, as `account` or whoever one has logged in as."""
        if account is None and self.credentials:
            account = self.credentials.find(registry)
        return Http(registry, self, account)

    def login(self, registry: str, account: Account) -> None:
        """Return where the registry lets `account` in: `Unauthorized`, `Unreachable`."""
        http = self.transport(registry, account)
        with closing(http.request("GET", "/v2/", {})) as answer:
            if answer.status == 401:
                raise LoginRefused(http.base)
            if answer.status != 200:
                raise Unreachable(f'Get "{http.base}/v2/"', f"no registry: it answered {answer.status}")


class Http:
    """The transport to one registry over the network (`engine.remote.Transport`); safe among threads."""

    def __init__(self, registry: str, network: Network, account: Account | None) -> None:
        host = _HUB if registry == DEFAULT_REGISTRY else registry
        scheme = "http" if is_loopback(urlsplit(f"//{host}").hostname or "") else "https"
        self.base: Final = f"{scheme}://{host}"
        self._network, self._patience = network, network.patience
        self._again = partial(Http, registry, replace(network, patience=_BRIEF), account)
        self._authorization = Authorization(self.base, account, self._ask)
        self._pools: dict[str, HTTPConnectionPool] = {}
        self._lock = threading.Lock()
        self._sockets: WeakSet[socket.socket] = WeakSet()
        self._aborted = threading.Event()

    def request(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | Iterable[bytes] | None = None
    ) -> Response:
        """See `engine.remote.Transport`. A body that can be sent but once is not sent again after a 401."""
        shown = self._authorization.header(method, path)
        raw = self._patiently(method, path, headers, shown, body)
        if raw.status == 401 and (body is None or isinstance(body, bytes)):
            wanted = raw.headers.get("www-authenticate", "")
            raw.close()
            if self._authorization.answer(method, path, shown, wanted):
                shown = self._authorization.header(method, path)
            raw = self._patiently(method, path, headers, shown, body)  # asked once more, to whatever end
        return Response(raw.status, _headers(raw), _Body(raw, _shown(method, self.base + path), self._patience))

    def abort(self) -> None:
        """See `engine.remote.Transport`."""
        self._aborted.set()
        for sock in tuple(self._sockets):
            with suppress(OSError):  # it is closed already
                sock.shutdown(socket.SHUT_RDWR)

    def forget(self, path: str) -> None:
        """See `engine.remote.Transport`. Its connections are others than those that `abort` ends."""
        late = self._again()
        ending = threading.Timer(FORGET_SECONDS, late.abort)
        ending.daemon = True
        ending.start()
        try:
            for pause in _PAUSES:
                with closing(late.request("DELETE", path, {})) as answer:
                    if answer.status not in _BUSY:
                        return
                if late._aborted.wait(pause):
                    return
        except EngineError:
            return
        finally:
            ending.cancel()

    def _patiently(
        self, method: str, path: str, headers: Mapping[str, str], shown: str, body: bytes | Iterable[bytes] | None
    ) -> urllib3.BaseHTTPResponse:
        """An answer, the request sent again where that is safe and may help. A 429 that stays one is an answer."""
        sent = {**headers, "authorization": shown} if shown else headers
        attempts = self._patience.attempts if method in _REPEATABLE else 1
        for attempt in range(1, attempts + 1):
            asked = ""
            try:
                raw = self._follow(method, self.base + path, sent, body)
            except Interrupted:
                if attempt == attempts:
                    raise
            else:
                if raw.status not in _LATER or attempt == attempts:
                    return raw
                asked = raw.headers.get("retry-after", "")
                raw.close()
            if self._aborted.wait(_pause(self._patience, attempt, asked)):
                raise Cancelled
        raise AssertionError("the last attempt returns or raises")

    def _follow(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | Iterable[bytes] | None
    ) -> urllib3.BaseHTTPResponse:
        """An answer that is no redirect; `url` is ours or was named by a peer."""
        first = url
        for _ in range(REDIRECTS_MAX + 1):
            raw = self._once(method, url, headers, body)
            location = raw.headers.get("location", "")
            if raw.status not in _REDIRECTS or method not in _REPEATABLE or not location:
                return raw
            raw.close()
            try:
                onward = urljoin(url, location)
            except ValueError as error:
                raise Unreachable(
                    _shown(method, url), f"redirected to {location[:200]!r}, which is no address"
                ) from error
            if _origin(onward) != _origin(url):
                headers = {name: value for name, value in headers.items() if name != "authorization"}
            if url.startswith("https:") and not onward.startswith("https:"):
                raise Unreachable(_shown(method, url), "redirected to what is not https")
            url = onward
        raise Unreachable(_shown(method, first), f"redirected more than {REDIRECTS_MAX} times")

    def _once(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | Iterable[bytes] | None
    ) -> urllib3.BaseHTTPResponse:
        if self._aborted.is_set():
            raise Cancelled
        asked = _shown(method, url)
        try:
            parts, origin = urlsplit(url), _origin(url)
            return self._pool(origin).urlopen(
                method,
                parts._replace(scheme="", netloc="", fragment="").geturl() or "/",
                body=body,
                headers={"user-agent": "hello-whale", "accept-encoding": "identity", **headers},
                redirect=False,
                retries=False,
                assert_same_host=False,
                timeout=urllib3.Timeout(connect=self._patience.silence, read=self._patience.silence),
                preload_content=False,
                decode_content=False,
                chunked=body is not None and "content-length" not in headers,
            )
        except Unreachable as error:  # docker, which looks for /v2/ first, names that
            raise Unreachable(f'Get "{_base(url)}/v2/"', str(error)) from error
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            if self._aborted.is_set():
                raise Cancelled from error
            raise _failure(error, asked, self._patience) from error

    def _pool(self, origin: tuple[str, str, int]) -> HTTPConnectionPool:
        scheme, host, port = origin
        with self._lock:
            pool = self._pools.get(f"{scheme}://{host}:{port}")
            if pool is None:
                addresses, watch = self._network.addresses, self._watch
                if scheme == "https":
                    pool = HTTPSConnectionPool(host, port, maxsize=4, ssl_context=self._network.tls)
                    pool.ConnectionCls = cast(Any, partial(_Https, addresses=addresses, watch=watch))
                else:
                    pool = HTTPConnectionPool(host, port, maxsize=4)
                    pool.ConnectionCls = cast(Any, partial(_Plain, addresses=addresses, watch=watch))
                self._pools[f"{scheme}://{host}:{port}"] = pool
            return pool

    def _watch(self, sock: socket.socket) -> None:
        """Know of a socket, so that `abort` may end it."""
        self._sockets.add(sock)
        if self._aborted.is_set():
            raise Cancelled

    def _ask(self, url: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """A short answer of a login server."""
        raw = self._follow("GET", url, headers, None)
        body = _Body(raw, _shown("GET", url), self._patience)
        with closing(body):
            return raw.status, gather(body, _ANSWER_MAX)


class _Watched:
    """What both kinds of connection do: connect where the policy allows, and show their socket."""

    addresses: Addresses
    watch: Any

    def _new_conn(self) -> socket.socket:
        mine = cast(Any, self)
        return self.addresses.connect(mine._dns_host, mine.port, mine.timeout, self.watch)


class _Plain(_Watched, HTTPConnection):
    def __init__(self, *arguments: Any, addresses: Addresses, watch: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.addresses, self.watch = addresses, watch


class _Https(_Watched, HTTPSConnection):
    def __init__(self, *arguments: Any, addresses: Addresses, watch: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.addresses, self.watch = addresses, watch

    def connect(self) -> None:
        super().connect()
        self.watch(self.sock)  # wrapping made another socket of it


class _Body(Iterator[bytes]):
    """An answer's body as it comes. `Interrupted` where the connection broke, `Unreachable` after a long silence."""

    def __init__(self, raw: urllib3.BaseHTTPResponse, asked: str, patience: Patience) -> None:
        self._raw, self._asked, self._patience = raw, asked, patience
        self._pieces = raw.stream(CHUNK, decode_content=False)
        finalize(self, raw.close).atexit = False  # for who forgets it

    def __next__(self) -> bytes:
        try:
            return next(self._pieces)
        except StopIteration:
            self._raw.release_conn()
            raise
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            self._raw.close()
            raise _failure(error, self._asked, self._patience) from error

    def close(self) -> None:
        """Let the connection go, which cannot be used again where the body was not read to its end."""
        self._raw.close()


def _failure(error: Exception, asked: str, patience: Patience) -> Unreachable:
    """What went wrong on the way, in words; `Interrupted` where asking again may help."""
    errors = urllib3.exceptions
    if isinstance(error, errors.ReadTimeoutError | TimeoutError):
        return Unreachable(asked, f"nothing came for {patience.silence:g} seconds")
    if isinstance(error, errors.SSLError | ssl.SSLError):
        return Unreachable(asked, f"x509: {error.args[-1] if error.args else error}"[:300])
    if isinstance(error, errors.ProtocolError | OSError):
        return Interrupted(asked, "the registry broke the connection off")
    return Unreachable(asked, f"no answer that HTTP knows ({type(error).__name__})")


def _pause(patience: Patience, attempt: int, asked: str) -> float:
    """Seconds before the next attempt: what Retry-After says, or twice as long each time, with some chance in it."""
    if asked:
        if asked.isascii() and asked.isdigit():
            return min(float(asked[:9]), patience.longest)
        with suppress(ValueError, TypeError):
            return min(max(parsedate_to_datetime(asked).timestamp() - time(), 0.0), patience.longest)
    doubled = float(patience.pause * 2 ** (attempt - 1))
    return min(doubled * random.uniform(0.5, 1.0), patience.longest)  # noqa: S311


def _headers(raw: urllib3.BaseHTTPResponse) -> dict[str, str]:
    return {name.lower(): raw.headers[name] for name in raw.headers}


def _origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port; `Unreachable` for what is no address to go to."""
    try:
        parts: SplitResult = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, SplitResult("", "", "", "", "")
    if parts.scheme not in _PORTS or not host or parts.username is not None:
        raise Unreachable(f"{url[:200]!r}", "is no address that can be followed")
    return parts.scheme, host, port or _PORTS[parts.scheme]


def _base(url: str) -> str:
    return f"{urlsplit(url).scheme}://{urlsplit(url).netloc}"


def _shown(method: str, url: str) -> str:
    """A request as Go words it; what follows a question mark may be a secret."""
    return f'{method.capitalize()} "{url.partition("?")[0]}"'
