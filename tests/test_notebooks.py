"""The notebooks run from start to end for somebody who has nothing but jurybox, and print what they show."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent


def runner() -> Any:
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    spec = importlib.util.spec_from_file_location("run_notebooks", ROOT / "scripts" / "notebooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


def in_this_process(held: Any, notebooks: Any) -> list[str]:
    """Return what each code cell prints without a kernel, whose start takes longer than the notebook."""
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output
    from traitlets.config import Config

    shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    printed: list[str] = []
    results: list[str] = []

    def keep(data: Any, _metadata: object = None) -> None:
        results.append(notebooks.shown({"output_type": "result", "data": data}))

    shell.displayhook.write_output_prompt = lambda: None  # type: ignore[method-assign]
    shell.displayhook.write_format_data = keep  # type: ignore[method-assign, assignment]
    try:
        for cell in held.cells:
            if cell.cell_type == "code":
                with capture_output() as got:
                    shell.run_cell(cell.source).raise_error()  # type: ignore[no-untyped-call]
                printed.append("".join([got.stdout, *results]))
                results.clear()
    finally:
        InteractiveShell.clear_instance()
    return printed


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=pytest.mark.long if number else ()) for number, path in enumerate(NOTEBOOKS)],
    ids=lambda path: path.stem,
)
def test_a_notebook_prints_what_it_shows(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import nbformat

    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    notebooks = runner()
    shown = notebooks.printed(nbformat.read(path, as_version=4))  # type: ignore[no-untyped-call]
    assert any(shown), "a notebook that prints nothing cannot be checked"
    assert notebooks.printed(notebooks.run(path)) == shown


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", NOTEBOOKS[1:], ids=lambda path: path.stem)
def test_the_cells_of_a_notebook_print_what_it_shows(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import nbformat

    monkeypatch.delenv("JURYBOX_DATA", raising=False)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.chdir(tmp_path)
    notebooks = runner()
    held = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    assert any(notebooks.printed(held)), "a notebook that prints nothing cannot be checked"
    assert in_this_process(held, notebooks) == notebooks.printed(held)
