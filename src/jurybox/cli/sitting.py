"""A sitting at the terminal: one text at a time, a key a class, read singly; or lines of a pipe."""

from __future__ import annotations

import os
import select
import string
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import typer

from jurybox.cli.output import console, is_terminal, note, say, visible, warn

if TYPE_CHECKING:
    from rich.console import RenderableType

    from jurybox.questions import Question

_END_OF_INPUT = "\x04"


@contextmanager
def single_keys() -> Iterator[None]:
    """Deliver keys as they are pressed, without showing them, until the end of the block.

    The mode is set once and pending keys are kept, so that nothing is lost of what is typed ahead.
    """
    try:
        import termios
        import tty
    except ImportError:  # Windows, where typer.getchar does all of this
        yield
        return
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    tty.setcbreak(terminal, termios.TCSADRAIN)
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


@contextmanager
def line_mode() -> Iterator[None]:
    """Edit lines as usual within `single_keys`, until the end of the block."""
    try:
        import termios
    except ImportError:
        yield
        return
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    usual = termios.tcgetattr(terminal)
    usual[3] |= termios.ECHO | termios.ICANON
    termios.tcsetattr(terminal, termios.TCSADRAIN, usual)
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def read_key() -> str:
    """Wait for a key; what arrows and their kin send is an empty text.

    Raises
    ------
    EOFError
        On Ctrl-D, or when the terminal has gone.
    """
    if os.name == "nt":
        return typer.getchar()
    terminal = sys.stdin.fileno()
    key = os.read(terminal, 1)
    if not key or key == _END_OF_INPUT.encode():
        raise EOFError
    if key == b"\x1b":
        _skip_sequence(terminal)
        return ""
    return key.decode("ascii", errors="ignore")


def _skip_sequence(terminal: int) -> None:
    """Read the rest of what an arrow or a function key sends: ``[`` or ``O``, numbers, a letter."""
    if not select.select([terminal], [], [], 0)[0] or os.read(terminal, 1) not in (b"[", b"O"):
        return
    while select.select([terminal], [], [], 0)[0] and not b"@" <= os.read(terminal, 1) <= b"~":
        continue


_WIDEST = 100
_COMMANDS = "sufgq"
_KEYS = string.digits[1:] + "0" + "".join(c for c in string.ascii_lowercase if c not in _COMMANDS)
_DONE, _OPEN = "(done: these, or none)", "(no answer)"
_YES_NO = {"y": "yes", "n": "no"}
_WITH_WORDS = "f"
"""The command that asks for a remark."""


@dataclass(frozen=True)
class Pressed:
    """What somebody wants: ``"label"`` and a class, or a command with what was typed after it."""

    command: str
    words: str = ""


@dataclass(frozen=True)
class Sheet:
    """A text as it is shown.

    Attributes
    ----------
    text_id, text
        The text.
    title, note
        Above and below it.
    lines
        What else is known, for a pipe.
    details
        The same for a terminal.
    """

    text_id: str
    text: str
    title: str
    note: str
    lines: Sequence[str] = ()
    details: RenderableType | None = None


class Screen(Protocol):
    """Where texts are shown and choices come from."""

    def show(self, sheet: Sheet, keys: Mapping[str, str]) -> None:
        """Show a text and what can be chosen."""

    def ask(self, keys: Mapping[str, str]) -> Pressed:
        """Wait for a choice."""

    def tell(self, message: str) -> None:
        """Say something."""


@contextmanager
def open_screen(commands: Mapping[str, str]) -> Iterator[Screen]:
    """Show texts on the terminal, or, where nobody is at one, take each line of standard input for a choice.

    Parameters
    ----------
    commands
        What each of the letters s, u, f, g and q stands for.
    """
    if is_terminal(sys.stdin) and is_terminal():
        with single_keys():
            yield _Terminal(commands)
    else:
        yield _Pipe(commands)


def class_keys(classes: Sequence[str], *, on_scale: bool = False) -> dict[str, str]:
    """Return the class of each key: digits, on a scale its own, then letters that are no command.

    Examples
    --------
    >>> class_keys(["impolite", "polite"])
    {'1': 'impolite', '2': 'polite'}
    """
    from jurybox import scales

    keys = scales.class_keys(classes, _KEYS, on_scale=on_scale)
    return {key: name for key, name in zip(keys, classes, strict=True) if key}


def read_choice(line: str, keys: Mapping[str, str], commands: Mapping[str, str]) -> Pressed | None:
    """Return what a line asks for: a key, the name of a class, or a command and its words; None for nothing.

    Examples
    --------
    >>> read_choice("f two questions in one", {"1": "polite"}, {"f": "flag"})
    Pressed(command='flag', words='two questions in one')
    """
    if line in keys.values():
        return Pressed("label", line)
    if line in keys:
        return Pressed("label", keys[line])
    command, _, words = line.strip().partition(" ")
    return Pressed(commands[command], words) if command in commands else None


