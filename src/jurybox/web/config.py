"""What the operator of a server decides; everything about the project itself is in the project."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

__all__ = ["WebSettings"]


def _random_token() -> str:
    return secrets.token_urlsafe(32)


@dataclass(frozen=True)
class WebSettings:
    """How a server behaves.

    Parameters
    ----------
    owner_token
        Token of the owner for as long as this server runs; made at random where none is given.
    secret
        Key that sessions are signed with; None keeps one in the project's cache folder.
    max_body, max_upload
        The most bytes of a request, and of one that uploads a file.
    upload_paths
        Paths under which files are uploaded.
    session_seconds
        How long a person stays signed in.
    sign_in_attempts, sign_in_seconds
        Wrong tokens that one address may try within so many seconds.
    webhooks
        Whether events are sent to the addresses that the owner enters.
    webhooks_to_private_addresses
        Whether webhooks may go to addresses of this machine and of private networks.

    Examples
    --------
    >>> WebSettings(owner_token="t", max_body=1000).max_body
    1000
    """

    owner_token: str = field(default_factory=_random_token, repr=False)
    secret: bytes | None = field(default=None, repr=False)
    max_body: int = 1 << 20
    max_upload: int = 1 << 28
    upload_paths: tuple[str, ...] = (
        "/api/v1/import",
        "/api/v1/import/preview",
        "/setup",
        "/setup/file",
        "/import",
        "/import/file",
    )
    session_seconds: int = 30 * 86_400
    sign_in_attempts: int = 10
    sign_in_seconds: float = 60.0
    webhooks: bool = False
    webhooks_to_private_addresses: bool = False
