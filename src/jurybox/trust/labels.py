"""Which labels are wrong: of texts and single annotations, by nature or by guidelines that leave a gap.

The probability that a label is wrong comes from two posteriors that fail in different ways, averaged in log
odds: our consensus, in which the classifier counts for more (it is calibrated to the labels of imperfect
annotators, and so less sure than it should be of the truth), and CROWDLAB (Goh, Tkachenko & Mueller 2022,
arXiv 2210.06812), which averages instead of multiplying and is not led astray by annotators who err alike.
``benchmarks/label_errors.py`` measures it beside other rankings.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array
from scipy.special import logsumexp, softmax

from jurybox.annotations import Annotations
from jurybox.arrays import Bools, Floats, Ints, check_probabilities, freeze, total_by
from jurybox.consensus import EstimatedConsensus, crowdlab, estimate_consensus
from jurybox.consensus.estimate import check_experts
from jurybox.consensus.result import UNKNOWN
from jurybox.errors import InputError
from jurybox.trust.intervals import Interval, from_draws

__all__ = [
    "Contested",
    "GuidelineProblem",
    "Kind",
    "LabelErrors",
    "contested_texts",
    "guideline_problems",
    "label_errors",
]

Kind: TypeAlias = Literal["mislabelled", "ambiguous"]

_TRUST = 1.75
_TINY = 1e-9
_SPLITS = np.array([0.3, 0.4, 0.5, 0.6, 0.7])  # share of readers who see the first class of a split text
_SPLIT_WEIGHTS = np.array([0.15, 0.2, 0.3, 0.2, 0.15])
_AMBIGUOUS = 0.12  # share of texts that are taken to be ambiguous, unless their annotations say otherwise
_RELIABLE = 0.35  # quality above chance, as a share of what is possible
_LEAST_LABELS = 10  # of an annotator, to count as reliable
_LEAST_SPLIT = 8  # texts on which reliable annotators differ about a pair of classes
_REPLICATES = 200
_UNUSUAL = 4.0  # standard deviations
_MANIFOLD = 1.5  # times what general errors explain
_LEANING = 3.84  # chi-squared with one degree of freedom, 95 %


@dataclass(frozen=True, eq=False)
class LabelErrors:
    """How likely every label is wrong.

    Attributes
    ----------
    labels : ndarray of int, shape (N,)
        Class of each text by `jurybox.consensus.estimate_consensus`; -1 without labels.
    texts : ndarray, shape (N,)
        Probability that this consensus is wrong; NaN without labels.
    annotations : ndarray, shape (L,)
        Probability that a single annotation's label is wrong, aligned with the rows of the annotations.
    posterior : ndarray, shape (N, K)
        Probability of each class, for judging another consensus than ours.
    """

    labels: Ints
    texts: Floats
    annotations: Floats
    posterior: Floats

    def __post_init__(self) -> None:
        for array in (self.labels, self.texts, self.annotations, self.posterior):
            freeze(array)


@dataclass(frozen=True)
class Contested:
    """A text whose consensus may be wrong.

    Attributes
    ----------
    text
        Position of the text.
    label
        Position of its consensus class.
    error
        Probability that the consensus is wrong.
    kind
        ``"ambiguous"``: reliable annotators stay split, as on a text that readers understand differently;
        ``"mislabelled"``: a slip, or an unreliable annotator, explains the annotations better.
    spread
        Share of the text's annotations, each counting by its annotator's quality above chance, that
        contradict the consensus.
    """

    text: int
    label: int
    error: float
    kind: Kind
    spread: float


@dataclass(frozen=True)
class GuidelineProblem:
    """Two classes that reliable annotators tell apart differently.

    Attributes
    ----------
    first, second
        Positions of the classes.
    share
        Of the texts that two or more reliable annotators labelled and one of them gave either class, the
        share on which some chose the one and some the other.
    n_texts
        How many these texts are.
    leaning
        Positions of the annotators who, where they differ from a colleague about the two, choose the first
        class, and of those who choose the second; the most decided first. Empty where the classes are mixed
        up by all alike.
    examples
        Positions of texts on which they differ, those on which most of both sides are true to theirs first.
    """

    first: int
    second: int
    share: Interval
    n_texts: int
    leaning: tuple[tuple[int, ...], tuple[int, ...]]
    examples: tuple[int, ...]


def label_errors(
    annotations: Annotations, pred_probs: ArrayLike | None = None, *, experts: ArrayLike | None = None
) -> LabelErrors:
    """Return how likely each text's consensus and each single annotation is wrong.

    Parameters
    ----------
    annotations
        Annotations of N texts in K classes.
    pred_probs : array-like, shape (N, K), optional
        A classifier's out-of-sample probabilities.
    experts : array-like of bool, shape (M,), optional
        Annotators who are reviewers, as in `jurybox.consensus.estimate_consensus`; a text that one of them
        has labelled is judged by our consensus alone, because CROWDLAB knows no experts.

    Raises
    ------
    InputError
        If ``pred_probs`` is not of shape (N, K), or ``experts`` not of shape (M,).

    Examples
    --------
    >>> annotations = Annotations.from_wide([[0, 0, 1], [1, 1, 1], [0, 0, 0], [1, 1, 1]] * 5)
    >>> errors = label_errors(annotations)
    >>> int(errors.texts[:4].argmax()), int(errors.annotations[:12].argmax())
    (0, 2)
    """
    consensus = _consensus(annotations, pred_probs, experts)
    return _label_errors(annotations, pred_probs, experts, consensus)


def contested_texts(
    annotations: Annotations,
    pred_probs: ArrayLike | None = None,
    *,
    experts: ArrayLike | None = None,
    limit: int = 50,
) -> tuple[Contested, ...]:
    """Return the texts whose consensus is most likely wrong, and whether they are ambiguous by nature.

    A clear text has one class, and annotators err about it as their confusions pi say. Of an ambiguous text a
    share s of readers sees one class and the others another, whatever their care. With a the consensus and b
    the strongest other class, a text is called ambiguous where the second is larger, each times the share of
    such texts:

        clear, consensus wrong:  sum over k other than a of prior_ik prod_j pi_j[k, y_ij]
        ambiguous:               sum_s w_s prod_j (s pi_j[a, y_ij] + (1 - s) pi_j[b, y_ij])

    An annotator who answers alike whatever the class contributes nothing to the comparison.

    Parameters
    ----------
    annotations, pred_probs, experts
        As in `label_errors`.
    limit
        Return so many texts at most.

    Raises
    ------
    InputError
        As `label_errors`; and if ``limit`` is negative.

    Examples
    --------
    >>> clear = [[0, 0, 0, 0], [1, 1, 1, 1]] * 10
    >>> annotations = Annotations.from_wide([[0, 0, 1, 1], [1, 0, 1, 0], [0, 1, 1, 0], *clear])
    >>> sorted((found.text, found.kind) for found in contested_texts(annotations, limit=3))
    [(0, 'ambiguous'), (1, 'ambiguous'), (2, 'ambiguous')]
    """
    if limit < 0:
        raise InputError(f"limit is {limit}, expected at least 0")
    consensus = _consensus(annotations, pred_probs, experts)
    errors = _label_errors(annotations, pred_probs, experts, consensus)
    texts = np.flatnonzero(annotations.labelled)
    texts = texts[np.argsort(-errors.texts[texts], kind="stable")[:limit]]
    split = _ambiguous(annotations, pred_probs, consensus, errors)
    spread = _spread(annotations, consensus, errors.labels)
    return tuple(
        Contested(
            text=int(text),
            label=int(errors.labels[text]),
            error=float(errors.texts[text]),
            kind="ambiguous" if split[text] else "mislabelled",
            spread=float(spread[text]),
        )
        for text in texts
    )


def guideline_problems(
    annotations: Annotations,
    pred_probs: ArrayLike | None = None,
    *,
    experts: ArrayLike | None = None,
    rng: np.random.Generator,
) -> tuple[GuidelineProblem, ...]:
    """Return the pairs of classes about which reliable annotators differ more than their errors explain.

    Annotations are drawn anew 200 times from general errors alone: each annotator's error rate, in
    proportion to how hard a class is for everybody, wrong answers spread by the classes' shares. A pair is a
    problem where either statistic is far beyond these draws: colleagues who chose the two classes for the
    same text (relative to all disagreement, with more than two classes), or how one-sidedly, by annotator:
    ``sum_j (n_jkl - n_jlk)^2 / (n_jkl + n_jlk)`` with n_jkl how often j said k and a colleague l.

    Parameters
    ----------
    annotations, pred_probs, experts
        As in `label_errors`.
    rng
        Draws the annotations, and the texts for the interval.

    Returns
    -------
    tuple of GuidelineProblem
        The most frequent first.

    Raises
    ------
    InputError
        As `label_errors`.
    """
    consensus = _consensus(annotations, pred_probs, experts)
    reliable = _reliable(annotations, consensus)
    kept = annotations.subset(annotators=reliable)
    if kept.n_annotators < 2 or not (kept.n_labels > 1).any():
        return ()
    kept = kept.subset(texts=kept.n_labels > 1)
    posterior = consensus.posterior[np.isin(annotations.texts, kept.texts)]
    seen, lean = _disagreement(kept, kept.label.astype(np.int64))
    draws = [_disagreement(kept, label) for label in _general_errors(kept, posterior, rng)]
    unusual = _beyond(lean.copy(), np.array([draw[1] for draw in draws]))
    if annotations.n_classes > 2:
        unusual |= _beyond(_relative(seen), np.array([_relative(draw[0]) for draw in draws]))
    origin = np.flatnonzero(np.isin(annotations.texts, kept.texts))
    found = [
        _problem(kept, first, second, origin, reliable, rng)
        for first, second in combinations(range(annotations.n_classes), 2)
        if unusual[first, second] and _split(kept, first, second).sum() >= _LEAST_SPLIT
    ]
    return tuple(sorted(found, key=lambda problem: -problem.share.estimate))


def _consensus(
    annotations: Annotations, pred_probs: ArrayLike | None, experts: ArrayLike | None
) -> EstimatedConsensus:
    return estimate_consensus(annotations, pred_probs, trust=_TRUST, experts=experts)


def _label_errors(
    annotations: Annotations,
    pred_probs: ArrayLike | None,
    experts: ArrayLike | None,
    consensus: EstimatedConsensus,
) -> LabelErrors:
    posterior = np.array(consensus.posterior)
    if pred_probs is not None and annotations.n_annotations and annotations.n_classes > 1:
        reviewers = check_experts(experts, annotations.n_annotators)
        reviewed = np.bincount(annotations.text, reviewers[annotations.annotator], annotations.n_texts) > 0
        p = check_probabilities(pred_probs, annotations.counts.shape)
        other = crowdlab(annotations, p, calibrate=True).posterior
        mixed = softmax((np.log(posterior + _TINY) + np.log(other + _TINY)) / 2, axis=1)
        posterior = np.where(reviewed[:, None], posterior, mixed)
    default = estimate_consensus(annotations, pred_probs, experts=experts)
    labels = np.where(annotations.labelled, default.labels, UNKNOWN)
    wrong = 1 - posterior
    of_consensus = wrong[np.arange(len(labels)), np.maximum(labels, 0)]
    return LabelErrors(
        labels=labels,
        texts=np.where(annotations.labelled, of_consensus, np.nan),
        annotations=wrong[annotations.text, annotations.label],
        posterior=posterior,
    )


def _ambiguous(
    annotations: Annotations,
    pred_probs: ArrayLike | None,
    consensus: EstimatedConsensus,
    errors: LabelErrors,
) -> Bools:
    """Say which texts are rather ambiguous than clear with a wrong consensus, shape (N,)."""
    confusion = consensus.annotators.confusion
    assert confusion is not None  # noqa: S101
    N, K = annotations.counts.shape
    if K < 2 or not annotations.labelled.any():
        return np.zeros(N, dtype=bool)
    given = confusion.transpose(0, 2, 1)[annotations.annotator, annotations.label]  # (L, K): of each class
    if pred_probs is None:
        shares = consensus.posterior[annotations.labelled].mean(axis=0) + _TINY
        prior = np.broadcast_to(shares / shares.sum(), (N, K))
    else:
        prior = check_probabilities(pred_probs, (N, K))
    first = np.maximum(errors.labels, 0)
    log_clear = _by_text(annotations, np.log(given)) + np.log(prior + _TINY)
    log_clear[np.arange(N), first] = -np.inf
    log_wrong = logsumexp(log_clear, axis=1)
    strength = annotations.counts + errors.posterior
    strength[np.arange(N), first] = -1
    second = strength.argmax(axis=1)
    rows = np.arange(len(given))
    a, b = given[rows, first[annotations.text]], given[rows, second[annotations.text]]
    seen = _by_text(annotations, np.log(_SPLITS * a[:, None] + (1 - _SPLITS) * b[:, None]))
    log_split = logsumexp(seen + np.log(_SPLIT_WEIGHTS), axis=1)
    return np.asarray(log_split + np.log(_AMBIGUOUS) > log_wrong + np.log(1 - _AMBIGUOUS))


def _by_text(annotations: Annotations, values: Floats) -> Floats:
    """Sum values (L, C) of annotations by text, shape (N, C)."""
    shape = annotations.n_texts, annotations.n_annotations
    rows = np.arange(annotations.n_annotations)
    return np.asarray(csr_array((np.ones(len(rows)), (annotations.text, rows)), shape=shape) @ values)


def _spread(annotations: Annotations, consensus: EstimatedConsensus, labels: Ints) -> Floats:
    """Return the share of each text's trustworthy annotations against its label, shape (N,)."""
    weight = np.maximum(_above_chance(consensus, annotations.n_classes), _TINY)[annotations.annotator]
    against = weight * (annotations.label != labels[annotations.text])
    total = total_by(annotations.text, weight, annotations.n_texts)
    return total_by(annotations.text, against, annotations.n_texts) / np.maximum(total, _TINY)


