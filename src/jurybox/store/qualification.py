"""Testing new annotators on gold texts before they get any other text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jurybox.store import schema
from jurybox.store.gold import answers_of, count_mixed_in
from jurybox.store.gold_queue import unseen
from jurybox.store.records import Role
from jurybox.store.settings import ProjectSettings
from jurybox.store.state import ProjectState

__all__ = ["NO_LIMIT", "Admission", "admit", "exempt_veterans", "is_tested"]

NO_LIMIT = 2**31
_AHEAD = 5  # as many as the labelling page fetches ahead, so that there is no pause at the end of the test
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Admission:
    """What a person may get.

    Attributes
    ----------
    refused
        Nothing, because the test was failed.
    tested
        Gold texts and no others, while the test goes on.
    room
        The most texts.
    """

    refused: bool = False
    tested: bool = False
    room: int = NO_LIMIT


def is_tested(state: ProjectState, annotator: sa.Row[Any]) -> bool:
    """Whether a person has yet to pass the test, or has failed it; reviewers and owners are not tested."""
    wanted = state.settings.qualification_texts and state.n_gold
    return bool(wanted) and annotator.role == Role.ANNOTATOR and not annotator.qualified


def admit(
    connection: Connection, state: ProjectState, annotator: sa.Row[Any], in_hand: int, now: float
) -> Admission:
    """Return what a person may get now, who holds so many gold texts.

    The verdict is given once, as soon as enough gold texts are labelled, or when there are no more of them:
    then texts that were skipped count as wrong. It does not change with labels that are changed afterwards,
    so that nobody can try until it comes out well.
    """
    if not is_tested(state, annotator):
        return Admission()
    if annotator.qualified is not None:
        return Admission(refused=True)
    wanted = state.settings.qualification_texts
    answers = answers_of(connection, annotator.id)
    if answers.n < wanted and (in_hand or unseen(connection, state, annotator.id, now)):
        return Admission(tested=True, room=wanted + _AHEAD - answers.n - in_hand)
    possible = min(wanted, count_mixed_in(connection))
    least = state.settings.qualification_accuracy * max(answers.n, possible)
    verdict = answers.right >= least - _ROUNDING
    update = sa.update(schema.annotators).where(schema.annotators.c.id == annotator.id)
    connection.execute(update.values(qualified=verdict))
    return Admission(refused=not verdict)


def exempt_veterans(connection: Connection, before: ProjectSettings, settings: ProjectSettings) -> None:
    """Let everyone who labels already go on, when a project begins to test new annotators."""
    if settings.qualification_texts and not before.qualification_texts:
        annotators = schema.annotators
        veterans = sa.and_(annotators.c.qualified.is_(None), annotators.c.n_annotations > 0)
        connection.execute(sa.update(annotators).where(veterans).values(qualified=True))
