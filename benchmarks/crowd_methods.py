"""Consensus methods in one form: what each believes of texts and of the answers that it has not seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from frozen_em import frozen_em
from jurybox import Annotations, crowdlab, dawid_skene, estimate_consensus, majority_vote

__all__ = ["METHODS", "ON_SCALES", "PEERS", "RATINGS", "Belief", "Method"]

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class Belief:
    """Of N texts in K classes by M annotators: C states of a text, and how everybody answers each.

    Attributes
    ----------
    labels : ndarray of int, shape (N,)
        The consensus.
    quality : ndarray, shape (N,)
        What it states of each label.
    states : ndarray, shape (N, C)
        Probability of each state of each text.
    answers : ndarray, shape (M, C, K)
        How each annotator answers.
    position : ndarray, shape (N,), optional
        Where each text is on a scale; default: at the number of its label.
    """

    labels: Ints
    quality: Floats
    states: Floats
    answers: Floats
    position: Floats | None = None


Method: TypeAlias = Callable[[Annotations, Floats | None], Belief]


def jurybox(annotations: Annotations, p: Floats | None) -> Belief:
    """Ours: `jurybox.estimate_consensus`."""
    found = estimate_consensus(annotations, p)
    states, answers = found.types.by_text(), found.types.answers_of(np.arange(annotations.n_annotators))
    M, K = annotations.n_annotators, annotations.n_classes
    position = None if found.position is None else found.position.mean
    states = states.reshape(len(states), -1)
    return Belief(found.labels, found.quality, states, answers.reshape(M, -1, K), position)


def without_order(annotations: Annotations, p: Floats | None) -> Belief:
    """Ours, were the classes of a scale without order; the position is the mean that people would answer."""
    found = jurybox(replace(annotations, scale=None), p)
    crowd = found.answers.mean(axis=0)
    return replace(found, position=found.states @ crowd @ np.array(annotations.scale))


def em(annotations: Annotations, p: Floats | None) -> Belief:
    """Our default before text types."""
    q, confusion = frozen_em(annotations, p)
    return Belief(q.argmax(axis=1), q.max(axis=1), q, confusion)


def majority(annotations: Annotations, p: Floats | None) -> Belief:
    """Majority vote, ties broken by the classifier."""
    found = majority_vote(annotations, p)
    return through_crowd(annotations, found.posterior, found.labels)


def label_shares(annotations: Annotations, p: Floats | None) -> Belief:
    """Take shares of labels, with one label's worth of the classifier or of all labels' shares."""
    K = annotations.n_classes
    overall = annotations.counts.sum(axis=0) + 1.0
    prior = np.tile(overall / overall.sum(), (annotations.n_texts, 1)) if p is None else p
    q = (annotations.counts + prior) / (annotations.n_labels + 1)[:, None]
    answers = np.tile(np.eye(K), (annotations.n_annotators, 1, 1))
    return Belief(q.argmax(axis=1), q.max(axis=1), q, answers)


def ours_dawid_skene(annotations: Annotations, _: Floats | None) -> Belief:
    """Dawid-Skene as in `jurybox.dawid_skene`."""
    found = dawid_skene(annotations)
    assert found.annotators.confusion is not None  # noqa: S101
    return Belief(found.labels, found.quality, found.posterior, found.annotators.confusion)


def ours_crowdlab(annotations: Annotations, p: Floats | None) -> Belief:
    """CROWDLAB, calibrated."""
    assert p is not None  # noqa: S101
    found = crowdlab(annotations, p, calibrate=True)
    return through_crowd(annotations, found.posterior, found.labels)


def of_crowdkit(name: str) -> Method:
    """Return a method of crowd-kit."""

    def method(annotations: Annotations, _: Floats | None) -> Belief:
        from crowdkit import aggregation

        makers: dict[str, Callable[[], Any]] = {
            "DawidSkene": lambda: aggregation.DawidSkene(n_iter=100),
            "GLAD": lambda: aggregation.GLAD(n_iter=20),
            "MACE": lambda: aggregation.MACE(n_restarts=3, n_iter=50, random_state=0),
        }
        rows = pd.DataFrame(
            {"task": annotations.text, "worker": annotations.annotator, "label": annotations.label}
        )
        found = makers[name]().fit_predict_proba(rows)
        q = found.reindex(index=range(annotations.n_texts), columns=range(annotations.n_classes)).fillna(0.0)
        return through_crowd(annotations, q.to_numpy(dtype=np.float64))

    return method


def through_crowd(annotations: Annotations, q: Floats, labels: Ints | None = None) -> Belief:
    """Believe that everybody answers as the crowd does on texts of each class, given posteriors (N, K)."""
    K = annotations.n_classes
    crowd = np.eye(K) + np.ones((K, K)) / K
    for label in range(K):
        crowd[:, label] += q[annotations.text[annotations.label == label]].sum(axis=0)
    crowd /= crowd.sum(axis=1, keepdims=True)
    best = q.argmax(axis=1) if labels is None else labels
    return Belief(best, q[np.arange(len(q)), best], q, np.tile(crowd, (annotations.n_annotators, 1, 1)))


# name: method, and whether it takes a classifier's probabilities
METHODS: dict[str, tuple[Method, bool]] = {
    "jurybox": (jurybox, False),
    "jurybox+head": (jurybox, True),
    "EM before": (em, False),
    "EM before+head": (em, True),
    "majority": (majority, False),
    "label shares": (label_shares, False),
    "label shares+head": (label_shares, True),
    "Dawid-Skene": (ours_dawid_skene, False),
    "CROWDLAB+head": (ours_crowdlab, True),
}
PEERS: dict[str, tuple[Method, bool]] = {
    f"{name} (crowd-kit)": (of_crowdkit(name), False) for name in ("DawidSkene", "GLAD", "MACE")
}
# the same, on scales only
ON_SCALES: dict[str, tuple[Method, bool]] = {
    "types without order": (without_order, False),
    "types without order+head": (without_order, True),
}


def median(annotations: Annotations) -> tuple[Floats, Floats]:
    """Return the median of each text's numbers, the lower of two for the label, and the mean of two."""
    numbers = np.array(annotations.scale)[annotations.label]
    parts = np.split(np.sort(numbers + 1e6 * annotations.text) % 1e6, np.cumsum(annotations.n_labels)[:-1])
    return np.array([part[(len(part) - 1) // 2] for part in parts]), np.array([np.median(p) for p in parts])


def plain_mean(annotations: Annotations) -> tuple[Floats, Floats]:
    """Return the mean of each text's numbers, to the nearest class for the label."""
    numbers = np.array(annotations.scale)[annotations.label]
    return _to_class(annotations, np.bincount(annotations.text, numbers) / annotations.n_labels)


def shrunk_bias(annotations: Annotations) -> tuple[Floats, Floats]:
    """Return means of numbers less each annotator's bias, which three labels of no bias are added to."""
    numbers = np.array(annotations.scale)[annotations.label]
    bias, M = np.zeros(annotations.n_annotators), annotations.n_annotators
    for _ in range(20):
        mean = np.bincount(annotations.text, numbers - bias[annotations.annotator]) / annotations.n_labels
        over = np.bincount(annotations.annotator, numbers - mean[annotations.text], minlength=M)
        bias = over / (annotations.labels_per_annotator + 3)
    return _to_class(annotations, mean)


def _to_class(annotations: Annotations, mean: Floats) -> tuple[Floats, Floats]:
    scale = np.array(annotations.scale)
    return scale[np.abs(mean[:, None] - scale).argmin(axis=1)], mean


# name: from annotations to the number of each text's label and its position
RATINGS: dict[str, Callable[[Annotations], tuple[Floats, Floats]]] = {
    "median": median,
    "mean": plain_mean,
    "mean, shrunk bias": shrunk_bias,
}
