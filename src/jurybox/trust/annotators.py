"""What each annotator's work is worth: quality, confusions, drift, speed, and what is lost without them.

Qualities, confusions and drift come from draws of the posterior, so that few annotations give wide intervals.
What the others say without an annotator is the default consensus with the annotator's factors taken out:
``q_ic^(-j)`` proportional to ``q_ic / P_j(y_ij | c)`` for every type c, everybody's habits held.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from jurybox.agreement import Weighting, cohen_kappa
from jurybox.annotations import Annotations
from jurybox.arrays import Floats, Ints, Rng, freeze, generator, total_by
from jurybox.consensus import EstimatedConsensus, draw_consensus, estimate_consensus
from jurybox.consensus.estimate import check_experts
from jurybox.trust.copying import shared_and_agreed
from jurybox.trust.intervals import Interval, from_draws, in_log_odds, share_of_singles, wilson
from jurybox.trust.observed import Observed

__all__ = [
    "AnnotatorAssessment",
    "Drift",
    "Effect",
    "MixUp",
    "PairAgreements",
    "Speed",
    "Trend",
    "assess_annotators",
    "median_per_annotator",
    "pairwise_agreement",
]

Trend: TypeAlias = Literal["better", "worse", "steady"]

_MIXED_UP = 0.1  # share of a class's texts called another class that is worth a talk
_LEAST_FOR_DRIFT = 20
_LEVEL = 0.95
_CROWDS = 32
_EXPECTED = 6.0  # labels of each class that an annotator's discrimination and bias count as
# standard deviation of a quality's log odds by which the model is off, and where all texts have one label
_OFF, _OFF_SINGLE = 0.3, 0.8
_SHARES = 12  # draws of the shares of right labels, for each crowd


@dataclass(frozen=True)
class MixUp:
    """A class that an annotator takes for another: positions of both, and how often."""

    right: int
    said: int
    share: Interval


@dataclass(frozen=True)
class Drift:
    """How right the later half of an annotator's labels is compared with the earlier half.

    Attributes
    ----------
    before, after
        Share of right labels in either half.
    change
        Their difference.
    verdict
        ``"better"`` or ``"worse"`` where the interval of the change leaves 0 out, else ``"steady"``.
    """

    before: Interval
    after: Interval
    change: Interval
    verdict: Trend


@dataclass(frozen=True)
class Effect:
    """What the consensus would lose or gain without an annotator's labels.

    Attributes
    ----------
    changed
        Texts that others labelled too and whose consensus would be another class.
    lost
        Texts that nobody else labelled.
    quality
        Mean change, over the annotator's texts that others labelled too, of the probability that the
        consensus is right; 0 where there are none.
    """

    changed: int
    lost: int
    quality: float


@dataclass(frozen=True)
class Speed:
    """Median seconds per text, and how many times the median of the other annotators' medians that is."""

    median: float
    ratio: float | None


@dataclass(frozen=True, eq=False)
class AnnotatorAssessment:
    """What is known about one annotator.

    Attributes
    ----------
    annotator
        Identifier.
    n_annotations
        Labels given.
    quality
        Probability of a right label, the classes having the labelled texts' shares.
    confusion : ndarray, shape (K, K), optional
        ``confusion[k, l]``: probability of the answer l to a text of class k, posterior mean; None with more
        than 12 classes.
    agreement_with_consensus
        Share of the labels that equal the consensus of everybody else (and the classifier), on texts that
        others labelled too; Wilson's interval (1927). None where there is no such text.
    mix_ups
        Classes taken for others surely more often than once in ten, the worst first.
    drift
        None without times, or with too few annotations.
    effect
        What leaving the annotator out changes.
    seconds
        None without measured seconds.
    """

    annotator: Any
    n_annotations: int
    quality: Interval
    confusion: Floats | None
    agreement_with_consensus: Interval | None
    mix_ups: tuple[MixUp, ...]
    drift: Drift | None
    effect: Effect
    seconds: Speed | None

    def __post_init__(self) -> None:
        if self.confusion is not None:
            freeze(self.confusion)


@dataclass(frozen=True, eq=False)
class PairAgreements:
    """How often every two of M annotators agree on the texts that both labelled.

    Attributes
    ----------
    shared : ndarray of int, shape (M, M)
        Texts that both labelled; on the diagonal, an annotator's own number of labels.
    agreement : ndarray, shape (M, M)
        Share of them given the same class; NaN where there is none.
    kappa : ndarray, shape (M, M)
        Cohen's kappa, on a scale with quadratic weights; NaN where undefined.
    """

    shared: Ints
    agreement: Floats
    kappa: Floats

    def __post_init__(self) -> None:
        for array in (self.shared, self.agreement, self.kappa):
            freeze(array)


