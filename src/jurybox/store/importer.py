"""Bringing many texts and annotations in: all or nothing, and nobody waits.

Texts are written behind the last one of the project and annotations into a table of their own, in short
transactions; then all of them become part of the project in one (`jurybox.store.arrivals`).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jurybox.annotations import Duplicates
from jurybox.errors import ConflictError, FormatError, StoreError
from jurybox.formats.records import AnnotationRecord, SkipRecord, TextRecord
from jurybox.store import groups, schema, state
from jurybox.store.arrivals import (
    IMPORT,
    Transaction,
    admit_annotations,
    begin_import,
    check_import,
    clear,
    let_in_texts,
    place_part,
    place_rest,
    two_labels,
)
from jurybox.store.checks import (
    asked_of,
    check_text,
    checked_answer,
    checked_cell,
    checked_seconds,
    text_row,
)
from jurybox.store.classes import NamesRead, let_in_classes
from jurybox.store.engine import Store, insert_rows
from jurybox.store.gold import set_gold, without_deleted
from jurybox.store.history import note_arrival
from jurybox.store.loans import release_decided
from jurybox.store.locks import serialise
from jurybox.store.people import add_annotator
from jurybox.store.ranks import chunks
from jurybox.store.records import Added
from jurybox.store.search import index_texts

_CHUNK = 1_000
_PATIENCE = 60.0
_RETRY_SECONDS = 0.1


@contextmanager
def importing(
    store: Store,
    *,
    now: float,
    duplicates: Duplicates = "error",
    add_classes: bool = False,
    by: str | None = None,
) -> Iterator[Importer]:
    """Be the only import of a project, and leave nothing behind on an error.

    Parameters
    ----------
    now, duplicates, add_classes
        As for `Importer`.
    by
        Who does it, for the history.

    Raises
    ------
    ConflictError
        If another import runs and does not end within a minute.
    """
    with _turn(store):
        with store.write() as connection:
            begin_import(connection)
        clear(store.brief)  # what one that was killed has left
        try:
            yield Importer(
                store.brief,
                store.write,
                now=now,
                duplicates=duplicates,
                add_classes=add_classes,
                noting=partial(note_arrival, by=by, now=now),
            )
        except BaseException:
            with suppress(StoreError):  # what is left is swept up when the project is opened again
                clear(store.brief)
            raise


@contextmanager
def _turn(store: Store) -> Iterator[None]:
    """Wait for the lock of imports, within bounds."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        with store.exclusive(IMPORT) as mine:
            if mine:
                yield
                return
        if time.monotonic() > deadline:
            raise ConflictError(
                "another import into this project is running; try again when it has ended",
                code="import_running",
            )
        time.sleep(_RETRY_SECONDS)


