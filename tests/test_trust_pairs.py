from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logsumexp

from jurybox.annotations import Annotations
from jurybox.trust.copying import HabitPrior, Pairs, find_sources
from jurybox.trust.habits import COPYING, EXPERT, AnswerCounts, Habits

K, CHAINS = 3, 4


@pytest.fixture
def people() -> Annotations:
    """Two who share all texts and nearly always agree, and one who shares few."""
    rng = np.random.default_rng(0)
    first = rng.integers(K, size=40).astype(float)
    second = np.where(rng.random(40) < 0.95, first, (first + 1) % K)
    third = np.where(np.arange(40) < 5, first, np.nan)
    return Annotations.from_wide(np.column_stack([first, second, third]), classes=list(range(K)))


def prior() -> HabitPrior:
    habits = Habits.of(K)
    crowd = np.tile(1.0 - np.eye(K), (CHAINS, 1, 1))
    log_share = np.full((CHAINS, len(habits.kind)), -np.log(len(habits.kind)))
    return HabitPrior(habits, log_share, crowd, np.ones(CHAINS, dtype=np.int64))


def test_the_source_is_the_colleague_with_whom_most_is_shared(people: Annotations) -> None:
    copying = find_sources(people)
    assert copying.source.tolist() == [-1, 0, -1]
    assert copying.log_chance[1] == pytest.approx(np.log(40 / 45))
    assert (people.annotator[copying.partner] == 0).all()
    np.testing.assert_array_equal(people.text[copying.partner], people.text[copying.rows])


def test_where_the_classes_are_sure_the_estimate_is_exact_however_confusions_are_drawn(
    people: Annotations,
) -> None:
    pairs = Pairs.of(people, find_sources(people))
    truth = pairs.theirs
    sure = np.tile(np.log(np.maximum(np.eye(K)[truth], 1e-30)), (CHAINS, 1, 1))
    none = AnswerCounts(np.zeros((CHAINS, 1, K, K)))
    closed = np.where(np.isin(prior().habits.kind, [COPYING, EXPERT]), -np.inf, 0.0)[None].repeat(3, axis=0)
    confusion = np.full((CHAINS, 3, K, K), 1 / K)
    counts = np.zeros((CHAINS, 1, K, K))
    np.add.at(counts[0, 0], (truth, pairs.mine), 1.0)
    counts[:] = counts[0]
    exact = -logsumexp(prior().log_joint(AnswerCounts(counts), closed[:1]), axis=2)
    exact += logsumexp(prior().log_joint(none, closed[:1]), axis=2)
    for seed in range(3):
        got = pairs.log_odds(prior(), closed, sure, confusion, (none, none), np.random.default_rng(seed))
        np.testing.assert_allclose(got, exact, atol=1e-6)
