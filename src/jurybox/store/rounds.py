"""Rounds: a ranking, its probabilities, and the moment they take over.

A ranking is written beside the one that holds, in small transactions that keep nobody waiting, and takes over
in one: by a single number in the project's row. A round that was not finished leaves rows that the next one
sweeps up.

A large project's ranking is for the most part never read before the next one comes. So a round writes down
only its front, as long as the last ranking over all texts, its base, is not too old: until there are four
times as many annotations as it has seen. Of a pool so large that a round ranks no more than a front
(`jurybox.fronts`), the base remains the random order before the first round.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from jurybox.annotations import Annotations
from jurybox.errors import ConflictError
from jurybox.ranking import FRONT
from jurybox.store import schema
from jurybox.store.arrivals import place_rest
from jurybox.store.engine import Store, insert_rows
from jurybox.store.locks import serialise
from jurybox.store.ranks import (
    AUDIT,
    RANKED_BAND,
    audit_places,
    chunks,
    close_copies,
    close_withdrawn,
    mark_again,
    mark_audit,
    mark_gold,
    rules,
    settle,
    settle_all,
)
from jurybox.store.records import RoundInfo
from jurybox.store.settings import ProjectSettings
from jurybox.store.snapshots import Snapshot
from jurybox.store.state import ProjectState, read_classes, read_questions, read_state, write_state

_CHUNK = 250
_OUTDATED = 4
_ARRAY_ROWS = 20_000


@dataclass(frozen=True)
class Outcome:
    """What a round found, over all N texts.

    Attributes
    ----------
    order : ndarray of int, shape (R,)
        The texts that were ranked, best first.
    scores, selection_probability : ndarray, shape (R,)
        Of the texts in `order`; NaN where there is none.
    reasons
        Why each text of `order` is asked for.
    pred_probs : ndarray, shape (N, K)
        Out-of-sample probabilities.
    diagnostics
        What the round says about itself; JSON values.
    known : ndarray of bool, shape (N,), optional
        Texts that want no label for now, beside those that the settings say are finished; None: no others.
    asked : ndarray of bool, shape (N, F), optional
        Which facets each text is asked for; None: all.
    is_front
        Whether the first texts alone were ranked, as in a large pool: the others stay where they are.
    """

    order: NDArray[np.integer]
    scores: NDArray[np.floating]
    selection_probability: NDArray[np.floating]
    reasons: Sequence[str]
    pred_probs: NDArray[np.floating]
    diagnostics: Mapping[str, Any]
    known: NDArray[np.bool_] | None = None
    asked: NDArray[np.bool_] | None = None
    is_front: bool = False


def begin_round(store: Store, snapshot: Snapshot, settings: Mapping[str, object], *, now: float) -> int:
    """Sweep up what unfinished rounds have left, and note that a round begins; return its number.

    From now on no earlier round can take over: what it has written is swept up.
    """
    with store.write() as connection:
        serialise(connection, "round")  # a round may be taking over: its rows are to stay
        state = read_state(connection)
        number = (connection.scalar(sa.select(sa.func.max(schema.rounds.c.id))) or 0) + 1
        connection.execute(
            sa.insert(schema.rounds).values(
                id=number,
                started_at=now,
                last_annotation=snapshot.last_annotation,
                n_annotations=snapshot.annotations.n_annotations,
                settings=dict(settings),
                diagnostics={},
            )
        )
    _sweep(store, {state.current_round, state.base_round})
    return number


def abandon(store: Store, number: int, reason: str) -> None:
    """Note why a round was not finished; it is not published."""
    with store.write() as connection:
        unfinished = sa.update(schema.rounds).where(schema.rounds.c.id == number)
        connection.execute(unfinished.values(diagnostics={"error": reason}))


def wants_label(snapshot: Snapshot, settings: ProjectSettings) -> NDArray[np.bool_]:
    """Return which texts still want a label, shape (N,); the rule is that of `jurybox.store.ranks.settle`."""
    annotations = snapshot.annotations
    in_audit = np.zeros(annotations.n_texts, dtype=bool)
    in_audit[snapshot.audit] = True
    cap = _caps(snapshot, settings)
    agreed = ~in_audit & agreed_texts(annotations, settings.ending_agreement)
    wants: NDArray[np.bool_] = (annotations.n_labels < cap) & ~snapshot.reviewed & ~agreed
    alone = snapshot.released
    wants[alone] &= in_audit[alone] | (annotations.n_labels[alone] > 0)
    return wants


def publish(
    store: Store,
    number: int,
    snapshot: Snapshot,
    outcome: Outcome,
    *,
    now: float,
    allowed: Callable[[], bool] = lambda: True,
) -> None:
    """Write a round's ranking and probabilities, and let it take over.

    Parameters
    ----------
    allowed
        Whether it may, asked at the last moment.

    Raises
    ------
    ConflictError
        If it may not, or if another round has begun since: whoever plays that one holds the lock by now; or
        if classes are others since the snapshot: arrays are stored by position of the class.
    """
    _write_array(store, number, "pred_probs", outcome.pred_probs)
    with store.read() as connection:
        state = read_state(connection)
        front_only = outcome.is_front or _has_good_base(connection, state, snapshot)
    front = np.union1d(snapshot.audit, outcome.order[:FRONT])
    chosen = front if front_only else np.arange(snapshot.annotations.n_texts)
    columns = _ranking_columns(number, snapshot, outcome, state.settings, chosen)
    for start in range(0, len(columns["text_id"]), _CHUNK):
        rows = _rows(columns, start, start + _CHUNK)
        with store.brief() as connection:
            insert_rows(connection, schema.ranking, rows)
    settled = _catch_up(store, replace(state, current_round=number, base_round=number), snapshot)
    # Everybody waits for this, so it does not wait for the disk: a power cut that undoes it undoes all that
    # came after it too, since commits reach the disk in their order.
    with store.write(durable=False) as connection:
        serialise(connection, "round")
        if connection.scalar(sa.select(sa.func.max(schema.rounds.c.id))) != number or not allowed():
            raise ConflictError(f"round {number} is not published: the lock on rounds was lost meanwhile")
        classes = snapshot.annotations.classes  # others may have come behind them, which is in order
        same = read_classes(connection)[: len(classes)] == tuple(classes)
        if not same or read_questions(connection) != snapshot.questions:
            raise ConflictError(
                f"round {number} is not published: classes were merged, renamed, added or removed meanwhile"
            )
        base = state.base_round if front_only else number
        # Texts that have come since the snapshot get their places in a new base little by little, below.
        placed = {} if front_only else {"n_placed": snapshot.annotations.n_texts}
        write_state(connection, current_round=number, base_round=base, **placed)
        _take_over(connection, number, snapshot, outcome, settled, now)
        if rules(read_state(connection).settings) != rules(state.settings):  # changed while we were writing
            settle_all(connection, read_state(connection))
    place_rest(store.brief)
    _sweep(store, {number, base})


def read_rounds(connection: Connection) -> list[RoundInfo]:
    """Return the rounds that were published, in order; the order before the first round is none of them."""
    rounds = schema.rounds
    query = sa.select(rounds).where(rounds.c.id > 0, rounds.c.published_at.is_not(None)).order_by(rounds.c.id)
    return [
        RoundInfo(
            number=row.id,
            started_at=row.started_at,
            published_at=row.published_at,
            n_annotations=row.n_annotations,
            settings=row.settings,
            diagnostics=row.diagnostics,
        )
        for row in connection.execute(query)
    ]


def last_diagnostics(connection: Connection) -> Mapping[str, Any]:
    """Return what the last round found out; nothing before the first."""
    table = schema.rounds
    current = sa.select(schema.project.c.current_round).scalar_subquery()
    found = connection.scalar(sa.select(table.c.diagnostics).where(table.c.id == current))
    return found or {}


def read_array(connection: Connection, round_id: int, name: str) -> NDArray[np.float32] | None:
    """Return what a round has left behind under a name, or None."""
    arrays = schema.arrays
    query = (
        sa.select(arrays.c.rows, arrays.c.columns, arrays.c.data)
        .where(arrays.c.round_id == round_id, arrays.c.name == name)
        .order_by(arrays.c.part)
    )
    parts = [
        np.frombuffer(row.data, dtype="<f4").reshape(row.rows, row.columns)
        for row in connection.execute(query)
    ]
    return np.concatenate(parts) if parts else None


def n_predicted(connection: Connection) -> int:
    """Return how many texts the last round has probabilities for."""
    arrays = schema.arrays
    rows = sa.select(sa.func.coalesce(sa.func.sum(arrays.c.rows), 0)).where(
        arrays.c.round_id == sa.select(schema.project.c.current_round).scalar_subquery(),
        arrays.c.name == "pred_probs",
    )
    return int(connection.scalar(rows) or 0)


def _write_array(store: Store, round_id: int, name: str, array: NDArray[np.floating]) -> None:
    for part, start in enumerate(range(0, len(array), _ARRAY_ROWS)):
        rows = np.ascontiguousarray(array[start : start + _ARRAY_ROWS], dtype="<f4")
        values = {"round_id": round_id, "name": name, "part": part, "data": rows.tobytes()}
        with store.brief() as connection:
            connection.execute(
                sa.insert(schema.arrays).values(rows=rows.shape[0], columns=rows.shape[1], **values)
            )


def _ranking_columns(
    number: int, snapshot: Snapshot, outcome: Outcome, settings: ProjectSettings, chosen: NDArray[np.int64]
) -> dict[str, NDArray[Any]]:
    """Lay the ranking of some texts out: the audit sample first, then as ranked, then the rest."""
    annotations, n = snapshot.annotations, len(outcome.order)
    by_text = np.argsort(outcome.order)
    found = np.searchsorted(outcome.order, chosen, sorter=by_text).clip(max=max(n - 1, 0))
    place = by_text[found] if n else np.zeros(len(chosen), dtype=np.int64)
    ranked = outcome.order[place] == chosen if n else np.zeros(len(chosen), dtype=bool)
    in_audit = np.isin(chosen, snapshot.audit)
    base = RANKED_BAND + np.where(ranked, place, n + chosen)
    wants = wants_label(snapshot, settings)[chosen]
    asked = np.flatnonzero(in_audit & wants)
    base[asked] = audit_places(chosen[asked], settings, ranked=True)
    labels, caps = annotations.n_labels[chosen], _caps(snapshot, settings)[chosen]
    known = np.zeros(len(chosen), dtype=bool)
    if outcome.known is not None:
        known = outcome.known[chosen] & ~in_audit
    reasons = np.full(len(chosen), "unranked", dtype=object)
    reasons[ranked] = np.asarray(outcome.reasons, dtype=object)[place[ranked]]
    reasons[in_audit] = AUDIT
    facets = np.full(len(chosen), None, dtype=object)
    if outcome.asked is not None:  # of a front alone: the rest is ranked anew before its turn comes
        for at in np.flatnonzero(ranked & (place < FRONT) & ~in_audit).tolist():
            facets[at] = _places(outcome.asked[chosen[at]])
    return {
        "round_id": np.full(len(chosen), number),
        "text_id": chosen,
        "base": base,
        "position": base,
        "labels": labels,
        "wanted": np.where(in_audit, np.maximum(settings.audit_labels - labels, 1), 1),
        "cap": np.where(known, np.minimum(labels, caps), caps),
        "open": wants & ~known,
        "score": _numbers(outcome.scores, place, ranked),
        "selection_probability": _numbers(outcome.selection_probability, place, ranked),
        "reason": reasons,
        "asked": facets,
    }


def _places(asked: NDArray[np.bool_]) -> str | None:
    """Return the places of the facets (F,) that a text is asked for; None for all, and where none is left."""
    return None if asked.all() or not asked.any() else " ".join(map(str, np.flatnonzero(asked)))


def _caps(snapshot: Snapshot, settings: ProjectSettings) -> NDArray[np.int64]:
    """Return the most labels that the queue asks for each text, shape (N,)."""
    caps = np.full(snapshot.annotations.n_texts, settings.max_labels)
    caps[snapshot.gold] = 0
    caps[snapshot.audit] = settings.audit_labels
    caps[snapshot.kin.is_copy] = 0
    return caps


def agreed_texts(annotations: Annotations, enough: int | None) -> NDArray[np.bool_]:
    """Return which texts have so many labels, all of them the same, shape (N,); None: that ends nothing."""
    if enough is None:
        return np.zeros(annotations.n_texts, dtype=bool)
    first, last = (np.full(annotations.n_texts, start) for start in (annotations.n_classes, -1))
    np.minimum.at(first, annotations.text, annotations.label)  # nothing of texts times classes
    np.maximum.at(last, annotations.text, annotations.label)
    agreed: NDArray[np.bool_] = (annotations.n_labels >= enough) & (first == last)
    return agreed


def _numbers(
    values: NDArray[np.floating], place: NDArray[np.int64], ranked: NDArray[np.bool_]
) -> NDArray[np.object_]:
    """Return the numbers of texts that were ranked, in their places; None where there is none."""
    numbers = np.full(len(place), None, dtype=object)
    known = np.flatnonzero(ranked)
    known = known[np.isfinite(values[place[known]])]
    numbers[known] = values[place[known]]
    return numbers


def _rows(columns: Mapping[str, NDArray[Any]], start: int, stop: int) -> list[dict[str, Any]]:
    cells = zip(*(column[start:stop].tolist() for column in columns.values()), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in cells]


def _catch_up(store: Store, state: ProjectState, snapshot: Snapshot) -> NDArray[np.int64]:
    """Bring a written ranking up to date with what was annotated since its snapshot, keeping nobody waiting.

    Returns
    -------
    ndarray of int64
        Numbers of the annotations that the ranking takes account of now.
    """
    with store.read() as connection:
        found = _since(connection, snapshot)
    for texts in chunks(np.unique(found[:, 1]).tolist(), _CHUNK):
        with store.brief() as connection:
            settle(connection, state, texts)
    return found[:, 0]


def _since(connection: Connection, snapshot: Snapshot) -> NDArray[np.int64]:
    """Return the annotations since a snapshot: their numbers and those of their texts, shape (L, 2)."""
    annotations = schema.annotations
    query = sa.select(annotations.c.id, annotations.c.text_id).where(
        annotations.c.id > snapshot.last_annotation
    )
    return np.array([tuple(row) for row in connection.execute(query)], dtype=np.int64).reshape(-1, 2)


def _take_over(
    connection: Connection,
    number: int,
    snapshot: Snapshot,
    outcome: Outcome,
    settled: NDArray[np.int64],
    now: float,
) -> None:
    """Publish a round whose ranking holds from now on, with all that has happened since its snapshot.

    Parameters
    ----------
    settled : ndarray of int64
        Numbers of the annotations since the snapshot that the ranking takes account of.
    """
    connection.execute(
        sa.update(schema.rounds)
        .where(schema.rounds.c.id == number)
        .values(published_at=now, diagnostics=dict(outcome.diagnostics))
    )
    state = read_state(connection)
    audit, gold = schema.audit.c.text_id, schema.gold.c.text_id
    N = snapshot.annotations.n_texts
    known = state.n_placed if state.has_front else N
    drawn = np.asarray(connection.scalars(sa.select(audit).where(audit < known)).all(), dtype=np.int64)
    joined = np.setdiff1d(drawn, snapshot.audit).tolist()  # since: the sample has grown, or texts have come
    mark_audit(connection, state, joined)
    settle(connection, state, joined)
    mark_gold(connection, state, {*snapshot.gold.tolist()} ^ {*connection.scalars(sa.select(gold))})
    mark_again(connection, state, connection.scalars(sa.select(schema.reopened.c.text_id)).all())
    close_withdrawn(connection, state)
    close_copies(connection, state)
    since = _since(connection, snapshot)
    settle(connection, state, np.unique(since[~np.isin(since[:, 0], settled), 1]).tolist())


def _has_good_base(connection: Connection, state: ProjectState, snapshot: Snapshot) -> bool:
    """Whether the texts behind the front of a round may stay in the order of an earlier one."""
    rounds = schema.rounds
    seen = connection.scalar(sa.select(rounds.c.n_annotations).where(rounds.c.id == state.base_round)) or 0
    large = snapshot.annotations.n_texts > FRONT
    return large and snapshot.annotations.n_annotations < _OUTDATED * seen


def _sweep(store: Store, holding: set[int]) -> None:
    """Delete, a little at a time, rankings and arrays of rounds that do not hold."""
    ranking, arrays, rounds = schema.ranking, schema.arrays, schema.rounds
    with store.write(durable=False) as connection:
        connection.execute(sa.delete(arrays).where(arrays.c.round_id != max(holding)))
        left = sa.exists().where(ranking.c.round_id == rounds.c.id)
        old = connection.scalars(sa.select(rounds.c.id).where(rounds.c.id.not_in(holding), left)).all()
    for number in old:
        while True:
            with store.brief() as connection:
                here = ranking.c.round_id == number
                some = sa.select(ranking.c.text_id).where(here).order_by(ranking.c.text_id).limit(_CHUNK)
                texts = connection.scalars(some).all()
                if not texts:
                    break
                # by rows, not by numbers: a front has few of a large project's texts
                connection.execute(sa.delete(ranking).where(here, ranking.c.text_id <= texts[-1]))
