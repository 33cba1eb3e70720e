"""Sheets of Excel and LibreOffice as tables: the first one that holds something."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jurybox.errors import FormatError, require
from jurybox.formats.read_csv import SAMPLE_ROWS
from jurybox.formats.tables import Row, Table
from jurybox.formats.values import as_text

__all__ = ["open_sheet"]


def open_sheet(path: Path) -> Table:
    """Open an XLSX, XLS, XLSB or ODS file as a table.

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
    filled = [rows for _, rows in sheets if rows]
    if not filled:
        raise FormatError("is empty", file=str(path), code="empty_file")
    return _table(path, filled[0])


def _table(path: Path, sheet: Sequence[Sequence[Any]]) -> Table:
    header = tuple(as_text(name).strip() for name in sheet[0])
    width = max((at + 1 for at, name in enumerate(header) if name), default=len(header))

    def rows() -> Iterator[Row]:
        return ((*row[:width], *([""] * (width - len(row)))) for row in sheet[1:])

    return Table(str(path), header[:width], list(rows())[:SAMPLE_ROWS], rows)
