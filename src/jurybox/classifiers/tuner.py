"""Fine-tuning an encoder for classification, again and again from the same weights, on CPU or GPU.

It imports torch and transformers: import this module on use only. `jurybox.classifiers.cross_fitting` says
what it is for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from torch import nn

from jurybox.arrays import Floats, Ints
from jurybox.classifiers.cross_fitting import Weights, alike
from jurybox.classifiers.recipes import TuningSettings
from jurybox.encoders.tokens import (
    Tokens,
    best_device,
    length_batches,
    model_max_length,
    quiet_loading,
    token_budget,
    token_ids,
)

__all__ = ["Tuner"]

_BUCKET = 8  # batches whose texts are sorted by length together
_LARGEST_GRADIENT = 1.0


class Tuner:
    """An encoder with a linear layer on the mean of its last layer's tokens, which all questions share.

    Parameters
    ----------
    folder
        The model to start from; not changed.
    n_classes
        K of each of F facets; of a single question (K,).
    settings
        How it is trained.
    threads
        Threads of torch on a CPU; None leaves them as they are.
    """

    def __init__(
        self,
        folder: Path,
        n_classes: Sequence[int],
        settings: TuningSettings,
        *,
        threads: int | None = None,
    ) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        self.settings = settings
        self.n_classes = tuple(int(K) for K in n_classes)
        self.device = best_device(settings.device)
        with quiet_loading():
            self._tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
            encoder = transformers.AutoModel.from_pretrained(folder, local_files_only=True)
        limit = model_max_length(folder, self._tokenizer, encoder.config)
        self._max_length = min(limit, settings.max_length)
        self._model = _Classifier(encoder.float(), sum(self.n_classes)).to(self.device)
        self._model.freeze(settings.frozen_layers)
        self._first = self._state()

    def tokens(self, texts: Sequence[str]) -> Tokens:
        """Token ids of texts, cut to what is read of one."""
        return Tokens.of(token_ids(self._tokenizer, texts, self._max_length))

    def train(
        self,
        tokens: Tokens,
        rows: Ints,
        targets: Floats,
        weights: Floats,
        *,
        seed: int,
        after_step: Callable[[], None] = lambda: None,
    ) -> Weights:
        """Minimise the weighted cross-entropy against class distributions; return what was learnt.

        That is the mean over facets, in each of which what counts has a mean weight of 1.

        Parameters
        ----------
        tokens, rows
            Texts, and which n of them to train on.
        targets, weights
            Class distributions of all texts, of all facets side by side, shape (N, C), and how much each
            counts, shape (N, F), or (N,) where there is one facet: 0 where nobody was asked.
        seed
            Draws the order of the texts and what dropout leaves out.
        after_step
            Called after every step.
        """
        self._load(self._first)
        w = weights.reshape(len(weights), -1)
        used = rows[(w[rows] > 0).any(axis=1) & (tokens.lengths[rows] > 0)]
        if not len(used):
            return self._state()
        told = torch.tensor(targets, dtype=torch.float32, device=self.device)
        counts = torch.tensor(w / _mean_weight(w[used]), dtype=torch.float32, device=self.device)
        steps = self.settings.steps(len(used))
        with _seeded(seed), _fast_products():
            optimizer, schedule = self._optimizer(steps)
            self._model.train()
            for batch in self._batches(used, tokens.lengths, steps, np.random.default_rng(seed)):
                index = torch.from_numpy(batch).to(self.device)
                loss = self._loss(self._logits(tokens, batch), told[index], counts[index])
                optimizer.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                nn.utils.clip_grad_norm_(self._model.trained(), _LARGEST_GRADIENT)
                optimizer.step()
                schedule.step()
                after_step()
        return self._state()

    def predict(
        self,
        tokens: Tokens,
        rows: Ints,
        weights: Weights,
        *,
        after_batch: Callable[[], None] = lambda: None,
    ) -> Floats:
        """Class probabilities of some of the texts, of all facets side by side, shape (n, C).

        All classes of a facet that nothing was learnt of are as likely.
        """
        self._load(weights)
        self._model.eval()
        probabilities = np.tile(alike(self.n_classes), (len(rows), 1))
        with torch.inference_mode(), _fast_products():
            for batch in length_batches(tokens.lengths[rows], token_budget(self.device)):
                logits = self._model.linear(self._pooled(tokens, rows[batch]))
                parts = [torch.softmax(z, dim=1) for z in self._by_facet(logits.double())]
                probabilities[batch] = torch.cat(parts, dim=1).cpu().numpy()
                after_batch()
        return probabilities

    def _loss(self, logits: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """``-1 / (n F) sum_if w_if sum_k t_ifk log softmax(z_if)_k``."""
        facets = zip(self._by_facet(logits), self._by_facet(targets), weights.T, strict=True)
        each = [-(w[:, None] * t * torch.log_softmax(z, dim=1)).sum() for z, t, w in facets]
        return torch.stack(each).sum() / weights.numel()

    def _by_facet(self, columns: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return torch.split(columns, list(self.n_classes), dim=1)

    def _pooled(self, tokens: Tokens, rows: Ints) -> torch.Tensor:
        pooled: torch.Tensor = self._model(*tokens.padded(rows, self._tokenizer.pad_token_id, self.device))
        return pooled

    def _logits(self, tokens: Tokens, rows: Ints) -> torch.Tensor:
        logits: torch.Tensor = self._model.linear(self._model.dropout(self._pooled(tokens, rows)))
        return logits

    def _batches(self, used: Ints, lengths: Ints, steps: int, rng: np.random.Generator) -> Iterator[Ints]:
        """Yield as many batches as there are steps: texts of similar length, in random order."""
        size = min(self.settings.batch, len(used))
        done = 0
        while done < steps:
            order = rng.permutation(used)
            bucket = size * _BUCKET
            parts = [order[at : at + bucket] for at in range(0, len(order), bucket)]
            order = np.concatenate([part[np.argsort(lengths[part], kind="stable")] for part in parts])
            batches = [order[at : at + size] for at in range(0, len(order), size)]
            for number in rng.permutation(len(batches))[: steps - done]:
                yield batches[number]
                done += 1

    def _optimizer(self, steps: int) -> tuple[torch.optim.Optimizer, Any]:
        groups = [
            {"params": params, "lr": rate}
            for params, rate in self._model.rates(
                self.settings.encoder_rate, self.settings.head_rate, self.settings.layer_decay
            )
        ]
        fused = self.device != "cpu"
        optimizer = torch.optim.AdamW(groups, weight_decay=self.settings.weight_decay, fused=fused)
        warm = max(1, round(self.settings.warmup * steps))
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: min((step + 1) / warm, (steps - step) / max(1, steps - warm))
        )
        return optimizer, schedule

    def _state(self) -> Weights:
        return {
            name: value.detach().to("cpu", copy=True)
            for name, value in self._model.named_parameters()
            if value.requires_grad
        }

    def _load(self, weights: Weights) -> None:
        self._model.load_state_dict(dict(weights), strict=False)


class _Classifier(nn.Module):
    """An encoder, the mean of its last layer's tokens, and a linear layer."""

    def __init__(self, encoder: Any, n_classes: int) -> None:
        super().__init__()
        self.encoder = encoder.get_encoder() if encoder.config.is_encoder_decoder else encoder
        self.dropout = nn.Dropout(0.1)
        self.linear = nn.Linear(int(encoder.config.hidden_size), n_classes)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        last = self.encoder(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        share = (mask / mask.sum(dim=1, keepdim=True)).to(last.dtype)
        return torch.einsum("nt,ntd->nd", share, last)

    def freeze(self, n_layers: int) -> None:
        """Keep the embeddings and the first layers as they are, and what no text passes through."""
        for name, value in self.encoder.named_parameters():
            depth = _depth(name)
            value.requires_grad_(depth is not None and depth >= n_layers)

    def trained(self) -> list[nn.Parameter]:
        return [value for value in self.parameters() if value.requires_grad]

    def rates(
        self, encoder_rate: float, head_rate: float, decay: float
    ) -> Iterator[tuple[list[nn.Parameter], float]]:
        """Yield groups of parameters and their learning rates: lower layers learn more slowly."""
        yield list(self.linear.parameters()), head_rate
        depths: dict[int, list[nn.Parameter]] = {}
        for name, value in self.encoder.named_parameters():
            if value.requires_grad:
                depths.setdefault(_depth(name) or 0, []).append(value)
        top = max(depths, default=0)
        for depth, params in depths.items():
            yield params, encoder_rate * decay ** (top - depth)


def _mean_weight(weights: Floats) -> Floats:
    """Mean weight of what counts in each facet (F,); 1 where nothing does."""
    n = (weights > 0).sum(axis=0)
    return np.asarray(np.where(n > 0, weights.sum(axis=0) / np.maximum(n, 1), 1.0))


def _depth(name: str) -> int | None:
    """Return the number of the layer that a parameter is of; None for embeddings and poolers."""
    parts = name.split(".")
    numbers = [int(part) for part in parts if part.isdigit()]
    return numbers[0] if numbers and "embeddings" not in parts else None


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed torch, and leave its generators as they were."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


@contextmanager
def _fast_products() -> Iterator[None]:
    """Let a GPU multiply in TensorFloat-32, whose rounding training does not notice."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
