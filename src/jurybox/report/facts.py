"""Everything that a report says, gathered once, with the commands that reproduce it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from jurybox.errors import InputError
from jurybox.formats.plain import plain
from jurybox.project import Project
from jurybox.project.annotators import Agreements, AnnotatorBelief, PairBelief
from jurybox.project.auditing import Accuracy, AuditReport
from jurybox.project.doubts import ContestedText, GuidelineNote
from jurybox.project.gold import GoldScore
from jurybox.project.opinions import SharesBelief
from jurybox.project.texts import ConsensusBelief
from jurybox.report.protocol import Protocol, describe_protocol
from jurybox.report.sections import (
    Data,
    Environment,
    Names,
    Outlooks,
    ReportView,
    describe_agreement,
    describe_annotators,
    describe_audit,
    describe_contested,
    describe_curve,
    describe_data,
    describe_environment,
    describe_gold,
    describe_guidelines,
    describe_labels,
    describe_pairs,
    describe_shares,
    describe_stopping,
)

__all__ = ["SECTIONS", "Facts", "gather", "gather_section", "to_json"]

SECTIONS: Mapping[str, Callable[[Project, ReportView], Any]] = {
    "data": describe_data,
    "protocol": describe_protocol,
    "agreement": describe_agreement,
    "annotators": describe_annotators,
    "pairs": describe_pairs,
    "gold": describe_gold,
    "labels": describe_labels,
    "shares": describe_shares,
    "guidelines": describe_guidelines,
    "audit": describe_audit,
    "curve": describe_curve,
    "stopping": describe_stopping,
    "contested": describe_contested,
    "environment": describe_environment,
}
"""Each part of a report by name, and what gathers it."""

_COMMANDS = {
    "annotators": "jurybox annotators {project} --json",
    "guidelines": "jurybox review {project} --guidelines --json",
}
"""Commands of their own that print the same as a section does, as long as names are not hidden."""


@dataclass(frozen=True, eq=False)
class Facts:
    """What a report says; the sections are those of `SECTIONS`.

    Attributes
    ----------
    title
        The project's name.
    made_at
        When this was gathered, in UTC.
    names_hidden, texts_shown
        What the report was allowed to show.
    commands
        By section: the command that prints the same figures as JSON.
    """

    title: str
    made_at: str
    names_hidden: bool
    texts_shown: bool
    commands: Mapping[str, str]
    data: Data
    protocol: Protocol
    agreement: Agreements
    annotators: tuple[AnnotatorBelief, ...]
    pairs: tuple[PairBelief, ...]
    gold: tuple[GoldScore, ...]
    labels: ConsensusBelief
    shares: SharesBelief | None
    guidelines: tuple[GuidelineNote, ...]
    audit: AuditReport
    curve: tuple[Accuracy, ...]
    stopping: Outlooks
    contested: tuple[ContestedText, ...]
    environment: Environment


def gather(project: Project, *, hide_names: bool = False, examples: int = 20, texts: bool = True) -> Facts:
    """Gather what is known about a project.

    Parameters
    ----------
    hide_names
        Whether annotators are called A1, A2, … in the order in which they came; names in comments and
        guidelines are hidden likewise. Texts and their ids stay as they are.
    examples
        Contested texts in the sample.
    texts
        Whether texts and comments are in it, or only ids.

    Raises
    ------
    InputError
        If ``examples`` is negative.
    """
    view = _view(project, hide_names=hide_names, examples=examples, texts=texts)
    return Facts(
        title=view.names.within(project.name),
        made_at=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        names_hidden=hide_names,
        texts_shown=texts,
        commands={name: _command(project, name, view) for name in SECTIONS},
        **{name: describe(project, view) for name, describe in SECTIONS.items()},
    )


def gather_section(
    project: Project, name: str, *, hide_names: bool = False, examples: int = 20, texts: bool = True
) -> Any:
    """Return one section of `gather` as JSON values; InputError for an unknown name."""
    if name not in SECTIONS:
        raise InputError(f"there is no section {name!r}; sections are {', '.join(SECTIONS)}")
    view = _view(project, hide_names=hide_names, examples=examples, texts=texts)
    return plain(SECTIONS[name](project, view))


def to_json(facts: Facts) -> str:
    """Return facts as a JSON document; what is no finite number is null."""
    about = {"title": facts.title, "made_at": facts.made_at, "names_hidden": facts.names_hidden}
    about |= {"texts_shown": facts.texts_shown, "commands": dict(facts.commands)}
    sections = {name: plain(getattr(facts, name)) for name in SECTIONS}
    return json.dumps({**about, **sections}, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def _view(project: Project, *, hide_names: bool, examples: int, texts: bool) -> ReportView:
    if examples < 0:
        raise InputError(f"examples is {examples}, expected a whole number of at least 0")
    people = [person.name for person in project.people.all()]
    return ReportView(Names(people, hidden=hide_names), examples, texts)


def _command(project: Project, section: str, view: ReportView) -> str:
    """Return the command that prints a section; the URL of a database is its owner's business."""
    path = project.store.path
    tells_who = path is not None and view.names.within(path.name) != path.name
    location = "PROJECT" if path is None or tells_who else shlex.quote(path.name)
    if section in _COMMANDS and not view.names.hidden:
        return _COMMANDS[section].format(project=location)
    options = " --hide-names" if view.names.hidden else ""
    if section == "contested":
        options += f" --examples {view.examples}" + ("" if view.texts else " --no-texts")
    return f"jurybox report {location} --section {section}{options}"
