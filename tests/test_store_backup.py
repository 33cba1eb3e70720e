"""A backup is whole, checked and atomic, and comes back into either store."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from jurybox.errors import ConflictError, FormatError, NotFoundError, StoreError
from jurybox.formats.records import TextRecord
from jurybox.project import Project
from jurybox.store import backup, rounds, schema, snapshots
from jurybox.store.backup import restore_backup, write_backup
from jurybox.store.settings import ProjectSettings
from jurybox.store.state import SessionKey, read_key


@pytest.fixture
def project(location: str) -> Iterator[Project]:
    texts = [TextRecord(f"t{i}", f"tëxt {i} 🙂", {"n": i}) for i in range(40)]
    settings = ProjectSettings(audit_size=5, first_labels=1)
    with Project.create(location, classes=["no", "yes"], texts=texts, settings=settings) as project:
        for who in ("ana", "bo"):
            for task in project.next_tasks(who, 10).tasks:
                project.submit(task, "yes", comment="sûre", seconds=1.5)
        project.change("ana", project.reading.decisions("ana")[0].text_id, "no")
        project.undo("bo")
        project.skip(project.next_tasks("bo", 1).tasks[0], reason="long")
        snapshot = snapshots.read_snapshot(project.store)
        number = rounds.begin_round(project.store, snapshot, {}, now=1.0)
        chance = np.linspace(0, 1, 40)
        found = rounds.Outcome(np.arange(40), chance, chance, ["new"] * 40, np.full((40, 2), 0.5), {"x": [1]})
        rounds.publish(project.store, number, snapshot, found, now=2.0)
        yield project


@pytest.fixture
def other_location(request: pytest.FixtureRequest, location: str, tmp_path: Path) -> str:
    """A place of the kind that the project is not."""
    if location.startswith("postgresql"):
        return str(tmp_path / "other.db")
    server: str = request.getfixturevalue("postgres_server")
    return f"{server}&schema=other_{os.getpid()}_{abs(hash(tmp_path.name)) % 10**8}"


def contents(location: str | Path) -> dict[str, list[Any]]:
    """Everything that a project holds, by table, but the key of sessions."""
    hidden = {"session_key", "session_generation"}
    with Project.open(location) as project, project.store.read() as connection:
        return {
            table.name: [
                tuple(row)
                for row in connection.execute(
                    sa.select(*(column for column in table.columns if column.name not in hidden)).order_by(
                        *table.primary_key
                    )
                )
            ]
            for table in schema.metadata.sorted_tables
        }


def key(location: str | Path) -> SessionKey:
    with Project.open(location) as project, project.store.read() as connection:
        return read_key(connection)


@pytest.mark.slow
def test_whoever_reads_a_backup_cannot_sign_in(project: Project, location: str, tmp_path: Path) -> None:
    out, mine = tmp_path / "saved", key(location)
    write_backup(project.store, out)
    assert mine.key not in out.read_bytes()
    assert not out.with_name("saved-wal").exists()
    other = key(out)
    assert (other.project, other.generation) == (mine.project, mine.generation + 1)
    assert key(location) == mine, "people stay signed in"


@pytest.mark.slow
def test_a_project_comes_back_into_either_store(
    project: Project, location: str, other_location: str, tmp_path: Path
) -> None:
    before = contents(location)
    out = tmp_path / "saved"
    write_backup(project.store, out)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith((".saved", "saved"))] == [
        "saved"
    ]
    assert contents(out) == before
    restore_backup(out, other_location)
    assert contents(other_location) == before
    with Project.open(other_location) as restored:
        task = restored.next_tasks("cy", 1).tasks[0]
        restored.submit(task, "yes")
    numbers = [row[0] for row in contents(other_location)["annotations"]]
    assert numbers[:-1] == [row[0] for row in before["annotations"]], "the numbers go on behind the last"


def test_a_backup_of_a_project_at_work_is_of_one_moment(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is written while tables are copied is in none of them; of a file, SQLite sees to that."""
    copy = backup._copy_table
    labelled: list[object] = []

    def copy_meanwhile(*values: Any) -> None:
        copy(*values)
        added = project.add_texts([f"new {len(labelled)}"])
        labelled.append(project.submit(project.next_tasks(f"d{len(labelled)}", 1).tasks[0], "no"))
        assert added.texts == 1

    monkeypatch.setattr(backup, "_copy_table", copy_meanwhile)
    before = project.status()
    write_backup(project.store, tmp_path / "saved")
    assert bool(labelled) != project.store.is_sqlite
    with Project.open(tmp_path / "saved") as saved:
        status = saved.status()
    same = ("texts", "annotations", "annotators", "on_loan")
    assert [getattr(status, name) for name in same] == [getattr(before, name) for name in same]


@pytest.mark.slow
def test_nothing_is_overwritten_unless_told(project: Project, location: str, tmp_path: Path) -> None:
    out = tmp_path / "saved"
    out.write_text("mine")
    with pytest.raises(FormatError, match="exists"):
        write_backup(project.store, out)
    assert out.read_text() == "mine"
    write_backup(project.store, out, overwrite=True)
    saved = contents(out)
    project.add_texts(["later"])
    project.close()
    with pytest.raises(ConflictError, match="already"):
        restore_backup(out, location)
    restore_backup(out, location, overwrite=True)
    assert contents(location) == saved


def test_a_project_in_use_is_not_replaced(tmp_path: Path) -> None:
    path, out = tmp_path / "reviews.db", tmp_path / "saved"
    with Project.create(path, classes=["no", "yes"], texts=["one"]) as project:
        write_backup(project.store, out)
        project.add_texts(["two"])
        with pytest.raises(ConflictError, match="end all programs that use it"):
            restore_backup(out, path, overwrite=True)
        assert project.add_texts(["three"]).texts == 1
    restore_backup(out, path, overwrite=True)
    with Project.open(path) as project:
        assert project.status().texts == 1


def test_what_is_no_backup_or_damaged_is_refused(location: str, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        restore_backup(tmp_path / "nothing", location)
    (tmp_path / "text").write_text("no database, whatever its name says")
    with pytest.raises(StoreError, match="text is damaged"):
        restore_backup(tmp_path / "text", location)
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE things (x)")
    with pytest.raises(StoreError, match="no jurybox project"):
        restore_backup(tmp_path / "other.db", location)
    path, out = tmp_path / "reviews.db", tmp_path / "saved"
    with Project.create(path, classes=["no", "yes"], texts=[f"text {i}" * 50 for i in range(400)]) as project:
        write_backup(project.store, out)
    damaged = bytearray(out.read_bytes())
    middle = len(damaged) // 2
    damaged[middle : middle + 20_000] = bytes(20_000)
    out.write_bytes(damaged)
    with pytest.raises(StoreError, match="damaged"):
        restore_backup(out, tmp_path / "new.db")
    assert not (tmp_path / "new.db").exists()
    with pytest.raises(NotFoundError):
        Project.open(location)
