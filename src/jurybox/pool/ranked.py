"""A round over a pool in shards: train on the labelled texts, map the small head over shards, merge fronts.

What a round learns, it learns from texts that have labels, and what it says of one without is a function of
that text's features: so nothing but the labelled texts and the fronts ever comes together in one place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from jurybox.annotations import Annotations
from jurybox.arrays import Bools, Ints, Rng, generator
from jurybox.display import Shown
from jurybox.encoders import Features
from jurybox.errors import InputError
from jurybox.loop import Round, Settings, play_round
from jurybox.pool.encoded import EncodedPool
from jurybox.pool.fronts import Front, Scorer, merged
from jurybox.pool.shards import Over, Rows16, Shard, here
from jurybox.ranking import FRONT, Reason
from jurybox.strategies import get_strategy

__all__ = ["FrontText", "PoolRound", "rank_pool"]


@dataclass(frozen=True)
class FrontText:
    """A text of the front.

    Attributes
    ----------
    id, text
        As the source has them.
    reason
        Why it is asked for.
    score
        Low = ask next.
    """

    id: str
    text: str
    reason: Reason
    score: float


@dataclass(frozen=True, eq=False, repr=False)
class PoolRound(Shown):
    """What a round over a pool found out.

    Attributes
    ----------
    played : Round or None
        The round over the labelled texts; None before the first label.
    front : Front
        What to ask for first.
    labelled : ndarray of int64, shape (L,)
        Places of the labelled texts.
    n_texts
        Texts of the pool.
    """

    played: Round | None
    front: Front
    labelled: Ints
    n_texts: int

    def headline(self) -> str:
        """Return how many texts the pool has, and how many are in front."""
        labelled = f"{len(self.labelled):,} labelled"
        return f"PoolRound({self.n_texts:,} texts, {labelled}, {len(self.front):,} in front)"

    def texts(self, pool: EncodedPool, limit: int | None = None) -> list[FrontText]:
        """Fetch the first texts of the front from their shards, the most wanted first."""
        places = self.front.places[:limit]
        found: dict[int, tuple[str, str]] = {}
        for number in np.unique(self.front.shards[:limit]).tolist():
            mine = np.flatnonzero(self.front.shards[:limit] == number)
            held = Shard(pool.place, number).texts(self.front.rows[mine].tolist())
            found.update(zip(mine.tolist(), held, strict=True))
        again = np.isin(places, self.labelled)
        fresh: Literal["new", "spread"] = (
            "new" if self.played is not None and self.played.classifier is not None else "spread"
        )
        return [
            FrontText(*found[at], "second look" if again[at] else fresh, float(self.front.scores[at]))
            for at in range(len(places))
        ]


@dataclass(frozen=True)
class _Finding:
    """Finds texts by their identifiers; each shard gives the rows that it has, and their features."""

    ids: tuple[str, ...]

    def __call__(self, shard: Shard) -> tuple[int, Ints, list[str], Rows16]:
        rows, ids = shard.rows_of(self.ids)
        return shard.number, rows, ids, np.array(shard.features()[rows])


def rank_pool(
    pool: EncodedPool,
    annotations: Annotations,
    settings: Settings,
    rng: Rng,
    *,
    over: Over = here,
    experts: Bools | None = None,
    size: int = FRONT,
) -> PoolRound:
    """Play a round over a pool in shards.

    Parameters
    ----------
    pool
        All its shards are finished.
    annotations
        Of those of its texts that have labels, by identifier.
    settings
        As of `jurybox.play_round`, without a random share.
    rng
        Source of all randomness.
    over
        What maps the work over shards; the outcome is the same for all.
    experts : ndarray of bool, shape (M,), optional
        Which annotators are reviewers.
    size
        Length of the front.

    Returns
    -------
    PoolRound

    Raises
    ------
    InputError
        If a labelled text is not in the pool or more than once, shards are not finished, or strategy or
        classifier look at more than the features of single texts.
    """
    strategy = get_strategy(settings.strategy, settings.target)
    if strategy.score_alone is None or settings.classifier.takes != "features" or settings.random_share:
        raise InputError(
            f"strategy {strategy.name!r} with classifier {settings.classifier.name!r}, target "
            f"{settings.target!r} and random share {settings.random_share} does not go over shards: expected "
            "default, margin, entropy or random, a classifier of features, target 'class' and no random share"
        )
    shards, rng = pool.shards(), generator(rng)
    annotations = annotations.subset(texts=annotations.labelled)
    places, features = _found(annotations, shards, over)
    seed = int(rng.integers(2**32))
    played = play_round(annotations, features, settings, rng, experts=experts) if len(places) else None
    scorer = Scorer(
        classifier=None if played is None else played.classifier,
        consensus=None if played is None else played.consensus,
        score=strategy.score_alone,
        scale=annotations.scale,
        n_classes=annotations.n_classes,
        labelled=_by_shard(places),
        seed=seed,
        size=size,
    )
    fronts, n_texts = [], 0
    if played is not None:
        again = played.ranking
        fronts.append(Front.of(places[again.texts], np.array(again.scores), seed, size))
    for front, n in over(scorer, shards):
        fronts = [merged([*fronts, front], size)]
        n_texts += n
    return PoolRound(played, fronts[0], places, n_texts)


def _found(annotations: Annotations, shards: Sequence[Shard], over: Over) -> tuple[Ints, Features]:
    """Return where the labelled texts are, (L,), and their features, (L, C)."""
    wanted = {str(id_): at for at, id_ in enumerate(annotations.texts.tolist())}
    places = np.full(len(wanted), -1, dtype=np.int64)
    features: Features | None = None
    for number, rows, ids, held in over(_Finding(tuple(wanted)), shards) if wanted else ():
        for row, id_, one in zip(rows.tolist(), ids, held, strict=True):
            at = wanted[id_]
            if places[at] >= 0:
                raise InputError(
                    f"identifier {id_!r} is in shards {places[at] >> 32} and {number}, expected in one"
                )
            if features is None:
                features = np.zeros((len(wanted), held.shape[1]), dtype=np.float32)
            places[at], features[at] = (number << 32) + row, one
    if (places < 0).any():
        absent = annotations.texts[np.flatnonzero(places < 0)[0]]
        raise InputError(
            f"{(places < 0).sum()} labelled texts, such as {str(absent)!r}, are not in the pool, expected all"
        )
    return places, np.zeros((0, 0), dtype=np.float32) if features is None else features


def _by_shard(places: Ints) -> Mapping[int, Ints]:
    """Return rows by number of the shard."""
    shards = places >> 32
    return {int(one): places[shards == one] & 0xFFFFFFFF for one in np.unique(shards)}
