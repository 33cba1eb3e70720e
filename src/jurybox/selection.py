"""Which texts to label next: scores of all texts of the pool, and from scores to a batch.

Every score has the shape (N,), and low means *ask next*.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import entr

from jurybox.annotations import Annotations
from jurybox.arrays import Bools, Floats, Ints, Rng, generator, total_by
from jurybox.consensus.crowdlab import calibrated, check_ensemble, settle
from jurybox.consensus.majority import majority_labels
from jurybox.doubts import doubt
from jurybox.errors import InputError
from jurybox.inputs import array
from jurybox.labelled import as_annotations, by_text, labelled_as, probabilities, scores_of

__all__ = [
    "activelab",
    "disagreement",
    "entropy",
    "least_confidence",
    "margin",
    "random_scores",
    "rank",
    "select_batch",
]


def activelab(annotations: Annotations, pred_probs: Any, *, rng: Rng | None = None) -> Any:
    """Score labelled and unlabelled texts on one scale, as ActiveLab does.

    With the weights w_j of the text's annotators, their mean over all annotators (w-bar), the weight w_M of
    the model (summed over an ensemble), calibrated probabilities p and CROWDLAB's consensus quality q_i::

        labelled:    s_i = [(sum_j w_j + w_M) q_i + w-bar / K] / (sum_j w_j + w_M + w-bar)
        unlabelled:  s_i = (w_M max_k p_ik + w-bar / K) / (w_M + w-bar)

    Parameters
    ----------
    annotations
        Annotations of the whole pool of N texts, K >= 2 classes.
    pred_probs : table or array, shape (N, K) or (P, N, K)
        Class probabilities of one model or of P models; out-of-sample for the labelled texts.
    rng
        Breaks ties of the majority vote; default: seeded with 0.

    Returns
    -------
    ndarray or Series, shape (N,)
        By text where texts have names. Scores between 1 / K and 1; the lowest deserve a label first.

    Raises
    ------
    InputError
        If ``pred_probs`` has another shape or is no probability, or K < 2.

    References
    ----------
    Goh & Mueller 2023, "ActiveLab: Active Learning with Re-Labeling by Multiple Annotators" (arXiv
    2301.11856).

    Examples
    --------
    >>> annotations = Annotations.from_wide([[0, 0], [0, 1], [None, None], [None, None]])
    >>> p = np.array([[0.9, 0.1], [0.6, 0.4], [0.99, 0.01], [0.5, 0.5]])
    >>> activelab(annotations, p).argsort()
    array([3, 1, 0, 2])
    """
    annotations = as_annotations(annotations)
    rng = generator(rng)
    p = check_ensemble(annotations, pred_probs)
    for each in p:
        doubt(annotations, each)
    return by_text(score_activelab(annotations, p, rng), annotations.texts, "activelab")


def score_activelab(
    annotations: Annotations, p: Floats, rng: Rng | None = None, *, counted: Annotations | None = None
) -> Floats:
    """Return ActiveLab's scores (N,) from checked probabilities (P, N, K), calibrated to ``counted``."""
    p = calibrated(annotations if counted is None else counted, p)
    labels, fit = settle(annotations, p, "best_quality", generator(rng))
    w, w_model = fit.annotator_weights, fit.model_weights
    active = annotations.labels_per_annotator > 0
    w_mean = w[active].mean() if active.any() else 1.0
    quality = fit.posterior[np.arange(len(labels)), labels]
    quality[~annotations.labelled] = _ensemble_confidence(p[:, ~annotations.labelled], w_model)
    weight = w_model.sum() + total_by(annotations.text, w[annotations.annotator], annotations.n_texts)
    return np.asarray((weight * quality + w_mean / annotations.n_classes) / (weight + w_mean))


def _ensemble_confidence(p: Floats, w_model: Floats) -> Floats:
    """Return the models' weighted mean probability of the class that most of them predict, shape (N,)."""
    n_models, n_texts, n_classes = p.shape
    if n_models == 1:
        return np.asarray(p[0].max(axis=1))
    votes = Annotations.from_indices(
        np.tile(np.arange(n_texts), n_models),
        np.repeat(np.arange(n_models), n_texts),
        p.argmax(axis=2).ravel(),
        texts=n_texts,
        annotators=n_models,
        classes=n_classes,
    )
    predicted = majority_labels(votes, p.mean(axis=0), np.random.default_rng(0))
    mean: Floats = np.tensordot(w_model, p[:, np.arange(n_texts), predicted], axes=1) / w_model.sum()
    return mean


