"""May a machine replace a person? The alternative annotator test.

Calderon, Reichart & Dror 2025, "The Alternative Annotator Test for LLM-as-a-Judge" (ACL): each person in turn
is left out, and machine and person are compared on how well they agree with the others. The machine may stand
in for a person where it does at least as well as most people do, up to what a person costs more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr

from jurybox.annotations import Annotations
from jurybox.arrays import Floats, Ints
from jurybox.errors import InputError

__all__ = ["Replacement", "Rival", "alternative_annotator_test"]


@dataclass(frozen=True)
class Rival:
    """The machine against one person, who is left out of those it is compared by.

    Attributes
    ----------
    annotator
        Position of the person.
    texts
        That the person, the machine and someone else have labelled.
    machine_wins, person_wins
        Shares of these on which each agrees with the others at least as well as the other one.
    p_value
        Of the hypothesis that the person wins more often by the allowance or more.
    beaten
        Whether it is rejected, with the false discovery rate over all people kept.
    """

    annotator: int
    texts: int
    machine_wins: float
    person_wins: float
    p_value: float
    beaten: bool


@dataclass(frozen=True)
class Replacement:
    """Whether a machine may replace a person.

    Attributes
    ----------
    rivals
        People with enough texts.
    winning_rate
        Share of them whom the machine beats.
    advantage
        Mean probability that it does at least as well as a person.
    passed
        Whether the winning rate is at least one half; None with fewer than three people.
    verdict
        The same in words.
    """

    rivals: tuple[Rival, ...]
    winning_rate: float
    advantage: float
    passed: bool | None
    verdict: str


def alternative_annotator_test(
    annotations: Annotations,
    answers: ArrayLike,
    *,
    allowance: float = 0.1,
    false_discoveries: float = 0.05,
    least_texts: int = 30,
) -> Replacement:
    """Test whether a machine may replace a person.

    For person j and text i of those that j, the machine and somebody else have labelled, S^f_ij is the share
    of the others who say what the machine says, and S^h_ij that of those who say what j says. With W^f_ij =
    [S^f_ij >= S^h_ij], W^h_ij the reverse and d_ij = W^h_ij - W^f_ij, a one-sided t-test rejects mean d_j >=
    allowance; over people by the rule of Benjamini & Yekutieli 2001.

    Parameters
    ----------
    annotations
        Labels of people.
    answers : array-like of int, shape (N,)
        Position of the class that the machine gives each text, -1 where it gives none.
    allowance
        By how much more often a person may win: what a person costs more. The paper takes .2 against experts,
        .15 against skilled annotators and .1 against crowds.
    false_discoveries
        Expected share of wrong rejections.
    least_texts
        People with fewer texts are left out.

    Raises
    ------
    InputError
        If ``answers`` is not of shape (N,), or an argument is out of range.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> truth = rng.integers(0, 2, 200)
    >>> people = np.where(rng.random((200, 4)) < 0.8, truth[:, None], 1 - truth[:, None])
    >>> alternative_annotator_test(Annotations.from_wide(people), truth).verdict
    'passed: it does as well as 4 of 4 people, at least half'
    """
    if not 0 <= allowance < 1 or not 0 < false_discoveries < 1 or least_texts < 2:
        raise InputError(
            f"allowance is {allowance}, false_discoveries {false_discoveries} and least_texts {least_texts}, "
            "expected a share, a share above 0, and at least 2"
        )
    said = np.asarray(answers, dtype=np.int64)
    N, K = annotations.n_texts, annotations.n_classes
    if said.shape != (N,) or not -1 <= said.min(initial=0) <= said.max(initial=0) < K:
        raise InputError(
            f"answers has shape {said.shape}, expected ({N},), with -1 (none) or positions of {K} classes"
        )
    found = []
    for j in range(annotations.n_annotators):
        machine, person = _wins(annotations, said, j)
        if len(machine) >= least_texts:
            found.append((j, machine, person))
    p_values = np.array([_p_value(person - machine, allowance) for _, machine, person in found])
    beaten = _rejected(p_values, false_discoveries)
    rivals = tuple(
        Rival(j, len(machine), float(machine.mean()), float(person.mean()), float(p), bool(won))
        for (j, machine, person), p, won in zip(found, p_values, beaten, strict=True)
    )
    rate = float(beaten.mean()) if len(rivals) else 0.0
    advantage = float(np.mean([rival.machine_wins for rival in rivals])) if rivals else 0.0
    passed = None if len(rivals) < 3 else rate >= 0.5
    verdict = _words(len(rivals), int(beaten.sum()), passed, least_texts)
    return Replacement(rivals, rate, advantage, passed, verdict)


def _wins(annotations: Annotations, said: Ints, j: int) -> tuple[Floats, Floats]:
    """Return W^f_j and W^h_j over the texts that can be compared, each of shape (n_j,)."""
    mine = annotations.annotator == j
    texts, own = annotations.text[mine], annotations.label[mine]
    others = annotations.n_labels[texts] - 1
    compared = (said[texts] >= 0) & (others > 0)
    texts, own, others = texts[compared], own[compared], others[compared]
    counts = annotations.counts
    of_person = (counts[texts, own] - 1) / others
    of_machine = (counts[texts, said[texts]] - (said[texts] == own)) / others
    return (of_machine >= of_person).astype(np.float64), (of_person >= of_machine).astype(np.float64)


def _p_value(d: Floats, allowance: float) -> float:
    """Of the hypothesis that the mean of d (n,) is at least the allowance."""
    spread = d.std(ddof=1)
    if spread == 0:
        return float(d.mean() >= allowance)
    t = (d.mean() - allowance) / (spread / np.sqrt(len(d)))
    return float(stdtr(len(d) - 1, t))


def _rejected(p_values: Floats, q: float) -> NDArray[np.bool_]:
    """Reject by Benjamini & Yekutieli 2001: hypotheses may depend on each other in any way."""
    m = len(p_values)
    rejected = np.zeros(m, dtype=bool)
    order = np.argsort(p_values, kind="stable")
    bounds = q * np.arange(1, m + 1) / (m * (1 / np.arange(1, m + 1)).sum()) if m else p_values
    below = np.flatnonzero(p_values[order] <= bounds)
    if len(below):
        rejected[order[: below[-1] + 1]] = True
    return rejected


def _words(n_people: int, beaten: int, passed: bool | None, least: int) -> str:
    if passed is None:
        return (
            f"unknown: {n_people} people share at least {least} texts with others and the machine, expected 3"
        )
    against = f"it does as well as {beaten} of {n_people} people"
    return f"passed: {against}, at least half" if passed else f"failed: {against}, less than half"
