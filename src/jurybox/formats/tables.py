"""Tables that are read anew at every walk, and records on their way into batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from jurybox.errors import FormatError
from jurybox.formats.records import AnnotationRecord, Batch, GoldRecord, SkipRecord, TextRecord

__all__ = ["MISSING", "Record", "Row", "Table", "batched", "later_only", "without_repeats"]

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
    """

    file: str
    columns: tuple[str, ...]
    sample: Sequence[Row]
    rows: Callable[[], Iterator[Row]]


def without_repeats(records: Iterable[Record], file: str) -> Iterator[Record]:
    """Leave out a text that some rows in a row repeat, as long tables do.

    Raises
    ------
    FormatError
        If the same id comes again with another text within the last rows.
    """
    seen: dict[str, TextRecord] = {}
    for record in records:
        if isinstance(record, TextRecord):
            first = seen.setdefault(record.id, record)
            if first is not record:
                if first.text != record.text:
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
                del seen[next(iter(seen))]
        yield record


def later_only(read: Callable[[], Iterator[Record]]) -> Iterator[Record]:
    """Leave out answers that the same person gave anew: the later one counts, by time and then by row."""
    last: dict[tuple[str, str], tuple[float, int]] = {}
    for record in read():
        if isinstance(record, AnnotationRecord | SkipRecord):
            pair = (record.text_id, record.annotator)
            last[pair] = max(last.get(pair, (float("-inf"), 0)), _age(record))
    for record in read():
        if not isinstance(record, AnnotationRecord | SkipRecord) or last[
            (record.text_id, record.annotator)
        ] == _age(record):
            yield record


def _age(record: AnnotationRecord | SkipRecord) -> tuple[float, int]:
    return (float("-inf") if record.time is None else record.time.timestamp(), record.row)


def batched(records: Iterable[Record], file: str) -> Iterator[Batch]:
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
            yield Batch(texts, annotations, file, gold, skips)
            texts, annotations, gold, skips, characters = [], [], [], [], 0
    if texts or annotations or gold or skips:
        yield Batch(texts, annotations, file, gold, skips)
