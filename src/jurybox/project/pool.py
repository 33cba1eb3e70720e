"""The pool as a whole: copies and near-duplicates, found, shown, split and merged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from jurybox.project.handle import ProjectPart
from jurybox.store import editing, groups, overview, rounds
from jurybox.store.gold import text_numbers
from jurybox.store.history import note_event
from jurybox.store.state import read_state

_PART = 50_000


@dataclass(frozen=True)
class DuplicateGroup:
    """Texts that are copies or near-duplicates of each other.

    Attributes
    ----------
    texts
        Ids, in the order of the texts.
    copies
        Those of them that are exact copies of an earlier one.
    words
        The texts themselves.
    """

    texts: tuple[str, ...]
    copies: tuple[str, ...]
    words: tuple[str, ...]


@dataclass(frozen=True)
class DuplicateGroups:
    """Groups of copies and near-duplicates, and what the last round found out about them.

    Attributes
    ----------
    total
        How many groups there are.
    copies
        Texts that are exact copies of an earlier one.
    groups
        Some of them, the largest first.
    sharing
        Of near-duplicates, as of `jurybox.duplicates.Sameness`: under an empty name, or with several questions
        by facet; empty before a round had any.
    """

    total: int
    copies: int
    groups: tuple[DuplicateGroup, ...]
    sharing: Mapping[str, Mapping[str, Any]]


class Pool(ProjectPart):
    """Which texts are the same or nearly: ``project.pool``.

    Copies are found whenever texts come in; near-duplicates by `find`.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from jurybox import Project
    >>> path = Path(tempfile.mkdtemp()) / "reviews.db"
    >>> texts = ["The soup was cold.", "The soup  was cold.", "The soup was cold!", "Nice place"]
    >>> with Project.create(path, texts=texts, classes=["bad", "good"]) as project:
    ...     found = project.pool.find()
    ...     print(found.copies, [len(group.texts) for group in found.groups])
    1 [3]
    """

    def find(self, *, threshold: float | None = None, by: str | None = None) -> DuplicateGroups:
        """Look for near-duplicates among all texts, some 150 microseconds a text; groups made by hand stay.

        Parameters
        ----------
        threshold
            The least similarity, as of `jurybox.duplicates.find_duplicates`; default: the one there.
        by
            Who does it, for the history; so everywhere here.

        Raises
        ------
        InputError
            If the threshold is out of range.
        """
        from jurybox.duplicates import THRESHOLD, find_duplicates

        texts = self._texts()
        found = find_duplicates(texts, threshold=THRESHOLD if threshold is None else threshold)
        with self.store.write() as connection:
            editing.alone(connection)
            held = groups.read_rows(connection, len(texts))
            rows = groups.rows_found(found, held)
            if rows:
                before = editing.regroup(connection, rows, now=self._clock())
                detail = {"before": [list(row) for row in before]}
                note_event(
                    connection, "find duplicates", str(len(rows)), by=by, now=self._clock(), detail=detail
                )
        return self.duplicates()

    def duplicates(self, start: int = 0, n: int = 50) -> DuplicateGroups:
        """Return groups of several texts, from a place on, the largest first."""
        with self.store.read() as connection:
            total, found = groups.read_groups(connection, start, n)
            told = rounds.last_diagnostics(connection)
            copies = read_state(connection).n_copies
        return DuplicateGroups(
            total,
            copies,
            tuple(
                DuplicateGroup(
                    tuple(one.text_id for one in group),
                    tuple(one.text_id for one in group if one.copy_of is not None),
                    tuple(one.text for one in group),
                )
                for group in found
            ),
            {
                name: one["near_duplicates"]
                for name, one in (told.get("facets") or {"": told}).items()
                if one.get("near_duplicates")
            },
        )

    def split(self, text_ids: Iterable[str], *, by: str | None = None) -> int:
        """Take texts out of their groups: each is alone, also where it is a copy; return how many.

        Raises
        ------
        NotFoundError
            If there is no text of one of the ids; so everywhere here.
        """
        return self._by_hand("split group", text_ids, by)

    def merge(self, text_ids: Iterable[str], *, by: str | None = None) -> int:
        """Make one group of texts, and of all that are in a group with them; return how many were named."""
        return self._by_hand("group", text_ids, by)

    def _by_hand(self, verb: str, text_ids: Iterable[str], by: str | None) -> int:
        with self.store.write() as connection:
            editing.alone(connection)
            numbers, now = list(text_numbers(connection, text_ids).values()), self._clock()
            act = editing.split_group if verb == "split group" else editing.merge_group
            before = act(connection, numbers, now=now) if numbers else []
            detail = {"before": [list(row) for row in before]}
            if before:
                note_event(connection, verb, str(len(numbers)), by=by, now=now, detail=detail)
        return len(numbers)

    def _texts(self) -> list[str]:
        with self.store.read() as connection:
            N = read_state(connection).n_texts
        texts: list[str] = []
        for start in range(0, N, _PART):
            with self.store.read() as connection:
                texts += overview.pool_texts(connection, start, min(start + _PART, N))
        return texts
