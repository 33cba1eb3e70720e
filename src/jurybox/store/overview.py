"""How far a project is, and its tables for exports."""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jurybox.errors import NotFoundError
from jurybox.formats.records import AnnotationRecord, SkipRecord, TextRecord
from jurybox.questions import Facet, Question
from jurybox.store import schema
from jurybox.store.people import read_annotators
from jurybox.store.places import count_finished, looked_up
from jurybox.store.ranks import chunks
from jurybox.store.records import AskedQuestion, Standing, Status
from jurybox.store.remarks import count_open_flags
from jurybox.store.rounds import read_rounds
from jurybox.store.state import read_classes, read_state
from jurybox.written import all_facets, answer_code, answer_said

_PART, _FEW = 5_000, 500


def read_at_once(connection: Connection) -> dict[str, int]:
    """Return how many labels were given to whole clusters at once, by the name that they are under."""
    annotators, given = schema.annotators, sa.func.count().label("n")
    per_name = (
        sa.select(annotators.c.name, given)
        .join(schema.annotations, schema.annotations.c.annotator_id == annotators.c.id)
        .where(schema.is_at_once)
        .group_by(annotators.c.name)
    )
    return {row.name: row.n for row in connection.execute(per_name)}


def count_paid(connection: Connection) -> int:
    """Count the labels that are paid for: all that stand, whoever gave them, but those of whole clusters."""
    all_ = connection.scalar(sa.select(sa.func.sum(schema.annotators.c.n_annotations))) or 0
    return all_ - sum(read_at_once(connection).values())


def read_status(connection: Connection, *, now: float) -> Status:
    """Count everything that counts: labels of people who are left out do not."""
    state = read_state(connection)
    annotations, ranking, audit = schema.annotations, schema.ranking, schema.audit
    people = read_annotators(connection)
    classes = () if state.questions else read_classes(connection)
    rounds = read_rounds(connection)
    per_class = (
        sa.select(annotations.c.class_id, sa.func.count().label("n"))
        .where(schema.is_counted)
        .group_by(annotations.c.class_id)
    )
    by_class = {row.class_id: row.n for row in connection.execute(per_class)}
    labelled = sa.select(sa.func.count(annotations.c.text_id.distinct())).where(schema.is_counted)
    n_texts = count_texts(connection)
    # looked up for each text of the sample: else SQLite reads all open places of a large pool
    audit_open = looked_up(
        ranking.c.text_id == audit.c.text_id, ranking.c.round_id == state.base_round, ranking.c.open
    )
    n_audit = _count(connection, audit)
    seen = 0 if not rounds else _last_seen(connection, rounds[-1].number)
    return Status(
        name=state.name,
        texts=n_texts,
        labelled_texts=connection.scalar(labelled) or 0,
        finished_texts=count_finished(connection, n_texts),
        annotations=sum(person.n_annotations for person in people if not person.left_out),
        skips=sum(person.n_skips for person in people),
        flags=count_open_flags(connection),
        annotators=len(people),
        active_annotators=sum(person.standing == Standing.ACTIVE for person in people),
        audit_texts=n_audit,
        audit_finished=n_audit - _count(connection, audit, audit_open),
        on_loan=sum(
            _count(connection, leases, schema.is_lent(leases, now))
            for leases in (schema.leases, schema.gold_leases)
        ),
        rounds=len(rounds),
        new_annotations=_count(connection, annotations, annotations.c.id > seen, schema.is_counted),
        classes=classes,
        class_counts={name: by_class.get(number, 0) for number, name in enumerate(classes)},
        last_round=rounds[-1] if rounds else None,
        questions=_asked(connection, state.questions, by_class) if state.questions else (),
    )


def _asked(
    connection: Connection, questions: Sequence[Question], given: Mapping[int, int]
) -> tuple[AskedQuestion, ...]:
    """Return what is asked, and how often each class was named, by how often each whole answer was given."""
    facets, names = all_facets(questions), read_classes(connection)
    counts: Counter[tuple[Facet, int]] = Counter()
    answers: Counter[str] = Counter()
    for number, n in given.items():
        code = answer_code(questions, names[number])
        answers.update(dict.fromkeys(answer_said(questions, code), n))
        counts.update(dict.fromkeys(zip(facets, code, strict=True), n))
    return tuple(
        AskedQuestion(
            each.name,
            each.kind,
            tuple(map(str, each.classes)),
            answers[each.name],
            {
                str(name): counts[(each.facets[0], k) if each.kind != "several" else (each.facets[k], 1)]
                for k, name in enumerate(each.classes)
            },
        )
        for each in questions
    )


