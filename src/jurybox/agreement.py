"""How far annotators agree beyond chance: Krippendorff's alpha, Fleiss' kappa, pairwise Cohen's kappa.

Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability"; Fleiss 1971, "Measuring nominal scale
agreement among many raters"; Cohen 1960, "A coefficient of agreement for nominal scales".
"""

from __future__ import annotations

import math
import warnings
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from jurybox.annotations import Annotations
from jurybox.arrays import DataFrame, Floats, Ints, freeze
from jurybox.display import Shown
from jurybox.errors import InputError
from jurybox.labelled import as_annotations
from jurybox.numerals import count
from jurybox.scales import set_distances
from jurybox.spellings import LabelsWarning, as_number

__all__ = [
    "Agreement",
    "Level",
    "PairwiseAgreement",
    "Weighting",
    "cohen_kappa",
    "fleiss_kappa",
    "krippendorff_alpha",
]

Level: TypeAlias = Literal["nominal", "ordinal", "interval", "masi", "jaccard"]
Weighting: TypeAlias = Literal["none", "quadratic"]
_LEVELS = get_args(Level)
_OF_SETS = ("masi", "jaccard")
_TINY = 1e-12
_NOBODY_TO_COMPARE = "no text has labels of two annotators"


@dataclass(frozen=True, repr=False)
class Agreement(Shown):
    """One figure for the agreement among all annotators: 1 is perfect, 0 what chance gives.

    Attributes
    ----------
    measure : str
        Name of the measure.
    value : float
        NaN where the measure is undefined.
    n_texts, n_annotations : int
        Texts with at least two labels, and the labels they have; the others say nothing of agreement.
    reason : str, optional
        Why the measure is undefined, where it is.
    """

    measure: str
    value: float
    n_texts: int
    n_annotations: int
    reason: str | None = None

    def headline(self) -> str:
        """Return measure and value, and why it is undefined where it is."""
        why = f": {self.reason}" if self.reason else f" on {self.n_texts:,} texts"
        return f"Agreement({self.measure} {self.value:.3f}{why})"

    def to_frame(self) -> DataFrame:
        """Return one row with all fields."""
        import pandas as pd

        return pd.DataFrame([asdict(self)])


@dataclass(frozen=True, eq=False, repr=False)
class PairwiseAgreement(Shown):
    """Cohen's kappa of every two of the M annotators, on the texts that both labelled.

    Attributes
    ----------
    annotators : ndarray, shape (M,)
        Identifiers.
    kappa : ndarray, shape (M, M)
        Symmetric; NaN where undefined. The diagonal compares annotators with themselves: 1, or NaN for one
        who used fewer than two classes.
    overlap : ndarray of int, shape (M, M)
        Texts that both labelled; on the diagonal, an annotator's own number of labels.
    """

    annotators: NDArray[Any]
    kappa: Floats
    overlap: Ints

    def __post_init__(self) -> None:
        freeze(self.kappa)
        freeze(self.overlap)

    def headline(self) -> str:
        """Return how many pairs there are, and the median kappa."""
        known = self.kappa[np.triu_indices(len(self.annotators), 1)]
        known = known[~np.isnan(known)]
        middle = f", median kappa {np.median(known):.2f}" if len(known) else ""
        return f"PairwiseAgreement({len(self.annotators)} annotators, {count(len(known), 'pair')}{middle})"

    def to_frame(self) -> DataFrame:
        """Return kappa, shape (M, M), with the annotators' names."""
        import pandas as pd

        return pd.DataFrame(self.kappa, self.annotators, self.annotators)

    def reason(self, first: int, second: int) -> str | None:
        """Return why the kappa of two annotators, given by position, is undefined; None where it is not.

        Examples
        --------
        >>> cohen_kappa(Annotations.from_wide([[0, 0, None], [None, 1, 1]])).reason(0, 2)
        'annotators 0 and 2 labelled no text in common'
        """
        if not math.isnan(self.kappa[first, second]):
            return None
        pair = f"annotators {self.annotators[first]} and {self.annotators[second]}"
        shared = int(self.overlap[first, second])
        if shared == 0:
            return f"{pair} labelled no text in common"
        return f"{pair} gave one and the same class to all texts that both labelled ({shared})"