def _above_chance(consensus: EstimatedConsensus, K: int) -> Floats:
    """Return each annotator's quality above chance as a share of what is possible, shape (M,)."""
    quality = np.nan_to_num(consensus.annotators.quality, nan=1 / K)
    return np.asarray((quality - 1 / K) / max(1 - 1 / K, _TINY))


def _reliable(annotations: Annotations, consensus: EstimatedConsensus) -> Ints:
    good = _above_chance(consensus, annotations.n_classes) >= _RELIABLE
    return np.flatnonzero(good & (annotations.labels_per_annotator >= _LEAST_LABELS))


def _disagreement(annotations: Annotations, label: Ints) -> tuple[Floats, Floats]:
    """Return pairs of colleagues by what they said (K, K), and how one-sided by annotator (K, K)."""
    M, N, K = annotations.n_annotators, annotations.n_texts, annotations.n_classes
    cell = annotations.annotator.astype(np.int64) * K + label
    said = csr_array((np.ones(len(cell)), (cell, annotations.text)), shape=(M * K, N))
    cells = annotations.text.astype(np.int64) * K + label
    against = np.asarray(said @ np.bincount(cells, minlength=N * K).reshape(N, K)).reshape(M, K, K)
    both = against + against.transpose(0, 2, 1)
    lean = (against - against.transpose(0, 2, 1)) ** 2 / np.maximum(both, 1)
    pairs = against.sum(axis=0)
    np.fill_diagonal(pairs, 0)
    return pairs, lean.sum(axis=0)


