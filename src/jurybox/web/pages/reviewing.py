"""The inbox of reviewers: doubtful texts and remarks in a list, one of them beside it, decided by one key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Query, Request
from starlette.datastructures import FormData
from starlette.responses import HTMLResponse, RedirectResponse, Response

from jurybox.errors import NotFoundError
from jurybox.store.records import Fault, Flag
from jurybox.web.access import Reviewer, reviewer_only
from jurybox.web.pages.labelling import answers_sent, form_sent
from jurybox.web.pages.texts import text_view
from jurybox.web.render import render
from jurybox.web.state import get_beliefs, get_project

router = APIRouter(prefix="/manage", include_in_schema=False)

_DOUBTFUL = 50
_REMARKS = 100
_REMARKED = "remarks"

TextName = Annotated[str, Form(max_length=10_000)]


@dataclass(frozen=True)
class InboxRow:
    """A text in the list: why it is there, in a few words."""

    text_id: str
    text: str
    note: str
    settled: bool = False


@router.get("/review", dependencies=[reviewer_only])
def review_page(
    request: Request,
    text_id: Annotated[str, Query(alias="id", max_length=10_000)] = "",
    show: Annotated[str, Query(max_length=20)] = "",
    decided: Annotated[str, Query(max_length=10_000)] = "",
) -> HTMLResponse:
    """Show the list, and the text in it that is looked at: the first one unless another is named."""
    project = get_project(request)
    flags = project.review.flags()
    remarks = show == _REMARKED
    waiting = _remarked(request, flags[:_REMARKS]) if remarks else _doubtful(request)
    here = text_id or next((one.text_id for one in waiting), "")
    values: dict[str, Any] = {
        "waiting": waiting,
        "remarks": remarks,
        "n_open": sum(flag.resolved_at is None for flag in flags),
        "here": here,
        "decided": decided,
        "follows": _after([one.text_id for one in waiting], here),
        "show": _REMARKED if remarks else "",
        "viewed": None,
        "words": (),
        "questions": (),
    }
    if here:
        try:
            values |= {"viewed": True, **text_view(request, here)}
        except NotFoundError:  # deleted since, or since it was listed
            if not waiting or text_id:
                raise
    return render(request, "manage/review.html", values)


@router.post("/adjudicate")
def adjudicate(
    request: Request,
    user: Reviewer,
    text_id: TextName,
    form: Annotated[FormData, Depends(form_sent)],
    label: Annotated[str, Form(max_length=20_000)] = "",
    comment: Annotated[str, Form(max_length=10_000)] = "",
    fault: Annotated[str, Form(max_length=20)] = "",
    inbox: Annotated[str, Form(max_length=20)] = "",
    follows: TextName = "",
    show: Annotated[str, Form(max_length=20)] = "",
) -> RedirectResponse:
    """Decide about a text; in the inbox, the next one follows."""
    project, why = get_project(request), Fault(fault) if fault in {*Fault} else None
    said = label if label else answers_sent(project.questions, form)
    project.adjudicate(text_id, said, reviewer=user.name, comment=comment, fault=why)
    if not inbox:
        return RedirectResponse(f"/manage/text?{urlencode({'id': text_id, 'saved': 1})}", 303)
    return _inbox(id=follows or text_id, show=show, decided=text_id)


@router.post("/review/undo")
def undo(
    request: Request, user: Reviewer, text_id: TextName, show: Annotated[str, Form(max_length=20)] = ""
) -> RedirectResponse:
    """Take a decision back, and show its text again."""
    get_project(request).review.undo(user.name, text_id)
    return _inbox(id=text_id, show=show)


@router.post("/flags")
def answer_flag(
    request: Request,
    user: Reviewer,
    flag: Annotated[int, Form(ge=1, le=2**62)],
    answer: Annotated[str, Form(max_length=10_000)] = "",
    act: Annotated[str, Form(max_length=20)] = "answer",
    text_id: TextName = "",
) -> Response:
    """Answer a remark, settle it without a word, or open it again."""
    review = get_project(request).review
    if act == "answer" and answer.strip():
        review.answer(flag, answer.strip(), by=user.name)
    else:
        review.resolve(flag, act != "open")
    return _inbox(id=text_id, show=_REMARKED)


@router.get("/cases", dependencies=[reviewer_only])
def cases_page(request: Request) -> HTMLResponse:
    """List decisions that say why others were wrong: what the guidelines do not settle comes first."""
    cases = sorted(get_project(request).review.cases(), key=lambda one: one.fault is not Fault.GUIDELINE)
    return render(request, "manage/cases.html", {"cases": cases})


def _doubtful(request: Request) -> list[InboxRow]:
    """List what is most likely wrong."""
    found = get_beliefs(request).recent().contested(_DOUBTFUL)
    return [InboxRow(one.text_id, one.text, f"{one.label}?") for one in found]


def _remarked(request: Request, flags: Sequence[Flag]) -> list[InboxRow]:
    silent = get_project(request).reading.some_texts(flag.text_id for flag in flags if not flag.comment)
    return [
        InboxRow(
            flag.text_id,
            flag.comment or silent[flag.text_id].text,
            flag.annotator,
            settled=flag.resolved_at is not None,
        )
        for flag in flags
    ]


def _after(ids: Sequence[str], text_id: str) -> str:
    """Return which text of a list follows one of them, the first where it is none; empty at the end.

    Examples
    --------
    >>> _after(["a", "b"], "a"), _after(["a", "b"], "b"), _after(["a", "b"], "c")
    ('b', '', 'a')
    """
    place = ids.index(text_id) + 1 if text_id in ids else 0
    return ids[place] if place < len(ids) else ""


def _inbox(**query: str) -> RedirectResponse:
    kept: Mapping[str, str] = {name: value for name, value in query.items() if value}
    return RedirectResponse(f"/manage/review?{urlencode(kept)}", 303)
