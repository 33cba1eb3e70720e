"""What machines have said, as rows: of all that they are asked, or of one question among several.

Of several questions all that a machine said of a text is one stored answer, as what a person says is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from jurybox.answers import NOT_ASKED
from jurybox.arrays import freeze
from jurybox.machines.parts import parts_of
from jurybox.machines.records import asked_of
from jurybox.questions import Facet, Question
from jurybox.store import schema
from jurybox.store.machines import Machine
from jurybox.store.state import read_classes, read_questions
from jurybox.whole import answer_codes
from jurybox.written import all_facets


@dataclass(frozen=True, eq=False)
class Responses:
    """All answers of all machines, as rows.

    Attributes
    ----------
    machine, text, label : ndarray of int, shape (R,)
        Position of the machine among those of `read_machines`, number of the text, position of the class, of
        several questions of the answer to all of them, or -1 where it named none; in the order of machines
        and texts.
    answered_at : ndarray, shape (R,)
        Unix times.
    probabilities : dict
        Of the K classes, by row; only of rows that have them. Of several questions those of all parts, side
        by side, None where a machine gave none.
    """

    machine: NDArray[np.int64]
    text: NDArray[np.int64]
    label: NDArray[np.int64]
    answered_at: NDArray[np.float64]
    probabilities: Mapping[int, tuple[Any, ...]]

    def votes(self, n_machines: int, N: int, K: int) -> NDArray[np.float32]:
        """Return the answers about the first N texts as features, shape (N, S * K); zeros where none is."""
        votes = np.zeros((N, n_machines, K), dtype=np.float32)
        named = (self.label >= 0) & (self.text < N) & (self.label < K)
        votes[self.text[named], self.machine[named], self.label[named]] = 1
        for row, p in self.probabilities.items():
            if named[row]:
                votes[self.text[row], self.machine[row], : len(p)] = p[:K]
        return votes.reshape(N, -1)

    def __post_init__(self) -> None:
        for array in (self.machine, self.text, self.label, self.answered_at):
            freeze(array)


def read_responses(connection: Connection, machines: Sequence[Machine]) -> Responses:
    """Return all answers of some machines."""
    responses = schema.responses
    query = (
        sa.select(
            responses.c.machine_id,
            responses.c.text_id,
            responses.c.class_id,
            responses.c.answered_at,
            responses.c.probabilities,
        )
        .where(responses.c.answered_at.is_not(None))
        .order_by(responses.c.machine_id, responses.c.text_id)
    )
    place = {machine.id: at for at, machine in enumerate(machines)}
    rows = [row for row in connection.execute(query) if row.machine_id in place]
    return Responses(
        np.array([place[row.machine_id] for row in rows], dtype=np.int64),
        np.array([row.text_id for row in rows], dtype=np.int64),
        np.array([-1 if row.class_id is None else row.class_id for row in rows], dtype=np.int64),
        np.array([row.answered_at for row in rows], dtype=np.float64),
        {at: tuple(row.probabilities) for at, row in enumerate(rows) if row.probabilities is not None},
    )


def responses_at(
    found: Responses,
    asked: Sequence[Machine],
    questions: tuple[Question, ...],
    names: tuple[str, ...],
    facet: Facet,
) -> Responses:
    """Return what machines said of one of several questions, as where nothing else is asked.

    Parameters
    ----------
    found, asked
        All answers of these machines.
    questions, names
        The questions, and the stored answers to them.
    """
    place, parts = all_facets(questions).index(facet), parts_of((), questions)
    heard = np.array([parts[place] in asked_of(machine.spec, parts) for machine in asked], dtype=bool)
    rows = np.flatnonzero(heard[found.machine]) if len(asked) else np.empty(0, dtype=np.int64)
    label = found.label[rows].copy()
    label[label >= 0] = answer_codes(questions, names)[label[label >= 0], place]
    first = sum(len(part.classes) for part in parts[:place])
    own = slice(first, first + len(parts[place].classes))
    stated = {
        at: found.probabilities[row][own]
        for at, row in enumerate(rows.tolist())
        if row in found.probabilities
    }
    return Responses(
        found.machine[rows],
        found.text[rows],
        label,
        found.answered_at[rows],
        {at: p for at, p in stated.items() if p and None not in p},
    )


def read_given(connection: Connection) -> tuple[str, ...]:
    """Return the names of the classes; with several questions, the answers that people ever gave."""
    responses, annotations, gold = schema.responses, schema.annotations, schema.gold
    if not read_questions(connection) or not connection.scalar(sa.select(sa.exists().select_from(responses))):
        return read_classes(connection)
    said = sa.union(sa.select(annotations.c.class_id), sa.select(gold.c.class_id))
    query = (
        sa.select(schema.classes.c.name).where(schema.classes.c.id.in_(said)).order_by(schema.classes.c.id)
    )
    return tuple(connection.scalars(query))


def read_unread(connection: Connection, machine: Machine) -> int:
    """Return how many answers a machine owes of the texts that it has answered: those without a class.

    Of several questions each counts, and each class of one with several.
    """
    responses, questions = schema.responses, read_questions(connection)
    names = read_classes(connection)
    parts = parts_of(() if questions else names, questions)
    asked = [part in asked_of(machine.spec, parts) for part in parts]
    query = (
        sa.select(responses.c.class_id, sa.func.count())
        .where(responses.c.machine_id == machine.id, responses.c.answered_at.is_not(None))
        .group_by(responses.c.class_id)
    )
    owed = 0
    for said, n in connection.execute(query):
        code = [NOT_ASKED] * len(parts)
        if said is not None:
            code = answer_codes(questions, names)[said].tolist() if questions else [said]
        owed += n * sum(label == NOT_ASKED for label, own in zip(code, asked, strict=True) if own)
    return owed
