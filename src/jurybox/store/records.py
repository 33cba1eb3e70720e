"""What the store hands out: tasks, receipts, decisions, annotators, the state of a project."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal


class Role(StrEnum):
    """What a person may do: owners manage, reviewers adjudicate, annotators label."""

    OWNER = "owner"
    REVIEWER = "reviewer"
    ANNOTATOR = "annotator"


class Standing(StrEnum):
    """Whether an annotator gets tasks at present; who is removed has no way in and is in no list."""

    ACTIVE = "active"
    PAUSED = "paused"
    REMOVED = "removed"


class Fault(StrEnum):
    """Why labels were wrong that a reviewer has overruled."""

    CARELESS = "careless"
    GUIDELINE = "guideline"
    AMBIGUOUS = "ambiguous"


class KnownName(str):
    """The name of somebody who has signed in, with their number: names change hands, also within a request.

    Where a person acts by such a name it is them, whatever they are called by now.
    """

    number: int

    @classmethod
    def of(cls, name: str, number: int) -> KnownName:
        """Return a name that knows whose it is."""
        known = cls(name)
        known.number = number
        return known


class Why(StrEnum):
    """Why there is no task for an annotator."""

    NO_TEXTS = "no texts"
    PAUSED = "paused"
    CAP_REACHED = "cap reached"
    SHARE_REACHED = "share reached"
    NOT_QUALIFIED = "not qualified"
    BEING_TESTED = "being tested"
    IN_HAND = "in hand"
    FINISHED = "finished"
    ALL_SEEN = "all seen"
    WITH_OTHERS = "with others"


_EXPLANATIONS = {
    Why.NO_TEXTS: "the project has no texts yet",
    Why.PAUSED: "this annotator is paused",
    Why.CAP_REACHED: "this annotator has given as many annotations as was agreed",
    Why.SHARE_REACHED: "this annotator has given as large a share of the annotations as was agreed",
    Why.NOT_QUALIFIED: "this annotator did not qualify: too few labels of texts with known labels were right",
    Why.BEING_TESTED: "further texts come when this annotator has labelled those in hand",
    Why.IN_HAND: "this annotator holds as many texts as are lent at once; label those or give them back",
    Why.FINISHED: "every text has the labels it wants",
    Why.ALL_SEEN: "this annotator has labelled or skipped every text that still wants a label",
    Why.WITH_OTHERS: "every text left for this annotator is open on someone else's screen right now",
}


@dataclass(frozen=True)
class Task:
    """One text on loan to one annotator until `expires_at`.

    Attributes
    ----------
    text_id, text, metadata
        The text, by its external id.
    annotator
        Name of whoever holds it.
    reason
        Why this text is asked for, such as ``"audit"`` or ``"uncertain"``.
    score
        Selection score, low = ask first; None before the first round.
    selection_probability
        Probability with which the selection took this text; None where it was not drawn.
    round
        Number of the round whose ranking it comes from; 0 before the first.
    expires_at
        Unix time in seconds at which someone else may get the text.
    asked
        With several questions, what is asked of the text: ``question``, or ``question:class``; None: all.
    """

    text_id: str
    text: str
    annotator: str
    reason: str
    score: float | None = None
    selection_probability: float | None = None
    round: int = 0
    expires_at: float = 0.0
    metadata: Mapping[str, object] = field(default_factory=dict)
    asked: tuple[str, ...] | None = None


@dataclass(frozen=True)
class NothingLeft:
    """There is no task, and why; false in a condition, so that ``while task := next_task(…)`` ends.

    Attributes
    ----------
    why
        The reason, for programs.
    retry_at
        Unix time at which asking again may help: the first expiry of someone else's lease.

    Examples
    --------
    >>> nothing = NothingLeft(Why.FINISHED)
    >>> bool(nothing), nothing.explanation
    (False, 'every text has the labels it wants')
    """

    why: Why
    retry_at: float | None = None

    def __bool__(self) -> Literal[False]:
        return False

    @property
    def explanation(self) -> str:
        """The reason in words."""
        return _EXPLANATIONS[self.why]


@dataclass(frozen=True)
class Tasks:
    """The tasks an annotator holds, best first; where there are fewer than asked for, `nothing` says why.

    `suggestions` says whether the owner lets annotators see the model's opinion.
    """

    tasks: tuple[Task, ...]
    nothing: NothingLeft | None = None
    suggestions: bool = False


@dataclass(frozen=True)
class Receipt:
    """What became of a decision: it is committed when its receipt exists.

    Attributes
    ----------
    annotation
        Number of the annotation in the store.
    text_id, annotator, label
        What was stored.
    repeated
        True where the same submit had arrived before and was not counted again.
    """

    annotation: int
    text_id: str
    annotator: str
    label: str
    repeated: bool = False


@dataclass(frozen=True)
class Decision:
    """One of an annotator's last decisions: a label, or a skip where `label` is None."""

    text_id: str
    text: str
    time: float
    label: str | None
    comment: str = ""