def random_scores(n_texts: int, rng: Rng) -> Floats:
    """Score N texts at random, uniform on [0, 1): shape (N,).

    Parameters
    ----------
    n_texts
        N.
    rng
        A seed or a generator.

    Examples
    --------
    >>> random_scores(2, 0).round(2)
    array([0.64, 0.27])
    """
    rng = generator(rng)
    return np.asarray(rng.random(n_texts))


def least_confidence(pred_probs: Any) -> Any:
    """Score by the probability of the likeliest class; a series by text for a table.

    Parameters
    ----------
    pred_probs : ndarray, shape (N, K)
        Class probabilities.

    Raises
    ------
    InputError
        If ``pred_probs`` is not of shape (N, K) or no probability.

    References
    ----------
    Lewis & Gale 1994, "A Sequential Algorithm for Training Text Classifiers".

    Examples
    --------
    >>> least_confidence([[0.5, 0.5], [0.9, 0.1]])
    array([0.5, 0.9])
    """
    return labelled_as(pred_probs, np.asarray(probabilities(pred_probs).max(axis=1)), "least_confidence")


def margin(pred_probs: Any) -> Any:
    """Score by how far the likeliest class is ahead of the second; a series by text for a table.

    Parameters
    ----------
    pred_probs : ndarray, shape (N, K)
        Class probabilities, K >= 2.

    Raises
    ------
    InputError
        If ``pred_probs`` is not of shape (N, K) or no probability, or K < 2.

    References
    ----------
    Scheffer, Decomain & Wrobel 2001, "Active Hidden Markov Models for Information Extraction".

    Examples
    --------
    >>> margin([[0.5, 0.3, 0.2], [0.9, 0.1, 0.0]]).round(2)
    array([0.2, 0.8])
    """
    p = _several_classes(pred_probs)
    top = np.partition(p, -2, axis=1)[:, -2:]
    return labelled_as(pred_probs, np.asarray(top[:, 1] - top[:, 0]), "margin")


def entropy(pred_probs: Any) -> Any:
    """Score by how much the probabilities tell: ``1 - H(p) / log K``; a series by text for a table.

    Parameters
    ----------
    pred_probs : ndarray, shape (N, K)
        Class probabilities, K >= 2.

    Raises
    ------
    InputError
        If ``pred_probs`` is not of shape (N, K) or no probability, or K < 2.

    Examples
    --------
    >>> entropy([[0.5, 0.5], [1.0, 0.0]])
    array([0., 1.])
    """
    p = _several_classes(pred_probs)
    return labelled_as(pred_probs, np.asarray(1 - entr(p).sum(axis=1) / np.log(p.shape[1])), "entropy")


def disagreement(annotations: Annotations) -> Any:
    """Score by how far a text's labels agree: 1 - vote entropy; 1 below two labels.

    Parameters
    ----------
    annotations
        Annotations of N texts in K >= 2 classes.

    Returns
    -------
    ndarray or Series, shape (N,)
        By text where texts have names. 1 where all labels agree, 0 where every class has as many.

    References
    ----------
    Dagan & Engelson 1995, "Committee-Based Sampling for Training Probabilistic Classifiers".

    Examples
    --------
    >>> disagreement(Annotations.from_wide([[0, 0], [0, 1], [1, None]]))
    array([1., 0., 1.])
    """
    annotations = as_annotations(annotations)
    shares = annotations.counts / np.maximum(annotations.n_labels, 1)[:, None]
    scores = np.asarray(1 - entr(shares).sum(axis=1) / np.log(max(annotations.n_classes, 2)))
    return by_text(scores, annotations.texts, "disagreement")


