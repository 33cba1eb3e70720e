"""Single values of a file, brought into the form that a project stores."""

from __future__ import annotations

import difflib
import hashlib
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime

from jurybox.errors import FormatError

__all__ = [
    "LabelReader",
    "Place",
    "as_json",
    "as_seconds",
    "as_text",
    "as_time",
    "checked",
    "id_of_text",
]

Place = tuple[str, int, str]
"""File, row and column."""


def as_text(value: object) -> str:
    """Return the value as a label or an id is written: 1.0 as "1", True as "true", None as "".

    Examples
    --------
    >>> as_text(1.0), as_text("1.0"), as_text(0.5), as_text(None)
    ('1', '1.0', '0.5', '')
    """
    if isinstance(value, str):
        return value
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value.isoformat() if isinstance(value, date) else str(value)


def as_json(value: object) -> object:
    """Return the value as something that JSON can hold: dates as ISO 8601, anything unknown as its text."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {as_text(key): as_json(held) for key, held in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [as_json(held) for held in value]
    return as_text(value)


def checked(value: str, place: Place) -> str:
    """Return a text that every database can hold.

    Raises
    ------
    FormatError
        If it contains a NUL character or half of a surrogate pair.
    """
    if "\0" in value:
        raise _wrong("contains a NUL character, which no database keeps; remove it", place, value)
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise _wrong("contains half of a surrogate pair; repair it", place, value) from None
    return value


def id_of_text(text: str) -> str:
    """Return the id of a text whose file gives it none: the same for the same text everywhere.

    Examples
    --------
    >>> id_of_text("good")
    't07878fd8745bb530'
    """
    return f"t{hashlib.blake2b(text.encode(), digest_size=8).hexdigest()}"


def as_seconds(value: object, place: Place) -> float | None:
    """Return a duration; None where the cell is empty.

    Raises
    ------
    FormatError
        If it is not a finite number, zero or greater.
    """
    if value is None or value == "":
        return None
    try:
        seconds = float(value) if isinstance(value, str | int | float) else math.nan
    except (ValueError, OverflowError):
        seconds = math.nan
    if math.isnan(seconds) and isinstance(value, float):
        return None
    if not 0 <= seconds < math.inf:
        raise _wrong("is not a number of seconds", place, value)
    return seconds


def as_time(value: object, place: Place) -> datetime | None:
    """Return a time with its zone (UTC where it states none); None where the cell is empty.

    Raises
    ------
    FormatError
        If it is not a time as ISO 8601 writes it.
    """
    if value is None or value == "":
        return None
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        time = None
    if not isinstance(time, datetime):
        raise _wrong("is not a time; expected ISO 8601 such as 2026-03-01T12:30:00+00:00", place, value)
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


class LabelReader:
    """From the labels of a file to the classes of the project.

    Parameters
    ----------
    classes
        The classes; None takes every label for a class.
    file
        Named in errors.

    Examples
    --------
    >>> read = LabelReader(["0", "1"], file="labels.csv")
    >>> read("1.0", 1, "label")
    '1'
    """

    def __init__(self, classes: Sequence[str] | None, file: str) -> None:
        self.classes = None if classes is None else tuple(classes)
        self._file = file
        self._known: dict[str, str] = {} if classes is None else {name: name for name in classes}

    def __call__(self, value: str, row: int, column: str) -> str:
        """Return the class; raises FormatError where there is none of this name."""
        label = self._known.get(value)
        return label if label is not None else self._resolve(value, row, column)

    def knows(self, value: str) -> bool:
        """Whether a class is meant by this."""
        return value in self._known or self.plain(value) in self._known

    def plain(self, value: str) -> str:
        """Return the value without blanks around it, and a whole number without its decimals."""
        value = value.strip()
        whole, point, decimals = value.partition(".")
        return whole if point and whole.lstrip("-").isdigit() and not decimals.strip("0") else value

    def _resolve(self, value: str, row: int, column: str) -> str:
        plain = self.plain(value)
        place = (self._file, row, column)
        if not plain:
            raise _wrong("is empty; expected a label", place, value)
        if self.classes is None:
            return self._known.setdefault(value, checked(plain, place))
        if plain not in self._known:
            problem = f"is none of the classes {self._listed()}{self._guess(plain)}"
            raise _wrong(problem, place, value, code="no_class", classes=self._listed())
        return self._known.setdefault(value, self._known[plain])

    def _listed(self, most: int = 10) -> str:
        names = self.classes or ()
        more = f" and {len(names) - most} more" if len(names) > most else ""
        return ", ".join(repr(name) for name in names[:most]) + more

    def _guess(self, value: str) -> str:
        by_folded = {name.casefold(): name for name in self.classes or ()}
        near = difflib.get_close_matches(value.casefold(), by_folded, n=1, cutoff=0.75)
        return f"; is {by_folded[near[0]]!r} meant?" if near else ""


def _wrong(problem: str, place: Place, value: object, code: str = "", **values: object) -> FormatError:
    file, row, column = place
    return FormatError(problem, file=file, row=row, column=column, value=value, code=code, **values)
