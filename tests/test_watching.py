"""Files of a folder come into a project, each once, and again when they have changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from jurybox.cli.app import app, run
from jurybox.errors import InputError
from jurybox.project import Project
from jurybox.project.watching import FolderWatch


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "incoming"
    made.mkdir()
    return made


def taken(watch: FolderWatch) -> list[tuple[str, int | None]]:
    return [(one.path.name, None if one.added is None else one.added.texts) for one in watch.look()]


def test_a_file_is_taken_once_it_has_stopped_growing(location: str, folder: Path) -> None:
    with Project.create(location, classes=["no", "yes"]) as project:
        watch = FolderWatch(project, folder)
        assert taken(watch) == []
        file = folder / "a.csv"
        file.write_text("id,text\n1,one\n", encoding="utf-8")
        (folder / ".b.csv").write_text("id,text\n8,eight\n", encoding="utf-8")
        (folder / "c.part").write_text("id,text\n9,nine\n", encoding="utf-8")
        assert taken(watch) == []
        file.write_text("id,text\n1,one\n2,two\n", encoding="utf-8")
        assert taken(watch) == []
        assert taken(watch) == [("a.csv", 2)]
        assert taken(watch) == []
        file.write_text("id,text\n1,one\n2,two\n3,three\n", encoding="utf-8")
        assert [*taken(watch), *taken(watch)] == [("a.csv", 1)]
    with Project.open(location) as project:
        again = FolderWatch(project, folder)
        assert [*taken(again), *taken(again)] == []
        assert project.status().texts == 3


def test_a_file_that_is_refused_stays_and_the_others_come(location: str, folder: Path) -> None:
    (folder / "a.csv").write_text("id,text\n1,one\n1,another\n", encoding="utf-8")
    (folder / "b.csv").write_text("id,text\n2,two\n", encoding="utf-8")
    with Project.create(location, classes=["no", "yes"]) as project:
        watch = FolderWatch(project, folder)
        assert taken(watch) == []
        first, second = watch.look()
        assert first.added is None
        assert first.refused
        assert second.added is not None
        assert taken(watch) == []
        assert (folder / "a.csv").exists()
        (folder / "a.csv").write_text("id,text\n1,one\n3,another\n", encoding="utf-8")
        assert [*taken(watch), *taken(watch)] == [("a.csv", 2)]


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with (
        Project.create(tmp_path / "p.db", classes=["no", "yes"]) as project,
        pytest.raises(InputError, match="no folder"),
    ):
        FolderWatch(project, tmp_path / "nowhere")


def test_the_command_says_what_it_took(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Project.create(tmp_path / "p.db", classes=["no", "yes"]).close()
    (folder / "b.csv").write_text("id,text\n2,two\n", encoding="utf-8")
    call = ["watch", str(tmp_path / "p.db"), str(folder), "--once", "--seconds", "0"]
    assert run(app, call) == 0
    assert "b.csv: 1 text" in capsys.readouterr().out
    (folder / "c.csv").write_text("id,text\n2,not two\n", encoding="utf-8")
    assert run(app, call) == 1
    assert "c.csv is not added" in capsys.readouterr().err
