"""The owner's settings: how labels are asked for, classes, guidelines."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import HTMLResponse, RedirectResponse

from jurybox.errors import InputError
from jurybox.strategies import STRATEGIES
from jurybox.web.access import owner_only
from jurybox.web.render import render
from jurybox.web.state import get_project

__all__ = ["router"]

router = APIRouter(prefix="/manage", include_in_schema=False, dependencies=[owner_only])

Number = Annotated[str, Form(max_length=30)]
SAVED = "/manage/settings?saved=1"


@router.get("/settings")
def settings_page(request: Request, saved: Annotated[str, Query(max_length=5)] = "") -> HTMLResponse:
    """Show what can be set."""
    project = get_project(request)
    values = {
        "settings": project.settings.to_dict(),
        "strategies": [(name, f"{name}: {strategy.summary}") for name, strategy in STRATEGIES.items()],
        "classes": project.classes,
        "guidelines": project.guidelines,
        "saved": bool(saved),
    }
    return render(request, "manage/settings.html", values)


@router.post("/settings")
def change_settings(
    request: Request,
    strategy: Annotated[str, Form(max_length=100)],
    batch: Number,
    max_labels: Number,
    first_labels: Number,
    audit_labels: Number,
    lease_seconds: Number,
    enough_agreement: Number = "",
    cost_per_label: Number = "",
    suggestions: Annotated[str, Form(max_length=10)] = "",
) -> RedirectResponse:
    """Change the settings; they hold from the next task and the next round on."""
    get_project(request).configure(
        strategy=strategy,
        batch=_whole("batch", batch),
        max_labels=_whole("max_labels", max_labels),
        first_labels=_whole("first_labels", first_labels),
        audit_labels=_whole("audit_labels", audit_labels),
        lease_seconds=_real("lease_seconds", lease_seconds),
        enough_agreement=_whole("enough_agreement", enough_agreement) if enough_agreement.strip() else None,
        cost_per_label=_real("cost_per_label", cost_per_label) if cost_per_label.strip() else None,
        suggestions=suggestions == "on",
    )
    return RedirectResponse(SAVED, 303)


@router.post("/classes")
def add_class(
    request: Request, name: Annotated[str, Form(min_length=1, max_length=1000)]
) -> RedirectResponse:
    """Add a class behind the others."""
    get_project(request).add_class(name.strip())
    return RedirectResponse(SAVED, 303)


@router.post("/guidelines")
def set_guidelines(request: Request, text: Annotated[str, Form(max_length=200_000)] = "") -> RedirectResponse:
    """Replace the guidelines."""
    get_project(request).set_guidelines(text.replace("\r\n", "\n"))
    return RedirectResponse(SAVED, 303)


def _whole(name: str, value: str) -> int:
    if not value.strip().isdecimal():
        raise InputError(f"{name} is {value!r}, expected a whole number")
    return int(value)


def _real(name: str, value: str) -> float:
    try:
        return float(value)
    except ValueError as error:
        raise InputError(f"{name} is {value!r}, expected a number") from error