def assess_annotators(observed: Observed, *, rng: Rng) -> tuple[AnnotatorAssessment, ...]:
    """Assess every annotator.

    Parameters
    ----------
    observed
        The annotations, and what else is known.
    rng
        Source of all randomness.

    Returns
    -------
    tuple of M AnnotatorAssessment
        In the order of ``annotations.annotators``.

    Raises
    ------
    InputError
        As `draw_posterior`, and if ``times`` or ``seconds`` is not of shape (L,).

    Examples
    --------
    >>> annotations = Annotations.from_wide([[0, 0, 1], [1, 1, 1], [0, 0, 0], [1, 1, 0]] * 10)
    >>> found = assess_annotators(Observed(annotations), rng=np.random.default_rng(0))
    >>> [each.n_annotations for each in found], found[0].quality.estimate > found[2].quality.estimate
    ([40, 40, 40], True)
    """
    rng = generator(rng)
    when, took = observed.measured()
    annotations = observed.annotations
    crowds = _drawn(observed, when, rng)
    consensus = estimate_consensus(annotations, observed.pred_probs, experts=observed.experts, check=False)
    agreements, effects = _beside_others(annotations, consensus)
    drifts = _drifts(crowds, annotations.n_annotators, rng)
    speeds = _speeds(annotations, took)
    mixed_up = _mix_ups(crowds.confusion, annotations.n_annotators)
    mean = None if crowds.confusion is None else crowds.confusion.mean(axis=0)
    off = float(np.hypot(_OFF, _OFF_SINGLE * share_of_singles(annotations)))
    return tuple(
        AnnotatorAssessment(
            annotator=annotations.annotators[j],
            n_annotations=int(annotations.labels_per_annotator[j]),
            quality=in_log_odds(crowds.skill[:, j], off=off),
            confusion=None if mean is None else mean[j].copy(),
            agreement_with_consensus=agreements[j],
            mix_ups=mixed_up[j],
            drift=drifts[j],
            effect=effects[j],
            seconds=speeds[j],
        )
        for j in range(annotations.n_annotators)
    )


@dataclass(frozen=True, eq=False)
class _Crowds:
    """S draws of M annotators: skill (S, M), confusion (S, M, K, K) or None, hits by half of their work."""

    skill: Floats
    confusion: Floats | None
    hits: Floats | None  # (S, M, 2)
    size: Ints | None  # (M, 2)


def _drawn(observed: Observed, times: Floats | None, rng: np.random.Generator) -> _Crowds:
    """Draw crowds, and keep what is asked of them."""
    annotations, M = observed.annotations, observed.annotations.n_annotators
    mask = check_experts(observed.experts, M)
    halves = None if times is None else _halves(annotations, times)
    skill, confusion, hits = [], [], []
    drawn = observed.crowds or draw_consensus(
        annotations, observed.pred_probs, experts=mask, n_draws=_CROWDS, rng=rng
    )
    for types in drawn:
        skill.append(types.skill(mask))
        of_class, difficulty = types.draw(rng)
        most = types.draw_majority(of_class, difficulty, rng)
        confused = types.confusion(mask)
        if confused is not None:
            confusion.append(_draw_confusion(annotations, types.evidence.texts, most, confused, rng))
        if halves is not None:
            rows, later, _ = halves
            place = np.searchsorted(types.evidence.texts, annotations.text[rows])
            right = most[place] == annotations.label[rows]
            hits.append(total_by(annotations.annotator[rows] * 2 + later, right, 2 * M).reshape(M, 2))
    size = None
    if halves is not None:
        size = np.bincount(annotations.annotator[halves[0]] * 2 + halves[1], minlength=2 * M).reshape(M, 2)
    return _Crowds(
        np.stack(skill), np.stack(confusion) if confusion else None, np.stack(hits) if hits else None, size
    )


def pairwise_agreement(annotations: Annotations) -> PairAgreements:
    """Compare every two annotators on the texts that both labelled.

    Examples
    --------
    >>> pairs = pairwise_agreement(Annotations.from_wide([[0, 0], [0, 1], [1, 1], [1, 1], [0, None]]))
    >>> int(pairs.shared[0, 1]), float(pairs.agreement[0, 1]), float(pairs.kappa[0, 1])
    (4, 0.75, 0.5)
    """
    shared, agreed = shared_and_agreed(annotations)
    agreement = np.full(shared.shape, np.nan)
    np.divide(agreed, shared, out=agreement, where=shared > 0)
    weights: Weighting = "none" if annotations.scale is None else "quadratic"
    return PairAgreements(shared, agreement, np.array(cohen_kappa(annotations, weights=weights).kappa))


def _beside_others(
    annotations: Annotations, consensus: EstimatedConsensus
) -> tuple[list[Interval | None], list[Effect]]:
    """Compare each annotator with what the consensus would be without the annotator's label."""
    M, text = annotations.n_annotators, annotations.text
    label, quality = consensus.types.without(annotations)
    others = annotations.n_labels[text] > 1
    by_annotator = annotations.annotator
    compared = np.bincount(by_annotator[others], minlength=M)
    agrees = np.bincount(by_annotator[others & (label == annotations.label)], minlength=M)
    changed = np.bincount(by_annotator[others & (label != consensus.labels[text])], minlength=M)
    gain = np.bincount(
        by_annotator[others], weights=(quality - consensus.quality[text])[others], minlength=M
    ) / np.maximum(compared, 1)
    lost = annotations.labels_per_annotator - compared
    return (
        [wilson(int(a), int(n)) if n else None for a, n in zip(agrees, compared, strict=True)],
        [Effect(int(c), int(m), float(g)) for c, m, g in zip(changed, lost, gain, strict=True)],
    )


