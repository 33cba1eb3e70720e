"""What annotators decide: labels, skips, flags; taken back, changed, and decided by a reviewer.

Annotations are append-only. Taking one back or changing it adds a row and marks the old one as retired by it.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jurybox.errors import ConflictError, NotFoundError
from jurybox.store import schema
from jurybox.store.gate import (
    Reply,
    check_answer,
    check_lent,
    check_person,
    check_remark,
    check_remarks,
    check_revisions,
    is_bound,
    once,
)
from jurybox.store.loans import find_text, give_back, release
from jurybox.store.people import lock_actor, number_of
from jurybox.store.queue import claim, with_text
from jurybox.store.ranks import settle
from jurybox.store.records import Decision, Fault, Receipt, Role, Task
from jurybox.store.remarks import rule
from jurybox.store.rows import (
    SUBMIT,
    Situation,
    class_number,
    count,
    insert_annotation,
    insert_skip,
    lock_situation,
    replace_annotation,
    retire_skip,
    standing_annotation,
)

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
    direct: bool,
    now: float,
) -> Receipt:
    """Store a label: once however often it arrives, and even if the text is finished by now.

    Raises
    ------
    NotFoundError
        If there is no such annotator or text.
    InputError
        If there is no such class, or the comment is too long.
    ConflictError
        If the annotator gave the text another label before, the key belongs to another submit, or the
        annotator may not label this text (`jurybox.store.gate`).
    """
    annotator, state = lock_actor(connection, name)
    found = lock_situation(connection, annotator.id, text, label=label, key=key, now=now)
    if found is not None and found.keyed is not None:
        return _repeated(found, found.keyed, name, text, label, key)
    is_there = found is not None and found.standing is not None and found.standing_class == found.class_id
    if found is not None and (found.answered or is_there):  # kept: it may be taken back before a repetition
        asked, there = {"text": text, "label": label}, {"annotation": found.standing}
        reply, _ = once(connection, annotator.id, SUBMIT, key, asked, lambda: there, now=now)
        return Receipt(reply["annotation"], text, name, label, repeated=True)
    if found is not None and found.standing is not None:
        raise ConflictError(
            f"annotator {name!r} gave text {text!r} another label before; use change to replace it",
            code="relabelled",
        )
    found = check_answer(connection, state, annotator, found, text, direct=direct, now=now)
    check_remark(annotator, comment, direct=direct)
    if found.skip is not None:
        _take_skip_back(connection, annotator.id, found.text_id, now)
    number = insert_annotation(
        connection,
        text_id=found.text_id,
        annotator_id=annotator.id,
        class_id=found.class_id,
        created_at=now,
        seconds=seconds,
        comment=comment,
        idempotency_key=key,
        **found.provenance,
    )
    count(connection, annotator.id, n_annotations=1)
    settle(connection, state, [found.text_id])
    release(connection, annotator.id, found.text_id, golden=found.gold_loan is not None)
    return Receipt(number, text, name, label)


def skip(
    connection: Connection, name: str, text: str, reason: str, *, key: str | None, direct: bool, now: float
) -> None:
    """Note that an annotator does not want to label a text; a second skip of it changes nothing.

    Raises
    ------
    NotFoundError
        If there is no such annotator or text.
    InputError
        If the reason is too long.
    ConflictError
        If the annotator has labelled the text, or may not skip it (`jurybox.store.gate`).
    """
    annotator, state = lock_actor(connection, name)

    def act() -> Reply:
        check_person(state, annotator, direct=direct)
        check_remark(annotator, reason, direct=direct)
        situation = lock_situation(connection, annotator.id, text, now=now)
        found = check_lent(state, annotator, situation, text, direct=direct)
        if found.standing is not None:
            raise ConflictError(
                f"annotator {name!r} has labelled text {text!r}; undo that before skipping it",
                code="relabelled",
            )
        if found.skip is None:
            insert_skip(connection, annotator.id, found.text_id, reason, now)
            count(connection, annotator.id, n_skips=1)
        give_back(connection, annotator.id, found.text_id)
        return {}

    once(connection, annotator.id, "skip", key, {"text": text, "reason": reason}, act, now=now)


def flag(
    connection: Connection, name: str, text: str, comment: str, *, key: str | None, direct: bool, now: float
) -> None:
    """Leave a remark about a text for the owner.

    Raises
    ------
    NotFoundError
        If there is no such annotator or text.
    InputError
        If the remark is too long.
    ConflictError
        If there are too many of the annotator, or the text is none of theirs (`jurybox.store.gate`).
    """
    annotator, state = lock_actor(connection, name)

    def act() -> Reply:
        check_person(state, annotator, direct=direct)
        check_remark(annotator, comment, direct=direct)
        situation = lock_situation(connection, annotator.id, text, now=now)
        found = check_lent(state, annotator, situation, text, direct=direct)
        if is_bound(annotator, direct=direct):
            check_remarks(connection, annotator.id, found.text_id)
        row = {"text_id": found.text_id, "annotator_id": annotator.id, "comment": comment, "created_at": now}
        connection.execute(sa.insert(schema.flags).values(row))
        return {}

    once(connection, annotator.id, "flag", key, {"text": text, "comment": comment}, act, now=now)


def undo(
    connection: Connection, name: str, text: str | None, *, key: str | None, direct: bool, now: float
) -> Task:
    """Take back one of the last decisions (default: the last one) and hand the text out again.

    Raises
    ------
    NotFoundError
        If there is no such annotator, or no decision to take back.
    ConflictError
        If the decision is not among the last ten, or was changed too often, or the annotator may not write
        (`jurybox.store.gate`).
    """
    annotator, state = lock_actor(connection, name)

    def act() -> Reply:
        check_person(state, annotator, direct=direct)
        decision = _recent(connection, annotator.id, name, text)
        text_id = find_text(connection, decision.external_id, lock=True)
        if is_bound(annotator, direct=direct):
            check_revisions(connection, annotator.id, text_id)
        if decision.class_id is None:
            _take_skip_back(connection, annotator.id, text_id, now)
        else:
            replace_annotation(
                connection, decision.id, text_id, annotator.id, None, origin="undo", comment="", now=now
            )
            count(connection, annotator.id, n_annotations=-1)
        settle(connection, state, [text_id])
        task = claim(connection, state, name, decision.external_id, direct=direct, now=now)
        return {**asdict(task), "text": "", "metadata": {}}

    reply, _ = once(connection, annotator.id, "undo", key, {"text": text}, act, now=now)
    return with_text(connection, Task(**reply))


def change(
    connection: Connection,
    name: str,
    text: str,
    label: str,
    *,
    comment: str | None,
    key: str | None,
    direct: bool,
    now: float,
) -> Receipt:
    """Replace the label, and the comment where one is given, of one of the last ten decisions.

    Raises
    ------
    NotFoundError
        If there is no such annotator or decision.
    InputError
        If there is no such class, or the comment is too long.
    ConflictError
        If the decision is not among the last ten, or was a skip, or the annotator may not write
        (`jurybox.store.gate`).
    """
    annotator, state = lock_actor(connection, name)

    def act() -> Reply:
        check_person(state, annotator, direct=direct)
        check_remark(annotator, comment, direct=direct)
        decision = _recent(connection, annotator.id, name, text)
        if decision.class_id is None:
            raise ConflictError(f"annotator {name!r} skipped text {text!r}; undo that to label it")
        text_id = find_text(connection, text, lock=True)  # before the class, which may be an answer to add
        class_id = class_number(connection, label)
        kept = decision.comment if comment is None else comment
        if decision.class_id == class_id and decision.comment == kept:
            return {"annotation": decision.id, "repeated": True}
        if is_bound(annotator, direct=direct):
            check_revisions(connection, annotator.id, text_id)
        number = replace_annotation(
            connection, decision.id, text_id, annotator.id, class_id, origin="change", comment=kept, now=now
        )
        settle(connection, state, [text_id])
        return {"annotation": number, "repeated": False}

    asked = {"text": text, "label": label, "comment": comment}
    reply, again = once(connection, annotator.id, "change", key, asked, act, now=now)
    return Receipt(reply["annotation"], text, name, label, repeated=again or reply["repeated"])


def adjudicate(
    connection: Connection,
    name: str,
    text: str,
    label: str,
    *,
    comment: str,
    fault: Fault | None,
    key: str | None,
    now: float,
) -> Receipt:
    """Store a reviewer's decision: an annotation like any other, after which the text is finished.

    Parameters
    ----------
    fault
        Why labels before were wrong, if that is known.

    Raises
    ------
    NotFoundError
        If there is no such person or text.
    InputError
        If there is no such class.
    ConflictError
        If the person is neither reviewer nor owner, or is paused.
    """
    reviewer, state = lock_actor(connection, name)
    if reviewer.role not in (Role.REVIEWER, Role.OWNER):
        raise ConflictError(f"{name!r} is {reviewer.role}, expected a reviewer or an owner")

    def act() -> Reply:
        check_person(state, reviewer, direct=False)
        text_id = find_text(connection, text, lock=True)  # before the class, which may be an answer to add
        class_id = class_number(connection, label)
        standing = standing_annotation(connection, reviewer.id, text_id)
        said = {"origin": "review", "comment": comment}
        if standing is not None:
            number = replace_annotation(
                connection, standing.id, text_id, reviewer.id, class_id, **said, now=now
            )
        else:
            row = {"text_id": text_id, "annotator_id": reviewer.id, "class_id": class_id, "created_at": now}
            _take_skip_back(connection, reviewer.id, text_id, now)
            number = insert_annotation(connection, **row, **said)
            count(connection, reviewer.id, n_annotations=1)
        settle(connection, state, [text_id])
        release(connection, reviewer.id, text_id)
        if fault is not None:
            rule(connection, number, fault)
        return {"annotation": number}

    asked = {"text": text, "label": label, "comment": comment, "fault": fault}
    reply, again = once(connection, reviewer.id, "adjudicate", key, asked, act, now=now)
    return Receipt(reply["annotation"], text, name, label, repeated=again)


def _take_skip_back(connection: Connection, annotator_id: int, text_id: int, now: float) -> None:
    """Retire a person's skip of a text, if there is one: nobody has both labelled and skipped a text."""
    if retire_skip(connection, annotator_id, text_id, now):
        count(connection, annotator_id, n_skips=-1)


