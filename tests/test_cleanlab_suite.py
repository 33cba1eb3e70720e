"""cleanlab's own tests of ``cleanlab.multiannotator``, run on jurybox's functions instead of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import jurybox
from cleanlab_suite_plugin import FUNCTIONS, RECORD

pytestmark = pytest.mark.slow

SUITE = "JURYBOX_CLEANLAB_SUITE"


@pytest.fixture
def suite() -> Path:
    """Return cleanlab's test file, which is not part of the project."""
    if SUITE not in os.environ:
        pytest.skip(
            f"cleanlab's tests are not in its package: get tests/test_multiannotator.py at tag v2.9.0 of "
            f"https://github.com/cleanlab/cleanlab and set {SUITE} to its path"
        )
    path = Path(os.environ[SUITE]).resolve()
    assert path.is_file(), f"{SUITE} names {path}, which is no file"
    return path


def test_cleanlabs_own_tests_pass_with_our_functions(suite: Path, tmp_path: Path) -> None:
    record = tmp_path / "record.json"
    run = _run_pytest(suite, tmp_path, record)
    assert run.returncode == pytest.ExitCode.OK, run.stdout + run.stderr
    recorded = json.loads(record.read_text(encoding="utf-8"))
    calls: dict[str, dict[str, int]] = recorded["calls"]
    outcomes: dict[str, str] = recorded["outcomes"]
    assert set(outcomes.values()) == {"passed"}, outcomes
    on_ours = [test for test in outcomes if calls[test]]
    assert len(on_ours) >= 10, f"only {on_ours} of {list(outcomes)} called our functions"
    total = {name: sum(count.get(name, 0) for count in calls.values()) for name in FUNCTIONS}
    assert all(total.values()), total
    print(f"{len(outcomes)} passed, {len(on_ours)} of them on our functions, which were called {total}")  # noqa: T201


def _run_pytest(suite: Path, folder: Path, record: Path) -> subprocess.CompletedProcess[str]:
    """Run the file alone: without its repository's settings and fixtures, and without ours."""
    sources = [Path(jurybox.__file__).parent.parent, Path(__file__).parent]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(map(str, sources)),
        "PYTEST_ADDOPTS": "",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        RECORD: str(record),
    }
    alone = ["--noconftest", "-c", os.devnull, "--rootdir", str(suite.parent), "--import-mode=importlib"]
    plugins = ["-p", "cleanlab_suite_plugin", "-p", "no:cacheprovider"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *alone, *plugins, str(suite)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
