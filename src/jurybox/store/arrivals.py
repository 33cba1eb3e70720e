"""How what an import has written becomes part of the project, and what one that was cut off has left.

An import writes texts behind the last one of the project, in short transactions that keep nobody waiting; a
single number, `n_texts`, then lets all of them in at once. Only after that they get their places in the
queue, again in short transactions: whoever comes upon texts without a place may give them one, so what a
process that was killed has left undone is done by the next one that opens the project.

The audit sample is drawn as texts come in, and can grow: every text outside of it has the same chance then,
so the larger sample is as good as one that was drawn at once. A text that joins keeps its labels, but is
trained on no more: the next round leaves it out, and only that round, whose record names it, is judged by
it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from math import floor
from typing import Any, TypeAlias

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jurybox.errors import FormatError, InputError, StoreError
from jurybox.store import schema
from jurybox.store.engine import Store, insert_rows, note_sizes
from jurybox.store.groups import count_copies, distinct_texts
from jurybox.store.locks import serialise
from jurybox.store.ranks import chunks, close_copies, enqueue, mark_audit, mark_gold, settle
from jurybox.store.search import unindex_texts
from jurybox.store.services import ask_for_round
from jurybox.store.snapshots import read_audit
from jurybox.store.state import admit_texts, read_state, write_state

IMPORT = "import"
"""Name of the lock that an import holds until it has ended."""

Transaction: TypeAlias = Callable[[], AbstractContextManager[Connection]]

_PART, _MANY = 1_000, 10


def begin_import(connection: Connection) -> int:
    """Return the number of a new import; those before it can write no more."""
    number = schema.project.c.import_number
    write_state(connection, import_number=number + 1)
    return int(connection.scalar(sa.select(number)) or 0)


def check_import(connection: Connection, number: int) -> None:
    """Make sure that an import is still the last that has begun, and stays so until the transaction ends.

    PostgreSQL frees the lock of an import whose connection was cut, and the next one may then begin.

    Raises
    ------
    StoreError
        If another one has begun since.
    """
    current = sa.select(schema.project.c.import_number).with_for_update(read=True)
    if connection.scalar(current) != number:
        raise StoreError("another import has begun, since this one lost its lock: nothing of it was added")


def admit_annotations(connection: Connection, first_text: int, *, replace: bool) -> Mapping[str, int]:
    """Make the annotations and skips that an import has read part of the project.

    Parameters
    ----------
    first_text
        Number of the first text that the import brings along.
    replace
        Whether they replace others of the same annotators and texts, which are then retired.

    Returns
    -------
    mapping
        How many `annotations` and `skips` there are, `known_annotations` that there were already, and rows
        `of_deleted` texts, which are left out.

    Raises
    ------
    FormatError
        If one contradicts another and does not replace it.
    """
    annotations, annotators, incoming = schema.annotations, schema.annotators, schema.incoming
    if not connection.scalar(sa.select(sa.exists().select_from(incoming))):
        return {}
    of_deleted = connection.execute(_DROP_DELETED).rowcount
    met = connection.execute(_MET, {"first": first_text}).all()
    known = [row.incoming_id for row in met if row.label == row.known]
    replaced = [row for row in met if row.label != row.known]
    if replaced and not replace:
        row = min(replaced, key=lambda row: row.incoming_id)
        raise two_labels(row.external_id, row.annotator, row.label, row.row)
    for part in chunks(known, _PART):
        connection.execute(sa.delete(incoming).where(incoming.c.id.in_(part)))
    for old in replaced:  # retired by themselves until their successors have numbers
        connection.execute(sa.update(annotations).where(annotations.c.id == old.id).values(retired_by=old.id))
    connection.execute(_ADMIT)
    for old in replaced:
        _point_to_successor(connection, old.id)
    labelled = incoming.c.label.is_not(None)
    per_person = (
        sa.select(incoming.c.annotator, sa.func.count()).where(labelled).group_by(incoming.c.annotator)
    )
    given = Counter({row[0]: row[1] for row in connection.execute(per_person)})
    given_now = given.total()
    given.subtract(old.annotator for old in replaced)
    for name in sorted(given):
        more = annotators.c.n_annotations + given[name]
        connection.execute(sa.update(annotators).where(annotators.c.name == name).values(n_annotations=more))
    skips = _admit_skips(connection)
    connection.execute(_NOTE_TOUCHED, {"first": first_text})
    connection.execute(sa.delete(incoming))
    return {
        "annotations": given_now,
        "known_annotations": len(known),
        "skips": skips,
        "of_deleted": of_deleted,
    }


def _admit_skips(connection: Connection) -> int:
    """Let in the skips of people who have neither labelled nor skipped the text; return how many."""
    new = connection.execute(_NEW_SKIPS).all()
    if new:
        rows = [
            {
                "text_id": row.text_id,
                "annotator_id": row.id,
                "reason": row.comment,
                "created_at": row.created_at,
            }
            for row in new
        ]
        insert_rows(connection, schema.skips, rows)
    annotators = schema.annotators
    for number, n in sorted(Counter(row.id for row in new).items()):
        more = annotators.c.n_skips + n
        connection.execute(sa.update(annotators).where(annotators.c.id == number).values(n_skips=more))
    return len(new)


def let_in_texts(connection: Connection, first: int, stop: int, *, now: float) -> None:
    """Make new texts part of the project, some of them of its audit sample."""
    if stop > first:
        _draw_audit(connection, first, stop, now=now)
        admit_texts(connection, first, stop)
        count_copies(connection)


def _draw_audit(connection: Connection, first: int, stop: int, *, now: float) -> None:
    """Draw the audit sample from new texts at the rate of the first: all but copies have the same chance."""
    state = read_state(connection)
    new = distinct_texts(connection, first, stop)
    settings, rate, n_new = state.settings, state.audit_rate, len(new)
    if not n_new:
        return
    if rate is None:
        rate = min(settings.audit_size, floor(settings.audit_share * n_new)) / n_new
        write_state(connection, audit_rate=rate)
    rng = np.random.default_rng([settings.seed, first])
    size = floor(rate * n_new + rng.random()) if first else round(rate * n_new)
    numbers = sorted(new[rng.choice(n_new, size=size, replace=False)].tolist())
    if connection.dialect.name == "sqlite":  # everybody waits: a statement a row takes ten times as long
        each = sa.func.json_each(json.dumps(numbers)).table_valued("value")
        rows = sa.select(each.c.value, sa.literal(now))
        connection.execute(sa.insert(schema.audit).from_select(["text_id", "drawn_at"], rows))
    else:
        insert_rows(connection, schema.audit, [{"text_id": number, "drawn_at": now} for number in numbers])


def place_rest(write: Transaction) -> None:
    """Give all texts a place that have none, a little at a time."""
    more, parts = True, 0
    while more:
        with write() as connection:
            more, parts = place_part(connection), parts + 1
    if parts > _MANY:
        with write() as connection:  # which nobody waits for, unlike for those above
            note_sizes(connection, schema.stored_texts, schema.text_words, schema.annotations, schema.ranking)


def place_part(connection: Connection) -> bool:
    """Give some texts a place, and bring places of texts with imported annotations up to date.

    Returns
    -------
    bool
        Whether there may be more to do.
    """
    # In this order everywhere: who waits for a round to be published must hold nothing but "placing".
    serialise(connection, "placing")
    serialise(connection, "round", shared=True)
    state = read_state(connection)
    unsettled = schema.unsettled.c.text_id
    touched = connection.scalars(sa.select(unsettled).order_by(unsettled).limit(_PART)).all()
    if touched:
        settle(connection, state, touched)
        connection.execute(sa.delete(schema.unsettled).where(unsettled <= touched[-1]))
    first, last = state.n_placed, min(state.n_placed + _PART, state.n_texts) - 1
    if first <= last:
        enqueue(connection, state, range(first, last + 1))
        audit, gold, labelled = (
            connection.scalars(sa.select(numbers).where(numbers.between(first, last), *more).distinct()).all()
            for numbers, more in (
                (schema.audit.c.text_id, ()),
                (schema.gold.c.text_id, ()),
                (schema.annotations.c.text_id, (schema.is_standing,)),
            )
        )
        mark_audit(connection, state, audit)
        mark_gold(connection, state, gold)
        settle(connection, state, labelled)
        close_copies(connection, state, first)
        write_state(connection, n_placed=last + 1)
    return len(touched) == _PART or last + 1 < state.n_texts


def clear(write: Transaction) -> None:
    """Delete what an import has written that did not let it in, a little at a time."""
    incoming, texts = schema.incoming, schema.stored_texts
    n_texts = sa.select(schema.project.c.n_texts).scalar_subquery()
    of_groups = schema.groups.c.text_id
    hidden_rows = (
        (incoming.c.id, sa.true()),
        (of_groups, of_groups >= n_texts),
        (texts.c.id, texts.c.id >= n_texts),
    )
    for number, hidden in hidden_rows:
        while True:
            with write() as connection:
                first = connection.scalar(sa.select(sa.func.min(number)).where(hidden))
                if first is None:
                    break
                part = number.between(first, first + _PART - 1)
                if number is texts.c.id:
                    unindex_texts(connection, part)
                connection.execute(sa.delete(number.table).where(part))


def tidy(store: Store) -> None:
    """Remove what an import that was cut off has left, and give texts their places: on opening a project."""
    with store.look() as connection:
        if not connection.scalar(_LEFT):
            return
    # A project that can only be read is not tidied: what is left over is not seen by anybody.
    with suppress(StoreError, OSError), store.exclusive(IMPORT) as mine:
        if mine:
            with store.write() as connection:
                begin_import(connection)
            clear(store.brief)
        place_rest(store.brief)


def two_labels(text_id: str, annotator: str, label: str, row: int) -> FormatError:
    """Return what is wrong with a second label of an annotator for one text."""
    return FormatError(
        f"annotator {annotator!r} has given text {text_id!r} another label already; --replace "
        "(duplicates='last') keeps the later one",
        row=row or None,
        column="label",
        value=label,
        code="two_labels",
        annotator=annotator,
        name=text_id,
    )


def _point_to_successor(connection: Connection, old: int) -> None:
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
    connection.execute(sa.update(annotations).where(annotations.c.id == old).values(retired_by=successor))


def _left() -> sa.Select[tuple[bool]]:
    project, texts = schema.project.c, schema.stored_texts.c
    last = sa.select(sa.func.max(texts.id)).scalar_subquery()
    anything = (sa.exists(sa.select(table)) for table in (schema.incoming, schema.unsettled))
    return sa.select(sa.or_(last >= project.n_texts, project.n_placed < project.n_texts, *anything))


_LEFT = _left()


def _met() -> sa.Select[Any]:
    """Annotations of this import for whose text and annotator the project has one that stands."""
    incoming, annotations = schema.incoming, schema.annotations
    annotators, classes, texts = schema.annotators, schema.classes, schema.stored_texts
    pair = sa.and_(
        annotations.c.text_id == incoming.c.text_id,
        annotations.c.annotator_id == annotators.c.id,
        schema.is_standing,
    )
    return (
        sa.select(
            incoming.c.id.label("incoming_id"),
            incoming.c.annotator,
            incoming.c.label,
            incoming.c.row,
            annotations.c.id,
            classes.c.name.label("known"),
            texts.c.external_id,
        )
        .select_from(
            incoming.join(annotators, annotators.c.name == incoming.c.annotator)
            .join(annotations, pair)
            .join(classes, classes.c.id == annotations.c.class_id)
            .join(texts, texts.c.id == incoming.c.text_id)
        )
        .where(incoming.c.text_id < sa.bindparam("first", type_=sa.Integer), incoming.c.label.is_not(None))
    )


def _new_skips() -> sa.Select[Any]:
    incoming, annotators = schema.incoming, schema.annotators
    annotations, skips = schema.annotations, schema.skips
    labelled = sa.exists().where(
        schema.is_standing,
        annotations.c.text_id == incoming.c.text_id,
        annotations.c.annotator_id == annotators.c.id,
    )
    skipped = sa.exists().where(
        skips.c.retired_at.is_(None),
        skips.c.text_id == incoming.c.text_id,
        skips.c.annotator_id == annotators.c.id,
    )
    return (
        sa.select(incoming.c.text_id, annotators.c.id, incoming.c.comment, incoming.c.created_at)
        .join(annotators, annotators.c.name == incoming.c.annotator)
        .where(incoming.c.label.is_(None), ~labelled, ~skipped)
        .order_by(incoming.c.id)
    )


def _admit() -> sa.Insert:
    incoming, annotators, classes = schema.incoming, schema.annotators, schema.classes
    copied = ("text_id", "created_at", "seconds", "comment")
    rows = (
        sa.select(*(incoming.c[name] for name in copied), annotators.c.id, classes.c.id, sa.literal("import"))
        .select_from(
            incoming.join(annotators, annotators.c.name == incoming.c.annotator).join(
                classes, classes.c.name == incoming.c.label
            )
        )
        .order_by(incoming.c.id)
    )
    return sa.insert(schema.annotations).from_select([*copied, "annotator_id", "class_id", "origin"], rows)


_DROP_DELETED = sa.delete(schema.incoming).where(
    schema.incoming.c.text_id.in_(
        sa.select(schema.stored_texts.c.id).where(schema.stored_texts.c.withdrawn_at.is_not(None))
    )
)
_MET = _met()
_ADMIT = _admit()
_NEW_SKIPS = _new_skips()
_NOTE_TOUCHED = sa.insert(schema.unsettled).from_select(
    ["text_id"],
    sa.select(schema.incoming.c.text_id)
    .where(schema.incoming.c.text_id < sa.bindparam("first", type_=sa.Integer))
    .distinct(),
)


def grow_audit(connection: Connection, n: int, *, now: float) -> list[int]:
    """Draw n further texts of the audit sample, put them where it is asked for, and ask for a round.

    Texts that come later are drawn at the rate of the larger sample, so that all keep the same chance.

    Returns
    -------
    list of int
        Numbers of the texts, ascending.

    Raises
    ------
    InputError
        If n is below 1, or there are not so many texts outside the sample.
    """
    serialise(connection, "placing")  # in this order everywhere, see `place_part`
    serialise(connection, "round")  # nobody labels a text, and no round takes over, while it changes sides
    state = read_state(connection)
    known = read_audit(connection)
    texts = schema.texts.c.id
    present = np.array(connection.scalars(sa.select(texts).order_by(texts)).all(), dtype=np.int64)
    present = np.intersect1d(present, distinct_texts(connection, 0, state.n_texts), assume_unique=True)
    others = np.setdiff1d(present, known, assume_unique=True)
    if not 1 <= n <= len(others):
        raise InputError(
            f"the audit sample is to grow by {n:,}, expected 1 to {len(others):,}: so many texts are outside "
            "of it",
            code="audit_growth",
            most=len(others),
        )
    rng = np.random.default_rng([state.settings.seed, state.n_texts, len(known)])
    drawn = sorted(rng.choice(others, size=n, replace=False).tolist())
    insert_rows(connection, schema.audit, [{"text_id": number, "drawn_at": now} for number in drawn])
    write_state(connection, audit_rate=(len(known) + n) / len(present))
    placed = [number for number in drawn if number < state.n_placed]  # the others get their places as such
    mark_audit(connection, state, placed)
    settle(connection, state, placed)
    ask_for_round(connection, now=now)
    return drawn
