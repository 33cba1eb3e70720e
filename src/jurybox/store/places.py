"""Finding the next texts: the first places of the queue that want a label.

They are looked up in the ranking that holds; where it is but a front that is used up, also in its base, among
the texts that it leaves out (`jurybox.store.ranks`).

Who is reliable shows where people answer the same question. A ranking asks for second labels where they help
the model, which may be late, and of somebody who comes late never; so at a few places among the first of each
person's sequence stands a text that somebody else has labelled. The person cannot tell which.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jurybox.errors import StoreError
from jurybox.store import schema
from jurybox.store.ranks import PASS, order
from jurybox.store.settings import BEGINNING
from jurybox.store.state import ProjectState, read_state

_RECENT = 200


def best_free(
    connection: Connection, state: ProjectState, annotator_id: int, n: int, now: float
) -> Sequence[sa.Row[Any]]:
    """Find the first texts of the queue that want a label, from this annotator too, and that nobody holds."""
    values = {"round": state.current_round, "annotator": annotator_id, "now": now, "n": n}
    copies = state.shares_copies
    found = connection.execute(_free(copies), values).all()
    if not state.has_front or (len(found) == n and found[-1].position < PASS):
        return found
    behind = {**values, "round": state.base_round, "front": state.current_round}
    return sorted([*found, *connection.execute(_free_behind(copies), behind)], key=order)[:n]


def best_for(
    connection: Connection, state: ProjectState, annotator: sa.Row[Any], n: int, n_held: int, now: float
) -> Sequence[sa.Row[Any]]:
    """Find the next texts: the best of the queue, and at a beginner's first places some that others know."""
    best = best_free(connection, state, annotator.id, n, now)
    first = annotator.n_annotations + annotator.n_skips + n_held
    wanted = [_is_shared(first + at, state.settings.overlap) for at in range(len(best))]
    if not any(wanted):
        return best
    shared = list(best_shared(connection, state, annotator.id, sum(wanted), now))
    known = {row.text_id for row in shared}
    others = [row for row in best if row.text_id not in known]
    rows = []
    for is_shared in wanted:
        source = shared if (is_shared and shared) or not others else others
        if source:
            rows.append(source.pop(0))
    return rows


def _is_shared(place: int, overlap: int) -> bool:
    """Whether a person's text at a place of his or her sequence is one that somebody else has labelled.

    Examples
    --------
    >>> [place for place in range(30) if _is_shared(place, 8)]
    [2, 4, 7, 9, 12, 14, 17, 19]
    """
    return place < BEGINNING and (place + 1) * overlap // BEGINNING > place * overlap // BEGINNING


def best_shared(
    connection: Connection, state: ProjectState, annotator_id: int, n: int, now: float
) -> Sequence[sa.Row[Any]]:
    """Find texts that somebody else has labelled lately and that want a label from this annotator, too."""
    values = {"annotator": annotator_id, "now": now, "n": 1}
    rounds = dict.fromkeys((state.current_round, state.base_round))
    places: dict[int, sa.Row[Any]] = {}
    for number in rounds:  # a text of the front has its place there
        rows = connection.execute(_shared(), {"annotator": annotator_id, "round": number}).all()
        places = {row.text_id: row for row in rows} | places
    found: list[sa.Row[Any]] = []
    for place in sorted(places.values(), key=order):
        if len(found) == n:
            break
        here = {**values, "round": place.round_id, "text": place.text_id}
        found += connection.execute(_free_text(state.shares_copies), here).all()
    return found


def own_place(connection: Connection, state: ProjectState, text_id: int) -> sa.Row[Any]:
    """Return a text's own place in the queue, whether it wants a label or not.

    Raises
    ------
    StoreError
        If it has none: never, since the queue covers all texts.
    """
    for number in (state.current_round, state.base_round):
        row = connection.execute(_own(), {"round": number, "text": text_id}).one_or_none()
        if row is not None:
            return row
    raise StoreError("a text has no place in the queue; play a round to repair it")


def count_open(connection: Connection) -> int:
    """Count the texts that want a label: all but those whose place in the base is closed.

    Few are closed where many are open, and to count a million would take longer than a page may.
    """
    return connection.scalar(_N_OPEN) or 0


def count_room(connection: Connection) -> int:
    """Count the labels that texts outside the audit sample may still get, as the settings are."""
    ranking, audit = schema.ranking.c, schema.audit.c
    learnt_from = ~sa.exists().where(audit.text_id == ranking.text_id)
    still = sa.select(sa.func.sum(ranking.cap - ranking.labels)).where(
        ranking.round_id == read_state(connection).base_round,
        ranking.open,
        ranking.cap > ranking.labels,
        learnt_from,
    )
    return int(connection.scalar(still) or 0)


def count_finished(connection: Connection, n_texts: int) -> int:
    """Count those of so many texts that want no more labels: copies with the text whose labels they share."""
    state, groups, first = read_state(connection), schema.groups.c, schema.ranking.c
    waiting = 0
    if state.shares_copies:
        open_ones = sa.select(first.text_id).where(first.round_id == state.base_round, first.open)
        copies = sa.select(sa.func.count()).where(
            groups.copy_of.in_(open_ones), groups.text_id < state.n_placed
        )
        waiting = connection.scalar(copies) or 0
    return n_texts - count_open(connection) - waiting


def any_open(connection: Connection, state: ProjectState) -> bool:
    """Whether there is a text that wants a label."""
    return connection.execute(_open(), {"round": state.base_round}).first() is not None


