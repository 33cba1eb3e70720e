"""The default classifier: multinomial logistic regression on features, its strength chosen by leave-one-out.

Training targets are distributions t_i with weights s_i. The model is ``p_i = softmax(Q u_i)`` with logits
``u_i = W'[x_i, 1]`` in K - 1 coordinates; the columns of Q (K, K-1) are orthonormal contrasts (each sums to
0), which removes the direction that softmax ignores and treats all classes alike. It minimises

    sum_i s_i CE(t_i, p_i) + (lambda / 2) |W|^2

by Newton's method (the offsets are all but free). Approximate leave-one-out (ALO) then takes one Newton step
from the full solution to the one without row i; with the curvature S_i = s_i Q'(diag p_i - p_i p_i')Q and the
leverage H_i = [x_i, 1]' inv(Hessian) [x_i, 1], both (K-1, K-1),

    u_-i = u_i + inv(I - H_i S_i) H_i s_i Q'(p_i - t_i)

Rad & Maleki 2020, "A scalable estimate of the out-of-sample prediction error via approximate leave-one-out
cross-validation" (JRSS B 82:965).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import helmert, qr
from scipy.special import log_softmax, softmax

from jurybox.arrays import Floats, blocks, freeze
from jurybox.classifiers.base import Fitted, Inputs, check_targets
from jurybox.classifiers.curvature import curvatures
from jurybox.errors import InputError

__all__ = ["Head", "HeadFitted", "row_space"]

_OFFSET_PENALTY = 1e-3
_MAX_STEPS = 30
_TOLERANCE = 1e-8  # squared Newton decrement per unit of weight
_TINY = 1e-12


def row_space(rows: NDArray[np.floating]) -> Floats | None:
    """Return an orthonormal basis (D, n) of n rows of features (n, D); None where there are D or more.

    Under an L2 penalty a direction that no training row has gets no weight. Several heads on the same rows
    may therefore be fitted to ``features @ basis``, which is factorised once for all of them: coefficients,
    strengths and probabilities are the same.

    Examples
    --------
    >>> row_space(np.array([[3.0, 4.0]])).ravel().round(1).tolist() in ([0.6, 0.8], [-0.6, -0.8])
    True
    >>> row_space(np.eye(2)) is None
    True
    """
    if rows.shape[0] >= rows.shape[1]:
        return None
    basis, _ = qr(np.asarray(rows, dtype=np.float64).T, mode="economic", check_finite=False)
    return np.asarray(basis, dtype=np.float64)


@dataclass(frozen=True)
class Head:
    """Multinomial logistic regression with L2 strength chosen by approximate leave-one-out.

    Strengths are powers of two, in units of the rows' mean squared distance from their mean, so that rescaled
    features give the same classifier. The chosen one minimises the mean ALO cross-entropy plus
    ``prior * (log2 strength - centre) ** 2``, the belief that keeps noisy labels of hard texts from
    talking the model into believing all of them. After a ``previous`` fit the search starts from its
    strength and moves only part of the way, so that rounds do not jump.

    Parameters
    ----------
    strength
        log2 of a fixed strength; None chooses it.
    centre, prior
        Where the search is drawn to, and how strongly, in nats per squared octave.
    lowest, highest
        Bounds of log2 strength.
    damping
        Share of the way from the previous strength to the best one.

    Examples
    --------
    >>> x = np.array([[-1.0], [-0.8], [0.9], [1.1]])
    >>> fitted = Head().fit(x, np.eye(2)[[0, 0, 1, 1]])
    >>> fitted.predict_proba(np.array([[1.0]])).argmax(axis=1)
    array([1])
    """

    strength: float | None = None
    centre: float = 0.0
    prior: float = 0.015
    lowest: int = -3
    highest: int = 6
    damping: float = 0.5
    takes: ClassVar[Literal["features"]] = "features"

    def __post_init__(self) -> None:
        if not self.lowest <= self.centre <= self.highest:
            raise InputError(f"centre is {self.centre}, expected from {self.lowest} to {self.highest}")
        if self.prior < 0 or not 0 < self.damping <= 1:
            raise InputError(
                f"prior is {self.prior} and damping {self.damping}, expected at least 0, and above 0 to 1"
            )

    @property
    def name(self) -> str:
        """``head``, with whatever differs from the default."""
        default = Head()
        given = [f"{k}={v}" for k, v in vars(self).items() if v != getattr(default, k)]
        return f"head({', '.join(given)})" if given else "head"

    def fit(
        self,
        x: Inputs,
        targets: NDArray[np.floating],
        weights: NDArray[np.floating] | None = None,
        *,
        previous: Fitted | None = None,
    ) -> HeadFitted:
        """Train; see `jurybox.classifiers.base.Classifier.fit`.

        Raises
        ------
        InputError
            As there, and if ``x`` is not a table of finite numbers.
        """
        features = _check_features(x)
        t, s = check_targets(len(features), targets, weights)
        problem = _Problem.of(features, t, s)
        if self.strength is not None or t.shape[1] == 1:
            return problem.solve(self.centre if self.strength is None else self.strength)
        before = previous.log2_strength if isinstance(previous, HeadFitted) else None
        best = self._search(problem, self.centre if before is None else before)
        return problem.solve(best if before is None else before + self.damping * (best - before))

    def _search(self, problem: _Problem, start: float) -> float:
        """Descend over whole powers of two from the one nearest to start."""
        losses: dict[int, float] = {}

        def loss(octave: int) -> float:
            if octave not in losses:
                fitted = problem.solve(octave)
                losses[octave] = problem.loss(fitted) + self.prior * (octave - self.centre) ** 2
            return losses[octave]

        best = int(np.clip(round(start), self.lowest, self.highest))
        for step in (1, -1):
            while self.lowest <= best + step <= self.highest and loss(best + step) < loss(best):
                best += step
        return float(best)


@dataclass(frozen=True, eq=False)
class HeadFitted:
    """A trained head.

    Attributes
    ----------
    out_of_sample : ndarray, shape (N, K)
        ALO probabilities of the training rows.
    coefficients : ndarray, shape (D, K)
        Weights of the features; each row sums to 0.
    offsets : ndarray, shape (K,)
        Offsets of the classes.
    log2_strength : float
        The L2 strength used.
    """

    out_of_sample: Floats
    coefficients: Floats
    offsets: Floats
    log2_strength: float

    def __post_init__(self) -> None:
        for array in (self.out_of_sample, self.coefficients, self.offsets):
            freeze(array)

    def predict_proba(self, x: Inputs) -> Floats:
        """Class probabilities of new rows, shape (n, K).

        Raises
        ------
        InputError
            If ``x`` has another number of columns than the training rows.
        """
        features = _check_features(x)
        if features.shape[1] != len(self.coefficients):
            raise InputError(
                f"x has {features.shape[1]} columns, expected {len(self.coefficients)}, "
                "as the training rows had"
            )
        dtype = np.result_type(features.dtype, np.float32)
        logits = features @ self.coefficients.astype(dtype)
        p = np.empty(logits.shape)
        for part in blocks(len(p)):
            p[part] = softmax(logits[part].astype(np.float64) + self.offsets, axis=1)
        return p


@dataclass(frozen=True, eq=False)
class _Problem:
    """The data of one fit, rotated into the row space where that is smaller, and the last solution.

    Directions that no training row has get no weight under an L2 penalty, so leaving them out is exact.
    """

    rows: Floats  # (N, R + 1): coordinates, and a column of ones
    basis: Floats | None  # (D, R): columns of the row space, None where the coordinates are the features
    mean: Floats  # (D,)
    unit: float
    targets: Floats
    weights: Floats
    contrasts: Floats  # Q
    start: list[Floats] = field(default_factory=list)

    @classmethod
    def of(cls, features: NDArray[np.floating], targets: Floats, weights: Floats) -> _Problem:
        mean = np.average(features, axis=0, weights=weights).astype(np.float64)
        rows: Floats = np.asarray(features - mean, dtype=np.float64)
        basis: Floats | None = None
        if rows.shape[0] < rows.shape[1]:
            q, triangle = qr(rows.T, mode="economic", check_finite=False)
            rows, basis = np.asarray(triangle.T, dtype=np.float64), np.asarray(q, dtype=np.float64)
        unit = float(np.average((rows**2).sum(axis=1), weights=weights)) or 1.0
        contrasts = helmert(targets.shape[1]).T if targets.shape[1] > 1 else np.zeros((1, 0))
        rows = np.hstack([rows, np.ones((len(rows), 1))])
        return cls(rows, basis, mean, unit, targets, weights, contrasts)

    def loss(self, fitted: HeadFitted) -> float:
        """Mean cross-entropy of the out-of-sample probabilities."""
        log = np.log(np.maximum(fitted.out_of_sample, _TINY))
        return float(-(self.weights[:, None] * self.targets * log).sum() / self.weights.sum())

    def solve(self, log2_strength: float) -> HeadFitted:
        """Newton's method from the last solution, then ALO."""
        penalty = np.full(self.rows.shape[1], self.unit * 2.0**log2_strength)
        penalty[-1] = _OFFSET_PENALTY
        w = self.start[-1] if self.start else np.zeros((len(penalty), self.contrasts.shape[1]))
        u = self.rows @ w
        loss = self._objective(w, u, penalty)
        measured = curvatures(self.rows, self.weights, self.contrasts, penalty)
        curvature = measured(u)
        for _ in range(_MAX_STEPS):
            gradient = self.rows.T @ self._residual(u) @ self.contrasts + penalty[:, None] * w
            step = curvature.solve(gradient)
            decrement = float((gradient * step).sum())
            if decrement <= _TOLERANCE * self.weights.sum():
                break
            w, u, loss = self._descend(w, u, loss, step, decrement, penalty)
            curvature = measured(u)
        self.start[:] = [w]
        return self._finish(w, curvature.left_out(self._residual(u)), log2_strength)

    def _descend(
        self, w: Floats, u: Floats, loss: float, step: Floats, decrement: float, penalty: Floats
    ) -> tuple[Floats, Floats, float]:
        """Halve the step until it lowers the objective enough (Armijo)."""
        du, size = self.rows @ step, 1.0
        while True:
            trial = w - size * step, u - size * du
            new = self._objective(*trial, penalty)
            if new <= loss - 1e-4 * size * decrement or size < 1e-6:
                return *trial, new
            size /= 2

    def _objective(self, w: Floats, u: Floats, penalty: Floats) -> float:
        log_p = log_softmax(u @ self.contrasts.T, axis=1)
        return float(
            -(self.weights[:, None] * self.targets * log_p).sum() + (penalty[:, None] * w**2).sum() / 2
        )

    def _residual(self, u: Floats) -> Floats:
        """Gradient of each row's loss in its classes' logits: s_i (p_i - t_i), shape (N, K)."""
        return np.asarray(self.weights[:, None] * (softmax(u @ self.contrasts.T, axis=1) - self.targets))

    def _finish(self, w: Floats, left_out: Floats, log2_strength: float) -> HeadFitted:
        weights = w[:-1] if self.basis is None else self.basis @ w[:-1]
        coefficients = weights @ self.contrasts.T
        return HeadFitted(
            out_of_sample=softmax(left_out, axis=1),
            coefficients=coefficients,
            offsets=w[-1] @ self.contrasts.T - self.mean @ coefficients,
            log2_strength=float(log2_strength),
        )


def _check_features(x: Inputs) -> NDArray[np.floating]:
    features = np.asarray(x)
    if features.ndim != 2 or not np.issubdtype(features.dtype, np.number):
        raise InputError(
            f"x has shape {features.shape} and type {features.dtype}, expected features of shape (n, D); "
            "texts go through an encoder first"
        )
    if not np.issubdtype(features.dtype, np.floating):
        features = features.astype(np.float64)
    if not np.isfinite(features.sum(dtype=np.float64)):
        raise InputError("x has a value that is not finite, expected finite numbers")
    return features
