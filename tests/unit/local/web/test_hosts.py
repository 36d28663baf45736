"""Loopback addresses are recognized in every notation, and other host names are refused."""

import ipaddress
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.errors import UsageError
from local.web.hosts import AllowedHosts, binds_loopback, is_loopback

LAN = "192.0.2.7"


def notations(address: ipaddress.IPv4Address) -> list[str]:
    """The notations of inet_aton, in each of which a part is decimal, octal or hexadecimal."""
    whole, parts = int(address), address.packed
    numbers = [
        [whole],
        [parts[0], whole % 2**24],
        [parts[0], parts[1], whole % 2**16],
        list(parts),
    ]
    written = [
        ".".join(form.format(number) for number in each)
        for each in numbers
        for form in ("{}", "{:#x}", "{:#X}", "0{:o}")
    ]
    mapped = ipaddress.IPv6Address(f"::ffff:{address}")
    return [*written, str(mapped), mapped.exploded, f"[::ffff:{address}]", f"{address}."]


@given(st.integers(0, 2**24 - 1).map(lambda rest: ipaddress.IPv4Address((127 << 24) + rest)))
def test_every_notation_of_a_loopback_address_is_loopback(address: ipaddress.IPv4Address) -> None:
    assert [each for each in notations(address) if not is_loopback(each)] == []


@given(st.ip_addresses(v=4).filter(lambda address: not address.is_loopback))
def test_no_notation_of_another_address_is_loopback(address: ipaddress.IPv4Address) -> None:
    assert [each for each in notations(address) if is_loopback(each)] == []


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST", "localhost.", "::1", "[::1]", "::1%lo"])
def test_loopback_names_are_loopback(name: str) -> None:
    assert is_loopback(name)
    assert binds_loopback(name)


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::", "0", "[::]", LAN, "::ffff:0.0.0.0"])  # noqa: S104
def test_a_wildcard_or_another_address_is_reachable_from_other_machines(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    "header", ["localhost", "127.0.0.1:8000", "[::1]:8000", "LocalHost.:1", "127.1", "0x7f.1:80"]
)
@pytest.mark.parametrize("bound", ["127.0.0.1", "0.0.0.0", LAN])  # noqa: S104
def test_loopback_hosts_are_accepted(bound: str, header: str) -> None:
    assert AllowedHosts(bound).accepts(header)


@pytest.mark.parametrize(
    ("bound", "names", "header"),
    [
        (LAN, [], f"{LAN}:8000"),
        ("photos.lan", [], "PHOTOS.lan.:8000"),
        ("[2001:db8::1]", [], "[2001:db8::1]:80"),
        ("0.0.0.0", ["Photos.Example", "nas"], "photos.example"),  # noqa: S104
        ("0.0.0.0", ["Photos.Example", "nas"], "nas:8000"),  # noqa: S104
    ],
)
def test_the_bound_address_and_allowed_names_are_accepted(
    bound: str, names: list[str], header: str
) -> None:
    assert AllowedHosts(bound, names).accepts(header)


def test_a_server_on_all_addresses_accepts_the_one_of_the_connection() -> None:
    hosts = AllowedHosts("0.0.0.0")  # noqa: S104
    assert hosts.accepts(f"{LAN}:8000", LAN)
    assert hosts.accepts(LAN, f"::ffff:{LAN}")
    assert not hosts.accepts("192.0.2.8:8000", LAN)
    assert not hosts.accepts(LAN)


NAMES = st.sampled_from(["photos.example", "localhost", "127.0.0.1", "192.0.2.7"])
DISGUISES = st.sampled_from(
    "{}.evil.example|evil-{}|{}@evil.example|evil@{}|{}, evil.example|{}/x|{}#|{}?| {}|{} |{}:x"
    "|{}:999999|{}:80:80|{}\\x|{}\0|[{}|é{}|{}..".split("|")
)
ANYTHING = st.text(string.ascii_letters + string.digits + ".-:[]@/?#% ,\\", max_size=20)


@given(st.builds(str.format, DISGUISES, NAMES) | ANYTHING.map("{}.evil".format))
def test_a_name_in_disguise_is_refused(header: str) -> None:
    assert not AllowedHosts("0.0.0.0", ["photos.example"]).accepts(header, LAN)  # noqa: S104


@pytest.mark.parametrize("header", ["", ":", ":80", "[", "[]", "evil.example", "127.0.0.1.nip.io"])
def test_another_host_is_refused(header: str) -> None:
    assert not AllowedHosts("127.0.0.1").accepts(header)


@pytest.mark.parametrize("name", ["", "a:80", "http://a", "a/b", "*", "*.a", "a b", "é"])
def test_a_name_with_port_path_or_pattern_is_a_usage_error(name: str) -> None:
    with pytest.raises(UsageError, match="--allow-host"):
        AllowedHosts("127.0.0.1", [name])
