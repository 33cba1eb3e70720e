"""A pytest plugin that puts jurybox's functions in place of cleanlab's, and records who calls them.

Nothing is replaced when this module is imported, only when pytest is configured with it (``-p``).
"""

from __future__ import annotations

import functools
import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cleanlab import multiannotator

from jurybox.compat import cleanlab as ours

RECORD = "JURYBOX_CLEANLAB_RECORD"
FUNCTIONS = (
    "convert_long_to_wide_dataset",
    "get_active_learning_scores",
    "get_active_learning_scores_ensemble",
    "get_label_quality_multiannotator",
    "get_label_quality_multiannotator_ensemble",
    "get_majority_vote_label",
)


class Recorder:
    """Count the calls of each function by each test, and keep each test's outcome."""

    def __init__(self) -> None:
        self.calls: dict[str, Counter[str]] = {}
        self.outcomes: dict[str, str] = {}
        self._current: Counter[str] = Counter()

    def counted(self, name: str) -> Callable[..., Any]:
        """Return jurybox's function of this name, its calls counted."""
        function: Callable[..., Any] = getattr(ours, name)

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            self._current[name] += 1
            return function(*args, **kwargs)

        return call

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        self._current = self.calls.setdefault(item.name, Counter())

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or not report.passed:
            self.outcomes[report.location[2]] = report.outcome

    def pytest_unconfigure(self) -> None:
        record = {"calls": self.calls, "outcomes": self.outcomes}
        Path(os.environ[RECORD]).write_text(json.dumps(record), encoding="utf-8")


def pytest_configure(config: pytest.Config) -> None:
    """Replace the functions before any test module imports them."""
    recorder = Recorder()
    for name in FUNCTIONS:
        if not hasattr(multiannotator, name):
            raise pytest.UsageError(f"cleanlab.multiannotator has no function {name} to replace")
        setattr(multiannotator, name, recorder.counted(name))
    config.pluginmanager.register(recorder, "cleanlab-suite-recorder")
