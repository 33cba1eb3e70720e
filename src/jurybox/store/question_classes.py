"""Classes of one of several questions get other names, come and go, and two of them become one.

There a stored class is an answer to all questions, an array has the probabilities of all facets side by side,
and what a text is asked for is written by places of facets. So each change says what becomes of the code of
an answer, of the columns of an array, of the places of facets, and of what rounds say of each facet; how all
of that is stored is one path. A class that has come was not asked for before, which is not "no".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from jurybox.answers import NOT_ASKED
from jurybox.errors import ConflictError, InputError
from jurybox.questions import Question
from jurybox.scales import numbers_of
from jurybox.store import schema
from jurybox.store.checks import storable
from jurybox.store.class_rows import (
    COLUMNS,
    check_free,
    merged_columns,
    name_classes,
    places_without,
    renumber_rows,
    rewrite_arrays,
    rows_that_say,
    say_again,
    settle_texts_of,
)
from jurybox.store.locks import serialise
from jurybox.store.services import BELIEFS, ask_for_round, drop_note
from jurybox.store.state import add_answers, read_classes, read_questions, write_state
from jurybox.whole import answer_codes
from jurybox.written import all_facets, answer_written, question_records, writable_questions

Told: TypeAlias = dict[str, dict[str, Any]]
"""What a round says of each facet, by its name."""


@dataclass(frozen=True, eq=False)
class _Change:
    """What becomes of everything.

    Attributes
    ----------
    questions
        Those that hold afterwards.
    code
        What becomes of the codes of answers (K, F).
    columns
        What becomes of the probabilities of all facets (N, S).
    told
        What becomes of what a round says of each facet.
    places : tuple of int, length F
        Where each facet is afterwards.
    """

    questions: tuple[Question, ...]
    code: Callable[[NDArray[Any]], NDArray[Any]]
    columns: Callable[[NDArray[Any]], NDArray[Any]]
    told: Callable[[Told], Told]
    places: tuple[int, ...]


@dataclass(frozen=True)
class _Class:
    """A class of one of several questions that has a place there, or is to come to it."""

    questions: tuple[Question, ...]
    question: Question
    option: str
    place: int

    @classmethod
    def of(cls, questions: tuple[Question, ...], written: str) -> _Class:
        """Find a class by ``question:class``; raise InputError where there is none."""
        for each in questions:
            names = [str(name) for name in each.classes]
            option = written.removeprefix(f"{each.name}:")
            if option != written and option in names:
                return cls(questions, each, option, names.index(option))
        known = ", ".join(f"{each.name}:{name}" for each in questions for name in each.classes)
        raise InputError(f"class is {written!r}, expected one of {known}", code="no_class")

    @classmethod
    def to_come(cls, questions: tuple[Question, ...], written: str, place: int | None = None) -> _Class:
        """Return a class that comes to the others of a question, at a place; by default behind them.

        Raises InputError where there is no such question, and ConflictError where there is such a class.
        """
        for each in questions:
            option = written.removeprefix(f"{each.name}:")
            if option != written:
                check_free([str(name) for name in each.classes], option)
                return cls(questions, each, option, len(each.classes) if place is None else place)
        known = ", ".join(f"{each.name}:class" for each in questions)
        raise InputError(f"class is {written!r}, expected one of {known}", code="no_class")

    @property
    def several(self) -> bool:
        """Whether it is a facet of its own, answered yes or no."""
        return self.question.kind == "several"

    @property
    def facet(self) -> int:
        """Its place among all facets, or that of its question."""
        before = self.questions[: self.questions.index(self.question)]
        return len(all_facets(before)) + self.several * self.place

    @property
    def column(self) -> int:
        """The first column of this facet's probabilities."""
        before = self.questions[: self.questions.index(self.question)]
        widths = sum(len(each.facet_classes) * len(each.facets) for each in before)
        return widths + 2 * self.several * self.place

    def among(self, names: Sequence[str]) -> tuple[Question, ...]:
        """Return all questions, this one with other classes.

        Raises
        ------
        InputError
            If answers to them could not be written, or the classes were no scale any more.
        """
        own, scale = self.question, self.question.scale
        if scale is not None:  # numbers that classes do not name stay theirs
            known = dict(zip(map(str, own.classes), scale, strict=True))
            given = scale != numbers_of(own.classes, True)
            scale = tuple(known.get(name, scale[-1] + 1) for name in names) if given else None
        changed = own.with_classes(names, scale)
        return writable_questions([changed if each is own else each for each in self.questions])


