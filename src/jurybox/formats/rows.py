"""Where in a row of a table each thing is, and from rows to records of texts and annotations."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from jurybox.errors import FormatError, InputError
from jurybox.formats.names import ROLES
from jurybox.formats.options import ReadOptions
from jurybox.formats.plan import ColumnPlan, Finding, Tally, finding, listed
from jurybox.formats.records import AnnotationRecord, Record, Row, SkipRecord, Table, TextRecord
from jurybox.formats.spreadsheet import ESCAPED_COLUMN
from jurybox.formats.survey import Survey
from jurybox.formats.times import TimeStyle, parse_seconds, parse_time
from jurybox.formats.values import LabelReader, Place, as_json, as_name, as_text, checked, id_of_text

__all__ = ["Layout", "check_given", "check_header", "check_layout", "columns_of", "compared_with_plan"]
__all__ += ["holds_objects", "read_table"]


@dataclass(frozen=True)
class Layout:
    """Where in a row each thing is: positions, or None where the table has no such column.

    Parameters
    ----------
    columns
        The names of all columns.
    id, text, annotator, label, seconds, comment, time
        The position of each.
    wide
        Positions of the columns that are annotators.
    metadata, nested_metadata
        Positions of columns that become metadata, and of one that holds a JSON object of it.
    escaped
        Position of the column that names the cells which `spreadsheet.escape` changed.
    ignored
        Why columns are not read, by name.
    time_style, seconds_style
        How times and durations are written.
    guessed
        Roles that nobody asked for: what cannot be read there is left out.
    exact
        Whether ids and names are taken letter by letter, as in our own exports.
    findings
        What a user should know of these choices.
    """

    columns: tuple[str, ...]
    id: int | None = None
    text: int | None = None
    annotator: int | None = None
    label: int | None = None
    seconds: int | None = None
    comment: int | None = None
    time: int | None = None
    wide: tuple[int, ...] = ()
    metadata: tuple[int, ...] = ()
    nested_metadata: int | None = None
    escaped: int | None = None
    ignored: Mapping[str, str] = field(default_factory=dict)
    time_style: TimeStyle = field(default_factory=TimeStyle)
    seconds_style: TimeStyle = field(default_factory=TimeStyle)
    guessed: frozenset[str] = frozenset()
    exact: bool = False
    findings: tuple[Finding, ...] = ()

    @property
    def shape(self) -> str:
        """One of ``texts``, ``long`` and ``wide``."""
        return "wide" if self.wide else "long" if self.label is not None else "texts"

    @property
    def roles(self) -> dict[str, str]:
        """The names of the columns by role."""
        positions = {role: getattr(self, role) for role in ROLES}
        return {role: self.columns[at] for role, at in positions.items() if at is not None}


def check_layout(layout: Layout, file: str) -> None:
    """Refuse a table that holds nothing which could be told; raises FormatError with what to name."""
    found = f"its columns are {listed(layout.columns)}"
    lost = next((finding for finding in layout.findings if finding.loses_labels), None)
    if layout.text is None and layout.id is None:
        problem = (
            f"has no column of texts or of text ids that could be told; {found}; name it, e.g. "
            "--column text=NAME"
        )
        raise FormatError(problem, file=file, code="no_text_column", columns=listed(layout.columns))
    if layout.text is None and layout.shape == "texts":
        problem = f"has no texts and no labels that could be told; {found}"
        if lost is not None:
            raise FormatError(f"{problem}; {lost.problem}: {lost.option}", file=file)
        raise FormatError(
            f"{problem}; name them", file=file, code="no_label_column", columns=listed(layout.columns)
        )


def check_header(columns: Sequence[str], file: str) -> None:
    """Refuse a header without names, or with one name twice; raises FormatError."""
    named = [name for name in columns if name]
    twice = (
        next((name for name in named if named.count(name) > 1), None)
        if len(set(named)) < len(named)
        else None
    )
    if twice is not None:
        raise FormatError("two columns have this name; rename one", file=file, column=twice)
    if not named:
        raise FormatError("has no names of columns in its first row", file=file)


def check_given(columns: Sequence[str], options: ReadOptions, file: str) -> None:
    """Refuse names of columns that there are not, and roles that there are not; raises InputError."""
    wrong = [role for role in options.columns if role not in ROLES]
    if wrong:
        raise InputError(
            f"{wrong[0]!r} is nothing that a column can hold; expected one of {', '.join(ROLES)}"
        )
    named = [*options.columns.values()]
    if not options.planned:
        named += [*options.annotator_columns, *options.ignore, *options.keep]
    missing = next((name for name in named if name not in columns), None)
    if missing is not None:
        raise FormatError(f"has no column {missing!r}; its columns are {listed(columns)}", file=file)


def columns_of(layout: Layout, found: Survey) -> tuple[ColumnPlan, ...]:
    """Return each column and what becomes of it."""
    role = {
        at: name
        for name in ("id", "text", "annotator", "label", "seconds", "comment", "time")
        if (at := getattr(layout, name)) is not None
    }
    role |= {at: f"label of {layout.columns[at]}" for at in layout.wide}
    role |= dict.fromkeys(layout.metadata, "metadata")
    if layout.nested_metadata is not None:
        role[layout.nested_metadata] = "metadata"
    return tuple(
        ColumnPlan(
            column.name,
            role.get(at, "ignored"),
            column.filled,
            ""
            if at in role
            else layout.ignored.get(
                column.name,
                "names the cells that were changed"
                if at == layout.escaped
                else "has no name"
                if not column.name
                else "",
            ),
        )
        for at, column in enumerate(found.columns)
    )


def compared_with_plan(columns: Sequence[str], options: ReadOptions) -> list[Finding]:
    """Say which columns a kept plan does not know, and which of its columns there are not."""
    if not (options.planned and (options.columns or options.keep or options.ignore)):
        return []
    known = {*options.columns.values(), *options.annotator_columns, *options.keep, *options.ignore}
    news = [name for name in columns if name and name not in known and name != ESCAPED_COLUMN]
    gone = sorted(name for name in known if name not in columns)
    found = []
    if news:
        found.append(finding("plan_news", "columns that the plan does not know: {columns}", columns=news))
    if gone:
        found.append(finding("plan_gone", "columns of the plan that the file lacks: {columns}", columns=gone))
    return found


T = TypeVar("T")
_BLANK_ROWS = finding("blank_rows", "blank rows left out")
_HEADERS = finding("headers", "rows left out that repeat the names of the columns")


def read_table(
    table: Table, layout: Layout, labels: LabelReader, tally: Tally, *, annotator: str | None = None
) -> Iterator[Record]:
    """Yield the records of a table; where a row has both, its text comes before its annotations.

    Raises
    ------
    FormatError
        At the first wrong cell.
    """
    reader = _RowReader(table, layout, labels, annotator, tally)
    has_text, shape, header = layout.text is not None, layout.shape, table.columns
    is_blank = _is_empty if layout.exact else _is_blank
    may_repeat = len(header) > 1 and not layout.exact
    for number, row in enumerate(table.rows(), 1):
        if all(map(is_blank, row)):
            if row:
                tally.note(_BLANK_ROWS, number)
            continue
        if may_repeat and row[0] == header[0] and tuple(map(as_text, row)) == header:
            tally.note(_HEADERS, number)
            continue
        text_id = reader.text_id(row, number)
        if has_text:
            yield reader.text(row, number, text_id)
        if shape == "long":
            annotation = reader.long(row, number, text_id)
            if annotation is not None:
                yield annotation
        elif shape == "wide":
            yield from reader.wide(row, number, text_id)


def _is_empty(cell: object) -> bool:
    return cell is None or cell == ""


def _is_blank(cell: object) -> bool:
    return cell is None or cell != cell or (isinstance(cell, str) and not cell.strip())


class _RowReader:
    """Reads the parts of a row; raises FormatError naming file, row, column and value."""

    def __init__(
        self, table: Table, layout: Layout, labels: LabelReader, annotator: str | None, tally: Tally
    ) -> None:
        self.file = table.file
        self.columns = table.columns
        self.layout = layout
        self.labels = labels
        self.annotator = annotator
        self.tally = tally
        self.name = as_text if layout.exact else as_name
        self.wide_columns = [
            (at, self.name(checked(table.columns[at], (table.file, 0, table.columns[at]))))
            for at in layout.wide
        ]

    def place(self, number: int, at: int) -> Place:
        return (self.file, number, self.columns[at])

    def wrong(self, problem: str, number: int, at: int, value: object = None) -> FormatError:
        return FormatError(problem, file=self.file, row=number, column=self.columns[at], value=value)

    def cell(self, row: Row, number: int, at: int) -> str:
        value = row[at]
        if isinstance(value, str) and value.isascii() and "\0" not in value:
            return value  # the way of nearly all cells
        return checked(self.scalar(value, number, at), self.place(number, at))

    def scalar(self, value: object, number: int, at: int) -> str:
        """Return the value as text; raises FormatError where it is a list or the like."""
        if isinstance(value, Mapping | list | bytes):
            problem = f"is {type(value).__name__}, expected a text or a number"
            raise self.wrong(problem, number, at, value)
        return as_text(value)

    def text_id(self, row: Row, number: int) -> str:
        at = self.layout.id
        if at is None:
            return id_of_text(self.cell(row, number, self.layout.text or 0))
        found = self.name(self.cell(row, number, at))
        if not found:
            raise self.wrong("is empty; expected the id of a text", number, at)
        return found

    def text(self, row: Row, number: int, text_id: str) -> TextRecord:
        at = self.layout.text or 0
        if row[at] is None:
            raise self.wrong("is null; expected a text", number, at)
        return TextRecord(text_id, self.cell(row, number, at), self.metadata(row, number), number)

    def metadata(self, row: Row, number: int) -> dict[str, object] | None:
        found: dict[str, object] = {}
        at = self.layout.nested_metadata
        if at is not None and row[at]:
            found.update(_json_object(row[at], self.place(number, at)))
        for position in self.layout.metadata:
            value = row[position]
            if value is None or value == "" or value != value:
                continue
            found[self.columns[position]] = (
                checked(value, self.place(number, position)) if isinstance(value, str) else as_json(value)
            )
        return found or None

    def long(self, row: Row, number: int, text_id: str) -> AnnotationRecord | SkipRecord | None:
        layout = self.layout
        at = layout.label or 0
        value = row[at]
        cell = value if isinstance(value, str) else self.scalar(value, number, at)
        name = self.annotator or self.name(self.cell(row, number, layout.annotator or 0))
        if not cell or self.labels.is_missing(cell):
            label = None
            if self.annotator is not None or not name:
                return None
        elif not name:
            raise self.wrong("is empty; expected an annotator", number, layout.annotator or 0)
        else:
            label = self.labels(cell, number, self.columns[at])
        time = self.read("time", layout.time, row, number, parse_time, layout.time_style)
        comment = "" if layout.comment is None else self.cell(row, number, layout.comment)
        if label is None:
            return SkipRecord(text_id, name, comment, time, number)
        seconds = self.read("seconds", layout.seconds, row, number, parse_seconds, layout.seconds_style)
        return AnnotationRecord(text_id, name, label, seconds, comment, time, number)

    def read(
        self,
        role: str,
        at: int | None,
        row: Row,
        number: int,
        read: Callable[[object, TimeStyle], T],
        style: TimeStyle,
    ) -> T | None:
        """Read a time or a duration; what cannot be read stops only where it was asked for."""
        value = None if at is None else row[at]
        if (
            at is None
            or value is None
            or value == ""
            or value != value
            or self.labels.is_missing(as_text(value))
        ):
            return None
        try:
            return read(value, style)
        except ValueError:
            if role not in self.layout.guessed:
                expected = (
                    "is not a time; expected ISO 8601 such as 2026-03-01T12:30:00+00:00"
                    if role == "time"
                    else "is not a number of seconds"
                )
                raise self.wrong(
                    f"{expected}; or leave the column out: --ignore {self.columns[at]}", number, at, value
                ) from None
        kind = "times" if role == "time" else "durations"
        problem = f"{kind} in column {{column}} left out, because they cannot be read"
        self.tally.note(finding(f"some_{kind}", problem, column=[self.columns[at]]), number)
        return None

    def wide(self, row: Row, number: int, text_id: str) -> Iterator[AnnotationRecord]:
        for at, name in self.wide_columns:
            value = row[at]
            cell = value if isinstance(value, str) else self.scalar(value, number, at)
            label = self.labels(cell, number, name) if cell else None
            if label is not None:
                yield AnnotationRecord(text_id, name, label, row=number)


def _json_object(cell: object, place: Place) -> dict[str, object]:
    value = cell
    if isinstance(cell, str):
        try:
            value = json.loads(cell)
        except (ValueError, RecursionError):
            value = None
    if not isinstance(value, Mapping):
        file, row, column = place
        raise FormatError(
            "is not a JSON object, unlike the rows before", file=file, row=row, column=column, value=cell
        )
    held = as_json(value)
    checked(json.dumps(held, ensure_ascii=False), place)
    return held if isinstance(held, dict) else {}


def holds_objects(rows: Iterable[Row], at: int) -> bool:
    """Whether a column holds nothing but objects, some perhaps written as JSON."""
    cells = (row[at] for row in rows)
    return all(isinstance(cell, dict) or _is_json_object(cell) for cell in cells if cell not in (None, ""))


def _is_json_object(cell: object) -> bool:
    if not isinstance(cell, str) or not cell.startswith("{"):
        return False
    try:
        return isinstance(json.loads(cell), dict)
    except (ValueError, RecursionError):
        return False
