"""Tables of predicted and true classes, shape (K, K): drawn from uncertain evidence, and summed up.

With theta the probabilities that a random text is predicted as p and is k, each draw is

    class of text i   with its probabilities
    theta             Dirichlet: the counts of predictions and classes, and a prior

Under the prior every accuracy is equally likely, except that a trained model is hardly ever worse than
chance; a few texts that say otherwise are believed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from jurybox.arrays import Bools, Floats, Ints
from jurybox.trust.intervals import Interval, from_draws, shortest

__all__ = ["Summary", "draw_tables", "summarise", "summarise_margins", "tabulate"]

_TABLES = 64  # draws of theta for each draw of the probabilities
_MOST_CELLS = 8_000_000  # numbers in a table's draws
_RIGHT, _WRONG = 1.0, 1.0  # pseudo texts on the diagonal of theta, and off it
_BELOW_CHANCE = 0.05  # how likely an accuracy below chance is beforehand, beside one above
_LEVEL = 0.95


@dataclass(frozen=True)
class Summary:
    """Accuracy, macro-F1 and the shares of the K true classes, 95 % intervals."""

    accuracy: Interval
    macro_f1: Interval
    class_shares: tuple[Interval, ...]


def draw_tables(
    probabilities: Floats, predicted: NDArray[np.integer], rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Draw theta, and the counts that it goes with, both (64 S, K, K); fewer with very many classes.

    Parameters
    ----------
    probabilities : ndarray, shape (S, A, K)
        Of each class of each text, in S draws of how its annotators err.
    predicted : ndarray of int, shape (A,)
        Predicted classes.
    """
    S, A, K = probabilities.shape
    tables = int(np.clip(_MOST_CELLS // (S * K**2), 1, _TABLES))
    bounds = np.repeat(probabilities.cumsum(axis=2), tables, axis=0)
    classes = (bounds <= rng.random((S * tables, A, 1)) * bounds[:, :, -1:]).sum(axis=2).clip(max=K - 1)
    count = tabulate(predicted, classes, K)
    weight = np.maximum(rng.standard_gamma(_prior(K) + count), 1e-300)
    return _as_trained(weight / weight.sum(axis=(1, 2), keepdims=True), count, rng)


def _as_trained(theta: Floats, count: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Draw anew from draws of theta and its texts (S, K, K): those better than chance are likelier."""
    S, K = theta.shape[:2]
    weight = np.where(np.einsum("skk->s", theta) * K > 1, 1.0, _BELOW_CHANCE)
    kept = rng.choice(S, size=S, p=weight / weight.sum())
    return theta[kept], count[kept]


def tabulate(
    predicted: NDArray[np.integer], classes: Ints, n_classes: int, weight: Floats | None = None
) -> Floats:
    """Count texts by predicted class (A,) and drawn class (S, A), shape (S, K, K)."""
    S, size = len(classes), n_classes**2
    cell = np.arange(S)[:, None] * size + predicted * n_classes + classes
    counts = np.bincount(cell.ravel(), None if weight is None else weight.ravel(), minlength=S * size)
    return counts.reshape(S, n_classes, n_classes).astype(np.float64)


def summarise(theta: Floats, count: Floats) -> Summary:
    """Return what draws of theta and of its counts, both (S, K, K), amount to; see `summarise_margins`."""
    errorless = np.einsum("skk->s", count) == count.sum(axis=(1, 2))
    return summarise_margins(
        np.einsum("skk->sk", theta), theta.sum(axis=2), theta.sum(axis=1), errorless, count.sum(axis=1) == 0
    )


def summarise_margins(right: Floats, said: Floats, true: Floats, errorless: Bools, absent: Bools) -> Summary:
    """Return accuracy, macro-F1 and class shares of draws of shares of texts, by class, (S, K).

    Parameters
    ----------
    right, said, true : ndarray, shape (S, K)
        Texts of each class that are called so, that are called so at all, and all of the class.
    errorless : ndarray of bool, shape (S,)
        Draws in which the texts hold no error.
    absent : ndarray of bool, shape (S, K)
        Draws in which they hold no text of a class.

    Accuracy and macro-F1 have skewed distributions, and so the shortest interval; the shares have the central
    one. Where more likely than not the texts hold no error at all, the upper bound is 1, and where they hold
    no text of a class, the lower bound is 0: nothing speaks against either (Brown, Cai & DasGupta 2001,
    Statistical Science 16:101, on the ends of the interval of a proportion).
    """
    occurrence = said + true
    f1 = np.divide(2 * right, occurrence, out=np.full_like(right, np.nan), where=occurrence > 0)
    accuracy, macro_f1 = shortest(right.sum(axis=1), _LEVEL), shortest(np.nanmean(f1, axis=1), _LEVEL)
    shares = [from_draws(draws, _LEVEL) for draws in true.T]
    if _likely(errorless):
        accuracy, macro_f1 = replace(accuracy, high=1.0), replace(macro_f1, high=1.0)
    shares = [
        replace(share, low=0.0) if gone else share
        for share, gone in zip(shares, _likely(absent), strict=True)
    ]
    return Summary(accuracy, macro_f1, tuple(shares))


def _likely(seen: Bools) -> Bools:
    """Say what is seen in most draws (S, ...)."""
    return np.asarray(seen.mean(axis=0) > 0.5)


def _prior(n_classes: int) -> Floats:
    """Return pseudo counts (K, K) of theta."""
    prior = np.full((n_classes, n_classes), _WRONG / (n_classes * (n_classes - 1)))
    np.fill_diagonal(prior, _RIGHT / n_classes)
    return prior
