"""Handing out texts: the ranking, leases, and why there is nothing left.

A text is with one person at a time, whatever number of labels it still wants: so no text is ever out beyond
its cap, and no two people spend time on a text of which the second label may turn out not to be needed.
Others get the next text meanwhile. A lease ends when its text is labelled, skipped or given back, or when it
expires.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from jurybox.errors import ConflictError, NotFoundError, StoreError
from jurybox.store import gold_queue, schema
from jurybox.store.engine import forbid_sorting
from jurybox.store.gold import is_mixed_in
from jurybox.store.locks import serialise
from jurybox.store.people import free_by_share, lock_annotator, share_of
from jurybox.store.qualification import NO_LIMIT, Admission, admit
from jurybox.store.records import NothingLeft, Standing, Task, Tasks, Why
from jurybox.store.state import ProjectState, read_state

__all__ = ["claim", "find_text", "held_lease", "next_tasks", "release", "release_all", "renew"]

_ATTEMPTS = 50


def next_tasks(connection: Connection, name: str, n: int, *, resume: bool, now: float) -> Tasks:
    """Lend up to `n` texts to an annotator, those already held first.

    Raises
    ------
    NotFoundError
        If there is no such annotator.
    """
    serialise(connection, "round", shared=True)
    annotator = lock_annotator(connection, name)
    state = read_state(connection)
    if annotator.standing != Standing.ACTIVE:
        return Tasks((), NothingLeft(Why.PAUSED))
    held = _held(connection, state, annotator.id, now)
    golden = gold_queue.held(connection, annotator.id, now) if state.n_gold else []
    admission = admit(connection, state, annotator, len(golden), now)
    if admission.refused:
        return Tasks((), NothingLeft(Why.NOT_QUALIFIED))
    in_hand = _oldest_first([*held, *golden])
    tasks = _extend(connection, state, annotator.id, in_hand[:n], name, now) if resume else []
    n_held = len(in_hand)
    free = min(n - len(tasks), _allowance(connection, state, annotator, n_held), admission.room)
    for _ in range(_ATTEMPTS):
        if free <= 0:
            break
        taken = _take(connection, state, annotator, free, n_held, now, tested=admission.tested)
        if taken is None:
            break
        tasks.extend(_task(row, name) for row in taken)
        n_held += len(taken)
        free -= len(taken)
    if len(tasks) == n:
        return Tasks(tuple(tasks))
    return Tasks(tuple(tasks), _why(connection, state, annotator, n_held, admission, now))


def renew(connection: Connection, name: str, text_id: int, *, now: float) -> float:
    """Keep a text for as long as if it had been opened now; return when that ends.

    A lease that has expired is renewed too, as long as nobody else has the text.

    Raises
    ------
    ConflictError
        If the annotator does not hold the text any more.
    """
    expires_at = now + read_state(connection).settings.lease_seconds
    held = sa.and_(
        schema.leases.c.text_id == text_id,
        schema.leases.c.annotator_id.in_(
            sa.select(schema.annotators.c.id).where(schema.annotators.c.name == name)
        ),
    )
    renewed = connection.execute(sa.update(schema.leases).where(held).values(expires_at=expires_at)).rowcount
    if not renewed and not gold_queue.renew(connection, name, text_id, expires_at):
        raise ConflictError(
            f"annotator {name!r} does not hold this text any more; a label for it is kept anyway"
        )
    return expires_at


def release(connection: Connection, annotator_id: int, text_id: int, *, golden: bool = True) -> None:
    """Give a text back; nothing happens if the annotator does not hold it.

    Parameters
    ----------
    golden
        Whether it may be in hand as a gold text.
    """
    connection.execute(_RELEASE, {"text": text_id, "annotator": annotator_id})
    if golden:
        gold_queue.forget(connection, annotator_id, text_id)


def release_all(connection: Connection, name: str) -> None:
    """Give back all texts that a person holds."""
    person = sa.select(schema.annotators.c.id).where(schema.annotators.c.name == name)
    for leases in (schema.leases, schema.gold_leases):
        connection.execute(sa.delete(leases).where(leases.c.annotator_id.in_(person)))


def held_lease(connection: Connection, annotator_id: int, text_id: int) -> sa.Row[Any] | None:
    """Return the annotator's lease on a text, expired or not, as long as nobody else took the text."""
    return connection.execute(_LEASE, {"text": text_id, "annotator": annotator_id}).one_or_none()


