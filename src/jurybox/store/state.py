"""The project itself: its name, classes, guidelines and settings, and the key of its sessions.

A key has a generation: with a new one, all sessions of before have ended. A session that somebody ended by
signing out is remembered until it would have ended by itself.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from jurybox.coding import refuse_unordered
from jurybox.errors import ConflictError, InputError, StoreError
from jurybox.formats.values import as_name
from jurybox.questions import Question
from jurybox.scales import Scale, numbers_of
from jurybox.store import schema
from jurybox.store.checks import storable
from jurybox.store.locks import serialise
from jurybox.store.records import GuidelineVersion
from jurybox.store.settings import ProjectSettings
from jurybox.written import answer_written, question_records

LEAST_KEY = 32
"""Bytes of a key that nobody can guess."""


@dataclass(frozen=True)
class SessionKey:
    """What sessions are signed with.

    Attributes
    ----------
    project
        Identifier of the project, drawn at random; it never changes.
    generation
        Number of the key; sessions of another one have ended.
    key
        At least 32 random bytes.

    Raises
    ------
    StoreError
        If the key is shorter.
    """

    project: str
    generation: int
    key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.key) < LEAST_KEY:
            raise StoreError(
                f"the key of this project's sessions has {len(self.key)} bytes, expected {LEAST_KEY} or "
                "more; make a new one with: jurybox token PROJECT --new"
            )

    def next(self) -> SessionKey:
        """Return another key of the same project."""
        return SessionKey(self.project, self.generation + 1, secrets.token_bytes(LEAST_KEY))

    def columns(self) -> dict[str, Any]:
        """Return the key as the project's row has it."""
        return {
            "uid": self.project,
            "session_generation": self.generation,
            "session_key": self.key,
        }


def new_key() -> SessionKey:
    """Return the first key of a new project.

    Examples
    --------
    >>> new_key().generation, len(new_key().key), len(new_key().project)
    (1, 32, 32)
    """
    return SessionKey(secrets.token_hex(16), 1, secrets.token_bytes(LEAST_KEY))


def read_key(connection: Connection) -> SessionKey:
    """Return the key that holds.

    Raises
    ------
    StoreError
        If it is too short to be safe.
    """
    row = connection.execute(_KEY).one()
    return SessionKey(row.uid, row.session_generation, bytes(row.session_key))


def write_key(connection: Connection, key: SessionKey) -> None:
    """Store a key in place of the one that holds."""
    connection.execute(sa.update(schema.project).values(**key.columns()))


def replace_key(connection: Connection) -> SessionKey:
    """Make a new key, which ends all sessions, and return it; the one before may be too short."""
    row = connection.execute(_KEY.with_for_update()).one()
    key = SessionKey(row.uid, row.session_generation + 1, secrets.token_bytes(LEAST_KEY))
    write_key(connection, key)
    connection.execute(sa.delete(schema.ended_sessions))
    return key


def forget_session(connection: Connection, session: str, *, until: float, now: float) -> None:
    """End a session, and keep that in mind until its cookie has ended too."""
    ended = schema.ended_sessions
    connection.execute(sa.delete(ended).where(ended.c.forgotten_at < now))
    insert = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(ended)
    connection.execute(insert.values(id=session, forgotten_at=until).on_conflict_do_nothing())


_KEY = sa.select(schema.project.c.uid, schema.project.c.session_generation, schema.project.c.session_key)


MOST_CLASSES = 1_000


@dataclass(frozen=True)
class ProjectState:
    """What the store knows about the project as a whole.

    Attributes
    ----------
    current_round
        Number of the round whose ranking holds; 0 before the first.
    base_round
        Number of the last round whose ranking covers all texts; what `current_round` leaves out follows it.
    audit_rate
        Share of texts in the audit sample; None before the first texts.
    n_gold
        Number of texts whose label is known.
    n_texts
        N. What is stored behind them belongs to an import that has not ended.
    n_placed
        How many of them, from the first on, have places in the base: all but for some seconds.
    n_copies
        How many texts are copies of others.
    questions
        Those of a project with several; none where there is the one that the classes answer.
    """

    name: str
    settings: ProjectSettings
    current_round: int
    base_round: int
    audit_rate: float | None
    n_gold: int
    n_texts: int
    n_placed: int
    n_copies: int = 0
    questions: tuple[Question, ...] = ()

    @property
    def shares_copies(self) -> bool:
        """Whether there are copies, and what is said of one counts for all."""
        return self.n_copies > 0 and self.settings.share_copies

    @property
    def has_front(self) -> bool:
        """Whether the ranking that holds is the front of another one."""
        return self.current_round != self.base_round


