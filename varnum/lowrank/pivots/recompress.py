"""Fewer features from many pivots: keep the best r directions, bound the dropped part by norms.

Features f (m of them) of queries and keys are turned by biorthogonal matrices A, B with A B^T = I;
the first r columns are kept, the rest is a product |f_q A_2| |f_k B_2| (Cauchy-Schwarz), known for
each token. A few reweighted singular value decompositions make its maximum small.
Claim kernel-residual, second part (proofs/kernel-residual.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from varnum.floats.guard import certified
from varnum.floats.norms import frobenius, row_norms
from varnum.floats.rounding import UNIT, exp_up, gamma, up
from varnum.lowrank.frame import max_envelope
from varnum.lowrank.pivots.residual import PivotMap
from varnum.tensor import Array
from varnum.verdict import Unknown

_FLOOR = 1e-12  # of weights and of Gram matrices, relative: keeps them invertible, proves nothing
_SQUARE = 1 + 1e-12  # a sum, a product and a square of upper bounds: 5 roundings, 6e-16
_IDENTITY = (
    2.0**-50
)  # I - A B^T rounds m^2 entries of size below 8: at most 8 u m in Frobenius norm


@dataclass(frozen=True)
class Sides:
    """Computed features (L, m) of one side with all that the bound needs of them."""

    features: Array
    residual: Array  # (L,) not below R_xx
    norms: Array  # (L,) not below |x|


@dataclass(frozen=True)
class Turn:
    """Biorthogonal A, B (m, m); the first `rank` columns are kept."""

    a: Array
    b: Array
    rank: int


def side(pivots: PivotMap, x: Array, error: float) -> Sides:
    """Features, residual diagonal and norms of the tokens x (L, d)."""
    features = pivots.features(x)
    return Sides(features, pivots.residual(features, error), row_norms(x))


def fit_turn(queries: Sides, keys: Sides, target: float, rounds: int = 10) -> Turn | Unknown:
    """The smallest rank found whose (unrounded) bound is below `target`, if all m reach it.

    Each round solves a weighted best approximation and then weighs the worst tokens more.
    """
    weight_q, weight_k = np.ones(len(queries.norms)), np.ones(len(keys.norms))
    best: Turn | Unknown = Unknown("all features leave an error above the target")
    for _ in range(rounds):
        a, b = _weighted_turn(queries.features, keys.features, weight_q, weight_k)
        tail_q = np.cumsum(np.square(queries.features @ a)[:, ::-1], axis=1)[:, ::-1]
        tail_k = np.cumsum(np.square(keys.features @ b)[:, ::-1], axis=1)[:, ::-1]
        rank = _least_rank(queries, keys, tail_q, tail_k, target)
        if rank is None:
            return best
        if isinstance(best, Unknown) or rank < best.rank:
            best = Turn(a, b, rank)
        if rank == a.shape[1]:
            return best
        weight_q = weight_q * np.sqrt(tail_q[:, rank] / tail_q[:, rank].max() + _FLOOR)
        weight_k = weight_k * np.sqrt(tail_k[:, rank] / tail_k[:, rank].max() + _FLOOR)
        weight_q, weight_k = weight_q / weight_q.mean(), weight_k / weight_k.mean()
    return best


def _weighted_turn(fq: Array, fk: Array, wq: Array, wk: Array) -> tuple[Array, Array]:
    m = fq.shape[1]
    gram_q, gram_k = (fq * wq[:, None]).T @ fq / len(fq), (fk * wk[:, None]).T @ fk / len(fk)
    lq = np.linalg.cholesky(gram_q + np.eye(m) * (_FLOOR * np.trace(gram_q)))
    lk = np.linalg.cholesky(gram_k + np.eye(m) * (_FLOOR * np.trace(gram_k)))
    left, values, right = np.linalg.svd(lq.T @ lk)
    root = np.sqrt(values)
    return np.linalg.solve(lq.T, left * root), np.linalg.solve(lk.T, right.T * root)


def _least_rank(
    queries: Sides, keys: Sides, tail_q: Array, tail_k: Array, target: float
) -> int | None:
    m = int(tail_q.shape[1])
    nothing_q, nothing_k = np.zeros(len(tail_q)), np.zeros(len(tail_k))

    def bound(rank: int) -> float:
        dropped_q = tail_q[:, rank] if rank < m else nothing_q
        dropped_k = tail_k[:, rank] if rank < m else nothing_k
        return _pair_bound(queries, keys, dropped_q, dropped_k, 0.0)

    if not bound(m) <= target:
        return None
    low, high = 0, m
    while high - low > 1:  # the tail shrinks with the rank, so the bound is monotone
        middle = (low + high) // 2
        low, high = (low, middle) if bound(middle) <= target else (middle, high)
    return high


def _pair_bound(
    queries: Sides, keys: Sides, dropped_q: Array, dropped_k: Array, absolute: float
) -> float:
    """max_ij (sqrt((R_i + a_i^2)(R_j + b_j^2)) + absolute) exp(|x_i - y_j|^2/2), by norms."""
    with np.errstate(over="ignore", invalid="ignore"):
        grow_q, grow_k = np.exp(queries.norms**2 / 2), np.exp(keys.norms**2 / 2)
        first = max_envelope(
            np.sqrt(queries.residual + dropped_q) * grow_q,
            queries.norms,
            np.sqrt(keys.residual + dropped_k) * grow_k,
            keys.norms,
        )
        far_q, far_k = float(queries.norms.max()), float(keys.norms.max())
    exponents = 1 + (far_q + far_k) ** 2 * 8 * UNIT["float64"]  # the rounding inside each exp
    return up(first * exponents + absolute * exp_up((far_q + far_k) ** 2 / 2))


@certified
def certify_relative(
    queries: Sides, keys: Sides, turn: Turn, feature_error: float
) -> tuple[Array, Array, float]:
    """Final features (L, r) of both sides and a bound on the relative error of their products.

    Returns (Phi, Psi, e): for all i, j  |Phi_i.Psi_j / k(x_i, y_j) - 1| <= e, rounding included,
    for the floats returned and the exact k.
    """
    r, m = turn.rank, turn.a.shape[1]
    a1, a2, b1, b2 = turn.a[:, :r], turn.a[:, r:], turn.b[:, :r], turn.b[:, r:]
    phi, psi = queries.features @ a1, keys.features @ b1
    top = 1 + feature_error  # |computed f| <= |f| + error, |f| <= 1
    unit = gamma(m + 2)
    dropped_q = (row_norms(queries.features @ a2) + unit * top * frobenius(a2)) ** 2 * _SQUARE
    dropped_k = (row_norms(keys.features @ b2) + unit * top * frobenius(b2)) ** 2 * _SQUARE
    defect = frobenius(np.eye(m) - turn.a @ turn.b.T)
    defect += unit * frobenius(turn.a) * frobenius(turn.b) + m * _IDENTITY
    slip_q, slip_k = unit * top * frobenius(a1), unit * top * frobenius(b1)
    far_phi, far_psi = float(row_norms(phi).max()), float(row_norms(psi).max())
    absolute = up(
        2 * feature_error * top  # f.f' against the computed features
        + defect * top**2
        + slip_q * far_psi
        + (far_phi + slip_q) * slip_k
    )
    return phi, psi, _pair_bound(queries, keys, dropped_q, dropped_k, absolute)
