"""How a project stands and what to do next: one sentence, from the same records as everything else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from jurybox.numerals import count
from jurybox.project.annotators import AnnotatorBelief
from jurybox.project.audit import WITHIN, plan_audit
from jurybox.project.auditing import Accuracy
from jurybox.project.basis import Basis, Moment
from jurybox.project.stopping import AccuracyForecast, RoundVerdicts
from jurybox.store.records import Role, Standing
from jurybox.trust.intervals import Interval

_ROUNDED = 0.005  # pages show whole per cents


class Step(StrEnum):
    """What comes next."""

    TEXTS = "texts"
    INVITE = "invite"
    PERSON = "person"
    START = "start"
    REACHED = "reached"
    GROW = "grow"
    AUDIT = "audit"
    BUDGET = "budget"
    EXHAUSTED = "exhausted"
    FULL = "full"
    MORE = "more"


class Judged(Protocol):
    """What is known of a project, by whatever record holds it."""

    @property
    def basis(self) -> Basis:
        """What it rests on."""
        ...

    @property
    def accuracy(self) -> tuple[Accuracy, ...]:
        """How good model and consensus are."""
        ...

    @property
    def annotators(self) -> tuple[AnnotatorBelief, ...]:
        """What is believed of each annotator."""
        ...

    @property
    def forecast(self) -> AccuracyForecast | None:
        """What further labels would bring."""
        ...

    @property
    def verdicts(self) -> tuple[RoundVerdicts, ...]:
        """What the stop rules said, round by round."""
        ...


@dataclass(frozen=True)
class Advice:
    """How a project stands, and the next step.

    Attributes
    ----------
    basis
        What it rests on.
    step
        What to do.
    accuracy
        Of the last judged model; None before there is one.
    person
        Who is to be looked at.
    texts, labels, cost
        Audit texts to add, labels that the step takes, and their price; 0 and None where it takes none.
    within
        Half the width of the accuracy's interval after the step.
    target
        The accuracy that is wanted.
    expected
        The accuracy after so many further labels.
    """

    basis: Basis
    step: Step
    accuracy: Interval | None = None
    person: AnnotatorBelief | None = None
    texts: int = 0
    labels: int = 0
    cost: float | None = None
    within: float | None = None
    target: float | None = None
    expected: Interval | None = None


def advise(inputs: Moment, judged: Judged | None) -> Advice:
    """Say how a project stands and what to do next.

    Parameters
    ----------
    inputs
        The project at this moment.
    judged
        What was found out about it, maybe some time ago; None before anything was.
    """
    basis = inputs.basis
    if inputs.annotations.n_texts == 0:
        return Advice(basis, Step.TEXTS)
    if basis.labels == 0 and all(person.role == Role.OWNER for person in inputs.people):
        return Advice(basis, Step.INVITE)
    if judged is None:
        return Advice(basis, Step.START)
    if suspects := of_concern(inputs, judged.annotators):
        return Advice(judged.basis, Step.PERSON, person=suspects[0])
    if not judged.accuracy:
        now = plan_audit(inputs, ()).now
        return Advice(judged.basis, Step.START, labels=now.labels, cost=now.cost)
    return _by_accuracy(inputs, judged)


def of_concern(inputs: Moment, annotators: Sequence[AnnotatorBelief]) -> list[AnnotatorBelief]:
    """Return the people at work whose labels deserve a look, the surest first."""
    at_work = {one.name for one in inputs.people if one.standing == Standing.ACTIVE and not one.left_out}
    found = [(one.suspect.probability, one) for one in annotators if one.suspect and one.name in at_work]
    return [one for _, one in sorted(found, key=lambda pair: -pair[0])]


def _by_accuracy(inputs: Moment, judged: Judged) -> Advice:
    last, settings = judged.accuracy[-1], inputs.settings
    plan = plan_audit(inputs, judged.accuracy)  # of this moment: the sample may have grown since
    accuracy = Interval(last.estimate, last.low, last.high)
    stops = {one.rule for one in judged.verdicts[-1].verdicts if one.stop} if judged.verdicts else set()

    def say(step: Step, *, texts: int = 0, labels: int = 0, cost: float | None = None,
            within: float | None = None, expected: Interval | None = None) -> Advice:  # fmt: skip
        return Advice(
            judged.basis,
            step,
            accuracy,
            None,
            texts,
            labels,
            cost,
            within,
            settings.target_accuracy,
            expected,
        )

    if "target" in stops:
        return say(Step.REACHED)
    if (last.high - last.low) / 2 > WITHIN + _ROUNDED:
        complete = plan.labelled == plan.texts  # else those that are there are labelled first
        if complete and plan.now.within > WITHIN + _ROUNDED and plan.enough is not None:
            size = plan.enough
            more = size.texts - plan.texts
            return say(Step.GROW, texts=more, labels=size.labels, cost=size.cost, within=size.within)
        if plan.now.labels:
            now = plan.now
            return say(Step.AUDIT, labels=now.labels, cost=now.cost, within=now.within)
    if "budget" in stops:
        return say(Step.BUDGET, labels=settings.budget or 0)
    if "exhausted" in stops:
        return say(Step.EXHAUSTED)
    if not inputs.room:
        return say(Step.FULL)
    if judged.forecast is None or not judged.forecast.points:
        return say(Step.MORE)
    next_ = judged.forecast.points[0]
    return say(Step.MORE, labels=next_.labels, cost=next_.cost, expected=next_.accuracy)


def in_words(advice: Advice) -> str:
    """Write an advice in English, for whoever has no pages.

    Examples
    --------
    >>> basis = Basis(268, 120, 7, None, "1")
    >>> wide = Interval(0.7, 0.45, 0.95)
    >>> in_words(Advice(basis, Step.GROW, wide, texts=60, labels=180, cost=7.2, within=0.099))
    'The model is right on 70 % (45–95 %): too uncertain to say. Add 60 audit texts, 180 labels, for 7.20, to know within 10 points.'
    """  # noqa: E501
    paid = "" if advice.cost is None else f", for {advice.cost:,.2f},"
    found = advice.accuracy
    right = "" if found is None else (
        f"The model is right on {100 * found.estimate:.0f} % ({100 * found.low:.0f}–{100 * found.high:.0f} %)"
    )  # fmt: skip
    within = "" if advice.within is None else f"to know within {100 * advice.within:.0f} points"
    one = advice.person
    match advice.step:
        case Step.TEXTS:
            return "The project has no texts yet: add some."
        case Step.INVITE:
            return "The texts are in, and nobody is invited to label them: invite annotators."
        case Step.PERSON if one is not None and one.suspect is not None:
            likely = f"{100 * one.suspect.probability:.0f} % likely"
            rests = f"judged by {count(one.shared, 'text')} that others labelled, too"
            return f"{likely}: {one.name} {one.suspicion}, {rests}. Look at their labels."
        case Step.REACHED:
            return f"Good enough: the target is reached. {right}."
        case Step.GROW:
            return (
                f"{right}: too uncertain to say. "
                f"Add {count(advice.texts, 'audit text')}, {count(advice.labels, 'label')}{paid} {within}."
            )
        case Step.AUDIT:
            return (
                f"{right}: too uncertain to say. Give the audit texts their {count(advice.labels, 'label')}"
                f"{paid} {within}."
            )
        case Step.BUDGET:
            return f"The budget of {count(advice.labels, 'label')} is spent. {right}."
        case Step.EXHAUSTED:
            return f"Further labels would hardly bring anything. {right}."
        case Step.FULL:
            return f"All texts have the labels that they are asked for. {right}."
        case Step.MORE if advice.expected is not None:
            low, high = 100 * advice.expected.low, 100 * advice.expected.high
            return f"{right}. {count(advice.labels, 'more label')}{paid} bring it to {low:.0f}–{high:.0f} %."
        case Step.MORE:
            return f"{right}. Go on labelling."
        case _:
            return "No model has been judged yet: go on labelling."
