"""The pool as a whole: copies and near-duplicates, texts like another one, clusters and their labels."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Row

from jurybox.clusters import Clusters, Membership, Neighbours, find_clusters, most_similar
from jurybox.errors import ConflictError, InputError, NotFoundError
from jurybox.project.encoding import EncodedTexts, Encoding, Telling, quiet
from jurybox.project.handle import ProjectPart
from jurybox.store import clusters, editing, groups, overview, regrouping, rounds, services
from jurybox.store.engine import Store
from jurybox.store.filters import text_numbers
from jurybox.store.history import note_event
from jurybox.store.state import read_questions, read_state
from jurybox.written import Answers, label_written

MOST_CLUSTERS = 500

_PART = 50_000
_CLUSTERS = "pool.clusters"
_AROUND = 5  # times as many texts are looked at, and again: some are deleted, or copies


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
        Of near-duplicates, as of `jurybox.duplicates.Sameness`: under an empty name, or with several
        questions by facet; empty before a round had any.
    """

    total: int
    copies: int
    groups: tuple[DuplicateGroup, ...]
    sharing: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class SimilarText:
    """A text, and how like another one it is, or the middle of its cluster: a cosine, -1 to 1."""

    text_id: str
    text: str
    similarity: float


@dataclass(frozen=True)
class TextCluster:
    """Texts that are like each other.

    Attributes
    ----------
    number
        Its place, from 0, the largest first.
    texts
        How many it had when clusters were found.
    words
        Those that tell it apart, the most telling first.
    found_at
        When clusters were found, Unix time in seconds: another time, other clusters.
    """

    number: int
    texts: int
    words: tuple[str, ...]
    found_at: float


