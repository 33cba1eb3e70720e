"""Temperature scaling of class probabilities against the annotators' label distribution.

Guo et al. 2017, "On Calibration of Modern Neural Networks" (arXiv 1706.04599), with the annotators' labels in
place of one true label and the temperatures searched in the order that ActiveLab uses (arXiv 2301.11856).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from jurybox.annotations import Annotations
from jurybox.arrays import Floats
from jurybox.labelled import probabilities

__all__ = ["fit_temperature", "scale_probabilities"]

_COARSE = np.array([0.1, 0.2, 0.5, 0.8, 1, 2, 3, 5, 8])
_TINY = 1e-30
_CHUNK = 16384  # probabilities whose exponentials stay in the processor's cache


def fit_temperature(annotations: Annotations, pred_probs: Floats) -> float:
    """Return the temperature at which probabilities fit the annotators' labels best.

    It minimises ``mean_i CE(c_i / n_i, softmax(log p_i / T))`` over the labelled texts: first over nine
    temperatures from 0.1 to 8, then over a linear refinement between the best one's neighbours.

    Parameters
    ----------
    annotations
        Annotations of N texts.
    pred_probs : ndarray, shape (N, K)
        Class probabilities.

    Returns
    -------
    float
        The temperature; 1 where no text has more than one label.

    Raises
    ------
    InputError
        If ``pred_probs`` is not of shape (N, K).

    Examples
    --------
    Annotators who contradict a confident model call for flatter probabilities:

    >>> annotations = Annotations.from_wide([[0, 1], [1, 1], [1, 1]])
    >>> fit_temperature(annotations, np.array([[0.99, 0.01], [0.01, 0.99], [0.1, 0.9]]))
    3.0
    """
    return search_temperature(annotations, probabilities(pred_probs, annotations.texts, annotations.classes))


def search_temperature(annotations: Annotations, p: Floats) -> float:
    """Return the best temperature of checked probabilities (N, K)."""
    if annotations.n_labels.max(initial=0) <= 1:
        return 1.0
    coarse = _cross_entropy(annotations, p, _COARSE)
    fine = _refine(int(coarse.argmin()))
    known = np.searchsorted(_COARSE, fine)
    loss = coarse[known]
    new = _COARSE[known] != fine
    loss[new] = _cross_entropy(annotations, p, fine[new])
    return float(fine[loss.argmin()])


def scale_probabilities(pred_probs: Floats, temperature: float) -> Floats:
    """Return ``softmax(log p / T)``; T above 1 flattens, below 1 sharpens.

    Parameters
    ----------
    pred_probs : ndarray, shape (..., K)
        Class probabilities.
    temperature
        Above 0.

    Examples
    --------
    >>> scale_probabilities(np.array([[0.2, 0.8]]), 0.5).round(3)
    array([[0.059, 0.941]])
    """
    scaled = np.clip(pred_probs, _TINY, None)
    if temperature != 1:
        np.log(scaled, out=scaled)
        scaled /= temperature
        scaled -= scaled.max(axis=-1, keepdims=True)
        np.exp(scaled, out=scaled)
    scaled /= scaled.sum(axis=-1, keepdims=True)
    return scaled


def _refine(best: int) -> Floats:
    """Return four temperatures up to the best one, and five from it to its right neighbour."""
    left = np.linspace(_COARSE[best - 1], _COARSE[best], 4, endpoint=False) if best > 0 else _COARSE[:0]
    right = np.linspace(_COARSE[best], _COARSE[best + 1], 5) if best + 1 < len(_COARSE) else _COARSE[:0]
    return np.concatenate([left, right])


def _cross_entropy(annotations: Annotations, p: Floats, temperatures: Floats) -> Floats:
    """Sum ``CE(c_i / n_i, softmax(log p_i / T))`` over the labelled texts, for each temperature.

    Only the normalising sum needs all K classes; the rest is a sum over annotations. Classes come first in
    memory, because sums over a long axis are fast.
    """
    total = np.zeros(len(temperatures))
    size = max(_CHUNK // annotations.n_classes, 1)
    first = np.searchsorted(annotations.text, np.arange(0, annotations.n_texts + size, size)).tolist()
    for chunk, (start, stop) in enumerate(pairwise(first)):
        if start == stop:
            continue
        text = annotations.text[start:stop]
        weight = 1 / annotations.n_labels[text]
        text = text - chunk * size
        with np.errstate(divide="ignore"):
            log_p = np.log(p[chunk * size : (chunk + 1) * size].T, order="C")
        cell = annotations.label[start:stop] * log_p.shape[1] + text
        scaled = np.empty_like(log_p)
        for t, temperature in enumerate(temperatures):
            np.exp(np.divide(log_p, temperature, out=scaled), out=scaled)
            # a quotient, because a difference of logarithms is not exactly 0 where it should be
            likelihood = scaled.ravel()[cell]
            likelihood /= scaled.sum(axis=0)[text]
            total[t] -= weight @ np.log(np.maximum(likelihood, _TINY, out=likelihood))
    return total
