"""Annotators, reviewers and owners."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import floor
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jurybox.errors import ConflictError, InputError, NotFoundError
from jurybox.store import schema
from jurybox.store.checks import storable
from jurybox.store.filters import forget_in_searches
from jurybox.store.history import forget_name
from jurybox.store.locks import serialise
from jurybox.store.ranks import settle
from jurybox.store.records import AnnotatorInfo, KnownName, Role, Standing
from jurybox.store.rows import is_person
from jurybox.store.services import BELIEFS, ask_for_round, drop_note
from jurybox.store.settings import ProjectSettings, check_setting
from jurybox.store.state import STATE, ProjectState, SessionKey, read_state, state_of

SHARE_GRACE = 20
"""Labels that anybody may give whatever share of all labels they are."""

MOST_CAP = 2**31 - 1
"""The largest cap: what a column of whole numbers holds on every kind of store."""

_ROUNDING = 1e-9


def add_annotator(
    connection: Connection, name: str, *, now: float, role: Role = Role.ANNOTATOR, cap: int | None = None
) -> int:
    """Add a person and return his or her number.

    Raises
    ------
    InputError
        If the name is empty, or the cap negative or too large.
    ConflictError
        If the name is taken.
    """
    storable(name, "annotator", empty=False)
    _check_cap(cap)
    serialise(connection, "numbering")
    if find_annotator(connection, name) is not None:
        problem = f"there is an annotator {name!r} already; choose another name"
        raise ConflictError(problem, code="name_taken", name=name)
    number = connection.scalar(sa.select(sa.func.count()).select_from(schema.annotators)) or 0
    connection.execute(
        sa.insert(schema.annotators).values(
            id=number,
            name=name,
            role=role.value,
            standing=Standing.ACTIVE.value,
            cap=cap,
            n_annotations=0,
            n_skips=0,
            created_at=now,
            left_out=False,
        )
    )
    return number


def ensure_annotator(connection: Connection, name: str, *, now: float) -> None:
    """Add a person unless there is one of this name."""
    if isinstance(name, KnownName) or connection.scalar(_NUMBER, {"name": name}) is not None:
        return
    serialise(connection, "numbering")
    if connection.scalar(_NUMBER, {"name": name}) is None:
        add_annotator(connection, name, now=now)


def read_annotators(connection: Connection) -> list[AnnotatorInfo]:
    """Everyone, in the order in which they came."""
    rows = connection.execute(sa.select(schema.annotators).order_by(schema.annotators.c.id))
    return [person_of(row) for row in rows]


def find_annotator(
    connection: Connection, name: str | None = None, *, token_hash: str | None = None, now: float = 0.0
) -> AnnotatorInfo | None:
    """Return one person by name or by the hash of a token that has not ended, or None."""
    if name is None:
        return _signed_in(connection, _BY_TOKEN, {"token": token_hash, "now": now})
    row = connection.execute(sa.select(schema.annotators).where(is_person(name))).one_or_none()
    return None if row is None else person_of(row)


def has_token(connection: Connection, name: str) -> bool:
    """Whether there is a hash of a person's token."""
    return (
        connection.scalar(sa.select(schema.annotators.c.token_hash).where(_NAMED), {"name": name}) is not None
    )


def find_person_in_session(
    connection: Connection, key: SessionKey, session: str, *, token_hash: str
) -> AnnotatorInfo | None:
    """Return who opened a session with a token; None if it, the key or the token has ended."""
    values = {"uid": key.project, "generation": key.generation, "session": session, "token": token_hash}
    return _signed_in(connection, _TOKEN_IN_SESSION, values)


def find_owner_in_session(connection: Connection, key: SessionKey, session: str) -> AnnotatorInfo | None:
    """Return the first owner, to whom a session belongs; None if it or the key has ended."""
    values = {"uid": key.project, "generation": key.generation, "session": session}
    return _signed_in(connection, _OWNER_IN_SESSION, values)


def annotator_numbers(connection: Connection) -> dict[str, int]:
    """Return everyone's number by name."""
    rows = connection.execute(sa.select(schema.annotators.c.name, schema.annotators.c.id))
    return {row.name: row.id for row in rows}


def number_of(connection: Connection, name: str) -> int:
    """Return a person's number, which stays whatever they are called; NotFoundError if there is none."""
    if isinstance(name, KnownName):
        return name.number
    number: int | None = connection.scalar(_NUMBER, {"name": name})
    if number is None:
        raise NotFoundError(f"there is no annotator {name!r} in this project")
    return number


def name_of(connection: Connection, number: int) -> str:
    """Return the name that the person of a number has now."""
    annotators = schema.annotators
    return str(connection.execute(sa.select(annotators.c.name).where(annotators.c.id == number)).scalar_one())


