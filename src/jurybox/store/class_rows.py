"""Which rows and arrays say a class by its number, and how all of them are brought into another order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from jurybox.errors import ConflictError
from jurybox.store import schema
from jurybox.store.ranks import chunks, settle
from jurybox.store.state import read_state

CHUNK = 500
COLUMNS = (
    schema.annotations.c.class_id,
    schema.annotations.c.suggested_class,
    schema.gold.c.class_id,
    schema.responses.c.class_id,
    schema.shown.c.suggested_class,
    schema.released.c.class_id,
)
"""Every column that says a class."""

_ON_THE_WAY = "\x01on the way "


def check_free(names: Sequence[str], new: str) -> None:
    """Raise ConflictError where there is a class of a name."""
    if new in names:
        problem = f"there is a class {new!r} already; the classes are {', '.join(names)}"
        raise ConflictError(problem, code="class_taken", name=new)


def rows_that_say(connection: Connection, column: sa.Column[Any], number: int) -> list[list[Any]]:
    """Return the keys of the rows that say a class."""
    query = sa.select(*column.table.primary_key).where(column == number)
    return [list(row) for row in connection.execute(query)]


def renumber_rows(connection: Connection, places: Mapping[int, int]) -> None:
    """Let rows that say some classes say others, none of which has a higher number than the one before it."""
    for chunk in chunks(sorted(places), CHUNK):
        for column in COLUMNS:
            moved = sa.case({number: places[number] for number in chunk}, value=column)
            said = column.in_(chunk)
            connection.execute(sa.update(column.table).where(said).values({column.name: moved}))


def say_again(
    connection: Connection,
    column: sa.Column[Any],
    rows: Sequence[Sequence[Any]],
    number: int,
    still: int | None,
) -> None:
    """Let some rows, by their keys, say a class again, where they still say another one; None: whatever."""
    keys = [*column.table.primary_key]
    mine = sa.and_(*(key == sa.bindparam(f"k_{key.name}") for key in keys))
    if rows:
        which = mine if still is None else sa.and_(mine, column == still)
        values = [{f"k_{key.name}": value for key, value in zip(keys, row, strict=True)} for row in rows]
        connection.execute(sa.update(column.table).where(which).values({column.name: number}), values)


def name_classes(connection: Connection, names: Sequence[str]) -> None:
    """Let the classes be these; two of them must never have one name, so all get others on the way."""
    classes = schema.classes
    n = connection.scalar(sa.select(sa.func.count()).select_from(classes)) or 0
    if len(names) > n:
        rows = [{"id": number, "name": f"{_ON_THE_WAY}{number}"} for number in range(n, len(names))]
        connection.execute(sa.insert(classes), rows)
    connection.execute(sa.delete(classes).where(classes.c.id >= len(names)))
    other = sa.literal(_ON_THE_WAY).concat(sa.cast(classes.c.id, sa.String))
    connection.execute(sa.update(classes).values(name=other))
    mine = sa.update(classes).where(classes.c.id == sa.bindparam("a_class"))
    rows = [{"a_class": number, "a_name": name} for number, name in enumerate(names)]
    if rows:
        connection.execute(mine.values(name=sa.bindparam("a_name")), rows)


def rewrite_arrays(connection: Connection, change: Callable[[NDArray[Any]], NDArray[Any]]) -> None:
    """Change all arrays of probabilities (n, K), and those that machines gave, where NaN is none."""
    arrays = schema.arrays
    keys = sa.select(*arrays.primary_key).where(arrays.c.name == "pred_probs")
    for key in connection.execute(keys).all():
        mine = sa.and_(*(column == key._mapping[column] for column in arrays.primary_key))
        part = connection.execute(sa.select(arrays).where(mine)).one()
        p = np.frombuffer(part.data, dtype="<f4").reshape(part.rows, part.columns)
        changed = np.ascontiguousarray(change(p), dtype="<f4")
        values = {"columns": changed.shape[1], "data": changed.tobytes()}
        connection.execute(sa.update(arrays).where(mine).values(values))
    responses = schema.responses
    given = sa.select(responses.c.machine_id, responses.c.text_id, responses.c.probabilities).where(
        responses.c.probabilities.is_not(None)
    )
    one = sa.update(responses).where(
        responses.c.machine_id == sa.bindparam("a_machine"), responses.c.text_id == sa.bindparam("a_text")
    )
    for chunk in chunks(connection.execute(given).all(), CHUNK):
        rows = [
            {
                "a_machine": row.machine_id,
                "a_text": row.text_id,
                "a_value": _given(change(np.array([row.probabilities], dtype=np.float64))),
            }
            for row in chunk
        ]
        connection.execute(one.values(probabilities=sa.bindparam("a_value", type_=sa.JSON)), rows)


def _given(p: NDArray[Any]) -> list[float | None]:
    """Return a row of probabilities (1, K) as it is stored."""
    return [None if np.isnan(each) else each for each in p.ravel().tolist()]


def merged_columns(p: NDArray[Any], gone: int, kept: int) -> NDArray[Any]:
    """Return probabilities (N, K) where two classes are one, (N, K - 1).

    Examples
    --------
    >>> merged_columns(np.array([[0.1, 0.2, 0.7]]), gone=0, kept=2).round(6).tolist()
    [[0.2, 0.8]]
    """
    if gone >= p.shape[1]:
        return p
    wide = np.pad(p, ((0, 0), (0, max(0, kept + 1 - p.shape[1]))))
    wide[:, kept] += wide[:, gone]
    return np.delete(wide, gone, axis=1)


def places_without(K: int, gone: int, kept: int) -> list[int]:
    """Return where each of K classes is after a merger.

    Examples
    --------
    >>> places_without(4, gone=1, kept=3)
    [0, 2, 1, 2]
    """
    places = [k - (k > gone) for k in range(K)]
    places[gone] = places[kept]
    return places


def settle_texts_of(connection: Connection, rows: Sequence[Sequence[int]]) -> None:
    """Settle the texts again whose annotations say something else now: they may agree by now, or not."""
    annotations = schema.annotations
    for chunk in chunks([number for (number,) in rows], CHUNK):
        query = sa.select(annotations.c.text_id).where(annotations.c.id.in_(chunk)).distinct()
        settle(connection, read_state(connection), connection.scalars(query).all())
