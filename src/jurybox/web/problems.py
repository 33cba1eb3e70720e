"""What went wrong, in the language of whoever reads it."""

from __future__ import annotations

from pathlib import PurePath

from jurybox.errors import FormatError, JuryboxError
from jurybox.web.i18n import Catalogue

__all__ = ["explain"]

_LONG = 80


def explain(catalogue: Catalogue, error: JuryboxError) -> str:
    """Say what an error says; in English where the language has no words for it.

    Files are called as those who uploaded them call them, and not by where they are on the server.

    Examples
    --------
    >>> from jurybox.web.i18n import get_catalogue
    >>> error = FormatError("is empty", file="/srv/uploads/x/reviews.csv", code="empty_file")
    >>> explain(get_catalogue("de"), error)
    'reviews.csv: Die Datei ist leer.'
    """
    if not isinstance(error, FormatError):
        return _words(catalogue, error, str(error))
    words = _words(catalogue, error, error.problem)
    place = ", ".join(_place(catalogue, error))
    return f"{place}: {words}" if place else words


def _words(catalogue: Catalogue, error: JuryboxError, otherwise: str) -> str:
    if error.code == "setting":
        name = catalogue.text(f"setting.{error.values['name']}")
        return catalogue.text("problem.setting", name=name)
    key = f"problem.{error.code}"
    return catalogue.text(key, **error.values) if catalogue.knows(key) else otherwise


def _place(catalogue: Catalogue, error: FormatError) -> list[str]:
    place = [] if error.file is None else [PurePath(error.file).name]
    if error.row is not None:
        place.append(catalogue.text("problem.row", row=catalogue.number(error.row)))
    if error.column is not None:
        place.append(catalogue.text("problem.column", column=error.column))
    if error.value is not None:
        place.append(catalogue.text("problem.value", value=_shortened(str(error.value))))
    return place


def _shortened(value: str) -> str:
    return value if len(value) <= _LONG else f"{value[: _LONG - 1]}…"