def lock_annotator(connection: Connection, name: str) -> sa.Row[Any]:
    """Read a person's row and let nobody else act for the same person until the transaction ends.

    Raises
    ------
    NotFoundError
        If there is no such person.
    """
    return _one_locked(connection, _LOCKED, name)


def lock_actor(connection: Connection, name: str) -> tuple[sa.Row[Any], ProjectState]:
    """Do as `lock_annotator`, and read the project's row with it.

    Raises
    ------
    NotFoundError
        If there is no such person.
    """
    row = _one_locked(connection, _LOCKED_ACTOR, name)
    return row, state_of(row)


def share_of(annotator: sa.Row[Any], settings: ProjectSettings) -> float | None:
    """Return the largest share of all annotations that a person may give; None for no limit."""
    share = settings.max_share if annotator.max_share is None else annotator.max_share
    return None if share == 1 else share


def free_by_share(connection: Connection, annotator: sa.Row[Any], share: float, n_held: int) -> int:
    """Return how many more texts a person may take who holds so many and may give a share of all labels.

    With n his or her annotations, h the texts in hand, T everyone's annotations and s the share, k more are
    in order as long as n + h + k <= s (T + h + k), and in any case up to `SHARE_GRACE` labels: the first
    labels of a project are all by somebody.
    """
    mine: int = annotator.n_annotations + n_held
    given = connection.scalar(_GIVEN) or 0
    more = floor((share * (given + n_held) - mine) / (1 - share) + _ROUNDING)
    return max(more, SHARE_GRACE - mine)


def check_present(person: AnnotatorInfo | sa.Row[Any]) -> None:
    """Raise ConflictError for a person who is removed: they have no way in and are given nothing."""
    if person.standing == Standing.REMOVED:
        raise ConflictError(f"{person.name!r} is removed; undo that first", code="removed")


def update_annotator(connection: Connection, name: str, **values: object) -> None:
    """Change a person's role, standing, cap, share, qualification or token hash.

    Raises
    ------
    NotFoundError
        If there is no such person.
    InputError
        If the cap is negative or too large, or the share no share.
    ConflictError
        For a token of a person who is removed.
    """
    if values.get("token_hash") is not None:
        check_present(lock_annotator(connection, name))
    if "cap" in values:
        _check_cap(values["cap"])
    if "max_share" in values:
        check_setting("max_share", values["max_share"])
    _set(connection, name, values)


def leave_out(connection: Connection, name: str, left_out: bool, *, now: float) -> bool:
    """Let a person's labels count for nothing, or count again; their texts go back to the queue, or leave it.

    Returns
    -------
    bool
        Whether that was not so before.

    Raises
    ------
    NotFoundError
        If there is no such person.
    ConflictError
        If they are removed.
    """
    serialise(connection, "placing")  # in this order everywhere, see `jurybox.store.arrivals.place_part`
    serialise(connection, "round")
    annotator = lock_annotator(connection, name)
    check_present(annotator)
    update_annotator(connection, name, left_out=left_out)
    labelled = sa.select(schema.annotations.c.text_id).where(
        schema.is_standing, schema.annotations.c.annotator_id == annotator.id
    )
    settle(connection, read_state(connection), connection.scalars(labelled).all())
    ask_for_round(connection, now=now)
    return bool(annotator.left_out != left_out)


def rename(connection: Connection, old: str, new: str) -> None:
    """Give a person another name; labels, link and sessions are theirs as before.

    Raises
    ------
    NotFoundError
        If there is no such person.
    InputError
        If the new name is empty.
    ConflictError
        If it is taken.
    """
    storable(new, "annotator", empty=False)
    serialise(connection, "numbering")
    if find_annotator(connection, new) is not None:
        raise ConflictError(f"there is an annotator {new!r} already", code="name_taken", name=new)
    _set(connection, old, {"name": new})


def remove(connection: Connection, name: str) -> str:
    """End a person's link and give them nothing more; return their standing before.

    Raises
    ------
    NotFoundError
        If there is no such person.
    ConflictError
        If there is no other owner, or the person is removed already.
    """
    person = lock_annotator(connection, name)
    if person.standing == Standing.REMOVED:
        raise ConflictError(f"{name!r} is removed already", code="removed")
    owners = sa.select(sa.func.count()).where(
        schema.annotators.c.role == Role.OWNER.value,
        _PRESENT,
        schema.annotators.c.id != person.id,
    )
    if person.role == Role.OWNER and not connection.scalar(owners):
        raise ConflictError(
            f"{name!r} is the only owner; make somebody else an owner first", code="last_owner"
        )
    gone = {"standing": Standing.REMOVED.value, "token_hash": None, "token_ends_at": None}
    update_annotator(connection, name, **gone)
    return str(person.standing)


