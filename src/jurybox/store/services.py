"""Small notes by name: what the learner does, where webhooks go."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from jurybox.answers import NOT_ASKED
from jurybox.questions import Question
from jurybox.store import schema
from jurybox.store.places import any_open
from jurybox.store.rows import class_number, is_person
from jurybox.store.state import read_classes, read_questions, read_state
from jurybox.written import answer_written

ROUND_REQUEST = "learner.request"
"""Name of the note that asks the learner for a round."""

BELIEFS = "beliefs"
"""Name of the note that keeps all figures of the project, names of people among them."""


@dataclass(frozen=True)
class Note:
    """What was last written under a name, and when."""

    value: Mapping[str, Any]
    updated_at: float


@dataclass(frozen=True)
class Pulse:
    """What has happened since the last round, cheap enough to ask for every second.

    Attributes
    ----------
    current_round
        Number of the round that holds; 0 before the first.
    last
        Number of the last annotation.
    pending
        Rows of annotations that the round has not seen, changes and takings back included.
    last_at
        When the last of them came; None where there are none.
    texts
        Number of texts, deleted ones among them.
    is_done
        Whether there are texts, of which none wants a label.
    """

    current_round: int
    last: int
    pending: int
    last_at: float | None
    texts: int
    is_done: bool


@dataclass(frozen=True)
class Suggestion:
    """The class that the last round's classifier gives a text, and how sure it is.

    With several questions, the answers to all, by the thresholds of the round; and how likely all are right,
    if they have nothing to do with each other.
    """

    label: str
    probability: float


def read_note(connection: Connection, name: str) -> Note | None:
    """Return the note under a name."""
    notes = schema.services
    row = connection.execute(sa.select(notes).where(notes.c.name == name)).one_or_none()
    return None if row is None else Note(row.value, row.updated_at)


def write_note(connection: Connection, name: str, value: Mapping[str, Any], *, now: float) -> None:
    """Write a note in place of the last one of its name."""
    notes = schema.services
    insert = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(notes)
    row = {"name": name, "value": dict(value), "updated_at": now}
    changed = {"value": insert.excluded.value, "updated_at": insert.excluded.updated_at}
    connection.execute(insert.values(row).on_conflict_do_update(index_elements=[notes.c.name], set_=changed))


def ask_for_round(connection: Connection, *, now: float) -> None:
    """Ask the learner, wherever it runs, for a round as soon as it is free."""
    write_note(connection, ROUND_REQUEST, {"pending": True}, now=now)


def drop_note(connection: Connection, name: str) -> None:
    """Forget the note under a name, and those of its parts, which have a colon behind it."""
    held = schema.services.c.name
    parts = held.startswith(f"{name}:", autoescape=True)
    connection.execute(sa.delete(schema.services).where(sa.or_(held == name, parts)))


def read_pulse(connection: Connection) -> Pulse:
    """Return what has happened since the last round."""
    annotations, rounds = schema.annotations, schema.rounds
    state = read_state(connection)
    current = sa.select(rounds.c.last_annotation).where(rounds.c.id == state.current_round)
    seen = connection.scalar(current) or 0
    news = sa.select(
        sa.func.count(), sa.func.max(annotations.c.id), sa.func.max(annotations.c.created_at)
    ).where(annotations.c.id > seen)
    pending, last, last_at = connection.execute(news).one()
    return Pulse(
        current_round=state.current_round,
        last=last or seen,
        pending=pending,
        last_at=last_at,
        texts=state.n_texts,
        is_done=0 < state.n_texts <= state.n_placed and not any_open(connection, state),
    )


def read_suggestion(connection: Connection, text_id: str) -> Suggestion | None:
    """Return the model's opinion of a text.

    None before the first round, for texts that came since, and for the audit sample, of which the labels must
    not depend on the model.
    """
    texts, audit = schema.texts, schema.audit
    in_audit = sa.select(sa.exists().where(audit.c.text_id == texts.c.id, texts.c.external_id == text_id))
    row = None if connection.scalar(in_audit) else _read_row(connection, text_id)
    if row is None:
        return None
    questions = read_questions(connection)
    if questions:
        return _suggested_answer(questions, row, _read_thresholds(connection))
    probabilities = _by_name(connection, row)
    label = max(probabilities, key=probabilities.__getitem__)
    return Suggestion(label, probabilities[label])


def _suggested_answer(
    questions: Sequence[Question], row: Sequence[float], thresholds: Mapping[str, Sequence[float]]
) -> Suggestion:
    """Return what is most likely of each facet, after its probabilities are divided by its thresholds."""
    values, sure = iter(row), 1.0
    code: list[int] = []
    for question in questions:
        for facet in question.facets:
            p = [next(values) for _ in question.facet_classes]
            by = thresholds.get(str(facet))
            if by is None:  # a class that has come since
                code.append(NOT_ASKED)
                continue
            scores = [each / threshold for each, threshold in zip(p, by, strict=True)]
            code.append(scores.index(max(scores)))
            sure *= p[code[-1]]
    return Suggestion(answer_written(questions, code), sure)


def _read_thresholds(connection: Connection) -> dict[str, Sequence[float]]:
    """Return the thresholds of the last round by facet."""
    current = sa.select(schema.project.c.current_round).scalar_subquery()
    told = (
        connection.scalar(sa.select(schema.rounds.c.diagnostics).where(schema.rounds.c.id == current)) or {}
    )
    return {name: one["thresholds"] for name, one in told.get("facets", {}).items() if "thresholds" in one}


def note_shown(connection: Connection, annotator: str, text_id: str, label: str) -> None:
    """Note that an annotator is about to see the model's opinion of a text; the first one counts."""
    shown, annotators, texts = schema.shown, schema.annotators, schema.texts
    insert = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(shown)
    row = {
        "annotator_id": sa.select(annotators.c.id).where(is_person(annotator)).scalar_subquery(),
        "text_id": sa.select(texts.c.id).where(texts.c.external_id == text_id).scalar_subquery(),
        "suggested_by": "model",
        "suggested_class": class_number(connection, label),
    }
    connection.execute(insert.values(row).on_conflict_do_nothing())


