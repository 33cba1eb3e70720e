"""What both databases can store, of rows of files too, and what texts without a name are called."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from math import isfinite
from typing import Any

from jurybox.duplicates import digest_of
from jurybox.errors import FormatError, InputError
from jurybox.formats.records import AnnotationRecord, TextRecord
from jurybox.formats.values import id_of_text, problem_with
from jurybox.questions import Question
from jurybox.written import answer_written, widened


def storable(value: str, name: str, *, empty: bool = True) -> str:
    """Return a text that can be stored, and is not blank where `empty` is false.

    Raises
    ------
    InputError
        If it cannot.
    """
    problem = problem_with(value)
    if problem is None and not empty and not value.strip():
        problem = "expected a text that is not empty"
    if problem is not None:
        raise InputError(f"{name} is {value!r:.80}: {problem}")
    return value


def checked_cell(value: str, column: str, row: int) -> str:
    """Return a cell of a file that can be stored.

    Raises
    ------
    FormatError
        If it cannot.
    """
    problem = problem_with(value)
    if problem is not None:
        raise FormatError(problem, row=row or None, column=column, value=value)
    return value


def check_text(record: TextRecord) -> None:
    """Raise FormatError for a text of a file that cannot be stored, or an empty id."""
    checked_cell(record.text, "text", record.row)
    if not checked_cell(record.id, "id", record.row).strip():
        raise FormatError(
            "expected an id that is not empty", row=record.row or None, column="id", value=record.id
        )


def metadata_written(record: TextRecord) -> str | None:
    """Return the metadata of a text of a file as JSON; FormatError where it is none."""
    if not record.metadata:
        return None
    try:
        return json.dumps(record.metadata, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise FormatError(
            f"the metadata of text {record.id!r} is no JSON: {error}", row=record.row or None
        ) from error


def checked_seconds(record: AnnotationRecord) -> float | None:
    """Return a time on task of a file as it is stored; FormatError where it is none."""
    try:
        return check_seconds(record.seconds)
    except InputError as error:
        raise FormatError(
            "expected a number of at least 0", row=record.row or None, column="seconds", value=record.seconds
        ) from error


def asked_of(questions: Sequence[Question], record: AnnotationRecord) -> tuple[Question, ...]:
    """Return the questions with the classes that an answer of a file names besides.

    Raises
    ------
    FormatError
        If it is no answer, or names what can be no class.
    """
    try:
        return widened(questions, record.label)
    except InputError as error:
        raise _no_answer(record, error) from error


def checked_answer(questions: Sequence[Question], record: AnnotationRecord) -> str:
    """Return an answer to several questions, read from a file, as it is stored.

    Raises
    ------
    FormatError
        If it is none.
    """
    try:
        return answer_written(questions, record.label)
    except InputError as error:
        raise _no_answer(record, error) from error


def _no_answer(record: AnnotationRecord, error: InputError) -> FormatError:
    known: dict[str, Any] = {"code": error.code, **error.values}
    return FormatError(str(error), row=record.row or None, column="label", value=record.label, **known)


def check_seconds(seconds: float | None) -> float | None:
    """Return a time on task as it is stored.

    Raises
    ------
    InputError
        If it is negative or not a finite number.
    """
    if seconds is None:
        return None
    if not isinstance(seconds, int | float) or not isfinite(seconds) or seconds < 0:
        raise InputError(f"seconds is {seconds!r}, expected a number of at least 0, or None")
    return float(seconds)


def named_texts(texts: Iterable[str]) -> Iterator[TextRecord]:
    """Give ids to texts that have none: from their content, so that the same texts get the same ids again.

    The second copy of a text in one import gets an id of its own, ending in ``-2``, and so on.

    Examples
    --------
    >>> [record.id for record in named_texts(["good", "bad", "good"])]
    ['t07878fd8745bb530', 'ta7e04811f6f31c53', 't07878fd8745bb530-2']
    """
    seen: Counter[str] = Counter()
    for row, text in enumerate(texts, start=1):
        if not isinstance(text, str):
            raise FormatError(
                "expected a text; replace missing texts by ''", row=row, column="text", value=text
            )
        name = id_of_text(text)
        seen[name] += 1
        copy = f"-{seen[name]}" if seen[name] > 1 else ""
        yield TextRecord(f"{name}{copy}", text, None, row)


def text_row(number: int, record: TextRecord) -> dict[str, Any]:
    """Return the row of a text that was checked.

    Raises
    ------
    FormatError
        If its metadata is no JSON.
    """
    return {
        "id": number,
        "external_id": record.id,
        "text": record.text,
        "digest": digest_of(record.text),
        "metadata": metadata_written(record),
    }
