"""The contract that every classifier meets: the loop knows nothing more about one than this.

A classifier is an immutable description (hyper-parameters, seed); fitting it changes nothing and returns a
new object that predicts. Training targets are *distributions* over the K classes, so that a text on which the
annotators disagree says so; a hard label is the distribution with a single one. Every fitted classifier also
gives out-of-sample probabilities for the rows it was trained on, because the consensus combines the
classifier's opinion with the annotators' and must not hear the annotators twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jurybox.arrays import Ints
from jurybox.errors import InputError

__all__ = [
    "Classifier",
    "ConstantFitted",
    "Fitted",
    "FloatArray",
    "Inputs",
    "check_targets",
    "is_single_class",
    "prior",
    "stratified_folds",
]

FloatArray: TypeAlias = NDArray[np.float64]

Inputs: TypeAlias = NDArray[np.floating] | Sequence[str]
"""Rows of features, shape (N, D), or N texts; `Classifier.takes` says which."""


@runtime_checkable
class Fitted(Protocol):
    """A trained classifier.

    Attributes
    ----------
    out_of_sample : ndarray of float64, shape (N, K)
        For each training row, the probabilities of a classifier that did not see that row's target
        (leave-one-out or cross-validation). Rows sum to 1. A row of weight 0 took no part in the fit, so its
        ordinary prediction counts as out of sample.
    """

    @property
    def out_of_sample(self) -> FloatArray:
        """Out-of-sample probabilities of the training rows."""
        ...

    def predict_proba(self, x: Inputs) -> FloatArray:
        """Class probabilities of new rows, shape (n, K); rows sum to 1."""
        ...


@runtime_checkable
class Classifier(Protocol):
    """An untrained, immutable classifier.

    Attributes
    ----------
    name : str
        Short and stable; two classifiers that fit differently have different names.
    takes : {"features", "texts"}
        What `fit` and `Fitted.predict_proba` expect as `x`.
    """

    @property
    def name(self) -> str:
        """Short and stable name."""
        ...

    @property
    def takes(self) -> Literal["features", "texts"]:
        """What `fit` expects."""
        ...

    def fit(
        self,
        x: Inputs,
        targets: NDArray[np.floating],
        weights: NDArray[np.floating] | None = None,
        *,
        previous: Fitted | None = None,
    ) -> Fitted:
        """Train on N rows.

        Parameters
        ----------
        x : ndarray of shape (N, D) or sequence of N texts
            The training rows.
        targets : ndarray of shape (N, K)
            Class distributions; rows are non-negative and sum to 1. Classes that no row mentions are legal
            and keep their column in every prediction; so is a single class, and a single row.
        weights : ndarray of shape (N,), optional
            How much each row counts, 1 each by default; non-negative.
        previous : Fitted, optional
            What the same classifier's last fit returned. An implementation may start from it (coefficients,
            regularisation) and must cope with any other object by ignoring it.

        Returns
        -------
        Fitted

        Raises
        ------
        InputError
            If the shapes disagree, a row of targets is not a distribution, or a weight is negative or not
            finite.
        """
        ...


def check_targets(
    n_rows: int, targets: ArrayLike, weights: ArrayLike | None = None
) -> tuple[FloatArray, FloatArray]:
    """Validate what `Classifier.fit` is given, once, at the door.

    Parameters
    ----------
    n_rows : int
        N, the number of training rows.
    targets : array_like of shape (N, K)
        Class distributions.
    weights : array_like of shape (N,), optional
        Row weights; ones when omitted.

    Returns
    -------
    targets : ndarray of float64, shape (N, K)
    weights : ndarray of float64, shape (N,)

    Raises
    ------
    InputError
        Naming the argument, what was got, and what was expected.

    Examples
    --------
    >>> targets, weights = check_targets(2, [[0.5, 0.5], [0, 1]])
    >>> targets.dtype, weights.tolist()
    (dtype('float64'), [1.0, 1.0])
    """
    t = np.asarray(targets, dtype=np.float64)
    if t.ndim != 2 or t.shape[0] != n_rows or t.shape[1] < 1:
        raise InputError(
            f"targets has shape {t.shape}; expected ({n_rows}, K): one distribution over the K classes per "
            "training row."
        )
    if n_rows == 0:
        raise InputError("There are no training rows; a classifier needs at least one labelled text.")
    bad = ~(np.isfinite(t).all(axis=1) & (t >= 0).all(axis=1) & (np.abs(t.sum(axis=1) - 1) < 1e-6))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise InputError(
            f"targets row {row} is {t[row].tolist()}; expected non-negative numbers that sum to 1."
        )
    w = np.ones(n_rows) if weights is None else np.asarray(weights, dtype=np.float64)
    if w.shape != (n_rows,):
        raise InputError(f"weights has shape {w.shape}; expected ({n_rows},): one weight per training row.")
    if not (np.isfinite(w).all() and (w >= 0).all()):
        raise InputError("weights holds a negative or non-finite number; expected numbers of at least 0.")
    if not w.any():
        raise InputError("All weights are 0; at least one training row must count.")
    return t, w


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
