"""What owners have done, who did it when, and how it is undone."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy.engine import Connection

from jurybox.errors import ConflictError
from jurybox.project.handle import ProjectPart
from jurybox.store import loans, people
from jurybox.store.history import HistoryEvent, mark_undone, note_event, read_event, read_events
from jurybox.store.records import Standing

__all__ = ["UNDONE_BY", "History", "HistoryEvent", "act_on_person"]

UNDONE_BY: Mapping[str, str] = {
    "pause": "resume",
    "resume": "pause",
    "leave out": "count",
    "count": "leave out",
}
"""Verbs that can be undone, and what undoes each."""


class History(ProjectPart):
    """The trail of a stored project."""

    def last(self, limit: int = 200) -> list[HistoryEvent]:
        """Return the last events, the latest first."""
        with self.store.read() as connection:
            return read_events(connection, limit)

    def undo(self, number: int, *, by: str | None = None) -> HistoryEvent:
        """Undo an event by its opposite, which has a place of its own in the trail; return that.

        Raises
        ------
        NotFoundError
            If there is no such event.
        ConflictError
            If it was undone already, or nothing undoes it.
        """
        with self.store.write() as connection:
            event = read_event(connection, number)
            opposite = UNDONE_BY.get(event.verb)
            if opposite is None or event.undone_by is not None:
                raise ConflictError(
                    f"event {number}, {event.verb} {event.subject!r}, cannot be undone"
                    + (" twice" if event.undone_by is not None else ""),
                    code="not_undone",
                )
            mine = act_on_person(connection, opposite, event.subject, by=by, now=self._clock())
            mark_undone(connection, number, mine)
            return read_event(connection, mine)


def act_on_person(connection: Connection, verb: str, name: str, *, by: str | None, now: float) -> int:
    """Do one of the things of `UNDONE_BY` to a person and write it down; return the event's number.

    Raises
    ------
    NotFoundError
        If there is no such person.
    """
    if verb in ("leave out", "count"):
        people.leave_out(connection, name, verb == "leave out", now=now)
    else:
        standing = Standing.PAUSED if verb == "pause" else Standing.ACTIVE
        people.update_annotator(connection, name, standing=standing.value)
    if verb == "pause":
        loans.give_back_all(connection, name)
    return note_event(connection, verb, name, by=by, now=now)
