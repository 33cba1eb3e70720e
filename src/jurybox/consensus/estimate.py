"""The default consensus: every text has a class and a difficulty, and what a classifier says is learnt.

See `jurybox.consensus.text_types` for the model. Two figures come of it for each text, and they differ:

- its *quality* is the probability that the majority of a large crowd would give its label;
- its *shares* are what one new annotator would answer. The label is the class with the largest share, which
  keeps rare classes that a majority of types would lose.

Experts (reviewers, who judge in view of what the others said) name what the majority of a large crowd would
say, all but always. Nothing is learnt of the crowd from their labels. One label of theirs outweighs the
surest model, or four unanimous annotators; it stays an annotation, which more of them, or other experts,
can outweigh.

On a scale (`jurybox.Annotations.scale`) the label is the class nearest to the mean, by rank, of what the
majority would say: it has the least expected squared distance to it. Where one label is all that is known of
a text it remains the largest share. The *position* is what a large crowd would answer on average, in the
classes' numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array

from jurybox.annotations import Annotations
from jurybox.arrays import Bools, Floats, Ints, Rng, freeze, generator
from jurybox.consensus.evidence import Evidence
from jurybox.consensus.fitting import draw_types, fit_types
from jurybox.consensus.prior import DEFAULT_PRIOR, AnnotatorPrior, majority_for
from jurybox.consensus.result import UNKNOWN, Consensus, describe_annotators, summarise
from jurybox.consensus.text_types import EXPERT_ERROR, TextTypes
from jurybox.doubts import doubt
from jurybox.errors import InputError
from jurybox.labelled import as_annotations, probabilities

__all__ = ["EstimatedConsensus", "draw_consensus", "estimate_consensus", "nearest_class"]


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class EstimatedConsensus(Consensus):
    """A consensus, what single annotators would say, and the confusions of the crowd as a whole.

    Attributes
    ----------
    shares : ndarray, shape (N, K)
        Probability that a new annotator would answer each class; uniform where nothing is known.
    crowd : ndarray, shape (K, K)
        ``crowd[k, l]``: probability that a new annotator answers class l to a text of class k.
    types : TextTypes
        The fitted model.
    """

    shares: Floats
    crowd: Floats
    types: TextTypes

    def __post_init__(self) -> None:
        super().__post_init__()
        freeze(self.shares)
        freeze(self.crowd)

    def of_labelled(self) -> Self:
        """Return the consensus of the texts that have labels, alone: see `Consensus.of_labelled`."""
        rows, e = np.flatnonzero(self.n_annotations), self.types.evidence
        types = replace(self.types, evidence=replace(e, texts=np.searchsorted(rows, e.texts)))
        return replace(super().of_labelled(), shares=self.shares[rows], types=types)


def estimate_consensus(
    annotations: Annotations,
    pred_probs: Any = None,
    *,
    trust: float = 1.0,
    experts: ArrayLike | None = None,
    habits: AnnotatorPrior | None = None,
    tolerance: float = 1e-5,
    max_iterations: int = 60,
    check: bool = True,
) -> EstimatedConsensus:
    """Estimate each text's class from its annotations, its annotators' habits and a classifier.

    Parameters
    ----------
    annotations
        Annotations of N texts in K classes.
    pred_probs : table or array, shape (N, K), optional
        A classifier's out-of-sample probabilities, which need not be calibrated: what they say is learnt from
        the labels. Without them texts without annotations stay unknown.
    trust
        Multiplies what the classifier has earned: 1 takes it as it is, 0 ignores it.
    experts : array-like of bool, shape (M,), optional
        Annotators who are reviewers: their labels are believed to be all but always right, whatever the
        others say; so are labels that the annotations say were ``decided``, by whomever.
    habits
        What is known of the annotators from other questions of two classes, such as
        `jurybox.consensus.several.estimate_answers` finds; the annotations have two classes then.
    tolerance
        The fit ends when its penalised likelihood changes relatively by less.
    max_iterations
        Or after so many steps.
    check
        Whether to warn of probabilities that look as if they were not what they should be, see
        `jurybox.doubts.doubt`.

    Returns
    -------
    EstimatedConsensus
        Its ``posterior`` and ``quality`` are probabilities of what the majority of a large crowd would say.
        An annotator's quality is how often they say the same, NaN without annotations. With very many
        annotators and classes ``annotators.confusion`` is None.

    Raises
    ------
    InputError
        If ``pred_probs`` is not of shape (N, K), ``experts`` not of shape (M,) or not of truth values,
        ``trust`` is negative or not finite, ``max_iterations`` below 1, or ``habits`` of other annotators.

    Examples
    --------
    >>> annotations = Annotations.from_wide([[0, 0, 1], [1, 1, 0], [0, 0, 1], [1, 1, None]])
    >>> estimate_consensus(annotations).labels.tolist()
    [0, 1, 0, 1]

    The third annotator, as a reviewer, is followed:

    >>> estimate_consensus(annotations, experts=[False, False, True]).labels.tolist()
    [1, 0, 1, 1]
    """
    if not (np.isfinite(trust) and trust >= 0):
        raise InputError(f"trust is {trust}, expected a number of at least 0")
    if max_iterations < 1:
        raise InputError(f"max_iterations is {max_iterations}, expected at least 1")
    annotations = as_annotations(annotations)
    if habits is not None and (
        annotations.n_classes != 2 or habits.bias.shape != (annotations.n_annotators, 2)
    ):
        raise InputError(
            f"habits has biases of shape {habits.bias.shape} and there are {annotations.n_classes} classes, "
            f"expected ({annotations.n_annotators}, 2) and two classes"
        )
    known = _Known.of(annotations, pred_probs, experts)
    if check:
        doubt(annotations, known.p)
    types = fit_types(
        known.evidence, known.before, habits=habits, tolerance=tolerance, max_iterations=max_iterations
    )
    types = known.revised(types)
    p, mask = known.p, known.experts
    posterior, shares = types.predict(p, annotations.n_texts, trust)
    found = _result(annotations, types, posterior, shares, mask, p is None)
    if annotations.scale is None:
        return found
    numbers = np.array(annotations.scale)
    return replace(found, position=types.position(p, annotations.n_texts, trust, numbers))


def draw_consensus(
    annotations: Annotations,
    pred_probs: Any = None,
    *,
    experts: ArrayLike | None = None,
    n_draws: int,
    rng: Rng,
) -> Iterator[TextTypes]:
    """Yield draws of what the annotations leave possible: of the crowd, and what it makes of each text.

    Parameters
    ----------
    annotations, pred_probs, experts
        As of `estimate_consensus`, whose fit without habits is the middle of the draws.
    n_draws
        S.
    rng
        Source of all randomness; see `jurybox.consensus.fitting.draw_types`.

    Raises
    ------
    InputError
        As `estimate_consensus`; and if ``n_draws`` is below 1.
    """
    rng = generator(rng)
    if n_draws < 1:
        raise InputError(f"n_draws is {n_draws}, expected at least 1")
    known = _Known.of(annotations, pred_probs, experts)
    return (
        known.revised(types) for types in draw_types(known.evidence, known.before, n_draws=n_draws, rng=rng)
    )


@dataclass(frozen=True, eq=False)
class _Known:
    """What a consensus goes by; ``before`` is what experts say, given a crowd of which nothing is known."""

    evidence: Evidence
    p: Floats | None
    experts: Bools
    said: Callable[[Ints], Floats] | None
    before: Floats | None

    @classmethod
    def of(cls, annotations: Annotations, pred_probs: Any, experts: ArrayLike | None) -> _Known:
        """Check all, and lay it out."""
        p = None if pred_probs is None else probabilities(pred_probs, annotations.texts, annotations.classes)
        mask = check_experts(experts, annotations.n_annotators)
        believed = by_experts(annotations, mask)
        evidence = Evidence.of(annotations, p, ~believed)
        if not believed.any():
            return cls(evidence, p, mask, None, None)
        said = _what_experts_say(annotations, evidence, believed)
        return cls(evidence, p, mask, said, said(majority_for(evidence.shares, DEFAULT_PRIOR)))

    def revised(self, types: TextTypes) -> TextTypes:
        """Let experts say what the majority of the fitted crowd says."""
        if self.said is None or self.before is None:
            return types
        return types.revised(self.said(types.likely_majority()) - self.before)


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


def by_experts(annotations: Annotations, experts: Bools) -> Bools:
    """Return which labels are an expert's (M,), or a decision of whoever else reviewed the text, (L,)."""
    theirs = experts[annotations.annotator]
    return theirs if annotations.decided is None else theirs | annotations.decided


