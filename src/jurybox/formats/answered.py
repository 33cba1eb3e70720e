"""Tables of answers to several questions: with one column of answers in writing, and taken apart again.

What is read has a column a question, a column of 0 and 1 a class, or a row for each answer, which names its
question.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from jurybox.answers import is_list
from jurybox.errors import FormatError, InputError
from jurybox.formats.names import role_of
from jurybox.formats.read_csv import SAMPLE_ROWS
from jurybox.formats.records import MISSING, Row, Table
from jurybox.formats.values import as_name
from jurybox.questions import Question
from jurybox.written import answer_cells, answer_code, answer_written

__all__ = ["LABEL", "apart", "with_answers"]

LABEL = "label"
"""The column of answers in writing."""

_QUESTION = "question"
_KEYS = ("id", "text", "annotator")
_YES = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


def with_answers(
    table: Table, questions: Sequence[Question], is_missing: Callable[[str], bool]
) -> tuple[Table, bool]:
    """Return a table with the column `LABEL` in place of what holds answers, and whether it held any.

    Parameters
    ----------
    is_missing
        Whether a cell means that there is no answer.

    Raises
    ------
    FormatError
        While rows are read: for an answer that there is not.
    """
    if _QUESTION in table.columns and any(role_of(name) == "label" for name in table.columns):
        made: _Long | _Wide = _Long(table, questions, is_missing)
    elif LABEL not in table.columns and any(_places(each, table.columns) for each in questions):
        made = _Wide(table, questions, is_missing)
    else:
        return table, LABEL in table.columns
    sample = list(itertools.islice(made.rows(), SAMPLE_ROWS))
    return replace(table, columns=made.columns, sample=sample, rows=made.rows), True


def apart(questions: Sequence[Question], label: str | None) -> tuple[str | None, ...]:
    """Return the cells of an answer in writing, one a question; None without an answer."""
    if label is None:
        return (None,) * len(questions)
    return answer_cells(questions, answer_code(questions, label))


def _places(question: Question, columns: Sequence[str]) -> list[int]:
    """Return where a question's answers are: its column, or those of its classes; nowhere if one lacks."""
    if question.name in columns:
        return [columns.index(question.name)]
    found = []
    for facet in question.facets if question.kind == "several" else ():
        name = next((one for one in (str(facet), str(facet.option)) if one in columns), None)
        if name is None:
            return []
        found.append(columns.index(name))
    return found


class _Wide:
    """Rows with a column for each question, or for each of its classes."""

    def __init__(
        self, table: Table, questions: Sequence[Question], is_missing: Callable[[str], bool]
    ) -> None:
        self._table, self._questions, self._is_missing = table, questions, is_missing
        self._at = {each.name: _places(each, table.columns) for each in questions}
        used = {place for places in self._at.values() for place in places}
        self._kept = [place for place in range(len(table.columns)) if place not in used]
        self.columns = (*(table.columns[place] for place in self._kept), LABEL)

    def rows(self) -> Iterator[Row]:
        for number, row in enumerate(self._table.rows(), 1):
            if not row:
                yield row
                continue
            said = {each.name: self._said(each, row, number) for each in self._questions}
            yield (*(row[place] for place in self._kept), self._written(said, number))

    def _said(self, question: Question, row: Row, number: int) -> Any:
        places = self._at[question.name]
        if not places or self._table.columns[places[0]] == question.name:
            return _answer(row[places[0]], question, self._is_missing) if places else None
        asked = {}
        for name, place in zip(question.classes, places, strict=True):
            cell = as_name(row[place]).lower()
            if cell in _YES:
                asked[name] = _YES[cell]
            elif cell and not self._is_missing(cell):
                problem = "expected 1 or 0, yes or no, or nothing where it was not asked"
                raise self._wrong(problem, number, place, row[place])
        return {"yes": [name for name, yes in asked.items() if yes], "asked": [*asked]} if asked else None

    def _written(self, said: dict[str, Any], number: int) -> str:
        if all(answer is None for answer in said.values()):
            return MISSING
        try:
            return answer_written(self._questions, said)
        except InputError as error:
            values: dict[str, Any] = dict(error.values)
            where = self._table.file
            raise FormatError(str(error), file=where, row=number, code=error.code, **values) from error

    def _wrong(self, problem: str, number: int, place: int, value: object) -> FormatError:
        column = self._table.columns[place]
        return FormatError(problem, file=self._table.file, row=number, column=column, value=value)


