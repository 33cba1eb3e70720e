"""A panel of machines: weighed by people's labels, never louder for repeating itself."""

from __future__ import annotations

import numpy as np
import pytest

from jurybox.arrays import Floats, Ints
from jurybox.classifiers.base import Classifier, Fitted
from jurybox.classifiers.panel import Panel, effective_votes, source_correlation, votes_of
from jurybox.errors import InputError

N, K = 400, 3


def machines(rng: np.random.Generator, truth: Ints, skills: list[float]) -> Ints:
    """Draw answers of sources that are right as often as `skills` says."""
    wrong = (truth[:, None] + rng.integers(1, K, (len(truth), len(skills)))) % K
    return np.where(rng.random((len(truth), len(skills))) < skills, truth[:, None], wrong)


def fit(labels: Ints, truth: Ints, n_labelled: int) -> tuple[Fitted, Floats]:
    votes = votes_of(labels, K)
    fitted = Panel.of(votes, labels.shape[1]).fit(votes[:n_labelled], np.eye(K)[truth[:n_labelled]])
    return fitted, fitted.predict_proba(votes[n_labelled:])


def log_loss(p: Floats, truth: Ints) -> float:
    return float(-np.log(p[np.arange(len(p)), truth]).mean())


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(3)


@pytest.fixture
def truth(rng: np.random.Generator) -> Ints:
    return rng.choice(K, N, p=[0.6, 0.3, 0.1])


def test_a_panel_is_a_classifier() -> None:
    assert isinstance(Panel(2), Classifier)
    assert Panel(2).name == "panel:2"


@pytest.mark.slow
def test_six_copies_of_a_source_are_one(rng: np.random.Generator, truth: Ints) -> None:
    labels = machines(rng, truth, [0.7])
    assert effective_votes(votes_of(np.repeat(labels, 6, axis=1), K), 6).sum() == pytest.approx(1)
    _, one = fit(labels, truth, 100)
    _, six = fit(np.repeat(labels, 6, axis=1), truth, 100)
    np.testing.assert_allclose(six, one, atol=2e-2)
    np.testing.assert_array_equal(six.argmax(axis=1), one.argmax(axis=1))


def test_independent_sources_have_a_voice_each(rng: np.random.Generator) -> None:
    labels = rng.integers(0, K, (20_000, 4))
    assert effective_votes(votes_of(labels, K), 4).sum() == pytest.approx(4, abs=0.2)


def test_correlation_is_that_of_matthews_for_two_classes(rng: np.random.Generator) -> None:
    a = rng.integers(0, 2, 200)
    b = np.where(rng.random(200) < 0.8, a, 1 - a)
    expected = np.corrcoef(a, b)[0, 1]
    assert source_correlation(votes_of(np.column_stack([a, b]), 2), 2)[0, 1] == pytest.approx(
        expected, abs=1e-6
    )


def test_a_source_that_exchanges_classes_is_understood(rng: np.random.Generator, truth: Ints) -> None:
    exchanged = (machines(rng, truth, [0.9]) + 1) % K
    _, p = fit(exchanged, truth, 200)
    assert (p.argmax(axis=1) == truth[200:]).mean() > 0.8


@pytest.mark.slow
def test_a_source_at_random_costs_little(rng: np.random.Generator, truth: Ints) -> None:
    good = machines(rng, truth, [0.8, 0.7])
    _, without = fit(good, truth, 150)
    _, with_noise = fit(np.column_stack([good, rng.integers(0, K, N)]), truth, 150)
    assert log_loss(with_noise, truth[150:]) < log_loss(without, truth[150:]) + 0.03


@pytest.mark.slow
def test_missing_answers_are_no_answers(rng: np.random.Generator, truth: Ints) -> None:
    labels = machines(rng, truth, [0.9, 0.8])
    labels[rng.random(labels.shape) < 0.5] = -1
    _, p = fit(labels, truth, 200)
    silent = (labels[200:] < 0).all(axis=1)
    assert silent.any()
    assert (p[silent] == p[silent][0]).all()
    assert p[silent][0].argmax() == 0  # the commonest class


@pytest.mark.slow
def test_probabilities_of_training_rows_are_out_of_sample(rng: np.random.Generator) -> None:
    noise = rng.integers(0, K, N)
    fitted, _ = fit(machines(rng, rng.integers(0, K, N), [0.5, 0.5]), noise, N - 1)
    assert log_loss(fitted.out_of_sample, noise[: N - 1]) > np.log(K) - 0.02


def test_a_single_class_is_predicted_where_nothing_else_was_seen(rng: np.random.Generator) -> None:
    votes = votes_of(rng.integers(0, K, (5, 2)), K)
    p = Panel(2).fit(votes, np.eye(K)[np.zeros(5, dtype=int)]).predict_proba(votes)
    assert (p.argmax(axis=1) == 0).all()


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(InputError, match="expected -1"):
        votes_of([[3]], 3)
    with pytest.raises(InputError, match="whole numbers"):
        votes_of([["a"]], 3)
    with pytest.raises(InputError, match="S = 2"):
        Panel(2).fit(np.zeros((4, 3)), np.eye(3)[[0, 1, 2, 0]])
    with pytest.raises(InputError, match="expected 3, one for each class"):
        Panel(2).fit(np.zeros((3, 4)), np.eye(3))
    with pytest.raises(InputError, match="voices"):
        Panel(2, voices=(1.0,))
    with pytest.raises(InputError, match="not finite"):
        Panel(1).fit(np.full((3, 3), np.nan), np.eye(3))
