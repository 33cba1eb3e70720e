"""From the rows of a table to records of texts and annotations."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from jurybox.errors import FormatError
from jurybox.formats.columns import Layout
from jurybox.formats.records import AnnotationRecord, Batch, GoldRecord, TextRecord
from jurybox.formats.spreadsheet import unescape
from jurybox.formats.values import (
    LabelReader,
    Place,
    as_json,
    as_seconds,
    as_text,
    as_time,
    checked,
    id_of_text,
)

__all__ = ["MISSING", "Record", "Row", "Table", "batched", "read_table", "without_repeats"]

Record: TypeAlias = TextRecord | AnnotationRecord | GoldRecord
Row: TypeAlias = Sequence[object]

MISSING = ""
"""What a cell holds that the row does not have."""

_BATCH_ROWS = 10_000
_BATCH_CHARACTERS = 1 << 25


@dataclass(frozen=True)
class Table:
    """A table that is read anew at every call of `rows`.

    Parameters
    ----------
    file
        Named in errors.
    columns
        Names of the columns.
    sample
        The first rows.
    rows
        Returns all rows, each as wide as `columns`.
    """

    file: str
    columns: tuple[str, ...]
    sample: Sequence[Row]
    rows: Callable[[], Iterator[Row]]


def read_table(
    table: Table, layout: Layout, labels: LabelReader, *, annotator: str | None = None
) -> Iterator[Record]:
    """Yield the records of a table; where a row has both, its text comes before its annotations.

    Raises
    ------
    FormatError
        At the first wrong cell.
    """
    reader = _RowReader(table, layout, labels, annotator)
    rows: Iterator[Row] = table.rows()
    if layout.escaped is not None:
        rows = _restored(rows, table.columns, layout.escaped)
    has_text, shape = layout.text is not None, layout.shape
    for number, row in enumerate(rows, 1):
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

    def __init__(self, table: Table, layout: Layout, labels: LabelReader, annotator: str | None) -> None:
        self.file = table.file
        self.columns = table.columns
        self.layout = layout
        self.labels = labels
        self.annotator = annotator
        self.wide_columns = [
            (at, checked(table.columns[at], (table.file, 0, table.columns[at]))) for at in layout.wide
        ]

    def place(self, number: int, at: int) -> Place:
        return (self.file, number, self.columns[at])

    def cell(self, row: Row, number: int, at: int) -> str:
        value = row[at]
        if isinstance(value, str) and value.isascii() and "\0" not in value:
            return value  # the way of nearly all cells
        return checked(self.scalar(value, number, at), self.place(number, at))

    def scalar(self, value: object, number: int, at: int) -> str:
        """Return the value as text; raises FormatError where it is a list or the like."""
        if isinstance(value, Mapping | list | bytes):
            problem = f"is {type(value).__name__}, expected a text or a number"
            raise FormatError(problem, file=self.file, row=number, column=self.columns[at], value=value)
        return as_text(value)

    def text_id(self, row: Row, number: int) -> str:
        at = self.layout.id
        if at is None:
            return id_of_text(self.cell(row, number, self.layout.text or 0))
        found = self.cell(row, number, at)
        if not found:
            raise FormatError(
                "is empty; expected the id of a text", file=self.file, row=number, column=self.columns[at]
            )
        return found

    def text(self, row: Row, number: int, text_id: str) -> TextRecord:
        at = self.layout.text or 0
        if row[at] is None:
            raise FormatError("is null; expected a text", file=self.file, row=number, column=self.columns[at])
        return TextRecord(text_id, self.cell(row, number, at), self.metadata(row, number), number)

    def metadata(self, row: Row, number: int) -> dict[str, object] | None:
        found: dict[str, object] = {}
        at = self.layout.nested_metadata
        if at is not None and row[at]:
            found.update(_json_object(row[at], self.place(number, at)))
        for position in self.layout.metadata:
            value = row[position]
            if value is None or value == "":
                continue
            found[self.columns[position]] = (
                checked(value, self.place(number, position)) if isinstance(value, str) else as_json(value)
            )
        return found or None

    def long(self, row: Row, number: int, text_id: str) -> AnnotationRecord | None:
        layout = self.layout
        at = layout.label or 0
        value = row[at]
        label = value if isinstance(value, str) else self.scalar(value, number, at)
        name = self.annotator or self.cell(row, number, layout.annotator or 0)
        if not label and (self.annotator is not None or (not name and layout.text is not None)):
            return None
        if not name:
            column = self.columns[layout.annotator or 0]
            raise FormatError("is empty; expected an annotator", file=self.file, row=number, column=column)
        return AnnotationRecord(
            text_id,
            name,
            self.labels(label, number, self.columns[at]),
            None if layout.seconds is None else self.seconds(row, number, layout.seconds),
            "" if layout.comment is None else self.cell(row, number, layout.comment),
            None if layout.time is None else as_time(row[layout.time], self.place(number, layout.time)),
            number,
        )

    def seconds(self, row: Row, number: int, at: int) -> float | None:
        value = row[at]
        return None if value is None or value == "" else as_seconds(value, self.place(number, at))

    def wide(self, row: Row, number: int, text_id: str) -> Iterator[AnnotationRecord]:
        for at, name in self.wide_columns:
            value = row[at]
            label = value if isinstance(value, str) else self.scalar(value, number, at)
            if label:
                yield AnnotationRecord(text_id, name, self.labels(label, number, name), row=number)


def _restored(rows: Iterator[Row], columns: Sequence[str], escaped: int) -> Iterator[Row]:
    """Undo `spreadsheet.escape` in the cells that each row names."""
    position = {name: at for at, name in enumerate(columns)}
    for row in rows:
        if not row[escaped]:
            yield row
            continue
        restored = list(row)
        for name in as_text(row[escaped]).split():
            value = restored[position[name]] if name in position else None
            if isinstance(value, str):
                restored[position[name]] = unescape(value)
        yield restored


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


def without_repeats(records: Iterable[Record], file: str) -> Iterator[Record]:
    """Leave out a text that some rows in a row repeat, as long tables do.

    Raises
    ------
    FormatError
        If the same id comes again with another text within the last rows.
    """
    seen: dict[str, TextRecord] = {}
    for record in records:
        if isinstance(record, TextRecord):
            first = seen.setdefault(record.id, record)
            if first is not record:
                if first.text != record.text:
                    problem = (
                        f"the id {record.id!r} has another text than in row {first.row}; ids must be unique"
                    )
                    raise FormatError(
                        problem,
                        file=file,
                        row=record.row,
                        value=record.text,
                        code="two_texts",
                        name=record.id,
                    )
                continue
            if len(seen) > _BATCH_ROWS:
                del seen[next(iter(seen))]
        yield record


def batched(records: Iterable[Record], file: str) -> Iterator[Batch]:
    """Gather records into batches of bounded size."""
    texts: list[TextRecord] = []
    annotations: list[AnnotationRecord] = []
    gold: list[GoldRecord] = []
    characters = 0
    for record in records:
        if isinstance(record, TextRecord):
            texts.append(record)
            characters += len(record.text)
        elif isinstance(record, GoldRecord):
            gold.append(record)
        else:
            annotations.append(record)
        if len(texts) + len(annotations) + len(gold) >= _BATCH_ROWS or characters > _BATCH_CHARACTERS:
            yield Batch(texts, annotations, file, gold)
            texts, annotations, gold, characters = [], [], [], 0
    if texts or annotations or gold:
        yield Batch(texts, annotations, file, gold)
