"""The labelling page, and the plain forms behind it for browsers without scripts."""

from __future__ import annotations

import hashlib
import time
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from starlette.responses import HTMLResponse, RedirectResponse

from jurybox.project.labeller import SKIP_REASONS, why_read_first
from jurybox.scales import CLASS_KEYS, class_keys
from jurybox.store.records import Decision, NothingLeft, Task, Why
from jurybox.web.access import Annotator, User
from jurybox.web.i18n import Catalogue
from jurybox.web.render import catalogue_of, render
from jurybox.web.state import get_project, get_server

router = APIRouter(include_in_schema=False)

_DAY = 86_400

_MESSAGES = (
    *(
        "today",
        "progress",
        "given",
        "skipped",
        "undone",
        "changed",
        "flagged",
        "refused",
        "offline",
        "offline_rest",
    ),
    *("signed_out", "loading", "suggestion", "undo", "skip"),
)


_PROBLEMS = (
    *("relabelled", "not_editable", "not_yours", "too_long", "too_many_remarks", "too_many_changes"),
    *("paused", "not_qualified", "being_tested", "cap_reached", "share_reached"),
)
"""What may be wrong with an answer, as the API names it."""


@router.get("/label")
def label_page(request: Request, user: Annotator) -> HTMLResponse:
    """Show the text to label now."""
    project = get_project(request)
    task = project.next_task(user.name)
    catalogue = catalogue_of(request)
    classes = project.classes
    searched = len(classes) > len(CLASS_KEYS)  # then they are typed, and digits are for those used last
    keys = class_keys(classes, CLASS_KEYS, on_scale=project.scale is not None)
    progress = project.reading.progress(user.name, since=time.time() // _DAY * _DAY)
    nothing = None if isinstance(task, Task) else task
    recent = project.reading.decisions(user.name)
    config = {
        "api": "/api/v1",
        "csrf": user.csrf_token,
        "outbox": _outbox(request, user),
        "task": _task(request, user, task) if isinstance(task, Task) else None,
        "nothing": None if nothing is None else {"why": nothing.why.value},
        "recent": [_decision(one) for one in recent],
        "today": progress.since,
        "read_first": why_read_first(project.reading.guideline_versions(1), recent),
        "lease_seconds": project.settings.lease_seconds,
        "locale": catalogue.language,
        "messages": _messages(catalogue),
    }
    values = {
        "config": config,
        "task": task if isinstance(task, Task) else None,
        "rest": _rest(catalogue, nothing),
        "classes": [
            {"name": name, "key": "" if searched else key} for name, key in zip(classes, keys, strict=True)
        ],
        "searched": searched,
        "progress": progress,
        "guidelines": project.guidelines,
        "words": project.settings.highlights,
        "skip_reasons": SKIP_REASONS,
    }
    return render(request, "label/label.html", values)


@router.post("/label")
def label_by_form(
    request: Request,
    user: Annotator,
    text_id: Annotated[str, Form(max_length=10_000)],
    label: Annotated[str, Form(max_length=1000)],
    comment: Annotated[str, Form(max_length=10_000)] = "",
) -> RedirectResponse:
    """Store a label without a script."""
    get_project(request).submit(text_id, label, annotator=user.name, comment=comment, direct=False)
    return RedirectResponse("/label", 303)


@router.post("/label/skip")
def skip_by_form(
    request: Request, user: Annotator, text_id: Annotated[str, Form(max_length=10_000)]
) -> RedirectResponse:
    """Skip a text without a script."""
    get_project(request).skip(text_id, annotator=user.name, direct=False)
    return RedirectResponse("/label", 303)


@router.post("/label/undo")
def undo_by_form(
    request: Request, user: Annotator, text_id: Annotated[str, Form(max_length=10_000)] = ""
) -> RedirectResponse:
    """Take the last decision back without a script; the text that is shown makes way for the earlier one."""
    project = get_project(request)
    if text_id:
        project.release(user.name, text_id)
    project.undo(user.name, direct=False)
    return RedirectResponse("/label", 303)


@router.get("/guidelines")
def guidelines(request: Request, user: Annotator) -> HTMLResponse:
    """Show what annotators should know."""
    project = get_project(request)
    answers = [flag for flag in project.review.flags(annotator=user.name) if flag.answer]
    values = {"guidelines": project.guidelines, "answers": answers}
    return render(request, "account/guidelines.html", values)


def _task(request: Request, user: User, task: Task) -> dict[str, str | None]:
    """Return what a person may know of a task: nothing of others' labels."""
    suggestion = get_project(request).reading.suggestion(task.text_id, user.name)
    label = None if suggestion is None else suggestion.label
    return {"text_id": task.text_id, "text": task.text, "suggestion": label}


def _decision(decision: Decision) -> dict[str, str | None]:
    return {
        "text_id": decision.text_id,
        "text": decision.text,
        "label": decision.label,
        "comment": decision.comment,
    }


def _outbox(request: Request, user: User) -> str:
    """Name the place in the browser where answers wait: another project on this port has another one."""
    name = f"{get_server(request).location}\n{user.name}"
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _messages(catalogue: Catalogue) -> dict[str, Any]:
    messages: dict[str, Any] = {name: catalogue.messages[f"label.{name}"] for name in _MESSAGES}
    messages["nothing"] = {why: catalogue.text(f"nothing.{why}") for why in Why}
    messages["problems"] = {code: catalogue.text(f"problem.{code}") for code in _PROBLEMS}
    return messages


def _rest(catalogue: Catalogue, nothing: NothingLeft | None) -> str:
    return "" if nothing is None else catalogue.text(f"nothing.{nothing.why.value}")
