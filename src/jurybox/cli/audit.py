"""The commands `audit show` and `audit grow`: how much the audit sample tells, and what more would cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from jurybox.cli.output import bar, note, number, print_json, say, table
from jurybox.cli.projects import AsJson, ProjectLocation, examples, open_project

if TYPE_CHECKING:
    from jurybox.project.audit import AuditPlan, AuditSize

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    audit = typer.Typer(no_args_is_help=True, help="The audit sample, by which models are judged.")
    audit.command(epilog=examples("audit show reviews.db", "audit show reviews.db --json"))(show)
    audit.command(epilog=examples("audit grow reviews.db 60"))(grow)
    app.add_typer(audit, name="audit", rich_help_panel="Project")


def show(project: ProjectLocation, as_json: AsJson = False) -> None:
    """Show what the audit sample tells, and what further texts would bring and cost."""
    from jurybox.formats.plain import plain

    with open_project(project) as opened, bar("judging"):
        plan = opened.beliefs.now().audit_plan
    if as_json:
        print_json(plain(plan))
        return
    _show(plan)


def grow(
    project: ProjectLocation,
    texts: Annotated[
        int, typer.Argument(metavar="TEXTS", min=1, help="Texts to draw at random.", show_default=False)
    ],
    as_json: AsJson = False,
) -> None:
    """Draw further texts of the audit sample at random, labelled or not.

    They leave every training set with the next round, and count from then on.
    """
    with open_project(project) as opened:
        size = opened.audit.grow(texts)
    if as_json:
        print_json({"texts": size})
        return
    say(f"the audit sample has {size:,} texts; the next round learns from none of them")


def _show(plan: AuditPlan) -> None:
    wide = "not known yet" if plan.within is None else f"within {100 * plan.within:.1f} points"
    say(f"{plan.texts:,} texts, {plan.labelled:,} of them labelled; accuracy {wide}")
    table(
        [("texts", "right"), ("accuracy within", "right"), ("labels to give", "right"), ("cost", "right")],
        [_row(size) for size in (plan.now, *plan.larger)],
    )
    if plan.enough is None:
        note("there are too few texts to know the accuracy within 10 points")
    elif plan.enough.texts > plan.texts:
        note(f"within 10 points: jurybox audit grow PROJECT {plan.enough.texts - plan.texts}")


def _row(size: AuditSize) -> tuple[str, ...]:
    price = "–" if size.cost is None else f"{size.cost:,.2f}"
    return number(size.texts), f"±{100 * size.within:.1f} points", number(size.labels), price
