"""Released labels, replacing a person, shares with a model's help, against definitions and oracles."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, ttest_1samp

from jurybox import Annotations
from jurybox.errors import InputError
from jurybox.trust.release import error_at_most, plan_release
from jurybox.trust.replacement import alternative_annotator_test
from jurybox.trust.shares import power_tuned_shares, tune_power


def test_the_bound_of_an_error_is_exact() -> None:
    for wrong, n in ((0, 10), (3, 50), (20, 40)):
        bound = error_at_most(wrong, n)
        assert binom.cdf(wrong, n, bound) == pytest.approx(0.05)
    assert error_at_most(5, 5) == 1.0


def world(rng: np.random.Generator, n: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Return confidences of a model that is less sure than it says, and whether it is wrong."""
    confidence = rng.uniform(0.5, 1, n)
    return confidence, rng.random(n) > confidence**1.3


def test_the_bound_on_released_labels_holds() -> None:
    broken = released = 0
    for seed in range(500):
        rng = np.random.default_rng(seed)
        confidence, wrong = world(rng)
        audit = rng.choice(len(wrong), 300, replace=False)
        plan = plan_release(confidence[audit], wrong[audit], confidence, allowed=0.15)
        out = confidence >= plan.threshold
        released += int(out.any())
        broken += int(out.any() and wrong[out].mean() > 0.15)
    assert released > 250
    assert broken <= 0.05 * 500


def test_errors_may_all_be_among_those_wanted() -> None:
    confidence, wrong = world(np.random.default_rng(0))
    audit, half = np.arange(1000), np.arange(4000) % 2 == 0
    all_of_it = plan_release(confidence[audit], wrong[audit], confidence, allowed=0.2)
    part = plan_release(confidence[audit], wrong[audit], confidence, allowed=0.2, wanted=half)
    assert part.threshold > all_of_it.threshold


def test_too_small_a_sample_releases_nothing() -> None:
    plan = plan_release(np.ones(58), np.zeros(58), np.ones(100), allowed=0.05)
    assert (plan.needed, plan.threshold, plan.error_bound) == (59, np.inf, None)
    plan = plan_release(np.ones(59), np.zeros(59), np.ones(100), allowed=0.05)
    assert plan.threshold == 1.0
    assert plan_release(np.ones(59), np.full(59, 0.3), np.ones(9), allowed=0.05).error_bound is None
    with pytest.raises(InputError, match="allowed is 0"):
        plan_release([1.0], [0.0], [1.0], allowed=0.0)
    with pytest.raises(InputError, match="confidence has shape"):
        plan_release([1.0], [0.0, 1.0], [1.0], allowed=0.1)


def crowd(rng: np.random.Generator, n: int, people: int, quality: float) -> tuple[np.ndarray, np.ndarray]:
    truth = rng.integers(0, 3, n)
    wrong = (truth[:, None] + rng.integers(1, 3, (n, people))) % 3
    return truth, np.where(rng.random((n, people)) < quality, truth[:, None], wrong)


def test_the_annotator_test_is_that_of_the_paper() -> None:
    truth, labels = crowd(np.random.default_rng(1), 120, 4, 0.75)
    labels = np.where(np.random.default_rng(2).random(labels.shape) < 0.2, -1, labels)
    found = alternative_annotator_test(
        Annotations.from_wide(np.where(labels < 0, np.nan, labels)), truth, allowance=0.1
    )
    for j, rival in enumerate(found.rivals):
        d = []
        for i in range(len(truth)):
            others = [labels[i, k] for k in range(4) if k != j and labels[i, k] >= 0]
            if labels[i, j] < 0 or not others:
                continue
            machine, person = np.mean(np.array(others) == truth[i]), np.mean(np.array(others) == labels[i, j])
            d.append(float(person >= machine) - float(machine >= person))
        assert rival.texts == len(d)
        assert rival.person_wins - rival.machine_wins == pytest.approx(np.mean(d))
        assert rival.p_value == pytest.approx(ttest_1samp(d, 0.1, alternative="less").pvalue)
    assert found.passed is True
    assert found.winning_rate == 1.0


