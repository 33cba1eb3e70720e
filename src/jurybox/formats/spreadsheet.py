r"""Cells that a spreadsheet would run as a formula, made harmless and restored exactly.

A cell that starts with ``=``, ``+``, ``-`` or ``@`` (or their full-width forms), with a tab or with a line
break is a formula to some spreadsheet. Such a cell gets an apostrophe in front. The same happens inside of a
cell after ``;``, a tab or a line break, since a spreadsheet in a locale that separates by semicolons cuts our
cells there; only ``;-)`` is spared, which is a smile and no formula.

An apostrophe alone would be ambiguous when the file is read again: ``'=`` may be what the text says. So each
CSV file that jurybox writes has a last column, ``jurybox_escaped``, which names the columns of the row that
were changed. Only those are restored, with the names of the columns, and a file without that column is read
as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

__all__ = ["ESCAPED_COLUMN", "escape", "join_names", "split_names", "unescape"]

ESCAPED_COLUMN = "jurybox_escaped"

_OPERATORS = "=+@\\-\uff1d\uff0b\uff20\uff0d"
_DANGER = re.compile(
    rf"\A[ \u00a0\"']*(?=[{_OPERATORS}\t\r\n])"  # what starts the cell
    rf"|(?:(?<=[\t\r\n])|(?<=;)(?!-\)))[\"']*(?=[{_OPERATORS}])"  # what follows a foreign separator
)


def escape(cell: str) -> str:
    """Return the cell with an apostrophe before everything that would start a formula.

    Examples
    --------
    >>> escape("=1+1"), escape("a;=1+1"), escape("3 - 2 = 1")
    ("'=1+1", "a;'=1+1", '3 - 2 = 1')
    """
    return _DANGER.sub(lambda found: f"'{found[0]}", cell)


def unescape(cell: str) -> str:
    """Return the cell that `escape` was given.

    Examples
    --------
    >>> unescape(escape("'=1+1"))
    "'=1+1"
    """
    return _DANGER.sub(lambda found: found[0].removeprefix("'"), cell)


def join_names(columns: Sequence[str]) -> str:
    """Return names of columns in one cell: with blanks between, or as JSON where a name has one itself.

    Examples
    --------
    >>> join_names(["text", "label"]), join_names(["ana b"])
    ('text label', '["ana b"]')
    """
    plain = all(name and not re.search(r"\s", name) and not name.startswith("[") for name in columns)
    return " ".join(columns) if plain else json.dumps(columns)


def split_names(cell: str) -> list[str]:
    """Return the names that `join_names` was given.

    Examples
    --------
    >>> split_names(join_names(["ana b", "text"]))
    ['ana b', 'text']
    """
    try:
        held = json.loads(cell) if cell.startswith("[") else cell.split()
    except (ValueError, RecursionError):
        return []
    return [name for name in held if isinstance(name, str)] if isinstance(held, list) else []
