"""Tables with a column a class, in which a mark says that the class was chosen: read as a column of labels.

GoEmotions is written like that: a row a person and a text, and 0 or 1 below each emotion.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator
from dataclasses import replace

from jurybox.errors import FormatError
from jurybox.formats.read_csv import SAMPLE_ROWS
from jurybox.formats.records import Row, Table
from jurybox.formats.survey import Survey
from jurybox.formats.values import LabelReader, as_name

__all__ = ["with_marked_labels"]

_YES = {"1", "true", "t", "yes", "y", "x", "✓", "✔", "on", "checked"}
_NO = {"0", "false", "f", "no", "n", "off"}
_LABEL = "label"


def with_marked_labels(
    table: Table, found: Survey, labels: LabelReader, spoken_for: Collection[str]
) -> tuple[Table, tuple[int, ...]]:
    """Return a table with the column `label` in place of marks, and where these were; any other as it is.

    Marks are columns that are called like at least two classes, and hold 0 and 1 or the like; not those that
    are spoken for.

    Raises
    ------
    FormatError
        While rows are read: if one has several marks.
    """
    marks = {
        at: labels.plain(column.name)
        for at, column in enumerate(found.columns)
        if labels.classes and column.name not in ("", *spoken_for) and labels.knows(column.name)
    }
    words = {as_name(value).lower() for at in marks for value in found.columns[at].values}
    marked = words & _YES and not any(found.columns[at].many or found.columns[at].nested for at in marks)
    said = {word for word in words if not labels.is_missing(word)}
    if len(marks) < 2 or not marked or said - _YES - _NO or _LABEL in table.columns:
        return table, ()
    kept = [at for at in range(len(table.columns)) if at not in marks]

    def rows() -> Iterator[Row]:
        for number, row in enumerate(table.rows(), 1):
            chosen = [name for at, name in marks.items() if as_name(row[at]).lower() in _YES] if row else []
            if len(chosen) > 1:
                problem = f"holds several labels; expected one label a text, or --keep {chosen[1]}"
                raise FormatError(problem, file=table.file, row=number, column=chosen[1], value=chosen)
            yield (*(row[at] for at in kept), *(chosen or [""])) if row else ()

    columns = (*(table.columns[at] for at in kept), _LABEL)
    made = replace(table, columns=columns, sample=[], rows=rows)
    return replace(made, sample=list(itertools.islice(rows(), SAMPLE_ROWS))), tuple(marks)
