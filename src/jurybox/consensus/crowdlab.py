"""CROWDLAB: a weighted ensemble of a classifier and the annotators.

Goh, Tkachenko & Mueller 2022, "CROWDLAB: Supervised learning to infer consensus labels and quality scores for
data with multiple annotators" (arXiv 2210.06812).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, TypeAlias

import numpy as np

from jurybox.annotations import Annotations
from jurybox.arrays import Floats, Ints, Rng, generator, total_by
from jurybox.consensus.majority import majority_labels
from jurybox.consensus.result import Consensus, describe_annotators, mean_per_annotator, summarise
from jurybox.doubts import doubt
from jurybox.errors import InputError
from jurybox.labelled import as_annotations, ensemble, probabilities

__all__ = ["ConsensusRule", "CrowdlabConsensus", "crowdlab", "fit_temperature", "scale_probabilities"]

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


ConsensusRule: TypeAlias = Literal["best_quality", "majority_vote"]
_EPSILON = 1e-6


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class CrowdlabConsensus(Consensus):
    """A consensus, and how much each annotator and model counted in it.

    Attributes
    ----------
    annotator_weights : ndarray, shape (M,)
        w_j.
    model_weights : ndarray, shape (P,)
        w_m.
    """

    annotator_weights: Floats
    model_weights: Floats


def crowdlab(
    annotations: Annotations,
    pred_probs: Any,
    *,
    consensus: ConsensusRule = "best_quality",
    calibrate: bool = False,
    rng: Rng | None = None,
) -> CrowdlabConsensus:
    """Combine a classifier and the annotators, each weighted by how much it can be trusted.

    The posterior of class k of text i is a weighted mean of the models' probabilities (weights w_m) and of
    one distribution per annotation (weight w_j), which gives P to the label and Q = (1 - P) / (K - 1) to
    each other class::

        post_ik = [sum_m w_m p_mik + sum_j w_j (P if y_ij = k else Q)] / (sum_m w_m + sum_j w_j)

    P is the mean agreement with the consensus on texts with several labels; w_j and w_m compare an
    annotator's agreement with colleagues, and a model's with the consensus, to the error of always
    answering the commonest class. Texts without labels get the models' posterior. Where no text has
    several labels, all weights are 1, the given label is the consensus and the models' probability of it
    its quality.

    Parameters
    ----------
    annotations
        Annotations of N texts in K >= 2 classes.
    pred_probs : table or array, shape (N, K) or (P, N, K)
        Out-of-sample class probabilities of one model, or of an ensemble of P models.
    consensus
        ``"best_quality"``: the class with the best posterior, which is then computed once more with
        it; ``"majority_vote"``: the majority label.
    calibrate
        Fit a temperature to each model first, as `jurybox.consensus.crowdlab.fit_temperature`.
    rng
        Breaks the ties of the majority vote that nothing else breaks; default: seeded with 0.

    Returns
    -------
    CrowdlabConsensus
        ``annotators.quality`` is NaN for annotators who share no text with another.

    Raises
    ------
    InputError
        If ``pred_probs`` has another shape or is no probability, K < 2, or ``consensus`` is unknown.

    References
    ----------
    Goh, Tkachenko & Mueller 2022, arXiv 2210.06812, sections 3 and 4.

    Examples
    --------
    >>> annotations = Annotations.from_wide([[0, 0, None], [1, 1, 0], [None, 1, 1], [0, None, 0]])
    >>> p = np.array([[0.8, 0.2], [0.4, 0.6], [0.1, 0.9], [0.7, 0.3]])
    >>> result = crowdlab(annotations, p)
    >>> result.labels
    array([0, 1, 1, 0])
    >>> result.quality.round(2)
    array([0.85, 0.73, 0.9 , 0.75])
    """
    if consensus not in ("best_quality", "majority_vote"):
        raise InputError(f"consensus is {consensus!r}, expected 'best_quality' or 'majority_vote'")
    annotations = as_annotations(annotations)
    p = check_ensemble(annotations, pred_probs)
    for each in p:
        doubt(annotations, each)
    return infer(annotations, calibrated(annotations, p) if calibrate else p, consensus, generator(rng))


def calibrated(annotations: Annotations, p: Floats) -> Floats:
    """Fit a temperature to each model's probabilities (P, N, K), and apply it."""
    scaled = [scale_probabilities(each, search_temperature(annotations, each)) for each in p]
    return np.stack(scaled) if len(scaled) > 1 else scaled[0][None]


def infer(
    annotations: Annotations, p: Floats, consensus: ConsensusRule, rng: np.random.Generator | None
) -> CrowdlabConsensus:
    """Return the consensus from checked, calibrated probabilities (P, N, K)."""
    labels, fit = settle(annotations, p, consensus, rng)
    quality = fit.posterior[np.arange(len(labels)), labels]
    annotation_quality = fit.posterior[annotations.text, annotations.label]
    if annotations.n_labels.max(initial=0) > 1:
        of_annotators = annotator_quality(annotations, labels, fit, annotation_quality)
    else:
        of_annotators = mean_per_annotator(annotations, annotation_quality)
    return CrowdlabConsensus(
        texts=annotations.texts,
        classes=annotations.classes,
        method="crowdlab",
        labels=labels,
        posterior=fit.posterior,
        quality=quality,
        agreement=summarise(annotations, labels),
        n_annotations=annotations.n_labels,
        annotators=describe_annotators(annotations, labels, quality, of_annotators),
        annotator_weights=fit.annotator_weights,
        model_weights=fit.model_weights,
    )


@dataclass(frozen=True)
class Combination:
    """The posterior (N, K) and the weights of annotators (M,) and models (P,) that made it."""

    posterior: Floats
    annotator_weights: Floats
    model_weights: Floats


