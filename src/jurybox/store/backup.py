"""A whole project in one file, from either store and into either store.

A backup is an SQLite file that is itself a project. It holds what the project held at one moment, whatever is
written meanwhile: of a file, SQLite's own copy; of PostgreSQL, all rows of one snapshot. Only the key of
sessions is another one: people sign in anew to a project that was restored.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jurybox.atomic import new_file
from jurybox.errors import ConflictError, InputError, NotFoundError, StoreError
from jurybox.store import schema
from jurybox.store.engine import Store, insert_rows, read_location
from jurybox.store.files import copy_database
from jurybox.store.lifecycle import creation, open_store, stored_version
from jurybox.store.search import index_texts
from jurybox.store.state import LEAST_KEY

_PART = 2_000
_WIDE = {"arrays": 4}
"""Rows at a time of tables whose rows are large."""

Move = Callable[[str, int], None]


def write_backup(
    store: Store, out: Path, *, overwrite: bool = False, move: Move = lambda _table, _rows: None
) -> None:
    """Write a project into one file while others work on it; it is checked, and there whole or not at all.

    Parameters
    ----------
    overwrite
        Whether a file that is there is replaced.
    move
        Told of each table and how many rows were written.

    Raises
    ------
    FormatError
        If there is a file, or it cannot be written.
    StoreError
        If the project cannot be read, or the copy is not what it should be.
    """
    if store.path is not None and out.resolve() == store.path.resolve():
        raise InputError(f"{out} is the project itself; choose another name for its backup")
    with new_file(out, overwrite=overwrite) as draft:
        if store.path is not None:
            with _raised(f"cannot copy {store.label}"), closing(_opened(store.path)) as live:
                copy_database(live, draft)
        else:
            _export(store, draft, move)
        _forget_key(draft)
        _check(draft)


def restore_backup(
    backup: Path, location: str | Path, *, overwrite: bool = False, move: Move = lambda _table, _rows: None
) -> None:
    """Make a project of a backup: all of it, or nothing.

    Parameters
    ----------
    backup
        What `write_backup` wrote, here or with an earlier jurybox.
    location
        Where the project shall be: a path or a URL, of either kind of store.
    overwrite
        Whether a project that is there is replaced; nobody may be using it.
    move
        As for `write_backup`.

    Raises
    ------
    NotFoundError
        If there is no such backup.
    ConflictError
        If there is a project already, or, where it is to be replaced, one that is in use.
    StoreError
        If the backup is damaged, or what was restored is not what it should be.
    """
    if not backup.is_file():
        raise NotFoundError(f"there is no file {backup}; jurybox backup PROJECT {backup} makes one")
    _check(backup)
    store = read_location(location)
    try:
        if store.path is not None:
            _restore_file(backup, store.path, overwrite=overwrite)
        else:
            _import(backup, store, overwrite=overwrite, move=move)
    finally:
        store.close()


def _restore_file(backup: Path, path: Path, *, overwrite: bool) -> None:
    if not path.parent.is_dir():
        raise InputError(f"the folder {path.parent} does not exist; make it first")
    if path.exists() and not overwrite:
        raise ConflictError(f"there is a file {path} already; choose another place, or ask to overwrite it")
    with new_file(path, overwrite=overwrite) as draft:
        with _raised(f"cannot copy {backup}"), closing(_opened(backup)) as source:
            copy_database(source, draft)
        _check(draft)
        if path.exists():
            _end_use(path)


def _end_use(path: Path) -> None:
    """Empty and remove the log of a project that is to be replaced: it would be played into the new one."""
    try:
        with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as alone:
            alone.execute("PRAGMA locking_mode=EXCLUSIVE")
            alone.execute("BEGIN EXCLUSIVE")
            alone.execute("COMMIT")
    except sqlite3.Error as error:
        raise ConflictError(
            f"{path} cannot be replaced ({error}): end all programs that use it, its server and learner too"
        ) from error


def _export(store: Store, draft: Path, move: Move) -> None:
    """Write a PostgreSQL project into a new SQLite file, from one snapshot."""
    target = read_location(draft)
    with store.read() as source, creation(target) as connection:
        for table in schema.metadata.sorted_tables:
            _copy_table(table, source, connection, move)
    target.close()


def _import(backup: Path, store: Store, *, overwrite: bool, move: Move) -> None:
    """Write a backup into a PostgreSQL schema, in one transaction."""
    with _current(backup) as source_store, source_store.read() as source:
        if overwrite:
            with store.write() as connection:
                taken = stored_version(connection) is not None
        with creation(store, replace=overwrite and taken) as connection:
            for table in schema.metadata.sorted_tables:
                _copy_table(table, source, connection, move)
            _number_on(connection)


@contextmanager
def _current(backup: Path) -> Iterator[Store]:
    """Open a copy of a backup, which is migrated where it is of an earlier version."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="jurybox-restore-") as folder:
        draft = Path(folder) / "project.db"
        with closing(_opened(backup)) as source:
            copy_database(source, draft)
        store = read_location(draft)
        open_store(store)
        try:
            yield store
        finally:
            store.close()


