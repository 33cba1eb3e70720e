"""Looking through what is stored, a page at a time: texts, annotations, the queue."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jurybox.errors import NotFoundError
from jurybox.store import schema
from jurybox.store.filters import (
    AnnotationFilter,
    TextFilter,
    annotation_conditions,
    text_conditions,
    text_number,
)
from jurybox.store.overview import count_paid, count_texts
from jurybox.store.places import count_finished, count_open, in_front
from jurybox.store.ranks import order
from jurybox.store.records import AnnotatorProgress
from jurybox.store.rows import is_person
from jurybox.store.state import ProjectState, read_state

Row = TypeVar("Row")

_SOME, _ALL = 10_000, 2**31 - 1


@dataclass(frozen=True)
class Page(Generic[Row]):
    """Some rows, and where the next ones begin: pass `next` as `after`. None at the end."""

    items: tuple[Row, ...]
    next: int | None


@dataclass(frozen=True)
class TextRow:
    """A text with what is known about it.

    Attributes
    ----------
    labels
        Number of annotations that stand, by class.
    open
        Whether it still wants labels.
    reason, score, selection_probability
        Of the ranking that holds.
    """

    text_id: str
    text: str
    metadata: Mapping[str, object]
    labels: Mapping[str, int]
    open: bool
    reason: str
    score: float | None
    selection_probability: float | None


@dataclass(frozen=True)
class AnnotationRow:
    """An annotation that stands, and how its text came to the annotator.

    Attributes
    ----------
    origin
        ``queue``, ``direct``, ``import``, ``change`` or ``review``.
    """

    number: int
    text_id: str
    annotator: str
    label: str
    time: float
    seconds: float | None
    comment: str
    origin: str
    reason: str | None
    round: int | None
    selection_probability: float | None


@dataclass(frozen=True)
class QueueRow:
    """A text that will be asked for, and why; `holder` has it on the screen now."""

    text_id: str
    text: str
    reason: str
    score: float | None
    selection_probability: float | None
    n_labels: int
    holder: str | None = None


def find_texts(
    connection: Connection, chosen: TextFilter, *, after: int | None = None, limit: int = 50
) -> Page[TextRow]:
    """Return texts in their order.

    Parameters
    ----------
    after
        The `Page.next` of the page before.
    """
    number = text_number(connection, chosen)
    query = _ranked_texts(connection).where(*text_conditions(connection, chosen))
    query = query.order_by(number).limit(limit + 1)
    if after is not None:
        query = query.where(number > sa.literal(after, sa.BigInteger))  # whoever asks may name any number
    rows = connection.execute(query).all()
    labels = _labels(connection, [row.id for row in rows])
    items = tuple(_text_row(row, labels.get(row.id, {})) for row in rows[:limit])
    return Page(items, rows[limit - 1].id if len(rows) > limit else None)


def matching_texts(connection: Connection, chosen: TextFilter) -> list[str]:
    """Return the ids of all texts that fit, in their order."""
    return list(connection.scalars(_fitting(connection, chosen)))


def matching_annotations(connection: Connection, chosen: AnnotationFilter) -> list[int]:
    """Return the numbers of all annotations that stand and fit, in their order."""
    return list(
        connection.scalars(_fitting_annotations(connection, chosen).order_by(schema.annotations.c.id))
    )


def count_texts_that_fit(connection: Connection, chosen: TextFilter, most: int) -> int:
    """Count the texts that fit, up to some number."""
    return _count(connection, _fitting(connection, chosen), most)


def count_annotations(connection: Connection, chosen: AnnotationFilter, most: int) -> int:
    """Count the annotations that stand and fit, up to some number."""
    return _count(connection, _fitting_annotations(connection, chosen), most)


def _fitting(connection: Connection, chosen: TextFilter) -> sa.Select[Any]:
    # In order also to count: else SQLite looks the words up anew for each text.
    return (
        _ranked_texts(connection)
        .where(*text_conditions(connection, chosen))
        .with_only_columns(schema.texts.c.external_id)
        .order_by(text_number(connection, chosen))
    )


def _fitting_annotations(connection: Connection, chosen: AnnotationFilter) -> sa.Select[Any]:
    annotations, texts = schema.annotations, schema.texts
    return (
        sa.select(annotations.c.id)
        .join(texts, texts.c.id == annotations.c.text_id)
        .where(schema.is_standing, *annotation_conditions(connection, chosen))
    )


def _count(connection: Connection, query: sa.Select[Any], most: int) -> int:
    return connection.scalar(sa.select(sa.func.count()).select_from(query.limit(most).subquery())) or 0


def read_text_row(connection: Connection, text_id: str) -> TextRow:
    """Return one text with what is known about it.

    Raises
    ------
    NotFoundError
        If there is no such text.
    """
    query = _ranked_texts(connection).where(schema.texts.c.external_id == text_id)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no text with id {text_id!r} in this project")
    return _text_row(row, _labels(connection, [row.id]).get(row.id, {}))


def find_annotations(
    connection: Connection, chosen: AnnotationFilter, *, after: int | None = None, limit: int = 50
) -> Page[AnnotationRow]:
    """Return annotations that stand, the latest first; `after` is the `Page.next` of the page before."""
    annotations = schema.annotations
    texts, annotators, classes = schema.texts, schema.annotators, schema.classes
    query = (
        sa.select(
            annotations,
            texts.c.external_id,
            annotators.c.name.label("annotator"),
            classes.c.name.label("label"),
        )
        .select_from(
            annotations.join(texts, texts.c.id == annotations.c.text_id)
            .join(annotators, annotators.c.id == annotations.c.annotator_id)
            .join(classes, classes.c.id == annotations.c.class_id)
        )
        .where(schema.is_standing, *annotation_conditions(connection, chosen))
        .order_by(annotations.c.id.desc())
        .limit(limit + 1)
    )
    if after is not None:
        query = query.where(annotations.c.id < after)
    rows = connection.execute(query).all()
    items = tuple(_annotation_row(row) for row in rows[:limit])
    return Page(items, rows[limit - 1].id if len(rows) > limit else None)


def read_queue(connection: Connection, *, now: float, limit: int = 50) -> list[QueueRow]:
    """Return the texts that will be asked for next, with those on someone's screen."""
    state, ranking, texts = read_state(connection), schema.ranking, schema.texts
    leases, annotators = schema.leases, schema.annotators
    query = (
        sa.select(ranking, texts.c.external_id, texts.c.text, annotators.c.name.label("holder"))
        .select_from(
            ranking.join(texts, texts.c.id == ranking.c.text_id)
            .outerjoin(leases, sa.and_(leases.c.text_id == ranking.c.text_id, schema.is_lent(leases, now)))
            .outerjoin(annotators, annotators.c.id == leases.c.annotator_id)
        )
        .where(ranking.c.open)
        .order_by(ranking.c.position, ranking.c.text_id)
        .limit(limit)
    )
    found = connection.execute(query.where(ranking.c.round_id == state.current_round)).all()
    if state.has_front:
        found = [*found, *connection.execute(query.where(_behind(state)))]
    rows = sorted(found, key=order)[:limit]
    labels = _labels(connection, [row.text_id for row in rows])
    return [
        QueueRow(
            text_id=row.external_id,
            text=row.text,
            reason=row.reason,
            score=row.score,
            selection_probability=row.selection_probability,
            n_labels=sum(labels.get(row.text_id, {}).values()),
            holder=row.holder,
        )
        for row in rows
    ]


