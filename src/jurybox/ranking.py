"""The order in which texts want a label, and which of them make the next batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from jurybox.arrays import Bools, DataFrame, Floats, Ints
from jurybox.display import Shown
from jurybox.selection import rank

__all__ = ["FRONT", "Ranking", "Reason", "rank_texts"]

FRONT = 5_000
"""Texts at the front of a ranking: of a large pool these alone are ranked anew by every round."""

Reason: TypeAlias = Literal["new", "second look", "random", "spread"]

_FRESH_OR_AGAIN = np.array(["new", "second look"], dtype=object)


@dataclass(frozen=True, eq=False, repr=False)
class Ranking(Shown):
    """The texts that want a label, the most wanted first.

    Attributes
    ----------
    texts : ndarray of int, shape (R,)
        Positions of texts.
    scores : ndarray, shape (R,)
        Their scores; low = ask next.
    probability : ndarray, shape (R,)
        With which each text is in this round's batch, given what was known: 1 for those chosen by score,
        the share that is drawn for those that could have been drawn at random, 0 for the rest.
    reasons : tuple of R str
        Why each text is asked for: ``new`` (the model is unsure of it), ``second look`` (it has labels,
        and another is worth more than a new text), ``random`` or ``spread`` (no model yet).
    ids : ndarray, shape (N,), optional
        Identifiers of all texts.
    """

    texts: Ints
    scores: Floats
    probability: Floats
    reasons: tuple[Reason, ...]
    ids: NDArray[Any] | None = None

    def __len__(self) -> int:
        return len(self.texts)

    def headline(self) -> str:
        """Return how many texts want a label, and which kinds are first."""
        return f"Ranking({len(self):,} texts want a label)"

    def to_frame(self) -> DataFrame:
        """Return one row per text that wants a label: score, reason, probability; the most wanted first."""
        import pandas as pd

        ids = self.texts if self.ids is None else self.ids[self.texts]
        columns = {"score": self.scores, "reason": list(self.reasons), "probability": self.probability}
        return pd.DataFrame(columns, index=pd.Index(ids, name="text"))


def rank_texts(
    ids: NDArray[Any],
    n_labels: Ints,
    scores: Floats,
    wanting: Bools,
    rng: np.random.Generator,
    *,
    batch: int,
    random_share: float,
    spread: bool,
    ordered: int | None = None,
) -> tuple[Ranking, int]:
    """Order the texts that want a label; the end of the batch may be drawn at random from the rest.

    The first ``ordered`` are in order, default all; at least the batch is.
    """
    order = rank(scores, rng, eligible=wanting, first=None if ordered is None else max(ordered, batch))
    size = min(batch, len(order))
    drawn = int(rng.binomial(size, random_share)) if random_share else 0
    chosen, rest = order[: size - drawn], order[size - drawn :]
    texts = order
    if drawn:
        lots = rng.choice(rest, size=drawn, replace=False)
        texts = np.concatenate([chosen, lots, rest[~np.isin(rest, lots)]])
    probability = np.full(len(texts), drawn / len(rest) if drawn else 0.0)
    probability[: len(chosen)] = 1.0
    # taken from an array of objects, so that of a million reasons no two are strings of their own
    reasons = _FRESH_OR_AGAIN[(n_labels[texts] > 0).astype(np.intp)]
    if spread:
        reasons[:] = "spread"
    reasons[len(chosen) : size] = "random"
    return Ranking(texts, scores[texts], probability, tuple(reasons), ids), size
