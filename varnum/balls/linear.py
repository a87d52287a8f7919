"""Exact linear algebra over the integers: Gram matrices and normal equations."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from flint import fmpz_mat

Rows = Sequence[Sequence[int]]


def gram(rows: Rows) -> list[list[int]]:
    """X^T X, exact, for whole rows X (N, T), N >= 1."""
    X = fmpz_mat([list(row) for row in rows])
    return [[int(entry) for entry in row] for row in (X.transpose() * X).tolist()]


def solve(G: Rows, b: Sequence[int]) -> list[Fraction]:
    """Some rational w with G w = b, exact; free coordinates are 0.

    G (n, n) may be singular, as a Gram matrix of dependent columns is. ArithmeticError where no w
    solves it.

    >>> solve([[2, 1], [1, 1]], [3, 2]), solve([[1, 1], [1, 1]], [2, 2])
    ([Fraction(1, 1), Fraction(1, 1)], [Fraction(2, 1), Fraction(0, 1)])
    """
    n = len(b)
    if n == 0:
        return []
    reduced, denominator, rank = fmpz_mat(
        [[*row, right] for row, right in zip(G, b, strict=True)]
    ).rref()
    w, scale = [Fraction(0)] * n, int(denominator)
    for i in range(int(rank)):
        pivot = next(j for j in range(n + 1) if reduced[i, j] != 0)
        if pivot == n:
            raise ArithmeticError("the equations contradict each other")
        w[pivot] = Fraction(int(reduced[i, n]), scale)
    return w
