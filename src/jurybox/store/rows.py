"""Single rows of annotations and skips: found, added, retired, counted."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jurybox.errors import InputError
from jurybox.store import schema

__all__ = [
    "annotation_by_key",
    "class_number",
    "count",
    "insert_annotation",
    "replace_annotation",
    "retire_skip",
    "standing_annotation",
    "standing_skip",
]


def insert_annotation(connection: Connection, **values: object) -> int:
    """Add a row and return its number."""
    return int(connection.execute(_INSERT, {**_UNSAID, **values}).scalar_one())


def replace_annotation(
    connection: Connection,
    old: int,
    text_id: int,
    annotator_id: int,
    class_id: int | None,
    *,
    origin: str,
    comment: str,
    now: float,
) -> int:
    """Add a row in place of a standing one; it takes over how the text was selected."""
    annotations = schema.annotations
    retire = sa.update(annotations).where(annotations.c.id == old)
    row = connection.execute(sa.select(annotations).where(annotations.c.id == old)).one()
    connection.execute(retire.values(retired_by=old))  # only one may stand; its successor has no number yet
    new = insert_annotation(
        connection,
        text_id=text_id,
        annotator_id=annotator_id,
        class_id=class_id,
        created_at=now,
        seconds=row.seconds,
        comment=comment,
        origin=origin,
        round_id=row.round_id,
        reason=row.reason,
        selection_probability=row.selection_probability,
    )
    connection.execute(retire.values(retired_by=new))
    return new


def standing_annotation(connection: Connection, annotator_id: int, text_id: int) -> sa.Row[Any, Any] | None:
    """Return the number and class of what an annotator says of a text, if anything."""
    values = {"text": text_id, "annotator": annotator_id}
    return connection.execute(_STANDING, values).one_or_none()


def standing_skip(connection: Connection, annotator_id: int, text_id: int) -> int | None:
    """Return the number of an annotator's skip of a text, if there is one."""
    return connection.scalar(_STANDING_SKIP, {"text": text_id, "annotator": annotator_id})


def retire_skip(connection: Connection, annotator_id: int, text_id: int, now: float) -> bool:
    """Take a skip back; false if there was none."""
    number = standing_skip(connection, annotator_id, text_id)
    if number is None:
        return False
    connection.execute(sa.update(schema.skips).where(schema.skips.c.id == number).values(retired_at=now))
    return True


def count(connection: Connection, annotator_id: int, *, n_annotations: int = 0, n_skips: int = 0) -> None:
    """Keep an annotator's counters right."""
    values = {"annotator": annotator_id, "annotations": n_annotations, "skips": n_skips}
    connection.execute(_COUNT, values)


def annotation_by_key(connection: Connection, annotator_id: int, key: str) -> sa.Row[Any] | None:
    """Return what an annotator once submitted under an idempotency key."""
    return connection.execute(_BY_KEY, {"annotator": annotator_id, "key": key}).one_or_none()


def class_number(connection: Connection, label: str) -> int:
    """Return the number of a class.

    Raises
    ------
    InputError
        If there is no class of this name.
    """
    number = connection.scalar(_CLASS, {"name": label})
    if number is None:
        names = connection.scalars(sa.select(schema.classes.c.name).order_by(schema.classes.c.id)).all()
        raise InputError(f"label is {label!r}, expected one of {', '.join(map(repr, names))}")
    return int(number)


# Built once: building a statement takes longer than running it.
_TEXT, _ANNOTATOR = sa.bindparam("text", type_=sa.Integer), sa.bindparam("annotator", type_=sa.Integer)
_INSERT = sa.insert(schema.annotations).returning(schema.annotations.c.id)
_UNSAID = {
    "comment": "",
    "seconds": None,
    "round_id": None,
    "reason": None,
    "selection_probability": None,
    "idempotency_key": None,
}
_STANDING = sa.select(schema.annotations.c.id, schema.annotations.c.class_id).where(
    schema.annotations.c.text_id == _TEXT, schema.annotations.c.annotator_id == _ANNOTATOR, schema.is_standing
)
_STANDING_SKIP = sa.select(schema.skips.c.id).where(
    schema.skips.c.annotator_id == _ANNOTATOR,
    schema.skips.c.text_id == _TEXT,
    schema.skips.c.retired_at.is_(None),
)
_BY_KEY = sa.select(schema.annotations).where(
    schema.annotations.c.annotator_id == _ANNOTATOR,
    schema.annotations.c.idempotency_key == sa.bindparam("key"),
)
_COUNT = (
    sa.update(schema.annotators)
    .where(schema.annotators.c.id == _ANNOTATOR)
    .values(
        n_annotations=schema.annotators.c.n_annotations + sa.bindparam("annotations", type_=sa.Integer),
        n_skips=schema.annotators.c.n_skips + sa.bindparam("skips", type_=sa.Integer),
    )
)
_CLASS = sa.select(schema.classes.c.id).where(schema.classes.c.name == sa.bindparam("name"))
