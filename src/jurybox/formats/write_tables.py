"""The tables of an export: their columns and rows, written as CSV, JSON Lines and Parquet."""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, Literal, TextIO, TypeAlias, TypeVar

from jurybox.errors import InputError, require
from jurybox.formats.answered import LABEL, apart
from jurybox.formats.records import (
    POSITION,
    AnnotationRecord,
    ConsensusRecord,
    Export,
    SkipRecord,
    TextRecord,
)
from jurybox.formats.spreadsheet import ESCAPED_COLUMN, escape, join_names
from jurybox.formats.values import as_json
from jurybox.questions import Question

__all__ = [
    "TABLES",
    "Column",
    "OutTable",
    "grouped",
    "out_table",
    "out_tables",
    "write_csv",
    "write_jsonl",
    "write_parquet",
    "write_rows",
]

TABLES = ("texts", "annotations", "consensus", "annotators", "gold", "skips")

R = TypeVar("R", AnnotationRecord, ConsensusRecord, SkipRecord)
ColumnKind: TypeAlias = Literal["text", "number", "count", "json"]


@dataclass(frozen=True)
class Column:
    """A column and what it holds: ``text``, a ``number``, a ``count`` or ``json``; any cell may be None."""

    name: str
    kind: ColumnKind = "text"


@dataclass(frozen=True)
class OutTable:
    """A table to write; `rows` walks over it anew at each call."""

    name: str
    columns: tuple[Column, ...]
    rows: Callable[[], Iterator[Sequence[object]]]


def out_table(export: Export, name: str) -> OutTable:
    """Return one of `TABLES`.

    Raises
    ------
    InputError
        If there is no such table.
    """
    if name not in TABLES:
        raise InputError(f"table is {name!r}, expected one of {', '.join(TABLES)}")
    return next(table for table in out_tables(export) if table.name == name)


def out_tables(export: Export) -> tuple[OutTable, ...]:
    """Return all tables of an export."""
    if export.questions:
        return _answer_tables(export)
    position = tuple(Column(name, "number") for name in POSITION) if export.scale else ()
    beliefs = [Column(f"p_{name}", "number") for name in export.classes]
    if export.shares:
        beliefs += [Column(f"share_{name}", "number") for name in export.classes]
        beliefs.append(Column("share_error", "number"))
    return (
        OutTable("texts", (Column("id"), Column("text"), Column("metadata", "json")), lambda: _texts(export)),
        OutTable(
            "annotations",
            (
                *(Column("id"), Column("annotator"), Column("label")),
                *(Column("seconds", "number"), Column("comment"), Column("time")),
            ),
            lambda: _annotations(export),
        ),
        OutTable(
            "consensus",
            (
                *(Column("id"), Column("text"), Column("label"), Column("quality", "number")),
                *(Column("agreement", "number"), Column("n_annotations", "count"), *position, *beliefs),
                *(Column("label_by"), *([Column("copy_of")] if export.copies else [])),
            ),
            lambda: _consensus(export),
        ),
        OutTable(
            "annotators",
            (
                *(Column("annotator"), Column("n_annotations", "count"), Column("quality", "number")),
                *(Column("agreement_with_consensus", "number"), Column("worst_class")),
                Column("median_seconds", "number"),
            ),
            lambda: (row[:-1] for row in export.annotators),  # all but the question, of which there is one
        ),
        OutTable("gold", (Column("id"), Column("label")), lambda: _gold(export)),
        OutTable(
            "skips",
            (Column("id"), Column("annotator"), Column("label"), Column("comment"), Column("time")),
            lambda: _skips(export),
        ),
    )


def _answer_tables(export: Export) -> tuple[OutTable, ...]:
    """Return all tables of a project with several questions, each of which has a column in them."""
    tables = {table.name: table for table in out_tables(replace(export, questions=(), classes=()))}
    names = [f"{each.name}:{name}" for each in export.questions for name in each.classes]
    named = [f"p_{name}" for name in names]
    if export.shares:
        named += [f"share_{name}" for name in names]
        named += [f"share_error_{facet}" for each in export.questions for facet in each.facets]
    consensus = OutTable(
        "consensus",
        (
            *(Column("id"), Column("text"), Column(LABEL), Column("n_annotations", "count")),
            *(Column(name, "number") for name in named),
            Column("label_by"),
        ),
        lambda: _believed_answers(export, len(names), len(named)),
    )
    people = tables["annotators"]
    return (
        tables["texts"],
        _apart(tables["annotations"], export.questions),
        _apart(consensus, export.questions),
        replace(people, columns=(*people.columns, Column("question")), rows=lambda: iter(export.annotators)),
        _apart(tables["gold"], export.questions),
        tables["skips"],
    )


def _believed_answers(export: Export, n_classes: int, n_figures: int) -> Iterator[Sequence[object]]:
    for text, one, _, _ in grouped(export):
        p = one.probabilities or (None,) * n_classes
        shares = (*one.shares, *one.share_errors) or (None,) * (n_figures - n_classes)
        yield (text.id, text.text, one.label, one.n_annotations, *p, *shares, one.label_by)


def _apart(table: OutTable, questions: Sequence[Question]) -> OutTable:
    """Return a table with a column for each question in place of that of answers in writing."""
    at = [column.name for column in table.columns].index(LABEL)

    def rows() -> Iterator[Sequence[object]]:
        for row in table.rows():
            label = row[at]
            yield (*row[:at], *apart(questions, None if label is None else str(label)), *row[at + 1 :])

    own = (Column(each.name) for each in questions)
    return replace(table, columns=(*table.columns[:at], *own, *table.columns[at + 1 :]), rows=rows)


