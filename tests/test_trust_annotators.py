from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from jurybox.agreement import cohen_kappa
from jurybox.annotations import Annotations
from jurybox.arrays import Floats, Ints
from jurybox.consensus import estimate_consensus
from jurybox.errors import InputError
from jurybox.trust.annotators import AnnotatorAssessment, assess_annotators, pairwise_agreement
from jurybox.trust.observed import Observed


def crowd(
    confusions: Floats, n_texts: int, seed: int = 0, per_text: int = 3
) -> tuple[Annotations, Ints, np.random.Generator]:
    rng = np.random.default_rng(seed)
    M, K, _ = confusions.shape
    truth = rng.integers(K, size=n_texts)
    annotator = np.concatenate([rng.choice(M, per_text, replace=False) for _ in range(n_texts)])
    text = np.repeat(np.arange(n_texts), per_text)
    cumulative = confusions[annotator, truth[text]].cumsum(axis=1)
    label = (rng.random((len(text), 1)) > cumulative).sum(axis=1)
    a = Annotations.from_indices(text, annotator, label, texts=n_texts, annotators=M, classes=K)
    return a, truth, rng


def symmetric(accuracy: list[float], K: int = 2) -> Floats:
    a = np.array(accuracy)[:, None, None]
    return np.asarray(a * np.eye(K) + (1 - a) / (K - 1) * (1 - np.eye(K)))


def assess(a: Annotations, **options: object) -> tuple[AnnotatorAssessment, ...]:
    return assess_annotators(Observed(a, **options), rng=np.random.default_rng(1))  # type: ignore[arg-type]


@pytest.mark.slow
def test_qualities_lie_in_their_intervals_and_confusions_are_distributions() -> None:
    accuracy = [0.95, 0.85, 0.75, 0.65, 0.9]
    a, _, _ = crowd(symmetric(accuracy, K=3), 500)
    found = assess(a)
    assert [each.annotator for each in found] == list(range(5))
    assert [each.n_annotations for each in found] == a.labels_per_annotator.tolist()
    assert sum(true in each.quality for true, each in zip(accuracy, found, strict=True)) >= 4
    for each in found:
        assert each.confusion is not None
        np.testing.assert_allclose(each.confusion.sum(axis=1), 1)


def test_an_annotator_without_labels_is_described_by_what_strangers_are() -> None:
    a, _, _ = crowd(symmetric([0.9, 0.85, 0.9]), 100)
    more = Annotations.from_indices(a.text, a.annotator, a.label, texts=100, annotators=4, classes=2)
    stranger = assess(more, times=np.arange(len(a)) * 1.0, seconds=np.ones(len(a)))[3]
    assert stranger.n_annotations == 0
    assert stranger.quality.high - stranger.quality.low > 0.2
    assert stranger.agreement_with_consensus is None
    assert stranger.drift is None
    assert stranger.seconds is None
    assert stranger.effect.changed == stranger.effect.lost == 0


@pytest.mark.slow
def test_agreement_with_consensus_leaves_the_own_label_out() -> None:
    """Two who contradict each other on every text: with one's own label each would agree with half."""
    a = Annotations.from_wide([[0, 1], [1, 0]] * 20)
    found = assess(a)
    for each in found:
        assert each.agreement_with_consensus is not None
        assert each.agreement_with_consensus.estimate == 0
    alone = Annotations.from_wide([[0, None], [None, 1]] * 5)
    assert all(each.agreement_with_consensus is None for each in assess(alone))
    assert [each.effect.lost for each in assess(alone)] == [5, 5]


@pytest.mark.slow
def test_classes_mixed_up_are_named_the_worst_first() -> None:
    odd = np.array([[0.95, 0.05, 0.0], [0.0, 0.65, 0.35], [0.02, 0.48, 0.5]])
    confusions = np.concatenate([symmetric([0.9, 0.9, 0.9, 0.9], K=3), odd[None]])
    a, _, _ = crowd(confusions, 900)
    found = assess(a)
    assert [(mix.right, mix.said) for mix in found[4].mix_ups][:2] == [(2, 1), (1, 2)]
    assert 0.48 in found[4].mix_ups[0].share
    assert all(not each.mix_ups for each in found[:4])


