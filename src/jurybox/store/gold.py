"""Gold texts: texts whose label is known, by which annotators are judged.

The known label is evidence about annotators and nothing else: it is neither a label of the consensus nor
trained on. What annotators say of a gold text is an annotation like any other. Gold texts leave the ordinary
queue and are mixed into everyone's instead; those of the audit sample stay where they are, so that the sample
stays a random one, and count as evidence all the same.

They are handed out so that nobody can tell them from others. Which of the texts that a person gets is a gold
text is drawn by lot for each place in their sequence, from the project's seed: giving a text back and asking
again yields the same answer and betrays nothing. A gold text comes in the place of an ordinary one and says
of itself what that one would have said. Any number of people may have the same gold text in hand; each gets
it at most once, in an order of their own. New annotators may be tested on gold texts before they get any
other text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from jurybox.arrays import spread
from jurybox.questions import Question
from jurybox.store import schema
from jurybox.store.filters import text_numbers
from jurybox.store.locks import serialise
from jurybox.store.ranks import chunks, mark_gold
from jurybox.store.records import Role
from jurybox.store.rows import GOLD, class_number, remember
from jurybox.store.settings import ProjectSettings
from jurybox.store.state import ProjectState, read_classes, read_questions, read_state, write_state
from jurybox.written import answer_code, gold_is_met

_CHUNK = 500


@dataclass(frozen=True)
class GoldAnswers:
    """How many gold texts a person has labelled, and how many as is known to be right."""

    n: int
    right: int


def set_gold(connection: Connection, labels: Mapping[str, str | None], *, now: float) -> None:
    """Make texts gold texts with these labels; a label of None makes them ordinary again.

    Where copies share labels, what is known of a copy is known of the first text (`of_first_texts`).

    Raises
    ------
    NotFoundError
        If there is no text of one of the ids.
    InputError
        If there is no such class.
    """
    serialise(connection, "round")
    gold, leases = schema.gold, schema.gold_leases
    labels = of_first_texts(connection, labels)
    classes = {label: class_number(connection, label) for label in {*labels.values()} if label is not None}
    for chunk in chunks(labels.items(), _CHUNK):
        numbers = text_numbers(connection, [text for text, _ in chunk])
        rows = [
            {"text_id": numbers[text], "class_id": classes[label], "created_at": now}
            for text, label in chunk
            if label is not None
        ]
        ordinary = [numbers[text] for text, label in chunk if label is None]
        connection.execute(sa.delete(gold).where(gold.c.text_id.in_(numbers.values())))
        remember(connection, leases, leases.c.text_id.in_(ordinary))
        connection.execute(sa.delete(leases).where(leases.c.text_id.in_(ordinary)))
        served = sa.update(schema.served).where(schema.served.c.text_id.in_(ordinary))
        connection.execute(served.where(schema.served.c.reason == GOLD).values(reason=None))
        if rows:
            connection.execute(sa.insert(gold), rows)
        mark_gold(connection, read_state(connection), numbers.values())
    write_state(connection, n_gold=connection.scalar(sa.select(sa.func.count()).select_from(gold)))


def of_first_texts(connection: Connection, labels: Mapping[str, str | None]) -> dict[str, str | None]:
    """Return labels by id in which what is known of a copy is known of the first text; the last one counts.

    As they were where copies share no labels.
    """
    first = _first_ids(connection, [*labels])
    return {first.get(text, text): label for text, label in labels.items()}


def pass_on(connection: Connection, *, now: float) -> None:
    """Let what is known of copies be known of their first texts: for when copies begin to share labels."""
    own = read_gold(connection)
    copies = {text: own.pop(text) for text in _first_ids(connection, [*own])}
    if copies:
        numbers = text_numbers(connection, copies).values()
        connection.execute(sa.delete(schema.gold).where(schema.gold.c.text_id.in_(numbers)))
        set_gold(connection, {**of_first_texts(connection, copies), **own}, now=now)


def read_gold(connection: Connection) -> dict[str, str]:
    """Return the known labels by text, in the order of the texts."""
    texts, classes, gold = schema.texts, schema.classes, schema.gold
    query = (
        sa.select(texts.c.external_id, classes.c.name)
        .select_from(
            gold.join(texts, texts.c.id == gold.c.text_id).join(classes, classes.c.id == gold.c.class_id)
        )
        .order_by(texts.c.id)
    )
    return {row.external_id: row.name for row in connection.execute(query)}


def read_answers(connection: Connection) -> dict[str, GoldAnswers]:
    """Return by name what everyone who has labelled gold texts made of them, however the texts came."""
    annotators = schema.annotators
    names = {row.id: row.name for row in connection.execute(sa.select(annotators.c.id, annotators.c.name))}
    return {
        names[number]: found for number, found in _tallies(connection, read_questions(connection)).items()
    }


def is_mixed_in(connection: Connection, text_id: int) -> bool:
    """Whether a text is a gold text that is asked for outside of the ordinary queue."""
    return connection.execute(_MIXED_IN, {"text": text_id}).first() is not None


def count_mixed_in(connection: Connection) -> int:
    """Count the gold texts that are asked for outside of the ordinary queue."""
    return connection.scalar(_N_MIXED_IN) or 0


def answers_of(connection: Connection, state: ProjectState, annotator_id: int) -> GoldAnswers:
    """Return what one person has made of gold texts."""
    whose = schema.annotations.c.annotator_id == annotator_id
    return _tallies(connection, state.questions, whose).get(annotator_id, GoldAnswers(0, 0))


def without_deleted(connection: Connection, labels: Mapping[str, str | None]) -> dict[str, str | None]:
    """Return what is known of texts by id, but of those that are deleted."""
    texts, left = schema.stored_texts, dict(labels)
    for chunk in chunks(labels, _CHUNK):
        gone = texts.c.external_id.in_(chunk), texts.c.withdrawn_at.is_not(None)
        for name in connection.scalars(sa.select(texts.c.external_id).where(*gone)):
            del left[name]
    return left


def _first_ids(connection: Connection, ids: Sequence[str]) -> dict[str, str]:
    """Return of copies the ids of their first texts; empty where copies share no labels."""
    if not read_state(connection).shares_copies:
        return {}
    groups, copies, firsts = schema.groups, schema.texts.alias("copies"), schema.texts.alias("firsts")
    query = sa.select(copies.c.external_id, firsts.c.external_id.label("first")).select_from(
        groups.join(copies, copies.c.id == groups.c.text_id).join(firsts, firsts.c.id == groups.c.copy_of)
    )
    return {
        row.external_id: row.first
        for chunk in chunks(ids, _CHUNK)
        for row in connection.execute(query.where(copies.c.external_id.in_(chunk)))
    }


def _tallies(
    connection: Connection, questions: tuple[Question, ...], *whose: sa.ColumnElement[bool]
) -> dict[int, GoldAnswers]:
    """Return by number of the person, in order, how many gold texts were labelled and how many rightly.

    Answers to several questions are right where nothing of them is wrong: not all of them may be asked for.
    """
    gold, said = schema.gold, schema.annotations
    pairs = (
        sa.select(
            said.c.annotator_id, gold.c.class_id, said.c.class_id.label("given"), sa.func.count().label("n")
        )
        .select_from(gold.join(said, said.c.text_id == gold.c.text_id))
        .where(schema.is_standing, *whose)
        .group_by(said.c.annotator_id, gold.c.class_id, said.c.class_id)
        .order_by(said.c.annotator_id)
    )
    found: dict[int, GoldAnswers] = {}
    rows = connection.execute(pairs).all()
    names = dict(enumerate(read_classes(connection))) if questions and rows else {}
    for row in rows:
        right = row.class_id == row.given
        if questions and not right:
            known, given = (answer_code(questions, names[number]) for number in (row.class_id, row.given))
            right = gold_is_met(known, given)
        before = found.get(row.annotator_id, GoldAnswers(0, 0))
        found[row.annotator_id] = GoldAnswers(before.n + row.n, before.right + right * row.n)
    return found


# Built once: building a statement takes longer than running it.
_IN_AUDIT = sa.exists().where(schema.audit.c.text_id == schema.gold.c.text_id)
_MIXED_IN = sa.select(schema.gold.c.text_id).where(
    schema.gold.c.text_id == sa.bindparam("text", type_=sa.Integer), ~_IN_AUDIT
)
_N_MIXED_IN = sa.select(sa.func.count()).select_from(schema.gold).where(~_IN_AUDIT)


def place(
    connection: Connection,
    state: ProjectState,
    annotator: sa.Row[Any],
    rows: Sequence[Any],
    n_held: int,
    now: float,
    *,
    all_places: bool,
) -> dict[int, int]:
    """Return the gold texts that a person gets instead of some of these texts, by their places.

    Parameters
    ----------
    n_held
        How many texts the person holds.
    all_places
        Whether every place is for a gold text, instead of those that are drawn by lot.
    """
    first = annotator.n_annotations + annotator.n_skips + n_held
    places = list(range(len(rows))) if all_places else _drawn(state, annotator.id, first, len(rows))
    texts = unseen(connection, state, annotator.id, now) if places else ()
    return dict(zip(places, texts, strict=False))


def unseen(connection: Connection, state: ProjectState, annotator_id: int, now: float) -> list[int]:
    """Return the gold texts that a person neither had nor has, in the order in which they come."""
    numbers = connection.scalars(_UNSEEN, {"annotator": annotator_id, "now": now}).all()
    places = spread(np.asarray(numbers, dtype=np.int64), ~_seed(state, annotator_id))
    return [numbers[at] for at in np.argsort(places)]


def lend(
    connection: Connection,
    annotator_id: int,
    text_id: int,
    place: sa.Row[Any],
    seconds: float,
    now: float,
) -> sa.Row[Any]:
    """Lend a gold text in the place of an ordinary one, of which the row of the ranking is given."""
    behind = connection.execute(_BEHIND, {"round": place.round_id, "position": place.position}).first()
    score = place.score
    if score is not None and behind is not None and behind.score is not None:
        score = (score + behind.score) / 2  # the text that was to come here comes later, with its own score
    connection.execute(
        _upsert(connection.dialect.name),
        {
            "annotator_id": annotator_id,
            "text_id": text_id,
            "issued_at": now,
            "expires_at": now + seconds,
            "seconds": seconds,
            "round_id": place.round_id,
            "position": place.position,
            "reason": place.reason,
            "score": score,
            "selection_probability": place.selection_probability,
            "asked": place.asked,
        },
    )
    return connection.execute(_LENT, {"annotator": annotator_id, "text": text_id}).one()


def held(connection: Connection, annotator_id: int, now: float) -> list[sa.Row[Any]]:
    """Return the gold texts that a person holds, in the form of ordinary texts in hand."""
    return list(connection.execute(_HELD, {"annotator": annotator_id, "now": now}))


def forget(connection: Connection, annotator_id: int, text_id: int) -> None:
    """Take a gold text out of a person's hands; nothing happens if it is not there."""
    connection.execute(_FORGET, {"annotator": annotator_id, "text": text_id})


