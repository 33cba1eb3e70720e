"""Text types: how a crowd answers texts of every class and difficulty, fitted to what it has answered.

Text i is of a type c = (k, d): class k at difficulty d. Somebody like the crowd as a whole answers k with
probability ``theta_kd = a_d + (1 - a_d) s_k``, a = (.97, .80, .55, .25) and s the labels' shares; wrong
answers l are spread by ``s_l exp(u_kl)``. So people err *together* on hard texts: one more label that
agrees says little of a text that may be hard. Annotator j has a discrimination ``e_j``, around 1, and a
bias ``b_jl`` for every class:

    v_jkl  =  s_l exp(b_jl + e_j u_kl)                               for l other than k
    P_j(k | k, d)  =  sigmoid(lambda_jkd)
    lambda_jkd  =  log s_k + b_jk - log sum_l v_jkl + e_j psi_kd
    P_j(l | k, d)  =  (1 - P_j(k | k, d)) v_jkl / sum_l v_jkl

with psi such that somebody with b = 0 and e = 1 answers like the crowd. Before its labels are seen, text i
has type (k, d) with probability proportional to ``s_k exp(w_kd + alpha_kd log(p_ik / s_k))``, p the
classifier's out-of-sample probabilities: a gate whose weights are learnt, so that the classifier need be no
probability and cannot overrule people who agree. All is fitted at once by penalised marginal likelihood
(L-BFGS); the penalties are the priors of `TypesPrior`. Where texts have one label and no classifier speaks,
nothing tells how good the crowd is, and it is taken to be as the priors say.

On a scale wrong answers get rarer with their distance, ``u_kl`` being around ``-c |r_k - r_l|`` with r the
classes' ranks in units of their standard deviation and c learnt, and every annotator answers high or low by
``t_j r_l``, which adds to their bias. A latent score with shared cut points, a bias and a slope for each
annotator foretold fresh labels of CEBaB's stars less well.

Chosen on Stanford Politeness, CEBaB's food and CEBaB's stars; ``benchmarks/real_crowds.py`` judges it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.special import expit, logit, softmax

from jurybox.annotations import Annotations
from jurybox.arrays import Bools, Floats, Ints, total_by
from jurybox.consensus.evidence import Evidence, beyond_shares
from jurybox.consensus.prior import TypesPrior, majority_for
from jurybox.consensus.result import Positions

__all__ = ["EXPERT_ERROR", "MODERATION", "TextTypes"]


EXPERT_ERROR = 1e-7
MODERATION = np.pi / 8  # of log odds by their variance: MacKay 1992, Neural Computation 4:720
_CHUNK = 100_000  # probabilities of classes whose types stay in the processor's cache
_TINY = 1e-12
_MANY = 8.0  # a majority is won by shares to this power, so that a narrow one is not certain


@dataclass(frozen=True, eq=False)
class TextTypes:
    """A crowd and its texts' types: D difficulties, U cells and P pairs of an `Evidence`.

    Attributes
    ----------
    evidence : Evidence
        What it was fitted to.
    discrimination : ndarray, shape (M,)
        e_j.
    crowd : float
        Its median.
    bias : ndarray, shape (B + 1,)
        b_jl of the evidence's biases, and 0.
    mixing : ndarray, shape (K, K)
        u; 0 where it is not learnt.
    psi : ndarray, shape (K or K + 1, D)
        How far a text of each type commands its class.
    wrong : ndarray, shape (U,)
        sum_l v_jkl of each cell.
    log_odds : ndarray, shape (U, D)
        lambda of each cell, moderated by how little is known of its annotator (MacKay 1992).
    weight : ndarray, shape (K or 1, D)
        w_kd.
    gate : ndarray, shape (K or 1, D)
        alpha_kd.
    posterior : ndarray, shape (P, D)
        Probability of each type of each text, given everything.
    converged : bool
        Whether the fit reached its tolerance.
    iterations : int
        Steps made.
    """

    evidence: Evidence
    prior: TypesPrior
    discrimination: Floats
    crowd: float
    bias: Floats
    mixing: Floats
    psi: Floats
    wrong: Floats
    log_odds: Floats
    weight: Floats
    gate: Floats
    posterior: Floats
    converged: bool
    iterations: int

    @cached_property
    def _crowd(self) -> tuple[Floats, Floats]:
        """How a new annotator answers each type: right (K, D), and how the wrong are spread (K, K)."""
        shares, K = self.evidence.shares, self.evidence.n_classes
        confused = np.exp(self.crowd * self.mixing) if len(self.mixing) else 1.0
        spread = shares * confused * (1 - np.eye(K))
        total = spread.sum(axis=1)
        lever = self.crowd * self.psi[:K]
        odds = np.log(shares / total)[:, None] + lever
        unknown = (self.prior.discrimination * lever) ** 2 + self.prior.bias**2
        if self.evidence.rank is not None:
            unknown += np.square(self.prior.tilt * self.evidence.rank)[:, None]
        return expit(odds / np.sqrt(1 + MODERATION * unknown)), spread / total[:, None]

    @cached_property
    def answers(self) -> Floats:
        """theta, how a new annotator answers each type, shape (K, D, K); with few classes only."""
        right, spread = self._crowd
        own = np.eye(len(right))[:, None]
        return right[..., None] * own + (1 - right)[..., None] * spread[:, None]

    @cached_property
    def majority(self) -> Floats:
        """What the majority of a large crowd says of each type, shape (K, D, K); with few classes only."""
        powers = self.answers**_MANY
        return np.asarray(powers / powers.sum(axis=2, keepdims=True))

    def likely_majority(self) -> Ints:
        """Return what the majority of a large crowd most likely says of each type, shape (K, D)."""
        e = self.evidence
        return self.majority.argmax(axis=2) if e.few else majority_for(e.shares, self.prior)

    def revised(self, log_ratio: Floats) -> TextTypes:
        """Return the same with the probabilities of types multiplied by something, logarithm (D, P)."""
        log_q = np.log(np.maximum(self.posterior.T, 1e-300)) + log_ratio
        return replace(self, posterior=np.ascontiguousarray(self.evidence.normalised(log_q)[0].T))

    def predict(self, pred_probs: Floats | None, n_texts: int, trust: float) -> tuple[Floats, Floats]:
        """Return what the majority says of each text and what one new annotator does, both (N, K).

        Parameters
        ----------
        pred_probs : ndarray, shape (N, K), or None
            Speaks alone for texts without labels; without it these stay uniform.
        n_texts
            N.
        trust
            1 if the probabilities have the say that they have earned.
        """
        e, K = self.evidence, self.evidence.n_classes
        most, share = (np.full((n_texts, K), 1 / K) for _ in range(2))
        for rows, types in self._in_parts(pred_probs, n_texts, trust):
            most[rows], share[rows] = self._outcomes(types)
        if not e.few:
            for found in (most, share):
                found[e.texts] += self._unnamed(found[e.texts], pred_probs)
        return most, share

    def position(self, pred_probs: Floats | None, n_texts: int, trust: float, scale: Floats) -> Positions:
        """Return where a large crowd's mean answer is on a scale, given the classes' numbers (K,).

        The rest is as of `predict`. A text of which nothing is known is anywhere that texts are.
        """
        means = self.answers @ scale
        usual = self.frequency / self.frequency.sum()
        found = Positions.of(np.tile(usual.ravel(), (1, 1)), means.ravel()).repeated(n_texts)
        for rows, types in self._in_parts(pred_probs, n_texts, trust):
            found.put(rows, Positions.of(types.reshape(len(rows), means.size), means.ravel()))
        return found.frozen()

    def _in_parts(
        self, pred_probs: Floats | None, n_texts: int, trust: float
    ) -> Iterator[tuple[Ints, Floats]]:
        """Yield some rows of texts (n,) at a time and the probabilities of their types (n, K, D)."""
        e, K = self.evidence, self.evidence.n_classes
        yield e.texts, self._of_labelled(trust)
        if pred_probs is not None:
            unlabelled = np.ones(n_texts, dtype=bool)
            unlabelled[e.texts] = False
            rows = np.flatnonzero(unlabelled)
            for part in np.array_split(rows, len(rows) * K // _CHUNK + 1):
                yield part, self.expected(pred_probs[part], trust)

    def expected(self, p: Floats, trust: float) -> Floats:
        """Return the probability of each type before any label, shape (n, K, D)."""
        told = trust * beyond_shares(p, self.evidence.shares)
        log_p = np.log(self.evidence.shares)[:, None] + self.weight + self.gate * told[..., None]
        return np.asarray(softmax(log_p, axis=(1, 2)))

    def foretold(self, p: Floats) -> Floats:
        """Return what the majority says of texts without labels, given what a classifier says (n, K)."""
        return self._outcomes(self.expected(p, 1.0))[0]

    def _of_labelled(self, trust: float) -> Floats:
        """Return the types of the T labelled texts, (T, K, D), if a classifier has so much of its say."""
        e, q = self.evidence, self.posterior
        if trust != 1:
            gate = self.gate[e.pair_class] if e.few else self.gate
            with np.errstate(divide="ignore"):
                log_q = np.log(q) + (trust - 1) * gate * e.told[:, None]
            q = e.normalised(np.ascontiguousarray(log_q.T))[0].T
        return self._by_text(q, np.arange(len(e.texts)))

    def by_text(self, rows: Ints | slice = slice(None)) -> Floats:
        """Return the types of all or some labelled texts, (n, K, D); with many classes those in question."""
        return self._by_text(self.posterior, np.arange(len(self.evidence.texts))[rows])

    def _by_text(self, q: Floats, rows: Ints) -> Floats:
        """Return the types (P, D) of some rows of texts (n,), shape (n, K, D); 0 where not in question."""
        e, K, T = self.evidence, self.evidence.n_classes, len(self.evidence.texts)
        if e.few:
            return np.asarray(q.reshape(K, T, q.shape[1])[:, rows].transpose(1, 0, 2))
        size = np.diff(np.append(e.start, len(e.pair_text)))[rows]
        place = np.repeat(np.arange(len(rows)), size)
        pair = np.arange(len(place)) - np.repeat(np.cumsum(size) - size - e.start[rows], size)
        types = np.zeros((len(rows), K + 1, q.shape[1]))
        types[place, e.pair_class[pair]] = q[pair]
        return types[:, :K]

    def _unnamed(self, found: Floats, p: Floats | None) -> Floats:
        """Spread what found (T, K) leaves over the classes that did not come into question."""
        e, K = self.evidence, self.evidence.n_classes
        rest = np.tile(e.shares, (len(found), 1)) if p is None else np.array(p[e.texts])
        named = np.flatnonzero(e.pair_class < K)
        rest[e.pair_text[named], e.pair_class[named]] = 0.0
        rest += _TINY
        return np.asarray(rest * ((1 - found.sum(axis=1)) / rest.sum(axis=1))[:, None])

    def _outcomes(self, types: Floats) -> tuple[Floats, Floats]:
        """Return what the majority and what one new annotator says, (n, K), given types (n, K, D)."""
        if self.evidence.few:
            return tuple(np.tensordot(types, table, axes=2) for table in (self.majority, self.answers))  # type: ignore[return-value]
        mine, theirs = self._own_majority
        shares = self.evidence.shares
        most = _spread(types, mine / (mine + theirs), shares**_MANY)
        return most, _spread(types, self._crowd[0], shares)

    @cached_property
    def _own_majority(self) -> tuple[Floats, Floats]:
        """How likely the majority says a type's own class, and any other, not normalised, both (K, D)."""
        right, shares = self._crowd[0], self.evidence.shares
        powers = shares**_MANY
        others = ((1 - right) / (1 - shares)[:, None]) ** _MANY * (powers.sum() - powers)[:, None]
        return right**_MANY, others

    @cached_property
    def frequency(self) -> Floats:
        """Expected number of labelled texts of each type, and one that is spread as believed, (K, D)."""
        e, K = self.evidence, self.evidence.n_classes
        usual = e.shares[:, None] * np.array(self.prior.frequency)
        named = np.flatnonzero(e.pair_class < K)
        sums = [total_by(e.pair_class[named], column, K) for column in self.posterior[named].T]
        return np.asarray(np.column_stack(sums) + usual)

    def crowd_confusion(self) -> Floats:
        """Return how a new annotator answers texts of each class, shape (K, K)."""
        right, spread = self._crowd
        hit = (right * self.frequency).sum(axis=1) / self.frequency.sum(axis=1)
        found = np.asarray((1 - hit)[:, None] * spread)
        np.fill_diagonal(found, hit)
        return found

    def majority_of_texts(self, rows: Ints, trust: float) -> Floats:
        """Return what the majority of a large crowd says of some labelled texts (n,), shape (n, K).

        A classifier has so much of its say; classes that do not come into question for a text have none.
        """
        found = self._outcomes(self._of_labelled(trust)[rows])[0]
        return np.asarray(found / np.maximum(found.sum(axis=1, keepdims=True), _TINY))

    def draw(self, rng: np.random.Generator) -> tuple[Ints, Ints]:
        """Draw class and difficulty of every labelled text, both (T,)."""
        types = self.by_text().reshape(len(self.evidence.texts), self.psi[0].size * self.evidence.n_classes)
        bounds = types.cumsum(axis=1)
        drawn = (
            (bounds <= rng.random((len(bounds), 1)) * bounds[:, -1:])
            .sum(axis=1)
            .clip(max=bounds.shape[1] - 1)
        )
        return drawn // self.psi.shape[1], drawn % self.psi.shape[1]

    def draw_majority(self, of_class: Ints, difficulty: Ints, rng: np.random.Generator) -> Ints:
        """Draw what the majority of a large crowd says of texts of some types, all (n,)."""
        if self.evidence.few:
            return _draw_rows(self.majority[of_class, difficulty], rng)
        mine, theirs = self._own_majority
        own = rng.random(len(of_class)) < (mine / (mine + theirs))[of_class, difficulty]
        return _draw_others(own, of_class, self.evidence.shares**_MANY, rng)

    def draw_answers(self, of_class: Ints, difficulty: Ints, rng: np.random.Generator) -> Ints:
        """Draw what somebody new to the crowd says of texts of some types, all (n,)."""
        if self.evidence.few:
            return _draw_rows(self.answers[of_class, difficulty], rng)
        own = rng.random(len(of_class)) < self._crowd[0][of_class, difficulty]
        return _draw_others(own, of_class, self.evidence.shares, rng)

    def skill(self, experts: Bools) -> Floats:
        """Return how often each annotator says what the majority of a large crowd would say, shape (M,).

        That is on texts like all labelled ones with few classes, and on those of their own with many.
        """
        e, K = self.evidence, self.evidence.n_classes
        if e.few:
            said = np.einsum("jkdl,kdl->jkd", self.answers_of(np.arange(e.n_annotators)), self.majority)
            skill = np.einsum("jkd,kd->j", said, self.frequency / self.frequency.sum())
        else:
            asked = (e.back @ self.posterior).reshape(2, len(e.cell_class), self.psi.shape[1]).sum(axis=0)
            asked[e.cell_class == K] = 0.0
            hit = total_by(e.cell_annotator, (asked * expit(self.log_odds)).sum(axis=1), e.n_annotators)
            skill = hit / np.maximum(total_by(e.cell_annotator, asked.sum(axis=1), e.n_annotators), _TINY)
        return np.where(experts, 1 - EXPERT_ERROR, skill)

    def answers_of(self, annotators: Ints) -> Floats:
        """Return how annotators (m,) answer texts of each type, shape (m, K, D, K); few classes only."""
        e, K, D = self.evidence, self.evidence.n_classes, self.psi.shape[1]
        right = expit(self.log_odds.reshape(e.n_annotators, K, D)[annotators])
        bias = self.bias[:-1].reshape(e.n_annotators, 1, K)[annotators]
        confused = self.discrimination[annotators, None, None] * self.mixing if len(self.mixing) else 0.0
        spread = e.shares * np.exp(bias + confused) * (1 - np.eye(K))
        spread /= spread.sum(axis=2, keepdims=True)
        return np.asarray((1 - right)[..., None] * spread[:, :, None] + right[..., None] * np.eye(K)[:, None])

    def without(self, annotations: Annotations) -> tuple[Ints, Floats]:
        """Return each text's label and quality without each annotation, everybody's habits held, (L,).

        Annotations of experts, from whom nothing is learnt, are given what holds with them.
        """
        e, K = self.evidence, self.evidence.n_classes
        row = np.searchsorted(e.texts, annotations.text)
        label, quality = np.empty(len(row), dtype=np.int64), np.empty(len(row))
        for part in np.array_split(np.arange(len(row)), len(row) * K // _CHUNK + 1):
            types = self._by_text(self.posterior, row[part])
            said = self.likelihood(
                annotations.annotator[part].astype(np.int64), annotations.label[part].astype(np.int64)
            )
            types = types / np.maximum(said, _TINY)
            types /= types.sum(axis=(1, 2), keepdims=True)
            most, share = self._outcomes(types)
            label[part] = share.argmax(axis=1)
            quality[part] = most[np.arange(len(part)), label[part]]
        return label, quality

    def likelihood(self, annotator: Ints, label: Ints) -> Floats:
        """Return how likely annotators (n,) give labels (n,) to texts of each type, shape (n, K, D)."""
        e, K = self.evidence, self.evidence.n_classes
        if e.few:
            return np.asarray(self.answers_of(np.arange(e.n_annotators))[annotator, :, :, label])
        width = K + 1
        key = e.cell_annotator * width + e.cell_class
        place = np.minimum(np.searchsorted(key, annotator[:, None] * width + np.arange(K)), len(key) - 1)
        known = key[place] == annotator[:, None] * width + np.arange(K)
        # what an annotator was never asked about they answer as the crowd does
        odds = np.where(
            known[..., None], self.log_odds[place], self.crowd * self.psi[:K] + logit(e.shares)[:, None]
        )
        right = np.arange(K) == label[:, None]
        other = (e.shares[label][:, None] / (1 - e.shares))[..., None]
        return np.where(right[..., None], expit(odds), expit(-odds) * other)

    def confusion(self, experts: Bools) -> Floats | None:
        """Return how each annotator answers texts of each class, shape (M, K, K); None with many classes."""
        e, K = self.evidence, self.evidence.n_classes
        if not e.few:
            return None
        weight = self.frequency / self.frequency.sum(axis=1, keepdims=True)
        found = np.einsum("jkdl,kd->jkl", self.answers_of(np.arange(e.n_annotators)), weight)
        certain = np.full((K, K), EXPERT_ERROR / max(K - 1, 1))
        np.fill_diagonal(certain, 1 - EXPERT_ERROR)
        return np.where(experts[:, None, None], certain, found)


def _draw_rows(weights: Floats, rng: np.random.Generator) -> Ints:
    """Draw a position with the weights of each row (n, K), which sum to 1."""
    bounds = weights.cumsum(axis=1)
    return np.asarray((bounds <= rng.random((len(bounds), 1))).sum(axis=1).clip(max=weights.shape[1] - 1))


def _draw_others(own: Bools, of_class: Ints, weight: Floats, rng: np.random.Generator) -> Ints:
    """Return each text's own class (n,), or one drawn with weights (K,)."""
    drawn = np.searchsorted(weight.cumsum(), rng.random(len(own)) * weight.sum()).clip(max=len(weight) - 1)
    return np.where(own, of_class, drawn)


def _spread(types: Floats, own: Floats, weight: Floats) -> Floats:
    """Return how often each class is the outcome, (n, K): own (K, D) of its types' probabilities (n, K, D).

    The rest goes to the other classes in proportion to weights (K,).
    """
    hit = np.einsum("nkd,kd->nk", types, own)
    missed = (types.sum(axis=2) - hit) / (weight.sum() - weight)
    return np.asarray(hit + weight * (missed.sum(axis=1, keepdims=True) - missed))
