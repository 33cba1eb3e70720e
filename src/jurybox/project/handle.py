"""What all parts of the facade stand on."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from jurybox.store.engine import Store

__all__ = ["Handle"]


class Handle:
    """An open store, the folder of features beside it, and a clock.

    Attributes
    ----------
    store
        The database.
    cache
        Folder for features; may be deleted at any time.
    """

    def __init__(self, store: Store, *, cache: Path, clock: Callable[[], float] = time.time) -> None:
        self.store = store
        self.cache = cache
        self._clock = clock
