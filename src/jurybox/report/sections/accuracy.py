"""How good model and consensus are, what more labels would bring, and whether it is time to stop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jurybox.report.view import View

if TYPE_CHECKING:
    from jurybox.project import Project
    from jurybox.project.auditing import Accuracy, AuditReport
    from jurybox.project.stopping import RoundVerdicts
    from jurybox.trust.forecast import Forecast
    from jurybox.trust.savings import Savings

__all__ = ["Stopping", "describe_audit", "describe_curve", "describe_stopping"]


@dataclass(frozen=True)
class Stopping:
    """What is to come; each is None before it can be said.

    Attributes
    ----------
    forecast
        What more labels would bring.
    verdicts
        What each rule said after each round.
    savings
        Labels that random choice would have needed.
    costs
        Of the labels of each point of the forecast; None without a price.
    """

    forecast: Forecast | None
    verdicts: tuple[RoundVerdicts, ...]
    savings: Savings | None
    costs: tuple[float, ...] | None


def describe_curve(project: Project, _view: View) -> tuple[Accuracy, ...]:
    """Return the accuracy of each round's model on the audit sample."""
    return tuple(project.accuracy())


def describe_audit(project: Project, _view: View) -> AuditReport:
    """Return how good the last round's model and today's consensus are."""
    return project.audit_estimate()


def describe_stopping(project: Project, _view: View) -> Stopping:
    """Return forecast, verdicts and savings."""
    expected, price = project.forecast(), project.settings.cost_per_label
    costs = None
    if expected is not None and price is not None:
        costs = tuple(price * point.labels for point in expected.points)
    return Stopping(expected, tuple(project.stop_verdicts()), project.savings(), costs)
