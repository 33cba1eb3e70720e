"""Parquet, Arrow, folders of Hugging Face and spreadsheets as tables, by what the extra ``tables`` has."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from jurybox.errors import FormatError, require
from jurybox.formats.names import header_at
from jurybox.formats.read_csv import SAMPLE_ROWS
from jurybox.formats.records import Row, Table
from jurybox.formats.values import as_text

__all__ = ["objects_of", "open_feather", "open_huggingface", "open_parquet", "open_sheets"]

_ROWS = 4096


def open_parquet(path: Path) -> Table:
    """Open a Parquet file as a table.

    Raises
    ------
    MissingExtraError
        If pyarrow is not installed.
    FormatError
        If the file is no Parquet, now or further in.
    """
    parquet = require("pyarrow.parquet", extra="tables")
    arrow = require("pyarrow", extra="tables")

    def rows() -> Iterator[Row]:
        try:
            with parquet.ParquetFile(path) as file:
                names = _names_in(file.schema_arrow.metadata)
                for batch in file.iter_batches(batch_size=_ROWS):
                    yield from _rows_of(batch, names)
        except (arrow.ArrowException, OSError, UnicodeDecodeError, OverflowError) as error:
            raise FormatError(f"is no readable Parquet file: {_first_line(error)}", file=str(path)) from error

    try:
        with parquet.ParquetFile(path) as file:
            columns = tuple(file.schema_arrow.names)
    except (arrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise FormatError(f"is no readable Parquet file: {_first_line(error)}", file=str(path)) from error
    return Table(str(path), columns, list(itertools.islice(rows(), SAMPLE_ROWS)), rows)


def open_feather(path: Path) -> Table:
    """Open an Arrow file, also called Feather, or an Arrow stream as a table.

    Raises
    ------
    MissingExtraError
        If pyarrow is not installed.
    FormatError
        If the file is no such file, now or further in.
    """
    arrow = require("pyarrow", extra="tables")
    ipc = require("pyarrow.ipc", extra="tables")

    def batches() -> Iterator[Any]:
        with path.open("rb") as file:
            if file.read(6) == b"ARROW1":
                held = ipc.open_file(file)
                yield from (held.get_batch(at) for at in range(held.num_record_batches))
            else:
                file.seek(0)
                yield from ipc.open_stream(file)

    def rows() -> Iterator[Row]:
        try:
            for batch in batches():
                yield from _rows_of(batch, _names_in(batch.schema.metadata))
        except (arrow.ArrowException, OSError, UnicodeDecodeError, OverflowError) as error:
            raise FormatError(f"is no readable Arrow file: {_first_line(error)}", file=str(path)) from error

    try:
        first = next(batches(), None)
    except (arrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise FormatError(f"is no readable Arrow file: {_first_line(error)}", file=str(path)) from error
    if first is None:
        raise FormatError("is empty", file=str(path), code="empty_file")
    return Table(str(path), tuple(first.schema.names), list(itertools.islice(rows(), SAMPLE_ROWS)), rows)


def open_huggingface(path: Path) -> Table:
    """Open a folder written by ``save_to_disk``; all splits of a DatasetDict, one after the other.

    A column `split` tells them apart unless there is only one; class numbers become class names.

    Raises
    ------
    MissingExtraError
        If datasets is not installed.
    FormatError
        If the folder is damaged, or its splits have different columns.
    """
    datasets = require("datasets", extra="hub")
    try:
        loaded = datasets.load_from_disk(str(path))
    except Exception as error:
        # The library raises whatever its parsers raise: a folder of files can be wrong in many ways.
        raise FormatError(f"is no saved data set: {_first_line(error)}", file=str(path)) from error
    splits: Mapping[str, Any] = loaded if isinstance(loaded, datasets.DatasetDict) else {"train": loaded}
    columns = tuple(dict.fromkeys(name for split in splits.values() for name in split.column_names))
    narrower = next((name for name, split in splits.items() if set(split.column_names) != set(columns)), None)
    if narrower is not None:
        raise FormatError(f"split {narrower!r} lacks columns that other splits have", file=str(path))
    several = len(splits) > 1 and "split" not in columns

    def rows() -> Iterator[Row]:
        for name, split in splits.items():
            names = _class_names(split.features)
            for start in range(0, len(split), _ROWS):
                part = split[start : start + _ROWS]
                held = [_named(part[column], names.get(column)) for column in columns]
                for row in zip(*held, strict=True):
                    yield (*row, name) if several else row

    header = (*columns, "split") if several else columns
    return Table(str(path), header, list(itertools.islice(rows(), SAMPLE_ROWS)), rows)


def objects_of(table: Table) -> Iterator[dict[str, object]]:
    """Yield the rows of a table as objects."""
    for row in table.rows():
        yield dict(zip(table.columns, row, strict=True))


_Names: TypeAlias = "Sequence[str] | Mapping[str, _Names]"
"""The names of classes, or those of the fields of an object."""


def _class_names(features: Mapping[str, Any]) -> dict[str, _Names]:
    """Return the names of classes by column, also where they are in lists and in objects."""
    found = ((str(name), _names_of(feature)) for name, feature in features.items())
    return {name: names for name, names in found if names}


def _names_of(feature: Any) -> _Names | None:
    """Return the names of classes in a feature of Hugging Face, as an object of theirs or as JSON."""
    if isinstance(feature, list):  # as older files write a list
        return _names_of(feature[0]) if feature else None
    if isinstance(feature, Mapping) and not isinstance(feature.get("_type"), str):
        return _class_names(feature) or None
    held = feature if isinstance(feature, Mapping) else getattr(feature, "__dict__", {})
    if held.get("feature") is not None:
        return _names_of(held["feature"])
    names = getattr(feature, "names", held.get("names"))
    return [str(name) for name in names] if isinstance(names, list) else None


def _names_in(metadata: Mapping[bytes, bytes] | None) -> dict[str, _Names]:
    """Return the names of classes that a data set of Hugging Face keeps in the metadata of its files."""
    try:
        return _class_names(json.loads((metadata or {}).get(b"huggingface", b"{}"))["info"]["features"])
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}


def _rows_of(batch: Any, names: Mapping[str, _Names]) -> Iterator[Row]:
    columns = zip(batch.schema.names, batch.columns, strict=True)
    return zip(*(_named(column.to_pylist(), names.get(name)) for name, column in columns), strict=True)


def _named(values: Sequence[Any], names: _Names | None) -> Sequence[object]:
    """Return values with the names of numbered classes; below 0 there is none."""
    return values if names is None else [_with_names(value, names) for value in values]


def _with_names(value: Any, names: _Names) -> object:
    if isinstance(value, list):
        return [_with_names(one, names) for one in value]
    if isinstance(names, Mapping):
        inner = value.items() if isinstance(value, Mapping) else ()
        held = {name: _with_names(one, names[name]) if name in names else one for name, one in inner}
        return held if isinstance(value, Mapping) else value
    if not isinstance(value, int) or value >= len(names):
        return value
    return None if value < 0 else names[value]


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def open_sheets(path: Path) -> dict[str, Table]:
    """Open an XLSX, XLS, XLSB or ODS file as a table a sheet, by name; empty sheets are none.

    Raises
    ------
    MissingExtraError
        If python-calamine is not installed.
    FormatError
        If the file is damaged or empty.
    """
    calamine = require("python_calamine", extra="tables")
    try:
        with calamine.CalamineWorkbook.from_path(str(path)) as book:
            sheets = [
                (name, book.get_sheet_by_name(name).to_python(skip_empty_area=True))
                for name in book.sheet_names
            ]
    except (calamine.CalamineError, OSError, ValueError, UnicodeError) as error:
        raise FormatError(f"is no readable spreadsheet: {error}", file=str(path), code="binary") from error
    except BaseException as error:  # a panic of the library on a damaged file derives from BaseException
        if type(error).__name__ != "PanicException":
            raise
        raise FormatError(
            "is no readable spreadsheet: it is damaged", file=str(path), code="binary"
        ) from error
    filled = {name: rows for name, rows in sheets if rows}
    if not filled:
        raise FormatError("is empty", file=str(path), code="empty_file")
    several = len(filled) > 1
    return {name: _table(f"{path} [{name}]" if several else str(path), rows) for name, rows in filled.items()}


def _table(file: str, sheet: Sequence[Sequence[Any]]) -> Table:
    above = header_at([[as_text(cell) for cell in row] for row in sheet[:20]])
    sheet = sheet[above:]
    width = max((at + 1 for row in sheet for at, cell in enumerate(row) if cell not in ("", None)), default=1)
    header = tuple(as_text(name).strip() for name in (*sheet[0], *([""] * width))[:width])

    def rows() -> Iterator[Row]:
        return ((*row[:width], *([""] * (width - len(row)))) for row in sheet[1:])

    return Table(file, header, list(itertools.islice(rows(), SAMPLE_ROWS)), rows, above)
