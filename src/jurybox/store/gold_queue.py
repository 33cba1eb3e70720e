"""Handing out gold texts so that nobody can tell them from others.

Which of the texts that a person gets is a gold text is drawn by lot for each place in his or her sequence,
from the project's seed: giving a text back and asking again yields the same answer and betrays nothing. A
gold text comes in the place of an ordinary one and says of itself what that one would have said. Any number
of people may have the same gold text in hand; each gets it at most once, in an order of his or her own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from jurybox.store import schema
from jurybox.store.ranks import spread
from jurybox.store.state import ProjectState

__all__ = ["forget", "held", "lend", "place", "unseen"]


def place(
    connection: Connection,
    state: ProjectState,
    annotator: sa.Row[Any],
    rows: Sequence[Any],
    n_held: int,
    now: float,
    *,
    all_places: bool,
) -> dict[int, int]:
    """Return the gold texts that a person gets instead of some of these texts, by their places.

    Parameters
    ----------
    n_held
        How many texts the person holds.
    all_places
        Whether every place is for a gold text, instead of those that are drawn by lot.
    """
    first = annotator.n_annotations + annotator.n_skips + n_held
    places = list(range(len(rows))) if all_places else _drawn(state, annotator.id, first, len(rows))
    texts = unseen(connection, state, annotator.id, now) if places else ()
    return dict(zip(places, texts, strict=False))


def unseen(connection: Connection, state: ProjectState, annotator_id: int, now: float) -> list[int]:
    """Return the gold texts that a person neither had nor has, in the order in which they come."""
    numbers = connection.scalars(_UNSEEN, {"annotator": annotator_id, "now": now}).all()
    places = spread(np.asarray(numbers, dtype=np.int64), ~_seed(state, annotator_id))
    return [numbers[at] for at in np.argsort(places)]


def lend(
    connection: Connection,
    annotator_id: int,
    text_id: int,
    place: sa.Row[Any],
    seconds: float,
    now: float,
) -> sa.Row[Any]:
    """Lend a gold text in the place of an ordinary one, of which the row of the ranking is given."""
    behind = connection.execute(_BEHIND, {"round": place.round_id, "position": place.position}).first()
    score = place.score
    if score is not None and behind is not None and behind.score is not None:
        score = (score + behind.score) / 2  # the text that was to come here comes later, with its own score
    connection.execute(
        _upsert(connection.dialect.name),
        {
            "annotator_id": annotator_id,
            "text_id": text_id,
            "issued_at": now,
            "expires_at": now + seconds,
            "seconds": seconds,
            "round_id": place.round_id,
            "position": place.position,
            "reason": place.reason,
            "score": score,
            "selection_probability": place.selection_probability,
        },
    )
    return connection.execute(_LENT, {"annotator": annotator_id, "text": text_id}).one()


def held(connection: Connection, annotator_id: int, now: float) -> list[sa.Row[Any]]:
    """Return the gold texts that a person holds, in the form of ordinary texts in hand."""
    return list(connection.execute(_HELD, {"annotator": annotator_id, "now": now}))


def forget(connection: Connection, annotator_id: int, text_id: int) -> None:
    """Take a gold text out of a person's hands; nothing happens if it is not there."""
    connection.execute(_FORGET, {"annotator": annotator_id, "text": text_id})


def _drawn(state: ProjectState, annotator_id: int, first: int, n: int) -> list[int]:
    """Return which of n places, from the `first` of a person's sequence on, a gold text takes."""
    lots = spread(np.arange(first, first + n), _seed(state, annotator_id))
    drawn: list[int] = np.flatnonzero(lots < state.settings.gold_share * 2**32).tolist()
    return drawn


def _seed(state: ProjectState, annotator_id: int) -> int:
    return (state.settings.seed << 32) + annotator_id + 1


# Built once: building a statement takes longer than running it.


_FIELDS = [column.name for column in schema.gold_leases.columns]


def _upsert(dialect: str) -> Any:
    leases = schema.gold_leases
    insert = (sqlite if dialect == "sqlite" else postgresql).insert(leases)
    keys = ["annotator_id", "text_id"]
    changed = {name: insert.excluded[name] for name in _FIELDS if name not in keys}
    return insert.on_conflict_do_update(index_elements=keys, set_=changed)


_ANNOTATOR, _TEXT = sa.bindparam("annotator", type_=sa.Integer), sa.bindparam("text", type_=sa.Integer)
_ROUND = sa.bindparam("round", type_=sa.Integer)
_MINE = sa.and_(schema.gold_leases.c.annotator_id == _ANNOTATOR, schema.gold_leases.c.text_id == _TEXT)
_NOW = sa.bindparam("now", type_=sa.Double)
_TEXTS_IN_HAND = sa.select(
    schema.texts.c.id,
    schema.texts.c.external_id,
    schema.texts.c.text,
    schema.texts.c.metadata.label("about"),
    schema.gold_leases,
).join(schema.texts, schema.texts.c.id == schema.gold_leases.c.text_id)
_FORGET = sa.delete(schema.gold_leases).where(_MINE)
_LENT = _TEXTS_IN_HAND.where(_MINE)
_HELD = _TEXTS_IN_HAND.where(
    schema.gold_leases.c.annotator_id == _ANNOTATOR, schema.is_lent(schema.gold_leases, _NOW)
)
_BEHIND = (
    sa.select(schema.ranking.c.score)
    .where(
        schema.ranking.c.round_id == _ROUND,
        schema.ranking.c.open,
        schema.ranking.c.position > sa.bindparam("position", type_=sa.BigInteger),
    )
    .order_by(schema.ranking.c.position, schema.ranking.c.text_id)
    .limit(1)
)
_UNSEEN = sa.select(schema.gold.c.text_id).where(
    ~sa.exists().where(schema.audit.c.text_id == schema.gold.c.text_id),
    ~sa.exists().where(
        schema.annotations.c.text_id == schema.gold.c.text_id,
        schema.annotations.c.annotator_id == _ANNOTATOR,
        schema.is_standing,
    ),
    ~sa.exists().where(
        schema.skips.c.text_id == schema.gold.c.text_id,
        schema.skips.c.annotator_id == _ANNOTATOR,
        schema.skips.c.retired_at.is_(None),
    ),
    ~sa.exists().where(
        schema.gold_leases.c.text_id == schema.gold.c.text_id,
        schema.gold_leases.c.annotator_id == _ANNOTATOR,
        schema.is_lent(schema.gold_leases, _NOW),
    ),
)
