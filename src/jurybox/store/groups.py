"""Which texts are copies or near-duplicates of others; what that means for whoever reads labels.

A copy is found when its text comes, by a digest of what copies have in common; near-duplicates are found on
demand (`jurybox.project.pool`). Labels stay with the text that they were given to. Where copies share them,
whoever reads labels takes those of a copy for labels of the first text, of each person the last, and the
queue asks for the first text alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from jurybox.arrays import Bools, Ints
from jurybox.duplicates import TextGroups, normalised
from jurybox.store import schema
from jurybox.store.engine import insert_rows
from jurybox.store.state import read_state, write_state

_CHUNK = 500


@dataclass(frozen=True, eq=False)
class Kin:
    """What each of N texts has to do with others.

    Attributes
    ----------
    copy_of : ndarray of int, shape (N,)
        Position of the text whose labels each shares: its own, but for copies of a project that shares them.
    group : ndarray of int, shape (N,)
        Number of the group of copies and near-duplicates; texts that are alone have their own.
    """

    copy_of: Ints
    group: Ints

    @cached_property
    def is_copy(self) -> Ints:
        """Positions of the texts that share labels of another."""
        return np.flatnonzero(self.copy_of != np.arange(len(self.copy_of)))

    def spread(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return values (N, …) in which copies have those of their first texts."""
        return values[self.copy_of] if len(self.is_copy) else values

    def held_out(self, audit: Ints) -> Ints:
        """Return the positions of the audit sample and of all texts of its groups: none is trained on."""
        return np.flatnonzero(np.isin(self.group, self.group[audit]))

    def sharing(self, held_out: Bools) -> Ints | None:
        """Return the groups (N,) that share labels, none with texts that are held out; None for none."""
        group = np.where(held_out, np.arange(len(held_out)), self.group)
        first = np.unique(self.copy_of)
        return group if len(np.unique(group[first])) < len(first) else None


def read_kin(connection: Connection, N: int) -> Kin:
    """Read what the first N texts have to do with others."""
    groups = schema.groups
    query = sa.select(
        groups.c.text_id, groups.c.group_id, sa.func.coalesce(groups.c.copy_of, groups.c.text_id)
    )
    rows = np.array(connection.execute(query.where(groups.c.text_id < N)).all(), dtype=np.int64).reshape(
        -1, 3
    )
    copy_of, group = np.arange(N), np.arange(N)
    group[rows[:, 0]] = rows[:, 1]
    if read_state(connection).shares_copies:
        copy_of[rows[:, 0]] = rows[:, 2]
    return Kin(copy_of, group)


def votes_kept(text: Ints, annotator: Ints) -> Ints:
    """Return the positions, by text and annotator, of the last row of each pair; rows in order of time.

    Examples
    --------
    >>> votes_kept(np.array([1, 0, 1, 1]), np.array([0, 0, 1, 0])).tolist()
    [1, 3, 2]
    """
    order = np.lexsort((annotator, text))
    again = (np.diff(text[order]) == 0) & (np.diff(annotator[order]) == 0)
    return np.asarray(order[~np.append(again, np.zeros(min(len(order), 1), bool))])


