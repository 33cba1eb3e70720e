"""Looking through texts, annotations and the queue."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from jurybox.store.browse import (
    AnnotationFilter,
    AnnotationRow,
    QueueRow,
    TextFilter,
    TextRow,
    TextState,
)
from jurybox.store.records import Flag
from jurybox.web.access import reviewer_only
from jurybox.web.api.fields import After, Limit, Name, PageOut, PathName, Search, TextId
from jurybox.web.state import Stored

__all__ = ["router"]

router = APIRouter(tags=["browsing"], dependencies=[reviewer_only])


class TextOut(BaseModel):
    """A text with everything that is known about it."""

    text: TextRow
    annotations: list[AnnotationRow]


@router.get("/texts")
def texts(
    project: Stored,
    search: Search = "",
    state: TextState | None = None,
    label: Annotated[Name | None, Query()] = None,
    annotator: Annotated[Name | None, Query()] = None,
    after: After = None,
    limit: Limit = 50,
) -> PageOut[TextRow]:
    """List texts in their order."""
    chosen = TextFilter(search=search, state=state, label=label, annotator=annotator)
    page = project.find_texts(chosen, after=after, limit=limit)
    return PageOut(items=list(page.items), next=page.next)


@router.get("/texts/{text_id:path}")
def text(project: Stored, text_id: PathName) -> TextOut:
    """Return one text with its annotations."""
    page = project.find_annotations(AnnotationFilter(text_id=text_id), limit=500)
    return TextOut(text=project.text_row(text_id), annotations=list(page.items))


@router.get("/annotations")
def list_annotations(
    project: Stored,
    text_id: Annotated[TextId | None, Query()] = None,
    annotator: Annotated[Name | None, Query()] = None,
    label: Annotated[Name | None, Query()] = None,
    search: Search = "",
    after: After = None,
    limit: Limit = 50,
) -> PageOut[AnnotationRow]:
    """List annotations that stand, the latest first."""
    chosen = AnnotationFilter(text_id=text_id, annotator=annotator, label=label, search=search)
    page = project.find_annotations(chosen, after=after, limit=limit)
    return PageOut(items=list(page.items), next=page.next)


@router.get("/queue")
def queue(project: Stored, limit: Limit = 50) -> list[QueueRow]:
    """List the texts that will be asked for next, and why."""
    return project.queue(limit)


@router.get("/flags")
def flags(project: Stored) -> list[Flag]:
    """List the remarks of annotators, the latest first."""
    return project.flags()
