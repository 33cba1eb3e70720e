"""Making, opening and migrating the database of a project."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from os import PathLike
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jurybox.atomic import new_file, sweep
from jurybox.errors import (
    ConflictError,
    FormatError,
    InputError,
    NewerDatabaseError,
    NotFoundError,
    StoreError,
)
from jurybox.store.arrivals import tidy
from jurybox.store.engine import Store
from jurybox.store.files import copy_database, private_file
from jurybox.store.locks import advisory_key
from jurybox.store.schema import metadata, text_words, texts

_FOLDER = Path(__file__).with_name("migrations")
_VERSION_TABLE = sa.table("alembic_version", sa.column("version_num"))


def known_versions() -> tuple[str, ...]:
    """Versions of the schema that this jurybox knows, oldest first; the last one is its own.

    Examples
    --------
    >>> known_versions()[0]
    '0010'
    """
    return tuple(sorted(path.name[:4] for path in (_FOLDER / "versions").glob("[0-9]*.py")))


def stored_version(connection: Connection) -> str | None:
    """Version of the schema in a database; None where there is no project."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    version = connection.scalar(sa.select(_VERSION_TABLE.c.version_num))
    return None if version is None else str(version)


def migrate(store: Store) -> None:
    """Bring the tables of an existing project up to date; an SQLite file is copied first.

    Raises
    ------
    NotFoundError
        If there is no project.
    NewerDatabaseError
        If a newer jurybox wrote it.
    StoreError
        If the database cannot be read, or is from before the first release.
    """
    with store.read() as connection:
        version = stored_version(connection)
    if version is None:
        raise NotFoundError(f"there is no jurybox project in {store.label}; make one with jurybox init")
    if version < known_versions()[0]:
        raise StoreError(
            f"{store.label} has schema version {version}, from before the first release, which this jurybox "
            "cannot read: export its labels with the jurybox that wrote it (jurybox export PROJECT "
            "labels.csv), then make a project of that file (jurybox init NEW --texts labels.csv)"
        )
    if version not in known_versions():
        raise NewerDatabaseError(
            f"{store.label} has schema version {version}, this jurybox knows up to {known_versions()[-1]}: "
            "it was written by a newer version; upgrade jurybox to open it"
        )
    if version == known_versions()[-1]:
        return
    if store.path is not None:
        _copy(store.path, backup_path(store.path, version))
    with store.write() as connection:
        _upgrade(store, connection)


def create_tables(store: Store, connection: Connection) -> None:
    """Make all tables in an empty database."""
    if store.schema is not None:
        connection.execute(sa.schema.CreateSchema(store.schema, if_not_exists=True))
    _upgrade(store, connection)


def drop_tables(connection: Connection) -> None:
    """Remove the tables of a project and all that is in them."""
    connection.exec_driver_sql(f"DROP VIEW {texts.name}")
    connection.exec_driver_sql(f"DROP TABLE {text_words.name}")
    metadata.drop_all(connection)
    connection.exec_driver_sql(f"DROP TABLE {_VERSION_TABLE.name}")


def backup_path(path: Path, version: str) -> Path:
    """Where the copy of an SQLite file goes before it is migrated from a version.

    Examples
    --------
    >>> backup_path(Path("reviews.db"), "0010").name
    'reviews.db.backup-0010'
    """
    return path.with_name(f"{path.name}.backup-{version}")


def _upgrade(store: Store, connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    if store.schema is not None:  # two processes may open an old project at the same time
        key = advisory_key(f"{store.schema}:migration")
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _copy(source: Path, target: Path) -> None:
    """Copy a live SQLite file, whatever other processes do with it."""
    try:
        with closing(sqlite3.connect(source)) as old, new_file(target, overwrite=True) as draft:
            copy_database(old, draft)
    except (sqlite3.Error, FormatError) as error:
        raise StoreError(f"cannot copy {source} to {target} before migrating it: {error}") from error


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
