"""Projects of known truth for `stopping.py`: played label by label, and stored.

A run is a data set of the label-efficiency benchmark in one of its variants, a strategy and a seed. Of the
texts whose class is known and that have no label at the start, `APART` are never asked. They have up to three
of their annotators' answers each, corrupted as the variant wants it: from them an audit sample is drawn, and
the truth is measured on the rest, together with the test texts where these are drawn like the pool.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jurybox.annotations import Annotations
from jurybox.arrays import Bools, Floats, Ints
from jurybox.datasets import Dataset
from jurybox.loop import Round, Settings, play_round
from jurybox.simulation import play_random_arm
from label_efficiency import CASES, Case, encode, load, vary

CACHE = Path(__file__).resolve().parent / "cache" / "stopping"
ROUNDS, LONG, BATCH = 25, 65, 25
APART, APART_AT_LEAST, AUDIT_LABELS = 0.4, 100, 3
RANDOM_ARM = 0.2
ARM_ROUNDS = (8, 24)
STRATEGIES = ("default", "random", "random selection", "random arm")
"""`random selection` learns as `default`; `random arm` is `default` with a part of each batch at random."""
TESTED_LIKE_THE_POOL = ("demo", "sarcasm")
PLAYED = tuple(case for case in CASES if case.variant != "protocol")


@dataclass(frozen=True, eq=False)
class Played:
    """One run; L annotations in the order in which they came, R rounds, N texts, T texts to measure on.

    Attributes
    ----------
    text, annotator, label, random : ndarray, shape (L,)
        The annotations, and whether the text had been drawn at random.
    n_annotations : ndarray of int, shape (R,)
        Annotations that each round learnt from, the first ones of all.
    apart : ndarray of int, shape (U,)
        Texts that are never asked, in random order.
    truth : ndarray of int, shape (U,)
        Their classes.
    apart_text, apart_annotator, apart_label : ndarray of int
        Answers about them.
    predicted : ndarray of int8, shape (R, N)
        Classes predicted, out of sample.
    test_hits : ndarray of int, shape (R,)
        Test texts that each round's model is right about.
    n_tests : ndarray of int, shape ()
        Test texts that are drawn like the pool.
    shape : ndarray of int, shape (3,)
        N, M and K.
    """

    text: Ints
    annotator: Ints
    label: Ints
    random: Bools
    n_annotations: Ints
    apart: Ints
    truth: Ints
    apart_text: Ints
    apart_annotator: Ints
    apart_label: Ints
    predicted: NDArray[np.int8]
    test_hits: Ints
    n_tests: Ints
    shape: Ints

    def annotations(self, n: int, audit: Ints | None = None) -> Annotations:
        """Return the first n annotations, and those of an audit sample."""
        kept = np.isin(self.apart_text, self.apart[:0] if audit is None else audit)
        N, M, K = self.shape.tolist()
        return Annotations.from_indices(
            np.concatenate([self.text[:n], self.apart_text[kept]]),
            np.concatenate([self.annotator[:n], self.apart_annotator[kept]]),
            np.concatenate([self.label[:n], self.apart_label[kept]]),
            texts=N,
            annotators=M,
            classes=tuple(range(K)),
        )

    def accuracy(self, audit: Ints) -> tuple[Floats, int]:
        """Return each round's accuracy (R,) on what is apart but not in the audit sample, and on how many."""
        rest = ~np.isin(self.apart, audit)
        hits = (self.predicted[:, self.apart[rest]] == self.truth[rest]).sum(axis=1) + self.test_hits
        T = int(rest.sum() + self.n_tests)
        return hits / T, T


def plan(seeds: range, strategies: tuple[str, ...] = STRATEGIES) -> Iterator[tuple[Case, str, int]]:
    """Yield every run, whole seeds one after the other."""
    yield from ((case, strategy, seed) for seed in seeds for case in PLAYED for strategy in strategies)


def stored(case: Case, strategy: str, seed: int) -> Path:
    """Return where a run is kept."""
    return CACHE / case.name / strategy.replace(" ", "-") / f"{seed}.npz"


@cache
def read(case: Case, strategy: str, seed: int) -> Played:
    """Read a run."""
    with np.load(stored(case, strategy, seed)) as arrays:
        return Played(**{field.name: arrays[field.name] for field in fields(Played)})


