"""Which addresses are public: neither this machine nor a private network, in whatever form they are written.

The lists are the registries of special-purpose addresses (IANA; RFC 6890 and its updates), kept here since
what Python calls global differs between its versions. Of IPv6 only global unicast addresses are public, but
none that carries an IPv4 address inside, by which a translator or tunnel leads there: IPv4-mapped and
-compatible addresses, NAT64, 6to4, Teredo, ISATAP.
"""

from __future__ import annotations

import ipaddress
import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

__all__ = ["is_private_name", "is_public"]

_NOT_PUBLIC_4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.31.196.0/24",
            "192.52.193.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "192.175.48.0/24",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/3",
        ),
    )
)
_UNICAST_6 = IPv6Network("2000::/3")
_NOT_PUBLIC_6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocols, Teredo among them
            "2001:db8::/32",
            "2002::/16",  # 6to4
            "2620:4f:8000::/48",
            "3fff::/20",
        ),
    )
)
_ISATAP = frozenset({0x0000_5EFE, 0x0200_5EFE})


def is_public(address: str) -> bool:
    """Whether an address is one of the public internet; a zone (``%eth0``) makes it none.

    Examples
    --------
    >>> is_public("93.184.216.34"), is_public("2606:2800:220:1::1")
    (True, True)
    >>> [
    ...     is_public(one)
    ...     for one in ("10.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "fec0::1")
    ... ]
    [False, False, False, False, False]
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return _is_public_4(parsed) if isinstance(parsed, IPv4Address) else _is_public_6(parsed)


def is_private_name(host: str) -> bool:
    """Whether a host names this machine, or is an address that is not public in any form resolvers take.

    Examples
    --------
    >>> [is_private_name(host) for host in ("127.1", "0x7f000001", "2130706433", "localhost.", "::1")]
    [True, True, True, True, True]
    >>> is_private_name("example.org"), is_private_name("93.184.216.34")
    (False, False)
    """
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return not is_public(str(ipaddress.ip_address(name)))
    except ValueError:
        pass
    try:
        return not is_public(socket.inet_ntoa(socket.inet_aton(name)))
    except (OSError, UnicodeError):
        return False


def _is_public_4(address: IPv4Address) -> bool:
    return not any(address in network for network in _NOT_PUBLIC_4)


def _is_public_6(address: IPv6Address) -> bool:
    if address.scope_id is not None or address not in _UNICAST_6:
        return False
    if any(address in network for network in _NOT_PUBLIC_6):
        return False
    low = int(address) & (2**64 - 1)
    return low >> 32 not in _ISATAP or _is_public_4(IPv4Address(low & (2**32 - 1)))
