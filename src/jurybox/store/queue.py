"""Handing out texts: the ranking, leases, and why there is nothing left.

A text is with one person at a time, whatever number of labels it still wants: so no text is ever out beyond
its cap, and no two people spend time on a text of which the second label may turn out not to be needed.
Others get the next text meanwhile. A lease ends when its text is labelled, skipped or given back, or when it
expires.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from jurybox.errors import ConflictError, NotFoundError
from jurybox.store import gold_queue, schema
from jurybox.store.gold import is_mixed_in
from jurybox.store.people import free_by_share, lock_actor, share_of
from jurybox.store.places import any_open, any_wanted, best_free, own_place
from jurybox.store.qualification import NO_LIMIT, Admission, admit
from jurybox.store.records import NothingLeft, Standing, Task, Tasks, Why
from jurybox.store.state import ProjectState, read_state

__all__ = ["claim", "find_text", "next_tasks", "release", "release_all", "renew"]

_ATTEMPTS = 50


def next_tasks(connection: Connection, name: str, n: int, *, resume: bool, now: float) -> Tasks:
    """Lend up to `n` texts to an annotator, those already held first.

    Raises
    ------
    NotFoundError
        If there is no such annotator.
    """
    annotator, state = lock_actor(connection, name)
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
        tasks.extend(taken)
        n_held += len(taken)
        free -= len(taken)
    complete = len(tasks) == n
    nothing = None if complete else _why(connection, state, annotator, n_held, admission, now)
    return Tasks(tuple(tasks), nothing, suggestions=state.settings.suggestions)


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


def claim(
    connection: Connection, state: ProjectState, name: str, annotator_id: int, text_id: int, now: float
) -> Task:
    """Lend one particular text, for instance after its label was taken back.

    Where someone else has it, the task comes without a lease: it has expired already.
    """
    if state.n_gold and is_mixed_in(connection, text_id):
        lent = _claim_gold(connection, state, annotator_id, text_id, now)
        return _task(lent, name, lent.expires_at)
    place = own_place(connection, state, text_id)
    _lease(connection, state, annotator_id, [place], now)
    row = connection.execute(_LENT, {**_rounds(state), "text": text_id}).one()
    return _task(row, name, row.expires_at if row.annotator_id == annotator_id else now)


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
    values = {**_rounds(state), "annotator": annotator_id, "now": now}
    return [row for row in connection.execute(_HELD, values) if row.position is not None]


def _oldest_first(held: list[sa.Row[Any]]) -> list[sa.Row[Any]]:
    return sorted(held, key=lambda row: (row.issued_at, -row.round_id, row.position))


def _rounds(state: ProjectState) -> dict[str, int]:
    return {"round": state.current_round, "base": state.base_round}


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
    return [_task(row, name, until) for row in held]


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
) -> list[Task] | None:
    """Lend the best free texts; None where there are none, fewer than found where others were faster."""
    rows = best_free(connection, state, annotator.id, n, now)
    if not rows:
        return None
    if state.n_gold:
        golden = gold_queue.place(connection, state, annotator, rows, n_held, now, all_places=tested)
        if golden or tested:
            return _take_mixed(connection, state, annotator, rows, golden, now, only_gold=tested)
    return _lend(connection, state, annotator, rows, now)


def _take_mixed(
    connection: Connection,
    state: ProjectState,
    annotator: sa.Row[Any],
    rows: Sequence[Any],
    golden: Mapping[int, int],
    now: float,
    *,
    only_gold: bool,
) -> list[Task] | None:
    """Lend gold texts in some of the places, and in the others what belongs there or nothing."""
    taken: list[Task] = []
    for at, row in enumerate(rows):
        if at in golden:
            lent = gold_queue.lend(connection, state, annotator.id, golden[at], row, now)
            taken.append(_task(lent, annotator.name, lent.expires_at))
        elif not only_gold:
            taken.extend(_lend(connection, state, annotator, [row], now))
    return taken if golden or not only_gold else None


def _claim_gold(
    connection: Connection, state: ProjectState, annotator_id: int, text_id: int, now: float
) -> sa.Row[Any]:
    """Lend one particular gold text in the place of the text that would come next, or else in its own."""
    place = next(iter(best_free(connection, state, annotator_id, 1, now)), None)
    if place is None:
        place = own_place(connection, state, text_id)
    return gold_queue.lend(connection, state, annotator_id, text_id, place, now)


def _lend(
    connection: Connection, state: ProjectState, annotator: sa.Row[Any], rows: Sequence[Any], now: float
) -> list[Task]:
    """Lend texts of the queue that nobody else was faster to get."""
    got = {*_lease(connection, state, annotator.id, rows, now)}
    until = now + state.settings.lease_seconds
    return [_task(row, annotator.name, until) for row in rows if row.text_id in got]


def _lease(
    connection: Connection, state: ProjectState, annotator_id: int, rows: Sequence[Any], now: float
) -> list[int]:
    """Write leases where nobody else holds one that is valid; return the texts that were got."""
    upsert = _upsert(connection.dialect.name)
    until = now + state.settings.lease_seconds
    got = (
        connection.scalar(
            upsert,
            {
                "text_id": row.text_id,
                "annotator_id": annotator_id,
                "issued_at": now,
                "expires_at": until,
                "round_id": row.round_id,
                "reason": row.reason,
                "score": row.score,
                "selection_probability": row.selection_probability,
                "now": now,
            },
        )
        for row in rows
    )
    return [number for number in got if number is not None]


# The statements of the hot path are built once: building one takes longer than running it.


_MINE = sa.and_(
    schema.leases.c.text_id == sa.bindparam("text"), schema.leases.c.annotator_id == sa.bindparam("annotator")
)
_RELEASE = sa.delete(schema.leases).where(_MINE)
_TEXT = sa.select(schema.texts.c.id).where(schema.texts.c.external_id == sa.bindparam("id"))
_LOCKED_TEXT = _TEXT.with_for_update(key_share=True)


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


def _lent_texts() -> sa.Select[Any]:
    """Leases with their texts, as `_task` reads them, and the place in the queue of those still wanted.

    The place is a subquery, not a join: a planner without statistics might start from the whole queue.
    """
    leases, texts, ranking = schema.leases, schema.texts, schema.ranking

    def position(number: str) -> sa.ScalarSelect[Any]:
        here = ranking.c.round_id == sa.bindparam(number, type_=sa.Integer)
        mine = ranking.c.text_id == leases.c.text_id
        return sa.select(ranking.c.position).where(here, mine, ranking.c.open).scalar_subquery()

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
        sa.func.coalesce(position("round"), position("base")).label("position"),
    ).join(texts, texts.c.id == leases.c.text_id)


_LENT = _lent_texts().where(schema.leases.c.text_id == sa.bindparam("text", type_=sa.Integer))
_HELD = _lent_texts().where(
    schema.leases.c.annotator_id == sa.bindparam("annotator", type_=sa.Integer),
    schema.leases.c.expires_at > sa.bindparam("now", type_=sa.Double),
)


def _task(row: Any, name: str, expires_at: float) -> Task:
    return Task(
        text_id=row.external_id,
        text=row.text,
        annotator=name,
        reason=row.reason,
        score=row.score,
        selection_probability=row.selection_probability,
        round=row.round_id,
        expires_at=expires_at,
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
    leases = schema.leases
    if annotator.cap is not None and annotator.n_annotations + n_held >= annotator.cap:
        return NothingLeft(Why.CAP_REACHED)
    if connection.execute(sa.select(schema.texts.c.id).limit(1)).first() is None:
        return NothingLeft(Why.NO_TEXTS)
    if not any_open(connection, state):
        return NothingLeft(Why.FINISHED)
    if not any_wanted(connection, state, annotator.id):
        return NothingLeft(Why.ALL_SEEN)
    if admission.tested:
        return NothingLeft(Why.BEING_TESTED)
    if _allowance(connection, state, annotator, n_held) <= 0:
        return NothingLeft(Why.SHARE_REACHED)
    others = sa.and_(leases.c.annotator_id != annotator.id, leases.c.expires_at > now)
    first_expiry = connection.scalar(sa.select(sa.func.min(leases.c.expires_at)).where(others))
    return NothingLeft(Why.WITH_OTHERS, now if first_expiry is None else first_expiry)
