"""How likely a given label is correct, from class probabilities alone.

Northcutt, Jiang & Chuang 2021, "Confident Learning: Estimating Uncertainty in Dataset Labels" (JAIR 70), and
Kuan & Mueller 2022, "Model-agnostic label quality scoring to detect real-world label errors".
"""

from __future__ import annotations

import numpy as np
from scipy.special import entr

from jurybox.arrays import Floats, Ints, total_by
from jurybox.errors import InputError

__all__ = ["label_quality"]

_EPSILON = 1e-6
_NO_THRESHOLD = 2.0  # of a class that nobody was given: above every probability


def label_quality(
    labels: Ints,
    probabilities: Floats,
    group: Ints,
    n_groups: int,
    *,
    method: str = "self_confidence",
    adjust_pred_probs: bool = False,
) -> Floats:
    """Score L labels given the class probabilities of the labelled text.

    Parameters
    ----------
    labels : ndarray of int, shape (L,)
        The labels.
    probabilities : ndarray, shape (L, K)
        Class probabilities of the text of each label.
    group : ndarray of int, shape (L,)
        To which of ``n_groups`` sets of labels, such as those of one annotator, each belongs.
    method
        ``self_confidence``: p at the label. ``normalized_margin``: (p at the label - best other + 1) / 2.
        ``confidence_weighted_entropy``: log(x + 1) / x with x = (H / log K) / p at the label.
    adjust_pred_probs
        Subtract first, per group, each class's mean probability among the labels of that class.

    Returns
    -------
    ndarray, shape (L,)
        Scores between 0 and 1, low for labels that are likely wrong.

    Raises
    ------
    InputError
        If ``method`` is unknown, or adjusted entropy is asked for.
    """
    if adjust_pred_probs and method == "confidence_weighted_entropy":
        raise InputError(f"adjust_pred_probs is not currently supported for {method}.")
    p = _subtract_thresholds(labels, probabilities, group, n_groups) if adjust_pred_probs else probabilities
    at_label = p[np.arange(len(labels)), labels]
    if method == "self_confidence":
        return at_label
    if method == "normalized_margin":
        others = p.copy()
        others[np.arange(len(labels)), labels] = -np.inf
        return np.asarray((at_label - others.max(axis=1) + 1) / 2)
    if method == "confidence_weighted_entropy":
        normalised_entropy = entr(p).sum(axis=1) / np.log(p.shape[1])
        x = normalised_entropy / np.maximum(at_label, _EPSILON)
        return np.asarray(np.log1p(x) / np.maximum(x, _EPSILON))
    raise InputError(
        f"{method!r} is not a valid scoring method; choose self_confidence, normalized_margin or "
        "confidence_weighted_entropy"
    )


def _subtract_thresholds(labels: Ints, p: Floats, group: Ints, n_groups: int) -> Floats:
    """Return p minus each group's class thresholds, shifted to be positive and normalised."""
    shape = n_groups, p.shape[1]
    cell = group.astype(np.int64) * shape[1] + labels
    count = np.bincount(cell, minlength=shape[0] * shape[1])
    total = total_by(cell, p[np.arange(len(labels)), labels], len(count))
    threshold = np.where(count > 0, total / np.maximum(count, 1), _NO_THRESHOLD).reshape(shape)
    threshold = np.maximum(threshold, 2 * _EPSILON)
    shifted: Floats = p - threshold[group] + threshold.max(axis=1)[group][:, None]
    shifted /= shifted.sum(axis=1, keepdims=True)
    return shifted
