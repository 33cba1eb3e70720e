"""Files in and out."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse

from jurybox.annotations import Duplicates
from jurybox.errors import FormatError
from jurybox.formats import ReadOptions, RecordBatch, read
from jurybox.formats.options import read_delimiter, read_roles
from jurybox.formats.write import ExportFormat
from jurybox.project import Project
from jurybox.store.records import Added
from jurybox.web.access import Owner, owner_only
from jurybox.web.api.fields import Name, Short
from jurybox.web.state import Stored, get_server
from jurybox.web.uploads import file_name
from jurybox.wire import FilePreview, SampleText

router = APIRouter(tags=["transfer"], dependencies=[owner_only])

FileName = Annotated[str, Query(min_length=1, max_length=1000, description="Its end says what the file is.")]

_BINARY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
_MEDIA_TYPES = {
    ".zip": "application/zip",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
}
_FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file",
        "content": {
            "application/zip": {"schema": {"type": "string", "format": "binary"}},
            "application/json": {"schema": {}},
            "application/jsonl": {"schema": {"type": "string"}},
            "text/csv": {"schema": {"type": "string"}},
            "text/tab-separated-values": {"schema": {"type": "string"}},
        },
    }
}


_MOST_COLUMNS = 200

Columns = Annotated[list[Short] | None, Query(max_length=_MOST_COLUMNS)]


def _reading(
    format: Annotated[  # noqa: A002 - its name in the query
        Short, Query(description="How the file is written, or who wrote it, such as label-studio.")
    ] = "auto",
    encoding: Annotated[Short | None, Query(description="Such as cp1252; detected by default.")] = None,
    delimiter: Annotated[Short | None, Query(description="Between cells: one character, or tab.")] = None,
    column: Annotated[
        Columns, Query(description="ROLE=NAME: id, text, annotator, label, seconds, comment or time.")
    ] = None,
    annotator_column: Annotated[Columns, Query(description="A column that is an annotator.")] = None,
    annotator: Annotated[
        Name | None, Query(description="Who gave labels of which the file does not say.")
    ] = None,
    ignore: Annotated[Columns, Query(description="A column to leave out.")] = None,
    keep: Annotated[Columns, Query(description="A column to keep as metadata of the text.")] = None,
    missing: Annotated[Columns, Query(description="What means no label, besides NA and its kin.")] = None,
    turn: Annotated[
        bool, Query(description="Turn a table round in which a row is a person and a column a text.")
    ] = False,
    planned: Annotated[
        bool, Query(description="All this is from a kept plan: columns that it lacks are named.")
    ] = False,
) -> ReadOptions:
    return ReadOptions(
        format=format,
        encoding=encoding,
        delimiter=read_delimiter(delimiter),
        columns=read_roles(column or ()),
        annotator_columns=annotator_column or (),
        annotator=annotator,
        ignore=ignore or (),
        keep=keep or (),
        missing=missing or (),
        turn=turn,
        planned=planned,
    )


Reading = Annotated[ReadOptions, Depends(_reading)]


@router.post("/import", openapi_extra=_BINARY)
async def import_file(
    request: Request,
    user: Owner,
    project: Stored,
    filename: FileName,
    options: Reading,
    duplicates: Duplicates = "error",
    add_classes: bool = False,
    lossy: Annotated[
        bool, Query(description="Go on where labels would be lost; the preview says where.")
    ] = False,
    strict: Annotated[bool, Query(description="Add nothing where anything looks wrong.")] = False,
) -> Added:
    """Add the texts and annotations of a file, all or none; nothing is added where labels would be lost."""

    def add(path: Path) -> Added:
        """Add the file that lies at a path."""
        with names_of_client(path, filename):
            return project.add_file(
                path,
                options,
                duplicates=duplicates,
                add_classes=add_classes,
                yes=lossy,
                strict=strict,
                by=user.name,
            )

    with tempfile.TemporaryDirectory(prefix="jurybox-") as folder:
        path = await received(request, Path(folder), filename)
        return await run_in_threadpool(add, path)


@router.post("/import/preview", openapi_extra=_BINARY)
async def preview(request: Request, filename: FileName, options: Reading) -> FilePreview:
    """Say how a file would be read into this project, and change nothing."""
    server = get_server(request)
    known = server.project.reading_options(options) if server.has_project else replace(options, classes=None)
    with tempfile.TemporaryDirectory(prefix="jurybox-") as folder:
        path = await received(request, Path(folder), filename)
        return await run_in_threadpool(_preview, path, filename, known)


@router.get("/export", response_class=FileResponse, responses=_FILE)
def export(project: Stored, format: ExportFormat = "csv") -> FileResponse:  # noqa: A002 - its name in the query
    """Download everything: a ZIP file with a folder, or one file for another tool."""
    return export_file(project, format)


async def received(request: Request, folder: Path, filename: str) -> Path:
    """Write the body of a request into a folder, under the last part of the name that the client gave it.

    Raises
    ------
    InputError
        If the name is none.
    """
    path = folder / f"upload-{file_name(filename)}"
    with path.open("wb") as file:
        async for part in request.stream():
            await run_in_threadpool(file.write, part)
    return path


def export_file(project: Project, form: str, *, only: Collection[str] | None = None) -> FileResponse:
    """Write an export and return it as a download; what was written goes when it is sent.

    Parameters
    ----------
    only
        Ids of the texts to write; None: all.
    """
    from jurybox.formats.write import write
    from jurybox.formats.write_tools import TOOL_WRITERS

    export = project.export() if only is None else project.reading.part(project.export(), only)
    folder = Path(tempfile.mkdtemp(prefix="jurybox-"))
    try:
        plain = "".join(c if c.isascii() and c.isalnum() else "-" for c in project.name[:100])
        stem = plain.strip("-") or "project"
        if form in TOOL_WRITERS:
            path = write(export, folder / f"{stem}{TOOL_WRITERS[form].suffix}", format=form)
        else:
            written = write(export, folder / stem, format=form)
            path = Path(shutil.make_archive(str(folder / stem), "zip", written))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    done = BackgroundTask(shutil.rmtree, folder, ignore_errors=True)
    kind = _MEDIA_TYPES[path.suffix]
    return FileResponse(path, filename=path.name, media_type=kind, background=done)


@contextmanager
def names_of_client(path: Path, filename: str) -> Iterator[None]:
    """Let errors call a file what the client called it, not where it is on the server."""
    try:
        yield
    except FormatError as error:
        raise error.within(filename, error.problem.replace(str(path), filename)) from error


def _preview(path: Path, filename: str, options: ReadOptions) -> FilePreview:
    with names_of_client(path, filename):
        source = read(path, options)
        batch = next(source.batches(), RecordBatch((), ()))
        plan = source.plan
    labels: Mapping[str, None] = dict.fromkeys(record.label for record in batch.annotations)
    return FilePreview(
        plans=tuple(replace(file, file=file.file.replace(str(path), filename)) for file in plan.files),
        n_texts=plan.texts,
        n_annotations=plan.annotations,
        n_skips=plan.skips,
        annotators=dict(plan.annotators),
        classes=dict(plan.classes),
        findings=plan.findings,
        texts=tuple(SampleText(record.id, record.text[:2000]) for record in batch.texts[:10]),
        labels=tuple(labels)[:1000],
    )
