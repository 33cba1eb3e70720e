"""Remarks of annotators and what is said to them; why labels were wrong; cases for the guidelines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jurybox.errors import NotFoundError
from jurybox.store import schema
from jurybox.store.ranks import chunks
from jurybox.store.records import Fault, Flag
from jurybox.store.rows import is_person


@dataclass(frozen=True)
class Case:
    """A text that a reviewer has decided, and why the labels before were wrong.

    Attributes
    ----------
    text_id, text
        The text.
    label, comment, reviewer
        The decision.
    fault
        Why others were wrong.
    time
        When it was decided, Unix time in seconds.
    """

    text_id: str
    text: str
    label: str
    comment: str
    reviewer: str
    fault: Fault
    time: float


def read_flags(
    connection: Connection, *, text_id: str | None = None, annotator: str | None = None
) -> list[Flag]:
    """Return all remarks, or those about a text or by a person: open ones first, the latest first."""
    flags, texts, annotators = schema.flags, schema.texts, schema.annotators
    query = (
        sa.select(
            flags.c.id,
            texts.c.external_id,
            annotators.c.name,
            flags.c.comment,
            flags.c.created_at,
            flags.c.answer,
            flags.c.answered_by,
            flags.c.answered_at,
            flags.c.resolved_at,
        )
        .select_from(flags.join(texts, texts.c.id == flags.c.text_id).join(annotators))
        .order_by(sa.case((flags.c.resolved_at.is_(None), 0), else_=1), flags.c.id.desc())
    )
    if text_id is not None:
        query = query.where(texts.c.external_id == text_id)
    if annotator is not None:
        query = query.where(is_person(annotator))
    return [Flag(*row) for row in connection.execute(query)]


def count_open_flags(connection: Connection) -> int:
    """Count the remarks that nobody has settled."""
    flags, texts = schema.flags, schema.texts
    joined = flags.join(texts, texts.c.id == flags.c.text_id)
    query = sa.select(sa.func.count()).select_from(joined).where(flags.c.resolved_at.is_(None))
    return connection.scalar(query) or 0


def answer_flag(connection: Connection, number: int, answer: str, *, by: str, now: float) -> None:
    """Answer a remark, in place of an earlier answer; that settles it.

    Raises
    ------
    NotFoundError
        If there is no such remark.
    """
    _change(connection, number, answer=answer, answered_by=by, answered_at=now, resolved_at=now)


def resolve_flag(connection: Connection, number: int, resolved: bool, *, now: float) -> None:
    """Settle a remark, or open it again.

    Raises
    ------
    NotFoundError
        If there is no such remark.
    """
    _change(connection, number, resolved_at=now if resolved else None)


def rule(connection: Connection, annotation: int, fault: Fault) -> None:
    """Note why labels were wrong that a decision overrules."""
    connection.execute(sa.insert(schema.rulings).values(annotation_id=annotation, reason=fault.value))


def read_decided(connection: Connection) -> set[str]:
    """Return the ids of the texts about which a decision of a review stands."""
    annotations, texts = schema.annotations, schema.texts
    query = sa.select(texts.c.external_id).join(annotations, annotations.c.text_id == texts.c.id)
    return {*connection.scalars(query.where(schema.is_standing, annotations.c.origin == "review"))}


def read_comments(connection: Connection, text_ids: Iterable[str]) -> dict[tuple[str, str], str]:
    """Return the comments of annotations that stand, by the ids of texts and the names of annotators."""
    annotations, texts, annotators = schema.annotations, schema.texts, schema.annotators
    query = (
        sa.select(texts.c.external_id, annotators.c.name, annotations.c.comment)
        .select_from(
            texts.join(annotations, annotations.c.text_id == texts.c.id).join(
                annotators, annotators.c.id == annotations.c.annotator_id
            )
        )
        .where(schema.is_standing, annotations.c.comment != "")
    )
    found: dict[tuple[str, str], str] = {}
    for part in chunks(text_ids, 500):
        rows = connection.execute(query.where(texts.c.external_id.in_(part)))
        found |= {(row.external_id, row.name): row.comment for row in rows}
    return found


def read_cases(connection: Connection, fault: Fault | None = None) -> list[Case]:
    """Return the decisions that stand and say why others were wrong, the latest first."""
    annotations, texts, classes = schema.annotations, schema.texts, schema.classes
    annotators, rulings = schema.annotators, schema.rulings
    query = (
        sa.select(
            texts.c.external_id,
            texts.c.text,
            classes.c.name,
            annotations.c.comment,
            annotators.c.name,
            rulings.c.reason,
            annotations.c.created_at,
        )
        .select_from(
            rulings.join(annotations, annotations.c.id == rulings.c.annotation_id)
            .join(texts, texts.c.id == annotations.c.text_id)
            .join(classes, classes.c.id == annotations.c.class_id)
            .join(annotators, annotators.c.id == annotations.c.annotator_id)
        )
        .where(schema.is_standing)
        .order_by(annotations.c.id.desc())
    )
    if fault is not None:
        query = query.where(rulings.c.reason == fault.value)
    return [_case(row) for row in connection.execute(query)]


def _case(row: Sequence[Any]) -> Case:
    text_id, text, label, comment, reviewer, fault, time = row
    return Case(text_id, text, label, comment, reviewer, Fault(fault), time)


def _change(connection: Connection, number: int, **values: object) -> None:
    update = sa.update(schema.flags).where(schema.flags.c.id == number).values(**values)
    if connection.execute(update).rowcount == 0:
        raise NotFoundError(f"there is no remark {number}")