def rank(scores: ArrayLike, rng: Rng, *, eligible: Bools | None = None, first: int | None = None) -> Ints:
    """Return the positions of the eligible texts, lowest score first, equal scores in random order.

    Parameters
    ----------
    scores : ndarray, shape (N,)
        Scores without NaN.
    rng
        Orders equal scores.
    eligible : ndarray of bool, shape (N,), optional
        Which texts may be asked; default: all.
    first
        So many are in that order, and all others behind them in none, which takes no sort of them all;
        default: all are.

    Raises
    ------
    InputError
        If a score is NaN or the shapes differ.

    Examples
    --------
    >>> rank([0.3, 0.1, 0.2], np.random.default_rng(0))
    array([1, 2, 0])
    """
    rng = generator(rng)
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1 or np.isnan(values).any():
        raise InputError(
            f"scores has shape {values.shape} and {np.isnan(values).sum()} NaN, expected (N,) without NaN"
        )
    chosen = np.ones(len(values), dtype=bool) if eligible is None else np.asarray(eligible, dtype=bool)
    if chosen.shape != values.shape:
        raise InputError(f"eligible has shape {chosen.shape}, expected {values.shape}, as scores")
    texts = np.flatnonzero(chosen)
    values, lots = values[texts], rng.random(len(texts))
    if first is None or not 0 < first < len(texts):
        return texts[np.lexsort((lots, values))]
    # all that are as low as the last one that has a place: which of them have is a matter of lots
    ahead = values <= np.partition(values, first - 1)[first - 1]
    few = np.flatnonzero(ahead)
    return np.concatenate([texts[few[np.lexsort((lots[few], values[few]))]], texts[~ahead]])


def select_batch(
    scores: ArrayLike,
    annotations: Annotations,
    *,
    size: int,
    rng: Rng,
    max_labels: int | None = None,
    eligible: Bools | None = None,
) -> Ints:
    """Select the texts of the next batch: the lowest scores that still want a label.

    Parameters
    ----------
    scores : ndarray or Series, shape (N,)
        Low means *ask next*; a series is aligned by text where texts have names.
    annotations
        Annotations of the N texts, for the labels they have.
    size
        Texts per batch; fewer are returned when fewer are eligible.
    rng
        Orders equal scores; the order of the texts never does.
    max_labels
        Labels per text at which a text is finished; default: no cap.
    eligible : ndarray of bool, shape (N,), optional
        Which texts may be asked at all; default: all.

    Returns
    -------
    ndarray of int, shape (B,)
        Positions of B <= size different texts, the most wanted first.

    Raises
    ------
    InputError
        If a score is NaN, shapes differ, or ``size`` or ``max_labels`` is below 1.

    Examples
    --------
    >>> annotations = Annotations.from_wide([[0, 1], [None, None], [1, None]])
    >>> select_batch([0.1, 0.2, 0.3], annotations, size=2, max_labels=2, rng=np.random.default_rng(0))
    array([1, 2])
    """
    annotations, rng = as_annotations(annotations), generator(rng)
    if size < 1 or size != int(size):
        raise InputError(f"size is {size}, expected a whole number, at least 1")
    size = int(size)
    if max_labels is not None and max_labels < 1:
        raise InputError(f"max_labels is {max_labels}, expected at least 1 or None")
    scores = scores_of(scores, annotations.texts)
    if np.shape(scores) != (annotations.n_texts,):
        raise InputError(f"scores has shape {np.shape(scores)}, expected ({annotations.n_texts},)")
    wanting = annotations.n_labels < max_labels if max_labels else np.ones(annotations.n_texts, dtype=bool)
    may = wanting if eligible is None else wanting & _mask(eligible, annotations.n_texts)
    return rank(scores, rng, eligible=may, first=size)[:size]


def _mask(eligible: Any, n_texts: int) -> Bools:
    held = np.asarray(array(eligible))
    if held.dtype != bool or held.shape != (n_texts,):
        raise InputError(
            f"eligible is of type {held.dtype} and shape {held.shape}, expected bool, one for each of "
            f"{n_texts} texts"
        )
    return held


def _several_classes(pred_probs: Any) -> Floats:
    p = probabilities(pred_probs)
    if p.shape[1] < 2:
        raise InputError(f"pred_probs has {p.shape[1]} class, expected at least 2")
    return p
