"""Where a webhook may go: a URL that says so, and addresses that are public.

A URL is checked when it is stored, so that a mistake is told at once, and again before each request. What protects the
network we run in is the second check, of the very addresses that a connection is then made to.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import httpx

from redraft.domain.errors import RedraftError, invalid

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
GREATEST_URL = 2_000
HTTPS_PORT, HTTP_PORT = 443, 80
FIRST_FREE_PORT, GREATEST_PORT = 1024, 65_535
_NAME = re.compile(rb"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?")

# Where clouds answer with credentials: never, whatever the settings allow. Azure's is a public address.
METADATA: tuple[Address, ...] = tuple(
    ip_address(text)
    for text in (
        *("169.254.169.254", "169.254.170.2", "169.254.170.23", "168.63.129.16", "192.0.0.192", "100.100.100.200"),
        *("fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254"),
    )
)
_METADATA = frozenset((address.version, int(address)) for address in METADATA)
# IPv6 networks whose last 32 bits are an IPv4 address: compatible, mapped, translated, NAT64.
_EMBEDDING = tuple(
    IPv6Network(text) for text in ("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48")
)
# Not public although `is_global` may say so, which depends on the patch release of Python: networks that lead to others
# (IPv4 in IPv6, translators, tunnels), multicast, and those that the registries reserve.
_NOT_PUBLIC: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in (
        *("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15", "224.0.0.0/3"),
        *("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16"),
        *("100::/64", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/9", "ff00::/8"),
    )
)


def networks_of(texts: Iterable[str]) -> tuple[Network, ...]:
    """Return networks from CIDR notation. Raises ValueError for anything else."""
    return tuple(ip_network(text) for text in texts)


def is_public(address: Address) -> bool:
    """Return whether an address is of the public internet."""
    return address.is_global and not any(address in network for network in _NOT_PUBLIC)


def may_reach(address: Address, allowed: tuple[Network, ...] = ()) -> bool:
    """Return whether a webhook may be sent to an address: a public one, or one of a network that was allowed.

    Never one that leads to a cloud's metadata, in whichever notation, nor one that has a zone (`%eth0`).
    """
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        return False
    if any((each.version, int(each)) in _METADATA for each in (address, *_embedded(address))):
        return False
    return is_public(address) or any(address in network for network in allowed)


def _embedded(address: Address) -> list[Address]:
    """Return the IPv4 addresses that an IPv6 one may stand for."""
    if isinstance(address, IPv4Address):
        return []
    found: list[Address] = [address.sixtofour] if address.sixtofour is not None else []
    if any(address in network for network in _EMBEDDING):
        found.append(IPv4Address(int(address) & 0xFFFF_FFFF))
    return found


def check_url(text: str, allowed: tuple[Network, ...] = ()) -> httpx.URL:
    """Return the URL of a webhook. Raises INVALID saying what is wrong with it.

    `http` is for the networks that were allowed: whether it leads there shows when its name is resolved.
    """
    url = _parsed(text)
    if url.scheme != "https" and not (url.scheme == "http" and allowed):
        raise _wrong("must begin with https://")
    literal = literal_of(url.host)
    if literal is None and not _NAME.fullmatch(url.raw_host):
        raise _wrong("must name a host")
    if url.userinfo:
        raise _wrong("must not have a user name or password in it; requests are signed")
    if url.fragment:
        raise _wrong("must not have a fragment (#…)")
    if port_of(url) not in (HTTPS_PORT, HTTP_PORT) and not FIRST_FREE_PORT <= port_of(url) <= GREATEST_PORT:
        raise _wrong(f"must have port {HTTPS_PORT}, or one from {FIRST_FREE_PORT} to {GREATEST_PORT}")
    if literal is not None and not may_reach(literal, allowed):
        raise _wrong("must lead to a public address")
    return url


def port_of(url: httpx.URL) -> int:
    """Return the port that a URL leads to."""
    if url.port is not None:
        return url.port
    return HTTPS_PORT if url.scheme == "https" else HTTP_PORT


def literal_of(host: str) -> Address | None:
    """Return the address that a host is written as, None for a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def _parsed(text: str) -> httpx.URL:
    if len(text) > GREATEST_URL:
        raise _wrong(f"must have at most {GREATEST_URL:,} characters")
    try:
        url = httpx.URL(text)
        _ = url.host  # decodes international names, which fails for those that are none, such as xn--a
    except (httpx.InvalidURL, UnicodeError) as error:
        raise _wrong("must be a URL such as https://example.com/hooks/redraft") from error
    return url


def _wrong(message: str) -> RedraftError:
    return invalid("url", message)
