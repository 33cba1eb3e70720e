"""Coefficients of agreement: the intervals are Efron's, and hold the truth as often as they say."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import bootstrap

from jurybox.agreement import fleiss_kappa, krippendorff_alpha
from jurybox.annotations import Annotations
from jurybox.errors import InputError
from jurybox.trust.coefficients import estimate_agreement
from jurybox.trust.intervals import Interval

ACCURACIES = np.linspace(0.65, 0.95, 8)


def crowd(rng: np.random.Generator, N: int, K: int = 3, labels: int = 3) -> Annotations:
    """Let some of eight annotators label texts, the first class being the most frequent."""
    truth = rng.choice(K, N, p=[0.5, *[0.5 / (K - 1)] * (K - 1)])
    text = np.repeat(np.arange(N), labels)
    order = np.argsort(rng.random((N, len(ACCURACIES))), axis=1)
    annotator = order[:, :labels].ravel()
    wrong = (truth[text] + rng.integers(1, K, len(text))) % K
    label = np.where(rng.random(len(text)) < ACCURACIES[annotator], truth[text], wrong)
    return Annotations.from_indices(
        text, annotator, label, texts=N, annotators=len(ACCURACIES), classes=tuple(range(K))
    )


def known(interval: Interval | None) -> Interval:
    assert interval is not None
    return interval


def test_estimates_are_those_of_the_coefficients() -> None:
    annotations = crowd(np.random.default_rng(0), 60)
    found = estimate_agreement(annotations, n_draws=100, rng=np.random.default_rng(1))
    assert known(found.alpha).estimate == pytest.approx(krippendorff_alpha(annotations).value, abs=1e-12)
    assert known(found.kappa).estimate == pytest.approx(fleiss_kappa(annotations).value, abs=1e-12)
    assert (found.n_texts, found.n_annotations, found.reason) == (60, 180, None)


def shares_of_pairs(annotations: Annotations) -> NDArray[np.float64]:
    """Return for each text the share of its pairs of labels that agree, one pair at a time."""
    shares = []
    for row in annotations.counts[annotations.n_labels > 1]:
        labels = np.repeat(np.arange(len(row)), row)
        pairs = [(a, b) for i, a in enumerate(labels) for b in labels[i + 1 :]]
        shares.append(np.mean([a == b for a, b in pairs]))
    return np.array(shares)


def test_the_interval_of_a_mean_is_scipys() -> None:
    annotations = crowd(np.random.default_rng(3), 80)
    shares = shares_of_pairs(annotations)
    found = known(estimate_agreement(annotations, n_draws=20_000, rng=np.random.default_rng(4)).percent)
    assert found.estimate == pytest.approx(shares.mean(), abs=1e-12)
    theirs = bootstrap(
        (shares,), np.mean, n_resamples=20_000, method="BCa", random_state=np.random.default_rng(5)
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=0.006)


@pytest.mark.slow
def test_the_interval_of_alpha_is_that_of_resampled_texts() -> None:
    annotations = crowd(np.random.default_rng(6), 40)
    found = known(estimate_agreement(annotations, n_draws=4000, rng=np.random.default_rng(7)).alpha)

    def alpha(texts: NDArray[np.intp]) -> float:
        counts = annotations.counts[texts]
        text, label = (np.repeat(at, counts.ravel()) for at in np.indices(counts.shape).reshape(2, -1))
        place = np.concatenate([np.arange(n) for n in counts.sum(axis=1)])
        return krippendorff_alpha(
            Annotations.from_indices(text, place, label, texts=len(texts), annotators=3, classes=(0, 1, 2))
        ).value

    theirs = bootstrap(
        (np.arange(40),),
        alpha,
        n_resamples=1000,
        method="BCa",
        vectorized=False,
        random_state=np.random.default_rng(8),
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=0.03)


@pytest.mark.slow
@pytest.mark.parametrize(("N", "K", "labels"), [(30, 2, 3), (100, 4, 2), (300, 3, 3)])
def test_intervals_cover_the_truth(N: int, K: int, labels: int) -> None:
    rng, runs = np.random.default_rng([N, K, labels]), 400
    all_texts = estimate_agreement(crowd(rng, 300_000, K, labels), n_draws=100, rng=rng)
    hits = np.zeros(3)
    for _ in range(runs):
        found = estimate_agreement(crowd(rng, N, K, labels), n_draws=600, rng=rng)
        for at, name in enumerate(("alpha", "kappa", "percent")):
            truth, interval = known(getattr(all_texts, name)).estimate, known(getattr(found, name))
            hits[at] += truth in interval
    # 400 runs: three standard errors of 95 % are 3.3 points
    assert ((hits / runs > 0.917) & (hits / runs < 0.983)).all(), hits / runs


def test_full_agreement_is_not_certain_agreement() -> None:
    annotations = Annotations.from_wide([[0, 0], [1, 1]] * 10)
    found = estimate_agreement(annotations, rng=np.random.default_rng(0))
    assert known(found.percent).high == known(found.alpha).high == 1.0
    assert known(found.percent).low == pytest.approx(0.025 ** (1 / 20))
    assert known(found.alpha).low == known(found.kappa).low == pytest.approx(1 - 2 * (1 - 0.025 ** (1 / 20)))


def test_one_class_has_agreement_but_none_beyond_chance() -> None:
    found = estimate_agreement(Annotations.from_wide([["a", "a"]] * 5), rng=np.random.default_rng(0))
    assert found.alpha is None
    assert found.kappa is None
    assert known(found.percent).estimate == 1.0
    assert "chance alone" in str(found.reason)


def test_labels_nobody_can_compare() -> None:
    found = estimate_agreement(Annotations.from_wide([[0, None], [None, 1]]), rng=np.random.default_rng(0))
    assert (found.alpha, found.kappa, found.percent, found.n_texts) == (None, None, None, 0)
    assert "two annotators" in str(found.reason)


def test_a_single_text_tells_nothing_of_others() -> None:
    annotations = Annotations.from_wide([[0, 1, 1]])
    found = known(estimate_agreement(annotations, rng=np.random.default_rng(0)).percent)
    assert (found.low, found.high) == (0.0, 1.0)
    assert found.estimate == pytest.approx(1 / 3)


def test_the_same_draws_give_the_same_interval() -> None:
    annotations = crowd(np.random.default_rng(0), 50)
    first, second = (estimate_agreement(annotations, rng=np.random.default_rng(9)) for _ in range(2))
    assert first == second


def test_wrong_settings_are_refused() -> None:
    annotations = crowd(np.random.default_rng(0), 10)
    with pytest.raises(InputError, match=r"level is 95"):
        estimate_agreement(annotations, level=95, rng=np.random.default_rng(0))
    with pytest.raises(InputError, match="n_draws is 5"):
        estimate_agreement(annotations, n_draws=5, rng=np.random.default_rng(0))
