"""Deciding contested texts in the terminal: one key a class, everything that is known in view."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jurybox.cli.importing import OneOfSeveral
from jurybox.cli.output import note, print_json, table, visible
from jurybox.cli.projects import AsJson, ProjectLocation, examples, open_project
from jurybox.cli.sitting import AnswersByKey, Screen, Sheet, class_keys, open_screen
from jurybox.errors import JuryboxError
from jurybox.numerals import number, share, shares

if TYPE_CHECKING:
    from rich.console import RenderableType

    from jurybox.cli.output import ShownColumn
    from jurybox.project import Project
    from jurybox.project.doubts import ContestedText, DoubtfulAnnotation

_MOST_SAID = 500
_COMMANDS = {"s": "skip", "u": "back", "f": "remark", "g": "guidelines", "q": "quit"}


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command(
        rich_help_panel="Labels in, labels out",
        epilog=examples(
            "review reviews.db -n 50",
            "review reviews.db --reviewer rita",
            "review reviews.db --annotations --json",
            "review reviews.db --guidelines",
        ),
    )(review)


def review(
    project: ProjectLocation,
    n: Annotated[int, typer.Option("-n", min=1, help="How many.")] = 20,
    reviewer: Annotated[
        str | None,
        typer.Option("--reviewer", "-r", metavar="NAME", help="Decide them by key, as this person."),
    ] = None,
    annotations: Annotated[
        bool, typer.Option("--annotations", help="Single annotations that are most likely wrong instead.")
    ] = False,
    guidelines: Annotated[
        bool,
        typer.Option("--guidelines", help="Pairs of classes that good annotators tell apart differently."),
    ] = False,
    question: OneOfSeveral = None,
    as_json: AsJson = False,
) -> None:
    """Show the labels that are most likely wrong, or decide them one by one; what is decided is left out.

    With --reviewer, keys are as in jurybox label; f notes a remark with the decision, u goes back. A decision
    is an annotation of the reviewer, with more weight than others, and overwrites none of them. Of several
    questions it answers all, one after the other, whichever of them (--question) texts are chosen for.
    """
    if sum((reviewer is not None, annotations, guidelines)) > 1:
        raise typer.BadParameter("choose one of --reviewer, --annotations and --guidelines")
    with open_project(project) as opened:
        if reviewer is not None:
            _decide(opened, reviewer, n, question)
        elif annotations:
            _list_annotations(opened, n, question, as_json=as_json)
        elif guidelines:
            _list_guidelines(opened, question, as_json=as_json)
        else:
            _list_texts(opened, n, question, as_json=as_json)


def _list_texts(project: Project, n: int, question: str | None, *, as_json: bool) -> None:
    from jurybox.formats.plain import plain

    found = project.facets.of(question).now().contested(n)
    if as_json:
        print_json(plain(found))
        return
    off, far = _column_of_distances(found)
    before: list[ShownColumn] = [("id", "left"), ("label", "left"), ("probably wrong", "right")]
    behind: list[ShownColumn] = [("kind", "left"), ("annotations", "left"), ("text", "left")]
    table(
        [*before, *off, *behind],
        [
            (one.text_id, one.label, share(one.error), *far(one), one.kind, _votes(one), one.text)
            for one in found
        ],
    )


def _column_of_distances(
    found: Sequence[ContestedText] | Sequence[DoubtfulAnnotation],
) -> tuple[list[ShownColumn], Callable[[ContestedText | DoubtfulAnnotation], list[str]]]:
    """Return the column that is shown on a scale alone, and what a row has there."""
    if not found or found[0].distance is None:
        return [], lambda _: []
    return [("expected off by", "right")], lambda one: [number(one.distance or 0.0, 2)]


def _votes(one: ContestedText) -> str:
    return ", ".join(f"{vote.annotator}: {vote.label}" for vote in one.votes)


def _list_annotations(project: Project, n: int, question: str | None, *, as_json: bool) -> None:
    from jurybox.formats.plain import plain

    found = project.facets.of(question).now().doubtful_annotations(n)
    if as_json:
        print_json(plain(found))
        return
    off, far = _column_of_distances(found)
    table(
        [
            *(("id", "left"), ("annotator", "left"), ("label", "left"), ("probably wrong", "right")),
            *(*off, ("consensus", "left"), ("text", "left")),
        ],
        [
            (one.text_id, one.annotator, one.label, share(one.error), *far(one), one.consensus, one.text)
            for one in found
        ],
    )


def _list_guidelines(project: Project, question: str | None, *, as_json: bool) -> None:
    from jurybox.formats.plain import plain

    found = project.facets.of(question).now().guidelines
    if as_json:
        print_json(plain(found))
        return
    if not found:
        note("good annotators disagree on no pair of classes more than their errors explain")
        return
    table(
        [
            *(("classes", "left"), ("disagree on", "right"), ("95 %", "right"), ("texts", "right")),
            *(("lean to the first", "left"), ("lean to the second", "left"), ("examples", "left")),
        ],
        [
            (
                " / ".join(one.classes),
                share(one.share.estimate),
                shares(one.share),
                number(one.n_texts),
                *(", ".join(people) for people in one.annotators),
                ", ".join(one.examples[:5]),
            )
            for one in found
        ],
    )


@dataclass(frozen=True)
class _Contested:
    """A text to decide, at what it is contested, and who said what of it: of several questions, to all."""

    found: ContestedText
    question: str
    said: Sequence[tuple[str, str, str]]

    @property
    def belief(self) -> str:
        """What is believed, and how likely that is wrong."""
        at = f"{self.question}: " if self.question else ""
        return f"{at}{self.found.label}, wrong with {share(self.found.error)}"


def _contested(project: Project, n: int, question: str | None) -> list[_Contested]:
    """Return the texts that are most likely labelled wrong, at one question or wherever it is likeliest."""
    if not project.questions:
        found = project.facets.of(question).now().contested(n)
        return [_Contested(one, "", [(v.annotator, v.label, v.comment) for v in one.votes]) for one in found]
    sources = {question: project.facets.of(question)} if question is not None else project.facets.each()
    worst: dict[str, tuple[str, ContestedText]] = {}
    every = [(name, one) for name, source in sources.items() for one in source.now().contested(n)]
    for name, one in sorted(every, key=lambda pair: -pair[1].error):
        worst.setdefault(one.text_id, (name, one))
    return [_Contested(one, name, _said(project, one.text_id)) for name, one in [*worst.values()][:n]]


def _said(project: Project, text_id: str) -> list[tuple[str, str, str]]:
    from jurybox.store.filters import AnnotationFilter

    found = project.reading.find_annotations(AnnotationFilter(text_id=text_id), limit=_MOST_SAID)
    return [(one.annotator, one.label, one.comment) for one in found.items]


def _decide(project: Project, reviewer: str, n: int, question: str | None) -> None:
    from jurybox.store.records import Role

    if all(person.name != reviewer for person in project.people.all()):
        project.people.add(reviewer, role=Role.REVIEWER)
        note(f"{reviewer} is new, and a reviewer now")
    with open_screen(_COMMANDS) as screen:
        done = _Review(project, reviewer, _contested(project, n, question), screen).run()
    note(f"{done} decided by {reviewer}")


class _Review:
    """One sitting of one reviewer over a list of contested texts."""

    def __init__(self, project: Project, reviewer: str, texts: Sequence[_Contested], screen: Screen) -> None:
        self._project = project
        self._reviewer = reviewer
        self._texts = texts
        self._screen = screen
        self._asked = [(str(one.name), one) for one in project.questions]
        self._keys = class_keys(project.classes, on_scale=project.scale is not None)
        self._decided: set[str] = set()

    def run(self) -> int:
        """Go through the texts until the end or until the reviewer quits; return how many were decided."""
        at = 0
        if not self._texts:
            self._screen.tell("nothing to review: no text has a label yet, or all are decided")
        try:
            while 0 <= at < len(self._texts):
                at = self._decide(at)
        except (EOFError, KeyboardInterrupt):
            self._screen.tell("stopped")
        return len(self._decided)

    def _decide(self, at: int) -> int:
        """Show a text until there is a decision; return which one to show next."""
        one = self._texts[at]
        sheet = _sheet(one, f"{at + 1} of {len(self._texts)}")
        answers = AnswersByKey(self._asked, self._keys)
        self._screen.show(answers.on(sheet), answers.keys)
        remark = ""
        while True:
            choice = self._screen.ask(answers.keys)
            command, words = choice.command, choice.words
            if command == "quit":
                return len(self._texts)
            if command == "skip":
                return at + 1
            if command == "back":
                return max(at - 1, 0)
            if command == "remark":
                remark = words.strip()
                self._screen.tell("noted; now decide" if remark else "no remark")
            elif command == "guidelines":
                self._screen.tell(self._project.guidelines or "there are no guidelines")
            elif (whole := answers.take(words)) is None:
                self._screen.show(answers.on(sheet), answers.keys)
            elif self._store(one.found.text_id, whole, remark):
                return at + 1
            else:
                answers = AnswersByKey(self._asked, self._keys)

    def _store(self, text_id: str, label: str | Mapping[str, Any], remark: str) -> bool:
        try:
            self._project.adjudicate(text_id, label, reviewer=self._reviewer, comment=remark)
        except JuryboxError as error:
            self._screen.tell(str(error))
            return False
        self._decided.add(text_id)
        return True


def _sheet(one: _Contested, place: str) -> Sheet:
    found = one.found
    votes = ", ".join(f"{annotator}: {label}" for annotator, label, _ in one.said)
    return Sheet(
        text_id=found.text_id,
        text=found.text,
        title=f"{place} · {found.text_id}",
        note=f"{one.belief} · {found.kind}",
        lines=[f"{one.belief} ({found.kind}); {votes}"],
        details=_opinions(one),
    )


def _opinions(one: _Contested) -> RenderableType:
    """Return a table of the annotations, the likeliest errors first, and of what the model makes of it."""
    from rich.table import Table
    from rich.text import Text

    errors = {vote.annotator: vote.error for vote in one.found.votes}
    place = {name: at for at, name in enumerate(errors)}
    made = Table.grid(padding=(0, 2))
    for annotator, label, comment in sorted(one.said, key=lambda said: place.get(said[0], len(place))):
        doubt = f"wrong with {share(errors[annotator])}" if annotator in errors else ""
        made.add_row(visible(annotator), Text(visible(label), style="bold"), Text(doubt, style="dim"))
        if comment:
            made.add_row("", Text(f"“{visible(comment)}”", style="italic"), "")
    for name, p in sorted((one.found.model or {}).items(), key=lambda pair: -pair[1])[:5]:
        bar = Text("█" * round(20 * p), style="cyan")
        made.add_row(Text("model", style="dim"), visible(name), Text.assemble(bar, f" {share(p)}"))
    return made
