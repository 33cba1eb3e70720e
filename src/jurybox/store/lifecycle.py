"""Making and opening the database of a project."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from os import PathLike
from pathlib import Path

from sqlalchemy.engine import Connection

from jurybox.atomic import sweep
from jurybox.errors import ConflictError, InputError, NotFoundError
from jurybox.store.arrivals import tidy
from jurybox.store.engine import Store
from jurybox.store.files import private_file
from jurybox.store.migrate import create_tables, drop_tables, migrate, stored_version

__all__ = ["cache_folder", "creation", "default_name", "open_store"]


@contextmanager
def creation(store: Store, *, replace: bool = False) -> Iterator[Connection]:
    """Open a transaction in which a project is made, its tables included; on any error nothing is left.

    Parameters
    ----------
    replace
        Whether the tables of another project, on PostgreSQL, are dropped first, in the same transaction.

    Raises
    ------
    ConflictError
        If there is a project, or a file that is none.
    InputError
        If the folder of the file does not exist.
    """
    if store.path is not None:
        _check_free(store.path)
        private_file(store.path)
    taken = False
    try:
        with store.write() as connection:
            taken = stored_version(connection) is not None
            if taken and replace:
                drop_tables(connection)
            elif taken:
                raise ConflictError(
                    f"there is a project in {store.label} already; open it, or choose another place"
                )
            create_tables(store, connection)
            yield connection
    except BaseException:
        store.close()
        if store.path is not None and not taken:
            _remove(store.path)
        raise


def open_store(store: Store) -> None:
    """Check that there is a project that this version can use, and bring it up to date.

    Raises
    ------
    NotFoundError
        If there is none.
    NewerDatabaseError
        If a newer jurybox wrote it.
    StoreError
        If it cannot be read.
    """
    if store.path is not None and not store.path.is_file():
        raise NotFoundError(f"there is no file {store.path}; make a project with jurybox init")
    try:
        if store.path is not None:
            sweep(store.path, family=True)
        migrate(store)
        tidy(store)
    except BaseException:
        store.close()
        raise


def default_name(store: Store) -> str:
    """Return the title of a project that was given none.

    Examples
    --------
    >>> from jurybox.store.engine import read_location
    >>> default_name(read_location("some/reviews.db"))
    'reviews'
    """
    return store.path.stem if store.path is not None else str(store.schema)


def cache_folder(store: Store, chosen: str | PathLike[str] | None) -> Path:
    """Return the folder for features: as chosen, else beside the file, else in the user's cache."""
    if chosen is not None:
        return Path(chosen)
    if store.path is not None:
        return store.path.with_name(f"{store.path.name}.cache")
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return caches / "jurybox" / str(store.schema)


def _check_free(path: Path) -> None:
    if not path.parent.is_dir():
        raise InputError(f"the folder {path.parent} does not exist; make it first")
    if path.is_dir() or (path.exists() and path.stat().st_size > 0 and not _is_unfinished(path)):
        raise ConflictError(f"{path} exists already; open it, or choose another name")


def _is_unfinished(path: Path) -> bool:
    """Whether there is nothing but a database without a table: all that is left of a project half made."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            return connection.execute("SELECT 1 FROM sqlite_master").fetchone() is None
    except sqlite3.Error:
        return False


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
