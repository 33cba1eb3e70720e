"""Single values of a file, brought into the form that a project stores."""

from __future__ import annotations

import ast
import difflib
import hashlib
import json
import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import date
from datetime import time as clock

from jurybox.coding import is_missing
from jurybox.errors import FormatError

__all__ = ["LabelReader", "Place", "as_json", "as_list", "as_name", "as_text", "by_size", "checked"]
__all__ += ["id_of_text", "problem_with"]

Place = tuple[str, int, str]
"""File, row and column."""

_WHOLE = re.compile(r"(-?\d+)\.0+")
_UNSEEN = (
    " \t\r\n\v\f\xa0\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u2060\u2066\u2067\u2068\u2069\ufeff"
)
"""Blanks, and signs that nobody sees: of direction, of width zero."""


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
    if isinstance(value, int):
        try:
            return str(value)
        except ValueError:  # more digits than Python turns into text
            return hex(value)
    return value.isoformat() if isinstance(value, date | clock) else str(value)


def as_name(value: object) -> str:
    """Return an id or the name of a person, without blanks around it and decimals of a whole number.

    Letters with accents are one character each, as most programs write them; Macs write two.

    Examples
    --------
    >>> as_name(" a1 "), as_name("1.0"), as_name(1), as_name("1.50")
    ('a1', '1', '1', '1.50')
    """
    name = as_text(value).strip()
    if not name.isascii():
        name = unicodedata.normalize("NFC", name.strip(_UNSEEN).strip())
    whole = _WHOLE.fullmatch(name) if name[-1:] == "0" and "." in name else None
    return name if whole is None else whole[1]


def by_size(value: str) -> tuple[bool, float, str]:
    """Return what sorts values: numbers by size, then words by letters.

    Examples
    --------
    >>> sorted(["10", "b", "2", "a"], key=by_size)
    ['2', '10', 'a', 'b']
    """
    try:
        return (False, float(value), value)
    except ValueError:
        return (True, 0.0, value)


def as_json(value: object) -> object:
    """Return the value as something that JSON can hold: dates as ISO 8601, anything unknown as its text."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < 1 << 1024 else as_text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if hasattr(value, "tolist"):  # NumPy's numbers and arrays, and series
        return as_json(value.tolist())
    if isinstance(value, Mapping):
        return {as_text(key): as_json(held) for key, held in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [as_json(held) for held in value]
    return None if type(value).__name__ in ("NAType", "NaTType") else as_text(value)


_QUOTED = re.compile(r"""'[^']*'|"[^"]*"|[^\s'"]+""")


def as_list(value: object) -> list[object]:
    """Return a list: also of text as JSON, Python, NumPy or people write lists.

    Examples
    --------
    >>> as_list("Ann1, Ann2"), as_list("[1 0]"), as_list("['a', 'b']"), as_list("['a' 'b']")
    (['Ann1', 'Ann2'], ['1', '0'], ['a', 'b'], ['a', 'b'])
    """
    if isinstance(value, list | tuple):
        return list(value)
    if not isinstance(value, str):
        return [] if value is None or value != value else [value]
    bare = value.strip()
    if bare[:1] in "[(" and bare[-1:] in ")]" and bare:
        for read in (json.loads, ast.literal_eval):
            if read is ast.literal_eval and "," not in bare:
                break  # NumPy has blanks between, and Python would join 'a' 'b'
            try:
                held = read(bare)
            except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
                continue
            return list(held) if isinstance(held, list | tuple) else [held]
        bare = bare[1:-1].strip()
        if "," not in bare:
            return [part.strip("'\"") for part in _QUOTED.findall(bare)]
    separator = next((sign for sign in (";", "|", ",") if sign in bare), ",")
    return [part.strip().strip("'\"") for part in bare.split(separator)] if bare else []


def problem_with(value: object) -> str | None:
    """Say what keeps a value from being stored as text by every database, or return None.

    Examples
    --------
    >>> problem_with("fine"), problem_with("a" + chr(0))
    (None, 'expected a text without NUL characters')
    """
    if not isinstance(value, str):
        return "expected a text"
    if "\0" in value:
        return "expected a text without NUL characters"
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            return "expected valid Unicode, got half a surrogate pair"
    return None


def checked(value: str, place: Place) -> str:
    """Return a text that every database can hold.

    Raises
    ------
    FormatError
        If it cannot be stored, see `problem_with`.
    """
    if (problem := problem_with(value)) is not None:
        raise _wrong(problem, place, value)
    return value


