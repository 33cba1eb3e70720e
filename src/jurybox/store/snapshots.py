"""What a round works on: the annotations up to one row, read without keeping anybody waiting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from jurybox.annotations import Annotations
from jurybox.store import schema
from jurybox.store.engine import Store
from jurybox.store.locks import serialise
from jurybox.store.records import Role
from jurybox.store.state import read_classes

__all__ = ["Snapshot", "read_annotations", "read_experts", "read_snapshot"]


@dataclass(frozen=True)
class Snapshot:
    """What a round works on: everything up to one row of the annotations.

    Attributes
    ----------
    annotations
        All annotations that stood, over all texts.
    last_annotation
        Number of the last row that counts.
    audit : ndarray of int64
        Positions of the audit sample, which is never trained on.
    reviewed : ndarray of bool, shape (N,)
        Texts that a reviewer has decided.
    experts : ndarray of bool, shape (M,)
        Annotators who are reviewers or owners.
    gold : ndarray of int64
        Positions of the texts whose label is known, of which the ranking asks for none.
    """

    annotations: Annotations
    last_annotation: int
    audit: NDArray[np.int64]
    reviewed: NDArray[np.bool_]
    experts: NDArray[np.bool_]
    gold: NDArray[np.int64]


def read_annotations(connection: Connection, *, last: int | None = None) -> Annotations:
    """Return the annotations that stand, or that stood when row `last` was the last one.

    Annotations whose text, annotator or class came later cannot be among them.
    """
    annotations = schema.annotations
    stands = schema.is_standing
    if last is not None:
        stands = sa.and_(
            annotations.c.id <= last,
            annotations.c.class_id.is_not(None),
            sa.or_(annotations.c.retired_by.is_(None), annotations.c.retired_by > last),
        )
    query = sa.select(annotations.c.text_id, annotations.c.annotator_id, annotations.c.class_id).where(stands)
    parts = [
        np.fromiter(chain.from_iterable(part), dtype=np.int32, count=3 * len(part))
        for part in connection.execute(query).partitions(50_000)
    ]
    triplets = np.concatenate([np.empty(0, dtype=np.int32), *parts]).reshape(-1, 3)
    texts = connection.scalars(sa.select(schema.texts.c.external_id).order_by(schema.texts.c.id)).all()
    people = connection.scalars(sa.select(schema.annotators.c.name).order_by(schema.annotators.c.id)).all()
    return Annotations.from_indices(
        triplets[:, 0],
        triplets[:, 1],
        triplets[:, 2],
        texts=_names(texts),
        annotators=_names(people),
        classes=read_classes(connection),
    )


def read_experts(connection: Connection) -> NDArray[np.bool_]:
    """Return who is a reviewer or an owner, in the order in which they came, shape (M,)."""
    roles = connection.scalars(sa.select(schema.annotators.c.role).order_by(schema.annotators.c.id))
    return np.array([role in (Role.REVIEWER, Role.OWNER) for role in roles], dtype=bool)


def read_snapshot(store: Store) -> Snapshot:
    """Read what a round works on, without keeping anybody waiting."""
    with store.write(durable=False) as connection:
        # Rows get their numbers before they are committed: wait for those under way.
        serialise(connection, "round")
        last = connection.scalar(sa.select(sa.func.max(schema.annotations.c.id))) or 0
    with store.read() as connection:
        annotations = read_annotations(connection, last=last)
        audit = connection.scalars(sa.select(schema.audit.c.text_id).order_by(schema.audit.c.text_id)).all()
        review = sa.select(schema.annotations.c.text_id).where(
            schema.is_standing, schema.annotations.c.origin == "review"
        )
        reviewed = np.zeros(annotations.n_texts, dtype=bool)
        reviewed[np.asarray(connection.scalars(review).all(), dtype=np.int64)] = True
        experts = read_experts(connection)[: annotations.n_annotators]
        gold = connection.scalars(
            sa.select(schema.gold.c.text_id).where(schema.gold.c.text_id < annotations.n_texts)
        ).all()
    return Snapshot(
        annotations,
        last,
        np.asarray(audit, dtype=np.int64),
        reviewed,
        experts,
        np.asarray(gold, dtype=np.int64),
    )


def _names(values: Sequence[str]) -> NDArray[Any]:
    names = np.empty(len(values), dtype=object)
    names[:] = values
    return names
