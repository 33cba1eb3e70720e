"""What the encoders make of a project's texts: rows that are kept by number, and read in parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from jurybox.project.handle import ProjectPart
from jurybox.store import overview
from jurybox.store.engine import Store

if TYPE_CHECKING:
    from jurybox.encoders import Views
    from jurybox.encoders.by_number import PoolRows

Telling: TypeAlias = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and how much there is."""


def quiet(_what: str, _done: int, _total: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class EncodedTexts:
    """What the encoders make of the first N texts; texts never change, so rows of later ones are added.

    Attributes
    ----------
    setting
        The encoders, as the project's settings name them.
    views, rows
        What they were fitted to, and the rows of the N texts.
    notes
        What is remarkable about the texts.
    """

    setting: str
    views: Views
    rows: PoolRows
    notes: tuple[str, ...]


class Encoding(ProjectPart):
    """Encodes the texts of a project as far as nobody has done so yet; one object may be shared by threads.

    Parameters
    ----------
    cache
        Folder for features; may be deleted at any time.
    """

    def __init__(self, store: Store, clock: Callable[[], float], cache: Path) -> None:
        super().__init__(store, clock)
        self._cache = cache
        self.known: EncodedTexts | None = None

    def of(self, encoder: str, N: int, progress: Telling = quiet) -> EncodedTexts:
        """Return the rows of the first N texts; only those are made that no shard has yet."""
        from jurybox.encoders import (
            FeatureCache,
            drift_note,
            fit_views_at,
            get_encoders,
            language_note,
            sample_of,
        )

        def report(done: int, total: int) -> None:
            progress("encode", done, total)

        known = self.known
        if known is None or known.setting != encoder or known.views.outgrown(N) or len(known.rows) > N:
            cache = FeatureCache(self._cache)
            views = fit_views_at(get_encoders(encoder), N, self.texts_at, cache=cache, progress=report)
            notes = [
                language_note(view.encoder, self.texts_at(sample_of(N).tolist()))
                for view in views.views
                if view.encoder.is_english
            ]
        elif len(known.rows) < N:
            views, notes = known.views, [note for note in known.notes if "drift" not in note]
        else:
            return known
        with self.store.read() as connection:
            lineage = overview.read_lineage(connection)
        rows = views.pool(N, lineage, self.texts, report)
        notes.append(drift_note(views.drift(rows)))
        self.known = EncodedTexts(encoder, views, rows, tuple(note for note in notes if note))
        return self.known

    def texts_at(self, numbers: Sequence[int]) -> list[str]:
        """Return the texts of some numbers, deleted ones among them."""
        with self.store.read() as connection:
            return overview.texts_at(connection, numbers)

    def texts(self, start: int, stop: int) -> list[str]:
        """Return the texts from one number up to another, deleted ones among them."""
        with self.store.read() as connection:
            return overview.pool_texts(connection, start, stop)
