"""Who labelled how well: quality, confusions, drift, effect, suspicions, agreement in pairs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from jurybox.report.view import View

if TYPE_CHECKING:
    from jurybox.project import Project
    from jurybox.project.gold import GoldScore
    from jurybox.project.profiles import Colleague, Profile
    from jurybox.trust.suspects import Suspect

__all__ = ["describe_annotators", "describe_gold"]


def describe_annotators(project: Project, view: View) -> tuple[Profile, ...]:
    """Return everything that is known about everyone, in the order in which they came."""
    return tuple(_hidden(one, view) for one in project.profiles())


def describe_gold(project: Project, view: View) -> tuple[GoldScore, ...]:
    """Return how everyone did on texts with a known label."""
    return tuple(replace(one, annotator=view.names[one.annotator]) for one in project.gold_report())


def _hidden(one: Profile, view: View) -> Profile:
    """Return a profile as it may be shown: nothing in it names anybody who is hidden."""
    return replace(
        one,
        name=view.names[one.name],
        suspect=None if one.suspect is None else _hidden_suspect(one.suspect, view),
        suspicion=view.names.within(one.suspicion),
        colleagues=tuple(_hidden_colleague(other, view) for other in one.colleagues),
    )


def _hidden_suspect(suspect: Suspect, view: View) -> Suspect:
    other = None if suspect.other is None else view.names[str(suspect.other)]
    return replace(suspect, annotator=view.names[str(suspect.annotator)], other=other)


def _hidden_colleague(other: Colleague, view: View) -> Colleague:
    return replace(other, name=view.names[other.name])
