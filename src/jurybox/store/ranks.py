"""The place of each text in the queue.

A text's `base` is its rank in the round's ranking and never changes; its `position` is what the queue is
sorted by. Each ranked text is asked for `wanted` labels (one, in a round) and then goes to the end of the
line, behind all texts that have not had theirs, in the same order::

    position = base + passes · 2⁴⁰,    passes = max(0, n − labels − wanted + 1)

where n is the text's number of labels now and `labels` that when it was ranked. So one round asks for each
text once before it asks for any twice, as the simulation does, and nobody waits for the next round.

Bases come in three bands: the first texts of the audit sample, the ranked texts, and texts that came after
the ranking. What is left of the sample lies among the ranked texts, so that models have something to learn
from long before all of it is labelled.

In a large project a round ranks only a front: the audit sample and the few thousand texts to ask for first.
The texts that it leaves out follow in the order of the last ranking that covers all texts, the base. A text
of the front has a place in the base, too, which is kept up to date and which nobody reads as long as the
front holds. `order` puts places of both in line: pass by pass, in each of them the front before the base.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from jurybox.arrays import spread
from jurybox.store import schema
from jurybox.store.engine import insert_rows
from jurybox.store.groups import first_texts
from jurybox.store.settings import ProjectSettings
from jurybox.store.state import ProjectState

AUDIT = "audit"
AGAIN = "again"
RANKED_BAND = 1 << 32
LATER_BAND = 1 << 39
PASS = 1 << 40
_CHUNK = 500
_AT_ONCE = 20
"""Audit texts that come before all others: enough to judge the first models roughly, and to be shared."""

Item = TypeVar("Item")


def audit_places(
    text_ids: NDArray[np.int64], settings: ProjectSettings, *, ranked: bool
) -> NDArray[np.int64]:
    """Return where texts of the audit sample are asked for: a few at once, the others among the ranked.

    Behind a ranking a text of the sample stands at every n-th rank, n being the labels that it wants: half of
    the labels are for the sample then.

    Parameters
    ----------
    text_ids : ndarray of int64, shape (A,)
        Numbers of the texts that want labels.
    settings
        The seed, the size that was meant for the sample, and the labels of each of its texts.
    ranked
        Whether there is a ranking; else all texts are asked for in a random order.

    Examples
    --------
    >>> small, large = ProjectSettings(audit_size=10), ProjectSettings(audit_size=200)
    >>> ids = np.arange(200)
    >>> [int((audit_places(ids, plan, ranked=True) < RANKED_BAND).sum()) for plan in (small, large)]
    [200, 21]
    """
    places = spread(text_ids, settings.seed)
    at_once = places < 2**32 * min(1.0, _AT_ONCE / max(settings.audit_size, 1))
    later = settings.audit_labels * (places.argsort().argsort() - at_once.sum()) if ranked else places
    return np.where(at_once, places, RANKED_BAND + later)


def order(place: Any) -> tuple[int, ...]:
    """Return by what places of a front and of its base are put in line: rows with position, round and text.

    Examples
    --------
    >>> from types import SimpleNamespace as Row
    >>> base = Row(round_id=1, position=RANKED_BAND, text_id=7)
    >>> front = [Row(round_id=2, position=RANKED_BAND + 3 + passes * PASS, text_id=8) for passes in (0, 1)]
    >>> [row.round_id for row in sorted([base, *front], key=order)]
    [2, 1, 2]
    """
    return place.position // PASS, -place.round_id, place.position, place.text_id


def enqueue(connection: Connection, state: ProjectState, text_ids: Sequence[int]) -> None:
    """Put new texts into the queue: spread over it before the first round, at its end after."""
    first = state.base_round == 0
    bases = spread(np.asarray(text_ids, dtype=np.int64), state.settings.seed)
    bases += RANKED_BAND if first else LATER_BAND
    common = {
        "round_id": state.base_round,
        "labels": 0,
        "wanted": state.settings.first_labels if first else 1,
        "cap": state.settings.max_labels,
        "open": True,
        "reason": "spread" if first else "new",
    }
    rows = [
        {"text_id": text_id, "base": base, "position": base, **common}
        for text_id, base in zip(text_ids, bases.tolist(), strict=True)
    ]
    insert_rows(connection, schema.ranking, rows)


def mark_audit(connection: Connection, state: ProjectState, text_ids: Sequence[int]) -> None:
    """Give texts of the audit sample their places, near the beginning, for all the labels they want."""
    ranking = schema.ranking
    labels = state.settings.audit_labels
    base = sa.bindparam("a_base", type_=sa.BigInteger)
    update = (
        sa.update(ranking)
        .where(
            ranking.c.round_id.in_([sa.bindparam("a_round"), sa.bindparam("a_front")]),
            ranking.c.text_id == sa.bindparam("a_text"),
        )
        .values(base=base, position=base, wanted=labels, cap=labels, reason=AUDIT, asked=sa.null())
    )
    numbers, ranked = np.asarray(text_ids, dtype=np.int64), state.base_round > 0
    bases = audit_places(numbers, state.settings, ranked=ranked)
    here = {"a_round": state.base_round, "a_front": state.current_round}
    rows = [
        {"a_text": number, "a_base": base, **here}
        for number, base in zip(text_ids, bases.tolist(), strict=True)
    ]
    if rows:
        connection.execute(update, rows)
    if state.has_front:
        _bring_forward(connection, state, text_ids)


def mark_gold(connection: Connection, state: ProjectState, text_ids: Iterable[int]) -> None:
    """Take gold texts out of the queue, and put those back that are none; not in the audit sample."""
    ranking, gold = schema.ranking, schema.gold
    is_gold = sa.exists().where(gold.c.text_id == ranking.c.text_id)
    cap = sa.case((is_gold, 0), (ranking.c.again, ranking.c.cap), else_=state.settings.max_labels)
    for chunk in chunks(text_ids, _CHUNK):
        here = sa.and_(_holds(state), ranking.c.text_id.in_(chunk))
        connection.execute(sa.update(ranking).where(here, ranking.c.reason != AUDIT).values(cap=cap))
        settle(connection, state, chunk)


def mark_again(connection: Connection, state: ProjectState, text_ids: Iterable[int]) -> None:
    """Put reopened texts first, until they have the labels that they want; others back where the rules say.

    A text that is reopened no more gets its own place again with the next ranking.
    """
    ranking, reopened = schema.ranking, schema.reopened
    wish = sa.select(reopened.c.labels).where(reopened.c.text_id == ranking.c.text_id).scalar_subquery()
    is_again = sa.exists().where(reopened.c.text_id == ranking.c.text_id)
    usual = sa.case((ranking.c.reason == AUDIT, state.settings.audit_labels), else_=state.settings.max_labels)
    for chunk in chunks(text_ids, _CHUNK):
        here = sa.and_(_holds(state), ranking.c.text_id.in_(chunk))
        lifted = sa.case((wish > usual, wish), else_=usual)
        connection.execute(
            sa.update(ranking)
            .where(here, is_again)
            .values(
                again=sa.true(),
                base=0,
                labels=0,
                wanted=wish,
                cap=lifted,
                reason=sa.case((ranking.c.reason == AUDIT, AUDIT), else_=AGAIN),
                selection_probability=None,
                asked=sa.null(),
            )
        )
        connection.execute(
            sa.update(ranking).where(here, ranking.c.again, ~is_again).values(again=sa.false(), cap=usual)
        )
        mark_gold(connection, state, chunk)  # settles them, too: gold texts are asked for in another way
        if state.has_front:
            _bring_forward(connection, state, chunk)


def close_withdrawn(connection: Connection, state: ProjectState) -> None:
    """Take deleted texts out of the queue."""
    ranking, texts = schema.ranking, schema.stored_texts
    gone = sa.select(texts.c.id).where(texts.c.withdrawn_at.is_not(None))
    update = sa.update(ranking).where(_holds(state), ranking.c.text_id.in_(gone))
    connection.execute(update.values(cap=0, open=sa.false(), again=sa.false()))


def close_copies(connection: Connection, state: ProjectState, first: int = 0) -> None:
    """Take copies, from one text on, out of the queue where the first text is asked for in their place."""
    if state.shares_copies:
        ranking, groups = schema.ranking, schema.groups
        copies = sa.select(groups.c.text_id).where(groups.c.copy_of.is_not(None), groups.c.text_id >= first)
        update = sa.update(ranking).where(_holds(state), ranking.c.text_id.in_(copies))
        connection.execute(update.values(cap=0, open=sa.false(), again=sa.false()))


def settle(connection: Connection, state: ProjectState, text_ids: Iterable[int]) -> None:
    """Bring the places of texts up to date with their annotations: open or finished, and which pass.

    A text is finished when it has as many labels as it may get (a gold text may get none from the queue),
    when enough labels all agree (the audit sample excepted), when a reviewer has decided, or, where shares of
    answers are wanted or unsure questions alone are asked, when the last round found them known: then its cap
    is what it has. A reopened text wants the labels that it was reopened for, whatever they say, and then
    what the rules say. Where copies share labels, those of the first text are settled by the labels of all.
    """
    if state.shares_copies:
        text_ids = first_texts(connection, text_ids)
    statement = _SHARED if state.shares_copies else _STANDING
    for chunk in chunks(text_ids, _CHUNK):
        standing = {row.text_id: row for row in connection.execute(statement, {"texts": chunk})}
        enough = state.settings.ending_agreement
        rows = [_tally(text_id, standing.get(text_id), enough, state) for text_id in chunk]
        connection.execute(_SETTLE, rows if len(rows) > 1 else rows[0])


def rules(settings: ProjectSettings) -> tuple[int | None, ...]:
    """Return the settings that say when a text is finished."""
    counted = settings.max_labels, settings.ending_agreement, settings.first_labels, settings.audit_labels
    return *counted, settings.share_copies


def settle_all(connection: Connection, state: ProjectState) -> None:
    """Bring all places up to date after the rules have changed."""
    ranking, audit, gold = schema.ranking, schema.audit, schema.gold
    in_audit = sa.exists().where(audit.c.text_id == ranking.c.text_id)
    is_gold = sa.exists().where(gold.c.text_id == ranking.c.text_id)
    settings = state.settings
    cap = sa.case((in_audit, settings.audit_labels), (is_gold, 0), else_=settings.max_labels)
    wanted = sa.case((in_audit, state.settings.audit_labels), else_=state.settings.first_labels)
    connection.execute(sa.update(ranking).where(_holds(state)).values(cap=cap, open=cap > 0))
    if state.base_round == 0:
        connection.execute(sa.update(ranking).where(ranking.c.round_id == 0).values(wanted=wanted))
    labelled = connection.scalars(
        sa.select(schema.annotations.c.text_id).where(schema.is_standing).distinct()
    ).all()
    settle(connection, state, labelled)
    mark_again(connection, state, connection.scalars(sa.select(schema.reopened.c.text_id)).all())
    close_withdrawn(connection, state)
    close_copies(connection, state)


def chunks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Cut anything iterable into lists of at most `size`.

    Examples
    --------
    >>> list(chunks("abcde", 2))
    [['a', 'b'], ['c', 'd'], ['e']]
    """
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def _holds(state: ProjectState) -> sa.ColumnElement[bool]:
    """Places of the ranking that holds and of its base."""
    return schema.ranking.c.round_id.in_({state.current_round, state.base_round})


