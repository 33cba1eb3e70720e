"""Commands that take something out of a project, `report`, `train` and `backup`, and `restore`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jurybox.cli.importing import OneOfSeveral
from jurybox.cli.output import bar, note, print_json, say
from jurybox.cli.projects import AsJson, ProjectLocation, examples, open_project
from jurybox.errors import InputError
from jurybox.numerals import count, share

if TYPE_CHECKING:
    from jurybox.facet_models import FacetTask
    from jurybox.project import Project
    from jurybox.training import FinalModel

_PANEL = "Labels in, labels out"


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(
        rich_help_panel=_PANEL,
        epilog=examples(
            "report reviews.db report.html",
            "report reviews.db report.html --hide-names --json report.json",
            "report reviews.db --section agreement",
        ),
    )(report)
    app.command(
        rich_help_panel=_PANEL,
        epilog=examples(
            "train reviews.db model", "train reviews.db model --classifier transformer --model minilm"
        ),
    )(train)
    app.command(rich_help_panel="Project", epilog=examples("backup reviews.db reviews.backup"))(backup)
    app.command(
        rich_help_panel="Project",
        epilog=examples(
            "restore reviews.backup reviews.db",
            "restore reviews.backup 'postgresql://me@host/labels?schema=reviews'",
        ),
    )(restore)


def report(
    project: ProjectLocation,
    out: Annotated[
        Path | None,
        typer.Argument(metavar="OUT.html", help="A new file; OUT.json for JSON.", show_default=False),
    ] = None,
    json_out: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the same figures as JSON, too.")
    ] = None,
    section: Annotated[
        str | None, typer.Option(metavar="NAME", help="Print one section as JSON instead, such as agreement.")
    ] = None,
    hide_names: Annotated[
        bool, typer.Option("--hide-names", help="Call the annotators A1, A2, … everywhere.")
    ] = False,
    texts: Annotated[
        bool, typer.Option("--texts/--no-texts", help="Show the texts and comments of the sample.")
    ] = True,
    sample: Annotated[int, typer.Option("--examples", min=0, help="Contested texts in the sample.")] = 20,
    question: OneOfSeveral = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier report.")] = False,
) -> None:
    """Write a report into one HTML file: what a paper's data section, or an audit, needs.

    It holds texts of the project, loads nothing from anywhere, and prints well. Beside each figure stands the
    command that prints it.
    """
    from jurybox.report import gather, gather_section, write_report

    if (out is None) == (section is None):
        raise typer.BadParameter("give either OUT.html, for a report, or --section NAME")
    shown: dict[str, Any] = {
        "hide_names": hide_names,
        "examples": sample,
        "texts": texts,
        "question": question,
    }
    with open_project(project) as opened, bar("gathering"):
        if section is not None:
            part = gather_section(opened, section, **shown)
        else:
            facts = gather(opened, **shown)
    if section is not None:
        print_json(part)
        return
    for path in filter(None, (out, json_out)):
        say(str(write_report(facts, path, overwrite=overwrite)))


def train(
    project: ProjectLocation,
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="A new folder for the model.", show_default=False)
    ],
    classifier: Annotated[
        str | None,
        typer.Option(
            help="head, transformer, or sklearn: and a name such as ensemble.RandomForestClassifier.",
            show_default="the project's",
        ),
    ] = None,
    encoder: Annotated[
        str | None, typer.Option(help="Makes features for head and sklearn.", show_default="the project's")
    ] = None,
    model: Annotated[
        str, typer.Option(help="What --classifier transformer starts from: a folder, a hub id, or minilm.")
    ] = "minilm",
    with_audit: Annotated[
        bool,
        typer.Option(
            "--with-audit", help="Train on the audit sample, too; then it can measure nothing any more."
        ),
    ] = False,
    question: OneOfSeveral = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier model.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train the final classifier on the labels and save it; of several questions, one for each.

    OUT is a Hugging Face model folder or a scikit-learn pipeline, which both load without jurybox's database.
    With several questions it has such a folder for each of them and for each class of one that may have
    several; with --question, it is the model of that one.
    """
    from jurybox.encoders import FeatureCache
    from jurybox.facet_models import train_each
    from jurybox.training import train_final

    if out.exists() and not overwrite:
        raise InputError(f"{out} exists already; choose another folder, or replace it with --overwrite")
    with open_project(project) as opened, bar("training") as move:
        settings = opened.settings
        options: dict[str, Any] = {
            "classifier": classifier or settings.classifier,
            "encoder": encoder or settings.encoder,
            "model": model,
            "pool": [record.text for record in opened.reading.texts()],
            "cache": FeatureCache(opened.cache),
            "overwrite": overwrite,
            "progress": lambda done, total: move(done, total),
        }
        if opened.questions and question is None:
            tasks = [_task(opened, name, with_audit=with_audit) for name in opened.facets.each()]
            finals = train_each(tasks, out, **options)
        else:
            one = _task(opened, question, with_audit=with_audit)
            finals = (train_final(one.texts, one.targets, None, one.classes, out, **options),)
            tasks = [one]
    described = [_described(final) for final in finals]
    if as_json:
        named = [{"question": task.name, **each} for task, each in zip(tasks, described, strict=True)]
        print_json(named if len(finals) > 1 else described[0])
        return
    for task, final in zip(tasks, finals, strict=True):
        agreement = (
            "" if final.agreement is None else f", agrees with {share(final.agreement)} of them out of sample"
        )
        about = f" ({task.name})" if task.name else ""
        say(f"{final.folder}{about}: {final.kind} model trained on {count(final.n_texts, 'text')}{agreement}")
    if finals[0].note:
        note(finals[0].note)