class Importer:
    """Adds texts and annotations in chunks; `finish` once at the end, until which none is in the project.

    Parameters
    ----------
    brief
        Opens one of many short transactions that write.
    final
        Opens the one in which all becomes part of the project.
    now
        Unix time, for annotations that state none.
    duplicates
        What to do when an annotator labels a text again with another class: ``"error"``, or let the
        ``"last"`` one replace the earlier.
    add_classes
        Whether labels that are no class yet become classes; so with classes that answers to questions name.
    noting
        Called with what came, in the transaction in which it becomes part of the project.
    """

    def __init__(
        self,
        brief: Transaction,
        final: Transaction,
        *,
        now: float,
        duplicates: Duplicates = "error",
        add_classes: bool = False,
        noting: Callable[[Connection, Added], object] = lambda _connection, _added: None,
    ) -> None:
        self._brief = brief
        self._final = final
        self._now = now
        self._duplicates = duplicates
        self._add_classes = add_classes
        self._noting = noting
        with brief() as connection:
            self._number = begin_import(connection)
            self._first_text = self._next_text = state.read_state(connection).n_texts
            self._known = NamesRead.of(connection)
        self._classes = dict.fromkeys(self._known.classes)
        self._questions = self._known.questions
        self._grows = add_classes and bool(self._questions)
        self._annotators: dict[str, None] = {}
        self._counts: Counter[str] = Counter()

    def add_texts(self, records: Iterable[TextRecord]) -> None:
        """Add texts; those known by id are counted.

        Raises
        ------
        FormatError
            For a text with NUL characters or broken Unicode, an empty id, metadata that is no JSON, or an id
            that is known with another text, which a blank one is not.
        """
        for chunk in chunks(records, _CHUNK):
            for record in chunk:
                check_text(record)
            with self._part() as connection:
                new = _unknown(connection, chunk)
                rows = [text_row(self._next_text + i, record) for i, record in enumerate(new)]
                insert_rows(connection, schema.stored_texts, rows)
                index_texts(connection, rows)
                groups.note_copies(connection, rows)
            self._next_text += len(new)
            self._counts.update(texts=len(new), known_texts=len(chunk) - len(new))

    def add_annotations(self, records: Iterable[AnnotationRecord]) -> None:
        """Add annotations of texts that are in the project; annotators who are not are added.

        Raises
        ------
        FormatError
            For an unknown text or label, a label that contradicts an earlier one of the same annotator, or
            more classes than a project can have.
        """
        for chunk in chunks(records, _CHUNK):
            with self._part() as connection:
                texts = _text_numbers(connection, chunk)
                rows = [self._annotation_row(record, texts) for record in chunk]
                if self._questions and not self._grows:
                    state.add_answers(connection, self._questions, {row["label"] for row in rows})
                self._keep_new(connection, chunk, rows)

    def add_skips(self, records: Iterable[SkipRecord]) -> None:
        """Add that annotators have seen texts and given no label; none where they have given one.

        Raises
        ------
        FormatError
            For an unknown text.
        """
        for chunk in chunks(records, _CHUNK):
            with self._part() as connection:
                texts = _text_numbers(connection, chunk)
                rows = {
                    (row["text_id"], row["annotator"]): row
                    for row in (self._skip_row(one, texts) for one in chunk)
                }
                staged = connection.execute(_staged({text_id for text_id, _ in rows}))
                known = {(row.text_id, row.annotator) for row in staged}
                insert_rows(
                    connection, schema.incoming, [row for pair, row in rows.items() if pair not in known]
                )

    def finish(self, gold: Mapping[str, str | None] | None = None) -> Added:
        """Let all in at once, draw the audit sample from the new texts, and put the queue in order.

        What is said of deleted texts is counted and left out.

        Parameters
        ----------
        gold
            Known labels of texts, by id.

        Raises
        ------
        FormatError, ConflictError
            For a label that contradicts one of the same annotator's since; where names mean something else.
        """
        with self._final() as connection:
            check_import(connection, self._number)
            # Annotations of texts that people may be labelling: nobody else may label these now.
            old = sa.select(sa.exists().where(schema.incoming.c.text_id < self._first_text))
            alone = bool(gold) or self._grows or connection.scalar(old)
            serialise(connection, "placing")
            serialise(connection, "round", shared=not alone)
            self._let_in_people_and_classes(connection)
            added = admit_annotations(connection, self._first_text, replace=self._duplicates == "last")
            self._counts.update(added)
            release_decided(connection)
            let_in_texts(connection, self._first_text, self._next_text, now=self._now)
            if gold:
                known = without_deleted(connection, gold)
                self._counts["of_deleted"] += len(gold) - len(known)
                set_gold(connection, known, now=self._now)
            place_part(connection)  # for a small import, that is all there is to do
            self._noting(connection, Added(**self._counts))
        place_rest(self._brief)
        return Added(**self._counts)

    @contextmanager
    def _part(self) -> Iterator[Connection]:
        with self._brief() as connection:
            check_import(connection, self._number)
            yield connection

    def _annotation_row(self, record: AnnotationRecord, texts: Mapping[str, int]) -> dict[str, Any]:
        label = self._answer(record) if self._questions else self._class(record)
        return self._row(record, texts, label=label, seconds=checked_seconds(record), comment=record.comment)

    def _skip_row(self, record: SkipRecord, texts: Mapping[str, int]) -> dict[str, Any]:
        return self._row(record, texts, label=None, seconds=None, comment=record.reason)

    def _row(
        self,
        record: AnnotationRecord | SkipRecord,
        texts: Mapping[str, int],
        *,
        label: str | None,
        seconds: float | None,
        comment: str,
    ) -> dict[str, Any]:
        if record.text_id not in texts:
            raise FormatError(
                "there is no text with this id; add the texts, or name their column: --column text=NAME",
                row=record.row or None,
                column="id",
                value=record.text_id,
                code="unknown_text",
            )
        if record.annotator not in self._annotators:
            self._annotators[checked_cell(record.annotator, "annotator", record.row)] = None
        return {
            "text_id": texts[record.text_id],
            "annotator": record.annotator,
            "label": label,
            "created_at": self._now if record.time is None else record.time.timestamp(),
            "seconds": seconds,
            "comment": checked_cell(comment, "comment", record.row),
            "row": record.row,
        }

    def _answer(self, record: AnnotationRecord) -> str:
        if not self._grows:
            return checked_answer(self._questions, record)
        self._questions = asked_of(self._questions, record)
        return record.label  # what it leaves open, it says of the classes that there will be

    def _class(self, record: AnnotationRecord) -> str:
        if record.label in self._classes:
            return record.label
        if not self._add_classes:
            raise FormatError(
                f"expected one of the classes {', '.join(map(repr, self._classes))}",
                row=record.row or None,
                column="label",
                value=record.label,
                code="no_class",
                classes=", ".join(map(repr, self._classes)),
            )
        if len(self._classes) >= state.MOST_CLASSES:
            raise FormatError(
                f"there are more than {state.MOST_CLASSES:,} different labels in this column; expected "
                "labels of that many classes at most: is it the right column?",
                row=record.row or None,
                column="label",
                value=record.label,
                code="too_many_classes",
                most=state.MOST_CLASSES,
            )
        self._classes[checked_cell(record.label, "label", record.row)] = None
        return record.label

    def _keep_new(
        self, connection: Connection, chunk: Sequence[AnnotationRecord], rows: Sequence[dict[str, Any]]
    ) -> None:
        """Write down what neither the project nor this import has yet; the last label may replace others."""
        numbers = {row["text_id"] for row in rows}
        staged = {(row.text_id, row.annotator): row.label for row in connection.execute(_staged(numbers))}
        before = staged
        if not self._grows:  # else what stands is written otherwise when the classes have come
            stands = connection.execute(
                _standing({number for number in numbers if number < self._first_text})
            )
            before = {(row.text_id, row.annotator): row.label for row in stands} | staged
        new: dict[tuple[int, str], dict[str, Any]] = {}
        for record, row in zip(chunk, rows, strict=True):
            pair = (row["text_id"], row["annotator"])
            known = before.get(pair)
            if known == row["label"]:
                self._counts["known_annotations"] += 1
                continue
            if known is not None and self._duplicates == "error":
                raise two_labels(record.text_id, record.annotator, record.label, record.row)
            before[pair] = row["label"]
            new[pair] = row
        incoming = schema.incoming
        for text_id, annotator in new.keys() & staged.keys():
            same = sa.and_(incoming.c.text_id == text_id, incoming.c.annotator == annotator)
            connection.execute(sa.delete(incoming).where(same))
        insert_rows(connection, incoming, list(new.values()))

    def _let_in_people_and_classes(self, connection: Connection) -> None:
        serialise(connection, "numbering")
        now = self._known.still_hold(connection)
        if self._grows:
            let_in_classes(connection, self._questions)
        elif not self._questions:  # whose answers are there already
            state.add_classes(connection, [name for name in self._classes if name not in now.classes])
        new = [name for name in self._annotators if name not in now.people]
        for name in new:
            add_annotator(connection, name, now=self._now)
        self._counts["annotators"] += len(new)


