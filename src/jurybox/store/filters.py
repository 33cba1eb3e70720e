"""Which texts and annotations: what people search by, and what it means in the database."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qsl, urlencode

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jurybox.store import schema


class TextState(StrEnum):
    """How far a text is."""

    UNLABELLED = "unlabelled"
    LABELLED = "labelled"
    OPEN = "open"
    FINISHED = "finished"
    DISAGREED = "disagreed"
    FLAGGED = "flagged"
    AUDIT = "audit"


@dataclass(frozen=True)
class TextFilter:
    """Which texts; what is left out does not matter.

    Parameters
    ----------
    search
        A part of the text or of its id; upper and lower case are one.
    state
        How far the text is.
    label, annotator
        Texts that were given this label, or any by this annotator; with both, this label by this annotator.
    """

    search: str = ""
    state: TextState | None = None
    label: str | None = None
    annotator: str | None = None


@dataclass(frozen=True)
class AnnotationFilter:
    """Which annotations that stand; what is left out does not matter."""

    text_id: str | None = None
    annotator: str | None = None
    label: str | None = None
    search: str = ""


def text_conditions(chosen: TextFilter) -> list[sa.ColumnElement[bool]]:
    """Return what texts fulfil that fit, in a query that has them with their places in the ranking."""
    texts, annotations, ranking = schema.texts, schema.annotations, schema.ranking
    conditions: list[sa.ColumnElement[bool]] = []
    if chosen.search:
        conditions.append(
            sa.or_(
                texts.c.text.icontains(chosen.search, autoescape=True),
                texts.c.external_id.icontains(chosen.search, autoescape=True),
            )
        )
    of_text = sa.and_(annotations.c.text_id == texts.c.id, schema.is_standing)
    given = sa.exists().where(of_text)
    if chosen.label is not None:
        given = given.where(annotations.c.class_id.in_(_class_ids(chosen.label)))
    if chosen.annotator is not None:
        given = given.where(annotations.c.annotator_id.in_(_annotator_ids(chosen.annotator)))
    if chosen.label is not None or chosen.annotator is not None:
        conditions.append(given)
    several = sa.select(sa.func.count(annotations.c.class_id.distinct())).where(of_text).scalar_subquery() > 1
    states: dict[TextState, sa.ColumnElement[bool]] = {
        TextState.UNLABELLED: ~sa.exists().where(of_text),
        TextState.LABELLED: sa.exists().where(of_text),
        TextState.OPEN: ranking.c.open,
        TextState.FINISHED: ~ranking.c.open,
        TextState.DISAGREED: several,
        TextState.FLAGGED: sa.exists().where(
            schema.flags.c.text_id == texts.c.id, schema.flags.c.resolved_at.is_(None)
        ),
        TextState.AUDIT: sa.exists().where(schema.audit.c.text_id == texts.c.id),
    }
    if chosen.state is not None:
        conditions.append(states[chosen.state])
    return conditions


def annotation_conditions(chosen: AnnotationFilter) -> list[sa.ColumnElement[bool]]:
    """Return what annotations fulfil that fit, in a query that has them with their texts."""
    annotations, texts = schema.annotations, schema.texts
    conditions: list[sa.ColumnElement[bool]] = []
    if chosen.text_id is not None:
        conditions.append(texts.c.external_id == chosen.text_id)
    if chosen.annotator is not None:
        conditions.append(annotations.c.annotator_id.in_(_annotator_ids(chosen.annotator)))
    if chosen.label is not None:
        conditions.append(annotations.c.class_id.in_(_class_ids(chosen.label)))
    if chosen.search:
        conditions.append(
            sa.or_(
                texts.c.text.icontains(chosen.search, autoescape=True),
                annotations.c.comment.icontains(chosen.search, autoescape=True),
            )
        )
    return conditions


@dataclass(frozen=True)
class KeptSearch:
    """A search among texts that an owner has kept: its name, and the query of the page's address."""

    name: str
    query: str


def read_searches(connection: Connection) -> list[KeptSearch]:
    """Return the searches that were kept, by name."""
    searches = schema.searches
    rows = connection.execute(sa.select(searches.c.name, searches.c.query).order_by(searches.c.name))
    return [KeptSearch(*row) for row in rows]


def keep_search(connection: Connection, name: str, query: str, *, by: str | None, now: float) -> None:
    """Keep a search in place of one of the same name."""
    drop_search(connection, name)
    row = {"name": name, "query": query, "made_by": by, "created_at": now}
    connection.execute(sa.insert(schema.searches).values(row))


def drop_search(connection: Connection, name: str) -> str:
    """Forget a search; return its query, empty where there was none."""
    mine = schema.searches.c.name == name
    query = connection.scalar(sa.select(schema.searches.c.query).where(mine))
    connection.execute(sa.delete(schema.searches).where(mine))
    return query or ""


def in_query(query: str, old: str, new: str) -> str:
    """Return the query of a page's address with another annotator's name in place of one.

    Examples
    --------
    >>> in_query("q=ana+or+bo&annotator=ana", "ana", "erased-1")
    'q=ana+or+bo&annotator=erased-1'
    """
    pairs = parse_qsl(query, keep_blank_values=True)
    return urlencode([(key, new if (key, value) == ("annotator", old) else value) for key, value in pairs])


def forget_in_searches(connection: Connection, name: str, pseudonym: str) -> None:
    """Put a pseudonym in place of a person's name in searches that are kept, or were and are in the trail."""
    searches, history = schema.searches, schema.history
    for one in read_searches(connection):
        mine = sa.update(searches).where(searches.c.name == one.name)
        connection.execute(mine.values(query=in_query(one.query, name, pseudonym)))
    dropped = sa.select(history.c.id, history.c.detail).where(history.c.verb == "drop search")
    for row in connection.execute(dropped).all():
        detail = {**row.detail, "query": in_query(row.detail["query"], name, pseudonym)}
        connection.execute(sa.update(history).where(history.c.id == row.id).values(detail=detail))


def _class_ids(name: str) -> sa.Select[Any]:
    return sa.select(schema.classes.c.id).where(schema.classes.c.name == name)


def _annotator_ids(name: str) -> sa.Select[Any]:
    return sa.select(schema.annotators.c.id).where(schema.annotators.c.name == name)
