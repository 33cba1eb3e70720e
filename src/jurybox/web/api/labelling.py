"""Labelling: tasks out, decisions in."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, TypedDict

from fastapi import APIRouter, Header, Query, Response
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from jurybox.project import Project
from jurybox.project.labelling import LONGEST_LOAN
from jurybox.store.gate import IN_HAND
from jurybox.store.records import AnnotatorProgress, Decision, Fault, Receipt, Role, Task
from jurybox.store.services import Suggestion
from jurybox.web.access import Annotator, ForbiddenError, Reviewer, User, may
from jurybox.web.api.fields import Answered, Body, Comment, Label, Name, TextId, acting
from jurybox.web.state import Stored
from jurybox.wire import Expiry, NoTask, OpenTask, OpenTasks

router = APIRouter(tags=["labelling"])

Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="Made by the client; the same request sent again with the same key counts once.",
    ),
]
Seconds = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
Whom = Annotated[Name | None, Field(description="For an owner: whom this is for, if not the owner.")]


class TasksIn(Body):
    """How many texts to get: up to 20 are in hand at once, or more where an owner says so."""

    n: int = Field(default=1, ge=1, le=50)
    resume: bool = Field(default=True, description="Whether texts already in hand are among them.")
    annotator: Whom = None
    lend_limit: Annotated[int, Field(ge=1, le=100_000)] | None = Field(
        default=None, description="For an owner: the most texts in hand, to drive another tool."
    )
    seconds: Annotated[float, Field(ge=1, le=LONGEST_LOAN)] | None = Field(
        default=None, description="For an owner: how long the texts are lent for."
    )


class HeldText(Body):
    """A text in hand."""

    text_id: TextId
    annotator: Whom = None


class LabelIn(Body):
    """A label for a text; in a project with several questions the answers to all, which are one decision."""

    text_id: TextId
    label: Label | Answered
    seconds: Seconds | None = Field(default=None, description="Time on task.")
    comment: Comment = ""
    annotator: Whom = None


class SkipIn(Body):
    """A text that someone does not want to label."""

    text_id: TextId
    reason: Comment = ""
    annotator: Whom = None


class FlagIn(Body):
    """A remark about a text for the owner."""

    text_id: TextId
    comment: Comment
    annotator: Whom = None


class UndoIn(Body):
    """Which decision to take back; the last one where no text is named."""

    text_id: TextId | None = None
    annotator: Whom = None


class ChangeIn(Body):
    """Another label for a decision; the comment stays where none is given."""

    text_id: TextId
    label: Label | Answered
    comment: Comment | None = None
    annotator: Whom = None


class VerdictIn(Body):
    """A reviewer's label, and why those before were wrong."""

    text_id: TextId
    label: Label | Answered
    comment: Comment = ""
    fault: Fault | None = None


# What people do every few seconds: FastAPI would check the answer of a plain function in a thread of its own.


@router.post("/tasks")
async def next_tasks(body: TasksIn, user: Annotator, project: Stored) -> OpenTasks:
    """Borrow texts to label."""
    return await run_in_threadpool(_next_tasks, body, user, project)


@router.post(
    "/annotations", status_code=201, responses={200: {"model": Receipt, "description": "Known already"}}
)
async def submit(
    body: LabelIn, user: Annotator, project: Stored, response: Response, key: Key = None
) -> Receipt:
    """Store a label; it is safe when this answers."""
    receipt = await run_in_threadpool(_submit, body, user, project, key)
    response.status_code = 200 if receipt.repeated else 201
    return receipt


def _next_tasks(body: TasksIn, user: User, project: Project) -> OpenTasks:
    owned = {"lend_limit": body.lend_limit, "seconds": body.seconds}
    if any(value is not None for value in owned.values()) and not may(user, Role.OWNER):
        raise ForbiddenError("only an owner may say how many texts are lent, and for how long")
    annotator = acting(project, user, body.annotator)
    found = project.next_tasks(
        annotator,
        body.n,
        resume=body.resume,
        lend_limit=body.lend_limit or IN_HAND,
        seconds=body.seconds,
    )
    suggest = project.reading.suggestion if found.suggestions else _silent
    tasks = tuple(_open_task(user, task, suggest(task.text_id, annotator)) for task in found.tasks)
    none = found.nothing
    return OpenTasks(tasks, None if none is None else NoTask(none.why, none.explanation, none.retry_at))


