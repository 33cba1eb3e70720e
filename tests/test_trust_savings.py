"""Savings against random choice: found where they are, and not claimed where nobody can know."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import isotonic_regression
from scipy.special import expit

from jurybox.errors import InputError
from jurybox.trust.forecast import CURVES, audit_covariance, curve_covariance
from jurybox.trust.intervals import Interval
from jurybox.trust.savings import estimate_savings

SIZES = np.array([100, 150, 200, 250, 300])


def around(y: float, error: float) -> Interval:
    low, middle, high = expit(y + 1.959963984540054 * error * np.array([-1, 0, 1]))
    return Interval(float(middle), float(low), float(high))


def power_law(labels: float, slope: float = 0.6) -> float:
    return float(0.5 + slope * np.log(labels / 100))


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_a_project_as_good_as_random_choice_with_twice_the_labels_has_saved_half() -> None:
    arm = [around(power_law(n), 0.01) for n in SIZES]
    found = estimate_savings(300, around(power_law(600), 0.01), SIZES, arm, rng=rng())
    assert found.needed is not None
    assert found.saved is not None
    assert 600 in found.needed
    assert 300 in found.saved
    assert found.better is not None
    assert found.better > 0.95


def test_a_project_worse_than_random_choice_has_lost() -> None:
    arm = [around(power_law(n), 0.01) for n in SIZES]
    found = estimate_savings(300, around(power_law(200), 0.01), SIZES, arm, rng=rng())
    assert found.saved is not None
    assert found.saved.high < 0
    assert -100 in found.saved


def test_out_of_reach_is_infinite() -> None:
    arm = [around(power_law(n, slope=0.02), 0.01) for n in SIZES]
    found = estimate_savings(300, around(2.0, 0.01), SIZES, arm, rng=rng())
    assert found.needed is not None
    assert found.needed.high == np.inf
    assert found.needed.low > 300


@pytest.mark.parametrize(
    ("sizes", "why"),
    [([], "0 labels"), ([10, 20, 30], "30 labels"), ([100, 200], "2 points")],
)
def test_too_little_to_go_by_is_not_known(sizes: list[int], why: str) -> None:
    found = estimate_savings(400, around(1.0, 0.2), sizes, [around(0.8, 0.2)] * len(sizes), rng=rng())
    assert (found.needed, found.better, found.saved) == (None, None, None)
    assert found.unknown is not None
    assert why in found.unknown


def test_a_flat_curve_and_a_small_audit_say_nothing() -> None:
    found = estimate_savings(400, around(1.3, 0.8), SIZES, [around(1.0, 0.8)] * 5, rng=rng())
    assert found.needed is None
    assert found.unknown is not None
    assert "too few, to tell" in found.unknown


@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Curves drawn from the model itself: 80 % of 200 intervals, give or take three errors."""
    source = np.random.default_rng(2)
    grid = np.geomspace(100, 4000, 400)
    t = np.log(np.concatenate([SIZES, [400], grid]) / 100)
    error = np.full(6, 0.15)
    noise = audit_covariance(t[:6], error, CURVES)
    noise[5, :5] = noise[:5, 5] = CURVES.shared * 0.15**2
    held = []
    for _ in range(200):
        y = source.multivariate_normal(
            CURVES.level + CURVES.slope * t, curve_covariance(t, t, CURVES), method="eigh"
        )
        today = y[5] + source.normal(0, 0.5)
        z = np.append(y[:5], today) + source.multivariate_normal(np.zeros(6), noise)
        found = estimate_savings(
            400, around(z[5], 0.15), SIZES, [around(each, 0.15) for each in z[:5]], rng=source, n_draws=400
        )
        rising = isotonic_regression(y[6:]).x
        needed = np.append(grid, np.inf)[(rising < today).sum()]
        if found.needed is not None:
            held.append(found.needed.low <= needed * 1.02 and needed <= found.needed.high * 1.02)
    assert len(held) > 50
    assert (
        abs(np.mean(held) - 0.8) < 3 * np.sqrt(0.8 * 0.2 / len(held)) + 0.03
    )  # 0.03: what is said to be unknown


def test_wrong_input() -> None:
    with pytest.raises(InputError, match="labels is 0"):
        estimate_savings(0, around(1.0, 0.2), SIZES, [around(1.0, 0.2)] * 5, rng=rng())
    with pytest.raises(InputError, match="one of each"):
        estimate_savings(400, around(1.0, 0.2), SIZES, [around(1.0, 0.2)] * 4, rng=rng())
