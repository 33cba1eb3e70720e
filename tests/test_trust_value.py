"""What one more answer is worth, against an enumeration of everything that can be answered."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jurybox.errors import InputError
from jurybox.trust.value import added_voice, answers_of_machine, expected_gain, gain_per_answer


def rows(rng: np.random.Generator, n: int, k: int) -> np.ndarray:
    return rng.dirichlet(np.ones(k), n)


def by_enumeration(q: np.ndarray, A: np.ndarray, O: np.ndarray, n: int) -> float:  # noqa: E741
    """Go through every sequence of answers, one at a time."""
    after = 0.0
    for said in product(range(A.shape[1]), repeat=n):
        joint = [q[t] * np.prod([A[t, y] for y in said]) for t in range(len(q))]
        after += max(sum(joint[t] * O[t, m] for t in range(len(q))) for m in range(O.shape[1]))
    return float(after - max(sum(q[t] * O[t, m] for t in range(len(q))) for m in range(O.shape[1])))


@pytest.mark.slow
@given(st.integers(0, 10_000), st.integers(1, 3), st.integers(2, 4))
def test_gains_are_those_of_all_that_can_be_answered(seed: int, n: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    q, A, outcome = rows(rng, 3, 5), rows(rng, 5, k), rows(rng, 5, k)
    found = expected_gain(q, A, outcome, n)
    assert found == pytest.approx([by_enumeration(one, A, outcome, n) for one in q], abs=1e-12)
    assert (expected_gain(q, A, outcome, n + 1) >= found - 1e-12).all()  # knowing more does no harm
    best = gain_per_answer(q, A, outcome)
    assert best == pytest.approx(np.max([expected_gain(q, A, outcome, m) / m for m in (1, 2, 3)], axis=0))


def test_who_guesses_brings_nothing_and_who_knows_brings_all_that_is_wrong() -> None:
    q = [[0.7, 0.3], [0.5, 0.5]]
    assert gain_per_answer(q, np.full((2, 2), 0.5), np.eye(2)) == pytest.approx([0, 0])
    assert gain_per_answer(q, np.eye(2), np.eye(2)) == pytest.approx([0.3, 0.5])


def test_many_classes_are_looked_at_one_answer_ahead() -> None:
    K = 30
    q = np.full((2, K), 1 / K)
    assert gain_per_answer(q, np.eye(K), np.eye(K)) == pytest.approx([1 - 1 / K] * 2)


def test_a_copy_adds_no_vote() -> None:
    correlation = np.array([[1, 1, 0.5], [1, 1, 0.5], [0.5, 0.5, 1]])
    answered = np.array([[0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]], dtype=bool)
    assert added_voice(answered, correlation, 0) == pytest.approx([1, 0, 1 / 3, 0])
    assert added_voice(answered, np.eye(3), 0) == pytest.approx([1, 1, 1, 1])


def test_confusions_are_drawn_to_what_is_usual() -> None:
    assert answers_of_machine(np.zeros((3, 3))) == pytest.approx(np.full((3, 3), 0.25) + 0.25 * np.eye(3))
    many = answers_of_machine([[900, 100], [300, 700]])
    assert many == pytest.approx(np.array([[0.9, 0.1], [0.3, 0.7]]), abs=0.002)


def test_shapes_that_do_not_match_are_refused() -> None:
    with pytest.raises(InputError, match=r"states has shape \(1, 3\)"):
        expected_gain(np.ones((1, 3)), np.eye(2), np.eye(2))
