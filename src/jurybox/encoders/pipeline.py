"""A frozen encoder as a step of a scikit-learn pipeline, so that a saved pipeline takes texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from sklearn.base import BaseEstimator, TransformerMixin

from jurybox.encoders import Encoder, Features, Layers, get_encoder
from jurybox.errors import InputError


class TextFeatures(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Features of texts by a frozen encoder.

    Saved, it keeps the encoder's name, not its weights; loaded, it finds the encoder again, and refuses one
    that is not the same.

    Parameters
    ----------
    encoder
        As in `jurybox.encoders.get_encoder`.
    layers
        As there.
    identity
        `Encoder.name` that the encoder must have; None accepts any.
    """

    def __init__(
        self, encoder: str | Path = "minilm", layers: Layers = "all", identity: str | None = None
    ) -> None:
        self.encoder = encoder
        self.layers = layers
        self.identity = identity

    def fit(self, X: Sequence[str], y: Any = None) -> Self:  # noqa: ARG002
        """Do nothing: the encoder is frozen."""
        return self

    def transform(self, X: Sequence[str]) -> Features:
        """Features, shape (N, D).

        Raises
        ------
        InputError
            Where the encoder found is not the one that the pipeline was made with.
        """
        return self._encoder().encode(list(X))

    def _encoder(self) -> Encoder:
        found: Encoder | None = self.__dict__.get("_found")
        if found is None:
            found = get_encoder(self.encoder, layers=self.layers)
            if self.identity is not None and found.name != self.identity:
                raise InputError(
                    f"encoder {str(self.encoder)!r} is {found.name} here; this model was made with "
                    f"{self.identity}: install the same weights"
                )
            self._found = found
        return found

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_found"}

    def __sklearn_is_fitted__(self) -> bool:
        return True
