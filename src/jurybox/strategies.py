"""The strategies by name: what a classifier is trained on, and which text is asked next.

A strategy is three choices: a consensus, whether the classifier trains on its labels or on its posterior, and
a score. Everything else of a round is the same for all of them, so that they can be compared part by part.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from jurybox.annotations import Annotations
from jurybox.arrays import Floats
from jurybox.consensus import Consensus, crowdlab, majority_vote
from jurybox.errors import InputError
from jurybox.selection import activelab, entropy, margin, random_scores

__all__ = ["STRATEGIES", "Strategy", "get_strategy"]

ConsensusMethod: TypeAlias = Callable[[Annotations, Floats | None, np.random.Generator], Consensus]
Score: TypeAlias = Callable[[Annotations, Floats, np.random.Generator], Floats]


@dataclass(frozen=True)
class Strategy:
    """How to label and whom to ask about what.

    Attributes
    ----------
    name
        Its name in settings and on the command line.
    summary
        One line for people.
    consensus
        From annotations and a model's out-of-sample probabilities (N, K), None before the first model, to
        a consensus.
    soft
        Train on the consensus' posterior; else on its labels.
    score
        From annotations and out-of-sample probabilities (N, K) to scores (N,), low = ask next.
    """

    name: str
    summary: str
    consensus: ConsensusMethod
    soft: bool
    score: Score


def get_strategy(name: str) -> Strategy:
    """Return a strategy by name.

    Raises
    ------
    InputError
        If there is none of that name.

    Examples
    --------
    >>> get_strategy("random").summary
    'texts at random, majority vote'
    """
    if name not in STRATEGIES:
        raise InputError(f"strategy is {name!r}, expected one of {', '.join(STRATEGIES)}")
    return STRATEGIES[name]


def _majority(annotations: Annotations, p: Floats | None, rng: np.random.Generator) -> Consensus:
    return majority_vote(annotations, p, rng=rng)


def _crowdlab(annotations: Annotations, p: Floats | None, rng: np.random.Generator) -> Consensus:
    if p is None:
        return majority_vote(annotations, rng=rng)
    return crowdlab(annotations, p, rng=rng)


def _random(_: Annotations, p: Floats, rng: np.random.Generator) -> Floats:
    return random_scores(len(p), rng)


def _activelab(annotations: Annotations, p: Floats, rng: np.random.Generator) -> Floats:
    return activelab(annotations, p, rng=rng)


def _new_first(score: Callable[[Floats], Floats]) -> Score:
    """Ask every text once before any a second time."""

    def scores(annotations: Annotations, p: Floats, _: np.random.Generator) -> Floats:
        return np.asarray(score(p) + annotations.n_labels)

    return scores


STRATEGIES = {
    strategy.name: strategy
    for strategy in (
        Strategy(
            "default",
            "soft labels, the texts the model is least sure of",
            _majority,
            True,
            _new_first(entropy),
        ),
        Strategy(
            "activelab",
            "ActiveLab as published: CROWDLAB consensus labels, ActiveLab score",
            _crowdlab,
            False,
            _activelab,
        ),
        Strategy(
            "margin",
            "soft labels, the smallest margin between two classes",
            _majority,
            True,
            _new_first(margin),
        ),
        Strategy("entropy", "soft labels, the highest entropy", _majority, True, _new_first(entropy)),
        Strategy("random", "texts at random, majority vote", _majority, False, _random),
    )
}