class _Long:
    """Rows with one answer each, and a column that names the question: those of a text and person are one.

    Times on task are added up, comments joined; of anything else, what comes first is kept.
    """

    def __init__(
        self, table: Table, questions: Sequence[Question], is_missing: Callable[[str], bool]
    ) -> None:
        self._table, self._is_missing = table, is_missing
        self._questions = {each.name: each for each in questions}
        roles = [role_of(name) for name in table.columns]
        self._question, self._label = table.columns.index(_QUESTION), roles.index("label")
        dropped = (self._question, self._label)
        self._kept = [place for place in range(len(table.columns)) if place not in dropped]
        self._keys = [place for place in self._kept if roles[place] in _KEYS]
        self._added = [n for n, place in enumerate(self._kept) if roles[place] == "seconds"]
        self._joined = [n for n, place in enumerate(self._kept) if roles[place] == "comment"]
        self.columns = (*(table.columns[place] for place in self._kept), LABEL)

    def rows(self) -> Iterator[Row]:
        held: dict[tuple[str, ...], list[object]] = {}
        answers: dict[tuple[str, ...], dict[str, Any]] = {}
        for number, row in enumerate(self._table.rows(), 1):
            if not row:
                continue
            key = tuple(as_name(row[place]) for place in self._keys)
            cells = [row[place] for place in self._kept]
            if key in held:
                self._add(held[key], cells)
            else:
                held[key], answers[key] = cells, {}
            self._answer(answers[key], row, number)
        for key, cells in held.items():
            said = answers[key]
            yield (*cells, answer_written([*self._questions.values()], said) if said else MISSING)

    def _answer(self, said: dict[str, Any], row: Row, number: int) -> None:
        name = as_name(row[self._question])
        question = self._questions.get(name)
        if question is None:
            known = ", ".join(self._questions)
            raise self._wrong(f"expected one of the questions {known}", number, self._question, name)
        answer = _answer(row[self._label], question, self._is_missing)
        if answer is None:
            return
        if said.get(name, answer) != answer:
            problem = "is another answer of the same person to the same question about this text"
            raise self._wrong(problem, number, self._label, row[self._label])
        try:
            answer_code([question], {name: answer})
        except InputError as error:
            raise self._wrong(str(error), number, self._label, row[self._label]) from error
        said[name] = answer

    def _add(self, first: list[object], more: Sequence[object]) -> None:
        for place in self._added:
            try:
                first[place] = float(as_name(first[place])) + float(as_name(more[place]))
            except ValueError:  # no number, or none: what is there stays
                first[place] = first[place] or more[place]
        for place in self._joined:
            words = [as_name(cell) for cell in (first[place], more[place])]
            first[place] = "; ".join(dict.fromkeys(word for word in words if word))

    def _wrong(self, problem: str, number: int, place: int, value: object) -> FormatError:
        column = self._table.columns[place]
        return FormatError(problem, file=self._table.file, row=number, column=column, value=value)


def _answer(cell: object, question: Question, is_missing: Callable[[str], bool]) -> Any:
    """Return what a cell says to a question, as `jurybox.written.Answers`; None for no answer."""
    if is_list(cell) and not isinstance(cell, str):
        return [as_name(one) for one in cell]  # type: ignore[attr-defined]  # is a list
    word = as_name(cell)
    return None if word not in question.classes and (not word or is_missing(word)) else word
