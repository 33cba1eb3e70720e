"""The commands `similar` and `clusters`: texts that are like each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from jurybox.cli.output import bar, note, print_json, say, table
from jurybox.cli.projects import AsJson, ProjectLocation, examples, open_project
from jurybox.errors import InputError
from jurybox.numerals import count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jurybox.project.pool import SimilarText, TextCluster


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(
        rich_help_panel="Project",
        epilog=examples("similar reviews.db t17", "similar reviews.db t17 -n 30 --json"),
    )(similar)
    app.command(
        rich_help_panel="Project",
        epilog=examples(
            "clusters reviews.db --find",
            "clusters reviews.db --find --max 20 --json",
            "clusters reviews.db --show 3",
            "clusters reviews.db --show 3 --label spam",
        ),
    )(clusters)


def similar(
    project: ProjectLocation,
    text_id: Annotated[str, typer.Argument(metavar="ID", help="The text.", show_default=False)],
    n: Annotated[int, typer.Option("-n", min=1, help="How many texts are shown.")] = 10,
    as_json: AsJson = False,
) -> None:
    """Show the texts that are most like one."""
    with open_project(project) as opened:
        found = opened.pool.similar(text_id, n)
    _show_texts(found, as_json=as_json)


def clusters(
    project: ProjectLocation,
    find: Annotated[bool, typer.Option("--find", help="Find clusters among all texts.")] = False,
    most: Annotated[
        int | None, typer.Option("--max", metavar="N", help="With --find: how many, at most.")
    ] = None,
    show: Annotated[
        int | None,
        typer.Option(metavar="NUMBER", help="Show a cluster's texts, the middle ones first."),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(metavar="CLASS", help="With --show: give this label to all texts of the cluster."),
    ] = None,
    n: Annotated[
        int | None,
        typer.Option(
            "-n",
            min=1,
            help="With --show: so many texts; default: 20 are shown, and all labelled.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show clusters of texts and the words that tell them apart; find them, or label one at once.

    Such labels are given under a name of their own, never in the audit sample, and count as far as what
    people say of single texts bears them out.
    """
    if find and show is not None:
        raise InputError("expected one of --find and --show")
    if (most is not None and not find) or (label is not None and show is None):
        raise InputError("--max goes with --find, and --label with --show")
    with open_project(project) as opened:
        if label is not None and show is not None:
            done = opened.pool.label_cluster(show, label, most=n)
            _say_labelled(done, label, as_json=as_json)
        elif show is not None:
            _show_texts(opened.pool.cluster_texts(show, n=n or 20), as_json=as_json)
        elif find:
            with bar("texts") as move:
                found = opened.pool.find_clusters(most, progress=lambda _, done, total: move(done, total))
            _show_clusters(found, as_json=as_json)
        else:
            _show_clusters(opened.pool.clusters(), as_json=as_json)


def _say_labelled(done: int, label: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"done": done})
        return
    say(f"{count(done, 'text')} now called {label}")
    if done:
        note("jurybox history PROJECT says how this is undone")


def _show_clusters(found: Sequence[TextCluster], *, as_json: bool) -> None:
    from jurybox.formats.plain import plain

    if as_json:
        print_json(plain(found))
        return
    table(
        [("cluster", "right"), ("texts", "right"), ("words", "left")],
        [(str(one.number), f"{one.texts:,}", " ".join(one.words)) for one in found],
    )
    if not found:
        note("nobody has looked for clusters yet; --find does")


def _show_texts(found: Sequence[SimilarText], *, as_json: bool) -> None:
    from jurybox.formats.plain import plain

    if as_json:
        print_json(plain(found))
        return
    table(
        [("similarity", "right"), ("id", "left"), ("text", "left")],
        [(f"{one.similarity:.2f}", one.text_id, one.text) for one in found],
    )
