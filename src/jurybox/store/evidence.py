"""What beliefs are made from: who gave which label when, how fast, and in which role."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from jurybox.annotations import Annotations
from jurybox.store import schema
from jurybox.store.records import Role
from jurybox.store.services import read_pulse
from jurybox.store.state import read_classes, read_state

__all__ = ["Evidence", "one_moment", "read_evidence", "read_fingerprint"]


@dataclass(frozen=True, eq=False)
class Evidence:
    """The annotations that stand, and what is known about each of them besides its label.

    Attributes
    ----------
    annotations
        All annotations that stand, over all texts.
    times : ndarray, shape (L,)
        When each was given, Unix time in seconds.
    seconds : ndarray, shape (L,)
        Time on task; NaN where unknown.
    experts : ndarray of bool, shape (M,)
        Who is a reviewer or an owner.
    audit : ndarray of int, shape (A,)
        Positions of the audit sample.
    """

    annotations: Annotations
    times: NDArray[np.float64]
    seconds: NDArray[np.float64]
    experts: NDArray[np.bool_]
    audit: NDArray[np.int64]


def one_moment(connection: Connection) -> None:
    """Let all further statements of this transaction see the project as it is now; the first statement."""
    if connection.dialect.name != "sqlite":  # there every transaction does
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")


def read_fingerprint(connection: Connection) -> str:
    """Return a digest of all that beliefs depend on, cheap enough to ask for at every request.

    Annotations are append-only, a taking back included, so their number and the last of them tell whether any
    came. Two are needed: on PostgreSQL a row may be committed after one with a higher number.
    """
    annotators, gold = schema.annotators, schema.gold
    people = sa.select(
        annotators.c.name, annotators.c.role, annotators.c.standing, annotators.c.n_annotations
    )
    known = sa.select(sa.func.count(), sa.func.sum(gold.c.text_id), sa.func.max(gold.c.created_at))
    state, pulse = read_state(connection), read_pulse(connection)
    parts = (
        (state.settings, pulse.current_round, pulse.last, pulse.pending, pulse.texts),
        read_classes(connection),
        connection.execute(people.order_by(annotators.c.id)).all(),
        connection.execute(known).one(),
    )
    return hashlib.blake2b(repr(parts).encode(), digest_size=8).hexdigest()


def read_evidence(connection: Connection) -> Evidence:
    """Read everything that stands, in the order of `Annotations`: by text, then annotator."""
    annotators, texts = schema.annotators, schema.texts
    rows = connection.execute(_STANDING).all()  # one statement, so that its columns fit each other
    triplets = np.array([row[:3] for row in rows], dtype=np.int64).reshape(-1, 3)
    measured = np.array([row[3:] for row in rows], dtype=np.float64).reshape(-1, 2)
    ids = connection.scalars(sa.select(texts.c.external_id).order_by(texts.c.id)).all()
    people = connection.execute(
        sa.select(annotators.c.name, annotators.c.role).order_by(annotators.c.id)
    ).all()
    audit = connection.scalars(sa.select(schema.audit.c.text_id).order_by(schema.audit.c.text_id)).all()
    return Evidence(
        annotations=Annotations.from_indices(
            triplets[:, 0],
            triplets[:, 1],
            triplets[:, 2],
            texts=ids,
            annotators=[person.name for person in people],
            classes=read_classes(connection),
        ),
        times=measured[:, 0],
        seconds=measured[:, 1],
        experts=np.array([person.role in (Role.REVIEWER, Role.OWNER) for person in people], dtype=bool),
        audit=np.asarray(audit, dtype=np.int64),
    )


_STANDING = (
    sa.select(
        schema.annotations.c.text_id,
        schema.annotations.c.annotator_id,
        schema.annotations.c.class_id,
        schema.annotations.c.created_at,
        schema.annotations.c.seconds,
    )
    .where(schema.is_standing)
    .order_by(schema.annotations.c.text_id, schema.annotations.c.annotator_id)
)