def _bring_forward(connection: Connection, state: ProjectState, text_ids: Sequence[int]) -> None:
    """Give texts that have places in the base the same places in the front, where they have none there."""
    ranking = schema.ranking
    names = [column.name for column in ranking.columns if column.name != "round_id"]
    front = ranking.alias()
    for chunk in chunks(text_ids, _CHUNK):
        there = sa.select(front.c.text_id).where(
            front.c.round_id == state.current_round, front.c.text_id.in_(chunk)
        )
        places = sa.select(sa.literal(state.current_round), *(ranking.c[name] for name in names)).where(
            ranking.c.round_id == state.base_round,
            ranking.c.text_id.in_(chunk),
            ranking.c.text_id.not_in(there),
        )
        connection.execute(sa.insert(ranking).from_select(["round_id", *names], places))


def _tally(text_id: int, row: Any, enough: int | None, state: ProjectState) -> Mapping[str, object]:
    n = 0 if row is None else row.n
    agreed = row is not None and enough is not None and n >= enough and row.n_classes == 1
    return {
        "a_text": text_id,
        "a_round": state.current_round,
        "a_base": state.base_round,
        "n": n,
        "agreed": agreed,
        "reviewed": row is not None and bool(row.reviewed),
    }


def _settle_statement() -> sa.Update:
    ranking = schema.ranking
    n = sa.bindparam("n", type_=sa.BigInteger)
    more = n - ranking.c.labels - ranking.c.wanted + 1
    passes = sa.case((more > 0, more), else_=0)
    agreed = sa.bindparam("agreed", type_=sa.Boolean)
    reviewed = sa.bindparam("reviewed", type_=sa.Boolean)
    unsettled = sa.and_(sa.not_(reviewed), sa.or_(ranking.c.reason == AUDIT, sa.not_(agreed)))
    asked_again = sa.and_(ranking.c.again, more <= 0)
    wants = sa.and_(n < ranking.c.cap, sa.or_(asked_again, unsettled))
    return (
        sa.update(ranking)
        .where(
            ranking.c.round_id.in_([sa.bindparam("a_round"), sa.bindparam("a_base")]),
            ranking.c.text_id == sa.bindparam("a_text"),
        )
        .values(
            position=ranking.c.base + passes * sa.literal(PASS, sa.BigInteger),
            open=sa.case((wants, sa.true()), else_=sa.false()),
        )
    )


