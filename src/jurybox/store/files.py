"""Whether the file that a connection has open is the file at the path, and what to do where it is not.

SQLite goes on writing into a file that was removed or replaced: what it acknowledges then is gone with the
process. It would also play the log of the old file (``-wal``) into the new one, and spoil it.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, TypeAlias

from jurybox.errors import StoreError

_Identity: TypeAlias = tuple[int, int] | None
_LOG, _INDEX = "-wal", "-shm"
_KEY = "jurybox_files"


class FileLostError(StoreError):
    """The file that is open is not the one at the path any more: nothing may be acknowledged."""


class FileGuard:
    """Compares, for all connections of one project, what they have open with what is at the path.

    Parameters
    ----------
    path
        The SQLite file.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(os.path.abspath(path))  # noqa: PTH100 - a link shall stay one: it may be turned
        self._first: _Identity = None
        self._size = 0
        self._lock = threading.Lock()
        self._kept: Path | None = None

    def forget(self) -> None:
        """Take what is at the path from now on for the project's file: all connections are closed."""
        self._first, self._size = None, 0

    def before_opening(self, about: dict[Any, Any]) -> None:
        """Note what is at the path before a connection is opened.

        Raises
        ------
        FileLostError
            If it is not what other connections have open: closing the new one would play their log into it.
        """
        now = _identity(self.path)
        if self._first is not None and now != self._first:
            raise self._lost(self.path)
        about[_KEY] = {"": now}

    def after_opening(self, about: dict[Any, Any]) -> None:
        """Note which file a new connection has open.

        Raises
        ------
        FileLostError
            If it was replaced since other connections, or this one, were opened.
        """
        known, now = about[_KEY], _identity(self.path)
        if known[""] is None:
            known[""] = now  # it was made just now
        with self._lock:
            self._first = self._first or known[""]
        if not known[""] == now == self._first:
            raise self._lost(self.path)

    def check(self, connection: Any) -> None:
        """Make sure that what a transaction writes gets into the file at the path.

        Raises
        ------
        FileLostError
            If that file or its log was removed, replaced or cut short.
        """
        known = connection.info[_KEY]
        if _identity(self.path) != known[""]:
            raise self._lost(self.path)
        for suffix in (_LOG, _INDEX):
            beside = _beside(self.path, suffix)
            if known.setdefault(suffix, _identity(beside)) != _identity(beside):
                raise self._lost(beside)
        size = self.path.stat().st_size
        if size < self._size and not _vacuumed(connection, self._size):
            raise self._lost(self.path, "was cut short")
        self._size = size

    def rescue(self, connection: Any) -> str:
        """Copy what is still open of a lost file to a place beside it, once; return where, as a sentence.

        Its log is emptied into the lost file, and moves out of the way where there is another file already:
        it would be played into that one.
        """
        with self._lock:
            if self._kept is None:
                target = _free_name(self.path)
                with suppress(sqlite3.Error, OSError):
                    driver = connection.connection.driver_connection
                    driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                    copy_database(driver, target)
                    self._kept = target
            if _identity(self.path) not in (None, connection.info[_KEY][""]):
                self._put_log_aside(connection.info[_KEY])
        return f"; what the project held until then is in {self._kept}" if self._kept else ""

    def _put_log_aside(self, known: dict[str, _Identity]) -> None:
        for suffix in (_LOG, _INDEX):
            log = _beside(self.path, suffix)
            if _identity(log) is not None and _identity(log) == known.get(suffix):
                with suppress(OSError):
                    log.rename(f"{log}.lost")

    def _lost(self, path: Path, what: str = "") -> FileLostError:
        what = what or ("was replaced by another one" if path.exists() else "is not there any more")
        return FileLostError(
            f"the file {path} {what} while the project was open, so nothing can be stored: end all programs "
            "that use the project, put its file or a backup in place, and start them again",
            code="file_lost",
        )


def private_file(path: Path) -> None:
    """Make an empty file that only its owner may read, unless there is a file."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def copy_database(source: sqlite3.Connection, target: Path) -> None:
    """Copy a live SQLite database into a new file that only its owner may read, log included."""
    private_file(target)
    with closing(sqlite3.connect(target)) as new:
        source.backup(new)
        new.execute("PRAGMA journal_mode=DELETE")  # one file, whole, without a log beside it
    with target.open("rb") as file:
        os.fsync(file.fileno())


def read_only_address(path: Path) -> str | None:
    """Return the name by which SQLite opens a file that cannot be written; None where it can be.

    It cannot make a log beside such a file, so the file is read as if nobody ever changed it.
    """
    if not path.is_file() or (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)):
        return None
    log = _beside(path, _LOG)
    kind = "mode=ro" if log.exists() and log.stat().st_size else "immutable=1"
    return f"{path.absolute().as_uri()}?{kind}&uri=true"


def _identity(path: Path) -> _Identity:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _beside(path: Path, suffix: str) -> Path:
    """Return the file of the log or its index: SQLite puts them where a link leads to."""
    real = Path(os.path.realpath(path)) if path.is_symlink() else path
    return real.with_name(real.name + suffix)


def _vacuumed(connection: Any, size: int) -> bool:
    """Whether a database has fewer pages than its file had, because somebody has made it smaller."""
    pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
    bytes_each = connection.exec_driver_sql("PRAGMA page_size").scalar()
    return bool(pages * bytes_each < size)


def _free_name(path: Path) -> Path:
    names = (path.with_name(f"{path.name}.rescued{f'-{n}' if n else ''}") for n in range(1_000))
    return next(name for name in names if not name.exists())