def _general_errors(annotations: Annotations, posterior: Floats, rng: np.random.Generator) -> list[Ints]:
    """Draw the labels (L,) anew from truths (N, K) and errors that know nothing of pairs of classes."""
    K = annotations.n_classes
    wrong = 1 - posterior[annotations.text, annotations.label]
    rate = (total_by(annotations.annotator, wrong, annotations.n_annotators) + wrong.mean()) / (
        annotations.labels_per_annotator + 1
    )
    of_class = posterior[annotations.text]
    missed = of_class.sum(axis=0) - total_by(
        annotations.label, of_class[np.arange(len(wrong)), annotations.label], K
    )
    hardness = (missed + wrong.mean()) / (of_class.sum(axis=0) + 1) / max(float(wrong.mean()), _TINY)
    shares = np.bincount(annotations.label, minlength=K) + 1.0
    spread = np.tile(shares, (K, 1))
    np.fill_diagonal(spread, 0)
    spread = (spread / spread.sum(axis=1, keepdims=True)).cumsum(axis=1)
    bounds = posterior.cumsum(axis=1)
    drawn = []
    for _ in range(_REPLICATES):
        truth = (rng.random(len(bounds))[:, None] > bounds[:, :-1]).sum(axis=1)[annotations.text]
        slip = rng.random(len(truth)) < np.minimum(rate[annotations.annotator] * hardness[truth], 1)
        instead = (rng.random(len(truth))[:, None] > spread[truth][:, :-1]).sum(axis=1)
        drawn.append(np.where(slip, instead, truth))
    return drawn


