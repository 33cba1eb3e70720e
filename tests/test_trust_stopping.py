"""Stop rules: what each says of rounds, and what it does without the figures it needs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jurybox.errors import InputError
from jurybox.trust.intervals import Interval
from jurybox.trust.stopping import (
    RULES,
    Budget,
    Exhausted,
    RoundFacts,
    Stable,
    TargetAccuracy,
    evaluate_rules,
    prediction_stability,
    rules_for,
)


def audit(estimate: float, half: float = 0.02) -> Interval:
    return Interval(estimate, estimate - half, estimate + half)


def test_target_is_reached_by_the_lower_bound() -> None:
    rule = TargetAccuracy(0.9)
    close = rule.judge([RoundFacts(100, audit(0.91))])
    assert (close.stop, close.threshold) == (False, 0.9)
    assert close.value == pytest.approx(0.89)
    assert rule.judge([RoundFacts(100, audit(0.92))]).stop
    assert not rule.judge([RoundFacts(100, audit(0.95)), RoundFacts(125, audit(0.91))]).stop


def test_target_without_an_audit_does_not_stop() -> None:
    verdict = TargetAccuracy(0.5).judge([RoundFacts(100)])
    assert (verdict.stop, verdict.value) == (False, None)
    assert "no text of the audit sample" in verdict.why


def test_stable_looks_at_the_last_rounds_only() -> None:
    rule = Stable(kappa=0.95, rounds=2)
    rounds = [
        RoundFacts(n, stability=kappa) for n, kappa in ((50, None), (75, 0.5), (100, 0.94), (125, 0.97))
    ]
    assert not rule.judge(rounds[:1]).stop
    assert rule.judge(rounds[:3]).value == pytest.approx(0.72)
    last = rule.judge(rounds)
    assert last.stop
    assert last.value == pytest.approx(0.955)


def test_stable_wants_every_round_to_be_known() -> None:
    rounds = [RoundFacts(50, stability=1.0), RoundFacts(75), RoundFacts(100, stability=1.0)]
    assert Stable(rounds=3).judge(rounds).value is None


def test_exhausted_stops_on_a_flat_well_known_curve_and_not_on_a_steep_one() -> None:
    labels = range(200, 700, 100)
    rule = Exhausted(labels=200, gain=0.02)
    flat = [RoundFacts(n, audit(0.95, 0.005)) for n in labels]
    steep = [RoundFacts(n, audit(0.3 + 0.0006 * n, 0.005)) for n in labels]
    assert rule.judge(flat).stop
    assert not rule.judge(steep).stop


def test_exhausted_needs_two_audited_rounds() -> None:
    verdict = Exhausted().judge([RoundFacts(100), RoundFacts(125, audit(0.9))])
    assert (verdict.stop, verdict.value) == (False, None)


def test_budget_counts_labels() -> None:
    assert [Budget(200).judge([RoundFacts(n)]).stop for n in (199, 200, 225)] == [False, True, True]


def test_every_rule_of_a_project_is_named() -> None:
    rules = rules_for(target_accuracy=0.9, budget=300)
    assert [rule.name for rule in rules] == list(RULES)
    assert [rule.name for rule in rules_for()] == ["stable", "exhausted"]
    verdicts = evaluate_rules([RoundFacts(300)], rules)
    assert [verdict.rule for verdict in verdicts] == list(RULES)
    assert [verdict.stop for verdict in verdicts] == [False, False, False, True]


def test_nothing_to_judge() -> None:
    with pytest.raises(InputError, match="no round"):
        evaluate_rules([], rules_for())


@pytest.mark.parametrize(
    "make",
    [
        lambda: TargetAccuracy(1.0),
        lambda: TargetAccuracy(0),
        lambda: Stable(rounds=0),
        lambda: Stable(kappa=1.5),
        lambda: Exhausted(labels=0),
        lambda: Exhausted(gain=0.0),
        lambda: Budget(0),
        lambda: Budget(True),
    ],
)
def test_thresholds_out_of_range(make: object) -> None:
    with pytest.raises(InputError, match="expected"):
        make()  # type: ignore[operator]


def test_stability_is_cohens_kappa() -> None:
    before, now = np.array([0, 0, 1, 1, 1, 2]), np.array([0, 1, 1, 1, 2, 2])
    # 4 of 6 alike; by chance (2 * 1 + 3 * 3 + 1 * 2) / 36
    expected = (4 / 6 - 13 / 36) / (1 - 13 / 36)
    assert prediction_stability(np.eye(3)[before], np.eye(3)[now]) == pytest.approx(expected)


@given(st.integers(2, 4), st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_stability_is_symmetric_and_1_for_the_same(K: int, N: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = rng.dirichlet(np.ones(K), N), rng.dirichlet(np.ones(K), N)
    forth, back = prediction_stability(first, second), prediction_stability(second, first)
    assert (forth is None and back is None) or forth == pytest.approx(back)
    if len(np.unique(first.argmax(axis=1))) > 1:
        assert prediction_stability(first, first) == pytest.approx(1.0)


def test_texts_and_classes_that_came_later_do_not_count() -> None:
    before = np.array([[0.9, 0.1], [0.2, 0.8]])
    now = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.0, 0.0, 1.0]])
    assert prediction_stability(before, now) == pytest.approx(1.0)
    assert prediction_stability(np.empty((0, 2)), now) is None
