"""When to stop a project: forecast, stop rules, what choosing texts has saved, what the labels cost.

A paid label is an annotation that stands, whoever gave it and whatever for, unless it was given to a whole
cluster at once: costs and the budget mean the same labels. A round learns from fewer of them: the audit's are
never trained on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeAlias

import numpy as np

from jurybox.annotations import Annotations
from jurybox.arrays import Bools, Ints
from jurybox.labelled import annotations_at
from jurybox.project.auditing import JudgedRound
from jurybox.project.basis import Basis, Moment
from jurybox.store.records import RoundInfo
from jurybox.trust.annotators import median_per_annotator
from jurybox.trust.estimates import AuditEvidence
from jurybox.trust.forecast import forecast
from jurybox.trust.intervals import Interval
from jurybox.trust.savings import Savings, estimate_savings
from jurybox.trust.stopping import RoundFacts, Verdict, evaluate_rules, rules_for

_MORE = (100, 500, 1_000)

RandomArm: TypeAlias = Callable[[Annotations, Ints, Bools], list[tuple[int, Ints]]]
"""Trains on growing parts of the texts that were drawn at random, see `jurybox.project.rounds`."""


@dataclass(frozen=True)
class Effort:
    """What the labels took.

    Attributes
    ----------
    basis
        What it rests on.
    labels
        Labels paid for, those of people who are left out among them, those of whole clusters not.
    annotators
        How many people gave them.
    median_seconds
        Median over these people of their median time on task; None where unknown.
    price, cost
        Of a label, and of all; None without a price.
    budget
        Labels that are to be paid for; None where nothing is said.
    """

    basis: Basis
    labels: int
    annotators: int
    median_seconds: float | None
    price: float | None
    cost: float | None
    budget: int | None


@dataclass(frozen=True)
class Outlook:
    """What so many more labels will bring, and what they cost; None without a price."""

    labels: int
    accuracy: Interval
    cost: float | None


@dataclass(frozen=True)
class AccuracyForecast:
    """The accuracy of the model, today and with more labels.

    Attributes
    ----------
    basis
        What it rests on.
    n_rounds
        Audited rounds that it rests on.
    labels
        Labels that the last of them learnt from.
    now
        Its accuracy by the audit.
    points
        What more labels will bring.
    """

    basis: Basis
    n_rounds: int
    labels: int
    now: Interval
    points: tuple[Outlook, ...]


@dataclass(frozen=True)
class RoundVerdicts:
    """What every stop rule said after a round, by all labels known today.

    Attributes
    ----------
    round
        Number of the round.
    labels
        Labels that it learnt from.
    verdicts
        One a rule.
    """

    round: int
    labels: int
    verdicts: tuple[Verdict, ...]


def measure_effort(inputs: Moment) -> Effort:
    """Return what the labels took."""
    medians = median_per_annotator(inputs.annotations, inputs.evidence.seconds)
    times = medians[np.isfinite(medians)].tolist()
    price, labels = inputs.settings.cost_per_label, inputs.paid
    given = inputs.annotations.annotators[inputs.annotations.labels_per_annotator > 0]
    return Effort(
        basis=inputs.basis,
        labels=labels,
        annotators=len({*given.tolist()} - inputs.at_once),
        median_seconds=median(times) if times else None,
        price=price,
        cost=None if price is None else price * labels,
        budget=inputs.settings.budget,
    )


def steps_ahead(room: int) -> tuple[int, ...]:
    """Return the numbers of further labels that are spoken of, where there is room for so many.

    Examples
    --------
    >>> steps_ahead(20_000), steps_ahead(70), steps_ahead(0)
    ((100, 500, 1000), (7, 35, 70), ())
    """
    most = min(room, _MORE[-1])
    return tuple(sorted({most * more // _MORE[-1] for more in _MORE} - {0}))


def forecast_accuracy(
    inputs: Moment, judged: Sequence[JudgedRound], more: Sequence[int]
) -> AccuracyForecast | None:
    """Return what more labels will bring; None before a round has been judged by the audit sample.

    Parameters
    ----------
    more
        Numbers of labels from today.
    """
    known = [(one.labels, one.accuracy) for one in _rising(judged) if one.accuracy is not None]
    if not known:
        return None
    found = forecast([labels for labels, _ in known], [accuracy for _, accuracy in known], more)
    price = inputs.settings.cost_per_label
    return AccuracyForecast(
        basis=inputs.basis,
        n_rounds=found.n_rounds,
        labels=found.labels,
        now=found.now,
        points=tuple(
            Outlook(point.labels, point.accuracy, None if price is None else price * point.labels)
            for point in found.points
        ),
    )


def judge_rules(inputs: Moment, judged: Sequence[JudgedRound]) -> tuple[RoundVerdicts, ...]:
    """Return what every stop rule said after each round with a model."""
    rounds = _rising(judged)
    rules = rules_for(target_accuracy=inputs.settings.target_accuracy, budget=inputs.settings.budget)
    paid = [one.info.diagnostics.get("paid", one.info.n_annotations) for one in rounds[:-1]] + [inputs.paid]
    facts = [
        RoundFacts(one.labels, one.accuracy, _stability(one.info), labels)
        for one, labels in zip(rounds, paid, strict=False)
    ]
    return tuple(
        RoundVerdicts(one.info.number, one.labels, evaluate_rules(facts[: place + 1], rules))
        for place, one in enumerate(rounds)
    )


def judge_savings(
    inputs: Moment,
    judged: Sequence[JudgedRound],
    evidence: AuditEvidence | None,
    random_arm: RandomArm,
) -> Savings | None:
    """Return how many labels random choice would have needed; None before a round has been judged.

    Trains the classifier on the texts that were drawn at random alone, at several sizes, and judges it by the
    same audit sample as the last round.
    """
    known = [(one.labels, one.accuracy) for one in _rising(judged) if one.accuracy is not None]
    if evidence is None or not known:
        return None
    labels, accuracy = known[-1]
    audit = inputs.evidence.audit
    points = random_arm(_drawn(inputs), audit, inputs.experts)
    curve = [evidence.judge(audit, predicted, rng=inputs.rng()).accuracy for _, predicted in points]
    return estimate_savings(labels, accuracy, [size for size, _ in points], curve, rng=inputs.rng(labels))


def _rising(judged: Sequence[JudgedRound]) -> list[JudgedRound]:
    """Return the last round of each number of labels, the labels rising."""
    last = {one.labels: one for one in judged}
    return [last[labels] for labels in sorted(last)]


def _drawn(inputs: Moment) -> Annotations:
    """Return those of the annotations whose texts were drawn by chance."""
    given, by_chance = inputs.annotations, inputs.independent[inputs.independent[:, 3] == 1]
    M = given.n_annotators
    drawn = np.isin(given.text.astype(np.int64) * M + given.annotator, by_chance[:, 0] * M + by_chance[:, 1])
    return annotations_at(given, drawn)


def _stability(info: RoundInfo) -> float | None:
    noted = info.diagnostics.get("stability")
    return float(noted) if isinstance(noted, int | float) else None
