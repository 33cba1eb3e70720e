"""The commands in the order in which a project needs them."""

from __future__ import annotations

from typing import Annotated

import typer

from jurybox.cli import backups, gold, label, people, projects, results, review, serve, simulations, status

__all__ = ["app"]

app = typer.Typer(
    name="jurybox",
    help="Labels you can trust from annotators you can't.",
    epilog="PROJECT is a path such as reviews.db, or a URL such as postgresql://me@host/reviews.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from jurybox import __version__

        typer.echo(f"jurybox {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Labels you can trust from annotators you can't."""


for module in (projects, backups, status, people, gold, label, review, results, serve, simulations):
    module.register(app)
