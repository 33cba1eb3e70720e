"""How good the model and the consensus of a stored project are, estimated from its audit sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jurybox.annotations import Annotations
from jurybox.arrays import Bools, Ints
from jurybox.project.results import Results
from jurybox.store import rounds, state
from jurybox.store.records import RoundInfo
from jurybox.trust.estimates import (
    AuditEstimate,
    ConsensusEstimate,
    audit_evidence,
    estimate_of_consensus,
)
from jurybox.trust.intervals import Interval

__all__ = ["Accuracy", "AuditReport", "Auditing", "audit_record"]

_STREAM = 6  # of chance, beside those of the rounds


@dataclass(frozen=True)
class Accuracy:
    """How good one round's model is, estimated on the audit sample.

    Attributes
    ----------
    round
        Number of the round.
    n_annotations
        Annotations the round could learn from.
    estimate
        Its accuracy on texts like those of the pool.
    low, high
        95 % interval of the accuracy.
    n_texts
        Labelled audit texts that it rests on.
    macro_f1
        Its macro-F1, with a 95 % interval.
    """

    round: int
    n_annotations: int
    estimate: float
    low: float
    high: float
    n_texts: int
    macro_f1: Interval


@dataclass(frozen=True)
class AuditReport:
    """How good the last round's model and today's consensus are.

    Attributes
    ----------
    classes
        Names of the K classes, in the order of the shares.
    round
        Number of the last round with a trained model; None if there is none.
    model
        That model, judged on the audit sample alone; None without a model or a labelled audit text.
    consensus
        The consensus of all labelled texts, which a strategy chose for the most part; None if no text has a
        label.
    """

    classes: tuple[str, ...]
    round: int | None
    model: AuditEstimate | None
    consensus: ConsensusEstimate | None


@dataclass(frozen=True)
class _Audited:
    """A round, the audit texts that it knew (A,), and the classes it predicted for them (A,)."""

    info: RoundInfo
    texts: Ints
    predicted: Ints

    @property
    def key(self) -> tuple[bytes, bytes]:
        """What the estimate depends on."""
        return self.texts.tobytes(), self.predicted.tobytes()


class Auditing(Results):
    """Estimates how good model and consensus are, on texts that no model has seen."""

    def accuracy(self, *, last: int | None = None) -> list[Accuracy]:
        """Return how good each round's model is, by all audit labels known today.

        All rounds are judged by the same draws of what the audit labels mean (see
        `jurybox.trust.estimates`), so that two of them differ by their predictions and not by chance. The
        same data give the same figures. Rounds without a trained model or any labelled audit text are left
        out.

        Parameters
        ----------
        last
            Judge only so many of the latest rounds; default: all.
        """
        annotations = self.annotations()
        audited = self._audited(annotations)
        return [
            Accuracy(
                round=one.info.number,
                n_annotations=one.info.n_annotations,
                estimate=found.accuracy.estimate,
                low=found.accuracy.low,
                high=found.accuracy.high,
                n_texts=found.n_texts,
                macro_f1=found.macro_f1,
            )
            for one, found in self._judged(annotations, audited if last is None else audited[-last:])
        ]

    def audit_estimate(self) -> AuditReport:
        """Return how good the last model and the consensus are: accuracy, macro-F1 and class shares."""
        annotations = self.annotations()
        last = self._audited(annotations)[-1:]
        judged = self._judged(annotations, last)
        consensus = None
        if annotations.n_annotations and annotations.n_classes > 1:
            p, experts = self._probabilities(annotations), self.experts(annotations)
            consensus = estimate_of_consensus(
                annotations,
                _consensus(annotations, p, experts),
                p,
                audit=last[0].texts if last else (),
                experts=experts,
                rng=self._rng(),
            )
        return AuditReport(
            classes=tuple(map(str, annotations.classes)),
            round=judged[0][0].info.number if judged else None,
            model=judged[0][1] if judged else None,
            consensus=consensus,
        )

    def _audited(self, annotations: Annotations) -> list[_Audited]:
        """Return the rounds that can be judged, in order."""
        with self.store.read() as connection:
            played = rounds.read_rounds(connection)
        found = []
        for info in played:
            record = info.diagnostics.get("audit")
            if info.diagnostics.get("trained_on") and isinstance(record, Mapping):
                texts, predicted = (np.asarray(record[key], np.int64) for key in ("texts", "predicted"))
                if annotations.labelled[texts].any():
                    found.append(_Audited(info, texts, predicted))
        return found

    def _judged(
        self, annotations: Annotations, audited: list[_Audited]
    ) -> list[tuple[_Audited, AuditEstimate]]:
        """Judge rounds by one and the same evidence; equal predictions, as of late rounds, only once."""
        if not audited:
            return []
        texts = np.unique(np.concatenate([one.texts for one in audited]))
        p, experts = self._probabilities(annotations), self.experts(annotations)
        evidence = audit_evidence(annotations, texts, p, experts=experts, rng=self._rng())
        known: dict[tuple[bytes, bytes], AuditEstimate] = {}
        for one in audited:
            if one.key not in known:
                known[one.key] = evidence.judge(one.texts, one.predicted, rng=self._rng())
        return [(one, known[one.key]) for one in audited]

    def _probabilities(self, annotations: Annotations) -> NDArray[np.float32] | None:
        """Return the last round's probabilities of the texts and classes of the annotations."""
        p, (N, K) = self.pred_probs(), annotations.counts.shape
        return None if p is None else p[:N, :K]  # texts and classes may have come since

    def _rng(self) -> np.random.Generator:
        """Return a source of chance that is the same each time."""
        with self.store.read() as connection:
            return np.random.default_rng([state.read_state(connection).settings.seed, _STREAM])


def audit_record(audit: NDArray[np.integer], pred_probs: NDArray[np.floating]) -> dict[str, list[int]]:
    """Return what a round remembers of its audit sample: positions of texts, and the classes predicted.

    Parameters
    ----------
    audit : ndarray of int, shape (A,)
        Positions of the audit sample.
    pred_probs : ndarray, shape (N, K)
        The round's probabilities.

    Examples
    --------
    >>> audit_record(np.array([2]), np.array([[1, 0], [1, 0], [0.2, 0.8]]))
    {'texts': [2], 'predicted': [1]}
    """
    predicted = pred_probs[audit].argmax(axis=1) if len(audit) else np.empty(0, dtype=np.int64)
    return {"texts": audit.tolist(), "predicted": predicted.tolist()}


def _consensus(annotations: Annotations, pred_probs: NDArray[np.floating] | None, experts: Bools) -> Ints:
    from jurybox.consensus import estimate_consensus

    labels: Ints = estimate_consensus(annotations, pred_probs, experts=experts).labels
    return labels
