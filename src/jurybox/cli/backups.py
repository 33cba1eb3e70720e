"""Commands that save a whole project, and bring it back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from jurybox.cli.output import bar, say
from jurybox.cli.projects import ProjectLocation, examples, open_project

__all__ = ["register"]

_PANEL = "Project"
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(rich_help_panel=_PANEL, epilog=examples("backup reviews.db reviews.backup"))(backup)
    app.command(
        rich_help_panel=_PANEL,
        epilog=examples(
            "restore reviews.backup reviews.db",
            "restore reviews.backup postgresql://me@host/labels?schema=reviews",
        ),
    )(restore)


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
    say(f"{project}: {counts.texts:,} texts, {counts.annotations:,} annotations")
