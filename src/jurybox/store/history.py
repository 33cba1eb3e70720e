"""The trail: what owners have done, and by whom; nothing is deleted from it but names of people erased.

Labels have a trail of their own, `schema.annotations`. Here is what concerns people and the project as a
whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jurybox.errors import ConflictError, NotFoundError
from jurybox.store import schema
from jurybox.store.records import Added
from jurybox.store.state import read_questions


@dataclass(frozen=True)
class HistoryEvent:
    """Something that somebody did.

    Attributes
    ----------
    number
        Its place in the trail, from 1.
    time
        Unix time in seconds.
    actor
        Who did it; None where nobody was signed in, as on the command line.
    verb
        What, such as ``pause``, ``add`` or ``delete texts``; `jurybox.project.history` has those that
        can be undone.
    subject
        To whom or what.
    detail
        What belongs to it, such as values before and after.
    undone_by
        Number of the event that undid it; None where it holds.
    """

    number: int
    time: float
    actor: str | None
    verb: str
    subject: str
    detail: Mapping[str, Any]
    undone_by: int | None = None


def note_event(
    connection: Connection,
    verb: str,
    subject: str,
    *,
    by: str | None,
    now: float,
    detail: Mapping[str, Any] | None = None,
) -> int:
    """Write down what somebody does, in the transaction that does it; return its number."""
    values = {"created_at": now, "actor": by, "verb": verb, "subject": subject, "detail": dict(detail or {})}
    number = connection.execute(
        sa.insert(schema.history).values(**values).returning(schema.history.c.id)
    ).scalar_one()
    return int(number)


def note_arrival(
    connection: Connection, added: Added, *, by: str | None, now: float, title: str | None = None
) -> None:
    """Note what came with an import, or with a new project of a title; of an import that brought nothing, no.

    Parameters
    ----------
    added
        What came.
    """
    detail = {"texts": added.texts, "annotations": added.annotations, "skips": added.skips}
    if title is not None:
        note_event(connection, "create project", title, by=by, now=now, detail=detail)
    elif any(detail.values()):
        note_event(connection, "add", str(added.texts), by=by, now=now, detail=detail)


def mark_undone(connection: Connection, number: int, by: int) -> None:
    """Note that an event was undone by a later one."""
    history = schema.history
    connection.execute(sa.update(history).where(history.c.id == number).values(undone_by=by))


def read_events(
    connection: Connection, limit: int, *, before: int | None = None, brief: bool = False
) -> list[HistoryEvent]:
    """Return the last events, or the last before one of a number, the latest first.

    Parameters
    ----------
    brief
        Of what is done to many rows, read the names alone: the detail has up to 100,000 numbers, too.
    """
    history = schema.history
    columns = [*(_BRIEF if brief else history.c)]
    query = sa.select(*columns).order_by(history.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(history.c.id < before)
    return [_event(row) for row in connection.execute(query)]


def read_event(connection: Connection, number: int) -> HistoryEvent:
    """Return an event; NotFoundError if there is none of this number."""
    row = connection.execute(sa.select(schema.history).where(schema.history.c.id == number)).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no event {number} in the history")
    return _event(row)


def read_last_number(connection: Connection, verb: str | None = None, subject: str | None = None) -> int:
    """Return the number of the last event, or of the last that holds of a verb and a subject; 0 for none."""
    history = schema.history
    query = sa.select(sa.func.max(history.c.id))
    if verb is not None:
        holds = history.c.verb == verb, history.c.subject == subject, history.c.undone_by.is_(None)
        query = query.where(*holds)
    return connection.scalar(query) or 0


class ClassNames:
    """What has become of the names of classes since an event: a name may be another class's by now."""

    def __init__(self, connection: Connection, since: int) -> None:
        history = schema.history
        names = (history.c.detail[key].as_string() for key in ("before", "after", "class", "into"))
        merged = sa.and_(history.c.verb == "merge classes", history.c.undone_by.is_(None))
        changed = history.c.id > since, sa.or_(history.c.verb == "rename class", merged)
        later = sa.select(history.c.verb, *names).where(*changed).order_by(history.c.id)
        self._several = bool(read_questions(connection))
        self._steps = [
            (before, after) if verb == "rename class" else (gone, into)
            for verb, before, after, gone, into in connection.execute(later)
        ]

    def now(self, name: str) -> str:
        """Return what the class of a name is called now, or the one that it became."""
        for before, after in self._steps:
            name = after if name == before else name
        return name

    def check(self, *labels: str | None) -> None:
        """Raise ConflictError where a label names a class whose name means another one now, or none.

        Answers to several questions have names of classes in them, which are ``question:class`` here.
        """
        moved = {old: self.now(old) for old, _ in self._steps if self.now(old) != old}
        for old, new in moved.items():
            named = old.partition(":")[2]
            if old in labels or (self._several and any(one and named in one for one in labels)):
                problem = f"the class {old!r} is {new!r} by now; undo that first"
                raise ConflictError(problem, code="in_the_way")


def is_erased(connection: Connection, person: int) -> bool:
    """Whether the person of a number was erased."""
    history = schema.history
    theirs = history.c.verb == "erase person", history.c.detail["person"].as_integer() == person
    return connection.scalar(sa.select(history.c.id).where(*theirs)) is not None


def forget_name(connection: Connection, person: int, name: str, pseudonym: str) -> set[str]:
    """Put a pseudonym in place of a person's name in the trail; return all names that they have had.

    What was done to them is known by their number. Who did something is known by the name alone: it was
    theirs back to where another person gave it up.
    """
    history, current, borne = schema.history, name, {name}
    for row in connection.execute(sa.select(history).order_by(history.c.id.desc())).all():
        event, detail = _event(row), dict(row.detail)
        theirs = detail.get("person", detail.get("annotator")) == person
        named = {key: detail[key] for key in _NAMES if key in detail} if theirs else {}
        borne.update(named.values())
        actor = pseudonym if event.actor in {current, *named.values()} - {""} else event.actor
        subject = pseudonym if theirs and "person" in detail else event.subject
        detail.update(dict.fromkeys(named, pseudonym))
        if event.verb == "rename person":
            if theirs:
                current = named["before"]
            elif event.detail["before"] == current:
                current = ""  # nobody's name: who bore it earlier was somebody else
        values = {"actor": actor, "subject": subject, "detail": detail}
        if values != {name: getattr(row, name) for name in values}:
            connection.execute(sa.update(history).where(history.c.id == event.number).values(values))
    return borne


_NAMES = ("before", "after", "name")
"""Where an event that is about a person has their name, besides its subject."""


_OF_ROWS = (
    *("delete labels", "restore labels", "delete texts", "restore texts", "reopen", "close", "assign"),
    *("take back", "gold", "merge classes", "remove person"),
)
"""Verbs whose detail has a number for each row that was changed."""

_WORDS = ("into", "name")
"""What such a detail has in words."""

_many = schema.history.c.verb.in_(_OF_ROWS)
_BRIEF = (
    *(column for column in schema.history.c if column.name != "detail"),
    sa.case((_many, sa.null()), else_=schema.history.c.detail).label("detail"),
    *(sa.case((_many, schema.history.c.detail[key].as_string())).label(key) for key in _WORDS),
)


def _event(row: sa.Row[Any]) -> HistoryEvent:
    detail = row.detail
    if detail is None:
        words = {key: row._mapping[key] for key in _WORDS}
        detail = {key: word for key, word in words.items() if word is not None}
    return HistoryEvent(row.id, row.created_at, row.actor, row.verb, row.subject, detail, row.undone_by)
