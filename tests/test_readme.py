"""What the README and the documentation promise."""

from __future__ import annotations

import ast
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
            target = re.sub(r"^(notebooks/.*)\.md$", r"\1.ipynb", target)  # the site makes a page of each
            assert (page.parent / target).exists(), f"{page.name} links to {target}, which is not there"


def test_every_setting_stands_in_its_page_with_its_default() -> None:
    from dataclasses import fields

    from jurybox.store.settings import ProjectSettings

    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    stated = dict(re.findall(r"^\| `(\w+)` \| `?([^`|]+?)`? \|", page, flags=re.MULTILINE))
    held = {field.name: field.default for field in fields(ProjectSettings)}
    words = {None: "none", (): "none", True: "true", False: "false"}
    assert stated == {
        name: words[value]
        if value is None or isinstance(value, bool | tuple)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
        for name, value in held.items()
    }


def test_a_container_keeps_features_in_its_volume(monkeypatch: pytest.MonkeyPatch) -> None:
    from jurybox.store.engine import read_location
    from jurybox.store.lifecycle import cache_folder

    recipe, compose = ((ROOT / name).read_text(encoding="utf-8") for name in ("Containerfile", "compose.yml"))
    (volume,) = re.findall(r"^VOLUME (\S+)$", recipe, re.M)
    assert f":{volume}" in compose
    for name, value in re.findall(r"^ENV (\w+)=(\S+)$", recipe, re.M):
        monkeypatch.setenv(name, value)
    folder = cache_folder(read_location("postgresql://jurybox@db/jurybox"), None)
    assert folder.is_relative_to(volume)


def environment() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": str(ROOT / "src")}


def said_in(source: str) -> str:
    """Return all that a module may print: its strings but docstrings, one a line."""
    nodes = list(ast.walk(ast.parse(source)))
    docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    strings = [node for node in nodes if isinstance(node, ast.Constant) and id(node) not in docstrings]
    return "\n".join(node.value for node in strings if isinstance(node.value, str))


def test_errors_are_named_as_they_are_worded() -> None:
    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    fragments = {fragment for row in rows for fragment in re.findall(r"`([^`]+)`", row)}
    assert len(fragments) >= 20
    for path in (ROOT / "src").rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        joined = re.sub(r'"\s*\n\s*f?"', "", source)  # strings that are written in several parts
        if any(fragment in joined for fragment in fragments):
            said = said_in(source)
            fragments = {fragment for fragment in fragments if fragment not in said}
    assert fragments == set()


def test_the_notice_names_what_is_installed() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [
        *project["dependencies"],
        *(one for name in extras.keys() - {"dev", "fuzz"} for one in extras[name]),
    ]
    names = {re.sub(r"[-_.]+", "-", re.split(r"[\[<>=]", one)[0]).lower() for one in wanted} - {"jurybox"}
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    named = set(re.findall(r"^([a-z0-9-]+)(?: \[.*\])?: ", notice, flags=re.MULTILINE))
    assert names <= named, "run: make notice"
