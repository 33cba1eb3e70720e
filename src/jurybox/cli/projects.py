"""Commands over a stored project, from `init` to `export`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jurybox.cli import importing as files
from jurybox.cli.output import bar, note, print_json, say
from jurybox.errors import FormatError, InputError
from jurybox.numerals import count

if TYPE_CHECKING:
    from jurybox.formats import Source
    from jurybox.project import Project
    from jurybox.questions import Question
    from jurybox.store.records import RoundInfo

ProjectLocation = Annotated[
    str,
    typer.Argument(
        metavar="PROJECT", help="A file such as reviews.db, or a postgresql:// URL.", show_default=False
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]

Replace = Annotated[
    bool,
    typer.Option(
        "--replace",
        help="A new label of an annotator replaces the earlier one, instead of being an error.",
    ),
]

_PROJECT = "Project"
_WORK = "Labels in, labels out"


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(
        rich_help_panel=_PROJECT,
        epilog=examples(
            "init reviews.db --texts texts.csv --label polite --label impolite",
            "init ratings.db --texts texts.csv --scale 1..5",
            "init meals.db --texts texts.csv --question food=single:bad,good --question topics=several:a,b",
            "init opinions.db --texts posts.csv --label fine --label offensive --target shares",
        ),
    )(init)
    app.command(
        rich_help_panel=_PROJECT,
        epilog=examples(
            "add reviews.db labels.csv",
            "add reviews.db mine.csv --annotator ana --column text=body --column label=tone",
            "add reviews.db export.json --format label-studio",
        ),
    )(add)
    app.command("round", rich_help_panel=_WORK, epilog=examples("round reviews.db"))(play_round)
    app.command(
        rich_help_panel=_WORK,
        epilog=examples(
            "export reviews.db finished",
            "export reviews.db finished --format huggingface",
            "export reviews.db labels.csv --table consensus",
        ),
    )(export)


def examples(*commands: str) -> str:
    """Return the epilog of a command."""
    return "\n\n".join(["[bold]Examples[/bold]", *(f"jurybox {command}" for command in commands)])


def open_project(location: str) -> Project:
    """Open a stored project."""
    from jurybox.project import Project

    return Project.open(location)


@files.reads_files
def init(
    project: ProjectLocation,
    texts: Annotated[
        list[Path],
        typer.Option(
            "--texts",
            metavar="FILE",
            help="Texts, and annotations if it has them; may be repeated.",
            show_default=False,
        ),
    ],
    label: Annotated[
        list[str] | None,
        typer.Option(
            "--label",
            "-l",
            metavar="CLASS",
            help="A class; once for each, in the order to show them.",
            show_default=False,
        ),
    ] = None,
    classes_from: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|COLUMN",
            help="The classes: one a line of a file, or all that a column of the texts holds.",
            show_default=False,
        ),
    ] = None,
    question: Annotated[
        list[str] | None,
        typer.Option(
            "--question",
            metavar="NAME=KIND:CLASSES",
            help="A question with classes of its own, in place of --label: one class (single:bad,good), any "
            "number of them (several:price,service) or a point on a scale (scale:1..5); may be repeated.",
            show_default=False,
        ),
    ] = None,
    scale: Annotated[
        str | None,
        typer.Option(
            metavar="FROM..TO",
            help="The classes are the numbers of an ordered scale, such as 1..5.",
            show_default=False,
        ),
    ] = None,
    replace: Replace = False,
    guidelines: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What annotators are told (Markdown).")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Title; default: the name of the file.")] = None,
    target: Annotated[
        str,
        typer.Option(
            metavar="class|shares",
            help="What is wanted of a text: one class, or the share of people who would say each class.",
        ),
    ] = "class",
    setting: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="A setting, such as batch=50 or encoder=tfidf; may be repeated.",
        ),
    ] = None,
    *,
    reading: files.FileReading,
    yes: files.Yes = False,
    strict: files.Strict = False,
) -> None:
    """Make a project from texts and classes.

    Everything goes in, or nothing is made. A folder written by jurybox export becomes an equal project.
    """
    from jurybox import formats
    from jurybox.project import Project
    from jurybox.project.facets import what_is_asked
    from jurybox.scales import parse_scale
    from jurybox.store.settings import ProjectSettings

    _check_place(project)

    def opened(path: Path, classes: Sequence[str] | None, questions: Sequence[Question] = ()) -> Source:
        return formats.read(path, dataclasses.replace(reading.options(classes), questions=questions))

    settings = ProjectSettings().updated({"target": target, **settings_of(setting or (), "--set")})
    if question and (label or classes_from is not None or scale is not None):
        raise InputError("--question names the classes; leave out --label, --classes-from and --scale")
    asked, own, settings = what_is_asked(question or (), (), settings)
    label = list(own) or label
    if scale is not None:
        if label or classes_from is not None:
            raise InputError("--scale names the classes; leave out --label and --classes-from")
        label, settings = parse_scale(scale), settings.updated({"scale": True})
    label = label or (_classes_from(classes_from, texts[0], opened) if classes_from is not None else None)
    first = opened(texts[0], label or None, asked)
    asked, classes = asked or first.questions, list(label or first.classes)
    if not classes and not asked:
        raise InputError(
            "there are no classes; name each one with --label, or all with --classes-from, or several "
            "questions with --question"
        )
    sources = [opened(path, None if asked else classes, asked) for path in texts]
    if any(source.scale for source in sources):
        settings = settings.updated({"scale": True})
    files.approve(sources, plan=reading.plan, yes=yes, strict=strict, replace_labels=replace)
    told = guidelines.read_text(encoding="utf-8") if guidelines is not None else first.guidelines
    with bar("reading") as move:
        feeds = [files.Feed(source, move) for source in sources]
        try:
            made = Project.create(
                project,
                classes=classes,
                questions=asked,
                batches=(batch for feed in feeds for batch in feed),
                name=name or first.name or None,
                guidelines=told,
                settings=settings,
                duplicates="last" if replace else "error",
            )
        except FormatError as error:
            raise feeds[-1].located(error) from error
    with made:
        for source in sources:
            _add_annotators(made, source)
        counts = made.status()
    more = f" and {len(classes) - 20} more" if len(classes) > 20 else ""
    say(
        f"{project}: {count(counts.texts, 'text')}, {count(counts.annotations, 'annotation')}, "
        + (
            f"questions {', '.join(str(one.name) for one in asked)}"
            if asked
            else f"classes {', '.join(classes[:20])}{more}"
        )
    )


def _check_place(project: str) -> None:
    """Refuse a folder, before anything is read."""
    if "://" not in project and Path(project).is_dir():
        raise InputError(f"{project} is a folder; name a file in it, such as {Path(project) / 'reviews.db'}")


def _classes_from(place: str, texts: Path, opened: Callable[[Path, None], Source]) -> list[str]:
    """Return the classes in a file, one a line, or all that a column holds."""
    if Path(place).is_file():
        lines = Path(place).read_text(encoding="utf-8-sig").splitlines()
        classes = list(dict.fromkeys(line.strip() for line in lines if line.strip()))
    else:
        classes = opened(texts, None).values_of(place)
    if len(classes) < 2:
        raise InputError(f"--classes-from {place}: holds fewer than two classes")
    return classes


def settings_of(given: Sequence[str], what: str) -> dict[str, Any]:
    """Turn NAME=VALUE into settings; values are numbers, true, false, null or text.

    Parameters
    ----------
    what
        What they were given as, for the error.
    """
    import json

    settings: dict[str, Any] = {}
    for pair in given:
        setting, equals, value = pair.partition("=")
        if not equals:
            raise InputError(f"{what} is {pair!r}, expected NAME=VALUE such as batch=50")
        try:
            settings[setting] = json.loads(value)
        except ValueError:
            settings[setting] = value
    return settings


def _add_annotators(project: Project, source: Source) -> None:
    """Add the annotators of an exported project who have not labelled anything."""
    known = {annotator.name for annotator in project.people.all()}
    for name in source.annotators:
        if name not in known:
            project.people.add(name)


@files.reads_files
def add(
    project: ProjectLocation,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="A file or folder of texts, annotations or both.", show_default=False
        ),
    ],
    replace: Replace = False,
    add_classes: Annotated[
        bool,
        typer.Option("--add-classes", help="Labels that are no class yet become classes, behind the others."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read everything and say how, but add nothing.")
    ] = False,
    *,
    reading: files.FileReading,
    yes: files.Yes = False,
    strict: files.Strict = False,
    as_json: AsJson = False,
) -> None:
    """Add texts, annotations or both from a file.

    All of it goes in, or nothing. The same file twice adds nothing.
    """
    from jurybox import formats

    with open_project(project) as opened:
        told = opened.reading_options(reading.options(None), new_of=file if add_classes else None)
        source = formats.read(file, told)
        if dry_run:
            files.state(source.plan)
            found = source.plan
            read = f"{count(found.texts, 'text')} and {count(found.annotations, 'annotation')}"
            say(f"{file}: {read} read, nothing added")
            return
        files.approve([source], plan=reading.plan, yes=yes, strict=strict, replace_labels=replace)
        with bar(f"adding {file.name}") as move:
            feed = files.Feed(source, move)
            try:
                added = opened.add(feed, duplicates="last" if replace else "error", add_classes=add_classes)
            except FormatError as error:
                raise feed.located(error) from error
        _add_annotators(opened, source)
    if as_json:
        print_json(dataclasses.asdict(added))
    else:
        say(f"{file}: {files.said(added)}")


def play_round(project: ProjectLocation, as_json: AsJson = False) -> None:
    """Train on all labels but those of the audit sample, and rank the texts anew, once."""
    from jurybox.project.auditing import training_labels

    with open_project(project) as opened, bar("round") as move:
        info = opened.refit(progress=lambda step, done, total: move(done, total, step))
    if as_json:
        print_json(dataclasses.asdict(info))
        return
    known = f"{training_labels(info):,} of {count(info.n_annotations, 'annotation')}"
    say(f"round {info.number}: trained on {known} in {round_seconds(info)}")
    for remark in _remarks(info):
        note(remark)


def round_seconds(info: RoundInfo) -> str:
    """Return how long a round took, for people."""
    return f"{(info.published_at or info.started_at) - info.started_at:.1f} s"


def _remarks(info: RoundInfo) -> list[str]:
    found = info.diagnostics.get("remarks", ())
    return [str(remark) for remark in found] if isinstance(found, list | tuple) else []


def export(
    project: ProjectLocation,
    out: Annotated[
        Path,
        typer.Argument(
            metavar="OUT",
            help="A new folder; or a file, for --table and for the formats of other tools.",
            show_default=False,
        ),
    ],
    form: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="NAME",
            help="csv, jsonl, parquet, huggingface; label-studio, doccano, argilla, prodigy, "
            "potato and others, see "
            "docs/formats.md.",
        ),
    ] = "csv",
    table_name: Annotated[
        str | None,
        typer.Option(
            "--table",
            help="Only texts, annotations, consensus, annotators, gold or skips, into OUT.csv, "
            ".jsonl or .parquet.",
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier export.")] = False,
) -> None:
    """Write labels with their quality, every annotation and the annotators.

    An export reads again with: jurybox init NEW --texts OUT. Its CSV is safe to open in a spreadsheet.
    """
    from jurybox import formats

    with open_project(project) as opened:
        if table_name is not None:
            written = formats.write_table(opened.export(), table_name, out, overwrite=overwrite)
        else:
            written = formats.write(opened.export(), out, format=form, overwrite=overwrite)
    say(str(written))
