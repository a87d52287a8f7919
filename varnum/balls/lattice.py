"""Lattice reduction of integer vectors (LLL); flint does it."""

from __future__ import annotations

from collections.abc import Sequence

from flint import fmpz_mat


def reduced(vectors: Sequence[Sequence[int]]) -> list[list[int]]:
    """Unimodular U, shape (k, k), such that the rows of U V are an LLL-reduced basis; V is (k, n).

    >>> reduced([[1, 2], [3, 4]])
    [[-2, 1], [3, -1]]
    """
    _, transform = fmpz_mat([list(v) for v in vectors]).lll(True)
    return [[int(x) for x in row] for row in transform.tolist()]
