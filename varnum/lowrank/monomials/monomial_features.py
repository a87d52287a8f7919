"""All monomials up to a degree, feature-major, each row one product of earlier rows.

Level m holds, for j = 0 .. d-1, x_j times the rows of level m-1 that use coordinates 0, .., j only.
Those rows come first, so every step multiplies one coordinate into a contiguous block, and the
monomials of the first d' coordinates are a prefix of each level.
Claim monomial-rank: sum over all monomials of C(d+g, g) features gives any polynomial of q.k.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import comb, factorial

import numpy as np

from varnum.tensor import Array, Tensor


def level_size(d: int, m: int) -> int:
    """Monomials of degree exactly m in d coordinates."""
    return comb(d + m - 1, m)


def feature_count(d: int, g: int) -> int:
    """C(d+g, g): monomials of degree at most g in d coordinates."""
    return comb(d + g, g)


@cache
def exponents(d: int, g: int) -> tuple[tuple[int, ...], ...]:
    """Exponent vectors in the order of `fill_monomials`."""
    levels = [[(0,) * d]]
    for m in range(1, g + 1):
        level = []
        for j in range(d):
            for row in levels[-1][: level_size(j + 1, m - 1)]:
                level.append((*row[:j], row[j] + 1, *row[j + 1 :]))
        levels.append(level)
    return tuple(row for level in levels for row in level)


@cache
def multinomials(d: int, g: int) -> tuple[int, ...]:
    """|alpha|!/alpha! per feature: x.y to the power m is the sum over its level of these."""
    counts = []
    for alpha in exponents(d, g):
        count = factorial(sum(alpha))
        for power in alpha:
            count //= factorial(power)
        counts.append(count)
    return tuple(counts)


def fill_monomials(d: int, g: int, out: Tensor, multiply: Callable[..., object]) -> Tensor:
    """Fill the levels 2 .. g of out (C(d+g,g), n); row 0 (ones) and rows 1 .. d (x) are there.

    `multiply` is numpy.multiply or torch.multiply. A degree-m monomial costs m-1 roundings.
    """
    x = out[1 : 1 + d]
    before, position = 1, 1 + d
    for m in range(2, g + 1):
        start = position
        for j in range(d):
            rows = level_size(j + 1, m - 1)
            multiply(x[j : j + 1], out[before : before + rows], out=out[position : position + rows])
            position += rows
        before = start
    return out


def monomials(x: Array, g: int) -> Array:
    """All monomials of x (d, n) up to degree g, (C(d+g, g), n)."""
    out = np.ones((feature_count(len(x), g), x.shape[1]), dtype=x.dtype)
    out[1 : 1 + len(x)] = x[: len(out) - 1]
    return np.asarray(fill_monomials(len(x), g, out, np.multiply))
