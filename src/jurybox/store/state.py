"""The project's own row: its name, its settings, the round that holds; its classes and guidelines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jurybox.errors import ConflictError
from jurybox.store import schema
from jurybox.store.checks import storable
from jurybox.store.locks import serialise
from jurybox.store.settings import ProjectSettings

__all__ = [
    "STATE",
    "ProjectState",
    "add_class",
    "create_project",
    "read_classes",
    "read_guidelines",
    "read_state",
    "state_of",
    "write_guidelines",
    "write_state",
]


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
    """

    name: str
    settings: ProjectSettings
    current_round: int
    base_round: int
    audit_rate: float | None
    n_gold: int

    @property
    def has_front(self) -> bool:
        """Whether the ranking that holds is the front of another one."""
        return self.current_round != self.base_round


def create_project(
    connection: Connection, name: str, classes: Iterable[str], settings: ProjectSettings, *, now: float
) -> None:
    """Fill a new database: the project's row, its classes and round 0."""
    connection.execute(
        sa.insert(schema.project).values(
            id=0, name=name, created_at=now, settings=settings.to_dict(), current_round=0
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
    for class_name in classes:
        add_class(connection, class_name)


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
    )


def write_state(connection: Connection, **values: object) -> None:
    """Change columns of the project's row."""
    connection.execute(sa.update(schema.project).values(**values))


def read_classes(connection: Connection) -> tuple[str, ...]:
    """Return the names of the classes, in order."""
    return tuple(connection.scalars(sa.select(schema.classes.c.name).order_by(schema.classes.c.id)))


def add_class(connection: Connection, name: str) -> int:
    """Add a class at the end and return its number.

    Raises
    ------
    InputError
        If the name is empty or no text.
    ConflictError
        If there is such a class.
    """
    storable(name, "class", empty=False)
    serialise(connection, "numbering")
    names = read_classes(connection)
    if name in names:
        problem = f"there is a class {name!r} already; the classes are {', '.join(names)}"
        raise ConflictError(problem, code="class_taken", name=name)
    connection.execute(sa.insert(schema.classes).values(id=len(names), name=name))
    return len(names)


def read_guidelines(connection: Connection) -> str:
    """Return the guidelines that hold now; empty where there are none."""
    latest = sa.select(schema.guidelines.c.text).order_by(schema.guidelines.c.id.desc()).limit(1)
    return connection.scalar(latest) or ""


def write_guidelines(connection: Connection, text: str, *, now: float) -> None:
    """Add a version of the guidelines; earlier ones are kept."""
    connection.execute(sa.insert(schema.guidelines).values(text=text, created_at=now))


def _settings(stored: Mapping[str, Any]) -> ProjectSettings:
    return ProjectSettings().updated(stored)


STATE = tuple(
    schema.project.c[name].label(f"project_{name}")
    for name in ("name", "settings", "current_round", "base_round", "audit_rate", "n_gold")
)
"""Columns that `state_of` reads, for statements that read something else, too."""

_PROJECT = sa.select(*STATE)
