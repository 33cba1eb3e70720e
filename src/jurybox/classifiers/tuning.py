"""The second gear: the encoder learns from the labels, too, cross-fitted and apart from the rounds.

The labelled texts are parted into folds. For each, a model is fine-tuned on the soft labels of the others, so
that every labelled text has probabilities of a model that never saw it. All start from the same weights, so
their mean is one model, which predicts the texts without labels. `jurybox.classifiers.mixture` decides, out of
sample, how much of it a round believes.

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
from jurybox.errors import InputError

if TYPE_CHECKING:
    from jurybox.classifiers.tuner import Tuner, Weights

__all__ = ["Tuned", "TuningSettings", "cross_fit", "fold_of"]

_MIXER = 0x9E3779B97F4A7C15


@dataclass(frozen=True)
class TuningSettings:
    """How an encoder is tuned.

    Parameters
    ----------
    folds
        Parts of the cross-fitting, at least 2.
    passes, least_steps, batch
        Passes over the texts, and optimizer steps at least, of batches of so many texts of similar length.
    encoder_rate, head_rate, layer_decay
        Learning rates of AdamW, which rise in the first steps and then fall to 0: of the last layer, of the
        new linear layer, and by what factor each layer below learns more slowly. Embeddings stay as they are.
    warmup, weight_decay
        Share of the steps in which the rates rise; decay of weights.
    frozen_layers
        Layers, from the first, that stay as they are.
    max_length
        Tokens read of a text at most.
    later_passes
        Passes of models that start where an earlier tuning ended; 0 starts each tuning anew.
    warm_head
        Whether the linear layer starts as the logistic regression on the features as they are.
    device
        A torch device; default: the GPU where there is one.
    seed
        Draws order and dropout.

    Raises
    ------
    InputError
        Where a setting makes no sense.
    """

    folds: int = 3
    passes: float = 8.0
    least_steps: int = 60
    batch: int = 32
    encoder_rate: float = 7e-5
    head_rate: float = 1e-3
    layer_decay: float = 1.0
    warmup: float = 0.1
    weight_decay: float = 0.01
    frozen_layers: int = 0
    max_length: int = 128
    later_passes: float = 0.0
    warm_head: bool = False
    device: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.folds < 2:
            raise InputError(f"folds={self.folds}; expected at least 2")
        for setting in ("passes", "batch", "encoder_rate", "head_rate", "layer_decay", "max_length"):
            if getattr(self, setting) <= 0:
                raise InputError(f"{setting}={getattr(self, setting)}; expected more than 0")

    def steps(self, n_texts: int, passes: float | None = None) -> int:
        """Optimizer steps for so many texts.

        Examples
        --------
        >>> TuningSettings(passes=8, batch=32).steps(800)
        200
        """
        given = self.passes if passes is None else passes
        least = self.least_steps if passes is None else 1
        return max(least, round(given * n_texts / min(self.batch, n_texts)))


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
    features = tuner.predict(tokens, tuner.first)[1] if settings.warm_head else None
    out_of_sample = np.zeros_like(targets)
    models: list[Weights] = []
    later = previous is not None and settings.later_passes > 0
    for number in range(settings.folds):
        kept, held = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        models.append(
            tuner.train(
                [tokens[row] for row in kept],
                targets[kept],
                weights[kept],
                seed=settings.seed + number,
                linear=None if features is None else _linear(features[kept], targets[kept], weights[kept]),
                start=previous.folds[number] if previous is not None and later else None,
                passes=settings.later_passes if later else None,
                after_step=after_step,
            )
        )
        out_of_sample[held] = tuner.predict([tokens[row] for row in held], models[-1])[0]
    return Tuned(rows, out_of_sample, averaged(models), tuple(models))


def _linear(features: Floats, targets: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Return coefficients (D, K) and offsets (K,) of the logistic regression on features."""
    fitted = Head().fit(features, targets, weights)
    return fitted.coefficients, fitted.offsets
