"""Single rows of annotations, skips and loans: found, added, retired, counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from jurybox.errors import InputError, NotFoundError
from jurybox.questions import Question
from jurybox.store import schema
from jurybox.store.records import KnownName
from jurybox.store.state import add_answers, read_questions
from jurybox.written import answer_written

GOLD = "gold"
"""The reason that is stored with the annotation of a gold text."""

SUBMIT = "submit"
"""The verb under which replies to submits are kept that stored nothing: other labels carry their keys."""


@dataclass(frozen=True)
class Situation:
    """What is known of an annotator and a text when something is decided about it.

    Attributes
    ----------
    text_id, class_id
        Numbers of the text and of the class that its new label names.
    standing, standing_class
        The annotation by which the annotator has labelled the text already, if there is one, and its class.
    skip
        The annotator's skip of the text, if there is one.
    keyed, keyed_text, keyed_class
        The annotation that came under the same idempotency key, if there is one.
    answered
        Whether a label that was there already was the answer to that key.
    loan, gold_loan
        Whether the annotator's loan of the text lasts, as an ordinary text and as a gold text; None where
        there is no such loan, or it went to someone else.
    served
        Whether an earlier loan of the text has ended; None where there was none.
    round_id, reason, selection_probability
        Of the loan, or else of the earlier one.
    """

    text_id: int
    class_id: int | None
    standing: int | None
    standing_class: int | None
    skip: int | None
    keyed: int | None
    keyed_text: int | None
    keyed_class: int | None
    answered: bool
    loan: bool | None
    gold_loan: bool | None
    served: bool | None
    round_id: int | None
    reason: str | None
    selection_probability: float | None

    @property
    def is_lent(self) -> bool:
        """Whether the annotator holds the text now."""
        return bool(self.loan or self.gold_loan)

    @property
    def was_lent(self) -> bool:
        """Whether the annotator has read the text: holds it, held it, or has decided on it."""
        signs = self.loan, self.gold_loan, self.served, self.standing, self.skip
        return any(sign is not None for sign in signs)

    @property
    def provenance(self) -> dict[str, object]:
        """How the text came to its annotator; what the task of a gold text said of itself is not stored."""
        if self.reason is None:
            return {"origin": "direct"}
        return {
            "origin": "queue",
            "round_id": self.round_id,
            "reason": self.reason,
            "selection_probability": self.selection_probability,
        }


def lock_situation(
    connection: Connection,
    annotator_id: int,
    text: str,
    *,
    label: str | None = None,
    key: str | None = None,
    now: float,
) -> Situation | None:
    """Find out what is known of an annotator and a text, and let nobody else label it meanwhile.

    Returns
    -------
    Situation or None
        None where there is no such text.

    Raises
    ------
    InputError
        If there is no such class.
    """
    values = {"external_id": text, "name": label, "annotator": annotator_id, "key": key, "now": now}
    row = connection.execute(_SITUATION, values).one_or_none()
    found = None if row is None else Situation(**row._mapping)
    if label is not None and (found is None or found.class_id is None or not found.was_lent):
        number = class_number(connection, label)  # of texts of others, too: that takes as long as of none
        found = None if found is None else replace(found, class_id=number)
    return found


def is_person(name: str) -> sa.ColumnElement[bool]:
    """Whether a row of `schema.annotators` is the person of a name, by their number where it is known."""
    annotators = schema.annotators
    return annotators.c.id == name.number if isinstance(name, KnownName) else annotators.c.name == name


def known(found: Situation | None, text: str) -> Situation:
    """Return what was found.

    Raises
    ------
    NotFoundError
        If that is nothing.
    """
    if found is None:
        raise NotFoundError(f"there is no text with id {text!r} in this project")
    return found


def remember(connection: Connection, loans: sa.Table, *which: sa.ColumnElement[bool]) -> None:
    """Note loans that are about to end without a label, so that a late answer finds them."""
    reason: Any = sa.literal(GOLD) if loans is schema.gold_leases else loans.c.reason
    probability: Any = sa.null() if loans is schema.gold_leases else loans.c.selection_probability
    insert = _insert_served(connection.dialect.name)
    ended = sa.select(loans.c.annotator_id, loans.c.text_id, loans.c.round_id, reason, probability)
    changed = {name: insert.excluded[name] for name in _SERVED[2:]}
    connection.execute(
        insert.from_select(_SERVED, ended.where(*which)).on_conflict_do_update(
            index_elements=_SERVED[:2], set_=changed
        )
    )


def note_served(connection: Connection, annotator_id: int, place: Any) -> None:
    """Note that an annotator has read a text, whose place in the queue is given, without a loan."""
    row = {"annotator_id": annotator_id, **{name: getattr(place, name) for name in _SERVED[1:]}}
    connection.execute(_insert_served(connection.dialect.name).values(row).on_conflict_do_nothing())


def count_loans(connection: Connection, annotator_id: int, now: float) -> int:
    """Count the texts that an annotator holds."""
    return connection.scalar(_N_LOANS, {"annotator": annotator_id, "now": now}) or 0


def insert_annotation(connection: Connection, **values: object) -> int:
    """Add a row and return its number; with the opinion that its annotator was shown of the text, if any."""
    whose = {"viewer": values["annotator_id"], "viewed": values["text_id"]}
    return int(connection.execute(_INSERT, {**_UNSAID, **values, **whose}).scalar_one())


def replace_annotation(
    connection: Connection,
    old: int,
    text_id: int,
    annotator_id: int,
    class_id: int | None,
    *,
    origin: str,
    comment: str,
    now: float,
) -> int:
    """Add a row in place of a standing one; it takes over how the text was selected.

    A reviewer's decision that is changed is still one.
    """
    annotations = schema.annotations
    retire = sa.update(annotations).where(annotations.c.id == old)
    row = connection.execute(sa.select(annotations).where(annotations.c.id == old)).one()
    connection.execute(retire.values(retired_by=old))  # only one may stand; its successor has no number yet
    new = insert_annotation(
        connection,
        text_id=text_id,
        annotator_id=annotator_id,
        class_id=class_id,
        created_at=now,
        seconds=row.seconds,
        comment=comment,
        origin=row.origin if (row.origin, origin) == ("review", "change") else origin,
        round_id=row.round_id,
        reason=row.reason,
        selection_probability=row.selection_probability,
    )
    connection.execute(retire.values(retired_by=new))
    return new


def standing_annotation(connection: Connection, annotator_id: int, text_id: int) -> sa.Row[Any, Any] | None:
    """Return the number and class of what an annotator says of a text, if anything."""
    values = {"text": text_id, "annotator": annotator_id}
    return connection.execute(_STANDING, values).one_or_none()


def standing_skip(connection: Connection, annotator_id: int, text_id: int) -> int | None:
    """Return the number of an annotator's skip of a text, if there is one."""
    return connection.scalar(_STANDING_SKIP, {"text": text_id, "annotator": annotator_id})