@dataclass(frozen=True)
class HourOfLabels:
    """How many labels that stand a person has given in an hour, which began at a Unix time."""

    annotator: str
    start: float
    n: int


def read_pace(connection: Connection, *, hours: int) -> list[HourOfLabels]:
    """Return labels by hour and person, of the last hours in which there were any, in order of time."""
    annotations, annotators = schema.annotations, schema.annotators
    hour: Any = annotations.c.created_at / sa.literal_column("3600.0")
    # SQLite cuts off, PostgreSQL rounds; times are no negative numbers.
    cut = sa.cast(hour if connection.dialect.name == "sqlite" else sa.func.floor(hour), sa.BigInteger)
    query = (
        sa.select(cut.label("hour"), annotators.c.name, sa.func.count().label("n"))
        .join(annotators, annotators.c.id == annotations.c.annotator_id)
        .where(schema.is_standing)
        .group_by(cut, annotators.c.id, annotators.c.name)
        .order_by(cut, annotators.c.id)
    )
    rows = connection.execute(query).all()
    kept = {*sorted({row.hour for row in rows})[-hours:]}
    return [HourOfLabels(row.name, 3600.0 * row.hour, row.n) for row in rows if row.hour in kept]


def read_trail(connection: Connection) -> tuple[int | None, ...]:
    """Return what tells whether owners or annotators have said or done something that is no label."""
    history, flags = schema.history, schema.flags
    row = connection.execute(
        sa.select(
            sa.select(sa.func.max(history.c.id)).scalar_subquery(),
            sa.select(sa.func.max(flags.c.id)).scalar_subquery(),
            sa.select(sa.func.count(flags.c.resolved_at)).scalar_subquery(),
        )
    ).one()
    return tuple(row)


def count_texts(connection: Connection) -> int:
    """Return how many texts the project has; deleted ones do not count."""
    withdrawn = schema.stored_texts.c.withdrawn_at
    gone = sa.select(sa.func.count()).where(withdrawn.is_not(None)).scalar_subquery()
    return int(connection.scalar(sa.select(schema.project.c.n_texts - gone)) or 0)


def read_text(connection: Connection, external_id: str) -> TextRecord:
    """Return one text.

    Raises
    ------
    NotFoundError
        If there is no such text.
    """
    return read_texts(connection, [external_id])[external_id]


def read_texts(connection: Connection, external_ids: Iterable[str]) -> dict[str, TextRecord]:
    """Return texts by id, each once, in the order of the ids.

    Raises
    ------
    NotFoundError
        If there is no text of one of them.
    """
    texts, wanted = schema.texts, dict.fromkeys(external_ids)
    found: dict[str, TextRecord] = {}
    for part in chunks(wanted, _FEW):
        for row in connection.execute(sa.select(texts).where(texts.c.external_id.in_(part))):
            about = None if row.metadata is None else json.loads(row.metadata)
            found[row.external_id] = TextRecord(row.external_id, row.text, about)
    for external_id in wanted:
        if external_id not in found:
            raise NotFoundError(f"there is no text with id {external_id!r} in this project")
    return {external_id: found[external_id] for external_id in wanted}


def pool_texts(connection: Connection, start: int, stop: int) -> list[str]:
    """Return the texts from one position up to another, deleted ones in their places."""
    texts = schema.stored_texts
    wanted = (texts.c.id >= start) & (texts.c.id < stop)
    return list(connection.scalars(sa.select(texts.c.text).where(wanted).order_by(texts.c.id)))


def texts_at(connection: Connection, numbers: Sequence[int]) -> list[str]:
    """Return the texts of some numbers, in their order, deleted ones among them."""
    texts = schema.stored_texts
    found: dict[int, str] = {}
    for part in chunks(numbers, _FEW):
        rows = connection.execute(sa.select(texts.c.id, texts.c.text).where(texts.c.id.in_(part)))
        found.update((row.id, row.text) for row in rows)
    return [found[number] for number in numbers]


