"""A round's probabilities with a panel of machines beside the classifier: stacking by a logarithmic pool."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jurybox.arrays import Floats, Ints, freeze
from jurybox.classifiers.calibrated import pool_opinions
from jurybox.classifiers.panel import Panel, effective_votes
from jurybox.errors import InputError

__all__ = ["MachineVotes", "Pooled", "machine_opinion", "pool_machines", "uncertainty_of_machines"]


@dataclass(frozen=True, eq=False)
class MachineVotes:
    """What S machines say of N texts in K classes, as `jurybox.classifiers.panel.votes_of` makes it.

    Attributes
    ----------
    n_sources
        S.
    votes : ndarray, shape (N, S * K)
        Probabilities or ones; zeros where a machine was not asked, or named no class.
    """

    n_sources: int
    votes: Floats | NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.votes.ndim != 2 or self.votes.shape[1] % max(self.n_sources, 1):
            raise InputError(
                f"votes has shape {self.votes.shape}, expected (N, S * K) with S = {self.n_sources} sources"
            )
        freeze(self.votes)

    @property
    def answered(self) -> Ints:
        """Positions of the texts that a machine has answered."""
        return np.flatnonzero(self.votes.any(axis=1))


@dataclass(frozen=True, eq=False)
class Pooled:
    """Probabilities of the pool with the machines' say in them.

    Attributes
    ----------
    pred_probs : ndarray, shape (N, K)
        Of the pool, out of sample.
    say
        The machines' share of the weights of the pool's two opinions; 0 where they help nothing.
    """

    pred_probs: Floats
    say: float


def machine_opinion(machines: MachineVotes, rows: Ints, counts: Ints | Floats) -> Floats:
    """Return what a panel that was trained on people's labels makes of the pool, shape (N, K).

    Out of sample in the rows that it was trained on; NaN where no machine has answered.

    Parameters
    ----------
    machines
        The answers.
    rows : ndarray of int, shape (n,)
        Positions of the texts to train on.
    counts : ndarray, shape (n, K)
        People who gave each of them each class.
    """
    opinion = np.full((len(machines.votes), counts.shape[1]), np.nan)
    answered = machines.answered
    inside = np.isin(rows, answered)
    rows, counts = rows[inside], counts[inside]
    if not len(rows):
        return opinion
    n_labels = counts.sum(axis=1)
    panel = Panel.of(machines.votes[answered], machines.n_sources)
    fitted = panel.fit(machines.votes[rows], counts / n_labels[:, None], n_labels)
    opinion[answered] = fitted.predict_proba(machines.votes[answered])
    opinion[rows] = fitted.out_of_sample
    return opinion


def pool_machines(pred_probs: Floats, machines: MachineVotes, rows: Ints, counts: Ints | Floats) -> Pooled:
    """Mix what machines say into a classifier's probabilities, where that foretells people's labels better.

    The panel and the weights of both opinions are fitted to people's labels of the rows alone, of which both
    opinions are out of sample.

    Parameters
    ----------
    pred_probs : ndarray, shape (N, K)
        The classifier's probabilities, out of sample in the rows.
    machines, rows, counts
        As for `machine_opinion`.

    Examples
    --------
    >>> from jurybox.classifiers.panel import votes_of
    >>> truth = np.arange(40) % 2
    >>> machines = MachineVotes(1, votes_of(truth[:, None], 2))
    >>> found = pool_machines(np.full((40, 2), 0.5), machines, np.arange(20), np.eye(2)[truth[:20]])
    >>> bool((found.pred_probs.argmax(axis=1) == truth).all()), found.say > 0.5
    (True, True)
    """
    opinion = machine_opinion(machines, rows, counts)
    return Pooled(*pool_opinions(pred_probs, opinion, rows, counts))


def uncertainty_of_machines(machines: MachineVotes, rng: np.random.Generator) -> Floats:
    """Return scores of N texts before anybody has labelled one, low = ask first.

    The score is the largest of the K mean shares that the machines give a text, each counted by its voice:
    where they are unsure or disagree, a label of a person tells most. Texts without an answer are scattered
    among the others.
    """
    N = len(machines.votes)
    votes = machines.votes.reshape(N, machines.n_sources, -1).astype(np.float64)
    voices = effective_votes(machines.votes, machines.n_sources)
    mean = np.einsum("nsk,s->nk", votes, voices)
    total = mean.sum(axis=1)
    known = total > 0
    scores = rng.random(N)
    if known.any():
        scores[known] = mean[known].max(axis=1) / total[known]
        scores[~known] = rng.choice(scores[known], size=N - int(known.sum()))
    return scores + 1e-9 * rng.random(N)  # ties fall by chance
