r"""Cells that a spreadsheet would run as a formula, made harmless and restored exactly.

A cell that starts with ``=``, ``+``, ``-``, ``@``, a tab or a carriage return (or the full-width forms of the first
four) is a formula to a spreadsheet. Such a cell gets an apostrophe in front. The same happens inside a cell after
``;``, a tab or a line break, because a spreadsheet in a locale that separates by semicolon splits our cells there
(except for ``;-)``, which is no formula anywhere).

An apostrophe alone would be ambiguous when the file is read again: ``'=`` may be what the text says. So each CSV
file that jurybox writes has a last column, `jurybox_escaped`, which names the columns of the row that were changed.
Only those are restored, and a file without that column is read as it is.
"""

from __future__ import annotations

import re

__all__ = ["ESCAPED_COLUMN", "escape", "unescape"]

ESCAPED_COLUMN = "jurybox_escaped"

_TRIGGERS = "=+\\-@\uff1d\uff0b\uff0d\uff20"
_PLACE = rf"(?:^|(?<=[;\t\r\n]))(?P<quotes>[\"']*)(?={{first}})(?!(?<=;)-\))"
_FORMULA = re.compile(rf"(?P<place>\A[\"']*|[;\t\r\n][\"']*)(?=[{_TRIGGERS}]|\A[\t\r])")