def rename(connection: Connection, old: str, new: str) -> str:
    """Give a class another name, in all answers and rounds; return it, as `jurybox.store.classes.rename`."""
    questions = read_questions(connection)
    one = _Class.of(questions, old)
    new = new.removeprefix(f"{one.question.name}:")
    names = [str(name) for name in one.question.classes]
    check_free(names, new)
    names[one.place] = new
    changed = writable_questions(
        [replace(each, classes=tuple(names)) if each is one.question else each for each in questions]
    )
    facets = dict(zip(map(str, all_facets(questions)), map(str, all_facets(changed)), strict=True))
    change = _Change(
        changed,
        code=_same,
        columns=_same,
        told=lambda told: {facets[name]: found for name, found in told.items()},
        places=tuple(range(len(facets))),
    )
    _apply(connection, questions, change)
    return f"{one.question.name}:{new}"


def add(connection: Connection, name: str) -> None:
    """Add a class, ``question:class``, behind the others of its question; nobody was asked for it so far."""
    questions = read_questions(connection)
    _apply(connection, questions, _coming(_Class.to_come(questions, storable(name, "class", empty=False))))


def remove(connection: Connection, name: str, *, now: float) -> None:
    """Take a class away that nobody was asked for, or has chosen, as `jurybox.store.classes.remove`."""
    questions = read_questions(connection)
    gone = _Class.of(questions, name)
    codes = answer_codes(questions, read_classes(connection))[:, gone.facet]
    used = bool((codes != NOT_ASKED).any()) if gone.several else bool((codes == gone.place).any())
    if not gone.several:
        facet = str(all_facets(questions)[gone.facet])
        told = (found.get(facet, {}).get("audit", {}) for _, _, found in _told(connection))
        used |= any(gone.place in audit.get("predicted", ()) for audit in told)
    if used:
        problem = f"the class {name!r} was answered or predicted and stays; merge it into another one"
        raise ConflictError(problem, code="class_used", name=name)
    _apply(connection, questions, _going(gone, None))
    ask_for_round(connection, now=now)


def merge(connection: Connection, old: str, into: str, *, now: float) -> Mapping[str, Any]:
    """Let all that was said of one class be said of another one of its question, and remove the first.

    Where several may apply, the other one does where either did, and does not where either did not.

    Returns
    -------
    mapping
        What `split` takes: the class, the questions before and after, and the rows that are not known by
        what they say now.

    Raises
    ------
    InputError
        If there is no such class, or both are one, or of two questions, or too few were left.
    """
    questions, names = read_questions(connection), read_classes(connection)
    gone, kept = _Class.of(questions, old), _Class.of(questions, into)
    if gone == kept or gone.question is not kept.question:
        raise InputError(f"cannot merge {old!r} into {into!r}: expected two classes of one question")
    change, codes = _going(gone, kept), answer_codes(questions, names)
    back = _coming(_Class.to_come(change.questions, old, gone.place), questions)
    lost = np.flatnonzero((back.code(change.code(codes)) != codes).any(axis=1)).tolist()
    rows = {
        str(column): [[names[n], rows_that_say(connection, column, n)] for n in lost] for column in COLUMNS
    }
    _apply(connection, questions, change)
    _settle(connection, rows)
    ask_for_round(connection, now=now)
    before, after = question_records(questions), question_records(change.questions)
    return {"class": old, "number": gone.place, "into": into, "before": before, "after": after, "rows": rows}


