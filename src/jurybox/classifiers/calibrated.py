"""A classifier's probabilities, rescaled until they predict what the annotators answer, alone or mixed.

A model trained on a posterior in which it had a say itself tends to confirm itself round after round. Its
out-of-sample probabilities, fitted to the labels that people gave, hold it to them. Where the encoder was
tuned on the labels, too, the same fit weighs what the tuned model says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import log_softmax, softmax

from jurybox.arrays import Floats, Ints, blocks, freeze
from jurybox.classifiers.base import Fitted, Inputs
from jurybox.errors import InputError

__all__ = ["CalibratedFitted", "LogPool", "calibrate", "pool_opinions"]

_RIDGE = 1e-3  # per label, on the offsets; a tenth of it on the scales
_LEAST_SCALE = 0.05
_TINY = 1e-6
_MAX_STEPS = 30
_WORTH = 1.0  # nats that a further scale has to gain: Akaike 1974


@dataclass(frozen=True, eq=False)
class LogPool:
    """A logarithmic opinion pool: ``softmax(sum_j a_j log p_j + b)``.

    Genest & Zidek 1986, "Combining probability distributions" (Statistical Science 1:114).

    Attributes
    ----------
    scales : ndarray, shape (J,)
        a: how much each of J opinions counts, none below 0.
    offsets : ndarray, shape (K,)
        b.
    """

    scales: Floats
    offsets: Floats

    def __post_init__(self) -> None:
        freeze(self.scales)
        freeze(self.offsets)

    def __call__(self, opinions: Sequence[Floats]) -> Floats:
        """Pool J opinions of shape (n, K)."""
        pooled = np.empty(np.shape(opinions[0]))
        for part in blocks(len(pooled)):
            pooled[part] = _pooled(np.stack([_log(p[part]) for p in opinions]), self.scales, self.offsets)
        return pooled


@dataclass(frozen=True, eq=False)
class CalibratedFitted:
    """A fitted classifier whose log-probabilities are scaled, shifted and mixed with a tuned encoder's.

    Attributes
    ----------
    inner : Fitted
        The classifier.
    alone : LogPool
        Of the classifier's opinion alone.
    mixed : LogPool or None
        Of the classifier's and the tuned encoder's; None where there is none, or it foretells people's
        labels no better out of sample.
    out_of_sample : ndarray, shape (N, K)
        Rescaled and mixed out-of-sample probabilities.
    """

    inner: Fitted
    alone: LogPool
    mixed: LogPool | None
    out_of_sample: Floats

    def __post_init__(self) -> None:
        freeze(self.out_of_sample)

    def predict_proba(self, x: Inputs, tuned: Floats | None = None) -> Floats:
        """Class probabilities of new rows, shape (n, K).

        Parameters
        ----------
        x
            What the classifier takes.
        tuned : ndarray, shape (n, K), optional
            What the tuned encoder says of these rows; a row of NaN is one that it was not asked about.
        """
        return _mixed(self.inner.predict_proba(x), tuned, self.alone, self.mixed)


def calibrate(fitted: Fitted, counts: ArrayLike, tuned: ArrayLike | None = None) -> CalibratedFitted:
    """Fit scales and offsets so that out-of-sample probabilities predict the annotators' labels.

    Minimises ``sum_ik c_ik (-log softmax(sum_j a_j log p_ij + b)_k)``, with a weak pull to the classifier as
    it is, by Newton's method. Platt 1999, "Probabilistic outputs for support vector machines", with K
    classes, the labels of several annotators in place of one, and the opinions of several models. The tuned
    encoder's has to gain a nat over all labels that it can be judged by; else the classifier is calibrated
    alone.

    Parameters
    ----------
    fitted
        A fitted classifier.
    counts : array-like, shape (N, K)
        Annotators who gave training row i class k.
    tuned : array-like, shape (N, K), optional
        A tuned encoder's out-of-sample probabilities of the training rows; a row of NaN is one that it was
        not asked about.

    Returns
    -------
    CalibratedFitted

    Raises
    ------
    InputError
        If ``counts`` or ``tuned`` has another shape than the out-of-sample probabilities, or there is no
        label.

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
    t = None if tuned is None else np.asarray(tuned, dtype=np.float64)
    if t is not None and t.shape != p.shape:
        raise InputError(f"tuned has shape {t.shape}, expected {p.shape}, one row per training row")
    alone = _fit(_log(p)[None], c)
    mixed = None if t is None else _mix(p, t, c, alone)
    return CalibratedFitted(fitted, alone, mixed, _mixed(p, t, alone, mixed))


