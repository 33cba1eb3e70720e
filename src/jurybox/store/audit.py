"""The audit sample grows: further texts are drawn, whether somebody has chosen them before or not.

Every text outside the sample has the same chance, so the larger sample is as good as one that was drawn at
once. A text that joins keeps its labels, but is trained on no more: the next round leaves it out, and only
that round, whose record names it, is judged by it.
"""

from __future__ import annotations

import numpy as np
from sqlalchemy.engine import Connection

from jurybox.errors import InputError
from jurybox.store import schema
from jurybox.store.engine import insert_rows
from jurybox.store.locks import serialise
from jurybox.store.ranks import mark_audit, settle
from jurybox.store.services import ROUND_REQUEST, write_note
from jurybox.store.snapshots import read_audit
from jurybox.store.state import read_state, write_state

__all__ = ["grow_audit"]


def grow_audit(connection: Connection, n: int, *, now: float) -> list[int]:
    """Draw n further texts of the audit sample, put them where it is asked for, and ask for a round.

    Texts that come later are drawn at the rate of the larger sample, so that all keep the same chance.

    Returns
    -------
    list of int
        Numbers of the texts, ascending.

    Raises
    ------
    InputError
        If n is below 1, or there are not so many texts outside the sample.
    """
    serialise(connection, "placing")  # in this order everywhere, see `jurybox.store.arrivals.place_part`
    serialise(connection, "round")  # nobody labels a text, and no round takes over, while it changes sides
    state = read_state(connection)
    known = read_audit(connection)
    others = np.setdiff1d(np.arange(state.n_texts), known, assume_unique=True)
    if not 1 <= n <= len(others):
        raise InputError(
            f"the audit sample is to grow by {n:,}, expected 1 to {len(others):,}: so many texts are outside "
            "of it",
            code="audit_growth",
            most=len(others),
        )
    rng = np.random.default_rng([state.settings.seed, state.n_texts, len(known)])
    drawn = sorted(rng.choice(others, size=n, replace=False).tolist())
    insert_rows(connection, schema.audit, [{"text_id": number, "drawn_at": now} for number in drawn])
    write_state(connection, audit_rate=(len(known) + n) / state.n_texts)
    placed = [number for number in drawn if number < state.n_placed]  # the others get their places as such
    mark_audit(connection, state, placed)
    settle(connection, state, placed)
    write_note(connection, ROUND_REQUEST, {"pending": True}, now=now)
    return drawn
