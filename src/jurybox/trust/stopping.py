"""When to stop: rules by name, each with a verdict after every round.

- ``target``: the lower bound of the accuracy on the audit sample has reached what was wanted.
- ``stable``: the predictions hardly change any more from round to round (Bloodgood & Vijay-Shanker 2009, "A
  Method for Stopping Active Learning Based on Stabilizing Predictions and the Need for User-Adjustable
  Stopping", https://aclanthology.org/W09-1107/).
- ``exhausted``: the forecast of the learning curve has nothing left to gain.
- ``budget``: the labels that were to be paid for are there.

A verdict is advice. Nothing stops by itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import ArrayLike

from jurybox.arrays import Floats
from jurybox.errors import InputError
from jurybox.trust.forecast import CURVES, CurvePrior, curve_posterior
from jurybox.trust.intervals import Interval

__all__ = [
    "RULES",
    "Budget",
    "Exhausted",
    "RoundFacts",
    "Stable",
    "StopRule",
    "TargetAccuracy",
    "Verdict",
    "evaluate_rules",
    "prediction_stability",
    "rules_for",
]

RULES = {
    "target": "the audit's lower bound has reached the accuracy that is wanted",
    "stable": "predictions hardly change from round to round",
    "exhausted": "further labels are not forecast to bring anything",
    "budget": "the labels that were to be paid for are there",
}


@dataclass(frozen=True)
class RoundFacts:
    """What the rules know of a round.

    Attributes
    ----------
    labels
        Labels that it learnt from.
    accuracy
        Of its model on the audit sample; None where nothing of that is labelled yet.
    stability
        Agreement of its predictions with those of the round before, as `prediction_stability` has it; None
        where there is none.
    paid
        Labels paid for by then, the audit's among them; None: as many as it learnt from.
    """

    labels: int
    accuracy: Interval | None = None
    stability: float | None = None
    paid: int | None = None


@dataclass(frozen=True)
class Verdict:
    """What a rule says after a round.

    Attributes
    ----------
    rule
        Its name.
    stop
        Whether it says to stop.
    value
        What it looks at; None where that is not known.
    threshold
        What the value is compared with.
    why
        The same in words.
    """

    rule: str
    stop: bool
    value: float | None
    threshold: float
    why: str


class StopRule(Protocol):
    """Says after each round whether to stop."""

    name: ClassVar[str]

    def judge(self, history: Sequence[RoundFacts]) -> Verdict:
        """Return the verdict on rounds, the last of which is the present one; there is at least one."""
        ...


@dataclass(frozen=True)
class TargetAccuracy:
    """Stop once the lower bound of the accuracy on the audit sample is at least `accuracy`."""

    accuracy: float
    name: ClassVar[str] = "target"

    def __post_init__(self) -> None:
        _check_share("accuracy", self.accuracy)

    def judge(self, history: Sequence[RoundFacts]) -> Verdict:
        """Compare the last round's lower bound with the target."""
        found = history[-1].accuracy
        if found is None:
            return Verdict(
                self.name, False, None, self.accuracy, "no text of the audit sample is labelled yet"
            )
        reached = found.low >= self.accuracy
        why = (
            f"accuracy is at least {found.low:.3f} (estimate {found.estimate:.3f}), "
            f"{'which reaches' if reached else 'short of'} {self.accuracy:.3f}"
        )
        return Verdict(self.name, reached, found.low, self.accuracy, why)


@dataclass(frozen=True)
class Stable:
    """Stop once the last `rounds` rounds agreed with the ones before at a mean of at least `kappa`."""

    kappa: float = 0.97
    rounds: int = 3
    name: ClassVar[str] = "stable"

    def __post_init__(self) -> None:
        _check_share("kappa", self.kappa)
        _check_at_least("rounds", self.rounds, 1)

    def judge(self, history: Sequence[RoundFacts]) -> Verdict:
        """Average the agreement of the last rounds."""
        found = [facts.stability for facts in history[-self.rounds :]]
        known = [value for value in found if value is not None]
        if len(known) < self.rounds:
            why = f"fewer than {self.rounds} rounds can be compared with the one before"
            return Verdict(self.name, False, None, self.kappa, why)
        mean = sum(known) / len(known)
        why = (
            f"predictions of the last {self.rounds} rounds agree with the ones before at a mean kappa of "
            f"{mean:.3f}, {'at least' if mean >= self.kappa else 'below'} {self.kappa:.3f}"
        )
        return Verdict(self.name, mean >= self.kappa, mean, self.kappa, why)


