"""The default consensus: annotators with confusions shrunk to the crowd's, and the classifier as prior.

Text i has class k with prior probability proportional to ``p_ik ** trust``, p the classifier's out-of-sample
probabilities. Annotator j answers l where k is right with probability ``pi_j[k, l]``. Given the posterior q,

    crowd[k, l]  proportional to  sum_i q_ik #{answers l to i} + a prior of symmetric confusions
    pi_j[k, l]   proportional to  sum_i q_ik #{answers l of j to i} + strength * crowd[k, l]
    q_ik         proportional to  p_ik ** trust * product over the annotations of i of pi_j[k, y_ij]

which is Dawid & Skene's EM (1979, Applied Statistics 28:20) as a hierarchical model: an annotator with few
labels is believed to be like the crowd, one with many to be as their labels say, worse than chance included.
Every step is smooth in the data: one more disagreement never switches an annotator, or the model, off.

Experts (reviewers, who judge in view of what the others said) are shrunk, and firmly, to near-perfection
instead of to the crowd, and are no part of it. One label of theirs outweighs the surest model, or four
unanimous annotators who are right in 98 of 100 cases; it stays an annotation, which more of them, or other
experts, can outweigh.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array
from scipy.special import softmax

from jurybox.annotations import Annotations
from jurybox.arrays import Bools, Floats, check_probabilities
from jurybox.consensus.result import UNKNOWN, Consensus, describe_annotators, summarise
from jurybox.errors import InputError

__all__ = ["EstimatedConsensus", "estimate_consensus"]

_LEAST_PRIOR = 1e-4  # a model's certainty is bounded, so that annotators can contradict it
_CROWD_ACCURACY = 0.75
_CROWD_LABELS = 10.0
_EXPERT_ERROR = 1e-7  # of each wrong class; below _LEAST_PRIOR, so that a reviewer can overrule the model
_EXPERT_LABELS = 1e7  # fewer, and EM would take the one text in question for a habit of its reviewer
_EXPERT_VOTES = 1e6  # at the start: EM would otherwise settle with the majority against the expert


@dataclass(frozen=True, eq=False, kw_only=True)
class EstimatedConsensus(Consensus):
    """A consensus, and the confusions of the crowd as a whole.

    Attributes
    ----------
    crowd : ndarray, shape (K, K)
        ``crowd[k, l]``: probability that a new annotator answers class l where class k is right.
    """

    crowd: Floats


def estimate_consensus(
    annotations: Annotations,
    pred_probs: ArrayLike | None = None,
    *,
    trust: float = 1.0,
    strength: float = 20.0,
    experts: ArrayLike | None = None,
    tolerance: float = 1e-3,
    max_iterations: int = 200,
) -> EstimatedConsensus:
    """Estimate each text's class from its annotations, its annotators' habits and a classifier.

    Parameters
    ----------
    annotations
        Annotations of N texts in K classes.
    pred_probs : array-like, shape (N, K), optional
        A classifier's out-of-sample probabilities. Without them every text has the classes' estimated
        shares as prior, and texts without annotations stay unknown.
    trust
        Power to which the probabilities are raised: 1 takes them as they are, 0 ignores them.
    strength
        Labels of an annotator that count as much as the crowd's habits do.
    experts : array-like of bool, shape (M,), optional
        Annotators who are reviewers: their labels are believed to be all but always right, whatever the
        others say.
    tolerance
        The iteration ends when no posterior moves by more.
    max_iterations
        Or after so many.

    Returns
    -------
    EstimatedConsensus
        With the confusion of every annotator; one without annotations has the crowd's, and quality NaN.

    Raises
    ------
    InputError
        If ``pred_probs`` is not of shape (N, K), ``experts`` not of shape (M,) or not of truth values,
        ``trust`` is negative or not finite, or ``strength`` is not above 0.

    Examples
    --------
    >>> annotations = Annotations.from_wide([[0, 0, 1], [1, 1, 0], [0, 0, 1], [1, 1, None]])
    >>> estimate_consensus(annotations).labels.tolist()
    [0, 1, 0, 1]

    The third annotator, as a reviewer, is followed:

    >>> estimate_consensus(annotations, experts=[False, False, True]).labels.tolist()
    [1, 0, 1, 1]
    """
    shape = annotations.n_texts, annotations.n_classes
    if not (np.isfinite(trust) and trust >= 0):
        raise InputError(f"trust is {trust}, expected a number of at least 0")
    if not strength > 0:
        raise InputError(f"strength is {strength}, expected a number above 0")
    if max_iterations < 1:
        raise InputError(f"max_iterations is {max_iterations}, expected at least 1")
    log_prior = None
    if pred_probs is not None:
        log_prior = trust * np.log(np.maximum(check_probabilities(pred_probs, shape), _LEAST_PRIOR))
    mask = check_experts(experts, annotations.n_annotators)
    incidence = _incidence(annotations)
    posterior = _start(_votes(annotations, mask), log_prior)
    moved, iterations = np.inf, 0
    while moved > tolerance and iterations < max_iterations:
        crowd, confusion = _confusions(incidence, posterior, mask, strength)
        before, posterior = posterior, _posterior(annotations, incidence, confusion, log_prior, posterior)
        moved = float(np.abs(posterior - before).max(initial=0.0))
        iterations += 1
    return _result(
        annotations, posterior, crowd, confusion, log_prior is None, moved <= tolerance, iterations
    )


def check_experts(experts: ArrayLike | None, n_annotators: int) -> Bools:
    """Return who is an expert (M,), nobody by default, after checking shape and type."""
    if experts is None:
        return np.zeros(n_annotators, dtype=bool)
    mask = np.asarray(experts)
    if mask.shape != (n_annotators,) or (mask.dtype != bool and mask.size):
        raise InputError(
            f"experts has shape {mask.shape} and type {mask.dtype}, expected ({n_annotators},) and bool"
        )
    return mask.astype(bool)


def _incidence(annotations: Annotations) -> csr_array:
    """Return which answer each text got: row j * K + l and column i for label l by annotator j, sparse."""
    row = annotations.annotator.astype(np.int64) * annotations.n_classes + annotations.label
    shape = annotations.n_annotators * annotations.n_classes, annotations.n_texts
    return csr_array((np.ones(len(row)), (row, annotations.text)), shape=shape)


def _votes(annotations: Annotations, experts: Bools) -> Floats:
    """Count each text's labels by class (N, K), those of experts many times."""
    votes = annotations.counts.astype(np.float64)
    if experts.any():
        theirs = experts[annotations.annotator]
        np.add.at(votes, (annotations.text[theirs], annotations.label[theirs]), _EXPERT_VOTES - 1)
    return votes