def erase(connection: Connection, name: str, *, now: float) -> str:
    """Put a pseudonym in place of a person's name, wherever it stands; return the pseudonym.

    The labels stay. Earlier names go, too, and names in the trail; a round is asked for, and kept figures go.

    Raises
    ------
    NotFoundError, ConflictError
        As `remove`.
    """
    serialise(connection, "numbering")
    person = lock_annotator(connection, name)
    if person.standing != Standing.REMOVED:
        remove(connection, name)
    pseudonym = f"erased-{person.id + 1}"
    while find_annotator(connection, pseudonym) is not None:
        pseudonym += "x"
    _set(connection, name, {"name": pseudonym, "message": None})
    borne = forget_name(connection, person.id, name, pseudonym)
    for gone in (one for one in borne if find_annotator(connection, one) is None):  # not another's by now
        for column in (schema.flags.c.answered_by, schema.searches.c.made_by, schema.machines.c.made_by):
            connection.execute(sa.update(column.table).where(column == gone).values({column.name: pseudonym}))
        forget_in_searches(connection, gone, pseudonym)
    connection.execute(sa.delete(schema.replies).where(schema.replies.c.annotator_id == person.id))
    drop_note(connection, BELIEFS)
    ask_for_round(connection, now=now)
    return pseudonym


def person_of(row: sa.Row[Any]) -> AnnotatorInfo:
    """Return the person that a row of `schema.annotators` says."""
    return AnnotatorInfo(
        name=row.name,
        role=Role(row.role),
        standing=Standing(row.standing),
        cap=row.cap,
        n_annotations=row.n_annotations,
        n_skips=row.n_skips,
        max_share=row.max_share,
        qualified=row.qualified,
        token_ends_at=row.token_ends_at,
        left_out=row.left_out,
        message=row.message,
    )


def _set(connection: Connection, name: str, values: Mapping[str, object]) -> None:
    update = sa.update(schema.annotators).where(is_person(name)).values(dict(values))
    if connection.execute(update).rowcount == 0:
        raise NotFoundError(f"there is no annotator {name!r}")


def _signed_in(
    connection: Connection, statement: sa.Select[Any], values: dict[str, Any]
) -> AnnotatorInfo | None:
    row = connection.execute(statement, values).one_or_none()
    return None if row is None else replace(person_of(row), name=KnownName.of(row.name, row.id))


def _one_locked(connection: Connection, statements: Sequence[sa.Select[Any]], name: str) -> sa.Row[Any]:
    by_name, by_number = statements
    if isinstance(name, KnownName):
        row = connection.execute(by_number, {"number": name.number}).one_or_none()
    else:
        row = connection.execute(by_name, {"name": name}).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no annotator {name!r}; jurybox annotators lists everybody")
    return row


def _check_cap(cap: object) -> None:
    if cap is not None and (not isinstance(cap, int) or isinstance(cap, bool) or not 0 <= cap <= MOST_CAP):
        raise InputError(
            f"cap is {cap!r}, expected the most annotations this person may give, 0 to {MOST_CAP:,}, or None"
        )


# Built once: building a statement takes longer than running it.
_NAMED = schema.annotators.c.name == sa.bindparam("name")
_NUMBERED = schema.annotators.c.id == sa.bindparam("number")
_PRESENT = schema.annotators.c.standing != Standing.REMOVED.value
_BY_TOKEN = sa.select(schema.annotators).where(
    schema.annotators.c.token_hash == sa.bindparam("token"),
    sa.func.coalesce(schema.annotators.c.token_ends_at > sa.bindparam("now"), sa.true()),
    _PRESENT,
)
_IN_SESSION = (
    sa.select(schema.annotators)
    .select_from(schema.annotators.join(schema.project, sa.true()))
    .where(
        schema.project.c.uid == sa.bindparam("uid"),
        schema.project.c.session_generation == sa.bindparam("generation"),
        _PRESENT,
        ~sa.exists().where(schema.ended_sessions.c.id == sa.bindparam("session")),
    )
)
_TOKEN_IN_SESSION = _IN_SESSION.where(schema.annotators.c.token_hash == sa.bindparam("token"))
_OWNER_IN_SESSION = (
    _IN_SESSION.where(schema.annotators.c.role == Role.OWNER.value).order_by(schema.annotators.c.id).limit(1)
)
_NUMBER = sa.select(schema.annotators.c.id).where(_NAMED)
_GIVEN = sa.select(sa.func.sum(schema.annotators.c.n_annotations))
_LOCKED = tuple(
    sa.select(schema.annotators).where(whose).with_for_update(key_share=True) for whose in (_NAMED, _NUMBERED)
)
_LOCKED_ACTOR = tuple(
    sa.select(schema.annotators, *STATE)
    .select_from(schema.annotators.join(schema.project, sa.true()))
    .where(whose)
    .with_for_update(key_share=True, of=schema.annotators)
    for whose in (_NAMED, _NUMBERED)
)
