"""A Hugging Face sequence classifier, fine-tuned on soft labels; out of sample by cross-validation."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from jurybox.classifiers.base import (
    ConstantFitted,
    Fitted,
    FloatArray,
    Inputs,
    check_targets,
    is_single_class,
    prior,
    stratified_folds,
)
from jurybox.classifiers.recipes import TrainingSettings
from jurybox.encoders import Progress, model_folder
from jurybox.encoders.base import check_texts, pool_digest
from jurybox.encoders.transformer import model_digest
from jurybox.errors import InputError, require

if TYPE_CHECKING:
    from jurybox.classifiers.fine_tuning import TunedModel


@dataclass(frozen=True)
class TransformerClassifier:
    """Fine-tune a transformer, once for each fold of a stratified cross-validation.

    A row's out-of-sample probabilities come from the model that did not see it; new texts get the mean of all
    models. Training minimises the cross-entropy against the class distributions and stops when the loss on a
    part held out from the fold's training texts no longer falls. A GPU works in bfloat16 where it can.

    Parameters
    ----------
    model
        Where to start from: a folder, a hub id, or ``"minilm"`` for the packaged weights.
    folds
        Folds of the cross-validation, at least 2.
    training
        How each model is fine-tuned.
    checkpoints
        A folder from which an interrupted fit, called again with the same data, goes on; a fit that is done
        leaves nothing there.
    progress
        Called with (steps done, steps at most) over all folds.

    Raises
    ------
    InputError
        Where there is no such model, or ``folds`` is less than 2.
    MissingExtraError
        Where the ``transformers`` extra is not installed.
    """

    model: str | Path
    folds: int = 5
    training: TrainingSettings = field(default_factory=TrainingSettings)
    checkpoints: Path | None = field(default=None, compare=False)
    progress: Progress | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.folds < 2:
            raise InputError(f"folds={self.folds}; expected at least 2")
        for module in ("torch", "transformers", "accelerate"):
            require(module, extra="transformers")

    @property
    def takes(self) -> Literal["texts"]:
        """Texts, not features."""
        return "texts"

    @cached_property
    def name(self) -> str:
        """The model's name and weights, and all settings that change what is learnt."""
        settings = json.dumps({**asdict(self.training), "device": None, "folds": self.folds}, sort_keys=True)
        digest = hashlib.sha256(f"{model_digest(self.folder)}{settings}".encode()).hexdigest()
        return f"transformer:{Path(self.model).name}:{digest[:16]}"

    @cached_property
    def folder(self) -> Path:
        """Folder of the model to start from."""
        return model_folder(self.model)

    def fit(
        self,
        x: Inputs,
        targets: NDArray[np.floating],
        weights: NDArray[np.floating] | None = None,
        *,
        previous: Fitted | None = None,  # noqa: ARG002 — each round starts from the same weights
    ) -> TransformerFitted | ConstantFitted:
        """Fine-tune one model for each fold on the texts ``x``.

        Raises
        ------
        InputError
            As `check_targets`; or where ``x`` holds no texts.
        """
        texts = _texts(x)
        t, w = check_targets(len(texts), targets, weights)
        if is_single_class(t, w):
            return ConstantFitted.of(t, w)
        counted = np.flatnonzero(w > 0)
        fold = np.full(len(texts), -1)
        fold[counted] = stratified_folds(t[counted], self.folds, np.random.default_rng(self.training.seed))
        store = None if self.checkpoints is None else self.checkpoints / self._fit_digest(texts, t, w)
        fitted = self._cross_validate(texts, t, w, fold, store)
        if store is not None:
            shutil.rmtree(store, ignore_errors=True)
        return fitted

    def fit_one(
        self,
        texts: Sequence[str],
        targets: FloatArray,
        weights: FloatArray,
        *,
        classes: Sequence[Any] | None = None,
        checkpoints: Path | None = None,
        report: Callable[[int, int], None] | None = None,
    ) -> TunedModel:
        """Fine-tune a single model on all texts; see `jurybox.classifiers.fine_tuning.fine_tune`."""
        from jurybox.classifiers.fine_tuning import fine_tune

        return fine_tune(
            self.folder,
            texts,
            targets,
            weights,
            self.training,
            classes=classes,
            checkpoints=checkpoints,
            report=report,
        )

    def _cross_validate(
        self, texts: list[str], t: FloatArray, w: FloatArray, fold: NDArray[np.int64], store: Path | None
    ) -> TransformerFitted:
        models: list[TunedModel] = []
        notes: list[str] = []
        out_of_sample = np.zeros_like(t)
        n_folds = int(fold.max()) + 1
        for number in range(n_folds):
            kept, held = np.flatnonzero((fold >= 0) & (fold != number)), np.flatnonzero(fold == number)
            if is_single_class(t[kept], w[kept]):
                out_of_sample[held] = prior(t[kept], w[kept])
                notes.append(f"fold {number + 1}: all its training texts are of one class; none trained")
                continue
            model = self.fit_one(
                [texts[row] for row in kept],
                t[kept],
                w[kept],
                checkpoints=None if store is None else store / f"fold-{number}",
                report=self._report_fold(number, n_folds),
            )
            out_of_sample[held] = model.predict_proba([texts[row] for row in held])
            models.append(model)
            notes.append(f"fold {number + 1}: {model.note}")
        if not models:  # two texts of two classes: each fold has one to learn from
            models.append(self.fit_one(texts, t, w))
            notes.append(f"all: {models[-1].note}")
        fitted = TransformerFitted(tuple(models), out_of_sample, "; ".join(notes))
        uncounted = np.flatnonzero(fold < 0)
        if len(uncounted):
            out_of_sample[uncounted] = fitted.predict_proba([texts[row] for row in uncounted])
        return fitted

    def _report_fold(self, number: int, n_folds: int) -> Callable[[int, int], None] | None:
        """Progress of one fold as progress of them all."""
        progress = self.progress
        if progress is None:
            return None
        return lambda done, most: progress(number * most + done, n_folds * most)

    def _fit_digest(self, texts: list[str], t: FloatArray, w: FloatArray) -> str:
        content = hashlib.sha256(f"{self.name}{pool_digest(texts)}".encode() + t.tobytes() + w.tobytes())
        return content.hexdigest()[:16]


@dataclass(frozen=True)
class TransformerFitted:
    """Fine-tuned models, one for each fold.

    Attributes
    ----------
    models
        The models; they predict together.
    out_of_sample : ndarray of shape (N, K)
        Probabilities of each training text by the model that did not see it.
    note
        How training went.
    """

    models: tuple[TunedModel, ...]
    out_of_sample: FloatArray = field(repr=False)
    note: str = ""

    def predict_proba(self, x: Inputs) -> FloatArray:
        """Mean class probabilities of the models, shape (n, K)."""
        texts = _texts(x)
        mean: FloatArray = np.mean([model.predict_proba(texts) for model in self.models], axis=0)
        return mean


def _texts(x: Inputs) -> list[str]:
    if isinstance(x, np.ndarray) and x.dtype.kind not in "OU":
        raise InputError(f"x is an array of {x.dtype}; the fine-tuned transformer takes texts, not features")
    return check_texts([str(text) if isinstance(text, np.str_) else text for text in x])