def count_queue(connection: Connection) -> dict[str, int]:
    """Count the texts that still want a label by the reason why they are asked for, the next ones first."""
    state, ranking = read_state(connection), schema.ranking
    counts: Counter[str] = Counter()
    if state.has_front:
        counts.update(_count_reasons(connection, state.current_round, None))
    # All of the base less those of the front, which are few: to ask of each whether it is in the front would
    # take as many look-ups as there are texts.
    placed = count_open(connection) - (state.n_texts - state.n_placed)
    counts.update(_count_reasons(connection, state.base_round, placed))
    if not state.has_front:
        return dict(counts)
    front = ranking.alias("front")
    # A column, so that it is looked up for each: PostgreSQL might begin a join with all places of the base.
    twice = sa.select(ranking.c.reason).where(
        ranking.c.round_id == state.base_round, ranking.c.text_id == front.c.text_id, ranking.c.open
    )
    reasons = sa.select(twice.correlate(front).scalar_subquery()).where(
        front.c.round_id == state.current_round
    )
    counts.subtract(reason for reason in connection.scalars(reasons) if reason is not None)
    return dict(+counts)


def read_progress(connection: Connection, name: str, *, since: float) -> AnnotatorProgress:
    """Return how far an annotator is (all zeros for an unknown one), and the project."""
    annotations, annotators = schema.annotations, schema.annotators
    person = connection.execute(sa.select(annotators).where(is_person(name))).one_or_none()
    n_texts = count_texts(connection)
    recent = sa.select(sa.func.count()).where(
        annotations.c.annotator_id == (-1 if person is None else person.id),
        schema.is_standing,
        annotations.c.created_at >= since,
    )
    settings = read_state(connection).settings
    return AnnotatorProgress(
        since=connection.scalar(recent) or 0,
        total=0 if person is None else person.n_annotations,
        cap=None if person is None else person.cap,
        texts=n_texts,
        finished_texts=count_finished(connection, n_texts),
        labels=count_paid(connection),
        goal=settings.budget or settings.first_labels * n_texts,
    )