def _relative(pairs: Floats) -> Floats:
    return np.asarray(pairs / max(float(pairs.sum()), 1.0))


def _beyond(seen: Floats, draws: Floats) -> Bools:
    """Say where a statistic (K, K) is far beyond its draws (B, K, K)."""
    mean, deviation = draws.mean(axis=0), draws.std(axis=0)
    return np.asarray((seen > mean + _UNUSUAL * deviation) & (seen > _MANIFOLD * mean))


def _split(annotations: Annotations, first: int, second: int) -> Bools:
    return np.asarray((annotations.counts[:, first] > 0) & (annotations.counts[:, second] > 0))


def _problem(
    annotations: Annotations,
    first: int,
    second: int,
    origin: Ints,
    reliable: Ints,
    rng: np.random.Generator,
) -> GuidelineProblem:
    """Describe a pair of classes; `origin` and `reliable` are the texts' and annotators' first positions."""
    counts = annotations.counts
    split = _split(annotations, first, second)
    concerned = split[(counts[:, first] > 0) | (counts[:, second] > 0)]
    share = rng.binomial(len(concerned), concerned.mean(), size=1000) / len(concerned)
    leaning = _leaning(annotations, first, second, reliable)
    texts = np.flatnonzero(split)
    telling = _telling(annotations, (first, second), [np.isin(reliable, side) for side in leaning])[texts]
    both = np.minimum(counts[texts, first], counts[texts, second])
    return GuidelineProblem(
        first=first,
        second=second,
        share=from_draws(share),
        n_texts=len(concerned),
        leaning=leaning,
        examples=tuple(origin[texts[np.lexsort((-both, -telling))]].tolist()),
    )


def _telling(annotations: Annotations, pair: tuple[int, int], sides: list[Bools]) -> Floats:
    """Count annotators who chose their side's class, on the side where these are fewer, shape (N,)."""
    followed = [
        total_by(
            annotations.text, side[annotations.annotator] & (annotations.label == k), annotations.n_texts
        )
        for k, side in zip(pair, sides, strict=True)
    ]
    return np.asarray(np.minimum(*followed))


def _leaning(
    annotations: Annotations, first: int, second: int, reliable: Ints
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return who decidedly leans to the first class, and who to the second."""
    other = np.where(annotations.label == first, second, first)
    concerned = (annotations.label == first) | (annotations.label == second)
    against = annotations.counts[annotations.text, other] * concerned
    M = annotations.n_annotators
    one = total_by(annotations.annotator, against * (annotations.label == first), M)
    two = total_by(annotations.annotator, against * (annotations.label == second), M)
    lean = (one - two) * np.abs(one - two) / np.maximum(one + two, 1)
    order = np.argsort(-np.abs(lean), kind="stable")
    return (
        tuple(reliable[order[lean[order] > _LEANING]].tolist()),
        tuple(reliable[order[lean[order] < -_LEANING]].tolist()),
    )