def claim(
    connection: Connection, state: ProjectState, name: str, annotator_id: int, text_id: int, now: float
) -> Task:
    """Lend one particular text, for instance after its label was taken back.

    Where someone else has it, the task comes without a lease: it has expired already.
    """
    if state.n_gold and is_mixed_in(connection, text_id):
        return _task(_claim_gold(connection, state, annotator_id, text_id, now), name)
    entry = _ranked().where(schema.ranking.c.text_id == text_id)
    rows = connection.execute(entry, {"round": state.current_round}).mappings().all()
    _lease(connection, state, annotator_id, rows, now)
    row = _lent(connection, state, text_id)
    if row is None:  # not in the ranking that holds: never, since a ranking covers all texts
        raise StoreError("a text has no place in the queue; play a round to repair it")
    task = _task(row, name)
    return task if row.annotator_id == annotator_id else replace(task, expires_at=now)


def find_text(connection: Connection, external_id: str, *, lock: bool = False) -> int:
    """Return the number of a text; with `lock`, let nobody else label it until the transaction ends.

    Raises
    ------
    NotFoundError
        If there is no such text.
    """
    number = connection.scalar(_LOCKED_TEXT if lock else _TEXT, {"id": external_id})
    if number is None:
        raise NotFoundError(f"there is no text with id {external_id!r} in this project")
    return int(number)


def _held(connection: Connection, state: ProjectState, annotator_id: int, now: float) -> list[sa.Row[Any]]:
    """Return the texts of the ordinary queue that an annotator holds and that still want a label."""
    values = {"round": state.current_round, "annotator": annotator_id, "now": now}
    return [row for row in connection.execute(_held_by(), values) if row.position is not None]


def _oldest_first(held: list[sa.Row[Any]]) -> list[sa.Row[Any]]:
    return sorted(held, key=lambda row: (row.issued_at, row.position))


def _extend(
    connection: Connection,
    state: ProjectState,
    annotator_id: int,
    held: list[sa.Row[Any]],
    name: str,
    now: float,
) -> list[Task]:
    """Lend texts in hand anew."""
    if not held:
        return []
    leases = schema.leases
    until = now + state.settings.lease_seconds
    numbers = [row.id for row in held]
    mine = sa.and_(leases.c.text_id.in_(numbers), leases.c.annotator_id == annotator_id)
    connection.execute(sa.update(leases).where(mine).values(expires_at=until))
    if state.n_gold:
        gold_queue.extend(connection, annotator_id, numbers, until)
    return [replace(_task(row, name), expires_at=until) for row in held]


def _allowance(connection: Connection, state: ProjectState, annotator: sa.Row[Any], n_held: int) -> int:
    """Return how many more texts an annotator who holds so many may take, by number and by share."""
    free = NO_LIMIT if annotator.cap is None else annotator.cap - annotator.n_annotations - n_held
    share = share_of(annotator, state.settings)
    return free if share is None else min(free, free_by_share(connection, annotator, share, n_held))


def _take(
    connection: Connection,
    state: ProjectState,
    annotator: sa.Row[Any],
    n: int,
    n_held: int,
    now: float,
    *,
    tested: bool,
) -> list[sa.Row[Any]] | None:
    """Lend the best free texts; None where there are none, fewer than found where others were faster."""
    rows = _best_free(connection, state, annotator.id, n, now)
    if not rows:
        return None
    if state.n_gold:
        golden = gold_queue.place(connection, state, annotator, rows, n_held, now, all_places=tested)
        if golden or tested:
            return _take_mixed(connection, state, annotator.id, rows, golden, now, only_gold=tested)
    taken = _lease(connection, state, annotator.id, rows, now)
    lent = [_lent(connection, state, text_id) for text_id in taken]
    return [row for row in lent if row is not None]