def _start(votes: Floats, log_prior: Floats | None) -> Floats:
    """Mix each text's votes (N, K) with one vote of the prior."""
    prior = _shares(votes) if log_prior is None else softmax(log_prior, axis=1)
    return np.asarray((votes + prior) / (votes.sum(axis=1) + 1)[:, None])


def _shares(weights: Floats) -> Floats:
    """Return the classes' shares (K,) of weights (N, K), smoothed by one text per class."""
    total = weights.sum(axis=0) + 1.0
    return np.asarray(total / total.sum())


def _confusions(
    incidence: csr_array, posterior: Floats, experts: Bools, strength: float
) -> tuple[Floats, Floats]:
    """Return the crowd's confusion (K, K) and every annotator's (M, K, K); rows sum to 1."""
    K = posterior.shape[1]
    answers = np.asarray(incidence @ posterior).reshape(len(experts), K, K).transpose(0, 2, 1)
    crowd = answers[~experts].sum(axis=0) + _CROWD_LABELS * _symmetric(
        K, (1 - _CROWD_ACCURACY) / max(K - 1, 1)
    )
    crowd /= crowd.sum(axis=1, keepdims=True)
    prior = np.where(experts[:, None, None], _EXPERT_LABELS * _symmetric(K, _EXPERT_ERROR), strength * crowd)
    confusion = answers + prior
    return crowd, confusion / confusion.sum(axis=2, keepdims=True)


def _symmetric(K: int, error: float) -> Floats:
    """Return a confusion (K, K) in which every wrong class has the same probability."""
    confusion = np.full((K, K), error)
    np.fill_diagonal(confusion, 1 - (K - 1) * error)
    return confusion


def _posterior(
    annotations: Annotations,
    incidence: csr_array,
    confusion: Floats,
    log_prior: Floats | None,
    posterior: Floats,
) -> Floats:
    if log_prior is None:
        log_prior = np.log(_shares(posterior[annotations.labelled]))
    log_likelihood = np.log(confusion).transpose(0, 2, 1).reshape(-1, confusion.shape[1])
    return np.asarray(softmax(log_prior + incidence.T @ log_likelihood, axis=1))


def _result(
    annotations: Annotations,
    posterior: Floats,
    crowd: Floats,
    confusion: Floats,
    without_model: bool,
    converged: bool,
    iterations: int,
) -> EstimatedConsensus:
    labels = posterior.argmax(axis=1)
    if without_model:
        unknown = ~annotations.labelled
        labels[unknown] = UNKNOWN
        posterior[unknown] = 1 / annotations.n_classes
    quality = posterior.max(axis=1)
    correct = np.einsum("jkk,k->j", confusion, _shares(posterior[annotations.labelled]))
    correct[annotations.labels_per_annotator == 0] = np.nan
    return EstimatedConsensus(
        method="estimate",
        labels=labels,
        posterior=posterior,
        quality=quality,
        agreement=summarise(annotations, labels),
        n_annotations=annotations.n_labels,
        annotators=describe_annotators(annotations, labels, quality, correct, confusion),
        converged=converged,
        iterations=iterations,
        crowd=crowd,
    )
