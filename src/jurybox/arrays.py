"""Types of arrays, and the checks that public functions make of the arrays they are given."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jurybox.errors import InputError

if TYPE_CHECKING:
    from pandas import DataFrame, Series
else:  # pandas takes longer to import than most commands: types of frames are not looked at before it is
    DataFrame = Series = Any

__all__ = [
    "Bools",
    "DataFrame",
    "Floats",
    "Index",
    "Ints",
    "Rng",
    "Series",
    "check_probabilities",
    "counted",
    "finite",
    "freeze",
    "generator",
    "total_by",
]

Bools: TypeAlias = NDArray[np.bool_]
Floats: TypeAlias = NDArray[np.float64]
Index: TypeAlias = NDArray[np.int32]
Ints: TypeAlias = NDArray[np.int64]
Rng: TypeAlias = int | np.random.Generator
"""What draws: a generator, which moves on, or a seed."""

_SUM_TOLERANCE = 1e-2


def freeze(array: NDArray[np.generic]) -> None:
    """Make an array read-only in place, as fields of results are."""
    array.setflags(write=False)


def counted(positions: NDArray[np.integer], size: int) -> Ints:
    """Count each position in ``range(size)``; read-only."""
    counts = np.bincount(positions, minlength=size)
    freeze(counts)
    return counts


def generator(rng: Rng | None) -> np.random.Generator:
    """Return the generator, or a new one from a seed; by default from 0."""
    return np.random.default_rng(0 if rng is None else rng)


def finite(value: float) -> float | None:
    """Return a number, or None in place of NaN and infinity."""
    return float(value) if isfinite(value) else None


def total_by(positions: NDArray[np.integer], weights: NDArray[Any], size: int) -> Floats:
    """Sum weights (L,) by position (L,) in ``range(size)``; floats, also of nothing.

    Examples
    --------
    >>> total_by(np.array([2, 0, 2]), np.array([1, 1, 0.5]), 4)
    array([1. , 0. , 1.5, 0. ])
    """
    return np.bincount(positions, weights=weights, minlength=size).astype(np.float64, copy=False)


def check_probabilities(
    pred_probs: ArrayLike, shape: tuple[int | None, ...], name: str = "pred_probs"
) -> Floats:
    """Return class probabilities as floats after checking shape and values.

    Parameters
    ----------
    pred_probs : array-like
        Class probabilities; the last axis runs over the classes.
    shape
        The shape it must have; ``None`` admits any length on that axis.
    name
        The argument's name, for the message.

    Raises
    ------
    InputError
        If the shape differs, a value is NaN, infinite or outside [0, 1], or a row does not sum to 1
        (rounded probabilities, off by up to 0.01, are accepted as they are).

    Examples
    --------
    >>> check_probabilities([[0.25, 0.75]], (1, 2))
    array([[0.25, 0.75]])
    """
    probabilities = np.asarray(pred_probs, dtype=np.float64)
    expected = "(" + ", ".join("any" if length is None else str(length) for length in shape) + ")"
    fits = probabilities.ndim == len(shape) and all(
        want is None or want == got for want, got in zip(shape, probabilities.shape, strict=True)
    )
    if not fits:
        raise InputError(f"{name} has shape {probabilities.shape}, expected {expected}")
    rows = probabilities.reshape(-1, probabilities.shape[-1])
    with np.errstate(invalid="ignore", over="ignore"):
        total = rows @ np.ones(rows.shape[1])
    wrong = ~(np.abs(total - 1) <= _SUM_TOLERANCE)  # also true where the sum is NaN
    if rows.min(initial=0) < 0:
        wrong |= rows.min(axis=1) < 0
    if wrong.any():
        row = int(wrong.argmax())
        raise InputError(f"{name}, row {row}: got {rows[row].tolist()}, expected probabilities that sum to 1")
    return probabilities
