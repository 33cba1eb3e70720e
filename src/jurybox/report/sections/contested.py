"""Texts whose label may be wrong, with all that was said of them, and what the guidelines leave open."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from jurybox.report.view import View

if TYPE_CHECKING:
    from jurybox.project import Project
    from jurybox.project.trust import ContestedText, GuidelineNote, Vote

__all__ = ["describe_contested", "describe_guideline_problems"]


def describe_contested(project: Project, view: View) -> tuple[ContestedText, ...]:
    """Return the texts whose consensus is most likely wrong, the most likely first."""
    return tuple(
        replace(
            one,
            text=one.text if view.texts else "",
            votes=tuple(_shown(vote, view) for vote in one.votes),
        )
        for one in (project.contested(view.examples) if view.examples else ())
    )


def describe_guideline_problems(project: Project, view: View) -> tuple[GuidelineNote, ...]:
    """Return the pairs of classes on which good annotators disagree systematically."""
    return tuple(
        replace(one, annotators=(view.names.all(one.annotators[0]), view.names.all(one.annotators[1])))
        for one in project.guideline_problems()
    )


def _shown(vote: Vote, view: View) -> Vote:
    comment = view.names.within(vote.comment) if view.texts else ""
    return replace(vote, annotator=view.names[vote.annotator], comment=comment)
