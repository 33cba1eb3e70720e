"""Tables as CSV, JSON Lines and Parquet."""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from jurybox.errors import require
from jurybox.formats.layouts import Column, OutTable
from jurybox.formats.spreadsheet import ESCAPED_COLUMN, escape, join_names
from jurybox.formats.values import as_json

__all__ = ["write_csv", "write_jsonl", "write_parquet", "write_rows"]

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