def krippendorff_alpha(annotations: Annotations, *, level: Level = "nominal") -> Agreement:
    """Return Krippendorff's alpha, for any number of labels per text.

    ``alpha = 1 - sum_kl o_kl d_kl / sum_kl e_kl d_kl`` with the coincidences
    ``o_kl = sum_i c_ik (c_il - [k = l]) / (n_i - 1)``, their margins ``m_k``, the chance coincidences
    ``e_kl = m_k (m_l - [k = l]) / (sum m - 1)``, and distances d between classes.

    Parameters
    ----------
    annotations
        Annotations of N texts.
    level
        The distance of two classes: ``"nominal"``, 1 if they differ; ``"interval"``, the squared difference
        of their values; ``"ordinal"``, the squared number of labels between them. The value of a class is
        its number on the annotations' scale, else the class itself where all of them are finite numbers, also
        in text form such as "10", else its position in ``annotations.classes``; ordinal classes are in the
        order of their values. Where the classes are sets (`jurybox.AnswerSheet.sets`), ``"jaccard"``,
        ``1 - |A & B| / |A | B|``, and ``"masi"``, ``1 - m |A & B| / |A | B|`` with m = 1 for equal sets, 2/3
        where one holds the other, 1/3 where they overlap; two empty sets are equal.

    Returns
    -------
    Agreement
        NaN with a reason where no text has two labels, or all labels that can be compared are the same.

    Raises
    ------
    InputError
        If ``level`` is unknown, or one of sets and the classes are none.

    References
    ----------
    Krippendorff 2011, https://repository.upenn.edu/asc_papers/43; for sets, Passonneau 2006, "Measuring
    Agreement on Set-valued Items (MASI) for Semantic and Pragmatic Annotation" (LREC).

    Examples
    --------
    >>> annotations = Annotations.from_wide([[1, 1, None], [2, 2, 3], [3, 3, 3], [None, None, 1]])
    >>> round(krippendorff_alpha(annotations).value, 3)
    0.65
    >>> round(krippendorff_alpha(annotations, level="interval").value, 3)
    0.841
    """
    if level not in _LEVELS:
        raise InputError(f"level is {level!r}, expected {', '.join(map(repr, _LEVELS))}")
    annotations = as_annotations(annotations)
    if level != "nominal":
        _warn_of_no_order(annotations)
    coincidences = _coincidences(annotations)
    margin: Floats = coincidences.sum(axis=1)
    undefined = _undefined(annotations, margin)
    if undefined is not None:
        return _agreement(annotations, f"krippendorff_alpha_{level}", math.nan, undefined)
    if level in _OF_SETS:
        distance = set_distances(annotations.classes, masi=level == "masi")
    else:
        distance = _distance(margin, _class_values(annotations), level)
    chance = (np.outer(margin, margin) - np.diag(margin)) / (margin.sum() - 1)
    alpha = 1 - float((coincidences * distance).sum() / (chance * distance).sum())
    return _agreement(annotations, f"krippendorff_alpha_{level}", alpha)


def fleiss_kappa(annotations: Annotations) -> Agreement:
    """Return Fleiss' kappa, generalised to texts with different numbers of labels.

    ``kappa = (P - P_e) / (1 - P_e)``; over the texts with n_i >= 2 labels, each of equal weight, P is the
    mean of ``sum_k c_ik (c_ik - 1) / (n_i (n_i - 1))``, the share of pairs of labels that agree, and
    ``P_e = sum_k p_k^2`` with p_k the mean of ``c_ik / n_i``. With n_i equal for all texts this is Fleiss'
    definition.

    Parameters
    ----------
    annotations
        Annotations of N texts.

    Returns
    -------
    Agreement
        NaN with a reason where no text has two labels, or all labels that can be compared are the same.

    References
    ----------
    Fleiss 1971, Psychological Bulletin 76(5); Gwet 2014, "Handbook of Inter-Rater Reliability", chapter 2,
    for unequal numbers of labels.

    Examples
    --------
    >>> annotations = Annotations.from_wide([[1, 1, None], [2, 2, 3], [3, 3, 3], [None, None, 1]])
    >>> round(fleiss_kappa(annotations).value, 3)
    0.654
    """
    annotations = as_annotations(annotations)
    counts = annotations.counts[annotations.n_labels > 1]
    undefined = _undefined(annotations, counts.sum(axis=0))
    if undefined is not None:
        return _agreement(annotations, "fleiss_kappa", math.nan, undefined)
    n = counts.sum(axis=1)
    observed = float((np.einsum("ik,ik->i", counts, counts - 1) / (n * (n - 1))).mean())
    chance = float(((counts / n[:, None]).mean(axis=0) ** 2).sum())
    return _agreement(annotations, "fleiss_kappa", (observed - chance) / (1 - chance))


