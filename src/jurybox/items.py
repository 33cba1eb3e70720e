"""Items, which are a facet of a text each: what all of a text's add up to, and which are worth asking for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jurybox.arrays import Bools, Floats, Ints
from jurybox.errors import InputError
from jurybox.loop import Round

__all__ = ["ItemTotals", "most_per_second"]

_ROWS = 1 << 16  # of which dense intermediate results are made at once


def most_per_second(
    errors: ArrayLike, *, reading: float = 0.0, answering: float = 1.0
) -> tuple[Floats, Bools]:
    """Choose the items to ask for of each text, so that most expected error is settled a second.

    Of a text with the expected errors e_1 >= e_2 >= … the first n items are asked for, where

        max_n  sum_{m <= n} e_m / (reading + n answering)

    is reached: all items where reading takes long, the most doubtful alone where it takes no time.

    Parameters
    ----------
    errors : array-like, shape (N, F)
        What the errors of items are expected to cost; 0 for those that are not to be asked.
    reading, answering
        Seconds that it takes to read a text, and to answer for an item.

    Returns
    -------
    tuple
        The maximum of each text, shape (N,), and the items to ask for, bool of shape (N, F).

    Raises
    ------
    InputError
        If ``reading`` is negative, ``answering`` is not positive, or ``errors`` has not two dimensions.

    Examples
    --------
    >>> most_per_second([[0.5, 0.1]], reading=0)[1], most_per_second([[0.5, 0.1]], reading=20)[1]
    (array([[ True, False]]), array([[ True,  True]]))
    """
    e = np.asarray(errors)
    if e.ndim != 2:
        raise InputError(f"errors has shape {e.shape}, expected (N, F): one an item")
    if not (reading >= 0 and answering > 0):
        raise InputError(
            f"reading is {reading} and answering {answering}, expected seconds: at least 0, and more than 0"
        )
    most, chosen = np.zeros(len(e)), np.zeros(e.shape, dtype=bool)
    seconds = reading + answering * np.arange(1, e.shape[1] + 1)
    for start in range(0, len(e), _ROWS):
        part = slice(start, start + _ROWS)
        some = e[part].astype(np.float64)
        order = np.argsort(-some, axis=1, kind="stable")
        rate = np.cumsum(np.take_along_axis(some, order, axis=1), axis=1) / seconds
        most[part] = rate.max(axis=1)
        first = np.arange(e.shape[1]) <= rate.argmax(axis=1)[:, None]
        np.put_along_axis(chosen[part], order, first, axis=1)
        chosen[part] &= some > 0
    return most, chosen


@dataclass(eq=False)
class ItemTotals:
    """What facets add up to; nothing of texts times facets is in double precision: there is much of it.

    Attributes
    ----------
    errors, wants : ndarray of float32, shape (N, F)
        What the error of each item is expected to cost, and how much it is wanted; None where nobody asks.
    gains, n_labels : ndarray, shape (N,)
        How much each text is wanted, and its answers.
    wanting : ndarray of bool, shape (N,)
        Texts that want an answer.
    """

    errors: NDArray[np.float32]
    wants: NDArray[np.float32] | None
    gains: Floats
    n_labels: Ints
    wanting: Bools

    @classmethod
    def of(cls, n_texts: int, n_facets: int, *, keep_wants: bool) -> ItemTotals:
        """Return the totals of no facet yet."""
        shape = n_texts, n_facets
        return cls(
            errors=np.zeros(shape, dtype=np.float32),
            wants=np.zeros(shape, dtype=np.float32) if keep_wants else None,
            gains=np.zeros(n_texts),
            n_labels=np.zeros(n_texts, dtype=np.int64),
            wanting=np.zeros(n_texts, dtype=bool),
        )

    def add(
        self, at: int, n_labels: Ints, played: Round, errors: Floats, wants: Floats, weight: float
    ) -> None:
        """Add a facet, by its place, with its answers a text (N,) and how much an error of it counts."""
        self.errors[:, at] = errors * weight
        if self.wants is not None:
            self.wants[:, at] = wants * weight
        self.gains += wants * weight
        self.n_labels += n_labels
        self.wanting[played.ranking.texts] = True
