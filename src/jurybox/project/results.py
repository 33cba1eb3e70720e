"""What comes out of a project: consensus, status, annotators, tables for export."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import isfinite
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
from jurybox.project.handle import Handle
from jurybox.store import decisions, overview, rounds, snapshots, state
from jurybox.store.gold import read_gold
from jurybox.store.records import Flag, Status

__all__ = ["Results"]

Item = TypeVar("Item")


class Results(Handle):
    """Reads a project; keeps nobody waiting."""

    def annotations(self) -> Annotations:
        """Return all annotations that stand, over all texts, annotators and classes in their order."""
        with self.store.read() as connection:
            return snapshots.read_annotations(connection)

    def pred_probs(self) -> NDArray[np.float32] | None:
        """Return the last round's out-of-sample probabilities, shape (N, K); None before the first round.

        Texts and classes that the round did not know have equal shares and zeros.
        """
        with self.store.read() as connection:
            current = state.read_state(connection).current_round
            known = rounds.read_array(connection, current, "pred_probs")
            N, K = overview.count_texts(connection), len(state.read_classes(connection))
        if known is None:
            return None
        probs = np.full((N, K), 1 / K, dtype=np.float32)
        probs[: len(known)] = 0
        probs[: len(known), : known.shape[1]] = known
        return probs

    def experts(self, annotations: Annotations) -> NDArray[np.bool_]:
        """Return which annotators of this project's annotations are reviewers or owners, shape (M,)."""
        with self.store.read() as connection:
            # nobody is ever removed, so the first M are those of the annotations
            return snapshots.read_experts(connection)[: annotations.n_annotators]

    def consensus(self) -> Consensus:
        """Return the consensus of all annotations, aided by the last round's probabilities.

        Reviewers and owners count as experts: their labels outweigh those of a few annotators.
        """
        from jurybox.consensus import estimate_consensus

        annotations = self.annotations()
        return estimate_consensus(annotations, self.pred_probs(), experts=self.experts(annotations))

    def status(self) -> Status:
        """Return how far the project is."""
        with self.store.read() as connection:
            return overview.read_status(connection, now=self._clock())

    def annotator_report(self) -> list[AnnotatorRecord]:
        """Return how well everyone does, in the order in which they came."""
        with self.store.read() as connection:
            seconds = overview.median_seconds(connection)
            names = state.read_classes(connection)
        stats = self.consensus().annotators
        return [
            AnnotatorRecord(
                name=str(stats.ids[j]),
                n_annotations=int(stats.n_annotations[j]),
                quality=_known(stats.quality[j]),
                agreement_with_consensus=_known(stats.agreement_with_consensus[j]),
                worst_class=names[stats.worst_class[j]] if stats.worst_class[j] >= 0 else None,
                median_seconds=seconds.get(j),
            )
            for j in range(len(stats.ids))
        ]

    def flags(self) -> list[Flag]:
        """Return all remarks of annotators, the latest first."""
        with self.store.read() as connection:
            return decisions.read_flags(connection)

    def audit_texts(self) -> list[str]:
        """Return the ids of the audit sample: drawn at random, never trained on."""
        with self.store.read() as connection:
            return overview.read_audit(connection)

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

    def consensus_records(self) -> Iterable[ConsensusRecord]:
        """Return what is believed about each text, estimated anew whenever it is walked over."""
        return _Table(self._consensus_records)

    def export(self) -> Export:
        """Return everything that `jurybox.formats` writes."""
        with self.store.read() as connection:
            stored = state.read_state(connection)
            return Export(
                name=stored.name,
                classes=state.read_classes(connection),
                guidelines=state.read_guidelines(connection),
                texts=self.texts(),
                annotations=self.annotation_records(),
                consensus=self.consensus_records(),
                annotators=_Table(lambda: iter(self.annotator_report())),
                gold=[GoldRecord(text_id, label) for text_id, label in read_gold(connection).items()],
            )

    def _stream(self, read: Callable[[Connection], Iterator[Item]]) -> Iterator[Item]:
        with self.store.read() as connection:
            yield from read(connection)

    def _consensus_records(self) -> Iterator[ConsensusRecord]:
        consensus, probs = self.consensus(), self.pred_probs()
        with self.store.read() as connection:
            names = state.read_classes(connection)
            known = rounds.n_predicted(connection)
        for i, record in enumerate(self.texts()):
            if i == len(consensus.labels):  # it came while we were reading
                return
            label, n = int(consensus.labels[i]), int(consensus.n_annotations[i])
            believed = label >= 0 and (n > 0 or i < known)
            yield ConsensusRecord(
                text_id=record.id,
                label=names[label] if believed else None,
                quality=_known(consensus.quality[i]) if believed else None,
                agreement=_known(consensus.agreement[i]),
                n_annotations=n,
                probabilities=tuple(consensus.posterior[i].tolist()) if probs is not None else (),
            )


@dataclass(frozen=True)
class _Table(Generic[Item]):
    """Rows that are read anew whenever someone walks over them."""

    read: Callable[[], Iterator[Item]]

    def __iter__(self) -> Iterator[Item]:
        return self.read()


def _known(value: float) -> float | None:
    return float(value) if isfinite(value) else None
