"""Which texts are read as one: groups of copies and near-duplicates change, and change back.

Each change returns the rows of its texts before and after; it is undone where they are as it left them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jurybox.errors import ConflictError
from jurybox.store import schema
from jurybox.store.groups import GroupRow, copies_of, group_rows, rewrite_groups, rows_around
from jurybox.store.ranks import close_copies, mark_audit, mark_gold, settle
from jurybox.store.services import ask_for_round
from jurybox.store.state import read_state

Detail = Mapping[str, Any]


def regroup(connection: Connection, rows: Iterable[GroupRow], *, now: float) -> Detail:
    """Write what texts have to do with others, in the queue, too; return the rows before and after."""
    changed = _rewritten(connection, rows)
    state, numbers = read_state(connection), [text for text, *_ in changed["after"]]
    audit = connection.scalars(sa.select(schema.audit.c.text_id)).all()
    mark_audit(connection, state, sorted({*audit} & {*numbers}))
    mark_gold(connection, state, numbers)
    settle(connection, state, numbers)
    close_copies(connection, state)
    if numbers:
        ask_for_round(connection, now=now)
    return changed


def regroup_again(connection: Connection, detail: Detail, *, now: float) -> None:
    """Undo `regroup`, by what it returned; copies that came since are copies of what those before are.

    Raises
    ------
    ConflictError
        If the texts were grouped in another way since.
    """
    rows = _groups_before(connection, detail)
    copies = {row.text_id: row for row in rows if row.copy_of is not None}
    known = {row.text_id for row in rows}
    came = [
        row._replace(copy_of=copies[first].copy_of, group_id=copies[first].group_id)
        for row in copies_of(connection, list(copies))
        if (first := row.copy_of) is not None and row.text_id not in known
    ]
    regroup(connection, [*rows, *came], now=now)


def split_group(connection: Connection, numbers: Sequence[int], *, now: float) -> Detail:
    """Let texts be alone, and stay so; return what undoes that."""
    rows, alone = rows_around(connection, numbers), {*numbers}
    left = {row.text_id: row for row in rows.values() if row.text_id not in alone}
    new = [GroupRow(number, None, number, True) for number in alone]
    return regroup(connection, [*new, *_led(left)], now=now)


def merge_group(connection: Connection, numbers: Sequence[int], *, now: float) -> Detail:
    """Make one group of texts and all that are in a group with them; return what undoes that."""
    rows = rows_around(connection, numbers)
    head = min(rows)
    return regroup(connection, [row._replace(group_id=head, by_hand=True) for row in rows.values()], now=now)


def _rewritten(connection: Connection, rows: Iterable[GroupRow]) -> Detail:
    """Write what texts have to do with others; return the rows before and after."""
    before = rewrite_groups(connection, rows)
    after = group_rows(connection, [row.text_id for row in before])
    return {"before": [list(row) for row in before], "after": [list(row) for row in after]}


def _groups_before(connection: Connection, detail: Detail) -> list[GroupRow]:
    """Return what was written of texts before a change of their groups that holds.

    Raises
    ------
    ConflictError
        If it holds no more.
    """
    after = [GroupRow(*row) for row in detail["after"]]
    if group_rows(connection, [row.text_id for row in after]) != after:
        problem = "some of these texts were grouped in another way since; undo that first"
        raise ConflictError(problem, code="in_the_way")
    return [GroupRow(*row) for row in detail["before"]]


def follow(connection: Connection, numbers: Sequence[int]) -> Detail:
    """Let others come first where the first of several copies is deleted; return what undoes that."""
    gone = {*numbers}
    copies = sa.select(schema.groups.c.copy_of).where(schema.groups.c.copy_of.is_not(None)).distinct()
    led = [number for number in connection.scalars(copies) if number in gone]
    if not led:
        return {"before": [], "after": []}
    left = {text: row for text, row in rows_around(connection, led).items() if text not in gone}
    changed = _rewritten(connection, _led(left))
    state, texts = read_state(connection), [text for text, *_ in changed["after"]]
    mark_gold(connection, state, texts)
    close_copies(connection, state)
    return changed


def _led(rows: Mapping[int, GroupRow]) -> list[GroupRow]:
    """Return rows of texts, where others take the place of first copies and heads that are not among them."""
    copies: dict[int, int] = {}
    heads: dict[int | None, int] = {}
    for number, row in sorted(rows.items()):
        heads.setdefault(row.group_id, number)
        if row.copy_of is not None and row.copy_of not in rows:
            copies.setdefault(row.copy_of, number)
    new = []
    for number, row in sorted(rows.items()):
        first = row.copy_of if row.copy_of is None else copies.get(row.copy_of, row.copy_of)
        new.append(row._replace(copy_of=None if first == number else first, group_id=heads[row.group_id]))
    return new