def _what_experts_say(
    annotations: Annotations, evidence: Evidence, believed: Bools
) -> Callable[[Ints], Floats]:
    """Return the log likelihood (D, P) of experts' labels (L,), given the majority's answers (K, D).

    They say the same, all but always.
    """
    K = annotations.n_classes
    theirs = np.flatnonzero(believed)
    row = np.searchsorted(evidence.texts, annotations.text[theirs])
    said = csr_array((np.ones(len(theirs)), (row, annotations.label[theirs])), shape=(len(evidence.texts), K))
    counts = np.hstack([said.toarray(), np.zeros((len(evidence.texts), 1))])

    def log_likelihood(majority: Ints) -> Floats:
        # of a text that is of no class in question, they have said something else
        of_pair = np.vstack([majority, np.full((1, majority.shape[1]), K)])[evidence.pair_class]
        agree = counts[evidence.pair_text[:, None], of_pair]
        differ = counts.sum(axis=1)[evidence.pair_text, None] - agree
        return np.asarray((agree * np.log1p(-EXPERT_ERROR) + differ * np.log(EXPERT_ERROR / max(K - 1, 1))).T)

    return log_likelihood


def nearest_class(posterior: Floats) -> Ints:
    """Return the class (N,) nearest to the mean rank of probabilities (N, K).

    Examples
    --------
    >>> nearest_class(np.array([[0.4, 0.3, 0.3], [0.9, 0.0, 0.1]]))
    array([1, 0])
    """
    return np.asarray(np.rint(posterior @ np.arange(posterior.shape[1])).astype(np.int64))


