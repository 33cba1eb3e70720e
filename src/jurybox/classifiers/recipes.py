"""How models of texts are fine-tuned: settings alone, which need neither torch nor transformers."""

from __future__ import annotations

from dataclasses import dataclass

from jurybox.errors import InputError

__all__ = ["TrainingSettings", "TuningSettings"]

_LEAST_HELD_OUT = 20


@dataclass(frozen=True)
class TrainingSettings:
    """How a model is fine-tuned.

    Parameters
    ----------
    epochs, least_steps
        Training lasts this many passes over the texts, and at least this many steps.
    batch_size, learning_rate, weight_decay, warmup
        Of AdamW with linear decay; ``warmup`` is the share of the steps in which the rate rises.
    validation_share, evaluations, patience
        Share of the training texts held out for early stopping, how often the loss on them is looked at, and
        how many looks without a gain end the training. Where that part would have fewer than 20 texts, whose
        loss says little, all are trained on to the end.
    max_length
        Tokens read of a text; default: as many as the model can.
    device
        A torch device; default: the GPU where there is one.
    seed
        Draws folds, head, dropout and order of texts.

    Raises
    ------
    InputError
        Where a setting makes no sense.
    """

    epochs: float = 10
    least_steps: int = 60
    batch_size: int = 16
    learning_rate: float = 5e-5
    weight_decay: float = 0.01
    warmup: float = 0.1
    validation_share: float = 0.15
    evaluations: int = 10
    patience: int = 3
    max_length: int | None = None
    device: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for setting in ("epochs", "least_steps", "batch_size", "learning_rate", "evaluations"):
            if getattr(self, setting) <= 0:
                raise InputError(f"{setting}={getattr(self, setting)}; expected more than 0")
        if not 0 <= self.validation_share < 0.6:
            raise InputError(f"validation_share={self.validation_share}; expected 0 to 0.5")

    def steps(self, n_rows: int) -> int:
        """Optimizer steps at most for some training rows.

        Examples
        --------
        >>> TrainingSettings(epochs=10, batch_size=16).steps(320)
        200
        """
        return max(self.least_steps, round(self.epochs * n_rows / self.batch_size))

    def holds_out(self, n_rows: int) -> bool:
        """Whether a part of the training rows is held out for early stopping."""
        return self.patience > 0 and self.validation_share * n_rows >= _LEAST_HELD_OUT


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
    passes: float = 6.0
    least_steps: int = 60
    batch: int = 32
    encoder_rate: float = 1e-4
    head_rate: float = 1e-3
    layer_decay: float = 0.9
    warmup: float = 0.1
    weight_decay: float = 0.01
    frozen_layers: int = 0
    max_length: int = 128
    device: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.folds < 2:
            raise InputError(f"folds={self.folds}; expected at least 2")
        for setting in ("passes", "batch", "encoder_rate", "head_rate", "layer_decay", "max_length"):
            if getattr(self, setting) <= 0:
                raise InputError(f"{setting}={getattr(self, setting)}; expected more than 0")

    def steps(self, n_texts: int) -> int:
        """Optimizer steps for so many texts.

        Examples
        --------
        >>> TuningSettings(passes=6, batch=32).steps(800)
        150
        """
        return max(self.least_steps, round(self.passes * n_texts / min(self.batch, n_texts)))
