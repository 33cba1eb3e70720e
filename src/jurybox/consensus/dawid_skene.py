"""Dawid-Skene: class frequencies and every annotator's confusions, by expectation maximisation.

Dawid & Skene 1979, "Maximum Likelihood Estimation of Observer Error-Rates Using the EM Algorithm"; the
one-coin form: Zhang, Chen, Zhou & Jordan 2016, "Spectral Methods Meet EM" (arXiv 1406.3824).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from scipy import sparse

from jurybox.annotations import Annotations
from jurybox.arrays import Floats, Ints, Rng, generator
from jurybox.consensus.majority import majority_labels
from jurybox.consensus.result import UNKNOWN, Consensus, describe_annotators, summarise
from jurybox.doubts import doubt
from jurybox.errors import InputError
from jurybox.labelled import as_annotations, probabilities

__all__ = ["Smoothing", "dawid_skene"]

_FLOOR = 1e-10
_TIE = 1e-9
_MAX_CONFUSION = 10**8


@dataclass(frozen=True)
class Smoothing:
    """What is believed before the first label, counted in labels and texts: Dirichlet pseudo counts.

    By default annotators are taken to be right four times out of five, with the weight of five labels per
    class. All zero is maximum likelihood, which calls an annotator infallible after one label that fits.

    Attributes
    ----------
    correct : float
        Right answers that each annotator is taken to have given already, for each true class.
    wrong : float
        Wrong answers likewise, spread evenly over the K - 1 other classes.
    classes : float
        Texts taken to have been seen already, spread evenly over the K classes.

    Raises
    ------
    InputError
        If a count is negative or not finite.
    """

    correct: float = 4.0
    wrong: float = 1.0
    classes: float = 1.0

    def __post_init__(self) -> None:
        for field in fields(self):
            count = getattr(self, field.name)
            if not 0 <= count < math.inf:
                raise InputError(f"smoothing.{field.name} is {count}, expected a finite number, 0 or above")


_DEFAULT = Smoothing()


def dawid_skene(
    annotations: Annotations,
    pred_probs: Any = None,
    *,
    one_coin: bool = False,
    smoothing: Smoothing | None = _DEFAULT,
    max_iterations: int = 500,
    tolerance: float = 1e-4,
    rng: Rng | None = None,
) -> Consensus:
    """Estimate true classes and annotators' confusions together, from the annotations alone.

    With class frequencies pi and confusions e_jkl, the probability that annotator j answers l where k is
    right, EM repeats, from the share of each class among a text's labels::

        pi_k    = sum_i post_ik / N
        e_jkl   = sum_i post_ik [y_ij = l] / sum_i post_ik [j labelled i]
        post_ik ∝ pi_k prod_j e_jk,y_ij

    with the pseudo counts of ``smoothing`` added to the first two, the mode of the parameters under a
    Dirichlet prior. In the one-coin form annotator j is right with one probability s_j whatever the class,
    and all wrong answers are equally likely.

    Time per iteration and memory grow with annotations, N K, and K times the number of (annotator, label)
    pairs that occur.

    Parameters
    ----------
    annotations
        Annotations of N texts in K >= 2 classes.
    pred_probs : table or array, shape (N, K), optional
        A model's out-of-sample probabilities, taken as each text's own prior instead of pi.
    one_coin
        One probability of being right per annotator instead of a confusion; for few labels per annotator.
    smoothing
        Pseudo counts; None for maximum likelihood.
    max_iterations
        Iterations after which to stop without having converged.
    tolerance
        Converged when no class probability of any labelled text moves by more than this.
    rng
        Breaks the ties of the majority vote, which itself breaks ties; default: seeded with 0.

    Returns
    -------
    Consensus
        Texts without labels have their prior as posterior; without ``pred_probs`` their label is -1 and
        their quality NaN. An annotator's ``quality`` is ``sum_k pi_k e_jkk``, NaN without labels. The
        ``confusion`` is None where it would have more than 10^8 cells.

    Raises
    ------
    InputError
        If K < 2, ``pred_probs`` is not of shape (N, K) or no probability, or a number is out of range.

    References
    ----------
    Dawid & Skene 1979, Applied Statistics 28(1); Zhang et al. 2016, arXiv 1406.3824.

    Examples
    --------
    The third annotator answers the opposite of the others, which makes the answers useful again:

    >>> annotations = Annotations.from_wide([[0, 0, 1], [1, 1, 0]] * 20 + [[None, None, 1]])
    >>> result = dawid_skene(annotations)
    >>> result.labels[-3:], result.annotators.quality.round(1)
    (array([0, 1, 0]), array([1. , 1. , 0.2]))
    """
    annotations = as_annotations(annotations)
    rng = generator(rng)
    _check(annotations, max_iterations, tolerance)
    prior = None
    if pred_probs is not None:
        prior = probabilities(pred_probs, annotations.texts, annotations.classes)
        doubt(annotations, prior)
    pseudo = smoothing or Smoothing(0, 0, 0)
    answers = _answers(annotations)
    estimate = _one_coin if one_coin else _confusions
    posterior: Floats = annotations.counts / np.maximum(annotations.n_labels, 1)[:, None]
    change, iterations = math.inf, 0
    while iterations < max_iterations and change > tolerance:
        skills = estimate(answers, posterior, pseudo)
        frequencies = _class_frequencies(annotations, posterior, pseudo)
        updated = _posterior(answers, skills, frequencies if prior is None else prior)
        change = float(np.abs(updated - posterior)[annotations.labelled].max(initial=0))
        posterior, iterations = updated, iterations + 1
    labels = _likeliest(posterior, majority_labels(annotations, prior, rng))
    quality = np.where(labels == UNKNOWN, np.nan, posterior[np.arange(len(labels)), labels])
    skills = estimate(answers, posterior, pseudo)
    right = skills.right @ _class_frequencies(annotations, posterior, pseudo)
    return Consensus(
        texts=annotations.texts,
        classes=annotations.classes,
        method="one_coin_dawid_skene" if one_coin else "dawid_skene",
        labels=labels,
        posterior=posterior,
        quality=quality,
        agreement=summarise(annotations, labels),
        n_annotations=annotations.n_labels,
        annotators=describe_annotators(
            annotations,
            labels,
            quality,
            np.where(annotations.labels_per_annotator > 0, right, np.nan),
            _fill_confusion(answers, skills),
        ),
        converged=change <= tolerance,
        iterations=iterations,
    )


def _check(annotations: Annotations, max_iterations: int, tolerance: float) -> None:
    if annotations.n_classes < 2:
        raise InputError(f"the annotations have {annotations.n_classes} class, expected at least 2")
    if max_iterations < 1:
        raise InputError(f"max_iterations is {max_iterations}, expected at least 1")
    if not 0 <= tolerance < math.inf:
        raise InputError(f"tolerance is {tolerance}, expected a finite number, 0 or above")


@dataclass(frozen=True)
class _Answers:
    """The U different (annotator, label) pairs that occur, and who got them.

    Attributes
    ----------
    annotator, label : ndarray of int, shape (U,)
        The pairs, sorted.
    by_text : sparse array, shape (N, U)
        1 where a text has such an annotation.
    by_pair : sparse array, shape (U, N)
        Its transpose.
    by_annotator : sparse array, shape (M, U)
        1 where a pair is the annotator's.
    """

    annotator: Ints
    label: Ints
    by_text: sparse.csr_array
    by_pair: sparse.csr_array
    by_annotator: sparse.csr_array


def _answers(annotations: Annotations) -> _Answers:
    n_classes = annotations.n_classes
    code = annotations.annotator.astype(np.int64) * n_classes + annotations.label
    occurs = np.bincount(code, minlength=annotations.n_annotators * n_classes) > 0
    pairs = np.flatnonzero(occurs)
    pair = (np.cumsum(occurs) - 1)[code]
    by_text = _incidence(pair, annotations.n_labels, len(pairs))
    pairs_per_annotator = occurs.reshape(annotations.n_annotators, n_classes).sum(axis=1)
    return _Answers(
        annotator=pairs // n_classes,
        label=pairs % n_classes,
        by_text=by_text,
        by_pair=by_text.T.tocsr(),
        by_annotator=_incidence(np.arange(len(pairs)), pairs_per_annotator, len(pairs)),
    )


def _incidence(columns: Ints, per_row: Ints, n_columns: int) -> sparse.csr_array:
    """Return ones at the given columns, so many per row."""
    first = np.append(0, np.cumsum(per_row))
    return sparse.csr_array((np.ones(len(columns)), columns, first), shape=(len(per_row), n_columns))


@dataclass(frozen=True)
class _Skills:
    """Probabilities of answers: e_jkl for the pairs (j, l) that occur (U, K), and all e_jkk (M, K)."""

    answers: Floats
    right: Floats


def _class_frequencies(annotations: Annotations, posterior: Floats, pseudo: Smoothing) -> Floats:
    """Return pi (K,) from the labelled texts; a class that nobody ever chose has none but pseudo counts."""
    n_classes = annotations.n_classes
    seen = annotations.counts.any(axis=0)
    mass = posterior[annotations.labelled].sum(axis=0) + pseudo.classes / n_classes
    mass = np.where(seen, np.maximum(mass, _FLOOR), mass)
    return np.asarray(mass / mass.sum()) if mass.sum() > 0 else np.full(n_classes, 1 / n_classes)


def _confusions(answers: _Answers, posterior: Floats, pseudo: Smoothing) -> _Skills:
    """Return e_jkl: how j answers texts of class k; a label that j does use has at least a tiny count."""
    n_classes = posterior.shape[1]
    prior = np.full((n_classes, n_classes), pseudo.wrong / (n_classes - 1))
    np.fill_diagonal(prior, pseudo.correct)
    prior_of_pair = prior[answers.label]
    count = np.maximum(answers.by_pair @ posterior + prior_of_pair, _FLOOR)
    # the classes that j never chose have their pseudo counts alone
    not_chosen = pseudo.correct + pseudo.wrong - answers.by_annotator @ prior_of_pair
    total = answers.by_annotator @ count + np.maximum(not_chosen, 0)
    right = np.divide(pseudo.correct, total, out=np.full(total.shape, 1 / n_classes), where=total > 0)
    probability = count / total[answers.annotator]
    right[answers.annotator, answers.label] = probability[np.arange(len(count)), answers.label]
    return _Skills(answers=probability, right=right)


def _one_coin(answers: _Answers, posterior: Floats, pseudo: Smoothing) -> _Skills:
    """Return s_j for the right answer and (1 - s_j) / (K - 1) for each wrong one."""
    n_classes = posterior.shape[1]
    of_pair = (answers.by_pair @ posterior)[np.arange(len(answers.label)), answers.label]
    n_labels = answers.by_annotator @ answers.by_text.sum(axis=0)
    total = n_labels + pseudo.correct + pseudo.wrong
    right = answers.by_annotator @ of_pair + pseudo.correct
    s = np.divide(right, total, out=np.full(total.shape, 1 / n_classes), where=total > 0)
    wrong = np.clip((1 - s) / (n_classes - 1), _FLOOR, 1 - _FLOOR)
    s = np.clip(s, _FLOOR, 1 - _FLOOR)
    is_right = answers.label[:, None] == np.arange(n_classes)
    probability = np.where(is_right, s[answers.annotator, None], wrong[answers.annotator, None])
    return _Skills(answers=probability, right=np.repeat(s[:, None], n_classes, axis=1))


def _posterior(answers: _Answers, skills: _Skills, prior: Floats) -> Floats:
    """Return post (N, K), proportional to the prior (K,) or (N, K) times the probability of the answers."""
    posterior: Floats = answers.by_text @ np.log(skills.answers)
    with np.errstate(divide="ignore"):
        posterior += np.log(prior if prior.ndim == 1 else np.maximum(prior, _FLOOR))
    posterior -= posterior.max(axis=1, keepdims=True)
    np.exp(posterior, out=posterior)
    posterior /= posterior.sum(axis=1, keepdims=True)
    return posterior


def _likeliest(posterior: Floats, majority: Ints) -> Ints:
    """Return the likeliest class (N,), the majority's where it is as likely; -1 where nothing is known."""
    best = posterior.max(axis=1, initial=0)
    tied = posterior[np.arange(len(majority)), majority] >= best - _TIE
    labels: Ints = np.where(tied | (majority == UNKNOWN), majority, posterior.argmax(axis=1))
    return labels


def _fill_confusion(answers: _Answers, skills: _Skills) -> Floats | None:
    """Return e (M, K, K); the labels that j never gave share evenly what the others leave."""
    n_annotators, n_classes = skills.right.shape
    if n_annotators * n_classes**2 > _MAX_CONFUSION:
        return None
    confusion: Floats = np.full((n_annotators, n_classes, n_classes), np.nan)
    every = np.arange(n_classes)
    confusion[answers.annotator, :, answers.label] = skills.answers
    confusion[:, every, every] = skills.right
    unknown = np.isnan(confusion)
    left = np.maximum(1 - np.nansum(confusion, axis=2, keepdims=True), 0)
    share = left / np.maximum(unknown.sum(axis=2, keepdims=True), 1)
    return np.where(unknown, share, confusion)