def _ranked_texts(connection: Connection) -> sa.Select[Any]:
    """Select all texts with their places in the ranking that holds, or else in its base."""
    state, texts, ranking = read_state(connection), schema.texts, schema.ranking
    front = ranking.alias("front")
    here = sa.and_(ranking.c.text_id == texts.c.id, ranking.c.round_id == state.base_round)
    before = sa.and_(front.c.text_id == texts.c.id, front.c.round_id == state.current_round)
    shown = (
        sa.case((front.c.text_id.is_not(None), front.c[name]), else_=ranking.c[name]).label(name)
        for name in ("reason", "score", "selection_probability")
    )
    joined = texts.join(ranking, here).outerjoin(front, before)
    return sa.select(texts, ranking.c.open, *shown).select_from(joined)


def _behind(state: ProjectState) -> sa.ColumnElement[bool]:
    """Places in the base of texts that the front leaves out."""
    ranking = schema.ranking
    return sa.and_(ranking.c.round_id == state.base_round, ~in_front(ranking.c.text_id, state.current_round))


def _labels(connection: Connection, text_ids: list[int]) -> dict[int, dict[str, int]]:
    annotations, classes = schema.annotations, schema.classes
    query = (
        sa.select(annotations.c.text_id, classes.c.name, sa.func.count())
        .join(classes, classes.c.id == annotations.c.class_id)
        .where(schema.is_standing, annotations.c.text_id.in_(text_ids))
        .group_by(annotations.c.text_id, classes.c.id, classes.c.name)
        .order_by(classes.c.id)
    )
    labels: dict[int, dict[str, int]] = {}
    for text_id, name, n in connection.execute(query):
        labels.setdefault(text_id, {})[name] = n
    return labels


def _text_row(row: Any, labels: Mapping[str, int]) -> TextRow:
    return TextRow(
        text_id=row.external_id,
        text=row.text,
        metadata={} if row.metadata is None else json.loads(row.metadata),
        labels=labels,
        open=row.open,
        reason=row.reason,
        score=row.score,
        selection_probability=row.selection_probability,
    )


def _annotation_row(row: Any) -> AnnotationRow:
    return AnnotationRow(
        number=row.id,
        text_id=row.external_id,
        annotator=row.annotator,
        label=row.label,
        time=row.created_at,
        seconds=row.seconds,
        comment=row.comment,
        origin=row.origin,
        reason=row.reason,
        round=row.round_id,
        selection_probability=row.selection_probability,
    )


def _count_reasons(connection: Connection, number: int, n_open: int | None) -> dict[str, int]:
    """Count a round's open places by reason, the one that comes first first.

    Parameters
    ----------
    n_open
        How many there are, where that is known. A reason that most places have is not counted then: it has
        those that the others leave. There may be a million of them.
    """

    def count(reason: str, most: int) -> int:
        return connection.scalar(_N_OF_REASON, {"round": number, "reason": reason, "most": most}) or 0

    counts = {
        reason: count(reason, _SOME) for reason in connection.scalars(_REASONS, {"round": number}).all()
    }
    common = [reason for reason, n in counts.items() if n == _SOME]
    for reason in common if n_open is None else common[1:]:
        counts[reason] = count(reason, _ALL)
    if common and n_open is not None:
        counts[common[0]] += n_open - sum(counts.values())
    return counts


def _reasons() -> sa.Select[Any]:
    """Select the reasons of a round's open places, the one that comes first first.

    One look-up in the index finds the next reason; to group the places would read them all.
    """
    ranking = schema.ranking.c
    first = sa.select(sa.func.min(ranking.reason).label("reason")).where(_OPEN_HERE)
    reasons = first.cte("reasons", recursive=True)
    following = sa.select(sa.func.min(ranking.reason)).where(_OPEN_HERE, ranking.reason > reasons.c.reason)
    behind = sa.select(following.correlate(reasons).scalar_subquery()).where(reasons.c.reason.is_not(None))
    reasons = reasons.union_all(behind)
    foremost = sa.select(sa.func.min(ranking.position)).where(_OPEN_HERE, ranking.reason == reasons.c.reason)
    known = sa.select(reasons.c.reason).where(reasons.c.reason.is_not(None))
    return known.order_by(foremost.correlate(reasons).scalar_subquery())


_OPEN_HERE = sa.and_(
    schema.ranking.c.round_id == sa.bindparam("round", type_=sa.Integer), schema.ranking.c.open
)
_REASONS = _reasons()
_N_OF_REASON = sa.select(sa.func.count()).select_from(
    sa.select(schema.ranking.c.position)
    .where(_OPEN_HERE, schema.ranking.c.reason == sa.bindparam("reason", type_=sa.String))
    .limit(sa.bindparam("most", type_=sa.Integer))
    .subquery()
)
