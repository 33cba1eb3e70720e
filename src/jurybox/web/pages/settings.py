"""The owner's settings: how labels are asked for, classes, guidelines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Query, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from jurybox.errors import ConflictError, InputError
from jurybox.project.choices import CHOICES, check_choice, choices_of
from jurybox.questions import Question
from jurybox.store.filters import TextFilter, TextState
from jurybox.store.records import Fault
from jurybox.web.access import Owner, owner_only
from jurybox.web.i18n import Catalogue
from jurybox.web.render import catalogue_of, explain, prose, render
from jurybox.web.state import get_project

router = APIRouter(prefix="/manage", include_in_schema=False, dependencies=[owner_only])

_CASES = 20

SAVED = "/manage/settings?saved=1"


class Kind(StrEnum):
    """What a field takes."""

    COUNT = "count"
    NUMBER = "number"
    PERCENT = "percent"
    SWITCH = "switch"


@dataclass(frozen=True)
class Field:
    """One setting; an optional one may be left empty."""

    name: str
    kind: Kind = Kind.COUNT
    least: int = 1
    optional: bool = False


@dataclass(frozen=True)
class Group:
    """Settings that belong together, under a title."""

    name: str
    fields: Sequence[Field]


GROUPS = (
    Group(
        "labels",
        (
            Field("batch"),
            Field("labels_per_text", optional=True),
            Field("max_labels"),
            Field("enough_agreement", optional=True),
            Field("least_gain", Kind.NUMBER, 0),
            Field("reading_effort", Kind.NUMBER, 0),
            Field("first_labels"),
            Field("overlap", least=0),
            Field("max_share", Kind.PERCENT, 0, optional=True),
            Field("random_share", Kind.PERCENT, 0),
        ),
    ),
    Group(
        "checks",
        (
            Field("audit_labels"),
            Field("gold_share", Kind.PERCENT, 0),
            Field("qualification_texts", least=0),
            Field("qualification_accuracy", Kind.PERCENT, 0),
        ),
    ),
    Group(
        "goals",
        (
            Field("target_accuracy", Kind.PERCENT, 0, optional=True),
            Field("budget", optional=True),
            Field("cost_per_label", Kind.NUMBER, 0, optional=True),
            Field("machine_budget", Kind.NUMBER, 0),
        ),
    ),
    Group(
        "page",
        (
            Field("lease_seconds", Kind.NUMBER),
            Field("suggestions", Kind.SWITCH),
            Field("owners_review", Kind.SWITCH),
            Field("share_copies", Kind.SWITCH),
        ),
    ),
)

_OF_SEVERAL = ("ask", "reading_effort")
"""Settings of projects with several questions."""


async def _submitted(request: Request) -> Mapping[str, str]:
    """Return the fields of the form; of a field that comes twice, the last."""
    return {name: value for name, value in (await request.form()).multi_items() if isinstance(value, str)}


Submitted = Annotated[Mapping[str, str], Depends(_submitted)]


@router.get("/settings")
def settings_page(
    request: Request,
    saved: Annotated[str, Query(max_length=5)] = "",
    signed_out: Annotated[str, Query(max_length=5)] = "",
) -> HTMLResponse:
    """Show what can be set."""
    done = "settings.saved" if saved else "settings.signed_out" if signed_out else ""
    return _page(request, done=done)


@router.post("/settings")
def change_settings(request: Request, owner: Owner, form: Submitted) -> Response:
    """Change the settings; they hold from the next task and the next round on. What is left out stays."""
    project, catalogue = get_project(request), catalogue_of(request)
    settings = project.settings.to_dict()
    try:
        changes = {
            **{
                field.name: _read(catalogue, field, form[field.name])
                for group in GROUPS
                for field in group.fields
                if field.name in form
            },
            **{
                name: _chosen(catalogue, name, form[name], settings[name]) for name in CHOICES if name in form
            },
        }
        project.configure(by=owner.name, **changes)
    except InputError as error:
        return _page(request, entered=form, problem=explain(catalogue, error))
    return RedirectResponse(SAVED, 303)


@router.post("/classes")
def add_class(
    request: Request,
    owner: Owner,
    name: Annotated[str, Form(min_length=1, max_length=1000)],
    question: Annotated[str, Form(max_length=1000)] = "",
) -> Response:
    """Add a class behind the others; with several questions, of one of them."""
    try:
        added = f"{question}:{name.strip()}" if question else name.strip()
        get_project(request).add_class(added, by=owner.name)
    except (ConflictError, InputError) as error:
        return _page(request, problem=explain(catalogue_of(request), error))
    return RedirectResponse(SAVED, 303)


@router.post("/highlights")
def set_highlights(
    request: Request, owner: Owner, words: Annotated[str, Form(max_length=200_000)] = ""
) -> Response:
    """Replace the words that are marked in texts, one a line."""
    found = dict.fromkeys(line.strip() for line in words.splitlines() if line.strip())
    try:
        get_project(request).configure(by=owner.name, highlights=tuple(found))
    except InputError as error:
        return _page(request, problem=explain(catalogue_of(request), error))
    return RedirectResponse(SAVED, 303)


@router.post("/guidelines")
def set_guidelines(
    request: Request,
    owner: Owner,
    text: Annotated[str, Form(max_length=200_000)] = "",
    again: Annotated[bool, Form()] = False,
) -> RedirectResponse:
    """Replace the guidelines; where it is wanted, ask once more about the texts on which people disagree."""
    project = get_project(request)
    project.set_guidelines(text.replace("\r\n", "\n"), by=owner.name)
    if again and (split := project.edit.matching(TextFilter(state=TextState.DISAGREED))):
        project.edit.reopen(split, by=owner.name)
    return RedirectResponse(SAVED, 303)


@router.post("/guidelines/preview")
def preview_guidelines(text: Annotated[str, Form(max_length=200_000)] = "") -> HTMLResponse:
    """Return guidelines as annotators will see them."""
    return HTMLResponse(prose(text))


def changes_in_words(catalogue: Catalogue, before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Say which settings were changed, by name as on this page, from what to what."""
    kinds = {field.name: field.kind for group in GROUPS for field in group.fields}

    def said(name: str, value: Any) -> str:
        if isinstance(value, bool):
            return catalogue.text("switch.on" if value else "switch.off")
        if isinstance(value, list):
            return catalogue.number(len(value))
        if value is None or isinstance(value, str):
            return value or catalogue.number(None)
        if kinds.get(name) is Kind.PERCENT:
            return catalogue.percent(value, 0 if float(100 * value).is_integer() else 1)
        return catalogue.number(value, 0 if float(value).is_integer() else 3)

    return " · ".join(
        catalogue.text(
            "history.change",
            name=catalogue.text(f"setting.{name}") if catalogue.knows(f"setting.{name}") else name,
            before=said(name, before[name]),
            after=said(name, after[name]),
        )
        for name in after
    )