def _described(final: FinalModel) -> dict[str, Any]:
    return {
        "folder": str(final.folder),
        "kind": final.kind,
        "classifier": final.classifier,
        "encoder": final.encoder,
        "classes": [str(name) for name in final.classes],
        "texts": final.n_texts,
        "agreement": final.agreement,
        "note": final.note,
    }


def _task(project: Project, question: str | None, *, with_audit: bool) -> FacetTask:
    """Return the labelled texts and what is believed of them (n, K), of one question among several or of all.

    That is the posteriors of their classes, or what share of people would say each, as the project wants it.
    """
    from jurybox.facet_models import FacetTask

    beliefs = project.facets.of(question).now()
    consensus, opinions = beliefs.posterior, beliefs.opinions
    targets = consensus.posterior if opinions is None else opinions.shares
    audit = set() if with_audit else set(project.audit.texts())
    records = list(project.reading.texts())
    rows = [
        row
        for row, record in enumerate(records)
        if consensus.n_annotations[row] > 0 and record.id not in audit
    ]
    if not rows:
        about = "" if question is None else f" to question {question}"
        raise InputError(f"no text outside of the audit sample has a label{about} yet; label some first")
    rounds = beliefs.inputs.rounds
    thresholds = rounds[-1].diagnostics.get("thresholds") if rounds and opinions is None else None
    return FacetTask(
        question or "",
        tuple(beliefs.texts.classes),
        [records[row].text for row in rows],
        targets[rows],
        None if thresholds is None else tuple(thresholds),
    )


Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]


def backup(
    project: ProjectLocation,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The file to write.", show_default=False)],
    overwrite: Overwrite = False,
) -> None:
    """Save everything a project holds into one file, while people work on it.

    The file is checked after it was written. It holds texts, labels and the hashes of tokens: keep it as safe
    as the project.
    """
    from jurybox.store.backup import write_backup

    with open_project(project) as opened, bar("saving") as move:
        write_backup(opened.store, out, overwrite=overwrite, move=lambda table, rows: move(rows, None, table))
    say(str(out))


def restore(
    backup_file: Annotated[
        Path, typer.Argument(metavar="OUT", help="A file that jurybox backup wrote.", show_default=False)
    ],
    project: ProjectLocation,
    overwrite: Overwrite = False,
) -> None:
    """Make a project of a backup, as a file or on PostgreSQL, wherever it came from.

    All of it comes back, or nothing. A project that is to be replaced must not be in use.
    """
    from jurybox.store.backup import restore_backup

    with bar("restoring") as move:
        restore_backup(
            backup_file, project, overwrite=overwrite, move=lambda table, rows: move(rows, None, table)
        )
    with open_project(project) as opened:
        counts = opened.status()
    say(f"{project}: {count(counts.texts, 'text')}, {count(counts.annotations, 'annotation')}")
