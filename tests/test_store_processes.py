"""Many processes at one project; the large version is benchmarks/store.py."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent


def measure(store: str, part: str, *options: str) -> dict[str, Any]:
    command = [sys.executable, "benchmarks/store.py", "--stores", store, "--only", part, *options]
    done = subprocess.run(
        command, cwd=ROOT, env={"PYTHONPATH": "src", "PATH": ""}, capture_output=True, text=True
    )
    assert done.returncode in (0, 1), done.stderr
    report: dict[str, Any] = json.loads(done.stdout)[part][store]
    return report


@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
def test_nothing_is_lost_doubled_or_on_two_screens(store: str) -> None:
    report = measure(store, "concurrency", "--tasks", "200", "--processes", "4")
    assert {name: n for name, n in report["faults"].items() if n} == {}
    assert report["tasks"] == 200
