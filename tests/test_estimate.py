"""Our default consensus: its formulas by a naive loop, its invariances, and what it must not do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jurybox.annotations import Annotations
from jurybox.arrays import Floats, Ints
from jurybox.consensus import EstimatedConsensus, crowdlab, estimate_consensus, majority_vote
from jurybox.consensus.evidence import Evidence
from jurybox.consensus.fitting import Problem
from jurybox.consensus.prior import TypesPrior
from jurybox.errors import InputError
from support.strategies import annotation_sets, random_probabilities

# Random probabilities may agree with people's labels as little as they like.
pytestmark = pytest.mark.filterwarnings("ignore::jurybox.doubts.PredProbsWarning")


def naive(a: Annotations, p: Floats, found: EstimatedConsensus) -> Floats:
    """Types of the labelled texts by the module's equations, one number at a time, given what was fitted."""
    types, K = found.types, a.n_classes
    share, D = types.evidence.shares, len(types.prior.right)
    texts = types.evidence.texts.tolist()
    q = np.zeros((len(texts), K, D))
    log_odds = types.log_odds.reshape(a.n_annotators, K, D)
    bias = types.bias[:-1].reshape(a.n_annotators, K)
    for row, i in enumerate(texts):
        for k in range(K):
            for d in range(D):
                told = np.log(max(p[i, k], 1e-4) / share[k])
                q[row, k, d] = share[k] * np.exp(types.weight[k, d] + types.gate[k, d] * told)
    for i, j, y in zip(a.text, a.annotator, a.label, strict=True):
        for k in range(K):
            u = types.mixing[k] if len(types.mixing) else np.zeros(K)
            v = [share[m] * np.exp(bias[j, m] + types.discrimination[j] * u[m]) for m in range(K)]
            for d in range(D):
                right = 1 / (1 + np.exp(-log_odds[j, k, d]))
                other = v[y] / (sum(v) - v[k])
                q[texts.index(i), k, d] *= right if y == k else (1 - right) * other
    return np.asarray(q / q.sum(axis=(1, 2), keepdims=True))


def crowd_of(
    accuracy: list[float], n: int, seed: int = 0, share: float = 0.5, per_text: int = 3
) -> tuple[Annotations, Ints]:
    """Binary texts, each labelled by some of the annotators; annotations and truth."""
    rng = np.random.default_rng(seed)
    truth = (rng.random(n) < share).astype(np.int64)
    annotator = np.concatenate([rng.choice(len(accuracy), per_text, replace=False) for _ in range(n)])
    text = np.repeat(np.arange(n), per_text)
    right = rng.random(len(text)) < np.array(accuracy)[annotator]
    label = np.where(right, truth[text], 1 - truth[text])
    return (
        Annotations.from_indices(text, annotator, label, texts=n, annotators=len(accuracy), classes=2),
        truth,
    )


@pytest.mark.slow
@settings(max_examples=40)
@given(annotation_sets(), st.integers(0, 99))
def test_it_equals_a_naive_loop(a: Annotations, seed: int) -> None:
    p = random_probabilities(a, seed)
    found = estimate_consensus(a, p)
    K, T, D = a.n_classes, int(a.labelled.sum()), len(found.types.prior.right)
    types = found.types.posterior.reshape(K, T, D).transpose(1, 0, 2)
    np.testing.assert_allclose(types, naive(a, p, found), atol=1e-9)
    np.testing.assert_allclose(found.crowd.sum(axis=1), 1)


@settings(max_examples=20)
@given(annotation_sets(), st.integers(0, 99), st.booleans())
def test_the_gradient_is_that_of_the_loss(a: Annotations, seed: int, with_model: bool) -> None:
    p = random_probabilities(a, seed) if with_model else None
    problem = Problem(Evidence.of(a, p, np.ones(len(a), dtype=bool)), None, TypesPrior())
    rng = np.random.default_rng(seed)
    x, direction = rng.normal(size=problem.size) * 0.3, rng.normal(size=problem.size)
    _, gradient = problem.loss(x)
    ahead, behind = (problem.loss(x + step * direction)[0] for step in (1e-5, -1e-5))
    assert (ahead - behind) / 2e-5 == pytest.approx(gradient @ direction, rel=1e-5, abs=1e-5)


