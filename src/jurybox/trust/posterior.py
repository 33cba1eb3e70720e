"""Draws of everybody's habits, for finding those who do not do the work: spammers, swappers, copycats.

Quality and intervals come from text types (`jurybox.consensus.text_types`); these draws answer the one
question that those cannot, and were verified on simulated crowds alone.

Dawid & Skene's model (1979, Applied Statistics 28:20) with a prior, sampled by Gibbs' method. In turn, for
several chains at once,

    z_i          proportional to  prior_ik * product over the annotations of i of pi_j[k, y_ij]
    copying      whether j copied labels from another, the classes of those texts and both confusions
                 integrated out (see `jurybox.trust.copying`); copies do not count for z
    habit of j   given z, with pi_j integrated out (see `jurybox.trust.habits`)
    pi_j         given z and the habit: Beta and Dirichlet
    crowd        shares of the habits, how careful the careful are, how they spread their wrong answers
    shares       of the classes, Dirichlet

The careful are better than chance and are believed to be most of the crowd, so that classes cannot change
their names; others are taken to answer without looking, to exchange classes or to be peculiar only as far as
their answers say so. A classifier's probabilities p make ``prior_ik`` proportional to
``shares_k * (p_ik / mean p_k) ** trust``, with the trust drawn given z: what a classifier says beyond the
classes' shares counts as far as it agrees with the annotations, and never above a bound.

A classifier repeats the labels that it was trained on, even out of sample: it learns from posteriors in which
the model before had a say, and that one had seen these labels. Taken for a second opinion, this echo makes
annotators look better than they are. So p_ik is first divided by ``exp(echo * c_ik)``, with c_ik of the
text's labels that it was trained on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from jurybox.annotations import Annotations
from jurybox.arrays import Bools, Floats, Ints, Rng, freeze, generator
from jurybox.errors import InputError
from jurybox.labelled import probabilities
from jurybox.trust.copying import Copycats, HabitPrior, Pairs, draw_classes, draw_position, find_sources
from jurybox.trust.habits import (
    CAREFUL,
    COPYING,
    EXPERT,
    LEVELS,
    AnswerCounts,
    Competence,
    Habits,
    scatter_evidence,
)

__all__ = ["Draws", "draw_posterior"]

_CHAINS = 8
_BEGINNING = 8  # sweeps of the burn-in in which no possible copy counts
_SWEEPS_PER_DRAW = 2  # at most, where a sweep costs little
_CHEAP = 5000  # annotations
# annotators: CAREFUL, PECULIAR, RANDOM, CONSTANT, SWAPPED
_KIND_WEIGHTS = np.array([4.0, 0.2, 0.8, 0.5, 0.6])
# not learnt: were it, a crowd of whom all agree might take everybody for copycats, and find them common
_COPYCATS = 0.1
_LEAST_PROBABILITY = 1e-3
_MOST_TRUST = 2.0
_FIRST_TRUST = 0.2  # chains that begin with more may explain all annotations by the classifier
_TRUST_PRIOR = 0.4  # standard deviation of its logarithm
_TRUST_STEP = 0.15
_ECHO = 0.0, 0.24  # of a label, in standard deviations of the classifier's log-odds


@dataclass(frozen=True, eq=False)
class Draws:
    """S draws from the posterior of the T labelled texts' classes and of M annotators.

    Attributes
    ----------
    labels : ndarray of int, shape (S, T)
        Class of each labelled text.
    texts : ndarray of int, shape (T,)
        Position of each labelled text.
    confusion : ndarray, shape (S, M, K, K)
        ``confusion[s, j, k, l]``: probability that annotator j answers l where k is right.
    shares : ndarray, shape (S, K)
        The classes' shares among texts like the labelled ones.
    kinds : ndarray of int, shape (S, M)
        Kind of habit, as in `jurybox.trust.habits`.
    trust : ndarray, shape (S,)
        Power to which the classifier's probabilities were raised; 0 without a classifier.
    """

    labels: Ints
    texts: Ints
    confusion: Floats
    shares: Floats
    kinds: Ints
    trust: Floats

    def __post_init__(self) -> None:
        for array in (self.labels, self.texts, self.confusion, self.shares, self.kinds, self.trust):
            freeze(array)

    @property
    def quality(self) -> Floats:
        """Probability of a right answer by each annotator under the classes' shares, shape (S, M)."""
        return np.asarray(np.einsum("sjkk,sk->sj", self.confusion, self.shares))

    def posterior(self) -> Floats:
        """Return the share of draws in which each labelled text has each class, shape (T, K)."""
        K = self.shares.shape[1]
        cell = np.arange(len(self.texts)) * K + self.labels
        counts = np.bincount(cell.ravel(), minlength=len(self.texts) * K).reshape(-1, K)
        return np.asarray(counts / len(self.labels))


