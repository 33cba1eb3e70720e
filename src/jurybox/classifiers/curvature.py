"""Curvature of the logistic head's loss: Newton steps, and each row's logits without the row.

Up to 1,600 unknowns the Hessian is factorised whole. Above, steps come of conjugate gradients and the
leverage of classes one by one; see `jurybox.classifiers.head` for the formulas and their source.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.linalg import cho_factor, cho_solve, cholesky, eigh, solve_triangular
from scipy.special import softmax

from jurybox.arrays import Floats

__all__ = ["curvatures"]

_EXACT_SIZE = 1600  # unknowns up to which the whole Hessian is factorised
_STEP_TOLERANCE = 1e-4  # squared, of conjugate gradients
_TINY_PIVOT = 1e-8


def curvatures(
    x: Floats, weights: Floats, contrasts: Floats, penalty: Floats
) -> Callable[[Floats], _Whole | _ByClass]:
    """Return what measures the curvature at logits (N, K-1), of rows (N, R), with a penalty of shape (R,)."""
    if x.shape[1] * contrasts.shape[1] <= _EXACT_SIZE:
        return partial(_Whole, x, weights, contrasts, penalty)
    return partial(_ByClass, x, weights, contrasts, penalty, _Axes.of(x, weights, penalty))


class _Whole:
    """The Hessian at a point, factorised: Newton steps, and what the rows' logits were without them."""

    def __init__(self, x: Floats, weights: Floats, contrasts: Floats, penalty: Floats, u: Floats) -> None:
        self._x, self._u, self._q = x, u, contrasts
        q, self._k, self._r = contrasts, contrasts.shape[1], len(penalty)
        p = softmax(u @ q.T, axis=1)
        pq = p @ q
        moments = np.einsum("nk,ka,kb->nab", p, q, q, optimize=True) - pq[:, :, None] * pq[:, None, :]
        self._of_rows: Floats = weights[:, None, None] * moments  # S, (N, K-1, K-1)
        hessian = np.empty((self._k, self._r, self._k, self._r))
        for a in range(self._k):
            for b in range(a + 1):
                hessian[a, :, b, :] = (self._x * self._of_rows[:, a, b, None]).T @ self._x
                hessian[b, :, a, :] = hessian[a, :, b, :]
            hessian[a, np.arange(self._r), a, np.arange(self._r)] += penalty
        size = self._k * self._r
        self._factor = (
            cho_factor(hessian.reshape(size, size), lower=True, check_finite=False) if size else None
        )

    def solve(self, gradient: Floats) -> Floats:
        """Return the Newton step (R, K-1)."""
        if self._factor is None:
            return gradient
        step = cho_solve(self._factor, gradient.T.ravel(), check_finite=False)
        return np.asarray(step.reshape(self._k, self._r).T)

    def left_out(self, residual: Floats) -> Floats:
        """Return the logits (N, K) that ALO gives the rows, by the gradient of each row's loss in them."""
        q, leverage = self._q, self._leverage()
        shift = (leverage @ (residual @ q)[:, :, None])[:, :, 0]
        shrink = np.eye(self._k) - leverage @ self._of_rows
        moved = np.linalg.solve(shrink, shift[:, :, None])[:, :, 0] if self._k else shift
        return np.asarray((self._u + moved) @ q.T)

    def _leverage(self) -> Floats:
        """Return H, shape (N, K-1, K-1)."""
        leverage = np.zeros((len(self._x), self._k, self._k))
        if self._factor is None:
            return leverage
        if self._k == 1:
            half = solve_triangular(self._factor[0], self._x.T, lower=True, check_finite=False)
            leverage[:, 0, 0] = (half**2).sum(axis=0)
            return leverage
        identity = np.eye(self._k * self._r)
        inverse = cho_solve(self._factor, identity, check_finite=False).reshape(
            self._k, self._r, self._k, self._r
        )
        for a in range(self._k):
            for b in range(a + 1):
                leverage[:, a, b] = leverage[:, b, a] = ((self._x @ inverse[a, :, b, :]) * self._x).sum(
                    axis=1
                )
        return leverage


