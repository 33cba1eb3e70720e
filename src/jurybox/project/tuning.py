"""The second gear of a project: its encoder is tuned on the labels, apart from rounds, and kept as files.

One encoder learns all questions at once; a project with one question is the case of one facet. What is to be
done is written down first, and each fold when it is done, so that a process that was killed is carried on
with where it was. The files lie beside the features and may be deleted at any time.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from jurybox.arrays import Floats, Ints
from jurybox.atomic import new_file
from jurybox.classifiers.recipes import TuningSettings
from jurybox.project.handle import ProjectPart
from jurybox.questions import Question
from jurybox.store import overview, rounds, snapshots
from jurybox.store.engine import Store
from jurybox.store.settings import ProjectSettings
from jurybox.store.state import read_classes, read_questions, read_state

_LEAST_TEXTS = 150  # below, a tuned encoder hardly ever helps, and a fit of the head takes milliseconds
_LEAST_MEMORY = 2.0  # GiB that have to be free: a fit of MiniLM takes about one
_MOST_PREDICTED = 20_000  # texts that a tuning predicts; the head alone judges the others
_GROWTH = 0.15  # share of new labels that makes a tuning due; twice that where the last one was of no use
_PART = 50_000


@dataclass(frozen=True)
class TuningPlan:
    """Whether the encoder is to be tuned now, and why.

    Attributes
    ----------
    due
        Whether to start.
    why
        In a sentence for the owner.
    """

    due: bool
    why: str


@dataclass(frozen=True, eq=False)
class Tuned:
    """What tuned models say of texts, of each by one that was not trained on it.

    Attributes
    ----------
    asked : ndarray of int, shape (m,)
        Texts that they were asked about, ascending.
    pred_probs : ndarray of float32, shape (m, C)
        Their probabilities of these, of all facets side by side.
    columns
        What the C columns are about.
    rows : ndarray of int, shape (n,)
        Texts that they were trained on.
    labels
        Labels that these had.
    seconds
        What the tuning took.
    """

    asked: Ints
    pred_probs: NDArray[np.float32]
    columns: tuple[str, ...]
    rows: Ints
    labels: int
    seconds: float

    def of_first(self, N: int) -> NDArray[np.float32]:
        """Return the probabilities of the first N texts (N, C); NaN for those that were not asked about."""
        found = np.full((N, len(self.columns)), np.nan, np.float32)
        known = self.asked < N
        found[self.asked[known]] = self.pred_probs[known]
        return found

    def describe(self) -> dict[str, Any]:
        """Return what a round says of it."""
        return {"texts": len(self.rows), "labels": self.labels, "seconds": self.seconds}


def columns_of(questions: Sequence[Question], classes: Iterable[Hashable]) -> tuple[str, ...]:
    """Return what each of the C columns is about; the classes are those of a project with one question."""
    if not questions:
        return tuple(map(str, classes))
    facets = ((each, facet) for each in questions for facet in each.facets)
    return tuple(f"{facet}={name}" for each, facet in facets for name in each.facet_classes)


@dataclass(frozen=True)
class Gear:
    """Which gear the figures of a round come from.

    Attributes
    ----------
    share
        Share of the say that the tuned encoder has, from 0, the first gear alone, to 1; with several
        questions, the mean over these and each class of those with several.
    tuned_on
        Texts that it was tuned on.
    facets
        Over how many that is a mean; 1 where there is one question.
    """

    share: float
    tuned_on: int
    facets: int = 1

    def __str__(self) -> str:
        if not self.share:
            return "first gear: the encoders as they are"
        mean = f" on average over {self.facets} questions and classes" if self.facets > 1 else ""
        return (
            f"second gear: an encoder tuned on {self.tuned_on:,} texts has {self.share:.0%} of the say{mean}"
        )


def gear_of(diagnostics: Mapping[str, Any]) -> Gear:
    """Read from what a round found out which gear its figures come from."""
    share = float(diagnostics.get("second_gear") or 0.0)
    tuned_on = int(diagnostics.get("tuning", {}).get("texts", 0))
    return Gear(share, tuned_on, max(len(diagnostics.get("facets", ())), 1))


class Tuning(ProjectPart):
    """Tunes the encoder of a project, and tells what came of it."""

    def __init__(self, store: Store, clock: Callable[[], float], cache: Path) -> None:
        super().__init__(store, clock)
        self._kept = _Files(cache / "tuned")

    def plan(self) -> TuningPlan:
        """Say whether the encoder is to be tuned now, from the labels there are and how it went last time."""
        with self.store.read() as connection:
            settings = read_state(connection).settings
            record = rounds.last_diagnostics(connection)
            columns = _read_columns(connection)
        if (obstacle := _obstacle(settings, str(record.get("encoder") or ""))) is not None:
            return TuningPlan(False, f"second gear off: {obstacle}")
        audit = np.asarray(record.get("held_out", ()), np.int64)
        if _may_be_used(self._kept.job(), columns, audit):
            return TuningPlan(True, "second gear due: a tuning was interrupted")
        texts, labels = record.get("trained_on", 0), record.get("training_labels", 0)
        if texts < _LEAST_TEXTS:
            return TuningPlan(
                False, f"second gear waits: {texts} texts are labelled, and it starts at {_LEAST_TEXTS}"
            )
        last = self._kept.result()
        seen = record.get("tuning", {}).get("labels")
        useless = last is not None and seen == last.labels and not record.get("second_gear")
        if last is not None and last.columns != columns:
            return TuningPlan(True, "second gear due: classes were added, renamed or merged")
        if last is not None and np.isin(last.rows, audit).any():
            return TuningPlan(True, "second gear due: texts that it has learnt from joined the audit sample")
        wanted = 0 if last is None else last.labels * (1 + _GROWTH * (2 if useless else 1))
        if labels < wanted:
            return TuningPlan(False, f"second gear waits: {labels} labels, the next tuning at {wanted:.0f}")
        return TuningPlan(True, f"second gear due: {labels} labels")

    def tune(
        self,
        settings: TuningSettings | None = None,
        *,
        threads: int | None = None,
        after_step: Callable[[], None] = lambda: None,
    ) -> None:
        """Tune the encoder on the labels there are, or carry on with what was interrupted.

        Parameters
        ----------
        settings
            How; default: as benchmarked.
        threads
            Threads of a CPU.
        after_step
            Called after every optimizer step; a tuning rests for as long as it does not return.

        Raises
        ------
        InputError
            If all labels are of one class, of every question.
        """
        from jurybox.classifiers.cross_fitting import fold_of, tune_fold
        from jurybox.classifiers.recipes import TuningSettings
        from jurybox.classifiers.tuner import Tuner

        with self.store.read() as connection:
            audit, columns = snapshots.read_held_out(connection), _read_columns(connection)
        job = self._kept.job()
        if job is None or not _may_be_used(job, columns, audit):
            job = self._begin()
        settings = settings or TuningSettings()
        tuner = Tuner(Path(str(job["model"])), job["n_classes"].tolist(), settings, threads=threads)
        rows = job["rows"]
        texts = self._texts(np.union1d(rows, job["asked"]))
        labelled = tuner.tokens([texts[row] for row in rows.tolist()])
        for number in range(settings.folds):
            if self._kept.has_fold(number):
                continue
            start = time.monotonic()
            weights = tune_fold(
                tuner, number, labelled, rows, job["targets"], job["weights"], after_step=after_step
            )
            asked = job["asked"][fold_of(job["asked"], settings.folds) == number]
            tokens = tuner.tokens([texts[row] for row in asked.tolist()])
            p = tuner.predict(tokens, np.arange(len(asked)), weights, after_batch=after_step)
            self._kept.write_fold(number, asked, p, time.monotonic() - start)
        self._kept.finish(settings.folds)

    def result(self, columns: tuple[str, ...], audit: Ints) -> Tuned | None:
        """Return what was tuned last; None where there is nothing that may be used.

        It must be about the classes that there are, and a text that has joined the audit sample since must
        have had no part in it.
        """
        found = self._kept.result()
        if found is None or found.columns != columns or np.isin(found.rows, audit).any():
            return None
        return found

    def _begin(self) -> dict[str, NDArray[Any]]:
        """Write down what is to be done: on which labels, and which texts are asked about."""
        from jurybox.classifiers.cross_fitting import alike
        from jurybox.encoders import TransformerEncoder, get_encoders
        from jurybox.facet_targets import classes_of, soft_answers

        snapshot = snapshots.read_snapshot(self.store)
        with self.store.read() as connection:
            state = read_state(connection)
            before = rounds.read_array(connection, state.current_round, "pred_probs")
            left_out = rounds.last_diagnostics(connection).get("held_out", ())
        sheet = snapshot.sheet
        N, n_classes = sheet.n_texts, classes_of(sheet)
        in_audit = np.zeros(N, dtype=bool)
        in_audit[snapshot.held_out] = True
        pred_probs = None
        learnt = np.setdiff1d(snapshot.held_out, left_out)
        if before is not None and before.shape[1] == sum(n_classes) and not (learnt < len(before)).any():
            pred_probs = np.tile(alike(n_classes), (N, 1))
            pred_probs[: len(before)] = before
        labels = soft_answers(
            sheet,
            state.settings.strategy,
            np.random.default_rng([state.settings.seed, snapshot.annotations.n_annotations]),
            pred_probs=pred_probs,
            trainable=~in_audit,
            experts=snapshot.experts,
            target=state.settings.target,
        )
        model = next(e for e in get_encoders(state.settings.encoder) if isinstance(e, TransformerEncoder))
        spread = np.unique(np.linspace(0, N - 1, _MOST_PREDICTED).round().astype(np.int64))
        self._kept.begin(
            {
                "rows": labels.rows,
                "targets": labels.targets,
                "weights": labels.weights,
                "labels": np.array(int(snapshot.annotations.n_labels[labels.rows].sum())),
                "asked": np.union1d(np.union1d(spread, labels.rows), snapshot.audit),
                "n_classes": np.array(n_classes),
                "columns": np.array(columns_of(snapshot.questions, snapshot.annotations.classes)),
                "model": np.array(str(model.folder)),
            }
        )
        job = self._kept.job()
        assert job is not None  # noqa: S101
        return job

    def _texts(self, positions: Ints) -> dict[int, str]:
        """Read texts of some positions, a part of the pool at a time."""
        found: dict[int, str] = {}
        for start in range(0, int(positions.max(initial=-1)) + 1, _PART):
            with self.store.read() as connection:
                part = overview.pool_texts(connection, start, start + _PART)
            for row in positions[(positions >= start) & (positions < start + len(part))].tolist():
                found[row] = part[row - start]
        return found


@dataclass(frozen=True)
class _Files:
    """A tuning under way and the result of the last one, in a folder; each file is whole or not there."""

    folder: Path

    def job(self) -> dict[str, NDArray[Any]] | None:
        """Return what is under way; None where nothing is."""
        return _read(self.folder / "job" / "job.npz")

    def begin(self, job: dict[str, NDArray[Any]]) -> None:
        """Write down what is to be done."""
        shutil.rmtree(self.folder / "job", ignore_errors=True)
        _write(self.folder / "job" / "job.npz", job)

    def has_fold(self, number: int) -> bool:
        """Whether a fold is done."""
        return _read(self.folder / "job" / f"fold-{number}.npz") is not None

    def write_fold(self, number: int, rows: Ints, pred_probs: Floats, seconds: float) -> None:
        """Keep what the model of a fold says."""
        path = self.folder / "job" / f"fold-{number}.npz"
        _write(path, {"rows": rows, "pred_probs": pred_probs, "seconds": np.array(seconds)})

    def finish(self, folds: int) -> None:
        """Make all folds the result, and forget the job."""
        job = self.job()
        parts = [_read(self.folder / "job" / f"fold-{number}.npz") for number in range(folds)]
        if job is None:
            return
        asked = job["asked"]
        pred_probs = np.empty((len(asked), len(job["columns"])), np.float32)
        for part in parts:
            if part is not None:
                pred_probs[np.searchsorted(asked, part["rows"])] = part["pred_probs"]
        seconds = sum(float(part["seconds"]) for part in parts if part is not None)
        _write(
            self.folder / "result.npz",
            {
                "asked": asked,
                "pred_probs": pred_probs,
                "columns": job["columns"],
                "rows": job["rows"],
                "labels": job["labels"],
                "seconds": np.array(seconds),
            },
        )
        shutil.rmtree(self.folder / "job", ignore_errors=True)

    def result(self) -> Tuned | None:
        """Return the result of the last tuning that was finished."""
        found = _read(self.folder / "result.npz")
        if found is None:
            return None
        return Tuned(
            found["asked"],
            found["pred_probs"],
            tuple(found["columns"].tolist()),
            found["rows"],
            int(found["labels"]),
            float(found["seconds"]),
        )


def _write(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with new_file(path, overwrite=True) as draft, draft.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def _read(path: Path) -> dict[str, NDArray[Any]] | None:
    """Read a file of arrays; None where there is none, or it is damaged: it is made again."""
    from jurybox.encoders.cache import DAMAGE

    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as found:
            return {name: found[name] for name in found.files}
    except DAMAGE:
        return None


def _obstacle(settings: ProjectSettings, encoder: str) -> str | None:
    """Say why an encoder is not tuned here at all; None where it is."""
    if not settings.tuning:
        return "the setting tuning is off"
    if settings.classifier != "head":
        return f"the classifier is {settings.classifier}, not the head"
    if encoder and all(name.startswith("tfidf") for name in encoder.split(" + ")):
        return "TF-IDF has nothing to tune"
    missing = [name for name in ("torch", "transformers") if importlib.util.find_spec(name) is None]
    if missing:
        return f"{' and '.join(missing)} not installed"
    if _cores() < 2:
        return "the machine has one core, which is left to the people who label"
    free = _free_memory()
    if free is not None and free < _LEAST_MEMORY:
        return f"{free:.1f} GiB of memory are free, and it needs {_LEAST_MEMORY:.0f}"
    return None


def _read_columns(connection: Connection) -> tuple[str, ...]:
    """Return what the columns would be about now."""
    questions = read_questions(connection)
    return columns_of(questions, () if questions else read_classes(connection))


def _may_be_used(job: Mapping[str, NDArray[Any]] | None, columns: tuple[str, ...], audit: Ints) -> bool:
    """Whether a tuning is under way, of the classes that there are, and learns from no audit text."""
    if job is None or tuple(job["columns"].tolist()) != columns:
        return False
    return not np.isin(job["rows"], audit).any()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _free_memory() -> float | None:
    """GiB that processes can still have; None where the system does not say."""
    try:
        with Path("/proc/meminfo").open(encoding="ascii") as file:
            lines = dict(line.split(":", 1) for line in file)
        return int(lines["MemAvailable"].split()[0]) / 2**20
    except (OSError, KeyError, ValueError):
        return None
