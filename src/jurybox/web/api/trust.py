"""How far the labels can be trusted: for owners alone."""

from __future__ import annotations

from fastapi import APIRouter

from jurybox.errors import NotFoundError
from jurybox.project.summary import TrustSummary
from jurybox.web.access import owner_only
from jurybox.web.state import Stored

__all__ = ["router"]

router = APIRouter(tags=["trust"], dependencies=[owner_only])


@router.get("/trust")
def trust(project: Stored) -> TrustSummary:
    """Return what the learner last found out: people, accuracy, forecast, stop rules, savings, guidelines."""
    summary = project.trust_summary()
    if summary is None:
        raise NotFoundError("nothing has been judged yet; the learner does so after the first annotations")
    return summary
