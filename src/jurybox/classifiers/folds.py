"""What classifiers share: folds that survive rare classes, and predictions where nothing was learnt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jurybox.arrays import Ints
from jurybox.classifiers.base import FloatArray, Inputs


def stratified_folds(targets: FloatArray, n_folds: int, rng: np.random.Generator) -> Ints:
    """Give each row a fold so that every class is spread over the folds as evenly as can be.

    A class with fewer members than folds is simply absent from some.

    Parameters
    ----------
    targets : ndarray of shape (N, K)
        Class distributions; a row counts for its most probable class.
    n_folds
        Number of folds; at most N of them are used.

    Returns
    -------
    ndarray of shape (N,)
        Fold of each row, from 0.

    Examples
    --------
    >>> targets = np.eye(2)[[0, 0, 0, 0, 1, 1]]
    >>> folds = stratified_folds(targets, 2, np.random.default_rng(0))
    >>> [int(targets[folds == f].argmax(axis=1).sum()) for f in range(2)]
    [1, 1]
    """
    n = len(targets)
    order = np.lexsort((rng.random(n), targets.argmax(axis=1)))
    folds = np.empty(n, dtype=np.int64)
    folds[order] = np.arange(n) % max(1, min(n_folds, n))
    return folds


def prior(targets: FloatArray, weights: FloatArray) -> FloatArray:
    """Share of each class with one pseudo-row spread over all K, shape (K,); uniform where there are no rows.

    Examples
    --------
    >>> prior(np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]]), np.ones(3))
    array([0.875, 0.125])
    """
    n_classes = targets.shape[1]
    share: FloatArray = (weights @ targets + 1 / n_classes) / (weights.sum() + 1)
    return share


def is_single_class(targets: FloatArray, weights: FloatArray) -> bool:
    """Whether all rows that count are for one and the same class, so that there is nothing to tell apart."""
    return bool(((weights @ targets) > 0).sum() <= 1)


@dataclass(frozen=True)
class ConstantFitted:
    """Predicts the same distribution for every row: what is known where only one class was seen.

    Attributes
    ----------
    probabilities : ndarray of shape (K,)
        The prediction.
    out_of_sample : ndarray of shape (N, K)
        The prediction for each training row had it been left out.
    note
        Why nothing was trained.
    """

    probabilities: FloatArray
    out_of_sample: FloatArray
    note: str

    @classmethod
    def of(cls, targets: FloatArray, weights: FloatArray) -> ConstantFitted:
        """Prior of the training rows, each row's own share removed for its out-of-sample prediction."""
        n_classes = targets.shape[1]
        mass = weights @ targets + 1 / n_classes - weights[:, None] * targets
        left_out = mass / (weights.sum() + 1 - weights)[:, None]
        n_rows = int((weights > 0).sum())
        note = f"{n_rows} labelled text(s), all of one class: its smoothed share is predicted for every text"
        return cls(prior(targets, weights), left_out, note)

    def predict_proba(self, x: Inputs) -> FloatArray:
        """Return the constant, once a row, shape (n, K)."""
        return np.tile(self.probabilities, (len(x), 1))
