"""Headers that keep browsers from running or showing what is not ours, and names and addresses to trust.

The lists of addresses are the registries of special-purpose addresses (IANA; RFC 6890 and its updates), kept
here since what Python calls global differs between its versions. Of IPv6 only global unicast addresses are
public, but none that carries an IPv4 address inside, by which a translator or tunnel leads there: IPv4-mapped
and -compatible addresses, NAT64, 6to4, Teredo, ISATAP.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import time
from collections.abc import Container, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

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


CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)

HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class SecurityHeaders:
    """Adds the headers to every response; only static files may be stored by caches."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if not scope["path"].startswith("/static/"):
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self.app(scope, receive, send_with_headers)


class ServerTiming:
    """Tells with each response how many milliseconds the server took until it began to answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start = time.perf_counter()

        async def send_with_duration(message: Message) -> None:
            if message["type"] == "http.response.start":
                milliseconds = 1000 * (time.perf_counter() - start)
                MutableHeaders(scope=message).append("Server-Timing", f"app;dur={milliseconds:.2f}")
            await send(message)

        await self.app(scope, receive, send_with_duration)


class KnownHosts:
    """Refuses requests that call the server by a name it was not told of.

    Otherwise a page elsewhere could have its own name resolved to this machine (DNS rebinding) and read what
    the server answers to whoever has opened that page.

    Parameters
    ----------
    app
        The app behind.
    hosts
        Names and addresses besides those of this machine; ``*`` stands for every address, but for no name.
    """

    def __init__(self, app: ASGIApp, *, hosts: Sequence[str]) -> None:
        self.app = app
        self.hosts = frozenset(host.lower().strip("[]").rstrip(".") for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "http" and not is_known_host(Headers(scope=scope).get("host", ""), self.hosts):
            await _misdirected(scope)(scope, receive, send)
            return
        await self.app(scope, receive, send)


def is_known_host(host: str, known: Container[str]) -> bool:
    """Whether a Host header names this machine, or one of the names and addresses that are known.

    Examples
    --------
    >>> [is_known_host(host, ["labels.example"]) for host in ("labels.example:80", "[::1]:8765", "127.0.0.1")]
    [True, True, True]
    >>> is_known_host("evil.example", ["*"]), is_known_host("192.168.0.7", ["*"])
    (False, True)
    """
    found = _HOST.fullmatch(host.lower())
    if found is None:
        return False
    name = (found["address"] or found["name"]).rstrip(".")
    if name in known and name != "*":
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")
    return "*" in known or address.is_loopback or str(address) in known


_HOST = re.compile(r"(?:\[(?P<address>[^\]]+)\]|(?P<name>[^:\[\]]+))(?::[0-9]*)?")


def _misdirected(scope: Scope) -> Response:
    detail = (
        "this server was not told that it is called by the name in this request's address; start it with "
        "--public-url to name it, such as: jurybox serve PROJECT --public-url https://labels.example.org"
    )
    if not scope["path"].startswith("/api/"):
        return PlainTextResponse(f"{detail}\n", 421)
    problem = {"type": "about:blank", "title": "Misdirected Request", "status": 421, "detail": detail}
    return JSONResponse({**problem, "code": "unknown_host"}, 421, media_type="application/problem+json")
