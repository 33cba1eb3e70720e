"""Labels that are given to many texts at once, after a look at some of them.

They are annotations of an annotator of their own, so that what is believed of them is learnt from the texts
that people have labelled one by one: nobody's careful labels are taken for better or worse by them. Their
origin says what they are; no text of the audit sample has one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jurybox.answers import NOT_ASKED
from jurybox.arrays import Ints
from jurybox.errors import ConflictError
from jurybox.store import schema
from jurybox.store.editing import Detail, delete_labels, insert_annotations, restore_labels
from jurybox.store.groups import first_texts
from jurybox.store.people import check_present, ensure_annotator, lock_annotator, update_annotator
from jurybox.store.ranks import chunks, settle
from jurybox.store.records import Standing
from jurybox.store.rows import class_number, count
from jurybox.store.services import ask_for_round
from jurybox.store.state import read_classes, read_questions, read_state
from jurybox.written import answer_code, answer_written

AT_ONCE = "cluster"
"""Origin of these labels."""

ANNOTATOR = "clusters"
"""Whose labels they are, whoever gave them: the history has that."""

_CHUNK = 500
_NOTHING = -1


def label_at_once(connection: Connection, numbers: Sequence[int], label: str, *, now: float) -> Detail:
    """Give a label to texts, but for the audit sample and deleted ones; what was said of them so goes.

    Of several questions, what was said of those stays that the label leaves open.

    Returns
    -------
    mapping
        ``labels`` and ``replaced``: the annotations that were added and taken back, for `unlabel`.

    Raises
    ------
    InputError
        If there is no such class.
    ConflictError
        If a person bears the name that these labels are given under, or it is removed.
    """
    state = read_state(connection)
    class_number(connection, label)  # raises where there is none
    ensure_annotator(connection, ANNOTATOR, now=now)
    _refuse_person(connection)
    update_annotator(connection, ANNOTATOR, standing=Standing.PAUSED.value)  # is asked for nothing
    annotator = lock_annotator(connection, ANNOTATOR).id
    if state.shares_copies:
        numbers = first_texts(connection, numbers)
    drawn = connection.scalars(sa.select(schema.audit.c.text_id)).all()
    audit = {*drawn, *(first_texts(connection, drawn) if state.shares_copies else ())}
    present = [n for chunk in chunks(numbers, _CHUNK) for n in _present(connection, chunk) if n not in audit]
    held = _held(connection, annotator)
    before = {number: held.get(number, (0, _NOTHING))[1] for number in present}
    now_said = _said_now(connection, label, {*before.values()})
    texts = [number for number in present if now_said[before[number]] != before[number]]
    old = delete_labels(connection, [held[number][0] for number in texts if number in held], now=now)
    new = {"annotator_id": annotator, "created_at": now, "comment": "", "origin": AT_ONCE}
    rows = [{"text_id": number, "class_id": now_said[before[number]], **new} for number in texts]
    labels = insert_annotations(connection, rows)
    count(connection, annotator, n_annotations=len(labels))
    settle(connection, state, texts)
    if labels:
        ask_for_round(connection, now=now)
    return {"labels": labels, "replaced": old}


def _said_now(connection: Connection, label: str, before: Collection[int]) -> dict[int, int]:
    """Return the classes of texts that are given a label, by those that they had so before."""
    questions, names = read_questions(connection), read_classes(connection)
    found = {number: class_number(connection, label) for number in before}
    if questions:
        new = np.array(answer_code(questions, label))
        for number in {*before} - {_NOTHING}:
            code = np.where(new == NOT_ASKED, answer_code(questions, names[number]), new)
            found[number] = class_number(connection, answer_written(questions, code.tolist()))
    return found


def unlabel(connection: Connection, detail: Detail, *, now: float) -> int:
    """Undo `label_at_once`, by what it returned; return how many labels went.

    Raises
    ------
    ConflictError
        If others of these labels took the place of some since: what they left open was said here.
    """
    annotations, given = schema.annotations, schema.annotations.alias("given")
    same = sa.and_(*(given.c[name] == annotations.c[name] for name in ("text_id", "annotator_id")))
    is_given = (annotations.c.class_id == given.c.class_id).label("is_given")
    standing = sa.select(annotations.c.id, is_given).join(given, same).where(schema.is_standing)
    # not by their numbers alone: labels that were replaced, and came back since, have new ones
    found = [
        row
        for chunk in chunks(detail["labels"], _CHUNK)
        for row in connection.execute(standing.where(given.c.id.in_(chunk)))
    ]
    if not all(row.is_given for row in found):
        problem = "some of these texts were labelled at once again since; undo that first"
        raise ConflictError(problem, code="in_the_way")
    gone = delete_labels(connection, [row.id for row in found], now=now)
    restore_labels(connection, detail["replaced"])
    return len(gone)


def labels_at_once(connection: Connection, numbers: Sequence[int]) -> list[int]:
    """Return the annotations that stand of some texts and were given so."""
    annotations = schema.annotations
    mine = sa.select(annotations.c.id).where(schema.is_standing, annotations.c.origin == AT_ONCE)
    return [
        number
        for chunk in chunks(numbers, _CHUNK)
        for number in connection.scalars(mine.where(annotations.c.text_id.in_(chunk)))
    ]


def read_present(connection: Connection, n_texts: int) -> Ints:
    """Return the numbers of the first texts that are not deleted, ascending."""
    texts = schema.stored_texts
    gone = connection.scalars(sa.select(texts.c.id).where(texts.c.withdrawn_at.is_not(None))).all()
    return np.setdiff1d(np.arange(n_texts), np.asarray(gone, dtype=np.int64), assume_unique=True)


def read_texts(connection: Connection, numbers: Sequence[int]) -> dict[int, sa.Row[int, str, str]]:
    """Return number, id and text of those that are not deleted, by number."""
    texts = schema.texts
    query = sa.select(texts.c.id, texts.c.external_id, texts.c.text)
    return {
        row.id: row
        for chunk in chunks(numbers, _CHUNK)
        for row in connection.execute(query.where(texts.c.id.in_(chunk)))
    }


def _refuse_person(connection: Connection) -> None:
    annotations, person = schema.annotations, lock_annotator(connection, ANNOTATOR)
    check_present(person)
    theirs = annotations.c.annotator_id == person.id, annotations.c.origin.not_in([AT_ONCE, "delete"])
    if person.token_hash or connection.scalar(sa.select(annotations.c.id).where(*theirs).limit(1)):
        raise ConflictError(
            f"a person is called {ANNOTATOR!r}, as clusters are labelled by; give them another name",
            code="name_taken",
            name=ANNOTATOR,
        )


def _present(connection: Connection, numbers: Sequence[int]) -> list[int]:
    texts = schema.texts
    return list(connection.scalars(sa.select(texts.c.id).where(texts.c.id.in_(numbers)).order_by(texts.c.id)))


def _held(connection: Connection, annotator: int) -> dict[int, tuple[int, int]]:
    """Return number and class of the annotator's standing labels, by text."""
    annotations = schema.annotations
    query = sa.select(annotations.c.text_id, annotations.c.id, annotations.c.class_id)
    rows = connection.execute(query.where(schema.is_standing, annotations.c.annotator_id == annotator))
    return {row.text_id: (row.id, row.class_id) for row in rows}
