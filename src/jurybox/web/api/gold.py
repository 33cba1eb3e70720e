"""Gold texts: for owners alone."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, Field

from jurybox.project.gold import GoldScore
from jurybox.web.access import owner_only
from jurybox.web.api.fields import Body, Name, PathName, TextId
from jurybox.web.state import Stored

__all__ = ["router"]

router = APIRouter(prefix="/gold", tags=["gold"], dependencies=[owner_only])


class GoldIn(Body):
    """Texts whose label is known, with their labels."""

    labels: dict[TextId, Name] = Field(max_length=100_000)


class GoldOut(BaseModel):
    """All texts whose label is known, with their labels."""

    labels: dict[str, str]


@router.get("")
def gold(project: Stored) -> GoldOut:
    """List the gold texts."""
    return GoldOut(labels=project.gold())


@router.post("")
def add_gold(project: Stored, body: GoldIn) -> GoldOut:
    """Name gold texts, all or none; those named before stay, with the labels given here."""
    project.add_gold(body.labels)
    return gold(project)


@router.get("/report")
def gold_report(project: Stored) -> list[GoldScore]:
    """List how everyone does on gold texts, in the order in which they came."""
    return project.gold_report()


@router.delete("/{text_id:path}", status_code=204)
def remove_gold(project: Stored, text_id: PathName) -> None:
    """Make a gold text an ordinary one again."""
    project.set_gold(text_id, None)