@pytest.mark.slow
def test_drift_is_found_where_it_is_and_not_where_it_is_not() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(2, size=400)
    first = np.arange(400) < 200
    columns = [np.where(rng.random(400) < q, truth, 1 - truth) for q in (0.9, 0.9, 0.9)]
    tiring = np.where(rng.random(400) < np.where(first, 0.95, 0.6), truth, 1 - truth)
    learning = np.where(rng.random(400) < np.where(first, 0.6, 0.95), truth, 1 - truth)
    a = Annotations.from_wide(np.column_stack([*columns, tiring, learning]))
    drifts = [each.drift for each in assess(a, times=a.text.astype(np.float64))]
    assert drifts[3] is not None
    assert drifts[3].verdict == "worse"
    assert -0.35 in drifts[3].change
    assert drifts[4] is not None
    assert drifts[4].verdict == "better"
    assert [drift.verdict for drift in drifts[:3] if drift is not None] == ["steady"] * 3
    assert all(each.drift is None for each in assess(a))


@pytest.mark.slow
def test_drift_needs_known_times_and_enough_labels() -> None:
    a, _, _ = crowd(symmetric([0.9, 0.8, 0.9]), 60, per_text=2)
    times = np.where(a.annotator == 0, np.nan, np.arange(len(a), dtype=np.float64))
    found = assess(a, times=times)
    assert found[0].drift is None
    assert found[1].drift is not None


def test_speed_is_the_median_beside_the_others() -> None:
    a = Annotations.from_wide([[0, 0, 1], [1, 1, 1], [0, 1, 0]])
    seconds = np.array([2.0, 10.0, np.nan, 4.0, 10.0, np.nan, 100.0, 6.0, np.nan])
    found = assess(a, seconds=seconds)
    assert found[0].seconds is not None
    assert (found[0].seconds.median, found[0].seconds.ratio) == (4.0, 0.4)
    assert found[1].seconds is not None
    assert found[1].seconds.median == 10.0
    assert found[2].seconds is None


@pytest.mark.slow
def test_leaving_one_out_is_nearly_what_estimating_anew_without_them_gives() -> None:
    a, _, _ = crowd(symmetric([0.95, 0.9, 0.8, 0.7, 0.55, 0.6]), 600)
    whole = estimate_consensus(a)
    for j, each in enumerate(assess(a)):
        others = np.delete(np.arange(6), j)
        anew = estimate_consensus(a.subset(annotators=others))
        touched = (np.bincount(a.text[a.annotator == j], minlength=600) > 0) & (anew.labels >= 0)
        changed = (anew.labels != whole.labels)[touched].sum()
        assert abs(each.effect.changed - changed) <= 0.05 * touched.sum()
        moved = (anew.quality - whole.quality)[touched].mean()
        assert each.effect.quality == pytest.approx(moved, abs=0.03)


def test_pairwise_agreement_equals_a_naive_loop() -> None:
    a, _, _ = crowd(symmetric([0.9, 0.7, 0.8, 0.5], K=3), 40, per_text=2)
    pairs = pairwise_agreement(a)
    wide = a.to_wide().to_numpy()
    for j, k in combinations(range(4), 2):
        both = ~np.isnan(wide[:, j]) & ~np.isnan(wide[:, k])
        assert pairs.shared[j, k] == pairs.shared[k, j] == both.sum()
        np.testing.assert_allclose(pairs.agreement[j, k], (wide[both, j] == wide[both, k]).mean())
    np.testing.assert_array_equal(pairs.kappa, cohen_kappa(a).kappa)
    apart = pairwise_agreement(Annotations.from_wide([[0, None], [None, 1]]))
    assert np.isnan(apart.agreement[0, 1])


def test_wrong_arguments_are_refused() -> None:
    a, _, _ = crowd(symmetric([0.9, 0.8]), 10, per_text=2)
    with pytest.raises(InputError, match="times"):
        assess(a, times=np.zeros(3))
    with pytest.raises(InputError, match="seconds"):
        assess(a, seconds=np.zeros(3))
