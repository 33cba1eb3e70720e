"""Commands over pools that are too large for a database: encode them into shards, and rank these."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jurybox.cli.output import bar, note, print_json, say
from jurybox.cli.projects import AsJson, examples
from jurybox.errors import InputError
from jurybox.numerals import count

if TYPE_CHECKING:
    from jurybox.annotations import Annotations
    from jurybox.pool.on_ray import Cluster

Ray = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="ADDRESS",
        help="Work on this Ray cluster, such as ray://head:10001, or auto for the one that this machine "
        "belongs to; default: on this machine, without Ray.",
        show_default=False,
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(
        rich_help_panel="Project",
        epilog=examples(
            "encode 'posts/*.parquet' pool",
            "encode s3://bucket/posts s3://bucket/pool --encoder minilm+tfidf --ray auto",
            "encode hf://datasets/owner/name pool --text body",
        ),
    )(encode)
    app.command(
        rich_help_panel="Project",
        epilog=examples(
            "learn reviews.db",
            "learn pool labels.csv --label fine --label offensive --out next.csv",
            "learn s3://bucket/pool labels.csv --out next.json --format label-studio --ray auto",
        ),
    )(learn)


def encode(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="Parquet or JSON Lines: a file, a pattern, a folder or a data set of Hugging Face, at any "
            "address that fsspec knows.",
            show_default=False,
        ),
    ],
    out: Annotated[
        str, typer.Argument(metavar="POOL", help="Folder or address of the pool.", show_default=False)
    ],
    encoder: Annotated[
        str, typer.Option(help="auto, tfidf, minilm, a folder or a hub id; several with a + between them.")
    ] = "auto",
    text: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="Holds the texts, if its name does not say so.", show_default=False
        ),
    ] = None,
    id_: Annotated[
        str | None,
        typer.Option(
            "--id",
            metavar="COLUMN",
            help="Holds identifiers; default: id, and without one texts are called by shard and row.",
            show_default=False,
        ),
    ] = None,
    rows: Annotated[int, typer.Option(min=1, help="Texts a shard, about.")] = 50_000,
    ray: Ray = None,
    as_json: AsJson = False,
) -> None:
    """Encode texts into shards that no database holds, or go on with it.

    A finished shard is never made again: a command that was killed goes on where it was, and files that have
    come since are added at the end.
    """
    from jurybox.pool import EncodedPool
    from jurybox.pool import encode as encode_pool
    from jurybox.pool.shards import here

    with _cluster(ray) as cluster, bar("shards") as move:
        encoded = encode_pool(
            source,
            out,
            encoder=encoder,
            text=text,
            id_=id_,
            rows=rows,
            over=here if cluster is None else cluster.stage,
            progress=move,
        )
    shards = len(EncodedPool.open(out).pieces)
    if as_json:
        print_json({"pool": out, "encoded": encoded, "shards": shards})
    else:
        say(f"{out}: {count(encoded, 'text')} encoded now, {count(shards, 'shard')}")


def learn(
    where: Annotated[
        str,
        typer.Argument(
            metavar="PROJECT|POOL", help="A stored project, or what jurybox encode made.", show_default=False
        ),
    ],
    labels: Annotated[
        Path | None,
        typer.Argument(
            metavar="LABELS", help="Of a pool: who said what of which text so far.", show_default=False
        ),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(
            "--label",
            "-l",
            metavar="CLASS",
            help="Of a pool: a class, once for each; default: those that LABELS has.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Of a pool: where to write what to label next.", show_default=False
        ),
    ] = None,
    form: Annotated[
        str, typer.Option("--format", metavar="NAME", help="Of that file: csv, label-studio or prodigy.")
    ] = "csv",
    size: Annotated[int, typer.Option("-n", min=1, help="Of a pool: how many texts.")] = 5_000,
    strategy: Annotated[str, typer.Option(help="Of a pool: default, margin, entropy or random.")] = "default",
    ray: Ray = None,
    quiet_seconds: Annotated[
        float,
        typer.Option(
            min=0, help="Of a project: refit when there is something new and nobody annotated for so long."
        ),
    ] = 20.0,
    as_json: AsJson = False,
) -> None:
    """Refit a project while people annotate, until stopped; or play one round over a pool.

    The web app starts a learner of its project by itself. Only one learner works on a project at a time:
    others stand by and take over when it ends.

    Of a pool it is one round: a model is trained on LABELS, and all texts are ranked shard by shard.
    """
    from jurybox.pool.encoded import is_pool

    if is_pool(where):
        _rank(
            where,
            labels,
            classes=label or [],
            strategy=strategy,
            size=size,
            out=out,
            form=form,
            ray=ray,
            as_json=as_json,
        )
        return
    if labels is not None or label or out is not None or ray is not None:
        raise InputError(
            f"{where} is no pool; LABELS, --label, --out and --ray are for what jurybox encode has made. A "
            "project is ranked on one machine: encode a larger pool (jurybox encode), and add its front to "
            "the project (jurybox add)"
        )
    from jurybox.learner import LearnerOptions, main

    code = main(where, LearnerOptions(quiet_seconds=quiet_seconds))
    if code:
        raise typer.Exit(code)


def _rank(
    address: str,
    labels: Path | None,
    *,
    classes: list[str],
    strategy: str,
    size: int,
    out: Path | None,
    form: str,
    ray: str | None,
    as_json: bool,
) -> None:
    from dataclasses import asdict

    from jurybox.atomic import new_file
    from jurybox.formats import TextRecord
    from jurybox.formats.write_tools import TASK_FORMATS, write_tasks
    from jurybox.loop import Settings
    from jurybox.pool import EncodedPool, rank_pool
    from jurybox.pool.shards import here

    if form not in TASK_FORMATS:
        raise InputError(f"--format is {form!r}, expected one of {', '.join(TASK_FORMATS)}")
    annotations = _labels(labels, classes)
    pool = EncodedPool.open(address)
    with _cluster(ray) as cluster:
        over = here if cluster is None else cluster
        found = rank_pool(pool, annotations, Settings(strategy=strategy), 0, over=over, size=size)
    for remark in () if found.played is None else found.played.diagnostics["remarks"]:
        note(remark)
    front = found.texts(pool)
    if out is not None:
        texts = [TextRecord(one.id, one.text, {}) for one in front]
        names = [str(name) for name in annotations.classes]
        with new_file(out, overwrite=True) as draft, draft.open("w", encoding="utf-8", newline="") as file:
            write_tasks(texts, names, form, file, ())
    if as_json:
        print_json(
            [
                {"text_id": one["id"], **{name: one[name] for name in ("text", "reason", "score")}}
                for one in map(asdict, front)
            ]
        )
    else:
        say(
            f"{address}: {found.n_texts:,} texts, {len(found.labelled):,} labelled, {len(front):,} in front"
            + (f", written to {out}" if out is not None else "")
        )


def _labels(path: Path | None, classes: list[str]) -> Annotations:
    """Read who said what of which text; classes that are not given are those that somebody chose."""
    from jurybox import formats
    from jurybox.annotations import Annotations

    options = formats.ReadOptions(classes=classes or None)
    batches = () if path is None else formats.read(path, options).batches()
    given = [one for batch in batches for one in batch.annotations]
    names = classes or sorted({one.label for one in given})
    if len(names) < 2:
        raise InputError(f"there are {len(names)} classes; name each one with --label")
    columns = [[one.text_id for one in given], [one.annotator for one in given], [one.label for one in given]]
    return Annotations.from_long(*columns, classes=names, duplicates="last")


@contextmanager
def _cluster(address: str | None) -> Iterator[Cluster | None]:
    """Join a cluster, and leave it at the end; None for this machine alone."""
    if address is None:
        yield None
        return
    from jurybox.pool.on_ray import Cluster

    cluster = Cluster(address)
    try:
        yield cluster
    finally:
        cluster.close()
