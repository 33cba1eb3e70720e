"""The front of a pool: the few thousand texts to ask for first, found shard by shard.

A round's scorer is small, whatever the pool's size. It is mapped over shards; each gives the front of its own
texts, and fronts are merged. What is before what depends on scores and, where these are equal, on a text's
place and the seed, so that neither the order nor the number of parts changes the outcome. Rows are multiplied
in blocks that begin where a shard begins: the same shards give the same bits on every machine of a kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce

import numpy as np

from jurybox.arrays import Floats, Ints, freeze, spread
from jurybox.classifiers import Fitted
from jurybox.consensus import Consensus
from jurybox.loop import single_threaded
from jurybox.pool.shards import Rows16, Shard
from jurybox.ranking import FRONT
from jurybox.scales import Scale
from jurybox.strategies import ScoreAlone

__all__ = ["Front", "Scorer", "front_of", "merged"]

_BLOCK = 4_000_000  # numbers held at a time, about
_SHARD_BITS = 32


@dataclass(frozen=True, eq=False)
class Front:
    """Some texts of a pool, the most wanted first.

    Attributes
    ----------
    places : ndarray of int64, shape (F,)
        Where each is: number of the shard times 2³², and row in it.
    scores : ndarray, shape (F,)
        Low = ask next.
    lots : ndarray of int64, shape (F,)
        Order texts of equal scores.
    """

    places: Ints
    scores: Floats
    lots: Ints

    def __post_init__(self) -> None:
        for array in (self.places, self.scores, self.lots):
            freeze(array)

    def __len__(self) -> int:
        return len(self.places)

    @classmethod
    def of(cls, places: Ints, scores: Floats, seed: int, size: int = FRONT) -> Front:
        """Return the front of texts at some places (n,) with these scores (n,).

        Examples
        --------
        >>> Front.of(np.array([7, 8, 9]), np.array([0.9, 0.5, 0.6]), seed=0, size=2).places
        array([8, 9])
        """
        if len(scores) > size:
            # all that are as low as the last one that has a place: which of them have is a matter of lots
            few = np.flatnonzero(scores <= np.partition(scores, size - 1)[size - 1])
            places, scores = places[few], scores[few]
        return cls(places, scores, spread(places, seed))._first(size)

    @property
    def shards(self) -> Ints:
        """Number of each text's shard, shape (F,)."""
        return self.places >> _SHARD_BITS

    @property
    def rows(self) -> Ints:
        """Row of each text in its shard, shape (F,)."""
        return self.places & ((1 << _SHARD_BITS) - 1)

    def _first(self, size: int) -> Front:
        order = np.lexsort((self.places, self.lots, self.scores))[:size]
        return Front(self.places[order], self.scores[order], self.lots[order])


def merged(fronts: Iterable[Front], size: int = FRONT) -> Front:
    """Return the front of texts that are in different fronts.

    Examples
    --------
    >>> a, b = (Front.of(np.array([at]), np.array([score]), seed=0) for at, score in ((3, 0.7), (4, 0.6)))
    >>> merged([a, b]).places
    array([4, 3])
    """
    nothing = Front(np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int64))
    return reduce(lambda a, b: _joined(a, b)._first(size), fronts, nothing)


def _joined(a: Front, b: Front) -> Front:
    return Front(
        np.concatenate([a.places, b.places]),
        np.concatenate([a.scores, b.scores]),
        np.concatenate([a.lots, b.lots]),
    )


@dataclass(frozen=True, eq=False)
class Scorer:
    """Scores texts that nobody has labelled by their features; what a round sends to the shards.

    Attributes
    ----------
    classifier : Fitted or None
        Trained on the labelled texts; None where nothing could be trained: then lots decide.
    consensus : Consensus or None
        Of the labelled texts.
    score : ScoreAlone
        The strategy's.
    scale : tuple of float or None
        The classes' numbers on a scale.
    n_classes
        K.
    labelled : mapping
        Rows that have labels, by number of the shard, which are no part of its front.
    seed
        Orders texts of equal scores.
    size
        Length of the front.
    """

    classifier: Fitted | None
    consensus: Consensus | None
    score: ScoreAlone
    scale: Scale | None
    n_classes: int
    labelled: Mapping[int, Ints]
    seed: int = 0
    size: int = FRONT

    def __call__(self, shard: Shard) -> tuple[Front, int]:
        """Return the front of a shard, and how many texts it has."""
        features = shard.features()
        return front_of(features, self, shard.number), len(features)

    def scores(self, features: Rows16) -> Floats:
        """Return the scores (n,) of rows (n, C)."""
        if self.classifier is None or self.consensus is None:
            return np.zeros(len(features))
        p = self.classifier.predict_proba(features.astype(np.float32))
        return self.score(self.scale, self.consensus, p)


@single_threaded
def front_of(features: Rows16, scorer: Scorer, number: int = 0) -> Front:
    """Return the front of the unlabelled texts of one shard, by their features (n, C).

    Parameters
    ----------
    features
        A map of a file may be larger than memory.
    scorer
        The round's.
    number
        Of the shard.
    """
    step = max(1024, _BLOCK // (features.shape[1] + 16 * scorer.n_classes))
    blocks = [scorer.scores(features[at : at + step]) for at in range(0, len(features), step)]
    scores = np.concatenate([np.zeros(0), *blocks])
    wanting = np.ones(len(scores), dtype=bool)
    wanting[scorer.labelled.get(number, np.zeros(0, np.int64))] = False
    rows = np.flatnonzero(wanting)
    return Front.of((number << _SHARD_BITS) + rows, scores[rows], scorer.seed, scorer.size)
