"""From options of a command to an import, and what it says before anything is written."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from jurybox.cli.output import ProgressBar, is_terminal, note, say, table, warn
from jurybox.errors import FormatError
from jurybox.numerals import count

if TYPE_CHECKING:
    from jurybox.formats import FilePlan, ImportPlan, ReadOptions, RecordBatch, Source
    from jurybox.store.records import Added

_READING = "How files are read"
_MOST_FILES = 20

FileFormat = Annotated[
    str,
    typer.Option(
        "--format",
        metavar="NAME",
        help="How a file is written (csv, jsonl, lines, sheet …) or who wrote it (label-studio, "
        "doccano, prodigy …); told by default. docs/formats.md lists all.",
        rich_help_panel=_READING,
    ),
]
Encoding = Annotated[
    str | None, typer.Option(help="Such as utf-8 or cp1252; detected by default.", rich_help_panel=_READING)
]
Delimiter = Annotated[
    str | None, typer.Option(help="Character between cells; detected by default.", rich_help_panel=_READING)
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        metavar="ROLE=NAME",
        help="Which column is the id, text, annotator, label, seconds, comment or time; guessed by default.",
        rich_help_panel=_READING,
    ),
]
AnnotatorColumns = Annotated[
    list[str] | None,
    typer.Option(
        "--annotator-column", metavar="NAME", help="A column that is an annotator.", rich_help_panel=_READING
    ),
]
GivenBy = Annotated[
    str | None,
    typer.Option(
        "--annotator", metavar="NAME", help="Who gave labels that name nobody.", rich_help_panel=_READING
    ),
]
Ignored = Annotated[
    list[str] | None,
    typer.Option("--ignore", metavar="NAME", help="A column to leave out.", rich_help_panel=_READING),
]
Kept = Annotated[
    list[str] | None,
    typer.Option(
        "--keep",
        metavar="NAME",
        help="A column to keep as metadata, whatever it holds.",
        rich_help_panel=_READING,
    ),
]
Markers = Annotated[
    list[str] | None,
    typer.Option(
        "--missing",
        metavar="VALUE",
        help="What means 'no label', besides empty cells, NA and the like.",
        rich_help_panel=_READING,
    ),
]
Turned = Annotated[
    bool,
    typer.Option(
        "--turn",
        help="Turn a table round in which a row is a person and a column a text.",
        rich_help_panel=_READING,
    ),
]
PlanFile = Annotated[
    Path | None,
    typer.Option(
        "--plan",
        metavar="FILE",
        help="Keep how the file was read in this TOML file; if it is there already, read as it says.",
        rich_help_panel=_READING,
    ),
]
Yes = Annotated[
    bool, typer.Option("--yes", "-y", help="Import although labels would be lost.", rich_help_panel=_READING)
]
Strict = Annotated[
    bool,
    typer.Option("--strict", help="Import nothing where anything looks wrong.", rich_help_panel=_READING),
]

OneOfSeveral = Annotated[
    str | None,
    typer.Option(
        "--question",
        metavar="NAME",
        help="Of several questions, the one that is meant, or NAME:CLASS for one class of it.",
        show_default=False,
    ),
]


@dataclass(frozen=True)
class FileReading:
    """The options by which a file is read, as they were given."""

    form: FileFormat = "auto"
    encoding: Encoding = None
    delimiter: Delimiter = None
    column: Columns = None
    annotator_column: AnnotatorColumns = None
    annotator: GivenBy = None
    ignore: Ignored = None
    keep: Kept = None
    missing: Markers = None
    turn: Turned = False
    plan: PlanFile = None

    def options(self, classes: Sequence[str] | None) -> ReadOptions:
        """Return the options of the reader, those of a kept plan where none are given.

        Raises
        ------
        InputError
            For a column that is not ROLE=NAME.
        FormatError
            If the plan cannot be read.
        """
        from jurybox.formats import ReadOptions
        from jurybox.formats.options import read_delimiter, read_plan, read_roles

        told = ReadOptions(
            format=self.form,
            encoding=self.encoding,
            delimiter=read_delimiter(self.delimiter),
            columns=read_roles(self.column or ()),
            annotator_columns=self.annotator_column or (),
            annotator=self.annotator,
            ignore=self.ignore or (),
            keep=self.keep or (),
            missing=self.missing or (),
            turn=self.turn,
            classes=classes,
        )
        return read_plan(self.plan, told) if self.plan is not None and self.plan.exists() else told


def reads_files(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `FileReading`, in the place of its parameter ``reading``."""
    ours = get_type_hints(FileReading, include_extras=True)
    own = get_type_hints(command, include_extras=True)

    @wraps(command)
    def run(**given: Any) -> None:
        reading = FileReading(**{name: given.pop(name) for name in ours})
        command(**given, reading=reading)

    parameters: list[Parameter] = []
    for name, parameter in signature(command).parameters.items():
        if name == "reading":
            parameters += [
                Parameter(
                    one, Parameter.KEYWORD_ONLY, default=getattr(FileReading, one), annotation=ours[one]
                )
                for one in ours
            ]
        else:
            parameters.append(parameter.replace(annotation=own[name]))
    run.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    return run


