"""Classes get other names, two of them become one, and one that nobody has used goes.

A class's number is its position in every array of probabilities, so the classes behind one that goes move up,
in all rows and arrays. Annotations keep their rows: which of them said the class that is gone, and all else
that a merger cannot be undone without, is what `merge` returns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from jurybox.errors import ConflictError, InputError
from jurybox.questions import Question
from jurybox.scales import numbers_of
from jurybox.store import question_classes, schema
from jurybox.store.checks import storable
from jurybox.store.class_rows import (
    COLUMNS,
    check_free,
    merged_columns,
    name_classes,
    places_without,
    rewrite_arrays,
    rows_that_say,
    say_again,
    settle_texts_of,
)
from jurybox.store.people import annotator_numbers
from jurybox.store.rows import class_number
from jurybox.store.services import ask_for_round
from jurybox.store.state import add_answers, add_class, read_classes, read_questions, read_state
from jurybox.written import answer_written, new_classes


@dataclass(frozen=True)
class NamesRead:
    """The names under which an import reads its rows and lets them in: of classes, questions and people."""

    classes: tuple[str, ...]
    questions: tuple[Question, ...]
    people: Mapping[str, int]

    @classmethod
    def of(cls, connection: Connection) -> NamesRead:
        """Read them; the classes of several questions are in these."""
        classes, questions = read_classes(connection), read_questions(connection)
        return cls(() if questions else classes, questions, annotator_numbers(connection))

    def still_hold(self, connection: Connection) -> NamesRead:
        """Return those that hold by now: these, and others that have come.

        Raises
        ------
        ConflictError
            If one of these means something else, or nothing.
        """
        now = NamesRead.of(connection)
        same = now.classes[: len(self.classes)], now.questions
        if same != (self.classes, self.questions) or not self.people.items() <= now.people.items():
            raise ConflictError(
                "classes or people were renamed, merged or removed during this import: nothing of it was "
                "added; import the file again",
                code="names_changed",
            )
        return now


def rename(connection: Connection, old: str, new: str) -> str:
    """Give a class another name and return it; with several questions, both are ``question:class``.

    The new name may come alone.

    Raises
    ------
    InputError
        If there is no such class, or the name is empty, or the classes were no scale any more, or answers
        could not be written with it.
    ConflictError
        If there is a class of the new name.
    """
    storable(new, "class", empty=False)
    if read_questions(connection):
        return question_classes.rename(connection, old, new)
    number, names = class_number(connection, old), list(read_classes(connection))
    check_free(names, new)
    names[number] = new
    numbers_of(names, read_state(connection).settings.scale)  # raises where they are none
    connection.execute(sa.update(schema.classes).where(schema.classes.c.id == number).values(name=new))
    return new


def add(connection: Connection, name: str) -> None:
    """Add a class behind the others; with several questions, it is ``question:class``.

    Raises
    ------
    InputError
        As `jurybox.store.state.add_classes`; or if there is no such question, or no answer could be written.
    ConflictError
        If there is such a class.
    """
    if read_questions(connection):
        question_classes.add(connection, name)
    else:
        add_class(connection, name)


def let_in_classes(connection: Connection, wider: Sequence[Question]) -> None:
    """Add the classes that an import brings along, and let its answers be of the questions that these are of.

    An answer of the import says of a new class what it says of all others; those of before leave it open.
    """
    for name in new_classes(read_questions(connection), wider):
        question_classes.add(connection, name)
    questions, label = read_questions(connection), schema.incoming.c.label
    given = connection.scalars(sa.select(label).where(label.is_not(None)).distinct()).all()
    written = {name: answer_written(questions, name) for name in given}
    add_answers(connection, questions, written.values())
    for name, now in written.items():
        if name != now:
            connection.execute(sa.update(schema.incoming).where(label == name).values(label=now))


def merge(connection: Connection, old: str, into: str, *, now: float) -> Mapping[str, Any]:
    """Let all that was said of one class be said of another one, and remove the first.

    Returns
    -------
    mapping
        What `split` takes: the name and number of the class, and the rows that said it.

    Raises
    ------
    InputError
        If there is no such class, or both are one, or only one were left, or no scale any more.
    """
    if read_questions(connection):
        return question_classes.merge(connection, old, into, now=now)
    gone, kept = class_number(connection, old), class_number(connection, into)
    names = list(read_classes(connection))
    left = [name for name in names if name != old]
    if gone == kept or len(left) < 2:
        raise InputError(f"cannot merge {old!r} into {into!r}: expected two classes out of three or more")
    numbers_of(left, read_state(connection).settings.scale)
    said = {str(column): rows_that_say(connection, column, gone) for column in COLUMNS}
    for column in COLUMNS:
        _move(connection, column, column == gone, kept)
    _close_up(connection, left, gone)
    _rewrite(connection, lambda p: merged_columns(p, gone, kept), [*places_without(len(names), gone, kept)])
    settle_texts_of(connection, said[str(schema.annotations.c.class_id)])
    ask_for_round(connection, now=now)
    return {"class": old, "number": gone, "into": into, "rows": said}


def remove(connection: Connection, name: str, *, now: float) -> None:
    """Take a class away that nobody has used: no label was ever of it, and no model or machine chose it.

    Raises
    ------
    InputError
        If there is no such class, or only one were left, or no scale any more.
    ConflictError
        If it has been used.
    """
    if read_questions(connection):
        question_classes.remove(connection, name, now=now)
        return
    gone, names = class_number(connection, name), list(read_classes(connection))
    left = [other for other in names if other != name]
    if len(left) < 2:
        raise InputError(f"cannot take the class {name!r} away: expected two or more to be left")
    numbers_of(left, read_state(connection).settings.scale)
    uses = sum(len(rows_that_say(connection, column, gone)) for column in COLUMNS)
    uses += sum(gone in audit["predicted"] for _, _, audit in _predictions(connection))
    if uses:
        problem = (
            f"the class {name!r} was chosen or predicted {uses:,} times and stays; merge it into another one"
        )
        raise ConflictError(problem, code="class_used", name=name)
    _close_up(connection, left, gone)
    _rewrite(connection, lambda p: _dropped(p, gone), [k - (k > gone) for k in range(len(names))])
    ask_for_round(connection, now=now)


def split(connection: Connection, detail: Mapping[str, Any], *, now: float) -> None:
    """Undo a merger, by what `merge` returned; machines' probabilities stay with the class that was left.

    Raises
    ------
    ConflictError
        If there is a class of the name again.
    """
    if read_questions(connection):
        question_classes.split(connection, detail, now=now)
        return
    names = list(read_classes(connection))
    check_free(names, detail["class"])
    back = min(detail["number"], len(names))
    names.insert(back, detail["class"])
    numbers_of(names, read_state(connection).settings.scale)
    kept = names.index(detail["into"]) if detail["into"] in names else None
    name_classes(connection, names)
    for column in COLUMNS:
        _move(connection, column, column >= back, column + 1)
    for column in COLUMNS:  # what has been said anew since stays as it is
        say_again(connection, column, detail["rows"][str(column)], back, kept)
    places = [k + (k >= back) for k in range(len(names) - 1)]
    _rewrite(connection, lambda p: np.insert(p, min(back, p.shape[1]), 0, axis=1), places)
    settle_texts_of(connection, detail["rows"][str(schema.annotations.c.class_id)])
    ask_for_round(connection, now=now)


def _move(connection: Connection, column: sa.Column[Any], which: Any, value: Any) -> None:
    connection.execute(sa.update(column.table).where(which).values({column.name: value}))


def _close_up(connection: Connection, left: Sequence[str], gone: int) -> None:
    """Let the classes behind one that goes move up, in all rows."""
    for column in COLUMNS:
        _move(connection, column, column > gone, column - 1)
    name_classes(connection, left)


def _dropped(p: NDArray[Any], gone: int) -> NDArray[Any]:
    """Return probabilities (N, K) without a class, (N, K - 1); alike where nothing else was likely.

    Examples
    --------
    >>> _dropped(np.array([[0.2, 0.2, 0.6], [0, 1, 0]]), gone=1).round(6).tolist()
    [[0.25, 0.75], [0.5, 0.5]]
    """
    if gone >= p.shape[1]:
        return p
    left = np.delete(p, gone, axis=1)
    total = left.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(left, total, out=np.full_like(left, 1 / left.shape[1]), where=total > 0))


def _predictions(connection: Connection) -> Iterator[tuple[int, Mapping[str, Any], Mapping[str, Any]]]:
    """Yield the rounds that say what they predict for the audit sample: number, diagnostics, audit."""
    rounds = schema.rounds
    for number, diagnostics in connection.execute(sa.select(rounds.c.id, rounds.c.diagnostics)).all():
        audit = diagnostics.get("audit")
        if isinstance(audit, Mapping) and audit.get("predicted"):
            yield number, diagnostics, audit


def _rewrite(
    connection: Connection, change: Callable[[NDArray[Any]], NDArray[Any]], places: Sequence[int]
) -> None:
    """Bring all that is stored by position of a class into the new order."""
    rewrite_arrays(connection, change)
    rounds = schema.rounds
    for number, diagnostics, audit in _predictions(connection):
        predicted = [places[k] for k in audit["predicted"]]
        found = {**diagnostics, "audit": {**audit, "predicted": predicted}}
        connection.execute(sa.update(rounds).where(rounds.c.id == number).values(diagnostics=found))
