"""What owners do to many texts or labels at once; what each returns is enough to undo it.

Nothing is removed: labels that are taken back stay as rows that do not stand, and texts that are deleted stay
behind the view that everybody reads. No ranking takes over, nobody labels and no import places texts
meanwhile, so a text is either as before or as after.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jurybox.errors import ConflictError
from jurybox.store import schema
from jurybox.store.gold import of_first_texts, set_gold
from jurybox.store.groups import first_texts
from jurybox.store.loans import ASSIGNED, release_decided, take_from_everybody, take_from_others
from jurybox.store.locks import serialise
from jurybox.store.people import check_present, lock_annotator
from jurybox.store.ranks import (
    chunks,
    close_withdrawn,
    mark_again,
    mark_audit,
    mark_gold,
    settle,
)
from jurybox.store.records import Standing
from jurybox.store.regrouping import follow, regroup_again
from jurybox.store.rows import count
from jurybox.store.search import index_texts, unindex_texts
from jurybox.store.services import ask_for_round
from jurybox.store.state import read_state, write_state

LONGEST_ASSIGNMENT = 30 * 86_400.0
"""Seconds after which a text that was assigned to somebody goes to anybody."""

_CHUNK = 500
_DELETED = "delete"

Detail = Mapping[str, Any]


def alone(connection: Connection) -> None:
    """Let nobody label, place texts, number classes or publish a round until the transaction ends."""
    for what in ("placing", "numbering", "round"):  # in this order everywhere, see `arrivals.place_part`
        serialise(connection, what)


def labels_of(
    connection: Connection, *, texts: Iterable[int] = (), annotator: int | None = None
) -> list[int]:
    """Return the annotations that stand of some texts, or of a person."""
    annotations = schema.annotations
    query = sa.select(annotations.c.id).where(schema.is_standing).order_by(annotations.c.id)
    if annotator is not None:
        return list(connection.scalars(query.where(annotations.c.annotator_id == annotator)))
    return [
        number
        for chunk in chunks(texts, _CHUNK)
        for number in connection.scalars(query.where(annotations.c.text_id.in_(chunk)))
    ]


def delete_labels(connection: Connection, numbers: Iterable[int], *, now: float) -> list[int]:
    """Take annotations back that stand, each by a row of its own; return which they were."""
    annotations = schema.annotations
    done: list[int] = []
    for chunk in chunks(dict.fromkeys(numbers), _CHUNK):
        standing = sa.select(annotations).where(schema.is_standing, annotations.c.id.in_(chunk))
        rows = connection.execute(standing.order_by(annotations.c.id)).all()
        tombs = [
            {**_copied(row), "class_id": None, "created_at": now, "comment": "", "origin": _DELETED}
            for row in rows
        ]
        _retire(connection, [row.id for row in rows], insert_annotations(connection, tombs))
        _recount(connection, rows, -1)
        done += [row.id for row in rows]
    return done


def restore_labels(connection: Connection, numbers: Iterable[int]) -> list[int]:
    """Let annotations stand again that were taken back, as rows of their own; return those rows.

    Where the person has labelled or skipped the text since, the old label stays away, and so does one that
    was given to a whole cluster where that was undone since, or the text has joined the audit sample. What
    was wrong before a decision comes back with it.

    Raises
    ------
    ConflictError
        If one of their texts is deleted.
    """
    annotations, texts = schema.annotations, schema.stored_texts
    other = annotations.alias()
    since = sa.exists().where(
        other.c.text_id == annotations.c.text_id,
        other.c.annotator_id == annotations.c.annotator_id,
        other.c.retired_by.is_(None),
        other.c.class_id.is_not(None),
    )
    skips = schema.skips
    skipped = sa.exists().where(
        skips.c.text_id == annotations.c.text_id, skips.c.annotator_id == annotations.c.annotator_id, _stands
    )
    done: list[int] = []
    for chunk in chunks(numbers, _CHUNK):
        mine = annotations.c.id.in_(chunk)
        gone = sa.select(texts.c.external_id).join(annotations).where(mine, texts.c.withdrawn_at.is_not(None))
        if (text := connection.scalar(gone.limit(1))) is not None:
            problem = f"text {text!r} of these labels is deleted; undo that first"
            raise ConflictError(problem, code="in_the_way")
        gone_since = since, skipped, _is_void()
        old = sa.select(annotations).where(mine, annotations.c.class_id.is_not(None), ~sa.or_(*gone_since))
        rows = connection.execute(old.order_by(annotations.c.id)).all()
        new = insert_annotations(connection, [_copied(row) for row in rows])
        _copy_rulings(connection, dict(zip([row.id for row in rows], new, strict=True)))
        done += new
        _recount(connection, rows, 1)
    return done


def withdraw_texts(connection: Connection, numbers: Sequence[int], *, now: float) -> Detail:
    """Delete texts: with their labels, out of everybody's hands, the queue, the audit sample and gold."""
    gold, audit, texts = schema.gold, schema.audit, schema.stored_texts
    labels = delete_labels(connection, labels_of(connection, texts=numbers), now=now)
    known: dict[str, str] = {}
    drawn: list[int] = []
    again: list[list[int]] = []
    for chunk in chunks(numbers, _CHUNK):
        again += _reopened(connection, chunk)
        known.update(_known_labels(connection, gold.c.text_id.in_(chunk)))
        drawn += connection.scalars(sa.select(audit.c.text_id).where(audit.c.text_id.in_(chunk))).all()
        take_from_everybody(connection, chunk)
        for table in (gold, audit, schema.reopened):
            connection.execute(sa.delete(table).where(table.c.text_id.in_(chunk)))
        connection.execute(sa.update(texts).where(texts.c.id.in_(chunk)).values(withdrawn_at=now))
        unindex_texts(connection, texts.c.id.in_(chunk))
    groups = follow(connection, numbers)
    _count_gold(connection)
    close_withdrawn(connection, read_state(connection))
    ask_for_round(connection, now=now)
    return {
        "texts": [*numbers],
        "labels": labels,
        "gold": known,
        "audit": drawn,
        "reopened": again,
        "groups": groups,
    }


