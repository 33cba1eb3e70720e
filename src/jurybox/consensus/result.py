"""What every consensus method returns, and what is computed alike for all of them."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from jurybox.annotations import Annotations
from jurybox.arrays import Bools, DataFrame, Floats, Ints, freeze, total_by
from jurybox.display import Shown, Svg, standalone
from jurybox.drawing import Bar, columns
from jurybox.numerals import count

__all__ = [
    "LEVEL",
    "UNKNOWN",
    "AnnotatorStats",
    "Consensus",
    "Positions",
    "describe_annotators",
    "mean_per_annotator",
    "summarise",
]

LEVEL = 0.95


@dataclass(frozen=True, eq=False)
class Positions:
    """Where N texts are on a scale, in the numbers of its classes.

    Attributes
    ----------
    mean : ndarray, shape (N,)
        Expected mean answer of a large crowd.
    low, high : ndarray, shape (N,)
        Bounds between which that mean is with probability .95.
    """

    mean: Floats
    low: Floats
    high: Floats

    @classmethod
    def of(cls, states: Floats, means: Floats) -> Positions:
        """Return the positions of texts by the probabilities of their states (N, C), and these states' means.

        Examples
        --------
        >>> found = Positions.of(np.array([[0.98, 0.01, 0.01]]), np.array([1.0, 2.0, 5.0]))
        >>> [round(float(one[0]), 2) for one in (found.mean, found.low, found.high)]
        [1.05, 1.0, 1.0]
        """
        order = np.argsort(means, kind="stable")
        below = np.cumsum(states[:, order], axis=1)
        below /= below[:, -1:]
        tail = (1 - LEVEL) / 2
        low, high = (
            means[order[(below < share).sum(axis=1).clip(max=len(means) - 1)]]
            for share in (tail, 1 - tail - 1e-12)
        )
        return cls(states @ means / states.sum(axis=1), low, high)

    def repeated(self, size: int) -> Positions:
        """Return the first text's position so many times."""
        return Positions(*(np.full(size, one[0]) for one in (self.mean, self.low, self.high)))

    def at(self, row: int) -> tuple[float, float, float]:
        """Return one text's position and its bounds."""
        return float(self.mean[row]), float(self.low[row]), float(self.high[row])

    def some(self, rows: Ints) -> Positions:
        """Return the positions of some texts (n,)."""
        return Positions(self.mean[rows], self.low[rows], self.high[rows])

    def put(self, rows: Ints, found: Positions) -> None:
        """Write the positions of some texts (n,) over these."""
        self.mean[rows], self.low[rows], self.high[rows] = found.mean, found.low, found.high

    def frozen(self) -> Positions:
        """Make the arrays read-only, and return them."""
        for one in (self.mean, self.low, self.high):
            freeze(one)
        return self


UNKNOWN = -1
_BINS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
_HEIGHT = 220


