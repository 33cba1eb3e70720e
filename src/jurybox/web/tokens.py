"""Tokens and signatures: made at random, stored as hashes, compared in constant time."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
import secrets
from pathlib import Path

from jurybox.errors import StoreError

__all__ = ["hash_token", "load_secret", "new_token", "open_sealed", "same", "seal"]


def new_token() -> str:
    """Return a token of 256 random bits.

    Examples
    --------
    >>> len(new_token())
    43
    """
    return secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """Return what is stored of a token. Its 256 random bits need neither salt nor a slow hash.

    Examples
    --------
    >>> hash_token("t")[:8]
    'e3b98a4d'
    """
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def same(left: str, right: str) -> bool:
    """Compare two strings in a time that does not tell where they differ."""
    return hmac.compare_digest(left.encode("utf-8", "surrogatepass"), right.encode("utf-8", "surrogatepass"))


def seal(values: dict[str, object], secret: bytes) -> str:
    """Write values down so that only holders of the secret can have written them; anyone can read them.

    Examples
    --------
    >>> open_sealed(seal({"name": "ana"}, b"secret"), b"secret")
    {'name': 'ana'}
    >>> open_sealed(seal({"name": "ana"}, b"another"), b"secret") is None
    True
    """
    body = base64.urlsafe_b64encode(json.dumps(values, separators=(",", ":")).encode()).decode()
    return f"{body}.{_signature(body, secret)}"


def open_sealed(sealed: str, secret: bytes) -> dict[str, object] | None:
    """Return the values that `seal` wrote down, or None where the signature is wrong."""
    body, _, signature = sealed.partition(".")
    if not same(signature, _signature(body, secret)):
        return None
    try:
        values = json.loads(base64.urlsafe_b64decode(body))
    except (binascii.Error, ValueError):
        return None
    return values if isinstance(values, dict) else None


def load_secret(folder: Path) -> bytes:
    """Return the key in a folder, made at the first call; servers on one folder share it.

    Raises
    ------
    StoreError
        If the folder cannot be written.
    """
    path = folder / "session.key"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / f"session.key.{os.getpid()}.{secrets.token_hex(4)}"
        if not path.exists():
            draft.touch(mode=0o600)
            draft.write_bytes(secrets.token_bytes(32))
            try:
                os.link(draft, path)  # fails where another server was faster, and never shows half a key
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        return path.read_bytes()
    except OSError as error:
        raise StoreError(f"cannot keep the key of sessions in {folder}: {error}") from error


def _signature(body: str, secret: bytes) -> str:
    digest = hmac.digest(secret, b"jurybox session " + body.encode("utf-8", "surrogatepass"), "sha256")
    return base64.urlsafe_b64encode(digest).decode()