def _take_mixed(
    connection: Connection,
    state: ProjectState,
    annotator_id: int,
    rows: Sequence[Any],
    golden: Mapping[int, int],
    now: float,
    *,
    only_gold: bool,
) -> list[sa.Row[Any]] | None:
    """Lend gold texts in some of the places, and in the others what belongs there or nothing."""
    taken: list[sa.Row[Any]] = []
    for at, row in enumerate(rows):
        if at in golden:
            taken.append(gold_queue.lend(connection, state, annotator_id, golden[at], row, now))
        elif not only_gold:
            got = (
                _lent(connection, state, text) for text in _lease(connection, state, annotator_id, [row], now)
            )
            taken.extend(lent for lent in got if lent is not None)
    return taken if golden or not only_gold else None


def _claim_gold(
    connection: Connection, state: ProjectState, annotator_id: int, text_id: int, now: float
) -> sa.Row[Any]:
    """Lend one particular gold text in the place of the text that would come next, or else in its own."""
    place: Any = next(iter(_best_free(connection, state, annotator_id, 1, now)), None)
    if place is None:
        own = _ranked().where(schema.ranking.c.text_id == text_id)
        place = connection.execute(own, {"round": state.current_round}).mappings().one()
    return gold_queue.lend(connection, state, annotator_id, text_id, place, now)


def _best_free(
    connection: Connection, state: ProjectState, annotator_id: int, n: int, now: float
) -> Sequence[sa.RowMapping]:
    """Find the first texts of the queue that want a label, from this annotator too, and that nobody holds."""
    forbid_sorting(connection)
    values = {"round": state.current_round, "annotator": annotator_id, "now": now, "n": n}
    return connection.execute(_free(), values).mappings().all()


def _lease(
    connection: Connection, state: ProjectState, annotator_id: int, rows: Sequence[Any], now: float
) -> list[int]:
    """Write leases where nobody else holds one that is valid; return the texts that were got."""
    upsert = _upsert(connection.dialect.name)
    until = now + state.settings.lease_seconds
    common = {"annotator_id": annotator_id, "issued_at": now, "expires_at": until, "now": now}
    got = (connection.scalar(upsert, {**row, **common}) for row in rows)
    return [number for number in got if number is not None]


def _lent(connection: Connection, state: ProjectState, text_id: int) -> sa.Row[Any] | None:
    values = {"round": state.current_round, "text": text_id}
    return connection.execute(_lent_text(), values).one_or_none()


# The statements of the hot path are built once: building one takes longer than running it.


_MINE = sa.and_(
    schema.leases.c.text_id == sa.bindparam("text"), schema.leases.c.annotator_id == sa.bindparam("annotator")
)
_LEASE = sa.select(schema.leases).where(_MINE)
_RELEASE = sa.delete(schema.leases).where(_MINE)
_TEXT = sa.select(schema.texts.c.id).where(schema.texts.c.external_id == sa.bindparam("id"))
_LOCKED_TEXT = _TEXT.with_for_update(key_share=True)


@cache
def _free() -> sa.Select[Any]:
    leases, ranking = schema.leases, schema.ranking
    lent = _looked_up(leases.c.text_id == ranking.c.text_id, leases.c.expires_at > sa.bindparam("now"))
    return (
        _wanted()
        .where(~lent)
        .order_by(ranking.c.position, ranking.c.text_id)
        .limit(sa.bindparam("n", type_=sa.Integer))
        .with_for_update(of=ranking, skip_locked=True)
    )


@cache
def _wanted() -> sa.Select[Any]:
    """Texts in the queue that an annotator has neither labelled nor skipped."""
    ranking, annotations, skips = schema.ranking, schema.annotations, schema.skips
    annotator = sa.bindparam("annotator", type_=sa.Integer)
    labelled = _looked_up(
        annotations.c.text_id == ranking.c.text_id,
        annotations.c.annotator_id == annotator,
        schema.is_standing,
    )
    skipped = _looked_up(
        skips.c.annotator_id == annotator,
        skips.c.text_id == ranking.c.text_id,
        skips.c.retired_at.is_(None),
    )
    return _ranked().where(ranking.c.open, ~labelled, ~skipped)


def _looked_up(*criteria: sa.ColumnElement[bool]) -> sa.Exists:
    """Whether there is such a row, looked up for one text after the other.

    The OFFSET keeps PostgreSQL from making it a join, which it may begin with any of the tables.
    """
    return sa.select(sa.literal_column("1")).where(*criteria).offset(sa.literal_column("0")).exists()