def read_decisions(connection: Connection, name: str, limit: int) -> list[Decision]:
    """Return an annotator's last decisions that stand, the latest first.

    Raises
    ------
    NotFoundError
        If there is no such annotator.
    """
    annotator_id = number_of(connection, name)
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


def _latest(annotator_id: int, limit: int) -> sa.Select[Any]:
    """Labels and skips of an annotator that stand, in one list; a skip has no class.

    They are put in order by number: clocks jump. A skip comes behind the annotation that was the last then.
    """
    annotations, skips, texts = schema.annotations, schema.skips, schema.texts
    labels = (
        sa.select(
            annotations.c.id,
            annotations.c.text_id,
            annotations.c.class_id,
            annotations.c.comment,
            annotations.c.created_at,
            annotations.c.id.label("behind"),
            sa.literal(0).label("nth"),
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
            skips.c.after_annotation.label("behind"),
            skips.c.id.label("nth"),
        )
        .where(skips.c.annotator_id == annotator_id, skips.c.retired_at.is_(None))
        .order_by(skips.c.id.desc())
        .limit(limit)
    ).subquery()
    both = sa.union_all(sa.select(labels), sa.select(skipped)).subquery()
    return (
        sa.select(both, texts.c.external_id, texts.c.text)
        .join(texts, texts.c.id == both.c.text_id)
        .order_by(both.c.behind.desc(), both.c.nth.desc())
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


def _repeated(found: Situation, earlier: int, name: str, text: str, label: str, key: str | None) -> Receipt:
    if (found.keyed_text, found.keyed_class) != (found.text_id, found.class_id):
        raise ConflictError(f"the key {key!r} was used for another submit; use a new key for each decision")
    return Receipt(earlier, text, name, label, repeated=True)
