from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from jurybox.annotations import Annotations
from jurybox.arrays import Floats, Ints
from jurybox.errors import InputError
from jurybox.trust.habits import COPYING, RANDOM, SWAPPED
from jurybox.trust.posterior import Draws, draw_posterior


def crowd(
    confusions: Floats, n_texts: int, seed: int = 0, per_text: int = 3, unlabelled: int = 0
) -> tuple[Annotations, Ints]:
    """Texts of evenly spread classes, each labelled by some annotators of known confusions; and the truth."""
    rng = np.random.default_rng(seed)
    M, K, _ = confusions.shape
    truth = rng.integers(K, size=n_texts)
    annotator = np.concatenate([rng.choice(M, per_text, replace=False) for _ in range(n_texts)])
    text = np.repeat(np.arange(n_texts), per_text)
    cumulative = confusions[annotator, truth[text]].cumsum(axis=1)
    label = (rng.random((len(text), 1)) > cumulative).sum(axis=1)
    annotations = Annotations.from_indices(
        text, annotator, label, texts=n_texts + unlabelled, annotators=M, classes=K
    )
    return annotations, truth


def symmetric(accuracy: list[float], K: int = 2) -> Floats:
    a = np.array(accuracy)[:, None, None]
    return np.asarray(a * np.eye(K) + (1 - a) / (K - 1) * (1 - np.eye(K)))


def draw(annotations: Annotations, p: NDArray[np.float64] | None = None, **options: object) -> Draws:
    return draw_posterior(annotations, p, rng=np.random.default_rng(1), **options)  # type: ignore[arg-type]


def test_draws_have_the_promised_shapes_and_are_distributions() -> None:
    a, _ = crowd(symmetric([0.9, 0.8, 0.7, 0.8], K=3), 50, unlabelled=7)
    draws = draw(a, n_draws=37)
    assert draws.labels.shape == (37, 50)
    assert draws.texts.tolist() == list(range(50))
    assert draws.confusion.shape == (37, 4, 3, 3)
    np.testing.assert_allclose(draws.confusion.sum(axis=3), 1)
    np.testing.assert_allclose(draws.shares.sum(axis=1), 1)
    np.testing.assert_allclose(draws.posterior().sum(axis=1), 1)


@pytest.mark.slow
def test_the_same_source_of_randomness_gives_the_same_draws() -> None:
    a, _ = crowd(symmetric([0.9, 0.8, 0.7]), 30)
    np.testing.assert_array_equal(draw(a).confusion, draw(a).confusion)


@pytest.mark.slow
def test_qualities_and_classes_of_a_large_crowd_are_found() -> None:
    accuracy = [0.95, 0.9, 0.8, 0.7, 0.6, 0.5]
    a, truth = crowd(symmetric(accuracy), 1500)
    draws = draw(a)
    np.testing.assert_allclose(draws.quality.mean(axis=0), accuracy, atol=0.04)
    assert (draws.posterior().argmax(axis=1) == truth).mean() > 0.85


@pytest.mark.slow
def test_fewer_annotations_leave_a_wider_interval() -> None:
    a, _ = crowd(symmetric([0.8] * 4), 800)
    few = a.subset(texts=np.arange(20))
    wide, narrow = draw(few).quality.std(axis=0), draw(a).quality.std(axis=0)
    assert (wide > 2 * narrow).all()


@pytest.mark.slow
def test_classes_keep_their_names_among_annotators_who_are_right_more_often_than_not() -> None:
    for seed in range(5):
        a, truth = crowd(symmetric([0.65, 0.65, 0.65, 0.65, 0.65]), 60, seed=seed)
        assert (draw(a).posterior().argmax(axis=1) == truth).mean() > 0.5


@pytest.mark.slow
def test_who_exchanges_classes_and_who_does_not_look_are_told_apart() -> None:
    confusions = np.concatenate([symmetric([0.9, 0.9, 0.85, 0.1]), np.full((1, 2, 2), 0.5)])
    a, _ = crowd(confusions, 300)
    kinds = draw(a).kinds
    assert (kinds[:, 3] == SWAPPED).mean() > 0.7
    assert (kinds[:, 4] == RANDOM).mean() > 0.7
    assert np.isin(kinds[:, :3], [RANDOM, SWAPPED]).mean() < 0.02


@pytest.mark.slow
def test_copies_are_no_second_opinion() -> None:
    a, _ = crowd(symmetric([0.75, 0.8, 0.8, 0.85, 0.85, 0.8]), 300)
    own = np.flatnonzero(a.annotator == 0)
    copies = np.full(len(own), 6)
    more = Annotations.from_indices(
        np.append(a.text, a.text[own]),
        np.append(a.annotator, copies),
        np.append(a.label, a.label[own]),
        texts=300,
        annotators=7,
        classes=2,
    )
    one, other = draw(a), draw(more)
    assert (other.kinds[:, 6] == COPYING).mean() > 0.9
    np.testing.assert_allclose(other.quality.mean(axis=0)[:6], one.quality.mean(axis=0), atol=0.03)
    assert abs(other.quality[:, 6].mean() - other.quality[:, 0].mean()) < 0.05


