"""How the labels came about: who was asked for what, when, for which reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from jurybox.project import Project
from jurybox.report.sections import ReportView
from jurybox.store.records import RoundInfo
from jurybox.store.snapshots import Provenance

__all__ = ["REASONS", "Protocol", "ReportedRound", "Share", "describe_protocol", "moment"]

Key = TypeVar("Key", bound=Hashable)

REASONS = {
    "audit": "the text belongs to the audit sample, which was drawn at random and is never trained on",
    "spread": "before the first round: texts in random order",
    "random": "drawn at random in a round",
    "new": "a text without labels of which the model was unsure, or one that came after the ranking",
    "second look": "a text that had labels, where another was worth more than a new text",
    "gold": "a text with a known label, mixed in unseen to judge annotators",
    "direct": "labelled without being asked for",
    "import": "came with a file",
    "review": "decided by a reviewer in view of the others' labels",
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
        cost=project.beliefs.now().effort.cost,
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
    if one.origin in ("import", "review"):
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
