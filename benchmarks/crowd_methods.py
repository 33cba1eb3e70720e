"""Consensus methods in one form: what each believes of texts and of the answers that it has not seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from frozen_em import frozen_em
from jurybox import Annotations, crowdlab, dawid_skene, estimate_consensus, majority_vote

__all__ = ["METHODS", "PEERS", "Belief", "Method"]

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
    """

    labels: Ints
    quality: Floats
    states: Floats
    answers: Floats


Method: TypeAlias = Callable[[Annotations, Floats | None], Belief]


def jurybox(annotations: Annotations, p: Floats | None) -> Belief:
    """Ours: `jurybox.estimate_consensus`."""
    found = estimate_consensus(annotations, p)
    states, answers = found.types.by_text(), found.types.answers_of(np.arange(annotations.n_annotators))
    M, K = annotations.n_annotators, annotations.n_classes
    return Belief(found.labels, found.quality, states.reshape(len(states), -1), answers.reshape(M, -1, K))


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
