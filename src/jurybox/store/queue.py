"""Handing out texts: the ranking, leases, and why there is nothing left.

A text is with one person at a time, whatever number of labels it still wants: so no text is ever out beyond
its cap, and no two people spend time on a text of which the second label may turn out not to be needed.
Others get the next text meanwhile. A lease ends when its text is labelled, skipped or given back, or when it
expires. Who had it may still answer: loans that end without a label are kept in `served`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from jurybox.errors import ConflictError
from jurybox.store import gold, schema
from jurybox.store.gate import IN_HAND, allowance, check_person, is_bound
from jurybox.store.gold import NO_LIMIT, TestVerdict, admit, is_mixed_in
from jurybox.store.loans import give_back
from jurybox.store.people import lock_actor
from jurybox.store.places import any_open, any_wanted, best_for, best_free, own_place
from jurybox.store.records import NothingLeft, Standing, Task, Tasks, Why
from jurybox.store.rows import count_loans, known, lock_situation, note_served, remember
from jurybox.store.state import ProjectState
from jurybox.written import facets_at

_ATTEMPTS = 50


@dataclass(frozen=True)
class Terms:
    """On which terms texts are lent.

    Attributes
    ----------
    most
        The most texts in hand; None for no limit.
    seconds
        How long a loan lasts; None: as the project's settings say.
    """

    most: int | None = None
    seconds: float | None = None


def next_tasks(connection: Connection, name: str, n: int, *, resume: bool, terms: Terms, now: float) -> Tasks:
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
    golden = gold.held(connection, annotator.id, now) if state.n_gold else []
    admission = admit(connection, state, annotator, len(golden), now)
    if admission.refused:
        return Tasks((), NothingLeft(Why.NOT_QUALIFIED))
    wanted = _oldest_first([*(row for row in held if row.position is not None), *golden])
    tasks = _extend(connection, state, annotator.id, wanted[:n], name, terms, now) if resume else []
    n_held = len(held) + len(golden)
    room = NO_LIMIT if terms.most is None else terms.most - n_held
    free = min(n - len(tasks), allowance(connection, state, annotator, n_held), admission.room, max(room, 0))
    for _ in range(_ATTEMPTS):
        if free <= 0:
            break
        taken = _take(connection, state, annotator, free, n_held, terms, now, tested=admission.tested)
        if taken is None:
            break
        tasks.extend(taken)
        n_held += len(taken)
        free -= len(taken)
    complete = len(tasks) == n
    nothing = None if complete else _why(connection, state, annotator, n_held, terms, admission, now)
    return Tasks(tuple(tasks), nothing, suggestions=state.settings.suggestions)


def renew(connection: Connection, name: str, text: str, *, now: float) -> float:
    """Keep a text for as long as if it had been opened now; return when that ends.

    A lease that has expired is renewed too, as long as nobody else has the text and there is room for it. A
    text that does not exist is answered like one that is not held.

    Raises
    ------
    NotFoundError
        If there is no such annotator.
    ConflictError
        If the annotator does not hold the text any more, or may not write at present.
    """
    annotator, state = lock_actor(connection, name)
    check_person(state, annotator, direct=False)
    found = lock_situation(connection, annotator.id, text, now=now)
    held = found is not None and (found.loan, found.gold_loan) != (None, None)
    if found is None or not (found.is_lent or (held and _has_room(connection, state, annotator, now))):
        raise ConflictError(
            f"annotator {name!r} does not hold text {text!r} any more; a label for it is kept anyway",
            code="not_yours",
        )
    leases = schema.leases if found.gold_loan is None else schema.gold_leases
    mine = sa.and_(leases.c.text_id == found.text_id, leases.c.annotator_id == annotator.id)
    renewed = sa.update(leases).where(mine).values(expires_at=now + leases.c.seconds)
    return float(connection.execute(renewed.returning(leases.c.expires_at)).scalar_one())


def claim(
    connection: Connection, state: ProjectState, name: str, text: str, *, direct: bool, now: float
) -> Task:
    """Lend one particular text, for instance after its label was taken back.

    Where someone else has it, or the annotator has no room for it, the task comes without a lease: it has
    expired already.
    """
    annotator, _ = lock_actor(connection, name)  # anew: counters have changed
    found = known(lock_situation(connection, annotator.id, text, now=now), text)
    bound = is_bound(annotator, direct=direct)
    lends = found.is_lent or not bound or _has_room(connection, state, annotator, now)
    if state.n_gold and is_mixed_in(connection, found.text_id):
        lent = _claim_gold(connection, state, annotator.id, found.text_id, now)
        if not lends:
            give_back(connection, annotator.id, found.text_id)
        return _task(lent, name, state, lent.expires_at if lends else now)
    place = own_place(connection, state, found.text_id)
    if lends and _lease(connection, state, annotator.id, [place], Terms(), now):
        lent = connection.execute(_LENT, {**_rounds(state), "text": found.text_id}).one()
        return _task(lent, name, state, lent.expires_at)
    note_served(connection, annotator.id, place)
    return _task(place, name, state, now)


def with_text(connection: Connection, task: Task) -> Task:
    """Return a task with its text and what is known about it."""
    texts = schema.texts
    query = sa.select(texts.c.text, texts.c.metadata).where(texts.c.external_id == task.text_id)
    row = connection.execute(query).one()
    return replace(task, text=row.text, metadata=_about(row.metadata))


def _held(connection: Connection, state: ProjectState, annotator_id: int, now: float) -> list[sa.Row[Any]]:
    """Return an annotator's texts of the ordinary queue; those that still want a label have a place."""
    values = {**_rounds(state), "annotator": annotator_id, "now": now}
    return list(connection.execute(_HELD, values))


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
    terms: Terms,
    now: float,
) -> list[Task]:
    """Lend texts in hand anew, each for as long as it was lent for unless the terms say otherwise."""
    if not held:
        return []
    numbers = [row.id for row in held]
    for leases in (schema.leases, schema.gold_leases) if state.n_gold else (schema.leases,):
        seconds = leases.c.seconds if terms.seconds is None else sa.literal(terms.seconds, sa.Double)
        mine = sa.and_(leases.c.text_id.in_(numbers), leases.c.annotator_id == annotator_id)
        connection.execute(sa.update(leases).where(mine).values(expires_at=now + seconds, seconds=seconds))
    return [
        _task(row, name, state, now + (row.seconds if terms.seconds is None else terms.seconds))
        for row in held
    ]


