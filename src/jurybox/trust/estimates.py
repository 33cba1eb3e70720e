"""How good the model and the consensus are: accuracy, macro-F1 and class shares, with intervals.

**The model** is judged on the audit sample alone: texts drawn at random and never trained on. Nobody knows
what a large crowd would say of them, because their labels err; draws of the crowd from its posterior, given
all annotations of the project, say how probable each class is (`jurybox.consensus.draw_consensus`). For each
draw the texts' classes are drawn, and with them ``theta``, the table, shape (K, K), of the probabilities that
a random text is predicted as p and is k (`jurybox.trust.tables`). Accuracy is the trace of theta, the
classes' shares are its column sums, and macro-F1 depends on both, so that all come from the same draws.

How far the model's probabilities may speak for the texts that it is judged by, nobody knows. Without any say,
each error of the labels is held against a model that is right; with all that they have earned among the
labelled texts, a model that errs where people err is confirmed by its own echo. So each draw of the crowd
gives them another share of it, from none to all. On real crowds the truth lies between
(``benchmarks/real_audits.py``). To let the predicted class count like the answer of one more annotator, whose
errors are independent of all others' (Hui & Walter 1980, Biometrics 36:167), made accuracies too high there.

**The consensus** is judged on the labelled texts, by draws of their classes given all that is known of them.
This conditions on the data, so that it holds however the texts were chosen; but it speaks of these texts
only, and the shares of their classes are not those of the pool.

**Texts that a strategy chose** tell nothing about the model elsewhere, and weights (Horvitz & Thompson 1952;
Hajek 1971) cannot mend that: who has the best scores is chosen with probability 1, everybody else with
probability 0, and a text that could not be chosen is represented by nobody. No estimate is made on them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, logit

from jurybox.annotations import Annotations
from jurybox.arrays import Bools, Floats, Ints, Rng, freeze, generator, total_by
from jurybox.coding import positions
from jurybox.consensus import draw_consensus
from jurybox.consensus.estimate import check_experts
from jurybox.consensus.text_types import TextTypes
from jurybox.errors import InputError
from jurybox.labelled import probabilities
from jurybox.trust.intervals import Interval, share_of_singles
from jurybox.trust.tables import draw_tables, summarise, summarise_margins

__all__ = [
    "CROWDS",
    "MOST_TEXTS",
    "AuditEstimate",
    "AuditEvidence",
    "ConsensusEstimate",
    "audit_evidence",
    "estimate_from_audit",
    "estimate_of_consensus",
]

CROWDS = 32
"""Draws of how the annotators err."""

_TEXTS = 8  # draws of what the texts are, for each crowd
MOST_TEXTS = 3000
"""Labelled texts that are looked at; of more, a random sample."""

_TINY = 1e-9
# standard deviation of the log odds of accuracy by which the model is off, and where all texts have one label
_OFF, _OFF_SINGLE = 0.4, 0.8
_OFF_SHARES = 0.15  # the same of the logarithm of a class's share


@dataclass(frozen=True)
class AuditEstimate:
    """How good a model is on texts like those of the audit sample.

    Attributes
    ----------
    accuracy, macro_f1
        95 % intervals.
    class_shares
        Shares of the K classes among all texts that the sample was drawn from, 95 % intervals.
    n_texts, n_labels
        Labelled texts of the sample, and their labels.
    """

    accuracy: Interval
    macro_f1: Interval
    class_shares: tuple[Interval, ...]
    n_texts: int
    n_labels: int


@dataclass(frozen=True)
class ConsensusEstimate:
    """How good the consensus labels of the labelled texts are.

    Attributes
    ----------
    accuracy, macro_f1
        95 % intervals.
    class_shares
        True shares of the K classes among the labelled texts, 95 % intervals. Where a strategy chose these
        texts, they are not the shares in the pool; those are in `AuditEstimate`.
    n_texts, n_labels
        Labelled texts, and their labels.
    """

    accuracy: Interval
    macro_f1: Interval
    class_shares: tuple[Interval, ...]
    n_texts: int
    n_labels: int


@dataclass(frozen=True, eq=False)
class AuditEvidence:
    """What a large crowd would say of the audit sample, in S draws of how the annotators err.

    Attributes
    ----------
    texts : ndarray of int, shape (A,)
        Positions of the texts of the sample that have a label, ascending.
    n_labels : ndarray of int, shape (A,)
        Their labels.
    majority : ndarray, shape (S, A, K)
        Probability that most of a large crowd would say each class of each text.
    """

    texts: Ints
    n_labels: Ints
    majority: Floats

    def __post_init__(self) -> None:
        for array in (self.texts, self.n_labels, self.majority):
            freeze(array)

    def judge(self, audit: ArrayLike, predicted: ArrayLike, *, rng: Rng) -> AuditEstimate:
        """Judge a model by its predictions for these texts.

        Parameters
        ----------
        audit : array-like of int, shape (B,)
            Positions of texts, in any order; those without evidence do not count.
        predicted : array-like of int, shape (B,)
            Position of the class that the model predicts for each.
        rng
            Source of all randomness.

        Raises
        ------
        InputError
            If the lengths differ, a class is out of range, a text is named twice, or none has a label.
        """
        rng = generator(rng)
        K = self.majority.shape[2]
        sample, classes = np.asarray(audit), positions(predicted, K, "class")
        if sample.shape != classes.shape or len(np.unique(sample)) != len(sample):
            raise InputError(
                f"audit has shape {sample.shape} and predicted {classes.shape}, expected one class for each "
                "of different texts"
            )
        _, rows, places = np.intersect1d(self.texts, sample, assume_unique=True, return_indices=True)
        if not len(rows):
            raise InputError("no text of the audit sample has a label, expected at least one")
        found = summarise(*draw_tables(self.majority[:, rows], classes[places], rng))
        n_labels = int(self.n_labels[rows].sum())
        return AuditEstimate(found.accuracy, found.macro_f1, found.class_shares, len(rows), n_labels)


def audit_evidence(
    annotations: Annotations,
    audit: ArrayLike,
    pred_probs: Any = None,
    *,
    experts: Bools | None = None,
    crowds: Sequence[TextTypes] | None = None,
    rng: Rng,
) -> AuditEvidence:
    """Return what the labels say of the audit texts; many models can be judged by one and the same evidence.

    Parameters
    ----------
    annotations
        All annotations of the project, K >= 2 classes. How their annotators err is estimated from the audit
        texts and from up to 3,000 other labelled texts, drawn at random.
    audit : array-like of int, shape (A,)
        Positions of the audit sample.
    pred_probs : array-like, shape (N, K), optional
        Out-of-sample probabilities of a classifier that was trained on all labelled texts but these. They
        tell how the annotators err, and what these texts are, as far as they agree with the annotations.
    experts : ndarray of bool, shape (M,), optional
        Annotators who are taken to be right nearly always.
    crowds
        As many draws by `jurybox.consensus.draw_consensus` of all labelled texts as are made here, where they
        are at hand; for no more texts than are looked at.
    rng
        Source of all randomness.

    Raises
    ------
    InputError
        If a position is out of range, K < 2, or ``pred_probs`` or ``experts`` is not of the shape above.
    """
    rng = generator(rng)
    sample = np.unique(positions(audit, annotations.n_texts, "text")).astype(np.int64)
    texts = sample[annotations.labelled[sample]]
    if crowds is None:
        used = np.sort(np.concatenate([texts, _others(annotations, texts, rng)]))
    else:
        used = np.flatnonzero(annotations.labelled)
    rows = np.searchsorted(used, texts)
    drawn = crowds or _crowds(annotations, used, pred_probs, experts, rng)
    trust = (np.arange(CROWDS) + 0.5) / CROWDS
    majority = np.stack([each.majority_of_texts(rows, t) for each, t in zip(drawn, trust, strict=True)])
    return AuditEvidence(texts, annotations.n_labels[texts], majority)


def estimate_from_audit(
    annotations: Annotations,
    audit: ArrayLike,
    predicted: ArrayLike,
    pred_probs: Any = None,
    *,
    experts: Bools | None = None,
    rng: Rng,
) -> AuditEstimate:
    """Estimate how good a model is from texts drawn at random that it was never trained on.

    Parameters
    ----------
    annotations
        All annotations of the project, K >= 2 classes.
    audit : array-like of int, shape (A,)
        Positions of the audit sample; those without a label do not count.
    predicted : array-like of int, shape (A,)
        Position of the class that the model predicts for each.
    pred_probs : array-like, shape (N, K), optional
        As in `audit_evidence`; without them each error of the labels is held against the model.
    experts : ndarray of bool, shape (M,), optional
        Annotators, such as reviewers, who are taken to be right nearly always.
    rng
        Source of all randomness.

    Raises
    ------
    InputError
        If a text or class is out of range, the lengths differ, no text of the sample has a label, or
        ``pred_probs`` or ``experts`` is not of the shape above.

    Examples
    --------
    >>> annotations = Annotations.from_wide([[0, 0, 0], [1, 1, 1], [0, 0, 0], [1, 1, 1]] * 10)
    >>> audit, predicted = np.arange(20), [0, 1, 0, 1] * 4 + [0, 1, 0, 0]
    >>> found = estimate_from_audit(annotations, audit, predicted, rng=np.random.default_rng(0))
    >>> 0.95 in found.accuracy, 0.6 in found.accuracy
    (True, False)
    """
    rng = generator(rng)
    evidence = audit_evidence(annotations, audit, pred_probs, experts=experts, rng=rng)
    return evidence.judge(audit, predicted, rng=rng)


def estimate_of_consensus(
    annotations: Annotations,
    labels: ArrayLike,
    pred_probs: Any = None,
    *,
    judges: ArrayLike | None = None,
    experts: Bools | None = None,
    crowds: Sequence[TextTypes] | None = None,
    rng: Rng,
) -> ConsensusEstimate:
    """Estimate how good the consensus labels of the labelled texts are.

    Parameters
    ----------
    annotations
        Annotations of N texts in K >= 2 classes.
    labels : array-like of int, shape (N,)
        Position of each text's consensus class; of texts without a label it does not count.
    pred_probs : array-like, shape (N, K), optional
        A classifier's out-of-sample probabilities. They count as far as they agree with the annotations.
    judges : array-like of int, shape (N,), optional
        Of how many further labels the majority is what a label should equal, ties counting in part; by
        default of a large crowd's. So the estimate can be compared with labels that were held back.
    experts : ndarray of bool, shape (M,), optional
        Annotators, such as reviewers, who are taken to be right nearly always.
    crowds
        As in `audit_evidence`.
    rng
        Source of all randomness. Of more than 3,000 labelled texts a random sample is looked at.

    Raises
    ------
    InputError
        If ``labels`` or ``judges`` is not of shape (N,) or out of range, no text has a label, or
        ``pred_probs`` or ``experts`` is not of the shape above.

    Examples
    --------
    >>> annotations = Annotations.from_wide([[0, 0, 0], [1, 1, 1], [0, 0, 0], [1, 1, 1]] * 10)
    >>> found = estimate_of_consensus(annotations, [0, 1] * 20, rng=np.random.default_rng(0))
    >>> found.accuracy.low > 0.8
    True
    """
    rng = generator(rng)
    given = np.asarray(labels)
    if given.shape != (annotations.n_texts,):
        raise InputError(f"labels has shape {given.shape}, expected ({annotations.n_texts},)")
    labelled = np.flatnonzero(annotations.labelled)
    if not len(labelled):
        raise InputError("no text has a label, expected at least one")
    size = None if judges is None else np.asarray(judges)
    if size is not None and (size.shape != given.shape or size.min(initial=1) < 1):
        raise InputError(f"judges has shape {size.shape}, expected ({annotations.n_texts},), at least 1 each")
    texts = labelled
    if crowds is None:
        texts = np.sort(_others(annotations, np.empty(0, dtype=np.int64), rng))
    K = annotations.n_classes
    said = positions(given[texts], K, "class")
    drawn: list[Floats] = []
    for types in crowds or _crowds(annotations, texts, pred_probs, experts, rng):
        for _ in range(_TEXTS):
            won = _winners(types, None if size is None else size[texts], rng)
            weight = _weights(len(texts), len(labelled), rng)
            hit = won[np.arange(len(texts)), said] * weight
            drawn.append(
                np.stack([total_by(said, hit, K), total_by(said, weight, K), weight @ won]) / weight.sum()
            )
    right, named, true = np.stack(drawn, axis=1)
    errorless, absent = right.sum(axis=1) > 1 - _TINY, true == 0
    off = float(np.hypot(_OFF, _OFF_SINGLE * share_of_singles(annotations)))
    found = summarise_margins(*_misjudged(right, named, true, off, rng), errorless, absent)
    return ConsensusEstimate(
        found.accuracy, found.macro_f1, found.class_shares, len(labelled), annotations.n_annotations
    )


def _others(annotations: Annotations, texts: Ints, rng: np.random.Generator) -> Ints:
    """Draw labelled texts besides these, as many as are looked at."""
    others = np.setdiff1d(np.flatnonzero(annotations.labelled), texts, assume_unique=True)
    return rng.choice(others, size=MOST_TEXTS, replace=False) if len(others) > MOST_TEXTS else others


def _crowds(
    annotations: Annotations,
    texts: Ints,
    pred_probs: Any,
    experts: Bools | None,
    rng: np.random.Generator,
) -> Iterable[TextTypes]:
    """Draw crowds, and what they make of these labelled texts."""
    p = (
        None
        if pred_probs is None
        else probabilities(pred_probs, annotations.texts, annotations.classes)[texts]
    )
    mask = check_experts(experts, annotations.n_annotators)
    seen = annotations.subset(texts=texts)
    active = np.flatnonzero(seen.labels_per_annotator)
    seen = seen.subset(annotators=active)
    return draw_consensus(seen, p, experts=mask[active], n_draws=CROWDS, rng=rng)


def _winners(types: TextTypes, judges: Ints | None, rng: np.random.Generator) -> Floats:
    """Draw what the majority says of each text, of a large crowd or of so many judges (T,), shape (T, K)."""
    K, T = types.evidence.n_classes, len(types.evidence.texts)
    of_class, difficulty = types.draw(rng)
    if judges is None:
        return np.asarray(np.eye(K)[types.draw_majority(of_class, difficulty, rng)])
    text = np.repeat(np.arange(T), judges)
    said = types.draw_answers(of_class[text], difficulty[text], rng)
    counts = np.bincount(text * K + said, minlength=T * K).reshape(T, K)
    most = counts == counts.max(axis=1, keepdims=True)
    return np.asarray(most / most.sum(axis=1, keepdims=True))


def _misjudged(
    right: Floats, named: Floats, true: Floats, off: float, rng: np.random.Generator
) -> tuple[Floats, Floats, Floats]:
    """Move shares of texts (S, K) between right and wrong, and between classes: the model may be off.

    What all texts have in common beyond the model no draw of the crowd can tell; how far it was off on the
    real crowds on which it was chosen is in ``_OFF``.
    """
    S, K = right.shape
    accuracy = right.sum(axis=1, keepdims=True).clip(_TINY, 1 - _TINY)
    moved = expit(logit(accuracy) + off * rng.standard_normal((S, 1)))
    shares = true * np.exp(_OFF_SHARES * rng.standard_normal((S, K)))
    return right * (moved / accuracy), named, shares / shares.sum(axis=1, keepdims=True)


def _weights(size: int, n_population: int, rng: np.random.Generator) -> Floats:
    """Return weights (T,) of texts drawn from a finite population, for a Bayesian bootstrap (Rubin 1981).

    Their variance is 1 - T / n_population: where all texts were looked at, each counts once.
    """
    spread = np.sqrt(max(1 - size / n_population, 0.0))
    return np.asarray(1 - spread + spread * rng.standard_exponential(size)) if spread else np.ones(size)
