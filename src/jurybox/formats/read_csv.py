"""CSV, TSV and their kin as tables."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from jurybox.errors import FormatError, InputError
from jurybox.formats.containers import BROKEN_FILE, open_text
from jurybox.formats.detect import DELIMITERS, sniff_delimiter
from jurybox.formats.names import header_at, is_known, role_of
from jurybox.formats.records import Row, Table
from jurybox.formats.spreadsheet import ESCAPED_COLUMN, split_names, unescape
from jurybox.formats.values import LabelReader, as_text

__all__ = ["MOST_CHARACTERS", "SAMPLE_ROWS", "labelled_lines", "open_csv", "open_lines", "wrong_bytes"]

SAMPLE_ROWS = 1000
_FASTTEXT = "__label__"
MOST_CHARACTERS = 1 << 24
"""The longest row that is read: beyond 16 million characters it is a quote that nobody closed."""


def open_csv(path: Path, encoding: str, delimiter: str | None, usual: str | None = None) -> tuple[Table, str]:
    """Open a CSV file; return it as a table, and its delimiter.

    The `usual` delimiter is taken if it is there at all, and no other was named.

    Raises
    ------
    FormatError
        If it is empty, or a row is wrong.
    """
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
        raise InputError(f"delimiter is {delimiter!r}, expected one character such as ',' or ';' or a tab")
    if csv.field_size_limit() < MOST_CHARACTERS:
        # The limit belongs to the process. It is only ever raised; what bounds memory is `_Lines`.
        csv.field_size_limit(MOST_CHARACTERS)
    with open_text(path, encoding) as file:
        try:
            lines = _first_lines(file)
        except (UnicodeError, *BROKEN_FILE) as error:
            raise wrong_bytes(error, path, encoding, row=None) from error
    stated = _stated_delimiter(lines[0]) if lines else None
    likely = usual if usual is not None and lines and usual in lines[0] else None
    separator, above = _shape(lines[stated is not None :], delimiter or stated or likely, str(path))
    delimiter = separator
    style = _Style.of(lines[stated is not None :], separator, above)
    if separator == "\t" and style.quoted and _has_bare_quotes(path, encoding):
        style = replace(style, quoted=False)

    def rows() -> Iterator[Row]:
        read = _rows(path, encoding, style)
        next(read, None)
        return read

    read = _rows(path, encoding, style)
    header = next(read, None)
    if header is None:
        raise FormatError("is empty", file=str(path), code="empty_file")
    columns = tuple(str(name).strip() for name in header)
    if ESCAPED_COLUMN in columns:
        columns = tuple(map(unescape, columns))
        escaped = columns.index(ESCAPED_COLUMN)
        sample = list(itertools.islice(_restored(read, columns, escaped), SAMPLE_ROWS))
        restored = Table(str(path), columns, sample, lambda: _restored(rows(), columns, escaped), above)
        return restored, delimiter
    if len(columns) == 1 and " " in columns[0] and not is_known(columns[0]):
        return open_lines(path, encoding), delimiter  # a text, not the name of a column
    return Table(str(path), columns, list(itertools.islice(read, SAMPLE_ROWS)), rows, above), delimiter


def _shape(lines: Sequence[str], delimiter: str | None, file: str) -> tuple[str, int]:
    """Return the delimiter of some first lines, and how many rows stand above the names of the columns."""
    likeliest = delimiter or sniff_delimiter(lines, file)
    first = next(iter(_first_rows(_Style(likeliest), lines)), [])
    if sum(is_known(name.strip()) for name in first) > 1:  # "price|service" below them is no row of names
        return likeliest, 0
    for separator in delimiter or DELIMITERS:
        if above := header_at(_first_rows(_Style(separator), lines)):
            return separator, above
    return likeliest, 0


@dataclass(frozen=True)
class _Style:
    """How the rows of a file are written.

    Parameters
    ----------
    delimiter
        What separates the cells.
    above
        How many rows stand above the names of the columns.
    quoted
        Whether a quote at the begin of a cell is its border; else all quotes are part of the text.
    escape
        What stands before a quote within a cell, where it is not doubled.
    numbered
        Whether each row begins with its number, for which there is no name, as R's write.table does it.
    """

    delimiter: str
    above: int = 0
    quoted: bool = True
    escape: str | None = None
    numbered: bool = False

    def rows(self, lines: Iterable[str]) -> Iterator[list[str]]:
        """Split lines into rows; raises csv.Error."""
        return iter(
            csv.reader(
                lines,
                delimiter=self.delimiter,
                quoting=csv.QUOTE_MINIMAL if self.quoted else csv.QUOTE_NONE,
                escapechar=self.escape,
                strict=True,
            )
        )

    @classmethod
    def of(cls, lines: Sequence[str], delimiter: str, above: int) -> _Style:
        """Tell how rows are written from the first lines."""
        style = cls(delimiter, above)
        rows = _first_rows(style, lines, len(lines))[above:]
        if any('\\"' in line for line in lines) and len({*map(len, rows)}) != 1:
            escaped = replace(style, escape="\\")
            if len({*map(len, _first_rows(escaped, lines, len(lines))[above:])}) == 1:
                return escaped
        header, body = (rows[0], rows[1:]) if rows else ([], [])
        counted = all(len(row) == len(header) + 1 and row[0] == str(n) for n, row in enumerate(body, 1))
        return replace(style, numbered=bool(body) and counted and role_of(header[0].strip()) != "id")


def _first_rows(style: _Style, lines: Sequence[str], most: int = 20) -> list[list[str]]:
    """Return the first rows of some lines, which may end within one; none where they are no such CSV."""
    rows: list[list[str]] = []
    try:
        rows.extend(itertools.islice(filter(None, style.rows(lines)), most))  # those before an error stay
    except csv.Error as error:
        return rows if "end of data" in str(error) else []
    return rows


def _written(lines: Iterable[str]) -> Iterator[str]:
    return (line for line in lines if line.strip())


def _has_bare_quotes(path: Path, encoding: str) -> bool:
    """Whether quotes are part of the texts in a file with tabs.

    Then it has as many cells in each line without them, and with them it is no valid CSV, or has fewer rows,
    since a cell would go on in the next line.
    """
    tabs, n_lines, quotes = -1, 0, False
    try:
        with open_text(path, encoding) as file:
            for line in _written(_Lines(file, path, whole=False)):
                tabs = line.count("\t") if tabs < 0 else tabs
                if line.count("\t") != tabs:
                    return False
                n_lines += 1
                quotes = quotes or '"' in line
        if not quotes:
            return False
        with open_text(path, encoding) as file:
            return sum(map(bool, _Style("\t").rows(_written(_Lines(file, path, whole=False))))) != n_lines
    except csv.Error:
        return True
    except (UnicodeError, *BROKEN_FILE):
        return False  # reading will say so


def open_lines(path: Path, encoding: str) -> Table:
    """Open a file of one text a line as a table of one column; blank lines are none.

    Lines of fastText, as doccano writes them, have the label in front: ``__label__polite Thank you.``
    """

    def rows() -> Iterator[Row]:
        number = 0
        try:
            with open_text(path, encoding) as file:
                for line in _Lines(file, path, whole=False):
                    number += 1
                    text = line.rstrip("\r\n")
                    if text.strip():
                        yield (text,)
        except (UnicodeError, *BROKEN_FILE) as error:
            raise wrong_bytes(error, path, encoding, row=number + 1) from error

    sample = list(itertools.islice(rows(), SAMPLE_ROWS))
    if not sample:
        raise FormatError("is empty", file=str(path), code="empty_file")
    if all(as_text(text).startswith(_FASTTEXT) for (text,) in sample):
        return Table(
            str(path), ("label", "text"), list(map(_of_fasttext, sample)), lambda: map(_of_fasttext, rows())
        )
    return Table(str(path), ("text",), sample, rows)


def labelled_lines(table: Table, labels: LabelReader) -> Table:
    """Return lines of label, tab and text, or text, tab and label, as a table of both; others as they are."""
    cells = [as_text(row[0]).split("\t") for row in table.sample]
    if len(table.columns) != 1 or not cells or {len(row) for row in cells} != {2}:
        return table
    at = next((at for at in (0, 1) if all(labels.knows(row[at]) for row in cells)), None)
    if at is None:
        return table

    def rows() -> Iterator[Row]:
        for row in table.rows():
            line = as_text(row[0])
            yield (line.partition("\t") if at == 0 else line.rpartition("\t"))[::2]

    columns = ("label", "text") if at == 0 else ("text", "label")
    return Table(table.file, columns, [tuple(row) for row in cells], rows)


def _of_fasttext(row: Row) -> Row:
    """Return label and text of a line; several labels stay in one cell, which is no class."""
    labels, words = [], as_text(row[0]).split(" ")
    while words and words[0].startswith(_FASTTEXT):
        labels.append(words.pop(0).removeprefix(_FASTTEXT))
    return (", ".join(labels), " ".join(words))


def _stated_delimiter(line: str) -> str | None:
    """Return the delimiter that the first line states for Excel, as in ``sep=;``."""
    bare = line.strip('\r\n\ufeff "')
    return bare[4:5] or "\t" if bare.lower().startswith("sep=") and len(bare) <= 5 else None


def _rows(path: Path, encoding: str, style: _Style) -> Iterator[Row]:
    """Yield the rows that are not blank, the header first; all are as wide as the header.

    The first rows, those above the header, are passed over.
    """
    number, width, above = -1, 0, style.above
    with open_text(path, encoding) as file:
        lines = _Lines(file, path)
        try:
            for row in style.rows(lines):
                lines.characters = 0
                if not row or (number < 0 and _stated_delimiter(style.delimiter.join(row)) is not None):
                    continue
                if above:
                    above -= 1
                    continue
                number += 1
                if style.numbered and not number:
                    row = ["", *row]
                width = width or len(row)
                if len(row) > width and not any(row[width:]):
                    row = row[:width]  # a delimiter at the end of each row
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
            problem = f"is no valid CSV: {error}; a quote within a cell in quotes has to be doubled"
            raise FormatError(problem, file=str(path), row=number + 1) from error
        except (UnicodeError, *BROKEN_FILE) as error:
            raise wrong_bytes(error, path, encoding, row=number + 1) from error


def _restored(rows: Iterator[Row], columns: Sequence[str], escaped: int) -> Iterator[Row]:
    """Undo `spreadsheet.escape` in the cells that each row names."""
    position = {name: at for at, name in enumerate(columns)}
    for row in rows:
        if not row[escaped]:
            yield row
            continue
        restored = list(row)
        for name in split_names(as_text(row[escaped])):
            value = restored[position[name]] if name in position else None
            if isinstance(value, str):
                restored[position[name]] = unescape(value)
        yield restored


class _Lines:
    """The lines of a file, refusing rows without end; `characters` is set to 0 at the end of a row."""

    def __init__(self, file: IO[str], path: Path, *, whole: bool = True) -> None:
        self._file = file
        self._whole = whole
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
        self.characters = len(line) + (self.characters if self._whole else 0)
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
