"""Everything that a report says, gathered once, with the commands that reproduce it.

The protocol is how the labels came about: who was asked for what, when, for which reason.
"""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from jurybox.errors import InputError
from jurybox.formats.plain import plain
from jurybox.project import Project
from jurybox.project.annotators import Agreements, AnnotatorBelief, PairBelief
from jurybox.project.auditing import Accuracy, AuditReport
from jurybox.project.doubts import ContestedText, GuidelineNote
from jurybox.project.gold import GoldScore
from jurybox.project.opinions import SharesBelief
from jurybox.project.texts import ConsensusBelief
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
from jurybox.store.provenance import Provenance
from jurybox.store.records import RoundInfo

Key = TypeVar("Key", bound=Hashable)

REASONS = {
    "audit": "the text belongs to the audit sample, which was drawn at random and is never trained on",
    "spread": "before the first round: texts in random order",
    "random": "drawn at random in a round",
    "new": "a text without labels of which the model was unsure, or one that came after the ranking",
    "second look": "a text that had labels, where another was worth more than a new text",
    "again": "asked for once more by an owner, or since the guidelines changed",
    "assigned": "given to one person by an owner",
    "unranked": "came after the round's ranking, or was left out of it",
    "gold": "a text with a known label, mixed in unseen to judge annotators",
    "direct": "labelled without being asked for",
    "import": "came with a file",
    "review": "decided by a reviewer in view of the others' labels",
    "cluster": "given to all texts of a cluster at once",
}


@dataclass(frozen=True)
class Share:
    """Annotations of one kind, and their share of all."""

    annotations: int
    share: float


@dataclass(frozen=True)
class ReportedRound:
    """One round: when it was published, what it learnt from, and what with.

    Attributes
    ----------
    number, published
        Its number, and when it took over.
    annotations
        Annotations that there were.
    trained_on
        Texts trained on.
    strategy, classifier, encoder, encoder_reason
        As really used; encoder is None where the classifier takes texts.
    seconds
        From begin to publication.
    asked
        Annotations that its ranking asked for, by reason.
    """

    number: int
    published: str
    annotations: int
    trained_on: int
    strategy: str
    classifier: str
    encoder: str | None
    encoder_reason: str | None
    seconds: float
    asked: Mapping[str, int]


@dataclass(frozen=True)
class Protocol:
    """How the labels came about.

    Attributes
    ----------
    made, first_annotation, last_annotation
        In UTC; None without annotations.
    annotations, skips, flags
        Decisions that stand.
    audit_texts, audit_finished
        Texts of the audit sample, and those that have all labels.
    gold_texts
        Texts with a known label, mixed in to judge annotators.
    people
        Number of people by role.
    reasons
        Annotations by the reason why they were asked for.
    by_annotator
        The same for each annotator, and ``all`` of them.
    before_rounds
        Annotations by reason that no round asked for.
    rounds
        All rounds.
    cost
        Annotations times their price, where there is one.
    """

    made: str
    first_annotation: str | None
    last_annotation: str | None
    annotations: int
    skips: int
    flags: int
    audit_texts: int
    audit_finished: int
    gold_texts: int
    people: Mapping[str, int]
    reasons: Mapping[str, Share]
    by_annotator: Mapping[str, Mapping[str, int]]
    before_rounds: Mapping[str, int]
    rounds: tuple[ReportedRound, ...]
    cost: float | None


def describe_protocol(project: Project, view: ReportView) -> Protocol:
    """Say how the labels came about."""
    status, times = project.status(), project.reading.times()
    origins = project.reading.provenance()
    reasons = _summed(origins, _reason)
    by_round = _summed(origins, lambda one: (one.round or 0, _reason(one)))
    by_annotator = _summed(origins, lambda one: (one.annotator, _reason(one)))
    total = sum(reasons.values())
    return Protocol(
        made=moment(times.made),
        first_annotation=None if times.first is None else moment(times.first),
        last_annotation=None if times.last is None else moment(times.last),
        annotations=status.annotations,
        skips=status.skips,
        flags=status.flags,
        audit_texts=status.audit_texts,
        audit_finished=status.audit_finished,
        gold_texts=len(project.gold.labels()),
        people=Counter(str(person.role) for person in project.people.all()),
        reasons={reason: Share(n, n / total) for reason, n in reasons.items()},
        by_annotator={
            view.names[person.name]: _with_all(
                {reason: n for (name, reason), n in by_annotator.items() if name == person.name}
            )
            for person in project.people.all()
        },
        before_rounds={reason: n for (number, reason), n in by_round.items() if number == 0},
        rounds=tuple(_round(info, by_round) for info in project.reading.rounds()),
        cost=project.facets.of(view.question).now().effort.cost,
    )


