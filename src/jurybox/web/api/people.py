"""The people of a project, and the gold texts by which they are judged."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from jurybox.errors import ConflictError
from jurybox.project import Project
from jurybox.project.gold import GoldScore
from jurybox.store.people import MOST_CAP
from jurybox.store.records import AnnotatorInfo, Role, Standing
from jurybox.web.access import Annotator, Owner, end_of_link, invite, link_path, owner_only, reviewer_only
from jurybox.web.api.fields import Body, Name, PathName, TextId
from jurybox.web.sessions import end_all_sessions
from jurybox.web.state import Stored
from jurybox.wire import GoldLabels, Invitation

router = APIRouter(tags=["people"])

Cap = Annotated[int, Field(ge=0, le=MOST_CAP, description="The most annotations this person may give.")]
Share = Annotated[float, Field(gt=0, le=1, description="The largest share of all annotations to give.")]


Days = Annotated[
    float,
    Field(gt=0, le=3650, description="Days after which link and token let nobody in; never, where empty."),
]


class Me(BaseModel):
    """Whoever asks."""

    name: str
    role: Role


class PersonIn(Body):
    """A new person."""

    name: Name
    role: Role = Role.ANNOTATOR
    cap: Cap | None = None
    days: Days | None = None


class PersonChange(Body):
    """What is to change; what is left out stays.

    A cap of null lifts it, a share of null leaves it to the setting, a qualification of null to the test.
    """

    standing: Literal[Standing.ACTIVE, Standing.PAUSED] | None = None
    role: Role | None = None
    cap: Cap | None = None
    max_share: Share | None = None
    qualified: bool | None = None


class Whose(Body):
    """A person, and how long the new link lets them in."""

    name: Name
    days: Days | None = None


@router.get("/me")
def me(user: Annotator) -> Me:
    """Say who asks."""
    return Me(name=user.name, role=user.role)


@router.get("/annotators", dependencies=[reviewer_only])
def annotators(project: Stored) -> list[AnnotatorInfo]:
    """List everyone, in the order in which they came."""
    return project.people.all()


@router.get("/annotators/{name:path}", dependencies=[reviewer_only])
def annotator(project: Stored, name: PathName) -> AnnotatorInfo:
    """Return one person."""
    return project.people.get(name)


@router.post("/annotators", status_code=201)
def add_annotator(user: Owner, project: Stored, body: PersonIn) -> Invitation:
    """Add a person and make an invite link."""
    person = project.people.add(body.name, role=body.role, cap=body.cap, by=user.name)
    return _invitation(project, person.name, body.days)


@router.patch("/annotators/{name:path}")
def change_annotator(user: Owner, project: Stored, name: PathName, body: PersonChange) -> AnnotatorInfo:
    """Pause or resume a person, change the caps, the role, or whether they qualify; all or nothing."""
    values = body.model_dump(include={"cap", "max_share", "qualified"}, exclude_unset=True)
    if body.role is not None:
        if name == user.name and body.role != user.role:
            raise ConflictError("you cannot change your own role; another owner can")
        values["role"] = body.role.value
    standing = None if body.standing is None else Standing(body.standing)
    return project.people.change(name, standing=standing, by=user.name, **values)


@router.post("/tokens", status_code=201, dependencies=[owner_only])
def new_token(project: Stored, body: Whose) -> Invitation:
    """Make a new token and invite link for a person; the old ones and their sessions end."""
    return _invitation(project, body.name, body.days)


@router.delete("/tokens", status_code=204)
def withdraw_token(user: Owner, project: Stored, name: Annotated[Name, Query()]) -> None:
    """End a person's token, invite link and sessions."""
    project.people.withdraw(project.people.get(name).name, by=user.name)


@router.delete("/sessions", status_code=204, dependencies=[owner_only])
def end_sessions(request: Request) -> Response:
    """Sign everybody out, on all servers of the project; a session that asks for it goes on anew."""
    response = Response(status_code=204)
    end_all_sessions(request, response)
    return response


def _invitation(project: Project, name: str, days: float | None) -> Invitation:
    token = invite(project, name, ends_at=end_of_link(days))
    return Invitation(project.people.get(name), token, link_path(token))


gold_router = APIRouter(prefix="/gold", tags=["gold"], dependencies=[owner_only])


class GoldIn(Body):
    """Texts whose label is known, with their labels."""

    labels: dict[TextId, Name] = Field(max_length=100_000)


@gold_router.get("")
def gold(project: Stored) -> GoldLabels:
    """List the gold texts."""
    return GoldLabels(project.gold.labels())


@gold_router.post("")
def add_gold(user: Owner, project: Stored, body: GoldIn) -> GoldLabels:
    """Name gold texts, all or none; those named before stay, with the labels given here."""
    project.edit.change_gold(body.labels, by=user.name)
    return gold(project)


@gold_router.get("/report")
def gold_report(project: Stored) -> list[GoldScore]:
    """List how everyone does on gold texts, in the order in which they came."""
    return project.gold.report()


@gold_router.delete("/{text_id:path}", status_code=204)
def remove_gold(user: Owner, project: Stored, text_id: PathName) -> None:
    """Make a gold text an ordinary one again."""
    project.edit.change_gold({text_id: None}, by=user.name)
