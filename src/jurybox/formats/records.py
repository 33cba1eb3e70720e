"""What files are made of: one record a text, an annotation, a consensus label, an annotator.

Tables are read anew at every walk, and records go into batches.

Records are named tuples, not dataclasses: an import makes millions of them, and they are cheaper by half.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, TypeAlias

from jurybox.errors import FormatError
from jurybox.questions import Question

__all__ = [
    "MISSING",
    "POSITION",
    "AnnotationRecord",
    "AnnotatorRecord",
    "ConsensusRecord",
    "Export",
    "GoldRecord",
    "Record",
    "RecordBatch",
    "Row",
    "SkipRecord",
    "Table",
    "TextRecord",
    "batched",
    "later_only",
    "without_repeats",
]


POSITION = ("position", "position_low", "position_high")
"""Columns of where a text is on a scale, and of the bounds of that."""


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
    position
        On a scale: where the text is, and the bounds of that; else empty.
    released
        Whether the label is the model's, and stands without a person under a bound on its error.
    shares, share_errors
        What share of people would say each class, and how far that may be off, of several questions for each
        and each class of those with several; empty in projects that do not ask for it.
    copy_of
        Id of the text whose labels these are: the text is a copy of it; None where it is none.
    """

    text_id: str
    label: str | None
    quality: float | None
    agreement: float | None
    n_annotations: int
    probabilities: tuple[float, ...] = ()
    position: tuple[float, ...] = ()
    released: bool = False
    shares: tuple[float | None, ...] = ()
    share_errors: tuple[float | None, ...] = ()
    copy_of: str | None = None

    @property
    def label_by(self) -> str | None:
        """Whose the label is: ``people``, ``model``, or ``released``: the model's, and may stand."""
        if self.label is None:
            return None
        return "people" if self.n_annotations else "released" if self.released else "model"


class AnnotatorRecord(NamedTuple):
    """One annotator and how well they do, as of the last round (None where unknown).

    In a project with several questions that is at one `question`, as written by `jurybox.Facet`.
    """

    name: str
    n_annotations: int
    quality: float | None = None
    agreement_with_consensus: float | None = None
    worst_class: str | None = None
    median_seconds: float | None = None
    question: str = ""


@dataclass(frozen=True)
class RecordBatch:
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
    scale
        Whether the classes are an ordered scale.
    shares
        Whether the project asks for the share of people who would say each class.
    questions
        Those of a project with several: its labels are answers to all of them in writing, and its
        probabilities those of each class of each question.
    copies
        Whether there are copies that share their labels.
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
    scale: bool = False
    shares: bool = False
    questions: Sequence[Question] = ()
    copies: bool = False


Record: TypeAlias = TextRecord | AnnotationRecord | GoldRecord | SkipRecord
Row: TypeAlias = Sequence[object]

MISSING = ""
"""What a cell holds that the row does not have."""

_BATCH_ROWS = 10_000
_BATCH_CHARACTERS = 1 << 25


@dataclass(frozen=True)
class Table:
    """A table that is read anew at every call of `rows`.

    Parameters
    ----------
    file
        Named in errors.
    columns
        Names of the columns.
    sample
        The first rows.
    rows
        Returns all rows, each as wide as `columns`; one without cells was left out and counted.
    preamble
        How many rows above the names of the columns were passed over, such as a title.
    """

    file: str
    columns: tuple[str, ...]
    sample: Sequence[Row]
    rows: Callable[[], Iterator[Row]]
    preamble: int = 0


def without_repeats(records: Iterable[Record], file: str) -> Iterator[Record]:
    """Leave out a text that some rows in a row repeat or leave blank, as long tables do.

    Raises
    ------
    FormatError
        If the same id comes again with another text within the last rows.
    """
    seen: OrderedDict[str, TextRecord] = OrderedDict()  # a dict searches for its first entry anew each time
    for record in records:
        if isinstance(record, TextRecord):
            first = seen.setdefault(record.id, record)
            if first is not record:
                if first.text != record.text and (record.text.strip() or not first.text):
                    problem = (
                        f"the id {record.id!r} has another text than in row {first.row}; ids must be unique"
                    )
                    raise FormatError(
                        problem,
                        file=file,
                        row=record.row,
                        value=record.text,
                        code="two_texts",
                        name=record.id,
                    )
                continue
            if len(seen) > _BATCH_ROWS:
                seen.popitem(last=False)
        yield record


def later_only(
    read: Callable[[], Iterator[Record]], again: Callable[[], None] = lambda: None
) -> Iterator[Record]:
    """Leave out answers that the same person gave anew: the later one counts, by time and then by row.

    All is read twice; `again` is called in between, so that nothing is counted twice.
    """
    last: dict[tuple[str, str], tuple[float, int]] = {}
    for record in read():
        if isinstance(record, AnnotationRecord | SkipRecord):
            pair = (record.text_id, record.annotator)
            last[pair] = max(last.get(pair, (float("-inf"), 0)), _age(record))
    again()
    for record in read():
        if not isinstance(record, AnnotationRecord | SkipRecord) or last[
            (record.text_id, record.annotator)
        ] == _age(record):
            yield record


def _age(record: AnnotationRecord | SkipRecord) -> tuple[float, int]:
    return (float("-inf") if record.time is None else record.time.timestamp(), record.row)


def batched(records: Iterable[Record], file: str) -> Iterator[RecordBatch]:
    """Gather records into batches of bounded size."""
    texts: list[TextRecord] = []
    annotations: list[AnnotationRecord] = []
    gold: list[GoldRecord] = []
    skips: list[SkipRecord] = []
    characters = 0
    for record in records:
        if isinstance(record, TextRecord):
            texts.append(record)
            characters += len(record.text)
        elif isinstance(record, AnnotationRecord):
            annotations.append(record)
        elif isinstance(record, SkipRecord):
            skips.append(record)
        else:
            gold.append(record)
        full = len(texts) + len(annotations) + len(gold) + len(skips) >= _BATCH_ROWS
        if full or characters > _BATCH_CHARACTERS:
            yield RecordBatch(texts, annotations, file, gold, skips)
            texts, annotations, gold, skips, characters = [], [], [], [], 0
    if texts or annotations or gold or skips:
        yield RecordBatch(texts, annotations, file, gold, skips)