def _draw_confusion(
    annotations: Annotations, texts: Ints, classes: Ints, expected: Floats, rng: np.random.Generator
) -> Floats:
    """Draw everybody's confusion (M, K, K) given the classes of the labelled texts.

    What is expected of discrimination and bias counts as a few labels of each class.
    """
    M, K = expected.shape[:2]
    of_class = classes[np.searchsorted(texts, annotations.text)]
    cell = (annotations.annotator.astype(np.int64) * K + of_class) * K + annotations.label
    counts = np.bincount(cell, minlength=M * K * K).reshape(M, K, K)
    weight = np.maximum(rng.standard_gamma(counts + _EXPECTED * expected), 1e-300)
    return np.asarray(weight / weight.sum(axis=2, keepdims=True))


def _mix_ups(confusion: Floats | None, M: int) -> list[tuple[MixUp, ...]]:
    """Return the classes that each annotator takes for others, given draws (S, M, K, K).

    One is named if the K (K - 1) pairs of classes together leave room for one false name in 40 annotators.
    """
    if confusion is None:
        return [()] * M
    low, high = np.quantile(confusion, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2], axis=0)
    mean = confusion.mean(axis=0)
    n_pairs = max(mean.shape[1] * (mean.shape[1] - 1), 1)
    surely = np.quantile(confusion, (1 - _LEVEL) / 2 / n_pairs, axis=0)
    sure = (surely > _MIXED_UP) & ~np.eye(mean.shape[1], dtype=bool)
    found: list[list[MixUp]] = [[] for _ in mean]
    positions = np.argwhere(sure)
    for j, k, y in positions[np.argsort(-mean[sure], kind="stable")].tolist():
        share = Interval(float(mean[j, k, y]), float(low[j, k, y]), float(high[j, k, y]), _LEVEL)
        found[j].append(MixUp(k, y, share))
    return [tuple(each) for each in found]


def _drifts(crowds: _Crowds, M: int, rng: np.random.Generator) -> list[Drift | None]:
    """Compare the halves of each annotator's labels of known time."""
    if crowds.hits is None or crowds.size is None:
        return [None] * M
    hits, size = np.repeat(crowds.hits, _SHARES, axis=0), crowds.size
    share = rng.beta(hits + 0.5, size - hits + 0.5)
    return [_drift(share[:, j]) if size[j].sum() >= _LEAST_FOR_DRIFT else None for j in range(M)]


def _halves(annotations: Annotations, times: Floats) -> tuple[Ints, NDArray[np.int64], Ints]:
    """Return the annotations of known time, who of them is of a later half, and counts (M,)."""
    known = np.flatnonzero(np.isfinite(times))
    rows = known[np.lexsort((times[known], annotations.annotator[known]))]
    n = np.bincount(annotations.annotator[rows], minlength=annotations.n_annotators)
    first = np.cumsum(n) - n
    place = np.arange(len(rows)) - first[annotations.annotator[rows]]
    return rows, (place >= n[annotations.annotator[rows]] / 2).astype(np.int64), n


def _drift(share: Floats) -> Drift:
    """Describe draws (S, 2) of the share of right labels in both halves."""
    change = from_draws(share[:, 1] - share[:, 0])
    verdict: Trend = "better" if change.low > 0 else "worse" if change.high < 0 else "steady"
    return Drift(from_draws(share[:, 0]), from_draws(share[:, 1]), change, verdict)


def _speeds(annotations: Annotations, seconds: Floats | None) -> list[Speed | None]:
    median = median_per_annotator(annotations, seconds)
    known = np.isfinite(median)
    found: list[Speed | None] = []
    for j, own in enumerate(median.tolist()):
        others = median[known & (np.arange(len(median)) != j)]
        usual = float(np.median(others)) if len(others) else 0.0
        found.append(Speed(own, own / usual if usual > 0 else None) if known[j] else None)
    return found


def median_per_annotator(annotations: Annotations, values: Floats | None) -> Floats:
    """Return the median of each annotator's finite values, shape (M,); NaN without any."""
    median = np.full(annotations.n_annotators, np.nan)
    if values is None:
        return median
    rows = np.flatnonzero(np.isfinite(values))
    rows = rows[np.lexsort((values[rows], annotations.annotator[rows]))]
    n = np.bincount(annotations.annotator[rows], minlength=len(median))
    first, some = np.cumsum(n) - n, n > 0
    ordered = values[rows]
    lower, upper = first[some] + (n[some] - 1) // 2, first[some] + n[some] // 2
    median[some] = (ordered[lower] + ordered[upper]) / 2
    return median
