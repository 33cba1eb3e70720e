"""Commands over data sets whose annotations are all known: `inspect`, `simulate` and `demo`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jurybox.cli import importing as files
from jurybox.cli.output import bar, is_terminal, note, say, table
from jurybox.cli.output import print_json as show_json
from jurybox.cli.projects import AsJson, examples
from jurybox.errors import InputError, MissingExtraError
from jurybox.numerals import UNKNOWN, share

if TYPE_CHECKING:
    from jurybox.curves import Curves, PlayedRound
    from jurybox.datasets import Dataset
    from jurybox.encoders import FeatureCache

_TRY = "Try out"
_STRATEGIES = ("default", "activelab", "random")

DatasetName = Annotated[
    str,
    typer.Argument(
        metavar="DATASET",
        help="demo, stanford-politeness, or a folder of texts and annotations; inspect takes any file.",
        show_default=False,
    ),
]
Encoder = Annotated[
    str,
    typer.Option(
        "--encoder",
        "-e",
        help="auto, tfidf, minilm, a folder or hub id of a transformer, or several with + between them.",
    ),
]
Seeds = Annotated[int, typer.Option(min=1, help="Repetitions; the same seeds give the same result.")]
Rounds = Annotated[int, typer.Option(min=1, help="Rounds to play.")]
Batch = Annotated[int, typer.Option(min=1, help="Labels a round.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(
        rich_help_panel=_TRY,
        epilog=examples(
            "inspect demo", "inspect labels.csv", "inspect export.zip -l polite -l rude --plan plan.toml"
        ),
    )(inspect)
    app.command(
        rich_help_panel=_TRY,
        epilog=examples(
            "simulate demo",
            "simulate stanford-politeness -s default -s activelab -s random --out curves",
            "simulate my-data --classifier transformer --model minilm --rounds 4 --seeds 1",
        ),
    )(simulate)
    app.command(rich_help_panel=_TRY, epilog=examples("demo", "demo --no-serve"))(demo)


@files.reads_files
def inspect(
    dataset: DatasetName,
    label: Annotated[
        list[str] | None,
        typer.Option(
            "--label", "-l", metavar="CLASS", help="A class of the project that a file is meant for."
        ),
    ] = None,
    *,
    reading: files.FileReading,
    as_json: AsJson = False,
) -> None:
    """Show what is in a data set, or how a file would be imported.

    Of a data set: its texts, who labelled what, examples of each class, and how far people agree. Of any
    file: the plan of its import, with every column and what becomes of it; the options are those of init
    and add. Nothing is written but the plan.
    """
    from jurybox import datasets
    from jurybox.cli import inspection

    if is_file_to_plan(dataset):
        options = reading.options(label)
        inspection.show_plan(dataset, options, reading.plan, as_json=as_json)
        return
    data = datasets.load(dataset)
    if as_json:
        show_json(inspection.summary(data))
    else:
        inspection.show(data)


def is_file_to_plan(dataset: str) -> bool:
    """Whether something is a file, there or not, or a folder that is no data set with known annotations."""
    path = Path(dataset)
    is_dataset = (path / "texts.csv").is_file() and (path / "annotations.csv").is_file()
    is_file = path.is_file() or (path.suffix != "" and not path.is_dir())
    return is_file or (path.is_dir() and not is_dataset and not (path / "X_labeled_full.csv").exists())


def simulate(
    dataset: DatasetName,
    strategy: Annotated[
        list[str] | None,
        typer.Option(
            "--strategy",
            "-s",
            help="default, activelab, margin, entropy or random. [default: the first two, random]",
            show_default=False,
        ),
    ] = None,
    rounds: Rounds = 25,
    batch: Batch = 25,
    seeds: Seeds = 10,
    encoder: Encoder = "auto",
    classifier: Annotated[
        str, typer.Option(help="head, transformer, or sklearn: and the path of a class.")
    ] = "head",
    model: Annotated[
        str | None,
        typer.Option(help="What --classifier transformer fine-tunes: a folder, a hub id, or minilm."),
    ] = None,
    max_labels: Annotated[int, typer.Option(min=1, help="The most labels a text gets.")] = 5,
    hold_out: Annotated[
        float, typer.Option(min=0.0, max=0.9, help="Share of the texts that is never asked, to measure on.")
    ] = 0.0,
    scale: Annotated[
        bool, typer.Option("--scale", help="The classes are an ordered scale, by their numbers.")
    ] = False,
    out: Annotated[
        Path,
        typer.Option(
            help="Folder for curves.json, curves.svg, selections.csv; curves.png with the extra png."
        ),
    ] = Path("simulation"),
    as_json: AsJson = False,
) -> None:
    """Play strategies against each other on known labels.

    Draws how fast each one learns, and writes what it asked in every round.
    """
    from jurybox import datasets
    from jurybox.loop import Settings
    from jurybox.strategies import get_strategy

    strategies = tuple(dict.fromkeys(get_strategy(name).name for name in strategy or _STRATEGIES))
    settings = Settings(max_labels=max_labels, classifier=_classifier(classifier, model))
    data = datasets.load(dataset)
    redrawn = _differs_by_seed(dataset, data)
    data = data.on_scale() if scale else data
    curves = _played(
        dataset,
        data,
        strategies,
        rounds=rounds,
        batch=batch,
        seeds=seeds,
        encoder=encoder,
        settings=settings,
        hold_out=hold_out,
        redrawn=redrawn,
    )
    written = write_curves(curves, out)
    if as_json:
        show_json(curves.to_json())
        return
    _show(curves)
    say(f"written: {', '.join(map(str, written))}")


def demo(
    serve: Annotated[
        bool, typer.Option("--serve/--no-serve", help="Open the web app on the demo project afterwards.")
    ] = True,
    rounds: Rounds = 20,
    seeds: Seeds = 5,
    encoder: Encoder = "auto",
    out: Annotated[Path, typer.Option(help="Folder for the learning curve and the demo project.")] = Path(
        "jurybox-demo"
    ),
    smollm: Annotated[
        bool, typer.Option("--smollm", help="Ask SmolLM2, too, a small language model, if it is installed.")
    ] = False,
) -> None:
    """Generate texts and annotators, and show how fast labels are learnt from.

    Then the web app opens on them, unless --no-serve.
    """
    from jurybox import datasets

    data = datasets.load("demo")
    say(
        f"{len(data.pool_texts):,} generated texts, {data.answers.n_annotators} simulated annotators, "
        f"classes {', '.join(map(str, data.classes))}"
    )
    curves = _played(
        "demo", data, ("default", "random"), rounds=rounds, batch=25, seeds=seeds, encoder=encoder
    )
    _show_curve(curves)
    _show(curves)
    written = write_curves(curves, out)
    say(f"learning curve: {written[1]}")
    if serve:
        _serve_demo(data, out, encoder, smollm=smollm)


def _classifier(name: str, model: str | None) -> Any:
    from jurybox.classifiers import get_classifier

    if model is not None and name != "transformer":
        raise InputError(f"--model is for --classifier transformer, the classifier is {name!r}")
    return get_classifier(name) if model is None else get_classifier(name, model=model)


def _played(
    name: str,
    data: Dataset,
    strategies: Sequence[str],
    *,
    rounds: int,
    batch: int,
    seeds: int,
    encoder: str,
    settings: Any = None,
    hold_out: float = 0.0,
    redrawn: bool = False,
) -> Curves:
    """Simulate, and show how far it is; `redrawn` loads the data set anew for each seed."""
    from jurybox import datasets
    from jurybox.encoders import get_encoders
    from jurybox.simulation import simulate as play

    if settings is None or settings.classifier.takes == "features":
        note(f"encoder: {'; '.join(found.reason for found in get_encoders(encoder))}")
    total = rounds * seeds * len(strategies)
    done = 0

    def redraw(seed: int) -> Dataset:
        drawn = datasets.load(name, seed=seed)
        return drawn if data.answers.scale is None else drawn.on_scale()

    with bar("encoding the texts", total) as move:

        def progress(strategy: str, seed: int, number: int, played: PlayedRound) -> None:
            nonlocal done
            done += 1
            move(done, total, f"{strategy}, seed {seed}, accuracy {share(played.accuracy)}")
            if number == rounds - 1 and not is_terminal(sys.stderr):
                found = f"{played.annotations} annotations, accuracy {share(played.accuracy)}"
                note(f"{strategy}, seed {seed}: {found}")

        return play(
            redraw if redrawn else data,
            strategies,
            rounds=rounds,
            batch=batch,
            seeds=seeds,
            encoder=encoder,
            settings=settings,
            cache=_feature_cache(),
            hold_out=hold_out,
            progress=progress,
        )


def _differs_by_seed(name: str, data: Dataset) -> bool:
    """Whether a data set leaves something to draw, such as its test texts."""
    from jurybox import datasets

    other = datasets.load(name, seed=1)
    return other.pool_texts != data.pool_texts or other.initial.text.tolist() != data.initial.text.tolist()


def _feature_cache() -> FeatureCache:
    import os

    from jurybox.encoders import FeatureCache

    caches = os.environ.get("XDG_CACHE_HOME")
    return FeatureCache((Path(caches) if caches else Path.home() / ".cache") / "jurybox" / "features")


def write_curves(curves: Curves, out: Path) -> list[Path]:
    """Write the curves, their chart and what was asked in each round."""
    import json

    from jurybox.atomic import new_file
    from jurybox.display import to_png
    from jurybox.formats.write_tables import Column, OutTable, write_csv

    numbers = out / "curves.json"
    with new_file(numbers, overwrite=True) as draft:
        draft.write_text(json.dumps(curves.to_json(), indent=1) + "\n", encoding="utf-8")
    chart, drawn = curves.plot(), [out / "curves.svg"]
    with new_file(drawn[0], overwrite=True) as draft:
        draft.write_text(chart, encoding="utf-8")
    try:
        with new_file(out / "curves.png", overwrite=True) as draft:
            to_png(chart, draft)
        drawn.append(out / "curves.png")
    except MissingExtraError as error:
        note(f"the chart is an SVG file alone: {error}")
    columns = (
        *(Column("strategy"), Column("seed", "count"), Column("round", "count"), Column("place", "count")),
        *(Column("id"), Column("annotator"), Column("label"), Column("reason"), Column("score", "number")),
    )
    asked = out / "selections.csv"
    with new_file(asked, overwrite=True) as draft:
        write_csv(OutTable("selections", columns, lambda: iter(_selections(curves))), draft)
    return [numbers, *drawn, asked]


def _selections(curves: Curves) -> Iterable[tuple[object, ...]]:
    for run in curves.runs:
        for number, played in enumerate(run.rounds, 1):
            for place, asked in enumerate(played.selections, 1):
                who = (str(asked.text), str(asked.annotator), str(asked.label))
                yield (run.strategy, run.seed, number, place, *who, asked.reason, asked.score)


def _show(curves: Curves) -> None:
    """Print one row a strategy: the mean over all rounds, some rounds, and the labels needed for 90 %."""
    annotations = curves.curve(curves.strategies[0], "annotations")[0].astype(int)
    at = sorted({0, curves.rounds // 4, curves.rounds // 2, curves.rounds - 1})
    encoder = curves.encoder.partition(":")[0]
    rows = []
    kappas = ("kappa", "consensus_kappa") if curves.on_scale else ()
    for strategy in curves.strategies:
        accuracy = curves.curve(strategy)
        mean = accuracy.mean(axis=0)
        spread = f" ± {100 * accuracy.mean(axis=1).std(ddof=1):.1f}" if len(accuracy) > 1 else ""
        reached = annotations[(mean >= 0.9).argmax()] if (mean >= 0.9).any() else None
        rows.append(
            (
                strategy,
                f"{100 * mean.mean():.1f}{spread}",
                *(share(mean[number]) for number in at),
                UNKNOWN if reached is None else f"{reached:,}",
                share(curves.curve(strategy, "consensus_accuracy").mean(axis=0)[-1]),
                *(f"{curves.curve(strategy, name).mean(axis=0)[-1]:.2f}" for name in kappas),
                f"{curves.curve(strategy, 'seconds').mean():.2f}",
            )
        )
    table(
        [
            ("strategy", "left"),
            ("all rounds, %", "right"),
            *((f"at {annotations[number]:,}", "right") for number in at),
            ("90 % at", "right"),
            ("consensus", "right"),
            *((f"{name.replace('_', ' ')}, last", "right") for name in kappas),
            ("s/round", "right"),
        ],
        rows,
        title=f"Accuracy on the test set at so many labels: {curves.dataset}, encoder {encoder}",
    )


def _show_curve(curves: Curves, most: int = 11) -> None:
    """Print the learning curves: a row for some of the rounds, a bar for each strategy."""
    annotations = curves.curve(curves.strategies[0], "annotations")[0].astype(int)
    means = {strategy: curves.curve(strategy).mean(axis=0) for strategy in curves.strategies}
    low = min(mean.min() for mean in means.values())
    high = max(mean.max() for mean in means.values())
    step = max(-(-curves.rounds // most), 1)
    shown = sorted({*range(0, curves.rounds, step), curves.rounds - 1})
    table(
        [("labels", "right"), *((strategy, "left") for strategy in curves.strategies)],
        [
            (
                f"{annotations[number]:,}",
                *(_measured(mean[number], low, high) for mean in means.values()),
            )
            for number in shown
        ],
        title=f"Accuracy on the test set, mean of {len(curves.seeds)} runs",
    )


def _measured(value: float, low: float, high: float, width: int = 24) -> str:
    """Return a bar from somewhat below the lowest value, and the value."""
    start = low - 0.1 * (high - low)
    filled = round(width * (value - start) / (high - start)) if high > low else width
    return f"{'█' * filled}{' ' * (width - filled)} {share(value)}"


def _serve_demo(data: Dataset, out: Path, encoder: str, *, smollm: bool) -> None:
    """Make the demo's project, unless there is one, and open the web app on it."""
    from jurybox.cli.demo_project import make_demo_project
    from jurybox.cli.serve import run_server

    location = out / "demo.db"
    if not location.exists():
        make_demo_project(data, location, encoder=encoder, smollm=smollm)
    run_server(str(location))
