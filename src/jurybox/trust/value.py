"""What one more answer is worth: by how much it is expected to lower the error of a consensus.

A text is in state t (its class and difficulty) with probability q_t, somebody answers l with probability
A_tl, and a large crowd's majority says m with probability O_tm. The error of the best label is
``1 - max_m sum_t q_t O_tm``, and n answers lower it on average by

    g(n) = sum_y n! / prod_l y_l!  max_m sum_t q_t prod_l A_tl^y_l O_tm  -  max_m sum_t q_t O_tm,

y the numbers of answers of each class, which sum to n. One answer can be worth nothing where two are worth
something, since it alone changes no label; what counts is ``max_n g(n) / n`` (Frazier & Powell 2010,
"Paradoxes in learning and the marginal value of information", Decision Analysis 7).

A machine repeats what other machines have said. With the voices of `jurybox.classifiers.panel`,
``w_s = 1 / sum_t max(0, R_st)`` over those that have answered, its answer adds ``V(T + s) - V(T)`` votes, V
the sum of voices: nothing for a copy, one for a machine of its own mind. Its gain counts in this proportion.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations_with_replacement
from math import comb, factorial, prod

import numpy as np
from numpy.typing import ArrayLike

from jurybox.arrays import Bools, Floats
from jurybox.errors import InputError

__all__ = ["added_voice", "answers_of_machine", "expected_gain", "gain_per_answer"]

_MOST_ANSWERS, _MOST_OUTCOMES = 3, 60
_CHUNK = 2_000_000
_PSEUDO = 4.0  # answers that a row of a machine's confusions is believed to have before any


def expected_gain(states: ArrayLike, answers: ArrayLike, outcome: ArrayLike, n: int = 1) -> Floats:
    """Return by how much n answers are expected to lower the error of each text, shape (N,).

    Parameters
    ----------
    states : array-like, shape (N, T)
        q, rows sum to 1.
    answers : array-like, shape (T, K)
        A, rows sum to 1.
    outcome : array-like, shape (T, K)
        O, rows sum to 1.
    n
        Answers, independent of each other given the state.

    Raises
    ------
    InputError
        If the shapes do not match, or n is below 1.

    Examples
    --------
    One answer, right in 80 % of the cases, decides what is a toss-up, and changes nothing at 90 %:

    >>> gains = expected_gain([[0.5, 0.5], [0.9, 0.1]], [[0.8, 0.2], [0.2, 0.8]], np.eye(2))
    >>> gains.round(3).tolist()
    [0.3, 0.0]
    """
    q, A, O = (np.asarray(one, dtype=np.float64) for one in (states, answers, outcome))  # noqa: E741
    if q.ndim != 2 or A.shape != O.shape or A.ndim != 2 or len(A) != q.shape[1] or n < 1:
        raise InputError(
            f"states has shape {q.shape}, answers {A.shape}, outcome {O.shape} and n is {n}, "
            "expected (N, T), (T, K), (T, K) and at least 1"
        )
    before = (q @ O).max(axis=1)
    after = np.zeros(len(q))
    for weight in _outcomes(A, n):
        after += (q @ (weight[:, None] * O)).max(axis=1)
    return np.asarray(np.maximum(after - before, 0.0))


def gain_per_answer(states: ArrayLike, answers: ArrayLike, outcome: ArrayLike) -> Floats:
    """Return ``max_n g(n) / n`` of each text, shape (N,); parameters and errors as of `expected_gain`.

    Of up to three answers, fewer where there are many classes.

    Examples
    --------
    >>> gain_per_answer([[0.9, 0.1]], [[0.8, 0.2], [0.2, 0.8]], np.eye(2)).round(4).tolist()
    [0.0147]
    """
    q = np.asarray(states, dtype=np.float64)
    K = np.asarray(answers).shape[-1]
    sizes = [n for n in range(1, _MOST_ANSWERS + 1) if n == 1 or comb(K + n - 1, n) <= _MOST_OUTCOMES]
    parts = np.array_split(q, q.size // _CHUNK + 1)
    found = [np.max([expected_gain(part, answers, outcome, n) / n for n in sizes], axis=0) for part in parts]
    return np.asarray(np.concatenate(found))


def answers_of_machine(counts: ArrayLike) -> Floats:
    """Return how a machine answers texts of each class, shape (K, K), rows sum to 1.

    Parameters
    ----------
    counts : array-like, shape (K, K)
        Texts, or expected numbers of texts, by their class and what the machine said. Each row is drawn, by
        four answers, to what it would be if the machine were equally good at all classes.

    Examples
    --------
    >>> answers_of_machine([[8, 2], [0, 0]]).round(2).tolist()
    [[0.79, 0.21], [0.25, 0.75]]
    """
    n = np.asarray(counts, dtype=np.float64)
    K = len(n)
    right = (np.trace(n) + 1) / (n.sum() + 2)
    usual = np.full((K, K), (1 - right) / max(K - 1, 1))
    np.fill_diagonal(usual, right)
    return np.asarray((n + _PSEUDO * usual) / (n.sum(axis=1, keepdims=True) + _PSEUDO))


def added_voice(answered: Bools, correlation: Floats, machine: int) -> Floats:
    """Return how many votes a machine's answer adds to those that each text has, shape (N,), from 0 to 1.

    Parameters
    ----------
    answered : ndarray of bool, shape (N, S)
        Which machines have answered about each text.
    correlation : ndarray, shape (S, S)
        Of their answers, see `jurybox.classifiers.panel.source_correlation`.
    machine
        Its position.

    Examples
    --------
    >>> correlation = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    >>> added_voice(np.array([[True, False, False], [False, False, True]]), correlation, 1).tolist()
    [0.0, 1.0]
    """
    others = np.array(answered)
    others[:, machine] = False
    patterns, which = np.unique(others, axis=0, return_inverse=True)
    R = np.maximum(correlation, 0)
    votes = np.array([_votes(R, np.append(np.flatnonzero(p), machine)) - _votes(R, p) for p in patterns])
    return np.asarray(np.clip(votes, 0, 1)[which.ravel()])


def _votes(R: Floats, chosen: Bools | np.ndarray[tuple[int], np.dtype[np.int64]]) -> float:
    """Return the sum of the voices of some machines."""
    return float((1 / R[chosen][:, chosen].sum(axis=1)).sum())


def _outcomes(A: Floats, n: int) -> Iterator[Floats]:
    """Yield how likely each state makes every multiset of n answers, shape (T,)."""
    for said in combinations_with_replacement(range(A.shape[1]), n):
        times = np.bincount(said)
        ways = factorial(n) // prod(factorial(int(y)) for y in times)
        yield ways * A[:, list(said)].prod(axis=1)
