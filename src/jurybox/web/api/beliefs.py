"""What the project believes of texts and people, and as a whole."""

from __future__ import annotations

from enum import StrEnum

from fastapi import APIRouter
from starlette.responses import JSONResponse

from jurybox.errors import NotFoundError
from jurybox.formats.plain import plain
from jurybox.project import Project
from jurybox.project.beliefs import AnnotatorBelief, ProjectBelief, TextBelief
from jurybox.web.access import owner_only, reviewer_only
from jurybox.web.api.fields import After, Limit, PageOut
from jurybox.web.state import Stored

__all__ = ["router"]

router = APIRouter(tags=["beliefs"])


class Order(StrEnum):
    """How beliefs about texts are sorted."""

    TEXT = "text"
    DOUBT = "doubt"


@router.get("/consensus", dependencies=[reviewer_only])
def consensus(
    project: Stored, order: Order = Order.TEXT, after: After = None, limit: Limit = 50
) -> PageOut[TextBelief]:
    """List what is believed about each text; ``doubt``: of labelled texts, the least sure first."""
    texts = project.recent_beliefs().texts
    places = range(len(texts)) if order is Order.TEXT else texts.doubtful
    first = after or 0
    rest = first + limit
    found = [texts[int(place)] for place in places[first:rest]]
    return PageOut(items=found, next=rest if rest < len(places) else None)


@router.get("/quality", dependencies=[reviewer_only])
def quality(project: Stored) -> list[AnnotatorBelief]:
    """List how well everyone does, as of what the learner last found out."""
    return list(_kept(project).annotators)


@router.get("/beliefs", dependencies=[owner_only], response_model=ProjectBelief)
def beliefs(project: Stored) -> JSONResponse:
    """Return what the learner last found out: people, accuracy, forecast, stop rules, savings, guidelines."""
    return JSONResponse(plain(_kept(project)))


def _kept(project: Project) -> ProjectBelief:
    kept = project.kept_beliefs()
    if kept is None:
        raise NotFoundError("nothing has been judged yet; the learner does so after the first annotations")
    return kept