def restore_texts(connection: Connection, detail: Detail, *, now: float) -> None:
    """Undo a deletion of texts, by what it returned.

    Raises
    ------
    InputError
        If there is no class any more that a gold text was of.
    ConflictError
        If their copies were grouped in another way since.
    """
    texts, numbers, state = schema.stored_texts, detail["texts"], read_state(connection)
    for chunk in chunks(numbers, _CHUNK):
        connection.execute(sa.update(texts).where(texts.c.id.in_(chunk)).values(withdrawn_at=None))
        index_texts(connection, connection.execute(sa.select(texts).where(texts.c.id.in_(chunk))).mappings())
    regroup_again(connection, detail["groups"], now=now)
    restore_labels(connection, detail["labels"])
    set_gold(connection, detail["gold"], now=now)
    if detail["audit"]:
        connection.execute(
            sa.insert(schema.audit), [{"text_id": t, "drawn_at": now} for t in detail["audit"]]
        )
        mark_audit(connection, state, detail["audit"])
    mark_gold(connection, read_state(connection), numbers)
    settle(connection, state, numbers)
    _write_reopened(connection, _wishes(detail["reopened"]))
    ask_for_round(connection, now=now)


def reopen(connection: Connection, numbers: Sequence[int], labels: int) -> Detail:
    """Ask for so many further labels of texts, first of all, whatever those that they have say."""
    annotations = schema.annotations
    if read_state(connection).shares_copies:
        numbers = first_texts(connection, numbers)
    before: list[list[int]] = []
    rows: list[dict[str, int]] = []
    for chunk in chunks(numbers, _CHUNK):
        before += _reopened(connection, chunk)
        tally = (
            sa.select(annotations.c.text_id, sa.func.count().label("n"))
            .where(schema.is_counted, annotations.c.text_id.in_(chunk))
            .group_by(annotations.c.text_id)
        )
        given = {row.text_id: row.n for row in connection.execute(tally)}
        rows += [{"text_id": text, "labels": given.get(text, 0) + labels} for text in chunk]
    _write_reopened(connection, rows)
    after = [[row["text_id"], row["labels"]] for row in rows]
    return {"texts": [*numbers], "before": before, "after": after}


def close_again(connection: Connection, detail: Detail) -> None:
    """Undo `reopen`, by what it returned: the texts want what the rules say.

    Raises
    ------
    ConflictError
        If they were reopened again or deleted since.
    """
    held = [pair for chunk in chunks(detail["texts"], _CHUNK) for pair in _reopened(connection, chunk)]
    if sorted(held) != sorted(detail["after"]):
        problem = "some of these texts were reopened again or deleted since; undo that first"
        raise ConflictError(problem, code="in_the_way")
    known = {text for text, _ in detail["before"]}
    forgotten = [text for text in detail["texts"] if text not in known]
    for chunk in chunks(forgotten, _CHUNK):
        connection.execute(sa.delete(schema.reopened).where(schema.reopened.c.text_id.in_(chunk)))
    mark_again(connection, read_state(connection), forgotten)
    _write_reopened(connection, _wishes(detail["before"]))


