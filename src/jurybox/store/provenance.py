"""Where annotations come from: how texts were chosen, which labels are independent, and when it all was."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from jurybox.store import schema
from jurybox.store.groups import read_kin, votes_kept
from jurybox.store.state import read_state

_BY_CHANCE = ("spread", "random")


@dataclass(frozen=True)
class Provenance:
    """How many annotations stand that came in the same way.

    Attributes
    ----------
    origin
        ``queue``, ``direct``, ``import``, ``change``, ``review`` or ``cluster``.
    reason
        Why the text was asked for; None where nobody asked.
    round
        Number of the round whose ranking asked, 0 before the first; None where nobody asked.
    annotator
        Who gave them.
    n
        Annotations.
    """

    origin: str
    reason: str | None
    round: int | None
    annotator: str
    n: int


def count_provenance(connection: Connection) -> list[Provenance]:
    """Count the annotations that stand by where they come from, in the order of rounds and people."""
    annotations, annotators = schema.annotations, schema.annotators
    columns = annotations.c.origin, annotations.c.reason, annotations.c.round_id
    query = (
        sa.select(*columns, annotators.c.name, sa.func.count())
        .select_from(annotations.join(annotators, annotators.c.id == annotations.c.annotator_id))
        .where(schema.is_standing)
        .group_by(*columns, annotators.c.id, annotators.c.name)
    )
    found = [Provenance(*row) for row in connection.execute(query.order_by(annotators.c.id))]
    return sorted(
        found, key=lambda one: (one.round is not None, one.round or 0, one.origin, one.reason or "")
    )


def read_independent(connection: Connection, *, first_labels: int, audit_labels: int) -> NDArray[np.int64]:
    """Return the annotations given without knowledge of others', as rows of numbers.

    Reviewers decide in view of what everyone has said, so their decisions are left out, and so are labels
    given with a model's opinion on the screen, or to a whole cluster at once. What was drawn by chance are
    the first labels of the audit sample's texts, as many as each of them gets, and the first of texts that
    came in random order; any further label may have been asked for because the first did not agree, also of a
    text that has joined the sample since. Gold texts are chosen by people.

    Parameters
    ----------
    first_labels
        Labels that every text gets in the random order before the first round.
    audit_labels
        Labels that every text of the audit sample gets.

    Returns
    -------
    ndarray of int64, shape (L, 4)
        Text, annotator, class, and 1 where text and label were drawn by chance; by text, then in the order
        of time.
    """
    annotations, audit, gold = schema.annotations, schema.audit, schema.gold
    in_audit, is_gold = audit.c.text_id.is_not(None), gold.c.text_id.is_not(None)
    by_chance = annotations.c.reason.in_(_BY_CHANCE)
    lot = sa.case((in_audit, 2), (is_gold, 0), (by_chance, 1), else_=0)
    query = (
        sa.select(annotations.c.text_id, annotations.c.annotator_id, annotations.c.class_id, lot)
        .select_from(
            annotations.outerjoin(audit, audit.c.text_id == annotations.c.text_id).outerjoin(
                gold, gold.c.text_id == annotations.c.text_id
            )
        )
        .where(
            schema.is_counted,
            annotations.c.origin.not_in(["review", "cluster"]),
            annotations.c.suggested_by.is_(None),
        )
        .order_by(annotations.c.id)
    )
    rows = np.array(connection.execute(query).all(), dtype=np.int64).reshape(-1, 4)
    rows[:, 0] = read_kin(connection, read_state(connection).n_texts).copy_of[rows[:, 0]]
    rows = rows[np.sort(votes_kept(rows[:, 0], rows[:, 1]))]
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    lots, text = rows[:, 3].copy(), rows[:, 0]
    asked = np.choose(lots, [0, first_labels, audit_labels])
    rows[:, 3] = _place_in_text(text, lots > 0) < asked
    return rows


def project_times(connection: Connection) -> tuple[float, float | None, float | None]:
    """Return when the project was made, and when its first and last annotation that stands was given."""
    when = schema.annotations.c.created_at
    first, last = connection.execute(
        sa.select(sa.func.min(when), sa.func.max(when)).where(schema.is_standing)
    ).one()
    return connection.execute(sa.select(schema.project.c.created_at)).scalar_one(), first, last


def _place_in_text(text: NDArray[np.int64], counted: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return how many counted rows of the same text come before each row; text (L,) is sorted.

    Examples
    --------
    >>> _place_in_text(np.array([3, 3, 3, 5, 5]), np.array([True, False, True, True, True])).tolist()
    [0, 1, 1, 0, 1]
    """
    before: NDArray[np.int64] = np.cumsum(counted) - counted
    starts = np.searchsorted(text, text)
    return np.asarray(before - before[starts], dtype=np.int64)
