"""Annotators, reviewers and owners."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from jurybox.errors import ConflictError
from jurybox.store.records import AnnotatorInfo, Role, Standing
from jurybox.web.access import Annotator, Owner, owner_only, reviewer_only
from jurybox.web.api.fields import Body, Name, PathName
from jurybox.web.invitations import invite, link_path
from jurybox.web.state import Stored

__all__ = ["router"]

router = APIRouter(tags=["people"])

Cap = Annotated[int, Field(ge=0, le=2**31 - 1, description="The most annotations this person may give.")]
Share = Annotated[float, Field(gt=0, le=1, description="The largest share of all annotations to give.")]


class Me(BaseModel):
    """Whoever asks."""

    name: str
    role: Role


class PersonIn(Body):
    """A new person."""

    name: Name
    role: Role = Role.ANNOTATOR
    cap: Cap | None = None


class PersonChange(Body):
    """What is to change; what is left out stays.

    A cap of null lifts it, a share of null leaves it to the setting, a qualification of null to the test.
    """

    standing: Standing | None = None
    role: Role | None = None
    cap: Cap | None = None
    max_share: Share | None = None
    qualified: bool | None = None


class Whose(Body):
    """A person."""

    name: Name


class Invitation(BaseModel):
    """How a person signs in. The token is shown once: only its hash is kept."""

    annotator: AnnotatorInfo
    token: str
    path: str = Field(description="Path of the invite link on this server.")


@router.get("/me")
def me(user: Annotator) -> Me:
    """Say who asks."""
    return Me(name=user.name, role=user.role)


@router.get("/annotators", dependencies=[reviewer_only])
def annotators(project: Stored) -> list[AnnotatorInfo]:
    """List everyone, in the order in which they came."""
    return project.annotators()


@router.get("/annotators/{name:path}", dependencies=[reviewer_only])
def annotator(project: Stored, name: PathName) -> AnnotatorInfo:
    """Return one person."""
    return project.annotator(name)


@router.post("/annotators", status_code=201, dependencies=[owner_only])
def add_annotator(project: Stored, body: PersonIn) -> Invitation:
    """Add a person and make an invite link."""
    person = project.add_annotator(body.name, role=body.role, cap=body.cap)
    token = invite(project, person.name)
    return Invitation(annotator=person, token=token, path=link_path(token))


@router.patch("/annotators/{name:path}")
def change_annotator(user: Owner, project: Stored, name: PathName, body: PersonChange) -> AnnotatorInfo:
    """Pause or resume a person, change the caps, the role, or whether he or she qualifies."""
    if "cap" in body.model_fields_set:
        project.set_cap(name, body.cap)
    if "max_share" in body.model_fields_set:
        project.set_max_share(name, body.max_share)
    if "qualified" in body.model_fields_set:
        project.qualify(name, body.qualified)
    if body.role is not None:
        if name == user.name and body.role != user.role:
            raise ConflictError("you cannot change your own role; another owner can")
        project.set_role(name, body.role)
    if body.standing is not None:
        (project.pause if body.standing == Standing.PAUSED else project.resume)(name)
    return project.annotator(name)


@router.post("/tokens", status_code=201, dependencies=[owner_only])
def new_token(project: Stored, body: Whose) -> Invitation:
    """Make a new token and invite link for a person; the old ones and their sessions end."""
    person = project.annotator(body.name)
    token = invite(project, person.name)
    return Invitation(annotator=person, token=token, path=link_path(token))


@router.delete("/tokens", status_code=204, dependencies=[owner_only])
def withdraw_token(project: Stored, name: Annotated[Name, Query()]) -> None:
    """End a person's token, invite link and sessions."""
    project.set_token(project.annotator(name).name, None)