def _texts(export: Export) -> Iterator[Sequence[object]]:
    for record in export.texts:
        yield (record.id, record.text, record.metadata or None)


def _annotations(export: Export) -> Iterator[Sequence[object]]:
    for record in export.annotations:
        time = None if record.time is None else record.time.isoformat()
        yield (
            record.text_id,
            record.annotator,
            record.label,
            record.seconds,
            record.comment or None,
            time,
        )


def _gold(export: Export) -> Iterator[Sequence[object]]:
    for record in export.gold:
        yield (record.text_id, record.label)


def _skips(export: Export) -> Iterator[Sequence[object]]:
    for record in export.skips:
        time = None if record.time is None else record.time.isoformat()
        yield (record.text_id, record.annotator, "", record.reason or None, time)


def _consensus(export: Export) -> Iterator[Sequence[object]]:
    unknown = (None,) * len(export.classes)
    nowhere = (None,) * len(POSITION) if export.scale else ()
    for text, consensus, _, _ in grouped(export):
        yield (
            text.id,
            text.text,
            consensus.label,
            consensus.quality,
            consensus.agreement,
            consensus.n_annotations,
            *(consensus.position or nowhere),
            *(consensus.probabilities or unknown),
            *(
                (*(consensus.shares or unknown), *(consensus.share_errors or (None,)))
                if export.shares
                else ()
            ),
            *(consensus.label_by, *([consensus.copy_of] if export.copies else [])),
        )


def grouped(
    export: Export,
) -> Iterator[tuple[TextRecord, ConsensusRecord, list[AnnotationRecord], list[SkipRecord]]]:
    """Yield each text with its consensus, its annotations and its skips, holding one at a time.

    Raises
    ------
    InputError
        If `export` does not keep its promise of one order.
    """
    consensus = _Following(export.consensus)
    annotations = _Following(export.annotations)
    skips = _Following(export.skips)
    for text in export.texts:
        beliefs = consensus.take(text.id)
        labels = annotations.take(text.id)
        unknown = ConsensusRecord(text.id, None, None, None, len(labels))
        yield text, beliefs[0] if beliefs else unknown, labels, skips.take(text.id)
    for rest in (consensus.left(), annotations.left(), skips.left()):
        if rest is not None:
            raise InputError(f"the export lists text {rest!r} out of order")


class _Following(Generic[R]):
    """A stream of records that is read along with the texts."""

    def __init__(self, records: Iterable[R]) -> None:
        self._records: Iterator[R] = iter(records)
        self._next: R | None = next(self._records, None)

    def take(self, text_id: str) -> list[R]:
        taken = []
        while self._next is not None and self._next.text_id == text_id:
            taken.append(self._next)
            self._next = next(self._records, None)
        return taken

    def left(self) -> str | None:
        return None if self._next is None else self._next.text_id


_ROWS = 10_000


def write_csv(table: OutTable, path: Path, *, delimiter: str = ",") -> None:
    """Write a table as CSV that is safe to open in a spreadsheet, see `spreadsheet`.

    It starts with a byte order mark, without which Excel takes it for another encoding.
    """
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        write_rows(table, file, delimiter=delimiter)


def write_rows(table: OutTable, file: TextIO, *, delimiter: str = ",") -> None:
    """Write a table as CSV into an open file, see `write_csv`."""
    writer = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n", delimiter=delimiter)
    writer.writerow([*(escape(column.name) for column in table.columns), ESCAPED_COLUMN])
    for row in table.rows():
        writer.writerow(_safe_row(row, table.columns))


def _safe_row(row: Sequence[object], columns: Sequence[Column]) -> list[object]:
    cells: list[object] = []
    changed = []
    for value, column in zip(row, columns, strict=True):
        cell = _as_cell(value, column)
        if isinstance(cell, str):
            safe = escape(cell)
            if safe != cell:
                changed.append(column.name)
                cell = safe
        cells.append(cell)
    return [*cells, join_names(changed)]


def _as_cell(value: object, column: Column) -> object:
    if column.kind == "json" and value is not None:
        return json.dumps(as_json(value), ensure_ascii=False)
    return "" if value is None else value


def write_jsonl(table: OutTable, path: Path) -> None:
    """Write a table as one JSON object a line; what is unknown is left out."""
    names = [column.name for column in table.columns]
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for row in table.rows():
            held = {name: as_json(value) for name, value in zip(names, row, strict=True) if value is not None}
            file.write(json.dumps(held, ensure_ascii=False))
            file.write("\n")


def write_parquet(table: OutTable, path: Path) -> None:
    """Write a table as Parquet; JSON becomes text.

    Raises
    ------
    MissingExtraError
        If pyarrow is not installed.
    """
    arrow = require("pyarrow", extra="tables")
    parquet = require("pyarrow.parquet", extra="tables")
    types = {
        "text": arrow.string(),
        "json": arrow.string(),
        "number": arrow.float64(),
        "count": arrow.int64(),
    }
    schema = arrow.schema([(column.name, types[column.kind]) for column in table.columns])
    with parquet.ParquetWriter(path, schema) as writer:
        for part in _parts(table.rows()):
            cells = [
                [_as_arrow(value, column) for value in values]
                for values, column in zip(zip(*part, strict=True), table.columns, strict=True)
            ]
            writer.write_table(arrow.table(cells, schema=schema))


def _as_arrow(value: object, column: Column) -> object:
    return json.dumps(as_json(value)) if column.kind == "json" and value is not None else value


def _parts(rows: Iterator[Sequence[object]]) -> Iterator[list[Sequence[object]]]:
    while part := list(itertools.islice(rows, _ROWS)):
        yield part
