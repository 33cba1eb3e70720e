"""The labelling page, and the plain forms behind it for browsers without scripts."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Container, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request
from starlette.datastructures import FormData
from starlette.responses import HTMLResponse, RedirectResponse

from jurybox.project.labeller import SKIP_REASONS, answer_options, why_read_first
from jurybox.project.people import message_digest
from jurybox.questions import Question
from jurybox.scales import CLASS_KEYS, class_keys
from jurybox.store.records import Decision, NothingLeft, Task, Why
from jurybox.store.remarks import Case
from jurybox.web.access import Annotator, User
from jurybox.web.i18n import Catalogue
from jurybox.web.render import catalogue_of, render
from jurybox.web.state import get_project, get_server

router = APIRouter(include_in_schema=False)

_DAY = 86_400
_EXAMPLES = 3

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
    *("not", "none_of_these", "yes", "no", "nothing_answered", "left_open"),
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
    stored = project.stored
    classes = () if stored.questions else project.classes
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
        "progress": asdict(progress),
        "read_first": why_read_first(project.reading.guideline_versions(1), recent),
        "lease_seconds": stored.settings.lease_seconds,
        "locale": catalogue.language,
        "messages": _messages(catalogue),
    }
    told = project.people.get(user.name).message
    values = {
        "config": config,
        "task": task if isinstance(task, Task) else None,
        "rest": _rest(catalogue, nothing),
        "classes": [
            {"name": name, "key": "" if searched else key} for name, key in zip(classes, keys, strict=True)
        ],
        "searched": searched,
        "questions": asked_on_page(stored.questions, task.asked if isinstance(task, Task) else None),
        "by_item": stored.settings.ask == "unsure",
        "progress": progress,
        "guidelines": project.guidelines,
        "told": told,
        "told_digest": message_digest(told or ""),
        "words": stored.settings.highlights,
        "skip_reasons": SKIP_REASONS,
    }
    return render(request, "label/label.html", values)


async def form_sent(request: Request) -> FormData:
    """Return all fields of a form, however they are called."""
    return await request.form()


@router.post("/label")
def label_by_form(
    request: Request,
    user: Annotator,
    text_id: Annotated[str, Form(max_length=10_000)],
    form: Annotated[FormData, Depends(form_sent)],
    label: Annotated[str, Form(max_length=20_000)] = "",
    comment: Annotated[str, Form(max_length=10_000)] = "",
) -> RedirectResponse:
    """Store a label without a script."""
    project = get_project(request)
    said = label if label else answers_sent(project.questions, form)
    project.submit(text_id, said, annotator=user.name, comment=comment, direct=False)
    return RedirectResponse("/label", 303)


@router.post("/label/read")
def has_read(
    request: Request, user: Annotator, message: Annotated[str, Form(max_length=64)] = ""
) -> RedirectResponse:
    """Take the owner's message away, which was read."""
    get_project(request).people.has_read(user.name, message)
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
    values = {
        "guidelines": project.guidelines,
        "answers": answers,
        "examples": _examples(project.review.cases(), project.gold.labels()),
    }
    return render(request, "account/guidelines.html", values)


def _examples(cases: Sequence[Case], gold: Container[str]) -> dict[str, list[Case]]:
    """Return some decided cases of each class, the latest first; gold texts are no examples: they test."""
    found: dict[str, list[Case]] = {}
    for case in cases:
        shown = found.setdefault(case.label, [])
        if case.text_id not in gold and len(shown) < _EXAMPLES:
            shown.append(case)
    return {label: shown for label, shown in sorted(found.items()) if shown}


def asked_on_page(
    questions: Sequence[Question], asked: Sequence[str] | None = None, keys: Iterable[str] = CLASS_KEYS
) -> list[dict[str, Any]]:
    """Return what a page asks of a text, each class with its key; of several, that none applies, too.

    A question of which some classes are asked for stands as a yes or no of each of these.
    """
    options = answer_options(questions, keys)

    def wanted(each: Question) -> list[str]:
        return [str(facet) for facet in each.facets if asked is None or str(facet) in asked]

    return [
        {
            "name": each.name,
            "kind": each.kind,
            "facets": [str(facet) for facet in each.facets] if each.kind == "several" else [],
            "shown": _BETWEEN.join(map(str, each.classes)) if each.kind == "several" else "",
            "wanted": wanted(each),
            "whole": len(wanted(each)) == len(each.facets),
            "classes": options[each.name],
        }
        for each in questions
    ]


def answers_sent(questions: Sequence[Question], form: FormData) -> dict[str, Any]:
    """Return the answers of a form: of several classes those that were ticked, or that none applies.

    A class that was added since the page was opened was not asked for.
    """
    said: dict[str, Any] = {}
    for place, each in enumerate(questions):
        given = [str(value) for value in form.getlist(f"answer_{place}")]
        if each.kind != "several":
            said |= {each.name: given[-1]} if given else {}
            continue
        shown = str(form.get(f"shown_{place}") or _BETWEEN.join(map(str, each.classes))).split(_BETWEEN)
        if given:
            said[each.name] = {"yes": [name for name in given if name], "asked": shown}
        else:
            words = {f"{each.name}:{name}": form.get(f"answer_{place}_{at}") for at, name in enumerate(shown)}
            said |= {name: str(word) for name, word in words.items() if word}
    return said


_BETWEEN = "|"  # classes, none of which has it in its name


def _task(request: Request, user: User, task: Task) -> dict[str, Any]:
    """Return what a person may know of a task: nothing of others' labels."""
    suggestion = get_project(request).reading.suggestion(task.text_id, user.name)
    label = None if suggestion is None else suggestion.label
    return {"text_id": task.text_id, "text": task.text, "suggestion": label, "asked": task.asked}


def _decision(decision: Decision) -> dict[str, str | None]:
    return {
        "text_id": decision.text_id,
        "text": decision.text,
        "label": decision.label,
        "comment": decision.comment,
    }


def _outbox(request: Request, user: User) -> str:
    """Name the place in the browser where answers wait: another project on this port has another one.

    It stays when the person is renamed, and when the project is served from another place. Of several
    projects on one server one may be a copy of another.
    """
    server = get_server(request)
    place = Path(server.location).name if hasattr(request.app.state, "hub") else ""
    name = f"{server.session_key().project} {server.project.people.number(user.name)} {place}"
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _messages(catalogue: Catalogue) -> dict[str, Any]:
    messages: dict[str, Any] = {name: catalogue.messages[f"label.{name}"] for name in _MESSAGES}
    messages["nothing"] = {why: catalogue.text(f"nothing.{why}") for why in Why}
    messages["problems"] = {code: catalogue.text(f"problem.{code}") for code in _PROBLEMS}
    return messages


def _rest(catalogue: Catalogue, nothing: NothingLeft | None) -> str:
    return "" if nothing is None else catalogue.text(f"nothing.{nothing.why.value}")
