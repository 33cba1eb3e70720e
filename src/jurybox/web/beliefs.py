"""What is believed about texts and annotators, estimated once for each state of the project."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from jurybox.formats.records import AnnotatorRecord
from jurybox.web.state import Server

__all__ = ["Belief", "Beliefs", "Order", "Standing", "beliefs"]


class Order(StrEnum):
    """How beliefs are sorted."""

    TEXT = "text"
    DOUBT = "doubt"


@dataclass(frozen=True)
class Belief:
    """What is believed about one text.

    Attributes
    ----------
    label
        Its consensus class; None where nothing is known yet.
    quality
        Probability that the label is right.
    agreement
        Share of its annotations that agree with the label.
    probabilities
        One a class, in the order of the classes; empty before the first round.
    """

    text_id: str
    label: str | None
    quality: float | None
    agreement: float | None
    n_annotations: int
    probabilities: tuple[float, ...]


@dataclass(frozen=True)
class Standing:
    """How well an annotator does, as of the last round; None where unknown."""

    name: str
    n_annotations: int
    quality: float | None
    agreement_with_consensus: float | None
    worst_class: str | None
    median_seconds: float | None


@dataclass(frozen=True)
class Beliefs:
    """Beliefs about all texts, in their order, and about all annotators."""

    texts: tuple[Belief, ...]
    annotators: tuple[Standing, ...]

    @cached_property
    def _doubtful(self) -> tuple[Belief, ...]:
        labelled = [belief for belief in self.texts if belief.n_annotations > 0]
        return tuple(sorted(labelled, key=lambda belief: belief.quality if belief.quality is not None else 2))

    def in_order(self, order: Order) -> Sequence[Belief]:
        """Return the beliefs about texts; `Order.DOUBT`: of labelled texts, the least sure first."""
        return self.texts if order is Order.TEXT else self._doubtful


def beliefs(server: Server) -> Beliefs:
    """Return the beliefs, estimated anew when there are new annotations or a new round."""
    return server.remembered("beliefs", lambda: _estimate(server))


def _estimate(server: Server) -> Beliefs:
    project = server.project
    return Beliefs(
        texts=tuple(Belief(*record) for record in project.consensus_records()),
        annotators=tuple(_standing(record) for record in project.annotator_report()),
    )


def _standing(record: AnnotatorRecord) -> Standing:
    return Standing(*record)
