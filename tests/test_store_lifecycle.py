"""Making, opening, migrating and refusing databases."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from jurybox.errors import ConflictError, InputError, NewerDatabaseError, NotFoundError, StoreError
from jurybox.project import Project
from jurybox.store import lifecycle
from jurybox.store.engine import read_location
from jurybox.store.records import Task
from jurybox.store.schema import metadata
from jurybox.store.settings import ProjectSettings

CLASSES = ["no", "yes"]


def _is_no_index_of_words(name: str | None, kind: str, _parents: object) -> bool:
    """Leave out what each kind of store makes in a way of its own."""
    return kind != "table" or name is None or not name.startswith("text_words")


def test_migrations_make_the_tables_that_the_queries_expect(location: str) -> None:
    with Project.create(location, classes=CLASSES) as project, project.store.write() as connection:
        context = MigrationContext.configure(connection, opts={"include_name": _is_no_index_of_words})
        assert compare_metadata(context, metadata) == []
        assert lifecycle.stored_version(connection) == lifecycle.known_versions()[-1]


def test_settings_classes_and_guidelines_last(location: str) -> None:
    settings = ProjectSettings(strategy="margin", batch=7, cost_per_label=0.05)
    with Project.create(
        location, classes=CLASSES, name="Reviews", guidelines="Be kind.", settings=settings
    ) as project:
        project.set_guidelines("Be kind and quick.")
        project.add_class("unclear")
        project.configure(batch=8)
    with Project.open(location) as project:
        assert project.settings == settings.updated({"batch": 8})
        assert (project.name, project.guidelines) == ("Reviews", "Be kind and quick.")
        assert project.classes == ("no", "yes", "unclear")
        with pytest.raises(ConflictError, match="a class 'yes' already"):
            project.add_class("yes")
        with pytest.raises(InputError, match="no setting 'bach'"):
            project.configure(bach=3)
        with pytest.raises(InputError, match="max_labels is 0"):
            project.configure(max_labels=0)


@pytest.mark.parametrize(
    ("setting", "wrong", "right"),
    [
        ("target_accuracy", (0.0, 1.0, 90), (0.9, None)),
        ("budget", (0, 2.5, True), (800, None)),
        ("random_share", (-0.1, 1.5), (0.0, 0.2, 1.0)),
    ],
)
def test_what_stopping_rests_on_can_be_set(
    setting: str, wrong: tuple[object, ...], right: tuple[object, ...]
) -> None:
    for value in right:
        assert ProjectSettings().updated({setting: value}).to_dict()[setting] == value
    for value in wrong:
        with pytest.raises(InputError, match=f"{setting} is {value!r}"):
            ProjectSettings().updated({setting: value})


@pytest.mark.slow
def test_a_connection_that_the_server_has_ended_is_replaced(postgres_server: str) -> None:
    with Project.create(f"{postgres_server}&schema=ended", classes=CLASSES, texts=["one"]) as project:
        with project.store.look() as connection:
            process = connection.scalar(sa.text("SELECT pg_backend_pid()"))
        with psycopg.connect(postgres_server, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", [process])
        assert project.status().texts == 1
        assert project.next_task("ana")


def test_a_newer_database_is_refused(location: str) -> None:
    with Project.create(location, classes=CLASSES) as project, project.store.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(NewerDatabaseError, match=r"9999.*upgrade jurybox"):
        Project.open(location)


MADE_UP_VERSION = """
import sqlalchemy as sa
from alembic import op

revision = "9001"
down_revision = "{before}"


def upgrade() -> None:
    op.add_column("services", sa.Column("made_up", sa.Integer(), server_default="7"))
"""


@pytest.fixture
def later_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return what makes this jurybox one that knows a version more."""

    def upgrade_jurybox() -> None:
        folder = tmp_path / "migrations"
        shutil.copytree(lifecycle._FOLDER, folder)
        module = MADE_UP_VERSION.format(before=lifecycle.known_versions()[-1])
        (folder / "versions" / "9001_made_up.py").write_text(module)
        monkeypatch.setattr(lifecycle, "_FOLDER", folder)

    return upgrade_jurybox


def test_an_old_database_is_migrated(location: str, later_version: Callable[[], None]) -> None:
    with Project.create(location, classes=CLASSES, texts=["first", "second"]) as project:
        task = project.next_task("ana")
        assert isinstance(task, Task)
        project.submit(task, "yes")
        before = project.status()
    later_version()
    with Project.open(location) as project:
        with project.store.write() as connection:
            assert lifecycle.stored_version(connection) == "9001"
            connection.execute(sa.text("INSERT INTO services (name, value, updated_at) VALUES ('a', '1', 1)"))
            assert connection.scalar(sa.text("SELECT made_up FROM services")) == 7
        assert project.status() == before


