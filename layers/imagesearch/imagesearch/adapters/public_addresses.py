"""Protection against server-side request forgery (SSRF): public IP addresses of a host name.

The name is resolved once and each address is checked. A client that connects to these addresses,
rather than resolving the name again, is safe from DNS rebinding.
"""

import ipaddress
import socket
from collections.abc import Callable, Sequence
from queue import Empty, Queue
from threading import Thread
from typing import TypeAlias

from imagesearch.domain.errors import InvalidQuery

Resolve: TypeAlias = Callable[[str], Sequence[str]]
HINT = "send the URL of an image on the public internet"
# Networks that are not public, or that embed an IPv4 address, which may be private:
# https://www.iana.org/assignments/iana-ipv4-special-registry
# https://www.iana.org/assignments/iana-ipv6-special-registry
# Spelled out, because the registries of the standard library differ between versions of Python.
_IPV4_SPECIAL = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24"),
        *("192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15"),
        *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
    )
)
# Of the rest of 2000::/3, addresses are assigned; outside of it, nothing is (RFC 4291, 2.4).
_IPV6_UNICAST = ipaddress.IPv6Network("2000::/3")
_IPV6_SPECIAL = tuple(
    ipaddress.IPv6Network(network)
    for network in (
        *("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20"),
        "3ffe::/16",
    )
)


def resolve(host: str) -> list[str]:
    """The addresses of a host by the system's resolver; raises OSError."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def is_public(address: str) -> bool:
    """False for private, local, shared, reserved, translated and multicast addresses."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:  # with a zone, such as fe80::1%eth0
        return False
    if not found.is_global or found.is_multicast or found.is_reserved:
        return False
    if isinstance(found, ipaddress.IPv4Address):
        return not any(found in network for network in _IPV4_SPECIAL)
    return found in _IPV6_UNICAST and not any(found in network for network in _IPV6_SPECIAL)


def public_addresses(
    host: str, resolve: Resolve, permitted: Callable[[str], bool], seconds: float
) -> Sequence[str]:
    """All addresses of the host; raises InvalidQuery unless every one of them is permitted."""
    try:
        addresses = _in_time(lambda: resolve(host), seconds)
    except (OSError, UnicodeError) as error:
        raise InvalidQuery("url: its host has no address", HINT, "url_unreachable") from error
    if not addresses or not all(map(permitted, addresses)):
        raise InvalidQuery("url: its host is not on the public internet", HINT, "invalid_url")
    return addresses


def _in_time(lookup: Callable[[], Sequence[str]], seconds: float) -> Sequence[str]:
    """Add a timeout, which the system's resolver lacks; raises its errors and TimeoutError."""
    found: Queue[Sequence[str] | Exception] = Queue()

    def answer() -> None:
        try:
            found.put(lookup())
        except Exception as error:
            found.put(error)

    Thread(target=answer, daemon=True).start()
    try:
        answered = found.get(timeout=max(0.0, seconds))
    except Empty as error:
        raise TimeoutError from error
    if isinstance(answered, Exception):
        raise answered
    return answered
