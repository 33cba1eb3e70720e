"""Headers that keep browsers from running or showing what is not ours, and the names the server goes by."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Container, Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = [
    "CONTENT_SECURITY_POLICY",
    "HEADERS",
    "KnownHosts",
    "SecurityHeaders",
    "ServerTiming",
    "is_known_host",
]

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
    name = host.lower()
    name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0].rstrip(".")
    if name in known and name != "*":
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")
    return "*" in known or address.is_loopback or str(address) in known


def _misdirected(scope: Scope) -> Response:
    detail = (
        "this server was not told that it is called by the name in this request's address; start it with "
        "--public-url to name it, such as: jurybox serve PROJECT --public-url https://labels.example.org"
    )
    if not scope["path"].startswith("/api/"):
        return PlainTextResponse(f"{detail}\n", 421)
    problem = {"type": "about:blank", "title": "Misdirected Request", "status": 421, "detail": detail}
    return JSONResponse({**problem, "code": "unknown_host"}, 421, media_type="application/problem+json")