def note_copies(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Note which of new texts, just written, are copies of others that are not deleted."""
    if not rows:
        return
    texts, groups = schema.stored_texts, schema.groups
    here = texts.c.digest.in_({row["digest"] for row in rows})
    earlier = (
        sa.select(
            texts.c.text,
            texts.c.id.label("first"),
            sa.func.coalesce(groups.c.group_id, texts.c.id).label("group"),
        )
        .outerjoin(groups, groups.c.text_id == texts.c.id)
        .where(here, texts.c.id < rows[0]["id"], texts.c.withdrawn_at.is_(None))
        .where(groups.c.copy_of.is_(None))  # a word that many texts are is read once, not with all its copies
        .order_by(texts.c.id)
    )
    known: dict[str, tuple[int, int]] = {}
    for row in connection.execute(earlier):
        known.setdefault(normalised(row.text), (row.first, row.group))
    copies = []
    for new in rows:
        first, group = known.setdefault(normalised(new["text"]), (new["id"], new["id"]))
        if first != new["id"]:
            copies.append({"text_id": new["id"], "copy_of": first, "group_id": group, "by_hand": False})
    insert_rows(connection, groups, copies)


def count_copies(connection: Connection) -> None:
    """Write down how many copies the project has, so that labelling need not look where there are none."""
    copies = schema.groups.c.copy_of.is_not(None), schema.groups.c.text_id < schema.project.c.n_texts
    write_state(connection, n_copies=sa.select(sa.func.count()).where(*copies).scalar_subquery())


def distinct_texts(connection: Connection, first: int, stop: int) -> Ints:
    """Return which texts of a range are no copies of others: what an audit sample is drawn from."""
    groups = schema.groups
    copies = connection.scalars(
        sa.select(groups.c.text_id).where(
            groups.c.copy_of.is_not(None), groups.c.text_id.between(first, stop - 1)
        )
    ).all()
    return np.setdiff1d(np.arange(first, stop), np.asarray(copies, dtype=np.int64), assume_unique=True)


def first_texts(connection: Connection, numbers: Iterable[int]) -> list[int]:
    """Return the texts whose labels some texts share, each once: themselves where they are no copies."""
    return list(dict.fromkeys(firsts_of(connection, numbers).values()))


def firsts_of(connection: Connection, numbers: Iterable[int]) -> dict[int, int]:
    """Return of each text the first one that it is a copy of: itself where it is none."""
    groups, wanted = schema.groups, list(dict.fromkeys(numbers))
    first = {number: number for number in wanted}
    for start in range(0, len(wanted), _CHUNK):
        part = groups.c.text_id.in_(wanted[start : start + _CHUNK])
        copies = sa.select(groups.c.text_id, groups.c.copy_of).where(part, groups.c.copy_of.is_not(None))
        first.update((row.text_id, row.copy_of) for row in connection.execute(copies))
    return first


class GroupRow(NamedTuple):
    """A text, the text that it is a copy of, its group (None: it is alone), and whether a person said so."""

    text_id: int
    copy_of: int | None
    group_id: int | None
    by_hand: bool


def rewrite_groups(connection: Connection, rows: Iterable[GroupRow]) -> list[GroupRow]:
    """Write what some texts have to do with others; return what was written of them before."""
    groups, new = schema.groups, {row.text_id: row for row in rows}
    numbers = list(new)
    before = group_rows(connection, numbers)
    for start in range(0, len(numbers), _CHUNK):
        connection.execute(sa.delete(groups).where(groups.c.text_id.in_(numbers[start : start + _CHUNK])))
    kept = [row._asdict() for row in new.values() if row.group_id is not None]
    insert_rows(connection, groups, kept)
    count_copies(connection)
    return before


def group_rows(connection: Connection, numbers: Sequence[int]) -> list[GroupRow]:
    """Return what is written of some texts, in their order."""
    known = {row.text_id: row for row in _rows_where(connection, schema.groups.c.text_id, numbers)}
    return [known.get(text, GroupRow(text, None, None, False)) for text in numbers]


def copies_of(connection: Connection, numbers: Sequence[int]) -> list[GroupRow]:
    """Return what is written of the copies of some texts."""
    return _rows_where(connection, schema.groups.c.copy_of, numbers)


def _rows_where(connection: Connection, column: sa.Column[Any], numbers: Sequence[int]) -> list[GroupRow]:
    groups, found = schema.groups, list[GroupRow]()
    columns = (groups.c.text_id, groups.c.copy_of, groups.c.group_id, groups.c.by_hand)
    for start in range(0, len(numbers), _CHUNK):
        some = sa.select(*columns).where(column.in_(numbers[start : start + _CHUNK]))
        found += [GroupRow(*row) for row in connection.execute(some)]
    return found


def read_rows(connection: Connection, n_texts: int) -> dict[int, GroupRow]:
    """Return all that is written of the first texts, by text; of deleted ones, that they are alone."""
    groups, texts = schema.groups, schema.stored_texts
    columns = (groups.c.text_id, groups.c.copy_of, groups.c.group_id, groups.c.by_hand)
    rows = connection.execute(sa.select(*columns).where(groups.c.text_id < n_texts))
    gone = connection.scalars(sa.select(texts.c.id).where(texts.c.withdrawn_at.is_not(None)))
    return {row.text_id: GroupRow(*row) for row in rows} | {
        number: GroupRow(number, None, None, True) for number in gone
    }


def rows_found(found: TextGroups, held: Mapping[int, GroupRow]) -> list[GroupRow]:
    """Return what is to be written of near-duplicates that were found, besides what holds by hand."""
    by_hand = {number for number, row in held.items() if row.by_hand}
    new: dict[int, GroupRow] = {}
    for members in found.members:
        free = [number for number in members.tolist() if number not in by_hand]
        for number in free:
            known = held.get(number, GroupRow(number, None, None, False))
            new[number] = known._replace(group_id=free[0])
    for number, row in held.items():  # no group any more, but for copies
        if number not in new and not row.by_hand:
            new[number] = row._replace(group_id=row.copy_of)
    needless = {number for number, row in new.items() if row.group_id == number and number not in held}
    return [row for number, row in new.items() if held.get(number) != row and number not in needless]


def rows_around(connection: Connection, numbers: Iterable[int]) -> dict[int, GroupRow]:
    """Return the rows of some texts and of all in their groups, by text; also of those that are alone."""
    groups, texts = schema.groups, schema.texts
    found: dict[int, GroupRow] = {number: GroupRow(number, None, number, False) for number in numbers}
    columns = (groups.c.text_id, groups.c.copy_of, groups.c.group_id, groups.c.by_hand)
    mine = sa.select(groups.c.group_id).where(groups.c.text_id.in_(list(found)))
    known = sa.or_(groups.c.group_id.in_(mine), groups.c.group_id.in_(list(found)))
    present = sa.select(*columns).join(texts, texts.c.id == groups.c.text_id)
    for row in connection.execute(present.where(known)):
        found[row.text_id] = GroupRow(*row)
        # the text that gives a group its number needs no row of its own
        found.setdefault(row.group_id, GroupRow(row.group_id, None, row.group_id, False))
    return found


@dataclass(frozen=True)
class GroupMember:
    """A text of a group: its number, id and text, and the id of the text that it is a copy of, if it is."""

    number: int
    text_id: str
    text: str
    copy_of: str | None


def read_groups(connection: Connection, start: int, n: int) -> tuple[int, list[tuple[GroupMember, ...]]]:
    """Return how many groups of several texts there are, and n of them from a place on, the largest first."""
    groups, texts = schema.groups, schema.texts
    own = sa.func.coalesce(groups.c.group_id, texts.c.id)
    joined = texts.outerjoin(groups, groups.c.text_id == texts.c.id)
    heads = sa.select(groups.c.group_id)
    part_of = sa.or_(groups.c.text_id.is_not(None), texts.c.id.in_(heads))
    sizes = (
        sa.select(own.label("group"), sa.func.count().label("n"))
        .select_from(joined)
        .where(part_of)
        .group_by(own)
        .having(sa.func.count() > 1)
    )
    total = connection.scalar(sa.select(sa.func.count()).select_from(sizes.subquery())) or 0
    page = sizes.order_by(sa.desc("n"), "group").limit(n).offset(start)
    order = [row.group for row in connection.execute(page)]
    first = schema.texts.alias("first")
    members = (
        sa.select(
            own.label("group"), texts.c.id, texts.c.external_id, texts.c.text, first.c.external_id.label("of")
        )
        .select_from(joined.outerjoin(first, first.c.id == groups.c.copy_of))
        .where(part_of, own.in_(order))
        .order_by(texts.c.id)
    )
    found: dict[int, list[GroupMember]] = {group: [] for group in order}
    for row in connection.execute(members):
        found[row.group].append(GroupMember(row.id, row.external_id, row.text, row.of))
    return total, [tuple(found[group]) for group in order]