def cohen_kappa(annotations: Annotations, *, weights: Weighting = "none") -> PairwiseAgreement:
    """Return Cohen's kappa of every two annotators on the texts that both labelled.

    ``kappa = (P - P_e) / (1 - P_e)``, P the share of shared texts on which they agree, P_e the sum over
    classes of the product of their shares of that class among the shared texts. With quadratic weights
    ``kappa = 1 - D / D_e``, D the mean squared difference of their labels' values on the shared texts, D_e
    the same of a label of the one and an independent label of the other.

    Memory is a few arrays of shape (M, M) besides the annotations; time grows with M^2 K and with the
    number of pairs of labels on the same text.

    Parameters
    ----------
    annotations
        Annotations by M annotators.
    weights
        ``"none"``, or ``"quadratic"`` for scales; the classes' values are as in `krippendorff_alpha`.

    Raises
    ------
    InputError
        If ``weights`` is unknown.

    Returns
    -------
    PairwiseAgreement
        NaN where two annotators share no text, or gave one and the same class to all that they share;
        its ``reason`` tells which.

    References
    ----------
    Cohen 1960, Educational and Psychological Measurement 20(1); for weights, Cohen 1968, Psychological
    Bulletin 70(4).

    Examples
    --------
    >>> pairs = cohen_kappa(Annotations.from_wide([[0, 0], [0, 1], [1, 1], [1, 1], [0, None]]))
    >>> float(pairs.kappa[0, 1]), int(pairs.overlap[0, 1])
    (0.5, 4)
    """
    if weights not in ("none", "quadratic"):
        raise InputError(f"weights is {weights!r}, expected 'none' or 'quadratic'")
    annotations = as_annotations(annotations)
    if weights == "quadratic":
        _warn_of_no_order(annotations)
        return _quadratic_kappa(annotations)
    overlap, agreeing, by_chance = _pairwise_counts(annotations)
    # P and P_e both times overlap^2, so that 1 - P_e is exactly 0 where it should be
    possible = overlap * overlap - by_chance
    kappa = np.full(overlap.shape, np.nan)
    np.divide(agreeing * overlap - by_chance, possible, out=kappa, where=possible > 0)
    return PairwiseAgreement(annotators=annotations.annotators, kappa=kappa, overlap=overlap)


def _agreement(annotations: Annotations, measure: str, value: float, reason: str | None = None) -> Agreement:
    shared = annotations.n_labels > 1
    return Agreement(
        measure=measure,
        value=value,
        n_texts=int(shared.sum()),
        n_annotations=int(annotations.n_labels[shared].sum()),
        reason=reason,
    )


def _undefined(annotations: Annotations, labels_per_class: Floats | Ints) -> str | None:
    """Return why agreement beyond chance is undefined, given the labels of texts that have several."""
    used = np.flatnonzero(labels_per_class)
    if len(used) == 0:
        return _NOBODY_TO_COMPARE
    if len(used) == 1:
        name = annotations.classes[int(used[0])]
        return f"every label that can be compared is {name!r}, so chance alone gives full agreement"
    return None


def _coincidences(annotations: Annotations) -> Floats:
    """Return o (K, K): pairs of labels of one text, each text weighted by 1 / (n_i - 1)."""
    n_texts, n_classes = annotations.n_texts, annotations.n_classes
    first = np.append(0, np.cumsum(annotations.n_labels))
    weight = 1 / np.maximum(annotations.n_labels - 1, 1)[annotations.text]
    shared = annotations.n_labels[annotations.text] > 1
    chosen = sparse.csr_array(
        (shared.astype(np.float64), annotations.label, first), shape=(n_texts, n_classes)
    )
    weighted = sparse.csr_array((shared * weight, annotations.label, first), shape=(n_texts, n_classes))
    pairs = (chosen.T @ weighted).toarray()
    itself = np.bincount(annotations.label, weights=shared * weight, minlength=n_classes)
    return np.asarray(pairs - np.diag(itself))


