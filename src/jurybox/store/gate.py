"""What an annotator may write: one gate, passed in the transaction that writes.

An annotator who is active, and has not failed the test on gold texts, may decide about texts that were lent
to them. A text in hand may be answered: it was lent within cap and share. An answer that comes late, when the
loan has ended, must be within them together with the texts that are in hand by now. Of other texts nobody
learns whether they exist.

Reviewers and owners need no loan and have no cap here, and what an owner does for someone passes directly.

What is sent again is not carried out again: a reply is kept under the key of its request, in the transaction
that acts, so that both are there after a crash, or neither. Labels carry their keys themselves, but for one
that was there already: it may be taken back before the request comes again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jurybox.errors import ConflictError, InputError
from jurybox.store import schema
from jurybox.store.gold import NO_LIMIT, is_tested
from jurybox.store.people import free_by_share, share_of
from jurybox.store.records import Role, Standing
from jurybox.store.rows import GOLD, Situation, count_loans, known
from jurybox.store.state import ProjectState

IN_HAND = 20
"""How many texts someone may hold who asks for them with an annotator's own token."""

REMARK_LENGTH = 2_000
"""The most characters of an annotator's remark, comment or reason."""

REMARKS, REMARKS_ON_A_TEXT = 1_000, 5
"""The most remarks an annotator may leave for the owner, in all and about one text."""

REVISIONS = 100
"""How often an annotator may decide about one text, changes and what was taken back included."""

_LOOKED_AT = 1_000
"""So many of an annotator's last decisions are looked at: what can be changed was made lately."""


def check_person(state: ProjectState, annotator: sa.Row[Any], *, direct: bool) -> None:
    """Make sure that a person may write at present.

    Raises
    ------
    ConflictError
        If the person is paused, or has failed the test.
    """
    if direct:
        return
    if annotator.standing != Standing.ACTIVE:
        raise ConflictError(
            f"annotator {annotator.name!r} is paused; the owner of the project can change that", code="paused"
        )
    if is_tested(state, annotator) and annotator.qualified is not None:
        raise ConflictError(
            f"annotator {annotator.name!r} did not qualify; the owner of the project can change that",
            code="not_qualified",
        )


def is_bound(annotator: sa.Row[Any], *, direct: bool) -> bool:
    """Whether a person needs loans and has limits: not reviewers and owners, nor whom an owner acts for."""
    return not direct and annotator.role == Role.ANNOTATOR


def check_lent(
    state: ProjectState, annotator: sa.Row[Any], found: Situation | None, text: str, *, direct: bool
) -> Situation:
    """Make sure that a text is or was lent to a person who needs that; an unknown text was not.

    Raises
    ------
    ConflictError
        If it was not, or is no gold text and the person is still being tested.
    NotFoundError
        If there is no such text, for people who need no loan.
    """
    if not is_bound(annotator, direct=direct):
        return known(found, text)
    if found is None or not found.was_lent:
        raise ConflictError(
            f"text {text!r} is none of the texts lent to annotator {annotator.name!r}; "
            "ask for the next text instead",
            code="not_yours",
        )
    if is_tested(state, annotator) and found.standing is None and found.reason != GOLD:
        raise ConflictError(
            f"annotator {annotator.name!r} is still being tested; ask for the next text", code="being_tested"
        )
    return found


def check_answer(
    connection: Connection,
    state: ProjectState,
    annotator: sa.Row[Any],
    found: Situation | None,
    text: str,
    *,
    direct: bool,
    now: float,
) -> Situation:
    """Make sure that a person may label a text.

    Raises
    ------
    ConflictError, NotFoundError
        As `check_person` and `check_lent`; and if a late answer is beyond the person's cap or share.
    """
    check_person(state, annotator, direct=direct)
    found = check_lent(state, annotator, found, text, direct=direct)
    if found.is_lent or not is_bound(annotator, direct=direct):
        return found
    n_held = count_loans(connection, annotator.id, now)
    if annotator.cap is not None and annotator.n_annotations + n_held >= annotator.cap:
        raise ConflictError(
            f"annotator {annotator.name!r} may give {annotator.cap:,} labels, those in hand included; "
            "the owner of the project can change that",
            code="cap_reached",
        )
    if allowance(connection, state, annotator, n_held) <= 0:
        raise ConflictError(
            f"annotator {annotator.name!r} has given as large a share of the labels as was agreed; "
            "it will do when others have given more",
            code="share_reached",
        )
    return found


