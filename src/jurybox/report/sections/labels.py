"""What the project believes of labels and people, as a report may show it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from jurybox.project import Project
from jurybox.project.annotators import AnnotatorBelief, PairBelief
from jurybox.project.auditing import Accuracy, AuditReport
from jurybox.project.gold import GoldScore
from jurybox.project.origins import Agreements
from jurybox.project.stopping import AccuracyForecast, RoundVerdicts
from jurybox.project.texts import ConsensusBelief, ContestedText, GuidelineNote, Vote
from jurybox.report.view import View
from jurybox.trust.savings import Savings
from jurybox.trust.suspects import Suspect

__all__ = [
    "Outlooks",
    "describe_agreement",
    "describe_annotators",
    "describe_audit",
    "describe_contested",
    "describe_curve",
    "describe_gold",
    "describe_guidelines",
    "describe_labels",
    "describe_pairs",
    "describe_stopping",
]


@dataclass(frozen=True)
class Outlooks:
    """What is to come; forecast and savings are None before they can be said.

    Attributes
    ----------
    forecast
        What more labels would bring, and cost.
    verdicts
        What each rule said after each round.
    savings
        Labels that random choice would have needed.
    """

    forecast: AccuracyForecast | None
    verdicts: tuple[RoundVerdicts, ...]
    savings: Savings | None


def describe_labels(project: Project, _view: View) -> ConsensusBelief:
    """Return what the labels came to."""
    return project.beliefs.consensus


def describe_agreement(project: Project, _view: View) -> Agreements:
    """Return the coefficients over all texts, and over those drawn by chance."""
    return project.beliefs.agreement


def describe_annotators(project: Project, view: View) -> tuple[AnnotatorBelief, ...]:
    """Return what is believed of everyone, in the order in which they came; nothing names who is hidden."""
    return tuple(
        replace(
            one,
            name=view.names[one.name],
            suspect=None if one.suspect is None else _hidden(one.suspect, view),
            suspicion=view.names.within(one.suspicion),
        )
        for one in project.beliefs.annotators
    )


def describe_pairs(project: Project, view: View) -> tuple[PairBelief, ...]:
    """Return how far every two people agree."""
    return tuple(
        replace(one, names=(view.names[one.names[0]], view.names[one.names[1]]))
        for one in project.beliefs.pairs
    )


def describe_gold(project: Project, view: View) -> tuple[GoldScore, ...]:
    """Return how everyone did on texts with a known label."""
    return tuple(replace(one, annotator=view.names[one.annotator]) for one in project.gold_report())


def describe_curve(project: Project, _view: View) -> tuple[Accuracy, ...]:
    """Return the accuracy of each round's model on the audit sample."""
    return project.beliefs.accuracy


def describe_audit(project: Project, _view: View) -> AuditReport:
    """Return how good the last round's model and today's consensus are."""
    return project.beliefs.audit


def describe_stopping(project: Project, _view: View) -> Outlooks:
    """Return forecast, verdicts and savings."""
    beliefs = project.beliefs
    return Outlooks(beliefs.forecast, beliefs.verdicts, beliefs.savings)


def describe_contested(project: Project, view: View) -> tuple[ContestedText, ...]:
    """Return the texts whose consensus is most likely wrong, the most likely first."""
    return tuple(
        replace(
            one,
            text=one.text if view.texts else "",
            votes=tuple(_shown(vote, view) for vote in one.votes),
        )
        for one in (project.beliefs.contested(view.examples) if view.examples else ())
    )


def describe_guidelines(project: Project, view: View) -> tuple[GuidelineNote, ...]:
    """Return the pairs of classes on which good annotators disagree systematically."""
    return tuple(
        replace(one, annotators=(view.names.all(one.annotators[0]), view.names.all(one.annotators[1])))
        for one in project.beliefs.guidelines
    )


def _hidden(suspect: Suspect, view: View) -> Suspect:
    other = None if suspect.other is None else view.names[str(suspect.other)]
    return replace(suspect, annotator=view.names[str(suspect.annotator)], other=other)


def _shown(vote: Vote, view: View) -> Vote:
    comment = view.names.within(vote.comment) if view.texts else ""
    return replace(vote, annotator=view.names[vote.annotator], comment=comment)
