"""Data flows one way: a module imports only from modules before it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parent.parent / "src" / "jurybox"
LAYERS = (
    "errors",
    "atomic",
    "arrays",
    "drawing",
    "display",
    "plugins",
    "coding",
    "scales",
    "inputs",
    "labelled",
    "annotations",
    "doubts",
    "agreement",
    "calibration",
    "consensus",
    "trust",
    "selection",
    "encoders",
    "classifiers",
    "strategies",
    "ranking",
    "loop",
    "datasets",
    "curves",
    "simulation",
    "training",
    "estimators",
    "asking",
    "interactive",
    "formats",
    "machines",
    "store",
    "project",
    "tuning",
    "schedule",
    "learner",
    "report",
    "client",
    "web",
    "cli",
)
ON_THE_CORE = "compat"  # may import whatever the core offers, and nothing imports it


def module_files() -> list[Path]:
    return sorted(
        path for path in SOURCE.rglob("*.py") if path.parent != SOURCE or path.name != "__init__.py"
    )


def layer_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import in line {node.lineno}"
            assert node.module is not None
            if node.module == "jurybox":
                yield from (f"jurybox.{alias.name}" for alias in node.names if alias.name != "__version__")
            else:
                yield node.module


@pytest.mark.slow
@pytest.mark.parametrize("path", module_files(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_come_from_layers_before(path: Path) -> None:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    own = parts[0]
    if own == "__main__":
        return
    assert own in (*LAYERS, ON_THE_CORE), f"{own} has no place in the order of layers"
    own_rank = LAYERS.index("encoders" if own == ON_THE_CORE else own)
    for imported in imports_of(path):
        layer = layer_of(imported) if imported.startswith("jurybox") else own
        if layer in ("", own):
            continue
        assert layer in LAYERS, f"{path} imports {imported}, which has no place in the order"
        assert LAYERS.index(layer) < own_rank, f"{path} imports {imported} from a later layer"


def test_a_module_is_read_in_one_sitting() -> None:
    long = {
        str(path.relative_to(SOURCE)): lines
        for path in SOURCE.rglob("*.py")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 420
    }
    assert long == {}