@dataclass(frozen=True, eq=False)
class _Axes:
    """Axes (R, R) on which the penalty is the identity and the rows' second moments are diagonal (R,)."""

    axes: Floats
    moments: Floats

    @classmethod
    def of(cls, x: Floats, weights: Floats, penalty: Floats) -> _Axes:
        scaled = x / np.sqrt(penalty)
        moments, axes = eigh((scaled * weights[:, None]).T @ scaled, check_finite=False)
        return cls(axes / np.sqrt(penalty)[:, None], np.maximum(moments, 0.0))


class _ByClass:
    """The same for many unknowns, without the Hessian: nothing larger than (N, K) is held.

    Steps come of conjugate gradients, preconditioned as if every class had the same curvature in all rows. In
    ALO the blocks between classes are left out, ``h_ik = x_i' inv(X' C_k X + penalty) x_i`` with ``C_k =
    s p_k (1 - p_k) K / (K - 1)``, which is exact where all classes are equally probable. A row's curvature,
    diagonal but for one direction, is inverted by Sherman and Morrison's formula.
    """

    def __init__(
        self, x: Floats, weights: Floats, contrasts: Floats, penalty: Floats, axes: _Axes, u: Floats
    ) -> None:
        self._x, self._q, self._penalty, self._axes = x, contrasts, penalty, axes
        self._u = u @ contrasts.T
        self._s, self._p = weights[:, None], softmax(self._u, axis=1)
        K = self._p.shape[1]
        self._own: Floats = self._s * self._p * (1 - self._p) * (K / (K - 1))
        mean = self._own.sum(axis=0) / weights.sum()
        self._damping = 1 / (1 + axes.moments[:, None] * mean)  # (R, K)

    def solve(self, gradient: Floats) -> Floats:
        """Return the Newton step (R, K-1), all but exact."""
        return _conjugate_gradients(self._product, self._precondition, gradient)

    def left_out(self, residual: Floats) -> Floats:
        """Return the logits (N, K) that ALO gives the rows, by the gradient of each row's loss in them."""
        s, p, h = self._s, self._p, self._leverage()
        left = 1 - s * h * p  # I - diag(h) S is this diagonal and s (h p) p'
        left[np.abs(left) < _TINY_PIVOT] = _TINY_PIVOT
        moved = h * residual / left
        turned = s * h * p / left
        moved -= turned * ((p * moved).sum(axis=1) / (1 + (p * turned).sum(axis=1)))[:, None]
        return np.asarray(self._u + moved)

    def _leverage(self) -> Floats:
        """Return h, shape (N, K)."""
        x = self._x.astype(np.float32)
        h = np.empty(self._p.shape)
        for k, curvature in enumerate(self._own.T):
            root = x * np.sqrt(curvature, dtype=np.float32)[:, None]
            block = (root.T @ root).astype(np.float64)
            block[np.diag_indices_from(block)] += self._penalty
            factor = cholesky(block, lower=True, check_finite=False).astype(np.float32)
            half = solve_triangular(factor, x.T, lower=True, check_finite=False)
            h[:, k] = np.einsum("rn,rn->n", half, half)
        return h

    def _product(self, v: Floats) -> Floats:
        u = self._x @ (v @ self._q.T)
        turned = self._s * self._p * (u - (self._p * u).sum(axis=1, keepdims=True))
        return np.asarray((self._x.T @ turned) @ self._q + self._penalty[:, None] * v)

    def _precondition(self, v: Floats) -> Floats:
        axes, q = self._axes.axes, self._q
        return np.asarray((axes @ (self._damping * (axes.T @ (v @ q.T)))) @ q)


def _conjugate_gradients(
    product: Callable[[Floats], Floats], precondition: Callable[[Floats], Floats], b: Floats
) -> Floats:
    """Solve a positive definite system, preconditioned, to the precision that a Newton step needs."""
    x, r = np.zeros_like(b), b
    z = precondition(r)
    direction, rz = z, float((r * z).sum())
    goal = rz * _STEP_TOLERANCE
    for _ in range(200):
        if rz <= goal:
            break
        image = product(direction)
        size = rz / float((direction * image).sum())
        x, r = x + size * direction, r - size * image
        z = precondition(r)
        rz, before = float((r * z).sum()), rz
        direction = z + (rz / before) * direction
    return x
