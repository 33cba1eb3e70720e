"""Locks between processes that end with the process that holds them, however it ends."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError, InvalidRequestError

from jurybox.atomic import try_lock
from jurybox.errors import StoreError, redacted


class Lock:
    """What came of trying to be the only process that does something; true in a condition if it is."""

    def __init__(self, *, acquired: bool, lasts: Callable[[], bool]) -> None:
        self.acquired = acquired
        self._lasts = lasts

    def __bool__(self) -> bool:
        return self.acquired

    def is_held(self) -> bool:
        """Whether the lock is held still: nobody takes it away, but it ends with what holds it."""
        self.acquired = self.acquired and self._lasts()
        return self.acquired


@contextmanager
def file_lock(path: Path) -> Iterator[Lock]:
    """Try to lock a file. The operating system frees it when the process ends.

    The file itself stays: removing it would let two processes lock two files of one name. Where somebody does
    so, the lock is lost.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)

    def lasts() -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), path.stat())
        except OSError:
            return False

    try:
        yield Lock(acquired=try_lock(descriptor), lasts=lasts)
    finally:
        os.close(descriptor)


@contextmanager
def advisory_lock(engine: Engine, name: str) -> Iterator[Lock]:
    """Try to take PostgreSQL's advisory lock of a name.

    The lock belongs to a connection of its own, so the server frees it when the process ends, or when the
    connection is cut: then it is lost, and this process may be the last to know.

    Raises
    ------
    StoreError
        If the database cannot be used.
    """
    key = advisory_key(name)
    taking = sa.select(sa.func.pg_backend_pid(), sa.func.pg_try_advisory_lock(key))
    try:
        with engine.connect() as connection:
            session, acquired = connection.execute(taking).one()
            try:
                yield Lock(acquired=acquired, lasts=lambda: _is_session(connection, session))
            finally:
                if acquired:  # the connection goes back to the pool
                    _unlock(connection, key)
    except DBAPIError as error:
        raise StoreError(f"the database cannot be used: {redacted(str(error.orig))}") from error


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


def _is_session(connection: Connection, session: int) -> bool:
    """Whether a connection is still the one that the server knew by this number."""
    try:
        return bool(connection.scalar(sa.select(sa.func.pg_backend_pid())) == session)
    except (DBAPIError, InvalidRequestError):
        return False


def _unlock(connection: Connection, key: int) -> None:
    try:
        connection.execute(sa.select(sa.func.pg_advisory_unlock(key)))
    except (DBAPIError, InvalidRequestError):  # the connection is gone, and the lock with it
        connection.invalidate()