class Pool(ProjectPart):
    """Which texts are the same, nearly, or like each other: ``project.pool``.

    Copies are found whenever texts come in; near-duplicates by `find`, clusters by `find_clusters`. What is
    alike is a matter of the features that the project's encoder makes; texts are encoded where they are not
    yet.

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

    def __init__(self, store: Store, clock: Callable[[], float], encoding: Encoding) -> None:
        super().__init__(store, clock)
        self._encoding = encoding
        self._split: tuple[tuple[float, int], Membership] | None = None
        self._splitting = threading.Lock()

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
                detail = regrouping.regroup(connection, rows, now=self._clock())
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
            act = regrouping.split_group if verb == "split group" else regrouping.merge_group
            if numbers:
                detail = act(connection, numbers, now=now)
                note_event(connection, verb, str(len(numbers)), by=by, now=now, detail=detail)
        return len(numbers)

    def similar(self, text_id: str, n: int = 10) -> list[SimilarText]:
        """Return the n texts that are most like one, the most similar first; of copies the first alone.

        All texts are looked at: about a second of a processor for a million and view.

        Raises
        ------
        NotFoundError
            If there is no such text.
        """
        with self.store.read() as connection:
            number = text_numbers(connection, [text_id])[text_id]
        rows, size = self._encoded().rows, n
        while True:
            size *= _AROUND
            near = most_similar(rows, number, size)
            with self.store.read() as connection:
                first = groups.firsts_of(connection, [number, *near.places.tolist()])
                kept = [place for place in near.places.tolist() if first[place] == place != first[number]]
                texts = clusters.read_texts(connection, kept)
            if len(texts) >= n or size >= len(rows):
                cosines = dict(zip(near.places.tolist(), near.similarity.tolist(), strict=True))
                return [_similar(texts[place], cosines[place]) for place in kept if place in texts][:n]

    def find_clusters(self, n: int | None = None, *, progress: Telling = quiet) -> list[TextCluster]:
        """Find clusters of texts, and keep them in place of the last ones, the largest first.

        Parameters
        ----------
        n
            How many, at most; default: as `jurybox.clusters.find_clusters` chooses.
        progress
            As of `jurybox.Project.refit`, while texts are encoded.

        Raises
        ------
        InputError
            If the project has no texts, or n is not 2 to 500.
        """
        if n is not None and not 2 <= n <= MOST_CLUSTERS:
            raise InputError(f"n is {n!r}, expected 2 to {MOST_CLUSTERS}")
        encoded = self._encoded(progress)
        with self.store.read() as connection:
            among = clusters.read_present(connection, len(encoded.rows))
        found = find_clusters(encoded.rows, self._encoding.texts_at, n, among=among)
        note = {
            "view": encoded.views.name,
            "centres": found.centres.astype(float).round(4).tolist(),
            "sizes": found.sizes.tolist(),
            "words": [list(words) for words in found.words],
        }
        with self.store.write() as connection:
            services.write_note(connection, _CLUSTERS, note, now=self._clock())
        return self.clusters()

    def clusters(self) -> list[TextCluster]:
        """Return the clusters that were found last; none where nobody has looked for them."""
        with self.store.read() as connection:
            note = services.read_note(connection, _CLUSTERS)
        if note is None:
            return []
        pairs = zip(note.value["sizes"], note.value["words"], strict=True)
        return [
            TextCluster(number, n, tuple(words), note.updated_at) for number, (n, words) in enumerate(pairs)
        ]

    def cluster_texts(self, number: int, start: int = 0, n: int = 50) -> list[SimilarText]:
        """Return texts of a cluster, from a place on, those nearest to its middle first.

        Raises
        ------
        NotFoundError
            If there is no such cluster; so everywhere here.
        ConflictError
            If the texts were encoded in another way since: clusters have to be found again.
        """
        near = self._members(number)
        places, cosines = near.places[start : start + n].tolist(), near.similarity[start : start + n]
        with self.store.read() as connection:
            texts = clusters.read_texts(connection, places)
        pairs = zip(places, cosines.tolist(), strict=True)
        return [_similar(texts[place], cosine) for place, cosine in pairs if place in texts]

    def label_cluster(
        self,
        number: int,
        label: str | Answers,
        *,
        most: int | None = None,
        found_at: float | None = None,
        by: str | None = None,
    ) -> int:
        """Give the texts of a cluster a label at once; return how many got it.

        The labels are those of an annotator called ``clusters``, whose confusion is learnt like anybody's,
        and have the origin ``cluster``. The audit sample gets none; people are asked for the texts as before.

        Parameters
        ----------
        label
            A class; of several questions an answer, which may leave most open: what was said at once of
            these before stays.
        most
            Of so many texts, those nearest to the middle; default: of all.
        found_at
            When the cluster that is meant was found; default: the last time that somebody looked for them.

        Raises
        ------
        InputError
            If there is no such class, or most is below 1.
        ConflictError
            If clusters were found again since.
        """
        if most is not None and most < 1:
            raise InputError(f"most is {most!r}, expected at least 1, or None for all texts")
        with self.store.read() as connection:
            written = label_written(read_questions(connection), label)
        numbers = self._members(number, found_at).places[:most].tolist()
        with self.store.write() as connection:
            editing.alone(connection)
            now = self._clock()
            detail = clusters.label_at_once(connection, numbers, written, now=now)
            if done := len(detail["labels"]):
                more = {**detail, "into": written}
                note_event(connection, "label cluster", str(done), by=by, now=now, detail=more)
        return done

    def _members(self, number: int, found_at: float | None = None) -> Neighbours:
        with self.store.read() as connection:
            note = services.read_note(connection, _CLUSTERS)
        found = [] if note is None else note.value["sizes"]
        if note is None or not 0 <= number < len(found):
            raise NotFoundError(f"there is no cluster {number}, of {len(found)} that were found")
        encoded = self._encoded()
        if encoded.views.name != note.value["view"]:
            problem = "the texts were encoded in another way since; find clusters again"
            raise ConflictError(problem, code="old_clusters")
        if found_at not in (None, note.updated_at):
            problem = "somebody has found clusters again since; look which one is meant"
            raise ConflictError(problem, code="other_clusters")
        with self._splitting:
            state = note.updated_at, len(encoded.rows)
            if self._split is None or self._split[0] != state:
                centres = np.asarray(note.value["centres"], dtype=np.float32)
                self._split = state, Clusters(centres, np.asarray(found), ()).split(encoded.rows)
            near = self._split[1].members(number)
        with self.store.read() as connection:
            here = np.isin(near.places, clusters.read_present(connection, len(encoded.rows)))
        return Neighbours(near.places[here], near.similarity[here])

    def _encoded(self, progress: Telling = quiet) -> EncodedTexts:
        with self.store.read() as connection:
            state = read_state(connection)
        if not state.n_texts:
            raise InputError("the project has no texts; add some first")
        return self._encoding.of(state.settings.encoder, state.n_texts, progress)

    def _texts(self) -> list[str]:
        with self.store.read() as connection:
            N = read_state(connection).n_texts
        texts: list[str] = []
        for start in range(0, N, _PART):
            with self.store.read() as connection:
                texts += overview.pool_texts(connection, start, min(start + _PART, N))
        return texts


def _similar(row: Row[int, str, str], cosine: float) -> SimilarText:
    return SimilarText(row.external_id, row.text, cosine)
