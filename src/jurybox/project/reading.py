"""Reading a project: pages of rows, everything as records, where labels come from, and notes of services."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from sqlalchemy.engine import Connection

from jurybox.answers import NOT_ASKED
from jurybox.formats.records import (
    AnnotationRecord,
    AnnotatorRecord,
    ConsensusRecord,
    Export,
    GoldRecord,
    TextRecord,
)
from jurybox.project.annotators import AnnotatorBelief
from jurybox.project.beliefs import Beliefs
from jurybox.project.handle import ProjectPart
from jurybox.project.texts import TextBelief
from jurybox.questions import Question
from jurybox.store import browse, decisions, filters, overview, provenance, rounds, services, snapshots, state
from jurybox.store.browse import AnnotationRow, Page, QueueRow, TextRow
from jurybox.store.filters import AnnotationFilter, KeptSearch, TextFilter
from jurybox.store.gold import read_gold
from jurybox.store.locks import serialise
from jurybox.store.machines import read_released
from jurybox.store.overview import HourOfLabels
from jurybox.store.records import AnnotatorProgress, Decision, GuidelineVersion, RoundInfo
from jurybox.store.services import Note, Pulse, Suggestion
from jurybox.store.state import read_state
from jurybox.trust.intervals import Interval
from jurybox.written import answer_written

Item = TypeVar("Item")


@dataclass(frozen=True)
class Times:
    """When the project was made, and its first and last annotation given; Unix times, None without any."""

    made: float
    first: float | None
    last: float | None


class Reading(ProjectPart):
    """Reads what is in a project; keeps nobody waiting."""

    def find_texts(
        self, chosen: TextFilter | None = None, *, after: int | None = None, limit: int = 50
    ) -> Page[TextRow]:
        """Return a page of texts in their order; `after` is the `next` of the page before."""
        with self.store.read() as connection:
            return browse.find_texts(connection, chosen or TextFilter(), after=after, limit=limit)

    def text_row(self, text_id: str) -> TextRow:
        """Return one text with what is known about it; NotFoundError if there is none of this id."""
        with self.store.read() as connection:
            return browse.read_text_row(connection, text_id)

    def find_annotations(
        self, chosen: AnnotationFilter | None = None, *, after: int | None = None, limit: int = 50
    ) -> Page[AnnotationRow]:
        """Return a page of annotations that stand, the latest first."""
        with self.store.read() as connection:
            return browse.find_annotations(connection, chosen or AnnotationFilter(), after=after, limit=limit)

    def count_texts(self, chosen: TextFilter, most: int) -> int:
        """Count the texts that fit a search, up to one more than `most`."""
        with self.store.read() as connection:
            return browse.count_texts_that_fit(connection, chosen, most + 1)

    def count_annotations(self, chosen: AnnotationFilter, most: int) -> int:
        """Count the annotations that stand and fit a search, up to one more than `most`."""
        with self.store.read() as connection:
            return browse.count_annotations(connection, chosen, most + 1)

    def queue(self, limit: int = 50) -> list[QueueRow]:
        """Return the texts that will be asked for next, and why."""
        with self.store.read() as connection:
            return browse.read_queue(connection, now=self._clock(), limit=limit)

    def queue_reasons(self) -> dict[str, int]:
        """Count the texts that still want a label by the reason why they are asked for."""
        with self.store.read() as connection:
            return browse.count_queue(connection)

    def progress(self, annotator: str, *, since: float = 0.0) -> AnnotatorProgress:
        """Return how far an annotator is, in all and since a time, and how far the project is."""
        with self.store.read() as connection:
            return browse.read_progress(connection, annotator, since=since)

    def pace(self, *, hours: int = 12) -> list[HourOfLabels]:
        """Return labels by hour and person, of the last hours in which there were any, in order of time."""
        with self.store.read() as connection:
            return overview.read_pace(connection, hours=hours)

    def searches(self) -> list[KeptSearch]:
        """Return the searches among texts that owners have kept, by name."""
        with self.store.read() as connection:
            return filters.read_searches(connection)

    def fingerprint(self) -> str:
        """Return a digest of all that pages show, cheap enough to ask for every second."""
        with self.store.read() as connection:
            return f"{snapshots.read_fingerprint(connection)}-{overview.read_trail(connection)}"

    def pulse(self) -> Pulse:
        """Return what has happened since the last round."""
        with self.store.read() as connection:
            return services.read_pulse(connection)

    def suggestion(self, text_id: str, annotator: str) -> Suggestion | None:
        """Return the model's opinion of a text, where the owner lets annotators see it; else None.

        It is noted that this annotator sees it: their label is stored as one given with the opinion in view,
        and estimates leave it out.
        """
        with self.store.read() as connection:
            if not read_state(connection).settings.suggestions:
                return None
            found = services.read_suggestion(connection, text_id)
        if found is not None:
            with self.store.write(durable=False) as connection:
                services.note_shown(connection, annotator, text_id, found.label)
        return found

    def probabilities(self, text_id: str) -> dict[str, float] | None:
        """Return what the last round's classifier makes of a text, by class; None where it knows nothing."""
        with self.store.read() as connection:
            return services.read_probabilities(connection, text_id)

    def decisions(self, annotator: str, limit: int = decisions.EDITABLE) -> list[Decision]:
        """Return an annotator's last decisions that stand, the latest first."""
        with self.store.read() as connection:
            return decisions.read_decisions(connection, annotator, limit)

    def rounds(self) -> list[RoundInfo]:
        """Return the rounds that were published, in order."""
        with self.store.read() as connection:
            return rounds.read_rounds(connection)

    def text(self, text_id: str) -> TextRecord:
        """Return one text; NotFoundError if there is none of this id."""
        with self.store.read() as connection:
            return overview.read_text(connection, text_id)

    def some_texts(self, text_ids: Iterable[str]) -> Mapping[str, TextRecord]:
        """Return texts by id, each once; NotFoundError if there is none of one of the ids."""
        with self.store.read() as connection:
            return overview.read_texts(connection, text_ids)

    def texts(self) -> Iterable[TextRecord]:
        """Return all texts in their order, read anew whenever they are walked over."""
        return _Table(lambda: self._stream(overview.iterate_texts))

    def annotation_records(self) -> Iterable[AnnotationRecord]:
        """Return the annotations that stand, by text, read anew whenever they are walked over."""
        return _Table(lambda: self._stream(overview.iterate_annotations))

    def provenance(self) -> list[provenance.Provenance]:
        """Count the annotations that stand by origin, reason, round and annotator."""
        with self.store.read() as connection:
            return provenance.count_provenance(connection)

    def times(self) -> Times:
        """Return when the project was made and labelled."""
        with self.store.read() as connection:
            return Times(*provenance.project_times(connection))

    def guideline_versions(self, limit: int | None = None) -> list[GuidelineVersion]:
        """Return the versions of the guidelines, the one that holds first."""
        with self.store.read() as connection:
            return state.read_guideline_versions(connection, limit)

    def everything(self, beliefs: Beliefs | None, facets: Mapping[str, Beliefs]) -> Export:
        """Return everything that `jurybox.formats` writes, with what is believed.

        Parameters
        ----------
        beliefs
            Of a project with one question, else None.
        facets
            Of each facet, in a project with several.
        """
        held = {"": beliefs} if beliefs is not None else facets
        with self.store.read() as connection:
            stored = read_state(connection)
            alone = {one.text_id for one in read_released(connection)}
            return Export(
                name=stored.name,
                classes=() if stored.questions else state.read_classes(connection),
                scale=not stored.questions and state.read_scale(connection) is not None,
                guidelines=state.read_guidelines(connection),
                texts=self.texts(),
                annotations=self.annotation_records(),
                consensus=_Table(
                    lambda: (
                        (_consensus_record(one, alone) for one in beliefs.texts)
                        if beliefs is not None
                        else (
                            _answer_record(stored.questions, each, alone)
                            for each in zip(*(one.texts for one in facets.values()), strict=True)
                        )
                    )
                ),
                annotators=_Table(
                    lambda: (_annotator_record(one, at) for at, own in held.items() for one in own.annotators)
                ),
                skips=_Table(lambda: self._stream(overview.iterate_skips)),
                gold=[GoldRecord(text_id, label) for text_id, label in read_gold(connection).items()],
                shares=stored.settings.target == "shares",
                questions=stored.questions,
                copies=stored.shares_copies,
            )

    @staticmethod
    def part(export: Export, only: Collection[str]) -> Export:
        """Return what an export says of some texts, by their ids."""
        ids = frozenset(only)

        def rows(table: Iterable[Item], name: str = "text_id") -> Iterable[Item]:
            return _Table(lambda: (row for row in table if getattr(row, name) in ids))

        return replace(
            export,
            texts=rows(export.texts, "id"),
            annotations=rows(export.annotations),
            consensus=rows(export.consensus),
            skips=rows(export.skips),
            gold=[row for row in export.gold if row.text_id in ids],
        )

    def _stream(self, read: Callable[[Connection], Iterator[Item]]) -> Iterator[Item]:
        with self.store.read() as connection:
            yield from read(connection)


