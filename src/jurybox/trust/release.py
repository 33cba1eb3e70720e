"""Labels that may stand without a person, under a bound on their error that holds.

Released are the model's labels of all texts of which it is at least so sure. How sure it must be is found on
the random arm: texts drawn at random that the model was never trained on. Down a ladder of thresholds, made
without a look at labels, as long as an upper confidence bound on the error stays below what is allowed; the
first that fails ends it, so that one level holds for all of them (fixed-sequence testing, Angelopoulos et al.
2021, "Learn then Test"; thresholds by upper confidence bound as in HyPAC, arXiv 2602.02550). The bound of a
share is Clopper & Pearson's (1934).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log, log1p

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaincinv

from jurybox.arrays import Floats
from jurybox.errors import InputError

__all__ = ["ReleasePlan", "error_at_most", "plan_release"]

_STEPS = 40


@dataclass(frozen=True)
class ReleasePlan:
    """From what probability on labels are released, and what is known of their error.

    Attributes
    ----------
    threshold
        The least probability of a label that is released; above 1 where none may be.
    error_bound
        What the error of all labels from the threshold on does not exceed, at the level; None without any.
    sampled, wrong
        Texts of the random arm from the threshold on, and those of them that people label otherwise.
    allowed, level
        The error that was allowed, and the probability with which the bound holds.
    """

    threshold: float
    error_bound: float | None
    sampled: int
    wrong: float
    allowed: float
    level: float

    @property
    def needed(self) -> int:
        """How many texts of the random arm it takes, all of them right, for anything to be released."""
        return ceil(log(1 - self.level) / log1p(-self.allowed))


def error_at_most(wrong: float, n: int, level: float = 0.95) -> float:
    """Return what a share is at most, of which n independent trials gave so many (Clopper & Pearson 1934).

    Examples
    --------
    >>> round(error_at_most(0, 59), 3), round(error_at_most(2, 100), 3)
    (0.05, 0.062)
    """
    return 1.0 if wrong >= n else float(betaincinv(wrong + 1, n - wrong, level))


def plan_release(
    confidence: ArrayLike,
    wrong: ArrayLike,
    pool: ArrayLike,
    *,
    allowed: float,
    wanted: ArrayLike | None = None,
    level: float = 0.95,
) -> ReleasePlan:
    """Find the least probability from which on labels may be released.

    Parameters
    ----------
    confidence : array-like, shape (A,)
        The model's probability of its label, of each text of the random arm that people have labelled.
    wrong : array-like, shape (A,)
        Whether people label it otherwise; where they disagree, a share of them, which counts as an error.
    pool : array-like, shape (N,)
        The probability of the label of each text of the pool.
    allowed
        Share of wrong labels among those released, above 0 and below 1.
    wanted : array-like of bool, shape (N,), optional
        Texts that would be released, for instance those without a person's label: all errors from the
        threshold on might be among them. Default: all.
    level
        Probability with which the bound is to hold.

    Raises
    ------
    InputError
        If lengths differ, or an argument is out of range.

    Examples
    --------
    >>> sure = np.linspace(0.5, 1, 400)
    >>> plan = plan_release(sure, sure < 0.6, sure, allowed=0.05)
    >>> plan.threshold < 0.61, plan.error_bound <= 0.05
    (True, True)
    """
    p, q = np.asarray(confidence, dtype=np.float64), np.asarray(pool, dtype=np.float64)
    errors = np.ceil(np.asarray(wrong, dtype=np.float64))
    mine = np.ones(len(q), dtype=bool) if wanted is None else np.asarray(wanted, dtype=bool)
    if p.shape != errors.shape or p.ndim != 1 or q.shape != mine.shape:
        raise InputError(
            f"confidence has shape {p.shape}, wrong {errors.shape}, pool {q.shape} and wanted {mine.shape}, "
            "expected (A,), (A,), (N,) and (N,)"
        )
    if not 0 < allowed < 1 or not 0 < level < 1:
        raise InputError(f"allowed is {allowed} and level {level}, expected numbers between 0 and 1")
    best = ReleasePlan(float(np.inf), None, 0, 0.0, allowed, level)
    for threshold in _ladder(p, best.needed):
        inside = p >= threshold
        n, bad = int(inside.sum()), float(errors[inside].sum())
        standing = q >= threshold
        crowded = standing.sum() / max(int((standing & mine).sum()), 1)
        if error_at_most(0, n, level) * crowded > allowed:
            continue  # whatever the labels say: the ladder begins further down
        bound = error_at_most(bad, n, level) * float(crowded)
        if bound > allowed:
            break
        best = ReleasePlan(float(threshold), bound, n, bad, allowed, level)
    return best


def _ladder(confidence: Floats, least: int) -> Floats:
    """Return thresholds, the strictest first, each with at least so many texts of the random arm above it."""
    ordered = np.sort(confidence)[::-1]
    if len(ordered) < least:
        return ordered[:0]
    places = np.unique(np.linspace(least - 1, len(ordered) - 1, _STEPS).round().astype(np.int64))
    return np.asarray(ordered[places])