class Feed:
    """The batches of a source on their way into a project, moving a progress bar."""

    def __init__(self, source: Source, move: ProgressBar, *, states: bool = True) -> None:
        self._source = source
        self._states = states
        self._move = move
        self._file = str(source.path)

    def __iter__(self) -> Iterator[RecordBatch]:
        rows = 0
        for batch in self._source.batches():
            self._file = batch.file
            yield batch
            rows += max(len(batch.texts), len(batch.annotations))
            self._move(rows)
        if self._states and not _asks():
            state(self._source.plan)  # whatever is wrong was found by now, and nothing is committed yet

    def located(self, error: FormatError) -> FormatError:
        """Return an error of the store, which knows rows only, with the file that the row is from."""
        return error if error.file is not None else error.within(self._file)


def _described(plan: FilePlan) -> str:
    """Return how a file is read, in one line."""
    name = Path(plan.file).name
    kind = f"{plan.format}, {plan.encoding}" if plan.encoding else plan.format
    parts = [f"{role}={column}" for role, column in plan.roles.items()]
    if plan.annotators:
        parts.append(f"annotators={_listed(plan.annotators)}")
    if plan.metadata:
        parts.append(f"metadata={_listed(plan.metadata)}")
    ignored = tuple(
        column.name or "(no name)"
        for column in plan.columns
        if column.becomes == "ignored" and column.name != "jurybox_escaped"
    )
    if ignored:
        parts.append(f"ignored={_listed(ignored)}")
    return f"{name} ({kind}): {plan.shape}" + (f" with {' '.join(parts)}" if parts else "")


def _listed(names: Sequence[str], most: int = 4) -> str:
    return ",".join(names[:most]) + (f",… ({len(names)})" if len(names) > most else "")


def said(added: Added) -> str:
    """Return what an import did, in one line."""
    counts = (added.texts, "text"), (added.annotations, "annotation"), (added.annotators, "annotator")
    before = (added.known_texts, "text"), (added.known_annotations, "annotation")
    new = f"{', '.join(count(n, noun) for n, noun in counts)} added"
    known = [count(n, noun) for n, noun in before if n]
    skips = f"; {count(added.skips, 'skip')}" if added.skips else ""
    there = f"; {' and '.join(known)} were there already" if known else ""
    deleted = f"; {count(added.of_deleted, 'row')} of deleted texts left out" if added.of_deleted else ""
    return f"{new}{skips}{there}{deleted}"


def state(plan: ImportPlan) -> None:
    """Say what an import will do: how each file is read, what is in it, and what looks wrong."""
    from jurybox.formats.values import by_size

    for file in plan.files[:_MOST_FILES]:
        note(_described(file))
    if len(plan.files) > _MOST_FILES:
        note(f"and {count(len(plan.files) - _MOST_FILES, 'more file')}")
    rows = sum(file.rows for file in plan.files)
    people = count(len(plan.annotators), "annotator")
    given = sorted(plan.classes.items(), key=lambda pair: by_size(pair[0]))
    used = ", ".join(f"{name}: {n:,}" for name, n in given[:8])
    by_class = f" ({used}{', …' if len(plan.classes) > 8 else ''})" if used else ""
    labels = count(plan.annotations, "annotation")
    note(f"  {count(rows, 'row')}: {count(plan.texts, 'text')}, {labels} by {people}{by_class}")
    for finding in plan.findings:
        (warn if finding.loses_labels else note)(f"  {finding}")


def show_columns(plan: ImportPlan) -> None:
    """Print every column and what becomes of it, and how many labels each annotator and class has."""
    rows = [
        (Path(file.file).name, column.name, column.becomes, f"{column.filled:,}", column.reason)
        for file in plan.files
        for column in file.columns
    ]
    heads = [("file", "left"), ("column", "left"), ("becomes", "left"), ("filled", "right"), ("why", "left")]
    table(heads, rows)  # type: ignore[arg-type]
    for title, counts in (("annotator", plan.annotators), ("class", plan.classes)):
        if counts:
            say()
            shown = sorted(counts.items(), key=lambda pair: -pair[1])[:50]
            table([(title, "left"), ("labels", "right")], [(name, f"{n:,}") for name, n in shown])


def _asks() -> bool:
    """Whether a person is there to be asked; a program is told in one line what is wrong."""
    return is_terminal(sys.stderr) and sys.stdin.isatty()


def approve(
    sources: Sequence[Source], *, plan: Path | None, yes: bool, strict: bool, replace_labels: bool = False
) -> None:
    """State what an import will do, ask where labels would be lost, and keep the plan.

    Raises
    ------
    FormatError
        If it is not to go on; nothing has been written to the project.
    """
    from jurybox.formats.options import write_plan

    for source in sources:
        if _asks():
            state(source.plan)
        lost = [one for one in source.plan.losses if not (replace_labels and one.code == "two_labels")]
        if _asks() and lost and not yes:
            yes = typer.confirm(f"{source.path.name}: go on without these labels?", err=True)
        source.plan.approve(yes=yes, strict=strict, replace=replace_labels)
    if plan is not None and not plan.exists():
        write_plan(plan, sources[0].plan, sources[0].options)
        note(f"the plan is kept in {plan}; --plan {plan} reads the next file in the same way")
