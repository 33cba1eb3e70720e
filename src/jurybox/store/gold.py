"""Gold texts: texts whose label is known, by which annotators are judged.

The known label is evidence about annotators and nothing else: it is neither a label of the consensus nor
trained on. What annotators say of a gold text is an annotation like any other. Gold texts leave the ordinary
queue and are mixed into everyone's instead (`jurybox.store.gold_queue`); those of the audit sample stay where
they are, so that the sample stays a random one, and count as evidence all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jurybox.errors import NotFoundError
from jurybox.store import schema
from jurybox.store.locks import serialise
from jurybox.store.ranks import chunks, mark_gold
from jurybox.store.rows import GOLD, class_number, remember
from jurybox.store.state import read_state, write_state

__all__ = [
    "Answers",
    "answers_of",
    "count_mixed_in",
    "is_mixed_in",
    "read_answers",
    "read_gold",
    "set_gold",
]

_CHUNK = 500


@dataclass(frozen=True)
class Answers:
    """How many gold texts a person has labelled, and how many as is known to be right."""

    n: int
    right: int


def set_gold(connection: Connection, labels: Mapping[str, str | None], *, now: float) -> None:
    """Make texts gold texts with these labels; a label of None makes them ordinary again.

    Raises
    ------
    NotFoundError
        If there is no text of one of the ids.
    InputError
        If there is no such class.
    """
    serialise(connection, "round")
    gold, leases = schema.gold, schema.gold_leases
    classes = {label: class_number(connection, label) for label in {*labels.values()} if label is not None}
    for chunk in chunks(labels.items(), _CHUNK):
        numbers = _text_numbers(connection, [text for text, _ in chunk])
        rows = [
            {"text_id": numbers[text], "class_id": classes[label], "created_at": now}
            for text, label in chunk
            if label is not None
        ]
        ordinary = [numbers[text] for text, label in chunk if label is None]
        connection.execute(sa.delete(gold).where(gold.c.text_id.in_(numbers.values())))
        remember(connection, leases, leases.c.text_id.in_(ordinary))
        connection.execute(sa.delete(leases).where(leases.c.text_id.in_(ordinary)))
        served = sa.update(schema.served).where(schema.served.c.text_id.in_(ordinary))
        connection.execute(served.where(schema.served.c.reason == GOLD).values(reason=None))
        if rows:
            connection.execute(sa.insert(gold), rows)
        mark_gold(connection, read_state(connection), numbers.values())
    write_state(connection, n_gold=connection.scalar(sa.select(sa.func.count()).select_from(gold)))


def read_gold(connection: Connection) -> dict[str, str]:
    """Return the known labels by text, in the order of the texts."""
    texts, classes, gold = schema.texts, schema.classes, schema.gold
    query = (
        sa.select(texts.c.external_id, classes.c.name)
        .select_from(
            gold.join(texts, texts.c.id == gold.c.text_id).join(classes, classes.c.id == gold.c.class_id)
        )
        .order_by(texts.c.id)
    )
    return {row.external_id: row.name for row in connection.execute(query)}


def read_answers(connection: Connection) -> dict[str, Answers]:
    """Return by name what everyone who has labelled gold texts made of them, however the texts came."""
    gold, annotations, annotators = schema.gold, schema.annotations, schema.annotators
    query = (
        sa.select(annotators.c.name, *_TALLY)
        .select_from(
            gold.join(annotations, annotations.c.text_id == gold.c.text_id).join(
                annotators, annotators.c.id == annotations.c.annotator_id
            )
        )
        .where(schema.is_standing)
        .group_by(annotators.c.id, annotators.c.name)
        .order_by(annotators.c.id)
    )
    return {row.name: Answers(row.n, row.right) for row in connection.execute(query)}


def is_mixed_in(connection: Connection, text_id: int) -> bool:
    """Whether a text is a gold text that is asked for outside of the ordinary queue."""
    return connection.execute(_MIXED_IN, {"text": text_id}).first() is not None


def count_mixed_in(connection: Connection) -> int:
    """Count the gold texts that are asked for outside of the ordinary queue."""
    return connection.scalar(_N_MIXED_IN) or 0


def answers_of(connection: Connection, annotator_id: int) -> Answers:
    """Return what one person has made of gold texts."""
    row = connection.execute(_ANSWERS, {"annotator": annotator_id}).one()
    return Answers(row.n, row.right or 0)


def _text_numbers(connection: Connection, external_ids: list[str]) -> dict[str, int]:
    texts = schema.texts
    query = sa.select(texts.c.external_id, texts.c.id).where(texts.c.external_id.in_(external_ids))
    numbers = {row.external_id: row.id for row in connection.execute(query)}
    for external_id in external_ids:
        if external_id not in numbers:
            raise NotFoundError(f"there is no text with id {external_id!r} in this project")
    return numbers


# Built once: building a statement takes longer than running it.
_TALLY = (
    sa.func.count().label("n"),
    sa.func.sum(sa.case((schema.annotations.c.class_id == schema.gold.c.class_id, 1), else_=0)).label(
        "right"
    ),
)
_ANSWERS = (
    sa.select(*_TALLY)
    .select_from(schema.gold.join(schema.annotations, schema.annotations.c.text_id == schema.gold.c.text_id))
    .where(
        schema.annotations.c.annotator_id == sa.bindparam("annotator", type_=sa.Integer), schema.is_standing
    )
)
_IN_AUDIT = sa.exists().where(schema.audit.c.text_id == schema.gold.c.text_id)
_MIXED_IN = sa.select(schema.gold.c.text_id).where(
    schema.gold.c.text_id == sa.bindparam("text", type_=sa.Integer), ~_IN_AUDIT
)
_N_MIXED_IN = sa.select(sa.func.count()).select_from(schema.gold).where(~_IN_AUDIT)
