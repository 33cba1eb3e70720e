"""Waiting for what a test expects: without a deadline of its own, since a busy machine is no fault."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(condition: Callable[[], object]) -> None:
    """Return when the condition holds; pytest's own timeout ends a test that waits for ever."""
    while not condition():
        time.sleep(0.01)
