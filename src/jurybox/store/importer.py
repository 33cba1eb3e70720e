"""Bringing many texts and annotations in, within one transaction."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import floor
from typing import Any, Literal, TypeAlias

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jurybox.errors import FormatError, InputError
from jurybox.formats.records import AnnotationRecord, TextRecord
from jurybox.store import schema
from jurybox.store.bulk import insert_rows
from jurybox.store.checks import check_seconds, problem_with
from jurybox.store.locks import serialise
from jurybox.store.overview import count_texts
from jurybox.store.people import add_annotator, annotator_numbers
from jurybox.store.ranks import chunks, enqueue, mark_audit, settle
from jurybox.store.records import Added
from jurybox.store.state import add_class, read_classes, read_state, write_state

__all__ = ["Duplicates", "Importer", "named_texts"]

Duplicates: TypeAlias = Literal["error", "last"]
_CHUNK = 5_000


def named_texts(texts: Iterable[str]) -> Iterator[TextRecord]:
    """Give ids to texts that have none: from their content, so that the same texts get the same ids again.

    The second copy of a text in one import gets an id of its own, ending in ``-2``, and so on.

    Examples
    --------
    >>> [record.id for record in named_texts(["good", "bad", "good"])]
    ['t07878fd8745bb530', 'ta7e04811f6f31c53', 't07878fd8745bb530-2']
    """
    seen: Counter[bytes] = Counter()
    for row, text in enumerate(texts, start=1):
        if not isinstance(text, str):
            raise FormatError(
                "expected a text; replace missing texts by ''", row=row, column="text", value=text
            )
        digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        seen[digest] += 1
        copy = f"-{seen[digest]}" if seen[digest] > 1 else ""
        yield TextRecord(f"t{digest.hex()}{copy}", text, None, row)


class Importer:
    """Adds texts and annotations within one open transaction, in chunks; `finish` once at the end.

    Parameters
    ----------
    connection
        A transaction that writes.
    now
        Unix time, for annotations that state none.
    duplicates
        What to do when an annotator labels a text again with another class: ``"error"``, or let the
        ``"last"`` one replace the earlier.
    add_classes
        Whether labels that are no class yet become classes.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        now: float,
        duplicates: Duplicates = "error",
        add_classes: bool = False,
    ) -> None:
        serialise(connection, "numbering")
        serialise(connection, "round", shared=True)
        self._connection = connection
        self._now = now
        self._duplicates = duplicates
        self._add_classes = add_classes
        self._state = read_state(connection)
        self._classes = {name: number for number, name in enumerate(read_classes(connection))}
        self._annotators = annotator_numbers(connection)
        self._first_text = self._next_text = count_texts(connection)
        self._touched = bytearray()  # a flag a text: millions of numbers would not fit a set
        self._given: Counter[int] = Counter()
        self._counts: Counter[str] = Counter()

    def add_texts(self, records: Iterable[TextRecord]) -> None:
        """Add texts; those known by id are counted.

        Raises
        ------
        FormatError
            For a text with NUL characters or broken Unicode, an empty id, metadata that is no JSON, or an id
            that is known with another text.
        """
        for chunk in chunks(records, _CHUNK):
            new = self._unknown(chunk)
            rows = [_text_row(self._next_text + i, record) for i, record in enumerate(new)]
            insert_rows(self._connection, schema.texts, rows)
            numbers = range(self._next_text, self._next_text + len(new))
            enqueue(self._connection, self._state, numbers)
            self._next_text += len(new)
            self._counts["texts"] += len(new)
            self._counts["known_texts"] += len(chunk) - len(new)

    def add_annotations(self, records: Iterable[AnnotationRecord]) -> None:
        """Add annotations of texts that are in the project; annotators who are not are added.

        Raises
        ------
        FormatError
            For an unknown text or label, or a label that contradicts an earlier one of the same annotator.
        """
        for chunk in chunks(records, _CHUNK):
            texts = self._text_numbers(chunk)
            rows = [self._annotation_row(record, texts) for record in chunk]
            self._insert_annotations(chunk, rows)

    def finish(self) -> Added:
        """Draw the audit sample from the new texts, and put the queue in order."""
        for annotator_id, n in self._given.items():
            annotators = schema.annotators
            more = annotators.c.n_annotations + n
            self._connection.execute(
                sa.update(annotators).where(annotators.c.id == annotator_id).values(n_annotations=more)
            )
        if self._next_text > self._first_text:
            self._draw_audit()
        settle(self._connection, self._state, np.flatnonzero(np.frombuffer(self._touched, np.uint8)).tolist())
        return Added(**self._counts)

    def _unknown(self, chunk: Sequence[TextRecord]) -> list[TextRecord]:
        """Return those records of a chunk whose id is not in the project yet, each id once."""
        for record in chunk:
            _check_text(record)
        ids = [record.id for record in chunk]
        texts = schema.texts
        query = sa.select(texts.c.external_id, texts.c.text).where(texts.c.external_id.in_(ids))
        known = {row.external_id: row.text for row in self._connection.execute(query)}
        new = []
        for record in chunk:
            if record.id not in known:
                known[record.id] = record.text
                new.append(record)
            elif known[record.id] != record.text:
                raise FormatError(
                    "this id is known with another text; ids must be unique",
                    row=record.row or None,
                    column="id",
                    value=record.id,
                    code="two_texts",
                    name=record.id,
                )
        return new

    def _text_numbers(self, chunk: Sequence[AnnotationRecord]) -> Mapping[str, int]:
        texts = schema.texts
        ids = {record.text_id for record in chunk}
        query = sa.select(texts.c.external_id, texts.c.id).where(texts.c.external_id.in_(ids))
        return {row.external_id: row.id for row in self._connection.execute(query)}

    def _annotation_row(self, record: AnnotationRecord, texts: Mapping[str, int]) -> dict[str, Any]:
        if record.text_id not in texts:
            raise FormatError(
                "there is no text with this id; add the texts first",
                row=record.row or None,
                column="id",
                value=record.text_id,
                code="unknown_text",
            )
        return {
            "text_id": texts[record.text_id],
            "annotator_id": self._annotator_number(record),
            "class_id": self._class_number(record),
            "created_at": self._now if record.time is None else record.time.timestamp(),
            "seconds": _seconds(record),
            "comment": _checked(record.comment, "comment", record.row),
            "origin": "import",
        }

    def _annotator_number(self, record: AnnotationRecord) -> int:
        if record.annotator not in self._annotators:
            name = _checked(record.annotator, "annotator", record.row)
            self._annotators[name] = add_annotator(self._connection, name, now=self._now)
            self._counts["annotators"] += 1
        return self._annotators[record.annotator]

    def _class_number(self, record: AnnotationRecord) -> int:
        if record.label not in self._classes:
            if not self._add_classes:
                raise FormatError(
                    f"expected one of the classes {', '.join(map(repr, self._classes))}",
                    row=record.row or None,
                    column="label",
                    value=record.label,
                    code="no_class",
                    classes=", ".join(map(repr, self._classes)),
                )
            self._classes[record.label] = add_class(self._connection, record.label)
        return self._classes[record.label]

    def _insert_annotations(self, chunk: Sequence[AnnotationRecord], rows: list[dict[str, Any]]) -> None:
        """Insert what is new; a label that replaces another one retires it."""
        standing = self._standing({row["text_id"] for row in rows})
        new: dict[tuple[object, object], dict[str, Any]] = {}
        replaced = []
        for record, row in zip(chunk, rows, strict=True):
            pair = (row["text_id"], row["annotator_id"])
            stored = new[pair] if pair in new else standing.get(pair)
            if stored is None:
                new[pair] = row
            elif stored["class_id"] == row["class_id"]:
                self._counts["known_annotations"] += 1
            elif self._duplicates == "error":
                raise FormatError(
                    f"annotator {record.annotator!r} has given text {record.text_id!r} another label already",
                    row=record.row or None,
                    column="label",
                    value=record.label,
                    code="two_labels",
                    annotator=record.annotator,
                    name=record.text_id,
                )
            else:
                if pair in standing:
                    replaced.append(standing.pop(pair)["id"])
                new[pair] = row
        self._write(list(new.values()), replaced)

    def _write(self, rows: list[dict[str, Any]], replaced: list[object]) -> None:
        annotations = schema.annotations
        if not rows:
            return
        for old in replaced:  # retired by themselves until their successors have numbers
            self._connection.execute(
                sa.update(annotations).where(annotations.c.id == old).values(retired_by=old)
            )
        insert_rows(self._connection, annotations, rows)
        for old in replaced:
            self._point_to_successor(old)
        self._given.update(row["annotator_id"] for row in rows)
        self._given.subtract(self._annotator_of(replaced))
        self._touch(row["text_id"] for row in rows)
        self._counts["annotations"] += len(rows)

    def _touch(self, text_ids: Iterable[int]) -> None:
        """Note that the places of texts must be brought up to date."""
        self._touched.extend(bytes(self._next_text - len(self._touched)))
        for text_id in text_ids:
            self._touched[text_id] = 1

    def _point_to_successor(self, old: object) -> None:
        annotations = schema.annotations
        same = annotations.alias()
        successor = (
            sa.select(same.c.id)
            .where(
                same.c.text_id == annotations.c.text_id,
                same.c.annotator_id == annotations.c.annotator_id,
                same.c.retired_by.is_(None),
                same.c.class_id.is_not(None),
            )
            .scalar_subquery()
        )
        self._connection.execute(
            sa.update(annotations).where(annotations.c.id == old).values(retired_by=successor)
        )

    def _annotator_of(self, numbers: list[object]) -> list[int]:
        annotations = schema.annotations
        query = sa.select(annotations.c.annotator_id).where(annotations.c.id.in_(numbers))
        return list(self._connection.scalars(query))

    def _standing(self, texts: set[object]) -> dict[tuple[object, object], dict[str, Any]]:
        annotations = schema.annotations
        query = sa.select(
            annotations.c.id, annotations.c.text_id, annotations.c.annotator_id, annotations.c.class_id
        ).where(schema.is_standing, annotations.c.text_id.in_(texts))
        return {
            (row.text_id, row.annotator_id): {"id": row.id, "class_id": row.class_id}
            for row in self._connection.execute(query)
        }

    def _draw_audit(self) -> None:
        """Draw from the new texts at the rate of the first ones: all have the same chance."""
        settings = self._state.settings
        n_new = self._next_text - self._first_text
        rate = self._state.audit_rate
        if rate is None:
            rate = min(settings.audit_size, floor(settings.audit_share * n_new)) / n_new
            write_state(self._connection, audit_rate=rate)
        rng = np.random.default_rng([settings.seed, self._first_text])
        size = floor(rate * n_new + rng.random()) if self._first_text else round(rate * n_new)
        drawn = self._first_text + rng.choice(n_new, size=size, replace=False)
        rows = [{"text_id": number, "drawn_at": self._now} for number in sorted(drawn.tolist())]
        if rows:
            self._connection.execute(sa.insert(schema.audit), rows)
            mark_audit(self._connection, self._state, [row["text_id"] for row in rows])


def _text_row(number: int, record: TextRecord) -> dict[str, Any]:
    return {
        "id": number,
        "external_id": record.id,
        "text": record.text,
        "metadata": _json(record) if record.metadata else None,
    }


def _json(record: TextRecord) -> str:
    try:
        return json.dumps(record.metadata, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise FormatError(
            f"the metadata of text {record.id!r} is no JSON: {error}", row=record.row or None
        ) from error


def _check_text(record: TextRecord) -> None:
    _checked(record.text, "text", record.row)
    if not _checked(record.id, "id", record.row).strip():
        raise FormatError(
            "expected an id that is not empty", row=record.row or None, column="id", value=record.id
        )


def _checked(value: str, column: str, row: int) -> str:
    problem = problem_with(value)
    if problem is not None:
        raise FormatError(problem, row=row or None, column=column, value=value)
    return value


def _seconds(record: AnnotationRecord) -> float | None:
    try:
        return check_seconds(record.seconds)
    except InputError as error:
        raise FormatError(
            "expected a number of at least 0", row=record.row or None, column="seconds", value=record.seconds
        ) from error
