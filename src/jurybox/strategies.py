"""The strategies by name: what a classifier is trained on, and which text is asked next.

A strategy is a handful of choices: what the classifier is trained on, whether it is calibrated to the
annotators' labels, the consensus and the score. Everything else of a round is the same for all of them, so
that they can be compared part by part. Published methods know no experts: a reviewer's label is to them one
like any other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

import numpy as np

from jurybox.annotations import Annotations
from jurybox.arrays import Bools, Floats
from jurybox.consensus import Consensus, estimate_consensus, majority_vote
from jurybox.consensus.crowdlab import infer
from jurybox.errors import InputError
from jurybox.plugins import brought, names_of
from jurybox.scales import distances
from jurybox.selection import entropy, margin, random_scores, score_activelab

__all__ = ["STRATEGIES", "Strategy", "get_strategy"]

ConsensusMethod: TypeAlias = Callable[
    [Annotations, Floats | None, Bools | None, np.random.Generator], Consensus
]
Targets: TypeAlias = Callable[[Annotations, Floats | None, Bools | None, np.random.Generator], Floats]
Score: TypeAlias = Callable[[Annotations, Floats, Consensus, np.random.Generator], Floats]

_HALF_TRUST = 0.5  # in its own opinion, when a model is asked what it should learn


@dataclass(frozen=True)
class Strategy:
    """How to label and whom to ask about what.

    Attributes
    ----------
    name
        Its name in settings and on the command line.
    summary
        One line for people.
    targets
        From annotations, the last model's out-of-sample probabilities (N, K), None before the first
        model, and who is an expert (M,), to the class distributions (N, K) that a model is trained on.
    consensus
        From annotations, out-of-sample probabilities (N, K) and experts (M,) to a consensus.
    score
        From annotations, out-of-sample probabilities (N, K) and consensus to scores (N,), low = ask next.
    weighted
        A text counts as often as it has labels; else once.
    calibrated
        The model's probabilities are rescaled until they predict the annotators' labels.
    asks_model
        The targets depend on the model, so the very first one is trained twice.
    ensembles
        Consensus and score take the probabilities of several models, (P, N, K), as well; else they get the
        mean of the calibrated ones.
    """

    name: str
    summary: str
    targets: Targets
    consensus: ConsensusMethod
    score: Score
    weighted: bool = False
    calibrated: bool = False
    asks_model: bool = False
    ensembles: bool = False


def get_strategy(name: str | Strategy) -> Strategy:
    """Return a strategy by name: ours, or one that an installed package brings along; an object as it is.

    Raises
    ------
    InputError
        If there is none of that name.

    Examples
    --------
    >>> get_strategy("random").summary
    'texts at random, majority vote'
    """
    if isinstance(name, Strategy):
        return name
    if name in STRATEGIES:
        return STRATEGIES[name]
    found: Strategy | None = brought("strategies", name, "targets")
    if found is None:
        known = ", ".join([*STRATEGIES, *names_of("strategies")])
        raise InputError(f"strategy is {name!r}, expected one of {known}, or a Strategy")
    return found


def label_shares(
    annotations: Annotations, _p: Floats | None, _e: Bools | None, _rng: np.random.Generator
) -> Floats:
    """Train on what share of a text's annotators chose each class."""
    return np.asarray(annotations.counts / np.maximum(annotations.n_labels, 1)[:, None])


def posterior(
    annotations: Annotations, p: Floats | None, experts: Bools | None, rng: np.random.Generator
) -> Floats:
    """Train on the posterior of the consensus, in which the last model has half its say."""
    if p is None:
        return label_shares(annotations, p, experts, rng)
    return estimate_consensus(annotations, p, trust=_HALF_TRUST, experts=experts, check=False).posterior


def hard(
    consensus: ConsensusMethod,
    annotations: Annotations,
    p: Floats | None,
    experts: Bools | None,
    rng: np.random.Generator,
) -> Floats:
    """Train on the labels of a consensus."""
    return np.asarray(np.eye(annotations.n_classes)[consensus(annotations, p, experts, rng).labels])


def majority_consensus(
    annotations: Annotations, p: Floats | None, _: Bools | None, rng: np.random.Generator
) -> Consensus:
    """Majority vote; the model breaks ties."""
    return majority_vote(annotations, p, rng=rng)


def crowdlab_consensus(
    annotations: Annotations, p: Floats | None, _: Bools | None, rng: np.random.Generator
) -> Consensus:
    """CROWDLAB; majority vote before the first model."""
    if p is None:
        return majority_vote(annotations, rng=rng)
    return infer(annotations, _models(p), "best_quality", rng)


def estimated_consensus(
    annotations: Annotations, p: Floats | None, experts: Bools | None, _: np.random.Generator
) -> Consensus:
    """Ours."""
    return estimate_consensus(annotations, p, experts=experts, check=False)


def by_chance(_: Annotations, p: Floats, _c: Consensus, rng: np.random.Generator) -> Floats:
    """Ask about any text."""
    return random_scores(len(p), rng)


def by_activelab(annotations: Annotations, p: Floats, _: Consensus, rng: np.random.Generator) -> Floats:
    """Ask as ActiveLab does."""
    return score_activelab(annotations, _models(p), rng)


def _models(p: Floats) -> Floats:
    return p if p.ndim == 3 else p[None]


def by_consensus(
    annotations: Annotations, _p: Floats, consensus: Consensus, _: np.random.Generator
) -> Floats:
    """Ask where the consensus is least sure, whether the text has labels or not.

    On a scale, where it is expected to be furthest off.
    """
    if annotations.scale is None:
        return np.asarray(consensus.posterior.max(axis=1))
    off = consensus.posterior @ distances(annotations.scale)
    return -np.asarray(off[np.arange(len(off)), np.maximum(consensus.labels, 0)])


def new_first(score: Callable[[Floats], Floats]) -> Score:
    """Ask about every text once before any a second time."""

    def scores(annotations: Annotations, p: Floats, _c: Consensus, _: np.random.Generator) -> Floats:
        return np.asarray(score(p) + 10.0 * annotations.n_labels)

    return scores


_DEFAULT = Strategy(
    "default",
    "posterior labels, the texts whose consensus is least sure",
    targets=posterior,
    consensus=estimated_consensus,
    score=by_consensus,
    weighted=True,
    calibrated=True,
    asks_model=True,
)

STRATEGIES = {
    strategy.name: strategy
    for strategy in (
        _DEFAULT,
        Strategy(
            "activelab",
            "ActiveLab as published: CROWDLAB consensus labels, ActiveLab score",
            targets=partial(hard, crowdlab_consensus),
            consensus=crowdlab_consensus,
            score=by_activelab,
            ensembles=True,
        ),
        replace(
            _DEFAULT,
            name="margin",
            summary="posterior labels, new texts by the smallest margin between two classes",
            score=new_first(margin),
        ),
        replace(
            _DEFAULT,
            name="entropy",
            summary="posterior labels, new texts by the highest entropy",
            score=new_first(entropy),
        ),
        Strategy(
            "random",
            "texts at random, majority vote",
            targets=partial(hard, majority_consensus),
            consensus=majority_consensus,
            score=by_chance,
        ),
    )
}
