"""What a benchmark data set is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jurybox.annotations import Annotations


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

    @property
    def reliability(self) -> NDArray[np.float64] | None:
        """How often each simulated annotator is right when the classes are equally frequent, shape (M,)."""
        if self.confusions is None:
            return None
        share: NDArray[np.float64] = np.trace(self.confusions, axis1=1, axis2=2) / self.confusions.shape[1]
        return share
