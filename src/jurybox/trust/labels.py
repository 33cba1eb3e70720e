"""Which labels are wrong: of texts and single annotations, by nature or by guidelines that leave a gap.

The probability that a label is wrong comes from two posteriors that fail in different ways, averaged in log
odds: our consensus, and CROWDLAB (Goh, Tkachenko & Mueller 2022, arXiv 2210.06812), which averages instead of
multiplying and is not led astray by annotators who err alike.
``benchmarks/label_errors.py`` measures it beside other rankings. On a scale labels are ranked by how far off
they are expected to be, in the classes' numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import softmax

from jurybox.annotations import Annotations
from jurybox.arrays import Bools, DataFrame, Floats, Ints, freeze, total_by
from jurybox.consensus import EstimatedConsensus, estimate_consensus
from jurybox.consensus.crowdlab import calibrated, infer
from jurybox.consensus.estimate import by_experts, check_experts
from jurybox.consensus.result import UNKNOWN
from jurybox.display import Shown
from jurybox.errors import InputError
from jurybox.labelled import probabilities
from jurybox.scales import distances
from jurybox.trust.guidelines import GuidelineProblem, above_chance, guideline_problems

__all__ = [
    "Contested",
    "DoubtKind",
    "GuidelineProblem",
    "LabelErrors",
    "contested_texts",
    "guideline_problems",
    "label_errors",
]

DoubtKind: TypeAlias = Literal["mislabelled", "ambiguous"]

_TINY = 1e-9
_CLEAR = 0.7  # share of a crowd's answers that a text commands beyond chance, below which it is ambiguous
_SLIP = 0.2  # how likely a text of a doubtful consensus is clear and mislabelled, beside ambiguous


@dataclass(frozen=True, eq=False, repr=False)
class LabelErrors(Shown):
    """How likely every label is wrong.

    Attributes
    ----------
    labels : ndarray of int, shape (N,)
        Class of each text by `jurybox.consensus.estimate_consensus`; -1 without labels.
    texts : ndarray, shape (N,)
        Probability that this consensus is wrong; NaN without labels.
    annotations : ndarray, shape (L,)
        Probability that a single annotation's label is wrong, aligned with the rows of the annotations.
    posterior : ndarray, shape (N, K)
        Probability of each class, for judging another consensus than ours.
    text_distances : ndarray, shape (N,)
        How far off the consensus is expected to be, in the scale's numbers; without a scale, as ``texts``.
    distances : ndarray, shape (L,)
        The same of each annotation; without a scale, as ``annotations``.
    """

    labels: Ints
    texts: Floats
    annotations: Floats
    posterior: Floats
    text_distances: Floats
    distances: Floats

    def __post_init__(self) -> None:
        for name in ("labels", "texts", "annotations", "posterior", "text_distances", "distances"):
            freeze(getattr(self, name))

    def headline(self) -> str:
        """Return how many labels are expected to be wrong."""
        known = self.texts[self.labels >= 0]
        wrong = f"{known.sum():.1f} of {len(known):,} labels expected to be wrong"
        return (
            f"LabelErrors({wrong}, and {self.annotations.sum():.1f} of {len(self.annotations):,} annotations)"
        )

    def to_frame(self) -> DataFrame:
        """Return one row per labelled text, by position, the likeliest to be wrong first."""
        import pandas as pd

        columns = {"label": self.labels, "error": self.texts, "distance": self.text_distances}
        frame = pd.DataFrame(columns).rename_axis("text")
        return frame[self.labels >= 0].sort_values("error", ascending=False, kind="stable")


@dataclass(frozen=True)
class Contested:
    """A text whose consensus may be wrong.

    Attributes
    ----------
    text
        Position of the text.
    label
        Position of its consensus class.
    error
        Probability that the consensus is wrong.
    kind
        ``"ambiguous"``: reliable annotators stay split, as on a text that readers understand differently;
        ``"mislabelled"``: a slip, or an unreliable annotator, explains the annotations better.
    distance
        How far off it is expected to be, in the scale's numbers; without a scale, as ``error``.
    spread
        Share of the text's annotations, each counting by its annotator's quality above chance, that
        contradict the consensus.
    """

    text: int
    label: int
    error: float
    kind: DoubtKind
    distance: float
    spread: float


def label_errors(
    annotations: Annotations, pred_probs: Any = None, *, experts: ArrayLike | None = None
) -> LabelErrors:
    """Return how likely each text's consensus and each single annotation is wrong.

    Parameters
    ----------
    annotations
        Annotations of N texts in K classes.
    pred_probs : array-like, shape (N, K), optional
        A classifier's out-of-sample probabilities.
    experts : array-like of bool, shape (M,), optional
        Annotators who are reviewers, as in `jurybox.consensus.estimate_consensus`; a text that one of them
        has labelled is judged by our consensus alone, because CROWDLAB knows no experts.

    Raises
    ------
    InputError
        If ``pred_probs`` is not of shape (N, K), or ``experts`` not of shape (M,).

    Examples
    --------
    >>> annotations = Annotations.from_wide([[0, 0, 1], [1, 1, 1], [0, 0, 0], [1, 1, 1]] * 5)
    >>> errors = label_errors(annotations)
    >>> int(errors.texts[:4].argmax()), int(errors.annotations[:12].argmax())
    (0, 2)
    """
    consensus = estimate_consensus(annotations, pred_probs, experts=experts, check=False)
    return _label_errors(annotations, pred_probs, experts, consensus)


def contested_texts(
    annotations: Annotations,
    pred_probs: Any = None,
    *,
    experts: ArrayLike | None = None,
    limit: int = 50,
) -> tuple[Contested, ...]:
    """Return the texts whose consensus is most likely wrong, and whether they are ambiguous by nature.

    On a scale, those whose consensus is expected to be furthest off.

    The consensus knows easy and hard types of each class (`jurybox.consensus.text_types`). A text is called
    ambiguous if it is hard rather than of a clear type of another class, which a slip of those who labelled
    it would explain; of doubtful texts few are slips, so these odds are weighed by 1 to 5.

    Parameters
    ----------
    annotations, pred_probs, experts
        As in `label_errors`.
    limit
        Return so many texts at most.

    Raises
    ------
    InputError
        As `label_errors`; and if ``limit`` is negative.

    Examples
    --------
    >>> clear = [[0, 0, 0, 0], [1, 1, 1, 1]] * 10
    >>> annotations = Annotations.from_wide([[0, 0, 1, 1], [1, 0, 1, 0], [0, 1, 1, 0], *clear])
    >>> sorted((found.text, found.kind) for found in contested_texts(annotations, limit=3))
    [(0, 'ambiguous'), (1, 'ambiguous'), (2, 'ambiguous')]
    """
    if limit < 0:
        raise InputError(f"limit is {limit}, expected at least 0")
    consensus = estimate_consensus(annotations, pred_probs, experts=experts, check=False)
    errors = _label_errors(annotations, pred_probs, experts, consensus)
    texts = np.flatnonzero(annotations.labelled)
    texts = texts[np.argsort(-errors.text_distances[texts], kind="stable")[:limit]]
    split = _ambiguous(annotations, consensus, errors)
    spread = _spread(annotations, consensus, errors.labels)
    return tuple(
        Contested(
            text=int(text),
            label=int(errors.labels[text]),
            error=float(errors.texts[text]),
            kind="ambiguous" if split[text] else "mislabelled",
            distance=float(errors.text_distances[text]),
            spread=float(spread[text]),
        )
        for text in texts
    )


def _label_errors(
    annotations: Annotations,
    pred_probs: Any,
    experts: ArrayLike | None,
    consensus: EstimatedConsensus,
) -> LabelErrors:
    posterior = np.array(consensus.posterior)
    if pred_probs is not None and annotations.n_annotations and annotations.n_classes > 1:
        reviewers = check_experts(experts, annotations.n_annotators)
        believed = by_experts(annotations, reviewers)
        reviewed = np.bincount(annotations.text, believed, annotations.n_texts) > 0
        p = probabilities(pred_probs, annotations.texts, annotations.classes)
        other = infer(annotations, calibrated(annotations, p[None]), "best_quality", None).posterior
        mixed = softmax((np.log(posterior + _TINY) + np.log(other + _TINY)) / 2, axis=1)
        posterior = np.where(reviewed[:, None], posterior, mixed)
    labels = np.where(annotations.labelled, consensus.labels, UNKNOWN)
    wrong = 1 - posterior
    off = wrong if annotations.scale is None else posterior @ distances(annotations.scale)
    own = np.arange(len(labels)), np.maximum(labels, 0)
    given = annotations.text, annotations.label
    return LabelErrors(
        labels=labels,
        texts=np.where(annotations.labelled, wrong[own], np.nan),
        annotations=wrong[given],
        posterior=posterior,
        text_distances=np.where(annotations.labelled, off[own], np.nan),
        distances=off[given],
    )


def _ambiguous(annotations: Annotations, consensus: EstimatedConsensus, errors: LabelErrors) -> Bools:
    """Say which texts are rather ambiguous than clear with a wrong consensus, shape (N,)."""
    types, K = consensus.types, annotations.n_classes
    hard = np.zeros(annotations.n_texts)
    clear = np.zeros((annotations.n_texts, K))
    difficult = np.array(types.prior.right) < _CLEAR
    q, e = types.posterior, types.evidence
    named = np.flatnonzero(e.pair_class < K)
    hard[e.texts] = total_by(e.pair_text, q[:, difficult].sum(axis=1), len(e.texts))
    clear[e.texts[e.pair_text[named]], e.pair_class[named]] = q[named][:, ~difficult].sum(axis=1)
    wrong = clear.sum(axis=1) - clear[np.arange(len(clear)), np.maximum(errors.labels, 0)]
    return np.asarray(_SLIP * hard > wrong)


def _spread(annotations: Annotations, consensus: EstimatedConsensus, labels: Ints) -> Floats:
    """Return the share of each text's trustworthy annotations against its label, shape (N,)."""
    weight = np.maximum(above_chance(consensus, annotations.n_classes), _TINY)[annotations.annotator]
    against = weight * (annotations.label != labels[annotations.text])
    total = total_by(annotations.text, weight, annotations.n_texts)
    return total_by(annotations.text, against, annotations.n_texts) / np.maximum(total, _TINY)
