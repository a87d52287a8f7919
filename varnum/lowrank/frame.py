"""Coordinates in which the logits are small: centre the keys and queries, balance, bound the rest.

Softmax ignores a factor per row and lets a factor per column move into the values, so with any
fixed q0, k0 and matrices A, B with A B^T close to I/sigma

    q.k/sigma = x.y + (row term) + (q0.(k - k0))/sigma + zeta,   x = (q - q0) A,  y = (k - k0) B,

where x and y are *defined* as the computed float64 numbers and |zeta| is bounded here
(claim data-interval, proofs/data-interval.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from varnum.floats.norms import frobenius, row_norms
from varnum.floats.rounding import UNIT, gamma, up
from varnum.tensor import Array

_U = UNIT["float64"]


@dataclass(frozen=True)
class Frame:
    """Fixed vectors q0, k0 (d,) and maps A, B (d, d) with A B^T close to I/sigma, all float64."""

    q0: Array
    k0: Array
    a: Array
    b: Array
    sigma: float  # within two ulps of the exact sigma

    def queries(self, q: Array) -> Array:
        """(L, d) -> (L, d), the floats that define x."""
        return np.asarray((q - self.q0) @ self.a)

    def keys(self, k: Array) -> Array:
        """(L, d) -> (L, d), the floats that define y."""
        return np.asarray((k - self.k0) @ self.b)

    def column_terms(self, k: Array) -> Array:
        """q0.(k_j - k0)/sigma for each key, (L,)."""
        return np.asarray((k - self.k0) @ (self.q0 / self.sigma))


def fit_frame(q: Array, k: Array, sigma: float, *, centre: bool = True) -> Frame:
    """Centre at the means and balance: A = S/sqrt(sigma), B = S^-1/sqrt(sigma).

    The positive definite S solves S Cq S = S^-1 Ck S^-1 for the covariances, so queries and keys
    look alike. Any result is valid; only the quality depends on it.
    """
    d = q.shape[1]
    q0 = q.mean(0) if centre else np.zeros(d)
    k0 = k.mean(0) if centre else np.zeros(d)
    root = 1 / np.sqrt(sigma)
    with np.errstate(all="ignore"):
        scale = _balance((q - q0).T @ (q - q0) / len(q), (k - k0).T @ (k - k0) / len(k))
        inverse = np.linalg.inv(scale) if np.isfinite(scale).all() else scale
    if not np.isfinite(inverse).all() or np.linalg.cond(scale) > 1e6:
        scale = inverse = np.eye(d)
    return Frame(q0, k0, scale * root, inverse.T * root, sigma)


def _balance(cq: Array, ck: Array) -> Array:
    d = len(cq)
    if not (np.isfinite(cq).all() and np.isfinite(ck).all() and cq.any() and ck.any()):
        return np.eye(d)
    cq = cq + np.eye(d) * (1e-6 * np.trace(cq) / d)
    ck = ck + np.eye(d) * (1e-6 * np.trace(ck) / d)
    half = _power(cq, 0.5)
    inverse_half = _power(cq, -0.5)
    return _power(inverse_half @ _power(half @ ck @ half, 0.5) @ inverse_half, 0.5)


def _power(matrix: Array, exponent: float) -> Array:
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    floor = max(float(values.max()) * 1e-15, 1e-300)
    return np.asarray((vectors * np.maximum(values, floor) ** exponent) @ vectors.T)


def bound_logit_residual(frame: Frame, q: Array, k: Array, x: Array, y: Array) -> float:
    """zeta with |(q-q0).(k-k0)/sigma - x.y| <= zeta for all pairs, rounding included.

    Also covers the rounding of the column terms q0.(k-k0)/sigma.
    """
    d = q.shape[1]
    norm_q = float(row_norms(q - frame.q0).max()) * (1 + 4 * _U)
    norm_k = float(row_norms(k - frame.k0).max()) * (1 + 4 * _U)
    norm_a, norm_b = frobenius(frame.a), frobenius(frame.b)
    identity = np.eye(d) / frame.sigma
    defect = frobenius(frame.a @ frame.b.T - identity)
    defect += gamma(d + 4) * (norm_a * norm_b + 4 * np.sqrt(d) / frame.sigma)
    error_x = gamma(d + 4) * norm_q * norm_a
    error_y = gamma(d + 4) * norm_k * norm_b
    far_x, far_y = float(row_norms(x).max()), float(row_norms(y).max())
    column = gamma(d + 8) * float(row_norms(frame.q0[None])[0]) * norm_k / frame.sigma
    return up(
        norm_q * norm_k * defect + error_x * far_y + (far_x + error_x) * error_y + 2 * column, 40
    )


def key_weights(frame: Frame, k: Array, y: Array, *, squares: bool) -> tuple[Array, float]:
    """exp of the column terms (plus |y|^2/2 if `squares`), (L,), largest 1; the exponents' slip.

    The slip is infinite where the smallest weight would underflow: then nothing relative holds.
    """
    exponent = frame.column_terms(k)
    slip = 0.0
    if squares:
        exponent = exponent + 0.5 * np.sum(np.square(y), axis=1)
        slip = gamma(k.shape[1] + 4) * float(row_norms(y).max()) ** 2
    exponent = exponent - exponent.max()
    lowest = float(-exponent.min())
    if not lowest < 700:
        return np.exp(np.maximum(exponent, -700.0)), float("inf")
    return np.exp(exponent), up(slip + 4 * _U * (lowest + 1))


def max_envelope(u: Array, r: Array, w: Array, s: Array, buckets: int = 64) -> float:
    """Not below max_ij u_i w_j exp(r_i s_j) for non-negative u, r (L_q,), w, s (L_k,).

    Sorts r and s into buckets and takes each bucket's largest u, r: O(L log L) instead of O(L^2).
    """
    top_u, top_r = _bucket_tops(u, r, buckets)
    top_w, top_s = _bucket_tops(w, s, buckets)
    with np.errstate(over="ignore", invalid="ignore"):
        table = top_u[:, None] * top_w[None, :] * np.exp(top_r[:, None] * top_s[None, :])
    best = float(table.max())
    return (
        float("inf")
        if np.isnan(best)
        else up(best) * (1 + float(top_r.max() * top_s.max()) * 4 * _U)
    )


def _bucket_tops(u: Array, r: Array, buckets: int) -> tuple[Array, Array]:
    order = np.argsort(r)
    starts = np.unique(np.linspace(0, len(r), buckets, endpoint=False).astype(int))
    return np.maximum.reduceat(u[order], starts), np.maximum.reduceat(r[order], starts)
