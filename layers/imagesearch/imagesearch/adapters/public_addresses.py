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
# Translated addresses embed an IPv4 address, which may be private:
# https://www.iana.org/assignments/iana-ipv6-special-registry
_TRANSLATED = tuple(
    ipaddress.IPv6Network(network)
    for network in (
        *("::/96", "::ffff:0:0/96", "64:ff9b::/96"),
        *("64:ff9b:1::/48", "2001::/32", "2002::/16"),
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
    if isinstance(found, ipaddress.IPv6Address) and any(found in each for each in _TRANSLATED):
        return False
    return found.is_global and not (found.is_multicast or found.is_reserved)


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