def _distance(margin: Floats, values: Floats, level: Level) -> Floats:
    """Return d (K, K), the distances between classes."""
    if level == "nominal":
        return 1 - np.eye(len(margin))
    if level == "ordinal":
        order = np.argsort(values, kind="stable")
        # labels up to the middle of each class, so that differences count the labels in between
        middle = np.empty_like(margin)
        middle[order] = np.cumsum(margin[order]) - margin[order] / 2
        values = middle
    return np.asarray((values[:, None] - values) ** 2)


def _warn_of_no_order(annotations: Annotations) -> None:
    """Warn where classes are words in alphabetical order, which nobody need have meant."""
    names = annotations.classes
    words = all(isinstance(name, str) and as_number(name) is None for name in names)
    if annotations.scale is None and len(names) > 2 and words and list(names) == sorted(map(str, names)):
        warnings.warn(
            f"the classes' order is that of the alphabet, {', '.join(map(str, names))}: pass classes= in "
            "their order to from_long or from_wide, and scale=True where they are a scale",
            LabelsWarning,
            stacklevel=3,
        )


def _class_values(annotations: Annotations) -> Floats:
    """Return the classes' numbers (K,): on the scale, else themselves, also as text, else their positions."""
    if annotations.scale is not None:
        return np.array(annotations.scale)
    values = [as_number(name) for name in annotations.classes]
    known = [value for value in values if value is not None]
    return np.array(known if len(known) == len(values) else range(len(values)), dtype=np.float64)


def _pairwise_counts(annotations: Annotations) -> tuple[Ints, Ints, Ints]:
    """Return for every two annotators (M, M): shared texts, agreements, and the product of their margins.

    The margins' product is sum_k r_jl(k) r_lj(k), where r_jl(k) counts the texts shared with l that j gave
    class k. One class at a time, so that memory stays at (M, M) instead of (M, M, K).
    """
    shape = annotations.n_annotators, annotations.n_texts
    labelled = _incidence(annotations.annotator, annotations.text, shape)
    overlap = (labelled @ labelled.T).toarray()
    agreeing = np.zeros_like(overlap)
    by_chance = np.zeros_like(overlap)
    for k in np.unique(annotations.label):
        of_class = annotations.label == k
        chose = _incidence(annotations.annotator[of_class], annotations.text[of_class], shape)
        agreeing += (chose @ chose.T).toarray()
        margin = (chose @ labelled.T).toarray()
        by_chance += margin * margin.T
    return overlap, agreeing, by_chance


def _quadratic_kappa(annotations: Annotations) -> PairwiseAgreement:
    """Return kappa with quadratic weights, from sums of values and their squares over shared texts."""
    shape = annotations.n_annotators, annotations.n_texts
    value = _class_values(annotations)
    value = (value - value.mean()) / (np.ptp(value) or 1.0)  # so that squares do not cancel
    place = annotations.annotator, annotations.text
    labelled = _incidence(*place, shape)
    given, squared = (
        sparse.csr_array((value[annotations.label] ** power, place), shape=shape) for power in (1, 2)
    )
    overlap = (labelled @ labelled.T).toarray()
    total, square = (part @ labelled.T for part in (given, squared))
    total, square = total.toarray(), square.toarray()
    apart = square + square.T - 2 * (given @ given.T).toarray()
    by_chance = overlap * (square + square.T) - 2 * total * total.T
    kappa = np.full(shape[:1] * 2, np.nan)
    np.divide(overlap * apart, by_chance, out=kappa, where=by_chance > _TINY * np.maximum(overlap, 1) ** 2)
    return PairwiseAgreement(annotators=annotations.annotators, kappa=1 - kappa, overlap=overlap)


def _incidence(row: NDArray[np.int32], column: NDArray[np.int32], shape: tuple[int, int]) -> sparse.csr_array:
    return sparse.csr_array((np.ones(len(row), dtype=np.int64), (row, column)), shape=shape)