def split(connection: Connection, detail: Mapping[str, Any], *, now: float) -> None:
    """Undo a merger, by what `merge` returned; what was said since stays as it is.

    Raises
    ------
    ConflictError
        If classes were changed since.
    """
    questions = read_questions(connection)
    if question_records(questions) != detail["after"]:
        problem = "classes were added, renamed or merged since; undo that first"
        raise ConflictError(problem, code="in_the_way")
    before = tuple(Question(**record) for record in detail["before"])
    back = _coming(_Class.to_come(questions, detail["class"], detail["number"]), before)
    _apply(connection, questions, back)
    merged = _going(_Class.of(before, detail["class"]), _Class.of(before, detail["into"]))
    names = list(dict.fromkeys(name for rows in detail["rows"].values() for name, _ in rows))
    codes = back.code(merged.code(answer_codes(before, tuple(names))))
    said_now = [answer_written(before, code) for code in codes.tolist()]
    add_answers(connection, before, [*names, *said_now])
    number = {name: n for n, name in enumerate(read_classes(connection))}
    for column in COLUMNS:
        for name, keys in detail["rows"][str(column)]:
            still = number[said_now[names.index(name)]]
            say_again(connection, column, keys, number[name], still)
    _settle(connection, detail["rows"])
    ask_for_round(connection, now=now)


def _coming(one: _Class, questions: tuple[Question, ...] | None = None) -> _Change:
    """Return what becomes of everything where a class comes; and the questions then, where they are known."""
    names = [str(name) for name in one.question.classes]
    changed = questions or one.among([*names[: one.place], one.option, *names[one.place :]])
    n, facet, column, place = len(all_facets(one.questions)), one.facet, one.column, one.place
    if one.several:
        return _Change(
            changed,
            code=lambda codes: np.insert(codes, facet, NOT_ASKED, axis=1),
            columns=lambda p: np.insert(p, [column, column], 0.5, axis=1),
            told=dict,
            places=tuple(k + (k >= facet) for k in range(n)),
        )
    moved = [k + (k >= place) for k in range(len(names))]
    return _Change(
        changed,
        code=lambda codes: _relabelled(codes, facet, moved),
        columns=lambda p: np.insert(p, column + place, 0, axis=1),
        told=lambda told: _repredicted(told, one, moved, lambda by: np.insert(by, place, 1.0).tolist()),
        places=tuple(range(n)),
    )


def _going(gone: _Class, kept: _Class | None) -> _Change:
    """Return what becomes of everything where a class goes, into another one where it was ever answered."""
    names = [str(name) for name in gone.question.classes]
    changed = gone.among([name for name in names if name != gone.option])
    facets = [str(facet) for facet in all_facets(gone.questions)]
    n, facet, column = len(facets), gone.facet, gone.column
    if gone.several:
        into = facet if kept is None else kept.facet
        return _Change(
            changed,
            code=lambda codes: _either(codes, facet, into),
            columns=lambda p: _either_likely(p, column, column if kept is None else kept.column),
            told=lambda told: _told_of_either(told, facets[facet], facets[into]),
            places=tuple(places_without(n, facet, into)),
        )
    moved = places_without(len(names), gone.place, gone.place if kept is None else kept.place)
    own = slice(column, column + len(names))

    def columns(p: NDArray[Any]) -> NDArray[Any]:
        left = merged_columns(p[:, own], gone.place, gone.place - 1 if kept is None else kept.place)
        return np.hstack([p[:, : own.start], left, p[:, own.stop :]])

    return _Change(
        changed,
        code=lambda codes: _relabelled(codes, facet, moved),
        columns=columns,
        told=lambda told: _repredicted(told, gone, moved, lambda by: np.delete(by, gone.place).tolist()),
        places=tuple(range(n)),
    )


def _same(found: NDArray[Any]) -> NDArray[Any]:
    return found


def _relabelled(codes: NDArray[Any], facet: int, places: Sequence[int]) -> NDArray[Any]:
    """Return codes (K, F) with other places of the classes of one facet.

    Examples
    --------
    >>> _relabelled(np.array([[0, 1], [-1, 2]]), 1, [0, 0, 1]).tolist()
    [[0, 0], [-1, 1]]
    """
    found = codes.copy()
    known = codes[:, facet] != NOT_ASKED
    found[known, facet] = np.array(places)[codes[known, facet]]
    return found


def _either(codes: NDArray[Any], gone: int, kept: int) -> NDArray[Any]:
    """Return codes (K, F) where two facets that are answered yes or no are one, (K, F - 1).

    Examples
    --------
    >>> _either(np.array([[1, 0], [0, 0], [-1, 0], [-1, -1]]), gone=0, kept=1).tolist()
    [[1], [0], [0], [-1]]
    """
    found = codes.copy()
    found[:, kept] = np.maximum(codes[:, gone], codes[:, kept])  # yes, then no, then not asked
    return np.delete(found, gone, axis=1)


