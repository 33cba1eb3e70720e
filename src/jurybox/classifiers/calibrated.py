"""A classifier's probabilities, rescaled until they predict what the annotators answer.

A model trained on a posterior in which it had a say itself tends to confirm itself round after round. Its
out-of-sample probabilities, fitted to the labels that people gave, hold it to them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import log_softmax, softmax

from jurybox.arrays import Floats, freeze
from jurybox.classifiers.base import Fitted, Inputs
from jurybox.errors import InputError

__all__ = ["CalibratedFitted", "calibrate"]

_RIDGE = 1e-3  # per label, on the offsets; a tenth of it on the scale
_LEAST_SCALE = 0.05
_TINY = 1e-6
_MAX_STEPS = 30


@dataclass(frozen=True, eq=False)
class CalibratedFitted:
    """A fitted classifier whose log-probabilities are scaled and shifted: ``softmax(a log p + b)``.

    Attributes
    ----------
    inner : Fitted
        The classifier.
    scale : float
        a, above 0.
    offsets : ndarray, shape (K,)
        b.
    out_of_sample : ndarray, shape (N, K)
        Rescaled out-of-sample probabilities.
    """

    inner: Fitted
    scale: float
    offsets: Floats
    out_of_sample: Floats

    def __post_init__(self) -> None:
        freeze(self.offsets)
        freeze(self.out_of_sample)

    def predict_proba(self, x: Inputs) -> Floats:
        """Class probabilities of new rows, shape (n, K)."""
        return _rescale(_log(self.inner.predict_proba(x)), self.scale, self.offsets)


def calibrate(fitted: Fitted, counts: ArrayLike) -> CalibratedFitted:
    """Fit scale and offsets so that out-of-sample probabilities predict the annotators' labels.

    Minimises ``sum_ik c_ik (-log softmax(a log p_i + b)_k)``, with a weak pull to a = 1, b = 0, by
    Newton's method. Platt 1999, "Probabilistic outputs for support vector machines", with K classes and the
    labels of several annotators in place of one.

    Parameters
    ----------
    fitted
        A fitted classifier.
    counts : array-like, shape (N, K)
        Annotators who gave training row i class k.

    Returns
    -------
    CalibratedFitted

    Raises
    ------
    InputError
        If ``counts`` has another shape than the out-of-sample probabilities, or no label.

    Examples
    --------
    A model that is right, but surer than the annotators, is toned down:

    >>> from jurybox.classifiers.head import Head
    >>> x = np.array([[-1.0], [-0.8], [0.9], [1.1]])
    >>> fitted = Head(strength=-3).fit(x, np.eye(2)[[0, 0, 1, 1]])
    >>> calibrated = calibrate(fitted, [[2, 1], [3, 1], [1, 2], [1, 3]])
    >>> bool(calibrated.predict_proba(x).max() < fitted.predict_proba(x).max())
    True
    """
    p = np.asarray(fitted.out_of_sample)
    c = np.asarray(counts, dtype=np.float64)
    if c.shape != p.shape or not c.sum() > 0:
        raise InputError(f"counts has shape {c.shape} and sum {c.sum()}, expected {p.shape} and a label")
    log_p = _log(p)
    theta = _newton(log_p, c)
    scale, offsets = float(theta[0]), theta[1:]
    return CalibratedFitted(fitted, scale, offsets, _rescale(log_p, scale, offsets))


def _newton(log_p: Floats, counts: Floats) -> Floats:
    """Return the minimiser (1 + K,): the scale, then the offsets."""
    K = log_p.shape[1]
    neutral = np.concatenate([[1.0], np.zeros(K)])
    ridge = _RIDGE * counts.sum() * np.concatenate([[0.1], np.ones(K)])
    theta, loss = neutral, _loss(neutral, log_p, counts, neutral, ridge)
    for _ in range(_MAX_STEPS):
        gradient, hessian = _derivatives(theta, log_p, counts)
        step = np.linalg.solve(hessian + np.diag(ridge), gradient + ridge * (theta - neutral))
        before = loss
        for size in 0.5 ** np.arange(12):
            trial = theta - size * step
            trial[0] = max(trial[0], _LEAST_SCALE)
            loss = _loss(trial, log_p, counts, neutral, ridge)
            if loss <= before:
                theta = trial
                break
        if before - loss < 1e-9 * counts.sum():
            break
    return theta


def _loss(theta: Floats, log_p: Floats, counts: Floats, neutral: Floats, ridge: Floats) -> float:
    fit = -(counts * log_softmax(theta[0] * log_p + theta[1:], axis=1)).sum()
    return float(fit + (ridge * (theta - neutral) ** 2).sum() / 2)


def _derivatives(theta: Floats, log_p: Floats, counts: Floats) -> tuple[Floats, Floats]:
    n = counts.sum(axis=1, keepdims=True)
    q = _rescale(log_p, theta[0], theta[1:])
    residual = n * q - counts
    deviation = log_p - (q * log_p).sum(axis=1, keepdims=True)
    hessian = np.empty((len(theta), len(theta)))
    hessian[0, 0] = (n * q * deviation**2).sum()
    hessian[0, 1:] = hessian[1:, 0] = (n * q * deviation).sum(axis=0)
    hessian[1:, 1:] = np.diag((n * q).sum(axis=0)) - (n * q).T @ q
    return np.concatenate([[(residual * log_p).sum()], residual.sum(axis=0)]), hessian


def _log(p: Floats) -> Floats:
    return np.asarray(np.log(np.maximum(p, _TINY)))


def _rescale(log_p: Floats, scale: float, offsets: Floats) -> Floats:
    return np.asarray(softmax(scale * log_p + offsets, axis=1))
