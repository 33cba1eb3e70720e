"""Signs that probabilities are not those of the classes they stand for.

They compare the class that the model finds likeliest with the labels people gave, so they cost no fit.
"""

from __future__ import annotations

import warnings

import numpy as np
from scipy.optimize import linear_sum_assignment

from jurybox.annotations import Annotations
from jurybox.arrays import Floats

__all__ = ["PredProbsWarning", "doubt", "find_doubt"]

_LEAST = 30  # labelled texts, below which nothing is said
_SURE = 4.0  # standard errors
_GAP = 0.1
_DECIDED = 0.99


class PredProbsWarning(UserWarning):
    """Probabilities look as if they were not what they should be: exchanged, worse than chance, or in-sample.

    A warning, since nobody can be sure; it says what speaks for it. Turn it off with `warnings.simplefilter`.
    """


def doubt(annotations: Annotations, p: Floats | None) -> None:
    """Warn once, by name, if probabilities (N, K) look exchanged, useless or in-sample."""
    found = None if p is None else find_doubt(annotations, p)
    if found is not None:
        warnings.warn(f"pred_probs {found}", PredProbsWarning, stacklevel=3)


def find_doubt(annotations: Annotations, p: Floats) -> str | None:
    """Return what speaks against probabilities being the model's out-of-sample ones of these classes.

    Exchanged columns: in another order they would agree with people's labels far better, and better than
    chance. Worse than chance: they agree less than if they were dealt out at random. In-sample: they agree
    with single labels more often than any annotator can be right, given how often two agree, or are far surer
    of labelled than of other texts while they agree with nearly all labels.

    Parameters
    ----------
    annotations
        Annotations of N texts in K classes.
    p : ndarray, shape (N, K)
        Checked probabilities.

    Returns
    -------
    str or None
        The end of a sentence that starts with the argument's name; None where nothing is remarkable.

    Examples
    --------
    >>> truth = np.arange(60) % 2
    >>> annotations = Annotations.from_wide(np.column_stack([truth, truth]), classes=["no", "yes"])
    >>> find_doubt(annotations, np.eye(2)[1 - truth] * 0.8 + 0.1)
    "look as if columns were exchanged: where people say 'yes' they say 'no', ..."
    """
    labelled = np.flatnonzero(annotations.labelled)
    K = annotations.n_classes
    if len(labelled) < _LEAST or K < 2:
        return None
    shares: Floats = annotations.counts[labelled] / annotations.n_labels[labelled, None]
    likeliest = p[labelled].argmax(axis=1)
    hits = shares[np.arange(len(labelled)), likeliest]
    table = np.array([shares[likeliest == k].sum(axis=0) for k in range(K)])
    chance = float(table.sum(axis=1) @ table.sum(axis=0)) / len(labelled) ** 2
    _, best = linear_sum_assignment(-table)
    gain = shares[np.arange(len(labelled)), best[likeliest]] - hits
    if _exceeds(gain, 0.0) and table[np.arange(K), best].sum() / len(labelled) > chance + _GAP:
        moved = int(np.flatnonzero(best != np.arange(K))[0])
        said, meant = annotations.classes[moved], annotations.classes[int(best[moved])]
        return (
            f"look as if columns were exchanged: where people say {meant!r} they say {said!r}, and they "
            "agree "
            f"with {hits.mean():.0%} of the labels, in another order with {(hits + gain).mean():.0%}; a "
            "frame "
            "whose columns are named as the classes is put in order"
        )
    if _exceeds(-hits, -chance, chance * (1 - chance)):
        return (
            f"are worse than chance: they agree with {hits.mean():.0%} of the labels, dealt out at random "
            "with "
            f"{chance:.0%}; are the rows in the order of annotations.texts?"
        )
    return _in_sample(annotations, p, hits)


def _in_sample(annotations: Annotations, p: Floats, hits: Floats) -> str | None:
    labelled, K = annotations.labelled, annotations.n_classes
    ceiling = _ceiling(annotations)
    if ceiling is not None and hits.mean() > ceiling and _exceeds(hits, ceiling, ceiling * (1 - ceiling)):
        return (
            f"look in-sample: they agree with {hits.mean():.0%} of the labels, while two annotators agree so "
            f"seldom that nobody can be expected to agree with more than {ceiling:.0%}; take "
            "cross-validated ones "
            "(sklearn.model_selection.cross_val_predict)"
        )
    sure = p.max(axis=1)
    if (~labelled).sum() < _LEAST or hits.mean() < _DECIDED or K < 2:
        return None
    others = float(sure[~labelled].mean())
    if sure[labelled].mean() > others + _GAP and _exceeds(sure[labelled], others):
        return (
            f"look in-sample: they agree with {hits.mean():.0%} of the labels and are far surer of labelled "
            "texts "
            f"({sure[labelled].mean():.2f}) than of others ({others:.2f}); take cross-validated ones "
            "(sklearn.model_selection.cross_val_predict)"
        )
    return None


def _ceiling(annotations: Annotations) -> float | None:
    """Return how often someone who is as right as annotators can be meets their labels.

    Two annotators who are right with q agree with a = q^2 + (1 - q)^2 / (K - 1); texts of different
    difficulty make a larger, never smaller, so q solved from a is the most there can be. None without enough
    texts with several labels.
    """
    n, K = annotations.n_labels, annotations.n_classes
    several = np.flatnonzero(n > 1)
    if len(several) < _LEAST:
        return None
    counts = annotations.counts[several]
    pairs = (counts * (counts - 1)).sum(axis=1) / (n[several] * (n[several] - 1))
    agreement = float(pairs.mean() + 2 * pairs.std() / np.sqrt(len(pairs)))
    root = max(agreement * K - 1, 0.0) * (K - 1)
    return min((1 + float(np.sqrt(root))) / K, 1.0)


def _exceeds(values: Floats, bound: float, least: float = 0.0) -> bool:
    """Whether the mean of values (n,) is above a bound by more than four standard errors.

    The error is that of the values' variance, but of no less than the variance that they would have at the
    bound, where it is known: a few values that are all alike show none.
    """
    error = float(np.sqrt(max(float(values.var()), least) / len(values)))
    return bool(values.mean() - bound > _SURE * max(error, 1 / len(values)))