def _drawn(state: ProjectState, annotator_id: int, first: int, n: int) -> list[int]:
    """Return which of n places, from the `first` of a person's sequence on, a gold text takes."""
    lots = spread(np.arange(first, first + n), _seed(state, annotator_id))
    drawn: list[int] = np.flatnonzero(lots < state.settings.gold_share * 2**32).tolist()
    return drawn


def _seed(state: ProjectState, annotator_id: int) -> int:
    return (state.settings.seed << 32) + annotator_id + 1


# Built once: building a statement takes longer than running it.


_FIELDS = [column.name for column in schema.gold_leases.columns]


def _upsert(dialect: str) -> Any:
    leases = schema.gold_leases
    insert = (sqlite if dialect == "sqlite" else postgresql).insert(leases)
    keys = ["annotator_id", "text_id"]
    changed = {name: insert.excluded[name] for name in _FIELDS if name not in keys}
    return insert.on_conflict_do_update(index_elements=keys, set_=changed)


_ANNOTATOR, _TEXT = sa.bindparam("annotator", type_=sa.Integer), sa.bindparam("text", type_=sa.Integer)
_ROUND = sa.bindparam("round", type_=sa.Integer)
_MINE = sa.and_(schema.gold_leases.c.annotator_id == _ANNOTATOR, schema.gold_leases.c.text_id == _TEXT)
_NOW = sa.bindparam("now", type_=sa.Double)
_TEXTS_IN_HAND = sa.select(
    schema.texts.c.id,
    schema.texts.c.external_id,
    schema.texts.c.text,
    schema.texts.c.metadata.label("about"),
    schema.gold_leases,
).join(schema.texts, schema.texts.c.id == schema.gold_leases.c.text_id)
_FORGET = sa.delete(schema.gold_leases).where(_MINE)
_LENT = _TEXTS_IN_HAND.where(_MINE)
_HELD = _TEXTS_IN_HAND.where(
    schema.gold_leases.c.annotator_id == _ANNOTATOR, schema.is_lent(schema.gold_leases, _NOW)
)
_BEHIND = (
    sa.select(schema.ranking.c.score)
    .where(
        schema.ranking.c.round_id == _ROUND,
        schema.ranking.c.open,
        schema.ranking.c.position > sa.bindparam("position", type_=sa.BigInteger),
    )
    .order_by(schema.ranking.c.position, schema.ranking.c.text_id)
    .limit(1)
)
_UNSEEN = sa.select(schema.gold.c.text_id).where(
    ~sa.exists().where(schema.audit.c.text_id == schema.gold.c.text_id),
    ~sa.exists().where(
        schema.annotations.c.text_id == schema.gold.c.text_id,
        schema.annotations.c.annotator_id == _ANNOTATOR,
        schema.is_standing,
    ),
    ~sa.exists().where(
        schema.skips.c.text_id == schema.gold.c.text_id,
        schema.skips.c.annotator_id == _ANNOTATOR,
        schema.skips.c.retired_at.is_(None),
    ),
    ~sa.exists().where(
        schema.gold_leases.c.text_id == schema.gold.c.text_id,
        schema.gold_leases.c.annotator_id == _ANNOTATOR,
        schema.is_lent(schema.gold_leases, _NOW),
    ),
)


