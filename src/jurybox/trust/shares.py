"""Shares of classes from a few labels of people and a model's opinion of everything.

Prediction-powered inference, power-tuned (Angelopoulos, Duchi & Zrnic 2023, "PPI++: Efficient
Prediction-Powered Inference"): with y the labels of n texts drawn at random, f the model's probability of the
class on them and on N others,

    theta = mean(y) + lambda (mean_N(f) - mean_n(f)),
    lambda = cov(y, f) / ((1 + n / N) var(f)),

whose variance is lambda^2 var(f) / N + var(y - lambda f) / n. A model that knows nothing gets lambda = 0, and
with it the plain share.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from jurybox.arrays import Floats
from jurybox.errors import InputError
from jurybox.trust.intervals import Interval, wilson

__all__ = ["ClassShare", "power_tuned_shares"]

_TINY = 1e-12


@dataclass(frozen=True)
class ClassShare:
    """The share of a class in the pool.

    Attributes
    ----------
    share
        With its interval.
    plain
        The share of people's labels alone, with Wilson's interval.
    power
        How much of the model's opinion is used: lambda, 0 where it narrows nothing.
    """

    share: Interval
    plain: Interval
    power: float


def power_tuned_shares(
    labels: ArrayLike, predicted: ArrayLike, pool: ArrayLike, *, level: float = 0.95
) -> tuple[ClassShare, ...]:
    """Estimate the share of each class.

    The interval is Wilson's at the number of labels that would have the same variance without a model: unlike
    the normal one of the paper it keeps its coverage for rare classes and few labels.

    Parameters
    ----------
    labels : array-like, shape (n, K)
        Share of people's labels of each class, of texts drawn at random that the model was never trained on.
    predicted : array-like, shape (n, K)
        The model's probabilities of these.
    pool : array-like, shape (N, K)
        Its probabilities of all other texts.
    level
        Probability of the intervals.

    Raises
    ------
    InputError
        If the shapes do not fit, or there are fewer than two labelled texts.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> p = rng.beta(0.2, 0.4, 2100)
    >>> y = np.eye(2)[(rng.random(2100) < p).astype(int)]
    >>> found = power_tuned_shares(y[:100], np.stack([1 - p, p], 1)[:100], np.stack([1 - p, p], 1)[100:])
    >>> found[1].share.high - found[1].share.low < 0.7 * (found[1].plain.high - found[1].plain.low)
    True
    """
    y, f, others = (np.asarray(one, dtype=np.float64) for one in (labels, predicted, pool))
    if y.ndim != 2 or len(y) < 2 or f.shape != y.shape or others.ndim != 2 or others.shape[1] != y.shape[1]:
        raise InputError(
            f"labels has shape {y.shape}, predicted {f.shape} and pool {others.shape}, expected (n, K), "
            "(n, K) and (N, K) with n at least 2"
        )
    return tuple(_share(y[:, k], f[:, k], others[:, k], level) for k in range(y.shape[1]))


def tune_power(y: Floats, f: Floats, others: Floats) -> float:
    """Return lambda, from 0 to 1: the weight of the model that makes the variance least."""
    n, N = len(y), len(others)
    spread = np.concatenate([f, others]).var()
    if N == 0 or spread < _TINY:
        return 0.0
    covariance = ((y - y.mean()) * (f - f.mean())).sum() / (n - 1)
    return float(np.clip(covariance / ((1 + n / N) * spread), 0, 1))


def _share(y: Floats, f: Floats, others: Floats, level: float) -> ClassShare:
    n = len(y)
    plain = wilson(float(y.sum()), n, level)
    power = tune_power(y, f, others)
    if power == 0:
        return ClassShare(plain, plain, 0.0)
    theta = float(np.clip(y.mean() + power * (others.mean() - f.mean()), 0, 1))
    # One label more of either kind (Agresti & Coull 1998): few labels of a rare class hide the spread.
    rest = np.append(y - power * f, np.array([0.0, 1.0]) - power * f.mean())
    variance = float(power**2 * others.var() / len(others) + rest.var(ddof=2) / n)
    worth = theta * (1 - theta) / variance if variance > _TINY else 0.0
    if worth <= n:
        return ClassShare(plain, plain, 0.0)
    z = float(stdtrit(n - 2, (1 + level) / 2)) if n > 2 else np.inf
    found = wilson(theta * worth, worth, 2 * NormalDist().cdf(z) - 1)
    if found.high - found.low >= plain.high - plain.low:
        return ClassShare(plain, plain, 0.0)
    return ClassShare(replace(found, level=level), plain, power)
