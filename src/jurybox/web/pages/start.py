"""Where people arrive: the start page, signing in and out, language and appearance, the sign of life."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from jurybox import __version__
from jurybox.store.records import Role
from jurybox.web.access import (
    Annotator,
    annotator_only,
    owner_only,
    public,
    safe_path,
    start_session,
)
from jurybox.web.i18n import LANGUAGES
from jurybox.web.render import LANGUAGE_COOKIE, THEME_COOKIE, THEMES, render
from jurybox.web.sessions import end_all_sessions, end_session
from jurybox.web.state import get_server
from jurybox.web.vitals import Vitals

router = APIRouter(include_in_schema=False)

_YEAR = 365 * 86_400


@router.get("/")
def start(request: Request, user: Annotator) -> RedirectResponse:
    """Lead everyone to their work."""
    if not get_server(request).has_project:
        return RedirectResponse("/setup", 303)
    return RedirectResponse("/manage" if user.role == Role.OWNER else "/label", 303)


@router.get("/sign-in", dependencies=[Depends(public)])
def sign_in_page(request: Request, next: str = "/") -> HTMLResponse:  # noqa: A002 - its name in the query
    """Ask for a token."""
    return render(request, "account/sign_in.html", {"next": safe_path(next)})


@router.get("/help", dependencies=[annotator_only])
def help_page(request: Request) -> HTMLResponse:
    """Say which keys there are, and what each page is for."""
    return render(request, "account/help.html")


@router.post("/preferences", dependencies=[Depends(public)])
def set_preferences(
    language: Annotated[str, Form(max_length=20)] = "",
    theme: Annotated[str, Form(max_length=20)] = "",
    next_path: Annotated[str, Form(alias="next", max_length=2000)] = "/",
) -> RedirectResponse:
    """Keep language and appearance in cookies of this browser."""
    response = RedirectResponse(safe_path(next_path), 303)
    if language in LANGUAGES:
        response.set_cookie(LANGUAGE_COOKIE, language, max_age=_YEAR, httponly=True, samesite="lax")
    if theme in THEMES:
        response.set_cookie(THEME_COOKIE, theme, max_age=_YEAR, httponly=True, samesite="lax")
    else:
        response.delete_cookie(THEME_COOKIE, httponly=True, samesite="lax")
    return response


@router.get("/healthz", dependencies=[Depends(public)])
async def healthz(request: Request) -> JSONResponse:
    """Say whether labels can be stored, and why not; from memory, whatever the database does."""
    vitals: Vitals = request.app.state.vitals
    if not vitals.has_beaten:  # only before the server's own task has begun
        await run_in_threadpool(vitals.beat)
    health = vitals.health()
    return JSONResponse({**asdict(health), "version": __version__}, 200 if health.is_well else 503)


@router.get("/join/{token}", dependencies=[Depends(public)])
def join(request: Request, token: str) -> Response:
    """Open an invite link, or the owner's link: sign in and go to the start page."""
    response = RedirectResponse("/", 303)
    start_session(request, response, token)
    return response


@router.post("/sign-in", dependencies=[Depends(public)])
def sign_in_by_form(
    request: Request,
    token: Annotated[str, Form(max_length=200)],
    next_path: Annotated[str, Form(alias="next")] = "/",
) -> Response:
    """Sign in with a token typed into the form."""
    response = RedirectResponse(safe_path(next_path), 303)
    start_session(request, response, token.strip())
    return response


@router.post("/sign-out", dependencies=[annotator_only])
def sign_out(request: Request) -> Response:
    """Sign out and go to the sign-in page."""
    response = RedirectResponse("/sign-in", 303)
    end_session(request, response)
    return response


@router.post("/sign-out/everybody", dependencies=[owner_only])
def sign_everybody_out(request: Request) -> Response:
    """End everybody's sessions; whoever asks for it stays signed in here."""
    response = RedirectResponse("/manage/settings?signed_out=1", 303)
    end_all_sessions(request, response)
    return response