def read_probabilities(connection: Connection, text_id: str) -> dict[str, float] | None:
    """Return the last round's out-of-sample probabilities of a text by class; None where there are none."""
    row = _read_row(connection, text_id)
    return None if row is None else _by_name(connection, row)


def _read_row(connection: Connection, text_id: str) -> tuple[float, ...] | None:
    """Return the last round's probabilities of a text, of all facets side by side."""
    arrays, texts = schema.arrays, schema.texts
    number = connection.scalar(sa.select(texts.c.id).where(texts.c.external_id == text_id))
    if number is None:
        return None
    current = connection.scalar(sa.select(schema.project.c.current_round)) or 0
    mine = sa.and_(arrays.c.round_id == current, arrays.c.name == "pred_probs")
    first = 0
    for part, rows in connection.execute(
        sa.select(arrays.c.part, arrays.c.rows).where(mine).order_by(arrays.c.part)
    ):
        if number < first + rows:
            query = sa.select(arrays.c.columns, arrays.c.data).where(mine, arrays.c.part == part)
            stored = connection.execute(query).one()
            return struct.unpack_from(
                f"<{stored.columns}f", stored.data, 4 * stored.columns * (number - first)
            )
        first += rows
    return None


def _by_name(connection: Connection, row: Sequence[float]) -> dict[str, float]:
    """Return probabilities by class; of several questions, of each class of each."""
    questions = read_questions(connection)
    if not questions:
        return dict(zip(read_classes(connection), row, strict=False))
    values, found = iter(row), {}
    for question in questions:
        for name in question.classes:
            if question.kind == "several":
                next(values)  # that it does not apply
            found[f"{question.name}:{name}"] = next(values)
    return found
