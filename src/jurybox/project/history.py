"""What owners have done, who did it when, and how it is undone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.engine import Connection

from jurybox.errors import ConflictError, InputError, NotFoundError
from jurybox.project import configuring
from jurybox.project.handle import ProjectPart
from jurybox.store import classes, clusters, editing, filters, loans, people, regrouping, state
from jurybox.store.history import (
    ClassNames,
    HistoryEvent,
    is_erased,
    mark_undone,
    note_event,
    read_event,
    read_events,
    read_last_number,
)
from jurybox.store.records import Standing


@dataclass(frozen=True)
class _Undone:
    """What an undoing is called in the trail, and what belongs to it."""

    verb: str
    subject: str
    detail: Mapping[str, Any]


class History(ProjectPart):
    """The trail of a stored project."""

    def last(self, limit: int = 200, *, before: int | None = None, brief: bool = False) -> list[HistoryEvent]:
        """Return the last events, or the last before one of a number, the latest first.

        Parameters
        ----------
        brief
            Leave out of the detail which rows were changed; these can be 100,000.
        """
        with self.store.read() as connection:
            return read_events(connection, limit, before=before, brief=brief)

    def event(self, number: int) -> HistoryEvent:
        """Return one event; NotFoundError if there is none of this number."""
        with self.store.read() as connection:
            return read_event(connection, number)

    def last_number(self) -> int:
        """Return the number of the last event; 0 where there is none."""
        with self.store.read() as connection:
            return read_last_number(connection)

    def undo(self, number: int, *, by: str | None = None) -> HistoryEvent:
        """Undo an event; that has a place of its own in the trail, and is returned.

        Raises
        ------
        NotFoundError
            If there is no such event.
        ConflictError
            If it was undone already, nothing undoes it, or what was done since stands in the way.
        """
        with self.store.write() as connection:
            editing.alone(connection)
            event = read_event(connection, number)
            reverse = UNDOABLE.get(event.verb)
            if reverse is None or event.undone_by is not None:
                raise ConflictError(
                    f"event {number}, {event.verb} {event.subject!r}, cannot be undone"
                    + (" twice" if event.undone_by is not None else ""),
                    code="not_undone",
                )
            now = self._clock()
            try:
                done = reverse(connection, event, now)
            except (InputError, NotFoundError) as error:  # what the event was about is gone by now
                problem = f"event {number}, {event.verb} {event.subject!r}, cannot be undone: {error}"
                raise ConflictError(problem, code="in_the_way") from error
            except KeyError as error:
                problem = f"event {number}, {event.verb} {event.subject!r}, cannot be undone"
                problem += ": the version of jurybox that did it kept too little of what was before"
                raise ConflictError(problem, code="not_undone") from error
            mine = note_event(connection, done.verb, done.subject, by=by, now=now, detail=done.detail)
            mark_undone(connection, number, mine)
            return read_event(connection, mine)


def act_on_person(connection: Connection, verb: str, name: str, *, by: str | None, now: float) -> None:
    """Pause or resume a person, leave out their labels or count them, and write it down if that is news.

    Raises
    ------
    NotFoundError
        If there is no such person.
    """
    if _act(connection, verb, name, now):  # what changed nothing has nothing that undoes it
        detail = {"person": people.number_of(connection, name)}  # names change hands
        note_event(connection, verb, name, by=by, now=now, detail=detail)


def _act(connection: Connection, verb: str, name: str, now: float) -> bool:
    """Act, and return whether that changed anything."""
    if verb in ("leave out", "count"):
        return people.leave_out(connection, name, verb == "leave out", now=now)
    standing = Standing.PAUSED if verb == "pause" else Standing.ACTIVE
    person = people.lock_annotator(connection, name)  # they must not be removed meanwhile
    people.check_present(person)
    people.update_annotator(connection, name, standing=standing.value)
    if verb == "pause":
        loans.give_back_all(connection, name)
    return bool(person.standing != standing)


def _opposite(verb: str) -> Callable[[Connection, HistoryEvent, float], _Undone]:
    def reverse(connection: Connection, event: HistoryEvent, now: float) -> _Undone:
        name = people.name_of(connection, event.detail["person"])
        _act(connection, verb, name, now)
        return _Undone(verb, name, event.detail)

    return reverse


def _restore_labels(connection: Connection, event: HistoryEvent, _now: float) -> _Undone:
    back = editing.restore_labels(connection, event.detail["labels"])
    return _Undone("restore labels", str(len(back)), {"labels": back})


def _restore_texts(connection: Connection, event: HistoryEvent, now: float) -> _Undone:
    editing.restore_texts(connection, event.detail, now=now)
    ClassNames(connection, event.number).check(*event.detail["gold"].values())
    return _Undone("restore texts", event.subject, {})


def _close(connection: Connection, event: HistoryEvent, _now: float) -> _Undone:
    editing.close_again(connection, event.detail)
    return _Undone("close", event.subject, {})


def _take_back(connection: Connection, event: HistoryEvent, _now: float) -> _Undone:
    editing.take_back(connection, event.detail)
    return _Undone("take back", event.subject, {key: event.detail[key] for key in ("annotator", "name")})


def _gold_before(connection: Connection, event: HistoryEvent, now: float) -> _Undone:
    detail = editing.gold_again(connection, event.detail, now=now)
    ClassNames(connection, event.number).check(*event.detail["before"].values())
    return _Undone("gold", event.subject, detail)


def _groups_before(connection: Connection, event: HistoryEvent, now: float) -> _Undone:
    regrouping.regroup_again(connection, event.detail, now=now)
    return _Undone("groups as before", event.subject, {})


def _unlabel(connection: Connection, event: HistoryEvent, now: float) -> _Undone:
    return _Undone("unlabel cluster", str(clusters.unlabel(connection, event.detail, now=now)), {})


def _name_before(connection: Connection, event: HistoryEvent, _now: float) -> _Undone:
    before, after = event.detail["before"], event.detail["after"]
    name = {
        "rename person": lambda: people.name_of(connection, event.detail["person"]),
        "rename class": lambda: ClassNames(connection, event.number).now(after),
        "rename project": lambda: state.read_state(connection).name,
    }[event.verb]()
    if name != after:
        raise ConflictError(f"{after!r} is {name!r} by now; undo that first", code="in_the_way")
    return _Undone(event.verb, before, rename(connection, event.verb, after, before))


def _split(connection: Connection, event: HistoryEvent, now: float) -> _Undone:
    into = ClassNames(connection, event.number).now(event.detail["into"])
    classes.split(connection, {**event.detail, "into": into}, now=now)
    return _Undone("split classes", event.subject, {"into": event.detail["into"]})


def _remove_class(connection: Connection, event: HistoryEvent, now: float) -> _Undone:
    if read_last_number(connection, event.verb, event.subject) != event.number:
        problem = f"another class {event.subject!r} was added since; undo that first"
        raise ConflictError(problem, code="in_the_way")
    classes.remove(connection, event.subject, now=now)
    ClassNames(connection, event.number).check(event.subject)
    return _Undone("remove class", event.subject, {})


def _put_back(connection: Connection, event: HistoryEvent, _now: float) -> _Undone:
    person = event.detail["person"]
    if is_erased(connection, person):
        raise ConflictError(f"{event.subject!r} was erased, which is for good", code="not_undone")
    name = people.name_of(connection, person)
    people.update_annotator(connection, name, standing=event.detail["standing"])
    editing.restore_labels(connection, event.detail["labels"])
    return _Undone("put back", name, {"person": person})


def _keep_search(connection: Connection, event: HistoryEvent, now: float) -> _Undone:
    if any(one.name == event.subject for one in filters.read_searches(connection)):
        problem = f"another search was kept as {event.subject!r} since; drop that first"
        raise ConflictError(problem, code="in_the_way")
    filters.keep_search(connection, event.subject, event.detail["query"], by=event.actor, now=now)
    return _Undone("keep search", event.subject, {})


def _settings_before(connection: Connection, event: HistoryEvent, now: float) -> _Undone:
    return _Undone(event.verb, event.subject, configuring.settings_before(connection, event, now))


def _guidelines_before(connection: Connection, event: HistoryEvent, now: float) -> _Undone:
    detail = configuring.guidelines_before(connection, event, now)
    return _Undone(event.verb, str(detail["after"]), detail)


def rename(connection: Connection, verb: str, old: str, new: str) -> dict[str, Any]:
    """Rename what the verb says: the project, a class or a person; return what the trail is to keep.

    Raises
    ------
    NotFoundError, InputError, ConflictError
        As `jurybox.store.people.rename` and `jurybox.store.classes.rename`.
    """
    kept: dict[str, Any] = {"before": old, "after": new}
    if verb == "rename project":
        state.write_state(connection, name=new)
    elif verb == "rename class":
        kept["after"] = classes.rename(connection, old, new)
    else:
        people.rename(connection, old, new)
        kept["person"] = people.lock_annotator(connection, new).id
    return kept


UNDOABLE: Mapping[str, Callable[[Connection, HistoryEvent, float], _Undone]] = {
    "pause": _opposite("resume"),
    "resume": _opposite("pause"),
    "leave out": _opposite("count"),
    "count": _opposite("leave out"),
    "delete labels": _restore_labels,
    "delete texts": _restore_texts,
    "reopen": _close,
    "assign": _take_back,
    "group": _groups_before,
    "split group": _groups_before,
    "find duplicates": _groups_before,
    "label cluster": _unlabel,
    "gold": _gold_before,
    "rename project": _name_before,
    "rename class": _name_before,
    "rename person": _name_before,
    "merge classes": _split,
    "add class": _remove_class,
    "remove person": _put_back,
    "drop search": _keep_search,
    "settings": _settings_before,
    "guidelines": _guidelines_before,
}
"""Verbs that can be undone, and what undoes each."""
