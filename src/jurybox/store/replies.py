"""Answers kept under the key of their request, so that a request sent again is not carried out again.

A reply is written in the transaction that acts: both are there after a crash, or neither. Labels carry their
keys themselves, in `annotations`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jurybox.errors import ConflictError
from jurybox.store import schema

__all__ = ["Reply", "once"]

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
