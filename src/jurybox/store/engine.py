"""Connections to a stored project: one SQLite file or one PostgreSQL schema."""

from __future__ import annotations

import re
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from jurybox.errors import InputError, StoreError, require
from jurybox.store.locks import advisory_lock, file_lock

__all__ = ["Store", "forbid_sorting", "read_location"]

_BUSY_SECONDS = 120
_RETRY_SECONDS = 0.002
_DEFAULT_SCHEMA = "jurybox"
_WRITES = "jurybox_writes"
_DURABLE = "jurybox_durable"


@dataclass(frozen=True)
class Store:
    """The database of one project.

    Attributes
    ----------
    engine
        SQLAlchemy's engine, its connections already pointed at the project's schema.
    path
        The SQLite file; None on PostgreSQL.
    schema
        The PostgreSQL schema; None on SQLite.
    """

    engine: Engine
    path: Path | None
    schema: str | None
    # SQLite lets waiting writers try again at random; threads of one process can as well take turns.
    _turn: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    @property
    def is_sqlite(self) -> bool:
        """Whether the project is an SQLite file."""
        return self.path is not None

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a transaction that only reads; it never waits for a writer."""
        with self._transaction(writes=False) as connection:
            yield connection

    @contextmanager
    def write(self, *, durable: bool = True) -> Iterator[Connection]:
        """Open a transaction that writes: committed at the end of the block, rolled back on any error.

        Parameters
        ----------
        durable
            Wait at the end until the disk has it. Without, a killed process loses nothing either, but a power
            cut may undo the transaction: for what can be done again, such as lending a text.
        """
        with self._transaction(writes=True, durable=durable) as connection:
            yield connection

    @contextmanager
    def _transaction(self, *, writes: bool, durable: bool = True) -> Iterator[Connection]:
        try:
            with self._turn if writes and self.is_sqlite else nullcontext():
                connection = self.engine.connect().execution_options(**{_WRITES: writes, _DURABLE: durable})
                with connection, connection.begin():
                    yield connection
        except DBAPIError as error:
            raise StoreError(f"the database {self.label} cannot be used: {error.orig}") from error

    @contextmanager
    def exclusive(self, name: str) -> Iterator[bool]:
        """Try to be the only process that does something; true if so. The lock ends with its process.

        Parameters
        ----------
        name
            What is done, such as ``"learner"``.
        """
        if self.path is not None:
            with file_lock(self.path.with_name(f"{self.path.name}.{name}.lock")) as acquired:
                yield acquired
        else:
            with advisory_lock(self.engine, f"{self.schema}:{name}") as acquired:
                yield acquired

    @property
    def label(self) -> str:
        """The location for messages, without a password."""
        if self.path is not None:
            return str(self.path)
        return f"{self.engine.url.render_as_string(hide_password=True)} (schema {self.schema})"

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def read_location(location: str | PathLike[str]) -> Store:
    """Make the store for a path or a database URL; nothing is opened yet.

    Parameters
    ----------
    location
        Path of an SQLite file, ``sqlite:///path``, or ``postgresql://user@host/database?schema=NAME``
        (schema: letters, digits and underscores; default ``jurybox``).

    Raises
    ------
    InputError
        For a URL that is none, or of another kind of database.
    MissingExtraError
        If PostgreSQL is asked for and its driver is not installed.

    Examples
    --------
    >>> read_location("reviews.db").path
    PosixPath('reviews.db')
    """
    text = fspath(location)
    if not re.match(r"[A-Za-z][A-Za-z0-9+]+://", text):
        return _sqlite(Path(text))
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:
        raise InputError(f"the location is no path and no database URL: {error}") from error
    if url.get_backend_name() == "sqlite" and url.database:
        return _sqlite(Path(url.database))
    if url.get_backend_name() in ("postgresql", "postgres"):
        return _postgresql(url)
    raise InputError(
        f"the location is a URL of kind {url.drivername!r}; expected a path, sqlite:///PATH or postgresql://…"
    )


def forbid_sorting(connection: Connection) -> None:
    """Have rows put in order by an index alone, until the end of the transaction.

    For the first few of many rows. PostgreSQL plans by what it last saw of a table, and takes rows with a
    value that was not there then, such as a new round's, for one: it would as soon collect and sort that
    one row, which is all texts, as read an index in order. SQLite needs nothing.
    """
    if connection.dialect.name != "sqlite":
        connection.exec_driver_sql("SET LOCAL enable_sort TO off")


def _sqlite(path: Path) -> Store:
    engine = sa.create_engine(
        URL.create("sqlite", database=str(path)), connect_args={"timeout": _BUSY_SECONDS}
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # transactions are begun below, not by the driver
        cursor = connection.cursor()
        for pragma in ("foreign_keys=ON", "journal_mode=WAL", "synchronous=FULL", "cache_size=-65536"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.execute(f"PRAGMA journal_size_limit={64 * 2**20}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        if options.get(_WRITES, False):
            _begin_writing(connection, durable=options.get(_DURABLE, True))
        else:
            connection.exec_driver_sql("BEGIN")

    return Store(engine=engine, path=path, schema=None)


def _begin_writing(connection: Connection, *, durable: bool) -> None:
    """Begin a transaction that writes as soon as no other process does.

    SQLite itself waits for up to 100 ms between two attempts, far longer than most transactions take.
    """
    raw: Any = connection.connection.dbapi_connection
    raw.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
    raw.execute("PRAGMA busy_timeout=0")
    try:
        deadline = time.monotonic() + _BUSY_SECONDS
        while time.monotonic() < deadline:
            try:
                raw.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    break
                time.sleep(_RETRY_SECONDS)
            else:
                return
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    finally:
        raw.execute(f"PRAGMA busy_timeout={1000 * _BUSY_SECONDS}")


def _postgresql(url: URL) -> Store:
    require("psycopg", extra="postgres")
    schema = str(url.query.get("schema", _DEFAULT_SCHEMA))
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,62}", schema):
        raise InputError(f"schema is {schema!r}, expected up to 63 letters, digits and underscores")
    url = url.difference_update_query(["schema"]).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(url, pool_pre_ping=True)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        connection.autocommit = True
        connection.execute(f'SET search_path TO "{schema}"')
        connection.autocommit = False

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if not connection.get_execution_options().get(_DURABLE, True):
            connection.exec_driver_sql("SET LOCAL synchronous_commit TO off")

    return Store(engine=engine, path=None, schema=schema)
