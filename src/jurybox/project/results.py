"""What comes out of a project: consensus, status, annotators, tables for export."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from jurybox.annotations import Annotations
from jurybox.consensus import Consensus
from jurybox.formats.records import (
    AnnotationRecord,
    AnnotatorRecord,
    ConsensusRecord,
    Export,
    GoldRecord,
    TextRecord,
)
from jurybox.project.audit import Audit
from jurybox.project.beliefs import AnnotatorBelief, Beliefs, ProjectBelief, Source, TextBelief
from jurybox.project.rounds import Rounds
from jurybox.store import decisions, overview, snapshots, state
from jurybox.store.engine import Store
from jurybox.store.gold import read_gold
from jurybox.store.records import Flag, Status
from jurybox.trust.intervals import Interval

__all__ = ["Results"]

Item = TypeVar("Item")


class Results(Rounds):
    """Reads a project; keeps nobody waiting."""

    def __init__(self, store: Store, *, cache: Path, clock: Callable[[], float] = time.time) -> None:
        super().__init__(store, cache=cache, clock=clock)
        self._source = Source(store, clock, self.random_arm)

    @property
    def beliefs(self) -> Beliefs:
        """What is believed at this moment: each figure is computed once, when it is first asked for."""
        return self._source.now()

    def recent_beliefs(self) -> Beliefs:
        """Return beliefs that may be some time old where they take long to compute, see their basis."""
        return self._source.recent()

    def keep_beliefs(self) -> ProjectBelief:
        """Compute all figures, seconds to minutes of work on a large project, and keep them."""
        return self._source.keep()

    def kept_beliefs(self) -> ProjectBelief | None:
        """Return the figures that were kept last, see their basis; None if nothing was."""
        return self._source.kept()

    def annotations(self) -> Annotations:
        """Return all annotations that stand, over all texts, annotators and classes in their order."""
        with self.store.read() as connection:
            return snapshots.read_annotations(connection)

    def pred_probs(self) -> NDArray[np.float32] | None:
        """Return the last round's out-of-sample probabilities, shape (N, K); None before the first round.

        Texts and classes that the round did not know have equal shares and zeros.
        """
        return self.beliefs.inputs.pred_probs

    def consensus(self) -> Consensus:
        """Return the consensus of all annotations, aided by the last round's probabilities.

        Reviewers and owners count as experts: their labels outweigh those of a few annotators.
        """
        return self.beliefs.posterior

    def status(self) -> Status:
        """Return how far the project is."""
        with self.store.read() as connection:
            return overview.read_status(connection, now=self._clock())

    def flags(self) -> list[Flag]:
        """Return all remarks of annotators, the latest first."""
        with self.store.read() as connection:
            return decisions.read_flags(connection)

    @property
    def audit(self) -> Audit:
        """The audit sample, and how it grows."""
        return Audit(self.store, self._clock)

    def audit_texts(self) -> list[str]:
        """Return the ids of the audit sample: drawn at random, never trained on."""
        return self.audit.texts()

    def text(self, text_id: str) -> TextRecord:
        """Return one text; NotFoundError if there is none of this id."""
        with self.store.read() as connection:
            return overview.read_text(connection, text_id)

    def texts(self) -> Iterable[TextRecord]:
        """Return all texts in their order, read anew whenever they are walked over."""
        return _Table(lambda: self._stream(overview.iterate_texts))

    def annotation_records(self) -> Iterable[AnnotationRecord]:
        """Return the annotations that stand, by text, read anew whenever they are walked over."""
        return _Table(lambda: self._stream(overview.iterate_annotations))

    def export(self) -> Export:
        """Return everything that `jurybox.formats` writes."""
        beliefs = self.beliefs
        with self.store.read() as connection:
            stored = state.read_state(connection)
            return Export(
                name=stored.name,
                classes=state.read_classes(connection),
                guidelines=state.read_guidelines(connection),
                texts=self.texts(),
                annotations=self.annotation_records(),
                consensus=_Table(lambda: map(_consensus_record, beliefs.texts)),
                annotators=_Table(lambda: map(_annotator_record, beliefs.annotators)),
                skips=_Table(lambda: self._stream(overview.iterate_skips)),
                gold=[GoldRecord(text_id, label) for text_id, label in read_gold(connection).items()],
            )

    def _stream(self, read: Callable[[Connection], Iterator[Item]]) -> Iterator[Item]:
        with self.store.read() as connection:
            yield from read(connection)


@dataclass(frozen=True)
class _Table(Generic[Item]):
    """Rows that are read anew whenever someone walks over them."""

    read: Callable[[], Iterator[Item]]

    def __iter__(self) -> Iterator[Item]:
        return self.read()


def _consensus_record(one: TextBelief) -> ConsensusRecord:
    return ConsensusRecord(
        one.text_id, one.label, one.quality, one.agreement, one.n_annotations, one.probabilities
    )


def _annotator_record(one: AnnotatorBelief) -> AnnotatorRecord:
    return AnnotatorRecord(
        name=one.name,
        n_annotations=one.n_annotations,
        quality=_estimate(one.quality),
        agreement_with_consensus=_estimate(one.agreement_with_consensus),
        worst_class=one.worst_class,
        median_seconds=one.median_seconds,
    )


def _estimate(found: Interval | None) -> float | None:
    return None if found is None else found.estimate
