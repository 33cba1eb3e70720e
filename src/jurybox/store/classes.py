"""Classes get other names, two of them become one, and one that nobody has used goes.

A class's number is its position in every array of probabilities, so the classes behind one that goes move up,
in all rows and arrays. Annotations keep their rows: which of them said the class that is gone, and all else
that a merger cannot be undone without, is what `merge` returns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from jurybox.errors import ConflictError, InputError
from jurybox.questions import Question
from jurybox.scales import numbers_of
from jurybox.store import schema
from jurybox.store.checks import storable
from jurybox.store.ranks import chunks, settle
from jurybox.store.rows import class_number
from jurybox.store.services import ask_for_round
from jurybox.store.state import read_classes, read_questions, read_state, refuse_questions, write_state
from jurybox.written import (
    all_facets,
    answer_codes,
    answer_written,
    question_records,
    writable_questions,
)

_CHUNK = 500
_COLUMNS = (
    schema.annotations.c.class_id,
    schema.annotations.c.suggested_class,
    schema.gold.c.class_id,
    schema.responses.c.class_id,
    schema.shown.c.suggested_class,
    schema.released.c.class_id,
)
"""Every column that says a class."""


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
    questions = read_questions(connection)
    if questions:
        return _rename_in_answers(connection, questions, old, new)
    number, names = class_number(connection, old), list(read_classes(connection))
    _check_free(names, new)
    names[number] = new
    numbers_of(names, read_state(connection).settings.scale)  # raises where they are none
    connection.execute(sa.update(schema.classes).where(schema.classes.c.id == number).values(name=new))
    return new


def _rename_in_answers(connection: Connection, questions: tuple[Question, ...], old: str, new: str) -> str:
    """Give a class of one of several questions another name, in all answers and all rounds; return it."""
    known = {f"{each.name}:{name}": (each, name) for each in questions for name in each.classes}
    if old not in known:
        raise InputError(f"class is {old!r}, expected one of {', '.join(known)}", code="no_class")
    question, option = known[old]
    new = new.removeprefix(f"{question.name}:")
    names = [str(name) for name in question.classes]
    _check_free(names, new)
    names[names.index(str(option))] = new
    changed = writable_questions(
        [replace(each, classes=tuple(names)) if each is question else each for each in questions]
    )
    codes = answer_codes(questions, read_classes(connection))
    _name(connection, [answer_written(changed, code) for code in codes.tolist()])
    write_state(connection, questions=question_records(changed))
    facets = dict(zip(map(str, all_facets(questions)), map(str, all_facets(changed)), strict=True))
    rounds = schema.rounds
    for row in connection.execute(sa.select(rounds.c.id, rounds.c.diagnostics)).all():
        told = row.diagnostics.get("facets")
        if told:
            found = {**row.diagnostics, "facets": {facets[name]: one for name, one in told.items()}}
            connection.execute(sa.update(rounds).where(rounds.c.id == row.id).values(diagnostics=found))
    return f"{question.name}:{new}"


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
    refuse_questions(connection, "merging classes")
    gone, kept = class_number(connection, old), class_number(connection, into)
    names = list(read_classes(connection))
    left = [name for name in names if name != old]
    if gone == kept or len(left) < 2:
        raise InputError(f"cannot merge {old!r} into {into!r}: expected two classes out of three or more")
    numbers_of(left, read_state(connection).settings.scale)
    said = {str(column): _rows_that_say(connection, column, gone) for column in _COLUMNS}
    for column in _COLUMNS:
        _move(connection, column, column == gone, kept)
    _close_up(connection, left, gone)
    _rewrite(connection, lambda p: _merged(p, gone, kept), [*_without(len(names), gone, kept)])
    _settle_all_of(connection, said[str(schema.annotations.c.class_id)])
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
    refuse_questions(connection, "removing classes")
    gone, names = class_number(connection, name), list(read_classes(connection))
    left = [other for other in names if other != name]
    if len(left) < 2:
        raise InputError(f"cannot take the class {name!r} away: expected two or more to be left")
    numbers_of(left, read_state(connection).settings.scale)
    uses = sum(len(_rows_that_say(connection, column, gone)) for column in _COLUMNS)
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
    names = list(read_classes(connection))
    _check_free(names, detail["class"])
    back = min(detail["number"], len(names))
    names.insert(back, detail["class"])
    numbers_of(names, read_state(connection).settings.scale)
    kept = names.index(detail["into"]) if detail["into"] in names else None
    _name(connection, names)
    for column in _COLUMNS:
        _move(connection, column, column >= back, column + 1)
    for column in _COLUMNS:
        keys = [*column.table.primary_key]
        mine = sa.and_(*(key == sa.bindparam(f"k_{key.name}") for key in keys))
        rows = [
            {f"k_{key.name}": value for key, value in zip(keys, row, strict=True)}
            for row in detail["rows"][str(column)]
        ]
        if rows:  # what has been said anew since stays as it is
            still = mine if kept is None else sa.and_(mine, column == kept)
            connection.execute(sa.update(column.table).where(still).values({column.name: back}), rows)
    places = [k + (k >= back) for k in range(len(names) - 1)]
    _rewrite(connection, lambda p: np.insert(p, min(back, p.shape[1]), 0, axis=1), places)
    _settle_all_of(connection, detail["rows"][str(schema.annotations.c.class_id)])
    ask_for_round(connection, now=now)


def _check_free(names: Sequence[str], new: str) -> None:
    if new in names:
        problem = f"there is a class {new!r} already; the classes are {', '.join(names)}"
        raise ConflictError(problem, code="class_taken", name=new)


def _rows_that_say(connection: Connection, column: sa.Column[Any], number: int) -> list[list[Any]]:
    query = sa.select(*column.table.primary_key).where(column == number)
    return [list(row) for row in connection.execute(query)]


def _move(connection: Connection, column: sa.Column[Any], which: Any, value: Any) -> None:
    connection.execute(sa.update(column.table).where(which).values({column.name: value}))


def _close_up(connection: Connection, left: Sequence[str], gone: int) -> None:
    """Let the classes behind one that goes move up, in all rows."""
    for column in _COLUMNS:
        _move(connection, column, column > gone, column - 1)
    _name(connection, left)


def _name(connection: Connection, names: Sequence[str]) -> None:
    """Let the classes be these; two of them must never have one name, so all get others on the way."""
    classes = schema.classes
    n = connection.scalar(sa.select(sa.func.count()).select_from(classes)) or 0
    if len(names) > n:
        rows = [{"id": number, "name": f"{_ON_THE_WAY}{number}"} for number in range(n, len(names))]
        connection.execute(sa.insert(classes), rows)
    connection.execute(sa.delete(classes).where(classes.c.id >= len(names)))
    other = sa.literal(_ON_THE_WAY).concat(sa.cast(classes.c.id, sa.String))
    connection.execute(sa.update(classes).values(name=other))
    mine = sa.update(classes).where(classes.c.id == sa.bindparam("a_class"))
    rows = [{"a_class": number, "a_name": name} for number, name in enumerate(names)]
    connection.execute(mine.values(name=sa.bindparam("a_name")), rows)


_ON_THE_WAY = "\x01on the way "


def _without(K: int, gone: int, kept: int) -> list[int]:
    """Return where each of K classes is after a merger.

    Examples
    --------
    >>> _without(4, gone=1, kept=3)
    [0, 2, 1, 2]
    """
    places = [k - (k > gone) for k in range(K)]
    places[gone] = places[kept]
    return places


def _merged(p: NDArray[Any], gone: int, kept: int) -> NDArray[Any]:
    """Return probabilities (N, K) where two classes are one, (N, K - 1).

    Examples
    --------
    >>> _merged(np.array([[0.1, 0.2, 0.7]]), gone=0, kept=2).round(6).tolist()
    [[0.2, 0.8]]
    """
    if gone >= p.shape[1]:
        return p
    wide = np.pad(p, ((0, 0), (0, max(0, kept + 1 - p.shape[1]))))
    wide[:, kept] += wide[:, gone]
    return np.delete(wide, gone, axis=1)


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
    arrays, responses, rounds = schema.arrays, schema.responses, schema.rounds
    keys = sa.select(*arrays.primary_key).where(arrays.c.name == "pred_probs")
    for key in connection.execute(keys).all():
        mine = sa.and_(*(column == key._mapping[column] for column in arrays.primary_key))
        part = connection.execute(sa.select(arrays).where(mine)).one()
        p = np.frombuffer(part.data, dtype="<f4").reshape(part.rows, part.columns)
        changed = np.ascontiguousarray(change(p), dtype="<f4")
        values = {"columns": changed.shape[1], "data": changed.tobytes()}
        connection.execute(sa.update(arrays).where(mine).values(values))
    answered = sa.select(responses.c.machine_id, responses.c.text_id, responses.c.probabilities).where(
        responses.c.probabilities.is_not(None)
    )
    one = sa.update(responses).where(
        responses.c.machine_id == sa.bindparam("a_machine"), responses.c.text_id == sa.bindparam("a_text")
    )
    for chunk in chunks(connection.execute(answered).all(), _CHUNK):
        rows = [
            {
                "a_machine": row.machine_id,
                "a_text": row.text_id,
                "a_value": change(np.array([row.probabilities])).ravel().tolist(),
            }
            for row in chunk
        ]
        connection.execute(one.values(probabilities=sa.bindparam("a_value", type_=sa.JSON)), rows)
    for number, diagnostics, audit in _predictions(connection):
        predicted = [places[k] for k in audit["predicted"]]
        found = {**diagnostics, "audit": {**audit, "predicted": predicted}}
        connection.execute(sa.update(rounds).where(rounds.c.id == number).values(diagnostics=found))


def _settle_all_of(connection: Connection, rows: Sequence[Sequence[int]]) -> None:
    """Bring the places of texts up to date whose labels say something else now: they may agree, or not."""
    annotations = schema.annotations
    for chunk in chunks([number for (number,) in rows], _CHUNK):
        query = sa.select(annotations.c.text_id).where(annotations.c.id.in_(chunk)).distinct()
        settle(connection, read_state(connection), connection.scalars(query).all())
