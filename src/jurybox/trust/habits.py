"""How annotators may answer: with care, peculiarly, without looking, always alike, swapping, copying.

A habit is a prior on the K x K confusion of an annotator. All but two say of each row which class dominates
the answers, ``d ~ Beta``, and how the rest is spread, ``e ~ Dirichlet``; so that the probability of the
counts, with the confusion integrated out, is a product of beta-binomials and Dirichlet-multinomials. Someone
who answers without looking has the same row for every class.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.special import betaln, gammaln

from jurybox.arrays import Bools, Floats, Ints

__all__ = [
    "CAREFUL",
    "CONSTANT",
    "COPYING",
    "EXPERT",
    "PECULIAR",
    "RANDOM",
    "SWAPPED",
    "AnswerCounts",
    "Competence",
    "Habits",
]

CAREFUL, PECULIAR, RANDOM, CONSTANT, SWAPPED, COPYING, EXPERT = range(7)

# competence of the careful, log-odds; who is hardly better than chance counts as not looking
LEVELS = np.linspace(-1.4, 4.4, 12)
SCATTERS = np.array([6.0, 20.0, 60.0, 200.0])  # labels of a class that outweigh the annotator's own mean
_MEANS = np.linspace(-1.0, 4.0, 11)  # of the careful's competence, log-odds
_DEVIATIONS = np.array([0.4, 0.8, 1.3])
_MEAN_PRIOR = 1.2, 1.2
_EXPERT = 60.0, 0.6
_COPYING = 3.0, 1.0  # how right copies are
_EXCHANGING = 5.0, 1.0
_UNIFORM = 30.0
_ALWAYS, _SELDOM = 18.0, 1.0  # answers of one class, and of all others together
_SPREAD = 2.0


@dataclass(frozen=True, eq=False)
class Competence:
    """How a crowd's careful members may be spread over the levels of care: Q normal distributions.

    Attributes
    ----------
    log_share : ndarray, shape (Q, levels)
        Logarithm of the share of each level.
    log_prior : ndarray, shape (Q,)
        Of each distribution, not normalised.
    """

    log_share: Floats
    log_prior: Floats

    @classmethod
    def table(cls) -> Competence:
        """List every mean and deviation that is considered."""
        mean, deviation = (grid.ravel() for grid in np.meshgrid(_MEANS, _DEVIATIONS))
        log_share = -0.5 * ((LEVELS - mean[:, None]) / deviation[:, None]) ** 2
        log_share -= np.log(np.exp(log_share).sum(axis=1, keepdims=True))
        return cls(log_share, -0.5 * ((mean - _MEAN_PRIOR[0]) / _MEAN_PRIOR[1]) ** 2)


@dataclass(frozen=True, eq=False)
class AnswerCounts:
    """What C chains believe that M annotators answered.

    Attributes
    ----------
    counts : ndarray, shape (C, M, K, K)
        Texts of class k that the annotator called l.
    """

    counts: Floats

    @property
    def n(self) -> Floats:
        """Texts of each class, shape (C, M, K)."""
        return np.asarray(self.counts.sum(axis=3))

    @property
    def right(self) -> Floats:
        """Texts of each class called so, shape (C, M, K)."""
        return np.asarray(np.einsum("cmkk->cmk", self.counts))

    @property
    def answers(self) -> Floats:
        """Answers of each class, shape (C, M, K)."""
        return np.asarray(self.counts.sum(axis=2))


@dataclass(frozen=True, eq=False)
class Habits:
    """The H habits among annotators of K classes, and how likely each makes an annotator's answers.

    Attributes
    ----------
    kind : ndarray of int, shape (H,)
        CAREFUL, PECULIAR, RANDOM, CONSTANT, SWAPPED, COPYING or EXPERT.
    dominant : ndarray of int, shape (H, K)
        The class that dominates the answers to texts of class k.
    n_classes : int
        K.
    """

    kind: Ints
    dominant: Ints
    n_classes: int

    @classmethod
    def of(cls, n_classes: int) -> Habits:
        """List the habits: each level of care, and each pair of classes exchanged, is one."""
        pairs = np.array(list(combinations(range(n_classes), 2)), dtype=np.int64).reshape(-1, 2)
        kind = np.repeat(
            [CAREFUL, PECULIAR, RANDOM, CONSTANT, SWAPPED, COPYING, EXPERT],
            [len(LEVELS), 1, 2, n_classes, len(pairs), 1, 1],
        )
        dominant = np.tile(np.arange(n_classes), (len(kind), 1))
        swapped = np.flatnonzero(kind == SWAPPED)
        dominant[swapped[:, None], pairs] = pairs[:, ::-1]
        return cls(kind, dominant, n_classes)

    def accuracy(self) -> Floats:
        """Return the share of right answers at each level of care, above chance throughout."""
        chance = 1 / self.n_classes
        return np.asarray(chance + (1 - chance) / (1 + np.exp(-LEVELS)))

    def beta(self, scatter: Ints) -> tuple[Floats, Floats]:
        """Return both parameters (C, H) of the habits' dominant shares, given positions of scatters (C,)."""
        shape = len(scatter), len(self.kind)
        first, second = np.ones(shape), np.full(shape, self.n_classes - 1.0)
        weight, accuracy = SCATTERS[scatter][:, None], self.accuracy()
        careful = self.kind == CAREFUL
        first[:, careful], second[:, careful] = weight * accuracy, weight * (1 - accuracy)
        first[:, self.kind == SWAPPED], second[:, self.kind == SWAPPED] = _EXCHANGING
        first[:, self.kind == COPYING], second[:, self.kind == COPYING] = _COPYING
        first[:, self.kind == EXPERT], second[:, self.kind == EXPERT] = _EXPERT
        return first, second

    def without_looking(self) -> Floats:
        """Return the Dirichlet prior of answers given without looking, for kinds RANDOM then CONSTANT."""
        K = self.n_classes
        always = np.full((K, K), _SELDOM / (K - 1))
        np.fill_diagonal(always, _ALWAYS)
        return np.vstack([np.ones(K), np.full(K, _UNIFORM / K), always])

    def log_evidence(self, tally: AnswerCounts, crowd: Floats, scatter: Ints) -> Floats:
        """Return the log probability of all answers under each habit, shape (C, M, H); -inf for COPYING.

        Parameters
        ----------
        tally
            The counts.
        crowd : ndarray, shape (C, K, K)
            Pseudo counts of wrong answers of the careful, 0 on the diagonal.
        scatter : ndarray of int, shape (C,)
            Position in ``SCATTERS``.
        """
        counts, n, right = tally.counts, tally.n, tally.right
        first, second = self.beta(scatter)
        evidence = np.full((*counts.shape[:2], len(self.kind)), -np.inf)
        shared_spread = _spread_evidence(counts, crowd[:, None])
        own = (self.kind == CAREFUL) | (self.kind == EXPERT)
        evidence[:, :, own] = shared_spread[..., None] + _beta_evidence(
            right, n, first[:, own], second[:, own]
        )
        even = 1.0 - np.eye(self.n_classes)
        peculiar = self.kind == PECULIAR
        evidence[:, :, peculiar] = _spread_evidence(counts, even)[..., None] + _beta_evidence(
            right, n, first[:, peculiar], second[:, peculiar]
        )
        blind = (self.kind == RANDOM) | (self.kind == CONSTANT)
        evidence[:, :, blind] = _answers_evidence(tally.answers, self.without_looking())
        evidence[:, :, self.kind == SWAPPED] = self._exchanged_evidence(counts, n)
        return evidence

    def _exchanged_evidence(self, counts: Floats, n: Floats) -> Floats:
        """Return the log probability with each pair of rows exchanged, shape (C, M, pairs)."""
        K = self.n_classes
        a, b = _EXCHANGING
        others = gammaln(1 + counts)
        left = n[..., None] - counts
        row = (
            betaln(a + counts, b + left)
            - betaln(a, b)
            + others.sum(axis=3, keepdims=True)
            - others
            + gammaln(K - 1)
            - gammaln(K - 1 + left)
        )
        straight = np.einsum("cmkk->cmk", row)
        one, two = np.triu_indices(K, 1)
        return np.asarray(
            straight.sum(axis=2, keepdims=True)
            - straight[..., one]
            - straight[..., two]
            + row[..., one, two]
            + row[..., two, one]
        )

    def draw_confusions(
        self, habit: Ints, tally: AnswerCounts, crowd: Floats, scatter: Ints, rng: np.random.Generator
    ) -> Floats:
        """Draw confusions (C, M, K, K) given the habits (C, M); parameters as of `log_evidence`."""
        first, second = (np.take_along_axis(p, habit, axis=1)[..., None] for p in self.beta(scatter))
        dominant = self.dominant[habit][..., None]
        kind = self.kind[habit][..., None, None]
        hits = np.take_along_axis(tally.counts, dominant, axis=3)[..., 0]
        d = rng.beta(first + hits, second + tally.n - hits)
        as_the_crowd = (kind == CAREFUL) | (kind == COPYING) | (kind == EXPERT)
        spread = np.where(as_the_crowd, crowd[:, None] + np.eye(self.n_classes), 1.0)
        e = rng.standard_gamma(spread + tally.counts)
        np.put_along_axis(e, dominant, 0.0, axis=3)
        e *= ((1 - d) / np.maximum(e.sum(axis=3), 1e-300))[..., None]
        np.put_along_axis(e, dominant, d[..., None], axis=3)
        blind = (kind == RANDOM) | (kind == CONSTANT)
        if blind.any():
            which = np.clip(habit - np.flatnonzero(self.kind == RANDOM)[0], 0, 1 + self.n_classes)
            theta = rng.standard_gamma(self.without_looking()[which] + tally.answers)
            theta /= theta.sum(axis=2, keepdims=True)
            e = np.where(blind, theta[:, :, None], e)
        return np.maximum(e, 1e-12)

    def crowd(self, habit: Ints, tally: AnswerCounts) -> Floats:
        """Return pseudo counts of wrong answers (C, K, K): how those who look spread theirs."""
        K = self.n_classes
        looks: Bools = ((self.kind == CAREFUL) | (self.kind == EXPERT))[habit]
        wrong = np.einsum("cm,cmkl->ckl", looks.astype(np.float64), tally.counts) + 1.0
        wrong *= 1 - np.eye(K)
        return np.asarray(_SPREAD * (K - 1) * wrong / wrong.sum(axis=2, keepdims=True))


