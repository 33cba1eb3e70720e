"""Errors become answers here and nowhere else: problem details (RFC 9457) for programs, a page for people."""

from __future__ import annotations

import html
import logging
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from jurybox.errors import (
    ConflictError,
    FitError,
    FormatError,
    InputError,
    InputTypeError,
    JuryboxError,
    MissingExtraError,
    NotFoundError,
    StoreError,
    redacted,
)
from jurybox.web.access import ForbiddenError, SignInError, TooManyAttemptsError, WrongTokenError, link_path
from jurybox.web.security import HEADERS
from jurybox.web.state import NoProjectError

API_PREFIX = "/api/"
PROBLEM = "application/problem+json"

_STATUS: tuple[tuple[type[JuryboxError], int], ...] = (
    (SignInError, 401),
    (ForbiddenError, 403),
    (TooManyAttemptsError, 429),
    (NotFoundError, 404),
    (ConflictError, 409),
    (InputError, 422),
    (InputTypeError, 422),
    (MissingExtraError, 501),
    (FitError, 409),
    (StoreError, 503),
    (JuryboxError, 500),
)

_UNAVAILABLE = "the project's database cannot be used at present; try again in a moment"
_CRASHED = "the server met an error that it did not expect; its log says more"

_log = logging.getLogger("jurybox.web")


def status_of(error: JuryboxError) -> int:
    """Return the HTTP status for one of our exceptions.

    Examples
    --------
    >>> status_of(ConflictError("there is a class 'x' already"))
    409
    """
    return next(status for kind, status in _STATUS if isinstance(error, kind))


def add_error_handlers(app: FastAPI) -> None:
    """Let the app answer errors in one way."""
    app.add_exception_handler(JuryboxError, _on_jurybox_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(Exception, _on_crash)


def answer(
    request: Request,
    status: int,
    detail: str,
    *,
    headers: dict[str, str] | None = None,
    extra: dict[str, Any] | None = None,
) -> Response:
    """Say what went wrong, to a program or to a person."""
    title = HTTPStatus(status).phrase
    if request.url.path.startswith(API_PREFIX):
        problem = {"type": "about:blank", "title": title, "status": status, "detail": detail, **(extra or {})}
        return JSONResponse(problem, status, headers, media_type=PROBLEM)
    return _page(request, status, title, detail, headers)


def answer_error(request: Request, error: JuryboxError) -> Response:
    """Say what one of our exceptions says; where to sign in, to a person who has not.

    What is wrong with the database goes to the log, unless the error has a code and is meant for people.
    """
    status = status_of(error)
    is_page = not request.url.path.startswith(API_PREFIX) and request.method in ("GET", "HEAD")
    if is_page and isinstance(error, NoProjectError):
        return RedirectResponse("/setup", 303)
    if is_page and isinstance(error, SignInError) and not isinstance(error, WrongTokenError):
        target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/sign-in?next={quote(target, safe='')}", 303)
    if status >= 500:
        _log.error("%s %s: %s", request.method, redacted(request.url.path), redacted(str(error)))
    detail = _UNAVAILABLE if status == 503 and not error.code else str(error)
    return answer(request, status, detail, headers=_headers(error), extra=_extra(error))


def _on_jurybox_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, JuryboxError)  # noqa: S101 - registered for this type
    return answer_error(request, error)


def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    return answer(request, error.status_code, str(error.detail), headers=dict(error.headers or {}))


def _on_invalid_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    errors = [
        {"place": ".".join(str(part) for part in problem["loc"]), "problem": problem["msg"]}
        for problem in error.errors()
    ]
    detail = "; ".join(f"{problem['place']}: {problem['problem']}" for problem in errors)
    return answer(request, 422, detail, extra={"errors": errors})


def _on_crash(request: Request, error: Exception) -> Response:
    _log.error("%s %s failed", request.method, redacted(request.url.path), exc_info=error)
    return answer(request, 500, _CRASHED, headers=HEADERS)


def _headers(error: JuryboxError) -> dict[str, str] | None:
    if isinstance(error, SignInError):
        return {"WWW-Authenticate": 'Bearer realm="jurybox"'}
    if isinstance(error, TooManyAttemptsError):
        return {"Retry-After": str(int(error.seconds) + 1)}
    if isinstance(error, StoreError) and not isinstance(error, NotFoundError | ConflictError):
        return {"Retry-After": "1"}
    return None


def _extra(error: JuryboxError) -> dict[str, Any]:
    named: dict[str, Any] = {"code": error.code} if error.code else {}
    if not isinstance(error, FormatError):
        return named
    place = {"file": error.file, "row": error.row, "column": error.column}
    named.update((name, value) for name, value in place.items() if value is not None)
    return named if error.value is None else {**named, "value": str(error.value)}


def _page(
    request: Request, status: int, title: str, detail: str, headers: dict[str, str] | None
) -> HTMLResponse:
    from jurybox.web.render import has_template, render

    if has_template("error.html"):
        detail = "" if detail in (_CRASHED, _UNAVAILABLE) else detail  # the page says it in its language
        context = {"status": status, "title": title, "detail": detail}
        if request.url.path.startswith(link_path("")):
            context["here"] = "/"  # else the form of the language would hold the token in the path
        return render(request, "error.html", context, status=status, headers=headers)
    title, detail = html.escape(title), html.escape(detail)
    page = f"<!doctype html><html lang=en><title>{title}</title><h1>{title}</h1><p>{detail}</p></html>"
    return HTMLResponse(page, status, headers)