def assign(connection: Connection, numbers: Sequence[int], name: str, *, now: float) -> Detail:
    """Give texts to one person alone, before all others; those that he or she knows are left out.

    Who had one on the screen may still answer. A text that wanted no label wants one more.

    Raises
    ------
    NotFoundError
        If there is no such person.
    ConflictError
        If they are removed.
    """
    person, state, ranking = lock_annotator(connection, name), read_state(connection), schema.ranking
    numbers = first_texts(connection, numbers) if state.shares_copies else numbers
    check_present(person)
    known = {
        number
        for table, stands in ((schema.annotations, schema.is_standing), (schema.skips, _stands))
        for number in connection.scalars(
            sa.select(table.c.text_id).where(table.c.annotator_id == person.id, stands)
        )
    } | {*connection.scalars(sa.select(schema.gold.c.text_id))}
    texts = [number for number in numbers if number not in known]
    open_now = {
        number
        for chunk in chunks(texts, _CHUNK)
        for number in connection.scalars(
            sa.select(ranking.c.text_id).where(
                ranking.c.round_id == state.base_round, ranking.c.open, ranking.c.text_id.in_(chunk)
            )
        )
    }
    closed = [number for number in texts if number not in open_now]
    again = reopen(connection, closed, 1) if closed else {"texts": [], "before": [], "after": []}
    before: list[dict[str, Any]] = []
    for chunk in chunks(texts, _CHUNK):
        given = sa.select(schema.leases).where(schema.leases.c.text_id.in_(chunk), _is_assigned)
        before += [dict(row._mapping) for row in connection.execute(given)]
        take_from_others(connection, chunk)
        rows = [
            {
                "text_id": number,
                "annotator_id": person.id,
                "issued_at": now,
                "expires_at": now + LONGEST_ASSIGNMENT,
                "seconds": LONGEST_ASSIGNMENT,
                "round_id": state.current_round,
                "reason": ASSIGNED,
            }
            for number in chunk
        ]
        connection.execute(sa.insert(schema.leases), rows)
    return {"texts": texts, "annotator": person.id, "reopened": dict(again), "leases": before}


def take_back(connection: Connection, detail: Detail) -> None:
    """Undo `assign`, by what it returned: texts that the person has not decided go to anybody.

    Those that were assigned to somebody before, who may still label them, are theirs again.
    """
    leases, people = schema.leases, schema.annotators
    taken: set[int] = set()
    for chunk in chunks(detail["texts"], _CHUNK):
        mine = leases.c.text_id.in_(chunk), leases.c.annotator_id == detail["annotator"]
        taken.update(
            connection.scalars(sa.delete(leases).where(*mine, _is_assigned).returning(leases.c.text_id))
        )
    active = {*connection.scalars(sa.select(people.c.id).where(people.c.standing == Standing.ACTIVE.value))}
    given = (row for row in detail.get("leases", ()) if row["text_id"] in taken)
    if rows := [row for row in given if row["annotator_id"] in active]:
        connection.execute(sa.insert(leases), rows)
        release_decided(connection)
    close_again(connection, detail["reopened"])


def change_gold(connection: Connection, labels: Mapping[str, str | None], *, now: float) -> Detail:
    """Do as `jurybox.store.gold.set_gold`, and return what held before and holds now."""
    labels = of_first_texts(connection, labels)
    before: dict[str, str | None] = dict.fromkeys(labels)
    for chunk in chunks(labels, _CHUNK):
        before.update(_known_labels(connection, schema.texts.c.external_id.in_(chunk)))
    set_gold(connection, labels, now=now)
    return {"before": before, "after": dict(labels)}


def gold_again(connection: Connection, detail: Detail, *, now: float) -> Detail:
    """Undo `change_gold`, by what it returned; return what undoes that.

    Raises
    ------
    ConflictError
        If one of the labels is known to be another one since.
    """
    for chunk in chunks(detail["after"], _CHUNK):
        held = _known_labels(connection, schema.texts.c.external_id.in_(chunk))
        for text in chunk:
            if held.get(text) != detail["after"][text]:
                problem = f"what is known of text {text!r} was changed since; undo that first"
                raise ConflictError(problem, code="in_the_way")
    return change_gold(connection, detail["before"], now=now)


