"""What machines said: each text is asked once of each version, and paid for once.

A row of `responses` is committed before its question is sent, with the most that the answer can cost, and
completed when the answer has come. So whatever is killed between, the sum of all prices is never less than
what was spent, and no question is sent twice that may have been paid for.

What they said is read by `jurybox.store.said`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jurybox.answers import NOT_ASKED
from jurybox.errors import ConflictError, NotFoundError
from jurybox.machines.parts import AnswerPart, parts_of
from jurybox.machines.records import LanguageModel, MachineAnswer
from jurybox.questions import Question
from jurybox.store import schema
from jurybox.store.locks import serialise
from jurybox.store.machines import Machine
from jurybox.store.state import add_answers, read_classes, read_questions
from jurybox.written import answer_written

_CHUNK = 500


@dataclass(frozen=True)
class MachineTally:
    """What a machine has done so far.

    Attributes
    ----------
    answers
        Texts that it has answered.
    labels
        Those of them in which it named a class.
    lost
        Texts whose question was sent and whose answer never came; they may have been paid for.
    batched
        Texts whose questions are in a batch file and whose answers have not been read.
    price
        What all that costs: the lost and the batched ones at the most that they can cost.
    tokens_in, tokens_out
        Read and written.
    seconds
        A mean answer took; None without any.
    """

    answers: int
    labels: int
    lost: int
    batched: int
    price: float
    tokens_in: int
    tokens_out: int
    seconds: float | None


def read_reviewed(connection: Connection) -> list[tuple[str, str]]:
    """Return texts that a reviewer has decided, with their labels; none like an audited one, none of gold."""
    texts, annotations, classes = schema.texts, schema.annotations, schema.classes
    own, audited = schema.groups.alias(), schema.groups.alias()
    group = sa.select(own.c.group_id).where(own.c.text_id == texts.c.id).scalar_subquery()
    held_out = sa.select(sa.func.coalesce(audited.c.group_id, schema.audit.c.text_id)).select_from(
        schema.audit.outerjoin(audited, audited.c.text_id == schema.audit.c.text_id)
    )
    kept = sa.or_(
        sa.func.coalesce(group, texts.c.id).in_(held_out),
        sa.exists().where(schema.gold.c.text_id == texts.c.id),
    )
    query = (
        sa.select(texts.c.text, classes.c.name)
        .select_from(
            annotations.join(texts, texts.c.id == annotations.c.text_id).join(
                classes, classes.c.id == annotations.c.class_id
            )
        )
        .where(schema.is_standing, annotations.c.origin == "review", ~kept)
        .order_by(annotations.c.id)
    )
    return [(row.text, row.name) for row in connection.execute(query)]


def read_waiting(connection: Connection, machine: Machine) -> list[tuple[int, str]]:
    """Return numbers and texts that a machine was not asked about, those first that people have labelled.

    What people have labelled tells what the answers are worth; not of its examples, whose labels it was told.
    """
    texts, responses = schema.texts, schema.responses
    asked = sa.exists().where(responses.c.machine_id == machine.id, responses.c.text_id == texts.c.id)
    labelled = sa.exists().where(schema.annotations.c.text_id == texts.c.id, schema.is_standing)
    query = (
        sa.select(texts.c.id, texts.c.text)
        .where(~asked)
        .order_by(sa.case((labelled, 0), else_=1), texts.c.id)
    )
    shown = {text for text, _ in machine.spec.examples} if isinstance(machine.spec, LanguageModel) else ()
    return [(row.id, row.text) for row in connection.execute(query) if row.text not in shown]


def read_lost(connection: Connection, machine: Machine) -> list[tuple[int, str]]:
    """Return numbers and texts of questions that were sent and never answered."""
    texts, responses = schema.texts, schema.responses
    query = (
        sa.select(texts.c.id, texts.c.text)
        .join(responses, responses.c.text_id == texts.c.id)
        .where(responses.c.machine_id == machine.id, _is_lost)
        .order_by(texts.c.id)
    )
    return [(row.id, row.text) for row in connection.execute(query)]


def claim(
    connection: Connection,
    machine: Machine,
    most: Mapping[int, float],
    *,
    budget: float,
    now: float,
    batch: str | None = None,
) -> list[int]:
    """Note that texts are about to be asked about, as many as the budget allows, and return their numbers.

    Parameters
    ----------
    most
        What the answer to each can cost at most, by the number of the text, in order.
    budget
        What all machines of the project together may cost.

    Raises
    ------
    ConflictError
        If the machine was stopped.
    """
    serialise(connection, "budget")  # two machines must not both spend the last cent
    machines, responses = schema.machines, schema.responses
    if connection.scalar(sa.select(machines.c.stopped_at).where(machines.c.id == machine.id)) is not None:
        raise ConflictError(f"{machine.title} was stopped; jurybox machine ask --resume asks it again")
    rows: list[dict[str, Any]] = []
    left = budget - spent(connection) if any(most.values()) else 0.0
    for text, price in most.items():
        if price and price > left + 1e-12:  # what is free may be asked by whoever has spent too much
            break
        left -= price
        rows.append(
            {"machine_id": machine.id, "text_id": text, "asked_at": now, "price": price, "batch": batch}
        )
    for start in range(0, len(rows), _CHUNK):
        connection.execute(sa.insert(responses), rows[start : start + _CHUNK])
    return [row["text_id"] for row in rows]


def await_claims(connection: Connection) -> None:
    """Wait for claims on their way: PostgreSQL may still commit one of a process that was killed."""
    serialise(connection, "budget")


def unclaim(connection: Connection, machine: Machine, texts: Iterable[int]) -> None:
    """Note that questions were not sent, or that nothing was paid for them."""
    responses = schema.responses
    for text in texts:
        connection.execute(
            sa.delete(responses).where(
                responses.c.machine_id == machine.id,
                responses.c.text_id == text,
                responses.c.answered_at.is_(None),
            )
        )


def write_answer(
    connection: Connection, machine: Machine, text: int, answer: MachineAnswer, *, now: float
) -> bool:
    """Write what a machine said; false if that is known already.

    Raises
    ------
    NotFoundError
        If this was never asked.
    """
    responses = schema.responses
    mine = sa.and_(responses.c.machine_id == machine.id, responses.c.text_id == text)
    questions, classes = read_questions(connection), read_classes(connection)
    parts = parts_of(classes, questions)
    code, said = _code(parts, answer), None
    if any(label != NOT_ASKED for label in code):
        said = code[0]
    if said is not None and questions:
        said = answer_numbers(connection, questions, [code])[0]
    values = {
        "answered_at": now,
        "class_id": said,
        "probabilities": _side_by_side(parts, answer),
        "tokens_in": answer.tokens_in,
        "tokens_out": answer.tokens_out,
        "price": answer.price,
        "seconds": answer.seconds,
        "raw": answer.raw.replace("\0", "\ufffd"),
    }
    done = connection.execute(
        sa.update(responses).where(mine, responses.c.answered_at.is_(None)).values(values)
    )
    if not done.rowcount and not connection.scalar(sa.select(sa.exists().where(mine))):
        raise NotFoundError(f"{machine.title} was never asked about text number {text}")
    return bool(done.rowcount)


def add_said(connection: Connection, answers: Sequence[MachineAnswer]) -> None:
    """Add what answers say to several questions, at once, before each is written; with one: nothing."""
    if questions := read_questions(connection):
        codes = [_code(parts_of((), questions), answer) for answer in answers]
        answer_numbers(connection, questions, [code for code in codes if any(k != NOT_ASKED for k in code)])


def _code(parts: Sequence[AnswerPart], answer: MachineAnswer) -> list[int]:
    """Return the position of the class that an answer names of each part; -1 where it names none."""
    said = [answer.said.get(part.key) for part in parts]
    return [
        part.classes.index(name) if name in part.classes else NOT_ASKED
        for part, name in zip(parts, said, strict=True)
    ]


def answer_numbers(
    connection: Connection, questions: tuple[Question, ...], codes: Sequence[Sequence[int]]
) -> list[int]:
    """Return the numbers of answers to several questions, as code, those added that nobody has given yet."""
    written = [answer_written(questions, code) for code in codes]
    classes, wanted = schema.classes, [*dict.fromkeys(written)]
    found: dict[str, int] = {}
    for start in range(0, len(wanted), _CHUNK):
        some = wanted[start : start + _CHUNK]
        query = sa.select(classes.c.name, classes.c.id).where(classes.c.name.in_(some))
        found |= {row.name: row.id for row in connection.execute(query)}
        if new := [name for name in some if name not in found]:
            add_answers(connection, questions, new)
            found |= {row.name: row.id for row in connection.execute(query)}
    return [found[name] for name in written]


def _side_by_side(parts: Sequence[AnswerPart], answer: MachineAnswer) -> list[float | None] | None:
    """Return the probabilities of all parts, None for those of which a machine gave none."""
    found: list[float | None] = []
    for part in parts:
        own = answer.probabilities.get(part.key)
        found += [None if own is None else own.get(name, 0.0) for name in part.classes]
    return found if any(p is not None for p in found) else None


def read_batch(connection: Connection, machine: Machine) -> dict[int, str]:
    """Return the texts whose answers a batch is to bring, by number."""
    texts, responses = schema.texts, schema.responses
    query = (
        sa.select(texts.c.id, texts.c.text)
        .join(responses, responses.c.text_id == texts.c.id)
        .where(responses.c.machine_id == machine.id, responses.c.batch.is_not(None))
    )
    return {row.id: row.text for row in connection.execute(query)}


def spent(connection: Connection) -> float:
    """Return what all machines together have cost, what is on its way at the most that it can cost."""
    return connection.scalar(sa.select(sa.func.sum(schema.responses.c.price))) or 0.0


def read_tally(connection: Connection, machine: Machine) -> MachineTally:
    """Return what a machine has done so far."""
    responses = schema.responses
    answered, batched = responses.c.answered_at.is_not(None), responses.c.batch.is_not(None)
    row = connection.execute(
        sa.select(
            _count(answered),
            _count(responses.c.class_id.is_not(None)),
            _count(_is_lost),
            _count(sa.and_(~answered, batched)),
            sa.func.coalesce(sa.func.sum(responses.c.price), 0.0),
            sa.func.coalesce(sa.func.sum(responses.c.tokens_in), 0),
            sa.func.coalesce(sa.func.sum(responses.c.tokens_out), 0),
            sa.func.avg(responses.c.seconds),
        ).where(responses.c.machine_id == machine.id)
    ).one()
    answers, labels, lost, on_file, price, tokens_in, tokens_out, seconds = row
    counts = int(answers), int(labels), int(lost), int(on_file)
    return MachineTally(*counts, float(price), int(tokens_in), int(tokens_out), seconds)


def _count(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.coalesce(sa.func.sum(sa.case((condition, 1), else_=0)), 0)


_is_lost = sa.and_(schema.responses.c.answered_at.is_(None), schema.responses.c.batch.is_(None))
"""For whoever holds the lock of the machine: no question is on its way."""
