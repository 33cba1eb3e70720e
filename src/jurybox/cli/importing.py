"""From options of a command to an import, and what it says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jurybox.cli.output import Bar, note
from jurybox.errors import FormatError, InputError

if TYPE_CHECKING:
    from jurybox.formats import Batch, Plan, ReadOptions, Source
    from jurybox.store.records import Added

__all__ = ["AnnotatorColumns", "Columns", "Delimiter", "Encoding", "FileFormat", "GivenBy", "Ignored"]
__all__ += ["Feed", "read_options", "said", "show_plans"]

_READING = "How files are read"

FileFormat = Annotated[
    str,
    typer.Option(
        "--format",
        help="auto, csv, tsv, jsonl, json, parquet, huggingface, folder, label-studio or doccano.",
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


def read_options(
    *,
    form: str,
    encoding: str | None,
    delimiter: str | None,
    columns: Sequence[str] | None,
    annotator_columns: Sequence[str] | None,
    annotator: str | None,
    ignore: Sequence[str] | None,
    classes: Sequence[str] | None,
) -> ReadOptions:
    """Return the options of the reader; raises InputError for a column that is not ROLE=NAME."""
    from jurybox.formats import ReadOptions

    roles: dict[str, str] = {}
    for given in columns or ():
        role, equals, name = given.partition("=")
        if not equals or not name:
            raise InputError(f"--column is {given!r}, expected ROLE=NAME such as text=body")
        roles[role.strip()] = name
    return ReadOptions(
        format=form,
        encoding=encoding,
        delimiter={"tab": "\t", "\\t": "\t"}.get(delimiter or "", delimiter),
        columns=roles,
        annotator_columns=annotator_columns or (),
        annotator=annotator,
        ignore=ignore or (),
        classes=classes,
    )


class Feed:
    """The batches of a source on their way into a project, moving a progress bar."""

    def __init__(self, source: Source, move: Bar) -> None:
        self._source = source
        self._move = move
        self._file = str(source.path)

    def __iter__(self) -> Iterator[Batch]:
        rows = 0
        for batch in self._source.batches():
            self._file = batch.file
            yield batch
            rows += max(len(batch.texts), len(batch.annotations))
            self._move(rows)

    def located(self, error: FormatError) -> FormatError:
        """Return an error of the store, which knows rows only, with the file that the row is from."""
        return error if error.file is not None else error.within(self._file)


def _described(plan: Plan) -> str:
    """Return how a file is read, in one line."""
    name = Path(plan.file).name
    kind = f"{plan.format}, {plan.encoding}" if plan.encoding else plan.format
    parts = [f"{role}={column}" for role, column in plan.columns.items()]
    if plan.annotators:
        parts.append(f"annotators={_listed(plan.annotators)}")
    if plan.metadata:
        parts.append(f"metadata={_listed(plan.metadata)}")
    return f"{name} ({kind}): {plan.shape}" + (f" with {' '.join(parts)}" if parts else "")


def _listed(names: Sequence[str], most: int = 4) -> str:
    return ",".join(names[:most]) + (f",… ({len(names)})" if len(names) > most else "")


def said(added: Added) -> str:
    """Return what an import did, in one line."""
    known = [
        f"{count:,} {kind}"
        for count, kind in ((added.known_texts, "texts"), (added.known_annotations, "annotations"))
        if count
    ]
    new = f"{added.texts:,} texts, {added.annotations:,} annotations, {added.annotators:,} annotators added"
    return f"{new}; {' and '.join(known)} were there already" if known else new


def show_plans(source: Source) -> None:
    """Say how each file is read."""
    for plan in source.plans:
        note(_described(plan))
        for remark in plan.notes:
            note(f"  {remark}")
