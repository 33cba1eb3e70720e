"""What all parts of a project stand on."""

from __future__ import annotations

from collections.abc import Callable

from jurybox.store.engine import Store


class ProjectPart:
    """Part of a project: an open store, and a clock that gives Unix times in seconds."""

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self.store = store
        self._clock = clock
