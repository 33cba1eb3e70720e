"""Data flows one way: a module imports only from modules before it."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parent.parent / "src" / "jurybox"
LAYERS = (
    "errors",
    "numerals",
    "atomic",
    "arrays",
    "drawing",
    "display",
    "plugins",
    "spellings",
    "coding",
    "scales",
    "inputs",
    "text_rows",
    "annotations",
    "duplicates",
    "labelled",
    "questions",
    "answers",
    "sheets",
    "written",
    "whole",
    "doubts",
    "agreement",
    "consensus",
    "trust",
    "selection",
    "encoders",
    "clusters",
    "classifiers",
    "strategies",
    "ranking",
    "loop",
    "items",
    "facet_targets",
    "joint",
    "datasets",
    "curves",
    "simulation",
    "training",
    "facet_models",
    "estimators",
    "told",
    "asking",
    "interactive",
    "formats",
    "pool",
    "machines",
    "store",
    "project",
    "tuning",
    "learner",
    "report",
    "wire",
    "client",
    "web",
    "cli",
)
ON_THE_CORE = "compat"  # may import whatever the core offers, and nothing imports it

SMALL = {
    "__main__.py": "Python asks for it by name",
    "project/handle.py": "every part of a project stands on it, and none before another",
    "store/migrations/env.py": "Alembic asks for it by name",
    "store/migrations/versions/0010_tables.py": "a version of the schema is a module",
}
"""Modules below 60 lines, and why each is one; a package's door and a page are as small as they are."""

IN_EACH = {"app", "base", "errors", "records", "state"}
"""Names of files that a package may have for its own, whatever others have."""

MIRRORS = {"store", "project", "report", "web", "cli"}
"""Layers that say the same of one thing, each in its way: people, gold, rounds."""


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


def test_a_module_has_a_reason_to_be_one() -> None:
    small = {
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*.py")
        if path.name != "__init__.py"
        and path.parent.name != "pages"
        and len(path.read_text(encoding="utf-8").splitlines()) < 60
    }
    assert small == set(SMALL), "send small modules home, or say why one stands alone"


def test_a_file_name_means_one_thing() -> None:
    found = defaultdict(list)
    for path in SOURCE.rglob("*.py"):
        name = str(path.relative_to(SOURCE))
        if path.stem not in IN_EACH | {"__init__"} and name.split("/")[0] not in MIRRORS:
            found[path.stem].append(name)
    assert {stem: names for stem, names in found.items() if len(names) > 1} == {}


@pytest.mark.slow
def test_a_public_class_or_alias_means_one_thing() -> None:
    found = defaultdict(list)
    for path in SOURCE.rglob("*.py"):
        for name in public_names(tree_of(path)):
            found[name].append(str(path.relative_to(SOURCE)))
    assert {name: files for name, files in found.items() if len(files) > 1} == {}


LISTED = {"__init__.py", "schema.py"}
"""Files whose names come from elsewhere, too."""


@pytest.mark.parametrize("layer", sorted(MIRRORS))
def test_what_is_public_is_told_by_its_name(layer: str) -> None:
    listing = [
        str(path.relative_to(SOURCE))
        for path in (SOURCE / layer).rglob("*.py")
        if path.name not in LISTED and "\n__all__" in path.read_text(encoding="utf-8")
    ]
    assert listing == [], "a name without an underscore is public; lists are for packages and the core"


@pytest.mark.slow
def test_imports_have_no_circle() -> None:
    names = {dotted(path): path for path in SOURCE.rglob("*.py")}
    imports = {name: {one for one in imported(path) if one in names} - {name} for name, path in names.items()}
    while free := [name for name, needs in imports.items() if not needs & imports.keys()]:
        for name in free:
            del imports[name]
    circle = {name: sorted(needs & imports.keys()) for name, needs in imports.items()}
    assert circle == {}, "these import each other, or what does"


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def public_names(tree: ast.Module) -> Iterator[str]:
    """Yield the names of classes and of annotated aliases."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield node.name
        elif isinstance(node, ast.AnnAssign) and "TypeAlias" in ast.unparse(node.annotation):
            assert isinstance(node.target, ast.Name)
            if not node.target.id.startswith("_"):
                yield node.target.id


def dotted(path: Path) -> str:
    return ".".join(("jurybox", *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__")


def imported(path: Path) -> Iterator[str]:
    """Yield what a module imports when it runs, inside of functions, too; not what only types name."""
    tree = tree_of(path)
    only_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and id(node) not in only_types:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                is_module = (SOURCE.parent / whole.replace(".", "/")).is_dir() or (
                    SOURCE.parent / f"{whole.replace('.', '/')}.py"
                ).is_file()
                yield whole if is_module else str(node.module)
