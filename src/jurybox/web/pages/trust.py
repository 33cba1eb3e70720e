"""How far the labels can be trusted: the owner's page, and one for each annotator."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse

from jurybox.web.access import owner_only
from jurybox.web.pagecontext import catalogue_of
from jurybox.web.render import render
from jurybox.web.state import get_project
from jurybox.web.trustpanels import person_view, rules, savings, suspicion, trust_panels

__all__ = ["router"]

router = APIRouter(prefix="/manage", include_in_schema=False, dependencies=[owner_only])


@router.get("/trust")
def trust_page(request: Request) -> HTMLResponse:
    """Show how good the labels are, when to stop, and who is reliable, as of the learner's last summary."""
    project, catalogue = get_project(request), catalogue_of(request)
    summary = project.trust_summary()
    if summary is None:
        return render(request, "manage/trust.html", {"summary": None})
    values = {
        "summary": summary,
        "panels": trust_panels(catalogue, summary, project.settings.cost_per_label),
        "rules": rules(catalogue, summary),
        "savings": savings(catalogue, summary),
        "suspects": [
            {"name": one["name"], "words": suspicion(catalogue, one)}
            for one in summary.people
            if one["suspect"] is not None
        ],
        "people": [one["name"] for one in summary.people if one["n_annotations"]],
    }
    return render(request, "manage/trust.html", values)


@router.get("/person")
def person_page(request: Request, name: Annotated[str, Query(max_length=1000)]) -> HTMLResponse:
    """Show everything that is known of one person's labels."""
    project, catalogue = get_project(request), catalogue_of(request)
    person = project.annotator(name)
    summary = project.trust_summary()
    known = [one for one in summary.people if one["name"] == person.name] if summary is not None else []
    view = person_view(catalogue, known[0]) if known and known[0]["n_annotations"] else None
    return render(request, "manage/person.html", {"person": person, "view": view, "summary": summary})
