"""What rounds and beliefs work on: annotations as of one row or one moment."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from jurybox.annotations import Annotations
from jurybox.questions import Question
from jurybox.sheets import AnswerSheet
from jurybox.store import schema
from jurybox.store.engine import Store
from jurybox.store.groups import Kin, first_texts, read_kin, votes_kept
from jurybox.store.locks import serialise
from jurybox.store.machines import released_texts
from jurybox.store.records import Role
from jurybox.store.services import read_pulse
from jurybox.store.state import read_classes, read_questions, read_scale, read_state
from jurybox.whole import answer_sheet


@dataclass(frozen=True)
class Snapshot:
    """What a round works on: everything up to one row of the annotations.

    Attributes
    ----------
    annotations
        All annotations that stood, over all texts.
    last_annotation
        Number of the last row that counts.
    audit : ndarray of int64
        Positions of the audit sample, which is never trained on.
    reviewed : ndarray of bool, shape (N,)
        Texts that a reviewer has decided.
    experts : ndarray of bool, shape (M,)
        Annotators whose labels count as an expert's (`read_experts`).
    gold : ndarray of int64
        Positions of the texts whose label is known, of which the ranking asks for none.
    released : ndarray of int64
        Positions of the texts whose label stands without a person; it asks for none of these either.
    kin
        Copies, whose labels are those of their first texts, and groups of near-duplicates.
    questions
        Those of a project with several, where the annotations' classes are answers to all of them.
    """

    annotations: Annotations
    last_annotation: int
    audit: NDArray[np.int64]
    reviewed: NDArray[np.bool_]
    experts: NDArray[np.bool_]
    gold: NDArray[np.int64]
    released: NDArray[np.int64]
    kin: Kin
    questions: tuple[Question, ...] = ()

    @cached_property
    def held_out(self) -> NDArray[np.int64]:
        """Positions of the audit sample and of what is like it, ascending: nothing is trained on them."""
        return self.kin.held_out(self.audit)

    @property
    def training_labels(self) -> int:
        """How many labels are not held out."""
        labels = self.annotations.n_labels
        return int(labels.sum() - labels[self.held_out].sum())

    @cached_property
    def sheet(self) -> AnswerSheet:
        """The answers to each question; of a project with one, to that."""
        if not self.questions:
            return AnswerSheet.of({"label": self.annotations})
        return answer_sheet(self.questions, self.annotations)


def read_annotations(connection: Connection, *, last: int | None = None, named: bool = True) -> Annotations:
    """Return the annotations that count, or that counted when row `last` was the last one.

    Texts that are not `named` have their numbers as ids: a million names take longer to read than all else.

    Annotations whose text, annotator or class came later cannot be among them.
    """
    annotations = schema.annotations
    stands = schema.is_counted
    if last is not None:
        stands = sa.and_(
            annotations.c.id <= last,
            annotations.c.class_id.is_not(None),
            annotations.c.annotator_id.not_in(
                sa.select(schema.annotators.c.id).where(schema.annotators.c.left_out)
            ),
            sa.or_(annotations.c.retired_by.is_(None), annotations.c.retired_by > last),
        )
    query = sa.select(*_SAID).where(stands).order_by(annotations.c.id)
    parts = [
        np.fromiter(chain.from_iterable(part), dtype=np.int32, count=len(_SAID) * len(part))
        for part in connection.execute(query).partitions(50_000)
    ]
    rows = np.concatenate([np.empty(0, dtype=np.int32), *parts]).reshape(-1, len(_SAID))
    texts = _names(_all_ids(connection)) if named else read_state(connection).n_texts
    n_texts = texts if isinstance(texts, int) else len(texts)
    rows[:, 0] = read_kin(connection, n_texts).copy_of[rows[:, 0]]
    rows = rows[votes_kept(rows[:, 0], rows[:, 1])]
    people = connection.scalars(sa.select(schema.annotators.c.name).order_by(schema.annotators.c.id)).all()
    return _annotations(connection, rows, texts, _names(people))


def read_experts(connection: Connection) -> NDArray[np.bool_]:
    """Return whose labels count as an expert's, in the order in which people came, shape (M,).

    Reviewers' do, and owners' where the settings say so: an owner who tries the labelling page is no judge.
    What anybody decides in a review counts as an expert's by itself (`jurybox.Annotations.decided`).
    """
    roles = connection.scalars(sa.select(schema.annotators.c.role).order_by(schema.annotators.c.id)).all()
    experts = {Role.REVIEWER, *([Role.OWNER] if read_state(connection).settings.owners_review else [])}
    return np.array([role in experts for role in roles], dtype=bool)


def read_audit(connection: Connection) -> NDArray[np.int64]:
    """Return the positions of the audit sample, ascending, shape (A,)."""
    audit = connection.scalars(sa.select(schema.audit.c.text_id)).all()
    return np.unique(np.asarray(first_texts(connection, audit), dtype=np.int64))


def read_held_out(connection: Connection) -> NDArray[np.int64]:
    """Return the positions of all texts that nothing is trained on: the audit sample and what is like it."""
    return read_kin(connection, read_state(connection).n_texts).held_out(read_audit(connection))


def read_snapshot(store: Store) -> Snapshot:
    """Read what a round works on, without keeping anybody waiting."""
    with store.write(durable=False) as connection:
        # Rows get their numbers before they are committed: wait for those under way.
        serialise(connection, "round")
        last = connection.scalar(sa.select(sa.func.max(schema.annotations.c.id))) or 0
    with store.read() as connection:
        annotations = read_annotations(connection, last=last, named=False)
        audit = read_audit(connection)
        review = sa.select(schema.annotations.c.text_id).where(
            schema.is_counted, schema.annotations.c.origin == "review"
        )
        kin = read_kin(connection, annotations.n_texts)
        reviewed = np.zeros(annotations.n_texts, dtype=bool)
        reviewed[kin.copy_of[np.asarray(connection.scalars(review).all(), dtype=np.int64)]] = True
        experts = read_experts(connection)[: annotations.n_annotators]
        alone = released_texts(connection)
        questions = read_questions(connection)
        gold = connection.scalars(
            sa.select(schema.gold.c.text_id).where(schema.gold.c.text_id < annotations.n_texts)
        ).all()
    return Snapshot(
        annotations,
        last,
        audit,
        reviewed,
        experts,
        np.asarray(gold, dtype=np.int64),
        alone[alone < annotations.n_texts],
        kin,
        questions,
    )


@dataclass(frozen=True, eq=False)
class StandingLabels:
    """The annotations that stand, and what is known about each of them besides its label.

    Attributes
    ----------
    annotations
        All annotations that stand, over all texts.
    times : ndarray, shape (L,)
        When each was given, Unix time in seconds.
    seconds : ndarray, shape (L,)
        Time on task; NaN where unknown.
    experts : ndarray of bool, shape (M,)
        Whose labels count as an expert's (`read_experts`).
    audit : ndarray of int, shape (A,)
        Positions of the audit sample.
    suggested : ndarray of bool, shape (L,)
        Which were given with a model's opinion on the screen.
    kin
        Copies, whose labels are those of their first texts, and groups of near-duplicates.
    withdrawn : ndarray of int, shape (D,)
        Positions of deleted texts, ascending; they have no annotations.
    """

    annotations: Annotations
    times: NDArray[np.float64]
    seconds: NDArray[np.float64]
    experts: NDArray[np.bool_]
    audit: NDArray[np.int64]
    suggested: NDArray[np.bool_]
    kin: Kin
    withdrawn: NDArray[np.int64]


def one_moment(connection: Connection) -> None:
    """Let all further statements of this transaction see the project as it is now; the first statement."""
    if connection.dialect.name != "sqlite":  # there every transaction does
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")


def read_fingerprint(connection: Connection) -> str:
    """Return a digest of all that beliefs depend on, cheap enough to ask for at every request.

    Annotations are append-only, a taking back included, so their number and the last of them tell whether any
    came. Two are needed: on PostgreSQL a row may be committed after one with a higher number.
    """
    annotators, gold = schema.annotators, schema.gold
    people = sa.select(
        annotators.c.name,
        annotators.c.role,
        annotators.c.standing,
        annotators.c.n_annotations,
        annotators.c.left_out,
    )
    known = sa.select(sa.func.count(), sa.func.sum(gold.c.text_id), sa.func.max(gold.c.created_at))
    state, pulse = read_state(connection), read_pulse(connection)
    parts = (
        connection.execute(_DELETED).one(),
        (state.settings, state.audit_rate, pulse.current_round, pulse.last, pulse.pending, pulse.texts),
        state.questions or read_classes(connection),
        connection.execute(people.order_by(annotators.c.id)).all(),
        connection.execute(known).one(),
        connection.execute(_GROUPS).one(),
        connection.execute(_RESPONSES).one(),
        connection.execute(_MACHINES).all(),
    )
    return hashlib.blake2b(repr(parts).encode(), digest_size=8).hexdigest()


def read_evidence(connection: Connection) -> StandingLabels:
    """Read everything that stands, in the order of `Annotations`: by text, then annotator."""
    annotators = schema.annotators
    rows = connection.execute(_STANDING).all()  # one statement, so that its columns fit each other
    said = np.array([row[:4] for row in rows], dtype=np.int64).reshape(-1, len(_SAID))
    measured = np.array([row[4:6] for row in rows], dtype=np.float64).reshape(-1, 2)
    ids = _all_ids(connection)
    kin = read_kin(connection, len(ids))
    said[:, 0] = kin.copy_of[said[:, 0]]
    kept = votes_kept(said[:, 0], said[:, 1])
    said, measured = said[kept], measured[kept]
    people = connection.scalars(sa.select(annotators.c.name).order_by(annotators.c.id)).all()
    return StandingLabels(
        annotations=_annotations(connection, said, ids, people),
        times=measured[:, 0],
        seconds=measured[:, 1],
        experts=read_experts(connection),
        audit=read_audit(connection),
        suggested=np.array([row.suggested_by is not None for row in rows], dtype=bool)[kept],
        kin=kin,
        withdrawn=np.array(connection.scalars(_WITHDRAWN).all(), dtype=np.int64),
    )


_Ids: TypeAlias = "Sequence[str] | NDArray[Any]"


def _annotations(connection: Connection, said: NDArray[Any], texts: _Ids | int, people: _Ids) -> Annotations:
    """Return annotations from the columns `_SAID`, in the order of texts, then people."""
    found = Annotations.from_indices(
        *said[:, :3].T,
        texts=texts,
        annotators=people,
        classes=read_classes(connection),
        scale=read_scale(connection),
    )
    return replace(found, decided=said[:, 3] == 1)


_MAY_DECIDE = sa.select(schema.annotators.c.id).where(
    schema.annotators.c.role.in_([Role.REVIEWER.value, Role.OWNER.value])
)
_IS_DECISION = sa.and_(
    schema.annotations.c.origin == "review", schema.annotations.c.annotator_id.in_(_MAY_DECIDE)
)
_SAID = (
    schema.annotations.c.text_id,
    schema.annotations.c.annotator_id,
    schema.annotations.c.class_id,
    sa.case((_IS_DECISION, 1), else_=0),
)
"""Text, annotator, class, and whether it was decided in a review, by somebody who still may."""

_WITHDRAWN = (
    sa.select(schema.stored_texts.c.id)
    .where(schema.stored_texts.c.withdrawn_at.is_not(None))
    .order_by(schema.stored_texts.c.id)
)

_DELETED = sa.select(
    sa.func.count(), sa.func.sum(schema.stored_texts.c.id), sa.func.max(schema.stored_texts.c.withdrawn_at)
).where(schema.stored_texts.c.withdrawn_at.is_not(None))
"""What tells which texts are deleted."""

_GROUPS = sa.select(
    sa.func.count(), sa.func.sum(schema.groups.c.copy_of), sa.func.sum(schema.groups.c.group_id)
)
"""What tells which texts are copies and near-duplicates."""

_RESPONSES = sa.select(
    sa.func.count(),
    sa.func.max(schema.responses.c.answered_at),
    sa.func.sum(schema.responses.c.price),
)
"""What tells whether a machine has answered since."""

_MACHINES = sa.select(schema.machines.c.id, schema.machines.c.price, schema.machines.c.stopped_at).order_by(
    schema.machines.c.id
)
"""What can change of a machine."""

_STANDING = (
    sa.select(
        *_SAID,
        schema.annotations.c.created_at,
        schema.annotations.c.seconds,
        schema.annotations.c.suggested_by,
    )
    .where(schema.is_counted)
    .order_by(schema.annotations.c.id)
)


def _all_ids(connection: Connection) -> Sequence[str]:
    """Return the ids of all N texts, deleted ones among them: a text's number is its position."""
    texts, N = schema.stored_texts, sa.select(schema.project.c.n_texts).scalar_subquery()
    return connection.scalars(sa.select(texts.c.external_id).where(texts.c.id < N).order_by(texts.c.id)).all()


def _names(values: Sequence[str]) -> NDArray[Any]:
    names = np.empty(len(values), dtype=object)
    names[:] = values
    return names
