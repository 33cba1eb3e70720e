"""What is written is there whole or not at all; what a killed process leaves goes at the next start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from jurybox.atomic import new_file, new_folder, sweep
from jurybox.errors import FormatError
from jurybox.project import Project

SOURCE = Path(__file__).resolve().parent.parent / "src"
KILLED = """
import os, sys
from pathlib import Path
from jurybox import atomic

target = Path(sys.argv[1])
if sys.argv[2] == "file":
    with atomic.new_file(target, overwrite=True) as draft:
        draft.write_text("half")
        os._exit(7)
rename = Path.rename
def kill_second(self, new):
    if self.name == target.name and self != target:
        os._exit(7)
    return rename(self, new)
Path.rename = kill_second
with atomic.new_folder(target, replaceable=lambda _: True) as draft:
    (draft / "new").write_text("whole")
"""


def kill(target: Path, what: str) -> None:
    command = [sys.executable, "-c", KILLED, str(target), what]
    done = subprocess.run(command, env={"PYTHONPATH": str(SOURCE)}, check=False)
    assert done.returncode == 7


def test_a_killed_writer_leaves_nothing_under_the_final_name(tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    kill(target, "file")
    assert not target.exists()
    assert len(list(tmp_path.iterdir())) == 1
    with new_file(target, overwrite=False) as draft:
        draft.write_text("whole")
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]
    assert target.read_text() == "whole"


def test_a_folder_that_was_to_be_replaced_comes_back(tmp_path: Path) -> None:
    target = tmp_path / "model"
    target.mkdir()
    (target / "old").write_text("old")
    kill(target, "folder")
    assert not target.exists()
    sweep(target)
    assert [path.name for path in target.iterdir()] == ["old"]
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    with new_folder(target, replaceable=lambda _: True) as draft:
        (draft / "new").write_text("new")
    assert [path.name for path in target.iterdir()] == ["new"]


def test_what_others_work_on_is_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    with new_file(target, overwrite=True) as mine:
        mine.write_text("mine")
        with new_file(target, overwrite=True) as other:
            other.write_text("other")
        assert mine.read_text() == "mine"
    assert target.read_text() == "mine"
    with pytest.raises(FormatError, match="exists"), new_file(target, overwrite=False):
        pass


def test_opening_a_project_sweeps_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "reviews.db"
    Project.create(path, classes=["no", "yes"]).close()
    kill(tmp_path / "reviews.db.backup-0009", "file")
    before = len(list(tmp_path.iterdir()))
    Project.open(path).close()
    assert len(list(tmp_path.iterdir())) == before - 1
