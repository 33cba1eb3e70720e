"""How good the model and the consensus of a stored project are, estimated from its audit sample."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jurybox.arrays import Ints
from jurybox.consensus import Consensus
from jurybox.project.basis import Basis, Moment
from jurybox.store.records import RoundInfo
from jurybox.trust.estimates import (
    AuditEstimate,
    AuditEvidence,
    ConsensusEstimate,
    audit_evidence,
    estimate_of_consensus,
)
from jurybox.trust.intervals import Interval

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
    basis
        What it rests on.
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

    basis: Basis
    classes: tuple[str, ...]
    round: int | None
    model: AuditEstimate | None
    consensus: ConsensusEstimate | None


@dataclass(frozen=True)
class JudgedRound:
    """A round with a trained model, and what the audit sample says of it; None where nothing is labelled.

    Attributes
    ----------
    info
        The round.
    labels
        Labels that it learnt from, the audit's not among them.
    found
        How good it is.
    """

    info: RoundInfo
    labels: int
    found: AuditEstimate | None

    @property
    def accuracy(self) -> Interval | None:
        """Of its model, on texts like those of the pool."""
        return None if self.found is None else self.found.accuracy


def weigh_audit(inputs: Moment) -> AuditEvidence | None:
    """Return what the labels of the audit sample mean; None without any, or with a single class.

    Texts that have joined the sample since the last round do not count: that round has learnt from them.
    """
    annotations, audit = inputs.annotations, inputs.evidence.audit
    if inputs.rounds:
        audit = np.intersect1d(audit, _recorded(inputs.rounds[-1]))
    if annotations.n_classes < 2 or not annotations.labelled[audit].any():
        return None
    return audit_evidence(
        annotations,
        audit,
        inputs.pred_probs,
        experts=inputs.experts,
        crowds=inputs.crowds,
        rng=inputs.rng(_STREAM),
    )


def judge_rounds(inputs: Moment, evidence: AuditEvidence | None) -> tuple[JudgedRound, ...]:
    """Judge each round with a trained model, by all audit labels known today.

    All are judged by the same draws of what the audit labels mean (see `jurybox.trust.estimates`), so that
    two of them differ by their predictions and not by chance; equal predictions, as of late rounds, only
    once.
    """
    judged: dict[tuple[bytes, bytes], AuditEstimate] = {}
    found = []
    for info in inputs.rounds:
        sample = _sample(inputs, info)
        estimate = None
        if sample is not None and evidence is not None:
            key = sample[0].tobytes(), sample[1].tobytes()
            if key not in judged:
                judged[key] = evidence.judge(*sample, rng=inputs.rng(_STREAM))
            estimate = judged[key]
        if info.diagnostics.get("trained_on"):
            found.append(JudgedRound(info, training_labels(info), estimate))
    return tuple(found)


def accuracy_by_round(judged: Iterable[JudgedRound]) -> tuple[Accuracy, ...]:
    """Return how good each round's model is; those of which the audit says nothing are left out."""
    return tuple(
        Accuracy(
            round=one.info.number,
            n_annotations=one.info.n_annotations,
            estimate=one.found.accuracy.estimate,
            low=one.found.accuracy.low,
            high=one.found.accuracy.high,
            n_texts=one.found.n_texts,
            macro_f1=one.found.macro_f1,
        )
        for one in judged
        if one.found is not None
    )


def report_audit(inputs: Moment, judged: Sequence[JudgedRound], consensus: Consensus) -> AuditReport:
    """Return how good the last model and the consensus are: accuracy, macro-F1 and class shares."""
    annotations = inputs.annotations
    last = next((one for one in reversed(judged) if one.found is not None), None)
    of_consensus = None
    if annotations.n_annotations and annotations.n_classes > 1:
        of_consensus = estimate_of_consensus(
            annotations,
            consensus.labels,
            inputs.pred_probs,
            experts=inputs.experts,
            crowds=inputs.crowds,
            rng=inputs.rng(_STREAM),
        )
    return AuditReport(
        basis=inputs.basis,
        classes=inputs.classes,
        round=None if last is None else last.info.number,
        model=None if last is None else last.found,
        consensus=of_consensus,
    )


def _sample(inputs: Moment, info: RoundInfo) -> tuple[Ints, Ints] | None:
    """Return the audit texts that a round knew and its predictions (A,); None without labels or model."""
    texts = _recorded(info)
    if not info.diagnostics.get("trained_on") or not inputs.annotations.labelled[texts].any():
        return None
    return texts, np.asarray(info.diagnostics["audit"]["predicted"], np.int64)


def _recorded(info: RoundInfo) -> Ints:
    """Return the texts that were the audit sample when a round was played, shape (A,)."""
    record = info.diagnostics.get("audit")
    return np.asarray(record["texts"] if isinstance(record, Mapping) else (), np.int64)


def training_labels(info: RoundInfo) -> int:
    """Return how many of the annotations that a round knew it was trained on: none of the audit sample."""
    noted = info.diagnostics.get("training_labels")
    return noted if isinstance(noted, int) else info.n_annotations


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