class AnswersByKey:
    """What somebody says of one text: a class, or answers to several questions one after the other.

    Attributes
    ----------
    asked
        Questions by name, each class of which alone is asked for as a question without classes: yes or no.
    keys
        What can be pressed now, and the class of each.
    """

    def __init__(self, asked: Sequence[tuple[str, Question | None]], keys: Mapping[str, str]) -> None:
        self._left = list(asked)
        self._said: dict[str, Any] = {}
        self._chosen: list[str] = []
        self.keys = keys
        self._begin()

    def on(self, sheet: Sheet) -> Sheet:
        """Return the sheet with what is asked."""
        if not self._left:
            return sheet
        chosen = f" [{', '.join(self._chosen)}]" if self._chosen else ""
        asked = f"{self._left[0][0]}?{chosen}"
        return replace(sheet, title=f"{sheet.title} · {asked}", lines=(asked,))

    def take(self, word: str) -> str | Mapping[str, Any] | None:
        """Take what was pressed; return the label once it is whole."""
        if not self._left:
            return word
        name, question = self._left[0]
        if question is not None and question.kind == "several" and word not in (_DONE, _OPEN):
            if word in self._chosen:
                self._chosen.remove(word)
            else:
                self._chosen.append(word)
            return None
        if word == _DONE and question is not None:  # of a class that was added since nothing is said
            self._said[name] = {"yes": [*self._chosen], "asked": [*map(str, question.classes)]}
        elif word != _OPEN:
            self._said[name] = word
        self._left.pop(0)
        self._begin()
        return None if self._left else self._said

    def _begin(self) -> None:
        self._chosen = []
        if self._left:
            question = self._left[0][1]
            own = _YES_NO if question is None else _keys_of(question)
            self.keys = {**own, "-": _OPEN}


def _keys_of(question: Question) -> dict[str, str]:
    own = class_keys([*map(str, question.classes)], on_scale=question.kind == "scale")
    return {**own, **({".": _DONE} if question.kind == "several" else {})}


@dataclass(frozen=True)
class _Pipe:
    """Choices from the lines of standard input, texts to standard output."""

    commands: Mapping[str, str]

    def show(self, sheet: Sheet, keys: Mapping[str, str]) -> None:  # noqa: ARG002
        say(f"[{sheet.text_id}] {visible(sheet.text)}")
        for line in sheet.lines:
            say(f"  {visible(line)}")

    def ask(self, keys: Mapping[str, str]) -> Pressed:
        while line := sys.stdin.readline():
            choice = read_choice(line.rstrip("\r\n"), keys, self.commands)
            if choice is not None:
                return choice
            if line.strip():
                legend = ", ".join(f"{key} {name}" for key, name in {**keys, **self.commands}.items())
                warn(f"{line.strip()!r} is no key and no class; keys are {legend}")
        return Pressed(self.commands["q"])

    def tell(self, message: str) -> None:
        note(message)


class _Terminal:
    """Single keys, and one text at a time in a frame."""

    def __init__(self, commands: Mapping[str, str]) -> None:
        self._commands = commands
        self._console = console()

    def show(self, sheet: Sheet, keys: Mapping[str, str]) -> None:
        from rich.console import Group
        from rich.padding import Padding
        from rich.panel import Panel
        from rich.text import Text

        body = Padding(Text(visible(sheet.text) or "(an empty text)"), (1, 2))
        known = [] if sheet.details is None else [Padding(sheet.details, (0, 2))]
        self._console.clear()
        self._console.print(
            Panel(
                Group(body, *known),
                title=Text(visible(sheet.title)),
                title_align="left",
                subtitle=Text(visible(sheet.note), style="dim"),
                subtitle_align="right",
                width=min(self._console.width, _WIDEST),
            )
        )
        line = Text("  ")
        for key, name in keys.items():
            line.append(f" {key} ", style="reverse bold").append(f" {visible(name)}   ")
        self._console.print(line)
        legend = "   ".join(f"{key} {name}" for key, name in self._commands.items())
        self._console.print(Text(f"   {legend}", style="dim"))

    def ask(self, keys: Mapping[str, str]) -> Pressed:
        while True:
            key = read_key()
            if key == _WITH_WORDS:
                with line_mode():
                    return Pressed(self._commands[key], self._console.input("  remark: "))
            if key in keys:
                return Pressed("label", keys[key])
            if key in self._commands:
                return Pressed(self._commands[key])

    def tell(self, message: str) -> None:
        from rich.text import Text

        self._console.print(Text(f"  {visible(message)}", style="yellow"))
