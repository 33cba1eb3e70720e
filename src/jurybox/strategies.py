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
from typing import Literal, TypeAlias

import numpy as np

from jurybox.annotations import Annotations
from jurybox.arrays import Bools, Floats, Ints, Rng, generator
from jurybox.consensus import Consensus, EstimatedConsensus, estimate_consensus, majority_vote
from jurybox.consensus.crowdlab import infer
from jurybox.consensus.estimate import nearest_class
from jurybox.consensus.opinions import opinions_of
from jurybox.consensus.prior import AnnotatorPrior
from jurybox.errors import InputError
from jurybox.plugins import brought, names_of
from jurybox.scales import Scale, distances
from jurybox.selection import entropy, margin, random_scores, score_activelab

__all__ = [
    "STRATEGIES",
    "TARGETS",
    "SoftLabels",
    "Strategy",
    "Target",
    "by_consensus",
    "expected_shares",
    "get_strategy",
    "hears_habits",
    "knowing",
    "known_shares",
    "soft_labels",
]

Target: TypeAlias = Literal["class", "shares"]
"""What is wanted of a text: its one class, or the share of people who would say each class."""
TARGETS: tuple[Target, ...] = ("class", "shares")

ConsensusMethod: TypeAlias = Callable[
    [Annotations, Floats | None, Bools | None, np.random.Generator], Consensus
]
Targets: TypeAlias = Callable[[Annotations, Floats | None, Bools | None, np.random.Generator], Floats]
Score: TypeAlias = Callable[[Annotations, Floats, Consensus, np.random.Generator], Floats]
ScoreAlone: TypeAlias = Callable[[Scale | None, Consensus, Floats], Floats]

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
    score_alone
        From the classes' numbers on a scale, a consensus and the probabilities (n, K) of texts without
        labels to the scores (n,) that ``score`` gives them; None where these depend on other texts, too.
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
    score_alone: ScoreAlone | None = None


def get_strategy(name: str | Strategy, target: Target = "class") -> Strategy:
    """Return a strategy by name: ours, or one that an installed package brings along; an object as it is.

    Parameters
    ----------
    target
        What is wanted of the texts.

    Raises
    ------
    InputError
        If there is none of that name for that target.

    Examples
    --------
    >>> get_strategy("random").summary
    'texts at random, majority vote'
    """
    if target not in TARGETS:
        raise InputError(f"target is {target!r}, expected one of {', '.join(TARGETS)}")
    if isinstance(name, Strategy):
        return name
    ours = STRATEGIES if target == "class" else _FOR_SHARES
    if name in ours:
        return ours[name]
    found: Strategy | None = brought("strategies", name, "targets") if target == "class" else None
    if found is None:
        told = "" if target == "class" else f" with target {target!r}"
        known = ", ".join([*ours, *(names_of("strategies") if target == "class" else ())])
        raise InputError(f"strategy is {name!r}{told}, expected one of {known}, or a Strategy")
    return found


def hears_habits(strategy: Strategy) -> bool:
    """Whether a strategy goes by what is known of annotators besides: see `knowing`."""
    return strategy.consensus is estimated_consensus or strategy.targets is posterior


def knowing(strategy: Strategy, habits: AnnotatorPrior | None) -> Strategy:
    """Return a strategy whose consensus, where it is ours, goes by what is known of annotators besides."""
    if habits is None:
        return strategy
    consensus, targets = strategy.consensus, strategy.targets
    return replace(
        strategy,
        consensus=partial(consensus, habits=habits) if consensus is estimated_consensus else consensus,
        targets=partial(targets, habits=habits) if targets is posterior else targets,
    )


@dataclass(frozen=True, eq=False)
class SoftLabels:
    """What a model is trained on.

    Attributes
    ----------
    rows : ndarray of int, shape (n,)
        Positions of the labelled texts.
    targets : ndarray, shape (n, K)
        Their class distributions.
    weights : ndarray, shape (n,)
        How much each counts.
    """

    rows: Ints
    targets: Floats
    weights: Floats


def soft_labels(
    annotations: Annotations,
    strategy: str | Strategy,
    rng: Rng,
    *,
    pred_probs: Floats | None = None,
    trainable: Bools | None = None,
    experts: Bools | None = None,
    target: Target = "class",
) -> SoftLabels:
    """Return what a round would train its classifier on, for an encoder that is tuned apart from rounds.

    Parameters
    ----------
    annotations, rng, trainable, experts
        As in `jurybox.loop.play_round`.
    strategy, target
        Name of a strategy, and what is wanted of the texts.
    pred_probs : ndarray, shape (N, K), optional
        Probabilities of the round before.
    """
    rng = generator(rng)
    chosen = get_strategy(strategy, target)
    trained = annotations.labelled if trainable is None else annotations.labelled & trainable
    rows = np.flatnonzero(trained)
    seen = annotations.subset(texts=rows)
    p = None if pred_probs is None else pred_probs[rows]
    weights = seen.n_labels.astype(np.float64) if chosen.weighted else np.ones(len(rows))
    return SoftLabels(rows, chosen.targets(seen, p, experts, rng), weights)


