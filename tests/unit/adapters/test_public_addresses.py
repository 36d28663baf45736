"""Public and private addresses, and names that resolve to either."""

import ipaddress
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagesearch.adapters.public_addresses import is_public, public_addresses, resolve
from imagesearch.domain.errors import InvalidQuery
from tests.support.waiting import PATIENCE_SECONDS

PUBLIC, PRIVATE = "93.184.215.14", "10.0.0.7"


@pytest.mark.parametrize("address", [PUBLIC, "1.1.1.1", "2606:4700:4700::1111"])
def test_globally_reachable_addresses_are_public(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0"),  # noqa: S104
        *("100.64.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"),
        *("::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1"),
        *("2001:db8::1", "::ffff:1.1.1.1", "::ffff:127.0.0.1", "::127.0.0.1"),
        *("64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "2001:0:7f00:1::"),
        *("", "localhost", "127.1", "0x7f000001"),
    ],
)
def test_private_local_shared_translated_and_multicast_addresses_are_not_public(address):
    assert not is_public(address)


# The special-purpose registries of IANA, and what RFC 4291 and RFC 3879 reserve or deprecate.
SPECIAL = """
    0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24
    192.0.2.0/24 192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24
    198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4 255.255.255.255/32
    ::/96 ::ffff:0:0/96 ::ffff:0:0:0/96 64:ff9b::/96 64:ff9b:1::/48 100::/64 100:0:0:1::/64
    200::/7 400::/6 2001::/23 2001::/32 2001:2::/48 2001:10::/28 2001:20::/28 2001:db8::/32
    2002::/16 2620:4f:8000::/48 3ffe::/16 3fff::/20 4000::/3 5f00::/16 6000::/3 8000::/3 e000::/4
    fc00::/7 fe80::/10 fec0::/10 ff00::/8
""".split()


@given(st.sampled_from(SPECIAL), st.integers(0, 2**128 - 1))
def test_no_address_of_a_special_network_is_public(network, number):
    found = ipaddress.ip_network(network)
    for offset in (0, number % found.num_addresses, found.num_addresses - 1):
        assert not is_public(str(found[offset]))


@given(st.ip_addresses())
def test_what_is_public_is_global_for_the_standard_library(address):
    if is_public(str(address)):
        assert address.is_global
        assert not address.is_multicast


def test_a_host_with_one_private_address_is_rejected():
    with pytest.raises(InvalidQuery) as raised:
        public_addresses("a.test", lambda _: [PUBLIC, PRIVATE], is_public, PATIENCE_SECONDS)
    assert raised.value.code == "invalid_url"
    assert PRIVATE not in raised.value.message


@pytest.mark.parametrize("host", ["127.0.0.1", "0x7f.1", "2130706433", "0177.0.0.1", "localhost"])
def test_alternative_spellings_of_loopback_are_recognized(host):
    with pytest.raises(InvalidQuery):
        public_addresses(host, resolve, is_public, PATIENCE_SECONDS)


@pytest.mark.parametrize("error", [OSError("no such name"), UnicodeError("label too long")])
def test_a_name_without_address_is_unreachable(error):
    def fail(_: str) -> list[str]:
        raise error

    with pytest.raises(InvalidQuery) as raised:
        public_addresses("a.test", fail, is_public, PATIENCE_SECONDS)
    assert raised.value.code == "url_unreachable"


def test_a_resolver_without_response_times_out():
    never = threading.Event()
    with pytest.raises(InvalidQuery) as raised:
        public_addresses("a.test", lambda _: [str(never.wait(PATIENCE_SECONDS))], is_public, 0.05)
    never.set()
    assert raised.value.code == "url_unreachable"
