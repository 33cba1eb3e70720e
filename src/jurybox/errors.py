"""Every exception that jurybox raises on purpose, and the import of optional dependencies.

A message says what was got, what was expected and what to do about it. What no log and no error may tell is
taken out of it: tokens, and where a database is and who its user is.
"""

from __future__ import annotations

import importlib
import logging
import re
from types import ModuleType

__all__ = [
    "BusyError",
    "ConflictError",
    "FitError",
    "FormatError",
    "InputError",
    "InputTypeError",
    "JuryboxError",
    "MissingExtraError",
    "NewerDatabaseError",
    "NotFoundError",
    "RedactedFormatter",
    "StoreError",
    "redacted",
    "require",
]


class JuryboxError(Exception):
    """Base of all exceptions raised by jurybox on purpose.

    Parameters
    ----------
    *args
        The message, in English.
    code
        What is wrong as one word, for programs and for pages in other languages; empty where it has none.
    **values
        What these must know besides to say the same.

    Examples
    --------
    >>> ConflictError("there is a class 'a' already", code="class_taken", name="a").values
    {'name': 'a'}
    """

    def __init__(self, *args: object, code: str = "", **values: object) -> None:
        super().__init__(*args)
        self.code = code
        self.values = values


class InputError(JuryboxError, ValueError):
    """An argument or a piece of data is not what a function takes."""


class InputTypeError(JuryboxError, TypeError):
    """An argument is of the wrong type altogether."""


class FormatError(InputError):
    """A file cannot be read as what it claims to be.

    Parameters
    ----------
    problem
        What was got and what was expected.
    file, row, column, value
        Where it is; rows count from 1, the header not included. Unknown parts are left out of the message.
    code, **values
        As every `JuryboxError` has them.
    """

    def __init__(
        self,
        problem: str,
        *,
        file: str | None = None,
        row: int | None = None,
        column: str | None = None,
        value: object = None,
        code: str = "",
        **values: object,
    ) -> None:
        self.problem = problem
        self.file = file
        self.row = row
        self.column = column
        self.value = value
        place = [
            *([str(file)] if file is not None else []),
            *([f"row {row}"] if row is not None else []),
            *([f"column {column!r}"] if column is not None else []),
            *([f"value {_shorten(repr(value))}"] if value is not None else []),
        ]
        super().__init__(f"{', '.join(place)}: {problem}" if place else problem, code=code, **values)

    def within(self, file: str, problem: str | None = None) -> FormatError:
        """Return the same error of a file by another name, with its problem in other words where given.

        Examples
        --------
        >>> str(FormatError("is empty", file="/srv/upload-7.csv", code="empty_file").within("texts.csv"))
        'texts.csv: is empty'
        """
        return FormatError(
            self.problem if problem is None else problem,
            file=file,
            row=self.row,
            column=self.column,
            value=self.value,
            code=self.code,
            **self.values,
        )


class MissingExtraError(JuryboxError, ImportError):
    """An optional dependency is not installed."""


class FitError(JuryboxError):
    """A classifier could not be fitted."""


class StoreError(JuryboxError):
    """A stored project cannot be read or written."""


class BusyError(StoreError):
    """Something else has held the database for so long that nobody could write."""


class NewerDatabaseError(StoreError):
    """The database was written by a newer version of jurybox."""


class NotFoundError(StoreError, LookupError):
    """The project has no such text, annotator, class or annotation."""


class ConflictError(StoreError):
    """The change contradicts what is already stored."""


def require(module: str, extra: str) -> ModuleType:
    """Import an optional dependency, or say how to install it.

    Parameters
    ----------
    module
        Name of the module to import, such as ``"torch"``.
    extra
        The extra of jurybox that installs it, such as ``"transformers"``.

    Raises
    ------
    MissingExtraError
        If the module is not installed.

    Examples
    --------
    >>> require("json", extra="hub").__name__
    'json'
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != module.split(".")[0]:
            raise
        raise MissingExtraError(
            f"{module} is not installed; it comes with: pip install 'jurybox[{extra}]'"
        ) from error


def _shorten(text: str, limit: int = 80) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


_SECRETS = (
    (re.compile(r"/join/[^\s/?#\"']+"), "/join/…"),
    (re.compile(r"\b(Bearer)\s+[^\s\"',]+", re.IGNORECASE), r"\1 …"),
    (re.compile(r"\bwhsec_[\w+/=-]+"), "whsec_…"),
    (re.compile(r"\b(postgres(?:ql)?(?:\+\w+)?)://[^\s\"')]+"), r"\1://…"),
    # What libpq says of a connection: server at "127.0.0.1", port 5432; user "ana"; database "reviews" …
    (re.compile(r"\b(server at|on socket|host|user|role|database|host name) (\"[^\"]*\"|'[^']*')"), r"\1 …"),
    (re.compile(r"… \([0-9a-fA-F.:]+\)"), "…"),
    (re.compile(r"\bport \d+"), "port …"),
    # The parameters and values in messages about a statement may be hashes of tokens.
    (re.compile(r"\[parameters: .*", re.DOTALL), "[parameters: …]"),
    (re.compile(r"\bKey \(([^)]*)\)=\([^)]*\)"), r"Key (\1)=(…)"),
)


def redacted(text: str) -> str:
    """Return a message without the tokens and the addresses of databases in it.

    Examples
    --------
    >>> redacted("GET /join/7Yx-Qk has no answer")
    'GET /join/… has no answer'
    >>> redacted('connection to server at "10.0.0.7", port 5432 failed: FATAL: no role "ana"')
    'connection to server at …, port … failed: FATAL: no role …'
    """
    for pattern, plain in _SECRETS:
        text = pattern.sub(plain, text)
    return text


class RedactedFormatter(logging.Formatter):
    """Formats a record of a log as it would be, tracebacks included, without what no log may tell."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, or lines, of a record."""
        return redacted(super().format(record))
