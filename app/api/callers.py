"""The address of a caller, which may stand behind proxies that the operator has named."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

from app.settings import listed

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

FORWARDED_BYTES = 2**10
"""The bytes at the end of `X-Forwarded-For` that are read: addresses of some sixty proxies, one behind the other."""
IPV6_PREFIX = 64
"""The bits of an IPv6 address that tell one caller from another: whoever has one address has all that begin so."""


@lru_cache(maxsize=64)
def networks(text: str) -> tuple[Network, ...]:
    """The addresses and networks of a list with commas, which the settings have checked.

    >>> networks("10.0.0.0/8, ::1")
    (IPv4Network('10.0.0.0/8'), IPv6Network('::1/128'))
    """
    return tuple(map(ip_network, listed(text)))


@lru_cache(maxsize=1024)
def address(peer: str, forwarded: str, proxies: str) -> str:
    """The address of a caller; empty if no address but that of a named proxy is known.

    A proxy adds the address it sees at the end of `X-Forwarded-For`. So the list is read from its end, as long as
    those who wrote it are named; what a caller has written itself stands before that and is never reached.

    Args:
        peer: The address at the other end of the connection.
        forwarded: The header `X-Forwarded-For`, several of them joined with commas.
        proxies: The named proxies, as `networks` takes them.

    >>> address("10.0.0.1", "192.0.2.66, 203.0.113.7", "10.0.0.0/8")
    '203.0.113.7'
    >>> address("203.0.113.7", "192.0.2.66", "10.0.0.0/8")
    '203.0.113.7'
    """
    named = networks(proxies)
    for text in (peer, *reversed(forwarded.split(","))):
        found = _address(text)
        if found is None:
            return ""
        if not any(found in network for network in named):
            return _told(found)
    return ""


def _address(text: str) -> Address | None:
    """An address, which may have a port; the IPv4 address where IPv6 only wraps one."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found


def _told(found: Address) -> str:
    if isinstance(found, IPv4Address):
        return str(found)
    return str(ip_network((found.packed, IPV6_PREFIX), strict=False))
