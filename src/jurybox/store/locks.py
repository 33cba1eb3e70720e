"""Locks between processes that end with the process that holds them, however it ends."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from jurybox.atomic import try_lock

__all__ = ["advisory_key", "advisory_lock", "file_lock", "lock_statement", "serialise"]


@contextmanager
def file_lock(path: Path) -> Iterator[bool]:
    """Try to lock a file; yields whether it was free. The operating system frees it when the process ends.

    The file itself stays: removing it would let two processes lock two files of one name.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield try_lock(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def advisory_lock(engine: Engine, name: str) -> Iterator[bool]:
    """Try to take PostgreSQL's advisory lock of a name; yields whether it was free.

    The lock belongs to a connection of its own, so the server frees it when the process ends.
    """
    key = advisory_key(name)
    with engine.connect() as connection:
        acquired = bool(connection.scalar(sa.select(sa.func.pg_try_advisory_lock(key))))
        try:
            yield acquired
        finally:
            if acquired:
                _unlock(connection, key)


def serialise(connection: Connection, what: str, *, shared: bool = False) -> None:
    """Wait until nobody else does the same in this project; lasts until the end of the transaction.

    SQLite needs nothing: its writers already come one after the other.

    Parameters
    ----------
    what
        Name of what must not happen at the same time.
    shared
        Get along with others that ask for a shared lock, and wait only for an exclusive one.
    """
    if connection.dialect.name == "sqlite":
        return
    connection.exec_driver_sql(lock_statement(what, shared=shared))


def lock_statement(what: str, *, shared: bool = False) -> str:
    """Return the statement of PostgreSQL by which `serialise` waits.

    Examples
    --------
    >>> lock_statement("round")
    "SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || ':round', 0))"
    """
    function = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
    return f"SELECT {function}(hashtextextended(current_schema() || ':{what}', 0))"


def advisory_key(name: str) -> int:
    """Turn a name into the 63-bit number that PostgreSQL's advisory locks are called by.

    Examples
    --------
    >>> advisory_key("jurybox:learner") == advisory_key("jurybox:learner")
    True
    """
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1


def _unlock(connection: Connection, key: int) -> None:
    if connection.invalidated:  # the server is gone, and the lock with it
        return
    connection.execute(sa.select(sa.func.pg_advisory_unlock(key)))