@pytest.mark.slow
def test_good_annotators_who_agree_are_no_copycats() -> None:
    a, _ = crowd(symmetric([0.97, 0.97, 0.97, 0.97, 0.97]), 300)
    assert (draw(a).kinds == COPYING).mean(axis=0).max() < 0.2


@pytest.mark.slow
@pytest.mark.parametrize(("n_texts", "accuracy", "K"), [(100, 0.95, 4), (300, 0.95, 4), (300, 1.0, 2)])
def test_a_small_team_in_which_all_are_good_has_no_copycats(n_texts: int, accuracy: float, K: int) -> None:
    a, _ = crowd(symmetric([accuracy] * 4, K), n_texts, per_text=4)
    assert (draw(a).kinds == COPYING).mean(axis=0).max() < 0.2


@pytest.mark.slow
def test_two_copies_of_a_poor_annotator_do_not_pass_for_good_ones() -> None:
    a, _ = crowd(symmetric([0.75, 0.85, 0.8, 0.85, 0.85, 0.8]), 300)
    own = np.flatnonzero(a.annotator == 0)
    more = Annotations.from_indices(
        np.concatenate([a.text, a.text[own], a.text[own]]),
        np.concatenate([a.annotator, np.full(len(own), 6), np.full(len(own), 7)]),
        np.concatenate([a.label, a.label[own], a.label[own]]),
        texts=300,
        annotators=8,
        classes=2,
    )
    draws = draw(more)
    assert (draws.kinds[:, 6:] == COPYING).mean() > 0.9
    assert draws.quality[:, 0].mean() < 0.85


@pytest.mark.slow
def test_an_expert_outweighs_two_others() -> None:
    a = Annotations.from_wide([[0, 0, 1], [1, 1, 0]] * 4)
    expert = np.array([False, False, True])
    assert draw(a).posterior()[0].argmax() == 0
    assert draw(a, experts=expert).posterior()[0].argmax() == 1


@pytest.mark.slow
def test_a_model_that_fits_is_trusted_more_than_one_that_does_not() -> None:
    a, truth = crowd(symmetric([0.8, 0.75, 0.7, 0.7]), 400, per_text=2)
    rng = np.random.default_rng(3)
    good = np.where(np.eye(2)[truth] == 1, 0.9, 0.1)
    noise = np.where(np.eye(2)[rng.integers(2, size=400)] == 1, 0.9, 0.1)
    with_good, with_noise = draw(a, good), draw(a, noise)
    assert with_good.trust.mean() > 3 * with_noise.trust.mean()
    without = (draw(a).posterior().argmax(axis=1) == truth).mean()
    assert (with_good.posterior().argmax(axis=1) == truth).mean() > without + 0.05
    assert (with_noise.posterior().argmax(axis=1) == truth).mean() > without - 0.05


@pytest.mark.slow
def test_a_model_that_repeats_what_it_learnt_does_not_make_annotators_better() -> None:
    a, truth = crowd(symmetric([0.65] * 8), 400, per_text=1)
    echo = 0.08 * (a.counts[:, 1] - a.counts[:, 0])
    log_odds = 0.3 * (truth - 0.5) + echo + np.random.default_rng(4).normal(0, 0.4, 400)
    p = np.stack([1 / (1 + np.exp(log_odds)), 1 / (1 + np.exp(-log_odds))], axis=1)
    believed, known = draw(a, p), draw(a, p, learnt=np.ones(400, dtype=bool))
    assert known.quality.mean() < believed.quality.mean() - 0.01


@pytest.mark.slow
def test_a_stranger_is_like_the_crowd_and_changes_nothing_much() -> None:
    a, _ = crowd(symmetric([0.9, 0.85, 0.8, 0.9, 0.85, 0.9]), 300)
    more = Annotations.from_indices(a.text, a.annotator, a.label, texts=300, annotators=7, classes=2)
    one, other = draw(a), draw(more)
    np.testing.assert_allclose(one.quality.mean(axis=0), other.quality.mean(axis=0)[:6], atol=0.02)
    assert other.quality[:, 6].std() > 3 * other.quality[:, 0].std()


def test_nothing_labelled_leaves_the_prior() -> None:
    none = Annotations.from_indices([], [], [], texts=3, annotators=2, classes=2)
    draws = draw(none)
    assert draws.labels.shape == (400, 0)
    assert draws.quality.std() > 0.1


@pytest.mark.slow
def test_arguments_stay_as_they_are() -> None:
    a, _ = crowd(symmetric([0.9, 0.8]), 20, per_text=2)
    p = np.full((20, 2), 0.5)
    expert = np.array([True, False])
    draw(a, p, experts=expert)
    assert (p == 0.5).all()
    assert expert.tolist() == [True, False]


def test_wrong_arguments_are_refused() -> None:
    a, _ = crowd(symmetric([0.9, 0.8]), 20, per_text=2)
    with pytest.raises(InputError, match="pred_probs"):
        draw(a, np.ones((3, 2)) / 2)
    with pytest.raises(InputError, match="experts"):
        draw(a, experts=np.array([True]))
    with pytest.raises(InputError, match="learnt"):
        draw(a, learnt=np.array([True]))
    with pytest.raises(InputError, match="n_draws"):
        draw(a, n_draws=0)
    with pytest.raises(InputError, match="class"):
        draw(Annotations.from_wide([[0, 0]], classes=["only"]))
