"""The key that a project's sessions are signed with, and the sessions that people ended.

A key has a generation: with a new one, all sessions of before have ended. A session that somebody ended by
signing out is remembered until it would have ended by itself.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from jurybox.errors import StoreError
from jurybox.store import schema

__all__ = [
    "LEAST_KEY",
    "SessionKey",
    "forget_session",
    "new_key",
    "read_key",
    "replace_key",
    "write_key",
]

LEAST_KEY = 32
"""Bytes of a key that nobody can guess."""


@dataclass(frozen=True)
class SessionKey:
    """What sessions are signed with.

    Attributes
    ----------
    project
        Identifier of the project, drawn at random; it never changes.
    generation
        Number of the key; sessions of another one have ended.
    key
        At least 32 random bytes.

    Raises
    ------
    StoreError
        If the key is shorter.
    """

    project: str
    generation: int
    key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.key) < LEAST_KEY:
            raise StoreError(
                f"the key of this project's sessions has {len(self.key)} bytes, expected {LEAST_KEY} or "
                "more; make a new one with: jurybox token PROJECT --new"
            )

    def next(self) -> SessionKey:
        """Return another key of the same project."""
        return SessionKey(self.project, self.generation + 1, secrets.token_bytes(LEAST_KEY))

    def columns(self) -> dict[str, Any]:
        """Return the key as the project's row has it."""
        return {
            "uid": self.project,
            "session_generation": self.generation,
            "session_key": self.key,
        }


def new_key() -> SessionKey:
    """Return the first key of a new project.

    Examples
    --------
    >>> new_key().generation, len(new_key().key), len(new_key().project)
    (1, 32, 32)
    """
    return SessionKey(secrets.token_hex(16), 1, secrets.token_bytes(LEAST_KEY))


def read_key(connection: Connection) -> SessionKey:
    """Return the key that holds.

    Raises
    ------
    StoreError
        If it is too short to be safe.
    """
    row = connection.execute(_KEY).one()
    return SessionKey(row.uid, row.session_generation, bytes(row.session_key))


def write_key(connection: Connection, key: SessionKey) -> None:
    """Store a key in place of the one that holds."""
    connection.execute(sa.update(schema.project).values(**key.columns()))


def replace_key(connection: Connection) -> SessionKey:
    """Make a new key, which ends all sessions, and return it; the one before may be too short."""
    row = connection.execute(_KEY.with_for_update()).one()
    key = SessionKey(row.uid, row.session_generation + 1, secrets.token_bytes(LEAST_KEY))
    write_key(connection, key)
    connection.execute(sa.delete(schema.ended_sessions))
    return key


def forget_session(connection: Connection, session: str, *, until: float, now: float) -> None:
    """End a session, and keep that in mind until its cookie has ended too."""
    ended = schema.ended_sessions
    connection.execute(sa.delete(ended).where(ended.c.forgotten_at < now))
    insert = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(ended)
    connection.execute(insert.values(id=session, forgotten_at=until).on_conflict_do_nothing())


_KEY = sa.select(schema.project.c.uid, schema.project.c.session_generation, schema.project.c.session_key)
