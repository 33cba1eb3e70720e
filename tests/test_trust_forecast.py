"""The forecast of learning curves: what it makes of rounds, and that its intervals keep what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit
from scipy.stats import norm

from jurybox.errors import InputError
from jurybox.trust.forecast import (
    CURVES,
    audit_covariance,
    curve_covariance,
    curve_posterior,
    forecast,
    on_logits,
)
from jurybox.trust.intervals import Interval

LABELS = np.array([200.0, 250, 300, 350, 400])


def around(y: float, error: float) -> Interval:
    """Make the 95 % interval of a logit with a standard error."""
    low, middle, high = expit(y + 1.959963984540054 * error * np.array([-1, 0, 1]))
    return Interval(float(middle), float(low), float(high))


def test_logits_of_intervals_are_those_they_were_made_from() -> None:
    z, error = on_logits([around(1.0, 0.2), around(-0.5, 0.1)])
    np.testing.assert_allclose(z, [1.0, -0.5])
    np.testing.assert_allclose(error, [0.2, 0.1])


@given(st.integers(0, 2**32 - 1))
def test_the_posterior_is_that_of_the_joint_normal_distribution(seed: int) -> None:
    """One observation at a time, by the textbook's update of a joint distribution, gives the same."""
    rng = np.random.default_rng(seed)
    audit = [
        around(float(y), float(e))
        for y, e in zip(rng.normal(1, 0.3, 5), rng.uniform(0.1, 0.3, 5), strict=True)
    ]
    at = np.array([400.0, 900.0])
    t = np.log(np.concatenate([LABELS, at]) / LABELS[0])
    z, error = on_logits(audit)
    covariance = np.block(
        [
            [curve_covariance(t, t, CURVES), curve_covariance(t, t[:5], CURVES)],
            [
                curve_covariance(t[:5], t, CURVES),
                curve_covariance(t[:5], t[:5], CURVES) + audit_covariance(t[:5], error, CURVES),
            ],
        ]
    )
    mean = CURVES.level + CURVES.slope * np.concatenate([t, t[:5]])
    for r in range(5):
        row = 7 + r
        gain = covariance[:, row] / covariance[row, row]
        mean = mean + gain * (z[r] - mean[row])
        covariance = covariance - np.outer(gain, covariance[row])
    found = curve_posterior(LABELS, audit, at)
    np.testing.assert_allclose(found.mean, mean[5:7], atol=1e-6)
    np.testing.assert_allclose(found.covariance, covariance[5:7, 5:7], atol=1e-6)


@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Curves and audits drawn from the model itself: 80 % of 600 intervals, give or take three errors."""
    rng = np.random.default_rng(1)
    t = np.log(np.append(LABELS, 800) / LABELS[0])
    error = np.full(5, 0.25)
    curve = CURVES.level + CURVES.slope * t
    noise = np.zeros((6, 6))
    noise[:5, :5] = audit_covariance(t[:5], error, CURVES)
    held = []
    for _ in range(600):
        y = rng.multivariate_normal(curve, curve_covariance(t, t, CURVES))
        z = y[:5] + rng.multivariate_normal(np.zeros(5), noise[:5, :5])
        found = forecast(LABELS, [around(*pair) for pair in zip(z, error, strict=True)], [400])
        held.append(expit(y[5]) in found.points[0].accuracy)
    assert abs(np.mean(held) - 0.8) < 3 * np.sqrt(0.8 * 0.2 / 600)


def test_rounds_on_the_same_audit_do_not_make_sure_of_the_level() -> None:
    """Errors that all rounds share do not cancel: many rounds leave the interval nearly as wide as one."""
    one = forecast([400], [around(1.0, 0.25)], [100])
    many = forecast(np.arange(200, 401, 5), [around(1.0, 0.25)] * 41, [100])
    width = many.now.high - many.now.low
    shared = np.sqrt(CURVES.shared) * (one.now.high - one.now.low)
    assert width > 0.9 * shared


def test_the_farther_the_less_sure() -> None:
    found = forecast(LABELS, [around(1.0, 0.2)] * 5, [1, 100, 500, 1000, 10_000])
    logits = [logit(point.accuracy.high) - logit(point.accuracy.low) for point in found.points]
    assert logits == sorted(logits)
    assert [point.labels for point in found.points] == [1, 100, 500, 1000, 10_000]


def test_a_curve_that_rises_is_forecast_to_rise_more_than_a_flat_one() -> None:
    flat = forecast(LABELS, [around(1.0, 0.05)] * 5, [400])
    rising = forecast(LABELS, [around(y, 0.05) for y in np.linspace(0.2, 1.0, 5)], [400])
    assert rising.points[0].accuracy.estimate > flat.points[0].accuracy.estimate


def test_probability_of_gain_agrees_with_draws() -> None:
    audit = [around(y, 0.2) for y in (0.7, 0.8, 0.9, 0.9, 1.0)]
    posterior = curve_posterior(LABELS, audit, np.array([400.0, 900.0]))
    rng = np.random.default_rng(0)
    drawn = expit(rng.multivariate_normal(posterior.mean, posterior.covariance, 200_000))
    for gain in (0.0, 0.02, 0.05):
        expected = (drawn[:, 1] - drawn[:, 0] >= gain).mean()
        assert posterior.probability_of_gain(0, 1, gain) == pytest.approx(expected, abs=0.005)
    assert posterior.probability_of_gain(0, 1, 0.999) == pytest.approx(0.0)


def test_interval_is_of_the_level_that_was_asked_for() -> None:
    posterior = curve_posterior(LABELS, [around(1.0, 0.2)] * 5, np.array([400.0]))
    found = posterior.interval(0, 0.5)
    inside = norm.cdf(
        [logit(found.low), logit(found.high)], posterior.mean[0], posterior.covariance[0, 0] ** 0.5
    )
    np.testing.assert_allclose(inside, [0.25, 0.75])


def test_accuracies_of_0_and_1_are_no_trouble() -> None:
    found = forecast([100, 200], [Interval(0.0, 0.0, 0.1), Interval(1.0, 0.9, 1.0)])
    assert all(0 < point.accuracy.low < point.accuracy.high < 1 for point in found.points)


@pytest.mark.parametrize(
    ("labels", "n", "arguments", "message"),
    [
        ([], 0, {}, "at least one round"),
        ([100, 200], 1, {}, "one of each"),
        ([200, 100], 2, {}, "rise"),
        ([0, 100], 2, {}, "rise"),
        ([100], 1, {"future": [0]}, "future"),
        ([100], 1, {"level": 1.0}, "level"),
    ],
)
def test_wrong_input(labels: list[int], n: int, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        forecast(labels, [Interval(0.8, 0.7, 0.9)] * n, **arguments)  # type: ignore[arg-type]


def test_the_forecast_starts_from_the_audit_and_does_not_fall() -> None:
    for accuracy in (
        (0.9, 0.71, 1.0),
        (0.584, 0.5, 0.66),
        (0.697, 0.6, 0.78),
        (1.0, 0.9, 1.0),
        (0.3, 0.2, 0.4),
    ):
        today = Interval(*accuracy)
        audit = [Interval(0.5, 0.4, 0.6), Interval(0.55, 0.45, 0.65), today]
        found = forecast([100, 200, 300], audit, [1, 100, 500, 1000])
        assert found.now == today
        estimates = [min(today.estimate, 1 - 1e-4), *(point.accuracy.estimate for point in found.points)]
        assert estimates == sorted(estimates)
        assert found.points[0].accuracy.low >= today.low - 1e-3, (
            "so soon, it is not below what the audit says"
        )