@dataclass(frozen=True)
class GuidelineVersion:
    """What annotators were told from a time on, Unix time in seconds; versions are numbered from 1."""

    number: int
    text: str
    time: float


@dataclass(frozen=True)
class Flag:
    """A remark about a text for the owner, and what was said to it.

    Attributes
    ----------
    number
        Its number, from 1.
    answer, answered_by, answered_at
        What a reviewer has answered, if anything.
    resolved_at
        When it was settled; None while it is open.
    """

    number: int
    text_id: str
    annotator: str
    comment: str
    time: float
    answer: str = ""
    answered_by: str | None = None
    answered_at: float | None = None
    resolved_at: float | None = None


@dataclass(frozen=True)
class AnnotatorInfo:
    """An annotator as stored.

    Attributes
    ----------
    cap
        The most annotations he or she may give; None for no limit.
    n_annotations, n_skips
        Decisions that stand.
    max_share
        The largest share of all annotations he or she may give; None where the project's setting holds.
    qualified
        Whether the test on gold texts was passed (or waived); None before the verdict.
    token_ends_at
        When the link or token stops to let anybody in; None for never.
    left_out
        Whether his or her labels count for nothing.
    message
        What an owner wrote to them that they have not read yet.
    """

    name: str
    role: Role
    standing: Standing
    cap: int | None
    n_annotations: int
    n_skips: int
    max_share: float | None = None
    qualified: bool | None = None
    token_ends_at: float | None = None
    left_out: bool = False
    message: str | None = None


@dataclass(frozen=True)
class Added:
    """What an import added, how many rows were there already, and how many are of texts that are deleted."""

    texts: int = 0
    annotations: int = 0
    annotators: int = 0
    known_texts: int = 0
    known_annotations: int = 0
    skips: int = 0
    of_deleted: int = 0


@dataclass(frozen=True)
class RoundInfo:
    """One round as stored: when it ran, on how much, with which settings, and what it found."""

    number: int
    started_at: float
    published_at: float | None
    n_annotations: int
    settings: Mapping[str, object]
    diagnostics: Mapping[str, Any]


@dataclass(frozen=True)
class AskedQuestion:
    """One of several questions of a project, and how often each answer was given.

    Attributes
    ----------
    name, kind, classes
        As in `jurybox.Question`.
    answers
        Answers to it that stand.
    class_counts
        How many of them name each class: of a question with several, an answer may name any number.
    """

    name: str
    kind: str
    classes: tuple[str, ...]
    answers: int
    class_counts: Mapping[str, int]


@dataclass(frozen=True)
class Status:
    """How far a project is.

    Attributes
    ----------
    texts, labelled_texts, finished_texts
        All texts, those with a label, and those that want no more labels.
    annotations, skips, flags
        Decisions that stand.
    annotators, active_annotators
        People who may label, and those not paused.
    audit_texts, audit_finished
        Size of the audit sample, and how many of it have all their labels.
    on_loan
        Texts on someone's screen now.
    rounds
        Rounds published.
    new_annotations
        Annotations that stand and that the last round has not seen.
    classes
        Names of the classes; of a project with several questions none.
    class_counts
        Annotations by class.
    last_round
        The last published round, if any.
    questions
        What is asked, of a project with several questions, where an annotation answers all of them.
    """

    name: str
    texts: int
    labelled_texts: int
    finished_texts: int
    annotations: int
    skips: int
    flags: int
    annotators: int
    active_annotators: int
    audit_texts: int
    audit_finished: int
    on_loan: int
    rounds: int
    new_annotations: int
    classes: tuple[str, ...]
    class_counts: Mapping[str, int]
    last_round: RoundInfo | None
    questions: tuple[AskedQuestion, ...] = ()


@dataclass(frozen=True)
class AnnotatorProgress:
    """How far an annotator and the project are.

    Attributes
    ----------
    since
        Annotations of this annotator since a time, such as midnight.
    total, cap
        All annotations of this annotator, and the most there may be.
    texts, finished_texts
        Of the project.
    labels, goal
        Annotations that everybody has given, and how many they are to be: the budget, or else the first
        labels of all texts.
    """

    since: int
    total: int
    cap: int | None
    texts: int
    finished_texts: int
    labels: int
    goal: int