def _named(questions: Sequence[Question]) -> list[str]:
    return [f"{each.name}:{name}" for each in questions for name in each.classes]


def _page(
    request: Request, *, entered: Mapping[str, str] | None = None, done: str = "", problem: str = ""
) -> HTMLResponse:
    project = get_project(request)
    settings, asked = project.settings.to_dict(), project.questions
    hidden = () if asked else _OF_SEVERAL
    fields = [field for group in GROUPS for field in group.fields]
    shown = {field.name: _written(field, settings[field.name]) for field in fields}
    values = {
        "groups": GROUPS,
        "shown": {**shown, **{name: settings[name] for name in CHOICES}, **(entered or {})},
        "choices": {name: choices_of(name, settings[name]) for name in CHOICES if name not in hidden},
        "hidden": hidden,
        "classes": [each.declared for each in asked] or project.classes,
        "class_options": [(name, name) for name in _named(asked) or project.classes],
        "question_options": [(each.name, each.name) for each in asked],
        "questions": asked,
        "guidelines": project.guidelines,
        "highlights": "\n".join(settings["highlights"]),
        "cases": project.review.cases(Fault.GUIDELINE)[:_CASES],
        "versions": project.reading.guideline_versions(20),
        "done": done,
        "problem": problem,
    }
    return render(request, "manage/settings.html", values, status=422 if problem else 200)


def _chosen(catalogue: Catalogue, name: str, value: str, current: str) -> str:
    try:
        check_choice(name, value, current)
    except InputError as error:
        problem = catalogue.text("settings.no_choice", name=catalogue.text(f"setting.{name}"))
        raise InputError(problem) from error
    return value


def _read(catalogue: Catalogue, field: Field, value: str) -> Any:
    """Turn what was entered into the value of a setting."""
    if field.kind is Kind.SWITCH:
        return value == "on"
    if not value.strip() and field.optional:
        return None
    try:
        return int(value) if field.kind is Kind.COUNT else _real(field, value)
    except ValueError as error:
        kind = "settings.not_whole" if field.kind is Kind.COUNT else "settings.not_number"
        raise InputError(catalogue.text(kind, name=catalogue.text(f"setting.{field.name}"))) from error


def _real(field: Field, value: str) -> float:
    number = float(value)
    if number != number or number in (float("inf"), float("-inf")):
        raise ValueError(value)
    return number / 100 if field.kind is Kind.PERCENT else number


def _written(field: Field, value: Any) -> str:
    """Write the value of a setting as its field takes it."""
    if field.kind is Kind.SWITCH:
        return "on" if value else "off"
    if value is None:
        return ""
    return f"{100 * value:.6g}" if field.kind is Kind.PERCENT else f"{value:.10g}"
