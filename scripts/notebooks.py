"""Run the notebooks of the documentation and keep what they show: ``python scripts/notebooks.py``."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "notebooks"


def run(path: Path) -> Any:
    """Return a notebook as it is after a run on the demo corpus, which everybody has."""
    os.environ.pop("JURYBOX_DATA", None)
    os.environ["HF_HUB_OFFLINE"] = "1"
    held = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        NotebookClient(held, timeout=1800, resources={"metadata": {"path": folder}}).execute()
    for cell in held.cells:
        cell.metadata = {}
    held.metadata.pop("language_info", None)
    return held


def printed(held: Any) -> list[str]:
    """Return what each code cell of a notebook printed, and its result where that is one line."""
    return ["".join(map(shown, cell.outputs)) for cell in held.cells if cell.cell_type == "code"]


def shown(output: Any) -> str:
    """Return what an output of a cell shows, if it is printed or a result of one line."""
    if output["output_type"] == "stream":
        return str(output["text"])
    result = str(output.get("data", {}).get("text/plain", ""))
    return result if "\n" not in result and "<svg" not in result else ""


if __name__ == "__main__":
    for path in sorted(FOLDER.glob("*.ipynb")):
        nbformat.write(run(path), path)
