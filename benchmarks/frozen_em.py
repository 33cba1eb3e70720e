"""The default consensus before text types, frozen for comparison: Dawid-Skene's EM, shrunk to the crowd.

A confusion for each annotator that counts 20 labels of the crowd's, a crowd that counts ten labels of a
symmetric confusion with .75 on its diagonal, and the classifier's probabilities as the texts' prior.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.special import softmax

from jurybox import Annotations

__all__ = ["frozen_em"]

Floats = NDArray[np.float64]
_CROWD_LABELS, _CROWD_ACCURACY, _STRENGTH = 10.0, 0.75, 20.0


def frozen_em(annotations: Annotations, p: Floats | None) -> tuple[Floats, Floats]:
    """Return the posterior (N, K) and every annotator's confusion (M, K, K)."""
    a, K, M = annotations, annotations.n_classes, annotations.n_annotators
    answer = a.annotator.astype(np.int64) * K + a.label
    given = csr_array((np.ones(len(a)), (answer, a.text)), shape=(M * K, a.n_texts))
    log_prior = None if p is None else np.log(np.maximum(p, 1e-4))
    prior = _shares(a.counts) if log_prior is None else softmax(log_prior, axis=1)
    q = (a.counts + prior) / (a.n_labels + 1)[:, None]
    symmetric = np.full((K, K), (1 - _CROWD_ACCURACY) / max(K - 1, 1))
    np.fill_diagonal(symmetric, _CROWD_ACCURACY)
    moved, confusion = np.inf, np.empty(0)
    for _ in range(200):
        answers = np.asarray(given @ q).reshape(M, K, K).transpose(0, 2, 1)
        crowd = answers.sum(axis=0) + _CROWD_LABELS * symmetric
        confusion = answers + _STRENGTH * crowd / crowd.sum(axis=1, keepdims=True)
        confusion /= confusion.sum(axis=2, keepdims=True)
        before, base = q, np.log(_shares(q[a.labelled])) if log_prior is None else log_prior
        q = softmax(base + given.T @ np.log(confusion).transpose(0, 2, 1).reshape(-1, K), axis=1)
        moved = float(np.abs(q - before).max(initial=0.0))
        if moved <= 1e-3:
            break
    return q, confusion


def _shares(weights: NDArray[np.generic]) -> Floats:
    total = weights.sum(axis=0) + 1.0
    return np.asarray(total / total.sum())
