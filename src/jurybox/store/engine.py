"""Connections to a stored project: one SQLite file or one PostgreSQL schema."""

from __future__ import annotations

import re
import selectors
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import cache
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InvalidatePoolError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from jurybox.errors import BusyError, InputError, StoreError, redacted, require
from jurybox.store.files import FileGuard, FileLostError, read_only_address
from jurybox.store.locks import Lock, advisory_lock, file_lock, lock_statement

_BUSY_SECONDS = 120
_BUSY = ("SQLITE_BUSY", "55P03")  # what the databases say when that has passed
_RETRY_SECONDS = 0.002
_DEFAULT_SCHEMA = "jurybox"
_POOL = {"pool_size": 15, "max_overflow": 25, "pool_use_lifo": True}  # a web server has 40 threads
_KIND = "jurybox_kind"
_DURABLE = "jurybox_durable"


class _Kind(Enum):
    LOOK = auto()
    READ = auto()
    WRITE = auto()
    ACT = auto()


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
    _guard: FileGuard | None = field(default=None, repr=False, compare=False)

    @property
    def is_sqlite(self) -> bool:
        """Whether the project is an SQLite file."""
        return self.path is not None

    @contextmanager
    def look(self) -> Iterator[Connection]:
        """Open a connection for one statement that only reads, without the cost of a transaction."""
        with self._transaction(_Kind.LOOK) as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a transaction that only reads; it never waits for a writer."""
        with self._transaction(_Kind.READ) as connection:
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
        with self._transaction(_Kind.WRITE, durable=durable) as connection:
            yield connection

    @contextmanager
    def brief(self) -> Iterator[Connection]:
        """Open one of many short transactions that write, and give way afterwards for as long as it took.

        To SQLite's other writers, who could not get in between otherwise, or on a core. It does not wait for
        the disk (`write`).
        """
        started = time.perf_counter()
        with self.write(durable=False) as connection:
            started = time.perf_counter()
            yield connection
        time.sleep(time.perf_counter() - started)

    @contextmanager
    def act(self, *, durable: bool = True) -> Iterator[Connection]:
        """Open a transaction that writes in which somebody labels: no ranking takes over before its end.

        Such transactions get along with each other (`jurybox.store.locks.serialise`: "round", shared). Rows
        are put in order by an index alone. PostgreSQL plans by what it last saw of a table, and takes rows
        with a value that was not there then, such as a new round's, for one: it would as soon collect and
        sort that one row, which is all texts, as read the first few in the order of an index.
        """
        with self._transaction(_Kind.ACT, durable=durable) as connection:
            yield connection

    @contextmanager
    def _transaction(self, kind: _Kind, *, durable: bool = True) -> Iterator[Connection]:
        writes = kind in (_Kind.WRITE, _Kind.ACT)
        try:
            with self._one_at_a_time() if writes and self.is_sqlite else nullcontext():
                connection = self.engine.connect().execution_options(**{_KIND: kind, _DURABLE: durable})
                with connection:
                    with connection.begin():
                        yield connection
                        self._check(connection, writes=writes)
                    # Once more: the file may have gone while the transaction was committed.
                    self._check(connection, writes=writes)
        except FileLostError as error:
            raise self._lost(error) from error
        except DBAPIError as error:
            if problem_name(error.orig).startswith(_BUSY):
                raise self._busy() from error
            problem = f"the database in {self.label} cannot be used: {redacted(str(error.orig))}"
            raise StoreError(problem) from error
        except PoolTimeout as error:
            raise BusyError(f"the database {self.label} is busy: try again") from error

    @contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        if not self._turn.acquire(timeout=_BUSY_SECONDS):
            raise self._busy()
        try:
            yield
        finally:
            self._turn.release()

    def _busy(self) -> BusyError:
        return BusyError(f"the database {self.label} is busy: nobody could write for {_BUSY_SECONDS} s")

    def _check(self, connection: Connection, *, writes: bool) -> None:
        if writes and self._guard is not None:
            self._guard.check(connection)

    def _lost(self, error: FileLostError) -> FileLostError:
        """Save what is still open of a file that is lost, and say where it is."""
        kept = ""
        if self._guard is not None:
            with suppress(FileLostError, DBAPIError), self.engine.connect() as connection:
                kept = self._guard.rescue(connection)
        return FileLostError(f"{error}{kept}", code=error.code)

    @contextmanager
    def exclusive(self, name: str) -> Iterator[Lock]:
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
        """The location for messages: the file, or the schema on a server that they do not name."""
        return str(self.path) if self.path is not None else f"PostgreSQL schema {self.schema}"

    def checkpoint(self) -> None:
        """Move all that SQLite keeps beside its file into it, unless somebody is reading: for idle times."""
        if self.is_sqlite:
            with self.look() as connection:
                connection.exec_driver_sql("PRAGMA busy_timeout=0")
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
                connection.exec_driver_sql(f"PRAGMA busy_timeout={1000 * _BUSY_SECONDS}")

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()
        if self._guard is not None:
            self._guard.forget()


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


def _sqlite(path: Path) -> Store:
    read_only = read_only_address(path)
    url = f"sqlite:///{read_only}" if read_only else URL.create("sqlite", database=str(path))
    engine = sa.create_engine(url, connect_args={"timeout": _BUSY_SECONDS}, **_POOL)
    guard = FileGuard(path)
    pragmas = ["foreign_keys=ON", "synchronous=FULL", "cache_size=-65536"]
    if not read_only:
        pragmas += ["journal_mode=WAL", f"journal_size_limit={64 * 2**20}"]

    @event.listens_for(engine, "do_connect")
    def before(_dialect: object, record: Any, _arguments: object, _options: object) -> None:
        guard.before_opening(record.info)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, record: Any) -> None:
        connection.isolation_level = None  # transactions are begun below, not by the driver
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()
        guard.after_opening(record.info)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        kind = options.get(_KIND, _Kind.READ)
        if kind in (_Kind.WRITE, _Kind.ACT):
            _begin_writing(connection, durable=options.get(_DURABLE, True))
        elif kind == _Kind.READ:
            connection.exec_driver_sql("BEGIN")

    return Store(engine=engine, path=path, schema=None, _guard=guard)


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


def problem_name(problem: BaseException | None) -> str:
    """Return what the database calls a problem, as its driver raised it; empty without a name."""
    return str(getattr(problem, "sqlite_errorname", None) or getattr(problem, "sqlstate", None) or "")


def _postgresql(url: URL) -> Store:
    require("psycopg", extra="postgres")
    schema = str(url.query.get("schema", _DEFAULT_SCHEMA))
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,62}", schema):
        raise InputError(f"schema is {schema!r}, expected up to 63 letters, digits and underscores")
    url = url.difference_update_query(["schema"]).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", **_POOL)  # transactions are begun below

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        # Also for waits for others' locks, advisory ones included: as long as SQLite waits.
        connection.execute(
            f'SET search_path TO "{schema}"; SET lock_timeout TO {round(1000 * _BUSY_SECONDS)}'
        )

    @event.listens_for(engine, "checkout")
    def check(connection: Any, _record: object, _proxy: object) -> None:
        if _is_stale(connection.fileno()):
            raise InvalidatePoolError

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        kind = options.get(_KIND, _Kind.LOOK)
        if kind != _Kind.LOOK:
            connection.exec_driver_sql(_beginning(kind, durable=options.get(_DURABLE, True)))

    return Store(engine=engine, path=None, schema=schema)


@cache
def _beginning(kind: _Kind, *, durable: bool) -> str:
    """Return what begins a transaction on PostgreSQL, in one message: each one costs a round trip."""
    # Who only reads sees one moment throughout, as on SQLite.
    statements = ["BEGIN ISOLATION LEVEL REPEATABLE READ" if kind == _Kind.READ else "BEGIN"]
    if not durable:
        statements.append("SET LOCAL synchronous_commit TO off")
    if kind == _Kind.ACT:
        statements += ["SET LOCAL enable_sort TO off", lock_statement("round", shared=True)]
    return "; ".join(statements)


def _is_stale(descriptor: int) -> bool:
    """Whether there is something to read on a connection that nobody uses: the server has ended it."""
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        return bool(selector.select(timeout=0))


def insert_rows(connection: Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that all have the same columns, the fastest way that a database has.

    Parameters
    ----------
    rows
        Values by column; what is left out gets the table's default.
    """
    if not rows:
        return
    if connection.dialect.name == "sqlite":
        connection.execute(sa.insert(table), rows)
    else:
        _copy(connection, table, rows)


def note_sizes(connection: Connection, *tables: sa.Table) -> None:
    """Have PostgreSQL look at tables into which much was written: it plans by what it saw of them last.

    By itself it looks a minute later, or never where that is switched off. SQLite is told nothing: it plans
    by the indexes that there are, so that its plans can be tested.
    """
    if connection.dialect.name != "sqlite":
        names = ", ".join(f'"{table.name}"' for table in tables)
        connection.exec_driver_sql(f"ANALYZE (SKIP_LOCKED) {names}")


def _copy(connection: Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    from psycopg import sql

    names = list(rows[0])
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table.name), sql.SQL(", ").join(map(sql.Identifier, names))
    )
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row([row[name] for name in names])
