"""Types of arrays, and the checks that public functions make of the arrays they are given."""

from __future__ import annotations

from collections.abc import Iterator
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
    "as_floats",
    "blocks",
    "check_probabilities",
    "counted",
    "finite",
    "freeze",
    "generator",
    "spread",
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


def blocks(n: int, size: int = 1 << 13) -> Iterator[slice]:
    """Yield n rows some at a time, so that what is computed on the way stays in the processor's cache.

    Examples
    --------
    >>> list(blocks(5, size=3))
    [slice(0, 3, None), slice(3, 6, None)]
    """
    return (slice(start, start + size) for start in range(0, n, size))


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


def log_total(log_values: Floats, axis: int) -> Floats:
    """Return the logarithm of the sum of values along an axis, given their logarithms; -inf for nothing.

    Samplers call it thousands of times on small arrays, where SciPy's, which does more, takes much longer.

    Examples
    --------
    >>> log_total(np.log([[1.0, 3.0], [0.5, 0.5]]), axis=1).round(6)
    array([1.386294, 0.      ])
    """
    top = log_values.max(axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        total = np.log(np.exp(log_values - top).sum(axis=axis))
    return np.asarray(total + top.squeeze(axis))


def spread(text_ids: Ints, seed: int) -> Ints:
    """Give each text a pseudo-random 32-bit place: the order where nothing else orders texts.

    The place depends on the text's number and the seed alone (SplitMix64's finaliser), so texts that come
    later fall in between the earlier ones as if all had been shuffled together.

    Parameters
    ----------
    text_ids : ndarray of int64, shape (N,)
        Numbers of the texts.
    seed
        Of the project; another gives another order.

    Returns
    -------
    ndarray of int64, shape (N,)

    Examples
    --------
    >>> places = spread(np.arange(4), seed=0)
    >>> bool((places >= 0).all() and (places < 2**32).all()), len(set(places.tolist()))
    (True, 4)
    """
    z = text_ids.astype(np.uint64) + np.uint64(seed * 0x9E3779B97F4A7C15 % 2**64)
    z = (z + np.uint64(0x9E3779B97F4A7C15)) * np.uint64(0xD1342543DE82EF95)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(32)).astype(np.int64)


def as_floats(values: Any, name: str) -> Floats:
    """Return numbers as floats; raises InputError naming the argument where they are none.

    Examples
    --------
    >>> as_floats([["60%"]], "pred_probs")
    Traceback (most recent call last):
    ...
    jurybox.errors.InputError: pred_probs holds no numbers: could not convert string to float: '60%'
    """
    if np.iscomplexobj(values):
        raise InputError(f"{name} holds complex numbers, expected real ones")
    try:
        return np.asarray(values, dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise InputError(f"{name} holds no numbers: {error}") from error


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
    probabilities = as_floats(pred_probs, name)
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