_SETTLE = _settle_statement()
_STANDING = (
    sa.select(
        schema.annotations.c.text_id,
        sa.func.count().label("n"),
        sa.func.count(schema.annotations.c.class_id.distinct()).label("n_classes"),
        sa.func.max(sa.case((schema.annotations.c.origin == "review", 1), else_=0)).label("reviewed"),
    )
    .where(schema.is_counted, schema.annotations.c.text_id.in_(sa.bindparam("texts", expanding=True)))
    .group_by(schema.annotations.c.text_id)
)


def _shared() -> sa.Select[Any]:
    """Count as `_STANDING` does, the labels of all copies for the first text: of each person the last."""
    annotations, groups = schema.annotations, schema.groups
    texts: Any = sa.bindparam("texts", expanding=True)
    own = sa.func.coalesce(groups.c.copy_of, annotations.c.text_id)
    copies = sa.select(groups.c.text_id).where(groups.c.copy_of.in_(texts))
    votes = (
        sa.select(
            own.label("text_id"),
            sa.func.max(annotations.c.id).label("last"),
            sa.func.max(sa.case((annotations.c.origin == "review", 1), else_=0)).label("reviewed"),
        )
        .select_from(annotations.outerjoin(groups, groups.c.text_id == annotations.c.text_id))
        .where(
            schema.is_counted,
            sa.or_(annotations.c.text_id.in_(texts), annotations.c.text_id.in_(copies)),
        )
        .group_by(own, annotations.c.annotator_id)
    ).subquery()
    said = annotations.alias()
    return (
        sa.select(
            votes.c.text_id,
            sa.func.count().label("n"),
            sa.func.count(said.c.class_id.distinct()).label("n_classes"),
            sa.func.max(votes.c.reviewed).label("reviewed"),
        )
        .join(said, said.c.id == votes.c.last)
        .group_by(votes.c.text_id)
    )


_SHARED = _shared()
