"""Few coordinates that carry the logits, chosen from earlier tokens and then kept fixed.

    chi = fl(A^T (q - q0)),  kappa = fl(B^T (k - k0)),  A B^T close to U U^T / sigma

with U (d, d1) nearly orthonormal. The logit of the computed numbers, chi.kappa, is what the
features see; `slack` and the perpendicular norms bound all that it leaves out
(proofs/moment-certificate.md).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from varnum.floats.arrays import caster, to_numpy
from varnum.floats.guard import certified
from varnum.floats.rounding import TINY, UNIT, dtype_name, gamma, up
from varnum.tensor import Array, Tensor


@dataclass(frozen=True)
class Basis:
    """Maps to d1 coordinates (most important first), centres in them, all in one dtype.

    query_map (d1+2, d) has the rows q0, 0, A^T and key_map (d1+3, d) the rows k0, q0/sigma, 0, B^T;
    the shifts are what to subtract (-1 from the zero row makes the constant feature).
    centres (J, d1): queries near centre c use key weights e^(c.kappa).
    """

    query_map: Tensor
    key_map: Tensor
    query_shift: Tensor  # (d1 + 1, 1)
    key_shift: Tensor  # (d1 + 2, 1)
    query_squares: (
        Tensor  # (3, d1): times chi^2 |U^T (q - q0)|^2, |chi|^2, and that beyond the first d2
    )
    key_squares: Tensor  # (3, d1): the same for keys
    centres: Tensor  # (J, d1)
    norm_q0: float
    norm_k0: float
    sigma: float
    defect: float  # not below the spectral norm of U^T U - I
    top: int  # d2: quadratic features use the first d2 coordinates

    @property
    def size(self) -> int:
        """d1."""
        return int(self.query_shift.shape[0]) - 1

    @property
    def rank(self) -> int:
        """Features per centre: 1 + d1 + d2 (d2 + 1)/2."""
        return 1 + self.size + self.top * (self.top + 1) // 2


@certified  # what overflows ends in an infinite bound
def fit_basis(
    q: Array, k: Array, sigma: float, size: int, top: int, centres: int, like: Tensor
) -> Basis:
    """Choose the coordinates from sample tokens q, k (n, d) float64; `like` sets backend and dtype.

    Any result is valid for any later token; only the quality depends on the sample.
    """
    d = q.shape[1]
    size, top = min(size, d), min(top, size, d)
    q0, k0 = q.mean(0), k.mean(0)
    dq, dk = q - q0, k - k0
    directions = leading_directions(energy(dq) + energy(dk), size)
    root = np.sqrt(sigma)
    deviation = np.sqrt(np.mean(np.square(dk @ directions), axis=0)) / root
    deviation = np.clip(np.maximum(deviation, deviation.max() * 1e-4), 1e-6, 1e6)
    query_map = directions * (deviation / root)
    key_map = directions / (deviation * root)
    zero, ones = np.zeros(d), np.ones(size)
    beyond = ones * (np.arange(size) >= top)
    chosen = spread_centres(dq @ query_map, centres)
    cast = caster(like)
    return Basis(
        query_map=cast(np.vstack([q0, zero, query_map.T])),
        key_map=cast(np.vstack([k0, q0 / sigma, zero, key_map.T])),
        query_shift=cast(np.append(-1.0, q0 @ query_map)[:, None]),
        key_shift=cast(np.concatenate([[k0 @ q0 / sigma, -1.0], k0 @ key_map])[:, None]),
        query_squares=cast(np.vstack([np.square(root / deviation), ones, beyond])),
        key_squares=cast(np.vstack([np.square(root * deviation), ones, beyond])),
        centres=cast(chosen),
        norm_q0=up(float(np.linalg.norm(q0))),
        norm_k0=up(float(np.linalg.norm(k0))),
        sigma=sigma,
        defect=_orthogonality_defect(directions),
        top=top,
    )


def energy(tokens: Array) -> Array:
    """Second moments (d, d), scaled to trace 1."""
    moments = tokens.T @ tokens
    return np.asarray(moments / max(float(np.trace(moments)), 1e-300))


def leading_directions(moments: Array, size: int) -> Array:
    """About the `size` leading eigenvectors (d, size), orthonormal, by subspace iteration.

    Faster than all eigenvectors, and as good here: close eigenvalues carry about the same energy.
    """
    d = len(moments)
    if not np.isfinite(moments).all():
        return np.eye(d)[:, :size]  # valid, if not good
    if 4 * size > d:
        return np.asarray(np.linalg.eigh(moments)[1][:, ::-1][:, :size])
    columns = np.argsort(np.diag(moments))[-2 * size :]
    block = np.linalg.qr(moments @ (moments @ moments[:, columns]))[0]
    inner = np.linalg.eigh(block.T @ moments @ block)[1]
    return np.asarray(block @ inner[:, ::-1][:, :size])


def _orthogonality_defect(directions: Array) -> float:
    d, size = directions.shape
    computed = np.linalg.norm(directions.T @ directions - np.eye(size))
    return up(float(computed) + (gamma(d + 4) + 4 * UNIT["float64"]) * 2 * size)


def spread_centres(points: Array, count: int, rounds: int = 6) -> Array:
    """Centres (count, d1) with small largest distance: farthest first, then box middles."""
    if count == 1:
        return np.zeros((1, points.shape[1]))
    picks = [points[int(np.argmin(np.sum(points**2, axis=1)))]]
    distance = np.full(len(points), np.inf)
    for _ in range(min(count, len(points)) - 1):
        distance = np.minimum(distance, np.sum((points - picks[-1]) ** 2, axis=1))
        picks.append(points[int(np.argmax(distance))])
    found = np.array(picks)
    for _ in range(rounds):
        owner = np.argmax(points @ found.T - 0.5 * np.sum(found**2, axis=1), axis=1)
        order = np.argsort(owner, kind="stable")
        groups, starts = np.unique(owner[order], return_index=True)
        sorted_points = points[order]
        low = np.minimum.reduceat(sorted_points, starts)
        found[groups] = 0.5 * (low + np.maximum.reduceat(sorted_points, starts))
    return found


def slack(basis: Basis, unit: float) -> float:
    """c such that c (|q|+|q0|)(|k|+|k0|)/sigma covers all rounding in a projected logit.

    c (|q|+|q0|)^2 also covers the rounding in a squared perpendicular norm (lemma 4).
    """
    d, size = int(basis.query_map.shape[1]), basis.size
    return up(4 * (np.sqrt(size) + 2) * gamma(d + size + 10, unit) + 4 * basis.defect)


def lost_squares(basis: Basis, unit: float) -> float:
    """What underflow may add to or take from a squared perpendicular norm (lemma 7).

    Infinite where the factors of the squares are not normal numbers.
    """
    tiny = TINY[dtype_name(basis.query_map)]
    rows = [to_numpy(part[0]) for part in (basis.query_squares, basis.key_squares)]
    factors = np.concatenate(rows).astype(np.float64)
    if not (factors.min() >= tiny and factors.max() * tiny < 1):
        return math.inf
    return up(4 * tiny * (int(basis.query_map.shape[1]) + unit * float(factors.sum())))