def _copy_table(table: sa.Table, source: Connection, target: Connection, move: Move) -> None:
    """Copy the rows that belong to the project, and make sure that all have arrived.

    The last ones come first: an annotation is retired by a later one, which must be there before it.
    """
    size = _WIDE.get(table.name, _PART)
    query = sa.select(table).order_by(*(column.desc() for column in table.primary_key))
    if table is schema.incoming:
        query = query.where(sa.false())
    if table is schema.stored_texts:
        query = query.where(table.c.id < sa.select(schema.project.c.n_texts).scalar_subquery())
    n = 0
    result = source.execution_options(yield_per=size).execute(query)
    for part in result.mappings().partitions(size):
        rows = [_row(table, row, target) for row in part]
        insert_rows(target, table, rows)
        if table is schema.stored_texts:
            index_texts(target, [row for row in rows if row["withdrawn_at"] is None])
        n += len(part)
        move(table.name, n)
    arrived = target.scalar(sa.select(sa.func.count()).select_from(table))
    if arrived != n:
        raise StoreError(f"{arrived} of {n} rows of the table {table.name} have arrived")


def _row(table: sa.Table, row: Mapping[Any, Any], target: Connection) -> dict[str, Any]:
    """Return a row as `insert_rows` takes it: PostgreSQL's COPY gets JSON as text."""
    values = {str(name): value for name, value in row.items()}
    if target.dialect.name != "sqlite":
        for column in table.columns:
            if isinstance(column.type, sa.JSON) and values[column.name] is not None:
                values[column.name] = json.dumps(values[column.name])
    return values


def _forget_key(draft: Path) -> None:
    """Give a backup a session key of its own: whoever reads the file could sign in with the project's."""
    with _raised("cannot write the backup"), closing(_opened(draft)) as file, file:
        file.execute("PRAGMA secure_delete=ON")
        file.execute(
            "UPDATE project SET session_key = randomblob(?), session_generation = session_generation + 1",
            (LEAST_KEY,),
        )


def _number_on(connection: Connection) -> None:
    """Let PostgreSQL number new rows behind those that were restored."""
    for table in schema.metadata.sorted_tables:
        for column in table.primary_key:
            counter = connection.scalar(sa.select(sa.func.pg_get_serial_sequence(table.name, column.name)))
            last = None if counter is None else connection.scalar(sa.select(sa.func.max(column)))
            if last is not None:
                connection.execute(sa.select(sa.func.setval(counter, last)))


def _check(path: Path) -> None:
    """Make sure that a file is a whole project.

    Raises
    ------
    StoreError
        If it is damaged, or none.
    """
    with _raised(f"{path.name} is damaged"), closing(_opened(path)) as file:
        found = [row[0] for row in file.execute("PRAGMA integrity_check(3)")]
        broken = file.execute("PRAGMA foreign_key_check").fetchone()
        tables = {row[0] for row in file.execute("SELECT name FROM sqlite_master")}
    if found != ["ok"] or broken is not None:
        raise StoreError(f"{path.name} is damaged: {'; '.join(found)}; use another backup")
    if "alembic_version" not in tables:
        raise StoreError(f"{path.name} is no jurybox project")


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)


@contextmanager
def _raised(problem: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(f"{problem}: {error}") from error