@dataclass(frozen=True, eq=False, repr=False)
class AnnotatorStats(Shown):
    """What a consensus says of each of the M annotators.

    Attributes
    ----------
    ids : ndarray, shape (M,)
        Identifiers.
    quality : ndarray, shape (M,)
        Estimated share of correct labels; NaN where nothing is known.
    n_annotations : ndarray of int, shape (M,)
        Labels given.
    agreement_with_consensus : ndarray, shape (M,)
        Share of the annotator's labels that equal the consensus; NaN without labels.
    worst_class : ndarray of int, shape (M,)
        The class whose labels by this annotator equal the consensus least often; -1 without labels.
    confusion : ndarray, shape (M, K, K), optional
        ``confusion[j, k, l]``: probability that annotator j answers class l where class k is right.
    classes : tuple of length K
        Names of the classes.
    """

    ids: NDArray[Any]
    quality: Floats
    n_annotations: Ints
    agreement_with_consensus: Floats
    worst_class: Ints
    confusion: Floats | None = None
    classes: tuple[Hashable, ...] = ()

    def headline(self) -> str:
        """Return how many there are and their median quality."""
        known = self.quality[~np.isnan(self.quality)]
        middle = f", median quality {np.median(known):.2f}" if len(known) else ""
        return f"AnnotatorStats({count(len(self.ids), 'annotator')}{middle})"

    def to_frame(self) -> DataFrame:
        """Return one row per annotator, without the confusion; the worst class by name, None without one."""
        import pandas as pd

        names = dict(enumerate(self.classes))
        worst = [None if k == UNKNOWN else names.get(k, k) for k in self.worst_class.tolist()]
        return pd.DataFrame(
            {
                "quality": self.quality,
                "agreement_with_consensus": self.agreement_with_consensus,
                "worst_class": worst,
                "n_annotations": self.n_annotations,
            },
            index=pd.Index(self.ids, name="annotator"),
        )


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Consensus(Shown):
    """One label per text from the labels of several annotators.

    Attributes
    ----------
    method : str
        Name of the method.
    labels : ndarray of int, shape (N,)
        Position of the consensus class; -1 where there is neither a label nor a model.
    posterior : ndarray, shape (N, K)
        Probability of each class; uniform where nothing is known.
    quality : ndarray, shape (N,)
        Confidence in the consensus label: the posterior at it.
    agreement : ndarray, shape (N,)
        Share of the text's labels that equal the consensus; NaN without labels.
    n_annotations : ndarray of int, shape (N,)
        Labels per text.
    annotators : AnnotatorStats
        The annotators.
    converged : bool, optional
        Whether an iterative method reached its tolerance.
    iterations : int, optional
        Iterations made.
    position : Positions, optional
        On a scale, where each text is, if the method says so; texts of which nothing is known are anywhere.
    texts : ndarray, shape (N,), optional
        Identifiers of the texts.
    classes : tuple of length K
        Names of the classes.
    """

    method: str
    labels: Ints
    posterior: Floats
    quality: Floats
    agreement: Floats
    n_annotations: Ints
    annotators: AnnotatorStats
    converged: bool | None = None
    iterations: int | None = None
    position: Positions | None = None
    texts: NDArray[Any] | None = None
    classes: tuple[Hashable, ...] = ()

    def __post_init__(self) -> None:
        for array in (self.labels, self.posterior, self.quality, self.agreement):
            freeze(array)

    def headline(self) -> str:
        """Return the method, the sizes and the mean quality of what has a label."""
        name, known = type(self).__name__, self.labels != UNKNOWN
        quality = f", mean quality {self.quality[known].mean():.2f}" if known.any() else ""
        people = count(len(self.annotators.ids), "annotator")
        sizes = f"{count(len(self.labels), 'text')}, {int(known.sum()):,} with a label, {people}"
        return f"{name}({self.method}: {sizes}{quality})"

    def of_labelled(self) -> Self:
        """Return the consensus of the texts that have labels, alone.

        Examples
        --------
        >>> from jurybox import Annotations, majority_vote
        >>> majority_vote(Annotations.from_wide([[0], [None], [1]])).of_labelled().labels
        array([0, 1])
        """
        rows = np.flatnonzero(self.n_annotations)
        return replace(
            self,
            labels=self.labels[rows],
            posterior=self.posterior[rows],
            quality=self.quality[rows],
            agreement=self.agreement[rows],
            n_annotations=self.n_annotations[rows],
            position=None if self.position is None else self.position.some(rows),
            texts=None if self.texts is None else self.texts[rows],
        )

    def to_frame(self) -> DataFrame:
        """Return one row per text: label, quality, agreement, annotations, ``p(class)`` for each class."""
        import pandas as pd

        names = self.classes or tuple(range(self.posterior.shape[1]))
        lookup = np.empty(len(names) + 1, dtype=object)
        lookup[:-1] = names
        ids = np.arange(len(self.labels)) if self.texts is None else self.texts
        known = {
            "label": lookup[self.labels],
            "quality": self.quality,
            "agreement": self.agreement,
            "n_annotations": self.n_annotations,
        }
        posterior = {f"p({name})": self.posterior[:, k] for k, name in enumerate(names)}
        return pd.DataFrame({**known, **posterior}, index=pd.Index(ids, name="text"))

    def plot(self, ax: Any = None) -> Any:
        """Draw how many texts have a label of which quality.

        Parameters
        ----------
        ax
            Axes of matplotlib to draw on; default: an SVG file's text, which notebooks draw.
        """
        quality = self.quality[(self.labels != UNKNOWN) & ~np.isnan(self.quality)]
        counts = np.histogram(quality, _BINS)[0]
        names = [f"{low:.0%}–{high:.0%}" for low, high in pairwise(_BINS)]
        title = f"Quality of {len(quality):,} labels ({self.method})"
        if ax is not None:
            ax.bar(names, counts)
            ax.set(title=title, ylabel="texts")
            return ax
        most = max(int(counts.max()), 1)
        rows = [
            Bar(name, n / most, f"{n:,}", k)
            for k, (name, n) in enumerate(zip(names, counts.tolist(), strict=True))
        ]
        drawn = columns(rows, alternative=title)
        return Svg(standalone(drawn, _HEIGHT, title=title))

    def annotation_quality(self, annotations: Annotations) -> Floats:
        """Return the posterior of each single annotation's label, shape (L,)."""
        return self.posterior[annotations.text, annotations.label]


