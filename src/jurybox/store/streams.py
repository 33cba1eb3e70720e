"""Texts that keep coming get their places in the ranking that holds, without a round.

The last round's classifier gives them probabilities and scores. They are put among the ranked texts where
these belong: right behind the last text that is wanted more. One that is wanted more than all is the second:
the first place has nothing before it. A text behind the last one of a front stays in the base, where it was
put when it came.
"""

from __future__ import annotations

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from jurybox.store import schema
from jurybox.store.engine import Store, insert_rows
from jurybox.store.locks import serialise
from jurybox.store.ranks import RANKED_BAND, chunks
from jurybox.store.state import ProjectState, read_state

_NEW = "new"
_PART = 500


def rank_arrivals(
    store: Store,
    round_id: int,
    first: int,
    scores: NDArray[np.floating],
    pred_probs: NDArray[np.floating],
) -> int:
    """Put texts that have come since a round among those that it ranked; return how many were put there.

    Texts of the audit sample, gold texts and those that have labels by now stay where they are.

    Parameters
    ----------
    round_id
        The round; if another one has taken over since, nothing is done.
    first
        Number of the first text that the round did not know.
    scores : ndarray, shape (n,)
        Of the texts from there on; low = ask next.
    pred_probs : ndarray, shape (n, K)
        What the round's classifier says of them.
    """
    placed = 0
    for part in chunks(range(len(scores)), _PART):
        with store.brief() as connection:
            serialise(connection, "placing")  # in this order everywhere, see `arrivals.place_part`
            serialise(connection, "round")
            state = read_state(connection)
            if state.current_round != round_id or state.n_placed < first + part[-1] + 1:
                return placed
            placed += _place(connection, state, {first + i: float(scores[i]) for i in part})
            _keep(connection, state, first + part[0], pred_probs[part[0] : part[-1] + 1])
    return placed


def _place(connection: Connection, state: ProjectState, scores: dict[int, float]) -> int:
    ranking, annotations = schema.ranking, schema.annotations
    ranked = connection.execute(
        sa.select(ranking.c.base, ranking.c.score)
        .where(
            ranking.c.round_id == state.current_round,
            ranking.c.score.is_not(None),
            ranking.c.base.between(RANKED_BAND, RANKED_BAND + state.n_texts),
        )
        .order_by(ranking.c.base)
    ).all()
    if not ranked:
        return 0
    bases = np.array([row.base for row in ranked], dtype=np.int64)
    rising = np.maximum.accumulate([row.score for row in ranked])  # some were drawn at random
    standing = sa.exists().where(annotations.c.text_id == ranking.c.text_id, schema.is_standing)
    mine = sa.select(ranking).where(
        ranking.c.round_id == state.base_round,
        ranking.c.text_id.in_([*scores]),
        ranking.c.open,
        ~ranking.c.again,
        ranking.c.score.is_(None),
        ranking.c.text_id.not_in(sa.select(schema.audit.c.text_id)),
        ~standing,
    )
    places = []
    for row in connection.execute(mine).mappings():
        at = int(np.searchsorted(rising, scores[row["text_id"]], side="right"))
        if at == len(bases) and state.has_front:
            continue
        base = int(bases[max(at - 1, 0)])  # of one base, the text that came later is behind
        places.append(
            {
                **row,
                "round_id": state.current_round,
                "base": base,
                "position": base,
                "wanted": 1,
                "score": scores[row["text_id"]],
                "reason": _NEW,
            }
        )
    _write(connection, state, places)
    return len(places)


def _write(connection: Connection, state: ProjectState, places: list[dict[str, object]]) -> None:
    """Give texts their places: beside those in the base where a front holds, else in place of them."""
    ranking = schema.ranking
    here = ranking.c.round_id == state.current_round
    for part in chunks(places, _PART):
        numbers = [place["text_id"] for place in part]
        connection.execute(sa.delete(ranking).where(here, ranking.c.text_id.in_(numbers)))
        insert_rows(connection, ranking, part)


def _keep(connection: Connection, state: ProjectState, first: int, p: NDArray[np.floating]) -> None:
    """Keep the probabilities behind those of the round, where these end with the text before."""
    arrays = schema.arrays
    mine = (arrays.c.round_id == state.current_round) & (arrays.c.name == "pred_probs")
    rows, part, columns = connection.execute(
        sa.select(
            sa.func.sum(arrays.c.rows), sa.func.max(arrays.c.part), sa.func.max(arrays.c.columns)
        ).where(mine)
    ).one()
    if rows != first or columns != p.shape[1]:
        return
    values = {"round_id": state.current_round, "name": "pred_probs", "part": part + 1}
    data = np.ascontiguousarray(p, dtype="<f4")
    connection.execute(
        sa.insert(arrays).values(**values, rows=len(data), columns=data.shape[1], data=data.tobytes())
    )
