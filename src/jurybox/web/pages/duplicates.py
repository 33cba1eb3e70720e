"""Groups of copies and near-duplicates: shown, found, split and merged."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import HTMLResponse, RedirectResponse

from jurybox.web.access import Owner
from jurybox.web.pages.editing import back_to, done_view
from jurybox.web.render import catalogue_of, render
from jurybox.web.state import get_project

router = APIRouter(prefix="/manage", include_in_schema=False)

_PAGE = 50
_HERE = "/manage/duplicates"


@router.get("/duplicates")
def duplicates_page(
    request: Request,
    _owner: Owner,
    start: Annotated[int, Query(ge=0, lt=2**31)] = 0,
    done: Annotated[int | None, Query(ge=0, le=2**62)] = None,
    none: Annotated[str, Query(max_length=10)] = "",
) -> HTMLResponse:
    """List the groups, the largest first."""
    found = get_project(request).pool.duplicates(start, _PAGE)
    last = start + len(found.groups)
    place = catalogue_of(request).text("pager.place", first=start + 1, last=last)
    values = {
        "found": found,
        "done": done_view(request, done),
        "unchanged": none,
        "back": _HERE,
        "pager": {
            "place": place if found.total > _PAGE else "",
            "first": _HERE if start else "",
            "next": f"{_HERE}?start={last}" if last < found.total else "",
        },
    }
    return render(request, "manage/duplicates.html", values)


@router.post("/duplicates")
def change_groups(
    request: Request,
    owner: Owner,
    act: Annotated[str, Form(pattern="^(find|split|merge)$")],
    ids: Annotated[list[str] | None, Form(alias="id", max_length=10_000)] = None,
) -> RedirectResponse:
    """Look for near-duplicates, or split or merge the groups of the texts that are selected."""
    project = get_project(request)
    before = project.edit.history.last_number()
    if act == "find":
        project.pool.find(by=owner.name)
    elif not ids:
        return RedirectResponse(f"{_HERE}?none=1", 303)
    elif act == "split":
        project.pool.split(ids, by=owner.name)
    else:
        project.pool.merge(ids, by=owner.name)
    return back_to(_HERE, {}, project, before)