def _has_room(connection: Connection, state: ProjectState, annotator: sa.Row[Any], now: float) -> bool:
    """Whether an annotator may hold one more text."""
    n_held = count_loans(connection, annotator.id, now)
    return n_held < IN_HAND and allowance(connection, state, annotator, n_held) > 0


def _take(
    connection: Connection,
    state: ProjectState,
    annotator: sa.Row[Any],
    n: int,
    n_held: int,
    terms: Terms,
    now: float,
    *,
    tested: bool,
) -> list[Task] | None:
    """Lend the best free texts; None where there are none, fewer than found where others were faster."""
    rows = best_for(connection, state, annotator, n, n_held, now)
    if not rows:
        return None
    if state.n_gold:
        golden = gold.place(connection, state, annotator, rows, n_held, now, all_places=tested)
        if golden or tested:
            return _take_mixed(connection, state, annotator, rows, golden, terms, now, only_gold=tested)
    return _lend(connection, state, annotator, rows, terms, now)


def _take_mixed(
    connection: Connection,
    state: ProjectState,
    annotator: sa.Row[Any],
    rows: Sequence[Any],
    golden: Mapping[int, int],
    terms: Terms,
    now: float,
    *,
    only_gold: bool,
) -> list[Task] | None:
    """Lend gold texts in some of the places, and in the others what belongs there or nothing."""
    taken: list[Task] = []
    for at, row in enumerate(rows):
        if at in golden:
            lent = gold.lend(connection, annotator.id, golden[at], row, _lasts(state, terms), now)
            taken.append(_task(lent, annotator.name, state, lent.expires_at))
        elif not only_gold:
            taken.extend(_lend(connection, state, annotator, [row], terms, now))
    return taken if golden or not only_gold else None


def _claim_gold(
    connection: Connection, state: ProjectState, annotator_id: int, text_id: int, now: float
) -> sa.Row[Any]:
    """Lend one particular gold text in the place of the text that would come next, or else in its own."""
    place = next(iter(best_free(connection, state, annotator_id, 1, now)), None)
    if place is None:
        place = own_place(connection, state, text_id)
    return gold.lend(connection, annotator_id, text_id, place, _lasts(state, Terms()), now)


