"""Nothing is acknowledged that is not in the file at the path."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from jurybox.errors import BusyError, ConflictError, StoreError
from jurybox.formats import write
from jurybox.project import Project
from jurybox.store import engine
from jurybox.store.locks import serialise
from jurybox.web.vitals import cause_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "reviews.db"


@pytest.fixture
def project(path: Path) -> Iterator[Project]:
    with Project.create(path, classes=["no", "yes"], texts=[f"text {i}" for i in range(40)]) as project:
        label(project, 5)
        yield project


def label(project: Project, n: int) -> None:
    for task in project.next_tasks("ana", n).tasks:
        project.submit(task, "yes")


def remove(path: Path) -> None:
    path.unlink()


def replace(path: Path) -> None:
    backup = path.with_name("backup")
    shutil.copy(path, backup)
    backup.replace(path)


def remove_log(path: Path) -> None:
    path.with_name(f"{path.name}-wal").unlink()
    path.with_name(f"{path.name}-shm").unlink()


def cut_short(path: Path) -> None:
    os.truncate(path, 0)


def replace_link(path: Path) -> None:
    other = path.with_name("other.db")
    other.write_bytes(b"")
    path.unlink()
    path.symlink_to(other)


DAMAGES = [remove, replace, remove_log, cut_short, replace_link]


@pytest.mark.parametrize("damage", DAMAGES)
def test_no_label_is_acknowledged_into_a_file_that_is_lost(
    project: Project, path: Path, damage: Callable[[Path], None]
) -> None:
    with project.store.write() as connection:  # so that all is in the file, and it may be cut
        connection.exec_driver_sql("SELECT 1")
    task = project.next_tasks("ana", 1).tasks[0]
    checkpoint(project)
    damage(path)
    for _ in range(2):
        with pytest.raises(StoreError):
            project.submit(task, "yes")


@pytest.mark.slow
@pytest.mark.parametrize("damage", [remove, replace])
def test_what_a_lost_file_held_is_saved(project: Project, path: Path, damage: Callable[[Path], None]) -> None:
    damage(path)
    with pytest.raises(StoreError, match=r"put its file or a backup in place.* is in .*reviews\.db\.rescued"):
        project.next_task("bo")
    rescued = path.with_name("reviews.db.rescued")
    assert stat.S_IMODE(rescued.stat().st_mode) == 0o600
    log = path.with_name("reviews.db-wal")
    assert not log.exists() or not log.stat().st_size, "it would be played into another file"
    project.close()
    rescued.replace(path)
    with Project.open(path) as project:
        assert project.status().annotations == 5
        label(project, 1)


def test_a_transaction_whose_file_goes_at_its_end_is_not_acknowledged(project: Project, path: Path) -> None:
    def rename() -> None:
        with project.store.write() as connection:
            connection.exec_driver_sql("UPDATE project SET name = 'x'")
            path.rename(path.with_name("away.db"))

    with pytest.raises(StoreError, match="not there any more"):
        rename()
    path.with_name("away.db").rename(path)
    assert project.name != "x"
    label(project, 1)
    assert project.status().annotations == 6


def test_no_other_file_is_opened_beside_the_one_that_was_replaced(project: Project, path: Path) -> None:
    with project.store.read() as connection:
        replace(path)
        with pytest.raises(StoreError, match="replaced"), project.store.read():
            pass
        assert connection.exec_driver_sql("SELECT count(*) FROM annotations").scalar() == 5


@pytest.mark.slow
def test_a_file_that_was_made_smaller_stays_good(project: Project, path: Path) -> None:
    project.add_texts(["long " * 500 + str(i) for i in range(400)])
    checkpoint(project)
    label(project, 1)
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE big AS SELECT hex(randomblob(400000)) AS x")
    checkpoint(project)
    label(project, 1)
    before = path.stat().st_size
    with closing(sqlite3.connect(path)) as other:
        other.execute("DROP TABLE big")
        other.execute("VACUUM")
    checkpoint(project)
    assert path.stat().st_size < before
    label(project, 1)
    assert project.status().annotations == 8


def checkpoint(project: Project) -> None:
    with project.store.look() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").all()


def test_files_of_a_project_are_its_owners(project: Project, path: Path) -> None:
    project.add_texts(["one more"])
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir() if file.is_file()}
    assert {"reviews.db", "reviews.db-wal", "reviews.db-shm", "reviews.db.import.lock"} <= modes.keys()
    assert set(modes.values()) == {0o600}


def test_a_project_that_was_only_half_made_is_in_nobodys_way(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:  # as a process leaves it that was killed
        connection.execute("PRAGMA journal_mode=WAL")
    assert path.stat().st_size > 0
    with Project.create(path, classes=["no", "yes"]) as project:
        assert project.classes == ("no", "yes")
    with pytest.raises(ConflictError):
        Project.create(path, classes=["no", "yes"])


@pytest.mark.slow
def test_a_project_that_can_only_be_read_is_looked_at_and_exported(
    project: Project, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.close()
    assert not path.with_name("reviews.db-wal").exists()
    # Whoever runs the tests may be allowed to write everywhere: what SQLite is told must be enough.
    monkeypatch.setattr(os, "access", lambda _path, mode: mode == os.R_OK)
    before = sorted(file.name for file in path.parent.iterdir())
    with Project.open(path) as project:
        assert (project.status().texts, project.status().annotations) == (40, 5)
        write(project.export(), tmp_path / "out")
        with pytest.raises(StoreError, match="readonly"):
            project.next_task("ana")
    after = sorted(file.name for file in path.parent.iterdir())
    assert set(after) - set(before) == {"out"}


def test_what_another_program_holds_is_called_busy(
    project: Project, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_BUSY_SECONDS", 0.2)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(BusyError, match="is busy: nobody could write for") as caught:
            project.configure(batch=7)
        assert cause_of(caught.value) == "busy"
    assert project.configure(batch=7).batch == 7


def test_every_wait_ends(location: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that waits for another of its process, or of another one, is refused in the end."""
    monkeypatch.setattr(engine, "_BUSY_SECONDS", 0.2)
    with Project.create(location, classes=["no", "yes"], texts=["one"]) as project:
        with project.store.write() as connection:
            serialise(connection, "round")
            refused: list[StoreError] = []

            def write() -> None:
                try:
                    project.configure(batch=7)
                except StoreError as error:
                    refused.append(error)

            other = threading.Thread(target=write)
            other.start()
            other.join(60)
            assert [type(error) for error in refused] == [BusyError], "or it waits without end"
        assert project.configure(batch=7).batch == 7
