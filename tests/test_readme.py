"""What the README and the documentation promise."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(text: str, language: str = "") -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


def test_the_python_example_prints_what_its_comments_say(capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = blocks(README, "python")
    exec(compile(example, "README.md", "exec"), {})  # noqa: S102
    printed = capsys.readouterr().out.splitlines()
    promised = re.findall(r"print\(.*\)  # (.*)", example)
    assert len(printed) == len(promised) == 2
    for line, promise in zip(printed, promised, strict=True):
        assert promise.split(":")[0] == line


@pytest.mark.slow
def test_the_first_project_starts_as_written(tmp_path: Path) -> None:
    command = next(block for block in blocks(README) if block.startswith("jurybox init"))
    init, serve = (shlex.split(part) for part in command.split("&&"))
    assert serve[:2] == ["jurybox", "serve"]
    (tmp_path / "reviews.csv").write_text("text\nlovely\nawful\n", encoding="utf-8")
    subprocess.run([sys.executable, "-m", *init], cwd=tmp_path, check=True, env=environment())
    status = [sys.executable, "-m", "jurybox", "status", "reviews.db", "--json"]
    done = subprocess.run(status, cwd=tmp_path, check=True, env=environment(), capture_output=True, text=True)
    assert '"texts": 2' in done.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        if not re.match(r"[a-z]+:", target):
            assert (page.parent / target).exists(), f"{page.name} links to {target}, which is not there"


def environment() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": str(ROOT / "src")}