def moment(time: float) -> str:
    """Return a Unix time as a date in UTC.

    Examples
    --------
    >>> moment(0)
    '1970-01-01 00:00 UTC'
    """
    return datetime.fromtimestamp(time, tz=UTC).strftime("%Y-%m-%d %H:%M UTC")


def _reason(one: Provenance) -> str:
    """Return the reason for which a label was asked for, or else its origin."""
    if one.origin in ("import", "review", "cluster"):
        return one.origin
    return one.reason or "direct"


def _summed(origins: Iterable[Provenance], key: Callable[[Provenance], Key]) -> dict[Key, int]:
    """Return the annotations by key; reasons in the order in which they are explained."""
    order = list(REASONS)
    found: Counter[Key] = Counter()
    for one in sorted(origins, key=lambda one: order.index(_reason(one))):
        found[key(one)] += one.n
    return dict(found)


def _with_all(found: Mapping[str, int]) -> dict[str, int]:
    return {**found, "all": sum(found.values())}


def _round(info: RoundInfo, by_round: Mapping[tuple[int, str], int]) -> ReportedRound:
    made = info.diagnostics
    published = info.published_at or info.started_at
    return ReportedRound(
        number=info.number,
        published=moment(published),
        annotations=info.n_annotations,
        trained_on=_whole(made.get("trained_on")),
        strategy=str(made.get("strategy", info.settings.get("strategy"))),
        classifier=str(made.get("classifier", info.settings.get("classifier"))),
        encoder=_text(made.get("encoder")),
        encoder_reason=_text(made.get("encoder_reason")),
        seconds=published - info.started_at,
        asked={reason: n for (number, reason), n in by_round.items() if number == info.number},
    )


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0


def _text(value: object) -> str | None:
    return None if value is None else str(value)


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


def gather(
    project: Project,
    *,
    hide_names: bool = False,
    examples: int = 20,
    texts: bool = True,
    question: str | None = None,
) -> Facts:
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
    question
        Of several questions, the one whose figures these are, or ``question:class``.

    Raises
    ------
    InputError
        If ``examples`` is negative, or there is no such question.
    ConflictError
        If there are several, and none is named.
    """
    view = _view(project, hide_names=hide_names, examples=examples, texts=texts, question=question)
    named = "" if question is None else f": {question}"
    return Facts(
        title=view.names.within(f"{project.name}{named}"),
        made_at=moment(datetime.now(UTC).timestamp()),
        names_hidden=hide_names,
        texts_shown=texts,
        commands={name: _command(project, name, view) for name in SECTIONS},
        **{name: describe(project, view) for name, describe in SECTIONS.items()},
    )


def gather_section(
    project: Project,
    name: str,
    *,
    hide_names: bool = False,
    examples: int = 20,
    texts: bool = True,
    question: str | None = None,
) -> Any:
    """Return one section of `gather` as JSON values; InputError for an unknown name."""
    if name not in SECTIONS:
        raise InputError(f"there is no section {name!r}; sections are {', '.join(SECTIONS)}")
    view = _view(project, hide_names=hide_names, examples=examples, texts=texts, question=question)
    return plain(SECTIONS[name](project, view))


def to_json(facts: Facts) -> str:
    """Return facts as a JSON document; what is no finite number is null."""
    about = {"title": facts.title, "made_at": facts.made_at, "names_hidden": facts.names_hidden}
    about |= {"texts_shown": facts.texts_shown, "commands": dict(facts.commands)}
    sections = {name: plain(getattr(facts, name)) for name in SECTIONS}
    return json.dumps({**about, **sections}, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def _view(
    project: Project, *, hide_names: bool, examples: int, texts: bool, question: str | None
) -> ReportView:
    if examples < 0:
        raise InputError(f"examples is {examples}, expected a whole number of at least 0")
    people = [person.name for person in project.people.all()]
    return ReportView(Names(people, hidden=hide_names), examples, texts, question)


def _command(project: Project, section: str, view: ReportView) -> str:
    """Return the command that prints a section; the URL of a database is its owner's business."""
    path = project.store.path
    tells_who = path is not None and view.names.within(path.name) != path.name
    location = "PROJECT" if path is None or tells_who else shlex.quote(path.name)
    asked = "" if view.question is None else f" --question {shlex.quote(view.question)}"
    if section in _COMMANDS and not view.names.hidden:
        return _COMMANDS[section].format(project=location) + asked
    options = asked + (" --hide-names" if view.names.hidden else "")
    if section == "contested":
        options += f" --examples {view.examples}" + ("" if view.texts else " --no-texts")
    return f"jurybox report {location} --section {section}{options}"
