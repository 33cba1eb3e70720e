"""What owners set: settings, guidelines, further classes; each change is in the trail with what held before.

Whatever depends on a setting is brought up to date in the transaction that changes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy.engine import Connection

from jurybox.errors import ConflictError
from jurybox.project.choices import NAMED, check_names
from jurybox.scales import numbers_of
from jurybox.store import classes, editing, ranks, state
from jurybox.store.checks import storable
from jurybox.store.gold import exempt_veterans, pass_on
from jurybox.store.history import HistoryEvent, note_event
from jurybox.store.locks import serialise
from jurybox.store.settings import ProjectSettings

Detail = Mapping[str, Any]


def change_settings(
    connection: Connection, changes: Mapping[str, Any], *, by: str | None, now: float
) -> ProjectSettings:
    """Change some settings by name, note which they were, and return all of them.

    Raises
    ------
    InputError
        For an unknown name, a value out of range, a strategy, encoder or classifier that there is not, or
        classes that are no scale.
    ConflictError
        For a value that is for one question alone, in a project with several, or the other way round.
    """
    detail = _set(connection, lambda before: before.updated(changes), now)
    if detail["after"]:
        note_event(connection, "settings", ", ".join(detail["after"]), by=by, now=now, detail=detail)
    return state.read_state(connection).settings


def settings_before(connection: Connection, event: HistoryEvent, now: float) -> Detail:
    """Undo a change of settings; return what the trail is to keep.

    Raises
    ------
    ConflictError
        If one of them was changed since.
    """
    held = _plain(state.read_state(connection).settings)
    for name, value in event.detail["after"].items():
        if held[name] != value:
            raise ConflictError(
                f"{name} was {value!r} and is {held[name]!r} by now; undo that first", code="in_the_way"
            )
    return _set(connection, lambda settings: replace(settings, **event.detail["before"]), now)


def change_guidelines(connection: Connection, text: str, *, by: str | None, now: float) -> None:
    """Add a version of the guidelines, and note which held before; the same text again changes nothing."""
    detail = _write_guidelines(connection, storable(text, "guidelines"), now)
    if detail["after"] != detail["before"]:
        note_event(connection, "guidelines", str(detail["after"]), by=by, now=now, detail=detail)


def guidelines_before(connection: Connection, event: HistoryEvent, now: float) -> Detail:
    """Undo a change of the guidelines by a version like the one before; return what the trail is to keep.

    Raises
    ------
    ConflictError
        If they were changed since.
    """
    versions = {one.number: one.text for one in state.read_guideline_versions(connection, None)}
    if max(versions) != event.detail["after"]:
        problem = f"version {max(versions)} of the guidelines holds by now; undo that first"
        raise ConflictError(problem, code="in_the_way")
    return _write_guidelines(connection, versions.get(event.detail["before"], ""), now)


def add_class(connection: Connection, name: str, *, by: str | None, now: float) -> None:
    """Add a class behind the others, and note it; raises what `jurybox.store.classes.add` does."""
    editing.alone(connection)
    classes.add(connection, name)
    note_event(connection, "add class", name, by=by, now=now)


def _set(connection: Connection, change: Callable[[ProjectSettings], ProjectSettings], now: float) -> Detail:
    """Change the settings, and all that depends on them; return the values before and after that differ."""
    serialise(connection, "round")
    stored = state.read_state(connection)
    settings = change(stored.settings)
    check_names(settings, [n for n in NAMED if getattr(settings, n) != getattr(stored.settings, n)])
    state.check_questions(settings, stored.questions)
    numbers_of(state.read_classes(connection), settings.scale)  # raises where they are no scale
    before, after = _plain(stored.settings), _plain(settings)
    state.write_state(connection, settings=after)
    exempt_veterans(connection, stored.settings, settings)
    pass_on(connection, now=now)  # nothing, unless copies share labels only now
    if ranks.rules(settings) != ranks.rules(stored.settings):
        ranks.settle_all(connection, state.read_state(connection))
    names = [name for name in after if before[name] != after[name]]
    return {
        kind: {name: held[name] for name in names} for kind, held in (("before", before), ("after", after))
    }


def _plain(settings: ProjectSettings) -> dict[str, Any]:
    """Return settings as JSON gives them back."""
    return {**settings.to_dict(), "highlights": list(settings.highlights)}


def _write_guidelines(connection: Connection, text: str, now: float) -> Detail:
    """Write a version unless it is the one that holds; return the numbers before and after, 0 for none."""

    def number() -> int:
        last = state.read_guideline_versions(connection, 1)
        return last[0].number if last else 0

    before = number()
    if text != state.read_guidelines(connection):
        state.write_guidelines(connection, text, now=now)
    return {"before": before, "after": number()}