def draw_posterior(
    annotations: Annotations,
    pred_probs: Any = None,
    *,
    experts: Bools | None = None,
    learnt: Bools | None = None,
    copycats: Copycats | None = None,
    n_draws: int = 400,
    burn_in: int = 40,
    rng: Rng,
) -> Draws:
    """Draw classes of the labelled texts and confusions of all annotators from their posterior.

    Parameters
    ----------
    annotations
        Annotations of N texts in K >= 2 classes.
    pred_probs : array-like, shape (N, K), optional
        A classifier's out-of-sample probabilities.
    experts : ndarray of bool, shape (M,), optional
        Annotators, such as reviewers, who are taken to be right nearly always.
    learnt : ndarray of bool, shape (N,), optional
        Texts whose labels the classifier was trained on; by default none.
    copycats
        Who copies whom, where other answers of theirs have told; by default these annotations do.
    n_draws
        S. Memory is S * M * K * K numbers.
    burn_in
        Sweeps in which the chains forget where they began.
    rng
        Source of all randomness.

    Returns
    -------
    Draws
        An annotator without labels has the confusions of a stranger from the same crowd.

    Raises
    ------
    InputError
        If K < 2, ``pred_probs`` is not of shape (N, K), ``experts`` not of shape (M,), ``learnt`` not of
        shape (N,), or ``n_draws`` below 1.

    Examples
    --------
    >>> annotations = Annotations.from_wide([[0, 0, 1], [1, 1, 1], [0, 0, 0], [1, 1, 0]] * 10)
    >>> draws = draw_posterior(annotations, rng=np.random.default_rng(0))
    >>> draws.confusion.shape
    (400, 3, 2, 2)
    >>> bool(draws.quality.mean(axis=0)[0] > draws.quality.mean(axis=0)[2])
    True
    """
    rng = generator(rng)
    if annotations.n_classes < 2:
        raise InputError(f"the annotations have {annotations.n_classes} class, expected at least 2")
    if n_draws < 1:
        raise InputError(f"n_draws is {n_draws}, expected at least 1")
    expert = np.zeros(annotations.n_annotators, dtype=bool) if experts is None else np.asarray(experts)
    if expert.shape != (annotations.n_annotators,):
        raise InputError(f"experts has shape {expert.shape}, expected ({annotations.n_annotators},)")
    known = np.zeros(annotations.n_texts, dtype=bool) if learnt is None else np.asarray(learnt)
    if known.shape != (annotations.n_texts,):
        raise InputError(f"learnt has shape {known.shape}, expected ({annotations.n_texts},)")
    p = None if pred_probs is None else probabilities(pred_probs, annotations.texts, annotations.classes)
    n_chains = min(_CHAINS, n_draws)
    sampler = _Sampler(annotations, p, expert.astype(bool), known.astype(bool), n_chains, copycats)
    state = sampler.start(n_chains, rng)
    for number in range(burn_in):
        state = sampler.sweep(state, rng, settled=number >= _BEGINNING)
    kept: list[_State] = []
    between = int(np.clip(_CHEAP // max(len(annotations), 1), 1, _SWEEPS_PER_DRAW))
    for _ in range(-(-n_draws // len(state.labels))):
        for _ in range(between):
            state = sampler.sweep(state, rng)
        kept.append(state)
    return _gather(sampler, kept, n_draws)


@dataclass(frozen=True, eq=False)
class _State:
    """Where C chains are."""

    labels: Ints  # (C, T)
    habit: Ints  # (C, M)
    confusion: Floats  # (C, M, K, K)
    shares: Floats  # (C, K)
    log_habits: Floats  # (C, H)
    crowd: Floats  # (C, K, K)
    scatter: Ints  # (C,)
    trust: Floats  # (C,)


class _Sampler:
    """The conditional distributions; arrays are made once, and a state is only replaced."""

    def __init__(
        self,
        annotations: Annotations,
        p: Floats | None,
        expert: Bools,
        learnt: Bools,
        n_chains: int,
        copycats: Copycats | None,
    ) -> None:
        self.K, self.M = annotations.n_classes, annotations.n_annotators
        self.texts = np.flatnonzero(annotations.labelled)
        self.habits = Habits.of(self.K)
        self._expert = expert
        self._row = np.searchsorted(self.texts, annotations.text)
        self._annotator = annotations.annotator.astype(np.int64)
        self._label = annotations.label.astype(np.int64)
        self._copying = find_sources(annotations, copycats)
        self._copied = np.flatnonzero(self._copying.rows)
        self._pairs = Pairs.of(annotations, self._copying)
        self._suspected = (self._copying.source >= 0) & ~expert
        self._own_opinions = self._incidence(~self._copying.rows)
        self._copies = self._incidence(self._copying.rows)
        self._votes = annotations.counts[self.texts].astype(np.float64)
        learnt_votes = self._votes * learnt[self.texts, None]
        self._surprise = None if p is None else _surprise(p[self.texts], learnt_votes, n_chains)
        self._competence = Competence.table()
        self._open = np.where((self.habits.kind == EXPERT) == expert[:, None], 0.0, -np.inf)

    def start(self, n_chains: int, rng: np.random.Generator) -> _State:
        """Start from the annotators' votes, each chain from classes drawn from them."""
        weights = self._votes + self._votes.sum(axis=0) / max(self._votes.sum(), 1.0)
        labels = draw_classes(
            np.broadcast_to(np.log(np.maximum(weights, 1e-300)), (n_chains, *weights.shape)), rng
        )
        first = np.where(self._expert, len(self.habits.kind) - 1, len(LEVELS) // 2)
        habit = np.tile(first, (n_chains, 1))
        state = _State(
            labels=labels,
            habit=habit,
            confusion=np.empty(0),
            shares=self._draw_shares(labels, rng),
            log_habits=self._draw_log_habits(habit, rng),
            crowd=np.empty(0),
            scatter=np.empty(0, dtype=np.int64),
            trust=np.full(n_chains, 0.0 if self._surprise is None else _FIRST_TRUST),
        )
        return self._draw_annotators(state, np.zeros(habit.shape, dtype=bool), rng)

    def sweep(self, state: _State, rng: np.random.Generator, *, settled: bool = True) -> _State:
        """Draw everything once, given the rest.

        Until a chain has settled nothing counts that may be a copy: copies that count from the start outvote
        the others, and such classes leave no reason to doubt them.
        """
        log_p = self._own_opinions @ self._flat(state.confusion)
        log_p = self._by_chain(log_p) + self._log_prior(state.shares, state.trust)
        copying = np.zeros(state.habit.shape, dtype=bool)
        if len(self._copied):
            copying = self._draw_copying(state, log_p, rng) if settled else copying | self._suspected
            log_p = log_p + self._copied_opinions(state.confusion, copying)
        labels = draw_classes(log_p, rng)
        state = replace(state, labels=labels, shares=self._draw_shares(labels, rng))
        state = replace(state, trust=self._draw_trust(state, rng))
        return self._draw_annotators(state, copying, rng)

    def _flat(self, confusion: Floats) -> Floats:
        """Return the logarithm with a row per answer, shape (M * K, C * K)."""
        return np.log(confusion).transpose(1, 3, 0, 2).reshape(self.M * self.K, len(confusion) * self.K)

    def _by_chain(self, by_text: Floats) -> Floats:
        """Turn (T, C * K) into (C, T, K)."""
        n_chains = by_text.shape[1] // self.K
        return np.asarray(by_text).reshape(len(self.texts), n_chains, self.K).transpose(1, 0, 2)

    def _copied_opinions(self, confusion: Floats, copying: Bools) -> Floats:
        """Return what possible copies say of the texts' classes (C, T, K): nothing where they are copies."""
        counts = np.repeat(np.repeat(~copying.T, self.K, axis=0), self.K, axis=1)
        return self._by_chain(self._copies @ (self._flat(confusion) * counts))

    def _draw_copying(self, state: _State, log_p: Floats, rng: np.random.Generator) -> Bools:
        """Draw who copies (C, M), given what own opinions say of the texts' classes (C, T, K)."""
        if self._copying.probability is not None:
            return np.asarray(rng.random(state.habit.shape) < self._copying.probability)
        pairs, row = self._pairs, self._row[self._copied]
        before = self.habits.kind[state.habit] == COPYING
        others = (log_p + self._copied_opinions(state.confusion, before))[:, row]
        for rows in (self._copied, self._copying.partner):
            ignored = before[:, self._annotator[rows]] & self._copying.rows[rows]
            said = np.log(state.confusion[:, self._annotator[rows], :, self._label[rows]])
            others = others - said.transpose(1, 0, 2) * ~ignored[..., None]
        elsewhere = pairs.elsewhere(self._tally(state.labels), state.labels[:, row])
        prior = HabitPrior(self.habits, state.log_habits, state.crowd, state.scatter)
        dependent = pairs.log_odds(prior, self._open, others, state.confusion, elsewhere, rng)
        odds = dependent + np.log(_COPYCATS / (1 - _COPYCATS))
        odds += (self._copying.log_evidence(self.K) + self._copying.log_chance)[pairs.copier]
        copying = np.zeros(before.shape, dtype=bool)
        copying[:, pairs.copier] = rng.logistic(size=odds.shape) < odds
        return copying & self._suspected

    def _draw_annotators(self, state: _State, copying: Bools, rng: np.random.Generator) -> _State:
        tally = self._tally(state.labels)
        scatter = draw_position(scatter_evidence(self.habits, state.habit, tally), rng)
        crowd = self.habits.crowd(state.habit, tally)
        prior = HabitPrior(self.habits, state.log_habits, crowd, scatter)
        habit = draw_classes(prior.log_joint(tally, self._open), rng)
        habit = np.where(copying, np.flatnonzero(self.habits.kind == COPYING)[0], habit)
        return replace(
            state,
            habit=habit,
            scatter=scatter,
            crowd=crowd,
            confusion=self.habits.draw_confusions(habit, tally, crowd, scatter, rng),
            log_habits=self._draw_log_habits(habit, rng),
        )

    def _draw_log_habits(self, habit: Ints, rng: np.random.Generator) -> Floats:
        """Draw the log shares (C, H) of the habits: of the kinds, and of the levels of care."""
        C, H = len(habit), len(self.habits.kind)
        kinds = np.arange(COPYING)
        counted = _count(self.habits.kind[habit], EXPERT + 1)[:, :COPYING]
        share = rng.standard_gamma(_KIND_WEIGHTS + counted)
        share /= share.sum(axis=1, keepdims=True)
        sizes = np.maximum((self.habits.kind[:, None] == kinds).sum(axis=0), 1)
        log_share = np.zeros((C, H))
        ordinary = self.habits.kind < COPYING
        log_share[:, ordinary] = np.log(np.maximum(share / sizes, 1e-300))[:, self.habits.kind[ordinary]]
        levels = _count(habit, H)[:, : len(LEVELS)]
        table = self._competence
        chosen = draw_position(levels @ table.log_share.T + table.log_prior, rng)
        careful = self.habits.kind == CAREFUL
        log_share[:, careful] += table.log_share[chosen] + np.log(len(LEVELS))
        return log_share

    def _draw_shares(self, labels: Ints, rng: np.random.Generator) -> Floats:
        weight = rng.standard_gamma(1.0 + _count(labels, self.K))
        return np.asarray(weight / weight.sum(axis=1, keepdims=True))

    def _log_prior(self, shares: Floats, trust: Floats) -> Floats:
        """Return the texts' prior (C, T, K), not normalised, or (C, 1, K) without a classifier."""
        prior = np.log(np.maximum(shares, 1e-300))[:, None]
        return prior if self._surprise is None else prior + trust[:, None, None] * self._surprise

    def _draw_trust(self, state: _State, rng: np.random.Generator) -> Floats:
        """Make one step of Metropolis' method in the logarithm of the trust (C,)."""
        if self._surprise is None:
            return state.trust
        proposal = state.trust * np.exp(_TRUST_STEP * rng.standard_normal(len(state.trust)))
        now, then = (self._trust_evidence(state, trust) for trust in (state.trust, proposal))
        accepted = (proposal <= _MOST_TRUST) & (np.log(rng.random(len(now))) < then - now)
        return np.where(accepted, proposal, state.trust)

    def _trust_evidence(self, state: _State, trust: Floats) -> Floats:
        log_p = self._log_prior(state.shares, trust)
        of_class = np.take_along_axis(log_p, state.labels[..., None], axis=2)[..., 0]
        total = np.log(np.exp(log_p).sum(axis=2))
        prior = -0.5 * (np.log(trust) / _TRUST_PRIOR) ** 2
        return np.asarray((of_class - total).sum(axis=1) + prior)

    def _incidence(self, rows: Bools) -> csr_array:
        """Return which answers each text got among some annotations (L,), sparse, shape (T, M * K)."""
        answer = self._annotator * self.K + self._label
        return csr_array(
            (rows[rows].astype(np.float64), (self._row[rows], answer[rows])),
            shape=(len(self.texts), self.M * self.K),
        )

    def _tally(self, labels: Ints, rows: Ints | slice = slice(None)) -> AnswerCounts:
        """Count the answers, or some of them."""
        C = len(labels)
        cell = (self._annotator[rows] * self.K + labels[:, self._row[rows]]) * self.K + self._label[rows]
        size = self.M * self.K * self.K
        cell = cell + np.arange(C)[:, None] * size
        counts = np.bincount(cell.ravel(), minlength=C * size)
        return AnswerCounts(counts.reshape(C, self.M, self.K, self.K).astype(np.float64))


def _surprise(p: Floats, learnt: Floats, n_chains: int) -> Floats:
    """Return `_log_ratio` without the echo of the labels (T, K) that it was learnt from, shape (C, T, K).

    Nobody knows how loud the echo is, so the chains are spread over what it may be.
    """
    log_ratio = _log_ratio(p)
    centred = log_ratio - log_ratio.mean(axis=1, keepdims=True)
    deviation = np.sqrt(2 * centred.var(axis=0).sum() / (p.shape[1] - 1)) if len(p) else 0.0
    echo = np.linspace(*_ECHO, n_chains) * deviation
    return np.asarray(log_ratio - echo[:, None, None] * learnt)


def _log_ratio(p: Floats) -> Floats:
    """Return how much likelier than on average a classifier finds each class, logarithm, shape (T, K)."""
    bounded = np.maximum(p, _LEAST_PROBABILITY)
    return np.asarray(np.log(bounded) - np.log(bounded.mean(axis=0)))


def _count(positions: Ints, size: int) -> Ints:
    """Count positions (C, X) below ``size`` per row, shape (C, size)."""
    cell = positions + np.arange(len(positions))[:, None] * size
    return np.bincount(cell.ravel(), minlength=len(positions) * size).reshape(-1, size)


def _gather(sampler: _Sampler, kept: list[_State], n_draws: int) -> Draws:
    habit = np.concatenate([state.habit for state in kept])[:n_draws]
    return Draws(
        labels=np.concatenate([state.labels for state in kept])[:n_draws],
        texts=sampler.texts,
        confusion=np.concatenate([state.confusion for state in kept])[:n_draws],
        shares=np.concatenate([state.shares for state in kept])[:n_draws],
        kinds=sampler.habits.kind[habit],
        trust=np.concatenate([state.trust for state in kept])[:n_draws],
    )
