"""From the rows of a table to records of texts and annotations."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from jurybox.errors import FormatError
from jurybox.formats.layout import Layout
from jurybox.formats.plan import Finding, Tally
from jurybox.formats.records import AnnotationRecord, SkipRecord, TextRecord
from jurybox.formats.tables import Record, Row, Table
from jurybox.formats.times import TimeStyle, parse_seconds, parse_time
from jurybox.formats.values import LabelReader, Place, as_json, as_name, as_text, checked, id_of_text

__all__ = ["read_table"]

T = TypeVar("T")


def read_table(
    table: Table, layout: Layout, labels: LabelReader, tally: Tally, *, annotator: str | None = None
) -> Iterator[Record]:
    """Yield the records of a table; where a row has both, its text comes before its annotations.

    Raises
    ------
    FormatError
        At the first wrong cell.
    """
    reader = _RowReader(table, layout, labels, annotator, tally)
    has_text, shape = layout.text is not None, layout.shape
    for number, row in enumerate(table.rows(), 1):
        if not any(row) and all(cell is None or cell == "" for cell in row):
            if row:
                tally.note(Finding("blank rows left out"), number)
            continue
        text_id = reader.text_id(row, number)
        if has_text:
            yield reader.text(row, number, text_id)
        if shape == "long":
            annotation = reader.long(row, number, text_id)
            if annotation is not None:
                yield annotation
        elif shape == "wide":
            yield from reader.wide(row, number, text_id)


class _RowReader:
    """Reads the parts of a row; raises FormatError naming file, row, column and value."""

    def __init__(
        self, table: Table, layout: Layout, labels: LabelReader, annotator: str | None, tally: Tally
    ) -> None:
        self.file = table.file
        self.columns = table.columns
        self.layout = layout
        self.labels = labels
        self.annotator = annotator
        self.tally = tally
        self.name = as_text if layout.exact else as_name
        self.wide_columns = [
            (at, self.name(checked(table.columns[at], (table.file, 0, table.columns[at]))))
            for at in layout.wide
        ]

    def place(self, number: int, at: int) -> Place:
        return (self.file, number, self.columns[at])

    def wrong(self, problem: str, number: int, at: int, value: object = None) -> FormatError:
        return FormatError(problem, file=self.file, row=number, column=self.columns[at], value=value)

    def cell(self, row: Row, number: int, at: int) -> str:
        value = row[at]
        if isinstance(value, str) and value.isascii() and "\0" not in value:
            return value  # the way of nearly all cells
        return checked(self.scalar(value, number, at), self.place(number, at))

    def scalar(self, value: object, number: int, at: int) -> str:
        """Return the value as text; raises FormatError where it is a list or the like."""
        if isinstance(value, Mapping | list | bytes):
            problem = f"is {type(value).__name__}, expected a text or a number"
            raise self.wrong(problem, number, at, value)
        return as_text(value)

    def text_id(self, row: Row, number: int) -> str:
        at = self.layout.id
        if at is None:
            return id_of_text(self.cell(row, number, self.layout.text or 0))
        found = self.name(self.cell(row, number, at))
        if not found:
            raise self.wrong("is empty; expected the id of a text", number, at)
        return found

    def text(self, row: Row, number: int, text_id: str) -> TextRecord:
        at = self.layout.text or 0
        if row[at] is None:
            raise self.wrong("is null; expected a text", number, at)
        return TextRecord(text_id, self.cell(row, number, at), self.metadata(row, number), number)

    def metadata(self, row: Row, number: int) -> dict[str, object] | None:
        found: dict[str, object] = {}
        at = self.layout.nested_metadata
        if at is not None and row[at]:
            found.update(_json_object(row[at], self.place(number, at)))
        for position in self.layout.metadata:
            value = row[position]
            if value is None or value == "" or value != value:
                continue
            found[self.columns[position]] = (
                checked(value, self.place(number, position)) if isinstance(value, str) else as_json(value)
            )
        return found or None

    def long(self, row: Row, number: int, text_id: str) -> AnnotationRecord | SkipRecord | None:
        layout = self.layout
        at = layout.label or 0
        value = row[at]
        cell = value if isinstance(value, str) else self.scalar(value, number, at)
        name = self.annotator or self.name(self.cell(row, number, layout.annotator or 0))
        if not cell or self.labels.is_missing(cell):
            label = None
            if self.annotator is not None or not name:
                return None
        elif not name:
            raise self.wrong("is empty; expected an annotator", number, layout.annotator or 0)
        else:
            label = self.labels(cell, number, self.columns[at])
        time = self.read("time", layout.time, row, number, parse_time, layout.time_style)
        comment = "" if layout.comment is None else self.cell(row, number, layout.comment)
        if label is None:
            return SkipRecord(text_id, name, comment, time, number)
        seconds = self.read("seconds", layout.seconds, row, number, parse_seconds, layout.seconds_style)
        return AnnotationRecord(text_id, name, label, seconds, comment, time, number)

    def read(
        self,
        role: str,
        at: int | None,
        row: Row,
        number: int,
        read: Callable[[object, TimeStyle], T],
        style: TimeStyle,
    ) -> T | None:
        """Read a time or a duration; what cannot be read stops only where it was asked for."""
        value = None if at is None else row[at]
        if (
            at is None
            or value is None
            or value == ""
            or value != value
            or self.labels.is_missing(as_text(value))
        ):
            return None
        try:
            return read(value, style)
        except ValueError:
            if role not in self.layout.guessed:
                expected = (
                    "is not a time; expected ISO 8601 such as 2026-03-01T12:30:00+00:00"
                    if role == "time"
                    else "is not a number of seconds"
                )
                raise self.wrong(
                    f"{expected}; or leave the column out: --ignore {self.columns[at]}", number, at, value
                ) from None
        kind = "times" if role == "time" else "durations"
        self.tally.note(
            Finding(f"{kind} in column {self.columns[at]!r} left out, because they cannot be read"), number
        )
        return None

    def wide(self, row: Row, number: int, text_id: str) -> Iterator[AnnotationRecord]:
        for at, name in self.wide_columns:
            value = row[at]
            cell = value if isinstance(value, str) else self.scalar(value, number, at)
            label = self.labels(cell, number, name) if cell else None
            if label is not None:
                yield AnnotationRecord(text_id, name, label, row=number)


def _json_object(cell: object, place: Place) -> dict[str, object]:
    value = cell
    if isinstance(cell, str):
        try:
            value = json.loads(cell)
        except (ValueError, RecursionError):
            value = None
    if not isinstance(value, Mapping):
        file, row, column = place
        raise FormatError(
            "is not a JSON object, unlike the rows before", file=file, row=row, column=column, value=cell
        )
    held = as_json(value)
    checked(json.dumps(held, ensure_ascii=False), place)
    return held if isinstance(held, dict) else {}
