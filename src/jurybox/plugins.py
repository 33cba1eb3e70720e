"""What other packages bring along: strategies, encoders and classifiers, by entry points.

A package names an object, or a function that makes it, in its ``pyproject.toml``::

    [project.entry-points."jurybox.strategies"]
    mine = "my_package:strategy"

The groups are ``jurybox.strategies``, ``jurybox.encoders`` and ``jurybox.classifiers``. A package is imported
when its name is asked for, and not before.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any

from jurybox.errors import InputError

__all__ = ["brought", "names_of"]


def names_of(kind: str) -> list[str]:
    """Return the names that installed packages bring along.

    Examples
    --------
    >>> names_of("no such kind")
    []
    """
    return sorted(found.name for found in entry_points(group=f"jurybox.{kind}"))


def brought(kind: str, name: str, *has: str) -> Any | None:
    """Return what an installed package calls by a name, or None where none does.

    Parameters
    ----------
    kind
        ``"strategies"``, ``"encoders"`` or ``"classifiers"``.
    name
        As in the entry point.
    *has
        Attributes of which the object has one; without, the object is called to make one that has.

    Raises
    ------
    InputError
        If the package cannot be imported, or brings something else.
    """
    for found in entry_points(group=f"jurybox.{kind}", name=name):
        return _made(found, has)
    return None


def _made(found: EntryPoint, has: tuple[str, ...]) -> Any:
    try:
        held = found.load()
        made = held if _has(held, has) and not isinstance(held, type) else held()
    except Exception as error:
        raise InputError(
            f"{found.group}: {found.name!r} ({found.value}) cannot be loaded: {error!s:.300}"
        ) from error
    if not _has(made, has):
        raise InputError(
            f"{found.group}: {found.name!r} ({found.value}) is {made!r:.80}, expected one with "
            f"{' or '.join(map(repr, has))}"
        )
    return made


def _has(made: Any, attributes: tuple[str, ...]) -> bool:
    return any(hasattr(made, name) for name in attributes)
