"""Fine-tuning a Hugging Face sequence classifier on soft labels.

It imports torch and transformers: import this module on use only.
"""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from jurybox.classifiers.base import FloatArray, stratified_folds
from jurybox.classifiers.recipes import TrainingSettings
from jurybox.encoders.tokens import (
    Tokens,
    best_device,
    length_batches,
    model_max_length,
    quiet_loading,
    token_budget,
    token_ids,
)

_DONE = "done.json"


@dataclass(frozen=True)
class TunedModel:
    """A fine-tuned classifier with its tokenizer.

    Attributes
    ----------
    model, tokenizer
        As transformers knows them.
    max_length
        Tokens read of a text.
    device
        Where it predicts; between predictions it rests on the CPU.
    note
        How training went, in one sentence.
    """

    model: Any
    tokenizer: Any
    max_length: int
    device: str
    note: str = ""

    def predict_proba(self, texts: Sequence[str]) -> FloatArray:
        """Class probabilities, shape (n, K)."""
        tokens = Tokens.of(token_ids(self.tokenizer, texts, self.max_length))
        probabilities = np.full((len(tokens), self.model.config.num_labels), 1 / self.model.config.num_labels)
        model = self.model.eval().to(self.device)
        for batch in length_batches(tokens.lengths, token_budget(self.device)):
            ids, mask = tokens.padded(batch, self.tokenizer.pad_token_id, self.device)
            with torch.inference_mode():
                logits = model(input_ids=ids, attention_mask=mask.long()).logits
            probabilities[batch] = torch.softmax(logits.double(), dim=1).cpu().numpy()
        model.cpu()
        return probabilities

    def save(self, folder: Path) -> None:
        """Write an ordinary Hugging Face model folder."""
        with quiet_loading():
            self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)


class _SoftTrainer(transformers.Trainer):
    """Weighted cross-entropy against class distributions."""

    def compute_loss(
        self,
        model: Any,
        inputs: Any,
        return_outputs: bool = False,
        num_items_in_batch: Any = None,  # noqa: ARG002
        **_: Any,
    ) -> Any:
        targets, weights = inputs.pop("targets"), inputs.pop("weights")
        outputs = model(**inputs)
        log_probabilities = torch.log_softmax(outputs.logits.float(), dim=1)
        loss = -(weights[:, None] * targets * log_probabilities).sum() / weights.sum()
        return (loss, outputs) if return_outputs else loss


class _Report(transformers.TrainerCallback):
    """Tells how many steps are done."""

    def __init__(self, report: Callable[[int, int], None]) -> None:
        self._report = report

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        self._report(state.global_step, state.max_steps)


def fine_tune(
    folder: Path,
    texts: Sequence[str],
    targets: FloatArray,
    weights: FloatArray,
    settings: TrainingSettings,
    *,
    classes: Sequence[Any] | None = None,
    checkpoints: Path | None = None,
    report: Callable[[int, int], None] | None = None,
) -> TunedModel:
    """Fine-tune the model of a folder until the loss on texts held out from training no longer falls.

    Parameters
    ----------
    folder
        The model to start from; not changed.
    texts, targets, weights
        N texts, their class distributions of shape (N, K), and how much each counts, shape (N,).
    classes
        Names of the classes, kept in the model's configuration.
    checkpoints
        Where to keep what an interrupted call can resume from; one that finished returns its model at once.
    report
        Called with (steps done, steps at most).
    """
    if checkpoints is not None and (checkpoints / _DONE).is_file():
        return _load(checkpoints, settings)
    with _isolated_randomness(settings.seed), _work_folder(checkpoints) as work:
        model, tokenizer, max_length = _start(folder, targets.shape[1], classes, settings)
        rows = _rows(token_ids(tokenizer, texts, max_length), targets, weights)
        train, validation = _split(rows, settings)
        trainer = _SoftTrainer(
            model=model,
            args=_arguments(work, len(train), validation is not None, checkpoints is not None, settings),
            train_dataset=train,
            eval_dataset=validation,
            data_collator=transformers.DataCollatorWithPadding(tokenizer),
            callbacks=_callbacks(validation is not None, settings, report),
        )
        trainer.remove_callback(transformers.trainer_callback.PrinterCallback)
        with quiet_loading():
            trainer.train(resume_from_checkpoint=_last_checkpoint(work))
        best = trainer.state.best_metric
        note = f"{len(train)} texts, {trainer.state.global_step} of {trainer.state.max_steps} steps" + (
            f", loss {best:.4f} on {len(validation)} texts held out"
            if validation and best is not None
            else ""
        )
        tuned = TunedModel(
            model.float().cpu().eval(), tokenizer, max_length, best_device(settings.device), note
        )
    if checkpoints is not None:
        _finish(tuned, checkpoints)
    return tuned


