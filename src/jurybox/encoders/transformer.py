"""Frozen Hugging Face encoders: the mean of a text's tokens in every hidden layer."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from jurybox.encoders.base import Features, Progress, check_texts
from jurybox.encoders.tokens import (
    best_device,
    length_batches,
    model_max_length,
    padded,
    quiet_loading,
    token_budget,
    token_ids,
)
from jurybox.errors import InputError, require

Layers: TypeAlias = Literal["all", "last"]

_VERSION = 1
_WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
_HUB_FILES = ("*.json", "*.txt", "*.model", "*.safetensors")


@dataclass(frozen=True)
class TransformerEncoder:
    """A Hugging Face encoder used as it is: nothing is trained.

    A text's features are the mean over its tokens, in each hidden layer (the embeddings included), one
    layer after the other: D = (layers + 1) · hidden size. Texts longer than the model reads are cut at the
    end; a text without any token gets zeros.

    Parameters
    ----------
    folder
        A model folder as ``save_pretrained`` writes it, with its tokenizer.
    layers
        ``"all"`` hidden layers side by side, or the ``"last"`` alone.
    max_length
        Tokens read of a text at most; default: what the model was made for.
    device
        A torch device; default: the GPU where there is one.
    token_budget
        Tokens in a batch at most, padding included.
    label
        What to call the model in ``name``; default: the folder's name.
    reason
        Why this encoder was taken, in one sentence.
    """

    folder: Path
    layers: Layers = "all"
    max_length: int | None = None
    device: str | None = None
    token_budget: int | None = None
    label: str | None = None
    reason: str = "frozen transformer: asked for by name"

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", Path(self.folder))
        if self.layers not in ("all", "last"):
            raise InputError(f"layers={self.layers!r}; expected 'all' or 'last'")
        if not (self.folder / "config.json").is_file():
            raise InputError(f"no config.json in {self.folder}: expected the folder of a Hugging Face model")

    @cached_property
    def name(self) -> str:
        """Identity: the model's name, settings, and a hash of weights, configuration and tokenizer."""
        length = self.max_length or "max"
        return (
            f"{self.label or self.folder.name}:v{_VERSION}:{self.layers}:{length}:{model_digest(self.folder)}"
        )

    @property
    def is_fitted(self) -> bool:
        """Always true: nothing is fitted."""
        return True

    def fit(self, pool: Sequence[str]) -> TransformerEncoder:  # noqa: ARG002
        """Return itself: nothing is fitted."""
        return self

    def encode(self, texts: Sequence[str], *, progress: Progress | None = None) -> Features:
        """Mean-pooled hidden layers, shape (N, D), float32.

        Texts of similar length go through the model together.
        """
        tokens = token_ids(self._tokenizer, check_texts(texts), self._max_length)
        lengths = np.array([len(row) for row in tokens], dtype=np.int64)
        features = np.zeros((len(tokens), self.dimensions), np.float32)
        done = int((lengths == 0).sum())
        for batch in length_batches(lengths, self.token_budget or token_budget(self._device)):
            features[batch] = self._pooled([tokens[row] for row in batch])
            done += len(batch)
            if progress is not None:
                progress(done, len(tokens))
        return features

    @cached_property
    def dimensions(self) -> int:
        """Number of features D."""
        config = self._model.config
        return int(config.hidden_size) * (int(config.num_hidden_layers) + 1 if self.layers == "all" else 1)

    def _pooled(self, rows: list[list[int]]) -> Features:
        """Features of one batch, shape (n, D)."""
        import torch

        ids, mask = padded(rows, self._tokenizer.pad_token_id, self._device)
        with torch.inference_mode():
            output = self._model(
                input_ids=ids, attention_mask=mask.long(), output_hidden_states=self.layers == "all"
            )
            layers = output.hidden_states if self.layers == "all" else (output.last_hidden_state,)
            share = (mask / mask.sum(dim=1, keepdim=True)).to(layers[0].dtype)[:, None, :]
            pooled = torch.cat([(share @ layer)[:, 0] for layer in layers], dim=1)
        result: Features = pooled.float().cpu().numpy()
        return result

    @cached_property
    def _device(self) -> str:
        return best_device(self.device)

    @cached_property
    def _tokenizer(self) -> Any:
        transformers = require("transformers", extra="transformers")
        return transformers.AutoTokenizer.from_pretrained(self.folder, local_files_only=True)

    @cached_property
    def _model(self) -> Any:
        require("torch", extra="transformers")
        transformers = require("transformers", extra="transformers")
        with quiet_loading():
            model = transformers.AutoModel.from_pretrained(self.folder, local_files_only=True)
        if model.config.is_encoder_decoder:
            model = model.get_encoder()
        return model.float().eval().to(self._device)

    @cached_property
    def _max_length(self) -> int:
        return self.max_length or model_max_length(self.folder, self._tokenizer, self._model.config)


def model_digest(folder: Path) -> str:
    """Hash of all files that a model's features depend on: weights, configuration, tokenizer."""
    weights = next((found for pattern in _WEIGHTS if (found := sorted(folder.glob(pattern)))), [])
    if not weights:
        raise InputError(
            f"no weights (model.safetensors) in {folder}: expected the folder of a Hugging Face model"
        )
    settings = [path for pattern in ("*.json", "*.txt", "*.model") for path in sorted(folder.glob(pattern))]
    digest = hashlib.sha256()
    for path in [*settings, *weights]:
        digest.update(f"{path.name}:{file_sha256(path)}\n".encode())
    return digest.hexdigest()[:16]


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def from_hub(repository: str) -> Path:
    """Folder of a model of the Hugging Face hub, downloaded where it is not yet; no code, no pickles.

    Raises
    ------
    InputError
        Where the hub has no such model or cannot be reached.
    """
    hub = require("huggingface_hub", extra="transformers")
    try:
        return Path(hub.snapshot_download(repository, allow_patterns=list(_HUB_FILES), ignore_patterns="*/*"))
    except Exception as error:
        raise InputError(
            f"model {repository!r} is no local folder and could not be had from the Hugging Face hub "
            f"({type(error).__name__}: {error!s:.200}): give the path of a model folder, "
            "or check name and network"
        ) from error
