"""The learning curve and where it goes: what more labels will bring, and how sure that is.

A project knows its curve only through the audit sample: a few dozen texts, the same in every round, so that
the rounds' estimates err together. What is forecast is the accuracy itself, without that error.

Model, on the scale y = logit(accuracy), over t = log(labels):

- the curve: ``y(t) = level + slope (t - t_0) + W(t - t_0)``, a power law of the odds whose slope wanders (W
  is Brownian motion); few rounds cannot tell the slope, so it has a prior learnt from other data's curves;
- the audit: ``z_r = y(t_r) + e_r``, ``Cov(e_r, e_s) = s_r s_s (c + (1 - c) exp(-|t_r - t_s| / l))`` with s_r
  the standard error of round r: a part c of it is shared by all rounds, the rest by rounds near each other.

All is Gaussian, so the posterior is in closed form (Rasmussen & Williams 2006, "Gaussian Processes for
Machine Learning", ch. 2). Power laws of learning: Viering & Loog 2023, "The Shape of Learning Curves: a
Review".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from numpy.typing import ArrayLike
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit, logit, ndtr, ndtri

from jurybox.arrays import Floats
from jurybox.errors import InputError
from jurybox.trust.intervals import Interval

__all__ = [
    "CURVES",
    "CurvePosterior",
    "CurvePrior",
    "Forecast",
    "ForecastPoint",
    "curve_posterior",
    "forecast",
]

_FUTURE = (100, 500, 1000)
_NODES, _WEIGHTS = hermegauss(32)
_LEAST_ERROR = 1e-3
_SHARES = 1e-4, 1 - 1e-4  # bounds of what is taken for a share that was estimated


@dataclass(frozen=True)
class CurvePrior:
    """What is believed of a learning curve before its audit is seen; units are logits and log labels.

    Attributes
    ----------
    level, level_sd
        Of the curve at its first round.
    slope, slope_sd
        Of the power law.
    wander
        Variance of the curve's way off it, per unit of log labels.
    shared
        Share of the audit's error variance that all rounds have in common.
    reach
        Log labels over which the rest of that error changes.
    """

    level: float
    level_sd: float
    slope: float
    slope_sd: float
    wander: float
    shared: float
    reach: float


CURVES = CurvePrior(level=1.0, level_sd=1.0, slope=0.35, slope_sd=0.12, wander=0.15, shared=0.29, reach=0.07)
"""All but the level learnt by `benchmarks/stopping.py`, from runs with seeds that it does not report on."""


@dataclass(frozen=True, eq=False)
class CurvePosterior:
    """What is believed of a curve at F numbers of labels once the audit is seen; normal, in logits.

    Attributes
    ----------
    mean : ndarray, shape (F,)
        Expected logit of the accuracy.
    covariance : ndarray, shape (F, F)
        Of the same.
    """

    mean: Floats
    covariance: Floats

    def starting_from(self, today: Interval) -> CurvePosterior:
        """Return the same with today's accuracy, that of the first point, as the audit alone estimates it.

        What rounds and prior say of the way from there stays: ``y_f = z_0 + (y_f - y_0)``, where the error of
        the audit's estimate z_0 is taken to be independent of the way. Of an interval that ends at 1, the
        upper half says nothing on the scale of logits; the error is that of the narrower half.
        """
        low, z, high = logit(np.clip([today.low, today.estimate, today.high], *_SHARES))
        error = max(min(z - low, high - z) / ndtri((1 + today.level) / 2), _LEAST_ERROR)
        first = self.covariance[:, :1]
        way = self.covariance - first - first.T + self.covariance[0, 0]
        return CurvePosterior(z + self.mean - self.mean[0], error**2 + way)

    def interval(self, point: int, level: float) -> Interval:
        """Return the accuracy at one of the points: median and central interval."""
        half = ndtri((1 + level) / 2) * np.sqrt(self.covariance[point, point])
        low, middle, high = expit(self.mean[point] + half * np.array([-1.0, 0.0, 1.0]))
        return Interval(float(middle), float(low), float(high), level)

    def probability_of_gain(self, start: int, end: int, gain: float) -> float:
        """Return the probability that the accuracy rises by at least `gain` from one point to another.

        ``P(expit(y_e) - expit(y_s) >= g)``, by Gauss-Hermite quadrature over y_s.
        """
        (v_s, v_se), (_, v_e) = self.covariance[np.ix_([start, end], [start, end])]
        y_s = self.mean[start] + np.sqrt(v_s) * _NODES
        mean = self.mean[end] + v_se / v_s * (y_s - self.mean[start])
        sd = np.sqrt(max(v_e - v_se**2 / v_s, 1e-12))
        needed = expit(y_s) + gain
        short = ndtr((logit(np.clip(needed, 1e-12, 1 - 1e-12)) - mean) / sd)
        short[(needed >= 1)] = 1.0
        return float(1 - short @ _WEIGHTS / _WEIGHTS.sum())


@dataclass(frozen=True)
class ForecastPoint:
    """What so many more labels will bring.

    Attributes
    ----------
    labels
        Labels more than today.
    accuracy
        Of the model that they make.
    """

    labels: int
    accuracy: Interval


@dataclass(frozen=True)
class Forecast:
    """A learning curve's present and future.

    Attributes
    ----------
    labels
        Labels of the last round.
    now
        Accuracy of the last round, as the audit estimates it.
    points
        What more labels will bring.
    n_rounds
        Rounds that it rests on.
    """

    labels: int
    now: Interval
    points: tuple[ForecastPoint, ...]
    n_rounds: int


def forecast(
    labels: ArrayLike,
    accuracy: Sequence[Interval],
    future: Sequence[int] = _FUTURE,
    *,
    level: float = 0.8,
    prior: CurvePrior = CURVES,
) -> Forecast:
    """Forecast the accuracy after more labels.

    Parameters
    ----------
    labels : array-like of int, shape (R,)
        Labels that each round learnt from, the audit's not among them; rising.
    accuracy
        Each round's accuracy, estimated on the same audit sample.
    future
        Numbers of further labels.
    level
        Of the intervals.
    prior
        What is believed of curves in general.

    Returns
    -------
    Forecast

    Raises
    ------
    InputError
        Without a round, if there are not as many labels as accuracies or they do not rise, and for a level
        that is not between 0 and 1 or a future that is past.

    Notes
    -----
    For as long as the project goes on as before: the same annotators, strategy and kind of texts.

    Examples
    --------
    >>> audit = [Interval(0.70, 0.60, 0.79), Interval(0.74, 0.64, 0.82), Interval(0.76, 0.66, 0.84)]
    >>> found = forecast([200, 300, 400], audit, future=[400])
    >>> round(found.now.estimate, 2), round(found.points[0].accuracy.estimate, 2)
    (0.76, 0.8)
    """
    if not 0 < level < 1:
        raise InputError(f"level is {level}, expected a number between 0 and 1")
    if any(more < 1 for more in future):
        raise InputError(f"future is {tuple(future)}, expected numbers of labels of at least 1")
    n = check_rounds(labels, accuracy)
    at = n[-1] + np.array([0, *future])
    posterior = curve_posterior(n, accuracy, at, prior=prior).starting_from(accuracy[-1])
    points = (
        ForecastPoint(int(more), posterior.interval(place, level)) for place, more in enumerate(future, 1)
    )
    return Forecast(int(n[-1]), accuracy[-1], tuple(points), len(n))


def curve_posterior(
    labels: Floats, accuracy: Sequence[Interval], at: Floats, *, prior: CurvePrior = CURVES
) -> CurvePosterior:
    """Return what is believed of the curve at some numbers of labels; parameters as in `forecast`.

    With K the curve's covariance, E the audit's and m the curve's mean:
    ``mean = m_* + K_* (K + E)^-1 (z - m)``, ``cov = K_** - K_* (K + E)^-1 K_*'``.
    """
    z, error = on_logits(accuracy)
    t, t_at = np.log(labels / labels[0]), np.log(at / labels[0])
    K = curve_covariance(t, t, prior) + audit_covariance(t, error, prior)
    K_at = curve_covariance(t_at, t, prior)
    factor = cho_factor(K)
    mean = prior.level + prior.slope * t_at + K_at @ cho_solve(factor, z - prior.level - prior.slope * t)
    return CurvePosterior(mean, curve_covariance(t_at, t_at, prior) - K_at @ cho_solve(factor, K_at.T))


def curve_covariance(t: Floats, s: Floats, prior: CurvePrior) -> Floats:
    """Return how the curve varies together at t (T,) and s (S,), log labels since the first round: (T, S)."""
    wandered = np.sign(t)[:, None] * np.sign(s) > 0  # Brownian motion on either side of the first round
    together = np.minimum(np.abs(t)[:, None], np.abs(s))
    return np.asarray(
        prior.level_sd**2 + prior.slope_sd**2 * np.outer(t, s) + prior.wander * wandered * together
    )


def audit_covariance(t: Floats, error: Floats, prior: CurvePrior) -> Floats:
    """Return how the audit's errors vary together between rounds at t (R,), from their sizes (R,): (R, R)."""
    near = np.exp(-np.abs(t[:, None] - t) / prior.reach)
    return np.asarray(np.outer(error, error) * (prior.shared + (1 - prior.shared) * near))


def on_logits(accuracy: Sequence[Interval]) -> tuple[Floats, Floats]:
    """Return the middles and standard errors of intervals on the scale of logits, both of shape (R,)."""
    bounds = np.array([[found.low, found.high] for found in accuracy], dtype=np.float64)
    low, high = logit(np.clip(bounds, *_SHARES)).T
    width = np.array([2 * ndtri((1 + found.level) / 2) for found in accuracy])
    return (low + high) / 2, np.maximum((high - low) / width, _LEAST_ERROR)


def check_rounds(labels: ArrayLike, accuracy: Sequence[Interval]) -> Floats:
    """Return labels (R,) as numbers; raise InputError unless they rise and each has its accuracy."""
    n = np.asarray(labels, dtype=np.float64)
    if n.ndim != 1 or not len(n) or len(n) != len(accuracy):
        raise InputError(
            f"got labels of shape {n.shape} and {len(accuracy)} accuracies, expected one of each for every "
            "round, and at least one round"
        )
    if n[0] < 1 or (np.diff(n) < 0).any():
        raise InputError("labels of the rounds fall or begin below 1, expected numbers that rise")
    return n