def label_shares(
    annotations: Annotations, _p: Floats | None, _e: Bools | None, _rng: np.random.Generator
) -> Floats:
    """Train on what share of a text's annotators chose each class."""
    return np.asarray(annotations.counts / np.maximum(annotations.n_labels, 1)[:, None])


def posterior(
    annotations: Annotations,
    p: Floats | None,
    experts: Bools | None,
    rng: np.random.Generator,
    *,
    habits: AnnotatorPrior | None = None,
) -> Floats:
    """Train on the posterior of the consensus, in which the last model has half its say."""
    if p is None:
        return label_shares(annotations, p, experts, rng)
    return estimate_consensus(
        annotations, p, trust=_HALF_TRUST, experts=experts, habits=habits, check=False
    ).posterior


def expected_shares(
    annotations: Annotations, p: Floats | None, experts: Bools | None, rng: np.random.Generator
) -> Floats:
    """Train on the share of people expected to say each class, in which the last model has half its say."""
    if p is None:
        return label_shares(annotations, p, experts, rng)
    return estimate_consensus(annotations, p, trust=_HALF_TRUST, experts=experts, check=False).shares


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
    annotations: Annotations,
    p: Floats | None,
    experts: Bools | None,
    _: np.random.Generator,
    *,
    habits: AnnotatorPrior | None = None,
) -> Consensus:
    """Ours."""
    return estimate_consensus(annotations, p, experts=experts, habits=habits, check=False)


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
    return _sureness(annotations.scale, consensus.posterior, consensus.labels)


def by_foretold_consensus(scale: Scale | None, consensus: Consensus, p: Floats) -> Floats:
    """Return what `by_consensus` gives texts without labels, of which only the classifier says something."""
    posterior = _ours(consensus).types.foretold(p)
    return _sureness(scale, posterior, None if scale is None else nearest_class(posterior))


def _sureness(scale: Scale | None, posterior: Floats, labels: Ints | None) -> Floats:
    if scale is None or labels is None:
        return np.asarray(posterior.max(axis=1))
    return -np.asarray((posterior @ distances(scale))[np.arange(len(posterior)), np.maximum(labels, 0)])


def by_shares(_a: Annotations, p: Floats, consensus: Consensus, _: np.random.Generator) -> Floats:
    """Ask where a label tells most of the shares of people who would say each class."""
    return np.asarray(1 - opinions_of(_ours(consensus), p).gain)


def known_shares(annotations: Annotations, p: Floats, consensus: Consensus, least_gain: float) -> Bools:
    """Return of which labelled texts (N,) another label would tell less than it should: see `Opinions`.

    Raises
    ------
    InputError
        If the consensus, of a strategy of one's own, knows no shares.
    """
    return np.asarray(annotations.labelled & (opinions_of(_ours(consensus), p).gain < least_gain))


def _ours(consensus: Consensus) -> EstimatedConsensus:
    if not isinstance(consensus, EstimatedConsensus):
        raise InputError(
            f"the strategy's consensus is a {type(consensus).__name__}; for target 'shares' or a pool in "
            "shards it should be what jurybox.estimate_consensus returns, which foretells what people say"
        )
    return consensus


def new_first(score: Callable[[Floats], Floats]) -> Score:
    """Ask about every text once before any a second time."""

    def scores(annotations: Annotations, p: Floats, _c: Consensus, _: np.random.Generator) -> Floats:
        return np.asarray(score(p) + 10.0 * annotations.n_labels)

    return scores


def _by_model(score: Callable[[Floats], Floats], _s: Scale | None, _c: Consensus, p: Floats) -> Floats:
    return score(p)


def _unordered(_s: Scale | None, _c: Consensus, p: Floats) -> Floats:
    return np.zeros(len(p))


_DEFAULT = Strategy(
    "default",
    "posterior labels, the texts whose consensus is least sure",
    targets=posterior,
    consensus=estimated_consensus,
    score=by_consensus,
    weighted=True,
    calibrated=True,
    asks_model=True,
    score_alone=by_foretold_consensus,
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
            score_alone=partial(_by_model, margin),
        ),
        replace(
            _DEFAULT,
            name="entropy",
            summary="posterior labels, new texts by the highest entropy",
            score=new_first(entropy),
            score_alone=partial(_by_model, entropy),
        ),
        Strategy(
            "random",
            "texts at random, majority vote",
            targets=partial(hard, majority_consensus),
            consensus=majority_consensus,
            score=by_chance,
            score_alone=_unordered,
        ),
    )
}

_FOR_SHARES = {
    strategy.name: strategy
    for strategy in (
        replace(
            _DEFAULT,
            summary="expected shares, the texts of whose shares a label tells most",
            targets=expected_shares,
            score=by_shares,
            score_alone=None,
        ),
        replace(
            _DEFAULT,
            name="random",
            summary="label shares, texts at random",
            targets=label_shares,
            score=by_chance,
            asks_model=False,
            score_alone=_unordered,
        ),
    )
}