def _either_likely(p: NDArray[Any], gone: int, kept: int) -> NDArray[Any]:
    """Return probabilities (N, S) where two facets are one, (N, S - 2), given their columns of "no".

    Examples
    --------
    >>> _either_likely(np.array([[0.5, 0.5, 0.6, 0.4]]), gone=0, kept=2).tolist()
    [[0.3, 0.7]]
    """
    found = p.copy()
    if gone != kept:
        found[:, kept] = p[:, gone] * p[:, kept]
        found[:, kept + 1] = 1 - found[:, kept]
    return np.delete(found, [gone, gone + 1], axis=1)


def _told_of_either(told: Told, gone: str, kept: str) -> Told:
    """Return what a round says of each facet where two are one: yes is predicted where it was of either."""
    left = {name: found for name, found in told.items() if name != gone}
    if gone == kept or gone not in told or kept not in told:
        return left
    audits: list[Mapping[str, Any]] = [told[name].get("audit", {}) for name in (gone, kept)]
    if all(audits):
        predicted = [max(both) for both in zip(*(audit["predicted"] for audit in audits), strict=True)]
        left[kept] = {**told[kept], "audit": {**audits[1], "predicted": predicted}}
    return left


def _repredicted(
    told: Told, one: _Class, places: Sequence[int], by: Callable[[list[float]], list[float]]
) -> Told:
    """Return what a round says of each facet where a question's classes have other places."""
    name = one.question.name
    found = dict(told.get(name, {}))
    if "audit" in found:
        predicted = [places[k] for k in found["audit"]["predicted"]]
        found["audit"] = {**found["audit"], "predicted": predicted}
    if "thresholds" in found:
        found["thresholds"] = by(found["thresholds"])
    return {**told, name: found} if name in told else told


def _apply(connection: Connection, questions: tuple[Question, ...], change: _Change) -> None:
    """Store all that a change makes of a project, but for what a merger cannot be undone without."""
    serialise(connection, "answers")
    codes = change.code(answer_codes(questions, read_classes(connection)))
    names = [answer_written(change.questions, code) for code in codes.tolist()]
    left = {name: n for n, name in enumerate(dict.fromkeys(names))}
    renumber_rows(connection, {n: left[name] for n, name in enumerate(names) if left[name] != n})
    name_classes(connection, [*left])
    write_state(connection, questions=question_records(change.questions))
    rewrite_arrays(connection, change.columns)
    rounds = schema.rounds
    for number, diagnostics, told in _told(connection):
        found = {**diagnostics, "facets": change.told(told)}
        connection.execute(sa.update(rounds).where(rounds.c.id == number).values(diagnostics=found))
    _ask_for(connection, change.places)
    drop_note(connection, BELIEFS)  # kept by the place of a facet


def _told(connection: Connection) -> list[tuple[int, Mapping[str, Any], Told]]:
    """Return what the rounds say: number, all of it, and of each facet."""
    query = sa.select(schema.rounds.c.id, schema.rounds.c.diagnostics)
    return [(n, found, found["facets"]) for n, found in connection.execute(query).all() if "facets" in found]


def _ask_for(connection: Connection, places: Sequence[int]) -> None:
    """Let what texts are asked for, places of facets with blanks between, be in the new order."""
    if list(places) == [*range(len(places))]:
        return
    for table in (schema.ranking, schema.leases, schema.gold_leases):
        for asked in connection.scalars(sa.select(table.c.asked).distinct()).all():
            if asked:
                now = sorted({places[int(place)] for place in asked.split()})
                new = " " + " ".join(
                    map(str, now)
                )  # not taken for one that is still to be brought up to date
                connection.execute(sa.update(table).where(table.c.asked == asked).values(asked=new))
        connection.execute(
            sa.update(table).where(table.c.asked.like(" %")).values(asked=sa.func.ltrim(table.c.asked))
        )


def _settle(connection: Connection, rows: Mapping[str, Sequence[Sequence[Any]]]) -> None:
    said = rows[str(schema.annotations.c.class_id)]
    settle_texts_of(connection, [key for _, keys in said for key in keys])
