"""Tables and annotations from memory, as the records that imports take."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from jurybox.annotations import Annotations
from jurybox.errors import InputError
from jurybox.formats.records import AnnotationRecord, TextRecord
from jurybox.formats.values import as_json, as_text, id_of_text
from jurybox.inputs import table, text_rows
from jurybox.store.checks import named_texts

__all__ = ["annotation_records", "is_table", "records_of_table", "text_records"]

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
    return isinstance(data, Mapping) or hasattr(data, "columns") or hasattr(data, "column_names")


def records_of_table(rows: Iterator[tuple[Any, Any, dict[str, Any]]]) -> Iterator[TextRecord]:
    """Return a record per row of a table of texts; further columns become metadata."""
    for number, (key, text, more) in enumerate(rows, start=1):
        if not isinstance(text, str):
            raise InputError(
                f"row {number}: text is {text!r:.40}, expected a text; replace missing texts by ''"
            )
        known = {name: as_json(value) for name, value in more.items() if value is not None and value == value}
        yield TextRecord(id_of_text(text) if key is None else as_text(key), text, known or None, number)


def annotation_records(
    annotations: Any, columns: Mapping[str, Hashable] | None, classes: Sequence[str]
) -> Iterable[AnnotationRecord]:
    """Return records of annotations: of a table, of `Annotations`, or as they come.

    Integer labels are positions in the classes unless a class is called so.

    Raises
    ------
    InputError
        As `Annotations.from_long`.
    """
    held = annotations
    if not isinstance(held, Annotations):
        if not is_table(annotations):
            return annotations if isinstance(annotations, Iterable) else _refused(annotations)
        held = Annotations.from_long(table(annotations), columns=columns, duplicates="last")
    names = [as_text(name) for name in held.classes]
    if not set(names) <= set(classes) and all(isinstance(name, int) for name in held.classes):
        codes = [int(name) for name in held.classes]  # type: ignore[call-overload]
        if codes and min(codes) >= 0 and max(codes) < len(classes):
            names = [classes[code] for code in codes]
    texts, people = (
        [as_text(text) for text in held.texts.tolist()],
        [as_text(m) for m in held.annotators.tolist()],
    )
    return (
        AnnotationRecord(texts[i], people[j], names[k], row=row)
        for row, (i, j, k) in enumerate(zip(held.text, held.annotator, held.label, strict=True), start=1)
    )


def _refused(annotations: Any) -> Iterable[AnnotationRecord]:
    raise InputError(f"annotations is {type(annotations).__name__}, expected records, Annotations or a table")


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