class Notes(ProjectPart):
    """What services around a project remember in it, by name."""

    def read(self, name: str) -> Note | None:
        """Return what a service last noted under a name."""
        with self.store.read() as connection:
            return services.read_note(connection, name)

    def ask_for_round(self) -> None:
        """Ask the learner, wherever it runs, for a round as soon as it is free."""
        with self.store.write() as connection:
            services.ask_for_round(connection, now=self._clock())

    def write(self, name: str, value: Mapping[str, Any]) -> None:
        """Note something in place of what was noted before."""
        with self.store.write() as connection:
            services.write_note(connection, name, value, now=self._clock())

    def change(self, name: str, changed: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> None:
        """Note what becomes of what was noted before, nothing at first, whoever else does so at the time."""
        with self.store.write() as connection:
            serialise(connection, f"note {name}")
            held = services.read_note(connection, name)
            value = changed({} if held is None else held.value)
            services.write_note(connection, name, value, now=self._clock())


@dataclass(frozen=True)
class _Table(Generic[Item]):
    """Rows that are read anew whenever someone walks over them."""

    read: Callable[[], Iterator[Item]]

    def __iter__(self) -> Iterator[Item]:
        return self.read()


def _consensus_record(one: TextBelief, released: Collection[str]) -> ConsensusRecord:
    where = one.position
    return ConsensusRecord(
        text_id=one.text_id,
        label=one.label,
        quality=one.quality,
        agreement=one.agreement,
        n_annotations=one.n_annotations,
        probabilities=one.probabilities,
        position=() if where is None else (where.estimate, where.low, where.high),
        released=one.text_id in released,
        copy_of=one.copy_of,
        shares=one.shares,
        share_errors=(one.share_error,),
    )


def _answer_record(
    questions: Sequence[Question], facets: Sequence[TextBelief], released: Collection[str]
) -> ConsensusRecord:
    """Return what is believed of one text, from what is believed at each facet of several questions."""
    p: list[float] = []
    shares: list[float | None] = []
    code, at = [], iter(facets)
    for question in questions:
        for facet in question.facets:
            one, several = next(at), facet.option is not None
            code.append(NOT_ASKED if one.label is None else question.facet_classes.index(one.label))
            p += one.probabilities[1:] if several else one.probabilities
            shares += (one.shares or (None,) * len(question.facet_classes))[several:]
    known = any(label != NOT_ASKED for label in code)
    shown = any(one.shares for one in facets)
    return ConsensusRecord(
        text_id=facets[0].text_id,
        label=answer_written(questions, code) if known else None,
        quality=None,
        agreement=None,
        n_annotations=max(one.n_annotations for one in facets),
        probabilities=tuple(p),
        released=facets[0].text_id in released,
        shares=tuple(shares) if shown else (),
        share_errors=tuple(one.share_error for one in facets) if shown else (),
    )


def _annotator_record(one: AnnotatorBelief, question: str) -> AnnotatorRecord:
    return AnnotatorRecord(
        name=one.name,
        n_annotations=one.n_annotations,
        quality=_estimate(one.quality),
        agreement_with_consensus=_estimate(one.agreement_with_consensus),
        worst_class=one.worst_class,
        median_seconds=one.median_seconds,
        question=question,
    )


def _estimate(found: Interval | None) -> float | None:
    return None if found is None else found.estimate
