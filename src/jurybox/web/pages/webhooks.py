"""The owner's webhooks: add them, see how deliveries went, try one, remove them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import HTMLResponse, RedirectResponse

from jurybox.errors import ConflictError, InputError
from jurybox.web.access import owner_only
from jurybox.web.render import catalogue_of, render
from jurybox.web.state import get_project, get_server
from jurybox.web.webhooks import Event, NewHook, add_hook, list_hooks, remove_hook, try_hook

router = APIRouter(prefix="/manage/webhooks", include_in_schema=False, dependencies=[owner_only])

Number = Annotated[str, Form(pattern=r"^[0-9a-f]{16}$")]


@router.get("")
def webhooks_page(request: Request) -> HTMLResponse:
    """List where events are told."""
    return _page(request)


@router.post("")
def add_webhook(
    request: Request,
    url: Annotated[str, Form(max_length=2000)],
    events: Annotated[list[Event] | None, Form(max_length=10)] = None,
) -> HTMLResponse:
    """Add a webhook, and show its secret this once."""
    _check_on(request)
    if not events:
        return _page(request, url=url, problem=catalogue_of(request).text("webhooks.no_events"))
    private = get_server(request).settings.webhooks_to_private_addresses
    try:
        made = add_hook(get_project(request), url.strip(), events, allow_private=private)
    except InputError as error:
        return _page(request, url=url, problem=str(error))
    return _page(request, made=made)


@router.post("/test")
def test_webhook(request: Request, number: Number) -> HTMLResponse:
    """Send a test to a webhook and say how it went."""
    _check_on(request)
    private = get_server(request).settings.webhooks_to_private_addresses
    return _page(request, tried=try_hook(get_project(request), number, allow_private=private))


@router.post("/remove")
def remove_webhook(request: Request, number: Number) -> RedirectResponse:
    """Remove a webhook."""
    remove_hook(get_project(request), number)
    return RedirectResponse("/manage/webhooks", 303)


def _check_on(request: Request) -> None:
    if not get_server(request).settings.webhooks:
        raise ConflictError("webhooks are off on this server; start it with --webhooks to turn them on")


def _page(
    request: Request, *, made: NewHook | None = None, tried: str = "", url: str = "", problem: str = ""
) -> HTMLResponse:
    values = {
        "on": get_server(request).settings.webhooks,
        "hooks": list_hooks(get_project(request)),
        "events": list(Event),
        "made": made,
        "tried": tried,
        "url": url,
        "problem": problem,
    }
    return render(request, "manage/webhooks.html", values, status=422 if problem else 200)
