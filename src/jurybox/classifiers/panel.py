"""A panel of machines: what language models and rules answer, weighed by what people's labels say of them.

Machines err together, so their answers are no votes. Here they are features: K-vectors v_is of source s for
text i (an answer as a one, probabilities as they are, zeros where the source was not asked). Sources that
repeat each other share one voice: source s has the weight

    w_s = 1 / sum_t max(0, R_st),

R_st the multi-class correlation of two sources' answers (Gorodkin 2004, which is the correlation of Matthews
for two classes), so that six copies of one source are one, exactly, and sum_s w_s is the number of effective
votes. The model is multinomial,

    log p_ik = log b_k + theta log(m_ik / b_k) + a_k + sum_s sqrt(w_s) (delta_s u_isk + u_is' W_sk) + const,

b the label shares, m_i the weighted mean answer, smoothed by b; u_is = v_is less the mean answer of s, or 0
where s was not asked, so that no answer moves nothing; delta_s says how much more or less a source is right
than the others, W_s which classes it mixes up. Everything is shrunk to what is known without labels:
theta to one half, the rest to 0. The strength on W is not chosen: fits of several strengths are averaged with
the weights exp(-cross-validated loss), as evidence would weigh them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from jurybox.arrays import Floats, freeze
from jurybox.classifiers.base import (
    ConstantFitted,
    Fitted,
    Inputs,
    check_targets,
    is_single_class,
    stratified_folds,
)
from jurybox.errors import InputError

__all__ = ["Panel", "PanelFitted", "effective_votes", "source_correlation", "votes_of"]

_STRENGTHS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
_THETA, _THETA_SD = 0.5, 0.5
_DELTA, _OFFSET = 1.5, 0.5  # precisions of delta and a
_HOPELESS = 6.0  # nats behind the best strength, from where on stronger ones are not tried
_NEGLIGIBLE = 0.02  # weight of a strength that is left out of the average
_SMOOTHING = 0.5
_SEED = 0


def votes_of(labels: ArrayLike, n_classes: int) -> NDArray[np.float32]:
    """Turn answers into the features of a `Panel`.

    Parameters
    ----------
    labels : array-like of int, shape (N, S)
        The class that each of S sources gave each text, -1 where there is no answer.
    n_classes
        K.

    Returns
    -------
    ndarray of float32, shape (N, S * K)
        A one for each answer. Where a source gives probabilities, put them in the place of its ones.

    Raises
    ------
    InputError
        If labels is no table of whole numbers from -1 to K - 1.

    Examples
    --------
    >>> votes_of([[0, 1], [1, -1]], 2)
    array([[1., 0., 0., 1.],
           [0., 1., 0., 0.]], dtype=float32)
    """
    y = np.asarray(labels)
    if y.ndim != 2 or not np.issubdtype(y.dtype, np.integer):
        raise InputError(f"labels has shape {y.shape} and type {y.dtype}, expected whole numbers, (N, S)")
    if y.size and not -1 <= y.min() <= y.max() < n_classes:
        raise InputError(f"labels holds {y.min()} to {y.max()}, expected -1 (no answer) to {n_classes - 1}")
    votes = np.zeros((*y.shape, n_classes), dtype=np.float32)
    text, source = np.nonzero(y >= 0)
    votes[text, source, y[text, source]] = 1
    return votes.reshape(len(y), -1)


def source_correlation(votes: ArrayLike, n_sources: int) -> Floats:
    """Multi-class correlation of each pair of sources over the texts that both answered, shape (S, S).

    Parameters
    ----------
    votes : array-like, shape (N, S * K)
        As `votes_of` gives them.
    n_sources
        S.

    Raises
    ------
    InputError
        If the columns cannot be divided among the sources.

    References
    ----------
    Gorodkin 2004, "Comparing two K-category assignments by a K-category correlation coefficient".

    Examples
    --------
    >>> source_correlation(votes_of([[0, 0, 1], [1, 1, 1], [0, 0, 0], [1, 1, 0]], 2), 3).round(2)
    array([[1., 1., 0.],
           [1., 1., 0.],
           [0., 0., 1.]])
    """
    v = _by_source(votes, n_sources)
    answered = v.max(axis=2, initial=0) > 0
    correlation = np.eye(n_sources)
    for s in range(n_sources):
        for t in range(s):
            both = answered[:, s] & answered[:, t]
            a, b = (v[both, j] - v[both, j].mean(axis=0) for j in (s, t)) if both.any() else (v[:0, s],) * 2
            scale = np.sqrt((a * a).sum() * (b * b).sum())
            correlation[s, t] = correlation[t, s] = (a * b).sum() / scale if scale > 0 else 0.0
    return correlation


def effective_votes(votes: ArrayLike, n_sources: int) -> Floats:
    """Return the voice w_s of each source among the others, shape (S,); their sum counts effective votes.

    Examples
    --------
    >>> effective_votes(votes_of([[0, 0, 1], [1, 1, 1], [0, 0, 0], [1, 1, 0]], 2), 3)
    array([0.5, 0.5, 1. ])
    """
    return np.asarray(1 / np.maximum(source_correlation(votes, n_sources), 0).sum(axis=1))


@dataclass(frozen=True)
class Panel:
    """Learns from people's labels what machines' answers say; a classifier on the features of `votes_of`.

    Parameters
    ----------
    n_sources
        S; the features have S * K columns.
    voices : tuple of S float, optional
        The weights w_s, best from the whole pool (`Panel.of`); default: from the training rows.
    n_folds
        Folds of the cross-validation, twice as many for fewer than 150 rows.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> truth = rng.integers(0, 2, 300)
    >>> labels = np.where(rng.random((300, 2)) < [0.9, 0.6], truth[:, None], 1 - truth[:, None])
    >>> votes = votes_of(labels, 2)
    >>> fitted = Panel.of(votes, 2).fit(votes[:200], np.eye(2)[truth[:200]])
    >>> fitted.predict_proba(votes_of([[1, 0], [-1, 0]], 2)).argmax(axis=1)
    array([1, 0])
    """

    n_sources: int
    voices: tuple[float, ...] | None = None
    n_folds: int = 5
    takes: ClassVar[Literal["features"]] = "features"

    def __post_init__(self) -> None:
        if self.n_sources < 1 or self.n_folds < 2:
            raise InputError(
                f"n_sources is {self.n_sources} and n_folds {self.n_folds}, expected at least 1 and 2"
            )
        if self.voices is not None and len(self.voices) != self.n_sources:
            raise InputError(
                f"voices has {len(self.voices)} entries, expected {self.n_sources}, one a source"
            )

    @classmethod
    def of(cls, votes: ArrayLike, n_sources: int) -> Self:
        """Make a panel whose voices are those of a whole pool of answers (N, S * K)."""
        return cls(n_sources, tuple(float(w) for w in effective_votes(votes, n_sources)))

    @property
    def name(self) -> str:
        """``panel`` and the number of sources."""
        return f"panel:{self.n_sources}"

    def fit(
        self,
        x: Inputs,
        targets: NDArray[np.floating],
        weights: NDArray[np.floating] | None = None,
        *,
        previous: Fitted | None = None,  # noqa: ARG002 - the fit is convex, and quick enough from the start
    ) -> Fitted:
        """Train; see `jurybox.classifiers.base.Classifier.fit`.

        Raises
        ------
        InputError
            As there, and if the columns of ``x`` cannot be divided among the sources.
        """
        votes = _by_source(x, self.n_sources)
        t, s = check_targets(len(votes), targets, weights)
        if votes.shape[2] != t.shape[1]:
            raise InputError(
                f"x has {votes.shape[2]} columns a source, expected {t.shape[1]}, one for each class"
            )
        if is_single_class(t, s):
            return ConstantFitted.of(t, s)
        voices = np.asarray(self.voices or effective_votes(votes.reshape(len(votes), -1), self.n_sources))
        shares = (s @ t + 1) / (s.sum() + t.shape[1])
        design = _Design.of(votes, voices, shares, _means(votes))
        return self._average(design, t, s)

    def _average(self, design: _Design, t: Floats, s: Floats) -> PanelFitted:
        """Fit under every strength that is worth it, and average by cross-validated loss."""
        folds = stratified_folds(t, 2 * self.n_folds if len(t) < 150 else self.n_folds, _rng())
        left_out: list[Floats] = []
        losses: list[float] = []
        for strength in _STRENGTHS:
            p = _cross_validate(design, t, s, folds, strength)
            left_out.append(p)
            losses.append(float(-(s[:, None] * t * np.log(np.maximum(p, 1e-12))).sum()))
            if len(losses) >= 3 and losses[-1] > min(losses) + _HOPELESS:
                break
        evidence = softmax(-np.asarray(losses))
        kept = np.flatnonzero(evidence >= _NEGLIGIBLE)
        evidence = evidence[kept] / evidence[kept].sum()
        members = tuple(_fit(design, t, s, _STRENGTHS[k]) for k in kept)
        out_of_sample = np.tensordot(evidence, np.stack([left_out[k] for k in kept]), axes=1)
        return PanelFitted(out_of_sample, evidence, members, design.voices, design.shares, design.means)


@dataclass(frozen=True, eq=False)
class PanelFitted:
    """A trained panel.

    Attributes
    ----------
    out_of_sample : ndarray, shape (N, K)
        Cross-validated probabilities of the training rows.
    evidence : ndarray, shape (F,)
        Weights of the averaged fits.
    members : tuple of F ndarrays, shape (1 + K + S + S * K * K,)
        Their parameters theta, a, delta, W.
    voices : ndarray, shape (S,)
        The weights w_s of the sources.
    shares : ndarray, shape (K,)
        The label shares b.
    means : ndarray, shape (S, K)
        The mean answer of each source.
    """

    out_of_sample: Floats
    evidence: Floats
    members: tuple[Floats, ...]
    voices: Floats
    shares: Floats
    means: Floats

    def __post_init__(self) -> None:
        for array in (self.out_of_sample, self.evidence, self.voices, self.shares, self.means, *self.members):
            freeze(array)

    def predict_proba(self, x: Inputs) -> Floats:
        """Class probabilities of new rows of answers, shape (n, K).

        Raises
        ------
        InputError
            If ``x`` has another number of columns than the training rows.
        """
        votes = _by_source(x, len(self.voices))
        if votes.shape[2] != len(self.shares):
            raise InputError(
                f"x has {votes.shape[1] * votes.shape[2]} columns, "
                f"expected {len(self.voices) * len(self.shares)}, as the training rows had"
            )
        design = _Design.of(votes, self.voices, self.shares, self.means)
        return np.asarray(
            sum(
                w * softmax(design.logits(v), axis=1)
                for w, v in zip(self.evidence, self.members, strict=True)
            )
        )


@dataclass(frozen=True, eq=False)
class _Design:
    """What the parameters are multiplied with.

    Attributes
    ----------
    shift : ndarray, shape (N, K)
        log m - log b.
    tied : ndarray, shape (N, S, K)
        sqrt(w_s) u_is.
    """

    shift: Floats
    tied: Floats
    voices: Floats
    shares: Floats
    means: Floats

    @classmethod
    def of(cls, votes: Floats, voices: Floats, shares: Floats, means: Floats) -> _Design:
        mean = np.einsum("nsk,s->nk", votes, voices)
        total = mean.sum(axis=1, keepdims=True)
        smooth = (mean + _SMOOTHING * shares) / (total + _SMOOTHING)
        centred = votes - votes.sum(axis=2, keepdims=True) * means
        return cls(np.log(smooth / shares), centred * np.sqrt(voices)[:, None], voices, shares, means)

    def rows(self, chosen: NDArray[np.bool_]) -> _Design:
        return replace(self, shift=self.shift[chosen], tied=self.tied[chosen])

    def split(self, v: Floats) -> tuple[float, Floats, Floats, Floats]:
        """Return theta, a (K,), delta (S,) and W (S * K, K) of a vector of parameters."""
        n_sources, n_classes = self.tied.shape[1:]
        end = 1 + n_classes + n_sources
        return v[0], v[1 : 1 + n_classes], v[1 + n_classes : end], v[end:].reshape(-1, n_classes)

    def logits(self, v: Floats) -> Floats:
        theta, offsets, delta, mixing = self.split(v)
        flat = self.tied.reshape(len(self.tied), -1)
        own = np.einsum("nsk,s->nk", self.tied, delta)
        return np.asarray(np.log(self.shares) + theta * self.shift + offsets + own + flat @ mixing)


def _fit(design: _Design, t: Floats, s: Floats, strength: float) -> Floats:
    """Return the parameters of least penalised loss, theta, a, delta and W in one vector."""
    flat = design.tied.reshape(len(design.tied), -1)
    n_classes = t.shape[1]
    n_sources = len(design.voices)
    start = np.zeros(1 + n_classes + n_sources + flat.shape[1] * n_classes)
    start[0] = _THETA
    precision = np.full(len(start), strength)
    precision[0] = 1 / _THETA_SD**2
    precision[1 : 1 + n_classes] = _OFFSET
    precision[1 + n_classes : 1 + n_classes + n_sources] = _DELTA

    def objective(v: Floats) -> tuple[float, Floats]:
        log_p = log_softmax(design.logits(v), axis=1)
        residual = s[:, None] * (np.exp(log_p) - t)
        gradient = np.concatenate(
            [
                [(residual * design.shift).sum()],
                residual.sum(axis=0),
                np.einsum("nsk,nk->s", design.tied, residual),
                (flat.T @ residual).ravel(),
            ]
        )
        off = v - start
        loss = float(-(s[:, None] * t * log_p).sum() + (precision * off**2).sum() / 2)
        return loss, gradient + precision * off

    found = minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxiter": 500})
    return np.asarray(found.x)


def _cross_validate(
    design: _Design, t: Floats, s: Floats, folds: NDArray[np.int64], strength: float
) -> Floats:
    left_out = np.empty_like(t)
    for fold in range(folds.max() + 1):
        inside = folds != fold
        shares = (s[inside] @ t[inside] + 1) / (s[inside].sum() + t.shape[1])
        # the smoothing keeps the shares of all rows, and so do the means: a row's own part is one of N
        part = replace(design, shift=design.shift + np.log(design.shares / shares), shares=shares)
        v = _fit(part.rows(inside), t[inside], s[inside], strength)
        left_out[~inside] = softmax(part.rows(~inside).logits(v), axis=1)
    return left_out


def _means(votes: Floats) -> Floats:
    """Return the mean answer of each source, shape (S, K)."""
    total = votes.sum(axis=0)
    return np.asarray(total / np.maximum(total.sum(axis=1, keepdims=True), 1))


def _by_source(votes: ArrayLike | Inputs, n_sources: int) -> Floats:
    v = np.asarray(votes, dtype=np.float64)
    if v.ndim == 3 and v.shape[1] == n_sources:
        return v
    if v.ndim != 2 or v.shape[1] % n_sources:
        raise InputError(
            f"votes has shape {v.shape}, expected (N, S * K) with S = {n_sources} sources, as votes_of gives"
        )
    if not np.isfinite(v).all():
        raise InputError("votes holds a value that is not finite; a missing answer is a row of zeros")
    return v.reshape(len(v), n_sources, -1)


def _rng() -> np.random.Generator:
    """Folds are drawn alike for the same rows, so that a fit is a function of its data."""
    return np.random.default_rng(_SEED)
