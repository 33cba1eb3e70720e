"""How a project stands, and its people: `status` and `annotators`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from jurybox.cli.importing import OneOfSeveral
from jurybox.cli.output import bar, fields, note, print_json, say, table, warn
from jurybox.cli.projects import AsJson, ProjectLocation, examples, open_project, round_seconds
from jurybox.numerals import UNKNOWN, between, count, estimate, number, points, share, shares

if TYPE_CHECKING:
    from jurybox.project.annotators import AnnotatorBelief, PairBelief
    from jurybox.project.facets import Facets
    from jurybox.project.opinions import SharesBelief
    from jurybox.project.stopping import Effort
    from jurybox.store.records import Status
    from jurybox.trust.intervals import Interval
    from jurybox.trust.savings import Savings


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(
        rich_help_panel="Project",
        epilog=examples("status reviews.db", "status reviews.db --savings", "status reviews.db --json"),
    )(status)
    app.command(
        rich_help_panel="Project",
        epilog=examples(
            "annotators reviews.db", "annotators reviews.db --name ana", "annotators reviews.db --json"
        ),
    )(annotators)


def status(
    project: ProjectLocation,
    savings: Annotated[
        bool,
        typer.Option(
            "--savings", help="Also what choosing texts has saved against random choice; trains models."
        ),
    ] = False,
    question: OneOfSeveral = None,
    as_json: AsJson = False,
) -> None:
    """Show how far a project is, how good, what more labels would bring, and whether to stop.

    Accuracy and macro-F1 are those of the last round's model, estimated on the audit sample.
    """
    from jurybox.formats.plain import plain
    from jurybox.project.advice import in_words

    with open_project(project) as opened, bar("judging"):
        now = opened.status()
        if now.questions and question is None:
            _show_questions(now, opened.facets, as_json=as_json)
            return
        beliefs = opened.facets.of(question).now()
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
        shown["accuracy"] = f"{between(last)}, 95 % interval, on {count(last.n_texts, 'audit text')}"
        shown["macro-F1"] = f"{between(last.macro_f1)}, 95 % interval"
    for point in expected.points if expected is not None else ():
        paid = "" if point.cost is None else f", for {point.cost:,.2f}"
        shown[f"{point.labels:,} more"] = f"accuracy {between(point.accuracy)}, 80 % interval{paid}"
    if saved is not None:
        shown["saved"] = _saved(saved)
    for verdict in verdicts:
        shown[f"rule {verdict.rule}"] = f"{'stop' if verdict.stop else 'go on'}: {verdict.why}"
    fields(shown, title=now.name)


def _show_questions(now: Status, facets: Facets, *, as_json: bool) -> None:
    """Show how each of several questions stands, the worst and the mean; with figures of this moment."""
    from jurybox.formats.plain import plain

    found = facets.describe(today=True)
    if found is None:
        return
    if as_json:
        print_json({**asdict(now), "facets": plain(found)})
        return
    fields(
        {
            **_status_fields(now),
            "worst": found.worst or UNKNOWN,
            "means": f"macro-F1 {share(found.macro_f1)}, consensus right {share(found.quality)}",
            "stop rules": f"stop at the worst: {'yes' if found.worst_done else 'no'}; "
            f"at most questions: {'yes' if found.done else 'no'}",
        },
        title=now.name,
    )
    table(
        [
            *(("question", "left"), ("answers", "right"), ("texts", "right"), ("alpha", "right")),
            *(("consensus right", "right"), ("macro-F1", "right"), ("95 %", "left"), ("stop", "left")),
        ],
        [
            (
                one.question,
                number(one.answers),
                number(one.texts),
                number(one.agreement, 2),
                share(one.quality),
                estimate(one.macro_f1),
                shares(one.macro_f1),
                "stop" if one.done else "",
            )
            for one in found.facets
        ],
    )


def _effort_fields(effort: Effort) -> dict[str, str]:
    shown = {}
    if effort.budget is not None:
        shown["budget"] = f"{effort.labels:,} of {count(effort.budget, 'label')}"
    if effort.cost is not None:
        shown["cost"] = f"{effort.cost:,.2f}"
    return shown


def _shares_fields(known: SharesBelief) -> dict[str, str]:
    shown = {"shares known": f"of {count(known.known, 'labelled text')}; {known.open:,} are open"}
    if known.cross_entropy is not None and known.manhattan is not None:
        of_all = f"{known.usual_cross_entropy:.3f} and {known.usual_manhattan:.3f} if all texts were alike"
        on = count(known.n_texts, "audit text")
        shown["cross-entropy"] = f"{_plainly(known.cross_entropy)} nats, on {on}"
        shown["Manhattan distance"] = f"{_plainly(known.manhattan)}; {of_all}"
    return shown


def _plainly(one: Interval) -> str:
    return f"{one.estimate:.3f} ({one.low:.3f} to {one.high:.3f})"


def _saved(found: Savings) -> str:
    if found.saved is None or found.better is None:
        return f"unknown: {found.unknown}"
    low, high = (f"{bound:,.0f}" for bound in (found.saved.low, found.saved.high))
    return f"{low} to {high} labels against random choice with 80 %; any at all with {share(found.better)}"


def _status_fields(now: Status) -> dict[str, str]:
    from jurybox.project.tuning import gear_of

    labelled = share(now.labelled_texts / now.texts if now.texts else None)
    counts = [now.class_counts] if not now.questions else [one.class_counts for one in now.questions]
    classes = "; ".join(", ".join(f"{name}: {count:,}" for name, count in each.items()) for each in counts)
    shown = {
        "texts": f"{now.texts:,}",
        "labelled": f"{now.labelled_texts:,} ({labelled}), of which {now.finished_texts:,} finished",
        "annotations": f"{now.annotations:,} ({classes})",
        "annotators": f"{now.annotators:,}, of whom {now.active_annotators:,} active",
        "audit sample": f"{count(now.audit_texts, 'text')}, of which {now.audit_finished:,} finished",
        "skipped, flagged": f"{now.skips:,}, {now.flags:,}",
        "on loan": count(now.on_loan, "text"),
        "rounds": f"{now.rounds:,}; {count(now.new_annotations, 'annotation')} since",
    }
    if now.last_round is not None:
        labels = count(now.last_round.n_annotations, "annotation")
        shown["last round"] = f"{labels}, {round_seconds(now.last_round)}"
        shown["figures from"] = str(gear_of(now.last_round.diagnostics))
    return shown


def annotators(
    project: ProjectLocation,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Everything about one person.")
    ] = None,
    question: OneOfSeveral = None,
    as_json: AsJson = False,
) -> None:
    """Show how much, how well and how fast everyone labels, and who is suspect.

    Quality is the probability of a right label, with its 95 % interval: wide after few annotations.
    """
    from jurybox.formats.plain import plain

    with open_project(project) as opened, bar("judging"):
        beliefs = opened.facets.of(question).now()
        people, pairs = beliefs.annotators, beliefs.pairs
        if name is not None:
            opened.people.get(name)
            people = tuple(one for one in people if one.name == name)
            pairs = tuple(pair for pair in pairs if name in pair.names)
    if as_json:
        print_json(plain(people) if name is None else [{**plain(people[0]), "pairs": plain(pairs)}])
    elif name is not None:
        _show_one(people[0], pairs)
    else:
        _show_all(people)


def _show_all(people: Sequence[AnnotatorBelief]) -> None:
    ordered = sorted(
        people, key=lambda one: (0.0 if one.quality is None else one.quality.estimate - 1, one.name)
    )
    table(
        [
            *(("annotator", "left"), ("annotations", "right"), ("quality", "right"), ("95 %", "left")),
            *(("agrees with consensus", "right"), ("mixes up", "left"), ("drift", "left")),
            *(("without", "right"), ("seconds a text", "right")),
        ],
        [
            (
                one.name,
                number(one.n_annotations),
                estimate(one.quality),
                shares(one.quality),
                estimate(one.agreement_with_consensus),
                ", ".join(f"{mix.right} → {mix.said}" for mix in one.mix_ups) or UNKNOWN,
                one.drift.verdict if one.drift is not None else UNKNOWN,
                number(one.effect.changed if one.effect is not None else None),
                number(one.median_seconds, 1),
            )
            for one in ordered
        ],
    )
    note("without: texts whose consensus would be another without this annotator")
    _warn_of(ordered)


def _warn_of(people: Sequence[AnnotatorBelief]) -> None:
    from jurybox.project.annotators import evidence_in_words

    for one in people:
        if (suspect := one.suspect) is not None:
            likely = f"probability {suspect.probability:.2f}"
            warn(f"{one.name} {one.suspicion} ({likely}): {evidence_in_words(suspect)}")


def _show_one(one: AnnotatorBelief, pairs: Sequence[PairBelief]) -> None:
    _show_all([one])
    classes = list(one.confusion)
    if classes:
        table(
            [("right class", "left"), *((f"says {said}", "right") for said in classes)],
            [(right, *(share(one.confusion[right][said]) for said in classes)) for right in classes],
            title="confusion",
        )
    if one.drift is not None:
        change = one.drift.change
        note(f"later half against earlier: {points(change.estimate)} points, {shares(change)}")
    table(
        [("with", "left"), ("texts", "right"), ("agrees", "right"), ("kappa", "right")],
        [
            (_other(pair, one.name), number(pair.shared), share(pair.agreement), number(pair.kappa, 2))
            for pair in sorted(pairs, key=lambda pair: -pair.shared)
        ],
        title="colleagues",
    )


def _other(pair: PairBelief, name: str) -> str:
    return pair.names[1] if pair.names[0] == name else pair.names[0]
