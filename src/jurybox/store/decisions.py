"""What annotators decide: labels, skips, flags; taken back, changed, and decided by a reviewer.

Annotations are append-only. Taking one back or changing it adds a row and marks the old one as retired by it.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jurybox.errors import ConflictError, NotFoundError
from jurybox.store import gold_queue, schema
from jurybox.store.people import lock_actor, lock_annotator
from jurybox.store.queue import claim, find_text, release
from jurybox.store.ranks import settle
from jurybox.store.records import Decision, Flag, Receipt, Role, Task
from jurybox.store.rows import (
    Situation,
    class_number,
    count,
    insert_annotation,
    lock_situation,
    replace_annotation,
    retire_skip,
    standing_annotation,
    standing_skip,
)
from jurybox.store.state import read_state

__all__ = [
    "EDITABLE",
    "adjudicate",
    "change",
    "flag",
    "read_decisions",
    "read_flags",
    "skip",
    "submit",
    "undo",
]

EDITABLE = 10
"""How many of the last decisions an annotator may take back or change."""


def submit(
    connection: Connection,
    name: str,
    text: str,
    label: str,
    *,
    seconds: float | None,
    comment: str,
    key: str | None,
    now: float,
) -> Receipt:
    """Store a label: once however often it arrives, and even if the text is finished by now.

    Raises
    ------
    NotFoundError
        If there is no such annotator or text.
    InputError
        If there is no such class.
    ConflictError
        If the annotator gave the text another label before, or the key belongs to another submit.
    """
    annotator, state = lock_actor(connection, name)
    found = lock_situation(connection, annotator.id, text, label, key)
    if found.keyed is not None:
        return _repeated(found, found.keyed, name, text, label, key)
    if found.standing is not None and found.standing_class == found.class_id:
        return Receipt(found.standing, text, name, label, repeated=True)
    if found.standing is not None:
        raise ConflictError(
            f"annotator {name!r} gave text {text!r} another label before; use change to replace it",
            code="relabelled",
        )
    text_id, class_id = found.text_id, found.class_id
    if found.skip is not None:
        retire_skip(connection, annotator.id, text_id, now)
        count(connection, annotator.id, n_skips=-1)
    golden = gold_queue.lease_of(connection, annotator.id, text_id) if state.n_gold else None
    number = insert_annotation(
        connection,
        text_id=text_id,
        annotator_id=annotator.id,
        class_id=class_id,
        created_at=now,
        seconds=seconds,
        comment=comment,
        idempotency_key=key,
        **_provenance(found, golden),
    )
    count(connection, annotator.id, n_annotations=1)
    settle(connection, state, [text_id])
    release(connection, annotator.id, text_id, golden=golden is not None)
    return Receipt(number, text, name, label)


def skip(connection: Connection, name: str, text: str, reason: str, *, now: float) -> None:
    """Note that an annotator does not want to label a text; a second skip of it changes nothing.

    Raises
    ------
    NotFoundError
        If there is no such annotator or text.
    ConflictError
        If the annotator has labelled the text.
    """
    annotator = lock_annotator(connection, name)
    text_id = find_text(connection, text)
    if standing_annotation(connection, annotator.id, text_id) is not None:
        raise ConflictError(
            f"annotator {name!r} has labelled text {text!r}; undo that before skipping it", code="relabelled"
        )
    if standing_skip(connection, annotator.id, text_id) is None:
        row = {"text_id": text_id, "annotator_id": annotator.id, "reason": reason, "created_at": now}
        connection.execute(sa.insert(schema.skips).values(row))
        count(connection, annotator.id, n_skips=1)
    release(connection, annotator.id, text_id)


def flag(connection: Connection, name: str, text: str, comment: str, *, now: float) -> None:
    """Leave a remark about a text for the owner.

    Raises
    ------
    NotFoundError
        If there is no such annotator or text.
    """
    annotator = lock_annotator(connection, name)
    row = {
        "text_id": find_text(connection, text),
        "annotator_id": annotator.id,
        "comment": comment,
        "created_at": now,
    }
    connection.execute(sa.insert(schema.flags).values(row))


def undo(connection: Connection, name: str, text: str | None, *, now: float) -> Task:
    """Take back one of the last decisions (default: the last one) and hand the text out again.

    Raises
    ------
    NotFoundError
        If there is no such annotator, or no decision to take back.
    ConflictError
        If the decision is not among the last ten.
    """
    annotator = lock_annotator(connection, name)
    decision = _recent(connection, annotator.id, name, text)
    text_id = find_text(connection, decision.external_id, lock=True)
    if decision.class_id is None:
        retire_skip(connection, annotator.id, text_id, now)
        count(connection, annotator.id, n_skips=-1)
    else:
        replace_annotation(
            connection, decision.id, text_id, annotator.id, None, origin="undo", comment="", now=now
        )
        count(connection, annotator.id, n_annotations=-1)
    state = read_state(connection)
    settle(connection, state, [text_id])
    return claim(connection, state, name, annotator.id, text_id, now)


def change(
    connection: Connection, name: str, text: str, label: str, *, comment: str | None, now: float
) -> Receipt:
    """Replace the label, and the comment where one is given, of one of the last ten decisions.

    Raises
    ------
    NotFoundError
        If there is no such annotator or decision.
    InputError
        If there is no such class.
    ConflictError
        If the decision is not among the last ten, or was a skip.
    """
    annotator = lock_annotator(connection, name)
    class_id = class_number(connection, label)
    decision = _recent(connection, annotator.id, name, text)
    if decision.class_id is None:
        raise ConflictError(f"annotator {name!r} skipped text {text!r}; undo that to label it")
    kept = decision.comment if comment is None else comment
    if decision.class_id == class_id and decision.comment == kept:
        return Receipt(decision.id, text, name, label, repeated=True)
    text_id = find_text(connection, text, lock=True)
    number = replace_annotation(
        connection, decision.id, text_id, annotator.id, class_id, origin="change", comment=kept, now=now
    )
    settle(connection, read_state(connection), [text_id])
    return Receipt(number, text, name, label)


def adjudicate(
    connection: Connection, name: str, text: str, label: str, *, comment: str, now: float
) -> Receipt:
    """Store a reviewer's decision: an annotation like any other, after which the text is finished.

    Raises
    ------
    NotFoundError
        If there is no such person or text.
    InputError
        If there is no such class.
    ConflictError
        If the person is neither reviewer nor owner.
    """
    reviewer = lock_annotator(connection, name)
    if reviewer.role not in (Role.REVIEWER, Role.OWNER):
        raise ConflictError(f"{name!r} is {reviewer.role}, expected a reviewer or an owner")
    class_id = class_number(connection, label)
    text_id = find_text(connection, text, lock=True)
    standing = standing_annotation(connection, reviewer.id, text_id)
    if standing is not None:
        number = replace_annotation(
            connection, standing.id, text_id, reviewer.id, class_id, origin="review", comment=comment, now=now
        )
    else:
        number = insert_annotation(
            connection,
            text_id=text_id,
            annotator_id=reviewer.id,
            class_id=class_id,
            created_at=now,
            comment=comment,
            origin="review",
        )
        count(connection, reviewer.id, n_annotations=1)
    settle(connection, read_state(connection), [text_id])
    release(connection, reviewer.id, text_id)
    return Receipt(number, text, name, label)


def read_decisions(connection: Connection, name: str, limit: int) -> list[Decision]:
    """Return an annotator's last decisions that stand, the latest first.

    Raises
    ------
    NotFoundError
        If there is no such annotator.
    """
    annotator_id = connection.scalar(
        sa.select(schema.annotators.c.id).where(schema.annotators.c.name == name)
    )
    if annotator_id is None:
        raise NotFoundError(f"there is no annotator {name!r}")
    names = {row.id: row.name for row in connection.execute(sa.select(schema.classes))}
    return [
        Decision(
            text_id=row.external_id,
            text=row.text,
            time=row.created_at,
            label=None if row.class_id is None else names[row.class_id],
            comment=row.comment,
        )
        for row in connection.execute(_latest(annotator_id, limit))
    ]


def read_flags(connection: Connection) -> list[Flag]:
    """Return all remarks, the latest first."""
    flags, texts, annotators = schema.flags, schema.texts, schema.annotators
    query = (
        sa.select(texts.c.external_id, annotators.c.name, flags.c.comment, flags.c.created_at)
        .select_from(flags.join(texts, texts.c.id == flags.c.text_id).join(annotators))
        .order_by(flags.c.id.desc())
    )
    return [Flag(*row) for row in connection.execute(query)]


def _latest(annotator_id: int, limit: int) -> sa.Select[Any]:
    """Labels and skips of an annotator that stand, in one list; a skip has no class."""
    annotations, skips, texts = schema.annotations, schema.skips, schema.texts
    labels = (
        sa.select(
            annotations.c.id,
            annotations.c.text_id,
            annotations.c.class_id,
            annotations.c.comment,
            annotations.c.created_at,
        )
        .where(annotations.c.annotator_id == annotator_id, schema.is_standing)
        .order_by(annotations.c.id.desc())
        .limit(limit)
    ).subquery()
    skipped = (
        sa.select(
            skips.c.id,
            skips.c.text_id,
            sa.null().cast(sa.Integer).label("class_id"),
            skips.c.reason.label("comment"),
            skips.c.created_at,
        )
        .where(skips.c.annotator_id == annotator_id, skips.c.retired_at.is_(None))
        .order_by(skips.c.id.desc())
        .limit(limit)
    ).subquery()
    both = sa.union_all(sa.select(labels), sa.select(skipped)).subquery()
    return (
        sa.select(both, texts.c.external_id, texts.c.text)
        .join(texts, texts.c.id == both.c.text_id)
        .order_by(both.c.created_at.desc(), both.c.id.desc())
        .limit(limit)
    )


def _recent(connection: Connection, annotator_id: int, name: str, text: str | None) -> sa.Row[Any]:
    recent = connection.execute(_latest(annotator_id, EDITABLE)).all()
    if not recent:
        raise NotFoundError(f"annotator {name!r} has no decision to take back or change")
    for row in recent:
        if text is None or row.external_id == text:
            return row
    raise ConflictError(
        f"text {text!r} is not among the last {EDITABLE} decisions of annotator {name!r}, "
        "which can be edited",
        code="not_editable",
    )


def _provenance(found: Situation, golden: sa.Row[Any] | None) -> dict[str, object]:
    """Return how a text came to its annotator; what the task of a gold text said of itself is not stored."""
    if golden is not None:
        return {"origin": "queue", "round_id": golden.round_id, "reason": gold_queue.GOLD}
    if found.reason is None:
        return {"origin": "direct"}
    return {
        "origin": "queue",
        "round_id": found.round_id,
        "reason": found.reason,
        "selection_probability": found.selection_probability,
    }


def _repeated(found: Situation, earlier: int, name: str, text: str, label: str, key: str | None) -> Receipt:
    if (found.keyed_text, found.keyed_class) != (found.text_id, found.class_id):
        raise ConflictError(f"the key {key!r} was used for another submit; use a new key for each decision")
    return Receipt(earlier, text, name, label, repeated=True)