def test_a_machine_that_guesses_replaces_nobody() -> None:
    rng = np.random.default_rng(3)
    _, labels = crowd(rng, 200, 5, 0.85)
    people = Annotations.from_wide(labels)
    found = alternative_annotator_test(people, rng.integers(0, 3, 200))
    assert (found.passed, found.winning_rate) == (False, 0.0)
    assert found.verdict == "failed: it does as well as 0 of 5 people, less than half"
    few = alternative_annotator_test(people, np.full(200, -1))
    assert (few.passed, few.rivals) == (None, ())
    with pytest.raises(InputError, match="answers has shape"):
        alternative_annotator_test(people, [0, 1])


def test_a_machine_at_the_border_passes_as_rarely_as_is_said() -> None:
    """A person wins by the allowance exactly: each is beaten in at most 5 % of the replays."""
    beaten = people = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        truth, labels = crowd(rng, 150, 3, 0.9)
        machine = np.where(rng.random(150) < 0.8, truth, (truth + 1) % 3)
        found = alternative_annotator_test(Annotations.from_wide(labels), machine, allowance=0.08)
        beaten += sum(rival.beaten for rival in found.rivals)
        people += len(found.rivals)
    assert beaten <= 0.05 * people


def sample(seed: int, n: int, N: int, skill: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p = rng.beta(0.3, 1.5, n + N)
    y = (rng.random(n + N) < p).astype(float)
    f = skill * p + (1 - skill) * rng.random(n + N)
    labels, said = np.stack([1 - y, y], 1), np.stack([1 - f, f], 1)
    return labels[:n], said[:n], said[n:], labels


@pytest.mark.parametrize(
    ("drawn", "estimate", "low", "high"),
    [
        ((0, 300, 5000, 0.9), 0.142350, 0.107246, 0.177455),
        ((1, 120, 2000, 0.5), 0.192962, 0.125405, 0.260519),
        ((2, 80, 8000, 1.0), 0.160664, 0.090733, 0.230596),
    ],
)
def test_shares_are_those_of_the_oracle(
    drawn: tuple[int, int, int, float], estimate: float, low: float, high: float
) -> None:
    """`ppi_mean_pointestimate` and `ppi_mean_ci` of ppi-python 0.2.3 on the same samples, noted down.

    That package installs its own tests as ``tests``, so it cannot stand beside ours.
    """
    y, f, others, _ = sample(*drawn)
    found = power_tuned_shares(y, f, others)[1]
    assert found.share.estimate == pytest.approx(estimate, abs=0.01)
    assert found.share.high - found.share.low == pytest.approx(high - low, rel=0.06)


@pytest.mark.slow
@pytest.mark.parametrize("skill", [0.0, 1.0])
def test_shares_cover_the_truth_and_are_narrower_where_the_model_knows(skill: float) -> None:
    covered, width, plain = 0, [], []
    for seed in range(500):
        y, f, others, everything = sample(seed, 60, 2000, skill)
        found = power_tuned_shares(y, f, others)[1]
        covered += everything[:, 1].mean() in found.share
        width.append(found.share.high - found.share.low)
        plain.append(found.plain.high - found.plain.low)
        assert width[-1] <= plain[-1] + 1e-9
    assert covered >= 0.945 * 500
    ratio = np.mean(width) / np.mean(plain)
    assert ratio < 0.93 if skill else ratio > 0.95


def test_a_model_that_knows_nothing_has_no_power() -> None:
    y, f, others, _ = sample(1, 50, 500, 1.0)
    assert tune_power(y[:, 0], np.full(50, 0.5), np.full(500, 0.5)) == 0
    assert tune_power(y[:, 0], 1 - f[:, 0], 1 - others[:, 0]) == 0
    assert power_tuned_shares(y, f, others[:0])[0].power == 0
    with pytest.raises(InputError, match="labels has shape"):
        power_tuned_shares(y, f[:3], others)
