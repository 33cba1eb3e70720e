"""Where people arrive: the start page, signing in, language and appearance."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import HTMLResponse, RedirectResponse

from jurybox.store.records import Role
from jurybox.web.access import Annotator, public, safe_path
from jurybox.web.i18n import LANGUAGES
from jurybox.web.pagecontext import LANGUAGE_COOKIE, THEME_COOKIE, THEMES
from jurybox.web.render import render
from jurybox.web.state import get_server

__all__ = ["router"]

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
