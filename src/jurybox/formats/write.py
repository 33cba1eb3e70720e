"""Writing a whole project into a file or folder, which appears when it is complete."""

from __future__ import annotations

import json
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from jurybox.atomic import new_file, new_folder
from jurybox.errors import InputError
from jurybox.formats.records import Export
from jurybox.formats.source import MANIFEST
from jurybox.formats.tools.controls import SEVERAL_TOOLS
from jurybox.formats.write_nested import write_huggingface
from jurybox.formats.write_tables import (
    OutTable,
    out_table,
    out_tables,
    write_csv,
    write_jsonl,
    write_parquet,
)
from jurybox.formats.write_tools import TOOL_WRITERS
from jurybox.written import question_records

__all__ = ["EXPORT_FORMATS", "ExportFormat", "write", "write_table"]

# fmt: off
ExportFormat: TypeAlias = Literal[
    "csv", "jsonl", "parquet", "huggingface", "label-studio", "json", "doccano", "argilla", "prodigy",
    "potato", "lighttag", "lewidi", "mturk", "toloka", "appen", "wide", "google-forms", "qualtrics",
    "inception", "crowd-kit",
]
# fmt: on
EXPORT_FORMATS: tuple[ExportFormat, ...] = get_args(ExportFormat)

_TABLE_WRITERS: dict[str, Callable[[OutTable, Path], None]] = {
    "csv": write_csv,
    "jsonl": write_jsonl,
    "parquet": write_parquet,
}


def write(
    export: Export,
    out: str | PathLike[str],
    *,
    format: str = "csv",  # noqa: A002
    overwrite: bool = False,
    push_to_hub: str | None = None,
) -> Path:
    """Write everything about a project.

    Parameters
    ----------
    export
        The project.
    out
        A folder for ``csv``, ``jsonl``, ``parquet`` and ``huggingface``, else a file. Folders with the first
        three hold the tables texts, annotations, consensus, annotators and, if there are any, gold and skips,
        and `project.json` with name, classes, guidelines and whether they are a scale.
    format
        One of `EXPORT_FORMATS`.
    overwrite
        Whether an earlier export, or an existing file, may be replaced. Nothing else ever is.
    push_to_hub
        For ``huggingface``: name of a data set of the hub, such as ``"me/reviews"``, that gets the rows,
        too; it is private unless it exists.

    Returns
    -------
    Path
        What was written.

    Raises
    ------
    FormatError
        If something is there already, or writing fails; then nothing has changed.
    InputError
        If there is no such format.
    MissingExtraError
        If the format needs a library that is not installed.
    """
    target = Path(out)
    if format not in EXPORT_FORMATS:
        raise InputError(f"format is {format!r}, expected one of {', '.join(EXPORT_FORMATS)}")
    if export.questions and format not in (*_TABLE_WRITERS, *SEVERAL_TOOLS):
        raise several_refused(format)
    if push_to_hub is not None and format != "huggingface":
        raise InputError(f"push_to_hub is given with format {format!r}, expected 'huggingface'")
    if format in TOOL_WRITERS:
        with new_file(target, overwrite=overwrite) as draft:
            TOOL_WRITERS[format].write(export, draft)
        return target
    with new_folder(target, replaceable=lambda folder: overwrite and is_export(folder)) as draft:
        if format == "huggingface":
            write_huggingface(export, draft, push_to_hub=push_to_hub)
        else:
            for table in _tables(export):
                _TABLE_WRITERS[format](table, draft / f"{table.name}.{format}")
        _write_manifest(export, format, draft / MANIFEST)
    return target


def several_refused(form: str) -> InputError:
    """Return the error that a format cannot hold answers to several questions."""
    return InputError(
        f"format is {form!r}, which is not offered yet for projects with several questions; "
        f"expected one of {', '.join((*_TABLE_WRITERS, *SEVERAL_TOOLS))}",
        code="several_questions",
    )


def write_table(export: Export, table: str, out: str | PathLike[str], *, overwrite: bool = False) -> Path:
    """Write one table into a file whose name ends in ``.csv``, ``.jsonl`` or ``.parquet``.

    Raises
    ------
    FormatError
        If the file is there already, or writing fails; then nothing has changed.
    InputError
        If there is no such table, or the name has another end.
    """
    target = Path(out)
    writer = _TABLE_WRITERS.get(target.suffix.lower().removeprefix("."))
    if writer is None:
        raise InputError(
            f"the file is {target.name!r}, expected a name that ends in .csv, .jsonl or .parquet"
        )
    rows = out_table(export, table)
    with new_file(target, overwrite=overwrite) as draft:
        writer(rows, draft)
    return target


def is_export(folder: Path) -> bool:
    """Whether the folder was written by `write`."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(manifest, dict) and "jurybox" in manifest


def _tables(export: Export) -> list[OutTable]:
    """Return the tables of a folder; known labels and skips are in it where there are any."""
    return [table for table in out_tables(export) if table.name not in ("gold", "skips") or any(table.rows())]


def _write_manifest(export: Export, form: str, path: Path) -> None:
    manifest: dict[str, object] = {
        "jurybox": "export",
        "format": form,
        "name": export.name,
        "classes": list(export.classes),
        "annotators": list(dict.fromkeys(annotator.name for annotator in export.annotators)),
        "guidelines": export.guidelines,
    } | ({"scale": True} if export.scale else {})
    if export.questions:
        manifest |= {"classes": [], "questions": question_records(export.questions)}
    path.write_text(json.dumps(manifest, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