def allowance(connection: Connection, state: ProjectState, annotator: sa.Row[Any], n_held: int) -> int:
    """Return how many more texts an annotator who holds so many may take, by number and by share."""
    free = NO_LIMIT if annotator.cap is None else annotator.cap - annotator.n_annotations - n_held
    share = share_of(annotator, state.settings)
    return free if share is None else min(free, free_by_share(connection, annotator, share, n_held))


def check_remark(annotator: sa.Row[Any], remark: str | None, *, direct: bool) -> None:
    """Make sure that what an annotator has to say is of a reasonable length.

    Raises
    ------
    InputError
        If it is too long.
    """
    if remark is not None and len(remark) > REMARK_LENGTH and is_bound(annotator, direct=direct):
        raise InputError(
            f"the remark has {len(remark):,} characters, expected at most {REMARK_LENGTH:,}; shorten it",
            code="too_long",
        )


def check_remarks(connection: Connection, annotator_id: int, text_id: int) -> None:
    """Make sure that an annotator has room for one more remark.

    Raises
    ------
    ConflictError
        If there are too many about the text, or in all.
    """
    row = connection.execute(_REMARKS, {"annotator": annotator_id, "text": text_id}).one()
    if row.n >= REMARKS or (row.about_text or 0) >= REMARKS_ON_A_TEXT:
        raise ConflictError(
            f"there are {row.n:,} remarks of this annotator, {row.about_text:,} of them about this text; "
            f"expected at most {REMARKS:,} and {REMARKS_ON_A_TEXT}; tell the owner of the project directly",
            code="too_many_remarks",
        )


def check_revisions(connection: Connection, annotator_id: int, text_id: int) -> None:
    """Make sure that an annotator has not decided about a text too often: each time is kept for ever.

    Raises
    ------
    ConflictError
        If there are too many changes.
    """
    n = connection.scalar(_REVISIONS, {"annotator": annotator_id, "text": text_id}) or 0
    if n >= REVISIONS:
        raise ConflictError(
            f"there are {n:,} decisions of this annotator about this text, expected at most {REVISIONS}; "
            "tell the owner of the project what is right",
            code="too_many_changes",
        )


# Built once: building a statement takes longer than running it.
_ABOUT_TEXT = sa.case((schema.flags.c.text_id == sa.bindparam("text", type_=sa.Integer), 1), else_=0)
_REMARKS = sa.select(sa.func.count().label("n"), sa.func.sum(_ABOUT_TEXT).label("about_text")).where(
    schema.flags.c.annotator_id == sa.bindparam("annotator", type_=sa.Integer)
)


def _revisions() -> sa.Select[Any]:
    """Count what an annotator has lately decided about a text."""

    def of(table: sa.Table) -> Any:
        mine = table.c.annotator_id == sa.bindparam("annotator", type_=sa.Integer)
        latest = (
            sa.select(table.c.text_id).where(mine).order_by(table.c.id.desc()).limit(_LOOKED_AT).subquery()
        )
        here = latest.c.text_id == sa.bindparam("text", type_=sa.Integer)
        return sa.select(sa.func.count()).select_from(latest).where(here).scalar_subquery()

    return sa.select(of(schema.annotations) + of(schema.skips))


_REVISIONS = _revisions()


Reply = Mapping[str, Any]


def once(
    connection: Connection,
    annotator_id: int,
    verb: str,
    key: str | None,
    request: Mapping[str, object],
    act: Callable[[], Reply],
    *,
    now: float,
) -> tuple[Reply, bool]:
    """Act at the first request of a key; without a key, always. A failure is not kept.

    The person must be locked (`jurybox.store.people.lock_annotator`): two requests of one key come in turn.

    Parameters
    ----------
    verb
        What is done; each has keys of its own.
    request
        What is asked for, in JSON values.

    Returns
    -------
    tuple
        What was answered, in JSON values, and whether that was at an earlier request.

    Raises
    ------
    ConflictError
        If the key was used for another request.
    """
    if key is None:
        return act(), False
    named = {"annotator_id": annotator_id, "verb": verb, "key": key}
    asked = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
    kept = connection.execute(_KEPT, named).one_or_none()
    if kept is None:
        result = act()
        row = {**named, "request": asked, "result": dict(result), "created_at": now}
        connection.execute(sa.insert(schema.replies).values(row))
        return result, False
    if kept.request != asked:
        raise ConflictError(f"the key {key!r} was used for another request; use a new key for each one")
    return kept.result, True


_KEPT = sa.select(schema.replies.c.request, schema.replies.c.result).where(
    *(schema.replies.c[name] == sa.bindparam(name) for name in ("annotator_id", "verb", "key"))
)