def scatter_evidence(habits: Habits, habit: Ints, tally: AnswerCounts) -> Floats:
    """Return the log probability of the answers of the careful under each scatter, shape (C, scatters)."""
    level = np.minimum(habit, len(LEVELS) - 1)
    careful = habits.kind[habit] == CAREFUL
    accuracy = habits.accuracy()[level][..., None]
    n, right = tally.n, tally.right
    total = [
        (
            betaln(s * accuracy + right, s * (1 - accuracy) + n - right)
            - betaln(s * accuracy, s * (1 - accuracy))
        ).sum(axis=2)
        for s in SCATTERS
    ]
    return np.stack([np.where(careful, value, 0.0).sum(axis=1) for value in total], axis=1)


def _beta_evidence(right: Floats, n: Floats, first: Floats, second: Floats) -> Floats:
    """Return beta-binomial log probabilities (C, M, h) of right (C, M, K) of n under parameters (C, h)."""
    a, b = first[:, None, None], second[:, None, None]
    wrong = n - right
    each = betaln(a + right[..., None], b + wrong[..., None]) - betaln(a, b)
    return np.asarray(each.sum(axis=2))


def _spread_evidence(counts: Floats, pseudo: Floats) -> Floats:
    """Return the Dirichlet-multinomial log probability (C, M) of the wrong answers in all rows."""
    off = 1.0 - np.eye(counts.shape[-1])
    pseudo = pseudo + (1.0 - off)  # anything above 0 where it does not count
    each = (gammaln(pseudo + counts) - gammaln(pseudo)) * off
    total, prior = (counts * off).sum(axis=3), (pseudo * off).sum(axis=-1)
    return np.asarray(each.sum(axis=(2, 3)) - (gammaln(prior + total) - gammaln(prior)).sum(axis=2))


def _answers_evidence(answers: Floats, pseudo: Floats) -> Floats:
    """Return Dirichlet-multinomial log probabilities (C, M, h) of answers (C, M, K) under priors (h, K)."""
    prior, total = pseudo.sum(axis=1), answers.sum(axis=2, keepdims=True)
    each = gammaln(pseudo + answers[:, :, None]) - gammaln(pseudo)
    return np.asarray(each.sum(axis=3) - gammaln(prior + total) + gammaln(prior))
