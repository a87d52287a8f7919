"""Inverses, norms and spectral radii of ball matrices: they hold for every matrix inside."""

from __future__ import annotations

import numpy as np
from flint import arb, arb_mat

from varnum.balls.array import BallArray, wrap
from varnum.balls.convert import filled


def _matrix(A: BallArray) -> arb_mat:
    if A.ndim != 2:
        raise ValueError(f"expected a matrix, got shape {A.shape}")
    rows, columns = A.shape
    return arb_mat(rows, columns, A.entries())


def inverse(A: BallArray) -> BallArray | None:
    """Encloses the inverse of every matrix in A (n, n); None where one may be singular."""
    try:
        found = _matrix(A).inv()
    except ZeroDivisionError:
        return None
    entries = found.entries()
    return wrap(filled(entries, A.shape)) if all(x.is_finite() for x in entries) else None


def spectral_radius(A: BallArray, squarings: int = 24) -> tuple[arb, arb]:
    """(low, high) with low <= rho(M) <= high for every matrix M inside A (n, n), about 1.

    From powers k = 1, 2, 4, ..: |trace M^k| <= n rho^k and rho^k <= ||M^k||. It stops where low > 1
    or high < 1; until then each squaring brings them closer. Infinity where nothing is known.
    """
    power, n = _matrix(A), A.shape[0]
    low, high = arb(0), arb.pos_inf()
    for k in range(squarings + 1):
        entries = power.tolist()
        trace, norm = abs(power.trace()), arb(0)
        for row in entries:
            norm = norm.max(sum((abs(x) for x in row), arb(0)))
        if not (trace.is_finite() and norm.is_finite()):
            break
        least = (trace.lower() / n).lower()
        if least > 0:
            low = low.max(least.root(2**k).lower())
        top = norm.upper().root(2**k).upper()  # of the number: a wide ball may reach below 0
        high = top if k == 0 else high.min(top)
        if low > 1 or high < 1:
            break
        power = power * power
    return low, high


def certainly_positive_definite(A: BallArray) -> bool:
    """True only if every symmetric matrix inside A (n, n) is positive definite.

    The pivots of A = L D L^T, from the lower triangle, in balls; False says nothing.
    """
    n = A.shape[0]
    rows = [[A[i, j].item() for j in range(i + 1)] for i in range(n)]
    pivots: list[arb] = []
    for j in range(n):
        scaled = [rows[j][k] * pivots[k] for k in range(j)]
        pivot = rows[j][j] - _dot(rows[j][:j], scaled)
        if not pivot > 0:
            return False
        pivots.append(pivot)
        for i in range(j + 1, n):
            rows[i][j] = (rows[i][j] - _dot(rows[i][:j], scaled)) / pivot
    return True


def _dot(a: list[arb], b: list[arb]) -> arb:
    total = arb(0)
    for x, y in zip(a, b, strict=True):
        total += x * y
    return total


def norm_at_most(A: BallArray, bound: arb | float) -> bool:
    """True only if ||M||_2 <= bound for every matrix M inside A (m, n)."""
    small = A if A.shape[0] >= A.shape[1] else A.T
    gram = small.T @ small
    return certainly_positive_definite(BallArray(np.eye(gram.shape[0])) * (bound * bound) - gram)


def spectral_norm(A: BallArray, estimate: float, steps: int = 12) -> arb | None:
    """A number not below ||M||_2 for every M in A, near `estimate`; None if none is verified."""
    slack = 2.0**-40
    for _ in range(steps):
        bound = arb(estimate) * (1 + arb(slack)) + arb(2.0**-1000)
        if norm_at_most(A, bound):
            return bound.upper()
        slack *= 8
    return None
