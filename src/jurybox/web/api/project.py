"""The project itself, its rounds, and the webhooks that tell of them."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_type_hints

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field, StringConstraints, create_model

from jurybox.errors import ConflictError, InputError
from jurybox.learner import LearnerState, learner_state
from jurybox.project.choices import check_choices
from jurybox.questions import QuestionKind
from jurybox.store.records import RoundInfo, Status
from jurybox.store.settings import LIMITS, ProjectSettings
from jurybox.web.access import Owner, annotator_only, owner_only, reviewer_only
from jurybox.web.api.fields import Body, Name
from jurybox.web.state import Server, Stored, get_project, get_server
from jurybox.web.webhooks import Event, Hook, NewHook, add_hook, list_hooks, remove_hook

router = APIRouter(tags=["project"])

LongText = Annotated[str, StringConstraints(max_length=200_000, pattern=r"^[^\x00]*$")]


class ProjectIn(Body):
    """A new project; texts are imported afterwards."""

    classes: list[Name] = Field(default=[], max_length=1000)
    questions: list[Annotated[str, StringConstraints(max_length=100_000)]] = Field(
        default=[], max_length=200, description="In place of classes, such as food=single:bad,good."
    )
    name: Name | None = None
    guidelines: LongText = ""


class ProjectOut(BaseModel):
    """What annotators need to know of a project."""

    name: str
    classes: list[str]
    guidelines: str
    suggestions: bool
    questions: list[QuestionOut] = []


class QuestionOut(BaseModel):
    """One of several questions: its kind is single, several or scale."""

    name: str
    kind: QuestionKind
    classes: list[str]


class ClassIn(Body):
    """A new class."""

    name: Name


class Guidelines(Body):
    """What annotators are told."""

    text: LongText


_KINDS = get_type_hints(ProjectSettings)
_SETTINGS = {
    setting.name: (Annotated[_KINDS[setting.name], Field(**LIMITS.get(setting.name, {}))], setting.default)
    for setting in fields(ProjectSettings)
}

if TYPE_CHECKING:
    SettingsChange = Body
else:
    SettingsChange = create_model(
        "SettingsChange", __base__=Body, __doc__="Settings to change; what is left out stays.", **_SETTINGS
    )


class Requested(BaseModel):
    """A round will be played as soon as the learner is free."""

    state: Literal["requested"] = "requested"


@router.get("/project", dependencies=[annotator_only])
def project_out(project: Stored) -> ProjectOut:
    """Say what annotators need to know of the project."""
    asked = project.questions
    return ProjectOut(
        name=project.name,
        classes=[] if asked else list(project.classes),
        guidelines=project.guidelines,
        suggestions=project.settings.suggestions,
        questions=[
            QuestionOut(name=each.name, kind=each.kind, classes=[*map(str, each.classes)]) for each in asked
        ],
    )


@router.post("/project", status_code=201, dependencies=[owner_only])
def create_project(server: Annotated[Server, Depends(get_server)], body: ProjectIn) -> ProjectOut:
    """Make the project, where the server was started on none."""
    if not (body.classes or body.questions):
        raise InputError("got neither classes nor questions, expected at least one of either")
    project = server.create(
        classes=body.classes, questions=body.questions, name=body.name, guidelines=body.guidelines
    )
    return project_out(project)


@router.get("/status", dependencies=[reviewer_only])
def status(project: Stored) -> Status:
    """Say how far the project is."""
    return project.status()


@router.get("/settings", dependencies=[reviewer_only])
def settings(project: Stored) -> ProjectSettings:
    """Return the settings that hold now."""
    return project.settings


@router.patch("/settings")
def change_settings(user: Owner, project: Stored, body: SettingsChange) -> ProjectSettings:
    """Change settings; they hold from the next task and the next round on."""
    changes: dict[str, Any] = body.model_dump(exclude_unset=True)
    check_choices(changes, project.settings.to_dict())
    return project.configure(by=user.name, **changes) if changes else project.settings


@router.post("/classes", status_code=201)
def add_class(user: Owner, project: Stored, body: ClassIn) -> ProjectOut:
    """Add a class behind the others."""
    project.add_class(body.name, by=user.name)
    return project_out(project)


@router.put("/guidelines")
def set_guidelines(user: Owner, project: Stored, body: Guidelines) -> ProjectOut:
    """Replace the guidelines; earlier versions are kept."""
    project.set_guidelines(body.text, by=user.name)
    return project_out(project)


@router.get("/rounds", dependencies=[reviewer_only])
def rounds(project: Stored) -> list[RoundInfo]:
    """List the rounds that were published."""
    return project.reading.rounds()


@router.post("/rounds", status_code=202, dependencies=[owner_only])
def ask_for_round(project: Stored) -> Requested:
    """Ask the learner for a round now."""
    project.notes.ask_for_round()
    return Requested()


@router.get("/learner", dependencies=[reviewer_only])
def learner(request: Request) -> LearnerState:
    """Say what the learner does, and how its last fit went."""
    return learner_state(get_project(request))


hooks_router = APIRouter(prefix="/webhooks", tags=["webhooks"], dependencies=[owner_only])

Url = Annotated[str, StringConstraints(min_length=8, max_length=2000, pattern=r"^https?://[\x21-\x7e]+$")]


class HookIn(Body):
    """A new webhook."""

    url: Url
    events: list[Event] = Field(default_factory=lambda: list(Event), min_length=1, max_length=10)


@hooks_router.get("")
def hooks(project: Stored) -> list[Hook]:
    """List the webhooks and how their last deliveries went."""
    return list_hooks(project)


@hooks_router.post("", status_code=201)
def add(project: Stored, server: Annotated[Server, Depends(get_server)], body: HookIn) -> NewHook:
    """Add a webhook; the secret that its deliveries are signed with is shown once."""
    if not server.settings.webhooks:
        raise ConflictError("webhooks are off on this server; start it with --webhooks to turn them on")
    return add_hook(
        project, body.url, body.events, allow_private=server.settings.webhooks_to_private_addresses
    )


@hooks_router.delete("/{number}", status_code=204)
def remove(project: Stored, number: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]) -> None:
    """Remove a webhook."""
    remove_hook(project, number)
