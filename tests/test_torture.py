"""Everything breaks while people label, and every account holds: each kind of event, in small and in full."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import torture

ROOT = Path(__file__).resolve().parent.parent
STORES = ("sqlite", "postgresql")


def tortured(store: str, out: Path, *options: str) -> dict[str, Any]:
    command = [sys.executable, "benchmarks/torture.py", "--store", store, "--out", str(out), *options]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert out.exists(), done.stderr
    run: dict[str, Any] = json.loads(out.read_text())["stores"][0]
    faults = {
        name: tally["examples"]
        for name, tally in run["kinds"].items()
        if tally["lost"] or tally["doubled"] or tally["wrong"]
    }
    assert faults == {}
    assert done.returncode == 0
    return run


@pytest.mark.slow
@pytest.mark.parametrize("store", ["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def test_every_account_holds_after_an_event_of_each_kind(store: str, tmp_path: Path) -> None:
    run = tortured(
        store, tmp_path / "out.json", "--scale", "0", "--people", "8", "--pace", "0.2", "--texts", "200"
    )
    assert {name: tally["events"] for name, tally in run["kinds"].items()} == dict.fromkeys(run["kinds"], 1)
    assert {"import killed", "learner killed while a ranking takes over"} <= run["kinds"].keys()
    assert sum(tally["acknowledged"] for tally in run["kinds"].values()) > 0


@pytest.mark.long
@pytest.mark.timeout(0)  # it ends by itself, after two hours at most
@pytest.mark.parametrize("store", STORES)
def test_every_account_holds_after_five_hundred_events(store: str, tmp_path: Path) -> None:
    run = tortured(store, tmp_path / "out.json")
    assert "clock stepped" not in run["not_possible_here"], "no clock can be set here: run `make clock`"
    assert sum(tally["events"] for tally in run["kinds"].values()) >= 500
    assert run["kinds"]["learner killed while a ranking takes over"]["events"] >= 100
    assert run["kinds"]["import killed"]["events"] >= 50


def test_a_table_shows_what_a_result_holds(tmp_path: Path) -> None:
    tally = {"events": 3, "acknowledged": 1_234, "lost": 1, "doubled": 0, "wrong": 2, "examples": []}
    result = {"stores": [{"store": "sqlite", "kinds": {"file removed": tally}}]}
    page = tmp_path / "store.md"
    page.write_text(f"before\n{torture.BEGIN}\nold\n{torture.END}\nafter\n")
    torture.write_table(result, page)
    lines = page.read_text().splitlines()
    assert "| file removed | SQLite | 3 | 1,234 | 1 | 0 | 2 |" in lines
    assert "| **all** | SQLite | 3 | 1,234 | 1 | 0 | 2 |" in lines
    assert (lines[0], lines[-1], "old" in lines) == ("before", "after", False)


def test_events_of_several_runs_are_counted_together() -> None:
    def run(store: str, seconds: int, **events: int) -> dict[str, Any]:
        tally = {"acknowledged": 50, "lost": 0, "doubled": 0, "wrong": 1, "examples": ["odd"]}
        return {
            "store": store,
            "seconds": seconds,
            "kinds": {name: {"events": n, **tally} for name, n in events.items()},
        }

    runs = [run("sqlite", 5, kill=2), run("postgresql", 7, kill=1), run("sqlite", 6, kill=3, full=4)]
    sqlite, postgres = torture.together(runs)
    assert (sqlite["seconds"], postgres["seconds"]) == (11, 7)
    assert {name: tally["events"] for name, tally in sqlite["kinds"].items()} == {"kill": 5, "full": 4}
    assert sqlite["kinds"]["kill"]["wrong"] == 2
    assert sqlite["kinds"]["kill"]["examples"] == ["odd", "odd"]
