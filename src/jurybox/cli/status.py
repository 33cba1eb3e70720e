"""The command about a project as a whole: `status`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from jurybox.cli.output import bar, fields, print_json, say, share
from jurybox.cli.projects import AsJson, ProjectLocation, examples, open_project, round_seconds

if TYPE_CHECKING:
    from jurybox.project.auditing import Accuracy
    from jurybox.project.opinions import SharesBelief
    from jurybox.project.stopping import Effort
    from jurybox.store.records import Status
    from jurybox.trust.intervals import Interval
    from jurybox.trust.savings import Savings

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command(
        rich_help_panel="Project",
        epilog=examples("status reviews.db", "status reviews.db --savings", "status reviews.db --json"),
    )(status)


def status(
    project: ProjectLocation,
    savings: Annotated[
        bool,
        typer.Option(
            "--savings", help="Also what choosing texts has saved against random choice; trains models."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show how far a project is, how good, what more labels would bring, and whether to stop.

    Accuracy and macro-F1 are those of the last round's model, estimated on the audit sample.
    """
    from jurybox.formats.plain import plain
    from jurybox.project.advice import in_words

    with open_project(project) as opened, bar("judging"):
        now, beliefs = opened.status(), opened.beliefs.now()
        last = beliefs.accuracy[-1] if beliefs.accuracy else None
        effort, expected, known = beliefs.effort, beliefs.forecast, beliefs.shares
        verdicts = beliefs.verdicts[-1].verdicts if beliefs.verdicts else ()
        saved = beliefs.savings if savings else None
        advice = beliefs.advice
    if as_json:
        print_json(
            {
                **asdict(now),
                "advice": {"step": advice.step.value, "words": in_words(advice)},
                "accuracy": plain(last),
                "shares": plain(known),
                "effort": plain(effort),
                "forecast": plain(expected),
                "rules": plain(verdicts),
                **({"savings": plain(saved)} if savings else {}),
            }
        )
        return
    say(in_words(advice))
    shown = {**_status_fields(now), **_effort_fields(effort)}
    if known is not None:
        shown |= _shares_fields(known)
    if last is not None:
        shown["accuracy"] = f"{_between(last)}, on {last.n_texts:,} audit texts"
        shown["macro-F1"] = _between(last.macro_f1)
    for point in expected.points if expected is not None else ():
        paid = "" if point.cost is None else f", for {point.cost:,.2f}"
        shown[f"{point.labels:,} more"] = f"accuracy {_between(point.accuracy)} with 80 %{paid}"
    if saved is not None:
        shown["saved"] = _saved(saved)
    for verdict in verdicts:
        shown[f"rule {verdict.rule}"] = f"{'stop' if verdict.stop else 'go on'}: {verdict.why}"
    fields(shown, title=now.name)


def _effort_fields(effort: Effort) -> dict[str, str]:
    shown = {}
    if effort.budget is not None:
        shown["budget"] = f"{effort.labels:,} of {effort.budget:,} labels"
    if effort.cost is not None:
        shown["cost"] = f"{effort.cost:,.2f}"
    return shown


def _shares_fields(known: SharesBelief) -> dict[str, str]:
    shown = {"shares known": f"of {known.known:,} labelled texts; {known.open:,} are open"}
    if known.cross_entropy is not None and known.manhattan is not None:
        of_all = f"{known.usual_cross_entropy:.3f} and {known.usual_manhattan:.3f} if all texts were alike"
        shown["cross-entropy"] = f"{_plainly(known.cross_entropy)} nats, on {known.n_texts:,} audit texts"
        shown["Manhattan distance"] = f"{_plainly(known.manhattan)}; {of_all}"
    return shown


def _plainly(one: Interval) -> str:
    return f"{one.estimate:.3f} ({one.low:.3f} to {one.high:.3f})"


def _between(one: Interval | Accuracy) -> str:
    return f"{share(one.estimate)} ({share(one.low)} to {share(one.high)})"


def _saved(found: Savings) -> str:
    if found.saved is None or found.better is None:
        return f"unknown: {found.unknown}"
    low, high = (f"{bound:,.0f}" for bound in (found.saved.low, found.saved.high))
    return f"{low} to {high} labels against random choice with 80 %; any at all with {share(found.better)}"


def _status_fields(now: Status) -> dict[str, str]:
    from jurybox.project.tuning import gear_of

    labelled = share(now.labelled_texts / now.texts if now.texts else None)
    classes = ", ".join(f"{name}: {count:,}" for name, count in now.class_counts.items())
    shown = {
        "texts": f"{now.texts:,}",
        "labelled": f"{now.labelled_texts:,} ({labelled}), of which {now.finished_texts:,} finished",
        "annotations": f"{now.annotations:,} ({classes})",
        "annotators": f"{now.annotators:,}, of whom {now.active_annotators:,} active",
        "audit sample": f"{now.audit_texts:,} texts, of which {now.audit_finished:,} finished",
        "skipped, flagged": f"{now.skips:,}, {now.flags:,}",
        "on loan": f"{now.on_loan:,} texts",
        "rounds": f"{now.rounds:,}; {now.new_annotations:,} annotations since",
    }
    if now.last_round is not None:
        shown["last round"] = f"{now.last_round.n_annotations:,} annotations, {round_seconds(now.last_round)}"
        shown["figures from"] = str(gear_of(now.last_round.diagnostics))
    return shown
