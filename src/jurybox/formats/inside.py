"""Tables whose rows have several annotations inside: written as objects in a cell, or in columns by number.

Both are read as the objects that they stand for, so that rows keep their numbers.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from jurybox.errors import FormatError
from jurybox.formats.names import role_of
from jurybox.formats.options import ReadOptions
from jurybox.formats.plan import ColumnPlan
from jurybox.formats.records import Table
from jurybox.formats.values import LabelReader, as_text

__all__ = ["objects_in_cells", "paired", "unpacked"]

_Objects = Callable[[], Iterator[Mapping[str, object]]]
_NUMBERED = re.compile(r"(.*?)[ _.-]*(\d+)", re.DOTALL)
_OF_ANNOTATIONS = ("annotator", "label", "seconds", "time", "comment")


def unpacked(cell: object) -> object:
    """Return the object, or the list of objects, that a cell has as JSON or as Python writes it; else None.

    Examples
    --------
    >>> unpacked("{'ana': 'polite'}"), unpacked('[{"label": "rude"}]'), unpacked("{polite}")
    ({'ana': 'polite'}, [{'label': 'rude'}], None)
    """
    bare = cell.strip() if isinstance(cell, str) else ""
    if not (bare.startswith("{") or re.match(r"\[\s*[{\]]", bare)):
        return None
    for read in (json.loads, ast.literal_eval):
        try:
            held = read(bare)
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            continue
        is_list = isinstance(held, list) and all(isinstance(one, dict) for one in held)
        return held if is_list or isinstance(held, dict) else None
    return None


def objects_in_cells(table: Table) -> _Objects | None:
    """Return the rows of a table as objects where cells of some columns are objects as text, else None.

    Raises
    ------
    FormatError
        While rows are read: where such a cell is none further down.
    """
    packed = set()
    for at in range(len(table.columns)):
        cells = [row[at] for row in table.sample if row and as_text(row[at]).strip()]
        if any(map(unpacked, cells)) and all(unpacked(cell) is not None for cell in cells):
            packed.add(at)
    if not packed:
        return None

    def objects() -> Iterator[Mapping[str, object]]:
        for number, row in enumerate(table.rows(), 1):
            found = dict(zip(table.columns, row, strict=True)) if row else {}
            for name in (table.columns[at] for at in packed if row):
                cell = found[name]
                found[name] = unpacked(cell) if as_text(cell).strip() else None
                if found[name] is None and as_text(cell).strip():
                    problem = "is no JSON object, as all in the first rows are"
                    raise FormatError(problem, file=table.file, row=number, column=name, value=cell)
            yield found

    return objects


def paired(
    table: Table, labels: LabelReader, options: ReadOptions
) -> tuple[_Objects, tuple[ColumnPlan, ...]] | None:
    """Return the rows of a table as objects where it has who gave which label side by side, else None.

    That is a column ``annotator1`` of names and one ``label1`` of classes, and as much with another number.
    """
    asked = {*options.columns.values(), *options.keep, *options.ignore, *options.annotator_columns}
    places: dict[str, dict[str, int]] = {}
    for at, name in enumerate(table.columns):
        parts = _NUMBERED.fullmatch(name.strip())
        role = role_of(parts[1]) if parts is not None and name not in asked else None
        if parts is not None and role in _OF_ANNOTATIONS:
            places.setdefault(parts[2], {}).setdefault(str(role), at)
    pairs = [held for held in places.values() if _is_pair(held, table.sample, labels)]
    if len(pairs) < 2:
        return None
    used = {at: role for held in pairs for role, at in held.items()}

    def said(row: Sequence[object], held: Mapping[str, int]) -> dict[str, object]:
        cells = {role: row[at] for role, at in held.items()}
        return {role: cell for role, cell in cells.items() if not labels.is_missing(as_text(cell))}

    def objects() -> Iterator[Mapping[str, object]]:
        for row in table.rows():
            given = [one for held in pairs if row and (one := said(row, held))]
            rest = {
                name: cell
                for at, (name, cell) in enumerate(zip(table.columns, row, strict=False))
                if at not in used and name and cell not in ("", None)
            }
            yield {**rest, "annotations": given} if row else {}

    filled = {at: sum(bool(row) and row[at] not in ("", None) for row in table.sample) for at in used}
    return objects, tuple(ColumnPlan(table.columns[at], used[at], filled[at]) for at in sorted(used))


def _is_pair(held: Mapping[str, int], sample: Sequence[Sequence[object]], labels: LabelReader) -> bool:
    """Whether columns of one number hold names beside classes."""
    if not {"annotator", "label"} <= held.keys():
        return False
    rows = [row for row in sample if row and not labels.is_missing(as_text(row[held["label"]]))]
    names = [as_text(row[held["annotator"]]) for row in rows]
    known = [as_text(row[held["label"]]) for row in rows]
    if labels.classes is None:
        return bool(rows) and not set(names) & set(known)
    return any(map(labels.knows, known)) and not any(map(labels.knows, names))
