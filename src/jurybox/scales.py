"""Classes that are an ordered scale: their numbers, and what is computed on them.

The order of the classes decides what is believed of texts and annotators; the numbers decide positions and
distances alone. So a scale may be relabelled by any ascending numbers, and no label changes.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from jurybox.arrays import Floats
from jurybox.errors import InputError
from jurybox.spellings import as_number

__all__ = [
    "CLASS_KEYS",
    "MOST_POINTS",
    "Scale",
    "check_scale",
    "class_keys",
    "distances",
    "numbers_of",
    "parse_scale",
    "quadratic_kappa",
    "scale_classes",
    "set_distances",
]

Scale: TypeAlias = tuple[float, ...]

CLASS_KEYS = "123456789abdeijklmnopqrtvwxyz"
"""Keys of the classes in order, wherever people label: c, f, g, h, s and u do other things."""

_MONOTONE = (1.0, 2 / 3, 1 / 3, 0.0)  # of sets that are equal, hold one another, overlap, are disjoint

MOST_POINTS = 12  # as many classes as can be told apart by their confusions


def check_scale(scale: Sequence[float], n_classes: int) -> Scale:
    """Return the numbers of a scale's classes, or raise if they are not one each, finite and ascending.

    Examples
    --------
    >>> check_scale([1, 2, 5], 3)
    (1.0, 2.0, 5.0)
    """
    numbers = tuple(float(number) for number in scale)
    if len(numbers) != n_classes:
        raise InputError(f"scale has {len(numbers)} numbers, expected {n_classes}, one a class")
    if not np.isfinite(numbers).all() or not (np.diff(numbers) > 0).all():
        raise InputError(f"scale is {numbers}, expected finite numbers, each above the one before")
    if n_classes > MOST_POINTS:
        raise InputError(
            f"the scale has {n_classes} points, expected at most {MOST_POINTS}: take neighbours together"
        )
    return numbers


def numbers_of(classes: Sequence[Hashable], scale: bool | Sequence[float] | None) -> Scale | None:
    """Return the numbers of classes: given, else the classes themselves, else 0, 1, …; None without scale."""
    if scale is False or scale is None:
        return None
    if scale is not True:
        return check_scale(scale, len(classes))
    known = [number for number in map(as_number, classes) if number is not None]
    return check_scale(known if len(known) == len(classes) else range(len(classes)), len(classes))


def scale_classes(
    values: NDArray[Any], classes: Sequence[Hashable] | None, scale: bool | Sequence[float]
) -> Sequence[Hashable] | None:
    """Return the classes given, else those of a scale by its labels: all whole numbers from least to most.

    Numbers that are not whole, and numbers as text, are the classes that occur. Without scale, None.

    Raises
    ------
    InputError
        If a label is a word: the order of words has to be given.

    Examples
    --------
    >>> scale_classes(np.array([5, 3, 3]), None, True)
    [3, 4, 5]
    >>> scale_classes(np.array(["10", "9"], dtype=object), None, True)
    ['9', '10']
    """
    if classes is not None or scale is False:
        return classes
    found = set(values.tolist())
    by_number: dict[float, Any] = {}
    for name in found:
        number = as_number(name)
        if number is None:
            raise InputError(
                f"label {name!r} is no number; for a scale of words pass classes= in their order"
            )
        by_number[number] = name
    if not found:
        return []
    if not any(isinstance(name, str) for name in found) and all(number.is_integer() for number in by_number):
        low, high = int(min(by_number)), int(max(by_number))
        if high - low < MOST_POINTS:
            return list(range(low, high + 1))
    return [by_number[number] for number in sorted(by_number)]


def parse_scale(text: str) -> list[str]:
    """Return the classes that a scale such as "1..5" names.

    Raises
    ------
    InputError
        If it is not two whole numbers with two points between, the lower first.

    Examples
    --------
    >>> parse_scale("1..5")
    ['1', '2', '3', '4', '5']
    """
    low, between, high = text.partition("..")
    try:
        first, last = int(low), int(high)
    except ValueError:
        between = ""
    if not between or not first < last or last - first >= MOST_POINTS:
        raise InputError(
            f"scale is {text!r}, expected two whole numbers such as 1..5, the lower first, "
            f"and at most {MOST_POINTS} points"
        )
    return [str(number) for number in range(first, last + 1)]


def class_keys(classes: Sequence[str], keys: Sequence[str], *, on_scale: bool) -> list[str]:
    """Return the key of each class: its own digit on a scale of digits, else in order; "" where none is left.

    Examples
    --------
    >>> class_keys(["0", "1", "2"], "1234", on_scale=True)
    ['0', '1', '2']
    >>> class_keys(["no", "yes", "maybe"], "12", on_scale=False)
    ['1', '2', '']
    """
    if on_scale and all(len(name) == 1 and name in "0123456789" for name in classes):
        return list(classes)
    return [keys[k] if k < len(keys) else "" for k in range(len(classes))]


def distances(scale: Scale) -> Floats:
    """Return how far every two classes are apart, shape (K, K).

    Examples
    --------
    >>> distances((1.0, 2.0, 5.0))[0]
    array([0., 1., 4.])
    """
    numbers = np.array(scale)
    return np.asarray(np.abs(numbers[:, None] - numbers))


def set_distances(classes: Sequence[Hashable], *, masi: bool) -> Floats:
    """Return how far every two classes that are sets are apart, shape (K, K).

    By Jaccard, ``1 - |A & B| / |A | B|``, two empty sets being equal; by MASI what they share counts less
    unless they are equal (Passonneau 2006, "Measuring Agreement on Set-valued Items", LREC).

    Raises
    ------
    InputError
        If a class is no frozenset.

    Examples
    --------
    >>> sets = [frozenset("ab"), frozenset("a"), frozenset()]
    >>> set_distances(sets, masi=False)[0], set_distances(sets, masi=True)[0].round(2)
    (array([0. , 0.5, 1. ]), array([0.  , 0.67, 1.  ]))
    """
    sets = [name for name in classes if isinstance(name, frozenset)]
    if len(sets) < len(classes):
        raise InputError(
            f"the classes are {tuple(classes)[:3]!r}, expected frozensets to compare as sets, as "
            "AnswerSheet.sets(question) has them"
        )
    place = {name: k for k, name in enumerate(dict.fromkeys(name for each in sets for name in each))}
    held = np.zeros((len(sets), len(place)))
    for row, each in enumerate(sets):
        held[row, [place[name] for name in each]] = 1
    shared, size = held @ held.T, held.sum(axis=1)
    union = size[:, None] + size - shared
    alike = np.divide(shared, union, out=np.ones_like(shared), where=union > 0)
    if masi:
        kinds = [shared == union, shared == np.minimum(size[:, None], size), shared > 0]
        alike = alike * np.select(kinds, _MONOTONE[:3], _MONOTONE[3])
    return np.asarray(1 - alike)


def quadratic_kappa(first: Floats, second: Floats) -> float:
    """Return Cohen's kappa of two ratings of the same texts (n,) with quadratic weights; NaN if constant.

    ``1 - mean (a - b)^2 / mean over all pairs (a_i - b_j)^2`` (Cohen 1968, Psychological Bulletin 70:213).

    Examples
    --------
    >>> round(quadratic_kappa(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 2.0])), 3)
    0.667
    """
    apart = first.var() + second.var() + (first.mean() - second.mean()) ** 2
    return float(1 - np.square(first - second).mean() / apart) if apart else float("nan")