_is_assigned = schema.leases.c.reason == ASSIGNED
_stands = schema.skips.c.retired_at.is_(None)


def _known_labels(connection: Connection, which: sa.ColumnElement[bool]) -> dict[str, str]:
    """Return the labels of gold texts by id."""
    gold, texts, classes = schema.gold, schema.texts, schema.classes
    joined = gold.join(texts, texts.c.id == gold.c.text_id).join(classes)
    query = sa.select(texts.c.external_id, classes.c.name).select_from(joined).where(which)
    return {row.external_id: row.name for row in connection.execute(query)}


def _is_void() -> sa.ColumnElement[bool]:
    """Whether a label was given to a whole cluster, and that was undone, or its text is in the audit sample.

    Such a label bears the time of the event that gave it, also as a row that was restored.
    """
    annotations, audit, history = schema.annotations, schema.audit, schema.history
    given = history.c.verb == "label cluster", history.c.created_at == annotations.c.created_at
    undone = sa.exists().where(*given, history.c.undone_by.is_not(None))
    holds = sa.exists().where(*given, history.c.undone_by.is_(None))
    audited = sa.exists().where(audit.c.text_id == annotations.c.text_id)
    return sa.and_(annotations.c.origin == "cluster", sa.or_(audited, sa.and_(undone, ~holds)))


def _copy_rulings(connection: Connection, new: Mapping[int, int]) -> None:
    """Say of annotations that stand for earlier ones what a reviewer said with those."""
    rulings = schema.rulings
    said = connection.execute(sa.select(rulings).where(rulings.c.annotation_id.in_(new))).all()
    if said:
        rows = [{"annotation_id": new[row.annotation_id], "reason": row.reason} for row in said]
        connection.execute(sa.insert(rulings), rows)


def _reopened(connection: Connection, numbers: Sequence[int]) -> list[list[int]]:
    """Return which of some texts are reopened, with the labels that each wants."""
    reopened = schema.reopened
    query = sa.select(reopened.c.text_id, reopened.c.labels).where(reopened.c.text_id.in_(numbers))
    return [list(row) for row in connection.execute(query)]


def _wishes(pairs: Iterable[Sequence[int]]) -> list[dict[str, int]]:
    return [{"text_id": text, "labels": n} for text, n in pairs]


def _write_reopened(connection: Connection, rows: Sequence[Mapping[str, int]]) -> None:
    if not rows:
        return
    reopened, numbers = schema.reopened, [row["text_id"] for row in rows]
    for chunk in chunks(numbers, _CHUNK):
        connection.execute(sa.delete(reopened).where(reopened.c.text_id.in_(chunk)))
    connection.execute(sa.insert(reopened), rows)
    mark_again(connection, read_state(connection), numbers)


def _copied(row: sa.Row[Any]) -> dict[str, Any]:
    """Return a row's values for another one in its place; the key belongs to the request that made it."""
    left_out = ("id", "retired_by", "idempotency_key")
    return {name: value for name, value in row._mapping.items() if name not in left_out}


def insert_annotations(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> list[int]:
    """Add annotations as they are; return their numbers. Counters and places are the caller's."""
    if not rows:
        return []
    numbers = sa.insert(schema.annotations).returning(schema.annotations.c.id, sort_by_parameter_order=True)
    return list(connection.scalars(numbers, rows))


def _retire(connection: Connection, old: Sequence[int], new: Sequence[int]) -> None:
    annotations = schema.annotations
    retire = sa.update(annotations).where(annotations.c.id == sa.bindparam("a_old"))
    if old:
        rows = [{"a_old": one, "a_new": other} for one, other in zip(old, new, strict=True)]
        connection.execute(retire.values(retired_by=sa.bindparam("a_new")), rows)


def _recount(connection: Connection, rows: Sequence[sa.Row[Any]], by: int) -> None:
    """Bring counters of people and places of texts up to date with labels that came or went."""
    for annotator, n in Counter(row.annotator_id for row in rows).items():
        count(connection, annotator, n_annotations=by * n)
    settle(connection, read_state(connection), {row.text_id for row in rows})


def _count_gold(connection: Connection) -> None:
    n = sa.select(sa.func.count()).select_from(schema.gold)
    write_state(connection, n_gold=connection.scalar(n))
