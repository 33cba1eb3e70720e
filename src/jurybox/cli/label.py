"""The commands of annotators: `label` in the terminal, `next` for labelling elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from jurybox.cli.output import note, print_json, table, warn
from jurybox.cli.projects import AsJson, ProjectLocation, examples, open_project
from jurybox.cli.sitting import AnswersByKey, Pressed, Screen, Sheet, class_keys, open_screen
from jurybox.errors import InputError, JuryboxError
from jurybox.numerals import number

if TYPE_CHECKING:
    from jurybox.project import Project
    from jurybox.questions import Question
    from jurybox.store.records import Task

_COMMANDS = {"s": "skip", "u": "undo", "f": "flag", "g": "guidelines", "q": "quit"}


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(
        rich_help_panel="Labels in, labels out",
        epilog=examples(
            "label reviews.db --annotator ana",
            "label reviews.db --annotator ana < keys.txt",
        ),
    )(label)
    app.command(
        "next",
        rich_help_panel="Labels in, labels out",
        epilog=examples(
            "next reviews.db --annotator ana -n 25 --json",
            "next reviews.db --annotator ana -n 25 --format label-studio > tasks.json",
        ),
    )(next_texts)


def next_texts(
    project: ProjectLocation,
    annotator: Annotated[
        str, typer.Option("--annotator", "-a", help="Who will label them.", show_default=False)
    ],
    n: Annotated[int, typer.Option("-n", min=1, help="How many.")] = 1,
    lend_limit: Annotated[
        int, typer.Option(min=1, help="The most texts in the annotator's hands at once.")
    ] = 500,
    hours: Annotated[
        float | None,
        typer.Option(
            help="How long they are lent for; as the settings say if not given.", show_default=False
        ),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="NAME",
            help="For another tool: label-studio, prodigy or csv.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print the texts that an annotator should label next.

    They are lent for ten minutes (setting lease_seconds), or for some hours to label them elsewhere. Labels
    made elsewhere come back with: jurybox add PROJECT FILE, which ends the loans of what it brings.
    """
    from jurybox.formats import TextRecord
    from jurybox.formats.write import several_refused
    from jurybox.formats.write_tools import TASK_FORMATS, write_tasks

    if form is not None and (as_json or form not in TASK_FORMATS):
        raise InputError(f"--format is {form!r}, expected one of {', '.join(TASK_FORMATS)}, without --json")
    seconds = None if hours is None else 3600 * hours
    with open_project(project) as opened:
        lent = opened.next_tasks(annotator, n, lend_limit=lend_limit, seconds=seconds)
        classes, asked = opened.classes, opened.questions
    if form is not None:
        if asked and form not in ("csv", "label-studio"):
            raise several_refused(form)
        texts = [TextRecord(task.text_id, task.text, task.metadata) for task in lent.tasks]
        write_tasks(texts, classes, form, sys.stdout, asked)
    elif as_json:
        print_json(
            [
                {"text_id": task.text_id, "text": task.text, "reason": task.reason, "score": task.score}
                | ({} if task.asked is None else {"asked": task.asked})
                for task in lent.tasks
            ]
        )
    elif lent.tasks:
        rows = [(task.text_id, task.reason, number(task.score), task.text) for task in lent.tasks]
        table([("id", "left"), ("reason", "left"), ("score", "right"), ("text", "left")], rows)
    if lent.nothing is not None and not lent.tasks:
        warn(f"nothing to label for {annotator}: {lent.nothing.explanation}")


def label(
    project: ProjectLocation,
    annotator: Annotated[
        str, typer.Option("--annotator", "-a", help="Who is labelling.", show_default=False)
    ],
) -> None:
    """Label in the terminal, one key a class; several questions one after the other.

    s skips, u undoes, f flags with a remark, g shows the guidelines, q quits. Every label is stored before
    the next text is shown. Without a terminal, each line of standard input is a key or the name of a class;
    what follows after f is the remark. Of several classes, keys choose and . ends; - leaves a question open.
    Where some classes alone are asked for, y and n answer for each of them.
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
        self._questions = project.questions
        self._keys = class_keys(project.classes, on_scale=project.scale is not None)
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
        answers = AnswersByKey(_asked(self._questions, task), self._keys)
        self._screen.show(answers.on(sheet), answers.keys)
        start = time.monotonic()
        while True:
            choice = self._screen.ask(answers.keys)
            if choice.command == "quit":
                return None
            try:
                if choice.command == "undo":
                    return self._undo()
                if choice.command == "label":
                    whole = answers.take(choice.words)
                    if whole is None:
                        self._screen.show(answers.on(sheet), answers.keys)
                        continue
                    self._project.submit(task, whole, seconds=time.monotonic() - start)
                    self._labelled.add(task.text_id)
                elif choice.command == "skip":
                    self._project.skip(task, choice.words)
                else:
                    self._remark(task, choice)
                    continue
            except JuryboxError as error:
                self._screen.tell(str(error))
                answers = AnswersByKey(_asked(self._questions, task), self._keys)
                continue
            self._open.discard(task.text_id)
            return self._next()

    def _undo(self) -> Task:
        task = self._project.undo(self._annotator, direct=False)
        self._labelled.discard(task.text_id)
        self._open.add(task.text_id)
        return task

    def _remark(self, task: Task, choice: Pressed) -> None:
        if choice.command == "guidelines":
            self._screen.tell(self._project.guidelines or "there are no guidelines")
        elif not choice.words.strip():
            self._screen.tell("a flag needs a remark; not flagged")
        else:
            self._project.flag(task, choice.words.strip())
            self._screen.tell("flagged; the text still wants your label, or skip it")


def _asked(questions: Sequence[Question], task: Task) -> list[tuple[str, Question | None]]:
    """Return what is asked of a text: questions by name, and single classes of some, which have none."""
    found: list[tuple[str, Question | None]] = []
    for question in questions:
        own = [str(facet) for facet in question.facets]
        wanted = [name for name in own if task.asked is None or name in task.asked]
        if len(wanted) == len(own):
            found.append((question.name, question))
        else:
            found += [(name, None) for name in wanted]
    return found
