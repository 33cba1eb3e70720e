"""What the columns of a table hold, over all rows: a guess from the first would lose what comes late."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from jurybox.formats.tables import Table
from jurybox.formats.values import as_text

__all__ = ["ColumnSurvey", "Survey", "survey"]

_CHUNK = 4096
_MOST_VALUES = 400
_LONGEST_VALUE = 80


@dataclass
class ColumnSurvey:
    """What one column holds.

    Attributes
    ----------
    name
        Its name.
    filled
        Cells that are not empty.
    values
        How often it holds each value, without blanks around it; of many, the first 400 or so.
    many
        Whether it holds more or longer values than that.
    nested
        How many cells hold lists or objects.
    """

    name: str
    filled: int = 0
    values: Counter[str] = field(default_factory=Counter)
    many: bool = False
    nested: int = 0

    def add(self, cells: Sequence[object]) -> None:
        """Take in some cells."""
        if self.many:
            self.filled += len(cells) - cells.count("") - cells.count(None)
            return
        try:
            counts: Mapping[object, int] = Counter(cells)
        except TypeError:
            self.nested += sum(isinstance(cell, list | dict) for cell in cells)
            counts = Counter("" if isinstance(cell, list | dict) else as_text(cell) for cell in cells)
            self.filled += sum(isinstance(cell, list | dict) for cell in cells)
        for value, n in counts.items():
            text = value if isinstance(value, str) else as_text(value)
            if text:
                self.filled += n
                self._count(text.strip(), n)

    def _count(self, text: str, n: int) -> None:
        if len(text) > _LONGEST_VALUE or (len(self.values) >= _MOST_VALUES and text not in self.values):
            self.many = True
        elif text:
            self.values[text] += n


@dataclass(frozen=True)
class Survey:
    """All columns of a table, and how many rows it has."""

    rows: int
    columns: tuple[ColumnSurvey, ...]


def survey(table: Table) -> Survey:
    """Walk over a table once."""
    columns = tuple(ColumnSurvey(name) for name in table.columns)
    rows = 0
    for chunk in _chunks(table.rows()):
        rows += len(chunk)
        for column, cells in zip(columns, zip(*filter(None, chunk), strict=True), strict=False):
            column.add(cells)
    return Survey(rows, columns)


def _chunks(rows: Iterable[Sequence[object]]) -> Iterable[list[Sequence[object]]]:
    walked = iter(rows)
    while chunk := list(itertools.islice(walked, _CHUNK)):
        yield chunk
