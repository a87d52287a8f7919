"""How small the rank could be: a proved lower bound, and the singular-value reference.

rank-lower: a matrix of rank r within entrywise relative error eps of A satisfies, for every
positive row and column scaling, tail_F(r)(D1 A D2) <= eps |D1 A D2|_F (Mirsky). It excludes one
global factorisation of smaller rank, not block, sparse-plus-low-rank or output-only methods.
rank-reference: the least k at which the truncated SVD of D^-1 A is entrywise within eps; an
estimate of the optimum, not a bound. Proofs: proofs/rank-lower.md, proofs/rank-reference.md.
"""

from __future__ import annotations

import numpy as np

from varnum.errors import InputError
from varnum.floats.guard import certified
from varnum.floats.inputs import positive, tokens, tolerance
from varnum.floats.norms import frobenius, row_norms
from varnum.floats.rounding import UNIT, exp_relative, expm1_up, gamma, up
from varnum.tensor import Array

_U = UNIT["float64"]
MOST_TOKENS = 1024  # of each side; a submatrix bounds the rank of the whole from below


@certified
def certify_rank_lower(
    q: Array, k: Array, sigma: float, eps: float, rounds: int = 6, most: int = MOST_TOKENS
) -> int:
    """A proved lower bound of the rank of any matrix within relative error `eps` of exp(q.k/sigma).

    q (L_q, d), k (L_k, d), widened to float64; uses up to `most` of each. The approximation may
    carry a factor per row: scaling rows does not change a rank. Raises InputError for what is not
    finite or out of place.
    """
    q, k = _pair(q, k, most)
    sigma, eps = positive(sigma, "sigma"), tolerance(eps)
    scaled, error = _scaled_kernel(q, k, sigma)
    best = 1
    if not np.isfinite(error):
        return best
    rows, columns = np.ones(len(q)), np.ones(len(k))
    for _ in range(rounds):
        matrix = scaled * rows[:, None] * columns[None, :]
        try:
            left, values, right = np.linalg.svd(matrix, full_matrices=False)
        except np.linalg.LinAlgError:  # no convergence: what is proved so far stands
            return best
        best = max(best, _excluded(matrix, left, values, right, error, eps))
        tail = (left[:, best:] * values[best:]) @ right[best:]
        rows = rows * (np.sqrt((tail**2).sum(1)) + 1e-300) ** 0.5
        columns = columns * (np.sqrt((tail**2).sum(0)) + 1e-300) ** 0.5
        rows, columns = rows / rows.max() + 1e-6, columns / columns.max() + 1e-6
    return best


def _scaled_kernel(q: Array, k: Array, sigma: float) -> tuple[Array, float]:
    """D^-1 A with rows scaled to sqrt(max min) = 1, and a bound on its entrywise relative error."""
    logits = q @ k.T / sigma
    middle = 0.5 * (logits.max(1, keepdims=True) + logits.min(1, keepdims=True))
    with np.errstate(over="ignore", under="ignore"):
        scaled = np.exp(logits - middle)
    within = scaled.min() > 1e-140 and scaled.max() < 1e140  # so that squares and sums fit
    far = float(row_norms(q).max()) * float(row_norms(k).max()) / sigma
    relative = expm1_up(gamma(q.shape[1] + 8) * far) + 2 * exp_relative(_U)
    return scaled, up(relative) if within else float("inf")


def _excluded(
    matrix: Array, left: Array, values: Array, right: Array, relative: float, eps: float
) -> int:
    """The least rank not excluded: every smaller r has tail_F(r) > eps |B|_F for certain.

    B differs from U S V^T by at most `gap`; the singular values of U S V^T are at least
    s_i (1 - defect of U)^(1/2) (1 - defect of V)^(1/2) (Ostrowski).
    """
    size, n = len(values), max(matrix.shape)
    defect_u = frobenius(left.T @ left - np.eye(size)) + 2 * size * gamma(n + 4)
    defect_v = frobenius(right @ right.T - np.eye(size)) + 2 * size * gamma(n + 4)
    whole = up(frobenius(matrix) / max(1 - relative, 1e-300))
    product = (left * values) @ right
    rounding = gamma(size + 4) * frobenius(left) * frobenius(right) * float(values[0])
    gap = up(frobenius(matrix - product) + rounding + (relative + 4 * _U) * whole)
    shrink = np.sqrt(max(1 - defect_u, 0.0) * max(1 - defect_v, 0.0)) * (1 - 8 * _U)
    squares = np.cumsum(values[::-1] ** 2)[::-1]
    tails = np.sqrt(squares) * shrink * (1 - (size + 8) * 2 * _U) - gap
    excluded = tails > eps * whole * (1 + 8 * _U)
    return int(np.argmin(excluded)) if not excluded.all() else size


@certified
def estimate_rank_reference(
    q: Array, k: Array, sigma: float, eps: float, most: int = MOST_TOKENS
) -> int:
    """Least k whose truncated SVD of D^-1 A is entrywise within eps; up to `most` tokens.

    All of them where D^-1 A leaves the range of float64, or its SVD does not converge.
    """
    sigma, eps = positive(sigma, "sigma"), tolerance(eps)
    scaled, error = _scaled_kernel(*_pair(q, k, most), sigma)
    if not np.isfinite(error):
        return min(len(scaled), len(scaled[0]))
    try:
        left, values, right = np.linalg.svd(scaled, full_matrices=False)
    except np.linalg.LinAlgError:
        return min(len(scaled), len(scaled[0]))
    remaining = scaled.copy()
    for rank in range(1, len(values) + 1):
        remaining -= values[rank - 1] * np.outer(left[:, rank - 1], right[rank - 1])
        if float(np.max(np.abs(remaining) / scaled)) <= eps:
            return rank
    return len(values)


def _pair(q: Array, k: Array, most: int) -> tuple[Array, Array]:
    """At most `most` tokens of each side, in float64."""
    if most < 1:
        raise InputError(f"most: {most} is not allowed; at least 1 token")
    wide_q = tokens(q, "q")
    wide_k = tokens(k, "k", wide_q.shape[1])
    return _spread(wide_q, most), _spread(wide_k, most)


def _spread(side: Array, most: int) -> Array:
    step = -(-len(side) // most)
    return side[::step]