def _result(
    annotations: Annotations,
    types: TextTypes,
    posterior: Floats,
    shares: Floats,
    experts: Bools,
    without_model: bool,
) -> EstimatedConsensus:
    labels = shares.argmax(axis=1)
    if annotations.scale is not None:
        known = ~without_model | (annotations.n_labels > 1)
        labels = np.where(known, nearest_class(posterior), labels)
    believed = by_experts(annotations, experts)
    reviewed = np.flatnonzero(np.bincount(annotations.text, believed, len(labels)))
    labels[reviewed] = posterior[reviewed].argmax(axis=1)
    if without_model:
        labels[~annotations.labelled] = UNKNOWN
    quality = posterior[np.arange(len(labels)), np.maximum(labels, 0)]
    skilled = types.skill(experts)
    judged = experts[annotations.annotator] | ~believed  # of whoever only decides nothing is known
    skilled[np.bincount(annotations.annotator[judged], minlength=annotations.n_annotators) == 0] = np.nan
    return EstimatedConsensus(
        texts=annotations.texts,
        classes=annotations.classes,
        method="estimate",
        labels=labels,
        posterior=posterior,
        quality=quality,
        agreement=summarise(annotations, labels),
        n_annotations=annotations.n_labels,
        annotators=describe_annotators(annotations, labels, quality, skilled, types.confusion(experts)),
        converged=types.converged,
        iterations=types.iterations,
        shares=shares,
        crowd=types.crowd_confusion(),
        types=types,
    )
