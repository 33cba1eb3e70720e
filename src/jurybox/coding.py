"""From the caller's identifiers and labels to positions, with an error that names the first wrong row.

What means "no label" is here, too: the markers that programs write into a cell which holds nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from numbers import Number
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jurybox.arrays import Bools, Index, Ints
from jurybox.errors import InputError
from jurybox.spellings import (
    as_number,
    refuse_lookalikes,
    refuse_two_types,
    warn_of_people,
    warn_of_spellings,
)

__all__ = [
    "MISSING_MARKERS",
    "class_names",
    "encode",
    "encode_labels",
    "identifiers",
    "in_order",
    "is_missing",
    "missing_labels",
    "missing_values",
    "plain",
    "positions",
    "refuse_truth_values",
    "refuse_unordered",
    "renumber",
]

MISSING_MARKERS = frozenset(
    {
        *("", "na", "n/a", "n.a.", "n.a", "#n/a", "#na", "#n/a n/a", "<na>", "@na"),
        *(
            "nan",
            "-nan",
            "1.#qnan",
            "-1.#ind",
            "nat",
            "null",
            "<null>",
            "(null)",
            "#null!",
            "\\n",
            "nil",
            "none",
        ),
        *("-", "--", "---", "–", "—", ".", "..", "?"),
    }
)
"""Markers in lower case: of R, pandas, Excel, SPSS, Stata, SQL and Python, and dashes."""

_NONE = ("None", "NONE")


def is_missing(value: str, names: Collection[str] | None = None) -> bool:
    """Whether a cell says that there is no label.

    Parameters
    ----------
    value
        What the cell holds.
    names
        The classes where they are known: what one of them is called is a label. Where they are not, "none" is
        a word that people label with, and "-" is the opposite of "+".

    Examples
    --------
    >>> is_missing(" N/A "), is_missing("NA", ["NA", "EU"]), is_missing("none"), is_missing("none", ["a"])
    (True, False, False, True)
    """
    bare = value.strip()
    if names is None:
        return bare.lower() in MISSING_MARKERS and (bare.lower() != "none" or bare in _NONE)
    return bare.lower() in MISSING_MARKERS and bare not in names


def plain(value: Any) -> Any:
    """Return one of NumPy's values as Python's, as people write it.

    Examples
    --------
    >>> plain(np.str_("t1")), plain("t1")
    ('t1', 't1')
    """
    return value.item() if isinstance(value, np.generic) else value


def missing_values(values: NDArray[Any]) -> Bools:
    """Say which values mean 'none': NaN, None, ``pd.NA`` and empty strings."""
    import pandas as pd

    missing: Bools = np.array(pd.isna(values))
    if values.dtype.kind in "OU":
        missing[~missing] = values[~missing] == ""
    return missing


def missing_labels(
    values: NDArray[Any], classes: Sequence[Hashable] | None
) -> tuple[Bools, Mapping[str, int]]:
    """Say which labels are none, and count the markers such as "NA" that say so.

    Raises
    ------
    InputError
        If a cell holds a list: several labels.
    """
    missing = missing_values(values)
    if values.dtype.kind not in "OU":
        return missing, {}
    _refuse_lists(values)
    words = {value for value in values[~missing].tolist() if isinstance(value, str)}
    names = None if classes is None else {name for name in classes if isinstance(name, str)}
    markers = {word for word in words if is_missing(word, names)}
    if "+" in words:  # then "-" is its opposite
        markers -= {word for word in markers if word.strip() == "-"}
    counts: Counter[str] = Counter()
    if markers:
        marked = np.array([isinstance(value, str) and value in markers for value in values.ravel().tolist()])
        counts.update(values.ravel()[marked].tolist())
        missing |= marked.reshape(values.shape)
    return missing, dict(counts)


def _refuse_lists(values: NDArray[Any]) -> None:
    for at, value in enumerate(values.ravel().tolist()) if values.dtype == object else ():
        if isinstance(value, list | tuple | set | frozenset | dict | np.ndarray):
            row = at // values.shape[1] if values.ndim > 1 else at
            kind = "dict" if isinstance(value, dict) else "list"
            raise InputError(f"row {row}: label {value!r:.60} is a {kind}; expected one label a text")


def encode(
    values: NDArray[Any], known: Sequence[Any] | NDArray[Any] | None, name: str
) -> tuple[Ints, NDArray[Any]]:
    """Return the position of each value among ``known`` (default: in order of appearance) and the names."""
    import pandas as pd

    missing = missing_values(values)
    if missing.any():
        row = int(missing.argmax())
        raise InputError(
            f"row {row}: the {name} is missing (got {plain(values[row])!r}), expected an identifier"
        )
    if known is None:
        codes, unique = pd.factorize(values)
        names = np.asarray(unique)
        refuse_two_types(names, name)
        warn_of_people(names if name == "annotator" else ())
        return codes, names
    names = identifiers(known, name)
    codes = pd.Index(names).get_indexer(pd.Index(values)).astype(np.int64)
    if (codes < 0).any():
        row = int((codes < 0).argmax())
        raise InputError(
            f"row {row}: {name} {plain(values[row])!r:.60} is not among the {len(names)} given as {name}s=, "
            f"which start with {names[:3].tolist()!r:.100}"
        )
    return codes, names


def refuse_unordered(names: Any, what: str) -> None:
    """Raise InputError unless something can be names in an order: no single text, number, set or table.

    Examples
    --------
    >>> refuse_unordered({"no", "yes"}, "classes")
    Traceback (most recent call last):
    ...
    jurybox.errors.InputError: classes is a set, expected names in their order, such as ['a', 'b']
    """
    if isinstance(names, str | int | set | frozenset) or hasattr(names, "columns"):
        raise InputError(
            f"{what} is a {type(names).__name__}, expected names in their order, such as ['a', 'b']"
        )


def identifiers(known: Iterable[Any], name: str) -> NDArray[Any]:
    """Return identifiers as an array of their own, or raise if one appears twice."""
    import pandas as pd

    refuse_unordered(known, f"{name}s")
    unique = known.copy() if isinstance(known, np.ndarray) else pd.Index(known).to_numpy()
    if (missing := missing_values(unique)).any():
        got = plain(unique[int(missing.argmax())])
        raise InputError(f"{name} {int(missing.argmax())} is missing (got {got!r}), expected an identifier")
    repeated = pd.Index(unique).duplicated()
    if repeated.any():
        row = int(repeated.argmax())
        raise InputError(f"{name} {plain(unique[row])!r} appears twice, expected each {name} once")
    return unique


def class_names(classes: Sequence[Hashable]) -> tuple[Hashable, ...]:
    """Return the classes as a tuple, or raise if one appears twice, or they have no order."""
    refuse_unordered(classes, "classes")
    names = tuple(map(plain, classes))
    repeated = [name for position, name in enumerate(names) if name in names[:position]]
    if repeated:
        raise InputError(f"class {repeated[0]!r} appears twice in classes=, expected each class once")
    return names


def encode_labels(
    values: NDArray[Any], classes: Sequence[Hashable] | None, row: NDArray[np.integer] | None = None
) -> tuple[Ints, tuple[Hashable, ...]]:
    """Turn labels into class positions; ``row`` says in which row of the input each label stands."""
    import pandas as pd

    rows = np.arange(len(values)) if row is None else row
    missing = missing_values(values)
    if missing.any():
        raise InputError(f"row {rows[missing.argmax()]}: the label is missing, expected a class")
    numbers = pd.to_numeric(values, errors="coerce") if _numeric(values) else None
    names = class_names(classes) if classes is not None else None
    if names is None and numbers is not None:
        names = _counted(_whole(numbers, rows))
    elif names is None:
        names = tuple(sorted(set(values.tolist()), key=_in_order))
        refuse_lookalikes(names)
        warn_of_spellings(names)
    by_position = numbers is not None and all(isinstance(name, str) for name in names)
    if numbers is not None and by_position:
        refuse_truth_values(values, names)
        codes = _whole(numbers, rows)
        outside = (codes < 0) | (codes >= len(names))
    else:
        sought = values if numbers is None or classes is not None else _whole(numbers, rows)
        codes = pd.Index(names, dtype=object).get_indexer(pd.Index(sought, dtype=object)).astype(np.int64)
        outside = codes < 0
    if outside.any():
        first = int(outside.argmax())
        raise InputError(
            f"row {rows[first]}: label {plain(values[first])!r} is not one of the classes {_listed(names)}"
        )
    return codes, names


def refuse_truth_values(values: NDArray[Any], names: Sequence[Hashable]) -> None:
    """Raise InputError for labels that are True and False where classes have other names.

    Examples
    --------
    >>> refuse_truth_values(np.array([True]), ["yes", "no"])
    Traceback (most recent call last):
    ...
    jurybox.errors.InputError: labels are True and False, expected classes by name or position: ...
    """
    if len(values) and all(isinstance(value, bool) for value in values.tolist()):
        raise InputError(
            f"labels are True and False, expected classes by name or position: {_listed(tuple(names))}"
        )


def _counted(labels: Ints) -> tuple[int, ...]:
    """Return the classes behind whole numbers: 0, 1, …, max where they count from 0, else those seen."""
    seen = sorted(set(labels.tolist()))
    if not seen or (seen[0] > 0 and seen != [1]):
        return tuple(seen)
    if seen[-1] > 2 * len(seen):
        raise InputError(
            f"labels are the numbers {_listed(tuple(seen))}; counted from 0, most of the {seen[-1] + 1} "
            "classes "
            f"would be chosen by nobody: pass classes={seen!r:.60}, or those there are"
        )
    return tuple(range(seen[-1] + 1))


def _in_order(name: Hashable) -> tuple[bool, float, str]:
    """Sort numbers by size, also those in text form, before words."""
    number = as_number(name)
    return (number is None, number or 0.0, str(name))


def _numeric(values: NDArray[Any]) -> bool:
    """Whether labels are numbers (or booleans), not names."""
    if values.dtype != object:
        return bool(np.issubdtype(values.dtype, np.number) or values.dtype == bool)
    return len(values) > 0 and all(isinstance(value, Number | np.bool_) for value in values)


def _whole(numbers: NDArray[Any], rows: NDArray[np.integer]) -> Ints:
    if np.iscomplexobj(numbers):
        raise InputError(f"row {rows[0]}: label {numbers[0]} is a complex number, expected a whole one")
    if (fractional := numbers != np.floor(numbers)).any():
        first = int(fractional.argmax())
        raise InputError(f"row {rows[first]}: label {numbers[first]} is not a whole number")
    if (endless := ~(np.abs(numbers) < 2.0**63)).any():
        first = int(endless.argmax())
        raise InputError(f"row {rows[first]}: label {numbers[first]} is too large for the number of a class")
    return np.asarray(numbers, dtype=np.int64)


def _listed(names: tuple[Hashable, ...], limit: int = 20) -> str:
    shown = ", ".join(repr(name) for name in names[:limit])
    return shown if len(names) <= limit else f"{shown}, … ({len(names)} in all)"


def positions(values: ArrayLike, size: int, name: str) -> Ints | Index:
    """Return positions as integers after checking that each lies in ``range(size)``."""
    array = np.asarray(values)
    if array.size and not np.issubdtype(array.dtype, np.integer):
        raise InputError(f"{name} has type {array.dtype}, expected integers (positions)")
    if array.dtype != np.int32:
        array = array.astype(np.int64, copy=False)
    if array.ndim != 1:
        raise InputError(f"{name} has {array.ndim} dimensions, expected 1: one value per annotation")
    if array.size and (array.min() < 0 or array.max() >= size):
        row = int(((array < 0) | (array >= size)).argmax())
        raise InputError(f"row {row}: {name} {array[row]} is out of range, expected 0 to {size - 1}")
    return array


def in_order(
    text: NDArray[np.integer],
    annotator: NDArray[np.integer],
    label: NDArray[np.integer],
    texts: NDArray[Any],
    annotators: NDArray[Any],
    keep_last: bool,
    rows: NDArray[np.integer] | None,
) -> Ints | slice:
    """Return the order of triplets by text, then annotator, without those that a later one replaces.

    Raises
    ------
    InputError
        If lengths differ, or an annotator labelled a text twice and the last is not to be kept; ``rows`` says
        in which row of the input each stands.
    """
    if not len(text) == len(annotator) == len(label):
        raise InputError(
            f"text, annotator and label have lengths {len(text)}, {len(annotator)} and {len(label)}, "
            "expected the same length"
        )
    key = text.astype(np.int64) * max(len(annotators), 1) + annotator
    if np.all(key[1:] > key[:-1]):
        return slice(None)
    order = np.argsort(key, kind="stable")
    key = key[order]
    repeated = key[1:] == key[:-1]
    if repeated.any() and not keep_last:
        first, second = _first_duplicate(order, repeated)
        said = (first, second) if rows is None else (int(rows[first]), int(rows[second]))
        raise InputError(
            f"row {said[1]}: annotator {plain(annotators[annotator[second]])!r} already labelled text "
            f"{plain(texts[text[second]])!r} in row {said[0]}; pass duplicates='last' to keep the later label"
        )
    return order[np.append(~repeated, True)] if len(order) else order


def _first_duplicate(order: Ints, repeated: Bools) -> tuple[int, int]:
    """Return the rows of the duplicate that the caller meets first, and of what it repeats."""
    second = order[1:][repeated]
    first = order[:-1][repeated]
    earliest = int(second.argmin())
    return int(first[earliest]), int(second[earliest])


def renumber(
    identifiers: NDArray[Any], chosen: ArrayLike | slice | None, name: str
) -> tuple[Ints, NDArray[Any]]:
    """Return the new position of each old one (-1: dropped) and the identifiers that are kept."""
    size = len(identifiers)
    if chosen is None:
        return np.arange(size), identifiers
    kept = np.arange(size)[chosen if isinstance(chosen, slice) else np.asarray(chosen)]
    position = np.full(size, -1, dtype=np.int64)
    position[kept] = np.arange(len(kept))
    if len(kept) != np.count_nonzero(position >= 0):
        raise InputError(f"{name} names a position twice, expected each once")
    return position, identifiers[kept]
