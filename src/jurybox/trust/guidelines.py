"""Problems of guidelines: classes that good annotators tell apart differently, and systematically so."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array

from jurybox.annotations import Annotations
from jurybox.arrays import Bools, Floats, Ints, Rng, generator, total_by
from jurybox.consensus import EstimatedConsensus, estimate_consensus
from jurybox.trust.intervals import Interval, from_draws

__all__ = ["GuidelineProblem", "above_chance", "guideline_problems"]

_TINY = 1e-9
_RELIABLE = 0.25  # quality above chance, as a share of what is possible
_LEAST_LABELS = 10  # of an annotator, to count as reliable
_LEAST_SPLIT = 8  # texts on which reliable annotators differ about a pair of classes
_REPLICATES = 200
_UNUSUAL = 4.0  # standard deviations
_MANIFOLD = 1.5  # times what general errors explain
_LEANING = 3.84  # chi-squared with one degree of freedom, 95 %


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


def guideline_problems(
    annotations: Annotations,
    pred_probs: ArrayLike | None = None,
    *,
    experts: ArrayLike | None = None,
    rng: Rng,
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
        As in `jurybox.trust.labels.label_errors`.
    rng
        Draws the annotations, and the texts for the interval.

    Returns
    -------
    tuple of GuidelineProblem
        The most frequent first.

    Raises
    ------
    InputError
        If ``pred_probs`` is not of shape (N, K), or ``experts`` not of shape (M,).
    """
    rng = generator(rng)
    consensus = estimate_consensus(annotations, pred_probs, experts=experts, check=False)
    reliable = _reliable(annotations, consensus)
    kept = annotations.subset(annotators=reliable)
    if kept.n_annotators < 2 or not (kept.n_labels > 1).any():
        return ()
    origin = np.flatnonzero(kept.n_labels > 1)
    kept, posterior = kept.subset(texts=origin), consensus.posterior[origin]
    seen, lean = _disagreement(kept, kept.label.astype(np.int64))
    draws = [_disagreement(kept, label) for label in _general_errors(kept, posterior, rng)]
    unusual = _beyond(lean, np.array([draw[1] for draw in draws]))
    if annotations.n_classes > 2:
        unusual |= _beyond(_relative(seen), np.array([_relative(draw[0]) for draw in draws]))
    found = [
        _problem(kept, first, second, origin, reliable, rng)
        for first, second in combinations(range(annotations.n_classes), 2)
        if unusual[first, second] and _split(kept, first, second).sum() >= _LEAST_SPLIT
    ]
    return tuple(sorted(found, key=lambda problem: -problem.share.estimate))


def above_chance(consensus: EstimatedConsensus, K: int) -> Floats:
    """Return each annotator's quality above chance as a share of what is possible, shape (M,)."""
    quality = np.nan_to_num(consensus.annotators.quality, nan=1 / K)
    return np.asarray((quality - 1 / K) / max(1 - 1 / K, _TINY))


def _reliable(annotations: Annotations, consensus: EstimatedConsensus) -> Ints:
    good = above_chance(consensus, annotations.n_classes) >= _RELIABLE
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
