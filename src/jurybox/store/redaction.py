"""What no log and no error may tell: tokens, and where a database is and who its user is.

A room of its own since the store, the learner and the web app all write such messages.
"""

from __future__ import annotations

import logging
import re

__all__ = ["RedactedFormatter", "redacted"]

_SECRETS = (
    (re.compile(r"/join/[^\s/?#\"']+"), "/join/…"),
    (re.compile(r"\b(Bearer)\s+[^\s\"',]+", re.IGNORECASE), r"\1 …"),
    (re.compile(r"\bwhsec_[\w+/=-]+"), "whsec_…"),
    (re.compile(r"\b(postgres(?:ql)?(?:\+\w+)?)://[^\s\"')]+"), r"\1://…"),
    # What libpq says of a connection: server at "127.0.0.1", port 5432; user "ana"; database "reviews" …
    (re.compile(r"\b(server at|on socket|host|user|role|database|host name) (\"[^\"]*\"|'[^']*')"), r"\1 …"),
    (re.compile(r"… \([0-9a-fA-F.:]+\)"), "…"),
    (re.compile(r"\bport \d+"), "port …"),
    # The parameters and values in messages about a statement may be hashes of tokens.
    (re.compile(r"\[parameters: .*", re.DOTALL), "[parameters: …]"),
    (re.compile(r"\bKey \(([^)]*)\)=\([^)]*\)"), r"Key (\1)=(…)"),
)


def redacted(text: str) -> str:
    """Return a message without the tokens and the addresses of databases in it.

    Examples
    --------
    >>> redacted("GET /join/7Yx-Qk has no answer")
    'GET /join/… has no answer'
    >>> redacted('connection to server at "10.0.0.7", port 5432 failed: FATAL: no role "ana"')
    'connection to server at …, port … failed: FATAL: no role …'
    """
    for pattern, plain in _SECRETS:
        text = pattern.sub(plain, text)
    return text


class RedactedFormatter(logging.Formatter):
    """Formats a record of a log as it would be, tracebacks included, without what no log may tell."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, or lines, of a record."""
        return redacted(super().format(record))
