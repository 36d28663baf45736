"""Which addresses are of the public internet, and where a host of it is.

A name is resolved once and what it resolves to is checked: whoever connects to these addresses, and
not to the name again, is not led elsewhere by another answer (DNS rebinding).
"""

import ipaddress
import socket
from collections.abc import Callable, Sequence
from queue import Empty, Queue
from threading import Thread
from typing import TypeAlias

from imagesearch.domain.errors import InvalidQuery

Resolve: TypeAlias = Callable[[str], Sequence[str]]
HINT = "send the address of an image that anybody can reach"
# Addresses that stand for one of another kind, wherever that leads:
# https://www.iana.org/assignments/iana-ipv6-special-registry
_TRANSLATED = tuple(
    ipaddress.IPv6Network(network)
    for network in (
        *("::/96", "::ffff:0:0/96", "64:ff9b::/96"),
        *("64:ff9b:1::/48", "2001::/32", "2002::/16"),
    )
)


def resolve(host: str) -> list[str]:
    """The addresses of a host as the system's resolver tells them; raises OSError."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def is_public(address: str) -> bool:
    """Whether anybody may be reached there: no private, local, shared, translated or group one."""
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
    """Where the host is, if it is nowhere else than on the public internet; raises InvalidQuery."""
    try:
        addresses = _in_time(lambda: resolve(host), seconds)
    except (OSError, UnicodeError) as error:
        raise InvalidQuery("url: its host has no address", HINT, "url_unreachable") from error
    if not addresses or not all(map(permitted, addresses)):
        raise InvalidQuery("url: its host is not on the public internet", HINT, "invalid_url")
    return addresses


def _in_time(look: Callable[[], Sequence[str]], seconds: float) -> Sequence[str]:
    """The system's resolver has no deadline of its own; raises what it does, and TimeoutError."""
    found: Queue[Sequence[str] | Exception] = Queue()

    def answer() -> None:
        try:
            found.put(look())
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
