"""Which texts and annotations: what people search by, and what it means in the database."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qsl, urlencode

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine import Connection

from jurybox.errors import NotFoundError
from jurybox.store import schema
from jurybox.store.ranks import chunks
from jurybox.store.search import has_words, words_of
from jurybox.store.state import read_state

_FEW = 5_000


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
        Words of the text or of its id: all of them, and the last may be the beginning of one; upper and lower
        case are one. Where it is no word but signs, a part of the text or of its id.
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
    """Which annotations that stand; what is left out does not matter.

    A `search` is for words of the text, as in `TextFilter`, or a part of the comment.
    """

    text_id: str | None = None
    annotator: str | None = None
    label: str | None = None
    search: str = ""


def text_conditions(connection: Connection, chosen: TextFilter) -> list[sa.ColumnElement[bool]]:
    """Return what texts fulfil that fit, in a query that has them with their places in the ranking."""
    texts, annotations = schema.texts, schema.annotations
    conditions: list[sa.ColumnElement[bool]] = []
    if words_of(chosen.search) and connection.dialect.name == "sqlite":
        # joined, not listed: where a word is common, only as many of its texts are read as a page shows
        conditions += [schema.text_words.c.rowid == texts.c.id, has_words(connection, chosen.search)]
    elif words_of(chosen.search):
        # PostgreSQL might read all texts in their order, on the look-out for the few that have a rare word
        conditions.append(_is_one_of(connection, _with_words(connection, chosen.search), texts.c.id))
    elif chosen.search:
        conditions.append(_contains(chosen.search, texts.c.text, texts.c.external_id))
    given = sa.select(annotations.c.text_id).where(schema.is_standing)
    if chosen.label is not None or chosen.annotator is not None:
        such = given
        if chosen.label is not None:
            such = such.where(annotations.c.class_id.in_(_class_ids(chosen.label)))
        if chosen.annotator is not None:
            such = such.where(annotations.c.annotator_id.in_(_annotator_ids(chosen.annotator)))
        conditions.append(_is_one_of(connection, such, texts.c.id))
    if chosen.state is not None:
        conditions.append(_is_in_state(connection, chosen.state, given))
    return conditions


def _is_in_state(
    connection: Connection, state: TextState, given: sa.Select[tuple[int]]
) -> sa.ColumnElement[bool]:
    """Return whether a text is in a state; `given` selects the text of each annotation that stands."""
    annotations, flags, places = schema.annotations, schema.flags, schema.ranking.alias("places")
    if state == TextState.UNLABELLED:
        return ~given.where(annotations.c.text_id == schema.texts.c.id).exists()
    base = sa.select(places.c.text_id).where(places.c.round_id == read_state(connection).base_round)
    several = sa.func.count(annotations.c.class_id.distinct()) > 1
    texts: dict[TextState, sa.Select[tuple[int]]] = {
        TextState.LABELLED: given,
        TextState.OPEN: base.where(places.c.open),
        TextState.FINISHED: base.where(~places.c.open),
        TextState.DISAGREED: given.group_by(annotations.c.text_id).having(several),
        TextState.FLAGGED: sa.select(flags.c.text_id).where(flags.c.resolved_at.is_(None)),
        TextState.AUDIT: sa.select(schema.audit.c.text_id),
    }
    return _is_one_of(connection, texts[state], schema.texts.c.id)


def _is_one_of(
    connection: Connection, chosen: sa.Select[tuple[int]], number: sa.ColumnElement[int]
) -> sa.ColumnElement[bool]:
    """Return whether the number of a text is among those that a statement selects.

    Few are listed, and only they are read; where there are many, one text after the other is looked up, since
    the first of them will fill a page.
    """
    few = sa.bindparam(None, _FEW + 1, type_=sa.Integer, literal_execute=True)  # so that plans are for few
    numbers = connection.scalars(chosen.limit(few)).all()
    if len(numbers) > _FEW:
        return chosen.where(chosen.selected_columns[0] == number).exists()
    if connection.dialect.name == "sqlite":
        return number.in_(numbers)
    # In one value: to take in thousands would take longer than to find what they are for.
    return number == sa.func.any(sa.cast(sorted({*numbers}), ARRAY(sa.Integer)))


def _with_words(connection: Connection, search: str) -> sa.Select[tuple[int]]:
    return sa.select(schema.text_words.c.rowid).where(has_words(connection, search))


def text_number(connection: Connection, chosen: TextFilter) -> sa.ColumnElement[int]:
    """Return what puts the texts that fit in order: their number, where it is found first.

    That is SQLite's index of words or the ranking, each in this order: nothing has to be sorted for a page.
    """
    by_words = words_of(chosen.search) and connection.dialect.name == "sqlite"
    return schema.text_words.c.rowid if by_words else schema.ranking.c.text_id


def annotation_conditions(connection: Connection, chosen: AnnotationFilter) -> list[sa.ColumnElement[bool]]:
    """Return what annotations fulfil that fit, in a query that has them with their texts."""
    annotations, texts = schema.annotations, schema.texts
    conditions: list[sa.ColumnElement[bool]] = []
    if chosen.text_id is not None:
        conditions.append(texts.c.external_id == chosen.text_id)
    if chosen.annotator is not None:
        conditions.append(annotations.c.annotator_id.in_(_annotator_ids(chosen.annotator)))
    if chosen.label is not None:
        conditions.append(annotations.c.class_id.in_(_class_ids(chosen.label)))
    if words_of(chosen.search):
        found, number = _with_words(connection, chosen.search), annotations.c.text_id
        is_sqlite = connection.dialect.name == "sqlite"  # which looks words up once, and not for each text
        is_found = number.in_(found) if is_sqlite else _is_one_of(connection, found, number)
        conditions.append(is_found | _contains(chosen.search, annotations.c.comment))
    elif chosen.search:
        conditions.append(_contains(chosen.search, texts.c.text, annotations.c.comment))
    return conditions


def _contains(part: str, *columns: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    return sa.or_(*(column.icontains(part, autoescape=True) for column in columns))


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


def text_numbers(connection: Connection, ids: Iterable[str]) -> dict[str, int]:
    """Return the numbers of texts by id, in the order of the ids, each once.

    Raises
    ------
    NotFoundError
        If there is no text of one of them.
    """
    texts, numbers = schema.texts, dict.fromkeys(ids, -1)
    for chunk in chunks(numbers, 500):
        query = sa.select(texts.c.external_id, texts.c.id).where(texts.c.external_id.in_(chunk))
        numbers.update((row.external_id, row.id) for row in connection.execute(query))
    for one, number in numbers.items():
        if number < 0:
            raise NotFoundError(f"there is no text with id {one!r} in this project")
    return numbers
