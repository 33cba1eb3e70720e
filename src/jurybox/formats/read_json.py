"""JSON Lines, JSON arrays and JSON objects, one value at a time."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, TypeAlias, TypeGuard

from jurybox.errors import FormatError
from jurybox.formats.detect import BROKEN_FILE, open_text
from jurybox.formats.read_csv import MOST_CHARACTERS, SAMPLE_ROWS, wrong_bytes
from jurybox.formats.tables import MISSING, Row, Table

__all__ = ["JsonObject", "iter_objects", "table_of_objects"]

JsonObject: TypeAlias = dict[str, object]

_NAMES_OF_FIELDS = {"data", "text", "id", "annotations", "metadata", "meta"}
_CHUNK = 1 << 16
_BLANK = " \t\r\n"


def iter_objects(path: Path, encoding: str) -> Iterator[JsonObject]:
    """Yield the objects of a file: one a line, or the elements of one array.

    A file that is one object whose values are objects, as in ``{"text 1": {"ana": 1}}``, gives ``{"id": "text
    1", "annotations": [{"annotator": "ana", "label": 1}]}`` for each.

    Raises
    ------
    FormatError
        At the first thing that is no JSON or no object.
    """
    number = 0
    try:
        with open_text(path, encoding) as file:
            for number, value in enumerate(_values(_Scanner(file, path)), 1):
                if not isinstance(value, dict):
                    raise FormatError("is not a JSON object", file=str(path), row=number, value=value)
                yield value
    except (UnicodeError, *BROKEN_FILE) as error:
        raise wrong_bytes(error, path, encoding, row=number + 1) from error


def _values(scanner: _Scanner) -> Iterator[object]:
    first = scanner.peek()
    if first == "[":
        yield from scanner.array()
    elif first == "{":
        value = scanner.value()
        if not scanner.peek() and _is_mapping(value):
            yield from _records_of_mapping(value)
        else:
            yield value
            yield from scanner.sequence()
    elif not first:
        raise FormatError("is empty", file=scanner.file_name, code="empty_file")
    else:
        raise scanner.wrong("starts with neither { nor [, so it is no JSON of records")


def _is_mapping(value: object) -> TypeGuard[Mapping[str, Mapping[str, object]]]:
    return (
        isinstance(value, dict)
        and not value.keys() & _NAMES_OF_FIELDS
        and all(isinstance(held, dict) and not any(map(_is_nested, held.values())) for held in value.values())
    )


def _is_nested(value: object) -> bool:
    return isinstance(value, dict | list)


def _records_of_mapping(value: Mapping[str, Mapping[str, object]]) -> Iterator[JsonObject]:
    for text_id, labels in value.items():
        yield {
            "id": text_id,
            "annotations": [{"annotator": name, "label": label} for name, label in labels.items()],
        }


class _Scanner:
    """Reads JSON values off a text file, holding no more of it than one value."""

    def __init__(self, file: IO[str], path: Path) -> None:
        self._file = file
        self._decoder = json.JSONDecoder()
        self._buffer = ""
        self._at = 0
        self._line = 1
        self._ended = False
        self.file_name = str(path)

    def wrong(self, problem: str) -> FormatError:
        line = self._line + self._buffer.count("\n", 0, self._at)
        return FormatError(f"line {line}: {problem}", file=self.file_name, code="json", line=line)

    def peek(self) -> str:
        """Return the next character that is not blank, "" at the end."""
        while True:
            while self._at < len(self._buffer) and self._buffer[self._at] in _BLANK:
                self._at += 1
            if self._at < len(self._buffer):
                return self._buffer[self._at]
            if not self._more():
                return ""

    def _more(self) -> bool:
        self._line += self._buffer.count("\n", 0, self._at)
        self._buffer = self._buffer[self._at :]
        self._at = 0
        # Doubling what is held keeps the retries of a long value linear in its length.
        chunk = self._file.read(max(_CHUNK, len(self._buffer)))
        self._buffer += chunk
        return bool(chunk)

    def value(self) -> object:
        """Return the next value."""
        self.peek()
        while True:
            try:
                found, end = self._decoder.raw_decode(self._buffer, self._at)
            except RecursionError:
                raise self.wrong("is nested too deeply") from None
            except ValueError as error:
                if len(self._buffer) - self._at > MOST_CHARACTERS:
                    raise self.wrong("is no JSON, or one value of more than 16 million characters") from error
                if not self._more():
                    reason = error.msg if isinstance(error, json.JSONDecodeError) else "a number is too long"
                    raise self.wrong(f"is no valid JSON: {reason}") from error
            else:
                self._at = end
                return found

    def expect(self, characters: str) -> str:
        """Return the next character, which must be one of these."""
        found = self.peek()
        if not found or found not in characters:
            raise self.wrong(f"expected {' or '.join(characters)}, got {found or 'the end of the file'}")
        self._at += 1
        return found

    def array(self) -> Iterator[object]:
        self.expect("[")
        if self.peek() != "]":
            yield self.value()
            while self.expect(",]") == ",":
                yield self.value()
        else:
            self._at += 1
        self.end()

    def sequence(self) -> Iterator[object]:
        while self.peek():
            yield self.value()

    def end(self) -> None:
        if self.peek():
            raise self.wrong("something follows after the end of the JSON array")


def table_of_objects(objects: Iterator[JsonObject], path: Path, encoding: str) -> Table:
    """Return flat objects as a table; the names that its first objects have are its columns.

    Names that turn up later are gathered in the last column, `metadata`.
    """
    sample = list(itertools.islice(objects, SAMPLE_ROWS))
    named = dict.fromkeys(name for found in sample for name in found if name != "metadata")
    columns = (*named, "metadata")

    def row_of(found: JsonObject) -> Row:
        row = [found.get(name, MISSING) for name in columns]
        if len(found) > len(columns) or not found.keys() <= named.keys():
            late = {name: value for name, value in found.items() if name not in named and name != "metadata"}
            if late:
                row[-1] = {**late, **_as_object(row[-1])}
        return row

    def rows() -> Iterator[Row]:
        return map(row_of, iter_objects(path, encoding))

    return Table(str(path), columns, [row_of(found) for found in sample], rows)


def _as_object(metadata: object) -> Mapping[str, object]:
    if isinstance(metadata, dict):
        return metadata
    return {} if metadata in (None, "") else {"metadata": metadata}
