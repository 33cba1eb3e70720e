"""Labels that stand without a person: written and taken back together, and asked of nobody meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from jurybox.store import schema
from jurybox.store.locks import serialise

__all__ = ["Released", "read_released", "released_texts", "write_released"]

_CHUNK = 500


@dataclass(frozen=True)
class Released:
    """A label that stands without a person.

    Attributes
    ----------
    text_id
        The text.
    label
        The model's.
    probability
        How sure the model was.
    round
        Of which round.
    allowed, error_bound
        The share of wrong labels that was allowed, and what it does not exceed, with 95 %.
    """

    text_id: str
    label: str
    probability: float
    round: int
    allowed: float
    error_bound: float


def write_released(
    connection: Connection,
    texts: Sequence[tuple[int, int, float]],
    *,
    round_id: int,
    allowed: float,
    error_bound: float,
    now: float,
) -> None:
    """Release labels in place of all that were released before.

    Parameters
    ----------
    texts
        Number, class and probability of each.
    """
    serialise(connection, "round")
    released = schema.released
    connection.execute(sa.delete(released))
    rest = {"round_id": round_id, "allowed": allowed, "error_bound": error_bound, "released_at": now}
    rows = [{"text_id": text, "class_id": k, "probability": p, **rest} for text, k, p in texts]
    for start in range(0, len(rows), _CHUNK):
        connection.execute(sa.insert(released), rows[start : start + _CHUNK])


def read_released(connection: Connection) -> list[Released]:
    """Return the labels that stand without a person; not those of texts that a person has labelled since."""
    released, texts, classes = schema.released, schema.texts, schema.classes
    labelled = sa.exists().where(schema.annotations.c.text_id == released.c.text_id, schema.is_standing)
    query = (
        sa.select(
            texts.c.external_id,
            classes.c.name,
            released.c.probability,
            released.c.round_id,
            released.c.allowed,
            released.c.error_bound,
        )
        .select_from(
            released.join(texts, texts.c.id == released.c.text_id).join(
                classes, classes.c.id == released.c.class_id
            )
        )
        .where(~labelled)
        .order_by(released.c.text_id)
    )
    return [Released(*row) for row in connection.execute(query)]


def released_texts(connection: Connection) -> NDArray[np.int64]:
    """Return the numbers of the texts whose label stands without a person."""
    query = sa.select(schema.released.c.text_id).order_by(schema.released.c.text_id)
    return np.asarray(connection.scalars(query).all(), dtype=np.int64)
