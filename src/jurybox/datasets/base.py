"""What a benchmark data set is made of, and how the annotations to start from are drawn."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jurybox.annotations import Annotations
from jurybox.scales import numbers_of

N_INITIAL = 100
LABELS_PER_INITIAL = 2


@dataclass(frozen=True)
class Dataset:
    """Texts, the annotations at the start, what simulated annotators would answer, and a test set.

    Attributes
    ----------
    name
        For people.
    texts : ndarray of shape (N,)
        Identifiers of the pool, the order of everything else.
    pool_texts : tuple of N str
        The texts themselves.
    initial
        The annotations one starts from.
    answers
        Every annotation known, the initial ones among them: what simulated annotators answer from. Same
        texts, annotators and classes as ``initial``.
    test_ids : ndarray of shape (n,)
        Identifiers of the test texts.
    test_texts : tuple of n str
        Texts that nobody is asked about.
    test_labels : ndarray of shape (n,)
        Their classes, as positions.
    gold : ndarray of shape (N,) or None
        True classes of the pool where they are known.
    confusions : ndarray of shape (M, K, K) or None
        Where annotators are simulated: the probability that annotator m answers l where k is true, [m, k,
        l].
    """

    name: str
    texts: NDArray[Any]
    pool_texts: tuple[str, ...] = field(repr=False)
    initial: Annotations
    answers: Annotations
    test_ids: NDArray[Any] = field(repr=False)
    test_texts: tuple[str, ...] = field(repr=False)
    test_labels: NDArray[np.int64] = field(repr=False)
    gold: NDArray[np.int64] | None = field(default=None, repr=False)
    confusions: NDArray[np.float64] | None = field(default=None, repr=False)

    @property
    def classes(self) -> tuple[Any, ...]:
        """Names of the K classes."""
        return self.answers.classes

    def on_scale(self) -> Dataset:
        """Return the same with its classes an ordered scale, by their numbers.

        Raises
        ------
        InputError
            If they are no scale.
        """
        scale = numbers_of(self.classes, True)
        return replace(
            self, initial=replace(self.initial, scale=scale), answers=replace(self.answers, scale=scale)
        )

    @property
    def reliability(self) -> NDArray[np.float64] | None:
        """How often each simulated annotator is right when the classes are equally frequent, shape (M,)."""
        if self.confusions is None:
            return None
        share: NDArray[np.float64] = np.trace(self.confusions, axis1=1, axis2=2) / self.confusions.shape[1]
        return share


def draw_initial(
    answers: Annotations,
    rng: np.random.Generator,
    *,
    n_texts: int = N_INITIAL,
    labels_per_text: int = LABELS_PER_INITIAL,
) -> Annotations:
    """Draw the annotations to start from: a few of those of some texts, both at random.

    Texts with fewer annotations than wanted come in only when others do not suffice.

    Parameters
    ----------
    answers
        All annotations.
    n_texts, labels_per_text
        How many texts, and how many annotations of each; fewer where there are no more.

    Examples
    --------
    >>> answers = Annotations.from_wide([[0, 1, 1], [1, 1, None], [None, None, None]])
    >>> draw_initial(answers, np.random.default_rng(0), n_texts=2).n_labels
    array([2, 2, 0])
    """
    shuffled = rng.permutation(np.flatnonzero(answers.labelled))
    enough = answers.n_labels[shuffled] >= labels_per_text
    chosen = np.concatenate([shuffled[enough], shuffled[~enough]])[:n_texts]
    kept = np.isin(answers.text, chosen) & (_rank_within_text(answers, rng) < labels_per_text)
    return Annotations.from_indices(
        answers.text[kept],
        answers.annotator[kept],
        answers.label[kept],
        texts=answers.texts,
        annotators=answers.annotators,
        classes=answers.classes,
        scale=answers.scale,
    )


def _rank_within_text(answers: Annotations, rng: np.random.Generator) -> NDArray[np.int64]:
    """Count the annotations of each text from 0, in random order, shape (L,)."""
    order = np.lexsort((rng.random(answers.n_annotations), answers.text))
    rank = np.empty(answers.n_annotations, dtype=np.int64)
    first = np.concatenate([[0], np.cumsum(answers.n_labels)[:-1]])
    rank[order] = np.arange(answers.n_annotations) - first[answers.text[order]]
    return rank
