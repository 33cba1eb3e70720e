"""Majority vote, with ties broken by the model, the class frequencies, the annotators, and chance."""

from __future__ import annotations

from typing import Any

import numpy as np

from jurybox.annotations import Annotations
from jurybox.arrays import Bools, Floats, Ints, Rng, generator, total_by
from jurybox.consensus.result import UNKNOWN, Consensus, describe_annotators, mean_per_annotator, summarise
from jurybox.labelled import as_annotations, probabilities

__all__ = ["majority_vote"]


def majority_vote(
    annotations: Annotations,
    pred_probs: Any = None,
    *,
    rng: Rng | None = None,
) -> Consensus:
    """Take the class that most annotators chose.

    Ties fall to the class with the highest probability, then to the one less frequent among all
    annotations, then to the one whose annotators agree most with the untied majorities, then at random.

    Parameters
    ----------
    annotations
        Annotations of N texts in K classes.
    pred_probs : table or array, shape (N, K), optional
        A model's out-of-sample probabilities: breaks ties and labels the texts without labels.
    rng
        Breaks the last ties; default: a generator seeded with 0.

    Returns
    -------
    Consensus
        ``posterior`` is the share of labels per class; an annotator's ``quality`` is the agreement with the
        consensus on texts with several labels, NaN where there are none.

    Raises
    ------
    InputError
        If ``pred_probs`` is not of shape (N, K).

    Examples
    --------
    >>> votes = Annotations.from_wide([[0, 0, 1], [1, 1, 1], [0, 1, None]])
    >>> majority_vote(votes).labels
    array([0, 1, 0])
    """
    annotations = as_annotations(annotations)
    rng = generator(rng)
    p = None
    if pred_probs is not None:
        p = probabilities(pred_probs, annotations.texts, annotations.classes)
    labels = majority_labels(annotations, p, rng)
    posterior = _shares(annotations, p)
    agreement = summarise(annotations, labels)
    quality = np.where(labels == UNKNOWN, np.nan, posterior[np.arange(len(labels)), labels])
    shared = annotations.n_labels[annotations.text] > 1
    agrees = annotations.label == labels[annotations.text]
    return Consensus(
        texts=annotations.texts,
        classes=annotations.classes,
        method="majority_vote",
        labels=labels,
        posterior=posterior,
        quality=quality,
        agreement=agreement,
        n_annotations=annotations.n_labels,
        annotators=describe_annotators(
            annotations, labels, quality, mean_per_annotator(annotations, agrees, shared)
        ),
    )


def majority_labels(annotations: Annotations, p: Floats | None, rng: np.random.Generator) -> Ints:
    """Return the majority label of each text, shape (N,); without labels the model's, or -1."""
    counts, labelled = annotations.counts, annotations.labelled
    best: Bools = counts == counts.max(axis=1, keepdims=True, initial=0)
    labels: Ints = np.where(labelled, best.argmax(axis=1), UNKNOWN if p is None else 0)
    if p is not None:
        labels[~labelled] = p[~labelled].argmax(axis=1)
    tied = np.flatnonzero(labelled & (best.sum(axis=1) > 1))
    if len(tied) == 0:
        return labels
    candidates = best[tied]
    if p is not None:
        candidates = _keep_best(candidates, p[tied])
    candidates = _keep_best(candidates, -counts.sum(axis=0, keepdims=True))
    if (candidates.sum(axis=1) > 1).any():
        candidates = _keep_best(candidates, _supporters_agreement(annotations, labels, tied))
    candidates = _keep_best(candidates, rng.random(candidates.shape))
    labels[tied] = candidates.argmax(axis=1)
    return labels


def _keep_best(candidates: Bools, score: Floats | Ints) -> Bools:
    """Of each row's candidates, keep those with the highest score."""
    value = np.where(candidates, score, -np.inf)
    kept: Bools = candidates & (value == value.max(axis=1, keepdims=True))
    return kept


def _supporters_agreement(annotations: Annotations, labels: Ints, tied: Ints) -> Floats:
    """Average the agreement with untied majorities over the annotators who chose each class of a tied text.

    An annotator without an untied text counts as the mean of the others.
    """
    untied = np.ones(annotations.n_texts, dtype=bool)
    untied[tied] = False
    certain = untied[annotations.text]
    agrees = annotations.label == labels[annotations.text]
    agreement = mean_per_annotator(annotations, agrees, certain)
    known = ~np.isnan(agreement)
    agreement[~known] = agreement[known].mean() if known.any() else 0.0
    contested = annotations.subset(texts=tied)
    cell = contested.text.astype(np.int64) * contested.n_classes + contested.label
    total = total_by(cell, agreement[contested.annotator], contested.counts.size)
    return np.asarray(total.reshape(contested.counts.shape) / np.maximum(contested.counts, 1))


def _shares(annotations: Annotations, p: Floats | None) -> Floats:
    """Return the share of labels per class; without labels the model's probabilities, or uniform."""
    unlabelled = ~annotations.labelled
    shares: Floats = annotations.counts / np.maximum(annotations.n_labels, 1)[:, None]
    shares[unlabelled] = 1 / annotations.n_classes if p is None else p[unlabelled]
    return shares