def id_of_text(text: str) -> str:
    """Return the id of a text whose file gives it none: the same for the same text everywhere.

    Examples
    --------
    >>> id_of_text("good")
    't07878fd8745bb530'
    """
    return f"t{hashlib.blake2b(text.encode(errors='surrogatepass'), digest_size=8).hexdigest()}"


class LabelReader:
    """From the labels of a file to the classes of the project.

    Parameters
    ----------
    classes
        The classes; None takes every label for a class.
    file
        Named in errors.
    missing
        What means "no label" besides the usual markers.

    Examples
    --------
    >>> read = LabelReader(["0", "1"], file="labels.csv")
    >>> read("1.0", 1, "label"), read("NA", 1, "label")
    ('1', None)
    """

    def __init__(self, classes: Sequence[str] | None, file: str, missing: Sequence[str] = ()) -> None:
        self.classes = None if classes is None else tuple(classes)
        self._file = file
        self._known: dict[str, str | None] = {} if classes is None else {name: name for name in classes}
        self._folded = {name.casefold() for name in classes or ()}
        self._plain = {as_name(name): name for name in classes or ()}
        self._missing = {self.plain(marker) for marker in missing}

    def __call__(self, value: str, row: int, column: str) -> str | None:
        """Return the class, None where the cell says that there is none; FormatError for an unknown one."""
        try:
            return self._known[value]
        except KeyError:
            return self._resolve(value, row, column)

    def knows(self, value: str) -> bool:
        """Whether a class is meant by this, in the same letters."""
        return self._known.get(value) is not None or self._class_of(self.plain(value)) is not None

    def nearly(self, value: str) -> bool:
        """Whether a class is meant by this but for upper and lower case."""
        return self.plain(value).casefold() in self._folded

    def is_missing(self, value: str) -> bool:
        """Whether the cell says that there is no label: "none" does not where a class is called "None"."""
        plain = self.plain(value)
        return plain in self._missing or (is_missing(plain, self.classes) and not self.nearly(plain))

    def plain(self, value: str) -> str:
        """Return the value without blanks around it and decimals of a whole number, or the one in a list."""
        name = as_name(value)
        held = _listed_in(name) if name not in self._plain else None
        return name if held is None or len(held) > 1 else as_name(held[0]) if held else ""

    def _class_of(self, plain: str) -> str | None:
        """Return the class that is meant: programs write true, True and TRUE."""
        found = self._plain.get(plain)
        if found is None and plain.lower() in ("true", "false"):
            found = next((name for name in self._plain.values() if name.lower() == plain.lower()), None)
        return found

    def _resolve(self, value: str, row: int, column: str) -> str | None:
        plain = self.plain(value)
        place = (self._file, row, column)
        found: str | None = plain
        if self.is_missing(value):
            found = None
        elif self.classes is None:
            checked(plain, place)
        elif (meant := self._class_of(plain)) is not None:
            found = meant
        elif len(several := _listed_in(plain) or ()) > 1:
            raise _wrong("holds several labels; expected one label a text", place, several)
        else:
            problem = f"is none of the classes {self._listed()}{self._guess(plain)}"
            raise _wrong(problem, place, value, code="no_class", classes=self._listed())
        if len(self._known) < 100_000:
            self._known[value] = found
        return found

    def _listed(self, most: int = 10) -> str:
        names = self.classes or ()
        more = f" and {len(names) - most} more" if len(names) > most else ""
        return ", ".join(repr(name) for name in names[:most]) + more

    def _guess(self, value: str) -> str:
        by_folded = {name.casefold(): name for name in self.classes or ()}
        near = difflib.get_close_matches(value.casefold(), by_folded, n=1, cutoff=0.75)
        meant = f"; is {by_folded[near[0]]!r} meant?" if near else ""
        return (
            meant
            if meant and not is_missing(value, ())
            else f"{meant}; --missing {value!r} if it is no label"
        )


_LIST = re.compile(r"""\[\s*(?:["'].*["']|[\d\s.,-]*)\s*\]|\{\}""", re.DOTALL)
"""A list of words in quotes or of numbers; MTurk writes an answer without any as an object."""


def _listed_in(name: str) -> list[object] | None:
    """Return what is in a cell that was written as a list; None if it is none.

    Examples
    --------
    >>> _listed_in("['a']"), _listed_in("{}"), _listed_in("[a] b")
    (['a'], [], None)
    """
    if name[:1] not in ("[", "{") or _LIST.fullmatch(name) is None:
        return None
    return [] if name == "{}" else as_list(name)


def _wrong(problem: str, place: Place, value: object, code: str = "", **values: object) -> FormatError:
    file, row, column = place
    return FormatError(problem, file=file, row=row, column=column, value=value, code=code, **values)
