"""JSON Lines, JSON arrays and JSON objects, one value at a time."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, TypeAlias, TypeGuard

from jurybox.errors import FormatError
from jurybox.formats.containers import BROKEN_FILE, open_text
from jurybox.formats.names import is_known, role_of
from jurybox.formats.read_csv import MOST_CHARACTERS, SAMPLE_ROWS, wrong_bytes
from jurybox.formats.records import MISSING, Row, Table

__all__ = ["JsonObject", "iter_objects", "table_of_objects"]

JsonObject: TypeAlias = dict[str, object]

_NAMES_OF_FIELDS = {"data", "text", "id", "annotations", "metadata", "meta"}
_PARTS_OF_RECORDS = {
    "annotations",
    "annotators",
    "result",
    "responses",
    "completions",
    "predictions",
    "options",
    "spans",
    "labels",
    "label",
    "%FEATURE_STRUCTURES",
}
_CHUNK = 1 << 16
_MOST_COLUMNS = 1000
_BLANK = " \t\r\n"


def iter_objects(path: Path, encoding: str) -> Iterator[JsonObject]:
    """Yield the objects of a file: one a line, or the elements of one array.

    A file that is one object may hold them in the ways of pandas (``orient`` index, columns, split, table),
    below one name as in ``{"examples": [...]}``, or as labels by annotator
    by text: ``{"text 1": {"ana": 1}}``.

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
        yield from _named(scanner.array())
    elif first == "{":
        value = scanner.value()
        if not scanner.peek() and isinstance(value, dict):
            yield from _inside(value)
        else:
            yield value
            yield from scanner.sequence()
    elif not first:
        raise FormatError("is empty", file=scanner.file_name, code="empty_file")
    else:
        raise scanner.wrong("starts with neither { nor [, so it is no JSON of records")


def _named(values: Iterator[object]) -> Iterator[object]:
    """Give the values of an array names: a string is a text, and the first of several lists has the names."""
    names: list[str] = []
    for at, value in enumerate(values):
        if at == 0 and isinstance(value, list) and sum(is_known(str(name)) for name in value) > 1:
            names = [str(name) for name in value]
        elif isinstance(value, list) and 0 < len(value) <= len(names):
            yield dict(zip(names, value, strict=False))
        else:
            yield {"text": value} if isinstance(value, str) else value


def _inside(value: dict[str, object]) -> Iterator[object]:
    """Yield what one object holds that is a whole file."""
    lists = {name: held for name, held in value.items() if _lists_objects(held)}
    columns, data = value.get("columns"), value.get("data")
    if isinstance(columns, list) and isinstance(data, list):  # orient="split"
        names = [str(name) for name in columns]
        yield from (dict(zip(names, row, strict=False)) if isinstance(row, list) else row for row in data)
    elif "schema" in value and [*lists] == ["data"]:  # orient="table"
        yield from lists["data"]
    elif _is_columns(value):  # orient="list"
        yield from (dict(zip(value, row, strict=True)) for row in zip(*value.values(), strict=True))
    elif len(lists) > 1 and all(map(_has_text, lists.values())):
        for name, held in lists.items():  # splits of a data set
            yield from ({"split": name, **one} if isinstance(one, dict) else one for one in held)
    elif len(lists) == 1 and not value.keys() & _NAMES_OF_FIELDS and not lists.keys() & _PARTS_OF_RECORDS:
        yield from next(iter(lists.values()))
    elif _is_mapping(value):
        yield from _records_of_mapping(value)
    elif not value.keys() & _NAMES_OF_FIELDS and len(deeper := _with_lists(value)) == 1:
        yield from _inside(deeper[0])
    else:
        yield value


def _is_columns(value: Mapping[str, object]) -> TypeGuard[Mapping[str, list[object]]]:
    """Whether an object has a list for each column, one of them of texts."""
    held = [*value.values()]
    return (
        all(isinstance(one, list) and one for one in held)
        and len({len(one) for one in held if isinstance(one, list)}) == 1
        and any(
            role_of(name) == "text" and isinstance(one, list) and all(isinstance(text, str) for text in one)
            for name, one in value.items()
        )
    )


