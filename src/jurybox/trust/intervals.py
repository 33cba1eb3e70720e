"""An estimate with its interval, the form in which everything here says how sure it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["Interval", "from_draws"]


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
