"""Kernel pivots: features whose residual is positive semidefinite, so its diagonal bounds it.

For points P and *any* float matrix G with G^T k(P,P) G <= I, the features f(x) = G^T k(P, x) leave
a positive semidefinite residual k(x,y) - f(x).f(y), hence |residual_ij| <= sqrt(R_ii R_jj) with
R_ii = 1 - |f(x_i)|^2. Here k(x, y) = exp(-|x-y|^2/2), which is exp(x.y) up to a factor per row and
per column. Nothing trusts a floating Cholesky: the r x r condition is verified with its rounding.

Claim kernel-residual, proofs/kernel-residual.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from varnum.floats.guard import certified
from varnum.floats.norms import frobenius, row_norms
from varnum.floats.rounding import TINY, UNIT, exp_relative, expm1_up, gamma, up
from varnum.tensor import Array
from varnum.verdict import Unknown

_U = UNIT["float64"]
_MORE = 1e-12  # scaled down this much more than needed, so that rounding cannot undo it


def gaussian(x: Array, points: Array) -> Array:
    """exp(-|x - p|^2/2) in float64, (L, d), (p, d) -> (L, p); see `gaussian_error`."""
    half_x = 0.5 * np.sum(np.square(x), axis=1)
    half_p = 0.5 * np.sum(np.square(points), axis=1)
    return np.asarray(np.exp(np.minimum(x @ points.T - half_x[:, None] - half_p[None, :], 0.0)))


def gaussian_error(far_x: float, far_p: float, d: int) -> float:
    """t with |computed - exact| <= t * computed + tiny for norms up to far_x, far_p.

    The exponent's rounding is at most gamma_{d+4} (|x| + |p|)^2; clipping at 0 only helps.
    """
    exponent = gamma(d + 4) * (far_x + far_p) ** 2
    relative = up(expm1_up(exponent) + exp_relative(_U) * (1 + expm1_up(exponent)))
    return float("inf") if relative >= 0.5 else up(relative / (1 - relative))


@dataclass(frozen=True)
class PivotMap:
    """f(x) = G^T k(P, x): points (p, d), matrix G (p, m), certified G^T k(P,P) G <= I."""

    points: Array
    matrix: Array

    def features(self, x: Array) -> Array:
        """(L, d) -> (L, m) as computed in float64."""
        return np.asarray(gaussian(x, self.points) @ self.matrix)

    def feature_error(self, far_x: float) -> float:
        """Not below the Euclidean error of `features` for tokens of norm up to far_x."""
        p, d = self.points.shape
        relative = gaussian_error(far_x, float(row_norms(self.points).max()), d)
        size = np.sqrt(p) * frobenius(self.matrix)  # |k(P,x)| <= sqrt(p), every entry at most 1
        return up((gamma(p + 2) + 2 * relative) * size * 1.01 + p * size * TINY["float64"])

    def residual(self, features: Array, error: float) -> Array:
        """Not below R_xx = 1 - |f(x)|^2 for each row of computed `features`, (L, m) -> (L,)."""
        m = features.shape[1]
        square = np.sum(np.square(features), axis=1)
        return np.asarray(
            np.maximum(1 - square + (gamma(m + 4) * 2 + (2 + error) * error + 8 * _U), 0.0)
        )


def contraction_bound(matrix: Array, points: Array) -> float:
    """Not below the spectral norm of G^T k(P,P) G for the exact k: largest row sum, rounding."""
    p, d = points.shape
    if not (np.isfinite(matrix).all() and np.isfinite(points).all()):
        return float("inf")
    far = float(row_norms(points).max())
    gram = gaussian(points, points)
    product = matrix.T @ (gram @ matrix)
    absolute = np.abs(matrix).T @ (gram @ np.abs(matrix))
    relative = gaussian_error(far, far, d) + gamma(2 * p + 4)
    tiny = TINY["float64"] * float(np.abs(matrix).sum()) ** 2
    rows = np.sum(np.abs(product), axis=1) + 1.01 * relative * np.sum(absolute, axis=1) + tiny
    return up(float(rows.max()), 2 * p + 8)


@certified
def certify_contraction(matrix: Array, points: Array) -> PivotMap | Unknown:
    """Scale G until G^T k(P,P) G <= I is proved; Unknown where rounding makes that impossible."""
    for _ in range(4):
        bound = contraction_bound(matrix, points)
        if bound <= 1:
            return PivotMap(points, matrix)
        if not bound < 1.5:
            break
        matrix = matrix / np.sqrt(bound * (1 + _MORE))
    return Unknown(f"rounding leaves G^T k(P,P) G <= {bound:.3g} at {len(points)} pivots")


def choose_pivots(tokens: Array, tolerance: float, most: int) -> Array:
    """Greedy pivots: the token whose residual of exp(x.y) is largest, until all are small.

    tokens (L, d) -> indices (p,). Costs O(L (d + p) p). Only a choice: nothing rests on it.
    """
    square = np.sum(np.square(tokens), axis=1)
    weight = np.exp(np.minimum(square, 600.0))
    residual = np.ones(len(tokens))
    columns = np.zeros((most, len(tokens)))
    chosen: list[int] = []
    for step in range(most):
        pick = int(np.argmax(residual * weight))
        if residual[pick] * weight[pick] <= tolerance or residual[pick] <= 1e-13:
            break
        column = gaussian(tokens, tokens[pick : pick + 1])[:, 0]
        column -= columns[:step, pick] @ columns[:step]
        columns[step] = column / np.sqrt(residual[pick])
        residual = np.maximum(residual - columns[step] ** 2, 0.0)
        residual[pick] = 0.0
        chosen.append(pick)
    return np.asarray(chosen, dtype=int)


def fit_pivot_map(tokens: Array, tolerance: float, most: int) -> PivotMap | Unknown:
    """Choose pivots among `tokens` (L, d) and certify their map, or say why there is none."""
    chosen = choose_pivots(tokens, tolerance, most)
    while len(chosen):
        points = tokens[chosen]
        try:
            factor = np.linalg.cholesky(gaussian(points, points))
            found = certify_contraction(np.linalg.inv(factor).T, points)
        except np.linalg.LinAlgError:
            found = Unknown("no Cholesky factor")
        if isinstance(found, PivotMap):
            return found
        chosen = chosen[: len(chosen) * 3 // 4]  # the last pivots are the ill-conditioned ones
    return Unknown("no pivot set could be certified in float64")
