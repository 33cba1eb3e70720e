"""Commands that make something of labels: `review`, `report` and `train`."""

from __future__ import annotations

import heapq
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jurybox.cli.output import bar, note, number, print_json, say, share, table
from jurybox.cli.projects import AsJson, ProjectLocation, examples, open_project
from jurybox.errors import InputError

if TYPE_CHECKING:
    from jurybox.formats import ConsensusRecord
    from jurybox.project import Project

__all__ = ["register"]

_PANEL = "Labels in, labels out"


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(rich_help_panel=_PANEL, epilog=examples("review reviews.db -n 50"))(review)
    app.command(rich_help_panel=_PANEL, epilog=examples("report reviews.db report.html"))(report)
    app.command(
        rich_help_panel=_PANEL,
        epilog=examples(
            "train reviews.db model", "train reviews.db model --classifier transformer --model minilm"
        ),
    )(train)


def review(
    project: ProjectLocation,
    n: Annotated[int, typer.Option("-n", min=1, help="How many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show the labels that are most likely wrong, the least sure first."""
    with open_project(project) as opened:
        doubtful = _least_sure(opened, n)
        wanted = {record.text_id for record in doubtful}
        votes: dict[str, dict[str, str]] = {text_id: {} for text_id in wanted}
        for annotation in opened.annotation_records():
            if annotation.text_id in wanted:
                votes[annotation.text_id][annotation.annotator] = annotation.label
        texts = {record.text_id: opened.text(record.text_id).text for record in doubtful}
    if as_json:
        print_json(
            [
                {
                    "text_id": record.text_id,
                    "text": texts[record.text_id],
                    "label": record.label,
                    "quality": record.quality,
                    "agreement": record.agreement,
                    "annotations": votes[record.text_id],
                }
                for record in doubtful
            ]
        )
        return
    table(
        [("id", "left"), ("label", "left"), ("quality", "right"), ("annotations", "left"), ("text", "left")],
        [
            (
                record.text_id,
                record.label or "–",
                number(record.quality),
                ", ".join(f"{name}: {label}" for name, label in votes[record.text_id].items()),
                texts[record.text_id],
            )
            for record in doubtful
        ],
    )


def _least_sure(project: Project, n: int) -> list[ConsensusRecord]:
    labelled = (
        record
        for record in project.consensus_records()
        if record.n_annotations and record.quality is not None
    )
    return heapq.nsmallest(n, labelled, key=lambda record: record.quality or 0.0)


def report(
    project: ProjectLocation,
    out: Annotated[Path, typer.Argument(metavar="OUT.html", help="A new file.", show_default=False)],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier report.")] = False,
) -> None:
    """Write a report with charts into one HTML file.

    It holds texts of the project, and loads nothing from anywhere.
    """
    from jurybox.report import write_report

    with open_project(project) as opened:
        say(str(write_report(opened, out, overwrite=overwrite)))


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
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier model.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train the final classifier on the labels and save it.

    OUT is a Hugging Face model folder or a scikit-learn pipeline, which both load without jurybox's database.
    """
    from jurybox.encoders import FeatureCache
    from jurybox.training import train_final

    if out.exists() and not overwrite:
        raise InputError(f"{out} exists already; choose another folder, or replace it with --overwrite")
    with open_project(project) as opened, bar("training") as move:
        settings = opened.settings
        texts, targets, pool = _labelled(opened, with_audit=with_audit)
        final = train_final(
            texts,
            targets,
            None,
            opened.classes,
            out,
            classifier=classifier or settings.classifier,
            encoder=encoder or settings.encoder,
            model=model,
            pool=pool,
            cache=FeatureCache(opened.cache),
            overwrite=overwrite,
            progress=lambda done, total: move(done, total),
        )
    if as_json:
        print_json(
            {
                "folder": str(final.folder),
                "kind": final.kind,
                "classifier": final.classifier,
                "encoder": final.encoder,
                "classes": [str(name) for name in final.classes],
                "texts": final.n_texts,
                "agreement": final.agreement,
                "note": final.note,
            }
        )
        return
    agreement = (
        "" if final.agreement is None else f", agrees with {share(final.agreement)} of them out of sample"
    )
    say(f"{final.folder}: {final.kind} model trained on {final.n_texts:,} texts{agreement}")
    if final.note:
        note(final.note)


def _labelled(project: Project, *, with_audit: bool) -> tuple[list[str], Any, list[str]]:
    """Return the labelled texts, the posteriors of their classes (n, K), and all texts."""
    consensus = project.consensus()
    audit = set() if with_audit else set(project.audit_texts())
    records = list(project.texts())
    rows = [
        row
        for row, record in enumerate(records)
        if consensus.n_annotations[row] > 0 and record.id not in audit
    ]
    if not rows:
        raise InputError("no text outside of the audit sample has a label yet; label some first")
    return [records[row].text for row in rows], consensus.posterior[rows], [record.text for record in records]
