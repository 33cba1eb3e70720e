"""The second gear: the encoder learns from the labels, too, cross-fitted and apart from the rounds.

All texts are parted into folds, by their position alone and for good. For each fold a model is fine-tuned on
the soft labels of the others and predicts this one, texts with labels and without them: whatever it says of a
text is out of sample, now and when the text gets a label, and is as good for one as for the other.
`jurybox.classifiers.calibrated` decides from that how much of it a round believes. A text that is not of the
pool has the mean of all models. One encoder learns all questions at once: arrays have the classes of all
facets side by side, C columns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np

from jurybox.arrays import Floats, Ints
from jurybox.classifiers.base import is_single_class
from jurybox.classifiers.recipes import TuningSettings
from jurybox.encoders.tokens import Tokens
from jurybox.errors import InputError

__all__ = ["alike", "cross_fit", "fold_of", "predict_mean", "predict_own", "tune_fold"]

Weights: TypeAlias = Mapping[str, Any]
"""What training changes of a model, tensors by name."""

_MIXER = 0x9E3779B97F4A7C15  # 2^64 over the golden ratio: Knuth 1973, The Art of Computer Programming 3, 6.4


class Tunable(Protocol):
    """What tuning asks of a model: `jurybox.classifiers.tuner.Tuner`, without its import of torch."""

    @property
    def settings(self) -> TuningSettings:
        """The recipe."""
        ...

    @property
    def n_classes(self) -> tuple[int, ...]:
        """K of each facet."""
        ...

    def train(
        self,
        tokens: Tokens,
        rows: Ints,
        targets: Floats,
        weights: Floats,
        *,
        seed: int,
        after_step: Callable[[], None] = ...,
    ) -> Weights:
        """Train on some of the texts."""
        ...

    def predict(
        self, tokens: Tokens, rows: Ints, weights: Weights, *, after_batch: Callable[[], None] = ...
    ) -> Floats:
        """Class probabilities of some of the texts, shape (n, C)."""
        ...


def fold_of(positions: Ints, n_folds: int) -> Ints:
    """Fold of each text, from its position alone: spread evenly, and never another.

    Examples
    --------
    >>> np.bincount(fold_of(np.arange(3000), 3)).tolist()
    [996, 1006, 998]
    """
    mixed = (positions.astype(np.uint64) + np.uint64(1)) * np.uint64(_MIXER)
    return ((mixed >> np.uint64(32)) % np.uint64(n_folds)).astype(np.int64)


def cross_fit(
    tuner: Tunable,
    tokens: Tokens,
    positions: Ints,
    targets: Floats,
    weights: Floats,
    *,
    after_step: Callable[[], None] = lambda: None,
) -> tuple[Weights, ...]:
    """Tune one model for each fold on the texts of the others.

    Parameters
    ----------
    tuner
        The model to tune.
    tokens, positions, targets, weights
        n labelled texts, their positions in the pool, their class distributions (n, C), and how much each
        counts (n, F), or (n,) where there is one facet.
    after_step
        Called after every step.

    Returns
    -------
    tuple of Weights
        One a fold.

    Raises
    ------
    InputError
        Where all texts are of one class, at every facet; what is so at some is not learnt there.
    """
    folds = range(tuner.settings.folds)
    return tuple(
        tune_fold(tuner, number, tokens, positions, targets, weights, after_step=after_step)
        for number in folds
    )


def tune_fold(
    tuner: Tunable,
    number: int,
    tokens: Tokens,
    positions: Ints,
    targets: Floats,
    weights: Floats,
    *,
    after_step: Callable[[], None] = lambda: None,
) -> Weights:
    """Tune the model of one fold; parameters as in `cross_fit`."""
    w = weights.reshape(len(weights), -1)
    parts = np.split(targets, np.cumsum(tuner.n_classes)[:-1], axis=1)
    w = w * [not is_single_class(t, own) for t, own in zip(parts, w.T, strict=True)]
    if not w.any():
        raise InputError("every text is of one class; an encoder needs at least two to tell apart")
    kept = np.flatnonzero(fold_of(positions, tuner.settings.folds) != number)
    seed = tuner.settings.seed + number
    return tuner.train(tokens, kept, targets, w, seed=seed, after_step=after_step)


def alike(n_classes: Sequence[int]) -> Floats:
    """Return equal shares of the classes of each facet, side by side, shape (C,).

    Examples
    --------
    >>> alike((2, 4)).tolist()
    [0.5, 0.5, 0.25, 0.25, 0.25, 0.25]
    """
    sizes = np.asarray(n_classes)
    return np.repeat(1 / sizes, sizes)


def predict_own(tuner: Tunable, folds: tuple[Weights, ...], tokens: Tokens, positions: Ints) -> Floats:
    """Probabilities of texts of the pool, each by the model of its fold, shape (n, C)."""
    fold = fold_of(positions, len(folds))
    found = np.empty((len(positions), sum(tuner.n_classes)))
    for number, weights in enumerate(folds):
        rows = np.flatnonzero(fold == number)
        found[rows] = tuner.predict(tokens, rows, weights)
    return found


def predict_mean(tuner: Tunable, folds: tuple[Weights, ...], tokens: Tokens) -> Floats:
    """Mean probabilities of all models for texts that none was trained on, shape (n, C)."""
    rows = np.arange(len(tokens))
    return np.asarray(np.mean([tuner.predict(tokens, rows, weights) for weights in folds], axis=0))
