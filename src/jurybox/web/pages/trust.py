"""How far the labels can be trusted: the owner's page, and one for each annotator."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse

from jurybox.learner import learner_state
from jurybox.project.beliefs import ProjectBelief
from jurybox.web.access import owner_only
from jurybox.web.pagecontext import catalogue_of
from jurybox.web.panels import basis_words
from jurybox.web.render import render
from jurybox.web.state import get_project
from jurybox.web.trustpanels import person_view, rules, savings, suspicion, trust_panels

__all__ = ["router"]

router = APIRouter(prefix="/manage", include_in_schema=False, dependencies=[owner_only])


@router.get("/trust")
def trust_page(request: Request) -> HTMLResponse:
    """Show how good the labels are, when to stop, and who is reliable, as the learner last found out."""
    project, catalogue = get_project(request), catalogue_of(request)
    kept = project.kept_beliefs()
    if kept is None:
        return render(request, "manage/trust.html", {"kept": None})
    values = {
        "kept": kept,
        "basis": _basis(request, kept),
        "panels": trust_panels(catalogue, kept),
        "rules": rules(catalogue, kept.verdicts),
        "savings": savings(catalogue, kept.savings),
        "suspects": [
            {"name": one.name, "words": suspicion(catalogue, one)}
            for one in kept.annotators
            if one.suspect is not None
        ],
        "people": [one.name for one in kept.annotators if one.n_annotations],
    }
    return render(request, "manage/trust.html", values)


@router.get("/person")
def person_page(request: Request, name: Annotated[str, Query(max_length=1000)]) -> HTMLResponse:
    """Show everything that is known of one person's labels."""
    project, catalogue = get_project(request), catalogue_of(request)
    person, kept = project.annotator(name), project.kept_beliefs()
    known = [one for one in kept.annotators if one.name == name and one.n_annotations] if kept else []
    values = {
        "person": person,
        "view": person_view(catalogue, known[0]) if known else None,
        "basis": "" if kept is None else _basis(request, kept),
    }
    return render(request, "manage/person.html", values)


def _basis(request: Request, kept: ProjectBelief) -> str:
    project = get_project(request)
    today, phase = project.recent_beliefs().basis, learner_state(project).phase
    return basis_words(catalogue_of(request), kept.basis, today, phase)
