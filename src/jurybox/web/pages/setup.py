"""From an uploaded file to a project, or to more texts in one."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, UploadFile
from starlette.responses import HTMLResponse, RedirectResponse, Response

from jurybox.errors import InputError, JuryboxError
from jurybox.formats import ReadOptions, Source, TextRecord, read
from jurybox.formats.detect import sniff_encoding, sniff_format
from jurybox.formats.read_csv import open_csv
from jurybox.project.audit import sizes_for, usual_size
from jurybox.store.settings import ProjectSettings
from jurybox.web.access import owner_only
from jurybox.web.pages.audit import size_words
from jurybox.web.render import catalogue_of, explain, render
from jurybox.web.state import get_project, get_server
from jurybox.web.uploads import get_uploads

__all__ = ["router"]

router = APIRouter(include_in_schema=False, dependencies=[owner_only])

ROLES = ("id", "text", "annotator", "label")
_ROWS = 8
_LABELS = 100

Key = Annotated[str, Form(max_length=100)]
Column = Annotated[str, Form(max_length=1000)]
Pasted = Annotated[str, Form(max_length=1_000_000)]
Long = Annotated[str, Form(max_length=200_000)]


@router.get("/setup")
def setup_page(request: Request) -> Response:
    """Ask for a file, where there is no project yet."""
    if get_server(request).has_project:
        return RedirectResponse("/", 303)
    return _ask(request, adding=False)


@router.post("/setup")
def setup_upload(request: Request, file: UploadFile) -> Response:
    """Keep the file and show how it is understood."""
    return _uploaded(request, file, adding=False)


@router.post("/setup/paste")
def setup_paste(request: Request, pasted: Pasted) -> Response:
    """Keep texts that were pasted, one a line, and show how they are understood."""
    return _pasted(request, pasted, adding=False)


@router.post("/setup/file")
def setup_create(
    request: Request,
    upload: Key,
    step: Annotated[str, Form(max_length=20)] = "preview",
    column_id: Column = "",
    column_text: Column = "",
    column_annotator: Column = "",
    column_label: Column = "",
    name: Column = "",
    classes: Long = "",
    guidelines: Long = "",
    audit: Annotated[int, Form(ge=-1, le=1_000_000)] = -1,
) -> Response:
    """Make the project, or show the file again with other columns."""
    columns = _chosen(column_id, column_text, column_annotator, column_label)
    form = {"name": name, "classes": classes, "guidelines": guidelines}
    if step != "create":
        return _preview(request, upload, columns, form, adding=False)
    try:
        if len(_classes(form)) < 2:
            raise InputError(catalogue_of(request).text("setup.two_classes"))
        _create(request, get_uploads(request).find(upload), columns, form, audit)
    except JuryboxError as error:
        return _preview(
            request, upload, columns, form, adding=False, problem=explain(catalogue_of(request), error)
        )
    get_uploads(request).drop(upload)
    return RedirectResponse("/manage/people?made=1", 303)


@router.get("/import")
def import_page(request: Request) -> HTMLResponse:
    """Ask for a file with more texts."""
    get_project(request)
    return _ask(request, adding=True)


@router.post("/import")
def import_upload(request: Request, file: UploadFile) -> Response:
    """Keep the file and show how it is understood."""
    get_project(request)
    return _uploaded(request, file, adding=True)


@router.post("/import/paste")
def import_paste(request: Request, pasted: Pasted) -> Response:
    """Keep texts that were pasted, one a line, and show how they are understood."""
    get_project(request)
    return _pasted(request, pasted, adding=True)


@router.post("/import/file")
def import_add(
    request: Request,
    upload: Key,
    step: Annotated[str, Form(max_length=20)] = "preview",
    column_id: Column = "",
    column_text: Column = "",
    column_annotator: Column = "",
    column_label: Column = "",
) -> Response:
    """Add the file, or show it again with other columns."""
    columns = _chosen(column_id, column_text, column_annotator, column_label)
    if step != "create":
        return _preview(request, upload, columns, {}, adding=True)
    project, catalogue = get_project(request), catalogue_of(request)
    try:
        options = ReadOptions(columns=columns, classes=project.classes)
        added = project.add(read(get_uploads(request).find(upload), options).batches())
    except JuryboxError as error:
        return _preview(
            request, upload, columns, {}, adding=True, problem=explain(catalogue_of(request), error)
        )
    get_uploads(request).drop(upload)
    counts = {"texts": catalogue.number(added.texts), "annotations": catalogue.number(added.annotations)}
    return _ask(request, adding=True, done=catalogue.text("import.done", **counts))


def _create(
    request: Request, path: Path, columns: Mapping[str, str], form: Mapping[str, str], audit: int
) -> None:
    """Make the project from a file that is read to its end first, so that nothing is made of a wrong one.

    Parameters
    ----------
    audit
        Texts of the audit sample; below 0, as is usual.
    """
    classes = _classes(form)
    source = read(path, ReadOptions(columns=columns, classes=classes))
    n_annotations = sum(len(batch.annotations) for batch in source.batches())
    project = get_server(request).create(
        classes=classes,
        texts=_texts(source),
        name=form["name"].strip() or None,
        guidelines=form["guidelines"].replace("\r\n", "\n"),
        settings=ProjectSettings() if audit < 0 else ProjectSettings(audit_size=audit, audit_share=1.0),
    )
    if n_annotations:
        project.add(source.batches())


def _classes(form: Mapping[str, str]) -> list[str]:
    return [line.strip() for line in form["classes"].splitlines() if line.strip()]


def _texts(source: Source) -> Iterator[TextRecord]:
    for batch in source.batches():
        yield from batch.texts


def _chosen(*names: str) -> dict[str, str]:
    return {role: name for role, name in zip(ROLES, names, strict=True) if name}


def _ask(request: Request, *, adding: bool, problem: str = "", done: str = "") -> HTMLResponse:
    values = {"adding": adding, "action": "/import" if adding else "/setup", "problem": problem, "done": done}
    return render(request, "setup/upload.html", values, status=422 if problem else 200)


def _uploaded(request: Request, file: UploadFile, *, adding: bool) -> Response:
    try:
        key = get_uploads(request).keep(file.filename or "", file.file)
        sniff_format(get_uploads(request).find(key))
    except JuryboxError as error:
        return _ask(request, adding=adding, problem=explain(catalogue_of(request), error))
    return _preview(request, key, {}, {}, adding=adding)


def _pasted(request: Request, pasted: str, *, adding: bool) -> Response:
    """Make a file of the lines, which goes the way of all files."""
    lines = [line.strip() for line in pasted.splitlines() if line.strip()]
    if not lines:
        problem = catalogue_of(request).text("setup.paste_nothing")
        return _ask(request, adding=adding, problem=problem)
    content = "".join(json.dumps({"text": line}) + "\n" for line in dict.fromkeys(lines))
    key = get_uploads(request).keep("pasted.jsonl", io.BytesIO(content.encode()))
    return _preview(request, key, {}, {}, adding=adding)


def _preview(
    request: Request,
    key: str,
    columns: Mapping[str, str],
    form: Mapping[str, str],
    *,
    adding: bool,
    problem: str = "",
) -> HTMLResponse:
    path = get_uploads(request).find(key)
    sample: Mapping[str, Any] = {
        "heads": _heads(path),
        "texts": [],
        "labels": [],
        "found": {},
        "name": path.stem,
    }
    try:
        sample = _sample(path, columns, get_project(request).classes if adding else None)
    except JuryboxError as error:
        problem = problem or explain(catalogue_of(request), error)
    values = {
        "adding": adding,
        "action": "/import/file" if adding else "/setup/file",
        "other": "/import" if adding else "/setup",
        "problem": problem,
        "upload": key,
        "file_name": path.name,
        "findings": sample.get("findings", []),
        "texts": sample["texts"],
        "heads": [(head, head) for head in sample["heads"]],
        "columns": [(role, columns.get(role) or sample["found"].get(role, "")) for role in ROLES],
        "name": form.get("name") or sample["name"],
        "classes": form.get("classes") or "\n".join(sample["labels"]),
        "guidelines": form.get("guidelines") or sample.get("guidelines", ""),
        "sizes": [size_words(catalogue_of(request), size, 0) for size in sample.get("sizes", ())],
        "usual": sample.get("usual", 0),
    }
    return render(request, "setup/preview.html", values, status=422 if problem else 200)


def _sample(path: Path, columns: Mapping[str, str], classes: Sequence[str] | None) -> dict[str, Any]:
    """Return the first texts of a file with their labels, how it is understood, and what looks wrong."""
    source = read(path, ReadOptions(columns=columns, classes=classes))
    batch = next(source.batches(), None)
    texts, annotations = (batch.texts, batch.annotations) if batch is not None else ((), ())
    n_texts = source.plan.texts
    seen = list(dict.fromkeys(record.label for record in annotations))[:_LABELS]
    labels: dict[str, list[str]] = {}
    for record in annotations:
        labels.setdefault(record.text_id, []).append(record.label)
    return {
        "texts": [
            {"id": one.id, "text": one.text, "labels": labels.get(one.id, [])} for one in texts[:_ROWS]
        ],
        "labels": list(source.classes) or sorted(seen),
        "found": source.plans[0].roles,
        "sizes": sizes_for(n_texts, ProjectSettings()),
        "usual": usual_size(n_texts, ProjectSettings()),
        "findings": [finding.problem for finding in source.plan.findings],
        "heads": _heads(path),
        "name": source.name or path.stem,
        "guidelines": source.guidelines,
    }


def _heads(path: Path) -> Sequence[str]:
    """Return the names of a file's columns as far as they can be told."""
    try:
        if sniff_format(path) in ("csv", "tsv"):
            return open_csv(path, sniff_encoding(path), None)[0].columns
        plan = read(path).plans[0]
    except JuryboxError:
        return ()
    return tuple(column.name for column in plan.columns)
