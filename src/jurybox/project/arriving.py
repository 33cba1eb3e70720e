"""Tables and annotations from memory as records, and a project in memory: as one frame, and as a loop."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from jurybox.annotations import Annotations, Duplicates
from jurybox.arrays import DataFrame
from jurybox.coding import encode, encode_labels, missing_labels, refuse_truth_values
from jurybox.errors import InputError
from jurybox.formats.records import AnnotationRecord, RecordBatch, TextRecord
from jurybox.formats.values import as_json, as_text, id_of_text
from jurybox.inputs import long_columns, table
from jurybox.interactive import Loop
from jurybox.project.beliefs import Beliefs
from jurybox.sheets import AnswerSheet
from jurybox.store.checks import named_texts
from jurybox.store.importer import Importer
from jurybox.store.records import Added
from jurybox.store.state import ProjectState
from jurybox.text_rows import text_rows
from jurybox.whole import whole_answers

_PLAIN = (str, bytes, TextRecord)


def is_table(data: Any) -> bool:
    """Whether something is a table rather than a stream of texts; nothing of a stream is used up.

    Examples
    --------
    >>> is_table(["a"]), is_table([{"id": "a", "text": "b"}]), is_table(iter([]))
    (False, True, False)
    """
    if isinstance(data, list | tuple):
        return bool(data) and isinstance(data[0], Mapping)
    kinds = ("columns", "column_names", "iloc")
    return isinstance(data, Mapping) or any(hasattr(data, kind) for kind in kinds)


def records_of_table(rows: Iterator[tuple[Any, Any, dict[str, Any]]]) -> Iterator[TextRecord]:
    """Return a record per row of a table of texts; further columns become metadata."""
    for number, (key, text, more) in enumerate(rows, start=1):
        if not isinstance(text, str):
            raise InputError(
                f"row {number}: text is {text!r:.40}, expected a text; replace missing texts by ''"
            )
        told = {name: as_json(value) for name, value in more.items()}
        known = {name: value for name, value in told.items() if value is not None}
        yield TextRecord(id_of_text(text) if key is None else as_text(key), text, known or None, number)


def annotation_records(
    annotations: Any, columns: Mapping[str, Hashable] | None, classes: Sequence[str]
) -> Iterable[AnnotationRecord]:
    """Return records of annotations: of a table, of `Annotations`, of an `AnswerSheet`, or as they come.

    Integer labels are positions in the classes unless a class is called so; rows without a label are none.

    Raises
    ------
    InputError
        As `Annotations.from_long`.
    """
    if isinstance(annotations, AnswerSheet):
        annotations = whole_answers(annotations)
    if isinstance(annotations, Annotations):
        held = annotations
        texts, people = (
            [as_text(name) for name in known.tolist()] for known in (held.texts, held.annotators)
        )
        return _records(held.text, held.annotator, held.label, texts, people, _names(held.classes, classes))
    rows_of_three = isinstance(annotations, list) and bool(annotations) and type(annotations[0]) is tuple
    if not (rows_of_three or is_table(annotations)):
        return _checked(annotations) if isinstance(annotations, Iterable) else _refused(annotations)
    given = long_columns(annotations if rows_of_three else table(annotations), columns=columns)
    text, text_ids = encode(given.text, None, "text")
    who, person_ids = encode(given.annotator, None, "annotator")
    missing, _ = missing_labels(given.label, classes)
    rows = np.flatnonzero(~missing)
    refuse_truth_values(given.label[rows], classes)
    what, named = encode_labels(given.label[rows], given.classes or _numbers(given.label[rows]), row=rows)
    texts, people = ([as_text(name) for name in known.tolist()] for known in (text_ids, person_ids))
    return _records(text[rows], who[rows], what, texts, people, _names(named, classes), rows + 1)


def _records(
    text: NDArray[np.integer],
    annotator: NDArray[np.integer],
    label: NDArray[np.integer],
    texts: Sequence[str],
    people: Sequence[str],
    names: Sequence[str],
    rows: Iterable[int] | None = None,
) -> Iterator[AnnotationRecord]:
    numbered = range(1, len(text) + 1) if rows is None else rows
    return (
        AnnotationRecord(texts[i], people[j], names[k], row=int(row))
        for row, i, j, k in zip(numbered, text, annotator, label, strict=True)
    )


def _numbers(labels: NDArray[Any]) -> list[Any] | None:
    """Return the different labels where they are numbers: which classes they are, the project says."""
    if any(isinstance(label, str) for label in labels.tolist()):
        return None
    return sorted({int(label) if label == int(label) else label for label in labels.tolist()})


def _names(known: Sequence[Hashable], classes: Sequence[str]) -> list[str]:
    """Return the classes that labels mean: a whole number is the class of that name, else a position."""
    names = [as_text(name) for name in known]
    if set(names) <= set(classes) or not all(isinstance(name, int) for name in known):
        return names
    numbers = [int(name) for name in known]  # type: ignore[call-overload]
    within = numbers and min(numbers) >= 0 and max(numbers) < len(classes)
    return [classes[number] for number in numbers] if within else names


def _checked(records: Iterable[Any]) -> Iterator[AnnotationRecord]:
    for record in records:
        yield record if isinstance(record, AnnotationRecord) else _refused(record)


def _refused(annotations: Any) -> Any:
    raise InputError(
        f"annotations is {type(annotations).__name__}, expected records, Annotations, "
        "rows of text, annotator and label, or a table"
    )


def text_records(texts: Iterable[Any]) -> Iterator[TextRecord]:
    """Turn strings, pairs or records into records; all are of the kind of the first."""
    if isinstance(texts, str):
        raise InputError("texts is one string, expected several texts: pass [text] to add one")
    if (rows := text_rows(texts) if is_table(texts) else None) is not None:
        return records_of_table(rows)
    iterator = iter(texts)
    first = next(iterator, None)
    if first is None:
        return iter(())
    together = chain([first], iterator)
    if isinstance(first, str):
        return named_texts(item if isinstance(item, str) else item[1] for item in together)
    return (item if isinstance(item, TextRecord) else TextRecord(*item) for item in together)


_KEPT = ("strategy", "classifier", "encoder", "batch", "max_labels", "random_share")


def frame_of(texts: Iterable[TextRecord], beliefs: Beliefs) -> DataFrame:
    """Return one row per text; see `Project.to_frame`."""
    believed = beliefs.posterior.to_frame().rename_axis("text_id")
    believed = believed.iloc[beliefs.inputs.evidence.kin.copy_of].set_axis(believed.index)
    words = {record.id: record.text for record in texts}
    believed = believed[believed.index.isin(words)]  # deleted texts are none of them
    believed.insert(0, "text", [words[text_id] for text_id in believed.index])
    believed["is_guess"] = (believed["n_annotations"] == 0) & believed["label"].notna()
    return believed


def loop_of(
    texts: Iterable[TextRecord],
    project: ProjectState,
    annotations: Annotations,
    changes: Mapping[str, Any],
) -> Loop:
    """Return a loop in memory; see `Project.to_loop`."""
    settings, questions = project.settings, project.questions
    known = {**{name: getattr(settings, name) for name in _KEPT}, "rng": settings.seed}
    known |= {"reading": settings.reading_effort} if settings.ask == "unsure" else {}
    pairs = [(record.id, record.text) for record in texts]
    ids = {text_id for text_id, _ in pairs}
    here = [place for place, text_id in enumerate(annotations.texts) if text_id in ids]
    given = annotations.subset(texts=np.array(here, dtype=int))
    classes = None if questions else annotations.classes
    return Loop(pairs, classes, questions=questions, annotations=given, **{**known, **changes})


def importer_within(connection: Connection, *, now: float, duplicates: Duplicates) -> Importer:
    """Return an importer that does all in one transaction: there is nobody yet who might wait for it."""

    def here() -> nullcontext[Connection]:
        return nullcontext(connection)

    return Importer(here, here, now=now, duplicates=duplicates)


def fill(importer: Importer, batches: Iterable[RecordBatch]) -> Added:
    """Bring in what batches hold, known labels last."""
    gold: dict[str, str | None] = {}
    for batch in batches:
        importer.add_texts(batch.texts)
        importer.add_annotations(batch.annotations)
        importer.add_skips(batch.skips)
        gold.update((record.text_id, record.label) for record in batch.gold)
    return importer.finish(gold)