def insert_skip(connection: Connection, annotator_id: int, text_id: int, reason: str, now: float) -> None:
    """Add a skip, behind the annotator's last annotation."""
    row = {"text_id": text_id, "annotator_id": annotator_id, "reason": reason, "created_at": now}
    mine = schema.annotations.c.annotator_id == annotator_id
    last = sa.select(sa.func.coalesce(sa.func.max(schema.annotations.c.id), 0)).where(mine)
    connection.execute(sa.insert(schema.skips).values(**row, after_annotation=last.scalar_subquery()))


def retire_skip(connection: Connection, annotator_id: int, text_id: int, now: float) -> bool:
    """Take a skip back; false if there was none."""
    number = standing_skip(connection, annotator_id, text_id)
    if number is None:
        return False
    connection.execute(sa.update(schema.skips).where(schema.skips.c.id == number).values(retired_at=now))
    return True


def count(connection: Connection, annotator_id: int, *, n_annotations: int = 0, n_skips: int = 0) -> None:
    """Keep an annotator's counters right."""
    values = {"annotator": annotator_id, "annotations": n_annotations, "skips": n_skips}
    connection.execute(_COUNT, values)


def class_number(connection: Connection, label: str) -> int:
    """Return the number of a class.

    Raises
    ------
    InputError
        If there is no class of this name; in a project with several questions, if it is no answer to them.
    """
    number = connection.scalar(_CLASS, {"name": label})
    if number is None and (questions := read_questions(connection)):
        return _answer_number(connection, questions, label)
    if number is None:
        names = connection.scalars(sa.select(schema.classes.c.name).order_by(schema.classes.c.id)).all()
        raise InputError(f"label is {label!r}, expected one of {', '.join(map(repr, names))}")
    return int(number)


def _answer_number(connection: Connection, questions: Sequence[Question], label: str) -> int:
    """Return the number of an answer to several questions, which is added where nobody has given it yet."""
    written = answer_written(questions, label)
    number = connection.scalar(_CLASS, {"name": written})
    if number is None:
        add_answers(connection, questions, [written])
        number = connection.execute(_CLASS, {"name": written}).scalar_one()
    return int(number)


