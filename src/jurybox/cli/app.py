"""The commands in the order in which a project needs them, and how they end: exit code and line of error."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from jurybox.cli import (
    clusters,
    editing,
    gold,
    label,
    machines,
    pools,
    projects,
    results,
    review,
    serve,
    simulations,
    status,
)
from jurybox.cli.output import visible, warn
from jurybox.errors import JuryboxError

INTERRUPTED = 130
_UsageError: type[Exception] = next(
    kind
    for kind in typer.BadParameter.__mro__
    if issubclass(kind, Exception) and kind.__name__ == "UsageError"
)


def run(app: typer.Typer, arguments: Sequence[str]) -> int:
    """Run a command; return its exit code: 0, 1 for a failure, 2 for wrong usage, 130 for Ctrl-C."""
    try:
        code = app(args=list(arguments), prog_name="jurybox", standalone_mode=False)
        sys.stdout.flush()
    except _UsageError as error:
        return _wrong_usage(error)
    except (KeyboardInterrupt, typer.Abort):
        warn("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough. Python would complain about the rest when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (JuryboxError, OSError) as error:
        return _failed(str(error))
    except MemoryError:
        return _failed("there is not enough memory for this")
    except Exception as error:
        if os.environ.get("JURYBOX_DEBUG"):
            raise
        return _failed(
            f"internal error, please report it: {type(error).__name__}: {error} (JURYBOX_DEBUG=1 shows more)"
        )
    return code if isinstance(code, int) else 0


def _wrong_usage(error: Exception) -> int:
    if type(error).__name__ == "NoArgsIsHelpError":
        sys.stdout.flush()
        return 2
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "jurybox"
    message = getattr(error, "format_message", error.__str__)()
    _print(f"{message} (see {command} --help)")
    return 2


def _failed(message: str) -> int:
    _print(message)
    return 1


def _print(message: str) -> None:
    line = " ".join(visible(message).split())
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.text import Text

        Console(stderr=True).print(Text.assemble(("jurybox: ", "bold red"), line), soft_wrap=True)
    else:
        sys.stderr.write(f"jurybox: {line}\n")


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


_MODULES = (projects, status, gold, editing, clusters, machines, label, review, results, serve, pools)
for module in (*_MODULES, simulations):
    module.register(app)
