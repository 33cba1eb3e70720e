"""The default strategy: it plays from any state, and learns more from bad annotators than its rivals."""

from __future__ import annotations

import numpy as np
import pytest

from jurybox.annotations import Annotations
from jurybox.arrays import Floats, Ints
from jurybox.datasets import Dataset
from jurybox.datasets.frames import draw_initial
from jurybox.loop import Settings, play_round
from jurybox.simulation import PoolInputs, simulate_run

ACCURACIES = (0.95, 0.9, 0.85, 0.8, 0.75, 0.7)


def crowd(accuracies: tuple[float, ...], seed: int, n: int = 500, d: int = 40) -> tuple[Dataset, PoolInputs]:
    """Texts of two classes, hard near the boundary, all of them labelled by all annotators."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(2 * n, d)) * np.linspace(1.5, 0.5, d)
    signal = x[:, :4].sum(axis=1)
    gold: Ints = (signal > 0).astype(np.int64)
    sure = np.abs(signal) > 0.7
    right = rng.random((n, len(accuracies))) < np.where(sure[:n, None], accuracies, 0.5)
    label = np.where(right, gold[:n, None], 1 - gold[:n, None])
    text, annotator = np.indices(label.shape)
    answers = Annotations.from_indices(
        text.ravel(), annotator.ravel(), label.ravel(), texts=n, annotators=len(accuracies), classes=2
    )
    ids = np.arange(n)
    dataset = Dataset(
        name="crowd",
        texts=ids,
        pool_texts=tuple(map(str, ids)),
        initial=draw_initial(answers, rng, n_texts=30),
        answers=answers,
        test_ids=ids,
        test_texts=tuple(map(str, ids)),
        test_labels=gold[n:],
        gold=gold[:n],
    )
    return dataset, PoolInputs(x[:n], x[n:], "generated")


def mean_accuracy(strategy: str, accuracies: tuple[float, ...], seeds: int = 4) -> Floats:
    means = []
    for seed in range(seeds):
        dataset, inputs = crowd(accuracies, seed)
        run = simulate_run(dataset, inputs, Settings(strategy=strategy), rounds=8, seed=seed)
        means.append(run.curve("accuracy").mean())
    return np.array(means)


@pytest.mark.slow
@pytest.mark.parametrize("accuracies", [ACCURACIES, (*ACCURACIES[:4], 0.15, 0.5), (0.7, 0.68, 0.66, 0.64)])
@pytest.mark.parametrize("rival", ["activelab", "random"])
def test_it_learns_more_than_its_rivals(accuracies: tuple[float, ...], rival: str) -> None:
    assert mean_accuracy("default", accuracies).mean() > mean_accuracy(rival, accuracies).mean()


@pytest.mark.parametrize(
    ("text", "label"),
    [([], []), ([3], [1]), ([0, 1, 2, 3], [1, 1, 1, 1]), ([0, 0], [0, 1]), ([0, 1, 1, 2], [0, 1, 1, 2])],
    ids=["no label", "one label", "one class so far", "a tie", "three of four classes"],
)
def test_it_plays_from_any_state(text: list[int], label: list[int]) -> None:
    x = np.random.default_rng(0).normal(size=(12, 5))
    annotator = np.arange(len(text))
    annotations = Annotations.from_indices(
        np.array(text, dtype=int), annotator, np.array(label, dtype=int), texts=12, annotators=6, classes=4
    )
    settings, rng = Settings(batch=5), np.random.default_rng(0)
    first = play_round(annotations, x, settings, rng)
    second = play_round(annotations.extend([7, 8], [0, 1], [0, 2]), x, settings, rng, previous=first)
    for played in (first, second):
        assert len(played.batch) == 5
        np.testing.assert_allclose(played.pred_probs.sum(axis=1), 1)
        np.testing.assert_allclose(played.consensus.posterior.sum(axis=1), 1)
        assert np.isfinite(played.ranking.scores).all()


def test_annotators_who_all_spam_do_no_harm() -> None:
    dataset, inputs = crowd((0.5, 0.5, 0.5), seed=0, n=200)
    run = simulate_run(dataset, inputs, Settings(), rounds=4, seed=0)
    assert 0.3 < run.curve("accuracy").mean() < 0.7


def test_it_asks_where_the_consensus_is_least_sure() -> None:
    dataset, inputs = crowd(ACCURACIES, seed=1, n=200)
    played = play_round(dataset.initial, inputs.pool, Settings(), np.random.default_rng(0))
    sure = played.consensus.posterior.max(axis=1)
    asked = np.zeros(200, dtype=bool)
    asked[played.batch] = True
    assert sure[asked].max() <= sure[~asked].min() + 1e-12


def test_the_same_seed_gives_the_same_run() -> None:
    dataset, inputs = crowd(ACCURACIES, seed=2, n=150)
    one, other = (simulate_run(dataset, inputs, Settings(), rounds=3, seed=5) for _ in range(2))
    assert [r.selections for r in one.rounds] == [r.selections for r in other.rounds]
