"""What a server answers and `Client` reads, beside the records that a project has anyway."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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
    reason, score, round
        Why it is asked for, how soon (low: first), and whose ranking it comes from; for reviewers and owners.
    """

    text_id: str
    text: str
    expires_at: float
    suggestion: str | None = None
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
