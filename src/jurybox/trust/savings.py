"""What choosing texts has saved against drawing them at random, as far as a live project can know.

Some labels of every project are on texts drawn at random: those before the first ranking and, where
`random_share` is set, that share of every batch. A model trained on these alone shows what random choice
makes of so many labels. How many it would have needed for today's accuracy lies on the continuation of that
curve, which is forecast; both accuracies are measured on the same audit sample, so most of its error cancels.

With x the logit of today's accuracy at n labels and y(t) the random curve, as in `jurybox.trust.forecast`:
``x = y(log n) + d``, ``d ~ N(0, 0.5²)``: before the audit is seen, choosing may have done good or harm. The
labels that random choice needs are those at which y reaches x, found on draws from the joint posterior. A
curve that wanders may cross x more than once; what counts is where its isotonic regression reaches x (Barlow
et al. 1972, "Statistical Inference under Order Restrictions"), not its first lucky round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from jurybox.arrays import Floats, Rng, generator
from jurybox.errors import InputError
from jurybox.trust.forecast import (
    CURVES,
    CurvePrior,
    audit_covariance,
    check_rounds,
    curve_covariance,
    on_logits,
)
from jurybox.trust.intervals import Interval

__all__ = ["Savings", "estimate_savings"]

_ADVANTAGE_SD = 0.5
_FARTHEST = 10.0
_WIDEST = 10.0
_POINTS = 200
_LEAST_LABELS, _LEAST_SIZES = 50, 3


@dataclass(frozen=True)
class Savings:
    """Labels that random choice would have needed for today's accuracy.

    Attributes
    ----------
    labels
        Labels that the project has.
    needed
        Labels that random choice would have needed; None where that is unknown. Infinite where it is more
        than ten times what the project has.
    better
        Probability that random choice would have needed more labels than the project has; None where there
        is no curve of random choice to go by.
    unknown
        Why it is not known; None where it is.
    """

    labels: int
    needed: Interval | None
    better: float | None
    unknown: str | None = None

    @property
    def saved(self) -> Interval | None:
        """Labels saved: those that random choice would have needed less those that the project has."""
        if self.needed is None:
            return None
        estimate, low, high = (
            bound - self.labels for bound in (self.needed.estimate, self.needed.low, self.needed.high)
        )
        return Interval(estimate, low, high, self.needed.level)


def estimate_savings(
    labels: int,
    accuracy: Interval,
    random_labels: ArrayLike,
    random_accuracy: Sequence[Interval],
    *,
    rng: Rng,
    level: float = 0.8,
    n_draws: int = 4000,
    prior: CurvePrior = CURVES,
) -> Savings:
    """Estimate how many labels random choice would have needed for today's accuracy.

    Parameters
    ----------
    labels
        Labels that the last round learnt from.
    accuracy
        Of its model on the audit sample.
    random_labels : array-like of int, shape (J,)
        Numbers of labels on texts drawn at random, rising.
    random_accuracy
        Of models trained on so many of them alone, on the same audit sample.
    rng
        Draws from the posterior.
    level
        Of the interval.
    n_draws
        Draws.
    prior
        What is believed of curves in general.

    Returns
    -------
    Savings
        Not known with fewer than 50 random labels or three sizes, nor where the bounds are more than a
        factor of ten apart, unless even the lower one is more than the project has.

    Raises
    ------
    InputError
        If random labels and accuracies do not match, or labels is below 1.

    Examples
    --------
    >>> arm = [Interval(x, x - 0.02, x + 0.02) for x in (0.60, 0.66, 0.70, 0.72)]
    >>> today = Interval(0.78, 0.76, 0.80)
    >>> found = estimate_savings(400, today, [50, 100, 150, 200], arm, rng=np.random.default_rng(0))
    >>> found.better > 0.5, found.needed, found.unknown[:38]
    (True, None, 'it may be 267 labels or any number of:')
    """
    rng = generator(rng)
    if labels < 1:
        raise InputError(f"labels is {labels}, expected at least 1")
    reason = _too_little(np.asarray(random_labels))
    if reason is not None:
        return Savings(labels, None, None, reason)
    n = check_rounds(random_labels, random_accuracy)
    grid = np.geomspace(n[0], _FARTHEST * labels, _POINTS)
    today, curve = _draw(labels, accuracy, n, random_accuracy, grid, prior, n_draws, rng)
    needed = _reached(today, curve, grid)
    low, middle, high = np.quantile(needed, [(1 - level) / 2, 0.5, (1 + level) / 2], method="nearest")
    better = float((needed > labels).mean())
    if high > _WIDEST * low and low <= labels:
        above = "any number of" if np.isinf(high) else f"{high:.0f}"
        why = (
            f"it may be {low:.0f} labels or {above}: the audit sample is too small, or the random labels are "
            "too few, to tell"
        )
        return Savings(labels, None, better, why)
    interval = Interval(float(middle), float(low), float(high), level)
    return Savings(labels, interval, better)


def _too_little(random_labels: Floats) -> str | None:
    most = int(random_labels.max(initial=0))
    if most < _LEAST_LABELS:
        return f"{most} labels are on texts drawn at random, and {_LEAST_LABELS} is the least to go by"
    if len(random_labels) < _LEAST_SIZES:
        return f"the random curve has {len(random_labels)} points, and {_LEAST_SIZES} is the least to go by"
    return None


def _draw(
    labels: int,
    accuracy: Interval,
    n: Floats,
    random_accuracy: Sequence[Interval],
    grid: Floats,
    prior: CurvePrior,
    n_draws: int,
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Draw today's logit (S,) and the random curve on a grid (S, G) from their joint posterior.

    All are normal: today's is the random curve at today's labels and an advantage. What the audit's errors
    share, they share between both.
    """
    z, error = on_logits([*random_accuracy, accuracy])
    t, t_grid = np.log(np.append(n, labels) / n[0]), np.log(grid / n[0])
    t_all = np.append(t_grid, t[-1])
    advantage = np.zeros((len(t), len(t)))
    advantage[-1, -1] = _ADVANTAGE_SD**2
    noise = audit_covariance(t, error, prior)
    shared = prior.shared * np.outer(error, error)
    noise[-1, :-1], noise[:-1, -1] = shared[-1, :-1], shared[:-1, -1]
    K = curve_covariance(t, t, prior) + advantage
    K_all = curve_covariance(t_all, t, prior)
    K_all[-1, -1] += _ADVANTAGE_SD**2
    K_both = curve_covariance(t_all, t_all, prior)
    K_both[-1, -1] += _ADVANTAGE_SD**2
    gain = np.linalg.solve(K + noise, K_all.T).T
    mean = prior.level + prior.slope * t_all + gain @ (z - prior.level - prior.slope * t)
    values, vectors = np.linalg.eigh(K_both - gain @ K_all.T)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    draws = mean + rng.standard_normal((n_draws, len(mean))) @ root.T
    return draws[:, -1], draws[:, :-1]


def _reached(today: Floats, curve: Floats, grid: Floats) -> Floats:
    """Return the labels at which the isotonic regression of each draw reaches today's accuracy, shape (S,).

    It is below x up to where the partial sums of x - y are largest.
    """
    sums = np.cumsum(today[:, None] - curve, axis=1)
    below = np.concatenate([np.zeros((len(sums), 1)), sums], axis=1).argmax(axis=1)
    reached: Floats = np.append(grid, np.inf)[below]
    return reached
