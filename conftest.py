"""What of tests and doctests is collected."""

from __future__ import annotations

from pathlib import Path

import pytest

SOURCE = Path(__file__).parent / "src"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even import what holds no test, or, for `make test-fast`, what it runs nothing of."""
    if collection_path.suffix != ".py":
        return None
    content = collection_path.read_text(encoding="utf-8")
    untested = SOURCE in collection_path.parents and ">>>" not in content
    slow = "not slow" in config.option.markexpr and "\npytestmark = pytest.mark.slow\n" in content
    return untested or slow or None
