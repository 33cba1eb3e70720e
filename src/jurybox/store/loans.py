"""How loans end: by a decision, given back, or with labels that were made elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jurybox.errors import NotFoundError
from jurybox.store import gold, schema
from jurybox.store.rows import is_person, remember

ASSIGNED = "assigned"
"""The reason of texts that an owner has given to one person; they stay when their page is left."""


def give_back(connection: Connection, annotator_id: int, text_id: int, *, assigned: bool = True) -> None:
    """Take a text back without a decision; nothing happens if the annotator does not hold it.

    Parameters
    ----------
    assigned
        Also a text that an owner has given to this person.
    """
    for leases in (schema.leases, schema.gold_leases):
        mine = leases.c.annotator_id == annotator_id, leases.c.text_id == text_id
        _end(connection, leases, *mine, *(() if assigned else (leases.c.reason != ASSIGNED,)))


def take_from_others(connection: Connection, text_ids: Sequence[int]) -> None:
    """Take texts back from whoever holds them, who may still answer."""
    _end(connection, schema.leases, schema.leases.c.text_id.in_(text_ids))


def take_from_everybody(connection: Connection, text_ids: Sequence[int]) -> None:
    """Take texts out of all hands, as gold texts, too; whoever held one may answer if it comes back."""
    for leases in (schema.leases, schema.gold_leases):
        _end(connection, leases, leases.c.text_id.in_(text_ids))


def give_back_all(connection: Connection, name: str) -> None:
    """Take back all texts that a person holds."""
    person = sa.select(schema.annotators.c.id).where(is_person(name))
    for leases in (schema.leases, schema.gold_leases):
        _end(connection, leases, leases.c.annotator_id.in_(person))


def release_decided(connection: Connection) -> None:
    """Take texts out of the hands of those who have labelled or skipped them, elsewhere."""
    decided = (schema.annotations, schema.is_standing), (schema.skips, schema.skips.c.retired_at.is_(None))
    for leases in (schema.leases, schema.gold_leases):
        for table, stands in decided:
            same = sa.and_(table.c.text_id == leases.c.text_id, table.c.annotator_id == leases.c.annotator_id)
            connection.execute(sa.delete(leases).where(sa.exists().where(same, stands)))


def release(connection: Connection, annotator_id: int, text_id: int, *, golden: bool = True) -> None:
    """End the loan of a text that is decided; nothing happens if the annotator does not hold it.

    Parameters
    ----------
    golden
        Whether it may be in hand as a gold text.
    """
    connection.execute(_RELEASE, {"text": text_id, "annotator": annotator_id})
    if golden:
        gold.forget(connection, annotator_id, text_id)


def find_text(connection: Connection, external_id: str, *, lock: bool = False) -> int:
    """Return the number of a text; with `lock`, let nobody else label it until the transaction ends.

    Raises
    ------
    NotFoundError
        If there is no such text.
    """
    number = text_number(connection, external_id, lock=lock)
    if number is None:
        raise NotFoundError(f"there is no text with id {external_id!r} in this project")
    return number


def text_number(connection: Connection, external_id: str, *, lock: bool = False) -> int | None:
    """Do as `find_text`; None if there is no such text."""
    number: int | None = connection.scalar(_LOCKED_TEXT if lock else _TEXT, {"id": external_id})
    return number


def _end(connection: Connection, leases: sa.Table, *which: sa.ColumnElement[bool]) -> None:
    """End loans without a label."""
    remember(connection, leases, *which)
    connection.execute(sa.delete(leases).where(*which))


# Built once: building a statement takes longer than running it.
_MINE = sa.and_(
    schema.leases.c.text_id == sa.bindparam("text"), schema.leases.c.annotator_id == sa.bindparam("annotator")
)
_RELEASE = sa.delete(schema.leases).where(_MINE)
_TEXT = sa.select(schema.texts.c.id).where(schema.texts.c.external_id == sa.bindparam("id"))
_LOCKED_TEXT = _TEXT.with_for_update(key_share=True)
