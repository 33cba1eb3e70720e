"""The penalised marginal likelihood of text types and its gradient: see `jurybox.consensus.text_types`."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import csr_array
from scipy.special import expit, log_expit

from jurybox.arrays import Floats, Ints, total_by
from jurybox.consensus.evidence import Evidence
from jurybox.consensus.prior import (
    CURVATURE,
    DEFAULT_PRIOR,
    AnnotatorPrior,
    Point,
    TypesPrior,
    Wrong,
    standard_deviations,
)
from jurybox.consensus.text_types import MODERATION, TextTypes

__all__ = ["Problem", "draw_types", "fit_types"]

_TOLERANCE, _STEPS = 1e-5, 60
_DRAW_TOLERANCE, _DRAW_STEPS = 1e-4, 15


def fit_types(
    evidence: Evidence,
    certain: Floats | None = None,
    *,
    prior: TypesPrior = DEFAULT_PRIOR,
    habits: AnnotatorPrior | None = None,
    tolerance: float = 1e-5,
    max_iterations: int = 60,
) -> TextTypes:
    """Fit types and crowd.

    Parameters
    ----------
    evidence
        The labels and probabilities.
    certain : ndarray, shape (D, P), optional
        Log likelihood of each type by what nothing is learnt from: the labels of experts.
    prior
        What is believed beforehand.
    habits
        What is known of the annotators from other questions; of two classes only.
    tolerance
        Relative change of the penalised likelihood at which the fit ends.
    max_iterations
        Or after so many steps.
    """
    problem = Problem(evidence, certain, prior, habits)
    return problem.result(*problem.minimised(problem.centre, tolerance, max_iterations))


def draw_types(
    evidence: Evidence,
    certain: Floats | None = None,
    *,
    prior: TypesPrior = DEFAULT_PRIOR,
    n_draws: int,
    rng: np.random.Generator,
) -> Iterator[TextTypes]:
    """Yield draws of the crowd and of what it makes likely of each text's type.

    This is the weighted likelihood bootstrap (Newton & Raftery 1994, JRSS B 56:3): each draw is the fit with
    texts weighted at random, exponentially, and the priors' centres drawn from the priors. So an annotator
    without labels is drawn from the crowd, and what texts have in common beyond the model widens the draws.

    Parameters
    ----------
    evidence, certain, prior
        As of `fit_types`.
    n_draws
        S.
    rng
        Draws weights and centres.
    """
    problem = Problem(evidence, certain, prior)
    first, _, _ = problem.minimised(np.zeros(problem.size), _TOLERANCE, _STEPS)
    for _ in range(n_draws):
        drawn = problem.perturbed(rng)
        x, converged, steps = drawn.minimised(first, _DRAW_TOLERANCE, _DRAW_STEPS)
        yield drawn.result(x, converged, steps, moderated=False)


class Problem:
    """The function that is minimised; its unknowns have unit scale."""

    def __init__(
        self,
        evidence: Evidence,
        certain: Floats | None,
        prior: TypesPrior,
        habits: AnnotatorPrior | None = None,
    ) -> None:
        e, K = evidence, evidence.n_classes
        self._e, self._prior, self._certain = e, prior, certain
        self._own_prior = prior if habits is None else habits.narrowed(prior)
        self._D = len(prior.right)
        self._a = np.array(prior.right)
        self._log_frequency = np.log(np.array(prior.frequency) / sum(prior.frequency))
        # the share of "none of them" is that of one class among K
        self._share = e.shares if e.few else np.append(e.shares, 1 / K)
        self._wrong_share = 1 - self._share
        right = self._a + (1 - self._a) * self._share[:, None]
        self._log_odds_right = np.log(right) - np.log1p(-right)
        self._pseudo_texts = prior.texts + e.single * (
            prior.per_single_with_model if e.asked_model else prior.per_single
        )
        self._unlike = ~np.eye(K, dtype=bool)
        self._by_class = _indicator(e.cell_class, len(self._share))
        rest = np.ones(e.n_annotators)
        if not e.few:
            rest -= total_by(e.bias_annotator, e.shares[e.bias_class], e.n_annotators)
        else:
            rest[:] = 0.0
        self._rest = rest
        blocks = standard_deviations(e, self._own_prior)
        ends = np.cumsum([size for size, _ in blocks.values()])
        self._at = {
            name: slice(int(end) - size, int(end))
            for (name, (size, _)), end in zip(blocks.items(), ends, strict=True)
        }
        sizes = [size for size, _ in blocks.values()]
        scale = np.repeat([scale for _, scale in blocks.values()], sizes)
        widest = {"crowd": prior.crowd, "mixing": prior.mixing, "ability": prior.ability, "weight": 0.0}
        widest |= {"abilities": prior.ability, "nearer": prior.nearer, "tilt": prior.tilt}
        self._rank = np.zeros(K) if e.rank is None else e.rank
        self._apart = np.abs(self._rank[:, None] - self._rank)
        self._prior_deviation = np.repeat(
            [widest.get(name, scale) for name, (_, scale) in blocks.items()], sizes
        )
        self.size = int(ends[-1])
        share = e.shares[:, None] if e.few else np.ones((1, 1))
        self._log_share = np.log(share)
        self._target = share * np.exp(self._log_frequency)
        self._scale, self._penalty = self._conditioned(scale)
        self.centre = np.zeros(self.size)
        if habits is not None:
            known = {"discrimination": habits.discrimination, "bias": habits.bias.ravel()}
            for name, value in known.items():
                self.centre[self._at[name]] = value / self._scale[self._at[name]]
        self._importance: Floats | None = None
        self._text_weight = np.ones(len(e.texts))
        self._bias_count = e.bias_count.astype(np.float64)

    def minimised(self, x: Floats, tolerance: float, most_steps: int) -> tuple[Floats, bool, int]:
        """Return the unknowns at the minimum, whether the tolerance was reached, and the steps made."""
        found = minimize(
            self.loss,
            x,
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": most_steps, "maxcor": 10, "ftol": tolerance, "gtol": 1e-4},
        )
        return found.x, bool(found.success), int(found.nit)

    def perturbed(self, rng: np.random.Generator) -> Problem:
        """Return the same problem with texts weighted at random, and the priors' centres drawn."""
        e, drawn = self._e, copy(self)
        weight = rng.standard_exponential(len(e.texts))
        drawn._importance = weight[e.pair_text]
        drawn._text_weight = weight
        drawn._bias_count = total_by(e.vote_bias, weight[e.vote_text], len(e.bias_class))
        # what single labels cannot tell is as uncertain as it was, however firmly the fit holds to it
        drawn.centre = self._prior_deviation / self._scale * rng.standard_normal(self.size)
        frequency = rng.standard_gamma(self._prior.texts * np.exp(self._log_frequency))
        drawn._target = self._target.sum(axis=1, keepdims=True) * frequency / frequency.sum()
        return drawn

    def _conditioned(self, scale: Floats) -> tuple[Floats, Floats]:
        """Return units of the unknowns in which curvatures are about alike, and the priors' share of these.

        The curvatures are guesses; they change how many steps are needed, not what is found.
        """
        e = self._e
        labels = total_by(e.bias_annotator, e.bias_count, e.n_annotators)
        texts = len(e.texts) * self._target
        spread = float(np.square(e.told).mean()) if len(e.told) else 0.0
        guess = {
            "crowd": labels.sum(),
            "discrimination": labels,
            "bias": e.bias_count,
            "mixing": labels.sum() / max(e.n_classes * (e.n_classes - 1), 1),
            "ability": labels.sum() * np.exp(self._log_frequency),
            "abilities": labels.sum() * e.shares,
            "slope": len(e.texts) * spread,
            "gate": spread * texts.sum(axis=0),
            "gates": spread * texts.ravel(),
            "nearer": labels.sum(),
            "tilt": labels,
            "weight": texts.ravel() + self._pseudo_texts * self._target.ravel(),
        }
        likely = np.zeros(self.size)
        for name, where in self._at.items():
            if where.stop > where.start:
                likely[where] = CURVATURE[name] * guess[name]
        prior = np.where(np.arange(self.size) < self._at["weight"].start, scale**-2.0, 1e-3)
        unit = 1 / np.sqrt(prior + likely)
        penalty = prior * unit**2
        penalty[self._at["weight"]] = 0.0
        return unit, penalty

    def loss(self, x: Floats) -> tuple[float, Floats]:
        """Return minus the penalised log likelihood, and its gradient."""
        e = self._e
        at = self._point(x)
        wrong = self._wrong(at)
        log_odds = self._log_odds(at, wrong)
        log_right = log_expit(log_odds)
        before = self._before(at)
        q, fit = e.normalised(before + self._likelihood(at, wrong, log_odds, log_right))
        expected, base = e.normalised(before)
        named = at.bias[:-1] + np.log(e.shares)[e.bias_class]
        log_weight = self._log_share + at.weight
        log_weight = log_weight - np.log(np.exp(log_weight).sum())
        fits = (fit - base).sum() if self._importance is None else (fit - base) @ self._text_weight
        value = fits + self._bias_count @ named + self._pseudo_texts * (self._target * log_weight).sum()
        from_centre = x - self.centre
        value -= 0.5 * (self._penalty @ (from_centre * from_centre))
        surplus = q - expected
        if self._importance is not None:
            surplus *= self._importance
            q *= self._importance
        weight, gate = self._by_type(surplus), self._by_type(surplus * e.told)
        weight = weight + self._pseudo_texts * (self._target - np.exp(log_weight))
        gradient = self._crowd_gradient(at, wrong, log_right, q)
        gradient["weight"] = weight
        gradient["gates"] = gate if e.few else np.zeros(0)
        gradient["gate"] = gate.sum(axis=0)
        gradient["slope"] = np.array([at.slope * (gate.sum(axis=0) @ self._a)])
        flat = np.concatenate([np.ravel(gradient[name]) for name in self._at])
        return -float(value), self._penalty * from_centre - flat * self._scale

    def _point(self, x: Floats) -> Point:
        """Turn unknowns into parameters."""
        e, K, D = self._e, self._e.n_classes, self._D
        part = {name: (x * self._scale)[where] for name, where in self._at.items()}
        near = float(self._prior.nearness * np.exp(part["nearer"].sum()))
        mixing = np.zeros((K, K)) if e.mixing is not None else np.zeros((0, 0))
        if e.mixing is not None:
            mixing[self._unlike] = part["mixing"]
            mixing -= near * self._apart
            wrong_share = (e.shares * np.exp(mixing) * self._unlike).sum(axis=1)
        else:
            wrong_share = self._wrong_share
        psi = self._log_odds_right - np.log(self._share / wrong_share)[:, None] + part["ability"]
        slope = float(self._prior.slope * np.exp(part["slope"][0]))
        gate = slope * self._a + part["gate"][None]
        if e.few:
            psi = psi + part["abilities"][:, None]
            gate = gate + part["gates"].reshape(K, D)
        if len(part["tilt"]):
            part["bias"] = part["bias"] + np.outer(part["tilt"], self._rank).ravel()
        crowd = float(part["crowd"][0])
        return Point(
            discrimination=np.exp(crowd) * (1 + part["discrimination"]),
            crowd=float(np.exp(crowd)),
            bias=np.append(part["bias"], 0.0),
            mixing=mixing,
            psi=psi,
            weight=self._log_frequency + part["weight"].reshape(K if e.few else 1, D),
            slope=slope,
            gate=gate,
            near=near,
        )

    def _wrong(self, at: Point) -> Wrong:
        """Return how everybody spreads their wrong answers."""
        e, K = self._e, self._e.n_classes
        usual = e.shares[e.bias_class] * np.exp(at.bias[:-1])
        if e.mixing is not None:
            v = usual.reshape(e.n_annotators, 1, K) * np.exp(at.discrimination[:, None, None] * at.mixing)
            v *= self._unlike
            return Wrong(v, v.sum(axis=2).ravel())
        everything = total_by(e.bias_annotator, usual, e.n_annotators) + self._rest
        own = np.where(e.cell_class < K, self._share[e.cell_class] * np.exp(at.bias[e.cell_bias]), 0.0)
        return Wrong(usual, np.maximum(everything[e.cell_annotator] - own, 1e-12))

    def _log_odds(self, at: Point, wrong: Wrong) -> Floats:
        """Return lambda, shape (U, D)."""
        e = self._e
        base = np.log(self._share)[e.cell_class] + at.bias[e.cell_bias] - np.log(wrong.total)
        return np.asarray(base[:, None] + at.discrimination[e.cell_annotator, None] * at.psi[e.cell_class])

    def _before(self, at: Point) -> Floats:
        """Return the pairs' log probability before their labels, not normalised, shape (D, P)."""
        e = self._e
        classes = len(at.weight)
        T = len(e.told) // classes
        found = e.told.reshape(classes, T) * at.gate.T[..., None]
        found += e.log_share.reshape(classes, T)
        found += at.weight.T[..., None]
        return found.reshape(self._D, len(e.told))

    def _likelihood(self, at: Point, wrong: Wrong, log_odds: Floats, log_right: Floats) -> Floats:
        """Return the pairs' log likelihood but for what is the same for all pairs of a text, shape (D, P).

        That is each annotation's log share and bias: they are taken from right answers instead of being given
        to wrong ones.
        """
        e = self._e
        named = np.log(self._share)[e.cell_class] + at.bias[e.cell_bias]
        right = log_right - named[:, None]
        wrongly = log_right - log_odds - np.log(wrong.total)[:, None]
        found = np.ascontiguousarray((e.given @ np.concatenate([right, wrongly])).T)
        if e.mixing is not None:
            m = e.mixing
            found += m.given @ (at.discrimination[m.annotator] * at.mixing[m.right, m.said])
        return np.asarray(found if self._certain is None else found + self._certain)

    def _by_type(self, values: Floats) -> Floats:
        """Sum values (D, P) by the types that have a weight of their own, shape (K or 1, D)."""
        classes = self._e.n_classes if self._e.few else 1
        return np.asarray(values.reshape(self._D, classes, values.shape[1] // classes).sum(axis=2).T)

    def _crowd_gradient(self, at: Point, wrong: Wrong, log_right: Floats, q: Floats) -> dict[str, Floats]:
        """Return the gradient of the likelihood by what describes the crowd."""
        e, K, U = self._e, self._e.n_classes, len(self._e.cell_class)
        answers = e.back @ np.ascontiguousarray(q.T)
        right, all_answers = answers[:U], answers[:U] + answers[U:]
        residual = right - all_answers * np.exp(log_right)  # by lambda
        by_base = residual.sum(axis=1)
        by_total = -(by_base + answers[U:].sum(axis=1)) / wrong.total
        by_bias = (
            np.bincount(e.cell_bias, by_base - right.sum(axis=1), minlength=len(at.bias))[:-1]
            + self._bias_count
        )
        by_skill = total_by(e.cell_annotator, (residual * at.psi[e.cell_class]).sum(axis=1), e.n_annotators)
        by_psi = self._by_class @ (residual * at.discrimination[e.cell_annotator, None])
        by_mixing = by_nearer = by_tilt = np.zeros(0)
        if e.mixing is not None:
            m = e.mixing
            v = wrong.spread * by_total.reshape(e.n_annotators, K, 1)
            by_bias = by_bias + v.sum(axis=1).ravel()
            said = m.back @ q.sum(axis=0)
            by_skill = by_skill + np.einsum("jkl,kl->j", v, at.mixing)
            by_skill = by_skill + total_by(m.annotator, said * at.mixing[m.right, m.said], e.n_annotators)
            by_u = np.einsum("jkl,j->kl", v, at.discrimination)
            by_u += total_by(m.right * K + m.said, said * at.discrimination[m.annotator], K * K).reshape(K, K)
            usual = e.shares * np.exp(at.mixing) * self._unlike
            by_u += (by_psi.sum(axis=1) / usual.sum(axis=1))[:, None] * usual
            by_mixing = by_u[self._unlike]
            if e.rank is not None:
                by_nearer = np.array([-at.near * (by_u * self._apart).sum()])
                by_tilt = by_bias.reshape(e.n_annotators, K) @ self._rank
        else:
            by_everything = total_by(e.cell_annotator, by_total, e.n_annotators)[e.bias_annotator]
            by_own = np.bincount(e.cell_bias, by_total, minlength=len(at.bias))[:-1]
            by_bias = by_bias + wrong.spread * (by_everything - by_own)
        return {
            "crowd": np.array([by_skill @ at.discrimination]),
            "discrimination": by_skill * at.crowd,
            "bias": by_bias,
            "mixing": by_mixing,
            "ability": by_psi.sum(axis=0),
            "abilities": by_psi.sum(axis=1) if e.few else np.zeros(0),
            "nearer": by_nearer,
            "tilt": by_tilt,
        }

    def result(self, x: Floats, converged: bool, iterations: int, *, moderated: bool = True) -> TextTypes:
        """Return what was found, every annotator's log odds moderated by how little is known of them."""
        e = self._e
        at = self._point(x)
        wrong = self._wrong(at)
        log_odds = self._log_odds(at, wrong)
        before = self._before(at)
        likelihood = self._likelihood(at, wrong, log_odds, log_expit(log_odds))
        q, _ = e.normalised(before + likelihood)
        if moderated:
            log_odds = log_odds / np.sqrt(1 + MODERATION * self._variance(at, log_odds, q))
            likelihood = self._likelihood(at, wrong, log_odds, log_expit(log_odds))
            q, _ = e.normalised(before + likelihood)
        return TextTypes(
            evidence=e, prior=self._prior, discrimination=at.discrimination, crowd=at.crowd, bias=at.bias,
            mixing=at.mixing, psi=at.psi, wrong=wrong.total, log_odds=log_odds, weight=at.weight,
            gate=at.gate, posterior=np.ascontiguousarray(q.T), converged=converged, iterations=iterations,
        )  # fmt: skip

    def _variance(self, at: Point, log_odds: Floats, q: Floats) -> Floats:
        """Return the variance of lambda (U, D) around its mode, discrimination and bias apart."""
        e, U, right = self._e, len(self._e.cell_class), expit(log_odds)
        answers = e.back @ np.ascontiguousarray(q.T)
        information = (answers[:U] + answers[U:]) * right * (1 - right)
        lever = at.crowd * at.psi[e.cell_class]
        of_skill = total_by(e.cell_annotator, (information * lever**2).sum(axis=1), e.n_annotators)
        of_skill += self._own_prior.discrimination**-2
        of_bias = self._own_prior.bias**-2 + information.sum(axis=1)
        return np.asarray(lever**2 / of_skill[e.cell_annotator, None] + (1 / of_bias)[:, None])


def _indicator(positions: Ints, size: int) -> csr_array:
    """Return which of so many each position is, sparse, shape (size, n)."""
    n = len(positions)
    return csr_array((np.ones(n), (positions, np.arange(n))), shape=(size, n))