def _with_lists(value: Mapping[str, object]) -> list[dict[str, object]]:
    """Return the objects in an object that hold lists of objects."""
    return [
        held
        for held in value.values()
        if isinstance(held, dict) and (any(map(_lists_objects, held.values())) or _with_lists(held))
    ]


def _lists_objects(held: object) -> TypeGuard[list[object]]:
    return isinstance(held, list) and bool(held) and all(isinstance(one, dict) for one in held)


def _has_text(records: list[object]) -> bool:
    first = records[0]
    return isinstance(first, dict) and any(role_of(name) == "text" for name in first)


def _is_mapping(value: Mapping[str, object]) -> TypeGuard[Mapping[str, Mapping[str, object]]]:
    return (
        bool(value)
        and all(isinstance(held, dict) for held in value.values())
        and not isinstance(value.get("data"), dict)
    )


def _records_of_mapping(value: Mapping[str, Mapping[str, object]]) -> Iterator[object]:
    inner = {name for held in value.values() for name in held}
    if any(role_of(name) == "text" for name in value) and not any(role_of(name) == "text" for name in inner):
        keys = dict.fromkeys(key for held in value.values() for key in held)  # orient="columns"
        yield from ({name: held.get(key) for name, held in value.items()} for key in keys)
    elif any(role_of(name) == "text" for name in inner) or inner & _PARTS_OF_RECORDS:  # orient="index"
        yield from ({"id": key, **held} for key, held in value.items())
    elif not value.keys() & _NAMES_OF_FIELDS and not any(
        isinstance(one, dict | list) for held in value.values() for one in held.values()
    ):
        key = (
            "text" if 2 * sum(" " in name.strip() for name in value) > len(value) else "id"
        )  # sentences are no ids
        for text, labels in value.items():
            yield {
                key: text,
                "annotations": [{"annotator": name, "label": label} for name, label in labels.items()],
            }
    elif len(deeper := _with_lists(value)) == 1:
        yield from _inside(deeper[0])
    else:
        yield dict(value)


class _TwiceError(Exception):
    """An object has one name twice, with two values: one would be lost."""


def _object_of(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) < len(pairs):
        twice = next((name for name, value in pairs if made[name] != value), None)
        if twice is not None:
            raise _TwiceError(twice)
    return made


class _Scanner:
    """Reads JSON values off a text file, holding no more of it than one value."""

    def __init__(self, file: IO[str], path: Path) -> None:
        self._file = file
        self._decoder = json.JSONDecoder(object_pairs_hook=_object_of)
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
            except _TwiceError as error:
                raise self.wrong(f"an object has two values of the name {error.args[0]!r}") from None
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


def table_of_objects(read: Callable[[], Iterator[Mapping[str, object]]], path: Path) -> Table:
    """Return flat objects as a table; all names that any of them has are its columns.

    Of the names beyond the first thousand, the values are gathered in the column `metadata`.
    """
    named: dict[str, None] = {}
    gathered = False
    for found in read():
        for name in found:
            if name not in named:
                if len(named) < _MOST_COLUMNS:
                    named[name] = None
                else:
                    gathered = True
    columns = (*named, "metadata") if gathered and "metadata" not in named else tuple(named)

    def row_of(found: Mapping[str, object]) -> Row:
        row = [found.get(name, MISSING) for name in columns]
        late = {name: value for name, value in found.items() if name not in named} if gathered else {}
        if late:
            at = columns.index("metadata")
            row[at] = {**late, **_as_object(row[at])}
        return row

    def rows() -> Iterator[Row]:
        return map(row_of, read())

    return Table(str(path), columns, list(itertools.islice(rows(), SAMPLE_ROWS)), rows)


def _as_object(metadata: object) -> Mapping[str, object]:
    if isinstance(metadata, dict):
        return metadata
    return {} if metadata in (None, "") else {"metadata": metadata}
