"""What a server answers and `Client` reads, beside the records that a project has anyway."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jurybox.formats import FilePlan, Finding
from jurybox.store.records import AnnotatorInfo, Why


@dataclass(frozen=True)
class OpenTask:
    """A text on loan, and what its annotator may know of it.

    Attributes
    ----------
    text_id, text
        The text.
    expires_at
        Unix time at which someone else may get it.
    suggestion
        The model's opinion, where the owner shows it.
    asked
        With several questions, what is asked of the text: ``question``, or ``question:class``; None: all.
    reason, score, round
        Why it is asked for, how soon (low: first), and whose ranking it comes from; for reviewers and owners.
    """

    text_id: str
    text: str
    expires_at: float
    suggestion: str | None = None
    asked: tuple[str, ...] | None = None
    reason: str | None = None
    score: float | None = None
    round: int | None = None


@dataclass(frozen=True)
class NoTask:
    """Why there are fewer tasks than asked for, for programs and in words, and when to ask again."""

    why: Why
    explanation: str
    retry_at: float | None


@dataclass(frozen=True)
class OpenTasks:
    """Texts on loan, best first."""

    tasks: tuple[OpenTask, ...]
    nothing: NoTask | None = None


@dataclass(frozen=True)
class Expiry:
    """Unix time until which a text is on loan."""

    expires_at: float


@dataclass(frozen=True)
class Invitation:
    """How a person signs in.

    Attributes
    ----------
    annotator
        The person.
    token
        Shown once: only its hash is kept.
    link
        Of the invitation: its path on the server, as the server answers; its address, as `Client` returns it.
    """

    annotator: AnnotatorInfo
    token: str
    link: str


@dataclass(frozen=True)
class GoldLabels:
    """All texts whose label is known, with their labels."""

    labels: Mapping[str, str]


@dataclass(frozen=True)
class SampleText:
    """One of the first texts of a file."""

    id: str
    text: str


@dataclass(frozen=True)
class FilePreview:
    """How a file would be read into a project.

    Attributes
    ----------
    plans
        How each file is read: what becomes of its columns.
    n_texts, n_annotations, n_skips
        How many there are.
    annotators, classes
        How many labels each one gave, and each class got.
    findings
        What looks wrong, and where labels would be lost.
    texts, labels
        The first texts, and the labels of these.
    """

    plans: tuple[FilePlan, ...]
    n_texts: int
    n_annotations: int
    n_skips: int
    annotators: Mapping[str, int]
    classes: Mapping[str, int]
    findings: tuple[Finding, ...]
    texts: tuple[SampleText, ...]
    labels: tuple[str, ...]
