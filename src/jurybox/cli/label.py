"""Labelling in the terminal: one key a class."""

from __future__ import annotations

import string
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from jurybox.cli.keys import line_mode, read_key, single_keys
from jurybox.cli.output import console, is_terminal, note, say, visible, warn
from jurybox.cli.projects import ProjectLocation, examples, open_project
from jurybox.errors import JuryboxError

if TYPE_CHECKING:
    from rich.console import Console

    from jurybox.project import Project
    from jurybox.store.records import Task

__all__ = ["Choice", "Screen", "Session", "class_keys", "print_keys", "read_choice", "register"]

_WIDEST = 100
_COMMANDS = {"s": "skip", "u": "undo", "f": "flag", "g": "guidelines", "q": "quit"}
_KEYS = (
    string.digits[1:] + "0" + "".join(letter for letter in string.ascii_lowercase if letter not in _COMMANDS)
)


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command(
        rich_help_panel="Labels in, labels out",
        epilog=examples(
            "label reviews.db --annotator ana", r"printf '1\n2\ns\nq\n' | jurybox label reviews.db -a ana"
        ),
    )(label)


def label(
    project: ProjectLocation,
    annotator: Annotated[
        str, typer.Option("--annotator", "-a", help="Who is labelling.", show_default=False)
    ],
) -> None:
    """Label in the terminal, one key a class.

    s skips, u undoes, f flags with a remark, g shows the guidelines, q quits. Every label is stored before
    the next text is shown. Without a terminal, each line of standard input is a key or the name of a class;
    what follows after f is the remark.
    """
    with open_project(project) as opened:
        interactive = is_terminal(sys.stdin) and is_terminal()
        screen: Screen = _Terminal() if interactive else _Pipe()
        with single_keys() if interactive else nullcontext():
            done = Session(opened, annotator, screen).run()
    note(f"{done} labelled by {annotator}")


def class_keys(classes: Sequence[str]) -> dict[str, str]:
    """Return the class of each key: digits, then letters that are no command.

    Examples
    --------
    >>> class_keys(["impolite", "polite"])
    {'1': 'impolite', '2': 'polite'}
    """
    return dict(zip(_KEYS, classes, strict=False))


@dataclass(frozen=True)
class Choice:
    """What an annotator wants: a class, or one of the commands with what was typed after it."""

    command: str
    words: str = ""


class Screen(Protocol):
    """Where texts are shown and choices come from."""

    def show(self, task: Task, keys: dict[str, str], done: int) -> None:
        """Show a text and what can be chosen."""

    def ask(self, keys: dict[str, str]) -> Choice:
        """Wait for a choice."""

    def tell(self, message: str) -> None:
        """Say something."""


class Session:
    """One sitting of one annotator."""

    def __init__(self, project: Project, annotator: str, screen: Screen) -> None:
        self._project = project
        self._annotator = annotator
        self._screen = screen
        self._keys = class_keys(project.classes)
        self._open: set[str] = set()
        self._labelled: set[str] = set()

    def run(self) -> int:
        """Label until there is nothing left or the annotator quits; return how many texts were labelled."""
        try:
            task = self._next()
            while task is not None:
                task = self._decide(task)
        except (EOFError, KeyboardInterrupt):
            self._screen.tell("stopped")
        finally:
            for text_id in self._open:
                self._project.release(self._annotator, text_id)
        return len(self._labelled)

    def _next(self) -> Task | None:
        from jurybox.store.records import NothingLeft

        found = self._project.next_task(self._annotator)
        if isinstance(found, NothingLeft):
            self._screen.tell(f"nothing left: {found.explanation}")
            return None
        self._open.add(found.text_id)
        return found

    def _decide(self, task: Task) -> Task | None:
        """Show a text until there is a decision; return the text to show next, None for the end."""
        self._screen.show(task, self._keys, len(self._labelled))
        start = time.monotonic()
        while True:
            choice = self._screen.ask(self._keys)
            if choice.command == "quit":
                return None
            try:
                if choice.command == "undo":
                    return self._undo()
                if choice.command == "label":
                    self._project.submit(task, choice.words, seconds=time.monotonic() - start)
                    self._labelled.add(task.text_id)
                elif choice.command == "skip":
                    self._project.skip(task, choice.words)
                else:
                    self._remark(task, choice)
                    continue
            except JuryboxError as error:
                self._screen.tell(str(error))
                continue
            self._open.discard(task.text_id)
            return self._next()

    def _undo(self) -> Task:
        task = self._project.undo(self._annotator, direct=False)
        self._labelled.discard(task.text_id)
        self._open.add(task.text_id)
        return task

    def _remark(self, task: Task, choice: Choice) -> None:
        if choice.command == "guidelines":
            self._screen.tell(self._project.guidelines or "there are no guidelines")
        elif not choice.words.strip():
            self._screen.tell("a flag needs a remark; not flagged")
        else:
            self._project.flag(task, choice.words.strip())
            self._screen.tell("flagged; the text still wants your label, or skip it")


