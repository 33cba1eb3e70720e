"""From probabilities to answers, for the measure that is wanted: a set of classes, or one of several.

The thresholds maximise what the measure is expected to be. A probability q_ic that class c applies to text i
stands for the truth, p_ic is what the classifier says out of sample, and a class is said where p_ic >= t_c:

    macro-F1            each class by itself:  F_c = 2 sum_i q_ic [said] / (sum_i [said] + sum_i q_ic)
    micro-F1            one threshold for all: F = 2 sum q [said] / (sum [said] + sum q), over all items
    subset accuracy     1/N sum_i prod_c P(class c is right), one class after the other until none changes

Of one class among K, that with the largest p_ik / t_k is said, where macro-F1 is wanted; else the likeliest.

Lipton, Elkan & Naryanaswamy 2014, "Optimal Thresholding of Classifiers to Maximize F1 Measure" (ECML PKDD):
the best threshold for F1 is half of the best F1, so one half is too high for rare classes.
"""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike

from jurybox.arrays import Floats
from jurybox.errors import InputError

__all__ = ["Measure", "best_divisors", "best_thresholds", "check_measure", "weight_of_yes"]

Measure: TypeAlias = Literal["macro_f1", "micro_f1", "subset_accuracy"]
"""What is wanted of sets of classes: the mean F1 of classes, the F1 of all answers, or whole sets right."""

_SWEEPS = 10
_TINY = 1e-12


def check_measure(measure: str) -> None:
    """Raise an InputError if there is no such measure."""
    if measure not in get_args(Measure):
        raise InputError(f"measure is {measure!r}, expected one of {', '.join(get_args(Measure))}")