def any_wanted(connection: Connection, state: ProjectState, annotator_id: int) -> bool:
    """Whether there is a text that wants a label from an annotator, who does not hold it."""
    values = {"round": state.base_round, "annotator": annotator_id}
    return connection.execute(_not_in_hand(state.shares_copies), values).first() is not None


# The statements of the hot path are built once: building one takes longer than running it.


_ANNOTATOR = sa.bindparam("annotator", type_=sa.Integer)


@cache
def _free(copies: bool) -> sa.Select[Any]:
    leases, ranking = schema.leases, schema.ranking
    now = sa.bindparam("now", type_=sa.Double)
    lent = looked_up(leases.c.text_id == ranking.c.text_id, schema.is_lent(leases, now))
    return (
        _wanted(copies)
        .where(~lent)
        .order_by(ranking.c.position, ranking.c.text_id)
        .limit(sa.bindparam("n", type_=sa.Integer))
        .with_for_update(of=ranking, skip_locked=True)
    )


@cache
def _free_text(copies: bool) -> sa.Select[Any]:
    """Return the place of one text, if it is free: no more places are held than are about to be lent."""
    return _free(copies).where(schema.ranking.c.text_id == sa.bindparam("text", type_=sa.Integer))


@cache
def _shared() -> sa.Select[Any]:
    """Open places of texts labelled last; sorted by nobody, lest a planner reads the queue in its order."""
    ranking, annotations = schema.ranking, schema.annotations
    recent = (
        sa.select(annotations.c.text_id)
        .where(schema.is_counted, annotations.c.annotator_id != _ANNOTATOR)
        .order_by(annotations.c.id.desc())
        .limit(_RECENT)
    )
    return sa.select(ranking.c.round_id, ranking.c.position, ranking.c.text_id).where(
        ranking.c.round_id == sa.bindparam("round", type_=sa.Integer),
        ranking.c.open,
        ranking.c.text_id.in_(sa.select(recent.subquery().c.text_id)),
    )


@cache
def _free_behind(copies: bool) -> sa.Select[Any]:
    return _free(copies).where(~in_front(schema.ranking.c.text_id, sa.bindparam("front", type_=sa.Integer)))


@cache
def _not_in_hand(copies: bool) -> sa.Select[Any]:
    leases, ranking = schema.leases, schema.ranking
    mine = sa.exists().where(leases.c.text_id == ranking.c.text_id, leases.c.annotator_id == _ANNOTATOR)
    return _wanted(copies).where(~mine).limit(1)


def _wanted(copies: bool) -> sa.Select[Any]:
    """Texts in the queue that an annotator has neither labelled nor skipped, nor a copy of them, if asked."""
    ranking, annotations, skips = schema.ranking, schema.annotations, schema.skips
    labelled = looked_up(
        annotations.c.text_id == ranking.c.text_id,
        annotations.c.annotator_id == _ANNOTATOR,
        schema.is_standing,
    )
    skipped = looked_up(
        skips.c.annotator_id == _ANNOTATOR,
        skips.c.text_id == ranking.c.text_id,
        skips.c.retired_at.is_(None),
    )
    wanted = _ranked().where(ranking.c.open, ~labelled, ~skipped)
    if not copies:
        return wanted
    groups = schema.groups
    known = sa.and_(groups.c.copy_of == ranking.c.text_id, annotations.c.text_id == groups.c.text_id)
    return wanted.where(~looked_up(known, annotations.c.annotator_id == _ANNOTATOR, schema.is_standing))


def in_front(text_id: sa.ColumnElement[int], front: sa.ColumnElement[int] | int) -> sa.ColumnElement[bool]:
    """Whether a text has a place in a front, whose round is given."""
    places = schema.ranking.alias("front")
    return looked_up(places.c.round_id == front, places.c.text_id == text_id)


def looked_up(*criteria: sa.ColumnElement[bool]) -> sa.Exists:
    """Whether there is such a row, looked up for one text after the other.

    The OFFSET keeps PostgreSQL from making it a join, which it may begin with any of the tables.
    """
    return sa.select(sa.literal_column("1")).where(*criteria).offset(sa.literal_column("0")).exists()


@cache
def _own() -> sa.Select[Any]:
    return _ranked().where(schema.ranking.c.text_id == sa.bindparam("text", type_=sa.Integer))


@cache
def _open() -> sa.Select[Any]:
    ranking = schema.ranking
    here = ranking.c.round_id == sa.bindparam("round", type_=sa.Integer)
    return sa.select(ranking.c.text_id).where(here, ranking.c.open).limit(1)


def _ranked() -> sa.Select[Any]:
    """Places of a round's ranking, with their texts and whoever has or had them on loan."""
    ranking, texts, leases = schema.ranking, schema.texts, schema.leases
    holder = sa.select(leases.c.annotator_id).where(leases.c.text_id == ranking.c.text_id).scalar_subquery()
    return (
        sa.select(
            ranking.c.text_id,
            ranking.c.round_id,
            ranking.c.position,
            ranking.c.reason,
            ranking.c.score,
            ranking.c.selection_probability,
            ranking.c.asked,
            texts.c.external_id,
            texts.c.text,
            texts.c.metadata.label("about"),
            holder.label("holder"),
        )
        .select_from(ranking.join(texts, texts.c.id == ranking.c.text_id))
        .where(ranking.c.round_id == sa.bindparam("round", type_=sa.Integer))
    )


def _n_open() -> sa.Select[Any]:
    project, ranking = schema.project.c, schema.ranking.c
    closed = sa.select(sa.func.count()).where(ranking.round_id == project.base_round, ~ranking.open)
    return sa.select(project.n_texts - closed.scalar_subquery())


_N_OPEN = _n_open()