def create_project(
    connection: Connection,
    name: str,
    classes: Iterable[str],
    settings: ProjectSettings,
    *,
    questions: Sequence[Question] = (),
    now: float,
) -> None:
    """Fill a new database: the project's row, its classes or questions, and round 0.

    Raises
    ------
    InputError
        As `add_classes`.
    ConflictError
        As `check_questions`.
    """
    check_questions(settings, questions)
    connection.execute(
        sa.insert(schema.project).values(
            id=0,
            name=name,
            created_at=now,
            settings=settings.to_dict(),
            current_round=0,
            questions=question_records(questions) or sa.null(),
            **new_key().columns(),
        )
    )
    connection.execute(
        sa.insert(schema.rounds).values(
            id=0,
            started_at=now,
            published_at=now,
            last_annotation=0,
            n_annotations=0,
            settings={},
            diagnostics={},
        )
    )
    if not questions:
        add_classes(connection, classes)


def read_state(connection: Connection) -> ProjectState:
    """Read the project's row."""
    return state_of(connection.execute(_PROJECT).one())


def state_of(row: sa.Row[Any]) -> ProjectState:
    """Return what a row that holds the columns of `STATE` says of the project."""
    return ProjectState(
        row.project_name,
        _settings(row.project_settings),
        row.project_current_round,
        row.project_base_round,
        row.project_audit_rate,
        n_gold=row.project_n_gold,
        n_texts=row.project_n_texts,
        n_placed=row.project_n_placed,
        n_copies=row.project_n_copies,
        questions=tuple(Question(**record) for record in row.project_questions or ()),
    )


def admit_texts(connection: Connection, first: int, stop: int) -> None:
    """Make texts that have come together, from one number up to another, part of the project."""
    write_state(connection, n_texts=stop)
    arrived = {"first_text": first, "token": secrets.token_hex(8)}
    connection.execute(sa.insert(schema.arrivals).values(arrived))


def write_state(connection: Connection, **values: object) -> None:
    """Change columns of the project's row."""
    connection.execute(sa.update(schema.project).values(**values))


def read_questions(connection: Connection) -> tuple[Question, ...]:
    """Return the questions of a project with several; none where there is the one that the classes answer."""
    stored = connection.scalar(sa.select(schema.project.c.questions))
    return tuple(Question(**record) for record in stored or ())


def several_questions(what: str) -> ConflictError:
    """Return the error that something is not offered for projects with several questions."""
    return ConflictError(
        f"this project has several questions; {what} is not offered for them yet",
        code="several_questions",
        what=what,
    )


def check_questions(settings: ProjectSettings, questions: Sequence[Question]) -> None:
    """Raise ConflictError where settings are for projects with one question, or for those with several."""
    if not questions:
        if settings.ask != "all":
            raise ConflictError(
                f"ask is {settings.ask!r}, expected 'all': this project has one question with one answer",
                code="one_question",
            )
        return
    if settings.scale:
        raise several_questions("the setting scale=True")


def read_classes(connection: Connection) -> tuple[str, ...]:
    """Return the names of the classes, in order: of a project with several questions, the answers given."""
    return tuple(connection.scalars(sa.select(schema.classes.c.name).order_by(schema.classes.c.id)))


def read_scale(connection: Connection) -> Scale | None:
    """Return the numbers of the classes where they are an ordered scale, else None."""
    return numbers_of(read_classes(connection), read_state(connection).settings.scale)


