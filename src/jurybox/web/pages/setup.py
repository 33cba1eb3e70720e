"""From an uploaded file to a project, or to more texts in one."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_args

from fastapi import APIRouter, Depends, Form, Request, UploadFile
from starlette.responses import HTMLResponse, RedirectResponse, Response

from jurybox.annotations import Duplicates
from jurybox.errors import InputError, JuryboxError
from jurybox.formats import ImportPlan, ReadOptions, Source, TextRecord, read
from jurybox.formats.detect import sniff_encoding, sniff_format
from jurybox.formats.read_csv import open_csv
from jurybox.project.audit import sizes_for, usual_size
from jurybox.project.facets import what_is_asked
from jurybox.questions import QuestionKind
from jurybox.store.settings import ProjectSettings
from jurybox.web.access import Owner, owner_only
from jurybox.web.i18n import Catalogue
from jurybox.web.pages.audit import size_words
from jurybox.web.render import catalogue_of, explain, found_words, render
from jurybox.web.state import get_project, get_server
from jurybox.web.uploads import get_uploads

router = APIRouter(include_in_schema=False, dependencies=[owner_only])

ROLES = ("id", "text", "annotator", "label")
_ROWS = 8
_LABELS = 100
_PASTED = "pasted.jsonl"

Key = Annotated[str, Form(max_length=100)]
Column = Annotated[str, Form(max_length=1000)]
Pasted = Annotated[str, Form(max_length=1_000_000)]
Long = Annotated[str, Form(max_length=200_000)]
_MOST_COLUMNS = 200


@dataclass(frozen=True)
class FileChoice:
    """How the file is to be read, as chosen on the page, and whether labels may be lost."""

    columns: Mapping[str, str]
    given_by: str = ""
    voters: tuple[str, ...] = ()
    turned: bool = False
    lossy: bool = False

    def options(self, classes: Sequence[str] | None) -> ReadOptions:
        """Return what the reader is told."""
        return ReadOptions(
            columns=self.columns,
            annotator=self.given_by.strip() or None,
            annotator_columns=self.voters,
            turn=self.turned,
            **_asked(classes),
        )


def _choice(
    column_id: Column = "",
    column_text: Column = "",
    column_annotator: Column = "",
    column_label: Column = "",
    given_by: Column = "",
    voters: Annotated[list[str] | None, Form(max_length=_MOST_COLUMNS)] = None,
    turned: Annotated[bool, Form()] = False,
    lossy: Annotated[bool, Form()] = False,
) -> FileChoice:
    names = (column_id, column_text, column_annotator, column_label)
    columns = {role: name for role, name in zip(ROLES, names, strict=True) if name}
    return FileChoice(columns, given_by, tuple(voters or ()), turned, lossy)


Chosen = Annotated[FileChoice, Depends(_choice)]


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
    choice: Chosen,
    step: Annotated[str, Form(max_length=20)] = "preview",
    name: Column = "",
    classes: Long = "",
    guidelines: Long = "",
    audit: Annotated[int, Form(ge=-1, le=1_000_000)] = -1,
) -> Response:
    """Make the project, or show the file again with other columns."""
    form = {"name": name, "classes": classes, "guidelines": guidelines}
    if step != "create":
        return _preview(request, upload, choice, form, adding=False)
    try:
        if len(_classes(form)) < 2 and not _are_questions(_classes(form)):
            raise InputError(catalogue_of(request).text("setup.two_classes"))
        _create(request, get_uploads(request).find(upload), choice, form, audit)
    except JuryboxError as error:
        problem = explain(catalogue_of(request), error)
        return _preview(request, upload, choice, form, adding=False, problem=problem)
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
    owner: Owner,
    upload: Key,
    choice: Chosen,
    step: Annotated[str, Form(max_length=20)] = "preview",
) -> Response:
    """Add the file, or show it again with other columns."""
    if step != "create":
        return _preview(request, upload, choice, {}, adding=True)
    project, catalogue = get_project(request), catalogue_of(request)
    try:
        source = read(get_uploads(request).find(upload), project.reading_options(choice.options(None)))
        source.plan.approve(yes=choice.lossy)
        duplicates: Duplicates = "last" if choice.lossy else "error"
        added = project.add(source.batches(), duplicates=duplicates, by=owner.name)
    except JuryboxError as error:
        return _preview(request, upload, choice, {}, adding=True, problem=explain(catalogue, error))
    get_uploads(request).drop(upload)
    counts = {"texts": catalogue.number(added.texts), "annotations": catalogue.number(added.annotations)}
    done = catalogue.text("import.done", **counts)
    if added.of_deleted:
        done = f"{done} {catalogue.text('import.of_deleted', n=catalogue.number(added.of_deleted))}"
    return _ask(request, adding=True, done=done)


def _create(request: Request, path: Path, choice: FileChoice, form: Mapping[str, str], audit: int) -> None:
    """Make the project from a file that is read to its end first, so that nothing is made of a wrong one.

    Parameters
    ----------
    audit
        Texts of the audit sample; below 0, as is usual.
    """
    lines = _classes(form)
    source = read(path, choice.options(lines))
    source.plan.approve(yes=choice.lossy)
    server = get_server(request)
    project = server.create(
        **{"questions" if _are_questions(lines) else "classes": lines},
        texts=_texts(source),
        name=form["name"].strip() or None,
        guidelines=form["guidelines"].replace("\r\n", "\n"),
        settings=ProjectSettings() if audit < 0 else ProjectSettings(audit_size=audit, audit_share=1.0),
    )
    if source.plan.annotations or source.plan.skips:
        duplicates: Duplicates = "last" if choice.lossy else "error"
        project.add(source.batches(), duplicates=duplicates, by=server.owner_name())


def _asked(lines: Sequence[str] | None) -> dict[str, Any]:
    """Return what a reader is told of lines that name classes, or questions with theirs."""
    if not _are_questions(lines):
        return {"classes": lines}
    questions, classes, _ = what_is_asked(lines or (), (), None)
    return {"questions": questions, "classes": classes or None}


def _are_questions(lines: Sequence[str] | None) -> bool:
    return bool(lines) and all(_A_QUESTION.match(line) for line in lines or ())


_A_QUESTION = re.compile(rf"[^=]+=({'|'.join(get_args(QuestionKind))}):")


def _classes(form: Mapping[str, str]) -> list[str]:
    return [line.strip() for line in form.get("classes", "").splitlines() if line.strip()]


def _texts(source: Source) -> Iterator[TextRecord]:
    for batch in source.batches():
        yield from batch.texts


def _ask(request: Request, *, adding: bool, problem: str = "", done: str = "") -> HTMLResponse:
    values = {"adding": adding, "action": "/import" if adding else "/setup", "problem": problem, "done": done}
    return render(request, "setup/upload.html", values, status=422 if problem else 200)


def _uploaded(request: Request, file: UploadFile, *, adding: bool) -> Response:
    try:
        key = get_uploads(request).keep(file.filename or "", file.file)
        sniff_format(get_uploads(request).find(key))
    except JuryboxError as error:
        return _ask(request, adding=adding, problem=explain(catalogue_of(request), error))
    return _preview(request, key, FileChoice({}), {}, adding=adding)


def _pasted(request: Request, pasted: str, *, adding: bool) -> Response:
    """Make a file of the lines, which goes the way of all files."""
    lines = [line.strip() for line in pasted.splitlines() if line.strip()]
    if not lines:
        problem = catalogue_of(request).text("setup.paste_nothing")
        return _ask(request, adding=adding, problem=problem)
    content = "".join(json.dumps({"text": line}) + "\n" for line in dict.fromkeys(lines))
    key = get_uploads(request).keep(_PASTED, io.BytesIO(content.encode()))
    return _preview(request, key, FileChoice({}), {}, adding=adding)


def _preview(
    request: Request,
    key: str,
    choice: FileChoice,
    form: Mapping[str, str],
    *,
    adding: bool,
    problem: str = "",
) -> HTMLResponse:
    path, catalogue = get_uploads(request).find(key), catalogue_of(request)
    options = choice.options((_classes(form) if problem else []) or None)
    sample: Mapping[str, Any] = {
        "heads": _heads(path),
        "texts": [],
        "labels": [],
        "found": {},
        "name": path.stem,
    }
    try:
        sample = _sample(path, get_project(request).reading_options(options) if adding else options)
    except JuryboxError as error:
        problem = problem or explain(catalogue, error)
    plan: ImportPlan | None = sample.get("plan")
    values = {
        "adding": adding,
        "action": "/import/file" if adding else "/setup/file",
        "other": "/import" if adding else "/setup",
        "problem": problem,
        "upload": key,
        "file_name": path.name,
        "pasted": path.name == _PASTED,
        "n_texts": 0 if plan is None else plan.texts,
        **_stated(catalogue, plan),
        "choice": choice,
        "texts": sample["texts"],
        "heads": [(head, head) for head in sample["heads"]],
        "columns": [(role, choice.columns.get(role) or sample["found"].get(role, "")) for role in ROLES],
        "name": form.get("name") or ("" if path.name == _PASTED else sample["name"]),
        "classes": form.get("classes") or "\n".join(sample["labels"]),
        "guidelines": form.get("guidelines") or sample.get("guidelines", ""),
        "sizes": [size_words(catalogue, size, 0) for size in sample.get("sizes", ())],
        "usual": sample.get("usual", 0),
    }
    return render(request, "setup/preview.html", values, status=422 if problem else 200)


def _stated(catalogue: Catalogue, plan: ImportPlan | None) -> dict[str, Any]:
    """Return what the page says of the whole file: how much is in it, every column, and what looks wrong."""
    if plan is None:
        return {"findings": [], "counts": {}, "plan_columns": [], "losses": False, "can_turn": False}
    counts = {
        "rows": sum(file.rows for file in plan.files),
        "texts": plan.texts,
        "annotations": plan.annotations,
        "annotators": len(plan.annotators),
        "classes": len(plan.classes),
    }
    columns = [column for file in plan.files for column in file.columns][:_MOST_COLUMNS]
    return {
        "findings": [
            ("bad" if one.loses_labels else "note", found_words(catalogue, one)) for one in plan.findings
        ],
        "counts": {name: catalogue.number(n) for name, n in counts.items()},
        "plan_columns": [
            (column.name, _becomes(catalogue, column.becomes), catalogue.number(column.filled))
            for column in columns
        ],
        "losses": bool(plan.losses),
        "can_turn": any(one.code == "turn" for one in plan.findings),
    }


def _becomes(catalogue: Catalogue, role: str) -> str:
    person = role.removeprefix("label of ")
    if person != role:
        return catalogue.text("becomes.person", name=person)
    return catalogue.text(f"becomes.{role}")


def _sample(path: Path, options: ReadOptions) -> dict[str, Any]:
    """Return the first texts of a file with their labels, how it is understood, and what looks wrong."""
    source = read(path, options)
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
        "labels": [each.declared for each in source.questions] or list(source.classes) or sorted(seen),
        "found": source.plans[0].roles,
        "sizes": sizes_for(n_texts, ProjectSettings()),
        "usual": usual_size(n_texts, ProjectSettings()),
        "plan": source.plan,
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