def _submit(body: LabelIn, user: User, project: Project, key: str | None) -> Receipt:
    return project.submit(
        body.text_id,
        body.label,
        seconds=body.seconds,
        comment=body.comment,
        key=key,
        **_whose(project, user, body.annotator),
    )


@router.post("/tasks/renew")
def renew(body: HeldText, user: Annotator, project: Stored) -> Expiry:
    """Keep a text for longer."""
    return Expiry(expires_at=project.renew(acting(project, user, body.annotator), body.text_id))


@router.post("/tasks/release", status_code=204)
def release(body: HeldText, user: Annotator, project: Stored) -> None:
    """Give a text back without a decision; nothing happens if it is not in hand."""
    project.release(acting(project, user, body.annotator), body.text_id)


@router.post("/skips", status_code=204)
def skip(body: SkipIn, user: Annotator, project: Stored, key: Key = None) -> None:
    """Leave a text to others."""
    project.skip(body.text_id, body.reason, key=key, **_whose(project, user, body.annotator))


@router.post("/flags", status_code=204)
def flag(body: FlagIn, user: Annotator, project: Stored, key: Key = None) -> None:
    """Leave a remark about a text for the owner."""
    project.flag(body.text_id, body.comment, key=key, **_whose(project, user, body.annotator))


@router.get("/decisions")
def decisions(
    user: Annotator,
    project: Stored,
    limit: Annotated[int, Query(ge=1, le=100)] = 10,
    annotator: Annotated[Name | None, Query()] = None,
) -> list[Decision]:
    """List the last decisions that stand, the latest first; a skip has no label."""
    return project.reading.decisions(acting(project, user, annotator), limit)


@router.post("/decisions/undo")
def undo(body: UndoIn, user: Annotator, project: Stored, key: Key = None) -> OpenTask:
    """Take back one of the last ten decisions and borrow its text again."""
    whose = _whose(project, user, body.annotator)
    task = project.undo(text_id=body.text_id, key=key, **whose)
    return _open_task(user, task, project.reading.suggestion(task.text_id, whose["annotator"]))


@router.post("/decisions/change")
def change(body: ChangeIn, user: Annotator, project: Stored, key: Key = None) -> Receipt:
    """Replace the label of one of the last ten decisions."""
    whose = _whose(project, user, body.annotator)
    return project.change(text_id=body.text_id, label=body.label, comment=body.comment, key=key, **whose)


@router.post("/adjudications", status_code=201)
def adjudicate(body: VerdictIn, user: Reviewer, project: Stored, key: Key = None) -> Receipt:
    """Decide about a text; it wants no more labels then."""
    return project.adjudicate(
        body.text_id, body.label, reviewer=user.name, comment=body.comment, fault=body.fault, key=key
    )


@router.get("/progress")
def progress(
    user: Annotator,
    project: Stored,
    since: Annotated[float, Query(ge=0, le=1e12, description="Unix time, such as midnight.")] = 0.0,
) -> AnnotatorProgress:
    """Say how far the user is, in all and since a time, and how far the project is."""
    return project.reading.progress(user.name, since=since)


class _Whose(TypedDict):
    annotator: str
    direct: bool


def _whose(project: Project, user: User, annotator: str | None) -> _Whose:
    """Return whom a decision is of, and whether an owner makes it for them."""
    name = acting(project, user, annotator)
    return {"annotator": name, "direct": name != user.name}


def _silent(_text_id: str, _annotator: str) -> None:
    """Suggest nothing."""


def _open_task(user: User, task: Task, suggestion: Suggestion | None) -> OpenTask:
    """Return what someone may know of a task."""
    label = None if suggestion is None else suggestion.label
    shown = OpenTask(task.text_id, task.text, task.expires_at, label, task.asked)
    if not may(user, Role.REVIEWER):
        return shown
    return replace(shown, reason=task.reason, score=task.score, round=task.round)