def best_thresholds(pred_probs: ArrayLike, truth: ArrayLike, measure: Measure = "macro_f1") -> Floats:
    """Return the threshold of each class, shape (C,): a text has the class where its probability reaches it.

    Parameters
    ----------
    pred_probs : array-like, shape (n, C)
        A classifier's probabilities of "yes", out of sample.
    truth : array-like, shape (n, C)
        Probabilities that "yes" is right; ones and zeros where it is known. NaN where nothing is known: the
        item is left out.
    measure
        What is to be as large as can be.

    Raises
    ------
    InputError
        If shapes differ or the measure is unknown.

    Examples
    --------
    >>> p, yes = [[0.9], [0.4], [0.3], [0.1]], [[1], [1], [0], [0]]
    >>> best_thresholds(p, yes).round(2), best_thresholds(p, yes, "subset_accuracy").round(2)
    (array([0.35]), array([0.35]))
    """
    check_measure(measure)
    p, q = np.asarray(pred_probs, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    if p.ndim != 2 or p.shape != q.shape:
        raise InputError(f"pred_probs has shape {p.shape} and truth {q.shape}, expected (n, C) of both")
    if measure == "macro_f1":
        return np.array([_for_f1(p[:, c], q[:, c]) for c in range(p.shape[1])])
    if measure == "micro_f1":
        return np.full(p.shape[1], _for_f1(p.ravel(), q.ravel()))
    return _for_subsets(p, q)


def _for_f1(p: Floats, q: Floats) -> float:
    """Return the threshold of the best expected F1; one half where no text can be said to have the class."""
    known = ~np.isnan(q)
    p, q = p[known], q[known]
    if not q.sum() > 0:
        return 0.5
    order = np.argsort(-p, kind="stable")
    said = np.arange(1, len(p) + 1)
    return _cut(p[order], 2 * np.cumsum(q[order]) / (said + q.sum()))


def _for_subsets(p: Floats, q: Floats) -> Floats:
    """Return thresholds from one half on, each class in turn given the others."""
    thresholds = np.full(p.shape[1], 0.5)
    for _ in range(_SWEEPS):
        before = thresholds.copy()
        for c in range(p.shape[1]):
            right = np.where(p >= thresholds, q, 1 - q)
            others = np.nanprod(np.delete(right, c, axis=1), axis=1)
            known = ~np.isnan(q[:, c])
            gain = (others * (2 * q[:, c] - 1))[known]
            order = np.argsort(-p[known, c], kind="stable")
            summed = np.concatenate([[0.0], np.cumsum(gain[order])])
            best = _cut(p[known, c][order], summed[1:]) if summed.max() > 0 else np.inf
            thresholds[c] = 0.5 if not known.any() else min(best, 1 + 1e-9)
        if np.array_equal(before, thresholds):
            break
    return thresholds


def _cut(falling: Floats, value: Floats) -> float:
    """Return the threshold behind the best of the places where probabilities (n,) may be divided."""
    possible = np.append(falling[1:] < falling[:-1], True)
    best = int(np.where(possible, value, -np.inf).argmax())
    below = falling[best + 1] if best + 1 < len(falling) else 0.0
    return float((falling[best] + below) / 2)


def best_divisors(pred_probs: ArrayLike, truth: ArrayLike, measure: Measure = "macro_f1") -> Floats:
    """Return what to divide the classes' probabilities by, shape (K,), before the largest is said.

    Parameters
    ----------
    pred_probs, truth : array-like, shape (n, K)
        A classifier's probabilities of the classes, out of sample, and those that each class is right.
    measure
        What is to be as large as can be. Only for macro-F1 it is not best to say the likeliest class.

    Raises
    ------
    InputError
        If shapes differ or the measure is unknown.

    Examples
    --------
    A classifier that knows little would never name the rare class:

    >>> p = np.array([[0.8, 0.2], [0.7, 0.3], [0.75, 0.25], [0.6, 0.4]])
    >>> (p / best_divisors(p, p)).argmax(axis=1)
    array([0, 0, 0, 1])
    """
    check_measure(measure)
    p, q = np.asarray(pred_probs, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    if p.ndim != 2 or p.shape != q.shape:
        raise InputError(f"pred_probs has shape {p.shape} and truth {q.shape}, expected (n, K) of both")
    divisors = np.ones(p.shape[1])
    for _ in range(_SWEEPS if measure == "macro_f1" and p.shape[1] > 1 else 0):
        before = divisors.copy()
        for k in range(len(divisors)):
            divisors[k] = _divisor(p, q, divisors, k)
        if np.array_equal(before, divisors):
            break
    return divisors


def _divisor(p: Floats, q: Floats, divisors: Floats, k: int) -> float:
    """Return the divisor of class k with the best expected macro-F1, given those of the others.

    Texts go over to class k in the order of p_ik over the largest of the others, r_i.
    """
    others = p / divisors
    others[:, k] = -np.inf
    rival, highest = others.argmax(axis=1), np.maximum(others.max(axis=1), _TINY)
    r = p[:, k] / highest
    order = np.argsort(-r, kind="stable")
    r, rival, q_sorted = r[order], rival[order], q[order]
    left = np.eye(p.shape[1])[rival]
    said = left.sum(axis=0) - np.vstack([np.zeros(len(divisors)), np.cumsum(left, axis=0)])
    hits = (left * q_sorted).sum(axis=0) - np.vstack(
        [np.zeros(len(divisors)), np.cumsum(left * q_sorted, axis=0)]
    )
    said[:, k], hits[1:, k] = np.arange(len(p) + 1), np.cumsum(q_sorted[:, k])
    value = (2 * hits / np.maximum(said + q.sum(axis=0), _TINY)).mean(axis=1)
    edges = np.concatenate([[2 * r[0] + _TINY], r, [0.0]])
    possible = edges[1:] < edges[:-1]
    best = int(np.where(possible, value, -np.inf).argmax())
    now = int((r > divisors[k]).sum())
    if value[best] <= value[now] + _TINY:
        return float(divisors[k])
    return float(max((edges[best] + edges[best + 1]) / 2, _TINY))


def weight_of_yes(truth: Floats, measure: Measure) -> float:
    """Return how much an error at one item of a class counts for the measure.

    An error at one of the n items of a class with the share s of yes costs macro-F1 about 1 / (2 n s), so
    that an error at a rare class counts more; it costs the other measures as much at each class.

    Parameters
    ----------
    truth : ndarray, shape (n,)
        Probabilities of yes.
    """
    if measure != "macro_f1":
        return 1.0
    return float((len(truth) + 2) / (2 * (truth.sum() + 1)))
