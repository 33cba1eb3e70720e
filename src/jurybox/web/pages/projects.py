"""All projects of a server of several: the list, the way into each, and a new one."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Form, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, RedirectResponse, Response

from jurybox.errors import InputError, NotFoundError
from jurybox.web.access import ForbiddenError, annotator_only, owner_only
from jurybox.web.render import catalogue_of, explain, render

router = APIRouter(include_in_schema=False)

PROJECT_COOKIE = "jurybox_project"
"""Which project a browser's requests are for."""

Name = Annotated[str, Form(min_length=1, max_length=200)]


@router.get("/projects", dependencies=[annotator_only])
def projects_page(request: Request) -> HTMLResponse:
    """List the projects that somebody has signed in to."""
    return _page(request)


@router.post("/projects", dependencies=[annotator_only])
def open_project(request: Request, name: Name) -> Response:
    """Go into a project; requests of this browser are for it from now on."""
    if name not in {entry.name for entry in _hub(request).entries(request)}:
        raise NotFoundError(f"there is no project {name!r} that you have signed in to")
    return _into(name, "/")


@router.post("/projects/new", dependencies=[owner_only])
async def new_project(request: Request, name: Name) -> Response:
    """Begin a project in a file of its own, and go where it is set up."""
    hub = _hub(request)
    if not await run_in_threadpool(hub.is_operator, request):
        raise ForbiddenError("only whoever runs the server makes new projects on it")
    try:
        token = await hub.add(name.strip())
    except InputError as error:
        return await run_in_threadpool(_page, request, problem=explain(catalogue_of(request), error))
    return _into(name.strip(), f"/join/{token}")


def _hub(request: Request) -> Any:
    """Return the server of all projects, whose module imports this one."""
    hub = getattr(request.app.state, "hub", None)
    if hub is None:
        raise NotFoundError("this server has one project")
    return hub


def _page(request: Request, *, problem: str = "") -> HTMLResponse:
    hub = _hub(request)
    values = {
        "entries": hub.entries(request),
        "makes": hub.is_operator(request),
        "problem": problem,
    }
    return render(request, "account/projects.html", values, status=422 if problem else 200)


def _into(name: str, path: str) -> RedirectResponse:
    response = RedirectResponse(path, 303)
    response.set_cookie(PROJECT_COOKIE, quote(name), httponly=True, samesite="lax")
    return response
