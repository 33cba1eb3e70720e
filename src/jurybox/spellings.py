"""Names that are two by accident: of labels, texts and people, in two types, letters or notations."""

from __future__ import annotations

import unicodedata
import warnings
from collections.abc import Hashable, Iterable
from math import isfinite
from numbers import Real
from typing import Any

from numpy.typing import NDArray

from jurybox.errors import InputError

__all__ = [
    "LabelsWarning",
    "as_number",
    "refuse_lookalikes",
    "refuse_two_types",
    "warn_of_people",
    "warn_of_spellings",
]


class LabelsWarning(UserWarning):
    """Labels look as if a class were there in two spellings, or as if nobody had meant their order."""


def as_number(name: Hashable) -> float | None:
    """Return the finite number that a class is, also in text form; None where it is none.

    Examples
    --------
    >>> as_number("10"), as_number(2), as_number("high")
    (10.0, 2.0, None)
    """
    if not isinstance(name, str | Real):
        return None
    try:
        number = float(name)
    except (ValueError, OverflowError):
        return None
    return number if isfinite(number) else None


def refuse_lookalikes(names: Iterable[Hashable]) -> None:
    """Refuse a number that is a label in text form as well: they would be two classes."""
    numbers = {as_number(name): name for name in names if not isinstance(name, str)}
    for name in names:
        if isinstance(name, str) and as_number(name) in numbers:
            raise InputError(
                f"labels {numbers[as_number(name)]!r} (a number) and {name!r} (a text) would be two classes; "
                "make the column one type, for instance with .astype(str)"
            )


def refuse_two_types(names: NDArray[Any], what: str) -> None:
    """Refuse a number that is the name of a text or of a person in text form as well.

    Examples
    --------
    >>> import numpy as np
    >>> refuse_two_types(np.array([7, "7"], dtype=object), "text")
    Traceback (most recent call last):
    ...
    jurybox.errors.InputError: text 7 (a number) and text '7' would be two; make the column one type, ...
    """
    words = {name for name in names if isinstance(name, str)} if names.dtype == object else set()
    for name in names if 0 < len(words) < len(names) else ():
        number = None if isinstance(name, str) else as_number(name)
        if number is not None and str(int(number) if number.is_integer() else number) in words:
            raise InputError(
                f"{what} {name!r} (a number) and {what} '{number:g}' would be two; make the column one type, "
                "for instance with .astype(str)"
            )


def warn_of_spellings(names: Iterable[Hashable]) -> None:
    """Warn of two labels that are one but for how they are written: they are two classes.

    That is upper and lower case, blanks around them, decimals of a whole number, accents in a sign of their
    own, or a list that was written as text.
    """
    written: dict[float | str, str] = {}
    for name in names:
        if not isinstance(name, str):
            continue
        if name[:1] == "[" and name[-1:] == "]":
            problem = (
                f"label {name!r:.60} looks like a list that was written as text; expected one label a text"
            )
            warnings.warn(problem, LabelsWarning, stacklevel=4)
            return
        plain = unicodedata.normalize("NFC", name).strip().casefold()
        number = as_number(name)
        if (twin := written.setdefault(plain if number is None else number, name)) != name:
            how = (
                "by case or blanks alone"
                if twin.strip().casefold() == name.strip().casefold()
                else _how(number)
            )
            warnings.warn(
                f"labels {twin!r} and {name!r} differ {how} and are two classes; make them "
                "one, for instance with .str.strip().str.lower(), or pass classes=",
                LabelsWarning,
                stacklevel=4,
            )
            return


def _how(number: float | None) -> str:
    return "in signs for accents alone" if number is None else "in how one number is written"


def warn_of_people(names: Iterable[Hashable]) -> None:
    """Warn of two annotators whose names are one but for blanks around them and signs for accents."""
    written: dict[str, str] = {}
    for name in names:
        if not isinstance(name, str):
            continue
        if (twin := written.setdefault(unicodedata.normalize("NFC", name).strip(), name)) != name:
            warnings.warn(
                f"annotators {twin!r} and {name!r} differ by blanks or signs for accents alone and are two "
                "people; make them one, for instance with .str.strip()",
                LabelsWarning,
                stacklevel=4,
            )
            return
