"""Where texts are on a scale: a large crowd's mean answer, with an interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jurybox.arrays import Floats, Ints, freeze

__all__ = ["LEVEL", "Positions"]

LEVEL = 0.95


@dataclass(frozen=True, eq=False)
class Positions:
    """Where N texts are on a scale, in the numbers of its classes.

    Attributes
    ----------
    mean : ndarray, shape (N,)
        Expected mean answer of a large crowd.
    low, high : ndarray, shape (N,)
        Bounds between which that mean is with probability .95.
    """

    mean: Floats
    low: Floats
    high: Floats

    @classmethod
    def of(cls, states: Floats, means: Floats) -> Positions:
        """Return the positions of texts by the probabilities of their states (N, C), and these states' means.

        Examples
        --------
        >>> found = Positions.of(np.array([[0.98, 0.01, 0.01]]), np.array([1.0, 2.0, 5.0]))
        >>> [round(float(one[0]), 2) for one in (found.mean, found.low, found.high)]
        [1.05, 1.0, 1.0]
        """
        order = np.argsort(means, kind="stable")
        below = np.cumsum(states[:, order], axis=1)
        below /= below[:, -1:]
        tail = (1 - LEVEL) / 2
        low, high = (
            means[order[(below < share).sum(axis=1).clip(max=len(means) - 1)]]
            for share in (tail, 1 - tail - 1e-12)
        )
        return cls(states @ means / states.sum(axis=1), low, high)

    def repeated(self, size: int) -> Positions:
        """Return the first text's position so many times."""
        return Positions(*(np.full(size, one[0]) for one in (self.mean, self.low, self.high)))

    def at(self, row: int) -> tuple[float, float, float]:
        """Return one text's position and its bounds."""
        return float(self.mean[row]), float(self.low[row]), float(self.high[row])

    def put(self, rows: Ints, found: Positions) -> None:
        """Write the positions of some texts (n,) over these."""
        self.mean[rows], self.low[rows], self.high[rows] = found.mean, found.low, found.high

    def frozen(self) -> Positions:
        """Make the arrays read-only, and return them."""
        for one in (self.mean, self.low, self.high):
            freeze(one)
        return self