@cache
def _ranked() -> sa.Select[Any]:
    ranking = schema.ranking
    return sa.select(
        ranking.c.text_id,
        ranking.c.round_id,
        ranking.c.reason,
        ranking.c.score,
        ranking.c.selection_probability,
    ).where(ranking.c.round_id == sa.bindparam("round", type_=sa.Integer))


@cache
def _upsert(dialect: str) -> Any:
    leases = schema.leases
    insert = (sqlite if dialect == "sqlite" else postgresql).insert(leases)
    now = sa.bindparam("now", type_=sa.Double)
    mine = leases.c.annotator_id == insert.excluded.annotator_id
    changed = {
        column.name: insert.excluded[column.name] for column in leases.columns if column.name != "text_id"
    }
    return insert.on_conflict_do_update(
        index_elements=[leases.c.text_id], set_=changed, where=sa.or_(leases.c.expires_at <= now, mine)
    ).returning(leases.c.text_id)


@cache
def _lent_texts() -> sa.Select[Any]:
    """Leases with their texts, as `_task` reads them, and the place in the queue of those still wanted.

    The place is a subquery, not a join: a planner without statistics might start from the whole queue.
    """
    leases, texts, ranking = schema.leases, schema.texts, schema.ranking
    position = (
        sa.select(ranking.c.position)
        .where(
            ranking.c.round_id == sa.bindparam("round", type_=sa.Integer),
            ranking.c.text_id == leases.c.text_id,
            ranking.c.open,
        )
        .scalar_subquery()
    )
    return sa.select(
        texts.c.id,
        texts.c.external_id,
        texts.c.text,
        texts.c.metadata.label("about"),
        leases.c.annotator_id,
        leases.c.reason,
        leases.c.score,
        leases.c.selection_probability,
        leases.c.round_id,
        leases.c.issued_at,
        leases.c.expires_at,
        position.label("position"),
    ).join(texts, texts.c.id == leases.c.text_id)


@cache
def _held_by() -> sa.Select[Any]:
    leases = schema.leases
    return _lent_texts().where(
        leases.c.annotator_id == sa.bindparam("annotator", type_=sa.Integer),
        leases.c.expires_at > sa.bindparam("now", type_=sa.Double),
    )


@cache
def _lent_text() -> sa.Select[Any]:
    return _lent_texts().where(schema.leases.c.text_id == sa.bindparam("text", type_=sa.Integer))


def _task(row: Any, name: str) -> Task:
    return Task(
        text_id=row.external_id,
        text=row.text,
        annotator=name,
        reason=row.reason,
        score=row.score,
        selection_probability=row.selection_probability,
        round=row.round_id,
        expires_at=row.expires_at,
        metadata={} if row.about is None else json.loads(row.about),
    )


def _why(
    connection: Connection,
    state: ProjectState,
    annotator: sa.Row[Any],
    n_held: int,
    admission: Admission,
    now: float,
) -> NothingLeft:
    """Find out why an annotator gets fewer texts than asked for."""
    ranking, leases = schema.ranking, schema.leases
    if annotator.cap is not None and annotator.n_annotations + n_held >= annotator.cap:
        return NothingLeft(Why.CAP_REACHED)
    if connection.execute(sa.select(schema.texts.c.id).limit(1)).first() is None:
        return NothingLeft(Why.NO_TEXTS)
    values = {"round": state.current_round, "annotator": annotator.id}
    if connection.execute(_ranked().where(ranking.c.open).limit(1), values).first() is None:
        return NothingLeft(Why.FINISHED)
    mine = sa.exists().where(leases.c.text_id == ranking.c.text_id, leases.c.annotator_id == annotator.id)
    left = _wanted().where(~mine).limit(1)
    if connection.execute(left, values).first() is None:
        return NothingLeft(Why.ALL_SEEN)
    if admission.tested:
        return NothingLeft(Why.BEING_TESTED)
    if _allowance(connection, state, annotator, n_held) <= 0:
        return NothingLeft(Why.SHARE_REACHED)
    others = sa.and_(leases.c.annotator_id != annotator.id, leases.c.expires_at > now)
    first_expiry = connection.scalar(sa.select(sa.func.min(leases.c.expires_at)).where(others))
    return NothingLeft(Why.WITH_OTHERS, now if first_expiry is None else first_expiry)
