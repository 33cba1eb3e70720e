"""Webhooks: where they go."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field, StringConstraints

from jurybox.errors import ConflictError
from jurybox.web.access import owner_only
from jurybox.web.api.fields import Body
from jurybox.web.state import Server, Stored, get_server
from jurybox.web.webhooks import Event, Hook, NewHook, add_hook, list_hooks, remove_hook

__all__ = ["router"]

router = APIRouter(prefix="/webhooks", tags=["webhooks"], dependencies=[owner_only])

Url = Annotated[str, StringConstraints(min_length=8, max_length=2000, pattern=r"^https?://[\x21-\x7e]+$")]


class HookIn(Body):
    """A new webhook."""

    url: Url
    events: list[Event] = Field(default_factory=lambda: list(Event), min_length=1, max_length=10)


@router.get("")
def hooks(project: Stored) -> list[Hook]:
    """List the webhooks and how their last deliveries went."""
    return list_hooks(project)


@router.post("", status_code=201)
def add(project: Stored, server: Annotated[Server, Depends(get_server)], body: HookIn) -> NewHook:
    """Add a webhook; the secret that its deliveries are signed with is shown once."""
    if not server.settings.webhooks:
        raise ConflictError("webhooks are off on this server; start it with --webhooks to turn them on")
    return add_hook(
        project, body.url, body.events, allow_private=server.settings.webhooks_to_private_addresses
    )


@router.delete("/{number}", status_code=204)
def remove(project: Stored, number: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]) -> None:
    """Remove a webhook."""
    remove_hook(project, number)