def summarise(annotations: Annotations, labels: Ints) -> Floats:
    """Return the share of each text's labels that equal ``labels``, shape (N,); NaN without labels."""
    agreeing = np.take_along_axis(annotations.counts, np.maximum(labels, 0)[:, None], axis=1)[:, 0]
    with np.errstate(invalid="ignore"):
        return np.asarray(agreeing / annotations.n_labels)


def describe_annotators(
    annotations: Annotations,
    labels: Ints,
    text_quality: Floats,
    quality: Floats,
    confusion: Floats | None = None,
) -> AnnotatorStats:
    """Describe the annotators given consensus labels (N,), their quality (N,) and each annotator's (M,)."""
    agrees = annotations.label == labels[annotations.text]
    return AnnotatorStats(
        ids=annotations.annotators,
        quality=quality,
        n_annotations=annotations.labels_per_annotator,
        agreement_with_consensus=mean_per_annotator(annotations, agrees),
        worst_class=_worst_class(annotations, agrees, text_quality),
        confusion=confusion,
        classes=annotations.classes,
    )


def mean_per_annotator(
    annotations: Annotations, values: NDArray[Any], where: Bools | slice = slice(None)
) -> Floats:
    """Average values (L,) over each annotator's annotations in ``where``, shape (M,); NaN without any."""
    annotator = annotations.annotator[where]
    total = total_by(annotator, values[where], annotations.n_annotators)
    with np.errstate(invalid="ignore"):
        return np.asarray(total / np.bincount(annotator, minlength=annotations.n_annotators))


def _worst_class(annotations: Annotations, agrees: NDArray[np.bool_], text_quality: Floats) -> Ints:
    """Return the class an annotator gets wrong most often.

    Of classes with equal accuracy, the one answered most often, then the one with the best consensus.
    """
    shape = annotations.n_annotators, annotations.n_classes
    cell = annotations.annotator.astype(np.int64) * shape[1] + annotations.label
    count = np.bincount(cell, minlength=shape[0] * shape[1]).reshape(shape)
    answered = count > 0
    with np.errstate(invalid="ignore"):
        accuracy = total_by(cell, agrees, count.size).reshape(shape) / count
        consensus = total_by(cell, text_quality[annotations.text], count.size).reshape(shape) / count
    candidates = answered
    for criterion in (-accuracy, count.astype(np.float64), consensus):
        value = np.where(candidates, criterion, -np.inf)
        candidates = candidates & (value == value.max(axis=1, keepdims=True, initial=-np.inf))
    worst: Ints = np.where(answered.any(axis=1), candidates.argmax(axis=1), UNKNOWN)
    return worst