def read_choice(line: str, keys: dict[str, str]) -> Choice | None:
    """Return what a line asks for: a key, the name of a class, or a command and its words; None for nothing.

    Examples
    --------
    >>> read_choice("f two questions in one", {"1": "polite"})
    Choice(command='flag', words='two questions in one')
    """
    if line in keys.values():
        return Choice("label", line)
    if line in keys:
        return Choice("label", keys[line])
    command, _, words = line.strip().partition(" ")
    return Choice(_COMMANDS[command], words) if command in _COMMANDS else None


class _Pipe:
    """Choices from the lines of standard input, texts to standard output."""

    def show(self, task: Task, keys: dict[str, str], done: int) -> None:  # noqa: ARG002
        say(f"[{task.text_id}] {visible(task.text)}")

    def ask(self, keys: dict[str, str]) -> Choice:
        while line := sys.stdin.readline():
            choice = read_choice(line.rstrip("\r\n"), keys)
            if choice is not None:
                return choice
            if line.strip():
                warn(f"{line.strip()!r} is no key and no class; keys are {_legend(keys)}")
        return Choice("quit")

    def tell(self, message: str) -> None:
        note(message)


class _Terminal:
    """Single keys, and one text at a time in a frame."""

    def __init__(self) -> None:
        self._console = console()

    def show(self, task: Task, keys: dict[str, str], done: int) -> None:
        from rich.padding import Padding
        from rich.panel import Panel
        from rich.text import Text

        self._console.clear()
        title = f"{visible(task.annotator)} · {done} labelled"
        body = Text(visible(task.text) or "(an empty text)")
        why = Text(f"{visible(task.text_id)} · {task.reason}", style="dim")
        self._console.print(
            Panel(
                Padding(body, (1, 2)),
                title=Text(title),
                title_align="left",
                subtitle=why,
                subtitle_align="right",
                width=min(self._console.width, _WIDEST),
            )
        )
        print_keys(self._console, keys, _COMMANDS)

    def ask(self, keys: dict[str, str]) -> Choice:
        while True:
            key = read_key()
            choice = read_choice(key, keys) if key in keys or key in _COMMANDS else None
            if choice is not None and choice.command == "flag":
                with line_mode():
                    return Choice("flag", self._console.input("  remark: "))
            if choice is not None:
                return choice

    def tell(self, message: str) -> None:
        from rich.text import Text

        self._console.print(Text(f"  {visible(message)}", style="yellow"))


def print_keys(screen: Console, keys: dict[str, str], commands: dict[str, str]) -> None:
    """Print which key stands for which class, and below it the commands."""
    from rich.text import Text

    line = Text("  ")
    for key, name in keys.items():
        line.append(f" {key} ", style="reverse bold").append(f" {visible(name)}   ")
    screen.print(line)
    screen.print(Text("   " + "   ".join(f"{key} {name}" for key, name in commands.items()), style="dim"))


def _legend(keys: dict[str, str]) -> str:
    return ", ".join(
        [*(f"{key} {name}" for key, name in keys.items()), *(f"{k} {v}" for k, v in _COMMANDS.items())]
    )
