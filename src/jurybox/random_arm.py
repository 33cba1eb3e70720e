"""What random choice would have made of its labels: models trained on texts drawn at random alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jurybox.annotations import Annotations
from jurybox.arrays import Bools, Floats
from jurybox.classifiers.base import Inputs
from jurybox.loop import Settings, play_round

__all__ = ["RandomPoint", "play_random_arm"]


@dataclass(frozen=True, eq=False)
class RandomPoint:
    """A model trained on a part of the texts that were drawn at random.

    Attributes
    ----------
    labels
        Labels it was trained on.
    pred_probs : ndarray, shape (N, K)
        Its probabilities, out of sample for the texts it was trained on.
    """

    labels: int
    pred_probs: Floats


def play_random_arm(
    drawn: Annotations,
    features: Inputs,
    settings: Settings,
    rng: np.random.Generator,
    *,
    trainable: Bools | None = None,
    experts: Bools | None = None,
    points: int = 5,
) -> tuple[RandomPoint, ...]:
    """Train on growing parts of the texts that were drawn at random, as `jurybox.trust.savings` needs it.

    Parameters
    ----------
    drawn
        Annotations that were asked for because their texts had been drawn at random, and no others; over all
        N texts of the pool.
    features, settings, rng, trainable, experts
        As in `jurybox.loop.play_round`; the audit sample is kept out by `trainable`.
    points
        Parts: the last is all texts, the first a quarter of them.

    Returns
    -------
    tuple of RandomPoint
        The fewest labels first; fewer than `points` where there are fewer texts, none without any.

    Examples
    --------
    >>> from jurybox import datasets
    >>> from jurybox.encoders import get_encoder
    >>> demo = datasets.load("demo")
    >>> features = get_encoder("tfidf").fit(demo.pool_texts).encode(demo.pool_texts)
    >>> curve = play_random_arm(demo.initial, features, Settings(), np.random.default_rng(0), points=3)
    >>> [point.labels for point in curve]
    [50, 100, 200]
    """
    usable = drawn.labelled if trainable is None else drawn.labelled & trainable
    texts = rng.permutation(np.flatnonzero(usable))
    sizes = np.unique(np.rint(np.geomspace(max(len(texts) / 4, 1), max(len(texts), 1), points)).astype(int))
    found = []
    for size in sizes if len(texts) else ():
        part = np.zeros(drawn.n_texts, dtype=bool)
        part[texts[:size]] = True
        played = play_round(drawn, features, settings, rng, trainable=part, experts=experts)
        found.append(RandomPoint(int(drawn.n_labels[part].sum()), played.pred_probs))
    return tuple(found)
