"""Which URLs and addresses a webhook may have."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redraft.domain.errors import RedraftError
from redraft.domain.webhooks.addresses import METADATA, check_url, is_public, may_reach, networks_of

NOT_PUBLIC = [
    *("0.0.0.1", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.127.255.254", "127.0.0.1", "127.9.9.9"),
    *("169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1"),
    *("192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.250", "240.0.0.1"),
    *("255.255.255.255", "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:0:8.8.8.8"),
    *("64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::1", "fc00::1"),
    *("fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1", "3fff::1", "5f00::1"),
]
PUBLIC = ["8.8.8.8", "1.1.1.1", "93.184.216.34", "172.32.0.1", "192.169.0.1", "2606:4700:4700::1111", "2a00:1450::1"]


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_what_is_not_of_the_public_internet_is_refused(address: str) -> None:
    assert not is_public(ip_address(address))
    assert not may_reach(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_public_is_reached(address: str) -> None:
    assert may_reach(ip_address(address))


@given(st.ip_addresses(v=4), st.sampled_from(["::ffff:0:0", "::", "64:ff9b::", "::ffff:0:0:0"]))
def test_no_ipv4_address_is_reached_inside_an_ipv6_one(inner: IPv4Address, prefix: str) -> None:
    assert not may_reach(IPv6Address(int(IPv6Address(prefix)) | int(inner)))


@given(st.ip_addresses())
def test_nothing_private_passes_whatever_python_thinks_of_it(address: IPv4Address | IPv6Address) -> None:
    private = address.is_private or address.is_loopback or address.is_link_local or address.is_multicast
    assert not (private and may_reach(address))


def test_allowed_networks_are_reached_but_metadata_never() -> None:
    allowed = networks_of(["10.1.0.0/16", "169.254.0.0/16", "fd00::/8", "168.63.0.0/16"])
    assert may_reach(ip_address("10.1.2.3"), allowed)
    assert not may_reach(ip_address("10.2.2.3"), allowed)
    assert [str(address) for address in METADATA if may_reach(address, allowed)] == []


EVERYTHING = networks_of(["0.0.0.0/0", "::/0"])


@pytest.mark.parametrize("text", ["169.254.170.2", "169.254.170.23", "192.0.0.192", "fd00:ec2::23", "fd20:ce::254"])
def test_credentials_of_containers_and_machines_are_never_reached(text: str) -> None:
    assert not may_reach(ip_address(text), EVERYTHING)


@pytest.mark.parametrize("inner", [address for address in METADATA if isinstance(address, IPv4Address)], ids=str)
def test_metadata_is_not_reached_inside_another_address_either(inner: IPv4Address) -> None:
    prefixes = ("::ffff:0:0", "64:ff9b::", "::", "::ffff:0:0:0", "64:ff9b:1::")
    outer = [IPv6Address(int(IPv6Address(prefix)) | int(inner)) for prefix in prefixes]
    outer.append(IPv6Address(int(IPv6Address("2002::")) | int(inner) << 80 | 1))
    assert [str(address) for address in outer if may_reach(address, EVERYTHING)] == []


@pytest.mark.parametrize("text", ["fe80::1%eth0", "fd00:ec2::254%1", "2606:4700:4700::1111%1", "::ffff:10.1.2.3%1"])
def test_an_address_with_a_zone_is_not_reached(text: str) -> None:
    assert not may_reach(ip_address(text), EVERYTHING)


GOOD = [
    "https://example.com/hooks",
    "https://example.com:8443/hooks?x=1",
    "https://8.8.8.8/",
    "https://[2606:4700:4700::1111]/x",
    "https://münchen.example/x",
]
BAD = {
    "http://example.com/": "https://",
    "ftp://example.com/": "https://",
    "example.com": "https://",
    "https:///x": "host",
    "https://user@example.com/": "user name",
    "https://user:password@example.com/": "user name",
    "https://example.com/#part": "fragment",
    "https://example.com:22/": "port",
    "https://example.com:25/": "port",
    "https://example.com:0/": "port",
    "https://127.0.0.1/": "public",
    "https://[::1]/": "public",
    "https://[::ffff:169.254.169.254]/": "public",
    "https://10.0.0.1:8443/": "public",
    "https://example.com:99999/": "port",
    "https://exa mple.com/": "host",
    "https://xn--a.com": "must be a URL",
    "https://xn--.com/x": "must be a URL",
    "https://example.com/" + "x" * 2_000: "characters",
}


@pytest.mark.parametrize("url", GOOD)
def test_a_good_url_is_taken(url: str) -> None:
    assert check_url(url).scheme == "https"


@pytest.mark.parametrize("url", BAD)
def test_a_bad_url_is_refused_saying_why(url: str) -> None:
    with pytest.raises(RedraftError, match=BAD[url]) as refused:
        check_url(url)
    assert refused.value.details == {"field": "url"}


def test_http_is_for_networks_that_were_allowed() -> None:
    allowed = networks_of(["127.0.0.1/32"])
    assert check_url("http://127.0.0.1:8000/", allowed).port == 8000
    with pytest.raises(RedraftError, match="public"):
        check_url("http://127.0.0.2:8000/", allowed)