def _unknown(connection: Connection, chunk: Sequence[TextRecord]) -> list[TextRecord]:
    """Return those records of a chunk whose id is not stored yet, each id once."""
    texts = schema.stored_texts
    query = sa.select(texts.c.external_id, texts.c.text).where(
        texts.c.external_id.in_([record.id for record in chunk])
    )
    known = {row.external_id: row.text for row in connection.execute(query)}
    new = []
    for record in chunk:
        if record.id not in known:
            known[record.id] = record.text
            new.append(record)
        elif known[record.id] != record.text and record.text.strip():
            raise FormatError(
                "this id is known with another text; ids must be unique",
                row=record.row or None,
                column="id",
                value=record.id,
                code="two_texts",
                name=record.id,
            )
    return new


def _text_numbers(
    connection: Connection, chunk: Sequence[AnnotationRecord | SkipRecord]
) -> Mapping[str, int]:
    texts = schema.stored_texts
    ids = {record.text_id for record in chunk}
    query = sa.select(texts.c.external_id, texts.c.id).where(texts.c.external_id.in_(ids))
    return {row.external_id: row.id for row in connection.execute(query)}


def _staged(numbers: set[int]) -> sa.Select[Any]:
    incoming = schema.incoming
    columns = (incoming.c.text_id, incoming.c.annotator, incoming.c.label)
    return sa.select(*columns).where(incoming.c.text_id.in_(numbers))


def _standing(numbers: set[int]) -> sa.Select[Any]:
    annotations, annotators, classes = schema.annotations, schema.annotators, schema.classes
    return (
        sa.select(annotations.c.text_id, annotators.c.name.label("annotator"), classes.c.name.label("label"))
        .join(annotators, annotators.c.id == annotations.c.annotator_id)
        .join(classes, classes.c.id == annotations.c.class_id)
        .where(schema.is_standing, annotations.c.text_id.in_(numbers))
    )
