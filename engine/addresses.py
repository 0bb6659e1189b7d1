"""Which machines may be connected to: a policy on the very address that a connection goes to.

A name is resolved once, its addresses are judged, and the connection is made to one of those that passed; nobody asks
for the name a second time, so a name whose answer changes between the two (DNS rebinding) gains nothing. A story:

    Addresses(public).connect("localhost", 80, 5)   # Unreachable: 127.0.0.1 is not open to visitors
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, Final, TypeAlias

from engine.errors import Unreachable

Address: TypeAlias = IPv4Address | IPv6Address
Resolve: TypeAlias = Callable[[str, int], Sequence[tuple[Any, ...]]]

_SPECIAL: Final = (IPv4Network("192.0.0.0/24"), IPv4Network("192.88.99.0/24"))
"""IETF's own, and the old anycast of 6to4 (RFC 6890, RFC 7526): Python's versions differ about them."""
_UNICAST: Final = IPv6Network("2000::/3")
"""All that is handed out of IPv6 to be reached from anywhere; mapped and translated IPv4 are outside it."""


def anywhere(_address: Address) -> bool:
    """Every address: for who sits at the machine."""
    return True


def public(address: Address) -> bool:
    """Addresses of the open internet alone: for visitors, who must not look around in the operator's network.

    Refused are loopback, private, link-local, shared (CGNAT), multicast, reserved and unspecified ones, and IPv6 forms
    that carry an IPv4 address within (mapped, 6to4, Teredo, NAT64), whatever that is.
    """
    if not address.is_global or address.is_multicast or address.is_reserved or address.is_unspecified:
        return False
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _SPECIAL)
    return address in _UNICAST and address.sixtofour is None and address.teredo is None


def is_loopback(host: str) -> bool:
    """Whether `host`, without a port, names this machine by itself: docker speaks plain HTTP with those."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _resolve(host: str, port: int) -> Sequence[tuple[Any, ...]]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


@dataclass(frozen=True)
class Addresses:
    """A policy: what is `allowed`, and how names become addresses (as `socket.getaddrinfo` tells them)."""

    allowed: Callable[[Address], bool] = anywhere
    resolve: Resolve = _resolve

    def connect(
        self, host: str, port: int, timeout: float | None, opened: Callable[[socket.socket], None] = lambda _: None
    ) -> socket.socket:
        """A connection to the first allowed address of `host` that takes it, `timeout` seconds for each.

        `opened` hears of a socket before it connects, and may raise. `Unreachable` in docker's words.
        """
        where = host.strip("[]")
        try:
            found = self.resolve(where, port)
        except (OSError, UnicodeError) as error:
            raise Unreachable(f"dial tcp: lookup {where}", "no such host") from error
        failed: Unreachable | None = None
        for family, kind, protocol, _, address in found:
            shown = f"[{address[0]}]:{port}" if ":" in address[0] else f"{address[0]}:{port}"
            if not self.allowed(ip_address(address[0].partition("%")[0])):
                failed = failed or Unreachable(f"dial tcp {shown}", "this address is not open to visitors")
                continue
            try:
                return _dial(family, kind, protocol, address, timeout, opened)
            except OSError as error:
                failed = Unreachable(f"dial tcp {shown}", _why(error))
        raise failed or Unreachable(f"dial tcp: lookup {where}", "no such host")


def _dial(
    family: int, kind: int, protocol: int, address: Any, timeout: float | None, opened: Callable[[socket.socket], None]
) -> socket.socket:
    sock = socket.socket(family, kind, protocol)
    try:
        opened(sock)
        sock.settimeout(timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return sock


def _why(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "i/o timeout"
    return f"connect: {(error.strerror or str(error)).lower()}"
