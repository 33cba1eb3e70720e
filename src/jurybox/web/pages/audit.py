"""The audit sample: what larger ones would tell and cost, and how it grows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from jurybox.errors import InputError
from jurybox.project.audit import AuditPlan, AuditSize, plan_audit
from jurybox.web.access import Owner, owner_only
from jurybox.web.i18n import Catalogue
from jurybox.web.render import catalogue_of, explain, render
from jurybox.web.state import get_beliefs, get_project

router = APIRouter(prefix="/manage", include_in_schema=False, dependencies=[owner_only])


@dataclass(frozen=True)
class SizeView:
    """A size of the sample in words: texts of it, texts to add, how well it tells, labels to give, price."""

    texts: str
    more: int
    within: str
    labels: str
    cost: str


@router.get("/audit")
def audit_page(request: Request) -> HTMLResponse:
    """Show what the sample tells, and what a larger one would."""
    return _page(request)


@router.post("/audit")
def grow_audit(request: Request, owner: Owner, texts: Annotated[int, Form(ge=1, le=1_000_000)]) -> Response:
    """Draw further texts at random."""
    try:
        get_project(request).audit.grow(texts, by=owner.name)
    except InputError as error:
        return _page(request, problem=explain(catalogue_of(request), error))
    return RedirectResponse("/manage/audit", 303)


def size_words(catalogue: Catalogue, size: AuditSize, now: int) -> SizeView:
    """Write a size of the sample, which has so many texts now."""
    return SizeView(
        texts=catalogue.number(size.texts),
        more=size.texts - now,
        within=catalogue.text("audit.points", within=catalogue.number(100 * size.within)),
        labels=catalogue.number(size.labels),
        cost=catalogue.number(size.cost, 2),
    )


def _page(request: Request, *, problem: str = "") -> HTMLResponse:
    catalogue = catalogue_of(request)
    source = get_beliefs(request)
    kept = source.kept()
    plan = plan_audit(source.recent().inputs, () if kept is None else kept.accuracy)
    number = catalogue.number
    lead = catalogue.text("audit.lead", texts=number(plan.texts), labelled=number(plan.labelled))
    if plan.counted:
        within = number(100 * (plan.within or 0))
        lead += " " + catalogue.text("audit.known", n=number(plan.counted), within=within)
    values = {
        "lead": lead,
        "sizes": [size_words(catalogue, size, plan.texts) for size in _sizes(plan)],
        "enough": None if plan.enough is None else plan.enough.texts - plan.texts,
        "priced": plan.now.cost is not None,
        "problem": problem,
    }
    return render(request, "manage/audit.html", values, status=422 if problem else 200)


def _sizes(plan: AuditPlan) -> Sequence[AuditSize]:
    """Return the sample as it is, larger ones, and the one that tells enough, by size."""
    enough = [] if plan.enough is None or plan.enough.texts == plan.texts else [plan.enough]
    return sorted([plan.now, *plan.larger, *enough], key=lambda size: size.texts)