@dataclass(frozen=True)
class Exhausted:
    """Stop once `labels` more labels will bring less than `gain` of accuracy with this `probability`."""

    labels: int = 200
    gain: float = 0.02
    probability: float = 0.8
    prior: CurvePrior = CURVES
    name: ClassVar[str] = "exhausted"

    def __post_init__(self) -> None:
        _check_at_least("labels", self.labels, 1)
        _check_share("gain", self.gain)
        _check_share("probability", self.probability)

    def judge(self, history: Sequence[RoundFacts]) -> Verdict:
        """Forecast the gain from all rounds that have an audit."""
        known = [(facts.labels, facts.accuracy) for facts in history if facts.accuracy is not None]
        if len(known) < 2:
            why = "fewer than two rounds have an estimate of their accuracy"
            return Verdict(self.name, False, None, self.probability, why)
        n = np.array([labels for labels, _ in known], dtype=np.float64)
        at = n[-1] + np.array([0.0, self.labels])
        accuracy = [accuracy for _, accuracy in known]
        posterior = curve_posterior(n, accuracy, at, prior=self.prior).starting_from(accuracy[-1])
        little = 1 - posterior.probability_of_gain(0, 1, self.gain)
        why = (
            f"with probability {little:.2f} the next {self.labels} labels bring less than {self.gain:.3f} of "
            f"accuracy; {self.probability:.2f} is asked for"
        )
        return Verdict(self.name, little >= self.probability, little, self.probability, why)


@dataclass(frozen=True)
class Budget:
    """Stop once `labels` labels are there."""

    labels: int
    name: ClassVar[str] = "budget"

    def __post_init__(self) -> None:
        _check_at_least("labels", self.labels, 1)

    def judge(self, history: Sequence[RoundFacts]) -> Verdict:
        """Count the labels paid for."""
        last = history[-1]
        spent = last.labels if last.paid is None else last.paid
        why = f"{spent} of {self.labels} labels are paid for"
        return Verdict(self.name, spent >= self.labels, spent, self.labels, why)


def rules_for(*, target_accuracy: float | None = None, budget: int | None = None) -> tuple[StopRule, ...]:
    """Return the rules of a project: those that need a number of its own where that is set.

    Examples
    --------
    >>> [rule.name for rule in rules_for(budget=500)]
    ['stable', 'exhausted', 'budget']
    """
    rules: list[StopRule] = [] if target_accuracy is None else [TargetAccuracy(target_accuracy)]
    rules += [Stable(), Exhausted()]
    return (*rules, *(() if budget is None else (Budget(budget),)))


def evaluate_rules(history: Sequence[RoundFacts], rules: Iterable[StopRule]) -> tuple[Verdict, ...]:
    """Return what each rule says after the last of some rounds.

    Parameters
    ----------
    history
        Rounds, in order; cut it short to learn what was said after an earlier one.
    rules
        As `rules_for` returns them.

    Raises
    ------
    InputError
        Without a round.

    Examples
    --------
    >>> rounds = [RoundFacts(200, Interval(0.93, 0.88, 0.96)), RoundFacts(225, Interval(0.95, 0.91, 0.98))]
    >>> [
    ...     (verdict.rule, verdict.stop)
    ...     for verdict in evaluate_rules(rounds, [TargetAccuracy(0.9), Budget(400)])
    ... ]
    [('target', True), ('budget', False)]
    """
    if not history:
        raise InputError("there is no round to judge yet; play one first")
    return tuple(rule.judge(history) for rule in rules)


def prediction_stability(before: ArrayLike, now: ArrayLike) -> float | None:
    """Return Cohen's kappa between the classes that two rounds predict for the same texts.

    ``kappa = (p_o - p_e) / (1 - p_e)``, with the share p_o of texts predicted alike and the share p_e that
    would be by chance.

    Parameters
    ----------
    before, now : array-like, shapes (N', K') and (N, K)
        Out-of-sample probabilities; texts and classes that came later are left out.

    Returns
    -------
    float or None
        None where nothing can be compared: no text, or one and the same class predicted for all of them.

    References
    ----------
    Cohen 1960, "A coefficient of agreement for nominal scales"; Bloodgood & Vijay-Shanker 2009.

    Examples
    --------
    >>> prediction_stability([[0.9, 0.1], [0.2, 0.8]], [[0.6, 0.4], [0.4, 0.6]])
    1.0
    >>> prediction_stability([[0.9, 0.1], [0.8, 0.2]], [[0.6, 0.4], [0.7, 0.3]]) is None
    True
    """
    first, second = np.asarray(before), np.asarray(now)
    N, K = min(len(first), len(second)), max(first.shape[1], second.shape[1])
    a, b = first[:N].argmax(axis=1), second[:N].argmax(axis=1)
    together: Floats = np.bincount(a * K + b, minlength=K * K).reshape(K, K) / max(N, 1)
    chance = float(together.sum(axis=0) @ together.sum(axis=1))
    if N == 0 or math.isclose(chance, 1.0):
        return None
    return float((np.trace(together) - chance) / (1 - chance))


def _check_share(name: str, value: object) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < 1:
        raise InputError(f"{name} is {value!r}, expected a number above 0 and below 1")


def _check_at_least(name: str, value: object, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise InputError(f"{name} is {value!r}, expected a whole number of at least {least}")
