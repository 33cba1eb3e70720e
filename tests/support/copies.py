"""Projects that many tests begin with are made once by each process, and copied: making one is slow."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy.engine import make_url

_files: dict[tuple[Any, ...], bytes] = {}
_databases: dict[tuple[Any, ...], str] = {}
_copies: list[str] = []
_numbers = count()


def copied(make: Callable[..., None], location: str, *arguments: Any, lasting: bool = False) -> str:
    """Return where a copy is of the project that ``make(location, *arguments)`` makes and closes.

    An SQLite file is at the location; PostgreSQL copies databases, not schemas: there, it is in another one,
    until the end of the test or, with `lasting`, of all tests.
    """
    key = (make, *arguments)
    if not location.startswith("postgresql"):
        if key not in _files:
            make(location, *arguments)
            assert not Path(f"{location}-wal").exists(), "the project is still open"
            _files[key] = Path(location).read_bytes()
        else:
            Path(location).write_bytes(_files[key])
        return location
    if key not in _databases:
        database = _new_database(location)
        make(_inside(location, database), *arguments)
        _databases[key] = database
    database = _new_database(location, template=_databases[key])
    if not lasting:
        _copies.append(database)
    return _inside(location, database)


def drop_copies(server: str) -> None:
    """Drop the databases that were copied since the last call."""
    with psycopg.connect(server, autocommit=True) as connection:
        while _copies:
            connection.execute(f'DROP DATABASE "{_copies.pop()}" WITH (FORCE)'.encode())


def _new_database(location: str, template: str = "template0") -> str:
    name = f"test_{os.getpid()}_{next(_numbers)}"
    server = make_url(location).difference_update_query(["schema"])
    with psycopg.connect(server.render_as_string(hide_password=False), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'.encode())
    return name


def _inside(location: str, database: str) -> str:
    """Return the location in another database; the schema is the same for all of them."""
    url = make_url(location).set(database=database).update_query_dict({"schema": "copied"})
    return url.render_as_string(hide_password=False)
