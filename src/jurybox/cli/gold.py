"""Texts by which others are judged: `gold`, whose label is known, and `audit`, drawn at random."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jurybox.cli import importing as files
from jurybox.cli.output import bar, note, print_json, say, table
from jurybox.cli.projects import AsJson, ProjectLocation, examples, open_project
from jurybox.errors import FormatError, InputError
from jurybox.numerals import UNKNOWN, count, estimate, number, shares

if TYPE_CHECKING:
    from jurybox.formats import Source
    from jurybox.project import Project
    from jurybox.project.audit import AuditPlan, AuditSize
    from jurybox.project.gold import GoldScore

_NOBODY = "gold"  # reading a label without an annotator is an error; here nobody gave it


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(
        rich_help_panel="Project",
        epilog=examples(
            "gold reviews.db known.csv",
            "gold reviews.db texts.csv --column label=answer",
            "gold reviews.db --json",
            "gold reviews.db --qualify ana",
        ),
    )(gold)
    audit = typer.Typer(no_args_is_help=True, help="The audit sample, by which models are judged.")
    audit.command(epilog=examples("audit show reviews.db", "audit show reviews.db --json"))(show)
    audit.command(epilog=examples("audit grow reviews.db 60"))(grow)
    app.add_typer(audit, name="audit", rich_help_panel="Project")


def gold(
    project: ProjectLocation,
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]", help="A file of texts, or their ids, with known labels.", show_default=False
        ),
    ] = None,
    remove: Annotated[
        list[str] | None,
        typer.Option(
            "--remove",
            metavar="ID",
            help="Make a gold text an ordinary one again; may be repeated.",
            show_default=False,
        ),
    ] = None,
    qualify: Annotated[
        list[str] | None,
        typer.Option(
            "--qualify",
            metavar="NAME",
            help="Let an annotator label without the test, or though it was failed; may be repeated.",
            show_default=False,
        ),
    ] = None,
    form: files.FileFormat = "auto",
    encoding: files.Encoding = None,
    delimiter: files.Delimiter = None,
    column: files.Columns = None,
    ignore: files.Ignored = None,
    as_json: AsJson = False,
) -> None:
    """Name texts whose label is known, and show how everyone does on them.

    They are mixed into everyone's texts unseen: the setting gold_share says how many. With the settings
    qualification_texts and qualification_accuracy new annotators are tested on them.
    """
    from jurybox import formats

    with open_project(project) as opened:
        if file is not None:
            reading = files.FileReading(
                form=form,
                encoding=encoding,
                delimiter=delimiter,
                column=column,
                annotator=_NOBODY,
                ignore=ignore,
            )
            source = formats.read(file, opened.reading_options(reading.options(None)))
            named = _add(opened, source)
            files.state(source.plan)
            note(f"{file}: {count(named, 'text')} with a known label")
        for text_id in remove or ():
            opened.gold.set(text_id, None)
        for name in qualify or ():
            opened.people.qualify(name)
        known, report = opened.gold.labels(), opened.gold.report()
    if as_json:
        print_json({"gold": known, "annotators": [asdict(score) for score in report]})
        return
    say(count(len(known), "gold text"))
    if any(score.n for score in report):
        _show_scores(report)


def _add(project: Project, source: Source) -> int:
    feed = files.Feed(source, lambda *_: None, states=False)

    def pairs() -> Iterator[tuple[str, str]]:
        for batch in feed:
            yield from ((record.text_id, record.label) for record in batch.annotations)

    try:
        named = project.gold.add(pairs())
    except FormatError as error:
        raise feed.located(error) from error
    if not named:
        raise InputError("there are no labels in the file; name their column with --column label=NAME")
    return named


def _show_scores(report: list[GoldScore]) -> None:
    rows = []
    for score in sorted(report, key=lambda score: (score.n == 0, score.right / max(score.n, 1))):
        accuracy = estimate(score.accuracy), shares(score.accuracy)
        verdict = {None: UNKNOWN, True: "yes", False: "no"}[score.qualified]
        rows.append((score.annotator, number(score.n), number(score.right), *accuracy, verdict))
    columns = ("annotator", "gold texts", "right", "accuracy", "95 % interval", "qualified")
    table([(name, "right" if 0 < at < 4 else "left") for at, name in enumerate(columns)], rows)


def show(project: ProjectLocation, question: files.OneOfSeveral = None, as_json: AsJson = False) -> None:
    """Show what the audit sample tells, and what further texts would bring and cost.

    Of several questions, all are shown one below the other, unless one is named.
    """
    from jurybox.formats.plain import plain

    with open_project(project) as opened, bar("judging"):
        every = opened.facets.each() if question is None else {}
        plans = {name: source.now().audit_plan for name, source in every.items()}
        plan = None if plans else opened.facets.of(question).now().audit_plan
    if as_json:
        each = [{"question": name, **plain(one)} for name, one in plans.items()]
        print_json(each if plan is None else plain(plan))
    elif plan is None:
        _show_each(plans)
    else:
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
    say(f"the audit sample has {count(size, 'text')}; the next round learns from none of them")


def _show_each(plans: Mapping[str, AuditPlan]) -> None:
    """Show what the sample tells of each question, and how large it must be to tell enough of all."""
    texts = next(iter(plans.values())).texts
    needed = {name: None if one.enough is None else one.enough.texts for name, one in plans.items()}
    say(count(texts, "text"))
    table(
        [
            ("question", "left"),
            ("labelled", "right"),
            ("accuracy within", "right"),
            ("10 points by", "right"),
        ],
        [
            (
                name,
                number(one.labelled),
                UNKNOWN if one.within is None else f"±{100 * one.within:.1f} points",
                UNKNOWN if (enough := needed[name]) is None else count(enough, "text"),
            )
            for name, one in plans.items()
        ],
    )
    most = max((enough or 0 for enough in needed.values()), default=0)
    if None in needed.values():
        note("there are too few texts to know the accuracy at every question within 10 points")
    elif most > texts:
        note(f"within 10 points at every question: jurybox audit grow PROJECT {most - texts}")


def _show(plan: AuditPlan) -> None:
    wide = "not known yet" if plan.within is None else f"within {100 * plan.within:.1f} points"
    say(f"{count(plan.texts, 'text')}, {plan.labelled:,} of them labelled; accuracy {wide}")
    table(
        [("texts", "right"), ("accuracy within", "right"), ("labels to give", "right"), ("cost", "right")],
        [_row(size) for size in (plan.now, *plan.larger)],
    )
    if plan.enough is None:
        note("there are too few texts to know the accuracy within 10 points")
    elif plan.enough.texts > plan.texts:
        note(f"within 10 points: jurybox audit grow PROJECT {plan.enough.texts - plan.texts}")


def _row(size: AuditSize) -> tuple[str, ...]:
    price = UNKNOWN if size.cost is None else f"{size.cost:,.2f}"
    return number(size.texts), f"±{100 * size.within:.1f} points", number(size.labels), price
