"""The commands in the documentation run, and print what it says they print."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import jurybox
from jurybox.cli.app import app, run

DOCS = Path(__file__).resolve().parent.parent / "docs"


def commands(page: Path) -> list[tuple[str, str]]:
    """Return each command of a page and what the page says it prints."""
    found = []
    for block in re.findall(r"^```console\n\$ (.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S):
        command, _, printed = block.partition("\n")
        found.append((command, printed))
    return found


@pytest.fixture
def shell(tmp_path: Path) -> dict[str, str]:
    """Return an environment with `jurybox` and `python`, for a shell in an empty folder."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, arguments in (("jurybox", " -m jurybox"), ("python", "")):
        path = programs / name
        path.write_text(f'#!/bin/sh\nexec "{sys.executable}"{arguments} "$@"\n')
        path.chmod(0o755)
    (tmp_path / "work").mkdir()
    return {
        **os.environ,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": str(Path(jurybox.__file__).parents[1]),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "LC_ALL": "C.UTF-8",
    }


@pytest.mark.long  # a page of the same kind, the drill, is in `make test`, and so are the README's commands
def test_the_first_project_runs_as_written(tmp_path: Path, shell: dict[str, str], shared_data: Path) -> None:
    page = commands(DOCS / "first-project.md")
    assert len(page) > 15
    (program,) = re.findall(
        r"^```python\n(.*?)^```", (DOCS / "first-project.md").read_text("utf-8"), re.M | re.S
    )
    (tmp_path / "work" / "answers.py").write_text(program, encoding="utf-8")
    perform(page, {**shell, "DATA": str(shared_data / "stanford-politeness")}, tmp_path / "work")


@pytest.mark.slow
def test_the_drill_with_a_backup_runs_as_written(tmp_path: Path, shell: dict[str, str]) -> None:
    page = commands(DOCS / "backup.md")
    assert len(page) == 9
    perform(page, shell, tmp_path / "work")


def perform(page: list[tuple[str, str]], shell: dict[str, str], folder: Path) -> None:
    """Run the commands of a page, one after the other, and compare what they print."""
    for command, expected in page:
        done = subprocess.run(
            ["bash", "-c", command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=shell,
            cwd=folder,
            check=False,
        )
        printed = done.stdout + (f"[exit code {done.returncode}]\n" if done.returncode else "")
        assert matches(printed, expected), f"{command}\nprinted:\n{printed}\nexpected:\n{expected}"


def matches(printed: str, expected: str) -> bool:
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    return doctest.OutputChecker().check_output(expected, printed, flags)


def test_the_comparison_can_fail() -> None:
    assert matches("round 1 in 2.5 s\n", "round 1 in ... s\n")
    assert not matches("round 2 in 2.5 s\n", "round 1 in ... s\n")


@pytest.mark.slow
def test_the_reference_names_every_command_and_option(capsys: pytest.CaptureFixture[str]) -> None:
    reference = (DOCS / "cli.md").read_text(encoding="utf-8")
    run(app, ["--help"])
    listed = re.findall(r"^│ ([a-z]+) {2,}[A-Z]", capsys.readouterr().out, re.M)
    assert {"init", "add", "simulate"} <= set(listed)
    for command in listed:
        section = re.search(rf"^### `jurybox {command}.*?(?=^###? |\Z)", reference, re.M | re.S)
        assert section is not None, f"docs/cli.md has no section on jurybox {command}"
        run(app, [command, "--help"])
        options = set(re.findall(r"--[a-z][a-z-]+", capsys.readouterr().out)) - {"--help"}
        shared = "reading options" in section[0]
        missing = [name for name in sorted(options) if name not in (reference if shared else section[0])]
        assert missing == [], f"docs/cli.md says nothing of {command} {', '.join(missing)}"