def _start(
    folder: Path, n_classes: int, classes: Sequence[Any] | None, settings: TrainingSettings
) -> tuple[Any, Any, int]:
    """Model with a fresh head of K classes, its tokenizer, and how many tokens to read."""
    names = [str(name) for name in (range(n_classes) if classes is None else classes)]
    with quiet_loading():
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = transformers.AutoModelForSequenceClassification.from_pretrained(
            folder,
            local_files_only=True,
            num_labels=n_classes,
            id2label=dict(enumerate(names)),
            label2id={name: position for position, name in enumerate(names)},
            ignore_mismatched_sizes=True,
        )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    model.config.pad_token_id = tokenizer.pad_token_id
    model.config.problem_type = "single_label_classification"
    return model, tokenizer, settings.max_length or model_max_length(folder, tokenizer, model.config)


def _rows(tokens: list[list[int]], targets: FloatArray, weights: FloatArray) -> list[dict[str, Any]]:
    scale = weights / max(weights.max(), np.finfo(float).tiny)
    return [
        {
            "input_ids": ids,
            "attention_mask": [1] * len(ids),
            "targets": target.tolist(),
            "weights": float(weight),
        }
        for ids, target, weight in zip(tokens, targets, scale, strict=True)
        if weight > 0 and ids
    ]


def _split(
    rows: list[dict[str, Any]], settings: TrainingSettings
) -> tuple[list[dict[str, Any]], list[dict[str, Any]] | None]:
    """Hold out a stratified part to stop early by, where it would be large enough."""
    if not settings.holds_out(len(rows)):
        return rows, None
    hard = np.array([row["targets"] for row in rows])
    n_parts = max(2, round(1 / settings.validation_share))
    part = stratified_folds(hard, n_parts, np.random.default_rng(settings.seed))
    train = [row for row, number in zip(rows, part, strict=True) if number]
    return train, [row for row, number in zip(rows, part, strict=True) if not number]


def _arguments(
    work: Path, n_train: int, validated: bool, resumable: bool, settings: TrainingSettings
) -> transformers.TrainingArguments:
    steps = settings.steps(n_train)
    every = max(1, round(steps / settings.evaluations))
    device = best_device(settings.device)
    return transformers.TrainingArguments(
        output_dir=str(work),
        max_steps=steps,
        per_device_train_batch_size=min(settings.batch_size, n_train),
        per_device_eval_batch_size=64,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        warmup_steps=round(settings.warmup * steps),
        eval_strategy="steps" if validated else "no",
        eval_steps=every,
        save_strategy="steps" if validated or resumable else "no",
        save_steps=every,
        save_total_limit=1,
        save_only_model=not resumable,
        load_best_model_at_end=validated,
        metric_for_best_model="eval_loss" if validated else None,
        greater_is_better=False if validated else None,
        label_names=["targets"],
        remove_unused_columns=False,
        logging_strategy="no",
        report_to=[],
        disable_tqdm=True,
        bf16=device.startswith("cuda") and torch.cuda.is_bf16_supported(),
        use_cpu=device == "cpu",
        dataloader_pin_memory=device.startswith("cuda"),
        seed=settings.seed,
        data_seed=settings.seed,
    )


def _callbacks(
    validated: bool, settings: TrainingSettings, report: Callable[[int, int], None] | None
) -> list[transformers.TrainerCallback]:
    callbacks: list[transformers.TrainerCallback] = []
    if validated:
        callbacks.append(transformers.EarlyStoppingCallback(early_stopping_patience=settings.patience))
    if report is not None:
        callbacks.append(_Report(report))
    return callbacks


@contextlib.contextmanager
def _isolated_randomness(seed: int) -> Iterator[None]:
    """Seed torch, NumPy and Python, which the Trainer draws from, and leave them as they were."""
    numpy_state, python_state = np.random.get_state(), random.getstate()  # noqa: NPY002
    try:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            yield
    finally:
        np.random.set_state(numpy_state)  # noqa: NPY002
        random.setstate(python_state)


@contextlib.contextmanager
def _work_folder(checkpoints: Path | None) -> Iterator[Path]:
    """Folder for the Trainer's checkpoints; one that goes away afterwards where nobody asked to keep them."""
    if checkpoints is not None:
        checkpoints.mkdir(parents=True, exist_ok=True)
        yield checkpoints
        return
    with tempfile.TemporaryDirectory(prefix="jurybox-") as work:
        yield Path(work)


def _last_checkpoint(work: Path) -> str | None:
    """Newest checkpoint that was written completely."""
    complete = [path for path in work.glob("checkpoint-*") if (path / "trainer_state.json").is_file()]
    return str(max(complete, key=lambda path: int(path.name.split("-")[1]))) if complete else None


def _finish(tuned: TunedModel, checkpoints: Path) -> None:
    """Keep the model, drop the checkpoints; the marker comes last."""
    tuned.save(checkpoints)
    (checkpoints / _DONE).write_text(json.dumps({"note": tuned.note, "max_length": tuned.max_length}))
    for path in checkpoints.glob("checkpoint-*"):
        shutil.rmtree(path, ignore_errors=True)


def _load(checkpoints: Path, settings: TrainingSettings) -> TunedModel:
    done = json.loads((checkpoints / _DONE).read_text())
    with quiet_loading():
        tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoints, local_files_only=True)
        model = transformers.AutoModelForSequenceClassification.from_pretrained(
            checkpoints, local_files_only=True
        )
    return TunedModel(
        model, tokenizer, int(done["max_length"]), best_device(settings.device), str(done["note"])
    )
