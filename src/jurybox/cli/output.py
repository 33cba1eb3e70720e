"""What the command line prints: tables and bars on a terminal, plain text in a pipe, JSON for programs.

Results go to standard output, everything else to standard error.
"""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from rich.console import Console

Justify: TypeAlias = Literal["left", "right"]
ShownColumn: TypeAlias = tuple[str, Justify]

_UNSAFE_CATEGORIES = {"Cc", "Cf", "Cs"}
_HARMLESS = {"\n", "\t", "\u200d", "\u200c", "\ufe0f"}


def is_terminal(stream: IO[str] | None = None) -> bool:
    """Whether a person is watching standard output (or another stream)."""
    return (stream or sys.stdout).isatty()


def console(*, error: bool = False) -> Console:
    """Return a console for a terminal."""
    from rich.console import Console

    return Console(stderr=error, highlight=False, soft_wrap=False)


def visible(text: str) -> str:
    r"""Replace what would steer a terminal or reorder its text by something that can be seen.

    Examples
    --------
    >>> visible("a\x1b[2Jb")
    'a␛[2Jb'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_visible_character(character) for character in text)


def _visible_character(character: str) -> str:
    if character in _HARMLESS or unicodedata.category(character) not in _UNSAFE_CATEGORIES:
        return character
    return chr(0x2400 + ord(character)) if ord(character) < 0x20 else "\ufffd"


def one_line(text: str, width: int) -> str:
    """Return a text as one line of at most so many characters."""
    flat = " ".join(visible(text[: 4 * width]).split())
    return flat if len(flat) <= width and len(text) <= 4 * width else f"{flat[: width - 1].rstrip()}…"


def say(text: str = "") -> None:
    """Print a result."""
    sys.stdout.write(f"{text}\n")


def note(text: str) -> None:
    """Print what a person may want to know, apart from results."""
    _to_stderr(text, "dim")


def warn(text: str) -> None:
    """Print what a person should know, apart from results."""
    _to_stderr(text, "yellow")


def _to_stderr(text: str, style: str) -> None:
    if is_terminal(sys.stderr):
        console(error=True).print(visible(text), style=style, markup=False)
    else:
        sys.stderr.write(f"{visible(text)}\n")


def print_json(value: object) -> None:
    """Print a result for a program."""
    say(json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False))


def table(columns: Sequence[ShownColumn], rows: Sequence[Sequence[str]], *, title: str = "") -> None:
    """Print a table; in a pipe, plain columns apart by two blanks, nothing cut."""
    shown = [[visible(cell).replace("\n", " ").replace("\t", " ") for cell in row] for row in rows]
    if is_terminal():
        _rich_table(columns, shown, title)
        return
    if title:
        say(title)
    lines = [[name for name, _ in columns], *shown]
    widths = [max(len(line[at]) for line in lines) for at in range(len(columns))]
    for line in lines:
        cells = [
            cell.rjust(width) if justify == "right" else cell.ljust(width)
            for cell, width, (_, justify) in zip(line, widths, columns, strict=True)
        ]
        say("  ".join(cells).rstrip())


def _rich_table(columns: Sequence[ShownColumn], rows: Sequence[Sequence[str]], title: str) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    made = Table(
        title=title or None, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False
    )
    for name, justify in columns:
        made.add_column(name, justify=justify, header_style="bold", overflow="fold")
    for row in rows:
        made.add_row(*(Text(cell) for cell in row))
    console().print(made)


def fields(pairs: Mapping[str, str], *, title: str = "") -> None:
    """Print names and values below each other."""
    width = max(map(len, pairs), default=0)
    if not is_terminal():
        for name, value in pairs.items():
            say(f"{name.ljust(width)}  {visible(value)}")
        return
    from rich.table import Table
    from rich.text import Text

    made = Table.grid(padding=(0, 2))
    made.add_column(style="dim", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in pairs.items():
        made.add_row(name, Text(visible(value)))
    if title:
        console().print(title, style="bold", markup=False)
    console().print(made)


class ProgressBar(Protocol):
    """A progress bar, or nothing where nobody watches."""

    def __call__(self, done: int, total: int | None = None, text: str | None = None) -> None:
        """Move to so many of so many, and say what is going on."""


@contextmanager
def bar(text: str, total: int | None = None) -> Iterator[ProgressBar]:
    """Show progress on standard error while something goes on, if that is a terminal."""
    if not is_terminal(sys.stderr):
        yield _silent
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    columns: list[Any] = [SpinnerColumn(), TextColumn("{task.description}")]
    columns += [BarColumn()] if total is not None else []
    columns += [MofNCompleteColumn(), TimeElapsedColumn()]
    with Progress(*columns, console=console(error=True), transient=True) as progress:
        task = progress.add_task(visible(text), total=total)

        def move(done: int, total: int | None = None, text: str | None = None) -> None:
            said = None if text is None else visible(text)
            progress.update(task, completed=done, total=total, description=said)

        yield move


def _silent(done: int, total: int | None = None, text: str | None = None) -> None:
    """Show nothing."""
