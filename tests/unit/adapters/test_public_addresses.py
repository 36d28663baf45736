"""Public and private addresses, and names that resolve to either."""

import threading

import pytest

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