def check_ensemble(annotations: Annotations, pred_probs: Any) -> Floats:
    """Return probabilities as shape (P, N, K), from one model (N, K) or several."""
    if annotations.n_classes < 2:
        raise InputError(f"the annotations have {annotations.n_classes} class, expected at least 2")
    return ensemble(pred_probs, annotations.texts, annotations.classes)


def settle(
    annotations: Annotations, p: Floats, consensus: ConsensusRule, rng: np.random.Generator | None
) -> tuple[Ints, Combination]:
    """Return the consensus labels (N,), and what models and annotators weigh against them.

    Where no text has several labels nobody can be compared, so the models alone judge the labels.
    """
    mean = p.mean(axis=0) if len(p) > 1 else p[0]
    labels = majority_labels(annotations, mean, generator(rng))
    if annotations.n_labels.max(initial=0) <= 1:
        return labels, Combination(mean.copy(), np.ones(annotations.n_annotators), np.ones(len(p)))
    agreement, predicted = _agreement_with_colleagues(annotations), p.argmax(axis=2)
    fit = _combine(annotations, p, labels, agreement, predicted)
    if consensus == "best_quality":
        labels = best_quality_labels(fit.posterior, labels)
        fit = _combine(annotations, p, labels, agreement, predicted)
    return labels, fit


def combine(annotations: Annotations, p: Floats, labels: Ints) -> Combination:
    """Weigh models (P, N, K) and annotators against consensus labels (N,), and mix their opinions."""
    return _combine(annotations, p, labels, _agreement_with_colleagues(annotations), p.argmax(axis=2))


def _combine(
    annotations: Annotations, p: Floats, labels: Ints, agreement: Floats, predicted: Ints
) -> Combination:
    """Combine, given the annotators' agreement with colleagues (M,) and the models' classes (P, N)."""
    shared = annotations.n_labels > 1
    chance_error = _chance_error(labels[shared], annotations.n_classes)
    likelihood = float(summarise(annotations, labels)[shared].mean())
    w = np.maximum(_EPSILON, 1 - (1 - agreement) / chance_error)
    model_error = (predicted != labels)[:, shared].mean(axis=1)
    labels_per_text = annotations.n_labels[annotations.labelled].mean()
    w_model = np.maximum(_EPSILON, 1 - model_error / chance_error) * np.sqrt(labels_per_text)
    return Combination(_posterior(annotations, p, w, w_model, likelihood), w, w_model)


def _chance_error(labels: Ints, n_classes: int) -> float:
    """Return the error E of always answering the commonest consensus class, at least epsilon."""
    return max(_EPSILON, 1 - float(np.bincount(labels, minlength=n_classes).max()) / len(labels))


def _agreement_with_colleagues(annotations: Annotations) -> Floats:
    """Return A_j (M,): j's pairwise agreement on shared texts, weighted by the number of colleagues.

    An annotator who shares no text gets the mean of the others.
    """
    colleagues = annotations.n_labels[annotations.text] - 1
    agreeing = annotations.counts[annotations.text, annotations.label] - 1
    pairs = total_by(annotations.annotator, colleagues, annotations.n_annotators)
    alike = total_by(annotations.annotator, agreeing, annotations.n_annotators)
    agreement = np.divide(alike, pairs, out=np.zeros_like(pairs), where=pairs > 0)
    agreement[pairs == 0] = agreement[pairs > 0].mean()
    return agreement


def _posterior(annotations: Annotations, p: Floats, w: Floats, w_model: Floats, likelihood: float) -> Floats:
    """Return post_ik; (1 - P) / (K - 1) is counted for all classes, P minus it for the one chosen."""
    n_texts, n_classes = annotations.counts.shape
    unlikelihood = (1 - likelihood) / (n_classes - 1)
    weight = w[annotations.annotator]
    cell = annotations.text.astype(np.int64) * n_classes + annotations.label
    posterior = total_by(cell, weight, n_texts * n_classes).reshape(n_texts, n_classes)
    posterior *= likelihood - unlikelihood
    annotator_weight = total_by(annotations.text, weight, n_texts)
    posterior += (unlikelihood * annotator_weight)[:, None]
    for each, weight_of_model in zip(p, w_model, strict=True):
        posterior += weight_of_model * each
    posterior /= (annotator_weight + w_model.sum())[:, None]
    return posterior


def best_quality_labels(posterior: Floats, labels: Ints) -> Ints:
    """Return the class with the highest posterior; where several have it, keep the label."""
    best: Ints = posterior.argmax(axis=1)
    highest = posterior == posterior[np.arange(len(best)), best][:, None]
    if np.count_nonzero(highest) > len(best):
        best = np.where(highest.sum(axis=1) > 1, labels, best)
    return best


def annotator_quality(
    annotations: Annotations, labels: Ints, fit: Combination, annotation_quality: Floats
) -> Floats:
    """Mix the mean quality (L,) of an annotator's labels with the agreement with the consensus.

    The mix is by the weight of the model against that of a text's annotators.
    """
    self_confidence = mean_per_annotator(annotations, annotation_quality)
    agrees = annotations.label == labels[annotations.text]
    agreement = mean_per_annotator(annotations, agrees, annotations.n_labels[annotations.text] > 1)
    labels_per_text = annotations.n_labels[annotations.labelled].mean()
    active = annotations.labels_per_annotator > 0
    w_annotators = fit.annotator_weights[active].mean() * labels_per_text
    w_model = fit.model_weights.mean()
    share = w_model / (w_model + w_annotators)
    return np.asarray(share * self_confidence + (1 - share) * agreement)
