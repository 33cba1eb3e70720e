"""A round of a large project: its texts are ranked part by part, and the front of each is merged.

Of a pool of millions some hundred texts are asked for before the next round. So nothing is sorted over all of
it, and memory holds the features of one part at a time: `jurybox.play_round` is played on the texts that have
labels, and what it finds says of each other text, by itself, how much it is wanted (`Strategy.score_alone`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from jurybox.annotations import Annotations
from jurybox.arrays import Bools, Floats, Ints, Rng, generator
from jurybox.classifiers.calibrated import CalibratedFitted
from jurybox.errors import InputError
from jurybox.loop import Round, Settings, play_round, remarks_of, single_threaded
from jurybox.pool.fronts import Front, merged
from jurybox.ranking import FRONT, Ranking, Reason
from jurybox.scales import Scale
from jurybox.strategies import get_strategy

__all__ = ["goes_in_parts", "play_in_parts", "say_of"]


class RowsInParts(Protocol):
    """Features of N texts, such as `jurybox.encoders.by_number.PoolRows`; memory holds a part at a time."""

    def __len__(self) -> int:
        """Return N."""

    def __getitem__(self, rows: Ints | slice, /) -> NDArray[np.floating]:
        """Return some rows."""

    def parts(self) -> Iterator[slice]:
        """Yield parts that fit into memory, in order."""


def goes_in_parts(settings: Settings) -> bool:
    """Whether texts can be ranked part by part with these settings."""
    strategy = get_strategy(settings.strategy, settings.target)
    return strategy.score_alone is not None and settings.classifier.takes == "features"


@single_threaded
def play_in_parts(
    annotations: Annotations,
    pool: RowsInParts,
    settings: Settings,
    rng: Rng,
    *,
    previous: Round | None = None,
    trainable: Bools | None = None,
    eligible: Bools | None = None,
    experts: Bools | None = None,
    tuned: Floats | None = None,
    size: int = FRONT,
) -> Round:
    """Play a round of a large pool, of which memory holds a part at a time.

    Parameters
    ----------
    annotations, settings, rng, previous, trainable, eligible, experts, tuned
        As of `jurybox.play_round`; settings with which texts go in parts.
    pool
        Features of the N texts.
    size
        Texts of the ranking.

    Returns
    -------
    Round
        Its ranking is the front, its consensus that of the labelled texts, its probabilities are float32;
        all else is as `jurybox.play_round` returns it.

    Raises
    ------
    InputError
        If pool and annotations differ in length, or the settings rank whole pools.
    """
    rng, N, K = generator(rng), annotations.n_texts, annotations.n_classes
    if len(pool) != N or not goes_in_parts(settings):
        raise InputError(
            f"the pool has {len(pool)} texts, the annotations {N}; strategy {settings.strategy!r}, target "
            f"{settings.target!r}, classifier {settings.classifier.name!r}: expected as many, and what ranks "
            "texts one by one"
        )
    seed = int(rng.integers(2**32))
    labelled = annotations.labelled
    seen = np.flatnonzero(labelled) if labelled.any() else np.array([0])
    wanting = np.ones(N, dtype=bool) if eligible is None else np.array(eligible)
    played = play_round(
        annotations.subset(texts=seen),
        pool[seen],
        replace(settings, random_share=0.0),
        rng,
        previous=None if previous is None else replace(previous, pred_probs=previous.pred_probs[seen]),
        trainable=None if trainable is None else trainable[seen],
        eligible=wanting[seen],
        experts=experts,
        tuned=None if tuned is None else tuned[seen],
    )
    known = np.zeros(N, dtype=bool)
    known[seen] = played.known
    wanting &= (annotations.n_labels < settings.max_labels) & ~known
    front = Front.of(seen[played.ranking.texts], played.ranking.scores, seed, size)
    if played.classifier is None:
        front = Front.of(np.flatnonzero(wanting), np.zeros(int(wanting.sum())), seed, size)
    pred_probs = np.full((N, K), 1 / K, dtype=np.float32)
    for part in pool.parts() if played.classifier is not None else ():
        more = None if tuned is None else tuned[part]
        p, scores = say_of(played, settings, annotations.scale, pool[part], more)
        pred_probs[part] = p
        others = np.flatnonzero(wanting[part] & ~labelled[part])
        front = merged([front, Front.of(part.start + others, scores[others], seed, size)], size)
    pred_probs[seen] = played.pred_probs
    trained = labelled if trainable is None else labelled & trainable
    n_wanting = int(wanting.sum())
    ranking, batch = _ranking(front, annotations, settings, rng, wanting, spread=played.classifier is None)
    diagnostics = {
        **played.diagnostics,
        "batch": batch,
        "wanting": n_wanting,
        "remarks": remarks_of(annotations, trained, n_wanting),
    }
    return replace(
        played, pred_probs=cast("Floats", pred_probs), ranking=ranking, known=known, diagnostics=diagnostics
    )


def say_of(
    played: Round,
    settings: Settings,
    scale: Scale | None,
    rows: NDArray[np.floating],
    tuned: Floats | None = None,
) -> tuple[Floats, Floats]:
    """Return what a round's classifier says of texts without labels, and how much they are wanted.

    Parameters
    ----------
    played
        A round with a classifier.
    settings
        With which texts go in parts.
    scale
        The classes' numbers, where they are ordered.
    rows : ndarray, shape (n, C)
        Their features.
    tuned : ndarray, shape (n, K), optional
        What a tuned encoder says of them.

    Returns
    -------
    tuple
        Probabilities (n, K), and scores (n,), low = ask next.
    """
    strategy, fitted = get_strategy(settings.strategy, settings.target), played.classifier
    if strategy.score_alone is None or fitted is None:
        raise InputError(f"strategy {strategy.name!r} scores no text by itself, or no classifier was trained")
    p = (
        fitted.predict_proba(rows, tuned)
        if isinstance(fitted, CalibratedFitted)
        else fitted.predict_proba(rows)
    )
    return p, strategy.score_alone(scale, played.consensus, p)


def _ranking(
    front: Front,
    annotations: Annotations,
    settings: Settings,
    rng: np.random.Generator,
    wanting: Bools,
    *,
    spread: bool,
) -> tuple[Ranking, int]:
    """Make a ranking of a front, in whose batch some texts may be drawn at random from all others."""
    size = min(settings.batch, len(front))
    drawn = int(rng.binomial(size, settings.random_share)) if settings.random_share else 0
    chosen, rest = front.places[: size - drawn], front.places[size - drawn :]
    lots: Ints = rest[:0]
    if drawn:
        lots = rng.choice(np.setdiff1d(np.flatnonzero(wanting), chosen), size=drawn, replace=False)
    texts = np.concatenate([chosen, lots, rest[~np.isin(rest, lots)]])
    known = dict(zip(front.places.tolist(), front.scores.tolist(), strict=True))
    scores = np.array([known.get(text, np.nan) for text in texts.tolist()])
    probability = np.full(len(texts), drawn / (int(wanting.sum()) - len(chosen)) if drawn else 0.0)
    probability[: len(chosen)] = 1.0
    reasons: list[Reason] = ["second look" if n else "new" for n in annotations.n_labels[texts].tolist()]
    if spread:
        reasons = ["spread"] * len(texts)
    reasons[len(chosen) : size] = ["random"] * drawn
    return Ranking(texts, scores, probability, tuple(reasons), annotations.texts), size
