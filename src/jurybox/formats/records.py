"""What files are made of: one record a text, an annotation, a consensus label, an annotator.

Records are named tuples, not dataclasses: an import makes millions of them, and they are cheaper by half.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

__all__ = [
    "AnnotationRecord",
    "AnnotatorRecord",
    "Batch",
    "ConsensusRecord",
    "Export",
    "GoldRecord",
    "SkipRecord",
    "TextRecord",
]


class TextRecord(NamedTuple):
    """One text.

    Parameters
    ----------
    id
        The name of the text outside of jurybox; unique in a project.
    text
        The text itself; may be empty.
    metadata
        Whatever else the file says about the text: JSON values by name. None means nothing.
    row
        Row of the file it was read from, counted from 1; 0 where there is none.
    """

    id: str
    text: str
    metadata: Mapping[str, object] | None = None
    row: int = 0


class AnnotationRecord(NamedTuple):
    """One label that one annotator gave one text.

    Parameters
    ----------
    text_id, annotator, label
        Who gave which class to which text, by name.
    seconds
        How long it took, where that is known.
    comment
        What the annotator wrote to it.
    time
        When, with its time zone (files that state none mean UTC).
    row
        Row of the file it was read from, counted from 1; 0 where there is none.
    """

    text_id: str
    annotator: str
    label: str
    seconds: float | None = None
    comment: str = ""
    time: datetime | None = None
    row: int = 0


class SkipRecord(NamedTuple):
    """One person has seen a text and given no label; `time` and `row` as of an annotation."""

    text_id: str
    annotator: str
    reason: str = ""
    time: datetime | None = None
    row: int = 0


class GoldRecord(NamedTuple):
    """What the label of a text is known to be; `row` as of an annotation."""

    text_id: str
    label: str
    row: int = 0


class ConsensusRecord(NamedTuple):
    """What is believed about one text after the last round.

    Parameters
    ----------
    text_id
        The text.
    label
        Its consensus class; None where nothing is known yet.
    quality
        Probability that the majority of a large crowd would give the label.
    agreement
        Share of its annotations that agree with the label; None without annotations.
    n_annotations
        How many annotations it has.
    probabilities
        One probability a class, in the order of the project's classes; empty before the first round.
    """

    text_id: str
    label: str | None
    quality: float | None
    agreement: float | None
    n_annotations: int
    probabilities: tuple[float, ...] = ()


class AnnotatorRecord(NamedTuple):
    """One annotator and how well they do, as of the last round (None where unknown)."""

    name: str
    n_annotations: int
    quality: float | None = None
    agreement_with_consensus: float | None = None
    worst_class: str | None = None
    median_seconds: float | None = None


@dataclass(frozen=True)
class Batch:
    """A bounded part of a file: the texts and the annotations of some consecutive rows.

    A text comes no later than its first annotation of the same file, except where texts and annotations
    are two files of a folder; then all texts come first. Known labels come with an export alone, after all
    texts. `file` is named in errors.
    """

    texts: Sequence[TextRecord]
    annotations: Sequence[AnnotationRecord]
    file: str = ""
    gold: Sequence[GoldRecord] = ()
    skips: Sequence[SkipRecord] = ()


@dataclass(frozen=True)
class Export:
    """A whole project on its way into a file.

    The iterables are walked once for every table that is written, so they are re-iterable: a list, or an
    object whose ``__iter__`` asks the store anew. ``consensus``, ``annotations`` and ``skips`` follow the
    order of ``texts``.

    Parameters
    ----------
    name, guidelines
        The title of the project and what annotators are told.
    classes
        The K classes, in order.
    texts, annotations, consensus, annotators, gold, skips
        The tables.
    """

    name: str
    classes: Sequence[str]
    texts: Iterable[TextRecord]
    annotations: Iterable[AnnotationRecord]
    consensus: Iterable[ConsensusRecord] = ()
    annotators: Iterable[AnnotatorRecord] = ()
    guidelines: str = ""
    gold: Iterable[GoldRecord] = ()
    skips: Iterable[SkipRecord] = ()