def pool_opinions(
    pred_probs: Floats, opinion: Floats, rows: Ints, counts: Ints | Floats
) -> tuple[Floats, float]:
    """Mix another opinion into the probabilities of a pool, where that foretells people's labels better.

    Parameters
    ----------
    pred_probs, opinion : ndarray, shape (N, K)
        Both out of sample in the rows; a row of NaN in the second is a text that it says nothing of.
    rows : ndarray of int, shape (n,)
        Positions of the labelled texts that the weights are fitted to.
    counts : ndarray, shape (n, K)
        Annotators who gave each of them each class.

    Returns
    -------
    tuple
        The mixed probabilities, shape (N, K), and the share of the weights that the other opinion has.
    """
    p, c = pred_probs[rows], np.asarray(counts, dtype=np.float64)
    mixed = _mix(p, opinion[rows], c, _fit(_log(p)[None], c)) if len(rows) else None
    if mixed is None:
        return pred_probs, 0.0
    known = ~np.isnan(opinion[:, 0])
    result = np.array(pred_probs)
    result[known] = mixed([pred_probs[known], opinion[known]])
    return result, float(mixed.scales[1] / mixed.scales.sum())


def _mix(p: Floats, tuned: Floats, counts: Floats, alone: LogPool) -> LogPool | None:
    """Pool both opinions where that foretells the labels better than the classifier's alone."""
    known = ~np.isnan(tuned[:, 0])
    if not counts[known].any():
        return None
    both = np.stack([_log(p[known]), _log(tuned[known])])
    mixed = _fit(both, counts[known])
    gain = _fit_of(alone, both[:1], counts[known]) - _fit_of(mixed, both, counts[known])
    return mixed if gain > _WORTH else None


def _mixed(p: Floats, tuned: Floats | None, alone: LogPool, mixed: LogPool | None) -> Floats:
    """Probabilities of rows (n, K): mixed where there are two opinions, else rescaled."""
    probabilities = alone([p])
    if tuned is not None and mixed is not None:
        known = ~np.isnan(tuned[:, 0])
        probabilities[known] = mixed([p[known], tuned[known].astype(np.float64)])
    return probabilities


def _fit(log_p: Floats, counts: Floats) -> LogPool:
    """Fit scales and offsets of opinions (J, n, K)."""
    J, _, K = log_p.shape
    neutral = np.concatenate([[1.0], np.zeros(J - 1 + K)])
    ridge = _RIDGE * counts.sum() * np.concatenate([np.full(J, 0.1), np.ones(K)])
    least = np.concatenate([[_LEAST_SCALE], np.zeros(J - 1), np.full(K, -np.inf)])
    theta, loss = neutral, _loss(neutral, log_p, counts, neutral, ridge)
    for _ in range(_MAX_STEPS):
        gradient, hessian = _derivatives(theta, log_p, counts)
        step = np.linalg.solve(hessian + np.diag(ridge), gradient + ridge * (theta - neutral))
        before = loss
        for size in 0.5 ** np.arange(12):
            trial = np.maximum(theta - size * step, least)
            loss = _loss(trial, log_p, counts, neutral, ridge)
            if loss <= before:
                theta = trial
                break
        if before - loss < 1e-9 * counts.sum():
            break
    return LogPool(theta[:J], theta[J:])


def _fit_of(pool: LogPool, log_p: Floats, counts: Floats) -> float:
    """Nats by which a pool misses the labels."""
    logits = np.tensordot(pool.scales, log_p, axes=1) + pool.offsets
    return float(-(counts * log_softmax(logits, axis=1)).sum())


def _loss(theta: Floats, log_p: Floats, counts: Floats, neutral: Floats, ridge: Floats) -> float:
    J = len(log_p)
    fit = _fit_of(LogPool(theta[:J].copy(), theta[J:].copy()), log_p, counts)
    return float(fit + (ridge * (theta - neutral) ** 2).sum() / 2)


def _derivatives(theta: Floats, log_p: Floats, counts: Floats) -> tuple[Floats, Floats]:
    J = len(log_p)
    n = counts.sum(axis=1, keepdims=True)
    q = _pooled(log_p, theta[:J], theta[J:])
    residual = n * q - counts
    deviation = log_p - (q * log_p).sum(axis=2, keepdims=True)
    weighted = n * q * deviation
    hessian = np.empty((len(theta), len(theta)))
    hessian[:J, :J] = np.einsum("ink,jnk->ij", weighted, deviation)
    hessian[:J, J:] = weighted.sum(axis=1)
    hessian[J:, :J] = hessian[:J, J:].T
    hessian[J:, J:] = np.diag((n * q).sum(axis=0)) - (n * q).T @ q
    gradient = np.concatenate([(residual * log_p).sum(axis=(1, 2)), residual.sum(axis=0)])
    return gradient, hessian


def _log(p: Floats) -> Floats:
    return np.asarray(np.log(np.maximum(p, _TINY)))


def _pooled(log_p: Floats, scales: Floats, offsets: Floats) -> Floats:
    return np.asarray(softmax(np.tensordot(scales, log_p, axes=1) + offsets, axis=1))
