"""Labelling in the terminal: one key a class."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from jurybox.cli.output import note
from jurybox.cli.projects import ProjectLocation, examples, open_project
from jurybox.cli.sitting import Choice, Screen, Sheet, class_keys, open_screen
from jurybox.errors import JuryboxError

if TYPE_CHECKING:
    from jurybox.project import Project
    from jurybox.store.records import Task

__all__ = ["register"]

_COMMANDS = {"s": "skip", "u": "undo", "f": "flag", "g": "guidelines", "q": "quit"}


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
    with open_project(project) as opened, open_screen(_COMMANDS) as screen:
        done = _Session(opened, annotator, screen).run()
    note(f"{done} labelled by {annotator}")


class _Session:
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
        title = f"{task.annotator} · {len(self._labelled)} labelled"
        sheet = Sheet(task.text_id, task.text, title, f"{task.text_id} · {task.reason}")
        self._screen.show(sheet, self._keys)
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
