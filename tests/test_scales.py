"""Ordered scales: their numbers, the consensus on them, and agreement that knows distances."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jurybox as jb
from jurybox.agreement import cohen_kappa, krippendorff_alpha
from jurybox.annotations import Annotations
from jurybox.arrays import Floats
from jurybox.consensus import estimate_consensus
from jurybox.consensus.estimate import nearest_class
from jurybox.consensus.evidence import Evidence
from jurybox.consensus.fitting import Problem
from jurybox.consensus.prior import TypesPrior
from jurybox.errors import InputError
from jurybox.scales import parse_scale, quadratic_kappa
from jurybox.strategies import get_strategy
from jurybox.trust.annotators import pairwise_agreement
from jurybox.trust.coefficients import estimate_agreement
from jurybox.trust.estimates import estimate_of_consensus
from jurybox.trust.labels import contested_texts, label_errors
from support.strategies import annotation_sets, random_probabilities
from test_estimate import naive

# Random probabilities may agree with people's labels as little as they like.
pytestmark = pytest.mark.filterwarnings("ignore::jurybox.doubts.PredProbsWarning")

scaled_sets = annotation_sets(min_texts=2, max_annotators=6).map(
    lambda a: replace(a, scale=tuple(np.arange(a.n_classes) + 1.0))
)


def ordered_crowd(
    n: int, seed: int = 0, *, people: int = 12, per_text: int = 3, bias: float = 0.7
) -> tuple[Annotations, Floats]:
    """Ratings from 1 to 5 of texts at a latent place, by people who rate high or low; and these places."""
    rng = np.random.default_rng(seed)
    place = rng.normal(3.0, 1.2, n).clip(1, 5)
    high = rng.normal(0.0, bias, people)
    text = np.repeat(np.arange(n), per_text)
    who = np.concatenate([rng.choice(people, per_text, replace=False) for _ in range(n)])
    rating = np.rint(place[text] + high[who] + rng.normal(0.0, 0.6, len(text))).clip(1, 5).astype(int)
    return Annotations.from_long(text, who, rating, classes=[1, 2, 3, 4, 5], scale=True), place


@pytest.mark.parametrize(
    ("labels", "options", "classes", "scale"),
    [
        ([2, 5], {"scale": True}, (2, 3, 4, 5), (2.0, 3.0, 4.0, 5.0)),
        (["10", "9"], {"scale": True}, ("9", "10"), (9.0, 10.0)),
        ([0.5, 2.0], {"scale": True}, (0.5, 2.0), (0.5, 2.0)),
        (["hi", "lo"], {"scale": True, "classes": ["lo", "mid", "hi"]}, ("lo", "mid", "hi"), (0.0, 1.0, 2.0)),
        (["hi", "lo"], {"scale": (1, 4), "classes": ["lo", "hi"]}, ("lo", "hi"), (1.0, 4.0)),
        ([0, 1], {}, (0, 1), None),
    ],
)
def test_a_scale_has_its_numbers(
    labels: list[object], options: dict[str, object], classes: tuple[object, ...], scale: object
) -> None:
    long = Annotations.from_long(["a", "b"], ["x", "x"], labels, **options)  # type: ignore[arg-type]
    wide = Annotations.from_wide([[label] for label in labels], **options)  # type: ignore[arg-type]
    for found in (long, wide, long.subset(texts=[1, 0]), long.extend([0], [0], [0], duplicates="last")):
        assert found.classes == classes
        assert found.scale == scale


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        (["bad", "good"], {"scale": True}, "is no number; for a scale of words pass classes="),
        ([1, 2], {"scale": (2, 1)}, "each above the one before"),
        ([1, 2], {"scale": (1, 2, 3)}, "has 3 numbers, expected 2"),
        ([1, 2], {"scale": (1, float("nan"))}, "expected finite numbers"),
        (["3", "1"], {"scale": True, "classes": ["3", "1"]}, "each above the one before"),
        (range(0, 100, 3), {"scale": True}, "expected at most 12: take neighbours together"),
    ],
)
def test_a_scale_that_is_none_is_refused(
    labels: list[object], options: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        Annotations.from_long([f"t{i}" for i in range(len(labels))], ["x"] * len(labels), labels, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["1-5", "5..1", "1..", "0..40", "a..b", "3..3"])
def test_a_written_scale_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"two whole numbers such as 1\.\.5"):
        parse_scale(text)


@pytest.mark.slow
@settings(max_examples=20)
@given(scaled_sets, st.integers(0, 99), st.booleans())
def test_the_gradient_on_a_scale_is_that_of_the_loss(a: Annotations, seed: int, with_model: bool) -> None:
    p = random_probabilities(a, seed) if with_model else None
    problem = Problem(Evidence.of(a, p, np.ones(len(a), dtype=bool)), None, TypesPrior())
    rng = np.random.default_rng(seed)
    x, direction = rng.normal(size=problem.size) * 0.3, rng.normal(size=problem.size)
    _, gradient = problem.loss(x)
    ahead, behind = (problem.loss(x + step * direction)[0] for step in (1e-5, -1e-5))
    np.testing.assert_allclose((ahead - behind) / 2e-5, gradient @ direction, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@settings(max_examples=15)
@given(scaled_sets, st.integers(0, 99))
def test_the_consensus_on_a_scale_equals_a_naive_loop(a: Annotations, seed: int) -> None:
    p = random_probabilities(a, seed)
    found = estimate_consensus(a, p)
    K, T, D = a.n_classes, int(a.labelled.sum()), len(found.types.prior.right)
    types = found.types.posterior.reshape(K, T, D).transpose(1, 0, 2)
    np.testing.assert_allclose(types, naive(a, p, found), atol=1e-9)
    assert found.position is not None
    means = found.types.answers @ np.array(a.scale)
    np.testing.assert_allclose(
        found.position.mean[a.labelled], np.einsum("nkd,kd->n", types, means), atol=1e-9
    )
    assert (found.position.low <= found.position.high).all()


@pytest.mark.slow
@settings(max_examples=15)
@given(scaled_sets, st.integers(0, 99))
def test_ascending_numbers_change_no_label_and_move_positions_alone(a: Annotations, seed: int) -> None:
    steps = np.random.default_rng(seed).uniform(0.1, 9.0, a.n_classes)
    before, after = estimate_consensus(a), estimate_consensus(replace(a, scale=tuple(steps.cumsum())))
    np.testing.assert_array_equal(before.labels, after.labels)
    np.testing.assert_array_equal(before.posterior, after.posterior)
    stretched = estimate_consensus(replace(a, scale=tuple(np.arange(a.n_classes) * 3.0 - 7.0)))
    assert before.position is not None
    assert stretched.position is not None
    for name in ("mean", "low", "high"):
        expected = (getattr(before.position, name) - 1) * 3 - 7
        np.testing.assert_allclose(getattr(stretched.position, name), expected, atol=1e-9)


@pytest.mark.slow
@settings(max_examples=15)
@given(scaled_sets, st.integers(0, 99))
def test_the_order_of_texts_and_annotators_changes_nothing(a: Annotations, seed: int) -> None:
    rng = np.random.default_rng(seed)
    texts, people = rng.permutation(a.n_texts), rng.permutation(a.n_annotators)
    before = estimate_consensus(a, tolerance=1e-13, max_iterations=400)
    after = estimate_consensus(a.subset(texts=texts, annotators=people), tolerance=1e-13, max_iterations=400)
    assert before.position is not None
    assert after.position is not None
    np.testing.assert_allclose(before.position.mean[texts], after.position.mean, atol=2e-3)
    np.testing.assert_allclose(before.annotators.quality[people], after.annotators.quality, atol=2e-3)


@pytest.mark.slow
def test_a_scale_turned_round_gives_the_same_turned_round() -> None:
    a, _ = ordered_crowd(80)
    turned = Annotations.from_indices(
        a.text, a.annotator, 4 - a.label, texts=80, annotators=12, classes=5, scale=(-5, -4, -3, -2, -1)
    )
    before = estimate_consensus(a, tolerance=1e-13, max_iterations=400)
    after = estimate_consensus(turned, tolerance=1e-13, max_iterations=400)
    assert before.position is not None
    assert after.position is not None
    np.testing.assert_allclose(before.position.mean, -after.position.mean, atol=2e-3)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_latent_places_are_found_by_people_who_rate_high_or_low(seed: int) -> None:
    a, place = ordered_crowd(300, seed)
    found = estimate_consensus(a)
    assert found.position is not None
    numbers = np.array(a.scale)
    mean = a.counts @ numbers / a.n_labels
    # how high all twelve people rate together nobody can know
    ours, theirs = (np.abs(x - x.mean() - place + place.mean()).mean() for x in (found.position.mean, mean))
    assert ours < 0.95 * theirs
    kappa = quadratic_kappa(numbers[found.labels], np.rint(place))
    assert kappa > quadratic_kappa(numbers[a.counts.argmax(axis=1)], np.rint(place))
    unordered = estimate_consensus(replace(a, scale=None))
    assert kappa > quadratic_kappa(numbers[unordered.labels], np.rint(place)) - 0.005
    shifted = place - place.mean() + found.position.mean.mean()
    near = (found.position.low - 0.35 <= shifted) & (shifted <= found.position.high + 0.35)
    assert near.mean() > 0.9


def test_without_a_scale_there_is_no_position_and_ranks_have_no_part() -> None:
    a, _ = ordered_crowd(40)
    found = estimate_consensus(replace(a, scale=None))
    assert found.position is None
    assert found.types.evidence.rank is None


def test_texts_without_labels_are_where_the_classifier_says_or_anywhere() -> None:
    a, _ = ordered_crowd(60)
    wider = Annotations.from_indices(
        a.text, a.annotator, a.label, texts=62, annotators=12, classes=a.classes, scale=True
    )
    p = np.full((62, 5), 0.02)
    p[np.arange(60), a.counts.argmax(axis=1)] = p[60, 0] = p[61, 4] = 0.92
    alone, aided = estimate_consensus(wider).position, estimate_consensus(wider, p).position
    assert alone is not None
    assert aided is not None
    assert alone.low[60] < 2 < 4 < alone.high[60]
    assert aided.mean[60] < 2.5 < 3.5 < aided.mean[61]


def test_an_expert_names_the_class_on_a_scale() -> None:
    a = Annotations.from_wide([[1, 1, 1, 5], [3, 3, 3, 3], [5, 5, 5, 2]] * 6, scale=True)
    found = estimate_consensus(a, experts=[False, False, False, True])
    assert found.labels[:3].tolist() == [4, 2, 1]


def test_a_single_label_stands_where_no_classifier_speaks() -> None:
    ratings = np.random.default_rng(0).choice(5, 200, p=[0.05, 0.05, 0.1, 0.2, 0.6])
    a = Annotations.from_indices(
        np.arange(200), np.arange(200) % 9, ratings, texts=200, annotators=9, classes=5, scale=(1, 2, 3, 4, 5)
    )
    np.testing.assert_array_equal(estimate_consensus(a).labels, ratings)


def test_the_nearest_class_has_the_least_expected_square() -> None:
    posterior = np.random.default_rng(0).dirichlet(np.ones(5), 200)
    ranks = np.arange(5.0)
    cost = posterior @ (ranks[:, None] - ranks) ** 2
    np.testing.assert_array_equal(nearest_class(posterior), cost.argmin(axis=1))


@pytest.mark.slow
@settings(max_examples=30)
@given(scaled_sets)
def test_quadratic_kappa_is_that_of_the_reference(a: Annotations) -> None:
    from sklearn.metrics import cohen_kappa_score

    found = cohen_kappa(a, weights="quadratic")
    wide = a.to_wide().to_numpy()
    for first in range(a.n_annotators):
        for second in range(first):
            both = ~np.isnan(wide[:, first]) & ~np.isnan(wide[:, second])
            x, y = wide[both, first].astype(int), wide[both, second].astype(int)
            if len(np.unique(np.concatenate([x, y]))) < 2:
                assert np.isnan(found.kappa[first, second])
                continue
            expected = cohen_kappa_score(x, y, weights="quadratic", labels=range(a.n_classes))
            np.testing.assert_allclose(found.kappa[first, second], expected, atol=1e-9)
    np.testing.assert_array_equal(pairwise_agreement(a).kappa, found.kappa)


@pytest.mark.slow
@settings(max_examples=20)
@given(scaled_sets, st.integers(0, 99))
def test_weighted_alphas_with_intervals_are_the_alphas(a: Annotations, seed: int) -> None:
    numbers = tuple(np.random.default_rng(seed).uniform(0.1, 5.0, a.n_classes).cumsum())
    scaled = replace(a, scale=numbers)
    found = estimate_agreement(scaled, n_draws=100, rng=np.random.default_rng(0))
    for level, ours in (("ordinal", found.ordinal), ("interval", found.interval)):
        expected = krippendorff_alpha(scaled, level=level).value  # type: ignore[arg-type]
        assert (ours is None) == bool(np.isnan(expected))
        if ours is not None:
            np.testing.assert_allclose(ours.estimate, expected, atol=1e-9)
            assert ours.low <= ours.high
    plain = estimate_agreement(replace(a, scale=None), n_draws=100, rng=np.random.default_rng(0))
    assert (plain.ordinal, plain.interval) == (None, None)
    assert plain.alpha == found.alpha


@pytest.mark.slow
def test_labels_far_off_are_doubted_first() -> None:
    rows = [[1, 1, 1], [2, 2, 2], [3, 3, 3], [4, 4, 4], [5, 5, 5]] * 8
    a = Annotations.from_wide([[1, 5, 5], [5, 1, 1], [3, 4, 4], [4, 3, 3], *rows], scale=True)
    errors = label_errors(a)
    assert set(np.argsort(-errors.distances)[:2]) == {0, 3}  # the 1 beside two 5, the 5 beside two 1
    first = contested_texts(a)
    assert [one.distance for one in first] == sorted((one.distance for one in first), reverse=True)
    assert first[0].distance == errors.text_distances[first[0].text]
    np.testing.assert_allclose(
        errors.distances,
        [np.abs(np.arange(5) - y) @ errors.posterior[i] for i, y in zip(a.text, a.label, strict=True)],
    )
    unordered = label_errors(replace(a, scale=None))
    np.testing.assert_array_equal(unordered.distances, unordered.annotations)


def test_the_queue_asks_where_the_label_may_be_furthest_off() -> None:
    a = Annotations.from_wide([[1, 2], [3, 4], [5, 5]], scale=(1, 2, 3, 4, 9))
    p, rng = np.full((3, 5), 0.2), np.random.default_rng(0)
    strategy = get_strategy("default")
    q = np.array([[0.6, 0.4, 0, 0, 0], [0, 0, 0, 0.7, 0.3], [0.1, 0, 0, 0, 0.9]])
    believed = replace(strategy.consensus(a, p, None, rng), posterior=q, labels=np.array([0, 3, 4]))
    np.testing.assert_allclose(strategy.score(a, p, believed, rng), [-0.4, -1.5, -0.8])
    nominal = replace(a, scale=None)
    np.testing.assert_allclose(strategy.score(nominal, p, believed, rng), [0.6, 0.7, 0.9])


@pytest.mark.slow
def test_the_accuracy_of_a_consensus_on_a_scale_has_an_interval() -> None:
    a, _ = ordered_crowd(120, per_text=4)
    found = estimate_of_consensus(a, jb.estimate_consensus(a).labels, rng=np.random.default_rng(0))
    assert 0 < found.accuracy.low < found.accuracy.estimate < found.accuracy.high < 1