@pytest.mark.slow
@settings(max_examples=40)
@given(annotation_sets(), st.integers(0, 99))
def test_the_order_of_texts_and_annotators_does_not_matter(a: Annotations, seed: int) -> None:
    p = random_probabilities(a, seed)
    rng = np.random.default_rng(seed)
    texts, people = rng.permutation(a.n_texts), rng.permutation(a.n_annotators)
    one = estimate_consensus(a, p)
    other = estimate_consensus(a.subset(texts=texts, annotators=people), p[texts])
    np.testing.assert_allclose(one.posterior[texts], other.posterior, atol=1e-9)
    np.testing.assert_allclose(one.annotators.quality[people], other.annotators.quality, atol=1e-9)


@pytest.mark.slow
@settings(max_examples=40)
@given(annotation_sets(), st.booleans())
def test_it_always_gives_distributions(a: Annotations, with_model: bool) -> None:
    found = estimate_consensus(a, random_probabilities(a, 0) if with_model else None)
    np.testing.assert_allclose(found.posterior.sum(axis=1), 1)
    assert (found.posterior >= 0).all()
    known = a.labelled if not with_model else np.ones(a.n_texts, dtype=bool)
    assert ((found.labels >= 0) == known).all()
    assert found.annotators.confusion is not None
    np.testing.assert_allclose(found.annotators.confusion.sum(axis=2), 1)


def test_an_annotator_without_labels_changes_nothing_and_is_like_the_crowd() -> None:
    a, _ = crowd_of([0.9, 0.8, 0.7], 60)
    more = Annotations.from_indices(a.text, a.annotator, a.label, texts=60, annotators=4, classes=2)
    p = random_probabilities(a, 0)
    one, other = estimate_consensus(a, p), estimate_consensus(more, p)
    np.testing.assert_allclose(one.posterior, other.posterior, atol=1e-9)
    assert other.annotators.confusion is not None
    np.testing.assert_allclose(other.annotators.confusion[3], other.crowd)
    assert np.isnan(other.annotators.quality[3])


def test_an_adversary_is_found_out_and_used() -> None:
    a, truth = crowd_of([0.85, 0.85, 0.85, 0.85, 0.1], 400)
    found = estimate_consensus(a)
    assert found.annotators.quality[4] < 0.35
    assert found.annotators.quality[:4].min() > 0.75
    ours, majority = ((c.labels == truth).mean() for c in (found, majority_vote(a)))
    assert ours > majority + 0.03


def test_a_spammer_carries_no_weight() -> None:
    a, truth = crowd_of([0.9, 0.85, 0.8, 0.5], 500)
    found = estimate_consensus(a)
    assert found.annotators.quality[3] == pytest.approx(0.5, abs=0.08)
    without = estimate_consensus(a.subset(annotators=[0, 1, 2]))
    assert (found.labels == truth).mean() >= (without.labels == truth).mean() - 0.01


def test_annotators_who_all_spam_leave_the_word_to_the_model() -> None:
    a, truth = crowd_of([0.5] * 4, 400)
    p = np.where(np.eye(2)[truth] == 1, 0.9, 0.1)
    assert (estimate_consensus(a, p).labels == truth).mean() > 0.7


def test_the_rare_class_is_neither_lost_nor_inflated() -> None:
    a, truth = crowd_of([0.9, 0.85, 0.8, 0.8], 1000, share=0.1)
    found = estimate_consensus(a)
    assert found.posterior[:, 1].mean() == pytest.approx(truth.mean(), abs=0.03)
    assert (found.labels == truth).mean() > (majority_vote(a).labels == truth).mean()


def test_one_disagreement_among_singly_labelled_texts_switches_nobody_off() -> None:
    """CROWDLAB's weights of all annotators fall to 1e-6 here; ours hardly move."""
    rng = np.random.default_rng(0)
    label = rng.integers(2, size=200)
    p = np.where(np.eye(2)[label] == 1, 0.8, 0.2)
    person = np.arange(200) % 5
    single = Annotations.from_indices(np.arange(200), person, label, texts=200, annotators=5, classes=2)
    pair = single.extend(np.array([0]), np.array([1]), 1 - label[:1])
    assert crowdlab(pair, p).annotator_weights.max() < 1e-3
    before, after = estimate_consensus(single, p), estimate_consensus(pair, p)
    np.testing.assert_allclose(after.posterior[1:], before.posterior[1:], atol=0.02)
    np.testing.assert_allclose(after.annotators.quality, before.annotators.quality, atol=0.06)


