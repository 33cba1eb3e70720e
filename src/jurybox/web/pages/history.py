"""The history: what owners have done, and its undoing."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from jurybox.errors import ConflictError, NotFoundError
from jurybox.project.history import UNDOABLE
from jurybox.web.access import Owner, owner_only
from jurybox.web.render import catalogue_of, explain, render
from jurybox.web.state import get_project

__all__ = ["router"]

router = APIRouter(prefix="/manage", include_in_schema=False)


@router.get("/history", dependencies=[owner_only])
def history_page(request: Request) -> HTMLResponse:
    """List what was done, the latest first."""
    return _page(request)


@router.post("/history")
def undo_event(request: Request, owner: Owner, event: Annotated[int, Form(ge=1)]) -> Response:
    """Undo one event."""
    try:
        get_project(request).edit.history.undo(event, by=owner.name)
    except (ConflictError, NotFoundError) as error:
        return _page(request, problem=explain(catalogue_of(request), error))
    return RedirectResponse("/manage/history", 303)


def _page(request: Request, *, problem: str = "") -> HTMLResponse:
    events = get_project(request).edit.history.last()
    values = {"events": events, "undoable": {*UNDOABLE}, "problem": problem}
    return render(request, "manage/history.html", values, status=409 if problem else 200)
