"""Loading Hugging Face models, cutting texts to what a model reads, and batches of similar length."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jurybox.arrays import Ints
from jurybox.errors import require

_CHARACTERS_PER_TOKEN = 16
_UNLIMITED = 1_000_000


def token_ids(tokenizer: Any, texts: Sequence[str], max_length: int) -> list[list[int]]:
    """Token ids of each text, at most ``max_length`` of them.

    Of a long text only the beginning is tokenized, and more of it only where that did not fill the model.
    """
    limit = max_length * _CHARACTERS_PER_TOKEN
    tokens = _tokenize(tokenizer, [text[:limit] for text in texts], max_length)
    for row, text in enumerate(texts):
        read = limit
        while read < len(text) and len(tokens[row]) < max_length:
            read *= 8
            tokens[row] = _tokenize(tokenizer, [text[:read]], max_length)[0]
    return tokens


def _tokenize(tokenizer: Any, texts: list[str], max_length: int) -> list[list[int]]:
    if not texts:
        return []
    clean = [text.encode("utf-8", "replace").decode() for text in texts]  # lone surrogates stop the tokenizer
    read = partial(tokenizer, truncation=True, max_length=max_length, verbose=False)
    encode = getattr(getattr(tokenizer, "backend_tokenizer", None), "encode_batch_fast", None)
    if encode is None:
        return list(read(clean)["input_ids"])
    read(clean[:1])  # sets truncation in the backend, whose rows are then taken without masks and types
    return [row.ids for row in encode(clean)]


@dataclass(frozen=True, eq=False)
class Tokens:
    """Token ids of n texts, one after the other.

    Attributes
    ----------
    ids : ndarray of int, shape (sum of lengths,)
        Token ids.
    lengths : ndarray of int, shape (n,)
        Tokens of each text.
    """

    ids: Ints
    lengths: Ints

    @classmethod
    def of(cls, rows: Sequence[Sequence[int]]) -> Tokens:
        """Gather the tokens of each text."""
        lengths = np.fromiter(map(len, rows), np.int64, len(rows))
        ids = np.fromiter(chain.from_iterable(rows), np.int64, int(lengths.sum()))
        return cls(ids, lengths)

    @cached_property
    def _starts(self) -> Ints:
        starts: Ints = np.cumsum(self.lengths) - self.lengths
        return starts

    def __len__(self) -> int:
        return len(self.lengths)

    def padded(self, rows: Ints, pad_token_id: int | None, device: str) -> tuple[Any, Any]:
        """Token ids of r texts as a torch tensor (r, longest), and the mask of real tokens, shaped alike."""
        torch = require("torch", extra="transformers")
        places = np.arange(int(self.lengths[rows].max()))
        mask = places < self.lengths[rows, None]
        ids = np.full(mask.shape, pad_token_id or 0, dtype=np.int64)
        ids[mask] = self.ids[(self._starts[rows, None] + places)[mask]]
        both = torch.from_numpy(ids), torch.from_numpy(mask)
        if device == "cpu":
            return both
        return tuple(part.pin_memory().to(device, non_blocking=True) for part in both)


def length_batches(lengths: NDArray[np.int64], budget: int) -> Iterator[NDArray[np.int64]]:
    """Rows of similar length, longest first: memory runs out at once or never. Empty rows are left out.

    Parameters
    ----------
    lengths : ndarray of shape (N,)
        Tokens of each row.
    budget
        Tokens in a batch at most, padding included; a longer row has a batch of its own.

    Examples
    --------
    >>> [batch.tolist() for batch in length_batches(np.array([2, 9, 0, 3, 3]), 6)]
    [[1], [3, 4], [0]]
    """
    order = np.argsort(-lengths, kind="stable")
    order = order[lengths[order] > 0]
    start = 0
    while start < len(order):
        size = max(1, budget // int(lengths[order[start]]))
        yield order[start : start + size]
        start += size


def model_max_length(folder: Path, tokenizer: Any, config: Any) -> int:
    """Tokens a model reads at most: the least of what its tokenizer, positions and authors state."""
    stated = [int(min(tokenizer.model_max_length, _UNLIMITED))]
    positions = getattr(config, "max_position_embeddings", None)
    if isinstance(positions, int) and positions > 0:
        # RoBERTa and its kin count positions from behind the padding index
        behind = "roberta" in config.model_type or config.model_type == "mpnet"
        stated.append(positions - (config.pad_token_id + 1 if behind else 0))
    sentence = folder / "sentence_bert_config.json"
    if sentence.is_file():
        stated.append(int(json.loads(sentence.read_text()).get("max_seq_length") or _UNLIMITED))
    return min(stated)


def best_device(device: str | None = None) -> str:
    """Torch device to use: the one given, else the GPU where there is one."""
    torch = require("torch", extra="transformers")
    return device or ("cuda" if torch.cuda.is_available() else "cpu")


def to_host(tensor: Any) -> tuple[Any, Any]:
    """Copy a tensor to the host without waiting; return it and, of a GPU, the event of its arrival."""
    torch = require("torch", extra="transformers")
    if tensor.device.type != "cuda":
        return tensor.cpu(), None
    copied = torch.cuda.Event()
    host = tensor.to("cpu", non_blocking=True)
    copied.record()
    return host, copied


def token_budget(device: str) -> int:
    """Tokens in a batch that keep a device busy without filling it."""
    return 1_024 if device == "cpu" else 65_536


@contextmanager
def quiet_loading() -> Iterator[None]:
    """Load a model without the library's own progress bar and notes on stderr."""
    logging = require("transformers", extra="transformers").utils.logging
    was_shown, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if was_shown:
            logging.enable_progress_bar()