def write(played: Played, path: Path) -> None:
    """Keep a run; it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part.npz")
    np.savez_compressed(part, **{field.name: getattr(played, field.name) for field in fields(Played)})
    part.replace(path)


def play(root: Path, case: Case, strategy: str, seed: int) -> Played:
    """Play one run."""
    dataset = vary(load(root, case.data, seed), case.variant, np.random.default_rng([seed, 1]))
    inputs = encode(dataset, case.encoder, strategy)
    rng = np.random.default_rng([seed, 2])
    apart = draw_apart(dataset, rng)
    answered = ask_about(dataset, np.repeat(apart, AUDIT_LABELS), dataset.initial, rng)
    askable = np.ones(len(dataset.texts), dtype=bool)
    askable[apart] = False
    settings = Settings(
        strategy="default" if strategy == "random arm" else strategy,
        batch=BATCH,
        random_share=RANDOM_ARM if strategy == "random arm" else 0.0,
    )
    a = dataset.initial
    rows = np.column_stack([a.text, a.annotator, a.label, np.ones(len(a), dtype=np.int64)])
    predicted, test_hits, sizes = [], [], []
    current: Round | None = None
    for _ in range(LONG if strategy == "random selection" else ROUNDS):
        known = with_rows(a, rows)
        has_answer = dataset.answers.n_labels > known.n_labels
        current = play_round(
            known, inputs.pool, settings, rng, previous=current, eligible=has_answer & askable
        )
        predicted.append(current.pred_probs.argmax(axis=1))
        test_hits.append(count_test_hits(dataset, case, current, inputs.test))
        sizes.append(len(rows))
        if not len(current.batch):
            break
        asked = ask_about(dataset, current.batch, known, rng)
        drawn = np.array(current.ranking.reasons[: len(current.batch)]) == "random"
        drawn |= strategy.startswith("random") and strategy != "random arm"
        rows = np.concatenate([rows, np.column_stack([asked, drawn])])
    return Played(
        text=rows[:, 0],
        annotator=rows[:, 1],
        label=rows[:, 2],
        random=rows[:, 3].astype(bool),
        n_annotations=np.array(sizes),
        apart=apart,
        truth=gold_of(dataset)[apart],
        apart_text=answered[:, 0],
        apart_annotator=answered[:, 1],
        apart_label=answered[:, 2],
        predicted=np.array(predicted, dtype=np.int8),
        test_hits=np.array(test_hits),
        n_tests=np.array(len(dataset.test_labels) if is_like_pool(case) else 0),
        shape=np.array([len(dataset.texts), a.n_annotators, a.n_classes]),
    )


def is_like_pool(case: Case) -> bool:
    """Say whether the data set's test texts are drawn as its pool is."""
    return case.data in TESTED_LIKE_THE_POOL


def draw_apart(dataset: Dataset, rng: np.random.Generator) -> Ints:
    """Draw the texts that are never asked, shape (U,), from those whose class is known."""
    free = ~dataset.initial.labelled & dataset.answers.labelled & (gold_of(dataset) >= 0)
    shuffled = rng.permutation(np.flatnonzero(free))
    return shuffled[: APART_AT_LEAST + round(APART * (len(shuffled) - APART_AT_LEAST))]


def gold_of(dataset: Dataset) -> Ints:
    """Return the classes of the pool, shape (N,), which `load` always fills in; -1: unknown."""
    assert dataset.gold is not None  # noqa: S101
    return dataset.gold


def ask_about(dataset: Dataset, texts: Ints, known: Annotations, rng: np.random.Generator) -> Ints:
    """Ask about each text, as often as it is named, someone who has not labelled it; shape (B, 3).

    Whoever already labels is asked before others; a text whose answers are used up is passed over.
    """
    answers = dataset.answers
    M = answers.n_annotators
    wanted = np.bincount(texts, minlength=answers.n_texts)[answers.text]
    given = np.isin(
        answers.text.astype(np.int64) * M + answers.annotator,
        known.text.astype(np.int64) * M + known.annotator,
    )
    newcomer = known.labels_per_annotator[answers.annotator] == 0
    order = np.lexsort((rng.random(len(answers)), newcomer, given | (wanted == 0), answers.text))
    first = np.concatenate([[0], np.cumsum(answers.n_labels)[:-1]])
    place = np.arange(len(order)) - first[answers.text[order]]
    rows = order[(place < wanted[order]) & ~given[order]]
    asked = np.column_stack([answers.text, answers.annotator, answers.label])[rows].astype(np.int64)
    turn = np.argsort(texts, kind="stable")
    position = np.empty(answers.n_texts, dtype=np.int64)
    position[texts[turn][::-1]] = turn[::-1]  # the first place at which a text is named
    return np.asarray(asked[np.argsort(position[asked[:, 0]], kind="stable")])


def with_rows(like: Annotations, rows: Ints) -> Annotations:
    """Return annotations (text, annotator, label, …) over the texts, annotators and classes of others."""
    return like.with_triplets(*rows.T[:3])


def count_test_hits(dataset: Dataset, case: Case, current: Round, test: Any) -> int:
    """Return how many test texts the model is right about, if they are drawn like the pool."""
    if not is_like_pool(case) or current.classifier is None:
        return 0
    return int((current.classifier.predict_proba(test).argmax(axis=1) == dataset.test_labels).sum())


def play_arm(root: Path, case: Case, seed: int) -> dict[str, Any]:
    """Train on what `random arm` had drawn at random by certain rounds alone, and keep the predictions.

    Returns for each round of `ARM_ROUNDS` the labels (J,) and the predictions (J, U) for the texts apart.
    """
    path = CACHE / "arms" / case.name / f"{seed}.npz"
    if not path.exists():
        played = read(case, "random arm", seed)
        dataset = vary(load(root, case.data, seed), case.variant, np.random.default_rng([seed, 1]))
        features = encode(dataset, case.encoder, "random arm").pool
        trainable = ~np.isin(np.arange(len(dataset.texts)), played.apart)
        arrays: dict[str, Any] = {}
        for number in ARM_ROUNDS:
            n = int(played.n_annotations[number])
            rows = np.column_stack([played.text, played.annotator, played.label])[:n][played.random[:n]]
            drawn = with_rows(dataset.initial, rows)
            rng = np.random.default_rng([seed, 5])
            points = play_random_arm(drawn, features, Settings(batch=BATCH), rng, trainable=trainable)
            arrays[f"labels-{number}"] = np.array([point.labels for point in points])
            classes = [point.pred_probs[played.apart].argmax(axis=1) for point in points]
            arrays[f"predicted-{number}"] = np.array(classes, dtype=np.int8)
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, **arrays)
    with np.load(path) as found:
        return {name: found[name] for name in found.files}
