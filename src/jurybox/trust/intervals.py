"""An estimate with its interval, the form in which everything here says how sure it is."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, logit, stdtrit

from jurybox.annotations import Annotations

__all__ = ["Interval", "from_draws", "in_log_odds", "share_of_singles", "shortest", "wilson"]


@dataclass(frozen=True)
class Interval:
    """An estimate, and the bounds between which the truth lies with a stated probability.

    Attributes
    ----------
    estimate
        The best single value.
    low, high
        The bounds.
    level
        Probability with which the truth is between them.
    """

    estimate: float
    low: float
    high: float
    level: float = 0.95

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


def from_draws(draws: ArrayLike, level: float = 0.95) -> Interval:
    """Return the mean and the central interval of draws from a posterior, array-like of shape (S,).

    Examples
    --------
    >>> from_draws([0.0, 0.25, 0.5, 0.75, 1.0], level=0.5)
    Interval(estimate=0.5, low=0.25, high=0.75, level=0.5)
    """
    values = np.asarray(draws, dtype=np.float64)
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(values.mean()), float(low), float(high), level)


def in_log_odds(draws: ArrayLike, level: float = 0.95, *, off: float = 0.0) -> Interval:
    """Return the mean of a few draws of a share, array-like of shape (S,), and an interval of their spread.

    The bounds are those of a normal distribution of the log odds, with Student's quantile; ``off`` is a
    further standard deviation of these, by which all draws may be off alike.

    Examples
    --------
    >>> found = in_log_odds([0.7, 0.75, 0.8, 0.85, 0.9])
    >>> round(found.estimate, 2), found.low < 0.7, found.high < 1
    (0.8, True, True)
    """
    values = np.asarray(draws, dtype=np.float64)
    odds = logit(values.clip(1e-9, 1 - 1e-9))
    spread = stdtrit(max(len(values) - 1, 1), (1 + level) / 2) * np.hypot(odds.std(ddof=1), off)
    low, high = expit([odds.mean() - spread, odds.mean() + spread])
    return Interval(float(values.mean()), float(low), float(high), level)


def share_of_singles(annotations: Annotations) -> float:
    """Return the share of the labelled texts that have one label, which say little of a crowd."""
    labelled = annotations.n_labels[annotations.labelled]
    return float((labelled == 1).mean()) if len(labelled) else 0.0


def shortest(draws: ArrayLike, level: float = 0.95) -> Interval:
    """Return the mean and the shortest interval that holds a share of the draws, array-like of shape (S,).

    Of a skewed distribution, as of an accuracy near 1, the central interval leaves out values that are
    likelier than others it holds; this one does not (Chen & Shao 1999, J. Comput. Graph. Stat. 8:69).

    Examples
    --------
    >>> shortest([0.0, 0.5, 0.875, 0.9375, 1.0], level=0.6)
    Interval(estimate=0.6625, low=0.875, high=1.0, level=0.6)
    """
    values = np.sort(np.asarray(draws, dtype=np.float64))
    held = max(ceil(level * len(values) - 1e-9), 1)
    width = values[held - 1 :] - values[: len(values) - held + 1]
    first = int(width.argmin())
    return Interval(float(values.mean()), float(values[first]), float(values[first + held - 1]), level)


def wilson(successes: float, n: float, level: float = 0.95) -> Interval:
    """Return a share of n independent trials with Wilson's score interval.

    With z the quantile of the normal distribution for the level, and p the share, its bounds are
    (p + z²/2n ± z √(p(1 − p)/n + z²/4n²)) / (1 + z²/n).

    Parameters
    ----------
    successes
        Trials that succeeded, at most n.
    n
        Trials, at least 1.

    Examples
    --------
    >>> [round(bound, 3) for bound in (wilson(45, 50).low, wilson(45, 50).high)]
    [0.786, 0.957]

    References
    ----------
    Wilson (1927), J. Am. Stat. Assoc. 22.
    """
    z = NormalDist().inv_cdf((1 + level) / 2)
    p, z2 = successes / n, z * z
    middle = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = z / (1 + z2 / n) * sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return Interval(p, max(middle - half, 0.0), min(middle + half, 1.0), level)
