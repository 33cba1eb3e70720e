"""The second gear: the encoder learns from the labels, too, cross-fitted and apart from the rounds.

The labelled texts are parted into folds. For each, a model is fine-tuned on the soft labels of the others, so
that every labelled text has probabilities of a model that never saw it. All start from the same weights, so
their mean is one model, which predicts the texts without labels. `jurybox.classifiers.calibrated` decides, out
of sample, how much of it a round believes.

A text's fold depends on its position alone and never changes, so that models may start where those of an
earlier tuning ended without having seen what they are to predict.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from jurybox.arrays import Floats, Ints, freeze
from jurybox.classifiers.folds import is_single_class
from jurybox.classifiers.head import Head
from jurybox.classifiers.recipes import TuningSettings
from jurybox.errors import InputError

if TYPE_CHECKING:
    from jurybox.classifiers.tuner import Tuner, Weights

__all__ = ["Tuned", "TuningSettings", "cross_fit", "fold_of"]

_MIXER = 0x9E3779B97F4A7C15


@dataclass(frozen=True, eq=False)
class Tuned:
    """What tuned models say of the labelled texts, each by one that never saw it.

    Attributes
    ----------
    rows : ndarray of int, shape (n,)
        Positions of the texts tuned on.
    out_of_sample : ndarray, shape (n, K)
        Their probabilities.
    weights : mapping, or a tuple of one a fold
        ``mean``: of the model that predicts all other texts; ``folds``: of the models themselves.
    """

    rows: Ints
    out_of_sample: Floats
    mean: Weights
    folds: tuple[Weights, ...]

    def __post_init__(self) -> None:
        freeze(self.out_of_sample)


def fold_of(positions: Ints, n_folds: int) -> Ints:
    """Fold of each text, from its position alone: spread evenly, and never another.

    Examples
    --------
    >>> np.bincount(fold_of(np.arange(3000), 3)).tolist()
    [1001, 1000, 999]
    """
    mixed = (positions.astype(np.uint64) + np.uint64(1)) * np.uint64(_MIXER)
    return ((mixed >> np.uint64(32)) % np.uint64(n_folds)).astype(np.int64)


def cross_fit(
    tuner: Tuner,
    rows: Ints,
    texts: Sequence[str],
    targets: Floats,
    weights: Floats,
    *,
    previous: Tuned | None = None,
    after_step: Callable[[], None] = lambda: None,
) -> Tuned:
    """Tune one model for each fold, and predict each fold with the model that did not see it.

    Parameters
    ----------
    tuner
        The model to tune.
    rows, texts, targets, weights
        Positions of n labelled texts, these, their class distributions (n, K), how much each counts (n,).
    previous
        An earlier tuning to start from, where ``later_passes`` is set.
    after_step
        Called after every step.

    Raises
    ------
    InputError
        Where all texts are of one class.
    """
    from jurybox.classifiers.tuner import averaged

    if is_single_class(targets, weights):
        raise InputError("every text is of one class; an encoder needs at least two to tell apart")
    settings = tuner.settings
    fold = fold_of(rows, settings.folds)
    tokens = tuner.tokens(texts)
    everything = np.arange(len(rows))
    features = tuner.predict(tokens, everything, tuner.first)[1] if settings.warm_head else None
    out_of_sample = np.zeros_like(targets)
    models: list[Weights] = []
    later = previous is not None and settings.later_passes > 0
    for number in range(settings.folds):
        kept, held = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        models.append(
            tuner.train(
                tokens,
                kept,
                targets,
                weights,
                seed=settings.seed + number,
                linear=None if features is None else _linear(features[kept], targets[kept], weights[kept]),
                start=previous.folds[number] if previous is not None and later else None,
                passes=settings.later_passes if later else None,
                after_step=after_step,
            )
        )
        out_of_sample[held] = tuner.predict(tokens, held, models[-1])[0]
    return Tuned(rows, out_of_sample, averaged(models), tuple(models))


def _linear(features: Floats, targets: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Return coefficients (D, K) and offsets (K,) of the logistic regression on features."""
    fitted = Head().fit(features, targets, weights)
    return fitted.coefficients, fitted.offsets
