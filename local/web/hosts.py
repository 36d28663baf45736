"""Host names: loopback addresses in every notation, and the names that a server answers to."""

import ipaddress
import re
import socket
from collections.abc import Iterable

from local.errors import UsageError

# The notations of inet_aton, such as 127.1, 0x7f.1 and 2130706433: browsers accept them as well.
_NUMERIC = re.compile(r"(0x[0-9a-f]*|[0-9]+)(\.(0x[0-9a-f]*|[0-9]+)){0,3}", re.ASCII)
_NAME_PATTERN = r"[0-9A-Za-z_-]+(\.[0-9A-Za-z_-]+)*"
_NAME = re.compile(_NAME_PATTERN, re.ASCII)
_HEADER = re.compile(rf"(?P<host>\[[0-9A-Za-z:.%]+\]|{_NAME_PATTERN}\.?)(:[0-9]{{0,5}})?", re.ASCII)
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_loopback(host: str) -> bool:
    """True for an address or name that is always this machine, in any notation; resolves nothing.

    `localhost.`, `127.1`, `0x7f.1`, `[::1]` and `::ffff:127.0.0.1` are loopback hosts.
    """
    name = _normalized(without_brackets(host))
    address = _address(name)
    return name == "localhost" if address is None else address.is_loopback


def binds_loopback(host: str) -> bool:
    """True if a server that is bound to this host is reachable from this machine only.

    A name is resolved, as by the server. Raises UsageError if it cannot be.
    """
    if is_loopback(host):
        return True
    return all(is_loopback(address) for address in addresses_of(host))


def addresses_of(host: str) -> list[str]:
    """The addresses of a host to bind. Raises UsageError."""
    try:
        found = socket.getaddrinfo(
            without_brackets(host), None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (OSError, UnicodeError) as error:
        raise UsageError(f"cannot listen on {host}: {getattr(error, 'strerror', error)}") from error
    return [str(address[0]) for *_, address in found]


class AllowedHosts:
    """The host names of requests that a server accepts.

    Another name that resolves to its address belongs to a page of another site (DNS rebinding).
    """

    def __init__(self, bound: str, names: Iterable[str] = ()) -> None:
        """Accepts loopback hosts, the bound address or name, and `names`; raises UsageError."""
        self._names = {_normalized(without_brackets(bound)), *map(_checked, names)}

    def accepts(self, header: str, local_address: str = "") -> bool:
        """True if a Host header names this server, with any port.

        local_address: the address to which the client is connected.
        """
        host = _host_of(header)
        if not host:
            return False
        if is_loopback(host) or host in self._names:
            return True
        address = _address(host)
        return address is not None and address == _address(local_address)


def _host_of(header: str) -> str | None:
    """The host of a header such as `photos.example:8000`; None if it is invalid (RFC 9110, 7.2)."""
    found = _HEADER.fullmatch(header)
    return _normalized(without_brackets(found["host"])) if found else None


def _checked(name: str) -> str:
    """A name of the option --allow-host."""
    normalized = _normalized(without_brackets(name))
    if _NAME.fullmatch(normalized) or _address(normalized):
        return normalized
    raise UsageError(f"--allow-host is {name!r}: use a host name without port and path")


def without_brackets(host: str) -> str:
    """The address of a host such as [::1]."""
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def _normalized(host: str) -> str:
    """In lower case, without the dot of the root zone."""
    return host.lower().removesuffix(".")


def _address(host: str) -> _Address | None:
    """The address that a host denotes without resolution; that of IPv4 if it is mapped to IPv6."""
    if _NUMERIC.fullmatch(host):
        try:
            return ipaddress.IPv4Address(socket.inet_aton(host))
        except OSError:
            return None
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