def add_class(connection: Connection, name: str) -> int:
    """Add a class at the end and return its number; raises what `add_classes` does."""
    return add_classes(connection, [name])


def add_classes(connection: Connection, names: Iterable[str]) -> int:
    """Add classes at the end, in order, and return the number of the first.

    Raises
    ------
    InputError
        If a name is empty or no text, or there would be more than `MOST_CLASSES`, or no scale any more.
    ConflictError
        If there is such a class, or one that differs by blanks around it, decimals of a whole number or signs
        for accents alone, by which labels in files are not told apart.
    """
    refuse_unordered(names, "classes")
    if read_questions(connection):
        raise several_questions("adding classes")
    serialise(connection, "numbering")
    known = dict.fromkeys(read_classes(connection))
    plain = set(map(as_name, known))
    first = len(known)
    for name in names:
        storable(name, "class", empty=False)
        if as_name(name) in plain:
            problem = f"there is a class {name!r} already; the classes are {', '.join(known)}"
            raise ConflictError(problem, code="class_taken", name=name)
        known[name] = None
        plain.add(as_name(name))
    if len(known) > MOST_CLASSES:
        problem = f"there would be {len(known):,} classes, expected at most {MOST_CLASSES:,}; merge some"
        raise InputError(problem, code="too_many_classes", most=MOST_CLASSES)
    numbers_of(list(known), read_state(connection).settings.scale)  # raises where it is none
    rows = [{"id": number, "name": name} for number, name in enumerate(known)][first:]
    if rows:
        connection.execute(sa.insert(schema.classes), rows)
    return first


def add_answers(connection: Connection, questions: Sequence[Question], said: Collection[str]) -> None:
    """Add answers to several questions that nobody has given before.

    Whoever adds one holds its lock to the end of the transaction, and waits for nothing meanwhile that others
    hold who want to add one, too: imports add theirs in transactions of their own.

    Raises
    ------
    InputError
        As `jurybox.written.answer_written`.
    """
    wanted = dict.fromkeys(answer_written(questions, one) for one in said)
    serialise(connection, "answers")
    classes = schema.classes
    known = {*connection.scalars(sa.select(classes.c.name).where(classes.c.name.in_(wanted)))}
    first = connection.scalar(sa.select(sa.func.count()).select_from(classes)) or 0
    new = [name for name in wanted if name not in known]
    if new:
        rows = [{"id": number, "name": name} for number, name in enumerate(new, first)]
        connection.execute(sa.insert(classes), rows)


def read_guidelines(connection: Connection) -> str:
    """Return the guidelines that hold now; empty where there are none."""
    latest = sa.select(schema.guidelines.c.text).order_by(schema.guidelines.c.id.desc()).limit(1)
    return connection.scalar(latest) or ""


def read_guideline_versions(connection: Connection, limit: int | None) -> list[GuidelineVersion]:
    """Return the last versions of the guidelines, the latest first."""
    versions = schema.guidelines
    rows = connection.execute(sa.select(versions).order_by(versions.c.id.desc()).limit(limit))
    return [GuidelineVersion(row.id, row.text, row.created_at) for row in rows]


def write_guidelines(connection: Connection, text: str, *, now: float) -> None:
    """Add a version of the guidelines; earlier ones are kept."""
    connection.execute(sa.insert(schema.guidelines).values(text=text, created_at=now))


def _settings(stored: Mapping[str, Any]) -> ProjectSettings:
    return _checked(json.dumps(stored))


@lru_cache(maxsize=64)
def _checked(stored: str) -> ProjectSettings:
    """Check settings once, not each time that somebody labels."""
    return ProjectSettings().updated(json.loads(stored))


STATE = tuple(
    schema.project.c[name].label(f"project_{name}")
    for name in (
        "name",
        "settings",
        "current_round",
        "base_round",
        "audit_rate",
        "n_gold",
        "n_texts",
        "n_placed",
        "n_copies",
        "questions",
    )
)
"""Columns that `state_of` reads, for statements that read something else, too."""

_PROJECT = sa.select(*STATE)
