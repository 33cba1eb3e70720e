"""The document on architecture names the layers that there are, and files that exist."""

from __future__ import annotations

import re
from pathlib import Path

from test_layers import LAYERS, ON_THE_CORE, SOURCE

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_the_layers_are_those_of_the_code() -> None:
    table = PAGE[PAGE.index("| layer |") : PAGE.index("`compat` stands")]
    rows = [row.split("|")[1] for row in table.strip().splitlines()[2:]]
    assert [name for row in rows for name in re.findall(r"`(\w+)`", row)] == list(LAYERS)
    assert f"`{ON_THE_CORE}`" in PAGE


def test_every_file_that_is_named_exists() -> None:
    named = set(re.findall(r"`([\w/]+(?:\.\w+)?\.(?:py|json|html|css|js))`", PAGE))
    assert len(named) > 40
    inside = {name for name in named if "/" in name or (SOURCE / name).is_file()}
    elsewhere = {"outbox.js": "web/static/label/outbox.js", "error.html": "web/templates/error.html"}
    for name in named:
        tests = ROOT / name
        place = SOURCE / elsewhere.get(name, name)
        assert place.is_file() or tests.is_file(), f"docs/architecture.md names {name}, which is not there"
    assert inside


def test_every_module_at_the_top_has_its_layer_in_the_page() -> None:
    top = {path.stem for path in SOURCE.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert top - {"__init__", "__main__", ON_THE_CORE} == set(LAYERS)