def read_lineage(connection: Connection) -> Callable[[int], str]:
    """Return what tells, of a number of texts, how the project came by the first so many: a digest.

    It is the same as long as these texts are.
    """
    arrivals = schema.arrivals
    query = sa.select(arrivals.c.first_text, arrivals.c.token).order_by(arrivals.c.first_text)
    firsts, digests, digest = [], [], hashlib.blake2b(digest_size=8)
    for first, token in connection.execute(query):
        digest.update(f"{first}:{token};".encode())
        firsts.append(first)
        digests.append(digest.hexdigest())
    return lambda n_texts: digests[bisect_left(firsts, n_texts) - 1] if n_texts else ""


def read_audit(connection: Connection) -> list[str]:
    """Return the ids of the audit sample, in the order of the texts."""
    texts, audit = schema.texts, schema.audit
    of_text = audit.c.text_id == texts.c.id
    return list(connection.scalars(sa.select(texts.c.external_id).join(audit, of_text).order_by(texts.c.id)))


def iterate_texts(connection: Connection) -> Iterator[TextRecord]:
    """Walk over all texts in their order, some thousand at a time."""
    texts = schema.texts
    query = sa.select(texts.c.external_id, texts.c.text, texts.c.metadata.label("about")).order_by(texts.c.id)
    for row in connection.execution_options(yield_per=_PART).execute(query):
        yield TextRecord(row.external_id, row.text, None if row.about is None else json.loads(row.about))


def iterate_annotations(connection: Connection) -> Iterator[AnnotationRecord]:
    """Walk over the annotations that stand, by text, then annotator."""
    annotations, texts = schema.annotations, schema.texts
    annotators, classes = schema.annotators, schema.classes
    query = (
        sa.select(
            texts.c.external_id,
            annotators.c.name.label("annotator"),
            classes.c.name.label("label"),
            annotations.c.seconds,
            annotations.c.comment,
            annotations.c.created_at,
        )
        .select_from(
            annotations.join(texts, texts.c.id == annotations.c.text_id)
            .join(annotators, annotators.c.id == annotations.c.annotator_id)
            .join(classes, classes.c.id == annotations.c.class_id)
        )
        .where(schema.is_standing)
        .order_by(annotations.c.text_id, annotations.c.annotator_id)
    )
    for row in connection.execution_options(yield_per=_PART).execute(query):
        yield AnnotationRecord(
            text_id=row.external_id,
            annotator=row.annotator,
            label=row.label,
            seconds=row.seconds,
            comment=row.comment,
            time=datetime.fromtimestamp(row.created_at, tz=UTC),
        )


def iterate_skips(connection: Connection) -> Iterator[SkipRecord]:
    """Walk over the skips of annotators who have not labelled the text since, by text, then annotator."""
    skips, texts, annotators = schema.skips, schema.texts, schema.annotators
    annotations = schema.annotations
    labelled = sa.exists().where(
        schema.is_standing,
        annotations.c.text_id == skips.c.text_id,
        annotations.c.annotator_id == skips.c.annotator_id,
    )
    query = (
        sa.select(texts.c.external_id, annotators.c.name, skips.c.reason, skips.c.created_at)
        .select_from(
            skips.join(texts, texts.c.id == skips.c.text_id).join(
                annotators, annotators.c.id == skips.c.annotator_id
            )
        )
        .where(skips.c.retired_at.is_(None), ~labelled)
        .order_by(skips.c.text_id, skips.c.annotator_id)
    )
    for row in connection.execution_options(yield_per=_PART).execute(query):
        time = datetime.fromtimestamp(row.created_at, tz=UTC)
        yield SkipRecord(row.external_id, row.name, row.reason, time)


def _count(connection: Connection, table: sa.FromClause, *conditions: sa.ColumnElement[bool]) -> int:
    return connection.scalar(sa.select(sa.func.count()).select_from(table).where(*conditions)) or 0


def _last_seen(connection: Connection, round_id: int) -> int:
    rounds = schema.rounds
    return connection.scalar(sa.select(rounds.c.last_annotation).where(rounds.c.id == round_id)) or 0