NO_LIMIT = 2**31
_AHEAD = 5  # as many as the labelling page fetches ahead, so that there is no pause at the end of the test
_ROUNDING = 1e-9


@dataclass(frozen=True)
class TestVerdict:
    """What a person may get.

    Attributes
    ----------
    refused
        Nothing, because the test was failed.
    tested
        Gold texts and no others, while the test goes on.
    room
        The most texts.
    """

    refused: bool = False
    tested: bool = False
    room: int = NO_LIMIT


def is_tested(state: ProjectState, annotator: sa.Row[Any]) -> bool:
    """Whether a person has yet to pass the test, or has failed it; reviewers and owners are not tested."""
    wanted = state.settings.qualification_texts and state.n_gold
    return bool(wanted) and annotator.role == Role.ANNOTATOR and not annotator.qualified


def admit(
    connection: Connection, state: ProjectState, annotator: sa.Row[Any], in_hand: int, now: float
) -> TestVerdict:
    """Return what a person may get now, who holds so many gold texts.

    The verdict is given once, as soon as enough gold texts are labelled, or when there are no more of them:
    then texts that were skipped count as wrong. It does not change with labels that are changed afterwards,
    so that nobody can try until it comes out well.
    """
    if not is_tested(state, annotator):
        return TestVerdict()
    if annotator.qualified is not None:
        return TestVerdict(refused=True)
    wanted = state.settings.qualification_texts
    answers = answers_of(connection, state, annotator.id)
    if answers.n < wanted and (in_hand or unseen(connection, state, annotator.id, now)):
        return TestVerdict(tested=True, room=wanted + _AHEAD - answers.n - in_hand)
    possible = min(wanted, count_mixed_in(connection))
    least = state.settings.qualification_accuracy * max(answers.n, possible)
    verdict = answers.right >= least - _ROUNDING
    update = sa.update(schema.annotators).where(schema.annotators.c.id == annotator.id)
    connection.execute(update.values(qualified=verdict))
    return TestVerdict(refused=not verdict)


def exempt_veterans(connection: Connection, before: ProjectSettings, settings: ProjectSettings) -> None:
    """Let everyone who labels already go on, when a project begins to test new annotators."""
    if settings.qualification_texts and not before.qualification_texts:
        annotators = schema.annotators
        veterans = sa.and_(annotators.c.qualified.is_(None), annotators.c.n_annotations > 0)
        connection.execute(sa.update(annotators).where(veterans).values(qualified=True))
