"""Single rows of annotations and skips: found, added, retired, counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jurybox.errors import InputError, NotFoundError
from jurybox.store import schema

__all__ = [
    "Situation",
    "class_number",
    "count",
    "insert_annotation",
    "lock_situation",
    "replace_annotation",
    "retire_skip",
    "standing_annotation",
    "standing_skip",
]


@dataclass(frozen=True)
class Situation:
    """What is known when an annotator labels a text.

    Attributes
    ----------
    text_id, class_id
        Numbers of the text and of the class that its new label names.
    standing, standing_class
        The annotation by which the annotator has labelled the text already, if there is one, and its class.
    skip
        The annotator's skip of the text, if there is one.
    keyed, keyed_text, keyed_class
        The annotation that came under the same idempotency key, if there is one.
    round_id, reason, selection_probability
        Of the annotator's lease on the text, expired or not, as long as nobody else took the text.
    """

    text_id: int
    class_id: int
    standing: int | None
    standing_class: int | None
    skip: int | None
    keyed: int | None
    keyed_text: int | None
    keyed_class: int | None
    round_id: int | None
    reason: str | None
    selection_probability: float | None


def lock_situation(
    connection: Connection, annotator_id: int, text: str, label: str, key: str | None
) -> Situation:
    """Find out what is known when an annotator labels a text, and let nobody else label it meanwhile.

    Raises
    ------
    InputError
        If there is no such class.
    NotFoundError
        If there is no such text.
    """
    values = {"external_id": text, "name": label, "annotator": annotator_id, "key": key}
    row = connection.execute(_SITUATION, values).one_or_none()
    if row is None or row.class_id is None:
        class_number(connection, label)
        raise NotFoundError(f"there is no text with id {text!r} in this project")
    return Situation(**row._mapping)


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
_COUNT = (
    sa.update(schema.annotators)
    .where(schema.annotators.c.id == _ANNOTATOR)
    .values(
        n_annotations=schema.annotators.c.n_annotations + sa.bindparam("annotations", type_=sa.Integer),
        n_skips=schema.annotators.c.n_skips + sa.bindparam("skips", type_=sa.Integer),
    )
)
_CLASS = sa.select(schema.classes.c.id).where(schema.classes.c.name == sa.bindparam("name"))


def _situation() -> sa.Select[Any]:
    texts, skips, leases = schema.texts, schema.skips, schema.leases
    standing, keyed = schema.annotations.alias("standing"), schema.annotations.alias("keyed")
    mine = sa.and_(
        standing.c.text_id == texts.c.id,
        standing.c.annotator_id == _ANNOTATOR,
        standing.c.retired_by.is_(None),
        standing.c.class_id.is_not(None),
    )
    skipped = sa.and_(
        skips.c.annotator_id == _ANNOTATOR, skips.c.text_id == texts.c.id, skips.c.retired_at.is_(None)
    )
    same_key = sa.and_(
        keyed.c.annotator_id == _ANNOTATOR, keyed.c.idempotency_key == sa.bindparam("key", type_=sa.String)
    )
    lent = sa.and_(leases.c.text_id == texts.c.id, leases.c.annotator_id == _ANNOTATOR)
    return (
        sa.select(
            texts.c.id.label("text_id"),
            _CLASS.scalar_subquery().label("class_id"),
            standing.c.id.label("standing"),
            standing.c.class_id.label("standing_class"),
            skips.c.id.label("skip"),
            keyed.c.id.label("keyed"),
            keyed.c.text_id.label("keyed_text"),
            keyed.c.class_id.label("keyed_class"),
            leases.c.round_id,
            leases.c.reason,
            leases.c.selection_probability,
        )
        .select_from(
            texts.outerjoin(standing, mine)
            .outerjoin(skips, skipped)
            .outerjoin(keyed, same_key)
            .outerjoin(leases, lent)
        )
        .where(texts.c.external_id == sa.bindparam("external_id"))
        .with_for_update(key_share=True, of=texts)
    )


_SITUATION = _situation()