def _lend(
    connection: Connection,
    state: ProjectState,
    annotator: sa.Row[Any],
    rows: Sequence[Any],
    terms: Terms,
    now: float,
) -> list[Task]:
    """Lend texts of the queue that nobody else was faster to get."""
    got = {*_lease(connection, state, annotator.id, rows, terms, now)}
    until = now + _lasts(state, terms)
    return [_task(row, annotator.name, state, until) for row in rows if row.text_id in got]


def _lease(
    connection: Connection,
    state: ProjectState,
    annotator_id: int,
    rows: Sequence[Any],
    terms: Terms,
    now: float,
) -> list[int]:
    """Write leases where nobody else holds one that lasts; return the texts that were got."""
    upsert = _upsert(connection.dialect.name)
    seconds = _lasts(state, terms)
    left = [row.text_id for row in rows if row.holder not in (None, annotator_id)]
    if left:
        others = schema.leases.c.text_id.in_(left), schema.leases.c.annotator_id != annotator_id
        remember(connection, schema.leases, *others, sa.not_(schema.is_lent(schema.leases, now)))
    got = (
        connection.scalar(
            upsert,
            {
                "text_id": row.text_id,
                "annotator_id": annotator_id,
                "issued_at": now,
                "expires_at": now + seconds,
                "seconds": seconds,
                "round_id": row.round_id,
                "reason": row.reason,
                "score": row.score,
                "selection_probability": row.selection_probability,
                "asked": row.asked,
                "now": now,
            },
        )
        for row in rows
    )
    return [number for number in got if number is not None]


def _lasts(state: ProjectState, terms: Terms) -> float:
    return state.settings.lease_seconds if terms.seconds is None else terms.seconds


# The statements of the hot path are built once: building one takes longer than running it.


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
        index_elements=[leases.c.text_id],
        set_=changed,
        where=sa.or_(sa.not_(schema.is_lent(leases, now)), mine),
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
        leases.c.asked,
        leases.c.round_id,
        leases.c.issued_at,
        leases.c.expires_at,
        leases.c.seconds,
        sa.func.coalesce(position("round"), position("base")).label("position"),
    ).join(texts, texts.c.id == leases.c.text_id)


_LENT = _lent_texts().where(schema.leases.c.text_id == sa.bindparam("text", type_=sa.Integer))
_HELD = _lent_texts().where(
    schema.leases.c.annotator_id == sa.bindparam("annotator", type_=sa.Integer),
    schema.is_lent(schema.leases, sa.bindparam("now", type_=sa.Double)),
)


def _task(row: Any, name: str, state: ProjectState, expires_at: float) -> Task:
    return Task(
        text_id=row.external_id,
        text=row.text,
        annotator=name,
        reason=row.reason,
        score=row.score,
        selection_probability=row.selection_probability,
        round=row.round_id,
        expires_at=expires_at,
        metadata=_about(row.about),
        asked=_asked(state, row.asked),
    )


def _asked(state: ProjectState, places: str | None) -> tuple[str, ...] | None:
    """Return what is asked of a text; None: all, also where the settings say so since it was ranked."""
    if places is None or state.settings.ask == "all":
        return None
    return facets_at(state.questions, places)


def _about(stored: str | None) -> dict[str, object]:
    return {} if stored is None else json.loads(stored)


def _why(
    connection: Connection,
    state: ProjectState,
    annotator: sa.Row[Any],
    n_held: int,
    terms: Terms,
    admission: TestVerdict,
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
    if terms.most is not None and n_held >= terms.most:
        return NothingLeft(Why.IN_HAND)
    if not any_wanted(connection, state, annotator.id):
        return NothingLeft(Why.ALL_SEEN)
    if admission.tested:
        return NothingLeft(Why.BEING_TESTED)
    if allowance(connection, state, annotator, n_held) <= 0:
        return NothingLeft(Why.SHARE_REACHED)
    others = sa.and_(leases.c.annotator_id != annotator.id, schema.is_lent(leases, now))
    first_expiry = connection.scalar(sa.select(sa.func.min(leases.c.expires_at)).where(others))
    return NothingLeft(Why.WITH_OTHERS, now if first_expiry is None else first_expiry)
