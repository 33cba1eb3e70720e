"""Templates with what every page needs: who is signed in, the CSRF token, the project's name."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from jurybox.errors import JuryboxError
from jurybox.web.access import User, known_user
from jurybox.web.pagecontext import page_context

__all__ = ["environment", "has_template", "render"]

TEMPLATES = Path(__file__).with_name("templates")


@cache
def environment() -> Environment:
    """Return the environment of the templates; it escapes everything and knows no undefined names."""
    return Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )


def has_template(name: str) -> bool:
    """Whether there is such a template."""
    return (TEMPLATES / name).is_file()


def render(
    request: Request,
    name: str,
    context: Mapping[str, Any] | None = None,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """Fill a template. It also gets ``request``, ``user`` (or None), ``csrf_token`` and `page_context`."""
    user = _user(request)
    values = {
        **page_context(request, user),
        "request": request,
        "user": user,
        "csrf_token": user.csrf_token if user else "",
        **(context or {}),
    }
    return HTMLResponse(environment().get_template(name).render(values), status, headers)


def _user(request: Request) -> User | None:
    try:
        return known_user(request)
    except JuryboxError:  # a page that says what is wrong must not fail of the same
        return None
