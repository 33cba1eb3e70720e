"""CSV, TSV and their kin as tables."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from jurybox.errors import FormatError, InputError
from jurybox.formats.detect import BROKEN_FILE, open_text, sniff_delimiter
from jurybox.formats.tables import Row, Table

__all__ = ["MOST_CHARACTERS", "SAMPLE_ROWS", "open_csv", "wrong_bytes"]

SAMPLE_ROWS = 1000
MOST_CHARACTERS = 1 << 24
"""The longest row that is read: beyond 16 million characters it is a quote that nobody closed."""


def open_csv(path: Path, encoding: str, delimiter: str | None) -> tuple[Table, str]:
    """Open a CSV file; return it as a table, and its delimiter.

    Raises
    ------
    FormatError
        If it is empty, or a row is wrong.
    """
    if delimiter is None:
        with open_text(path, encoding) as file:
            try:
                delimiter = sniff_delimiter(_first_lines(file), str(path))
            except (UnicodeError, *BROKEN_FILE) as error:
                raise wrong_bytes(error, path, encoding, row=None) from error
    elif len(delimiter) != 1 or delimiter in '"\r\n':
        raise InputError(f"delimiter is {delimiter!r}, expected one character such as ',' or ';' or a tab")
    separator = delimiter

    def rows() -> Iterator[Row]:
        read = _rows(path, encoding, separator)
        next(read, None)
        return read

    read = _rows(path, encoding, delimiter)
    header = next(read, None)
    if header is None:
        raise FormatError("is empty", file=str(path), code="empty_file")
    columns = tuple(str(name).strip() for name in header)
    return Table(str(path), columns, list(itertools.islice(read, SAMPLE_ROWS)), rows), delimiter


def _rows(path: Path, encoding: str, delimiter: str) -> Iterator[Row]:
    """Yield the rows that are not blank, the header first; all are as wide as the header."""
    if csv.field_size_limit() < MOST_CHARACTERS:
        # The limit belongs to the process. It is only ever raised; what bounds memory is `_Lines`.
        csv.field_size_limit(MOST_CHARACTERS)
    number, width = -1, 0
    with open_text(path, encoding) as file:
        lines = _Lines(file, path)
        try:
            for row in csv.reader(lines, delimiter=delimiter, strict=True):
                lines.characters = 0
                if not row:
                    continue
                number += 1
                width = width or len(row)
                if len(row) != width:
                    raise FormatError(
                        f"has {len(row)} cells, expected {width} as in the header",
                        file=str(path),
                        row=number,
                        code="cells",
                        got=len(row),
                        expected=width,
                    )
                yield row
        except csv.Error as error:
            raise FormatError(f"is no valid CSV: {error}", file=str(path), row=number + 1) from error
        except (UnicodeError, *BROKEN_FILE) as error:
            raise wrong_bytes(error, path, encoding, row=number + 1) from error


class _Lines:
    """The lines of a file, refusing rows without end; `characters` is set to 0 at the end of a row."""

    def __init__(self, file: IO[str], path: Path) -> None:
        self._file = file
        self._path = path
        self._line = 0
        self.characters = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._file.readline(MOST_CHARACTERS + 1)
        if not line:
            raise StopIteration
        self._line += 1
        self.characters += len(line)
        if self.characters > MOST_CHARACTERS:
            problem = f"a row that ends in line {self._line} or later is too long; a quote may not be closed"
            raise FormatError(problem, file=str(self._path))
        return line


def _first_lines(file: IO[str], most: int = 200) -> list[str]:
    lines: list[str] = []
    while len(lines) < most and sum(map(len, lines)) < 1 << 20 and (line := file.readline(MOST_CHARACTERS)):
        lines.append(line)
    return lines


def wrong_bytes(error: Exception, path: Path, encoding: str, row: int | None) -> FormatError:
    """Return the error that says a file cannot be decoded or is damaged."""
    if isinstance(error, UnicodeError):
        problem = f"has bytes that are no {encoding}; name its encoding"
    else:
        problem = f"is damaged or cut off: {error}"
    return FormatError(problem, file=str(path), row=row)