@pytest.mark.slow
@given(st.floats(0.001, 0.999))
@settings(max_examples=30)
def test_it_is_continuous_in_the_model(share: float) -> None:
    a, _ = crowd_of([0.9, 0.7, 0.6], 40, per_text=2)
    p = np.column_stack([np.full(40, share), np.full(40, 1 - share)])
    options = {"tolerance": 0.0, "max_iterations": 10}
    one = estimate_consensus(a, p, **options)  # type: ignore[arg-type]
    other = estimate_consensus(a, np.clip(p + np.array([1e-6, -1e-6]), 0, 1), **options)  # type: ignore[arg-type]
    np.testing.assert_allclose(one.posterior, other.posterior, atol=1e-3)


def test_trust_is_how_much_say_the_model_has() -> None:
    a, truth = crowd_of([0.9, 0.8, 0.7], 80)
    p = np.where(np.eye(2)[truth] == 1, 0.8, 0.2)
    more = Annotations.from_indices(a.text, a.annotator, a.label, texts=90, annotators=3, classes=2)
    p = np.vstack([p, np.tile([0.9, 0.1], (10, 1))])
    none, half, full = (estimate_consensus(more, p, trust=trust).posterior for trust in (0.0, 0.5, 1.0))
    assert np.ptp(none[80:], axis=0).max() == 0
    assert (none[80:, 0] < half[80:, 0]).all()
    assert (half[80:, 0] < full[80:, 0]).all()


def test_it_does_not_change_its_arguments() -> None:
    a, _ = crowd_of([0.9, 0.8], 20, per_text=2)
    p = random_probabilities(a, 0)
    before = p.copy()
    estimate_consensus(a, p)
    np.testing.assert_array_equal(p, before)


def test_wrong_arguments_are_refused() -> None:
    a, _ = crowd_of([0.9, 0.8], 20, per_text=2)
    with pytest.raises(InputError, match="pred_probs"):
        estimate_consensus(a, np.ones((3, 2)) / 2)
    with pytest.raises(InputError, match="trust"):
        estimate_consensus(a, trust=-1)
    with pytest.raises(InputError, match="max_iterations"):
        estimate_consensus(a, max_iterations=0)


@pytest.mark.parametrize("sure", [0.9, 1.0])
def test_a_sure_classifier_that_knows_nothing_flips_no_unanimous_text(sure: float) -> None:
    for seed, per_text in ((0, 2), (1, 3), (2, 3)):
        a, truth = crowd_of([0.9, 0.9, 0.9, 0.9], 200, seed=seed, per_text=per_text)
        guess = np.random.default_rng(seed).integers(2, size=200)
        p = np.where(np.eye(2)[guess] == 1, sure, 1 - sure)
        found = estimate_consensus(a, p)
        unanimous = a.counts.max(axis=1) == per_text
        np.testing.assert_array_equal(found.labels[unanimous], a.counts.argmax(axis=1)[unanimous])
        majority = (majority_vote(a).labels == truth).mean()
        assert (found.labels == truth).mean() > majority - 0.05


def test_one_label_a_text_stands_without_a_classifier() -> None:
    rng = np.random.default_rng(0)
    label = rng.choice(4, p=[0.5, 0.25, 0.15, 0.1], size=400)
    a = Annotations.from_indices(
        np.arange(400), rng.integers(20, size=400), label, texts=400, annotators=20, classes=4
    )
    assert (estimate_consensus(a).labels == label).mean() > 0.99


def test_quality_grows_as_labels_agree_and_shrinks_as_they_do_not() -> None:
    a, _ = crowd_of([0.9, 0.85, 0.8, 0.8], 400)
    found = estimate_consensus(a)
    agreeing = a.counts.max(axis=1) == 3
    assert found.quality[agreeing].min() > found.quality[~agreeing].mean()


def test_many_classes_come_out_as_few_do() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(40, size=600)
    text = np.repeat(np.arange(600), 3)
    right = rng.random(1800) < 0.8
    label = np.where(right, truth[text], rng.integers(40, size=1800))
    person = np.argsort(rng.random((600, 12)), axis=1)[:, :3].ravel()
    a = Annotations.from_indices(text, person, label, texts=600, annotators=12, classes=40)
    p = np.full((600, 40), 0.3 / 39)
    p[np.arange(600), truth] = 0.7
    alone, aided = estimate_consensus(a), estimate_consensus(a, p)
    np.testing.assert_allclose(alone.posterior.sum(axis=1), 1)
    np.testing.assert_allclose(alone.shares.sum(axis=1), 1)
    assert (alone.labels == truth).mean() >= (majority_vote(a).labels == truth).mean() - 0.01
    assert (aided.labels == truth).mean() > 0.97
    assert aided.annotators.confusion is None
    assert aided.annotators.quality.min() > 0.6