def test_an_sqlite_file_is_copied_before_it_is_migrated(
    tmp_path: Path, later_version: Callable[[], None]
) -> None:
    path = tmp_path / "old.db"
    Project.create(path, classes=CLASSES, texts=["first", "second"]).close()
    version = lifecycle.known_versions()[-1]
    later_version()
    Project.open(path).close()
    with closing(sqlite3.connect(lifecycle.backup_path(path, version))) as copy:
        assert copy.execute("SELECT version_num FROM alembic_version").fetchall() == [(version,)]
        assert copy.execute("SELECT count(*) FROM texts").fetchall() == [(2,)]


def test_a_project_from_before_the_first_release_is_refused_with_the_way_out(location: str) -> None:
    with Project.create(location, classes=CLASSES) as project, project.store.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0004'"))
    with pytest.raises(StoreError, match=r"0004.*jurybox export.*jurybox init"):
        Project.open(location)


def test_opening_an_up_to_date_file_makes_no_copy(tmp_path: Path) -> None:
    Project.create(tmp_path / "p.db", classes=CLASSES).close()
    Project.open(tmp_path / "p.db").close()
    assert [path.name for path in tmp_path.iterdir()] == ["p.db"]


@pytest.mark.slow
def test_what_is_no_project_is_refused(tmp_path: Path, postgres_server: str) -> None:
    with pytest.raises(NotFoundError, match="no file"):
        Project.open(tmp_path / "missing.db")
    assert not (tmp_path / "missing.db").exists()
    (tmp_path / "text.db").write_text("this is no database " * 100)
    with pytest.raises(StoreError, match="cannot be used"):
        Project.open(tmp_path / "text.db")
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE things (id)")
    with pytest.raises(NotFoundError, match="no jurybox project"):
        Project.open(tmp_path / "other.db")
    with pytest.raises(NotFoundError, match="no jurybox project"):
        Project.open(f"{postgres_server}&schema=never_made")
    with pytest.raises(ConflictError, match="exists already"):
        Project.create(tmp_path / "text.db", classes=CLASSES)
    with pytest.raises(InputError, match="does not exist"):
        Project.create(tmp_path / "no" / "p.db", classes=CLASSES)


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("mysql://host/db", "expected a path, sqlite:///PATH or postgresql"),
        ("postgresql://host/db?schema=a-b", "letters, digits and underscores"),
        ("postgresql://host:port/db", "no database URL"),
    ],
)
def test_wrong_locations_are_refused(location: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_location(location)


def test_an_unreachable_server_is_one_clear_error() -> None:
    with pytest.raises(StoreError, match="cannot be used"):
        Project.open("postgresql://nobody@127.0.0.1:1/db")


def test_passwords_are_not_shown() -> None:
    assert "secret" not in read_location("postgresql://ana:secret@host/db").label


@pytest.mark.parametrize(("durable", "expected"), [(True, ("2", "on")), (False, ("1", "off"))])
def test_only_what_must_last_waits_for_the_disk(
    location: str, durable: bool, expected: tuple[str, str]
) -> None:
    with (
        Project.create(location, classes=CLASSES) as project,
        project.store.write(durable=durable) as connection,
    ):
        question = "PRAGMA synchronous" if project.store.is_sqlite else "SHOW synchronous_commit"
        assert str(connection.exec_driver_sql(question).scalar()) in expected


@pytest.mark.slow
def test_locks_end_with_their_process(location: str) -> None:
    code = (
        "import sys\nfrom jurybox.store.engine import read_location\n"
        "with read_location(sys.argv[1]).exclusive('round') as got:\n"
        "    print(bool(got), flush=True)\n    sys.stdin.read()\n"
    )
    store = read_location(location)
    holder = subprocess.Popen(
        [sys.executable, "-c", code, location], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "True\n"
    with store.exclusive("round") as got:
        assert not got
    holder.kill()
    holder.communicate()
    for _ in range(100):
        with store.exclusive("round") as got:
            if got:
                break
    assert got
    store.close()


def test_a_creation_that_fails_leaves_the_place_free(location: str) -> None:
    with pytest.raises(ConflictError, match="there is a class 'b' already"):
        Project.create(location, classes=["a", "b", "b"])
    with Project.create(location, classes=["a", "b"]) as made:
        assert made.classes == ("a", "b")
    with pytest.raises(ConflictError, match="already"):
        Project.create(location, classes=["a", "c"])
    with Project.open(location) as kept:
        assert kept.classes == ("a", "b")