# Built once: building a statement takes longer than running it.
_TEXT, _ANNOTATOR = sa.bindparam("text", type_=sa.Integer), sa.bindparam("annotator", type_=sa.Integer)
_SHOWN = sa.and_(
    schema.shown.c.annotator_id == sa.bindparam("viewer", type_=sa.Integer),
    schema.shown.c.text_id == sa.bindparam("viewed", type_=sa.Integer),
)
_INSERT = (
    sa.insert(schema.annotations)
    .values(
        {
            name: sa.select(schema.shown.c[name]).where(_SHOWN).scalar_subquery()
            for name in ("suggested_by", "suggested_class")
        }
    )
    .returning(schema.annotations.c.id)
)
_UNSAID = {
    "comment": "",
    "seconds": None,
    "round_id": None,
    "reason": None,
    "selection_probability": None,
    "idempotency_key": None,
}
_STANDING = sa.select(schema.annotations.c.id, schema.annotations.c.class_id).where(
    schema.annotations.c.text_id == _TEXT, schema.annotations.c.annotator_id == _ANNOTATOR, schema.is_standing
)
_STANDING_SKIP = sa.select(schema.skips.c.id).where(
    schema.skips.c.annotator_id == _ANNOTATOR,
    schema.skips.c.text_id == _TEXT,
    schema.skips.c.retired_at.is_(None),
)
_COUNT = (
    sa.update(schema.annotators)
    .where(schema.annotators.c.id == _ANNOTATOR)
    .values(
        n_annotations=schema.annotators.c.n_annotations + sa.bindparam("annotations", type_=sa.Integer),
        n_skips=schema.annotators.c.n_skips + sa.bindparam("skips", type_=sa.Integer),
    )
)
_CLASS = sa.select(schema.classes.c.id).where(schema.classes.c.name == sa.bindparam("name"))


_SERVED = ["annotator_id", "text_id", "round_id", "reason", "selection_probability"]
_NOW = sa.bindparam("now", type_=sa.Double)
_N_LEASES, _N_GOLD_LEASES = (
    sa.select(sa.func.count())
    .where(loans.c.annotator_id == _ANNOTATOR, schema.is_lent(loans, _NOW))
    .scalar_subquery()
    for loans in (schema.leases, schema.gold_leases)
)
_N_LOANS = sa.select(_N_LEASES + _N_GOLD_LEASES)


@cache
def _insert_served(dialect: str) -> Any:
    return (sqlite if dialect == "sqlite" else postgresql).insert(schema.served)


def _situation() -> sa.Select[Any]:
    texts, skips, served, replies = schema.texts, schema.skips, schema.served, schema.replies
    leases, golden = schema.leases, schema.gold_leases
    standing, keyed = schema.annotations.alias("standing"), schema.annotations.alias("keyed")
    mine = sa.and_(
        standing.c.text_id == texts.c.id,
        standing.c.annotator_id == _ANNOTATOR,
        standing.c.retired_by.is_(None),
        standing.c.class_id.is_not(None),
    )
    skipped = sa.and_(
        skips.c.annotator_id == _ANNOTATOR, skips.c.text_id == texts.c.id, skips.c.retired_at.is_(None)
    )
    same_key = sa.and_(
        keyed.c.annotator_id == _ANNOTATOR, keyed.c.idempotency_key == sa.bindparam("key", type_=sa.String)
    )

    answered = sa.exists().where(
        replies.c.annotator_id == _ANNOTATOR,
        replies.c.verb == SUBMIT,
        replies.c.key == sa.bindparam("key", type_=sa.String),
    )

    def of(loans: sa.Table) -> sa.ColumnElement[bool]:
        return sa.and_(loans.c.text_id == texts.c.id, loans.c.annotator_id == _ANNOTATOR)

    def latest(name: str, gold: Any) -> sa.ColumnElement[Any]:
        return sa.case(
            (golden.c.text_id.is_not(None), gold),
            (leases.c.text_id.is_not(None), leases.c[name]),
            else_=served.c[name],
        ).label(name)

    def lasts(loans: sa.Table) -> sa.ColumnElement[Any]:
        """Say so of the annotator's loan; NULL where there is none."""
        return sa.case((loans.c.text_id.is_not(None), sa.case((schema.is_lent(loans, _NOW), 1), else_=0)))

    return (
        sa.select(
            texts.c.id.label("text_id"),
            _CLASS.scalar_subquery().label("class_id"),
            standing.c.id.label("standing"),
            standing.c.class_id.label("standing_class"),
            skips.c.id.label("skip"),
            keyed.c.id.label("keyed"),
            keyed.c.text_id.label("keyed_text"),
            keyed.c.class_id.label("keyed_class"),
            answered.label("answered"),
            lasts(leases).label("loan"),
            lasts(golden).label("gold_loan"),
            sa.case((served.c.text_id.is_not(None), 1)).label("served"),
            latest("round_id", golden.c.round_id),
            latest("reason", sa.literal(GOLD)),
            latest("selection_probability", sa.null()),
        )
        .select_from(
            texts.outerjoin(standing, mine)
            .outerjoin(skips, skipped)
            .outerjoin(keyed, same_key)
            .outerjoin(leases, of(leases))
            .outerjoin(golden, of(golden))
            .outerjoin(served, of(served))
        )
        .where(texts.c.external_id == sa.bindparam("external_id"))
        .with_for_update(key_share=True, of=texts)
    )


_SITUATION = _situation()
