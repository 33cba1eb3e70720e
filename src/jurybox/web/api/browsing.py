"""Looking through texts, annotations and the queue, and what the project believes of texts and people."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel
from starlette.responses import JSONResponse

from jurybox.errors import NotFoundError
from jurybox.formats.plain import plain
from jurybox.project import Project
from jurybox.project.annotators import AnnotatorBelief
from jurybox.project.beliefs import ProjectBelief
from jurybox.project.facets import QuestionsBelief
from jurybox.project.panel import PanelBelief
from jurybox.project.texts import TextBelief
from jurybox.store.browse import AnnotationRow, QueueRow, TextRow
from jurybox.store.filters import AnnotationFilter, TextFilter, TextState
from jurybox.store.records import Fault, Flag
from jurybox.store.remarks import Case
from jurybox.web.access import Reviewer, owner_only, reviewer_only
from jurybox.web.api.fields import After, Body, Comment, Limit, Name, PageOut, PathName, Search, TextId
from jurybox.web.state import Stored

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
    page = project.reading.find_texts(chosen, after=after, limit=limit)
    return PageOut(items=list(page.items), next=page.next)


@router.get("/texts/{text_id:path}")
def text(project: Stored, text_id: PathName) -> TextOut:
    """Return one text with its annotations."""
    page = project.reading.find_annotations(AnnotationFilter(text_id=text_id), limit=500)
    return TextOut(text=project.reading.text_row(text_id), annotations=list(page.items))


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
    page = project.reading.find_annotations(chosen, after=after, limit=limit)
    return PageOut(items=list(page.items), next=page.next)


@router.get("/queue")
def queue(project: Stored, limit: Limit = 50) -> list[QueueRow]:
    """List the texts that will be asked for next, and why."""
    return project.reading.queue(limit)


@router.get("/flags")
def flags(project: Stored) -> list[Flag]:
    """List the remarks of annotators, open ones first, the latest first."""
    return project.review.flags()


@router.get("/cases")
def cases(project: Stored, fault: Fault | None = None) -> list[Case]:
    """List decisions that say why others were wrong, the latest first."""
    return project.review.cases(fault)


class AnswerIn(Body):
    """What a reviewer says to a remark; without an answer it is only settled, or open again."""

    answer: Comment = ""
    resolved: bool = True


@router.put("/flags/{number}", status_code=204)
def answer_flag(
    user: Reviewer, project: Stored, number: Annotated[int, Path(ge=1, le=2**62)], body: AnswerIn
) -> None:
    """Answer a remark, settle it, or open it again."""
    if body.answer.strip():
        project.review.answer(number, body.answer, by=user.name)
    if not body.resolved or not body.answer.strip():
        project.review.resolve(number, body.resolved)


beliefs_router = APIRouter(tags=["beliefs"])

OneOfSeveral = Annotated[
    Name | None,
    Query(description="Where there are several questions: which, or question:class for one class of it."),
]


class Order(StrEnum):
    """How beliefs about texts are sorted."""

    TEXT = "text"
    DOUBT = "doubt"


@beliefs_router.get("/consensus", dependencies=[reviewer_only])
def consensus(
    project: Stored,
    order: Order = Order.TEXT,
    after: After = None,
    limit: Limit = 50,
    question: OneOfSeveral = None,
) -> PageOut[TextBelief]:
    """List what is believed about each text; ``doubt``: of labelled texts, the least sure first."""
    texts = project.facets.of(question).recent().texts
    places = range(len(texts)) if order is Order.TEXT else texts.doubtful
    first = after or 0
    rest = first + limit
    found = [texts[int(place)] for place in places[first:rest]]
    return PageOut(items=found, next=rest if rest < len(places) else None)


@beliefs_router.get("/quality", dependencies=[reviewer_only])
def quality(project: Stored, question: OneOfSeveral = None) -> list[AnnotatorBelief]:
    """List how well everyone does, as of what the learner last found out."""
    return list(_kept(project, question).annotators)


@beliefs_router.get("/questions", dependencies=[reviewer_only])
def questions(project: Stored) -> QuestionsBelief | None:
    """Say how each of several questions stands, the mean and the worst; null in a project with one."""
    return project.facets.describe()


@beliefs_router.get("/beliefs", dependencies=[owner_only], response_model=ProjectBelief)
def beliefs(project: Stored, question: OneOfSeveral = None) -> JSONResponse:
    """Return what the learner last found out: people, accuracy, forecast, stop rules, savings, guidelines."""
    return JSONResponse(plain(_kept(project, question)))


@beliefs_router.get("/machines", dependencies=[owner_only], response_model=PanelBelief)
def machines(project: Stored, question: OneOfSeveral = None) -> JSONResponse:
    """Return what people's labels say of language models and rules, as of what the learner last found out."""
    return JSONResponse(plain(_kept(project, question).machines))


def _kept(project: Project, question: str | None) -> ProjectBelief:
    kept = project.facets.of(question).kept()
    if kept is None:
        raise NotFoundError("nothing has been judged yet; the learner does so after the first annotations")
    return kept
