"""What the operator of a server decides; everything about the project itself is in the project."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from jurybox.errors import InputError

_LEAST_TOKEN = 20


@dataclass(frozen=True)
class WebSettings:
    """How a server behaves.

    Parameters
    ----------
    owner_token
        A token of the owner that the operator chose, 20 characters or more; None: the owner gets in by the
        link that the server makes when it starts, and by a token that is kept in the project.
    hosts
        Names and addresses that the server is called by besides those of this machine; ``*`` stands for every
        address, but for no name.
    public_url
        Where people reach the server, such as ``https://labels.example.org``; None: where it listens.
    trusted_proxies
        Addresses and networks whose ``X-Forwarded-For`` and ``X-Forwarded-Proto`` are believed.
    max_body, max_upload
        The most bytes of a request, and of one that uploads a file.
    upload_paths
        Paths under which owners upload files.
    public_forms
        Paths under which people send something who have not signed in.
    session_seconds
        How long a person stays signed in.
    sign_in_attempts, sign_in_seconds
        Wrong tokens that one address may try within so many seconds.
    webhooks
        Whether events are sent to the addresses that the owner enters.
    webhooks_to_private_addresses
        Whether webhooks may go to addresses of this machine and of private networks.

    Raises
    ------
    InputError
        For a token that is too short, a public URL that is none, and a proxy that is no address.

    Examples
    --------
    >>> WebSettings(public_url="https://labels.example.org/").public_url
    'https://labels.example.org'
    """

    owner_token: str | None = field(default=None, repr=False)
    hosts: tuple[str, ...] = ()
    public_url: str | None = None
    trusted_proxies: tuple[str, ...] = ()
    max_body: int = 1 << 20
    max_upload: int = 1 << 28
    upload_paths: tuple[str, ...] = (
        "/api/v1/import",
        "/api/v1/import/preview",
        "/setup",
        "/setup/file",
        "/setup/paste",
        "/import",
        "/import/file",
        "/import/paste",
    )
    public_forms: tuple[str, ...] = ("/sign-in", "/preferences")
    session_seconds: int = 30 * 86_400
    sign_in_attempts: int = 10
    sign_in_seconds: float = 60.0
    webhooks: bool = False
    webhooks_to_private_addresses: bool = False

    def __post_init__(self) -> None:
        for proxy in self.trusted_proxies:
            _check_network(proxy)
        if self.owner_token is not None and len(self.owner_token) < _LEAST_TOKEN:
            raise InputError(
                f"the owner's token has {len(self.owner_token)} characters, expected {_LEAST_TOKEN} random "
                "ones or more"
            )
        if self.public_url is not None:
            object.__setattr__(self, "public_url", _checked_url(self.public_url))

    @property
    def names(self) -> tuple[str, ...]:
        """All names and addresses that the server is called by, besides those of this machine."""
        return self.hosts if self.public_host is None else (*self.hosts, self.public_host)

    @property
    def public_host(self) -> str | None:
        """The host of the public URL, where there is one."""
        return None if self.public_url is None else urlsplit(self.public_url).hostname


def _check_network(proxy: str) -> None:
    try:
        ipaddress.ip_network(proxy, strict=False)
    except ValueError as error:
        raise InputError(
            f"a trusted proxy is {proxy!r:.80}, expected an address or network, 127.0.0.1 or 10.0.0.0/8 say"
        ) from error


def _checked_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises for a port out of range
    except ValueError as error:
        raise InputError(f"the public URL is {url!r:.80}: {error}") from error
    plain = parts.scheme in ("http", "https") and parts.hostname and parts.username is None
    if not plain or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise InputError(
            f"the public URL is {url!r:.80}, expected one like https://labels.example.org, without a path"
        )
    return f"{parts.scheme}://{parts.netloc}"
