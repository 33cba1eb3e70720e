"""Machines of a project, every version of each, and those of their labels that stand without a person.

These are written and taken back together, and asked of nobody meanwhile.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from jurybox.errors import NotFoundError
from jurybox.formats.plain import plain
from jurybox.machines.records import MachineSpec, Price, identity, kind_of, read_spec
from jurybox.store import schema
from jurybox.store.checks import storable
from jurybox.store.locks import serialise


@dataclass(frozen=True)
class Machine:
    """One version of a language model or a rule.

    Attributes
    ----------
    id
        Its number in this project.
    name, version
        What it is called, and which one of that name; versions count from 1.
    spec
        What it is.
    price
        What it costs.
    made_by
        Who added it.
    created_at, stopped_at
        Unix times; None while it may be asked.
    """

    id: int
    name: str
    version: int
    spec: MachineSpec
    price: Price
    made_by: str
    created_at: float
    stopped_at: float | None

    @property
    def kind(self) -> str:
        """``llm``, ``keywords``, ``regex`` or ``function``."""
        return kind_of(self.spec)

    @property
    def title(self) -> str:
        """Name and version."""
        return f"{self.name} v{self.version}"


def add_machine(
    connection: Connection, name: str, spec: MachineSpec, price: Price, *, made_by: str, now: float
) -> Machine:
    """Add a machine: a new version where there is one of this name, which is something else.

    The same one again is no new version; its price, and how it is reached, may have changed.

    Raises
    ------
    InputError
        If the name is empty or cannot be stored.
    """
    serialise(connection, "numbering")
    storable(name, "name", empty=False)
    machines = schema.machines
    known = [machine for machine in read_machines(connection) if machine.name == name]
    values = {"spec": plain(spec), "price": asdict(price), "stopped_at": None}
    for machine in known:
        if machine.kind == kind_of(spec) and identity(machine.spec) == identity(spec):
            connection.execute(sa.update(machines).where(machines.c.id == machine.id).values(values))
            return _machine(connection.execute(sa.select(machines).where(machines.c.id == machine.id)).one())
    last = connection.scalar(sa.select(sa.func.max(machines.c.id)))
    row = {
        **values,
        "id": 0 if last is None else last + 1,
        "name": name,
        "version": len(known) + 1,
        "kind": kind_of(spec),
        "made_by": storable(made_by, "made_by"),
        "created_at": now,
    }
    connection.execute(sa.insert(machines).values(row))
    return _machine(connection.execute(sa.select(machines).where(machines.c.id == row["id"])).one())


def read_machines(connection: Connection) -> list[Machine]:
    """Return all versions of all machines, in the order in which they came."""
    query = sa.select(schema.machines).order_by(schema.machines.c.id)
    return [_machine(row) for row in connection.execute(query)]


def find_machine(connection: Connection, name: str, version: int | None = None) -> Machine:
    """Return a version of a machine; the last one by default.

    Raises
    ------
    NotFoundError
        If there is none.
    """
    known = read_machines(connection)
    found = [machine for machine in known if machine.name == name and version in (None, machine.version)]
    if not found:
        names = ", ".join(dict.fromkeys(machine.name for machine in known)) or "none"
        which = name if version is None else f"{name} v{version}"
        raise NotFoundError(f"there is no machine {which!r} in this project; there are: {names}")
    return found[-1]


def mark(connection: Connection, machine: Machine) -> str:
    """Return what names the questions of a machine: no other project, machine or version has it."""
    made_of = json.dumps(identity(machine.spec), sort_keys=True).encode()
    digest = hashlib.blake2b(made_of, digest_size=6).hexdigest()
    return f"{connection.scalar(sa.select(schema.project.c.uid))}-{machine.id}-{digest}"


def set_stopped(connection: Connection, machine: Machine, at: float | None) -> None:
    """Note since when a machine is not to be asked any more; None: it may be asked."""
    machines = schema.machines
    connection.execute(sa.update(machines).where(machines.c.id == machine.id).values(stopped_at=at))


def _machine(row: sa.Row[Any]) -> Machine:
    return Machine(
        id=row.id,
        name=row.name,
        version=row.version,
        spec=read_spec(row.kind, row.spec),
        price=Price(**row.price),
        made_by=row.made_by,
        created_at=row.created_at,
        stopped_at=row.stopped_at,
    )


_CHUNK = 500


@dataclass(frozen=True)
class Released:
    """A label that stands without a person.

    Attributes
    ----------
    text_id
        The text.
    label
        The model's.
    probability
        How sure the model was.
    round
        Of which round.
    allowed, error_bound
        The share of wrong labels that was allowed, and what it does not exceed, with 95 %.
    """

    text_id: str
    label: str
    probability: float
    round: int
    allowed: float
    error_bound: float


def write_released(
    connection: Connection,
    texts: Sequence[tuple[int, int, float]],
    *,
    round_id: int,
    allowed: float,
    error_bound: float,
    now: float,
) -> None:
    """Release labels in place of all that were released before.

    Parameters
    ----------
    texts
        Number, class and probability of each.
    """
    serialise(connection, "round")
    released = schema.released
    connection.execute(sa.delete(released))
    rest = {"round_id": round_id, "allowed": allowed, "error_bound": error_bound, "released_at": now}
    rows = [{"text_id": text, "class_id": k, "probability": p, **rest} for text, k, p in texts]
    for start in range(0, len(rows), _CHUNK):
        connection.execute(sa.insert(released), rows[start : start + _CHUNK])


def read_released(connection: Connection) -> list[Released]:
    """Return the labels that stand without a person; not those of texts that a person has labelled since."""
    released, texts, classes = schema.released, schema.texts, schema.classes
    labelled = sa.exists().where(schema.annotations.c.text_id == released.c.text_id, schema.is_standing)
    query = (
        sa.select(
            texts.c.external_id,
            classes.c.name,
            released.c.probability,
            released.c.round_id,
            released.c.allowed,
            released.c.error_bound,
        )
        .select_from(
            released.join(texts, texts.c.id == released.c.text_id).join(
                classes, classes.c.id == released.c.class_id
            )
        )
        .where(~labelled)
        .order_by(released.c.text_id)
    )
    return [Released(*row) for row in connection.execute(query)]


def released_texts(connection: Connection) -> NDArray[np.int64]:
    """Return the numbers of the texts whose label stands without a person."""
    query = sa.select(schema.released.c.text_id).order_by(schema.released.c.text_id)
    return np.asarray(connection.scalars(query).all(), dtype=np.int64)
