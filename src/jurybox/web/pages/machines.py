"""The owner's page of language models and rules: what people's labels say of each."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from jurybox.project.panel import MachineBelief
from jurybox.web.access import owner_only
from jurybox.web.i18n import Catalogue
from jurybox.web.panels import range_words
from jurybox.web.render import catalogue_of, render
from jurybox.web.state import get_project

__all__ = ["router"]

router = APIRouter(prefix="/manage", include_in_schema=False, dependencies=[owner_only])


@router.get("/machines")
def machines_page(request: Request) -> HTMLResponse:
    """Show what is known of machines, as the learner last found out."""
    catalogue, kept = catalogue_of(request), get_project(request).beliefs.kept()
    panel = None if kept is None else kept.machines
    if panel is None or not panel.machines:
        return render(request, "manage/machines.html", {"machines": [], "votes": ""})
    votes = catalogue.text(
        "machines.votes",
        machines=catalogue.number(len(panel.machines)),
        votes=catalogue.number(panel.effective_votes, 1),
    )
    rows = [_row(catalogue, one) for one in panel.machines]
    return render(request, "manage/machines.html", {"machines": rows, "votes": votes})


def _row(catalogue: Catalogue, one: MachineBelief) -> dict[str, str]:
    known = one.agreement
    return {
        "name": f"{one.name} v{one.version}",
        "kind": one.kind,
        "answers": catalogue.number(one.answers),
        "agreement": catalogue.percent(None if known is None else known.estimate),
        "range": "" if known is None else range_words(catalogue, known),
        "voice": catalogue.number(one.voice, 2),
        "worth": catalogue.number(one.worth, 3),
        "price": catalogue.number(one.price, 2),
    }
