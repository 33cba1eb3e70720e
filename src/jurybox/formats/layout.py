"""Where in a row of a table each thing is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from jurybox.errors import FormatError, InputError
from jurybox.formats.names import ROLES
from jurybox.formats.options import ReadOptions
from jurybox.formats.plan import Finding
from jurybox.formats.times import TimeStyle
from jurybox.formats.voters import listed

__all__ = ["Layout", "check_given", "check_header", "check_layout"]


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
        why = f"{lost.problem}: {lost.option}" if lost is not None else "name them"
        raise FormatError(f"has no texts and no labels that could be told; {found}; {why}", file=file)


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
