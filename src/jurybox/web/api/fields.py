"""Fields that many requests and answers have."""

from __future__ import annotations

from typing import Annotated, Generic, Literal, TypeVar

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from jurybox.project import Project
from jurybox.store.records import Role
from jurybox.web.access import ForbiddenError, User, may

Item = TypeVar("Item")

_PLAIN = r"^[^\x00]*$"

Name = Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=_PLAIN)]
"""Name of a class or a person."""

Short = Annotated[str, StringConstraints(max_length=1000, pattern=_PLAIN)]
Label = Annotated[str, StringConstraints(min_length=1, max_length=20_000, pattern=_PLAIN)]
"""A class; or answers to several questions in writing."""

Answered = Annotated[
    dict[Name, Name | list[Name] | dict[Literal["yes", "asked"], list[Name]]],
    Field(
        max_length=200,
        description="Answers by question: a class; a list of them, an empty one where none applies; or which "
        "of the classes asked for apply.",
    ),
]

TextId = Annotated[str, StringConstraints(max_length=10_000, pattern=_PLAIN)]
"""The name of a text outside of jurybox."""

Comment = Annotated[str, StringConstraints(max_length=10_000, pattern=_PLAIN)]
PathName = Annotated[str, Path(min_length=1, max_length=1000, pattern=_PLAIN)]
Search = Annotated[str, Query(max_length=1000, pattern=_PLAIN)]
After = Annotated[int | None, Query(ge=0, le=2**62, description="The `next` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=500, description="The most items of a page.")]


class Body(BaseModel):
    """A request; a field that is not known is an error, not ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PageOut(BaseModel, Generic[Item]):
    """Some items; `next` is where the page after this one begins, null at the end."""

    items: list[Item]
    next: int | None = None


class ProblemDetails(BaseModel):
    """What went wrong (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str = Field(description="What was got, what was expected, what to do.")


def acting(project: Project, user: User, annotator: str | None) -> str:
    """Return whom a request is for: the user, or anyone the owner names.

    Raises
    ------
    ForbiddenError
        If someone else names another person.
    NotFoundError
        If there is no such person.
    """
    if annotator is None or annotator == user.name:
        return user.name
    if not may(user, Role.OWNER):
        raise ForbiddenError("only an owner may act for someone else")
    return project.people.get(annotator).name
